//! A PostgreSQL server of one's own for a while: in a temporary folder, on a
//! Unix socket only, stopped when dropped. For checks on machines where
//! PostgreSQL is installed.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// PostgreSQL is not installed.
    #[error("PostgreSQL is not installed (no initdb in PATH or under /usr/lib/postgresql)")]
    Missing,
    /// A step failed.
    #[error("{what}: {why}")]
    Failed {
        /// The step.
        what: &'static str,
        /// What it said.
        why: String,
    },
}

/// A running server.
pub struct TemporaryServer {
    programs: PathBuf,
    folder: PathBuf,
    user: Option<(u32, u32)>,
}

impl TemporaryServer {
    /// Makes a cluster in an existing empty folder and starts a server on it.
    ///
    /// # Errors
    /// When PostgreSQL is missing, or says why it does not start.
    pub fn start(folder: &Path) -> Result<Self, ServerError> {
        let programs = programs().ok_or(ServerError::Missing)?;
        let mut server = Self {
            programs,
            folder: folder.to_owned(),
            user: None,
        };
        // The server refuses to run as root: it gets a user without rights.
        let owner = fs::metadata("/proc/self").map_err(|e| failed("reading the user", &e))?;
        if owner.uid() == 0 {
            let user = unprivileged().ok_or_else(|| ServerError::Failed {
                what: "looking for a user to run as",
                why: "neither postgres nor nobody is in /etc/passwd".into(),
            })?;
            chown(folder, Some(user.0), Some(user.1)).map_err(|e| failed("chown", &e))?;
            server.user = Some(user);
        }
        let data = server.data();
        server.run(
            "initdb",
            &[
                "-D",
                &data,
                "-U",
                "gridloom",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-locale",
                "--no-sync",
            ],
        )?;
        let options = format!("-c listen_addresses='' -k {}", folder.display());
        let log = folder.join("server.log").display().to_string();
        server.run(
            "pg_ctl",
            &[
                "-D", &data, "-w", "-t", "30", "-l", &log, "-o", &options, "start",
            ],
        )?;
        Ok(server)
    }

    /// Where to connect.
    #[must_use]
    pub fn url(&self) -> String {
        let host = self.folder.display().to_string().replace('/', "%2F");
        format!("postgresql://gridloom@{host}/postgres")
    }

    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    fn run(&self, program: &'static str, arguments: &[&str]) -> Result<(), ServerError> {
        let output = self
            .command(program, arguments)
            .map_err(|e| failed(program, &e))?;
        if output.status.success() {
            return Ok(());
        }
        Err(ServerError::Failed {
            what: program,
            why: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    fn command(&self, program: &str, arguments: &[&str]) -> io::Result<Output> {
        let mut command = Command::new(self.programs.join(program));
        // A server keeps what it inherits open: nothing of ours but the errors' file.
        let errors = self.folder.join(format!("{program}.err"));
        command
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&errors)?);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        let status = command.status()?;
        Ok(Output {
            status,
            stdout: Vec::new(),
            stderr: fs::read(&errors)?,
        })
    }
}

impl Drop for TemporaryServer {
    fn drop(&mut self) {
        let data = self.data();
        // A server that is gone already cannot be stopped; nothing to report.
        let _ = self.command("pg_ctl", &["-D", &data, "-m", "immediate", "-w", "stop"]);
    }
}

fn failed(what: &'static str, error: &io::Error) -> ServerError {
    ServerError::Failed {
        what,
        why: error.to_string(),
    }
}

/// Folder with `initdb` and `pg_ctl`, the newest installed version first.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        let mut versions: Vec<PathBuf> = versions.flatten().map(|v| v.path().join("bin")).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev());
    }
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
}

/// User and group number of the first of `postgres` and `nobody` that exists.
fn unprivileged() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    ["postgres:", "nobody:"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.starts_with(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}
