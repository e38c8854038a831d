//! How members come to their accounts where no list has them from the start
//! (paper Table 1, network): the owner opens them one by one, or they make
//! them themselves. Either way the same money arrives as with a list.

use bevy::prelude::*;
use gridloom_ledger::{KeyPair, Receipt, TxBody};
use gridloom_model::scene::{Identity, Network};

use super::group::{FreshBlocks, Ledgers};
use super::making::Makings;
use super::officials::Officials;
use crate::edge::{Outbox, Step, Steps};
use crate::meter::MeterKeys;
use crate::site::Site;
use crate::spawn::{Organisation, Participant};

/// What a member sends to join.
pub(super) fn registration(party: &Participant, keys: &MeterKeys, identity: Identity) -> TxBody {
    TxBody::RegisterParticipant {
        name: match identity {
            Identity::Proofed => party.name.clone(),
            Identity::SelfSovereign => pseudonym(&keys.account),
        },
        meter_key: keys.meter.public(),
        preferences: party.preferences.clone(),
        spread: party.spread,
    }
}

/// A name that says nothing but which key it is.
fn pseudonym(key: &KeyPair) -> String {
    let account = key.account();
    let digits: String = account.0[..6].iter().map(|b| format!("{b:02x}")).collect();
    format!("key-{digits}")
}

/// The owner of a private ledger opens an account for each of its members.
pub(super) fn open_accounts(
    ledger: u32,
    organisation: &Organisation,
    ledgers: &Ledgers,
    officials: &mut Officials,
    outbox: &mut Outbox,
) {
    for party in &organisation.participants {
        if party.cluster == ledger {
            let body = TxBody::OpenAccount {
                account: party.account,
                deposit: party.deposit,
            };
            outbox.sign(ledgers, ledger, officials.operator(ledger), body);
        }
    }
}

/// Who has got an account registers; who has joined unasked gets the deposit.
pub(super) fn welcome(
    organisation: Res<Organisation>,
    makings: Res<Makings>,
    ledgers: Res<Ledgers>,
    fresh: Res<FreshBlocks>,
    mut officials: ResMut<Officials>,
    mut outbox: ResMut<Outbox>,
    mut steps: ResMut<Steps>,
    sites: Query<(&Site, &MeterKeys)>,
) {
    for block in &fresh.0 {
        let parts = makings.of(block.ledger);
        for receipt in block.receipts.iter() {
            match receipt {
                Receipt::AccountOpened { account, .. } if parts.network == Network::Private => {
                    let meter = organisation.meter_of(account).map(|(meter, _)| meter);
                    let Some((site, keys)) =
                        meter.and_then(|meter| sites.iter().find(|(site, _)| site.meter == meter))
                    else {
                        continue;
                    };
                    let party = &organisation.participants[site.meter as usize];
                    let body = registration(party, keys, parts.identity);
                    outbox.sign(&ledgers, block.ledger, (&keys.account, 0), body);
                    steps.begin(Step::Users);
                }
                Receipt::ParticipantRegistered {
                    account,
                    version: 1,
                    ..
                } if parts.network == Network::Public => {
                    let Some((meter, _)) = organisation.meter_of(account) else {
                        continue;
                    };
                    let amount = organisation.participants[meter as usize].deposit;
                    if amount > 0 {
                        let body = TxBody::Transfer {
                            to: *account,
                            amount,
                        };
                        let operator = officials.operator(block.ledger);
                        outbox.sign(&ledgers, block.ledger, operator, body);
                    }
                }
                _ => {}
            }
        }
    }
}
