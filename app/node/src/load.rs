//! Transactions for tests and benchmarks: a contract, homes, and readings of
//! their meters, signed as meters sign them.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gridloom_consensus::ChainId;
use gridloom_contract::{BatteryFacts, EmTemplate, EvFacts, HeaterFacts, Preferences, TypeWeights};
use gridloom_ledger::{DeviceFacts, KeyPair, MeterReading, Transaction, TxBody};

use crate::api::{Answer, Client, Request};
use crate::config::Genesis;
use crate::problem::Problem;
use crate::{hex, keyfile};

/// Codes of other devices in a reading; they bring it to 250 bytes.
const OTHER_DEVICES: u16 = 21;

/// Keys of a home: its account and its meter.
#[must_use]
pub fn home_keys(seed: &[u8; 32], home: u32) -> (KeyPair, KeyPair) {
    let key = |what: &[u8]| {
        let mut hasher = blake3::Hasher::new_keyed(seed);
        hasher.update(what);
        hasher.update(&home.to_le_bytes());
        KeyPair::from_seed(*hasher.finalize().as_bytes())
    };
    (key(b"account"), key(b"meter"))
}

/// A home's meter as a source of readings.
struct Home {
    account: KeyPair,
    meter: KeyPair,
    seq: u64,
    interval_end_ms: u64,
    import_wh: i64,
    solar_wh: i64,
}

/// Why a load cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file.
    #[error(transparent)]
    File(#[from] Problem),
    /// A node.
    #[error(transparent)]
    Node(#[from] crate::api::ClientError),
    /// The ledger did not take what it should.
    #[error("{0}")]
    Ledger(String),
}

/// Signs readings of many homes in turn.
pub struct Load {
    chain: ChainId,
    epoch_unix_ms: u64,
    operator: KeyPair,
    homes: Vec<Home>,
    next: usize,
}

impl Load {
    /// The homes of a folder that `init` wrote.
    ///
    /// # Errors
    /// When genesis or keys cannot be read.
    pub fn open(dir: &Path, homes: u32) -> Result<Self, LoadError> {
        let genesis = Genesis::load(&dir.join("genesis.ron"))?;
        let services = dir.join("services");
        let seed = keyfile::read(&services.join("homes.key"))?;
        let operator = KeyPair::from_seed(keyfile::read(&services.join("operator.key"))?);
        // Operator and utility have an account as well.
        let known = genesis.file.accounts.len().saturating_sub(2);
        if homes == 0 || homes as usize > known {
            return Err(LoadError::Ledger(format!(
                "{homes} homes: the genesis has {known}; write one with --homes"
            )));
        }
        Ok(Self {
            chain: ChainId::from_name(&genesis.file.chain),
            epoch_unix_ms: genesis.file.epoch_unix_ms,
            operator,
            homes: (0..homes)
                .map(|i| {
                    let (account, meter) = home_keys(&seed, i);
                    Home {
                        account,
                        meter,
                        seq: 0,
                        interval_end_ms: 0,
                        import_wh: 0,
                        solar_wh: 0,
                    }
                })
                .collect(),
            next: 0,
        })
    }

    fn now_ms(&self) -> u64 {
        let unix_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_millis() as u64);
        unix_ms.saturating_sub(self.epoch_unix_ms)
    }

    /// Registers the contract and every home, and waits until they are on record.
    ///
    /// # Errors
    /// When a node cannot be reached, or takes longer than `patience`.
    pub fn register(&mut self, client: &mut Client, patience: Duration) -> Result<(), LoadError> {
        let end = Instant::now() + patience;
        let operator = self.operator.clone();
        let contract = next_nonce(client, &operator)?;
        if contract == 0 {
            let template = EmTemplate::default();
            let body = TxBody::RegisterContract { template };
            let tx = Transaction::sign(&self.chain, &operator, contract, body);
            client.submit(vec![hex::encode(&tx.encode())])?;
            wait(end, || Ok(next_nonce(client, &operator)? > 0))?;
        }
        for start in (0..self.homes.len()).step_by(128) {
            let group = start..(start + 128).min(self.homes.len());
            let mut txs = Vec::new();
            for (index, home) in self.homes.iter().enumerate().take(group.end).skip(start) {
                let body = TxBody::RegisterParticipant {
                    name: format!("H{:04}", index + 1),
                    meter_key: home.meter.public(),
                    preferences: Preferences {
                        weights: TypeWeights {
                            solar: 3,
                            battery: 2,
                            grid_mix: 1,
                            ..TypeWeights::default()
                        },
                        ..Preferences::default()
                    },
                    spread: (index * 2_341 % 65_536) as u16,
                };
                let nonce = next_nonce(client, &home.account)?;
                if nonce == 0 {
                    let tx = Transaction::sign(&self.chain, &home.account, nonce, body);
                    txs.push(hex::encode(&tx.encode()));
                }
            }
            client.submit(txs)?;
        }
        for home in &mut self.homes {
            wait(end, || {
                let seq = next_seq(client, &home.meter)?;
                home.seq = seq.unwrap_or(0);
                Ok(seq.is_some())
            })?;
        }
        Ok(())
    }

    /// The home whose reading came last.
    #[must_use]
    pub fn last_home(&self) -> usize {
        self.next.saturating_sub(1) % self.homes.len()
    }

    /// The next reading, of the next home.
    pub fn reading(&mut self) -> Transaction {
        let now_ms = self.now_ms();
        let index = self.next % self.homes.len();
        self.next += 1;
        let home = &mut self.homes[index];
        home.interval_end_ms = now_ms.max(home.interval_end_ms + 1);
        home.import_wh += (index % 7) as i64;
        home.solar_wh += (index % 3) as i64;
        let reading = MeterReading {
            interval_end_ms: home.interval_end_ms,
            import_wh: home.import_wh,
            export_solar_wh: home.solar_wh,
            export_battery_wh: 0,
            facts: DeviceFacts {
                battery: Some(BatteryFacts {
                    soc_permille: (index % 1_000) as u16,
                    capacity_wh: 5_000,
                    max_charge_w: 2_500,
                    max_discharge_w: 2_500,
                }),
                heater: Some(HeaterFacts {
                    stored_permille: 500,
                    store_wh: 8_000,
                    power_w: 2_000,
                    must_run: false,
                }),
                ev: Some(EvFacts {
                    connected: true,
                    need_wh: 4_000,
                    slots_left: 12,
                    max_w: 11_000,
                }),
                other: (0..OTHER_DEVICES).collect(),
            },
        };
        let tx = Transaction::sign(&self.chain, &home.meter, home.seq, TxBody::Reading(reading));
        home.seq += 1;
        tx
    }
}

/// Registers the homes of a folder that `init` wrote and sends their readings
/// to its nodes in turn; gives how many were taken in and how many refused.
///
/// # Errors
/// When no node can be reached.
pub fn send(
    dir: &Path,
    apis: &[String],
    homes: u32,
    rate_per_s: u32,
    seconds: u64,
) -> Result<(u64, u64), LoadError> {
    const BEAT: Duration = Duration::from_millis(50);
    let mut load = Load::open(dir, homes)?;
    let mut clients = Vec::new();
    for api in apis {
        // Nodes that are down are left out.
        clients.extend(Client::connect(api, Duration::from_secs(5)));
    }
    let Some(first) = clients.first_mut() else {
        return Err(LoadError::Ledger("none of the nodes answers".into()));
    };
    load.register(first, Duration::from_secs(60))?;
    let (begun, mut sent, mut taken) = (Instant::now(), 0_u64, 0);
    let mut beats = 0_u32;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let due = (begun.elapsed().as_secs_f64() * f64::from(rate_per_s)) as u64;
        let count = (due - sent).min(crate::api::MAX_SUBMIT as u64);
        let txs = (0..count).map(|_| hex::encode(&load.reading().encode()));
        let txs: Vec<String> = txs.collect();
        let turn = beats as usize % clients.len();
        taken += clients[turn].submit(txs)?.0 as u64;
        sent += count;
        beats += 1;
        std::thread::sleep((BEAT * beats).saturating_sub(begun.elapsed()));
    }
    Ok((taken, sent - taken))
}

fn account(client: &mut Client, key: &KeyPair) -> Result<(Option<u64>, Option<u64>), LoadError> {
    let request = Request::Account {
        key: hex::encode(&key.public()),
    };
    match client.ask(&request)? {
        Answer::Account {
            next_nonce,
            next_seq,
            ..
        } => Ok((next_nonce, next_seq)),
        other => Err(LoadError::Ledger(format!("strange answer {other:?}"))),
    }
}

fn next_nonce(client: &mut Client, key: &KeyPair) -> Result<u64, LoadError> {
    account(client, key)?
        .0
        .ok_or_else(|| LoadError::Ledger(format!("{} has no account", key.account())))
}

fn next_seq(client: &mut Client, key: &KeyPair) -> Result<Option<u64>, LoadError> {
    Ok(account(client, key)?.1)
}

fn wait(end: Instant, mut done: impl FnMut() -> Result<bool, LoadError>) -> Result<(), LoadError> {
    while !done()? {
        if Instant::now() > end {
            return Err(LoadError::Ledger("registration takes too long".into()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{InitOptions, init};

    #[test]
    fn a_reading_of_the_load_has_250_bytes() {
        let dir = tempfile::tempdir().expect("a folder");
        let place = dir.path().join("n");
        init(&place, &InitOptions::default()).expect("writes");
        let mut load = Load::open(&place, 10).expect("opens");
        for _ in 0..30 {
            assert_eq!(load.reading().encode().len(), 250);
        }
        assert!(Load::open(&place, 101).is_err());
    }
}
