//! `gridloom validate`: every problem of scene files at once.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gridloom_model::scene::load_with;

use super::output;
use super::scene::import_deck;

/// Arguments of `validate`.
#[derive(Args)]
pub struct ValidateArgs {
    /// Scene files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Checks the files; exit code 1 when any has a problem.
pub fn run(args: &ValidateArgs) -> Result<ExitCode> {
    let mut problems = 0;
    for file in &args.files {
        let (issues, misfits) = match load_with(file, Some(&import_deck)) {
            Ok(loaded) => (Vec::new(), loaded.scene.misfits()),
            Err(issues) => (issues, Vec::new()),
        };
        problems += issues.len();
        for issue in &issues {
            if args.json {
                let object = serde_json::json!({
                    "file": issue.file, "line": issue.line, "column": issue.column,
                    "message": issue.message, "hint": issue.hint,
                });
                output::line(&object.to_string());
            } else {
                output::line(&issue.to_string());
            }
        }
        if issues.is_empty() && !args.json {
            output::line(&format!("{}: ok", file.display()));
            for misfit in &misfits {
                output::line(&format!("{}: note: {misfit}", file.display()));
            }
        }
    }
    Ok(if problems == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
