//! Files of a run: sequence of events and COMTRADE fault records.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use gridloom_core::Twin;
use gridloom_core::protection::{FaultRecorder, ProtectionPlan, SoeLog};
use gridloom_protection::SoeEvent;
use gridloom_protection::comtrade::Encoding;

use super::output;

/// Writes the sequence of events as a table.
pub fn write_soe(file: &Path, twin: &Twin) -> Result<()> {
    let log = twin.resource::<SoeLog>();
    let mut csv = format!("{}\n", SoeEvent::CSV_HEADER);
    for event in log.all().iter() {
        csv.push_str(&event.csv());
        csv.push('\n');
    }
    fs::write(file, csv).with_context(|| format!("cannot write {}", file.display()))?;
    if log.dropped > 0 {
        output::error(&format!(
            "the oldest {} events are not in {}: the list was full",
            log.dropped,
            file.display()
        ));
    }
    Ok(())
}

/// Writes every fault record as CFG and DAT (16-bit binary) and as one CFF file.
pub fn write_comtrade(folder: &Path, twin: &Twin) -> Result<usize> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let recorder = twin.resource::<FaultRecorder>();
    let plan = twin.resource::<ProtectionPlan>();
    let frequency_hz = twin.network().frequency_hz();
    let mut count = 0;
    for index in 0..recorder.records().len() {
        let Some(record) = recorder.record(index, plan, frequency_hz) else {
            continue;
        };
        let ms = record.trigger_us / 1_000;
        let s = ms / 1_000;
        let name = format!(
            "fault_{:03}_{:02}{:02}{:02}_{:03}",
            index + 1,
            s / 3_600,
            s / 60 % 60,
            s % 60,
            ms % 1_000
        );
        let write = |ending: &str, data: &[u8]| {
            let file = folder.join(format!("{name}.{ending}"));
            fs::write(&file, data).with_context(|| format!("cannot write {}", file.display()))
        };
        let (cfg, dat) = record
            .files(Encoding::Binary)
            .with_context(|| format!("fault record {}", index + 1))?;
        write("cfg", cfg.as_bytes())?;
        write("dat", &dat)?;
        let combined = record
            .combined(Encoding::Ascii)
            .with_context(|| format!("fault record {}", index + 1))?;
        write("cff", &combined)?;
        count += 1;
    }
    if recorder.lost > 0 {
        output::error(&format!(
            "{} later fault records were not kept: there were too many",
            recorder.lost
        ));
    }
    Ok(count)
}
