//! Whole watt-hours from fractional shares.

use gridloom_units::EnergyWh;

use crate::allocation::BuyOrder;

/// Fraction bits of the time axis and of shares in Wh.
pub(crate) const TIME_BITS: u32 = 48;
/// End of the time axis.
pub(crate) const END: u128 = 1 << TIME_BITS;

/// Time (48 fraction bits) a group of buyers spends on each good.
pub(crate) type TimeShares = Vec<u128>;

/// Splits `take_wh` in proportion to the amounts, by running sums: shares are
/// whole, add up to it exactly and exceed no amount. At most the sum is taken.
pub(crate) fn in_proportion(
    take_wh: EnergyWh,
    amounts: impl Iterator<Item = EnergyWh> + Clone,
) -> Vec<EnergyWh> {
    let total_wh: i128 = amounts.clone().map(i128::from).sum();
    let take_wh = i128::from(take_wh.max(0)).min(total_wh);
    let mut before_wh = 0;
    let mut given_wh = 0;
    amounts
        .map(|amount_wh| {
            before_wh += i128::from(amount_wh);
            let until_wh = before_wh * take_wh / total_wh.max(1);
            let share_wh = until_wh - given_wh;
            given_wh = until_wh;
            // Between zero and the amount, an i64.
            EnergyWh::try_from(share_wh).unwrap_or(amount_wh)
        })
        .collect()
}

/// What every buyer ate, before rounding.
pub(crate) struct Shares<'a> {
    /// Buyers in account order.
    pub(crate) buyers: &'a [BuyOrder],
    /// Group of each buyer.
    pub(crate) group_of: &'a [usize],
    /// Time per group and good.
    pub(crate) time: &'a [TimeShares],
    /// Supply per good, Wh.
    pub(crate) supply_wh: &'a [EnergyWh],
    /// Goods that were eaten up.
    pub(crate) exhausted: &'a [bool],
}

impl Shares<'_> {
    /// Share of a buyer in a good, Wh with 48 fraction bits.
    fn of(&self, buyer: usize, k: usize) -> u128 {
        let demand_wh = u128::from(self.buyers[buyer].demand_wh.unsigned_abs());
        demand_wh * self.time[self.group_of[buyer]][k]
    }
}

/// Whole Wh per buyer and good (one row after the other) by running sums in
/// account order: what a buyer gets is the whole part of the sum with them,
/// less what was given before.
pub(crate) fn whole_wh(shares: &Shares<'_>) -> Vec<EnergyWh> {
    let goods = shares.supply_wh.len();
    let last_eater: Vec<Option<usize>> = (0..goods)
        .map(|k| {
            (0..shares.buyers.len())
                .rev()
                .find(|buyer| shares.of(*buyer, k) > 0)
        })
        .collect();
    let mut cumulative = vec![0_u128; goods];
    let mut given = vec![0_u128; goods];
    let mut row = vec![0_u128; goods];
    let mut received = Vec::with_capacity(shares.buyers.len() * goods);
    for (buyer, order) in shares.buyers.iter().enumerate() {
        row.fill(0);
        for k in 0..goods {
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
        for (given, row) in given.iter_mut().zip(&row) {
            *given += row;
        }
        // Rows are at most the buyer's demand, an i64.
        received.extend(row.iter().map(|wh| EnergyWh::try_from(*wh).unwrap_or(0)));
    }
    received
}

/// Takes back what rounding gave a buyer beyond their demand, one Wh a time
/// from the good whose running sum was rounded up latest; the next buyer of
/// that good gets it.
fn trim(row: &mut [u128], demand_wh: u128, cumulative: &[u128]) {
    let mut excess = row.iter().sum::<u128>().saturating_sub(demand_wh);
    if excess == 0 {
        return;
    }
    let mut order: Vec<usize> = (0..row.len()).filter(|k| row[*k] > 0).collect();
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
