//! Gridloom: a digital twin of a microgrid that a distributed ledger runs.
//!
//! Without a subcommand the window opens on the default scene; every
//! subcommand works without a display.

use std::process::ExitCode;

mod agents;
mod cli;
#[cfg_attr(
    not(feature = "window"),
    allow(dead_code, reason = "only the window asks and shows everything")
)]
mod devices;
mod keyframes;
mod remote;
#[cfg(feature = "window")]
mod session;
#[cfg(feature = "window")]
mod window;

fn main() -> ExitCode {
    cli::run()
}
