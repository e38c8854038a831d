//! Lots of energy between clusters: who may send one, what its trade is worth on
//! either ledger, and where what was not sold waits.

use std::collections::BTreeMap;

use gridloom_market::{MoneyLine, Reason};
use gridloom_units::{AccountId, EnergyType, EnergyWh, MoneyNanoEur};

use super::{Executor, Refusal};
use crate::cross::{Cargo, Lot, LotTerms, MAX_CLAIMS};
use crate::genesis::ClusterRoles;
use crate::receipt::Receipt;
use crate::state::{Account, StateKey, StateValue};

/// Makes room in a full list: the oldest lots of one plant and type become one,
/// of the newer of their slots. What each was stands in its block. `false` when
/// no two are of one plant.
fn fold_oldest(claims: &mut Vec<Lot>) -> bool {
    let mut first: BTreeMap<(u32, AccountId, EnergyType), usize> = BTreeMap::new();
    let repeated = claims.iter().enumerate().find_map(|(at, lot)| {
        let earlier = first.insert((lot.cluster, lot.plant, lot.kind), at)?;
        Some((earlier, at))
    });
    let Some((earlier, at)) = repeated else {
        return false;
    };
    let newer = claims.remove(at);
    claims[earlier].wh += newer.wh;
    claims[earlier].slot = claims[earlier].slot.max(newer.slot);
    true
}

impl Executor<'_> {
    /// Surplus of a settled slot for a consumer in another cluster.
    pub(super) fn export_lot(
        &mut self,
        roles: &ClusterRoles,
        to: AccountId,
        dst: u32,
        wanted: Lot,
        terms: Option<LotTerms>,
        deadline: u64,
    ) -> Result<(), Refusal> {
        let (own, _) = self.check_destination(roles, dst, deadline)?;
        let Lot { slot, wh, .. } = wanted;
        if terms.is_some_and(|terms| !terms.fit(&roles.market)) {
            return Err("its prices are not between feed-in and import".into());
        }
        let mut surplus = self.view.surplus(slot).cloned().unwrap_or_default();
        let place = surplus
            .iter()
            .position(|lot| lot.plant == wanted.plant && lot.kind == wanted.kind)
            .ok_or_else(|| format!("slot {slot} has no such surplus"))?;
        if wh <= 0 || surplus[place].wh < wh {
            return Err(format!(
                "{} Wh of it are left, {wh} Wh are asked for",
                surplus[place].wh
            ));
        }
        if let Some(terms) = terms {
            self.reserve(roles.utility, terms.to_seller(&roles.market, wh))?;
        }
        surplus[place].wh -= wh;
        self.view
            .put(StateKey::Surplus(slot), StateValue::Surplus(surplus));
        let lot = Lot {
            cluster: own,
            ..wanted
        };
        self.dispatch_parcel(own, dst, deadline, Cargo::Lot { to, lot, terms });
        Ok(())
    }

    /// A lot for a consumer that took at least as much from the grid: the
    /// origin of that energy is then known. No electron is moved by it.
    pub(super) fn receive_lot(
        &mut self,
        roles: &ClusterRoles,
        to: AccountId,
        lot: Lot,
        terms: Option<LotTerms>,
    ) -> Result<(), Refusal> {
        if terms.is_some_and(|terms| !terms.fit(&roles.market)) {
            return Err("its prices are not between feed-in and import here".into());
        }
        if self.view.participant(to).is_none() {
            return Err(format!("there is no participant {to}"));
        }
        let mut claims = self.view.claims(to).cloned().unwrap_or_default();
        if claims.len() >= MAX_CLAIMS && !fold_oldest(&mut claims) {
            return Err(format!(
                "the account holds lots of {MAX_CLAIMS} plants already"
            ));
        }
        let claimed: EnergyWh = claims.iter().map(|lot| lot.wh).sum();
        let bought = self.view.bill(to).map_or(0, |bill| {
            let lines = bill.lines.iter();
            lines
                .filter(|line| line.reason == Reason::GridImport && line.received)
                .map(|line| line.energy_wh)
                .sum()
        });
        if claimed + lot.wh > bought {
            return Err(format!(
                "it took {bought} Wh from the grid and has the origin of {claimed} Wh already"
            ));
        }
        if let Some(terms) = terms {
            // The consumer paid the grid's price: what this is cheaper comes back.
            let line = MoneyLine {
                buyer: to,
                seller: roles.utility,
                kind: lot.kind,
                energy_wh: lot.wh,
                price: terms.buyer - roles.market.import,
                reason: Reason::NeighbourTrade,
            };
            self.pay_member(roles.utility, to, 0, (lot.cluster, lot.slot), line)?;
        }
        claims.push(lot);
        self.view
            .put(StateKey::Claims(to), StateValue::Claims(claims));
        Ok(())
    }

    /// Keeps money of an account for a payment that is under way.
    fn reserve(&mut self, id: AccountId, money: MoneyNanoEur) -> Result<(), Refusal> {
        let mut account = self.view.account(id).cloned().ok_or("no such payer")?;
        let free = account.money - account.held;
        if free < money {
            return Err(format!(
                "the utility has {free} nEUR to spend, less than the {money} to pay"
            ));
        }
        account.held += money;
        self.put_account(id, account);
        Ok(())
    }

    /// The utility pays a member by a line of its bill, out of what was
    /// `reserved` for it; refuses without having changed anything.
    fn pay_member(
        &mut self,
        utility: AccountId,
        member: AccountId,
        reserved: MoneyNanoEur,
        (peer, slot): (u32, u32),
        line: MoneyLine,
    ) -> Result<(), Refusal> {
        let received = line.buyer == member;
        let money = if received {
            -line.money()
        } else {
            line.money()
        };
        let mut payer = self.view.account(utility).cloned().ok_or("no utility")?;
        payer.held -= reserved;
        if payer.money - payer.held < money {
            return Err("the utility cannot pay for it".into());
        }
        payer.money -= money;
        // A plant that has moved on finds it in an account of its name.
        let mut payee = self
            .view
            .account(member)
            .cloned()
            .unwrap_or_else(|| Account::new(member, 0));
        payee.money = payee
            .money
            .checked_add(money)
            .ok_or("the account cannot hold as much")?;
        self.put_account(utility, payer);
        self.put_account(member, payee);
        if self.view.participant(member).is_some() {
            let mut bill = self.view.bill(member).cloned().unwrap_or_default();
            bill.add(&line, received);
            self.view
                .put(StateKey::Bill(member), StateValue::Bill(bill));
        }
        self.receipts
            .push(Receipt::NeighbourTrade { peer, slot, line });
        Ok(())
    }

    /// The other cluster has taken a lot: its plant gets what was agreed.
    pub(super) fn lot_sold(&mut self, roles: &ClusterRoles, dst: u32, lot: &Lot, terms: LotTerms) {
        let line = MoneyLine {
            buyer: roles.utility,
            seller: lot.plant,
            kind: lot.kind,
            energy_wh: lot.wh,
            price: terms.seller - roles.market.feed_in,
            reason: Reason::NeighbourTrade,
        };
        let reserved = terms.to_seller(&roles.market, lot.wh);
        let paid = self.pay_member(roles.utility, lot.plant, reserved, (dst, lot.slot), line);
        debug_assert!(paid.is_ok(), "it was reserved: {paid:?}");
    }

    /// What was kept for a payment is free again.
    pub(super) fn release(&mut self, id: AccountId, money: MoneyNanoEur) {
        if let Some(mut account) = self.view.account(id).cloned() {
            account.held -= money;
            self.put_account(id, account);
        }
    }

    /// Opens the book of a slot's energy that may go to other clusters.
    pub(super) fn keep_surplus(
        &mut self,
        roles: &ClusterRoles,
        slot: u32,
        lines: &[gridloom_market::MoneyLine],
    ) {
        let Some((_, own)) = roles.root else {
            return;
        };
        let mut surplus: Vec<Lot> = Vec::new();
        let sold = lines
            .iter()
            .filter(|line| line.reason == Reason::GridExport && line.energy_wh > 0);
        for line in sold {
            match surplus
                .iter_mut()
                .find(|lot| lot.plant == line.seller && lot.kind == line.kind)
            {
                Some(lot) => lot.wh += line.energy_wh,
                None => surplus.push(Lot {
                    cluster: own,
                    plant: line.seller,
                    kind: line.kind,
                    slot,
                    wh: line.energy_wh,
                }),
            }
        }
        if !surplus.is_empty() {
            self.view
                .put(StateKey::Surplus(slot), StateValue::Surplus(surplus));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_lots_of_one_plant_become_one_and_no_energy_is_lost() {
        let lot = |plant: u8, slot: u32, wh| Lot {
            cluster: 1,
            plant: AccountId([plant; 32]),
            kind: EnergyType::Solar,
            slot,
            wh,
        };
        let mut claims = vec![lot(1, 1, 10), lot(2, 1, 20), lot(1, 2, 5), lot(2, 9, 7)];
        assert!(fold_oldest(&mut claims));
        assert_eq!(claims, [lot(1, 2, 15), lot(2, 1, 20), lot(2, 9, 7)]);
        assert!(fold_oldest(&mut claims));
        assert_eq!(claims, [lot(1, 2, 15), lot(2, 9, 27)]);
        // Nothing is left to fold: two plants are two lots.
        assert!(!fold_oldest(&mut claims));
        assert_eq!(claims.iter().map(|lot| lot.wh).sum::<EnergyWh>(), 42);
    }
}
