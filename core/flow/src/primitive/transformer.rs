//! Transformers of any number of phases and windings.

use gridloom_model::grid::{Connection, Transformer, Winding};

use super::{PrimitiveError, earth_admittance, phase_volts};
use crate::Complex;
use crate::dense::Matrix;

/// Admittance of a transformer; conductors of winding 1, winding 2, ...
pub(crate) fn transformer_admittance(t: &Transformer) -> Result<Matrix, PrimitiveError> {
    let nw = t.windings.len();
    let phases = usize::from(t.phases);
    let base_va = t.windings[0].kva * 1000.0 / phases as f64;
    let volts: Vec<f64> = t
        .windings
        .iter()
        .map(|w| winding_volts(w, phases))
        .collect();
    let y1 = one_volt_admittance(t, base_va)?;
    let offsets: Vec<usize> = t
        .windings
        .iter()
        .scan(0, |at, w| {
            let start = *at;
            *at += w.at.conductors.len();
            Some(start)
        })
        .collect();
    let total = t.windings.iter().map(|w| w.at.conductors.len()).sum();
    let mut y = Matrix::zeros(total);
    let direction = delta_direction(t);
    for phase in 0..phases {
        for a in 0..nw {
            let na = 1.0 / (volts[a] * t.windings[a].tap_pu);
            let ends_a = winding_ends(&t.windings[a], phase, phases, direction);
            for b in 0..nw {
                let nb = 1.0 / (volts[b] * t.windings[b].tap_pu);
                let ends_b = winding_ends(&t.windings[b], phase, phases, direction);
                let value = y1.at(a, b).scale(na * nb);
                let (ap, am) = (offsets[a] + ends_a.0, offsets[a] + ends_a.1);
                let (bp, bm) = (offsets[b] + ends_b.0, offsets[b] + ends_b.1);
                y.add(ap, bp, value);
                y.add(ap, bm, -value);
                y.add(am, bp, -value);
                y.add(am, bm, value);
            }
            let ppm = Complex::new(
                0.0,
                -t.antifloat_ppm * 1e-6 / (volts[a] * volts[a] / base_va) / 2.0,
            );
            y.add(offsets[a] + ends_a.0, offsets[a] + ends_a.0, ppm);
            y.add(offsets[a] + ends_a.1, offsets[a] + ends_a.1, ppm);
        }
    }
    add_star_points(t, &volts, base_va, &offsets, &mut y);
    Ok(y)
}

/// Admittance between windings on a one-volt base, with the no-load branch on winding 2.
fn one_volt_admittance(t: &Transformer, base_va: f64) -> Result<Matrix, PrimitiveError> {
    let nw = t.windings.len();
    let z_base = 1.0 / base_va;
    let pu = |w: usize| t.windings[w].r_percent / 100.0;
    let x = |i: usize, j: usize| t.x_percent[pair_index(nw, i, j)] / 100.0;
    let mut zb = Matrix::zeros(nw - 1);
    for i in 0..nw - 1 {
        let z = Complex::new(pu(0) + pu(i + 1), x(0, i + 1)).scale(z_base);
        zb.set(i, i, z);
    }
    for i in 0..nw - 1 {
        for j in i + 1..nw - 1 {
            let between = Complex::new(pu(i + 1) + pu(j + 1), x(i + 1, j + 1)).scale(z_base);
            let z = (zb.at(i, i) + zb.at(j, j) - between).scale(0.5);
            zb.set(i, j, z);
            zb.set(j, i, z);
        }
    }
    let yb = zb.inverse().ok_or(PrimitiveError::Singular)?;
    let mut y = Matrix::zeros(nw);
    for i in 0..nw - 1 {
        for j in 0..nw - 1 {
            let value = yb.at(i, j);
            y.add(i + 1, j + 1, value);
            y.add(0, j + 1, -value);
            y.add(i + 1, 0, -value);
            y.add(0, 0, value);
        }
    }
    y.add(
        1,
        1,
        Complex::new(
            t.no_load_loss_percent / 100.0 / z_base,
            -t.magnetising_percent / 100.0 / z_base,
        ),
    );
    Ok(y)
}

/// Position of winding pair (i, j), i < j, in the list 1-2, 1-3, ..., 2-3, ...
pub(super) fn pair_index(windings: usize, i: usize, j: usize) -> usize {
    i * windings - i * (i + 1) / 2 + (j - i - 1)
}

/// Voltage across one winding at tap 1, V.
pub(crate) fn winding_volts(w: &Winding, phases: usize) -> f64 {
    phase_volts(w.kv, w.connection, phases)
}

/// Which way the delta turns so that the high-voltage side leads or lags as stated.
fn delta_direction(t: &Transformer) -> isize {
    let (first, second) = (&t.windings[0], &t.windings[1]);
    if first.connection == second.connection {
        return 1;
    }
    let high = if first.kv >= second.kv { first } else { second };
    match (high.connection, t.high_leads) {
        (Connection::Wye, true) | (Connection::Delta, false) => -1,
        (Connection::Wye, false) | (Connection::Delta, true) => 1,
    }
}

/// Conductor indices of the two ends of one phase of a winding.
fn winding_ends(w: &Winding, phase: usize, phases: usize, direction: isize) -> (usize, usize) {
    let last = w.at.conductors.len() - 1;
    if phases == 1 {
        return (0, last);
    }
    match w.connection {
        Connection::Wye => (phase, last),
        Connection::Delta => {
            let next = phase as isize + direction;
            let wrapped = if phases > 2 {
                next.rem_euclid(phases as isize)
            } else {
                next.rem_euclid(3)
            };
            (phase, wrapped as usize)
        }
    }
}

/// Conductor indices of the two ends of one phase of a winding (from 0).
pub(crate) fn phase_ends(t: &Transformer, winding: usize, phase: usize) -> (usize, usize) {
    winding_ends(
        &t.windings[winding],
        phase,
        usize::from(t.phases),
        delta_direction(t),
    )
}

fn add_star_points(
    t: &Transformer,
    volts: &[f64],
    base_va: f64,
    offsets: &[usize],
    y: &mut Matrix,
) {
    for (i, w) in t.windings.iter().enumerate() {
        if w.connection != Connection::Wye {
            continue;
        }
        let star = offsets[i] + w.at.conductors.len() - 1;
        let value = match w.neutral_ohm {
            Some(ohm) => earth_admittance(ohm),
            None => Complex::new(
                0.0,
                -t.antifloat_ppm * 1e-6 / (volts[i] * volts[i] / base_va) / 2.0,
            ),
        };
        y.add(star, star, value);
    }
}
