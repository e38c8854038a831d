//! Gates of the market on a ledger and in the twin: books, wallets, replicas,
//! the same result without a ledger, and who may change a price.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use gridloom_core::report::Summary;
use gridloom_core::{TwinOptions, view::Selected};
use gridloom_ledger::rehearsal::{EURO, Rehearsal};
use gridloom_ledger::{DeviceFacts, MarketRules, MeterReading, Receipt, SettledSlot, SlotPrice};
use gridloom_market::gates::Count;
use gridloom_market::{
    BuyOrder, Buyer, MeteredNet, PriceInput, SellOrder, SettlementInput, StepLimit, allocate,
    settle, typed_price,
};
use gridloom_units::{AccountId, EnergyType, Stream, Tick, draw_u64};

use super::check_market::{at_most, counted};
use super::output::Figure;
use super::scene;

const HOMES: usize = 12;
const SLOTS: u32 = 96;
/// Weights of every home in a rehearsal.
const WEIGHTS: [u32; EnergyType::COUNT] = [3, 0, 0, 2, 0, 0, 1];

/// Runs a rehearsed ledger for a day and the small scene for half an hour.
pub fn figures() -> Result<Vec<Figure>> {
    let mut figures = Rehearsed::run().map_err(|error| anyhow!(error))?.figures();
    figures.extend(twin()?);
    Ok(figures)
}

/// Counts of a rehearsed day.
#[derive(Default)]
struct Rehearsed {
    books: Count,
    wallets: Count,
    replicas: Count,
    without_ledger: Count,
    decided_only: Count,
}

/// Registers and energies of one home.
#[derive(Clone, Copy, Default)]
struct Home {
    import_wh: i64,
    solar_wh: i64,
    slot_import_wh: i64,
    slot_solar_wh: i64,
}

impl Rehearsed {
    /// A day of four replicas with small deposits, so that wallets run empty;
    /// readings arrive in another order in every slot.
    fn run() -> Result<Self, String> {
        let rules = MarketRules {
            slot_ms: 900_000,
            reading_ms: 900_000,
            feed_in: 80_000,
            import: 300_000,
            max_step: 20_000,
            wholesale: None,
            island: 320_000,
        };
        let mut cluster = Rehearsal::with(HOMES as u32, 4, EURO / 4, rules)?;
        cluster.register_all(1_000)?;
        let mut counts = Self::default();
        let mut homes = [Home::default(); HOMES];
        let mut before: Option<SlotPrice> = None;
        let mut energies: BTreeMap<u32, [Home; HOMES]> = BTreeMap::new();
        for slot in 0..SLOTS {
            let end_ms = (u64::from(slot) + 1) * rules.slot_ms;
            for (n, home) in homes.iter_mut().enumerate() {
                home.advance(slot, n as u64);
            }
            energies.insert(slot, homes);
            for position in 0..HOMES {
                // A stride that is prime to the number of homes visits all.
                let n = (position * 5 + slot as usize) % HOMES;
                cluster.read(n, homes[n].reading(end_ms));
            }
            cluster.step(end_ms + 1_000)?;
            cluster.price(slot + 1);
            cluster.step(end_ms + 2_000)?;
            counts.look(&cluster, before.as_ref());
            let priced = cluster.chain().price(slot + 1);
            counts.without_ledger.note(price_alone(
                &rules,
                &homes,
                before.as_ref(),
                priced.as_ref(),
            ));
            cluster.settle(slot);
            cluster.step(end_ms + 3_000)?;
            counts.look(&cluster, priced.as_ref());
            let settled = cluster.receipts().iter().find_map(|receipt| match receipt {
                Receipt::Settled(settled) => Some(settled.clone()),
                _ => None,
            });
            let typed = before.as_ref().map(|price| price.typed);
            counts.without_ledger.note(settled_alone(
                &cluster,
                &rules,
                &energies[&slot],
                typed,
                settled.as_ref(),
            ));
            before = priced;
        }
        counts.replay(&cluster, rules)?;
        Ok(counts)
    }

    /// Books, wallets, replicas and the price after a block.
    fn look(&mut self, cluster: &Rehearsal, price: Option<&SlotPrice>) {
        let chain = cluster.chain();
        self.books
            .note(chain.audit().err().map(|error| error.to_string()));
        let negative = cluster
            .homes
            .iter()
            .filter_map(|(home, _)| chain.wallet(home.account()))
            .find(|wallet| wallet.money < 0 || wallet.debt < 0);
        self.wallets
            .note(negative.map(|wallet| format!("{wallet:?}")));
        let root = chain.state_root();
        let same = cluster
            .replicas
            .iter()
            .all(|replica| replica.state_root() == root);
        self.replicas
            .note((!same).then(|| "replicas differ in their state root".into()));
        // The newest price may be another one only when this block decided it.
        let decided = cluster
            .receipts()
            .iter()
            .any(|receipt| matches!(receipt, Receipt::PriceDecided { .. }));
        let now = chain.latest_price();
        let moved = now.as_ref().map(|p| p.slot) != price.map(|p| p.slot);
        self.decided_only
            .note((moved && !decided).then(|| "a price changed without a decision".into()));
    }

    /// A validator that lost everything applies the blocks again.
    fn replay(&mut self, cluster: &Rehearsal, rules: MarketRules) -> Result<(), String> {
        let fresh = Rehearsal::with(HOMES as u32, 1, EURO / 4, rules)?;
        let mut replica = fresh.replicas.into_iter().next().ok_or("no replica")?;
        for height in 1..=cluster.chain().height() {
            let block = cluster
                .chain()
                .block(height)
                .ok_or("a decided block is missing")?;
            gridloom_consensus::Chain::apply(&mut replica, block).map_err(|e| e.to_string())?;
        }
        let same = replica.state_root() == cluster.chain().state_root();
        self.wallets
            .note((!same).then(|| "a replay of the blocks gives another state".into()));
        Ok(())
    }

    fn figures(&self) -> Vec<Figure> {
        vec![
            counted("1 money and energy, blocks", "violations", &self.books),
            counted("5 wallets on the ledger", "violations", &self.wallets),
            counted("6 replicas, state roots", "violations", &self.replicas),
            counted("15 ledger on or off", "violations", &self.without_ledger),
            counted(
                "16 price without decision",
                "violations",
                &self.decided_only,
            ),
        ]
    }
}

impl Home {
    /// Load of a quarter of an hour, and for every other home sun around noon.
    fn advance(&mut self, slot: u32, n: u64) {
        let draw = |what: u64| draw_u64(7, u64::from(slot) * 2 + what, n, Stream::Behaviour);
        let mut net = (draw(0) % 400) as i64;
        if n.is_multiple_of(2) {
            let sun = (24 - (i64::from(slot) - 50).abs()).max(0);
            net -= sun * (20 + (draw(1) % 20) as i64);
        }
        self.slot_import_wh = net.max(0);
        self.slot_solar_wh = (-net).max(0);
        self.import_wh += self.slot_import_wh;
        self.solar_wh += self.slot_solar_wh;
    }

    fn reading(&self, interval_end_ms: u64) -> MeterReading {
        MeterReading {
            interval_end_ms,
            import_wh: self.import_wh,
            export_solar_wh: self.solar_wh,
            export_battery_wh: 0,
            facts: DeviceFacts::default(),
        }
    }
}

/// The price the library gives without a ledger, against the decided one.
fn price_alone(
    rules: &MarketRules,
    homes: &[Home; HOMES],
    before: Option<&SlotPrice>,
    decided: Option<&SlotPrice>,
) -> Option<String> {
    let Some(decided) = decided else {
        return Some("no price was decided".into());
    };
    let mut supply_wh = [0; EnergyType::COUNT];
    supply_wh[EnergyType::Solar.index()] = homes.iter().map(|home| home.slot_solar_wh).sum();
    let input = PriceInput {
        lower: rules.feed_in,
        upper: rules.import,
        exponent: gridloom_market::Exponent::One,
        supply_wh,
        buyers: homes
            .iter()
            .map(|home| Buyer::new(home.slot_import_wh, WEIGHTS))
            .collect(),
        asks: vec![],
    };
    let mut outcome = match typed_price(&input) {
        Ok(outcome) => outcome,
        Err(error) => return Some(error.to_string()),
    };
    if supply_wh.iter().all(|wh| *wh == 0) {
        outcome.price = [rules.import; EnergyType::COUNT];
        outcome.scalar = rules.import;
    }
    if let Some(before) = before {
        let limit = StepLimit {
            previous: before.typed,
            previous_scalar: before.scalar,
            max_step: rules.max_step,
        };
        let within = |price: i64, last: i64| {
            price
                .clamp(last - limit.max_step, last + limit.max_step)
                .clamp(rules.feed_in, rules.import)
        };
        for (price, last) in outcome.price.iter_mut().zip(limit.previous) {
            *price = within(*price, last);
        }
        outcome.scalar = within(outcome.scalar, limit.previous_scalar);
    }
    outcome.price[EnergyType::GridMix.index()] = rules.import;
    let same = (outcome.price, outcome.scalar) == (decided.typed, decided.scalar);
    (!same).then(|| {
        format!(
            "slot {}: the ledger decided {} and the library gives {}",
            decided.slot, decided.scalar, outcome.scalar
        )
    })
}

/// The settlement the library gives without a ledger, against the recorded one.
fn settled_alone(
    cluster: &Rehearsal,
    rules: &MarketRules,
    homes: &[Home; HOMES],
    typed: Option<[i64; EnergyType::COUNT]>,
    settled: Option<&SettledSlot>,
) -> Option<String> {
    let Some(settled) = settled else {
        return Some("a slot was not settled".into());
    };
    let accounts: Vec<AccountId> = cluster
        .homes
        .iter()
        .map(|(home, _)| home.account())
        .collect();
    let buyers: Vec<BuyOrder> = homes
        .iter()
        .zip(&accounts)
        .map(|(home, account)| BuyOrder {
            account: *account,
            demand_wh: home.slot_import_wh,
            weights: if typed.is_some() { WEIGHTS } else { [0; 7] },
        })
        .collect();
    let sellers: Vec<SellOrder> = homes
        .iter()
        .zip(&accounts)
        .map(|(home, account)| SellOrder {
            account: *account,
            kind: EnergyType::Solar,
            offered_wh: home.slot_solar_wh,
        })
        .collect();
    let metered: Vec<MeteredNet> = homes
        .iter()
        .zip(&accounts)
        .map(|(home, account)| MeteredNet {
            account: *account,
            net_wh: home.slot_import_wh - home.slot_solar_wh,
        })
        .collect();
    let price = typed.unwrap_or([rules.import; EnergyType::COUNT]);
    let lines = allocate(&buyers, &sellers, &price).and_then(|allocation| {
        settle(&SettlementInput {
            utility: cluster.utility.account(),
            feed_in: rules.feed_in,
            import: rules.import,
            price,
            paid: None,
            allocation: &allocation,
            metered: &metered,
        })
    });
    let same = lines.is_ok_and(|alone| alone.lines == settled.lines);
    (!same).then(|| format!("slot {}: other lines than without a ledger", settled.slot))
}

/// Half an hour of the small scene, once alone and once with a window looking.
fn twin() -> Result<Vec<Figure>> {
    let path = scene::default_scene()?.with_file_name("two_houses.scene.ron");
    let mut alone = scene::twin(&path, TwinOptions::default())?;
    let mut watched = scene::twin(&path, TwinOptions::default())?;
    let end = alone.end().min(Tick(1_800_000 / alone.tick_ms()));
    let mut writes = Count::default();
    while watched.tick() < end {
        alone.step();
        watched.step();
        if watched.tick().0.is_multiple_of(60) {
            let selected = Selected::Home((watched.tick().0 / 60 % 2) as usize);
            let _ = watched.view(Some(selected));
        }
        let at = watched.tick();
        let same = alone.hash_after(at) == watched.hash_after(at);
        writes.note((!same).then(|| format!("tick {}: looking changed the world", at.0)));
    }
    let summary = Summary::of(&mut watched);
    Ok(vec![
        counted("16 looking changes nothing", "violations", &writes),
        at_most(
            "2 meters against power flow",
            "residual",
            summary.meter_residual_pct,
            "%",
            0.1,
            1,
        ),
    ])
}
