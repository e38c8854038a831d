//! The default scene itself in the window, after a quarter of an hour.

use gridloom_core::view::Selected;
use gridloom_core::{Twin, TwinOptions};
use gridloom_model::scene::load_with;
use gridloom_units::Tick;

use super::panels::check_texts;
use super::*;
use crate::window::state::{Workspace, WorldView};

fn akerby() -> Twin {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenes/akerby.scene.ron");
    let scene = load_with(path.as_ref(), None).expect("the default scene loads");
    Twin::new(scene, TwinOptions::default()).expect("the default scene can be built")
}

#[test]
fn the_default_scene_fits_every_size() {
    let mut twin = akerby();
    twin.run_until(Tick(1_000_000 / twin.tick_ms()));
    for selected in [
        Some(Selected::Mlmd(1)),
        Some(Selected::Home(12)),
        Some(Selected::SharedBattery(0)),
        None,
    ] {
        let view = twin.view(selected);
        assert_eq!(view.homes.len(), 55);
        for size in SIZES {
            let mut shown = Shown::new(view.clone());
            shown.ui.selected = selected;
            let harness = window(shown, size);
            check_texts(
                &painted(&harness),
                size,
                &format!("default scene, {selected:?}"),
            );
        }
    }
}

/// O9 on solved flows: at every bus what arrives is what leaves and is used.
#[test]
fn drawn_power_balances_at_every_house() {
    let mut twin = akerby();
    twin.run_until(Tick(300_000 / twin.tick_ms()));
    let view = twin.view(None);
    let harness = window(Shown::new(view), (1_920.0, 1_080.0));
    let (view, map) = (&harness.state().view, &harness.state().ui.map);
    for (home, state) in view.scene.homes.iter().zip(&view.homes) {
        let at_bus = |bus: usize| -> f64 {
            map.net
                .runs
                .iter()
                .zip(&map.flows)
                .map(|(run, flow)| {
                    let ends = (
                        run.buses.first() == Some(&bus),
                        run.buses.last() == Some(&bus),
                    );
                    match ends {
                        (true, false) => -flow.p_kw,
                        (false, true) => flow.p_kw,
                        _ => 0.0,
                    }
                })
                .sum()
        };
        let others: f64 = view
            .scene
            .homes
            .iter()
            .zip(&view.homes)
            .filter(|(other, _)| other.bus == home.bus)
            .map(|(_, other)| other.net_kw)
            .sum();
        let arriving = at_bus(home.bus);
        // The drawn value is that of the run's middle: losses of half a run apart.
        let close = (arriving - others).abs() <= 0.02 + 0.02 * others.abs();
        assert!(
            close,
            "{}: {arriving} kW arrive, {others} kW are used ({} kW here)",
            home.id, state.net_kw
        );
    }
}

/// Train and Engineer on the default scene: nothing overlaps, nothing leaves
/// its place. Rows of lists that people widen themselves may be shortened.
#[test]
fn the_other_workspaces_fit_every_size() {
    let mut twin = akerby();
    twin.run_until(Tick(1_000_000 / twin.tick_ms()));
    for workspace in [Workspace::Train, Workspace::Engineer] {
        for selected in [None, Some(Selected::Home(12)), Some(Selected::Block(0, 20))] {
            let view = twin.view(selected);
            for size in SIZES {
                let mut shown = Shown::new(view.clone());
                shown.ui.selected = selected;
                shown.ui.workspace = workspace;
                shown.ui.engineer.open.insert("M4 area".into(), true);
                let harness = window(shown, size);
                let mut texts = painted(&harness);
                texts.iter_mut().for_each(|text| text.cut = false);
                let case = format!("{} {selected:?}", workspace.name());
                check_texts(&texts, size, &case);
            }
        }
    }
}

#[test]
fn keys_change_workspace_and_view_and_keep_the_selection() {
    let mut twin = akerby();
    twin.run_until(Tick(30));
    let selected = Some(Selected::Home(3));
    let mut shown = Shown::new(twin.view(selected));
    shown.ui.selected = selected;
    shown.ui.reduce_motion = true;
    let mut harness = window(shown, (1_920.0, 1_080.0));
    for (key, workspace) in [
        (egui::Key::F2, Workspace::Train),
        (egui::Key::F3, Workspace::Engineer),
        (egui::Key::F1, Workspace::Operate),
    ] {
        harness.key_press(key);
        harness.run_steps(2);
        assert_eq!(harness.state().ui.workspace, workspace);
        assert_eq!(harness.state().ui.selected, selected);
    }
    for view in [
        WorldView::Neighbourhood,
        WorldView::Layers,
        WorldView::SingleLine,
    ] {
        harness.key_press(egui::Key::F5);
        harness.run_steps(2);
        assert_eq!(harness.state().ui.morph.to, view);
    }
    let before = harness.state().actions.len();
    harness.key_press(egui::Key::F8);
    harness.run_steps(2);
    let kept = UiAction::Desk(crate::window::desk::DeskAction::Snapshot);
    assert_eq!(harness.state().actions[before..], [kept]);
}
