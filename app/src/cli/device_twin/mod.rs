//! `gridloom device twin`: a running scene as devices, and devices beside it.

mod emulated;
mod served;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use clap::Args;
use gridloom_core::expect::Expectations;
use gridloom_core::view::ViewModel;
use gridloom_core::{Twin, TwinOptions};
use gridloom_hardware::{Line, tools};
use gridloom_model::scene::BindingMode;

use self::emulated::Emulated;
pub(super) use self::served::{Served, shown};
use super::run::print_outcomes;
use super::{output, scene};
use crate::devices::{DeviceHub, DeviceView, DevicesView};

/// Arguments of `device twin`.
#[derive(Args)]
pub struct TwinArgs {
    /// Scene (default: the built-in one).
    scene: Option<PathBuf>,
    /// host:port, rtu:host:port, the path of a serial line, or `pty`; repeatable.
    #[arg(long, default_value = "127.0.0.1:5502")]
    bind: Vec<String>,
    /// Broker to publish every entity to as `gridloom/ID`, host:port.
    #[arg(long, value_name = "HOST:PORT")]
    mqtt: Option<String>,
    /// Let clients write: limits of inverters, set-points of batteries, breakers.
    #[arg(long)]
    writable: bool,
    /// Watch the devices the scene binds.
    #[arg(long)]
    watch: bool,
    /// Emulate the devices the scene binds, at their addresses, and watch them.
    #[arg(long)]
    emulate: bool,
    /// Speed, simulated seconds per second.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Sign the counters of bound devices with the keys in this folder (made when there are
    /// none) and let the ledger check and keep them.
    #[arg(long, value_name = "DIR")]
    sign: Option<PathBuf>,
    /// Time between two signed readings of a counter, s.
    #[arg(long, default_value_t = 10)]
    sign_every: u64,
    /// Stop after this many seconds (default: run until interrupted or the scene ends).
    #[arg(long)]
    seconds: Option<u64>,
}

/// Runs the twin with its devices; exit code 1 when an emulated device is not
/// good at the end, a signed reading was refused or an expectation of the scene
/// is not met.
pub fn run(args: &TwinArgs) -> Result<ExitCode> {
    if !(0.1..=3_600.0).contains(&args.speed) {
        bail!("--speed must be 0.1 to 3600, is {}", args.speed);
    }
    let path = match &args.scene {
        Some(path) => path.clone(),
        None => scene::default_scene()?,
    };
    let mut twin = load(&path)?;
    let listen = args
        .bind
        .iter()
        .map(|text| tools::listen(text, Line::default()))
        .collect::<Result<Vec<_>, _>>()?;
    let served = Served::start(listen, args.mqtt.clone(), args.writable, &twin)?;
    served.announce();
    let mut hub = DeviceHub::start()?;
    if let Some(folder) = &args.sign {
        hub.sign(folder, Duration::from_secs(args.sign_every.max(1)))?;
    }
    let emulated = if args.emulate {
        Emulated::start(&twin)?
    } else {
        Emulated::default()
    };
    if args.emulate || args.watch {
        hub.bind_scene(&twin)?;
    }
    let mut expectations =
        Expectations::new(&twin.scene().scene.expect, twin.end().start(twin.tick_ms()))
            .map_err(|error| anyhow!(error))?;
    drive(
        args,
        &mut twin,
        &served,
        &mut hub,
        &emulated,
        &mut expectations,
    );
    let mut good = true;
    if !hub.is_empty() {
        good &= report(&hub.view(), &twin.view(None), args.sign.is_some());
    }
    if twin.tick() < twin.end() {
        let (time, end) = (twin.time(), twin.end().start(twin.tick_ms()));
        output::line(&format!(
            "expectations are judged when the scene is over: {time} of {end} were run"
        ));
    } else {
        let outcomes = expectations.finish(&mut twin);
        print_outcomes(&outcomes);
        good &= outcomes.iter().all(|outcome| outcome.met);
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The twin of a scene, profiles of its bindings found.
pub(super) fn load(path: &Path) -> Result<Twin> {
    let mut loaded = scene::load(path)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    for binding in &mut loaded.scene.bindings {
        let path = crate::devices::profile_path(&binding.profile, folder);
        binding.profile = path.to_string_lossy().into_owned();
    }
    Ok(Twin::new(loaded, TwinOptions::default())?)
}

/// Ticks after which an asked change shows: a command acts in the next tick, a
/// breaker one later.
const SHOWN_AFTER: u64 = 2;

/// Runs the twin at its speed until the time is over.
fn drive(
    args: &TwinArgs,
    twin: &mut Twin,
    served: &Served,
    hub: &mut DeviceHub,
    emulated: &Emulated,
    expectations: &mut Expectations,
) {
    let began = Instant::now();
    let tick = Duration::from_millis(twin.tick_ms());
    let mut said = Instant::now();
    let mut done = 0_u32;
    let mut followed: Vec<(u64, String)> = Vec::new();
    let mut view = twin.view(None);
    while twin.tick() < twin.end()
        && args
            .seconds
            .is_none_or(|s| began.elapsed() < Duration::from_secs(s))
    {
        // Wall time decides only how many ticks are run.
        let due = (began.elapsed().as_secs_f64() * args.speed / tick.as_secs_f64()) as u32;
        if done >= due {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        for asked in served.asked(twin) {
            let now = shown(&view, &asked.entity);
            output::line(&format!(
                "{}: a client asks: {}; now {now}",
                asked.entity, asked.what
            ));
            let shows = (twin.tick().0 + SHOWN_AFTER, asked.entity);
            if !followed.contains(&shows) {
                followed.push(shows);
            }
            twin.send(asked.command);
        }
        for command in hub.poll(&view, args.speed, true) {
            twin.send(command);
        }
        twin.step();
        done += 1;
        expectations.observe(twin);
        view = twin.view(None);
        served.show(&view);
        emulated.show(&view);
        let tick_now = twin.tick().0;
        followed.retain(|(at, entity)| {
            if tick_now < *at {
                return true;
            }
            output::line(&format!(
                "{entity}: {} at {}",
                shown(&view, entity),
                view.time
            ));
            false
        });
        if said.elapsed() >= Duration::from_secs(10) {
            said = Instant::now();
            let devices = hub.view();
            if !devices.devices.is_empty() {
                output::note(&format!("{} at {}", sums(&devices), view.time));
            }
        }
    }
}

/// Whether the power of a device is good.
fn is_good(device: &DeviceView) -> bool {
    device.points.iter().any(|point| {
        let id = &*point.reading.point;
        (id.contains("/p") || id == "closed") && point.quality.is_good()
    })
}

fn sums(view: &DevicesView) -> String {
    let good = view.devices.iter().filter(|device| is_good(device)).count();
    let polls: u64 = view.devices.iter().map(|d| d.status.polls).sum();
    let missed: u64 = view.devices.iter().map(|d| d.status.missed).sum();
    let errors: u64 = view.devices.iter().map(|d| d.status.errors.total()).sum();
    let shadows: Vec<_> = view
        .devices
        .iter()
        .filter(|device| device.mode != BindingMode::Monitor)
        .collect();
    let off = shadows.iter().filter(|d| !d.violated_for.is_zero()).count();
    format!(
        "{good} of {} devices good, {polls} polls, {missed} missed, {errors} errors, {off} of {} shadows off",
        view.devices.len(),
        shadows.len()
    )
}

/// Says how the devices are; false when one is not good or the ledger refused
/// what was signed.
fn report(view: &DevicesView, twin: &ViewModel, signed: bool) -> bool {
    for device in view.devices.iter().filter(|device| !is_good(device)) {
        output::line(&format!(
            "{} at {}: {}",
            device.entity,
            device.endpoint,
            device
                .status
                .last_error
                .as_deref()
                .unwrap_or("no good value")
        ));
    }
    let largest = view
        .devices
        .iter()
        .filter_map(|device| Some((device.residual_w?.abs(), &device.entity)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((residual_w, entity)) = largest {
        output::line(&format!("largest residual {residual_w:.0} W at {entity}"));
    }
    output::line(&sums(view));
    let mut good = view.devices.iter().all(is_good);
    if signed {
        let bound: Vec<_> = twin
            .homes
            .iter()
            .filter_map(|home| home.bound.as_ref())
            .collect();
        let taken: u64 = bound.iter().map(|bound| bound.recorded).sum();
        let refused: u64 = bound.iter().map(|bound| bound.refused).sum();
        let with = bound.iter().filter(|bound| bound.recorded > 0).count();
        output::line(&format!(
            "{taken} signed readings of {with} meters on the ledger, {refused} refused"
        ));
        if let Some(reason) = bound
            .iter()
            .map(|bound| &bound.refusal)
            .find(|r| !r.is_empty())
        {
            output::line(&format!("refused: {reason}"));
        }
        good &= taken > 0 && refused == 0;
    }
    good
}
