//! A ledger node without the rest of Gridloom, for machines that have no use
//! for a window: `gridloom-node --config FILE`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new("warn,gridloom_node=info,arc_malachitebft=error,libp2p=error")
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let config = match arguments.as_slice() {
        [flag, path] if flag == "--config" => PathBuf::from(path),
        _ => {
            tracing::error!("usage: gridloom-node --config FILE");
            return ExitCode::from(2);
        }
    };
    let result = gridloom_node::Config::load(&config)
        .map_err(|problem| problem.to_string())
        .and_then(|config| gridloom_node::run(config).map_err(|error| error.to_string()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tracing::error!("{why}");
            ExitCode::FAILURE
        }
    }
}
