//! `gridloom device`: physical devices from the command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use gridloom_hardware::{Profile, tools};

use super::output;

/// Arguments of `device`.
#[derive(Args)]
pub struct DeviceArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Check a device profile.
    Check {
        /// Profile file.
        #[arg(value_name = "PROFILE")]
        profile: PathBuf,
    },
    /// Read every point of a Modbus TCP device once.
    Read {
        /// Profile file.
        #[arg(value_name = "PROFILE")]
        profile: PathBuf,
        /// Address, host:port.
        address: String,
        /// Modbus unit id.
        #[arg(long, default_value_t = 1)]
        unit: u8,
        /// Longest wait, ms.
        #[arg(long, default_value_t = 2_000)]
        timeout_ms: u64,
    },
    /// Serve a profile's registers, for trying a binding without hardware.
    Serve {
        /// Profile file.
        #[arg(value_name = "PROFILE")]
        profile: PathBuf,
        /// Address to listen on (loopback unless you say otherwise).
        #[arg(long, default_value = "127.0.0.1:5502")]
        bind: String,
        /// Modbus unit id.
        #[arg(long, default_value_t = 1)]
        unit: u8,
        /// Values as POINT=NUMBER; repeatable.
        #[arg(long = "set", value_name = "POINT=NUMBER")]
        values: Vec<String>,
        /// Stop after this many seconds (default: run until interrupted).
        #[arg(long)]
        seconds: Option<u64>,
    },
}

/// Runs the action.
pub fn run(args: &DeviceArgs) -> Result<ExitCode> {
    match &args.action {
        Action::Check { profile } => {
            let loaded = Profile::load(profile)?;
            output::line(&format!(
                "{}: {} {}, {} points, ok",
                profile.display(),
                loaded.vendor,
                loaded.model,
                loaded.points.len()
            ));
            Ok(ExitCode::SUCCESS)
        }
        Action::Read {
            profile,
            address,
            unit,
            timeout_ms,
        } => {
            let limit = Duration::from_millis(*timeout_ms);
            let (readings, status) =
                tools::read_once(Profile::load(profile)?, address, *unit, limit)?;
            let now = Instant::now();
            for reading in &readings {
                output::line(&tools::describe(reading, now));
            }
            output::line(&format!(
                "{} polls, {} errors",
                status.polls,
                status.errors.total()
            ));
            let good = readings.iter().all(|reading| reading.quality.is_good());
            Ok(if good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Action::Serve {
            profile,
            bind,
            unit,
            values,
            seconds,
        } => {
            let emulator = tools::serve(Profile::load(profile)?, bind, *unit)?;
            let values = values
                .iter()
                .map(|text| value(text))
                .collect::<Result<Vec<_>>>()?;
            let set: Vec<(&str, f64)> = values.iter().map(|(id, v)| (id.as_str(), *v)).collect();
            emulator.set(&set)?;
            output::line(&format!("serving unit {unit} on {}", emulator.addr()));
            let until = seconds.map(|s| Instant::now() + Duration::from_secs(s));
            while until.is_none_or(|until| Instant::now() < until) {
                thread::sleep(Duration::from_millis(200));
            }
            emulator.stop();
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn value(text: &str) -> Result<(String, f64)> {
    let wrong = || anyhow!("`{text}` is no value: write POINT=NUMBER");
    let (id, number) = text.split_once('=').ok_or_else(wrong)?;
    Ok((id.to_owned(), number.parse().map_err(|_| wrong())?))
}
