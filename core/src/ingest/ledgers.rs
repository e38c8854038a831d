//! Commands to the ledgers and their validators.

use bevy::prelude::*;
use gridloom_consensus::{LinkConfig, Misconduct, PeerIndex};
use gridloom_ledger::{Chosen, Decision, LedgerChain, courier};
use gridloom_units::DeviceId;

use super::Targets;
use crate::command::{Command, Conduct};
use crate::ledger::{LedgerGroup, bring_in, give_away, is_elsewhere, take_back};

/// Validator index of the consensus crate; the range was checked before.
fn peer(node: u32) -> PeerIndex {
    PeerIndex::try_from(node).unwrap_or(PeerIndex::MAX)
}

impl Targets<'_, '_, '_, '_, '_, '_, '_, '_, '_> {
    /// A command of those that concern a ledger.
    pub(super) fn apply_to_ledger(&mut self, command: &Command) -> Result<String, String> {
        let organisation = self.organisation;
        let name = |ledger: &u32| organisation.ledger_name(*ledger);
        match command {
            Command::CrashValidator { ledger, node } => {
                let mut group = self.ledger(*ledger, &[*node])?;
                if is_elsewhere(&mut group, peer(*node)) {
                    return Err(format!(
                        "validator {node} of ledger {} runs elsewhere: stop it there",
                        name(ledger)
                    ));
                }
                group.group.crash(peer(*node));
                Ok(format!(
                    "Validator {node} of ledger {} stopped",
                    name(ledger)
                ))
            }
            Command::RestartValidator { ledger, node } => {
                self.ledger(*ledger, &[*node])?.group.restart(peer(*node));
                Ok(format!(
                    "Validator {node} of ledger {} restarted",
                    name(ledger)
                ))
            }
            Command::Partition { ledger, groups } => {
                let nodes: Vec<u32> = groups.iter().flatten().copied().collect();
                let groups: Vec<Vec<PeerIndex>> = groups
                    .iter()
                    .map(|group| group.iter().map(|&node| peer(node)).collect())
                    .collect();
                self.ledger(*ledger, &nodes)?.group.partition(&groups);
                Ok(format!("Ledger {} partitioned", name(ledger)))
            }
            Command::Heal { ledger } => {
                self.ledger(*ledger, &[])?.group.heal();
                Ok(format!("Ledger {} healed", name(ledger)))
            }
            Command::Misbehave {
                ledger,
                node,
                conduct,
            } => self.misbehave(*ledger, *node, *conduct),
            Command::LedgerLoss { ledger, permille } => {
                let mut group = self.ledger(*ledger, &[])?;
                let links = LinkConfig {
                    loss_ppm: permille.min(&900) * 1_000,
                    ..group.group.links()
                };
                group.group.set_links(links);
                Ok(format!(
                    "Ledger {} loses {permille} permille of its messages",
                    name(ledger)
                ))
            }
            Command::GiveAway { ledger, node } => {
                let name = name(ledger);
                give_away(&mut *self.ledger(*ledger, &[*node])?, &name, peer(*node))
            }
            Command::SaidElsewhere { ledger, node, said } => {
                let name = name(ledger);
                bring_in(
                    &mut *self.ledger(*ledger, &[*node])?,
                    &name,
                    peer(*node),
                    said,
                )
            }
            Command::TakeBack { ledger, node } => {
                let name = name(ledger);
                take_back(&mut *self.ledger(*ledger, &[*node])?, &name, peer(*node))
            }
            Command::LoseOutside { ledger } => self.lose_outside(*ledger),
            Command::MoveMembers { from, to, members } => self.move_members(*from, *to, members),
            _ => Err("this command does not concern a ledger".into()),
        }
    }

    fn misbehave(&mut self, ledger: u32, node: u32, conduct: Conduct) -> Result<String, String> {
        let mut group = self.ledger(ledger, &[node])?;
        let node = peer(node);
        let lie = match conduct {
            Conduct::Honest | Conduct::DoubleVotes => None,
            Conduct::Silent => Some(Misconduct::Silent),
            Conduct::Withhold => Some(Misconduct::Withhold),
            Conduct::InvalidBlock => Some(Misconduct::InvalidBlock),
            Conduct::TwoBlocks => Some(Misconduct::TwoBlocks),
            Conduct::Replay => Some(Misconduct::Replay),
        };
        let twice = conduct == Conduct::DoubleVotes;
        group.group.misbehave(node, twice, lie)?;
        Ok(format!(
            "Validator {node} of ledger {}: {conduct:?}",
            self.organisation.ledger_name(ledger)
        ))
    }

    fn lose_outside(&mut self, ledger: u32) -> Result<String, String> {
        let mut group = self.ledger(ledger, &[])?;
        let outside = group.chain().is_some_and(|chain| chain.keeps().outside);
        if !outside {
            return Err(format!(
                "ledger {} keeps its data in its blocks",
                self.organisation.ledger_name(ledger)
            ));
        }
        group.group.each_chain(LedgerChain::lose_outside);
        Ok(format!(
            "The store outside ledger {} is lost",
            self.organisation.ledger_name(ledger)
        ))
    }

    /// The validators of the root approve, and the decision goes to their ledger.
    fn move_members(&mut self, from: u32, to: u32, members: &[DeviceId]) -> Result<String, String> {
        let root = self.groups.iter().map(|group| group.index).max();
        let root = root.ok_or("there are no ledgers")?;
        if from >= root || to >= root || from == to {
            return Err(format!(
                "homes move from one cluster to another one: use two of 0 to {}",
                root.saturating_sub(1)
            ));
        }
        let mut accounts = Vec::new();
        for device in members {
            let (site, ..) = self
                .meters
                .iter()
                .find(|(site, ..)| site.device == *device)
                .ok_or_else(|| format!("no meter {device}"))?;
            accounts.push(self.organisation.participants[site.meter as usize].account);
        }
        let members = if accounts.is_empty() {
            Chosen::All
        } else {
            Chosen::Listed(accounts)
        };
        let mut group = self.ledger(root, &[])?;
        let keys = group.group.keys();
        let chain = group.chain().ok_or("the root has no validators")?;
        let decision = Decision::Move { from, to, members };
        let tx = courier::decide(chain, &keys, decision);
        group.group.submit(std::sync::Arc::new(tx));
        Ok(format!(
            "The root is asked to move homes of cluster {from} to cluster {to}"
        ))
    }

    fn ledger(&mut self, ledger: u32, nodes: &[u32]) -> Result<Mut<'_, LedgerGroup>, String> {
        let group = self
            .groups
            .iter_mut()
            .find(|group| group.index == ledger)
            .ok_or_else(|| format!("no ledger {ledger}"))?;
        let count = group.group.len() as u32;
        if let Some(node) = nodes.iter().find(|&&node| node >= count) {
            return Err(format!(
                "ledger {ledger} has validators 0 to {}, not {node}",
                count - 1
            ));
        }
        Ok(group)
    }
}
