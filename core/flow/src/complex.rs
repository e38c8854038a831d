//! Complex numbers in rectangular form, with the operations the solver needs.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// A complex number; its arithmetic is the same on every platform.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Complex {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

impl Complex {
    /// Zero.
    pub const ZERO: Self = Self { re: 0.0, im: 0.0 };
    /// One.
    pub const ONE: Self = Self { re: 1.0, im: 0.0 };

    /// From real and imaginary part.
    #[inline]
    pub const fn new(re: f64, im: f64) -> Self {
        Self { re, im }
    }

    /// From magnitude and angle in degrees.
    pub fn from_polar_deg(magnitude: f64, angle_deg: f64) -> Self {
        let angle = angle_deg * core::f64::consts::PI / 180.0;
        Self::new(magnitude * libm::cos(angle), magnitude * libm::sin(angle))
    }

    /// Complex conjugate.
    #[inline]
    pub const fn conj(self) -> Self {
        Self::new(self.re, -self.im)
    }

    /// Squared magnitude.
    #[inline]
    pub fn norm_sqr(self) -> f64 {
        self.re * self.re + self.im * self.im
    }

    /// Magnitude; exact enough for any electrical quantity that does not overflow its square.
    #[inline]
    pub fn abs(self) -> f64 {
        self.norm_sqr().sqrt()
    }

    /// Angle in degrees, -180 to 180.
    pub fn arg_deg(self) -> f64 {
        libm::atan2(self.im, self.re) * 180.0 / core::f64::consts::PI
    }

    /// One over the number; Smith's method, so that neither large nor small values overflow.
    #[inline]
    pub fn recip(self) -> Self {
        if self.re.abs() >= self.im.abs() {
            let ratio = self.im / self.re;
            let denominator = self.re + self.im * ratio;
            Self::new(1.0 / denominator, -ratio / denominator)
        } else {
            let ratio = self.re / self.im;
            let denominator = self.re * ratio + self.im;
            Self::new(ratio / denominator, -1.0 / denominator)
        }
    }

    /// Times a real number.
    #[inline]
    pub fn scale(self, factor: f64) -> Self {
        Self::new(self.re * factor, self.im * factor)
    }

    /// Whether both parts are finite.
    #[inline]
    pub fn is_finite(self) -> bool {
        self.re.is_finite() && self.im.is_finite()
    }
}

/// Whether a value is above a limit or no number at all.
#[inline]
pub(crate) fn exceeds(value: f64, limit: f64) -> bool {
    value > limit || value.is_nan()
}

impl Add for Complex {
    type Output = Self;
    #[inline]
    fn add(self, o: Self) -> Self {
        Self::new(self.re + o.re, self.im + o.im)
    }
}

impl Sub for Complex {
    type Output = Self;
    #[inline]
    fn sub(self, o: Self) -> Self {
        Self::new(self.re - o.re, self.im - o.im)
    }
}

impl Mul for Complex {
    type Output = Self;
    #[inline]
    fn mul(self, o: Self) -> Self {
        Self::new(
            self.re * o.re - self.im * o.im,
            self.re * o.im + self.im * o.re,
        )
    }
}

impl Div for Complex {
    type Output = Self;
    #[expect(
        clippy::suspicious_arithmetic_impl,
        reason = "a quotient is a product with the inverse"
    )]
    #[inline]
    fn div(self, o: Self) -> Self {
        self * o.recip()
    }
}

impl Neg for Complex {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        Self::new(-self.re, -self.im)
    }
}

impl AddAssign for Complex {
    #[inline]
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl SubAssign for Complex {
    #[inline]
    fn sub_assign(&mut self, o: Self) {
        *self = *self - o;
    }
}

impl MulAssign for Complex {
    #[inline]
    fn mul_assign(&mut self, o: Self) {
        *self = *self * o;
    }
}

impl Sum for Complex {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}
