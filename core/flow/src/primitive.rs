//! Primitive admittance matrices of network elements, SI units.
//!
//! The models follow what OpenDSS documents and does (Norton source behind a
//! sequence matrix, pi line, transformer built on a one-volt base with an
//! anti-float admittance at every winding end), so that decks written for it
//! keep their meaning.

mod transformer;

use gridloom_model::grid::{
    Capacitor, Connection, LineImpedance, Load, Reactor, SourceImpedance, VoltageSource,
};

use crate::Complex;
use crate::dense::Matrix;

pub(crate) use transformer::{phase_ends, transformer_admittance, winding_volts};

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

/// Voltage across one phase of a load, winding or bank, V.
pub(crate) fn phase_volts(kv: f64, connection: Connection, phases: usize) -> f64 {
    match connection {
        Connection::Wye if phases == 2 || phases == 3 => kv * 1000.0 / SQRT3,
        Connection::Wye | Connection::Delta => kv * 1000.0,
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
    use super::transformer::pair_index;
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
