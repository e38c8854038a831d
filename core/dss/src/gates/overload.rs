//! Gates on networks that cannot carry their load.

use gridloom_flow::{Network, PortId, Verdict};

use super::{Gate, cases, network};

/// Multiples of the rated load in the case without solution.
const OVERLOAD: f64 = 100.0;
/// Longest time for verdict and margin, ms.
const LONGEST_MS: f64 = 10.0;
/// Port voltage, per unit of 230 V, below which a solution is no normal one.
const LOW_ROOT_PU: f64 = 0.5;
/// Loads tried between none and the overload.
const SWEEP: u32 = 60;

/// Cases with no solution must be told so, with a bus and a margin, in time.
/// `clock` returns seconds.
///
/// The European feeder with every load multiplied until nothing can carry it,
/// and all the way there.
pub fn no_solution(clock: &mut dyn FnMut() -> f64) -> Vec<Gate> {
    let case = "euro_lv_overload";
    overload(case, clock)
        .unwrap_or_else(|note| vec![Gate::failed(case, "shown_as_normal", 0.0, note)])
}

fn overload(case: &str, clock: &mut dyn FnMut() -> f64) -> Result<Vec<Gate>, String> {
    let mut network = network(case, cases::EURO_LV, true)?;
    let rated: Vec<(f64, f64)> = (0..network.port_count())
        .map(|p| network.port_nominal(PortId(p as u32)))
        .collect();
    let scale = |network: &mut Network, factor: f64| {
        for (port, &(p, q)) in rated.iter().enumerate() {
            network.set_port_power(PortId(port as u32), p * factor, q * factor);
        }
    };
    scale(&mut network, 1.0);
    network.solve();
    scale(&mut network, OVERLOAD);
    let mut best_ms = f64::INFINITY;
    let mut told = true;
    let mut found = (0.0, String::new());
    for _ in 0..5 {
        let begun = clock();
        let report = network.solve();
        let margin = network.loading_margin(1.0);
        best_ms = best_ms.min((clock() - begun) * 1e3);
        told &= report.verdict != Verdict::Solved && report.worst_bus.is_some();
        if let Some(bus) = margin.weakest_bus {
            found = (margin.factor, network.bus_id(bus).to_owned());
        }
    }
    let mut low = 0;
    for step in 1..=SWEEP {
        scale(&mut network, OVERLOAD * f64::from(step) / f64::from(SWEEP));
        let solved = network.solve().verdict == Verdict::Solved;
        let lowest = (0..rated.len())
            .map(|p| network.port_voltage(PortId(p as u32)).abs() / 230.0)
            .fold(f64::INFINITY, f64::min);
        low += u32::from(solved && lowest < LOW_ROOT_PU);
    }
    let margin = found.0 > 0.0 && found.0 < 1.0;
    let note = format!(
        "carries {:.3} of the load, weakest bus {}",
        found.0, found.1
    );
    Ok(vec![
        Gate::new(case, "shown_as_normal", 0.0, f64::from(!told), "1", ""),
        Gate::new(case, "margin_not_found", 0.0, f64::from(!margin), "1", note),
        Gate::new(
            case,
            "low_roots_shown",
            0.0,
            f64::from(low),
            "1",
            format!("{SWEEP} loads"),
        ),
        Gate::new(case, "verdict_and_margin", LONGEST_MS, best_ms, "ms", ""),
    ])
}
