//! O1, O5, O6, O8: the alarm list, its catalogue, and silent sources.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, anyhow};
use gridloom_core::query::Query;
use gridloom_core::view::{AlarmState, Priority};
use gridloom_core::{AlarmCommand, Command, Twin, TwinOptions};
use gridloom_units::Tick;

use super::{at_least, at_most, bar, ms, rewindable};
use crate::cli::output::Figure;
use crate::cli::scene;

/// O1, O6, O8: a breaker opens, a meter falls silent, an alarm is handled.
pub fn alarms(default: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let mut twin = scene::twin(default, rewindable())?;
    twin.run_until(Tick(600));
    let view = twin.view(None);
    let mlmd = view
        .scene
        .mlmds
        .iter()
        .position(|m| m.parent.is_some() && m.customers_behind > 0)
        .ok_or_else(|| anyhow!("the default scene has no M-LMD behind another"))?;
    twin.send(Command::OpenBreaker(view.scene.mlmds[mlmd].device));
    let dark = Query::new("dark", twin.scene()).map_err(anyhow::Error::msg)?;
    let (mut dark_at, mut raised_at, mut wall) = (None, None, 0.0);
    for _ in 0..10 {
        let begun = Instant::now();
        twin.step();
        let view = twin.view(None);
        wall = f64::max(wall, ms(begun));
        if twin.value(&dark).is_true() && dark_at.is_none() {
            dark_at = Some(twin.tick().0);
        }
        if view.alarms.iter().any(|a| a.active) && raised_at.is_none() {
            raised_at = Some(twin.tick().0);
        }
    }
    let late = match (dark_at, raised_at) {
        (Some(dark), Some(raised)) => raised as f64 - dark as f64,
        _ => f64::NAN,
    };
    out.push(at_most("O1", "condition_to_alarm", late, "ticks", 1.0));
    out.push(at_most("O1", "tick_and_view_wall", wall, "ms", 250.0));
    handling(&mut twin, out);
    silence(default, out)
}

/// O6: priority 1 is not shelvable, shelving is bounded, acknowledging is one command.
fn handling(twin: &mut Twin, out: &mut Vec<Figure>) {
    let view = twin.view(None);
    let mut refused = 0.0;
    let mut urgent = 0.0;
    for alarm in view.alarms.iter().filter(|a| a.active) {
        if alarm.priority == Priority::P1 {
            urgent += 1.0;
        }
        twin.send(Command::Alarm(AlarmCommand::Shelve {
            id: alarm.id,
            minutes: 10_000,
            one_shot: false,
            reason: "measuring".into(),
        }));
        twin.step();
        let after = twin.view(None);
        let same = after.alarms.iter().find(|a| a.id == alarm.id);
        let shelved = same.is_some_and(|a| a.state == AlarmState::Shelved);
        if alarm.priority == Priority::P1 && !shelved {
            refused += 1.0;
        }
        if let Some(until) = same.and_then(|a| a.shelved_until) {
            let hours = (until.0.saturating_sub(after.time.0)) as f64 / 3_600_000.0;
            out.push(at_most("O6", "longest_shelving", hours, "h", 8.0));
            twin.send(Command::Alarm(AlarmCommand::Unshelve(alarm.id)));
        }
        twin.send(Command::Alarm(AlarmCommand::Acknowledge(alarm.id)));
        twin.step();
        let after = twin.view(None);
        let acked = after.alarms.iter().find(|a| a.id == alarm.id);
        let acked = acked.is_some_and(|a| a.state == AlarmState::Acknowledged);
        let words = "commands_to_acknowledge";
        out.push(at_most(
            "O6",
            words,
            if acked { 1.0 } else { f64::NAN },
            "",
            1.0,
        ));
    }
    if urgent > 0.0 {
        out.push(at_least(
            "O6",
            "p1_shelving_refused",
            refused / urgent,
            "",
            1.0,
        ));
    }
}

/// O8: a silent source is flagged within one interval and a tick.
fn silence(default: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let mut twin = scene::twin(default, TwinOptions::default())?;
    twin.run_until(Tick(600));
    let view = twin.view(None);
    let reading_s = view.scene.reading_ms as f64 / 1_000.0;
    twin.send(Command::SilenceMeter(view.scene.homes[0].device));
    let mut flagged = f64::NAN;
    for _ in 0..(4.0 * reading_s) as u64 {
        twin.step();
        let view = twin.view(None);
        if view.homes[0].late {
            flagged = view.homes[0].reading_age_s - reading_s;
            break;
        }
    }
    let tick_s = twin.tick_ms() as f64 / 1_000.0;
    let words = "stale_after_missed_reading";
    out.push(at_most("O8", words, flagged, "s", reading_s + tick_s));
    Ok(())
}

/// O5: the catalogue is complete and its priorities are spread as they should be.
pub fn catalogue(default: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let mut twin = scene::twin(default, TwinOptions::default())?;
    let rows = twin.view(None).scene.catalogue.clone();
    let whole = rows.iter().filter(|row| {
        !row.cause.is_empty()
            && !row.consequence.is_empty()
            && !row.action.is_empty()
            && row.respond_s > 0
    });
    let all = rows.len() as f64;
    let share = whole.count() as f64 * 100.0 / all;
    out.push(at_least("O5", "rows_complete", share, "%", 100.0));
    for (priority, name, target) in [
        (Priority::P1, "share_p1", 5.0),
        (Priority::P2, "share_p2", 15.0),
        (Priority::P3, "share_p3", 80.0),
    ] {
        let count = rows.iter().filter(|r| r.priority == priority).count();
        let share = count as f64 * 100.0 / all;
        let words = format!("{target} +- 5");
        let pass = (share - target).abs() <= 5.0;
        out.push(bar("O5", name, share, "%", &words, pass));
    }
    Ok(())
}
