//! M-LMDs, clusters, ledgers and device bindings.

use std::collections::BTreeMap;

use super::Check;
use super::value::MAX_KW;
use crate::scene::exchange::{Coupling, Retention};
use crate::scene::paths;
use crate::scene::spans::At;
use crate::scene::technology::{Execution, TechnologySpec};
use crate::scene::{LedgerSpec, LinkSpec};

/// Fewest validators: tolerating one faulty of n needs n >= 3f + 1 = 4
/// (Tendermint, Buchman et al. 2018).
const MIN_VALIDATORS: u64 = 4;
/// Most validators: votes grow with their square.
const MAX_VALIDATORS: u64 = 64;
/// Longest block interval: one hour.
const MAX_BLOCK_MS: u64 = 3_600_000;
/// Longest time in which a reading may have to be final: a day.
const MAX_LAG_S: u64 = 86_400;
/// Fewest blocks kept: what clusters and root still need of each other.
const MIN_KEPT: u64 = 256;
/// Most blocks kept, more than a year of one a second.
const MAX_KEPT: u64 = 40_000_000;

impl Check<'_, '_, '_> {
    pub(super) fn mlmds(&mut self) {
        let scene = self.scene;
        if scene.mlmds.is_empty() {
            let at = self.root.field("mlmds");
            self.report.say(
                at,
                "the scene has no M-LMD",
                "write at least one, at the head",
            );
        }
        let names = self.names;
        let mut owner: BTreeMap<&str, &str> = BTreeMap::new();
        for (i, mlmd) in scene.mlmds.iter().enumerate() {
            let at = self.at("mlmds", i);
            let line_at = at.field("line");
            if let Some(other) = owner.insert(&mlmd.line, &mlmd.id) {
                self.report.say(
                    line_at,
                    format!("line `{}` already carries M-LMD `{other}`", mlmd.line),
                    "one M-LMD per line",
                );
            }
            self.refers(line_at, "line", &mlmd.line, &names.lines);
            self.whole(at, "limit_a", u64::from(mlmd.limit_a), 1, MAX_KW as u64);
            self.whole(at, "trip_after_s", u64::from(mlmd.trip_after_s), 0, 86_400);
        }
    }

    pub(super) fn clusters(&mut self) {
        let scene = self.scene;
        if scene.clusters.is_empty() {
            let at = self.root.field("clusters");
            self.report
                .say(at, "the scene has no cluster", "write at least one");
        }
        let names = self.names;
        let mut member: BTreeMap<&str, &str> = BTreeMap::new();
        for (i, cluster) in scene.clusters.iter().enumerate() {
            let at = self.at("clusters", i);
            if cluster.mlmds.is_empty() {
                self.report.say(
                    at.field("mlmds"),
                    format!("cluster `{}` has no M-LMD", cluster.id),
                    "list the M-LMDs whose areas form it",
                );
            }
            for (j, mlmd) in cluster.mlmds.iter().enumerate() {
                let entry = at.field("mlmds").item(j);
                self.refers(entry, "M-LMD", mlmd, &names.mlmds);
                if let Some(other) = member.insert(mlmd, &cluster.id) {
                    self.report.say(
                        entry,
                        format!("M-LMD `{mlmd}` is already in cluster `{other}`"),
                        "every M-LMD belongs to one cluster",
                    );
                }
            }
            self.ledger(at.field("ledger"), cluster.ledger);
        }
        for (i, mlmd) in scene.mlmds.iter().enumerate() {
            if !member.contains_key(mlmd.id.as_str()) {
                let at = self.at("mlmds", i).field("id");
                self.report.say(
                    at,
                    format!("M-LMD `{}` is in no cluster", mlmd.id),
                    "add it to the `mlmds` of a cluster",
                );
            }
        }
        self.ledger(self.root.field("root"), scene.root);
    }

    fn ledger(&mut self, at: At<'_>, ledger: LedgerSpec) {
        let validators = u64::from(ledger.validators);
        if !(MIN_VALIDATORS..=MAX_VALIDATORS).contains(&validators) {
            self.report.say(
                at.field("validators"),
                format!("a ledger with {validators} validators"),
                format!("write {MIN_VALIDATORS} (tolerates one fault) to {MAX_VALIDATORS}"),
            );
        }
        self.whole(
            at,
            "block_interval_ms",
            ledger.block_interval_ms,
            1,
            MAX_BLOCK_MS,
        );
        let link = LinkSpec {
            latency_ms: ledger.latency_ms,
            loss_permille: ledger.loss_permille,
        };
        self.link(at, link);
        self.technology(at.field("technology"), ledger);
    }

    fn technology(&mut self, at: At<'_>, ledger: LedgerSpec) {
        let parts = ledger.technology.parts();
        let gives = TechnologySpec::gives(parts.consensus);
        if !gives.contains(&parts.commit_right) {
            self.report.say(
                at,
                format!(
                    "{:?} gives no {:?} commit right",
                    parts.consensus, parts.commit_right
                ),
                format!("write `commit_right: {:?}`", gives[0]),
            );
        }
        if let Execution::Compared(nodes) = parts.execution
            && !(2..=ledger.validators).contains(&u32::from(nodes))
        {
            self.report.say(
                at,
                format!("{nodes} nodes cannot compare what they simulate"),
                format!("write `Compared(2)` to `Compared({})`", ledger.validators),
            );
        }
    }

    pub(super) fn exchange(&mut self) {
        let at = self.root.field("exchange");
        if let Coupling::Immediate(seconds) = self.scene.exchange.coupling {
            self.whole(at, "coupling", u64::from(seconds), 1, MAX_LAG_S);
        }
        if let Retention::TimeBound(blocks) = self.scene.exchange.retention {
            self.whole(at, "retention", u64::from(blocks), MIN_KEPT, MAX_KEPT);
        }
    }

    /// Number of validators of a ledger; reports an unknown name.
    pub(super) fn ledger_named(&mut self, at: At<'_>, id: &str) -> Option<u32> {
        let (scene, names) = (self.scene, self.names);
        if !self.refers(at, "ledger", id, &names.ledgers) {
            return None;
        }
        let cluster = scene.clusters.iter().find(|cluster| cluster.id == id);
        Some(
            cluster
                .map_or(scene.root, |cluster| cluster.ledger)
                .validators,
        )
    }

    pub(super) fn bindings(&mut self) {
        let scene = self.scene;
        let names = self.names;
        let mut bound: BTreeMap<&str, ()> = BTreeMap::new();
        for (i, binding) in scene.bindings.iter().enumerate() {
            let at = self.at("bindings", i);
            let entity = at.field("entity");
            self.refers(entity, "entity", &binding.entity, &names.entities);
            if bound.insert(&binding.entity, ()).is_some() {
                self.report.say(
                    entity,
                    format!("`{}` is bound twice", binding.entity),
                    "one device per entity",
                );
            }
            if let Err(why) = paths::relative(&binding.profile) {
                let at = at.field("profile");
                self.report
                    .say(at, format!("path `{}` {why}", binding.profile), paths::HINT);
            }
            if !is_address(&binding.address) {
                self.report.say(
                    at.field("address"),
                    format!("`{}` is not an address", binding.address),
                    "write host:port, for example 127.0.0.1:502",
                );
            }
            self.whole(at, "poll_ms", binding.poll_ms, 1, 86_400_000);
        }
    }
}

/// `host:port` with a host and a port from 1, possibly behind a protocol
/// (`rtu:`), or `serial:` and a path.
fn is_address(text: &str) -> bool {
    if let Some(path) = text.strip_prefix("serial:") {
        return !path.is_empty() && !path.contains(char::is_whitespace);
    }
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(char::is_whitespace)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}
