//! Dealings with other clusters: sending, importing, learning outcomes.

use gridloom_units::{AccountId, EnergyType, MoneyNanoEur};

use super::{Executor, Refusal};
use crate::cross::{Cargo, Chosen, Flows, Moved, MovedMember, Parcel, RootNews, RootSeen};
use crate::genesis::{ClusterRoles, MarketRules};
use crate::receipt::Receipt;
use crate::state::{Account, StateKey, StateValue};

impl Executor<'_> {
    pub(super) fn flows(&self) -> Flows {
        self.view.flows().cloned().unwrap_or_default()
    }

    pub(super) fn put_flows(&mut self, flows: Flows) {
        self.view.put(StateKey::Flows, StateValue::Flows(flows));
    }

    /// Pays another account of this cluster.
    pub(super) fn transfer(
        &mut self,
        from: AccountId,
        to: AccountId,
        amount: MoneyNanoEur,
    ) -> Result<(), Refusal> {
        let payer = self.paid_by(from, amount)?;
        if from == to {
            return Err("payer and payee are one account".into());
        }
        let mut payee = self
            .view
            .account(to)
            .cloned()
            .ok_or_else(|| format!("there is no account {to} in this cluster"))?;
        payee.money += amount;
        self.put_account(from, payer);
        self.put_account(to, payee);
        self.receipts
            .push(Receipt::Transferred { from, to, amount });
        Ok(())
    }

    /// The payer's account less the amount; nothing is written yet.
    fn paid_by(&self, from: AccountId, amount: MoneyNanoEur) -> Result<Account, Refusal> {
        let mut payer = self.view.account(from).cloned().ok_or("no such payer")?;
        if amount <= 0 {
            return Err(format!("{amount} nEUR is no amount to pay"));
        }
        let free = payer.money - payer.held;
        if free < amount {
            return Err(format!(
                "the account has {free} nEUR to spend, less than the {amount} to pay"
            ));
        }
        payer.money -= amount;
        Ok(payer)
    }

    pub(super) fn check_destination(
        &self,
        roles: &ClusterRoles,
        dst: u32,
        deadline: u64,
    ) -> Result<(u32, RootSeen), Refusal> {
        let (_, own) = roles
            .root
            .ok_or("this cluster has no root and deals with nobody else")?;
        if dst == own {
            return Err("that is this cluster itself".into());
        }
        let seen = self
            .view
            .root_seen()
            .cloned()
            .ok_or("no root block is known")?;
        if deadline <= seen.height {
            return Err(format!(
                "the deadline, root height {deadline}, is past: {} is known",
                seen.height
            ));
        }
        Ok((own, seen))
    }

    /// Money for an account in another cluster.
    pub(super) fn export(
        &mut self,
        roles: &ClusterRoles,
        from: AccountId,
        dst: u32,
        to: AccountId,
        amount: MoneyNanoEur,
        deadline: u64,
    ) -> Result<(), Refusal> {
        let (own, _) = self.check_destination(roles, dst, deadline)?;
        let payer = self.paid_by(from, amount)?;
        self.put_account(from, payer);
        self.dispatch_parcel(own, dst, deadline, Cargo::Money { from, to, amount });
        Ok(())
    }

    /// Numbers a parcel and keeps it in the state. Its value was taken away before.
    pub(super) fn dispatch_parcel(&mut self, src: u32, dst: u32, deadline: u64, cargo: Cargo) {
        let mut flows = self.flows();
        let mut flow = flows.with(dst);
        let (seq, worth) = (flow.sent, cargo.worth());
        flow.sent += 1;
        flow.out.money += worth.money;
        flow.out.wh += worth.wh;
        flows.put(flow);
        self.put_flows(flows);
        let parcel = Parcel {
            src,
            dst,
            seq,
            deadline_root_height: deadline,
            cargo,
        };
        self.view
            .put(StateKey::Parcel(dst, seq), StateValue::Parcel(parcel));
        self.receipts.push(Receipt::Exported { dst, seq, worth });
    }

    /// Sends every chosen participant to another cluster.
    pub(super) fn move_members(&mut self, own: u32, dst: u32, chosen: &Chosen) {
        let mut roster = self.view.roster().cloned().unwrap_or_default();
        roster.retain(|account| {
            let member = chosen
                .includes(*account)
                .then(|| self.take_member(*account, dst))
                .flatten();
            let Some(member) = member else {
                return true;
            };
            self.receipts.push(Receipt::MemberLeft {
                account: *account,
                dst,
            });
            self.dispatch_parcel(own, dst, u64::MAX, Cargo::Member(Box::new(member)));
            false
        });
        self.view.put(StateKey::Roster, StateValue::Roster(roster));
    }

    /// Takes a participant out of this cluster with everything it has; the roster is the caller's.
    fn take_member(&mut self, id: AccountId, dst: u32) -> Option<MovedMember> {
        // Money held for slots that were cleared ahead belongs to this cluster's settlement:
        // such a member stays, and a later decision may move it.
        let account = self.view.account(id).filter(|account| account.held == 0)?;
        let account = account.clone();
        let participant = self.view.participant(id)?.clone();
        let meter = self.view.meter(participant.meter)?.clone();
        let instance = self.view.instance(id, participant.version)?.clone();
        let member = MovedMember {
            bill: self.view.bill(id).cloned(),
            claims: self.view.claims(id).cloned().unwrap_or_default(),
            records: self.view.records(id).cloned(),
            account,
            participant,
            meter,
            instance,
        };
        let numbers = member.account.nonces.closed();
        self.view
            .put(StateKey::Numbers(id), StateValue::Numbers(numbers));
        let left = [
            StateKey::Account(id),
            StateKey::Bill(id),
            StateKey::Participant(id),
            StateKey::Claims(id),
            StateKey::Records(id),
            // Its slots are settled elsewhere from now on.
            StateKey::Orders(id),
            StateKey::Meter(member.participant.meter),
        ];
        for key in left {
            if self.view.get(&key).is_some() {
                self.view.put(key, StateValue::Left(dst));
            }
        }
        self.count_moved(&member, -1);
        Some(member)
    }

    /// Books what a member brings (+1) or takes along (−1).
    fn count_moved(&mut self, member: &MovedMember, sign: i64) {
        let mut market = self.market();
        market.lent += member.account.debt * i128::from(sign);
        self.put_market(market);
        let mut flows = self.flows();
        let Moved {
            minted_wh,
            retired_wh,
            metered_wh,
        } = &mut flows.moved;
        for k in 0..EnergyType::COUNT {
            minted_wh[k] += sign * member.account.minted_wh[k];
            retired_wh[k] += sign * member.account.retired_wh[k];
        }
        for (sum, wh) in metered_wh.iter_mut().zip(member.meter.settled.to_array()) {
            *sum += sign * wh;
        }
        self.put_flows(flows);
    }

    /// Takes a participant in; refuses without having changed anything.
    fn admit_member(&mut self, member: &MovedMember) -> Result<(), Refusal> {
        let id = member.account.id;
        if self.view.participant(id).is_some() {
            return Err(format!("participant {id} exists here already"));
        }
        let meter_id = member.participant.meter;
        if self.view.meter(meter_id).is_some() {
            return Err(format!("meter {meter_id} exists here already"));
        }
        if self
            .view
            .template(member.instance.template_version)
            .is_none()
        {
            return Err(format!(
                "version {} of the contract is not known here",
                member.instance.template_version
            ));
        }
        // Money that came back for a member that had left waits in an account of its name.
        let account = match self.view.account(id) {
            Some(waiting) => member.account.joined_with(waiting),
            None => member.account.clone(),
        };
        self.put_account(id, account);
        if let Some(bill) = &member.bill {
            self.view
                .put(StateKey::Bill(id), StateValue::Bill(bill.clone()));
        }
        if !member.claims.is_empty() {
            self.view.put(
                StateKey::Claims(id),
                StateValue::Claims(member.claims.clone()),
            );
        }
        if let Some(records) = &member.records {
            self.view
                .put(StateKey::Records(id), StateValue::Records(records.clone()));
        }
        self.view.put(
            StateKey::Participant(id),
            StateValue::Participant(member.participant.clone()),
        );
        self.view.put(
            StateKey::Meter(meter_id),
            StateValue::Meter(member.meter.clone()),
        );
        self.view.put(
            StateKey::Instance(id, member.participant.version),
            StateValue::Instance(member.instance.clone()),
        );
        let mut roster = self.view.roster().cloned().unwrap_or_default();
        if let Err(place) = roster.binary_search(&id) {
            roster.insert(place, id);
        }
        self.view.put(StateKey::Roster, StateValue::Roster(roster));
        self.count_moved(member, 1);
        Ok(())
    }

    /// Takes the root's news in; the proofs in it hold and fit, see `admit`.
    pub(super) fn follow_root(
        &mut self,
        roles: &ClusterRoles,
        news: &RootNews,
    ) -> Result<(), Refusal> {
        let (_, own) = roles.root.ok_or("this cluster has no root")?;
        let mut seen = self.view.root_seen().cloned().ok_or("no root is known")?;
        seen.height = news.header.height;
        seen.block = news.header.id();
        seen.time_ms = news.header.time_ms;
        if let Some(next) = &news.next {
            seen.seats.clone_from(next);
        }
        self.receipts.push(Receipt::RootSeen {
            height: seen.height,
        });
        if let Some((parcel, _)) = news.parcels.last() {
            seen.served = parcel.src;
        }
        for (record, _) in &news.decisions {
            self.learn(&mut seen, own, &roles.market, record);
        }
        let height = seen.height;
        self.view
            .put(StateKey::RootSeen, StateValue::RootSeen(seen));
        for (parcel, _) in &news.parcels {
            self.import(roles, height, parcel);
        }
        for (dst, seq, accepted, _) in &news.outcomes {
            self.learn_outcome(roles, *dst, *seq, accepted.unwrap_or(false));
        }
        Ok(())
    }

    /// Imports the next parcel of its source, or sends it back; the cursor moves either way.
    fn import(&mut self, roles: &ClusterRoles, root_height: u64, parcel: &Parcel) {
        let result = if root_height > parcel.deadline_root_height {
            Err("its deadline has passed".into())
        } else {
            match &parcel.cargo {
                Cargo::Money { to, amount, .. } => self.receive_money(*to, *amount),
                Cargo::Lot { to, lot, terms } => self.receive_lot(roles, *to, *lot, *terms),
                Cargo::Member(member) => self.admit_member(member),
            }
        };
        let worth = parcel.cargo.worth();
        let mut flows = self.flows();
        let mut flow = flows.with(parcel.src);
        flow.next += 1;
        let side = if result.is_ok() {
            &mut flow.taken
        } else {
            &mut flow.rejected
        };
        side.money += worth.money;
        side.wh += worth.wh;
        flows.put(flow);
        self.put_flows(flows);
        self.view.put(
            StateKey::Outcome(parcel.src, parcel.seq),
            StateValue::Outcome(result.is_ok()),
        );
        if let (Cargo::Member(member), Ok(())) = (&parcel.cargo, &result) {
            self.receipts.push(Receipt::MemberJoined {
                account: member.account.id,
                src: parcel.src,
            });
        }
        self.receipts.push(Receipt::Imported {
            src: parcel.src,
            seq: parcel.seq,
            worth,
            refused: result.err(),
        });
    }

    fn receive_money(&mut self, to: AccountId, amount: MoneyNanoEur) -> Result<(), Refusal> {
        let mut payee = self
            .view
            .account(to)
            .cloned()
            .ok_or_else(|| format!("there is no account {to}"))?;
        payee.money = payee
            .money
            .checked_add(amount)
            .ok_or("the account cannot hold as much")?;
        self.put_account(to, payee);
        Ok(())
    }

    /// Burns what the other side took, gives back what it did not.
    fn learn_outcome(&mut self, roles: &ClusterRoles, dst: u32, seq: u64, accepted: bool) {
        let Some(parcel) = self.view.parcel(dst, seq).cloned() else {
            return;
        };
        let worth = parcel.cargo.worth();
        let mut flows = self.flows();
        let mut flow = flows.with(dst);
        flow.acked += 1;
        if !accepted {
            flow.refunded.money += worth.money;
            flow.refunded.wh += worth.wh;
        }
        flows.put(flow);
        self.put_flows(flows);
        if !accepted {
            self.give_back(roles, &parcel);
        } else if let Cargo::Lot {
            lot,
            terms: Some(terms),
            ..
        } = &parcel.cargo
        {
            self.lot_sold(roles, dst, lot, *terms);
        }
        self.receipts
            .push(Receipt::Acknowledged { dst, seq, accepted });
    }

    fn give_back(&mut self, roles: &ClusterRoles, parcel: &Parcel) {
        match &parcel.cargo {
            Cargo::Money { from, amount, .. } => {
                // The payer may have moved on; its money then waits in an account of its own.
                let mut payer = self
                    .view
                    .account(*from)
                    .cloned()
                    .unwrap_or_else(|| Account::new(*from, 0));
                payer.money += amount;
                self.put_account(*from, payer);
            }
            Cargo::Lot { lot, terms, .. } => {
                if let Some(terms) = terms {
                    self.release(roles.utility, terms.to_seller(&roles.market, lot.wh));
                }
                let mut surplus = self.view.surplus(lot.slot).cloned().unwrap_or_default();
                match surplus
                    .iter_mut()
                    .find(|own| own.plant == lot.plant && own.kind == lot.kind)
                {
                    Some(own) => own.wh += lot.wh,
                    None => surplus.push(*lot),
                }
                self.view
                    .put(StateKey::Surplus(lot.slot), StateValue::Surplus(surplus));
            }
            Cargo::Member(member) => {
                let back = self.admit_member(member);
                debug_assert!(back.is_ok(), "its place was kept: {back:?}");
            }
        }
    }

    /// Learns a decision of the root, or that one was confirmed or given up.
    fn learn(
        &mut self,
        seen: &mut RootSeen,
        own: u32,
        rules: &MarketRules,
        record: &crate::cross::DecisionRecord,
    ) {
        use crate::cross::{Decision, DecisionStatus};
        if record.number == seen.decisions {
            seen.decisions += 1;
            match &record.decision {
                Decision::Contract { template, from_ms } => {
                    if record.status == DecisionStatus::Prepared {
                        seen.open.push(record.number);
                    }
                    self.prepare_contract(rules, record, template, *from_ms);
                }
                Decision::Move { from, to, members } if *from == own && *to != own => {
                    self.move_members(own, *to, members);
                }
                Decision::Move { .. }
                | Decision::DeclareDead { .. }
                | Decision::Limit { .. }
                | Decision::RootValidators { .. } => {}
            }
        } else {
            seen.open.retain(|number| *number != record.number);
            self.close_contract(record.number, record.status == DecisionStatus::Confirmed);
        }
        self.receipts.push(Receipt::DecisionLearnt {
            number: record.number,
            status: record.status,
        });
    }
}
