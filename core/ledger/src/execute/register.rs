//! Contracts, accounts and participants (paper steps a and b).

use gridloom_contract::{EmInstance, EmTemplate, Preferences, Problem};
use gridloom_units::{AccountId, MoneyNanoEur};

use super::{Executor, Refusal};
use crate::genesis::{ClusterRoles, MAX_DEPOSIT};
use crate::keys::{account_of, is_usable};
use crate::receipt::Receipt;
use crate::state::{Account, MarketState, Meter, Participant, StateKey, StateValue};
use crate::transaction::MAX_NAME_BYTES;

/// Most accounts that may be full nodes of one cluster.
const MAX_FULL_NODES: usize = 256;

fn listed(problems: &[Problem]) -> Result<(), Refusal> {
    if problems.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Err(texts.join("; "))
}

impl Executor<'_> {
    pub(super) fn market(&self) -> MarketState {
        self.view.market().cloned().unwrap_or_default()
    }

    pub(super) fn put_market(&mut self, market: MarketState) {
        self.view.put(StateKey::Market, StateValue::Market(market));
    }

    /// Writes an account. One that begins again after its owner has left goes
    /// on counting where it stopped, so that nothing old can be executed twice.
    pub(super) fn put_account(&mut self, id: AccountId, mut account: Account) {
        if self.view.account(id).is_none()
            && let Some(numbers) = self.view.numbers(id)
            && account.nonces.next < numbers.next
        {
            account.nonces = *numbers;
        }
        self.view
            .put(StateKey::Account(id), StateValue::Account(account));
    }

    pub(super) fn register_contract(&mut self, template: &EmTemplate) -> Result<(), Refusal> {
        listed(&template.validate())?;
        let mut market = self.market();
        if template.version <= market.template_version {
            return Err(format!(
                "version {} of the contract is not newer than version {} in force",
                template.version, market.template_version
            ));
        }
        market.template_version = template.version;
        self.put_market(market);
        self.view.put(
            StateKey::Template(template.version),
            StateValue::Template(template.clone()),
        );
        self.receipts.push(Receipt::ContractRegistered {
            version: template.version,
        });
        Ok(())
    }

    pub(super) fn open_account(
        &mut self,
        operator: AccountId,
        account: AccountId,
        deposit: MoneyNanoEur,
    ) -> Result<(), Refusal> {
        if self.view.account(account).is_some() {
            return Err(format!("account {account} exists"));
        }
        self.refuse_left(StateKey::Account(account))?;
        if !(0..=MAX_DEPOSIT).contains(&deposit) {
            return Err(format!("{deposit} nEUR is no deposit"));
        }
        let payer = self.view.account(operator).cloned();
        let mut payer = payer.unwrap_or_else(|| Account::new(operator, 0));
        if payer.money < deposit {
            return Err(format!(
                "the operator has {} nEUR, less than the deposit of {deposit}",
                payer.money
            ));
        }
        payer.money -= deposit;
        self.put_account(operator, payer);
        self.put_account(account, Account::new(account, deposit));
        self.receipts
            .push(Receipt::AccountOpened { account, deposit });
        Ok(())
    }

    /// First registration makes instance version 1; later ones of the same
    /// account change name and preferences as a new version, and the older
    /// versions stay readable (paper P4).
    pub(super) fn register_participant(
        &mut self,
        roles: &ClusterRoles,
        account: AccountId,
        name: &str,
        meter_key: &[u8; 32],
        preferences: &Preferences,
        spread: u16,
    ) -> Result<(), Refusal> {
        let template_version = self.market().template_version;
        if template_version == 0 {
            return Err("the operator has not registered the EM contract yet".into());
        }
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(format!(
                "a name has 1 to {MAX_NAME_BYTES} bytes, not {}",
                name.len()
            ));
        }
        if [roles.operator, roles.utility, roles.cloud, roles.aggregator].contains(&account) {
            return Err("a service of the grid cannot be a participant".into());
        }
        if !is_usable(meter_key) {
            return Err("the meter's key is not a usable ed25519 key".into());
        }
        listed(&preferences.validate())?;
        let meter = account_of(meter_key);
        self.refuse_left(StateKey::Participant(account))?;
        self.refuse_left(StateKey::Meter(meter))?;
        let version = match self.view.participant(account) {
            Some(old) if old.meter != meter => {
                return Err(format!(
                    "the account is registered with another meter, {}",
                    old.meter
                ));
            }
            Some(old) => old.version + 1,
            None if self.view.meter(meter).is_some() => {
                return Err(format!("meter {meter} belongs to another participant"));
            }
            None => 1,
        };
        if self.view.account(account).is_none() {
            // Who joins unasked; its registration was its first transaction.
            self.refuse_left(StateKey::Account(account))?;
            let mut newcomer = Account::new(account, 0);
            newcomer.nonces.take(0);
            self.put_account(account, newcomer);
        }
        if version == 1 {
            self.admit_newcomer(account, meter);
        }
        self.view.put(
            StateKey::Participant(account),
            StateValue::Participant(Participant {
                account,
                name: name.to_owned(),
                meter,
                version,
                spread,
            }),
        );
        self.view.put(
            StateKey::Instance(account, version),
            StateValue::Instance(EmInstance {
                owner: account,
                version,
                template_version,
                preferences: preferences.clone(),
                activation_height: self.env.height + 1,
            }),
        );
        self.receipts.push(Receipt::ParticipantRegistered {
            account,
            name: name.to_owned(),
            meter,
            version,
        });
        Ok(())
    }

    /// What left for another cluster may come back: its place is kept.
    fn refuse_left(&self, key: StateKey) -> Result<(), Refusal> {
        match self.view.get(&key).map(AsRef::as_ref) {
            Some(StateValue::Left(cluster)) => Err(format!(
                "it left for cluster {cluster} and can only come back from there"
            )),
            _ => Ok(()),
        }
    }

    /// Who may be a full node and see every transaction (paper D10).
    pub(super) fn authorise(&mut self, node: AccountId, granted: bool) -> Result<(), Refusal> {
        let mut list = self.view.full_nodes().cloned().unwrap_or_default();
        match (list.binary_search(&node), granted) {
            (Ok(_), true) => return Err(format!("{node} is authorised already")),
            (Err(_), false) => return Err(format!("{node} is not authorised")),
            (Err(place), true) if list.len() < MAX_FULL_NODES => list.insert(place, node),
            (Err(_), true) => return Err(format!("{MAX_FULL_NODES} full nodes are the most")),
            (Ok(place), false) => {
                list.remove(place);
            }
        }
        self.view
            .put(StateKey::FullNodes, StateValue::FullNodes(list));
        self.receipts.push(Receipt::Authorised { node, granted });
        Ok(())
    }

    fn admit_newcomer(&mut self, account: AccountId, meter: AccountId) {
        let mut roster = self.view.roster().cloned().unwrap_or_default();
        if let Err(place) = roster.binary_search(&account) {
            roster.insert(place, account);
        }
        self.view.put(StateKey::Roster, StateValue::Roster(roster));
        self.view.put(
            StateKey::Meter(meter),
            StateValue::Meter(Meter::new(account)),
        );
    }
}
