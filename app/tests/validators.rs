//! Processes that are validators of a run: the run needs them, goes on when
//! one is killed, and can be repeated without any.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

fn gridloom() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridloom"));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    command
}

const SCENE: &str = "scenes/two_houses.scene.ron";

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

/// A run that begins when so many validators have joined.
fn run(address: &str, validators: usize, extra: &[&str]) -> Child {
    gridloom()
        .args(["run", SCENE, "--validators", address])
        .args(["--await-validators", &validators.to_string()])
        .args(extra)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a run")
}

fn validator(address: &str, ledger: &str, node: &str) -> Command {
    let mut command = gridloom();
    command
        .args(["node", "join", address, "--scene", SCENE])
        .args(["--ledger", ledger, "--node", node])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts a validator; the run may not listen yet.
fn join(address: &str, ledger: &str, node: &str) -> Child {
    for _ in 0..200 {
        if std::net::TcpStream::connect(address).is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    validator(address, ledger, node)
        .spawn()
        .expect("a validator")
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn path(folder: &Path, name: &str) -> (PathBuf, String) {
    let path = folder.join(name);
    let text = path.display().to_string();
    (path, text)
}

#[test]
fn two_of_four_validators_are_processes_and_the_run_repeats_without_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let ((log, log_text), (first, first_text)) =
        (path(folder.path(), "log"), path(folder.path(), "first"));
    let address = free_address();
    let extra = ["--input-log", &log_text, "--hashes", &first_text];
    let run = run(&address, 2, &extra);
    // With two of four elsewhere nothing is decided without them.
    let validators = [join(&address, "A", "1"), join(&address, "A", "2")];
    let run = run.wait_with_output().expect("the run");
    assert!(run.status.success(), "{}", text(&run));
    for validator in validators {
        let output = validator.wait_with_output().expect("the validator");
        let said = text(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("the run is over"), "{said}");
    }
    assert!(log.exists());
    let (second, second_text) = path(folder.path(), "second");
    let again = gridloom()
        .args([
            "run",
            SCENE,
            "--replay",
            &log_text,
            "--hashes",
            &second_text,
        ])
        .output()
        .expect("the same run");
    assert!(again.status.success(), "{}", text(&again));
    let read = |file: &PathBuf| std::fs::read(file).expect("hashes");
    assert!(read(&first) == read(&second), "the runs differ");
}

#[test]
fn a_killed_validator_is_simulated_again() {
    let address = free_address();
    let run = run(&address, 1, &[]);
    let mut validator = join(&address, "A", "3");
    let mut lines = BufReader::new(validator.stdout.take().expect("its output")).lines();
    let first = lines.next().expect("it says how far it is").expect("text");
    assert!(first.contains("height 100"), "{first}");
    validator.kill().expect("killed");
    let run = run.wait_with_output().expect("the run");
    let said = text(&run);
    assert!(run.status.success(), "{said}");
    assert!(said.contains("validator 3 of A left at height"), "{said}");
    validator.wait().expect("it is gone");
}

#[test]
fn who_does_not_fit_is_refused_with_the_reason() {
    let address = free_address();
    let mut run = run(&address, 1, &[]);
    let wrong = join(&address, "A", "9").wait_with_output().expect("ended");
    assert!(!wrong.status.success());
    assert!(text(&wrong).contains("no validator 9"), "{}", text(&wrong));
    let other = validator(&address, "A", "1")
        .args(["--seed", "3"])
        .output()
        .expect("ended");
    assert!(!other.status.success());
    let why = "another scene or seed";
    assert!(text(&other).contains(why), "{}", text(&other));
    run.kill().expect("killed");
    run.wait().expect("gone");
}
