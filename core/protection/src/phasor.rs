//! Phasors and symmetrical components of one place.

use borsh::{BorshDeserialize, BorshSerialize};

/// A complex root-mean-square value.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Phasor {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

impl Phasor {
    /// Zero.
    pub const ZERO: Self = Self { re: 0.0, im: 0.0 };

    /// From its parts.
    #[must_use]
    pub const fn new(re: f64, im: f64) -> Self {
        Self { re, im }
    }

    /// From magnitude and angle in degrees.
    #[must_use]
    pub fn polar(magnitude: f64, angle_deg: f64) -> Self {
        let (sin, cos) = libm::sincos(angle_deg.to_radians());
        Self::new(magnitude * cos, magnitude * sin)
    }

    /// Magnitude.
    #[must_use]
    pub fn abs(self) -> f64 {
        (self.re * self.re + self.im * self.im).sqrt()
    }

    /// Angle, rad.
    #[must_use]
    pub fn angle_rad(self) -> f64 {
        libm::atan2(self.im, self.re)
    }

    /// Complex conjugate.
    #[must_use]
    pub fn conj(self) -> Self {
        Self::new(self.re, -self.im)
    }

    /// Times a real number.
    #[must_use]
    pub fn scale(self, by: f64) -> Self {
        Self::new(self.re * by, self.im * by)
    }
}

impl std::ops::Add for Phasor {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(self.re + other.re, self.im + other.im)
    }
}

impl std::ops::Sub for Phasor {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::new(self.re - other.re, self.im - other.im)
    }
}

impl std::ops::Neg for Phasor {
    type Output = Self;
    fn neg(self) -> Self {
        Self::new(-self.re, -self.im)
    }
}

impl std::ops::Mul for Phasor {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self::new(
            self.re * other.re - self.im * other.im,
            self.re * other.im + self.im * other.re,
        )
    }
}

/// Positive- and negative-sequence parts of three phase values (Fortescue).
#[must_use]
pub fn sequences(of: [Phasor; 3]) -> (Phasor, Phasor) {
    let turn = Phasor::new(-0.5, 0.75_f64.sqrt());
    let back = turn.conj();
    let [a, b, c] = of;
    (
        (a + turn * b + back * c).scale(1.0 / 3.0),
        (a + back * b + turn * c).scale(1.0 / 3.0),
    )
}

/// What a device measures at its place.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Measurement {
    /// Current of each phase through the device, A, positive from its bus into its line.
    pub i: [Phasor; 3],
    /// Voltage of each phase at its bus to earth, V.
    pub v: [Phasor; 3],
    /// The same on the side of its line.
    pub v_line: [Phasor; 3],
    /// Nominal voltage phase to earth, V.
    pub v_nominal: f64,
    /// Frequency, Hz; zero where the place is dead.
    pub frequency_hz: f64,
}

impl Default for Measurement {
    fn default() -> Self {
        Self {
            i: [Phasor::ZERO; 3],
            v: [Phasor::ZERO; 3],
            v_line: [Phasor::ZERO; 3],
            v_nominal: 1.0,
            frequency_hz: 0.0,
        }
    }
}

/// Which way a current flows through a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Direction {
    /// From the bus into the line.
    Forward,
    /// From the line into the bus.
    Reverse,
}

/// Share of negative in positive sequence above which it decides the direction.
const UNBALANCED: f64 = 0.1;

/// Angle of the impedances behind and before the device, degrees.
const LINE_ANGLE_DEG: f64 = 60.0;

impl Measurement {
    /// Highest phase current, A.
    #[must_use]
    pub fn phase_a(&self) -> f64 {
        self.i.iter().map(|i| i.abs()).fold(0.0, f64::max)
    }

    /// Residual current 3 I0, A.
    #[must_use]
    pub fn residual_a(&self) -> f64 {
        (self.i[0] + self.i[1] + self.i[2]).abs()
    }

    /// Lowest and highest phase voltage at the bus, pu.
    #[must_use]
    pub fn bus_pu(&self) -> (f64, f64) {
        span(&self.v, self.v_nominal)
    }

    /// Lowest and highest phase voltage on the side of the line, pu.
    #[must_use]
    pub fn line_pu(&self) -> (f64, f64) {
        span(&self.v_line, self.v_nominal)
    }

    /// Active power from the bus into the line, W.
    #[must_use]
    pub fn power_w(&self) -> f64 {
        (self.v.iter().zip(&self.i))
            .map(|(&v, &i)| (v * i.conj()).re)
            .sum()
    }

    /// Direction of the current as a directional element finds it: negative
    /// sequence where the fault is unbalanced (forward: the voltage is the drop
    /// across the source behind), otherwise positive sequence against `memory`,
    /// the positive-sequence voltage before the fault, since at a close
    /// three-phase fault no voltage is left.
    #[must_use]
    pub fn direction(&self, memory: Phasor) -> Option<Direction> {
        let (i1, i2) = sequences(self.i);
        let (v1, v2) = sequences(self.v);
        let angle = Phasor::polar(1.0, LINE_ANGLE_DEG);
        let small_v = 0.02 * self.v_nominal;
        let torque = if i2.abs() > UNBALANCED * i1.abs() && v2.abs() > 0.002 * self.v_nominal {
            -(v2 * (i2 * angle).conj()).re
        } else {
            let polarising = if v1.abs() > small_v { v1 } else { memory };
            (polarising * (i1 * angle).conj()).re
        };
        if torque > 0.0 {
            Some(Direction::Forward)
        } else if torque < 0.0 {
            Some(Direction::Reverse)
        } else {
            None
        }
    }
}

fn span(v: &[Phasor; 3], nominal: f64) -> (f64, f64) {
    v.iter()
        .map(|v| v.abs() / nominal)
        .fold((f64::INFINITY, 0.0), |(low, high), v| {
            (low.min(v), high.max(v))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(magnitude: f64, angle_deg: f64) -> [Phasor; 3] {
        [0.0, -120.0, 120.0].map(|shift| Phasor::polar(magnitude, angle_deg + shift))
    }

    #[test]
    fn a_balanced_set_has_no_negative_sequence_and_no_residual() {
        let (positive, negative) = sequences(turned(7.0, 20.0));
        assert!((positive.abs() - 7.0).abs() < 1e-12);
        assert!(negative.abs() < 1e-12);
    }

    #[test]
    fn the_direction_of_balanced_and_single_phase_faults() {
        // Source behind the device: 1 pu behind j0.1, fault ahead behind j0.2.
        let mut ahead = Measurement {
            v_nominal: 100.0,
            v: turned(100.0 * 2.0 / 3.0, 0.0),
            i: turned(333.0, -80.0),
            ..Measurement::default()
        };
        assert_eq!(ahead.direction(Phasor::ZERO), Some(Direction::Forward));
        ahead.i = ahead.i.map(|i| -i);
        assert_eq!(ahead.direction(Phasor::ZERO), Some(Direction::Reverse));
        // Phase A to earth ahead: its voltage sags, its current flows.
        let mut lg = Measurement {
            v_nominal: 100.0,
            v: turned(100.0, 0.0),
            ..Measurement::default()
        };
        lg.v[0] = Phasor::polar(40.0, 0.0);
        lg.i[0] = Phasor::polar(500.0, -75.0);
        assert_eq!(lg.direction(Phasor::ZERO), Some(Direction::Forward));
        lg.i[0] = -lg.i[0];
        assert_eq!(lg.direction(Phasor::ZERO), Some(Direction::Reverse));
        // A fault at the terminals: only the remembered voltage tells.
        let close = Measurement {
            v_nominal: 100.0,
            i: turned(900.0, -60.0),
            ..Measurement::default()
        };
        assert_eq!(close.direction(Phasor::ZERO), None);
        assert_eq!(
            close.direction(Phasor::polar(100.0, 0.0)),
            Some(Direction::Forward)
        );
    }
}
