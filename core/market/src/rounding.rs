//! Whole watt-hours from fractional shares.

use gridloom_units::{EnergyType, EnergyWh, TypedWh};

use crate::allocation::BuyOrder;

const COUNT: usize = EnergyType::COUNT;
/// Fraction bits of the time axis and of shares in Wh.
pub(crate) const TIME_BITS: u32 = 48;
/// End of the time axis.
pub(crate) const END: u128 = 1 << TIME_BITS;

/// Time (48 fraction bits) a group of buyers spends on each type.
pub(crate) type TimeShares = [u128; COUNT];

/// What every buyer ate, before rounding.
pub(crate) struct Shares<'a> {
    /// Buyers in account order.
    pub(crate) buyers: &'a [BuyOrder],
    /// Group of each buyer.
    pub(crate) group_of: &'a [usize],
    /// Time per group and type.
    pub(crate) time: &'a [TimeShares],
    /// Supply per type, Wh.
    pub(crate) supply_wh: &'a TypedWh,
    /// Types that were eaten up.
    pub(crate) exhausted: [bool; COUNT],
}

impl Shares<'_> {
    /// Share of a buyer in a type, Wh with 48 fraction bits.
    fn of(&self, buyer: usize, k: usize) -> u128 {
        let demand_wh = u128::from(self.buyers[buyer].demand_wh.unsigned_abs());
        demand_wh * self.time[self.group_of[buyer]][k]
    }
}

/// Whole Wh per buyer and type by running sums in account order: what a buyer
/// gets is the whole part of the sum with them, less what was given before.
pub(crate) fn whole_wh(shares: &Shares<'_>) -> Vec<TypedWh> {
    let last_eater: [Option<usize>; COUNT] = std::array::from_fn(|k| {
        (0..shares.buyers.len())
            .rev()
            .find(|buyer| shares.of(*buyer, k) > 0)
    });
    let mut cumulative = [0_u128; COUNT];
    let mut given = [0_u128; COUNT];
    let mut received = Vec::with_capacity(shares.buyers.len());
    for (buyer, order) in shares.buyers.iter().enumerate() {
        let mut row = [0_u128; COUNT];
        for k in 0..COUNT {
            let share = shares.of(buyer, k);
            if share == 0 {
                continue;
            }
            cumulative[k] += share;
            if shares.exhausted[k] && last_eater[k] == Some(buyer) {
                cumulative[k] = u128::from(shares.supply_wh[k].unsigned_abs()) << TIME_BITS;
            }
            row[k] = (cumulative[k] >> TIME_BITS).saturating_sub(given[k]);
        }
        trim(
            &mut row,
            u128::from(order.demand_wh.unsigned_abs()),
            &cumulative,
        );
        for (given, row) in given.iter_mut().zip(row) {
            *given += row;
        }
        // Rows are at most the buyer's demand, an i64.
        received.push(row.map(|wh| EnergyWh::try_from(wh).unwrap_or(0)));
    }
    received
}

/// Takes back what rounding gave a buyer beyond their demand, one Wh a time
/// from the type whose running sum was rounded up latest; the next buyer of
/// that type gets it.
fn trim(row: &mut [u128; COUNT], demand_wh: u128, cumulative: &[u128; COUNT]) {
    let mut excess = row.iter().sum::<u128>().saturating_sub(demand_wh);
    if excess == 0 {
        return;
    }
    let mut order: Vec<usize> = (0..COUNT).filter(|k| row[*k] > 0).collect();
    order.sort_by_key(|k| (cumulative[*k] & (END - 1), *k));
    while excess > 0 {
        for k in &order {
            if excess > 0 && row[*k] > 0 {
                row[*k] -= 1;
                excess -= 1;
            }
        }
    }
}
