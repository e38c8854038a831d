//! What a run decided, for a database or a file: read from the ledgers' blocks
//! in order, each fact once.

use std::collections::BTreeSet;

use gridloom_consensus::Chain;
use gridloom_ledger::{Receipt, Transaction, TxBody};
use gridloom_units::{AccountId, EnergyType};

use crate::ledger::{LedgerGroup, Ledgers};
use crate::record::{EventLog, SAMPLE_MS, Telemetry};
use crate::spawn::{Organisation, utility_account};
use crate::twin::Twin;
use crate::view::EventKind;

/// Someone with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Number: position of the meter; the utility comes last.
    pub number: u32,
    /// Id in the scene.
    pub name: String,
    /// `home`, `shared battery` or `utility`.
    pub kind: &'static str,
    /// Cluster; empty for the utility.
    pub cluster: String,
    /// M-LMD in whose area it is; empty for the utility.
    pub mlmd: String,
}

/// A decided fact, with the height of the block that holds it where one does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Registers of a meter since the start, Wh.
    Reading {
        /// Number of the party.
        party: u32,
        /// End of the interval, ms.
        interval_end_ms: u64,
        /// Taken.
        import_wh: i64,
        /// Given from photovoltaics.
        export_solar_wh: i64,
        /// Given out of storage.
        export_battery_wh: i64,
        /// Block.
        height: u64,
    },
    /// Price of a slot and type.
    Price {
        /// Id of the cluster.
        cluster: String,
        /// The slot.
        slot: u32,
        /// Start of the slot, ms.
        start_ms: u64,
        /// Type of the energy.
        kind: EnergyType,
        /// micro-EUR/kWh.
        price: i64,
        /// Block.
        height: u64,
    },
    /// A lot that changed hands.
    Trade {
        /// Id of the cluster.
        cluster: String,
        /// The slot.
        slot: u32,
        /// Position in the settlement of the slot; from 65,536 on for what was
        /// traded with another cluster.
        line: u64,
        /// Start of the slot, ms.
        start_ms: u64,
        /// Who received the energy.
        buyer: u32,
        /// Who delivered it.
        seller: u32,
        /// Type of the energy.
        kind: EnergyType,
        /// Why.
        reason: &'static str,
        /// Wh.
        energy_wh: i64,
        /// micro-EUR/kWh.
        price: i64,
        /// What the buyer paid, nano-EUR.
        money: i128,
        /// Block.
        height: u64,
    },
    /// What was expected of a slot when it was priced.
    Forecast {
        /// Id of the cluster.
        cluster: String,
        /// The slot.
        slot: u32,
        /// Start of the slot, ms.
        start_ms: u64,
        /// `demand`, or the type of the energy that members give.
        quantity: &'static str,
        /// Expected, Wh.
        expected_wh: i64,
        /// Metered in the slot before, Wh.
        last_wh: i64,
        /// How it was formed.
        method: &'static str,
        /// Block.
        height: u64,
    },
    /// Energy into the area of an M-LMD since the start, Wh.
    AreaLoad {
        /// Id of the M-LMD.
        mlmd: String,
        /// End of the interval, ms.
        interval_end_ms: u64,
        /// Wh, negative when the area gave.
        energy_wh: i64,
        /// Block.
        height: u64,
    },
    /// A home without supply in a stretch of time.
    Outage {
        /// Number of the party.
        party: u32,
        /// Start of the stretch, ms.
        start_ms: u64,
        /// Minutes of it without supply.
        minutes: u32,
    },
    /// Something that happened.
    Event {
        /// Number of the event.
        number: u64,
        /// When, ms.
        time_ms: u64,
        /// Kind.
        kind: &'static str,
        /// In words.
        text: String,
    },
}

/// How far a run has been read.
pub struct Archive {
    heights: Vec<u64>,
    events: usize,
    minutes: usize,
    slot_ms: u64,
    utility: (AccountId, u32),
    mlmd_names: Vec<String>,
}

impl Archive {
    /// Starts at the beginning of a run.
    #[must_use]
    pub fn new(twin: &mut Twin) -> Self {
        let ledgers = twin.world().resource::<Ledgers>().names.len();
        let organisation = twin.world().resource::<Organisation>();
        Self {
            heights: vec![0; ledgers],
            events: 0,
            minutes: 0,
            slot_ms: u64::from(twin.scene().scene.market.slot_min) * 60_000,
            utility: (
                utility_account(twin.seed()),
                organisation.participants.len() as u32,
            ),
            mlmd_names: organisation.mlmd_names.clone(),
        }
    }

    /// Everybody with an account.
    #[must_use]
    pub fn parties(&self, twin: &Twin) -> Vec<Party> {
        let organisation = twin.world().resource::<Organisation>();
        let refs = &twin.scene().refs;
        let areas = refs.homes.iter().map(|home| (home.cluster, home.mlmd));
        let areas = areas.chain(refs.shared_batteries.iter().map(|b| (b.cluster, b.mlmd)));
        let mut parties: Vec<Party> = organisation
            .participants
            .iter()
            .zip(areas)
            .enumerate()
            .map(|(number, (party, (cluster, mlmd)))| Party {
                number: number as u32,
                name: party.name.clone(),
                kind: if (number as u32) < organisation.homes {
                    "home"
                } else {
                    "shared battery"
                },
                cluster: organisation.cluster_names[cluster].clone(),
                mlmd: self.mlmd_names[mlmd].clone(),
            })
            .collect();
        parties.push(Party {
            number: self.utility.1,
            name: "utility".into(),
            kind: "utility",
            cluster: String::new(),
            mlmd: String::new(),
        });
        parties
    }

    /// Whether a slot ends with the tick that has just run: the time to call
    /// [`Self::take`].
    #[must_use]
    pub fn is_due(&self, twin: &Twin) -> bool {
        twin.time().0.is_multiple_of(self.slot_ms)
    }

    /// What was decided and what happened since the last call.
    pub fn take(&mut self, twin: &mut Twin) -> Vec<Fact> {
        let mut facts = Vec::new();
        self.take_blocks(twin, &mut facts);
        self.take_outages(twin, &mut facts);
        self.take_events(twin, &mut facts);
        facts
    }

    fn take_blocks(&mut self, twin: &mut Twin, facts: &mut Vec<Fact>) {
        let world = twin.world_mut();
        let mut query = world.query::<&LedgerGroup>();
        let organisation = world.resource::<Organisation>();
        let root = world.resource::<Ledgers>().root();
        let mut groups: Vec<&LedgerGroup> = query.iter(world).filter(|g| g.index != root).collect();
        groups.sort_by_key(|group| group.index);
        for group in groups {
            let Some(chain) = group.chain() else {
                continue;
            };
            let cluster = &organisation.cluster_names[group.index as usize];
            let reader = Reader {
                organisation,
                utility: self.utility,
                mlmd_names: &self.mlmd_names,
                slot_ms: self.slot_ms,
                cluster,
            };
            let tip = chain.tip();
            for height in self.heights[group.index as usize] + 1..=tip {
                let (Some(decided), Some(receipts)) = (chain.block(height), chain.receipts(height))
                else {
                    continue;
                };
                reader.read_block(decided.block.transactions(), &receipts, height, facts);
            }
            self.heights[group.index as usize] = tip.max(self.heights[group.index as usize]);
        }
    }

    fn take_outages(&mut self, twin: &Twin, facts: &mut Vec<Fact>) {
        let history = twin.world().resource::<Telemetry>().history();
        let end = (twin.time().0 / SAMPLE_MS) as usize;
        for (party, trend) in history.home.iter().enumerate() {
            let until = end.min(trend.v_pu.len());
            let Some(samples) = trend.v_pu.get(self.minutes..until) else {
                continue;
            };
            let minutes = samples.iter().filter(|v| v.is_nan()).count() as u32;
            if minutes > 0 {
                facts.push(Fact::Outage {
                    party: party as u32,
                    start_ms: self.minutes as u64 * SAMPLE_MS,
                    minutes,
                });
            }
        }
        self.minutes = end;
    }

    fn take_events(&mut self, twin: &Twin, facts: &mut Vec<Fact>) {
        let log = twin.world().resource::<EventLog>();
        // Events that the list has dropped already count in the numbers.
        let dropped = log.dropped as usize;
        let all = log.all();
        let first = self.events.saturating_sub(dropped);
        for (index, event) in all.iter().enumerate().skip(first) {
            facts.push(Fact::Event {
                number: (dropped + index) as u64,
                time_ms: event.time.0,
                kind: kind_label(event.kind),
                text: event.text.clone(),
            });
        }
        self.events = dropped + all.len();
    }
}

fn kind_label(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Grid => "grid",
        EventKind::Scene => "scene",
        EventKind::Price => "price",
        EventKind::Ledger => "ledger",
        EventKind::Alarm(_) => "alarm",
        EventKind::Command => "command",
    }
}

/// Turns the transactions of one cluster into facts.
struct Reader<'a> {
    organisation: &'a Organisation,
    utility: (AccountId, u32),
    mlmd_names: &'a [String],
    slot_ms: u64,
    cluster: &'a str,
}

impl Reader<'_> {
    fn party(&self, account: &AccountId) -> u32 {
        if *account == self.utility.0 {
            return self.utility.1;
        }
        // Operators hold accounts too but trade nothing; a stranger is shown
        // as the utility's neighbour instead of being lost.
        self.organisation
            .meter_of(account)
            .map_or(self.utility.1 + 1, |(meter, _)| meter)
    }

    /// A block's facts: of the transactions that were not refused, and of what
    /// their execution did. One transaction has any number of receipts.
    fn read_block<T: std::ops::Deref<Target = Transaction>>(
        &self,
        transactions: &[T],
        receipts: &[Receipt],
        height: u64,
        facts: &mut Vec<Fact>,
    ) {
        let refused: BTreeSet<&[u8; 32]> = receipts
            .iter()
            .filter_map(|receipt| match receipt {
                Receipt::Refused { transaction, .. } => Some(transaction),
                _ => None,
            })
            .collect();
        for transaction in transactions {
            if refused.is_empty() || !refused.contains(&transaction.id()) {
                self.transaction(transaction, height, facts);
            }
        }
        for (place, receipt) in receipts.iter().enumerate() {
            self.receipt(receipt, height, place as u64, facts);
        }
    }

    fn transaction(&self, transaction: &Transaction, height: u64, facts: &mut Vec<Fact>) {
        match &transaction.body {
            TxBody::Reading(reading) => {
                let Some(party) = self.organisation.meter_of_key(&transaction.signer) else {
                    return;
                };
                facts.push(Fact::Reading {
                    party,
                    interval_end_ms: reading.interval_end_ms,
                    import_wh: reading.import_wh,
                    export_solar_wh: reading.export_solar_wh,
                    export_battery_wh: reading.export_battery_wh,
                    height,
                });
            }
            TxBody::AreaLoad {
                mlmd,
                interval_end_ms,
                energy_wh,
            } => {
                facts.push(Fact::AreaLoad {
                    mlmd: self
                        .mlmd_names
                        .get(*mlmd as usize)
                        .cloned()
                        .unwrap_or_default(),
                    interval_end_ms: *interval_end_ms,
                    energy_wh: *energy_wh,
                    height,
                });
            }
            TxBody::Price { slot, typed, .. } => {
                for (kind, &price) in EnergyType::ALL.into_iter().zip(typed) {
                    facts.push(Fact::Price {
                        cluster: self.cluster.to_owned(),
                        slot: *slot,
                        start_ms: u64::from(*slot) * self.slot_ms,
                        kind,
                        price,
                        height,
                    });
                }
            }
            _ => {}
        }
    }

    fn receipt(&self, receipt: &Receipt, height: u64, place: u64, facts: &mut Vec<Fact>) {
        let start_ms = |slot: u32| u64::from(slot) * self.slot_ms;
        match receipt {
            Receipt::Settled(settled) => {
                for (line, lot) in settled.lines.iter().enumerate() {
                    facts.push(Fact::Trade {
                        cluster: self.cluster.to_owned(),
                        slot: settled.slot,
                        line: line as u64,
                        start_ms: start_ms(settled.slot),
                        buyer: self.party(&lot.buyer),
                        seller: self.party(&lot.seller),
                        kind: lot.kind,
                        reason: lot.reason.label(),
                        energy_wh: lot.energy_wh,
                        price: lot.price,
                        money: lot.money(),
                        height,
                    });
                }
            }
            Receipt::NeighbourTrade { slot, line, .. } => {
                facts.push(Fact::Trade {
                    cluster: self.cluster.to_owned(),
                    slot: *slot,
                    // Behind the lots of the slot's settlement, whatever block it is in.
                    line: (height << 16) + place,
                    start_ms: start_ms(*slot),
                    buyer: self.party(&line.buyer),
                    seller: self.party(&line.seller),
                    kind: line.kind,
                    reason: line.reason.label(),
                    energy_wh: line.energy_wh,
                    price: line.price,
                    money: line.money(),
                    height,
                });
            }
            Receipt::Expected {
                slot,
                demand,
                supply,
            } => {
                let supply = EnergyType::ALL
                    .into_iter()
                    .zip(supply.iter())
                    .map(|(kind, expected)| (kind.label(), expected));
                for (quantity, expected) in std::iter::once(("demand", demand)).chain(supply) {
                    facts.push(Fact::Forecast {
                        cluster: self.cluster.to_owned(),
                        slot: *slot,
                        start_ms: start_ms(*slot),
                        quantity,
                        expected_wh: expected.wh,
                        last_wh: expected.last_wh,
                        method: expected.method.label(),
                        height,
                    });
                }
            }
            _ => {}
        }
    }
}
