//! What an outsider saw of a cluster: every block that some node called
//! durable, and the last height each node did.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::api::Client;
use crate::status::Committed;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Block at each height.
    pub(super) blocks: BTreeMap<u64, String>,
    /// Last height of each node.
    pub(super) acknowledged: Vec<u64>,
    /// Heights at which two nodes had different blocks.
    pub(super) disagreements: Vec<u64>,
    /// Transactions in the blocks, each height once.
    pub(super) transactions: u64,
    /// Bytes of them.
    pub(super) bytes: u64,
    /// When a transaction was first seen in a block, by identity.
    pub(super) committed: Vec<(Instant, Vec<String>)>,
}

/// Watches all nodes, each from a thread of its own.
pub(super) struct Oracle {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Oracle {
    /// Watches endpoints; `keep_ids` keeps the identities of transactions.
    pub(super) fn watch(apis: &[String], keep_ids: bool) -> Self {
        let seen = Arc::new(Mutex::new(Seen {
            acknowledged: vec![0; apis.len()],
            ..Seen::default()
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let threads = apis
            .iter()
            .enumerate()
            .map(|(node, api)| {
                let (api, seen, stop) = (api.clone(), Arc::clone(&seen), Arc::clone(&stop));
                std::thread::spawn(move || follow(node, &api, keep_ids, &seen, &stop))
            })
            .collect();
        Self {
            seen,
            stop,
            threads,
        }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A watcher that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

fn follow(node: usize, api: &str, keep_ids: bool, seen: &Mutex<Seen>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let connected = Client::connect(api, Duration::from_millis(200));
        if let Ok(mut client) = connected
            && client.watch().is_ok()
        {
            while !stop.load(Ordering::Relaxed) {
                match client.next_block() {
                    Ok(Some(block)) => {
                        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                        seen.note(node, block, keep_ids);
                    }
                    Ok(None) => {}
                    Err(_) => break,
                }
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Seen {
    fn note(&mut self, node: usize, block: Committed, keep_ids: bool) {
        if let Some(last) = self.acknowledged.get_mut(node) {
            *last = (*last).max(block.height);
        }
        match self.blocks.get(&block.height) {
            Some(known) if *known != block.block => self.disagreements.push(block.height),
            Some(_) => {}
            None => {
                self.transactions += block.transactions.len() as u64;
                self.bytes += block.bytes;
                self.blocks.insert(block.height, block.block);
                if keep_ids {
                    self.committed.push((Instant::now(), block.transactions));
                }
            }
        }
    }
}
