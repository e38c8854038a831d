//! Blocks as lines of JSON: for people, spreadsheets and whoever wants to
//! check them without this program's store.

use std::io::{BufRead, Write};
use std::path::Path;

use gridloom_consensus::{Block, Certificate, Chain, Decided};
use gridloom_ledger::LedgerBlock;
use serde::{Deserialize, Serialize};

use super::Folder;
use crate::config::Genesis;
use crate::hex;
use crate::problem::Problem;
use crate::store::store_path;

/// One exported block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Height.
    pub height: u64,
    /// Identity.
    pub block: String,
    /// Time on the ledger's clock, ms.
    pub time_ms: u64,
    /// Who built it.
    pub proposer: String,
    /// State root after it.
    pub state_root: String,
    /// What each transaction says, in words.
    pub transactions: Vec<String>,
    /// Canonical bytes of block and certificate.
    pub bytes: String,
}

/// Writes all whole blocks from a height on; gives how many.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn export(dir: &Path, from: u64, out: &mut dyn Write) -> Result<u64, Problem> {
    let folder = Folder::open(dir)?;
    let store = folder.store()?;
    let path = store_path(&folder.data);
    let fail = |what: String| Problem::of_file(&path, what, "`gridloom ledger verify` says more");
    let tip = store.highest().map_err(|error| fail(error.to_string()))?;
    let mut count = 0;
    for height in from.max(1)..=tip {
        let decided = store.block(height).map_err(|bad| fail(bad.to_string()))?;
        let (block, header) = (&decided.block, decided.block.header());
        let bytes = borsh::to_vec(&(block.as_ref().clone(), decided.certificate.as_ref().clone()))
            .map_err(|error| fail(error.to_string()))?;
        let line = Line {
            height,
            block: hex::encode(&block.id().0),
            time_ms: header.time_ms,
            proposer: hex::encode(&header.proposer.0),
            state_root: hex::encode(&header.state_root),
            transactions: block.transactions().iter().map(|tx| tx.summary()).collect(),
            bytes: hex::encode(&bytes),
        };
        serde_json::to_string(&line)
            .map_err(std::io::Error::from)
            .and_then(|text| writeln!(out, "{text}"))
            .map_err(|error| fail(format!("cannot be exported: {error}")))?;
        count += 1;
    }
    Ok(count)
}

/// Executes an export that starts at the first block again; gives the height reached.
///
/// # Errors
/// Says at which line it fails.
pub fn import_check(genesis: &Genesis, lines: &mut dyn BufRead) -> Result<u64, String> {
    let mut chain = genesis.chain().map_err(|error| error.to_string())?;
    for (number, line) in lines.lines().enumerate() {
        let fail = |what: String| format!("line {}: {what}", number + 1);
        let line = line.map_err(|error| fail(error.to_string()))?;
        let line: Line = serde_json::from_str(&line).map_err(|error| fail(error.to_string()))?;
        let (block, certificate): (LedgerBlock, Certificate) = hex::decode(&line.bytes)
            .and_then(|bytes| borsh::from_slice(&bytes).ok())
            .ok_or_else(|| fail("the bytes are no block".into()))?;
        if hex::encode(&block.id().0) != line.block || block.height() != line.height {
            return Err(fail(
                "the bytes are another block than the line says".into(),
            ));
        }
        certificate
            .verify(&chain.id(), &chain.validators(), &mut Default::default())
            .map_err(|fault| fail(fault.to_string()))?;
        chain
            .apply(Decided {
                block: block.into(),
                certificate: certificate.into(),
            })
            .map_err(fail)?;
    }
    Ok(chain.tip())
}
