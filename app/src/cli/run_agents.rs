//! The part of `gridloom run` that lets others in: agents, pace, input logs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use gridloom_core::{Command, Twin};
use serde::{Deserialize, Serialize};

use super::output;
use crate::agents::{AgentHub, Conduct, Counts, Place, read_tokens};

/// How long a run waits for the programs it was told to wait for.
const GATHERING: Duration = Duration::from_secs(60);
/// Speed of a run with agents that is not in lockstep.
const SPEED: f64 = 60.0;

/// Arguments about agents and input logs.
#[derive(Args)]
pub struct AgentArgs {
    /// Let programs bid for homes: 127.0.0.1:PORT or unix:PATH, one JSON object a line.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "replay")]
    agents: Option<String>,
    /// Tokens of the homes, a home and its token on each line (default: no token is asked for).
    #[arg(long, value_name = "FILE", requires = "agents")]
    agent_tokens: Option<PathBuf>,
    /// Begin when so many programs have subscribed, or after a minute.
    #[arg(long, value_name = "N", requires = "agents", default_value_t = 0)]
    await_agents: usize,
    /// Stand still in each slot until every subscriber is done, at most so long, ms.
    #[arg(long, value_name = "MS", requires = "agents", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    lockstep: Option<u64>,
    /// Simulated seconds per second (default: 60 with agents, without limit in lockstep).
    #[arg(long)]
    speed: Option<f64>,
    /// Write every command that reached the run, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    input_log: Option<PathBuf>,
    /// Send the commands of an input log again at their ticks.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

/// A line of an input log.
#[derive(Serialize, Deserialize)]
struct Logged {
    tick: u64,
    command: Command,
}

/// What drives a run besides its scene.
pub struct Outside {
    hub: Option<AgentHub>,
    replay: BTreeMap<u64, Vec<Command>>,
    replayed: usize,
    pace: Option<Pace>,
    input_log: Option<PathBuf>,
}

/// Holds a run to a speed.
struct Pace {
    speed: f64,
    began: Instant,
    from_ms: u64,
}

impl Outside {
    /// Opens what the arguments ask for and waits for agents.
    ///
    /// # Errors
    /// When an address, a file or the speed cannot be used.
    pub fn start(args: &AgentArgs, twin: &mut Twin) -> Result<Self> {
        if let Some(speed) = args.speed
            && !(0.1..=3_600.0).contains(&speed)
        {
            bail!("--speed must be 0.1 to 3600, is {speed}");
        }
        let replay = match &args.replay {
            Some(file) => read_log(file)?,
            None => BTreeMap::new(),
        };
        let mut hub = match &args.agents {
            Some(address) => Some(open(address, args, twin)?),
            None => None,
        };
        if let Some(hub) = &mut hub {
            output::note(&format!("agents: listening on {}", hub.address()));
            if args.await_agents > 0 && !hub.wait_for(twin, args.await_agents, GATHERING) {
                bail!(
                    "{} programs were awaited; after {} s they had not subscribed",
                    args.await_agents,
                    GATHERING.as_secs()
                );
            }
        }
        let paced = hub.is_some() && args.lockstep.is_none();
        let speed = args.speed.or_else(|| paced.then_some(SPEED));
        Ok(Self {
            hub,
            replay,
            replayed: 0,
            pace: speed.map(|speed| Pace {
                speed,
                began: Instant::now(),
                from_ms: twin.time().0,
            }),
            input_log: args.input_log.clone(),
        })
    }

    /// Waits for the pace and sends what is due with the next tick.
    pub fn before_tick(&mut self, twin: &mut Twin) {
        while let Some(left) = self.pace.as_ref().and_then(|pace| pace.left(twin)) {
            // Programs are answered while the run waits for its time.
            if let Some(hub) = &mut self.hub {
                hub.before_tick(twin);
            }
            std::thread::sleep(left.min(Duration::from_millis(5)));
        }
        if let Some(hub) = &mut self.hub {
            hub.before_tick(twin);
        }
        for command in self.replay.remove(&twin.tick().0).unwrap_or_default() {
            twin.send(command);
            self.replayed += 1;
        }
    }

    /// Tells agents what the tick has brought.
    pub fn after_tick(&mut self, twin: &mut Twin) {
        if let Some(hub) = &mut self.hub {
            hub.after_tick(twin);
        }
    }

    /// Says goodbye and writes the input log.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn finish(self, twin: &Twin) -> Result<Option<Counts>> {
        let left: usize = self.replay.values().map(Vec::len).sum();
        if left > 0 {
            output::note(&format!(
                "{left} commands of the input log lie after the end of this run, {} were sent",
                self.replayed
            ));
        }
        if let Some(file) = &self.input_log {
            write_log(file, twin)?;
        }
        Ok(self.hub.map(|hub| hub.finish(twin)))
    }
}

impl Pace {
    /// Time until the next tick may begin, if it may not yet.
    fn left(&self, twin: &Twin) -> Option<Duration> {
        let simulated_ms = twin.time().0.saturating_sub(self.from_ms);
        let due = Duration::from_secs_f64(simulated_ms as f64 / 1_000.0 / self.speed);
        due.checked_sub(self.began.elapsed())
            .filter(|d| !d.is_zero())
    }
}

fn open(address: &str, args: &AgentArgs, twin: &Twin) -> Result<AgentHub> {
    let tokens = match &args.agent_tokens {
        Some(file) => {
            let shown = file.display();
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
            read_tokens(&text).with_context(|| format!("{shown}"))?
        }
        None => BTreeMap::new(),
    };
    if let Some(home) = tokens.keys().find(|home| twin.account(home).is_none()) {
        bail!("the tokens name `{home}`: the scene has no such home");
    }
    let conduct = Conduct {
        lockstep: args.lockstep.map(Duration::from_millis),
        tokens,
    };
    AgentHub::open(&Place::parse(address)?, conduct)
}

fn read_log(file: &Path) -> Result<BTreeMap<u64, Vec<Command>>> {
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let mut commands: BTreeMap<u64, Vec<Command>> = BTreeMap::new();
    for (n, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let logged: Logged = serde_json::from_str(line)
            .with_context(|| format!("{shown}, line {}: not a logged command", n + 1))?;
        commands
            .entry(logged.tick)
            .or_default()
            .push(logged.command);
    }
    Ok(commands)
}

fn write_log(file: &Path, twin: &Twin) -> Result<()> {
    let shown = file.display();
    let out = fs::File::create(file).with_context(|| format!("cannot write {shown}"))?;
    let mut out = std::io::BufWriter::new(out);
    for (tick, command) in twin.commands() {
        let command = command.clone();
        writeln!(out, "{}", serde_json::to_string(&Logged { tick, command })?)?;
    }
    out.flush().with_context(|| format!("cannot write {shown}"))
}

/// One line about the agents of a run.
pub fn words(counts: &Counts) -> String {
    let mut text = format!(
        "agents: {} came, {} slots told, {} orders handed in, {} final, {} refused",
        counts.came, counts.slots, counts.orders, counts.placed, counts.refused
    );
    for (count, what) in [
        (counts.timeouts, "slots ended by time"),
        (counts.turned_away, "turned away"),
        (counts.too_long, "lines too long"),
        (counts.malformed, "lines no request"),
        (counts.busy, "requests while busy"),
        (counts.slow, "let go because they did not read"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text
}
