//! The root: checkpoints of clusters, decisions, evidence against validators.

use gridloom_consensus::Equivocation;

use super::{Executor, Refusal};
use crate::cross::{
    Approved, CheckpointExtras, Decision, DecisionRecord, DecisionStatus, Flows, Governance,
};
use crate::header::BlockHeader;
use crate::receipt::Receipt;
use crate::state::{StateKey, StateValue};

impl Executor<'_> {
    /// Records a checkpoint that was found admissible. A second certified
    /// block at the recorded height proves that more than a third of the
    /// cluster's power misbehaved: the cluster is frozen.
    pub(super) fn checkpoint(
        &mut self,
        cluster: u32,
        header: &BlockHeader,
        extras: &CheckpointExtras,
    ) -> Result<(), Refusal> {
        let record = self
            .view
            .cluster(cluster)
            .ok_or("the cluster is not known")?;
        let mut record = record.clone();
        if header.height == record.height {
            record.frozen = true;
            self.receipts.push(Receipt::ClusterFrozen {
                cluster,
                height: header.height,
            });
            self.put_cluster(cluster, record);
            return Ok(());
        }
        if let Some((flows, _)) = &extras.flows {
            self.check_flows(cluster, flows, header)?;
            self.tell_others(cluster, flows, header);
            record.flows = flows.clone();
        }
        record.height = header.height;
        record.block = header.id();
        record.state_root = header.state_root;
        record.time_ms = header.time_ms;
        if let Some(next) = &extras.next {
            record.seats.clone_from(next);
            record.validators = header.next_validators;
        }
        self.receipts.push(Receipt::CheckpointAccepted {
            cluster,
            height: header.height,
            block: record.block,
        });
        self.put_cluster(cluster, record);
        self.close_open_decisions();
        Ok(())
    }

    fn put_cluster(&mut self, cluster: u32, record: crate::state::ClusterRecord) {
        self.view
            .put(StateKey::Cluster(cluster), StateValue::Cluster(record));
    }

    /// The conservation rules of the root. A cluster whose validators all lie
    /// can at most send out its limit and what others really sent it.
    fn check_flows(
        &self,
        cluster: u32,
        flows: &Flows,
        header: &BlockHeader,
    ) -> Result<(), Refusal> {
        let record = self.view.cluster(cluster).ok_or("no such cluster")?;
        let height = header.height;
        if !flows.follows(&record.flows) {
            return Err(format!(
                "the flows of cluster {cluster} at height {height} take back what was certified"
            ));
        }
        for flow in &flows.list {
            let Some(peer) = self.view.cluster(flow.peer) else {
                return Err(format!("cluster {} is not known", flow.peer));
            };
            let theirs = peer.flows.with(cluster);
            let came = flow
                .taken
                .checked_add(flow.rejected)
                .ok_or("sums out of range")?;
            if !came.within(theirs.out) || flow.next > theirs.sent {
                return Err(format!(
                    "cluster {cluster} claims to have received more than cluster {} sent",
                    flow.peer
                ));
            }
            let may_return = if peer.dead { flow.out } else { theirs.rejected };
            if !flow.refunded.within(may_return) || (!peer.dead && flow.acked > theirs.next) {
                return Err(format!(
                    "cluster {cluster} took back more than cluster {} returned",
                    flow.peer
                ));
            }
        }
        let net = flows.net();
        if -net.money > record.limit.money || -net.wh > record.limit.wh {
            return Err(format!(
                "cluster {cluster} sent {} nEUR and {} Wh beyond what it received, its limit is {} nEUR and {} Wh",
                -net.money, -net.wh, record.limit.money, record.limit.wh
            ));
        }
        Ok(())
    }

    /// Tells every cluster this one dealt with what it has to know.
    fn tell_others(&mut self, cluster: u32, flows: &Flows, header: &BlockHeader) {
        for flow in &flows.list {
            let mut inbound = self.view.inbound(flow.peer).cloned().unwrap_or_default();
            let mut view = inbound.with(cluster);
            view.height = header.height;
            view.state_root = header.state_root;
            view.sent = flow.sent;
            view.next = flow.next;
            inbound.put(view);
            self.view
                .put(StateKey::Inbound(flow.peer), StateValue::Inbound(inbound));
        }
    }

    fn governance(&self) -> Governance {
        self.view.governance().cloned().unwrap_or_default()
    }

    /// Records a decision with enough approvals.
    pub(super) fn decide(&mut self, approved: &Approved) -> Result<(), Refusal> {
        let known = |index: u32| {
            self.view
                .cluster(index)
                .map(|_| ())
                .ok_or_else(|| format!("cluster {index} is not known"))
        };
        let mut status = DecisionStatus::Confirmed;
        match &approved.decision {
            Decision::Contract { template, from_ms } => {
                if !template.validate().is_empty() {
                    return Err("the contract's terms do not hold together".into());
                }
                if *from_ms <= self.env.time_ms {
                    return Err("its first slot has begun already".into());
                }
                status = DecisionStatus::Prepared;
            }
            Decision::Move { from, to, .. } => {
                known(*from)?;
                known(*to)?;
                if from == to {
                    return Err("from a cluster to itself nobody can move".into());
                }
            }
            Decision::DeclareDead { cluster } => {
                known(*cluster)?;
                self.declare_dead(*cluster);
            }
            Decision::Limit { cluster, limit } => {
                let mut record = self
                    .view
                    .cluster(*cluster)
                    .cloned()
                    .ok_or("no such cluster")?;
                record.limit = *limit;
                self.put_cluster(*cluster, record);
            }
            Decision::RootValidators { seats } => {
                crate::cross::set_of(seats)?;
                self.view
                    .put(StateKey::Seats, StateValue::Seats(seats.clone()));
            }
        }
        let mut governance = self.governance();
        governance.next += 1;
        if status == DecisionStatus::Prepared {
            governance.open.push(approved.number);
        }
        self.view
            .put(StateKey::Governance, StateValue::Governance(governance));
        self.view.put(
            StateKey::Decision(approved.number),
            StateValue::Decision(DecisionRecord {
                number: approved.number,
                decision: approved.decision.clone(),
                status,
                votes: Vec::new(),
                height: self.env.height,
            }),
        );
        self.receipts.push(Receipt::DecisionRecorded {
            number: approved.number,
            status,
        });
        Ok(())
    }

    fn declare_dead(&mut self, cluster: u32) {
        let Some(mut record) = self.view.cluster(cluster).cloned() else {
            return;
        };
        record.dead = true;
        let (height, state_root) = (record.height, record.state_root);
        let peers = self.env.genesis.cluster_count();
        self.put_cluster(cluster, record);
        for peer in (0..peers).filter(|peer| *peer != cluster) {
            let mut inbound = self.view.inbound(peer).cloned().unwrap_or_default();
            let mut view = inbound.with(cluster);
            view.dead = true;
            view.height = height;
            view.state_root = state_root;
            inbound.put(view);
            self.view
                .put(StateKey::Inbound(peer), StateValue::Inbound(inbound));
        }
    }

    /// Confirms or gives up contract decisions as the clusters answered.
    fn close_open_decisions(&mut self) {
        let mut governance = self.governance();
        if governance.open.is_empty() {
            return;
        }
        let count = self.env.genesis.cluster_count();
        let open = governance.open.clone();
        for number in open {
            let Some(mut record) = self.view.decision(number).cloned() else {
                continue;
            };
            let Decision::Contract { from_ms, .. } = &record.decision else {
                continue;
            };
            let mut votes = Vec::new();
            let mut waiting = false;
            for index in 0..count {
                let Some(cluster) = self.view.cluster(index) else {
                    continue;
                };
                let answer = cluster.flows.votes.iter().find(|(n, _)| *n == number);
                match answer {
                    Some((_, can)) => votes.push((index, *can)),
                    // The dead and the frozen are not waited for: they price nothing any more.
                    None if cluster.dead || cluster.frozen => {}
                    None => waiting = true,
                }
            }
            let refused = votes.iter().any(|(_, can)| !can);
            record.votes = votes;
            record.status = if refused || self.env.time_ms >= *from_ms {
                DecisionStatus::Abandoned
            } else if waiting {
                DecisionStatus::Prepared
            } else {
                DecisionStatus::Confirmed
            };
            if record.status != DecisionStatus::Prepared {
                governance.open.retain(|open| *open != number);
                self.receipts.push(Receipt::DecisionRecorded {
                    number,
                    status: record.status,
                });
            }
            self.view
                .put(StateKey::Decision(number), StateValue::Decision(record));
        }
        self.view
            .put(StateKey::Governance, StateValue::Governance(governance));
    }

    /// Another validator set of this cluster.
    pub(super) fn set_validators(&mut self, seats: &[crate::cross::Seat]) -> Result<(), Refusal> {
        let set = crate::cross::set_of(seats)?;
        self.view.put(
            StateKey::Seats,
            StateValue::Seats(crate::cross::seats(&set)),
        );
        self.receipts.push(Receipt::ValidatorsChanged {
            count: u32::try_from(seats.len()).unwrap_or(u32::MAX),
        });
        Ok(())
    }

    /// Records evidence that was found to hold.
    pub(super) fn evidence(&mut self, evidence: &Equivocation) -> Result<(), Refusal> {
        self.view.put(
            StateKey::Evidence(evidence.offender, evidence.height),
            StateValue::Evidence,
        );
        self.receipts.push(Receipt::EvidenceRecorded {
            offender: evidence.offender,
            height: evidence.height,
        });
        Ok(())
    }
}
