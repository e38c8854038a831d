//! gate 18: orders of members and bids of a wholesale agent on a ledger.
//!
//! A day in which every home bids at random under both auctions while an agent
//! deals above them: books and replicas after every block, nobody outside the
//! tariff, nobody dearer than without the agent, no order that stays.

use anyhow::{Result, anyhow};
use gridloom_ledger::rehearsal::{EURO, Rehearsal};
use gridloom_ledger::{
    KeyPair, MAX_OPEN_SLOTS, MarketRules, MeterReading, Receipt, SettledSlot, TxBody,
    WholesaleAgent,
};
use gridloom_market::gates::Count;
use gridloom_market::wholesale::{HOURS, WholesaleTerms, forecast};
use gridloom_market::{MoneyLine, Reason, Rule, Step, Terms};
use gridloom_units::{Stream, draw_u64};

use super::check_market::counted;
use super::output::Figure;

const HOMES: u32 = 8;
const SLOTS: u32 = 96;
const SLOT_MS: u64 = 900_000;

/// Counts of the two days.
#[derive(Default)]
struct Bids {
    books: Count,
    replicas: Count,
    tariff: Count,
    limits: Count,
    forgotten: Count,
}

/// Runs a day under each auction.
pub fn figures() -> Result<Vec<Figure>> {
    let mut counts = Bids::default();
    for (seed, rule) in [(1, Rule::PayAsBid), (2, Rule::PayAsClear)] {
        counts.day(seed, rule).map_err(|error| anyhow!(error))?;
    }
    let row = |case: &str, count: &Count| counted(case, "violations", count);
    Ok(vec![
        row("18 bids: money and energy", &counts.books),
        row("18 bids: replicas", &counts.replicas),
        row("18 bids: never worse than tariff", &counts.tariff),
        row("18 bids: nobody beyond the limit", &counts.limits),
        row("18 bids: settled is forgotten", &counts.forgotten),
    ])
}

/// A step drawn for a home: a limit within the tariff, sometimes an energy.
fn drawn(seed: u64, slot: u32, home: u32, what: u64, rules: &MarketRules) -> Step {
    let draw = |n: u64| {
        let moment = u64::from(slot) * 16 + what * 4 + n;
        draw_u64(seed, moment, u64::from(home), Stream::Behaviour)
    };
    let spread = (rules.import - rules.feed_in) as u64;
    Step {
        limit: rules.feed_in + (draw(0) % (spread + 1)) as i64,
        wh: (draw(1) % 3 == 0).then(|| 1 + (draw(2) % 300) as i64),
        kind: None,
    }
}

fn orders(seed: u64, slot: u32, home: u32, rules: &MarketRules) -> Terms {
    let step = |what| drawn(seed, slot, home, what, rules);
    Terms {
        buy: Some(vec![step(0), step(1)]),
        sell: home.is_multiple_of(2).then(|| vec![step(2)]),
    }
}

impl Bids {
    fn day(&mut self, seed: u64, rule: Rule) -> Result<(), String> {
        let agent = KeyPair::from_seed([9; 32]);
        let rules = rules(&agent);
        let mut cluster = Rehearsal::with(HOMES, 2, EURO, rules)?;
        cluster.register_under(rule, 1_000)?;
        let mut registers = vec![(0_i64, 0_i64); HOMES as usize];
        let mut nets: Vec<i64> = Vec::new();
        let mut placed: Vec<Option<Terms>> = vec![None; HOMES as usize];
        for slot in 0..SLOTS {
            let start_ms = u64::from(slot) * SLOT_MS;
            if slot > 0 {
                cluster.price(slot);
            }
            cluster.step(start_ms + 10_000)?;
            self.look(&cluster);
            // Bids for the next slot; every third home leaves it to its contract.
            let mut next: Vec<Option<Terms>> = vec![None; HOMES as usize];
            for home in (0..HOMES).filter(|home| (home + slot) % 3 != 0) {
                let terms = orders(seed, slot, home, &rules);
                cluster.order(home as usize, slot + 1, terms.clone());
                next[home as usize] = Some(terms);
            }
            let minute = rules.minute_of_day(slot + 1);
            let terms = rules.wholesale.map(|agent| agent.terms);
            let wanted = forecast(&nets, 2, SLOTS as usize).zip(terms);
            let steps = wanted.map(|(net, terms)| terms.bid(net, minute, rules.tariff()));
            if let Some(steps) = steps.filter(|steps| !steps.is_empty()) {
                let body = TxBody::WholesaleBid {
                    slot: slot + 1,
                    steps,
                };
                let tx = cluster.sign(&agent, body);
                cluster.submit(tx);
            }
            cluster.step(start_ms + 20_000)?;
            self.look(&cluster);
            for (home, sums) in registers.iter_mut().enumerate() {
                let (load, sun) = energy(seed, slot, home as u64);
                *sums = (sums.0 + load, sums.1 + sun);
                let reading = MeterReading {
                    interval_end_ms: start_ms + SLOT_MS,
                    import_wh: sums.0,
                    export_solar_wh: sums.1,
                    ..MeterReading::default()
                };
                cluster.read(home, reading);
            }
            cluster.step(start_ms + SLOT_MS + 1_000)?;
            cluster.settle(slot);
            cluster.step(start_ms + SLOT_MS + 2_000)?;
            self.look(&cluster);
            let settled = settled(&cluster).ok_or("a slot was not settled")?;
            nets.push(settled.bought_wh - settled.sold_wh);
            self.trades(&cluster, &rules, &settled, &placed);
            placed = next;
        }
        Ok(())
    }

    /// Books, replicas and the size of what is kept, after a block.
    fn look(&mut self, cluster: &Rehearsal) {
        let chain = cluster.chain();
        self.books
            .note(chain.audit().err().map(|error| error.to_string()));
        let root = chain.state_root();
        let same = cluster.replicas.iter().all(|r| r.state_root() == root);
        self.replicas
            .note((!same).then(|| "replicas differ in their state root".into()));
        let done = chain.settled_through();
        let kept = cluster.homes.iter().map(|(home, _)| {
            let orders = chain.orders(home.account());
            orders.len() > MAX_OPEN_SLOTS || orders.iter().any(|o| Some(o.slot) <= done)
        });
        let stale = kept.filter(|stale| *stale).count();
        self.forgotten
            .note((stale > 0).then(|| format!("{stale} homes have orders of settled slots")));
    }

    /// Prices of a settled slot against the tariff and the orders.
    fn trades(
        &mut self,
        cluster: &Rehearsal,
        rules: &MarketRules,
        settled: &SettledSlot,
        placed: &[Option<Terms>],
    ) {
        let price = cluster.chain().price(settled.slot);
        let grid = price.map_or(rules.tariff(), |price| price.grid);
        let within = rules.feed_in <= grid.feed_in
            && grid.feed_in <= grid.import
            && grid.import <= rules.import
            && settled
                .lines
                .iter()
                .all(|line| (grid.feed_in..=grid.import).contains(&line.price));
        self.tariff
            .note((!within).then(|| format!("slot {}: {grid:?}", settled.slot)));
        let home_of = |account| {
            let mut homes = cluster.homes.iter();
            homes.position(|(home, _)| home.account() == account)
        };
        let limit = |line: &MoneyLine| {
            let terms = placed.get(home_of(line.buyer)?)?.as_ref()?;
            let best = terms.buy.iter().flatten().map(|step| step.limit).max()?;
            // Outside the slot's bounds a limit counts as the bound.
            Some(best.clamp(grid.feed_in, grid.import))
        };
        let local = |line: &&MoneyLine| line.reason == Reason::LocalTrade;
        for line in settled.lines.iter().filter(local) {
            let beyond = limit(line).is_some_and(|limit| line.price > limit);
            self.limits.note(beyond.then(|| format!("{line:?}")));
        }
    }
}

fn rules(agent: &KeyPair) -> MarketRules {
    MarketRules {
        slot_ms: SLOT_MS,
        reading_ms: SLOT_MS,
        feed_in: 80_000,
        import: 300_000,
        max_step: 0,
        island: 320_000,
        wholesale: Some(WholesaleAgent {
            account: agent.account(),
            terms: WholesaleTerms {
                // Dearer in the evening than the utility: then it stays away.
                anchor: std::array::from_fn(|hour| if hour == 18 { 320_000 } else { 120_000 }),
                spread: 5_000,
                block_wh: 500,
                impact: 3_000,
                margin: 20_000,
                max_wh: 20_000,
            },
        }),
    }
}

/// Load of a quarter of an hour, and for every other home sun around noon, Wh.
fn energy(seed: u64, slot: u32, home: u64) -> (i64, i64) {
    let draw = |what: u64| {
        let moment = u64::from(slot) * 2 + what;
        draw_u64(seed + 100, moment, home, Stream::Behaviour)
    };
    let load = (draw(0) % 400) as i64;
    let sun = (24 - (i64::from(slot) - 50).abs()).max(0) * (20 + (draw(1) % 20) as i64);
    if home.is_multiple_of(2) {
        ((load - sun).max(0), (sun - load).max(0))
    } else {
        (load, 0)
    }
}

fn settled(cluster: &Rehearsal) -> Option<SettledSlot> {
    let receipts = cluster.receipts();
    receipts.iter().find_map(|receipt| match receipt {
        Receipt::Settled(settled) => Some(settled.clone()),
        _ => None,
    })
}

const _: () = assert!(HOURS == 24, "the anchors above are hourly");
