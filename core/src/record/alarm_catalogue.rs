//! The alarm catalogue: what each alarm means and what to do about it
//! (ISA-18.2 rationalisation; priorities by consequence and time to respond).

use super::alarms::{Alarm, AlarmKind};
use crate::spawn::Organisation;
use crate::view::{CatalogueRow, Place, Priority, Selected};

/// One row for one place.
pub(super) struct Entry {
    pub(super) title: String,
    pub(super) cause: &'static str,
    pub(super) consequence: &'static str,
    pub(super) action: String,
    pub(super) respond_s: u64,
}

/// Share of the customers without supply from which it is urgent: a quarter.
const LARGE_SHARE: u32 = 4;

/// Priority of a kind.
pub(super) fn priority(kind: AlarmKind, customers: u32, all: u32) -> Priority {
    match kind {
        AlarmKind::NoSolution
        | AlarmKind::BooksOff
        | AlarmKind::LedgerForked(_)
        | AlarmKind::BlackedOut
        | AlarmKind::EventsCut
        | AlarmKind::IslandFrequency => Priority::P1,
        AlarmKind::GridLost | AlarmKind::IslandReserve | AlarmKind::BlackStartFailed => {
            Priority::P2
        }
        AlarmKind::SyncRefused => Priority::P3,
        AlarmKind::SupplyLost(_) if customers * LARGE_SHARE > all => Priority::P1,
        AlarmKind::SupplyLost(_)
        | AlarmKind::LockedOut(_)
        | AlarmKind::LedgerHalted(_)
        | AlarmKind::Overcurrent(_)
        | AlarmKind::VoltageWide
        | AlarmKind::TransformerOverload(_)
        | AlarmKind::Equivocation(_)
        | AlarmKind::DataLost(_)
        | AlarmKind::TruthResidual(_) => Priority::P2,
        AlarmKind::Voltage(_)
        | AlarmKind::MeterSilent(_)
        | AlarmKind::AreaSilent(_)
        | AlarmKind::MeterUntrue(_)
        | AlarmKind::MlmdDrift(_)
        | AlarmKind::CloudLost
        | AlarmKind::LedgerLate(_)
        | AlarmKind::ValidatorDown(..) => Priority::P3,
    }
}

/// Least time the condition must be gone before the alarm returns to normal
/// (off-delay), ms; keeps it from chattering.
pub(super) fn off_delay_ms(kind: AlarmKind) -> u64 {
    match kind {
        AlarmKind::Voltage(_) | AlarmKind::VoltageWide => 60_000,
        AlarmKind::Overcurrent(_) | AlarmKind::TransformerOverload(_) => 30_000,
        _ => 0,
    }
}

/// Least time the condition must hold before the alarm is raised (on-delay), ms.
pub(super) fn on_delay_ms(kind: AlarmKind) -> u64 {
    match kind {
        AlarmKind::TransformerOverload(_) => 300_000,
        AlarmKind::Voltage(_) | AlarmKind::VoltageWide => 10_000,
        _ => 0,
    }
}

/// Names of places in titles.
struct Names<'a>(&'a Organisation);

impl Names<'_> {
    fn meter(&self, m: u32) -> &str {
        let party = self.0.participants.get(m as usize);
        party.map_or("?", |p| p.name.as_str())
    }

    fn device(&self, d: u32) -> &str {
        let names = &self.0.device_names;
        names.get(d as usize).map_or("?", String::as_str)
    }

    fn mlmd(&self, m: u32) -> &str {
        self.0
            .mlmd_names
            .get(m as usize)
            .map_or("?", String::as_str)
    }

    fn ledger(&self, l: u32) -> &str {
        self.0
            .ledger_names
            .get(l as usize)
            .map_or("?", String::as_str)
    }
}

/// Row of a kind at its place.
pub(super) fn entry(kind: AlarmKind, organisation: &Organisation) -> Entry {
    let names = Names(organisation);
    match kind {
        AlarmKind::NoSolution
        | AlarmKind::SupplyLost(_)
        | AlarmKind::Overcurrent(_)
        | AlarmKind::Voltage(_)
        | AlarmKind::VoltageWide
        | AlarmKind::LockedOut(_)
        | AlarmKind::EventsCut
        | AlarmKind::TransformerOverload(_) => grid_entry(kind, &names),
        AlarmKind::GridLost
        | AlarmKind::BlackedOut
        | AlarmKind::IslandFrequency
        | AlarmKind::IslandReserve
        | AlarmKind::SyncRefused
        | AlarmKind::BlackStartFailed => island_entry(kind),
        _ => data_entry(kind, &names),
    }
}

fn grid_entry(kind: AlarmKind, names: &Names<'_>) -> Entry {
    match kind {
        AlarmKind::SupplyLost(m) => Entry {
            title: format!("Supply lost behind {}", names.mlmd(m)),
            cause: "The breaker is open while the section before it is live",
            consequence: "Customers behind it are without supply",
            action: format!("Find out why {} is open, then close it", names.mlmd(m)),
            respond_s: 600,
        },
        AlarmKind::Overcurrent(m) => Entry {
            title: format!("{} above its limit", names.mlmd(m)),
            cause: "More current flows than the M-LMD is programmed for",
            consequence: "It opens after its trip time",
            action: "Shift flexible load behind it or raise its limit".into(),
            respond_s: 300,
        },
        AlarmKind::LockedOut(d) => Entry {
            title: format!("{} locked out", names.device(d)),
            cause: "The fault was still there after its last attempt",
            consequence: "The section behind it stays without supply",
            action: "Find the fault in the sequence of events, repair it, then close".into(),
            respond_s: 600,
        },
        AlarmKind::EventsCut => Entry {
            title: "Protection: too many events in one tick".into(),
            cause: "Devices switch against each other",
            consequence: "What happened within that tick is incomplete",
            action: "Look for devices that switch against each other and change their settings"
                .into(),
            respond_s: 60,
        },
        AlarmKind::Voltage(m) => Entry {
            title: format!("Voltage of {} outside 10 %", names.meter(m)),
            cause: "Feed-in or load on one phase at the end of a long line",
            consequence: "Equipment of one customer may be damaged or switch off",
            action: "Check the phase balance and the inverters nearby".into(),
            respond_s: 1_800,
        },
        AlarmKind::VoltageWide => Entry {
            title: "Voltage of many customers outside 10 %".into(),
            cause: "The whole feeder is lifted or pulled down",
            consequence: "Inverters trip together; equipment is at risk",
            action: "Curtail feed-in or shed load; check the transformer's tap".into(),
            respond_s: 600,
        },
        AlarmKind::TransformerOverload(_) => Entry {
            title: "Transformer above its rating".into(),
            cause: "Load or feed-in above the rating for five minutes",
            consequence: "It ages fast and its protection will open it",
            action: "Shift charging and heating; use the storage".into(),
            respond_s: 900,
        },
        _ => Entry {
            title: "Power flow has no solution".into(),
            cause: "More load than the network can carry",
            consequence: "Voltages collapse; nothing shown here can be trusted",
            action: "Shed load or open the overloaded section".into(),
            respond_s: 60,
        },
    }
}

fn island_entry(kind: AlarmKind) -> Entry {
    let (title, cause, consequence, action, respond_s) = match kind {
        AlarmKind::GridLost => (
            "The upstream grid has failed",
            "No voltage comes from the medium-voltage network",
            "The community must supply itself or goes dark",
            "Watch reserve and frequency of the island; ask the network operator",
            600,
        ),
        AlarmKind::BlackedOut => (
            "The community is without supply",
            "The upstream grid is gone and no unit holds the island",
            "Nobody has supply",
            "Begin the black start, or wait for the grid",
            300,
        ),
        AlarmKind::IslandFrequency => (
            "Island frequency far from nominal",
            "Load and generation of the island do not balance",
            "Stages of load are shed, then the units trip",
            "Shed load or start reserve; the units trip soon",
            60,
        ),
        AlarmKind::IslandReserve => (
            "Island reserve low",
            "The forming units are near their limits",
            "The next step of load or cloud cannot be covered",
            "Hold deferrable load back; shed before the units overload",
            300,
        ),
        AlarmKind::SyncRefused => (
            "Closing refused: out of step",
            "Voltage, frequency or angle across the switch differ too much",
            "The switch stays open",
            "Resynchronise the island, then close",
            600,
        ),
        _ => (
            "Black start stopped",
            "A step of the black start could not be carried out",
            "The sections that follow stay dark",
            "Remove what held the step back and begin again",
            600,
        ),
    };
    Entry {
        title: title.into(),
        cause,
        consequence,
        action: action.into(),
        respond_s,
    }
}

fn data_entry(kind: AlarmKind, names: &Names<'_>) -> Entry {
    match kind {
        AlarmKind::LedgerForked(l) => Entry {
            title: format!("Conflicting blocks on ledger {}", names.ledger(l)),
            cause: "More than a third of the validators misbehave",
            consequence: "Prices, payments and orders may be false",
            action: "Freeze the ledger: act on no price or order of it".into(),
            respond_s: 60,
        },
        AlarmKind::LedgerHalted(l) => Entry {
            title: format!("Ledger {} makes no blocks", names.ledger(l)),
            cause: "A third or more of the validators are down or cut off",
            consequence: "Prices are frozen; orders lapse after two slots",
            action: "Restart validators or heal the link; prices stay frozen until then".into(),
            respond_s: 600,
        },
        AlarmKind::DataLost(l) => Entry {
            title: format!("Readings of ledger {} are lost", names.ledger(l)),
            cause: "The store outside lost what hashes in the blocks point to",
            consequence: "Old readings cannot be audited; balances can",
            action: "Bring the store back from a copy; hashes tell a true one".into(),
            respond_s: 3_600,
        },
        AlarmKind::LedgerLate(l) => Entry {
            title: format!("Ledger {} is behind the meters", names.ledger(l)),
            cause: "Blocks become final later than the coupling allows",
            consequence: "Prices and orders rest on old readings",
            action: "Check validators, links and the kind of consensus".into(),
            respond_s: 900,
        },
        AlarmKind::Equivocation(l) => Entry {
            title: format!("A validator of {} signed twice", names.ledger(l)),
            cause: "It voted for two blocks in one round",
            consequence: "One fault less until the ledger halts or forks",
            action: "Take the validator out of the set".into(),
            respond_s: 900,
        },
        AlarmKind::TruthResidual(m) => Entry {
            title: format!("Truth residual of {} above 5 %", names.mlmd(m)),
            cause: "Meters or records do not add up to the area's energy",
            consequence: "Somebody pays for energy of somebody else",
            action: format!("Compare the meters behind {}", names.mlmd(m)),
            respond_s: 3_600,
        },
        AlarmKind::MeterUntrue(m) => Entry {
            title: format!("Meter {} cannot be true", names.meter(m)),
            cause: "Its reports fit neither the area's energy nor the voltages",
            consequence: "Its owner pays too little and the others too much",
            action: "Send someone to look at it; bill by the estimate until then".into(),
            respond_s: 86_400,
        },
        AlarmKind::MlmdDrift(m) => Entry {
            title: format!("{} measures wrongly", names.mlmd(m)),
            cause: "Its energy is off in proportion, and no voltage agrees with a theft",
            consequence: "Losses of its area look too high or too low",
            action: "Calibrate it: no meter behind it is to blame".into(),
            respond_s: 86_400,
        },
        AlarmKind::MeterSilent(m) => Entry {
            title: format!("Meter {} silent", names.meter(m)),
            cause: "Its readings have not arrived for three intervals",
            consequence: "Its slot settles late and on substitute values",
            action: "Use the area load; check the radio link".into(),
            respond_s: 3_600,
        },
        AlarmKind::AreaSilent(m) => Entry {
            title: format!("No readings from behind {}", names.mlmd(m)),
            cause: "The radio of the M-LMD or its aggregator is down",
            consequence: "The area settles late; its values are stale",
            action: format!("Check the radio of {}", names.mlmd(m)),
            respond_s: 3_600,
        },
        AlarmKind::ValidatorDown(l, n) => Entry {
            title: format!("Validator {n} of {} down", names.ledger(l)),
            cause: "The process stopped or lost its power",
            consequence: "One fault less until the ledger halts",
            action: "Restart it; one more may halt the ledger".into(),
            respond_s: 3_600,
        },
        AlarmKind::CloudLost => Entry {
            title: "The cloud does not answer".into(),
            cause: "The link to the cloud, or the cloud, is down",
            consequence: "Clusters price and settle on their own; payments between them wait",
            action: "Mend the link: nothing is lost".into(),
            respond_s: 1_800,
        },
        _ => Entry {
            title: "Ledger books do not balance".into(),
            cause: "A settlement created or destroyed money or energy",
            consequence: "Bills are wrong",
            action: "Stop settlement and compare the validators' states".into(),
            respond_s: 300,
        },
    }
}

/// Where an alarm is, if it is at one place.
pub(super) fn place(kind: AlarmKind, organisation: &Organisation) -> Option<Selected> {
    match kind {
        AlarmKind::SupplyLost(m)
        | AlarmKind::Overcurrent(m)
        | AlarmKind::AreaSilent(m)
        | AlarmKind::MlmdDrift(m)
        | AlarmKind::TruthResidual(m) => Some(Selected::Mlmd(m as usize)),
        AlarmKind::Voltage(m) | AlarmKind::MeterSilent(m) | AlarmKind::MeterUntrue(m) => {
            Some(match organisation.participants.get(m as usize)?.place {
                Place::SharedBattery(b) => Selected::SharedBattery(b as usize),
                _ => Selected::Home(m as usize),
            })
        }
        AlarmKind::LedgerHalted(l)
        | AlarmKind::LedgerForked(l)
        | AlarmKind::Equivocation(l)
        | AlarmKind::DataLost(l)
        | AlarmKind::LedgerLate(l)
        | AlarmKind::ValidatorDown(l, _) => ((l as usize) < organisation.cluster_names.len())
            .then_some(Selected::Aggregator(l as usize)),
        AlarmKind::TransformerOverload(t) => Some(Selected::Transformer(t as usize)),
        AlarmKind::NoSolution
        | AlarmKind::BooksOff
        | AlarmKind::LockedOut(_)
        | AlarmKind::EventsCut
        | AlarmKind::VoltageWide
        | AlarmKind::GridLost
        | AlarmKind::BlackedOut
        | AlarmKind::IslandFrequency
        | AlarmKind::IslandReserve
        | AlarmKind::SyncRefused
        | AlarmKind::CloudLost
        | AlarmKind::BlackStartFailed => None,
    }
}

/// Every alarm the run can raise, for the catalogue and its statistics.
pub(crate) fn rows(organisation: &Organisation, validators: &[u32]) -> Vec<CatalogueRow> {
    let (mlmds, meters) = (
        organisation.mlmd_names.len() as u32,
        organisation.participants.len() as u32,
    );
    let ledgers = organisation.ledger_names.len() as u32;
    let mut kinds = vec![
        AlarmKind::NoSolution,
        AlarmKind::BooksOff,
        AlarmKind::VoltageWide,
        AlarmKind::CloudLost,
    ];
    for l in 0..ledgers {
        kinds.extend([
            AlarmKind::LedgerForked(l),
            AlarmKind::LedgerHalted(l),
            AlarmKind::Equivocation(l),
            AlarmKind::DataLost(l),
            AlarmKind::LedgerLate(l),
        ]);
        let count = validators.get(l as usize).copied().unwrap_or(0);
        kinds.extend((0..count).map(|n| AlarmKind::ValidatorDown(l, n)));
    }
    for m in 0..mlmds {
        kinds.extend([
            AlarmKind::SupplyLost(m),
            AlarmKind::Overcurrent(m),
            AlarmKind::AreaSilent(m),
            AlarmKind::TruthResidual(m),
        ]);
    }
    kinds.push(AlarmKind::TransformerOverload(0));
    kinds.extend((0..meters).map(AlarmKind::MeterSilent));
    kinds.extend((0..organisation.homes).map(AlarmKind::Voltage));
    kinds
        .into_iter()
        .map(|kind| {
            let behind = match kind {
                AlarmKind::SupplyLost(m) => organisation
                    .customers_behind
                    .get(m as usize)
                    .copied()
                    .unwrap_or(0),
                _ => 0,
            };
            let entry = entry(kind, organisation);
            CatalogueRow {
                priority: priority(kind, behind, organisation.homes),
                title: entry.title,
                cause: entry.cause,
                consequence: entry.consequence,
                action: entry.action,
                respond_s: entry.respond_s,
            }
        })
        .collect()
}

/// Priority of a raised alarm.
pub(super) fn priority_of(alarm: &Alarm, organisation: &Organisation) -> Priority {
    priority(alarm.kind, alarm.customers, organisation.homes)
}
