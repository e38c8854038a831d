//! Files of a session: the recorded scene and the report of an exercise.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use gridloom_core::Twin;
use gridloom_core::recording::recorded;
use gridloom_core::view::{EventKind, ViewModel};

/// Files of one kind kept beside a scene at most.
const NUMBERS: u32 = 1_000;

/// A name beside the scene that is not taken yet.
fn free_name(scene: &Path, suffix: &str) -> Option<PathBuf> {
    let folder = scene.parent().unwrap_or_else(|| Path::new("."));
    let name = scene.file_name()?.to_string_lossy();
    let stem = name.split('.').next().unwrap_or("session");
    (1..NUMBERS)
        .map(|n| folder.join(format!("{stem}-session{n}{suffix}")))
        .find(|path| !path.exists())
}

/// Writes the session as a scene beside the one it came from.
pub fn save_scene(twin: &Twin, scene: &Path) -> String {
    let Some(path) = free_name(scene, ".scene.ron") else {
        return "There are too many saved sessions beside the scene".to_owned();
    };
    let recorded = recorded(twin);
    let text = match recorded.scene.to_ron() {
        Ok(text) => text,
        Err(error) => return format!("The scene cannot be written: {error}"),
    };
    match fs::write(&path, text) {
        Ok(()) => format!(
            "Saved {} with {} events, {} commands left out",
            path.display(),
            recorded.events,
            recorded.left_out
        ),
        Err(error) => format!("{}: {error}", path.display()),
    }
}

/// Writes the report of the exercise beside the scene.
pub fn report(twin: &mut Twin, scene: &Path) -> String {
    let view = twin.view(None);
    let Some(html) = free_name(scene, ".report.html") else {
        return "There are too many reports beside the scene".to_owned();
    };
    let csv = html.with_extension("csv");
    let written =
        fs::write(&html, report_html(&view)).and_then(|()| fs::write(&csv, report_csv(&view)));
    match written {
        Ok(()) => format!("Report: {} and .csv", html.display()),
        Err(error) => format!("{}: {error}", html.display()),
    }
}

/// Text that HTML takes as text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A field of a CSV line.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The report as one page.
pub fn report_html(view: &ViewModel) -> String {
    let story = &view.story;
    let mut out = String::new();
    let title = escaped(&view.scene.title);
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>\
         body{{font:15px/1.5 sans-serif;max-width:52em;margin:2em auto;color:#16191d}}\
         table{{border-collapse:collapse;width:100%}}td,th{{border-bottom:1px solid #c3c7cb;\
         padding:.3em .6em;text-align:left}}td.n{{text-align:right;font-variant-numeric:tabular-nums}}\
         </style><h1>{title}</h1><p>{}</p><p>{} until {}, tick {}.</p>",
        escaped(&story.objective),
        escaped(&view.scene.date),
        view.time,
        view.tick.0
    );
    let _ = write!(out, "<h2>Score {:.1} of 100</h2><table>", story.score.total);
    for part in &story.score.parts {
        let at = part
            .at_ms
            .map_or_else(String::new, |ms| gridloom_units::SimTime(ms).to_string());
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{at}</td><td class=n>{:.1}</td><td class=n>of {:.1}</td></tr>",
            escaped(&part.text),
            part.points,
            part.of
        );
    }
    let _ = write!(
        out,
        "<tr><td>Hints</td><td></td><td class=n>\u{2212}{:.1}</td><td></td></tr></table>",
        story.score.hints
    );
    let (shown, raw) = story.budget_used;
    let _ = write!(
        out,
        "<h2>Alarms</h2><p>{} shown, {} before suppression; in the ten minutes after the first \
         event {shown} shown, {raw} raw.</p>",
        view.alarm_rates.shown, view.alarm_rates.raw
    );
    let _ = write!(out, "<h2>Events</h2><table>");
    for event in view.events.iter().filter(|e| e.kind != EventKind::Price) {
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td></tr>",
            event.time,
            escaped(&event.text)
        );
    }
    let _ = write!(out, "</table>");
    if !story.debrief.is_empty() {
        let _ = write!(out, "<h2>Debrief</h2><ol>");
        for (ask, answer) in &story.debrief {
            let _ = write!(
                out,
                "<li>{}<details><summary>Answer</summary>{}</details></li>",
                escaped(ask),
                escaped(answer)
            );
        }
        let _ = write!(out, "</ol>");
    }
    out
}

/// The same as lines: what, text, time, points, of.
pub fn report_csv(view: &ViewModel) -> String {
    let mut out = String::from("what,text,time_ms,points,of\n");
    for part in &view.story.score.parts {
        let at = part.at_ms.map_or_else(String::new, |ms| ms.to_string());
        let _ = writeln!(
            out,
            "score,{},{at},{:.3},{:.3}",
            field(&part.text),
            part.points,
            part.of
        );
    }
    let _ = writeln!(out, "hints,,,{:.3},", -view.story.score.hints);
    let _ = writeln!(out, "total,,,{:.3},100", view.story.score.total);
    for event in view.events.iter() {
        let _ = writeln!(out, "event,{},{},,", field(&event.text), event.time.0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_escape_what_people_wrote() {
        let mut view = ViewModel::default();
        view.story.objective = "a < b & c".into();
        assert!(report_html(&view).contains("a &lt; b &amp; c"));
        assert_eq!(field("a,\"b\""), "\"a,\"\"b\"\"\"");
    }

    #[test]
    fn names_do_not_overwrite() {
        let folder = std::env::temp_dir();
        let scene = folder.join("no-such.scene.ron");
        let name = free_name(&scene, ".scene.ron").expect("free");
        assert!(name.ends_with("no-such-session1.scene.ron"), "{name:?}");
    }
}
