//! Many small lives of ledgers under faults, each from one number.
//!
//! A seed draws the shape (one group, or two clusters and a root), the links,
//! the faults and the payments; then the faults end and the ledgers have to
//! come to rest with everything paid. Checkers run at every step. A failing
//! seed fails again, to the same event.

mod checks;
mod plan;
mod world;

use gridloom_consensus::Sabotage;

pub use plan::FaultKinds;

use plan::Plan;
use world::World;

/// After healing, every validator that is told to behave decides a further block within this, ms.
pub const LIVE_WITHIN_MS: u64 = 10_000;
/// After healing, everything under way between clusters is settled within this, ms.
const SETTLED_WITHIN_MS: u64 = 60_000;
/// Simulated time between two looks, ms.
const STEP_MS: u64 = 50;

/// What one life showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Life {
    /// Blocks decided, over all groups.
    pub heights: u64,
    /// Events processed.
    pub events: u64,
    /// Simulated time, ms.
    pub simulated_ms: u64,
    /// From healing to a further block everywhere, ms.
    pub live_after_ms: u64,
    /// Payments executed.
    pub payments: u64,
    /// Parcels imported by other clusters.
    pub imported: u64,
    /// Parcels that came back.
    pub refunded: u64,
    /// Participants that changed their cluster.
    pub moved: u64,
    /// Proofs of misbehaviour handed over.
    pub evidence: u64,
    /// Which faults were in it.
    pub faults: FaultKinds,
}

/// A life in which something went wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[error("seed {seed} at {at_ms} ms: {what}")]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Simulated time, ms.
    pub at_ms: u64,
    /// What.
    pub what: String,
}

/// Lives one life.
///
/// # Errors
/// Says what a checker found, and when.
pub fn live(seed: u64, sabotage: Sabotage) -> Result<Life, Failure> {
    let plan = Plan::draw(seed);
    let mut world = World::new(&plan, sabotage).map_err(|what| Failure {
        seed,
        at_ms: 0,
        what,
    })?;
    match run(&mut world, &plan) {
        Ok(live_after_ms) => Ok(Life {
            live_after_ms,
            faults: plan.kinds(),
            ..world.life()
        }),
        Err(what) => Err(Failure {
            seed,
            at_ms: world.now_ms(),
            what,
        }),
    }
}

fn run(world: &mut World, plan: &Plan) -> Result<u64, String> {
    for event in &plan.events {
        while world.now_ms() + STEP_MS <= event.at_ms {
            world.step(STEP_MS)?;
        }
        world.inflict(event);
    }
    while world.now_ms() < plan.heal_ms {
        world.step(STEP_MS)?;
    }
    world.heal();
    let healed = world.now_ms();
    let targets = world.heights();
    let mut live_after = None;
    loop {
        world.step(STEP_MS)?;
        let passed = world.now_ms() - healed;
        if live_after.is_none() {
            if world.reached(&targets) {
                live_after = Some(passed);
            } else if passed > LIVE_WITHIN_MS {
                return Err(format!(
                    "not live {LIVE_WITHIN_MS} ms after healing: {}",
                    world.positions()
                ));
            }
        }
        if let Some(live_after) = live_after
            && world.is_settled()
        {
            world.final_checks()?;
            return Ok(live_after);
        }
        if passed > SETTLED_WITHIN_MS {
            return Err(format!(
                "not settled {SETTLED_WITHIN_MS} ms after healing: {}",
                world.unsettled()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_seeds_holds() {
        let seeds: u64 = std::env::var("GRIDLOOM_SEEDS")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(60);
        for seed in 0..seeds {
            if let Err(failure) = live(seed, Sabotage::None) {
                panic!("{failure}");
            }
        }
    }

    #[test]
    fn lives_are_full_of_what_they_are_for() {
        let mut sum = Life::default();
        for seed in 0..30 {
            let life = live(seed, Sabotage::None).expect("a good life");
            sum.payments += life.payments;
            sum.imported += life.imported;
            sum.refunded += life.refunded;
            sum.moved += life.moved;
            sum.evidence += life.evidence;
        }
        let least = [
            sum.payments,
            sum.imported,
            sum.refunded,
            sum.moved,
            sum.evidence,
        ];
        assert!(least.iter().all(|count| *count > 0), "{sum:?}");
    }

    /// Money comes back for a member that left: the account that waits for it
    /// once began to count from zero, and old transactions worked again.
    #[test]
    fn what_a_member_signed_before_it_left_works_once() {
        for seed in [3_643, 4_203, 4_575] {
            if let Err(failure) = live(seed, Sabotage::None) {
                panic!("{failure}");
            }
        }
    }

    #[test]
    fn a_seed_repeats() {
        for seed in [3, 4] {
            let figures = |life: Life| (life.heights, life.events, life.simulated_ms);
            let one = live(seed, Sabotage::None)
                .map(figures)
                .expect("a good life");
            let two = live(seed, Sabotage::None)
                .map(figures)
                .expect("a good life");
            assert_eq!(one, two);
        }
    }

    #[test]
    fn planted_defects_are_found() {
        for sabotage in [
            Sabotage::ForgetLog,
            Sabotage::TrustAll,
            Sabotage::SmallQuorum,
        ] {
            let found = (0..1_000).find_map(|seed| live(seed, sabotage).err());
            let failure = found.unwrap_or_else(|| panic!("{sabotage:?} was not found"));
            println!("{sabotage:?}: {failure}");
        }
    }
}
