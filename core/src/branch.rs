//! Futures that were left: acting in the past keeps what had been simulated.

use std::sync::Arc;

use gridloom_units::Tick;

use crate::command::Command;
use crate::input::InputLog;
use crate::spawn::SpawnError;
use crate::twin::{Twin, TwinOptions};

/// Branches kept; the oldest go first and are counted.
const BRANCHES: usize = 16;

/// A run that was left, complete enough to be run again and compared.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Number, from 1.
    pub id: u32,
    /// Tick at which it was left.
    pub forked_at: Tick,
    /// Hash after every tick.
    pub hashes: Arc<Vec<[u8; 32]>>,
    /// Every command with its tick.
    pub commands: Arc<Vec<(u64, Command)>>,
}

impl Branch {
    /// Newest tick it was simulated to.
    #[must_use]
    pub fn head(&self) -> Tick {
        Tick(self.hashes.len() as u64)
    }
}

/// The kept branches of a twin.
#[derive(Clone, Debug, Default)]
pub struct Branches {
    kept: Vec<Branch>,
    made: u32,
    /// Branches that were dropped because there were too many.
    pub dropped: u32,
}

impl Branches {
    /// All of them, oldest first.
    #[must_use]
    pub fn all(&self) -> &[Branch] {
        &self.kept
    }

    pub(crate) fn remove(&mut self, id: u32) {
        self.kept.retain(|branch| branch.id != id);
    }

    pub(crate) fn keep(&mut self, forked_at: Tick, hashes: &[[u8; 32]], log: &InputLog) {
        if self.kept.len() == BRANCHES {
            self.kept.remove(0);
            self.dropped += 1;
        }
        self.made += 1;
        self.kept.push(Branch {
            id: self.made,
            forked_at,
            hashes: Arc::new(hashes.to_vec()),
            commands: Arc::new(log.iter().map(|(t, c)| (t, c.clone())).collect()),
        });
    }
}

/// The first tick after which two runs differ; `None` while they are equal as
/// far as both go.
#[must_use]
pub fn first_difference(a: &[[u8; 32]], b: &[[u8; 32]]) -> Option<Tick> {
    let common = a.len().min(b.len());
    // A hash covers the whole state, so runs that part stay parted: bisection
    // would do, but reading both costs a millisecond per hundred thousand ticks
    // and also finds runs that meet again.
    (0..common).find(|&i| a[i] != b[i]).map(|i| Tick(i as u64))
}

impl Twin {
    /// A second twin of the same scene that follows a branch; it shares the
    /// keyframes before the fork and stands at tick `at`, or where the branch ends.
    ///
    /// # Errors
    /// When the branch is not kept any more or the scene cannot be built.
    pub fn follow(&self, branch: u32, at: Tick) -> Result<Self, SpawnError> {
        let kept = self.branches().all().iter().find(|b| b.id == branch);
        let kept = kept
            .ok_or_else(|| SpawnError::Scene(format!("branch {branch} is not kept any more")))?
            .clone();
        let options = TwinOptions {
            rewindable: true,
            ..self.options()
        };
        let mut other = Self::new(self.scene().clone(), options)?;
        other.adopt(self, &kept);
        other.seek(at.min(kept.head().max(kept.forked_at)));
        Ok(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twin() -> Twin {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../scenes/two_houses.scene.ron"
        );
        let loaded = gridloom_model::scene::load(path.as_ref()).expect("the scene loads");
        let options = TwinOptions {
            rewindable: true,
            ..TwinOptions::default()
        };
        Twin::new(loaded, options).expect("the scene can be built")
    }

    #[test]
    fn acting_in_the_past_keeps_the_future_that_was_left() {
        let mut twin = twin();
        twin.run_until(Tick(400));
        let first = twin.hashes().to_vec();
        twin.seek(Tick(320));
        twin.send(Command::SetCloud(300));
        twin.run_until(Tick(400));
        let branch = twin.branches().all()[0].clone();
        assert_eq!((branch.forked_at, branch.head()), (Tick(320), Tick(400)));
        assert_eq!(*branch.hashes, first);
        let parted = first_difference(twin.hashes(), &branch.hashes);
        assert_eq!(parted, Some(Tick(320)), "the cloud came in tick 320");
        let other = twin.follow(branch.id, Tick(390)).expect("kept");
        assert_eq!(other.tick(), Tick(390));
        assert_eq!(other.hash_after(Tick(389)), Some(first[389]));
        assert_eq!(other.divergence(), None);
    }

    #[test]
    fn equal_runs_have_no_difference() {
        let run = vec![[1; 32], [2; 32]];
        assert_eq!(first_difference(&run, &run[..1]), None);
        assert_eq!(first_difference(&run, &[[1; 32], [3; 32]]), Some(Tick(1)));
    }
}
