//! How fast the market works: whole slots of many homes, without ledger and
//! power flow. The clock is the caller's, since this crate knows none.

use gridloom_units::{AccountId, EnergyType, EnergyWh, Stream, TypedWh, draw_u64};

use crate::allocation::{BuyOrder, SellOrder};
use crate::forward::{ForwardInput, LoadHistory, Store, Task, clear_forward};
use crate::price::Exponent;
use crate::tiers::{ClusterOrders, TierInput, TierNode, clear_tiers};
use crate::{MarketError, MeteredNet, SettlementInput, settle};

/// Slots of a day.
const DAY: usize = 96;
/// Homes of one cluster.
const CLUSTER: usize = 100;
/// Types on offer: all but the mix of the grid.
const TYPES: usize = 6;

/// What a day of many homes took.
#[derive(Clone, Copy, Debug, Default)]
pub struct DayFigures {
    /// Homes.
    pub homes: usize,
    /// Clusters on the tree.
    pub clusters: usize,
    /// Longest slot, s.
    pub longest_slot_s: f64,
    /// Middle slot, s.
    pub median_slot_s: f64,
    /// Whole day, s.
    pub day_s: f64,
    /// Of it for forward clearing, s.
    pub forward_s: f64,
    /// Lots of energy with their origin.
    pub lots: usize,
    /// Money that appeared or vanished, nano-EUR.
    pub off_nano_eur: i128,
}

/// A market with its books.
struct Market {
    homes: usize,
    network: Vec<TierNode>,
    history: Vec<LoadHistory>,
    /// Energy received per home and type since the beginning, Wh: provenance.
    received_wh: Vec<TypedWh>,
}

/// Runs one day of `homes` homes: per slot and cluster forward clearing, typed
/// price and allocation; tree clearing between the clusters; settlement against
/// the meters; every lot booked to its receiver by type and origin.
///
/// # Errors
/// As the clearings.
pub fn day(homes: usize, clock_s: &mut dyn FnMut() -> f64) -> Result<DayFigures, MarketError> {
    let mut market = Market::new(homes);
    let mut figures = DayFigures {
        homes,
        clusters: market.history.len(),
        ..DayFigures::default()
    };
    let mut slots = Vec::with_capacity(DAY);
    for slot in 0..DAY {
        // Orders and readings come from outside and are no part of the work.
        let clusters = market.orders(slot);
        let begun = clock_s();
        market.forward(slot)?;
        let cleared = clock_s();
        let (lots, off) = market.slot(&clusters)?;
        let end = clock_s();
        figures.forward_s += cleared - begun;
        figures.lots += lots;
        figures.off_nano_eur += off.abs();
        slots.push(end - begun);
    }
    slots.sort_by(f64::total_cmp);
    figures.day_s = slots.iter().sum();
    figures.longest_slot_s = slots.last().copied().unwrap_or(0.0);
    figures.median_slot_s = slots.get(slots.len() / 2).copied().unwrap_or(0.0);
    Ok(figures)
}

fn account(home: usize) -> AccountId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(
        &(home as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .to_be_bytes(),
    );
    bytes[24..].copy_from_slice(&(home as u64).to_be_bytes());
    AccountId(bytes)
}

impl Market {
    fn new(homes: usize) -> Self {
        let clusters = homes.div_ceil(CLUSTER).max(1);
        // Ten clusters to a transformer, transformers at the root.
        let transformers = clusters.div_ceil(10);
        let mut network = vec![TierNode {
            parent: None,
            capacity_wh: 4_000 * homes as EnergyWh,
            fee: 10_000,
        }];
        network.extend((0..transformers).map(|_| TierNode {
            parent: Some(0),
            capacity_wh: 600_000,
            fee: 10_000,
        }));
        network.extend((0..clusters).map(|n| TierNode {
            parent: Some(1 + n / 10),
            capacity_wh: 80_000,
            fee: 5_000,
        }));
        Self {
            homes,
            network,
            history: vec![LoadHistory::default(); clusters],
            received_wh: vec![[0; EnergyType::COUNT]; homes],
        }
    }

    fn draw(&self, slot: usize, home: usize, what: u64, below: i64) -> i64 {
        let at = slot as u64 * 16 + what;
        (draw_u64(5, at, home as u64, Stream::Behaviour) % below.unsigned_abs()) as i64
    }

    /// Every home buys or sells; sellers are spread over six types.
    fn orders(&mut self, slot: usize) -> Vec<ClusterOrders> {
        let first_cluster = self.network.len() - self.history.len();
        let mut clusters: Vec<ClusterOrders> = (0..self.history.len())
            .map(|n| ClusterOrders {
                node: first_cluster + n,
                ..ClusterOrders::default()
            })
            .collect();
        let sun = (24 - (slot as i64 - 50).abs()).max(0);
        for home in 0..self.homes {
            let load = 50 + self.draw(slot, home, 0, 400);
            let own = if home % 2 == 0 {
                sun * (10 + self.draw(slot, home, 1, 40))
            } else {
                self.draw(slot, home, 2, 120)
            };
            let cluster = &mut clusters[home / CLUSTER];
            if load > own {
                cluster.buyers.push(BuyOrder {
                    account: account(home),
                    demand_wh: load - own,
                    weights: std::array::from_fn(|k| self.draw(0, home, 3 + k as u64, 5) as u32),
                });
            } else {
                cluster.sellers.push(SellOrder {
                    account: account(home),
                    kind: EnergyType::ALL[home / 2 % TYPES],
                    offered_wh: own - load,
                });
            }
        }
        clusters
    }

    /// Forward clearing of every cluster's devices.
    fn forward(&mut self, slot: usize) -> Result<(), MarketError> {
        for cluster in 0..self.history.len() {
            let base = 15_000 + self.draw(slot, cluster, 9, 20_000);
            self.history[cluster].push(base, DAY);
            let members = CLUSTER.min(self.homes - cluster * CLUSTER);
            let need = |home: usize, what| self.draw(slot, cluster * CLUSTER + home, what, 4_000);
            let input = ForwardInput {
                forecast_wh: self.history[cluster].forecast(DAY, DAY),
                high_wh: self.history[cluster].forecast_high(DAY, DAY),
                limit_wh: Some(80_000),
                peak_wh: self.history[cluster].peak_wh(DAY),
                metered_peak_wh: self.history[cluster].peak_wh(DAY),
                tasks: (0..members)
                    .map(|home| Task {
                        need_wh: need(home, 10),
                        slot_wh: 500,
                        whole: true,
                        slots_left: 1 + (need(home, 11) % 96) as u16,
                        now: false,
                        spread: home as u16,
                    })
                    .collect(),
                stores: (0..members / 3)
                    .map(|home| Store {
                        stored_wh: need(home, 12),
                        room_wh: 5_000 - need(home, 12),
                        charge_wh: 625,
                        discharge_wh: 625,
                    })
                    .collect(),
                ..ForwardInput::default()
            };
            clear_forward(&input)?;
        }
        Ok(())
    }

    /// Tiers, settlement and provenance of one slot.
    fn slot(&mut self, clusters: &[ClusterOrders]) -> Result<(usize, i128), MarketError> {
        let outcome = clear_tiers(&TierInput {
            import: 300_000,
            export: 80_000,
            lost_load: 3_000_000,
            reserve: 0,
            exponent: Exponent::One,
            network: &self.network,
            clusters,
        })?;
        let mut off = outcome.imbalance();
        for (orders, tier) in clusters.iter().zip(&outcome.clusters) {
            // Meters are off by a few Wh, so that deviations are settled too.
            let metered: Vec<MeteredNet> = orders
                .buyers
                .iter()
                .map(|order| (order.account, order.demand_wh))
                .chain(orders.sellers.iter().map(|o| (o.account, -o.offered_wh)))
                .map(|(account, net_wh)| MeteredNet {
                    account,
                    net_wh: net_wh + i64::from(account.0[31] % 7) - 3,
                })
                .collect();
            let settled = settle(&SettlementInput {
                utility: AccountId([0xff; 32]),
                feed_in: tier.bounds.0,
                import: tier.bounds.1,
                price: tier.typed,
                paid: None,
                allocation: &tier.local,
                metered: &metered,
            })?;
            off += settled.balances().values().sum::<i128>();
        }
        for lot in &outcome.lots {
            if let Some(buyer) = lot.buyer {
                let mut number = [0; 8];
                number.copy_from_slice(&buyer.0[24..]);
                let home = u64::from_be_bytes(number) as usize;
                self.received_wh[home][lot.kind.index()] += lot.energy_wh;
            }
        }
        Ok((outcome.lots.len(), off))
    }
}
