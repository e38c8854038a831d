//! Facts of islands: grid-forming batteries and the main switch.

use gridloom_core::view::ViewModel;

use super::selection::Fact;
use crate::window::text;

/// What a grid-forming battery does; nothing for others.
pub fn unit(view: &ViewModel, battery: usize) -> Vec<Fact> {
    let islands = &view.islands;
    let Some(index) = islands.units.iter().position(|u| u.battery == battery) else {
        return Vec::new();
    };
    let unit = &islands.units[index];
    let mut facts = vec![Fact::plain(
        "Inverter",
        unit.mode.to_owned(),
        "grid-forming",
    )];
    if let Some(island) = islands.islands.iter().find(|i| i.units.contains(&index)) {
        facts.push(Fact::plain(
            "Frequency",
            format!("{} Hz", text::plain(island.f_hz, 3)),
            "of its island",
        ));
        facts.push(Fact::plain(
            "Delivers",
            format!("{} kW", text::signed(unit.p_kw, 1)),
            &format!("{} kvar", text::signed(unit.q_kvar, 1)),
        ));
        facts.push(Fact::plain(
            "Reserve",
            format!("{} kW", text::signed(island.reserve_up_kw, 1)),
            &format!("down {}", text::plain(island.reserve_down_kw, 1)),
        ));
        facts.push(Fact {
            name: "Current",
            value: format!("{} %", text::plain(unit.current_pu * 100.0, 0)),
            bar: Some(((unit.current_pu / 1.6) as f32, 1.0 / 1.6)),
            note: "of rated".to_owned(),
        });
    }
    facts
}

/// What stands on both sides of the main switch; nothing for other M-LMDs.
pub fn main_switch(view: &ViewModel, mlmd: usize) -> Vec<Fact> {
    let islands = &view.islands;
    if !islands.planned || islands.main_switch != mlmd {
        return Vec::new();
    }
    let grid = if islands.grid_on { "live" } else { "failed" };
    let mut facts = vec![Fact::plain("Upstream", grid.to_owned(), "main switch")];
    if let Some((df_hz, dv_pct, dphi_deg)) = islands.across {
        facts.push(Fact::plain(
            "Out of step",
            format!("{} deg", text::signed(dphi_deg, 0)),
            &format!(
                "{} Hz, {} %",
                text::signed(df_hz, 2),
                text::signed(dv_pct, 1)
            ),
        ));
    }
    if !islands.under_way.is_empty() {
        facts.push(Fact::plain("Under way", islands.under_way.clone(), ""));
    }
    if !islands.shed.is_empty() {
        let stages: Vec<String> = islands.shed.iter().map(u32::to_string).collect();
        facts.push(Fact::plain(
            "Shed",
            format!("stage {}", stages.join(", ")),
            &format!("{} kW", text::plain(islands.held_kw, 1)),
        ));
    }
    facts
}
