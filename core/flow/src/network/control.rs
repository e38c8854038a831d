//! Control laws of ports inside the solution.
//!
//! The power of a controlled port follows its curve at every iterate, so that
//! the solution lies on the curve and no outer loop hunts for it. Half the
//! steepest slope of the law stands in the matrix as an admittance: what is
//! left for the iteration then contracts in every network, weak or strong,
//! because the map of a voltage change to a current change has only its
//! conjugate part left.

use gridloom_model::grid::{Generator, ReactiveBase};

use super::*;
use crate::inverter::{Curve, FrequencyWatt, InverterLaw, LawError, Priority, QBase, ReactiveLaw};

/// Law, frequency and share of a controlled port.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PortControl {
    pub(super) law: InverterLaw,
    pub(super) hz: f64,
}

/// Which voltages the laws look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Those of the last solution.
    Start,
    /// Those of the present iterate.
    Iterate,
}

/// Share of the rating below which the mismatch of a controlled port is judged
/// relative to that share.
const FLOOR_SHARE: f64 = 0.05;

/// The law of a plant's inverter in a grid file, which is valid.
fn law_of(generator: &Generator, frequency_hz: f64) -> Option<InverterLaw> {
    let c = generator.control.as_ref()?;
    let curve = |points: &[(f64, f64)]| Curve::new(points).ok();
    let mut law = InverterLaw::new(generator.kva * 1e3, c.p_rated_kw * 1e3);
    law.q_base = match c.q_base {
        ReactiveBase::Rating => QBase::Rating,
        ReactiveBase::Available => QBase::Available,
        ReactiveBase::Stated { inject, absorb } => QBase::Stated(inject * 1e3, absorb * 1e3),
    };
    (law.q_inject_var, law.q_absorb_var) = (c.q_most_kvar.0 * 1e3, c.q_most_kvar.1 * 1e3);
    law.volt_watt = curve(&c.volt_watt);
    if let Some(curve) = curve(&c.volt_var) {
        law.reactive = ReactiveLaw::VoltVar(curve);
    } else if let Some(curve) = curve(&c.watt_var) {
        law.reactive = ReactiveLaw::WattVar(curve);
    } else if let Some(pf) = c.power_factor {
        law.reactive = ReactiveLaw::PowerFactor(pf);
    }
    law.frequency_watt = c
        .frequency_watt
        .map(|(deadband_hz, droop_pu)| FrequencyWatt {
            nominal_hz: frequency_hz,
            deadband_hz,
            droop_pu,
        });
    if c.watt_priority {
        law.priority = Priority::Watt;
    }
    Some(law)
}

impl Network {
    /// Gives the plants of a grid file their control laws and current limits.
    pub(super) fn place_plants(&mut self, generators: &[Generator]) {
        for generator in generators {
            let Some(port) = self.port_index(&generator.id) else {
                continue;
            };
            if let Some(law) = law_of(generator, self.frequency_hz) {
                // The grid is valid, so the law is.
                let _ = self.set_port_law(port, Some(law));
            }
            if let Some(limit) = generator.current_limit_pu {
                let range = self.ports[port.0 as usize].branches();
                let base = self.branches[range.start].law.v_base() * range.len() as f64;
                self.set_port_limit(port, Some(limit * generator.kva * 1e3 / base));
            }
        }
    }

    /// Gives a port a control law, or (`None`) lets it draw its power again;
    /// returns whether anything changed. The power set with
    /// [`Network::set_port_power`] is then what the plant could deliver
    /// (negative as drawn).
    ///
    /// # Errors
    /// If ratings or settings are not usable.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn set_port_law(
        &mut self,
        port: PortId,
        law: Option<InverterLaw>,
    ) -> Result<bool, LawError> {
        if let Some(law) = &law {
            law.check()?;
        }
        let before = self.controls.get(&port.0);
        if before.map(|c| &c.law) == law.as_ref() {
            return Ok(false);
        }
        let hz = before.map_or(self.frequency_hz, |c| c.hz);
        match law {
            Some(law) => {
                self.controls.insert(port.0, PortControl { law, hz });
            }
            None => {
                self.controls.remove(&port.0);
                let (p, q) = self.port_nominal(port);
                self.set_port_power(port, p, q);
            }
        }
        self.list_controlled();
        self.place_control(port.0);
        self.stale.values = true;
        Ok(true)
    }

    /// The control law of a port.
    pub fn port_control(&self, port: PortId) -> Option<&InverterLaw> {
        self.controls.get(&port.0).map(|c| &c.law)
    }

    /// Frequency that a port's control law sees, Hz; nominal until set. Returns
    /// `false` for a port without law or a frequency that is not positive.
    pub fn set_port_frequency(&mut self, port: PortId, hz: f64) -> bool {
        if !(hz.is_finite() && hz > 0.0) {
            return false;
        }
        match self.controls.get_mut(&port.0) {
            Some(control) => {
                control.hz = hz;
                true
            }
            None => false,
        }
    }

    /// Limits the current of each phase of a port, A, as an inverter does in a
    /// fault; `None` for no limit. Returns whether anything changed.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn set_port_limit(&mut self, port: PortId, limit_a: Option<f64>) -> bool {
        let limit = limit_a
            .filter(|a| a.is_finite() && *a > 0.0)
            .unwrap_or(f64::INFINITY);
        let range = self.ports[port.0 as usize].branches();
        let mut changed = false;
        for branch in &mut self.branches[range] {
            changed |= branch.limit_a != limit;
            branch.limit_a = limit;
        }
        self.soften();
        changed
    }

    /// Limit of each phase's current, A.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn port_limit(&self, port: PortId) -> Option<f64> {
        let start = self.ports[port.0 as usize].branches().start;
        Some(self.branches[start].limit_a).filter(|a| a.is_finite())
    }

    /// Ports that follow a control law now: forming ports do not.
    pub(super) fn list_controlled(&mut self) {
        self.controlled = self.controls.keys().copied().collect();
    }

    /// Writes the slope of a port's law to its branches.
    pub(super) fn place_control(&mut self, port: u32) {
        let range = self.ports[port as usize].branches();
        let phases = range.len() as f64;
        let control = self.controls.get(&port);
        for b in range {
            let branch = &mut self.branches[b];
            if branch.forming {
                continue;
            }
            branch.held = branch.built;
            branch.floor = branch::FLOOR_VA2;
            if let Some(control) = control {
                let (p, q) = control.law.slopes();
                let base = branch.law.v_base();
                let scale = 0.5 / (phases * base * base);
                branch.held += Complex::new(p * scale, -q * scale);
                let share = control.law.s_rated_va * FLOOR_SHARE / phases;
                branch.floor = (share * share).max(branch::FLOOR_VA2);
            }
        }
    }

    /// Sets the power of controlled ports at the voltages of a stage.
    pub(super) fn control_at(&mut self, stage: Stage) {
        if self.controlled.is_empty() {
            return;
        }
        let first = self.matrix.factor.first_port();
        let v = match stage {
            Stage::Start => &self.v[first..],
            Stage::Iterate => &self.work[..],
        };
        for &port in &self.controlled {
            let Some(control) = self.controls.get(&port) else {
                continue;
            };
            let info = &self.ports[port as usize];
            let (mut sum, mut count) = (0.0, 0.0);
            let live = |b: &&Branch| b.live;
            for branch in self.branches[info.branches()].iter().filter(live) {
                let across = v[branch.at_a as usize] - v[branch.at_b as usize];
                sum += across.abs() / branch.law.v_base();
                count += 1.0;
            }
            if count == 0.0 {
                continue;
            }
            let phases = info.phases() as f64;
            let (p, q) = control
                .law
                .delivered(-info.p_w, -info.q_var, sum / count, control.hz);
            let s = Complex::new(-p / phases, -q / phases);
            for branch in &mut self.branches[info.branches()] {
                branch.s = s;
            }
        }
    }
}
