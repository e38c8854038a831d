//! Gate on voltage limits: random feeders and slots, the clearing's prediction
//! against the power flow.
//!
//! Feeders are trees of 5 to 14 buses of cable with single-phase members in
//! one to three clusters; slots are random orders, most of them with so much
//! sun or so much demand that a limit binds. A case is a function of its number.

use std::collections::BTreeMap;
use std::ops::Range;

use gridloom_flow::{Network, PortId};
use gridloom_market::gates::Count;
use gridloom_market::tiers::{ClusterOrders, TierInput, TierNode};
use gridloom_market::{BuyOrder, Exponent, SellOrder};
use gridloom_model::grid::{
    Bus, Connection, GridCase, Line, LineCode, LineImpedance, Load, LoadLaw, SourceImpedance,
    Terminal, VoltageBand, VoltageSource,
};
use gridloom_units::{AccountId, EnergyType, Stream, draw_u64};

use super::feeder::{Feeder, FeederMember};
use super::voltage::{VoltageLimits, VoltageRow, clear_on_feeder};

/// What a prediction of the clearing may be off at any node, micro-pu.
pub const ERROR_UPU: i64 = 1_000;

/// Length of a slot, min.
const SLOT_MIN: u32 = 15;

/// Counts over random feeders.
#[derive(Clone, Debug, Default)]
pub struct VoltageGates {
    /// Predicted and solved voltages of cleared limits differ by no more than
    /// [`ERROR_UPU`], those of the sensitivities alone by ten times as much.
    pub predicted: Count,
    /// No solved voltage is beyond a limit where the clearing says that it holds.
    pub limits: Count,
    /// Money is complete and only what a limit asks for is held back.
    pub books: Count,
    /// Cases in which a limit was reached and kept.
    pub binding: u64,
    /// Largest error of a prediction of cleared limits, micro-pu.
    pub worst_error_upu: i64,
    /// Largest error of the sensitivities alone, micro-pu.
    pub worst_linear_upu: i64,
}

/// Draws of one case.
struct Draws {
    case: u64,
    next: u64,
}

impl Draws {
    fn within(&mut self, low: i64, high: i64) -> i64 {
        self.next += 1;
        let draw = draw_u64(self.case, self.next, 0, Stream::Behaviour);
        let span = (high - low + 1).unsigned_abs();
        // Below the span, an i64.
        low + i64::try_from(draw % span).unwrap_or(0)
    }
}

/// A random feeder with orders.
struct Drawn {
    grid: GridCase,
    clusters: Vec<ClusterOrders>,
    places: BTreeMap<AccountId, usize>,
    limits: VoltageLimits,
}

/// Clears random slots on random feeders.
///
/// # Errors
/// When a feeder cannot be built, or has no solution.
pub fn voltage_gates(cases: Range<u64>) -> Result<VoltageGates, String> {
    let mut gates = VoltageGates::default();
    for case in cases {
        let drawn = draw(case);
        let mut feeder = feeder(&drawn).map_err(|reason| format!("case {case}: {reason}"))?;
        let network = lines(drawn.clusters.len());
        let input = TierInput {
            import: 300_000,
            export: 80_000,
            lost_load: 3_000_000,
            reserve: 0,
            exponent: Exponent::One,
            network: &network,
            clusters: &drawn.clusters,
        };
        let cleared = clear_on_feeder(&mut feeder, &input, &drawn.places, SLOT_MIN, drawn.limits);
        let (outcome, row) = cleared.map_err(|reason| format!("case {case}: {reason}"))?;
        gates.note(case, &drawn.limits, &row, outcome.imbalance());
        gates.limits.note((row.mended && !row.holds).then(|| {
            format!(
                "case {case}: {:?} upu outside {} to {}",
                row.solved_upu, drawn.limits.min_upu, drawn.limits.max_upu
            )
        }));
    }
    Ok(gates)
}

impl VoltageGates {
    fn note(&mut self, case: u64, limits: &VoltageLimits, row: &VoltageRow, imbalance: i128) {
        self.binding += u64::from(row.rounds > 0 && row.mended);
        if row.rounds > 0 {
            self.worst_error_upu = self.worst_error_upu.max(row.error_upu);
        }
        self.worst_linear_upu = self.worst_linear_upu.max(row.linear_error_upu);
        let allowed = if row.rounds > 0 {
            ERROR_UPU
        } else {
            10 * ERROR_UPU
        };
        self.predicted.note(
            (row.error_upu > allowed)
                .then(|| format!("case {case}: a prediction is off by {} upu", row.error_upu)),
        );
        let free = row.free_upu.0 >= limits.min_upu && row.free_upu.1 <= limits.max_upu;
        let idle = row.rounds == 0 && row.curtailed_wh == 0 && row.shed_wh == 0;
        let sound = imbalance == 0 && row.rent_nano_eur >= 0 && free == idle;
        self.books
            .note((!sound).then(|| format!("case {case}: money off by {imbalance} nEUR, {row:?}")));
    }
}

fn account(member: usize) -> AccountId {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&(member as u64).to_be_bytes());
    AccountId(bytes)
}

fn draw(case: u64) -> Drawn {
    let mut draws = Draws { case, next: 0 };
    let buses = draws.within(5, 14) as usize;
    let mut grid = cables();
    for bus in 1..buses {
        // Mostly a line of houses, sometimes a branch.
        let straight = draws.within(0, 9) < 7;
        let back = draws.within(1, bus as i64) as usize;
        let from = if straight { bus - 1 } else { bus - back };
        push_bus(&mut grid, bus, from, draws.within(30, 120) as f64 / 1_000.0);
    }
    let count = draws.within(1, 3) as usize;
    let mut clusters: Vec<ClusterOrders> = (0..count)
        .map(|cluster| ClusterOrders {
            node: cluster + 1,
            ..ClusterOrders::default()
        })
        .collect();
    let sunny = draws.within(0, 9) < 7;
    let mut places = BTreeMap::new();
    for member in 0..draws.within(4, 20) as usize {
        let bus = draws.within(1, buses as i64 - 1) as usize;
        grid.loads.push(load(member, bus, draws.within(1, 3) as u8));
        places.insert(account(member), member);
        let cluster = &mut clusters[bus * count / buses];
        let wh = draws.within(0, 1_250);
        if (draws.within(0, 9) < 9) == sunny {
            cluster.sellers.push(SellOrder {
                account: account(member),
                kind: EnergyType::Solar,
                offered_wh: wh,
            });
        } else {
            cluster.buyers.push(BuyOrder {
                account: account(member),
                demand_wh: wh,
                weights: [1, 0, 0, 1, 0, 0, 1],
            });
        }
    }
    Drawn {
        grid,
        clusters,
        places,
        limits: VoltageLimits {
            min_upu: 1_000_000 - draws.within(5_000, 50_000),
            max_upu: 1_000_000 + draws.within(5_000, 50_000),
        },
    }
}

fn lines(clusters: usize) -> Vec<TierNode> {
    let line = |parent, fee| TierNode {
        parent,
        capacity_wh: 1_000_000,
        fee,
    };
    let below = std::iter::repeat_n(line(Some(0), 10_000), clusters);
    std::iter::once(line(None, 20_000)).chain(below).collect()
}

fn feeder(drawn: &Drawn) -> Result<Feeder, String> {
    let mut network = Network::build(&drawn.grid).map_err(|error| error.to_string())?;
    let members: Vec<FeederMember> = (0..network.port_count())
        .map(|port| FeederMember {
            port: PortId(port as u32),
            tan_phi: 0.3,
        })
        .collect();
    for member in &members {
        network.set_port_power(member.port, 0.0, 0.0);
    }
    let nodes = (1..network.bus_count())
        .flat_map(|bus| network.bus_nodes(bus))
        .collect();
    let nothing = vec![0.0; members.len()];
    Feeder::new(network, members, nodes, nothing)
}

/// A source behind a transformer's impedance and one kind of cable, 150 mm²
/// aluminium: the order of figures of manufacturers' tables.
fn cables() -> GridCase {
    let mut grid = GridCase::empty("random", 50.0);
    grid.buses.push(bus(0));
    grid.sources.push(VoltageSource {
        id: "grid".into(),
        at: Terminal::new("b0", &[1, 2, 3]),
        from: None,
        kv: 0.4,
        v_pu: 1.0,
        angle_deg: 0.0,
        impedance: SourceImpedance::Sequence {
            r1: 0.005,
            x1: 0.015,
            r0: 0.01,
            x0: 0.02,
        },
    });
    grid.line_codes.push(LineCode {
        id: "cable".into(),
        conductors: 3,
        per_km: LineImpedance::Sequence {
            r1: 0.206,
            x1: 0.08,
            r0: 0.82,
            x0: 0.09,
            c1_nf: 300.0,
            c0_nf: 150.0,
        },
        norm_amps: 275.0,
    });
    grid
}

fn bus(index: usize) -> Bus {
    Bus {
        id: format!("b{index}"),
        kv_ln: 0.4 / 3.0_f64.sqrt(),
        xy: None,
    }
}

fn push_bus(grid: &mut GridCase, index: usize, from: usize, km: f64) {
    grid.buses.push(bus(index));
    grid.lines.push(Line {
        id: format!("l{index}"),
        from: Terminal::new(format!("b{from}"), &[1, 2, 3]),
        to: Terminal::new(format!("b{index}"), &[1, 2, 3]),
        code: "cable".into(),
        per_km: None,
        km,
        norm_amps: None,
        is_link: false,
    });
}

fn load(member: usize, bus: usize, phase: u8) -> Load {
    Load {
        id: format!("d{member}"),
        at: Terminal::new(format!("b{bus}"), &[phase, 0]),
        phases: 1,
        connection: Connection::Wye,
        kv: 0.23,
        kw: 0.0,
        kvar: 0.0,
        law: LoadLaw::ConstPower,
        band: VoltageBand::WIDE,
        neutral_ohm: None,
        profile: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_hold_and_limits_are_kept_on_random_feeders() {
        let gates = voltage_gates(0..120).expect("every feeder has a solution");
        for count in [&gates.predicted, &gates.limits, &gates.books] {
            assert_eq!(
                (count.cases, count.violations),
                (120, 0),
                "{:?}",
                count.first
            );
        }
        assert!(gates.binding >= 20, "{} binding", gates.binding);
        assert!(gates.worst_linear_upu > gates.worst_error_upu);
    }
}
