//! One slot of a cluster in private mode: what goes onto the ledger, what lies
//! beside it, and what each role can find out from what it holds.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::commit::{Blinding, Commitment};
use crate::mask::{self, Masker};
use crate::pseudonym::{Link, Pseudonyms};
use crate::roles::{Datum, Role, sees};
use crate::seal::{Recipient, SealError, Sealed, seal};

/// What a meter knows at the end of a slot.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PlainReading {
    /// Energy taken less energy given in the slot, Wh.
    pub net_wh: i64,
    /// Names of the devices behind the meter.
    pub equipment: String,
}

/// What stands on the ledger for one home and slot.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PublicReading {
    /// Public identity of the epoch.
    pub pseudonym: [u8; 32],
    /// The slot.
    pub slot: u64,
    /// Commitment to the energy.
    pub commitment: Commitment,
    /// Hash of the sealed reading that lies with the LG-Aggregator.
    pub sealed: [u8; 32],
}

/// What the LG-Aggregator gets for one home and slot.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EdgeReading {
    /// Energy with masks on it.
    pub masked: u64,
    /// Energy for operator, regulator and owner.
    pub reading: Sealed,
    /// Equipment for operator and owner.
    pub equipment: Sealed,
    /// Who is behind the pseudonym, for operator, regulator and owner.
    pub link: Sealed,
}

/// A home: secrets of its meter.
#[derive(Clone, Debug)]
pub struct Home {
    /// Its place in the cluster.
    pub index: u32,
    /// The account known by name; on no ledger and in no envelope in clear.
    account: [u8; 32],
    pseudonyms: Pseudonyms,
    masker: Masker,
}

impl Home {
    /// The home's own key for sealed parts. It changes with the pseudonym:
    /// envelopes name their recipients, and one name for all epochs would link them.
    fn own(&self, epoch: u64) -> Recipient {
        let seed = blake3::derive_key("gridloom own recipient key 1", &self.pseudonyms.seed(epoch));
        Recipient::from_seed(&seed)
    }
}

/// Secret `what` of home `index`.
fn secret(seed: u64, what: &str, index: u32) -> [u8; 32] {
    blake3::derive_key(
        "gridloom private slot secrets 1",
        format!("{seed}/{what}/{index}").as_bytes(),
    )
}

/// A cluster in private mode.
#[derive(Clone, Debug)]
pub struct PrivateCluster {
    /// Its homes.
    pub homes: Vec<Home>,
    /// Key of the grid operator.
    pub operator: Recipient,
    /// Key of the regulator.
    pub regulator: Recipient,
    /// Slots after which pseudonyms change.
    pub epoch_slots: u64,
}

/// Everything there is about one slot.
#[derive(Clone, Debug)]
pub struct PrivateSlot {
    /// On the ledger.
    pub public: Vec<PublicReading>,
    /// With the LG-Aggregator.
    pub edge: Vec<EdgeReading>,
    /// The claimed sum and what opens the sum of the commitments, on the ledger.
    pub sum_wh: i64,
    blinding: Blinding,
    slot: u64,
}

impl PrivateCluster {
    /// A cluster of `count` homes with secrets from a seed.
    ///
    /// # Errors
    /// Says which meter's key shares nothing (does not happen with derived keys).
    pub fn new(count: u32, seed: u64) -> Result<Self, String> {
        let secrets: Vec<[u8; 32]> = (0..count).map(|i| secret(seed, "mask", i)).collect();
        let publics: Vec<[u8; 32]> = secrets.iter().map(mask::public).collect();
        let home = |index: u32| -> Result<Home, String> {
            let place = index as usize;
            let masker = Masker::new(&secrets[place], place, &publics)
                .ok_or_else(|| format!("the masking keys of meter {index} share nothing"))?;
            Ok(Home {
                index,
                pseudonyms: Pseudonyms::new(&secret(seed, "master", index)),
                masker,
                account: secret(seed, "account", index),
            })
        };
        Ok(Self {
            homes: (0..count).map(home).collect::<Result<_, _>>()?,
            operator: Recipient::from_seed(&secret(seed, "operator", 0)),
            regulator: Recipient::from_seed(&secret(seed, "regulator", 0)),
            epoch_slots: 96,
        })
    }

    /// What is authenticated along with the sealed parts.
    fn context(slot: u64, pseudonym: &[u8; 32]) -> Vec<u8> {
        [b"gridloom/private/1", &slot.to_le_bytes()[..], pseudonym].concat()
    }

    /// The pseudonym of a home in a slot.
    #[must_use]
    pub fn pseudonym(&self, home: &Home, slot: u64) -> [u8; 32] {
        // The public key of the seed would do; its hash is as good a name and needs no curve here.
        blake3::derive_key(
            "gridloom pseudonym name 1",
            &home.pseudonyms.seed(slot / self.epoch_slots.max(1)),
        )
    }

    /// What meters, LG-Aggregator and ledger have of one slot. `readings` are in order of home.
    ///
    /// # Errors
    /// When a reading cannot be sealed.
    pub fn slot(&self, slot: u64, readings: &[PlainReading]) -> Result<PrivateSlot, SealError> {
        let (mut public, mut edge, mut blindings) = (Vec::new(), Vec::new(), Vec::new());
        for (home, plain) in self.homes.iter().zip(readings) {
            let pseudonym = self.pseudonym(home, slot);
            let context = Self::context(slot, &pseudonym);
            let entropy = home.pseudonyms.entropy(slot);
            let part = |what: u8| *blake3::keyed_hash(&entropy, &[what]).as_bytes();
            let blinding = Blinding::derive(&part(0));
            let epoch = slot / self.epoch_slots.max(1);
            let own = home.own(epoch).public();
            let (operator, regulator) = (self.operator.public(), self.regulator.public());
            let reading = seal(
                &[operator, regulator, own],
                &context,
                &plain.net_wh.to_le_bytes(),
                &part(1),
            )?;
            let equipment = seal(
                &[operator, own],
                &context,
                plain.equipment.as_bytes(),
                &part(2),
            )?;
            let link = Link {
                home: home.index,
                epoch,
                account: home.account,
                pseudonym,
            };
            let link = seal(
                &[operator, regulator, own],
                &context,
                &borsh::to_vec(&link).unwrap_or_default(),
                &part(3),
            )?;
            public.push(PublicReading {
                pseudonym,
                slot,
                commitment: Commitment::to(plain.net_wh, &blinding),
                sealed: reading.digest(),
            });
            edge.push(EdgeReading {
                masked: home.masker.mask(plain.net_wh, slot),
                reading,
                equipment,
                link,
            });
            blindings.push(blinding);
        }
        let masked: Vec<u64> = edge.iter().map(|reading| reading.masked).collect();
        Ok(PrivateSlot {
            sum_wh: mask::sum(&masked, &[]),
            blinding: Blinding::sum(&blindings),
            public,
            edge,
            slot,
        })
    }

    /// The cluster's sum where some meters did not report: the others reveal
    /// what they masked with those.
    #[must_use]
    pub fn sum_without(&self, slot: &PrivateSlot, missing: &BTreeSet<usize>) -> i64 {
        let here = (0..self.homes.len()).filter(|index| !missing.contains(index));
        let (masked, revealed): (Vec<u64>, Vec<u64>) = here
            .map(|index| {
                let masker = &self.homes[index].masker;
                (slot.edge[index].masked, masker.reveal(missing, slot.slot))
            })
            .unzip();
        mask::sum(&masked, &revealed)
    }
}

impl PrivateSlot {
    /// Whether the claimed sum is the sum of what the meters committed to; anybody can check.
    #[must_use]
    pub fn sum_is_right(&self) -> bool {
        let parts: Vec<Commitment> = self.public.iter().map(|p| p.commitment).collect();
        Commitment::sum(&parts).is_some_and(|sum| sum.opens_to(self.sum_wh, &self.blinding))
    }
}

/// One cell of the table, tried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Who looked.
    pub role: Role,
    /// For what.
    pub datum: Datum,
    /// Whether the table says it can be seen.
    pub expected: bool,
    /// Whether it was seen.
    pub seen: bool,
}

/// Lets every role try to find out everything from the bytes and keys it
/// holds, about home 0 (the neighbour is home 1).
///
/// # Errors
/// When the slots cannot be made.
pub fn try_out(seed: u64, homes: u32) -> Result<Vec<Trial>, String> {
    let cluster = PrivateCluster::new(homes.max(3), seed)?;
    let plain = |slot: u64| -> Vec<PlainReading> {
        (0..cluster.homes.len() as i64)
            .map(|i| PlainReading {
                net_wh: 4_242_421 + 977 * i + 31 * slot as i64,
                equipment: format!("canary battery {i}"),
            })
            .collect()
    };
    // Two slots in different epochs, for the attempt to link them.
    let (one, two) = (3, 3 + cluster.epoch_slots);
    let slots = [(one, plain(one)), (two, plain(two))];
    let made = slots
        .iter()
        .map(|(slot, readings)| cluster.slot(*slot, readings))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    let mut trials = Vec::new();
    for role in Role::ALL {
        for datum in Datum::ALL {
            trials.push(Trial {
                role,
                datum,
                expected: sees(role, datum),
                seen: attempt(&cluster, role, datum, &made, &slots[0].1),
            });
        }
    }
    Ok(trials)
}

/// Bytes a role has access to.
fn holdings(role: Role, slot: &PrivateSlot) -> Vec<u8> {
    let public = borsh::to_vec(&slot.public).unwrap_or_default();
    let edge = match role {
        // Blocks and nothing else.
        Role::Outsider | Role::Neighbour | Role::Validator => Vec::new(),
        // What lies beside the ledger, sealed as it is.
        Role::Aggregator | Role::Operator | Role::Regulator | Role::Owner => {
            borsh::to_vec(&slot.edge).unwrap_or_default()
        }
    };
    [public, edge].concat()
}

/// Keys a role has.
fn keys(cluster: &PrivateCluster, role: Role, epoch: u64) -> Vec<Recipient> {
    let own = |index: usize| {
        let home = cluster.homes.get(index);
        home.map(|home| home.own(epoch)).into_iter().collect()
    };
    match role {
        Role::Outsider | Role::Validator | Role::Aggregator => Vec::new(),
        Role::Neighbour => own(1),
        Role::Operator => vec![cluster.operator.clone()],
        Role::Regulator => vec![cluster.regulator.clone()],
        Role::Owner => own(0),
    }
}

fn contains(bytes: &[u8], canary: &[u8]) -> bool {
    bytes.windows(canary.len()).any(|window| window == canary)
}

/// Everything the keys of a role open in the sealed parts, whoever they are addressed to.
fn opened(cluster: &PrivateCluster, role: Role, slot: &PrivateSlot, part: Datum) -> Vec<Vec<u8>> {
    let Some((edge, public)) = slot.edge.first().zip(slot.public.first()) else {
        return Vec::new();
    };
    let sealed = match part {
        Datum::Reading => &edge.reading,
        Datum::Equipment => &edge.equipment,
        _ => &edge.link,
    };
    let context = PrivateCluster::context(slot.slot, &public.pseudonym);
    let mut texts = Vec::new();
    for key in keys(cluster, role, slot.slot / cluster.epoch_slots.max(1)) {
        for envelope in &sealed.envelopes {
            texts.extend(key.open_envelope(envelope, &context));
        }
    }
    texts
}

fn attempt(
    cluster: &PrivateCluster,
    role: Role,
    datum: Datum,
    slots: &[PrivateSlot],
    truth: &[PlainReading],
) -> bool {
    let Some((first, plain)) = slots.first().zip(truth.first()) else {
        return false;
    };
    let bytes = holdings(role, first);
    let has = |canary: &[u8], part: Datum| {
        let opened = opened(cluster, role, first, part);
        contains(&bytes, canary) || opened.iter().any(|text| contains(text, canary))
    };
    match datum {
        Datum::Reading => has(&plain.net_wh.to_le_bytes(), Datum::Reading),
        Datum::Equipment => has(plain.equipment.as_bytes(), Datum::Equipment),
        Datum::Identity => cluster
            .homes
            .first()
            .is_some_and(|home| has(&home.account, Datum::Identity)),
        Datum::Linkage => linked(cluster, role, slots),
        Datum::ClusterSum => first.sum_wh == truth.iter().map(|p| p.net_wh).sum::<i64>(),
        Datum::SumIsRight => first.sum_is_right(),
    }
}

/// Whether something in common is found between the home's entries of two epochs.
fn linked(cluster: &PrivateCluster, role: Role, slots: &[PrivateSlot]) -> bool {
    let [one, two] = slots else {
        return false;
    };
    let same_name = one
        .public
        .iter()
        .any(|a| two.public.iter().any(|b| a.pseudonym == b.pseudonym));
    // Addressees in clear; the two officials are in every envelope of every home.
    let officials = [cluster.operator.public(), cluster.regulator.public()];
    let addressees = |slot: &PrivateSlot| -> Vec<[u8; 32]> {
        let sealed = slot.edge.iter().flat_map(|edge| {
            let parts = [&edge.reading, &edge.equipment, &edge.link];
            parts.into_iter().flat_map(|part| &part.envelopes)
        });
        sealed
            .map(|envelope| envelope.to)
            .filter(|to| !officials.contains(to))
            .collect()
    };
    let sees_envelopes = matches!(
        role,
        Role::Aggregator | Role::Operator | Role::Regulator | Role::Owner
    );
    let (here, there) = (addressees(one), addressees(two));
    let same_addressee = sees_envelopes && here.iter().any(|to| there.contains(to));
    let texts = |slot: &PrivateSlot| -> Vec<[u8; 32]> {
        opened(cluster, role, slot, Datum::Identity)
            .iter()
            .filter_map(|text| borsh::from_slice::<Link>(text).ok())
            .map(|link| link.account)
            .collect()
    };
    let (a, b) = (texts(one), texts(two));
    same_name || same_addressee || a.iter().any(|account| b.contains(account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_table_is_as_it_says() {
        let trials = try_out(1, 5).expect("slots");
        assert_eq!(trials.len(), Role::ALL.len() * Datum::ALL.len());
        for trial in trials {
            assert_eq!(trial.seen, trial.expected, "{trial:?}");
        }
    }

    #[test]
    fn a_wrong_sum_is_found_and_drop_outs_are_survived() {
        let cluster = PrivateCluster::new(6, 2).expect("keys");
        let readings: Vec<PlainReading> = (0..6)
            .map(|i| PlainReading {
                net_wh: 100 * i - 250,
                equipment: String::new(),
            })
            .collect();
        let mut slot = cluster.slot(9, &readings).expect("sealed");
        assert_eq!(slot.sum_wh, 0);
        assert!(slot.sum_is_right());
        slot.sum_wh += 1;
        assert!(!slot.sum_is_right());
        let missing = BTreeSet::from([1, 4]);
        let expected = -150 - (100 - 250) - (400 - 250) + 150;
        assert_eq!(cluster.sum_without(&slot, &missing), expected);
    }
}
