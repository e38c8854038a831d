//! One validator, sans-IO: events in, actions out.
//!
//! No clock, socket or thread inside. Time is an argument; the same driver
//! runs over the simulated network and between machines.

mod effects;
mod restart;
pub use restart::NodeSnapshot;
pub use types::{
    Action, Event, Limits, NodeConfig, NodeCounters, Step, TimerKey, TimerKind, default_timeouts,
};
mod route;
mod types;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arc_malachitebft_core_consensus as core;
use arc_malachitebft_core_types as engine;
use core::util::bounded_queue::BoundedQueue;
use core::{Input, Params, State};
use engine::{Round, ValuePayload, VoteExtensionPolicy};

use crate::chain::{Block, Chain, Decided};
use crate::context::{BlockId, Ctx, Height};
use crate::message::Message;
use crate::sign::SigMemo;

/// Position of a validator in its group; the network's address of it.
pub type PeerIndex = u16;

/// Most blocks in one catch-up answer.
pub const SYNC_BATCH: usize = 32;

/// Microseconds of simulated time.
pub type Micros = u64;

/// Where a validator stands between heights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not started.
    Idle,
    /// A height is being decided.
    Running,
    /// The last height is final; the next has not begun.
    Waiting {
        /// Whether the least interval has passed.
        paced: bool,
        /// Whether others have begun the next height.
        called: bool,
    },
    /// Stopped by itself, with the reason.
    Stopped(String),
}

/// How effects are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Normal.
    Live,
    /// The write-ahead log is being replayed after a crash.
    Replay,
}

/// Everything of a validator but the engine's state: plain, cloneable data.
#[derive(Clone, Debug)]
pub(crate) struct Host<C: Chain> {
    pub config: Arc<NodeConfig>,
    pub chain: C,
    pub phase: Phase,
    pub mode: Mode,
    /// Undecided blocks of the current height.
    pub blocks: BTreeMap<BlockId, Arc<C::Block>>,
    /// How many of them each peer sent.
    pub taken: BTreeMap<PeerIndex, usize>,
    /// Proposals seen at the current height, by round, to hand on to those who missed them.
    pub offers: BTreeMap<u32, Arc<Message<C>>>,
    /// Blocks others vote for in a round, and who does.
    pub wanted: BTreeMap<u32, (PeerIndex, BlockId)>,
    /// Blocks of later heights, unjudged.
    pub early: BTreeMap<u64, Vec<(PeerIndex, Arc<C::Block>)>>,
    /// Decided blocks of later heights received by catch-up.
    pub catch_up: BTreeMap<u64, (PeerIndex, Decided<C::Block>)>,
    pub timers: BTreeMap<TimerKey, u64>,
    pub epoch: u64,
    pub todo: VecDeque<Input<Ctx>>,
    pub actions: Vec<Action<C>>,
    /// What this height was fed, for rewinding; not the write-ahead log.
    pub inputs: Vec<Input<Ctx>>,
    /// How many of `inputs` after the first came from the log after a crash.
    pub replayed: usize,
    /// Fresh log entries written while replaying, to write each once.
    pub relogged: Vec<Input<Ctx>>,
    /// The engine's buffer at the start of this height.
    pub queue0: BoundedQueue<Height, Input<Ctx>>,
    /// A request for a block that came during replay.
    pub held_value: Option<(u64, Round)>,
    /// A value we have just locked beyond the first round, to be shown to the others.
    pub locked: Option<(Round, BlockId)>,
    /// Highest height somebody was seen deciding.
    pub best_seen: u64,
    /// Whom to ask next.
    pub next_peer: PeerIndex,
    /// Height asked for and not answered.
    pub asked: Option<u64>,
    /// How often it was asked for.
    pub attempts: PeerIndex,
    /// When the last height was decided here.
    pub decided_at: Micros,
    /// Last time each peer was answered unasked, to answer floods once.
    pub helped: BTreeMap<PeerIndex, (u64, Micros)>,
    /// Heights below this one are followed without voting or proposing.
    pub silent_below: u64,
    pub counters: NodeCounters,
}

/// One validator.
pub struct ValidatorNode<C: Chain> {
    state: State<Ctx>,
    host: Host<C>,
}

impl<C: Chain> std::fmt::Debug for ValidatorNode<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValidatorNode")
            .field("index", &self.host.config.index)
            .field("tip", &self.host.chain.tip())
            .field("phase", &self.host.phase)
            .finish_non_exhaustive()
    }
}

fn new_state<C: Chain>(config: &NodeConfig, chain: &C) -> State<Ctx> {
    let params = Params {
        address: config.key.address(),
        threshold_params: config.thresholds,
        // With proposals only the engine would never ask whether a block is valid.
        value_payload: ValuePayload::ProposalAndParts,
        enabled: true,
    };
    State::new(
        Ctx,
        Height(chain.tip() + 1),
        chain.validators(),
        params,
        config.limits.future_heights,
        config.limits.future_per_height,
    )
}

impl<C: Chain> ValidatorNode<C> {
    /// A validator on top of a chain that has no unfinished height.
    #[must_use]
    pub fn new(config: Arc<NodeConfig>, chain: C) -> Self {
        let state = new_state(&config, &chain);
        let limits = config.limits;
        let host = Host {
            next_peer: config.index,
            config,
            chain,
            phase: Phase::Idle,
            mode: Mode::Live,
            blocks: BTreeMap::new(),
            taken: BTreeMap::new(),
            offers: BTreeMap::new(),
            wanted: BTreeMap::new(),
            early: BTreeMap::new(),
            catch_up: BTreeMap::new(),
            timers: BTreeMap::new(),
            epoch: 0,
            todo: VecDeque::new(),
            actions: Vec::new(),
            inputs: Vec::new(),
            replayed: 0,
            relogged: Vec::new(),
            queue0: BoundedQueue::new(limits.future_heights, limits.future_per_height),
            held_value: None,
            locked: None,
            best_seen: 0,
            asked: None,
            attempts: 0,
            decided_at: 0,
            helped: BTreeMap::new(),
            silent_below: 0,
            counters: NodeCounters::default(),
        };
        Self { state, host }
    }

    /// Takes one event and returns what has to be done, in order.
    ///
    /// `now` is in microseconds and must not go back.
    pub fn handle(&mut self, event: Event<C>, now: Micros, memo: &mut SigMemo) -> Vec<Action<C>> {
        if matches!(self.host.phase, Phase::Stopped(_)) {
            return Vec::new();
        }
        match event {
            Event::Start => {
                if self.host.phase == Phase::Idle {
                    self.start_height();
                }
            }
            Event::Timer { key, epoch } => self.on_timer(key, epoch),
            Event::Message { from, message } => self.on_message(from, &message, now),
            Event::Heard { from, tip } => self.on_heard(from, tip, now),
        }
        self.run(now, memo);
        self.host.take_actions()
    }

    /// The chain as this validator knows it.
    #[must_use]
    pub fn chain(&self) -> &C {
        &self.host.chain
    }

    pub(crate) fn chain_mut(&mut self) -> &mut C {
        &mut self.host.chain
    }

    /// Settings.
    #[must_use]
    pub fn config(&self) -> &NodeConfig {
        &self.host.config
    }

    /// Counters.
    #[must_use]
    pub fn counters(&self) -> NodeCounters {
        self.host.counters
    }

    /// Why it stopped itself, if it did.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        match &self.host.phase {
            Phase::Stopped(reason) => Some(reason),
            _ => None,
        }
    }

    /// Height being decided (or waited for) and the round it is in.
    #[must_use]
    pub fn position(&self) -> (u64, u32, Step) {
        let height = self.host.chain.tip() + 1;
        let step = match self.host.phase {
            Phase::Stopped(_) => Step::Down,
            Phase::Idle | Phase::Waiting { .. } => Step::Waiting,
            Phase::Running if self.state.driver.step_is_propose() => Step::Propose,
            Phase::Running if self.state.driver.step_is_prevote() => Step::Prevote,
            Phase::Running if self.state.driver.step_is_precommit() => Step::Precommit,
            Phase::Running => Step::Commit,
        };
        let round = match self.host.phase {
            Phase::Running => self.state.round().as_u32().unwrap_or(0),
            _ => 0,
        };
        (height, round, step)
    }

    /// Follows all heights below `height` without voting or proposing.
    ///
    /// For a validator whose log cannot be trusted: what it may have signed at
    /// a height and forgotten, it must not sign differently. It takes part
    /// again from `height` on. Counts from the next height that starts.
    pub fn keep_silent_below(&mut self, height: u64) {
        self.host.silent_below = height;
    }

    /// Height from which on it votes; see [`Self::keep_silent_below`].
    #[must_use]
    pub fn silent_below(&self) -> u64 {
        self.host.silent_below
    }

    /// Ends this validator as a crash would: the chain and nothing volatile survives.
    #[must_use]
    pub fn crash(self) -> C {
        let mut chain = self.host.chain;
        chain.forget_volatile();
        chain
    }

    fn on_timer(&mut self, key: TimerKey, epoch: u64) {
        if self.host.timers.get(&key) != Some(&epoch) {
            return;
        }
        self.host.timers.remove(&key);
        match key.kind {
            TimerKind::Pace => {
                if let Phase::Waiting { paced, .. } = &mut self.host.phase {
                    *paced = true;
                }
                self.maybe_start();
            }
            TimerKind::EmptyBlock => {
                if matches!(self.host.phase, Phase::Waiting { .. }) {
                    self.start_height();
                }
            }
            TimerKind::Want => self.host.ask_for_wanted(key.round),
            TimerKind::Sync => {
                self.host.ask_again();
            }
            _ => {
                if let Some(timeout) = key.timeout() {
                    self.host.todo.push_back(Input::TimeoutElapsed(timeout));
                }
            }
        }
    }

    /// Starts the next height when its time has come.
    fn maybe_start(&mut self) {
        let Phase::Waiting { paced, called } = self.host.phase else {
            return;
        };
        let next = self.host.chain.tip() + 1;
        let decided_elsewhere = self.host.catch_up.contains_key(&next);
        if decided_elsewhere || (paced && (called || self.host.chain.pending() > 0)) {
            self.start_height();
        }
    }

    fn start_height(&mut self) {
        let height = Height(self.host.chain.tip() + 1);
        self.host.phase = Phase::Running;
        self.host.held_value = None;
        self.host.todo.push_back(Input::StartHeight(
            height,
            self.host.chain.validators(),
            false,
            None,
            VoteExtensionPolicy::Disabled,
        ));
    }

    /// Feeds the queue of inputs to the engine until nothing is left to do.
    fn run(&mut self, now: Micros, memo: &mut SigMemo) {
        while let Some(input) = self.host.todo.pop_front() {
            let starts = matches!(input, Input::StartHeight(..));
            if starts {
                self.host.inputs.clear();
                self.host.replayed = 0;
                self.host.queue0 = self.state.input_queue.clone();
                self.state.params.enabled = self.host.votes();
            } else if self.host.inputs.len() >= self.host.config.limits.inputs {
                self.host.counters.inputs_dropped += 1;
                continue;
            }
            self.host.inputs.push(input.clone());
            let Self { state, host } = self;
            let result: Result<(), core::Error<Ctx>> = core::process!(
                input: input,
                state: state,
                metrics: &(),
                with: effect => host.answer(effect, now, memo)
            );
            if let Err(error) = result {
                self.on_engine_error(&error);
            }
            self.host.show_lock(&self.state);
            if starts && self.host.mode == Mode::Live {
                self.after_start(now);
            }
            if matches!(self.host.phase, Phase::Stopped(_)) {
                self.host.todo.clear();
            } else if self.host.todo.is_empty() && self.host.mode == Mode::Live {
                self.maybe_start();
            }
        }
    }

    fn on_engine_error(&mut self, error: &core::Error<Ctx>) {
        match error {
            core::Error::ReplayDivergence(..) | core::Error::WalCorrupted(_) => {
                self.host.stop(error.to_string());
            }
            _ => self.host.counters.engine_errors += 1,
        }
    }

    /// Once a height runs: blocks that came early, and what catch-up has brought.
    fn after_start(&mut self, now: Micros) {
        let height = self.host.chain.tip() + 1;
        self.host.early = self.host.early.split_off(&height);
        for (from, block) in self.host.early.remove(&height).unwrap_or_default() {
            self.host.take_block(from, block, now);
        }
        self.host.feed_catch_up(height);
    }
}

impl<C: Chain> Host<C> {
    pub(crate) fn stop(&mut self, reason: String) {
        self.actions.push(Action::Stopped(reason.clone()));
        self.phase = Phase::Stopped(reason);
    }

    fn take_actions(&mut self) -> Vec<Action<C>> {
        std::mem::take(&mut self.actions)
    }

    pub(crate) fn set_timer(&mut self, key: TimerKey, after: Micros) {
        self.epoch += 1;
        self.timers.insert(key, self.epoch);
        self.actions.push(Action::SetTimer {
            key,
            epoch: self.epoch,
            after,
        });
    }

    /// Whether this validator votes at the height being decided.
    pub(crate) fn votes(&self) -> bool {
        self.chain.tip() + 1 >= self.silent_below
    }

    /// Whether a block may stand for its round: right height, built by that round's proposer.
    pub(crate) fn well_placed(&self, block: &C::Block) -> bool {
        block.height() == self.chain.tip() + 1
            && self
                .chain
                .validators()
                .proposer(block.height(), block.round())
                .address
                == block.proposer()
    }
}
