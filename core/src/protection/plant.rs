//! The network as protection sees it.

use gridloom_flow::{Complex, Fault, FaultKind as FlowKind, FaultPlace as FlowPlace, Network};
use gridloom_model::grid::LineEnd;
use gridloom_protection::{
    FaultKind, FaultPlace, FaultSpec, Measurement, Phasor, Plant, comtrade::Segment,
};

use super::plan::{Place, ProtectionPlan};
use crate::grid::Grid;
use crate::island::{self, Islands, Plan};

/// Power below which a port counts as drawing nothing, W.
const NOTHING_W: f64 = 1e-6;

/// Voltage above which a meter says that it has supply, pu.
const METER_LIVE_PU: f64 = 0.3;

/// The fault of the network that a specification means.
pub(super) fn fault_of(network: &Network, spec: &FaultSpec) -> Result<Fault, String> {
    let place = match &spec.at {
        FaultPlace::Bus(id) => FlowPlace::Bus(
            network
                .bus_index(id)
                .ok_or_else(|| format!("there is no bus {id}"))?,
        ),
        FaultPlace::Line(id, position) => FlowPlace::Line {
            line: network
                .line_index(id)
                .ok_or_else(|| format!("there is no line {id}"))?,
            position: *position,
        },
    };
    let kind = match spec.kind {
        FaultKind::ThreePhase => FlowKind::ThreePhase,
        FaultKind::ThreePhaseEarth => FlowKind::ThreePhaseEarth,
        FaultKind::LineLine(a, b) => FlowKind::LineLine(a, b),
        FaultKind::LineLineEarth(a, b) => FlowKind::LineLineEarth(a, b),
        FaultKind::LineEarth(a) => FlowKind::LineEarth(a),
    };
    let (r, x) = spec.z_ohm;
    let mut fault = Fault::bolted(place, kind);
    fault.z_ohm = Complex::new(r, x);
    Ok(fault)
}

/// Network, faults and records of one advance.
pub(super) struct TwinPlant<'a> {
    pub grid: &'a mut Grid,
    pub plan: &'a ProtectionPlan,
    pub faults: &'a [FaultSpec],
    pub tick_us: (u64, u64),
    /// Segments of this advance for the fault recorder.
    pub segments: Vec<Segment>,
    pub imbalance: f64,
    pub served_dead: u64,
    pub islands: &'a mut Islands,
    pub island_plan: Option<&'a Plan>,
    /// Whether the battery of a forming unit can carry a power over the tick, kW.
    pub can_carry: &'a dyn Fn(usize, f64) -> bool,
    /// Islands that were lost.
    pub lost: Vec<String>,
}

fn phasor(c: Complex) -> Phasor {
    Phasor::new(c.re, c.im)
}

impl TwinPlant<'_> {
    fn place(&self, device: usize) -> &Place {
        &self.plan.places[device]
    }

    /// Frequency at a live bus: that of its island, else that of the grid, Hz.
    fn frequency_hz(&self, bus: usize) -> f64 {
        let network = self.grid.network();
        network
            .bus_section(bus)
            .and_then(|section| self.islands.lead_of(section))
            .map_or(network.frequency_hz(), |unit| {
                self.islands.frequency[unit].f_hz
            })
    }

    /// Energy of the present solution: sources and feeders against loads,
    /// losses and faults; and loads on what is dead.
    fn audit(&mut self) {
        let network = self.grid.network();
        let totals = network.totals();
        let throughput = totals.source_w.abs() + totals.fed_in_w + totals.drawn_w;
        if throughput > 1.0 {
            self.imbalance = self.imbalance.max(totals.error_w().abs() / throughput);
        }
        for port in 0..network.port_count() {
            let id = gridloom_flow::PortId(port as u32);
            let dead = !network.bus_energised(network.port_bus(id));
            let (p_w, q_var) = network.port_power(id);
            self.served_dead += u64::from(dead && p_w.abs() + q_var.abs() > NOTHING_W);
        }
    }
}

impl Plant for TwinPlant<'_> {
    fn set_pole(&mut self, device: usize, phase: Option<usize>, closed: bool) {
        let (line, switch) = (self.place(device).line, self.place(device).switch);
        match phase {
            None => {
                self.grid.set_switch(switch, closed);
            }
            Some(phase) => {
                let conductor = phase as u8 + 1;
                let network = self.grid.network_mut();
                network.set_conductor_open(line, conductor, !closed);
            }
        }
    }

    fn set_fault(&mut self, fault: usize, on: bool) {
        let network = self.grid.network_mut();
        let wanted = self
            .faults
            .get(fault)
            .filter(|_| on)
            .and_then(|spec| fault_of(network, spec).ok());
        // Place and conductors were checked when the fault was asked for.
        let _ = network.set_fault(fault as u32, wanted);
    }

    fn solve(&mut self) -> Result<(), String> {
        let lost = island::solve(self.grid, self.islands, self.island_plan, self.can_carry);
        self.lost.extend(lost);
        self.grid.verdict().map_or(Ok(()), Err)
    }

    fn measure(&self, device: usize) -> Measurement {
        let place = self.place(device);
        let network = self.grid.network();
        let bus = network.bus_voltage(place.bus).phase;
        let line = if !network.line_open(place.line, place.end) {
            bus
        } else if network.line_open(place.line, other(place.end)) {
            [Complex::ZERO; 3]
        } else {
            network.bus_voltage(place.far_bus).phase
        };
        let live = network.bus_energised(place.bus);
        Measurement {
            i: network
                .line_current(place.line, place.end)
                .phase
                .map(phasor),
            v: bus.map(phasor),
            v_line: line.map(phasor),
            v_nominal: network.bus_base_v(place.bus).max(1.0),
            frequency_hz: if live {
                self.frequency_hz(place.bus)
            } else {
                0.0
            },
        }
    }

    fn meters(&self) -> Vec<bool> {
        let network = self.grid.network();
        let live = |bus: &usize| {
            let highest = network.bus_voltage(*bus).phase.map(Complex::abs);
            let highest = highest.into_iter().fold(0.0, f64::max);
            highest > METER_LIVE_PU * network.bus_base_v(*bus).max(1.0)
        };
        self.plan.meter_buses.iter().map(live).collect()
    }

    fn fault_a(&self, fault: usize) -> f64 {
        let reading = self.grid.network().fault_reading(fault as u32);
        reading.map_or(0.0, |reading| reading.largest_a())
    }

    fn elapse(&mut self, from_us: u64, to_us: u64) {
        let (begin, end) = self.tick_us;
        if (from_us, to_us) != self.tick_us {
            let share = (to_us - from_us) as f64 / (end - begin).max(1) as f64;
            self.grid.add_to_means(share);
        }
        if self.plan.audit {
            self.audit();
        }
        let mut phasors = Vec::with_capacity(6 * self.plan.places.len());
        for device in 0..self.plan.places.len() {
            let m = self.measure(device);
            phasors.extend(m.i);
            phasors.extend(m.v);
        }
        let network = self.grid.network();
        let open = self
            .plan
            .places
            .iter()
            .map(|place| !network.switch_closed(place.switch));
        self.segments.push(Segment {
            from_us,
            to_us,
            phasors,
            states: open.collect(),
        });
    }
}

fn other(end: LineEnd) -> LineEnd {
    match end {
        LineEnd::From => LineEnd::To,
        LineEnd::To => LineEnd::From,
    }
}
