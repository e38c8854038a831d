//! Random slots and trees, each a function of its number.

use std::collections::BTreeMap;

use gridloom_units::{AccountId, EnergyType, EnergyWh, Stream, draw_u64};

use crate::{
    Allocation, BuyOrder, Buyer, Exponent, MarketError, MeteredNet, Order, PriceInput, SellOrder,
    Settlement, SettlementInput, TreeInput, TreeNode, TypedPrice, allocate, settle,
};

pub(super) const COUNT: usize = EnergyType::COUNT;
pub(super) const UTILITY: AccountId = AccountId([0xff; 32]);

/// Draws of one case, in order.
pub(super) struct Draws {
    seed: u64,
    next: u64,
}

impl Draws {
    pub(super) fn new(case: u64) -> Self {
        Self {
            seed: case,
            next: 0,
        }
    }

    /// A value in `from..=to`.
    pub(super) fn within(&mut self, from: i64, to: i64) -> i64 {
        self.next += 1;
        let width = (to - from + 1).max(1).unsigned_abs();
        let drawn = draw_u64(self.seed, self.next, 0, Stream::Behaviour) % width;
        from + i64::try_from(drawn).unwrap_or(0)
    }

    /// An index below `count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let last = i64::try_from(count).unwrap_or(1) - 1;
        usize::try_from(self.within(0, last.max(0))).unwrap_or(0)
    }

    /// True in so many of a hundred cases.
    pub(super) fn chance(&mut self, percent: i64) -> bool {
        self.within(0, 99) < percent
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i + 1);
            items.swap(i, j);
        }
    }
}

/// Accounts whose order has nothing to do with their number.
pub(super) fn account(n: usize) -> AccountId {
    let mixed = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&mixed.to_be_bytes());
    bytes[31] = n as u8;
    AccountId(bytes)
}

/// A slot with bounds and orders.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) lower: i64,
    pub(super) upper: i64,
    pub(super) exponent: Exponent,
    pub(super) buyers: Vec<BuyOrder>,
    pub(super) sellers: Vec<SellOrder>,
}

impl Slot {
    /// 1 to 40 buyers with weights 0 to 4, up to 20 offers; every tenth slot is
    /// at an edge: no spread, no supply, a single buyer, or huge energies.
    pub(super) fn draw(draws: &mut Draws) -> Self {
        let edge = draws.within(0, 39);
        let lower = draws.within(0, 150_000);
        let spread = if edge == 0 {
            0
        } else {
            draws.within(1, 300_000)
        };
        let exponent = [Exponent::Half, Exponent::One, Exponent::Two][draws.below(3)];
        let scale = if edge == 1 { 1_000_000 } else { 1 };
        let buyers = if edge == 2 { 1 } else { draws.within(1, 40) };
        let sellers = if edge == 3 { 0 } else { draws.within(0, 19) };
        let buyers = (0..buyers)
            .map(|n| BuyOrder {
                account: account(n as usize),
                demand_wh: draws.within(0, 4_999) * scale,
                weights: std::array::from_fn(|_| draws.within(0, 4) as u32),
            })
            .collect();
        let sellers = (0..sellers)
            .map(|n| SellOrder {
                account: account(100 + n as usize),
                kind: EnergyType::ALL[draws.below(COUNT)],
                offered_wh: draws.within(0, 7_999) * scale,
            })
            .collect();
        Self {
            lower,
            upper: lower + spread,
            exponent,
            buyers,
            sellers,
        }
    }

    pub(super) fn supply_wh(&self) -> [EnergyWh; COUNT] {
        let mut supply = [0; COUNT];
        for order in &self.sellers {
            supply[order.kind.index()] += order.offered_wh;
        }
        supply
    }

    pub(super) fn price_input(&self) -> PriceInput {
        PriceInput {
            lower: self.lower,
            upper: self.upper,
            exponent: self.exponent,
            supply_wh: self.supply_wh(),
            buyers: self
                .buyers
                .iter()
                .map(|order| Buyer::new(order.demand_wh, order.weights))
                .collect(),
            asks: vec![],
        }
    }

    pub(super) fn allocation(&self, price: &TypedPrice) -> Result<Allocation, MarketError> {
        allocate(&self.buyers, &self.sellers, price)
    }

    /// Meters that show exactly what was agreed.
    pub(super) fn meters(&self) -> Vec<MeteredNet> {
        let mut net: BTreeMap<AccountId, EnergyWh> = BTreeMap::new();
        for order in &self.buyers {
            *net.entry(order.account).or_default() += order.demand_wh;
        }
        for order in &self.sellers {
            *net.entry(order.account).or_default() -= order.offered_wh;
        }
        net.into_iter()
            .map(|(account, net_wh)| MeteredNet { account, net_wh })
            .collect()
    }

    pub(super) fn settle(
        &self,
        price: TypedPrice,
        allocation: &Allocation,
        metered: &[MeteredNet],
    ) -> Result<Settlement, MarketError> {
        settle(&SettlementInput {
            utility: UTILITY,
            feed_in: self.lower,
            import: self.upper,
            price,
            paid: None,
            allocation,
            metered,
        })
    }
}

/// A random tree as the design describes it: depth 2, fan-out 1 to 4, orders
/// at the leaves only.
pub(super) fn tree(draws: &mut Draws) -> TreeInput {
    let (import, export) = [(30_000, 8_000), (45_000, 5_000), (60_000, 20_000)][draws.below(3)];
    let fee = |draws: &mut Draws| [0, 1_000, 2_000, 5_000][draws.below(4)];
    let mut nodes = vec![TreeNode {
        parent: None,
        capacity_wh: draws.within(2_000, 80_000),
        fee: fee(draws),
        ..TreeNode::default()
    }];
    for _ in 0..draws.within(1, 4) {
        let middle = nodes.len();
        nodes.push(TreeNode {
            parent: Some(0),
            capacity_wh: draws.within(2_000, 30_000),
            fee: fee(draws),
            ..TreeNode::default()
        });
        for _ in 0..draws.within(1, 4) {
            let mut leaf = TreeNode {
                parent: Some(middle),
                capacity_wh: draws.within(2_000, 30_000),
                fee: fee(draws),
                ..TreeNode::default()
            };
            // One direction of some lines may carry less, down to nothing.
            let limit = |draws: &mut Draws| draws.chance(20).then(|| draws.within(0, 20_000));
            leaf.export_limit_wh = limit(draws);
            leaf.import_limit_wh = limit(draws);
            for _ in 0..draws.within(1, 6) {
                let order = |price, energy_wh| Order {
                    account: AccountId([0; 32]),
                    price,
                    energy_wh,
                };
                if draws.chance(60) {
                    let bid = order(draws.within(100, 99_900), draws.within(1_000, 8_000));
                    leaf.bids.push(bid);
                }
                if draws.chance(50) {
                    let offer = order(draws.within(100, 80_000), draws.within(1_000, 8_000));
                    leaf.offers.push(offer);
                }
            }
            nodes.push(leaf);
        }
    }
    TreeInput {
        nodes,
        import,
        export,
    }
}
