//! Ports that hold a voltage: grid-forming inverters and generators.
//!
//! A forming port is a voltage behind an impedance, as seen from the network;
//! what sets its magnitude and angle (droop, a synchronising controller) lies
//! outside. Changing those costs no factorisation. When a source would exceed
//! its current limit its impedance grows until it does not, which is what the
//! virtual impedance of a current-limiting inverter does (Paquette and Divan,
//! "Virtual impedance current limiting for inverters in microgrids with
//! synchronous generators", IEEE Trans. Ind. Appl. 51 (2015)).

use super::*;

/// A voltage behind an impedance, equal in every phase and symmetric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmfBehindImpedance {
    /// Voltage across each phase of the port, V.
    pub v: f64,
    /// Angle of the first phase, degrees; the others follow at equal distances.
    pub angle_deg: f64,
    /// Impedance of each phase, ohm.
    pub z_ohm: Complex,
    /// Largest current of a phase, A; `None` for no limit.
    pub limit_a: Option<f64>,
    /// Impedance from the return conductor to earth while it forms the
    /// voltage, ohm; `None` where that conductor is earthed elsewhere or is earth.
    pub earth_ohm: Option<Complex>,
}

impl EmfBehindImpedance {
    /// A source without limit whose return conductor is earthed elsewhere.
    pub fn new(v: f64, angle_deg: f64, z_ohm: Complex) -> Self {
        Self {
            v,
            angle_deg,
            z_ohm,
            limit_a: None,
            earth_ohm: None,
        }
    }
}

/// Why a port cannot form a voltage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Voltage, angle or limit are not usable.
    #[error("voltage and limit must be positive numbers, the angle a number")]
    Value,
    /// The impedance is not usable.
    #[error("the impedance must be finite and not zero, its resistance not negative")]
    Impedance,
}

/// What a forming port delivers in the last solution.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceReading {
    /// Active power delivered at its terminals, W.
    pub p_w: f64,
    /// Reactive power delivered, var.
    pub q_var: f64,
    /// Current out of each phase, A.
    pub currents: Vec<Complex>,
    /// Whether its limit holds the current.
    pub limited: bool,
}

impl SourceReading {
    /// Largest current of a phase, A.
    pub fn largest_a(&self) -> f64 {
        self.currents.iter().map(|c| c.abs()).fold(0.0, f64::max)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Forming {
    pub(super) source: EmfBehindImpedance,
    /// Factor on the impedance that keeps the limit, at least one.
    pub(super) stretch: f64,
    /// Last stretch tried and the inverse of the current it gave, while searching.
    last: Option<(f64, f64)>,
}

/// Share of the limit by which it may be missed.
const LIMIT_TOLERANCE: f64 = 1e-6;

/// Largest factor on the impedance of a limited source.
const MOST_STRETCH: f64 = 1e9;

impl Network {
    /// Makes a port hold a voltage behind an impedance, or (`None`) draw its
    /// power again; returns whether anything changed. Its section is live by
    /// it. Takes effect with the next [`Network::solve`]; when only magnitude or
    /// angle change, without a factorisation.
    ///
    /// # Errors
    /// If a value is not usable.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn set_source(
        &mut self,
        port: PortId,
        source: Option<EmfBehindImpedance>,
    ) -> Result<bool, SourceError> {
        if let Some(source) = &source {
            source.check()?;
        }
        let before = self.forming.get(&port.0).copied();
        if before.map(|f| f.source) == source {
            return Ok(false);
        }
        match source {
            None => {
                self.forming.remove(&port.0);
            }
            Some(source) => {
                let kept = before.filter(|f| {
                    f.source.z_ohm == source.z_ohm && f.source.earth_ohm == source.earth_ohm
                });
                let stretch = kept
                    .filter(|_| source.limit_a.is_some())
                    .map_or(1.0, |f| f.stretch);
                self.forming.insert(
                    port.0,
                    Forming {
                        source,
                        stretch,
                        last: None,
                    },
                );
                if kept.is_some_and(|f| f.stretch == stretch) {
                    self.place_source(port.0);
                    self.stale.sources = true;
                    return Ok(true);
                }
            }
        }
        self.place_source(port.0);
        self.soften();
        self.stale.topology |= before.is_some() != source.is_some();
        self.stale.start |= before.is_some() != source.is_some();
        self.stale.values = true;
        Ok(true)
    }

    /// The source that a port forms, if it does.
    pub fn source_of(&self, port: PortId) -> Option<EmfBehindImpedance> {
        self.forming.get(&port.0).map(|f| f.source)
    }

    /// Ports that form a voltage, in order.
    pub fn forming_ports(&self) -> impl Iterator<Item = PortId> {
        self.forming.keys().map(|&port| PortId(port))
    }

    /// Section a port belongs to, see [`Network::bus_section`]; `None` when dead.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn port_section(&self, port: PortId) -> Option<usize> {
        self.branches[self.ports[port.0 as usize].branches()]
            .iter()
            .flat_map(|b| [b.a, b.b])
            .filter(|&n| n != EARTH)
            .find_map(|n| self.node_section(n as usize))
    }

    /// Section that a source of the grid file feeds, see [`Network::bus_section`].
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn source_section(&self, source: usize) -> Option<usize> {
        self.elements[self.sources[source].element]
            .nodes
            .iter()
            .filter(|&&n| n != EARTH)
            .find_map(|&n| self.node_section(n as usize))
    }

    /// What a forming port delivers; `None` when it forms no voltage or is dead.
    pub fn source_reading(&self, port: PortId) -> Option<SourceReading> {
        let forming = self.forming.get(&port.0)?;
        let mut reading = SourceReading {
            p_w: 0.0,
            q_var: 0.0,
            currents: Vec::new(),
            limited: forming.stretch > 1.0,
        };
        for branch in &self.branches[self.ports[port.0 as usize].branches()] {
            if !branch.live {
                return None;
            }
            let v = self.potential(branch.a) - self.potential(branch.b);
            let out = -branch.drawn(v);
            let s = v * out.conj();
            reading.p_w += s.re;
            reading.q_var += s.im;
            reading.currents.push(out);
        }
        Some(reading)
    }

    /// Writes admittance and voltages of a port's source to its branches.
    pub(super) fn place_source(&mut self, port: u32) {
        let forming = self.forming.get(&port).copied();
        let range = self.ports[port as usize].branches();
        let phases = range.len();
        for (i, b) in range.enumerate() {
            let branch = &mut self.branches[b];
            branch.forming = forming.is_some();
            if let Some(f) = forming {
                let y = f.source.z_ohm.scale(f.stretch).recip();
                branch.held = branch.built + y;
                let angle = f.source.angle_deg - i as f64 * 360.0 / phases as f64;
                branch.emf = Complex::from_polar_deg(f.source.v, angle);
            }
        }
        if forming.is_none() {
            self.place_control(port);
        }
    }

    /// Nodes that forming sources earth, with the admittance.
    fn earths(&self) -> impl Iterator<Item = (NodeRef, Complex)> {
        self.forming.iter().filter_map(|(&port, forming)| {
            let start = self.ports[port as usize].branches().start;
            let node = self.branches[start].b;
            let z = forming.source.earth_ohm.filter(|_| node != EARTH)?;
            Some((node, crate::primitive::earth_admittance((z.re, z.im))))
        })
    }

    pub(super) fn push_earths(&self, out: &mut Vec<(usize, Complex)>) {
        for (node, y) in self.earths() {
            push_between(&self.matrix.factor, node, EARTH, y, out);
        }
    }

    pub(super) fn add_earth_currents(&self, out: &mut Vec<(usize, Complex)>) {
        out.extend(
            self.earths()
                .map(|(node, y)| (node as usize, y * self.potential(node))),
        );
    }

    /// Whether every forming source keeps its current limit; if not, changes
    /// their impedances for another solution.
    pub(super) fn limits_kept(&mut self) -> bool {
        let mut kept = true;
        let ports: Vec<u32> = self.forming.keys().copied().collect();
        for port in ports {
            let range = self.ports[port as usize].branches();
            let mut largest = 0.0_f64;
            let mut driving = 0.0_f64;
            for branch in &self.branches[range] {
                if !branch.live {
                    continue;
                }
                let v = self.potential(branch.a) - self.potential(branch.b);
                let current = branch.drawn(v).abs();
                if current > largest {
                    largest = current;
                    driving = (v - branch.emf).abs();
                }
            }
            let Some(forming) = self.forming.get_mut(&port) else {
                continue;
            };
            let Some(limit) = forming.source.limit_a else {
                continue;
            };
            if let Some(stretch) = forming.next_stretch(limit, largest, driving) {
                kept = false;
                forming.stretch = stretch;
                self.place_source(port);
                self.stale.values = true;
            }
        }
        kept
    }
}

impl Forming {
    /// The factor to try next; `None` when the limit is kept. The inverse of
    /// the current is close to a linear function of the impedance, so a secant
    /// on it finds the factor in a few steps.
    fn next_stretch(&mut self, limit: f64, largest: f64, driving: f64) -> Option<f64> {
        let above = largest > limit * (1.0 + LIMIT_TOLERANCE);
        let slack = self.stretch > 1.0 && largest < limit * (1.0 - LIMIT_TOLERANCE);
        if !(above || slack) || largest == 0.0 {
            self.last = None;
            return None;
        }
        let here = (self.stretch, 1.0 / largest);
        let plain = driving / (limit * self.source.z_ohm.abs());
        let next = match self.last {
            Some((x, y)) if here.0 != x && (here.1 - y) / (here.0 - x) > 0.0 => {
                here.0 + (1.0 / limit - here.1) * (here.0 - x) / (here.1 - y)
            }
            _ => plain,
        };
        self.last = Some(here);
        let next = if next.is_finite() { next } else { plain };
        let next = next.clamp(1.0, MOST_STRETCH);
        (next != self.stretch).then_some(next)
    }
}

impl EmfBehindImpedance {
    fn check(&self) -> Result<(), SourceError> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if !(positive(self.v) && self.angle_deg.is_finite())
            || self.limit_a.is_some_and(|limit| !positive(limit))
        {
            return Err(SourceError::Value);
        }
        let usable = |z: Complex| z.is_finite() && z.re >= 0.0;
        if !usable(self.z_ohm)
            || self.z_ohm.norm_sqr() == 0.0
            || self.earth_ohm.is_some_and(|z| !usable(z))
        {
            return Err(SourceError::Impedance);
        }
        Ok(())
    }
}
