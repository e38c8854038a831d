//! Bars of the window that need no graphics card: O2, O7, O9, O10, T3, E8, V1 to
//! V3, V5, V7.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use gridloom_core::TwinOptions;
use gridloom_units::Tick;

use super::{at_least, at_most, ms, seen};
use crate::cli::output::Figure;
use crate::cli::scene;

/// Bars of the window that need no graphics card.
pub fn window(default: &Path, out: &mut Vec<Figure>) -> Result<()> {
    use crate::window::measure;
    let mut twin = scene::twin(default, TwinOptions::default())?;
    twin.run_until(Tick(900));
    let view = twin.view(None);
    let truth = measure::flow_truth(&view);
    out.push(at_most("O9", "sign_errors", truth.signs as f64, "", 0.0));
    out.push(at_most("O9", "worst_drawn_off", truth.worst_kw, "kW", 0.05));
    out.push(at_least(
        "V5",
        "ribbons_with_direction",
        truth.readable_pct,
        "%",
        95.0,
    ));
    let keys = measure::palette_keys(&view) as f64;
    out.push(at_most("O10", "palette_keystrokes", keys, "", 8.0));
    out.push(at_most(
        "O7",
        "watchdog_banner_after",
        measure::watchdog_s(),
        "s",
        3.0,
    ));
    let (commands, with_key) = measure::commands();
    let share = with_key as f64 * 100.0 / commands as f64;
    out.push(at_least("V7", "commands_with_key", share, "%", 80.0));
    out.push(at_least(
        "T3",
        "kinds_of_events",
        measure::events() as f64,
        "",
        12.0,
    ));
    let (build, draw) = measure::million();
    out.push(seen("E8", "pyramid_of_1M_x_8", build, "ms"));
    out.push(at_most("E8", "zoom_1M_x_8", draw, "ms", 4.0));
    let (text, graphics) = measure::contrast();
    out.push(at_least("V3", "text_contrast", text, ":1", 4.5));
    out.push(at_least("V3", "graphics_contrast", graphics, ":1", 3.0));
    let (first, pass) = measure::panels(&view, 60);
    out.push(at_most("V1", "interface_pass", pass, "ms", 4.0));
    out.push(at_most("V2", "first_pass", first, "ms", 10_000.0));
    quiet(&view, out)
}

/// O2: the picture of the normal state has almost no saturated pixels.
fn quiet(view: &gridloom_core::view::ViewModel, out: &mut Vec<Figure>) -> Result<()> {
    use crate::window::{self, ShotOptions, measure};
    let file = std::env::temp_dir().join(format!("gridloom-room-{}.png", std::process::id()));
    let options = ShotOptions {
        out: file.clone(),
        ..ShotOptions::default()
    };
    let begun = Instant::now();
    let drawn = window::shot(std::sync::Arc::new(view.clone()), &options);
    let took = ms(begun);
    let share = drawn.and_then(|()| measure::saturated_pct(&file));
    let _ = std::fs::remove_file(&file);
    match share {
        Ok(share) => {
            out.push(at_most("O2", "saturated_pixels", share, "%", 1.0));
            out.push(at_most(
                "V2",
                "first_picture_software",
                took,
                "ms",
                10_000.0,
            ));
        }
        Err(error) => {
            tracing::warn!("O2 and V2 were not measured: {error}");
            out.push(at_most("O2", "saturated_pixels", f64::NAN, "%", 1.0));
        }
    }
    Ok(())
}
