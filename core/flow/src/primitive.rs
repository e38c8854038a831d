//! Primitive admittance matrices of network elements, SI units.
//!
//! The models follow what OpenDSS documents and does (Norton source behind a
//! sequence matrix, pi line, transformer built on a one-volt base with an
//! anti-float admittance at every winding end), so that decks written for it
//! keep their meaning.

use gridloom_model::grid::{
    Capacitor, Connection, LineImpedance, Load, Reactor, SourceImpedance, Transformer,
    VoltageSource, Winding,
};

use crate::Complex;
use crate::dense::Matrix;

/// Admittance of a solid star-point connection, S.
const SOLID_S: f64 = 1.0e6;

const SQRT3: f64 = 1.732_050_807_568_877_2;

/// Why an element has no admittance matrix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrimitiveError {
    /// The impedance matrix cannot be inverted.
    #[error("its impedance matrix is singular")]
    Singular,
    /// Short-circuit powers contradict each other.
    #[error("its short-circuit powers give no real zero-sequence resistance")]
    ShortCircuit,
}

/// Angular frequency, rad/s.
pub(crate) fn omega(frequency_hz: f64) -> f64 {
    2.0 * core::f64::consts::PI * frequency_hz
}

/// Positive- and zero-sequence impedance of a source, ohm.
pub(crate) fn source_sequence(
    source: &VoltageSource,
) -> Result<(Complex, Complex), PrimitiveError> {
    match source.impedance {
        SourceImpedance::Sequence { r1, x1, r0, x0 } => {
            let z1 = Complex::new(r1, x1);
            let z0 = if source.at.conductors.len() == 1 {
                z1
            } else {
                Complex::new(r0, x0)
            };
            Ok((z1, z0))
        }
        SourceImpedance::ShortCircuit {
            mva3,
            mva1,
            x1r1,
            x0r0,
        } => {
            let kv = source.kv;
            let factor = if source.at.conductors.len() == 1 {
                1.0
            } else {
                SQRT3
            };
            let x1 = kv * kv / mva3 / (1.0 + 1.0 / (x1r1 * x1r1)).sqrt();
            let r1 = x1 / x1r1;
            // The single-phase fault current fixes |2 Z1 + Z0|.
            let isc1 = mva1 * 1000.0 / (factor * kv);
            let total = 3.0 * kv * 1000.0 / factor / isc1;
            let a = 1.0 + x0r0 * x0r0;
            let b = 4.0 * (r1 + x1 * x0r0);
            let c = 4.0 * (r1 * r1 + x1 * x1) - total * total;
            let root = b * b - 4.0 * a * c;
            if root < 0.0 || root.is_nan() {
                return Err(PrimitiveError::ShortCircuit);
            }
            let r0 = (-b + root.sqrt()) / (2.0 * a);
            Ok((Complex::new(r1, x1), Complex::new(r0, r0 * x0r0)))
        }
    }
}

/// Series admittance of a source, phases x phases.
pub(crate) fn source_admittance(source: &VoltageSource) -> Result<Matrix, PrimitiveError> {
    let (z1, z0) = source_sequence(source)?;
    let n = source.at.conductors.len();
    sequence_matrix(z1, z0, n)
        .inverse()
        .ok_or(PrimitiveError::Singular)
}

/// Voltages behind the impedance, V.
pub(crate) fn source_voltages(source: &VoltageSource) -> Vec<Complex> {
    let n = source.at.conductors.len();
    let volts = source.kv * source.v_pu * 1000.0;
    let magnitude = if n == 1 {
        volts
    } else {
        volts / 2.0 / libm::sin(core::f64::consts::PI / n as f64)
    };
    (0..n)
        .map(|i| Complex::from_polar_deg(magnitude, source.angle_deg - i as f64 * 360.0 / n as f64))
        .collect()
}

/// Matrix with self and mutual values of two sequence values.
fn sequence_matrix(z1: Complex, z0: Complex, n: usize) -> Matrix {
    let own = (z1.scale(2.0) + z0).scale(1.0 / 3.0);
    let mutual = (z0 - z1).scale(1.0 / 3.0);
    let mut z = Matrix::zeros(n);
    for i in 0..n {
        for j in 0..n {
            z.set(i, j, if i == j { own } else { mutual });
        }
    }
    z
}

/// Per-kilometre impedance (ohm) and capacitance (F) matrices of a line.
pub(crate) fn line_matrices(impedance: &LineImpedance, n: usize) -> (Matrix, Matrix) {
    match impedance {
        LineImpedance::Sequence {
            r1,
            x1,
            r0,
            x0,
            c1_nf,
            c0_nf,
        } => {
            let z1 = Complex::new(*r1, *x1);
            let c1 = Complex::new(*c1_nf * 1e-9, 0.0);
            let (z0, c0) = if n == 1 {
                (z1, c1)
            } else {
                (Complex::new(*r0, *x0), Complex::new(*c0_nf * 1e-9, 0.0))
            };
            (sequence_matrix(z1, z0, n), sequence_matrix(c1, c0, n))
        }
        LineImpedance::Matrix { r, x, c_nf } => {
            let mut z = Matrix::zeros(n);
            let mut c = Matrix::zeros(n);
            for i in 0..n {
                for j in 0..=i {
                    let value = Complex::new(triangle(r, i, j), triangle(x, i, j));
                    z.set(i, j, value);
                    z.set(j, i, value);
                    let farad = Complex::new(triangle(c_nf, i, j) * 1e-9, 0.0);
                    c.set(i, j, farad);
                    c.set(j, i, farad);
                }
            }
            (z, c)
        }
    }
}

fn triangle(rows: &[Vec<f64>], i: usize, j: usize) -> f64 {
    rows.get(i).and_then(|r| r.get(j)).copied().unwrap_or(0.0)
}

/// Pi model of a line: conductors of the first end, then of the second.
pub(crate) fn line_admittance(
    impedance: &LineImpedance,
    n: usize,
    km: f64,
    frequency_hz: f64,
) -> Result<Matrix, PrimitiveError> {
    let (mut z, c) = line_matrices(impedance, n);
    for value in &mut z.a {
        *value = value.scale(km);
    }
    let series = z.inverse().ok_or(PrimitiveError::Singular)?;
    let w = omega(frequency_hz);
    let mut y = Matrix::zeros(2 * n);
    for i in 0..n {
        for j in 0..n {
            let s = series.at(i, j);
            let half = Complex::new(0.0, w * c.at(i, j).re * km / 2.0);
            y.set(i, j, s + half);
            y.set(i + n, j + n, s + half);
            y.set(i, j + n, -s);
            y.set(i + n, j, -s);
        }
    }
    Ok(y)
}

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
fn pair_index(windings: usize, i: usize, j: usize) -> usize {
    i * windings - i * (i + 1) / 2 + (j - i - 1)
}

/// Voltage across one winding at tap 1, V.
pub(crate) fn winding_volts(w: &Winding, phases: usize) -> f64 {
    phase_volts(w.kv, w.connection, phases)
}

/// Voltage across one phase of a load, winding or bank, V.
pub(crate) fn phase_volts(kv: f64, connection: Connection, phases: usize) -> f64 {
    match connection {
        Connection::Wye if phases == 2 || phases == 3 => kv * 1000.0 / SQRT3,
        Connection::Wye | Connection::Delta => kv * 1000.0,
    }
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

/// Admittance of an earthing impedance; zero impedance is a solid connection.
pub(crate) fn earth_admittance((r, x): (f64, f64)) -> Complex {
    if r == 0.0 && x == 0.0 {
        Complex::new(SOLID_S, 0.0)
    } else {
        Complex::new(r, x).recip()
    }
}

/// Admittance of a capacitor bank; conductors of `at`, then of `to` for wye.
pub(crate) fn capacitor_admittance(c: &Capacitor, frequency_hz: f64) -> Matrix {
    let phases = usize::from(c.phases);
    let volts = phase_volts(c.kv, c.connection, phases);
    let farad_w = c.kvar * 1000.0 / phases as f64 / (volts * volts);
    let w = omega(frequency_hz);
    // Stated through the capacitance, so that a change of frequency keeps its meaning.
    let farad = farad_w / w;
    let own = if c.r_ohm == 0.0 {
        Complex::new(0.0, farad * w)
    } else {
        Complex::new(c.r_ohm, -1.0 / (farad * w)).recip()
    };
    branch_matrix(own, c.connection, phases)
}

/// Admittance of a reactor; conductors of `at`, then of `to` for wye.
pub(crate) fn reactor_admittance(r: &Reactor) -> Matrix {
    let own = Complex::new(r.r_ohm, r.x_ohm).recip() + Complex::new(r.g_parallel_s, 0.0);
    branch_matrix(own, r.connection, usize::from(r.phases))
}

/// Equal branches: for wye from conductor i to conductor phases + i, for delta between neighbours.
fn branch_matrix(own: Complex, connection: Connection, phases: usize) -> Matrix {
    match connection {
        Connection::Wye => {
            let mut y = Matrix::zeros(2 * phases);
            for i in 0..phases {
                y.set(i, i, own);
                y.set(i + phases, i + phases, own);
                y.set(i, i + phases, -own);
                y.set(i + phases, i, -own);
            }
            y
        }
        Connection::Delta => {
            let n = if phases < 3 { phases + 1 } else { phases };
            let mut y = Matrix::zeros(n);
            for i in 0..phases {
                let j = (i + 1) % n;
                y.add(i, i, own);
                y.add(j, j, own);
                y.add_symmetric(i, j, -own);
            }
            y
        }
    }
}

/// Admittance that earths the star point of a load, if it has one stated.
pub(crate) fn load_neutral(load: &Load) -> Option<Complex> {
    load.neutral_ohm.map(earth_admittance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridloom_model::grid::Terminal;

    #[test]
    fn pairs_are_counted_row_by_row() {
        let all: Vec<usize> = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
            .iter()
            .map(|&(i, j)| pair_index(4, i, j))
            .collect();
        assert_eq!(all, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn short_circuit_powers_come_back_from_the_impedance() {
        let source = VoltageSource {
            id: "s".into(),
            at: Terminal::new("a", &[1, 2, 3]),
            from: None,
            kv: 11.0,
            v_pu: 1.05,
            angle_deg: 0.0,
            impedance: SourceImpedance::ShortCircuit {
                mva3: 57.0,
                mva1: 0.1,
                x1r1: 4.0,
                x0r0: 3.0,
            },
        };
        let (z1, z0) = source_sequence(&source).expect("real");
        assert!((11.0 * 11.0 / z1.abs() - 57.0).abs() < 1e-9);
        // One-phase power: sqrt(3) kV I1, I1 = 3 V / |2 Z1 + Z0|.
        let i1 = 3.0 * 11.0 / SQRT3 / (z1.scale(2.0) + z0).abs();
        assert!((SQRT3 * 11.0 * i1 - 0.1).abs() < 1e-12);
    }
}
