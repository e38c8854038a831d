//! E3, E4: faults of the restoration scene, from the list, by key, to the cause;
//! the order of what happened, and records that other people's software reads.

use std::path::Path;

use anyhow::Result;
use gridloom_core::Twin;
use gridloom_core::protection::{FaultRecorder, ProtectionPlan, SoeLog};
use gridloom_protection::SoeEvent;
use gridloom_protection::comtrade::Encoding;

use super::{at_least, at_most, rewindable, seen};
use crate::cli::output::Figure;
use crate::cli::scene;
use crate::keyframes::Keyframer;

/// Runs the scene with six faults once and asks it everything.
pub fn faults(folder: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let path = folder.join("feeder_fault_flisr.scene.ron");
    let mut twin = scene::twin(&path, rewindable())?;
    let end = twin.end();
    Keyframer::new(&mut twin).run_until(&mut twin, end);
    order(&twin, out);
    records(&twin, out);
    #[cfg(feature = "window")]
    reach(&mut twin, out);
    Ok(())
}

/// E4: one order in time, causes before effects.
fn order(twin: &Twin, out: &mut Vec<Figure>) {
    let events = twin.resource::<SoeLog>().all();
    let of = |id: u64| events.binary_search_by_key(&id, |e| e.id).ok();
    let in_time = events.windows(2).filter(|w| {
        let (a, b) = (&w[0], &w[1]);
        a.id >= b.id || a.at_us > b.at_us
    });
    let backwards = events.iter().filter(|event| {
        event.cause.is_some_and(|cause| {
            of(cause).is_none_or(|at| events[at].at_us > event.at_us || cause >= event.id)
        })
    });
    let inversions = in_time.count() + backwards.count();
    out.push(seen("E4", "entries", events.len() as f64, ""));
    out.push(at_most(
        "E4",
        "causal_inversions",
        inversions as f64,
        "",
        0.0,
    ));
    // A stamp of the table has three decimals: its step is a millisecond.
    let steps = events.iter().map(|e| e.at_us.abs_diff(e.at_ms() * 1_000));
    let off = steps.max().unwrap_or(0) as f64 / 1_000.0;
    out.push(at_most("E4", "stamp_off", off, "ms", 0.5));
    let lines: Vec<String> = events.iter().map(SoeEvent::csv).collect();
    let columns = SoeEvent::CSV_HEADER.split(',').count();
    let odd = lines.iter().filter(|line| fields(line) != columns).count();
    out.push(at_most(
        "E4",
        "csv_lines_with_wrong_fields",
        odd as f64,
        "",
        0.0,
    ));
}

/// Fields of a line of a table with quotes.
fn fields(line: &str) -> usize {
    let mut quoted = false;
    let commas = line.chars().filter(|c| {
        quoted ^= *c == '"';
        *c == ',' && !quoted
    });
    commas.count() + 1
}

/// E4: COMTRADE files whose data have the length that their configuration says.
fn records(twin: &Twin, out: &mut Vec<Figure>) {
    let recorder = twin.resource::<FaultRecorder>();
    let plan = twin.resource::<ProtectionPlan>();
    let hz = twin.network().frequency_hz();
    let (mut written, mut wrong) = (0, 0);
    for index in 0..recorder.records().len() {
        let Some(record) = recorder.record(index, plan, hz) else {
            continue;
        };
        match record.files(Encoding::Binary) {
            Ok((cfg, dat)) => {
                written += 1;
                let (analog, status) = (record.analog.len(), record.status.len());
                let each = 8 + 2 * analog + 2 * status.div_ceil(16);
                let samples = cfg
                    .lines()
                    .nth(2 + analog + status + 2)
                    .and_then(|line| line.split(',').nth(1)?.trim().parse::<usize>().ok());
                wrong += usize::from(samples.is_none_or(|n| n * each != dat.len()));
            }
            Err(_) => wrong += 1,
        }
    }
    out.push(at_least(
        "E4",
        "comtrade_records",
        f64::from(written),
        "",
        1.0,
    ));
    out.push(at_most(
        "E4",
        "records_of_wrong_length",
        wrong as f64,
        "",
        0.0,
    ));
}

/// E3: clicks and keys.
#[cfg(feature = "window")]
fn reach(twin: &mut Twin, out: &mut Vec<Figure>) {
    use crate::window::measure::reach;
    use gridloom_units::Tick;
    let mut faults = reach::faults(twin);
    // After the second trip of the permanent fault, and while feeder A is cut.
    let at = [330, 1_120].map(|s| Tick(s * 1_000 / twin.tick_ms()));
    reach::causes(twin, &at, &mut faults);
    let missing = faults.faults - faults.found;
    out.push(at_most(
        "E3",
        "faults_not_in_the_list",
        missing as f64,
        "",
        0.0,
    ));
    out.push(at_most(
        "E3",
        "clicks_to_a_fault",
        faults.clicks as f64,
        "",
        2.0,
    ));
    out.push(at_most(
        "E3",
        "keys_per_event",
        faults.keys_per_event,
        "",
        1.0,
    ));
    for words in &faults.lost {
        crate::cli::output::note(&format!("E3: no root in {words}"));
    }
    let (looked, found) = faults.chains;
    out.push(seen("E3", "chains_of_causes", looked as f64, ""));
    let short = (looked - found) as f64 + if looked == 0 { f64::NAN } else { 0.0 };
    out.push(at_most("E3", "chains_without_root", short, "", 0.0));
    let clicks = faults.why_clicks as f64;
    out.push(at_most("E3", "clicks_to_the_root", clicks, "", 3.0));
}
