//! Line geometries: impedance and capacitance of overhead wires above earth.
//!
//! Self and mutual impedances follow Carson (simplified, Kersting's form) or
//! Deri et al., "The complex ground return plane", IEEE Trans. PAS-100 (1981);
//! capacitances follow from potential coefficients with images.

use gridloom_flow::{Complex, invert_dense, kron_dense};
use gridloom_model::grid::LineImpedance;

use super::*;
use crate::script::EarthModel;

/// Permittivity (F/m), permeability (H/m) and circle with the digits that the
/// authors of the deck language use: entries of the matrix agree to 1e-12 only so.
const E0: f64 = 8.854e-12;
const MU0: f64 = 12.56637e-7;
#[expect(
    clippy::approx_constant,
    reason = "the digits are part of the meaning of a deck"
)]
const TWO_PI: f64 = 6.283_185_307;

/// A wire in SI units.
#[derive(Clone, Copy, Debug)]
struct Wire {
    x: f64,
    h: f64,
    radius: f64,
    gmr: f64,
    rac: f64,
    rdc: f64,
}

/// Data of a conductor as the deck gives them; negative = not given.
struct WireData {
    rac: f64,
    rdc: f64,
    gmr: f64,
    radius: f64,
    cap_radius: f64,
    amps: f64,
}

struct Geometry {
    wires: Vec<Wire>,
    phases: usize,
    reduce: bool,
    amps: f64,
}

impl Convert<'_> {
    /// Conductors of a line with this geometry.
    pub(super) fn geometry_phases(&mut self, name: &str, used: &Value) -> Result<usize, DssError> {
        let geometry = self.geometry(name, &used.at)?;
        Ok(if geometry.reduce {
            geometry.phases
        } else {
            geometry.wires.len()
        })
    }

    /// Impedance per kilometre and rating of the first wire, A.
    pub(super) fn geometry_impedance(
        &mut self,
        name: &str,
        frequency_hz: f64,
        (rho, model): (f64, EarthModel),
        at: &Place,
    ) -> Result<(LineImpedance, f64), DssError> {
        let geometry = self.geometry(name, at)?;
        let n = geometry.wires.len();
        let w = TWO_PI * frequency_hz;
        let omega = 2.0 * core::f64::consts::PI * frequency_hz;
        let mut z = series(&geometry.wires, frequency_hz, rho, model);
        let potential: Vec<Complex> = potentials(&geometry.wires)
            .into_iter()
            .map(|p| Complex::new(0.0, -p / w))
            .collect();
        let singular = || DssError::Syntax {
            at: at.clone(),
            message: format!("linegeometry.{name}: wires touch each other or the earth"),
        };
        let yc = invert_dense(&potential, n).ok_or_else(singular)?;
        let order = if geometry.reduce { geometry.phases } else { n };
        if order < n {
            let rest: Vec<usize> = (order..n).collect();
            z = kron_dense(&z, n, &rest).ok_or_else(singular)?;
        }
        let rows = |get: &dyn Fn(usize) -> f64| -> Vec<Vec<f64>> {
            (0..order)
                .map(|i| (0..=i).map(|j| get(i * n + j)).collect())
                .collect()
        };
        Ok((
            LineImpedance::Matrix {
                r: rows(&|k| z[k].re * 1000.0),
                x: rows(&|k| z[k].im * 1000.0),
                c_nf: rows(&|k| yc[k].im / omega * 1e12),
            },
            geometry.amps,
        ))
    }

    fn geometry(&mut self, name: &str, at: &Place) -> Result<Geometry, DssError> {
        let Some(object) = self.script.object("linegeometry", name).cloned() else {
            return syntax(at, format!("linegeometry.{name} does not exist"));
        };
        let mut wires: Vec<(Option<Value>, f64, f64, f64)> = vec![(None, 0.0, 0.0, 0.3048); 3];
        let (mut phases, mut reduce, mut active) = (3, false, 0);
        for a in &object.assigns {
            match a.property {
                "nconds" => wires = vec![(None, 0.0, 0.0, 0.3048); count(a)?],
                "nphases" => phases = count(a)?,
                "reduce" => reduce = a.value.flag(),
                "cond" => active = count(a)? - 1,
                "wire" | "x" | "h" | "units" => {
                    let Some(wire) = wires.get_mut(active) else {
                        return syntax(&a.value.at, format!("conductor {}", active + 1));
                    };
                    match a.property {
                        "wire" => wire.0 = Some(a.value.clone()),
                        "x" => wire.1 = number(a)?,
                        "h" => wire.2 = number(a)?,
                        _ => wire.3 = metres(&a.value.text).unwrap_or(1.0),
                    }
                }
                "wires" => {
                    for (wire, word) in wires.iter_mut().zip(a.value.words()) {
                        wire.0 = Some(Value {
                            text: word,
                            quoted: false,
                            at: a.value.at.clone(),
                        });
                    }
                }
                "normamps" | "emergamps" | "seasons" | "ratings" | "linetype" => {}
                _ => {
                    return syntax(
                        &a.value.at,
                        format!("property `{}` of a geometry is not supported", a.property),
                    );
                }
            }
        }
        let mut out = Geometry {
            wires: Vec::new(),
            phases,
            reduce,
            amps: 0.0,
        };
        for (i, (wire, x, h, unit)) in wires.iter().enumerate() {
            let Some(wire) = wire else {
                return syntax(
                    &object.at,
                    format!("linegeometry.{name}: conductor {} has no wire", i + 1),
                );
            };
            let data = self.wire(wire)?;
            if i == 0 {
                out.amps = data.amps;
            }
            out.wires.push(Wire {
                x: x * unit,
                h: h * unit,
                radius: if data.cap_radius > 0.0 {
                    data.cap_radius
                } else {
                    data.radius
                },
                gmr: data.gmr,
                rac: data.rac,
                rdc: data.rdc,
            });
        }
        Ok(out)
    }

    fn wire(&mut self, used: &Value) -> Result<WireData, DssError> {
        let name = used.text.to_lowercase();
        let Some(object) = self.script.object("wiredata", &name).cloned() else {
            return syntax(&used.at, format!("wiredata.{name} does not exist"));
        };
        let mut d = WireData {
            rac: -1.0,
            rdc: -1.0,
            gmr: -1.0,
            radius: -1.0,
            cap_radius: -1.0,
            amps: -1.0,
        };
        let (mut r_unit, mut gmr_unit, mut radius_unit) = (None, None, None);
        for a in &object.assigns {
            match a.property {
                "runits" => r_unit = metres(&a.value.text),
                "gmrunits" => gmr_unit = metres(&a.value.text),
                "radunits" => radius_unit = metres(&a.value.text),
                "rac" => d.rac = number(a)?,
                "rdc" => d.rdc = number(a)?,
                "gmrac" => d.gmr = number(a)?,
                "radius" => d.radius = number(a)?,
                "diam" => d.radius = number(a)? / 2.0,
                "capradius" => d.cap_radius = number(a)?,
                "normamps" => d.amps = number(a)?,
                _ => {}
            }
        }
        let r_unit = r_unit.unwrap_or(1.0);
        let gmr_unit = gmr_unit.or(radius_unit).unwrap_or(1.0);
        let radius_unit = radius_unit.unwrap_or(gmr_unit);
        if d.rdc < 0.0 && d.rac >= 0.0 {
            d.rdc = d.rac / 1.02;
        }
        if d.rac < 0.0 && d.rdc >= 0.0 {
            d.rac = 1.02 * d.rdc;
        }
        d.rac /= r_unit;
        d.rdc /= r_unit;
        d.gmr *= gmr_unit;
        d.radius *= radius_unit;
        d.cap_radius *= radius_unit;
        if d.radius < 0.0 {
            d.radius = d.gmr / 0.7788;
        }
        if d.gmr < 0.0 {
            d.gmr = 0.7788 * d.radius;
        }
        if d.gmr <= 0.0 || d.radius <= 0.0 || d.rac < 0.0 {
            return syntax(
                &object.at,
                format!("wiredata.{name} needs a resistance and a radius"),
            );
        }
        Ok(d)
    }
}

/// Series impedance, ohm/m, by rows.
fn series(wires: &[Wire], frequency_hz: f64, rho: f64, model: EarthModel) -> Vec<Complex> {
    let n = wires.len();
    let w = TWO_PI * frequency_hz;
    let factor = w * MU0 / TWO_PI;
    let mut z = vec![Complex::ZERO; n * n];
    for i in 0..n {
        for j in 0..n {
            let earth = earth_return(wires, i, j, w, frequency_hz, rho, model);
            z[i * n + j] = if i == j {
                let own = internal_resistance(&wires[i], frequency_hz, model);
                Complex::new(own, factor * libm::log(1.0 / wires[i].gmr)) + earth
            } else {
                let d = distance(&wires[i], &wires[j]);
                Complex::new(0.0, factor * libm::log(1.0 / d)) + earth
            };
        }
    }
    z
}

fn distance(a: &Wire, b: &Wire) -> f64 {
    ((a.x - b.x) * (a.x - b.x) + (a.h - b.h) * (a.h - b.h)).sqrt()
}

fn earth_return(
    wires: &[Wire],
    i: usize,
    j: usize,
    w: f64,
    frequency_hz: f64,
    rho: f64,
    model: EarthModel,
) -> Complex {
    if model == EarthModel::Carson {
        return Complex::new(
            w * MU0 / 8.0,
            w * MU0 / TWO_PI * libm::log(658.5 * (rho / frequency_hz).sqrt()),
        );
    }
    if model == EarthModel::FullCarson {
        return full_carson(&wires[i], &wires[j], w, frequency_hz, rho);
    }
    // Complex depth of the earth plane.
    let depth = sqrt(Complex::new(0.0, w * MU0 / rho)).recip();
    let argument = if i == j {
        (Complex::new(wires[i].h, 0.0) + depth).scale(2.0)
    } else {
        let height = Complex::new(wires[i].h + wires[j].h, 0.0) + depth.scale(2.0);
        let x = wires[i].x - wires[j].x;
        sqrt(height * height + Complex::new(x * x, 0.0))
    };
    Complex::new(0.0, w * MU0 / TWO_PI) * ln(argument)
}

/// Earth return by Carson's series up to the fourth power (Carson, "Wave
/// propagation in overhead wires with ground return", Bell Syst. Tech. J. 5
/// (1926)), ohm/m: the image and the correction for a real earth.
fn full_carson(a: &Wire, b: &Wire, w: f64, frequency_hz: f64, rho: f64) -> Complex {
    let height = a.h + b.h;
    let image = ((a.x - b.x) * (a.x - b.x) + height * height).sqrt();
    let theta = libm::acos((height / image).clamp(-1.0, 1.0));
    let k =
        4.0 * core::f64::consts::PI * 5.0_f64.sqrt() * 1e-4 * image * (frequency_hz / rho).sqrt();
    let (k2, root2) = (k * k, 2.0_f64.sqrt());
    let cos = |n: f64| libm::cos(n * theta);
    let log = libm::log(2.0 / k);
    let pi = core::f64::consts::PI;
    let p = pi / 8.0 - k * cos(1.0) / (3.0 * root2)
        + k2 / 16.0 * (cos(2.0) * (0.6728 + log) + theta * libm::sin(2.0 * theta))
        + k2 * k * cos(3.0) / (45.0 * root2)
        - pi * k2 * k2 * cos(4.0) / 1536.0;
    let q = -0.0386 + log / 2.0 + k * cos(1.0) / (3.0 * root2) - pi * k2 * cos(2.0) / 64.0
        + k2 * k * cos(3.0) / (45.0 * root2)
        - k2 * k2 / 384.0 * (theta * libm::sin(4.0 * theta) + cos(4.0) * (log + 1.0895));
    let factor = 2.0 * w * MU0 / TWO_PI;
    Complex::new(factor * p, factor * q + w * MU0 / TWO_PI * libm::log(image))
}

/// Resistance of a wire, ohm/m; with the Deri model from its skin effect.
fn internal_resistance(wire: &Wire, frequency_hz: f64, model: EarthModel) -> f64 {
    if model != EarthModel::Deri {
        return wire.rac;
    }
    let alpha = (frequency_hz * MU0 / wire.rdc).sqrt();
    let argument = Complex::new(alpha, alpha);
    let ratio = if argument.abs() > 35.0 {
        Complex::ONE
    } else {
        bessel_ratio(argument)
    };
    let factor = (wire.rdc * frequency_hz * MU0).sqrt() / 2.0;
    (Complex::new(1.0, 1.0) * ratio).scale(factor).re
}

/// I0(z) / I1(z) by power series.
fn bessel_ratio(z: Complex) -> Complex {
    let q = (z * z).scale(0.25);
    let (mut term0, mut term1) = (Complex::ONE, Complex::ONE);
    let (mut sum0, mut sum1) = (Complex::ONE, Complex::ONE);
    for k in 1..=200 {
        let k = f64::from(k);
        term0 = (term0 * q).scale(1.0 / (k * k));
        term1 = (term1 * q).scale(1.0 / (k * (k + 1.0)));
        sum0 += term0;
        sum1 += term1;
        if term0.abs() < 1e-18 * sum0.abs() {
            break;
        }
    }
    sum0 / (sum1 * z.scale(0.5))
}

fn sqrt(z: Complex) -> Complex {
    let magnitude = z.abs();
    let re = ((magnitude + z.re) / 2.0).max(0.0).sqrt();
    let im = ((magnitude - z.re) / 2.0).max(0.0).sqrt();
    Complex::new(re, if z.im < 0.0 { -im } else { im })
}

fn ln(z: Complex) -> Complex {
    Complex::new(libm::log(z.abs()), libm::atan2(z.im, z.re))
}

/// Potential coefficients, m/F, by rows.
fn potentials(wires: &[Wire]) -> Vec<f64> {
    let n = wires.len();
    let factor = 1.0 / TWO_PI / E0;
    let mut p = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            let (a, b) = (&wires[i], &wires[j]);
            p[i * n + j] = factor
                * if i == j {
                    libm::log(2.0 * a.h / a.radius)
                } else {
                    let image = ((a.x - b.x) * (a.x - b.x) + (a.h + b.h) * (a.h + b.h)).sqrt();
                    libm::log(image / distance(a, b))
                };
        }
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earth_models_agree_at_mains_frequency() {
        let wire = |x: f64, h: f64| Wire {
            x,
            h,
            radius: 0.009,
            gmr: 0.0074,
            rac: 1.9e-4,
            rdc: 1.86e-4,
        };
        let wires = [wire(0.0, 8.5), wire(1.2, 8.5), wire(0.5, 7.3)];
        let of = |model| series(&wires, 50.0, 100.0, model);
        let (full, short, deri) = (
            of(EarthModel::FullCarson),
            of(EarthModel::Carson),
            of(EarthModel::Deri),
        );
        for ((a, b), c) in full.iter().zip(&short).zip(&deri) {
            assert!((*a - *b).abs() < 0.01 * a.abs(), "{a:?} {b:?}");
            assert!((*a - *c).abs() < 0.02 * a.abs(), "{a:?} {c:?}");
        }
    }
}
