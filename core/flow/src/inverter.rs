//! Functions of inverters that follow the grid, as IEEE 1547-2018 names them.
//!
//! Curves are piecewise linear and constant beyond their ends. Per unit of
//! voltage is of the port's rating; per unit of power of the inverter's. Power
//! is counted as delivered (positive out of the inverter); reactive power is
//! positive when injected.

/// A piecewise linear curve through points of rising `x`.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    points: Vec<(f64, f64)>,
}

/// Points that a curve may have.
pub const MAX_POINTS: usize = 32;

/// Why a curve or law was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LawError {
    /// No points, too many, not finite, or `x` does not rise.
    #[error("a curve needs 1 to {MAX_POINTS} finite points with rising x")]
    Curve,
    /// A rating is not usable.
    #[error("ratings must be finite and not negative, the apparent power positive")]
    Rating,
    /// A power factor is not usable.
    #[error("a power factor must be from 0 (excluded) to 1 in magnitude")]
    PowerFactor,
    /// Settings of frequency-watt are not usable.
    #[error(
        "frequency-watt needs a positive nominal frequency and droop and a deadband not below 0"
    )]
    Frequency,
}

impl Curve {
    /// A curve through points.
    ///
    /// # Errors
    /// If the points are not finite, not rising, none or too many.
    pub fn new(points: &[(f64, f64)]) -> Result<Self, LawError> {
        let rising = points.windows(2).all(|p| p[0].0 < p[1].0);
        let finite = points.iter().all(|p| p.0.is_finite() && p.1.is_finite());
        if points.is_empty() || points.len() > MAX_POINTS || !rising || !finite {
            return Err(LawError::Curve);
        }
        Ok(Self {
            points: points.to_vec(),
        })
    }

    /// The points.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// Value at `x`.
    pub fn at(&self, x: f64) -> f64 {
        let next = self.points.partition_point(|p| p.0 <= x);
        match (next.checked_sub(1), self.points.get(next)) {
            (None, Some(first)) => first.1,
            (Some(last), None) => self.points[last].1,
            (Some(below), Some(above)) => {
                let below = self.points[below];
                below.1 + (above.1 - below.1) * (x - below.0) / (above.0 - below.0)
            }
            (None, None) => 0.0,
        }
    }

    /// Steepest fall, `-dy/dx`, of any section; zero when it never falls.
    pub(crate) fn steepest_fall(&self) -> f64 {
        self.points
            .windows(2)
            .map(|p| (p[0].1 - p[1].1) / (p[1].0 - p[0].0))
            .fold(0.0, f64::max)
    }

    fn fixed(points: &[(f64, f64)]) -> Self {
        Self {
            points: points.to_vec(),
        }
    }
}

/// Performance category of IEEE 1547-2018, clause 1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Low penetration.
    A,
    /// High penetration.
    B,
}

/// What gives way when active and reactive power exceed the rating together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Active power gives way (IEEE 1547-2018, clause 4.7.1).
    #[default]
    Var,
    /// Reactive power gives way.
    Watt,
}

/// Frequency-droop (frequency-power), IEEE 1547-2018, clause 5.6.5.3 and table 23.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrequencyWatt {
    /// Nominal frequency, Hz.
    pub nominal_hz: f64,
    /// Deadband on either side, Hz.
    pub deadband_hz: f64,
    /// Change of frequency, per unit, for a change of power of the whole rating.
    pub droop_pu: f64,
}

impl FrequencyWatt {
    /// Default settings of all categories: deadband 0.036 Hz, droop 5 %.
    pub fn default_at(nominal_hz: f64) -> Self {
        Self {
            nominal_hz,
            deadband_hz: 0.036,
            droop_pu: 0.05,
        }
    }

    /// Change of delivered power, per unit of the rating, at a frequency.
    pub fn change_pu(&self, hz: f64) -> f64 {
        let over = hz - (self.nominal_hz + self.deadband_hz);
        let under = (self.nominal_hz - self.deadband_hz) - hz;
        let beyond = if over > 0.0 {
            -over
        } else if under > 0.0 {
            under
        } else {
            0.0
        };
        beyond / (self.nominal_hz * self.droop_pu)
    }
}

/// How reactive power is found.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ReactiveLaw {
    /// As set with the port's power.
    #[default]
    AsSet,
    /// Constant power factor of the delivered power; negative absorbs.
    PowerFactor(f64),
    /// A curve over voltage (per unit) in per unit of `q_base`.
    VoltVar(Curve),
    /// A curve over delivered active power, per unit of `p_rated_w`, in per unit of `q_base`.
    WattVar(Curve),
}

/// Base of reactive power curves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum QBase {
    /// The rated apparent power (IEEE 1547-2018).
    #[default]
    Rating,
    /// What the rating leaves beside the active power.
    Available,
    /// Stated values, var, when injecting and when absorbing.
    Stated(f64, f64),
}

/// Control law of a port behind an inverter.
#[derive(Clone, Debug, PartialEq)]
pub struct InverterLaw {
    /// Rated apparent power, VA.
    pub s_rated_va: f64,
    /// Rated active power, W: the base of volt-watt, watt-var and frequency-watt.
    pub p_rated_w: f64,
    /// Base of reactive power curves.
    pub q_base: QBase,
    /// Most reactive power injected, var.
    pub q_inject_var: f64,
    /// Most reactive power absorbed, var.
    pub q_absorb_var: f64,
    /// Reactive power.
    pub reactive: ReactiveLaw,
    /// Limit of active power over voltage, per unit of `p_rated_w`.
    pub volt_watt: Option<Curve>,
    /// Active power over frequency.
    pub frequency_watt: Option<FrequencyWatt>,
    /// What could be delivered beyond what is set, W, when the frequency is low.
    pub reserve_w: f64,
    /// Least delivered power that frequency-watt may ask for, W; negative for storage.
    pub p_least_w: f64,
    /// What gives way at the rating.
    pub priority: Priority,
}

impl InverterLaw {
    /// An inverter of rated apparent power (VA) and active power (W) without
    /// functions, whose reactive power the apparent power limits alone.
    pub fn new(s_rated_va: f64, p_rated_w: f64) -> Self {
        Self {
            s_rated_va,
            p_rated_w,
            q_base: QBase::Rating,
            q_inject_var: s_rated_va,
            q_absorb_var: s_rated_va,
            reactive: ReactiveLaw::AsSet,
            volt_watt: None,
            frequency_watt: None,
            reserve_w: 0.0,
            p_least_w: 0.0,
            priority: Priority::Var,
        }
    }

    /// Default settings of IEEE 1547-2018 for volt-var (table 8), with the
    /// reactive power a category must be capable of (table 7): 44 % injected,
    /// 25 % (A) or 44 % (B) absorbed.
    pub fn volt_var(mut self, category: Category) -> Self {
        let (curve, absorb) = match category {
            Category::A => (&[(0.9, 0.25), (1.0, 0.0), (1.1, -0.25)][..], 0.25),
            Category::B => (
                &[(0.92, 0.44), (0.98, 0.0), (1.02, 0.0), (1.08, -0.44)][..],
                0.44,
            ),
        };
        self.reactive = ReactiveLaw::VoltVar(Curve::fixed(curve));
        self.q_inject_var = 0.44 * self.s_rated_va;
        self.q_absorb_var = absorb * self.s_rated_va;
        self
    }

    /// Default settings for volt-watt, both categories (table 31).
    pub fn volt_watt(mut self) -> Self {
        self.volt_watt = Some(Curve::fixed(&[(1.06, 1.0), (1.1, 0.2)]));
        self
    }

    /// Default settings for watt-var (table 10), injecting side of a plant and
    /// absorbing side of storage.
    pub fn watt_var(mut self, category: Category) -> Self {
        let most = match category {
            Category::A => 0.25,
            Category::B => 0.44,
        };
        self.reactive = ReactiveLaw::WattVar(Curve::fixed(&[
            (-1.0, most),
            (-0.5, 0.0),
            (0.5, 0.0),
            (1.0, -most),
        ]));
        self
    }

    /// Default frequency-droop.
    pub fn frequency_watt(mut self, nominal_hz: f64) -> Self {
        self.frequency_watt = Some(FrequencyWatt::default_at(nominal_hz));
        self
    }

    /// Checks ratings and settings.
    ///
    /// # Errors
    /// What is not usable.
    pub fn check(&self) -> Result<(), LawError> {
        let ratings = [
            self.p_rated_w,
            self.widest_base(),
            self.q_inject_var,
            self.q_absorb_var,
            self.reserve_w,
        ];
        let good = |x: f64| x.is_finite() && x >= 0.0;
        let usable = self.s_rated_va.is_finite()
            && self.s_rated_va > 0.0
            && self.p_least_w.is_finite()
            && ratings.into_iter().all(good);
        if !usable {
            return Err(LawError::Rating);
        }
        if let ReactiveLaw::PowerFactor(pf) = self.reactive
            && !(pf.is_finite() && pf != 0.0 && pf.abs() <= 1.0)
        {
            return Err(LawError::PowerFactor);
        }
        if let Some(f) = &self.frequency_watt {
            let positive = |x: f64| x.is_finite() && x > 0.0;
            if !(positive(f.nominal_hz) && positive(f.droop_pu) && good(f.deadband_hz)) {
                return Err(LawError::Frequency);
            }
        }
        Ok(())
    }

    /// Delivered power, W and var, at a voltage (per unit) and frequency, when
    /// `p_w` and `q_var` are set as delivered.
    pub fn delivered(&self, p_w: f64, q_var: f64, v_pu: f64, hz: f64) -> (f64, f64) {
        let mut p = p_w;
        if let Some(f) = &self.frequency_watt {
            let change = f.change_pu(hz) * self.p_rated_w;
            if change > 0.0 {
                p = (p + change).min(p_w + self.reserve_w);
            } else if change < 0.0 {
                p = (p + change).max(self.p_least_w.min(p_w));
            }
        }
        if let Some(curve) = &self.volt_watt {
            p = p.min(curve.at(v_pu) * self.p_rated_w);
        }
        p = p.clamp(-self.s_rated_va, self.s_rated_va);
        let q = match &self.reactive {
            ReactiveLaw::AsSet => q_var,
            ReactiveLaw::PowerFactor(pf) => p * (1.0 / (pf * pf) - 1.0).sqrt() * pf.signum(),
            ReactiveLaw::VoltVar(curve) => self.curve_var(curve.at(v_pu), p),
            ReactiveLaw::WattVar(curve) => {
                let pu = if self.p_rated_w > 0.0 {
                    p / self.p_rated_w
                } else {
                    0.0
                };
                self.curve_var(curve.at(pu), p)
            }
        };
        self.within_rating(p, q.clamp(-self.q_absorb_var, self.q_inject_var))
    }

    /// Reactive power, var, of a value of a curve beside an active power.
    fn curve_var(&self, pu: f64, p: f64) -> f64 {
        let s = self.s_rated_va;
        pu * match self.q_base {
            QBase::Rating => s,
            QBase::Available => (s * s - p * p).max(0.0).sqrt(),
            QBase::Stated(inject, _) if pu >= 0.0 => inject,
            QBase::Stated(_, absorb) => absorb,
        }
    }

    fn widest_base(&self) -> f64 {
        match self.q_base {
            QBase::Rating | QBase::Available => self.s_rated_va,
            // A maximum would hide what is no number.
            QBase::Stated(inject, absorb) if inject > absorb => inject,
            QBase::Stated(_, absorb) => absorb,
        }
    }

    fn within_rating(&self, p: f64, q: f64) -> (f64, f64) {
        let s = self.s_rated_va;
        if p * p + q * q <= s * s {
            return (p, q);
        }
        match (self.priority, &self.reactive) {
            // A power factor is kept by both giving way.
            (_, ReactiveLaw::PowerFactor(_)) => {
                let scale = s / (p * p + q * q).sqrt();
                (p * scale, q * scale)
            }
            (Priority::Var, _) => {
                let q = q.clamp(-s, s);
                let room = (s * s - q * q).max(0.0).sqrt();
                (p.clamp(-room, room), q)
            }
            (Priority::Watt, _) => {
                let room = (s * s - p * p).max(0.0).sqrt();
                (p, q.clamp(-room, room))
            }
        }
    }

    /// Steepest rise of drawn power with voltage, W and var per unit of voltage.
    pub(crate) fn slopes(&self) -> (f64, f64) {
        let p = self
            .volt_watt
            .as_ref()
            .map_or(0.0, |c| c.steepest_fall() * self.p_rated_w);
        let q = match &self.reactive {
            ReactiveLaw::VoltVar(curve) => curve.steepest_fall() * self.widest_base(),
            _ => 0.0,
        };
        (p, q)
    }
}

#[cfg(test)]
mod tests;
