//! Checkpoints of clusters and evidence against validators.

use gridloom_consensus::Equivocation;

use super::{Executor, Refusal};
use crate::header::BlockHeader;
use crate::receipt::Receipt;
use crate::state::{StateKey, StateValue};

impl Executor<'_> {
    /// Records a checkpoint that was found admissible. A second certified
    /// block at the recorded height proves that more than a third of the
    /// cluster's power misbehaved: the cluster is frozen.
    pub(super) fn checkpoint(&mut self, cluster: u32, header: &BlockHeader) -> Result<(), Refusal> {
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
        } else {
            record.height = header.height;
            record.block = header.id();
            record.state_root = header.state_root;
            record.time_ms = header.time_ms;
            self.receipts.push(Receipt::CheckpointAccepted {
                cluster,
                height: header.height,
                block: record.block,
            });
        }
        self.view
            .put(StateKey::Cluster(cluster), StateValue::Cluster(record));
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
