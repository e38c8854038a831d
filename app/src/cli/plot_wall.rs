//! The wall of one flat ledger, and what clusters make of it, as a picture.
//!
//! The question is that of the field trial in Walenstadt (Meeuw et al. 2020):
//! 37 homes, 27 of them validators, links of 64 to 1000 kbit/s. Their flat
//! chain nearly stopped above 40 validators.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use gridloom_ledger::scale::{ScaleSetting, run};
use plotters::prelude::*;

use super::output;

/// Homes that are read.
const HOMES: u32 = 37;
/// Time between two readings, ms: ten a second from all homes together.
const READING_MS: u64 = 3_700;
/// Numbers of validators.
const VALIDATORS: [u32; 9] = [4, 8, 12, 16, 20, 28, 36, 40, 48];
/// Rates of the links, kbit/s, with the colour of their line.
const RATES: [(u32, RGBColor); 3] = [
    (64, RGBColor(200, 60, 40)),
    (250, RGBColor(220, 150, 30)),
    (1_000, RGBColor(40, 100, 190)),
];

fn setting(clusters: u32, validators: u32, kbit_per_s: u32, seed: u64) -> ScaleSetting {
    ScaleSetting {
        clusters,
        validators,
        root_validators: 4,
        meters: HOMES,
        reading_ms: READING_MS,
        block_ms: 2_000,
        kbit_per_s,
        propose_ms: 3_000,
        measured_ms: 40_000,
        seed,
    }
}

/// A line of the picture: validators in all, readings final per second.
type Curve = Vec<(f64, f64)>;

fn curve(clustered: bool, rate: u32, seed: u64) -> Result<Curve> {
    let mut points = Vec::new();
    for validators in VALIDATORS {
        // Clusters of four validators each.
        let setting = if clustered {
            setting(validators / 4, 4, rate, seed)
        } else {
            setting(0, validators, rate, seed)
        };
        let point = run(&setting).map_err(anyhow::Error::msg)?;
        points.push((f64::from(validators), point.finalised_per_s));
    }
    Ok(points)
}

/// Measures every curve, prints the figures and draws them.
///
/// # Errors
/// When the file is not called .svg, a network cannot be built or the file not be written.
pub fn draw(path: &Path, seed: u64) -> Result<()> {
    if path.extension().is_none_or(|kind| kind != "svg") {
        bail!("{}: the plot is an SVG file, name it so", path.display());
    }
    let mut curves: Vec<(String, RGBColor, bool, Curve)> = Vec::new();
    for (rate, colour) in RATES {
        for clustered in [false, true] {
            let label = if clustered {
                format!("clusters of 4 and a root, {rate} kbit/s")
            } else {
                format!("one flat ledger, {rate} kbit/s")
            };
            let points = curve(clustered, rate, seed)?;
            let figures: Vec<String> = points
                .iter()
                .map(|(n, y)| format!("{n}: {}", output::number(*y)))
                .collect();
            output::line(&format!("{label}: {} readings/s", figures.join(", ")));
            curves.push((label, colour, clustered, points));
        }
    }
    picture(path, &curves).map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn picture(
    path: &Path,
    curves: &[(String, RGBColor, bool, Curve)],
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, (960, 600)).into_drawing_area();
    area.fill(&WHITE)?;
    let offered = f64::from(HOMES) * 1_000.0 / READING_MS as f64;
    let last = f64::from(VALIDATORS[VALIDATORS.len() - 1]);
    let mut chart = ChartBuilder::on(&area)
        .caption(
            "Readings final per second: 37 homes offer 10 a second",
            ("sans-serif", 22),
        )
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..last + 2.0, 0.0..offered * 1.2)?;
    chart
        .configure_mesh()
        .x_desc("validators in all")
        .y_desc("readings final per second")
        .light_line_style(WHITE)
        .draw()?;
    for (label, colour, clustered, points) in curves {
        let width = if *clustered { 3 } else { 1 };
        let style = ShapeStyle {
            color: colour.to_rgba(),
            filled: *clustered,
            stroke_width: width,
        };
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(label.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style));
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, style)))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
