use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::Queryable;
use gridloom_core::playback::PlaybackCommand;
use gridloom_core::view::{AlarmState, HomeState, Priority, Selected, ViewModel};
use gridloom_core::{AlarmCommand, Command};
use gridloom_units::{DeviceId, Tick};

use super::*;
use crate::window::map::hit;

fn open_alarm(view: &mut ViewModel) {
    let raised = view.time;
    view.alarms
        .insert(0, fixture::alarm(9, Priority::P1, raised));
}

/// Every text inside its place, none over another, none too small.
pub fn check_texts(texts: &[Painted], size: (f32, f32), case: &str) {
    assert!(texts.len() > 60, "{case}: only {} texts", texts.len());
    let mut partly = 0;
    for (index, a) in texts.iter().enumerate() {
        assert!(a.size >= 11.0, "{case}: `{}` is {} px", a.text, a.size);
        assert!(!a.cut, "{case} at {size:?}: `{}` is cut", a.text);
        let seen = a.rect.intersect(a.clip);
        assert!(
            a.clip.x_range().contains(a.rect.center().x),
            "{case}: `{}` lies outside",
            a.text
        );
        assert!(
            a.rect.min.x >= a.clip.min.x - 0.5 && a.rect.max.x <= a.clip.max.x + 0.5,
            "{case} at {size:?}: `{}` is clipped: {:?} in {:?}",
            a.text,
            a.rect,
            a.clip
        );
        partly += usize::from(seen.height() < a.rect.height() - 1.0);
        for b in texts[index + 1..].iter().filter(|b| b.layer == a.layer) {
            let over = seen
                .shrink(1.0)
                .intersect(b.rect.intersect(b.clip).shrink(1.0));
            assert!(
                !(over.width() > 0.5 && over.height() > 0.5),
                "{case} at {size:?}: `{}` {:?} and `{}` {:?} overlap",
                a.text,
                a.rect,
                b.text,
                b.rect
            );
        }
    }
    // Only rows at the edge of a list that scrolls may show in part.
    assert!(
        partly <= 8,
        "{case} at {size:?}: {partly} texts show in part"
    );
}

#[test]
fn nothing_overlaps_at_both_sizes() {
    for size in SIZES {
        for (case, selected) in [
            ("nothing selected", None),
            ("M-LMD", Some(Selected::Mlmd(1))),
            ("home", Some(Selected::Home(4))),
            ("battery", Some(Selected::SharedBattery(0))),
            ("aggregator", Some(Selected::Aggregator(0))),
            ("transformer", Some(Selected::Transformer(0))),
            ("line", Some(Selected::Line(3))),
        ] {
            for hour in [4.0, 12.0, 19.0] {
                let mut shown = Shown::new(at(hour));
                shown.ui.selected = selected;
                let harness = window(shown, size);
                check_texts(&painted(&harness), size, &format!("{case} at {hour}"));
            }
        }
    }
}

#[test]
fn banner_and_open_breaker_fit_too() {
    for size in SIZES {
        let scene = Arc::new(fixture::scene(&fixture::street()));
        let mut view = fixture::view(scene, 17.7, &[1]);
        open_alarm(&mut view);
        let mut shown = Shown::new(view);
        shown.ui.selected = Some(Selected::Mlmd(1));
        let harness = window(shown, size);
        check_texts(&painted(&harness), size, "supply lost");
        assert!(harness.query_all_by_label("Supply lost beyond M2").count() >= 2);
    }
}

#[test]
fn every_part_says_what_it_shows() {
    let harness = window(Shown::new(at(12.0)), (1_920.0, 1_080.0));
    for label in [
        "COMMUNITY BALANCE",
        "LIMITS",
        "TRUTH PER M-LMD",
        "TODAY",
        "ALARMS",
        "SELECTION",
        "GRID-TIED",
        "Meter to aggregator",
        "LEDGER LAG",
        "12:00:00.000",
        "Thu 18 June 2026",
        "Net kW",
        "LEGEND",
    ] {
        assert!(
            harness.query_all_by_label(label).count() >= 1,
            "`{label}` is not shown"
        );
    }
    let view = &harness.state().view;
    let sum = crate::window::text::signed(view.balance.solar_kw, 1);
    assert!(harness.query_all_by_label(&sum).count() >= 1, "{sum}");
}

#[test]
fn a_breaker_opens_in_two_steps() {
    let mut shown = Shown::new(at(12.0));
    shown.ui.selected = Some(Selected::Mlmd(1));
    let mut harness = window(shown, (1_920.0, 1_080.0));
    harness.get_by_role_and_label(Role::Button, "Open").click();
    harness.run_steps(3);
    assert!(
        harness.state().actions.is_empty(),
        "one click must not switch anything"
    );
    assert!(harness.query_by_label("Open M2?").is_some());
    check_texts(&painted(&harness), (1_920.0, 1_080.0), "second step");
    harness
        .get_by_role_and_label(Role::Button, "Operate")
        .click();
    harness.run_steps(3);
    assert_eq!(
        harness.state().actions,
        vec![UiAction::Command(Command::OpenBreaker(DeviceId(1_001)))]
    );
    assert_eq!(harness.state().ui.pending, None);
}

#[test]
fn the_key_way_to_a_breaker_and_back_out() {
    let mut shown = Shown::new(fixture::view(
        Arc::new(fixture::scene(&fixture::street())),
        12.0,
        &[2],
    ));
    shown.ui.selected = Some(Selected::Mlmd(2));
    let mut harness = window(shown, (1_280.0, 720.0));
    harness.key_press(Key::O);
    harness.run_steps(2);
    assert_eq!(
        harness.state().ui.pending,
        None,
        "an open breaker cannot open"
    );
    harness.key_press(Key::C);
    harness.run_steps(2);
    assert!(harness.state().ui.pending.is_some());
    check_texts(&painted(&harness), (1_280.0, 720.0), "close by key");
    harness.key_press(Key::Escape);
    harness.run_steps(2);
    assert_eq!(harness.state().ui.pending, None);
    harness.key_press(Key::C);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(
        harness.state().actions,
        vec![UiAction::Command(Command::CloseBreaker(DeviceId(1_002)))]
    );
}

#[test]
fn keys_drive_time_and_layers() {
    let mut harness = window(Shown::new(at(12.0)), (1_920.0, 1_080.0));
    for key in [
        Key::Space,
        Key::ArrowRight,
        Key::ArrowLeft,
        Key::CloseBracket,
        Key::OpenBracket,
        Key::L,
    ] {
        harness.key_press(key);
        harness.run_steps(2);
    }
    let expected: Vec<UiAction> = [
        PlaybackCommand::Play,
        PlaybackCommand::Step(1),
        PlaybackCommand::Step(-1),
        PlaybackCommand::SetSpeed(300.0),
        PlaybackCommand::SetSpeed(10.0),
        PlaybackCommand::Live,
    ]
    .into_iter()
    .map(UiAction::Playback)
    .collect();
    assert_eq!(harness.state().actions, expected);
    harness.key_press(Key::Num2);
    harness.key_press(Key::T);
    harness.run_steps(2);
    assert!(!harness.state().ui.layers.voltage);
    assert_eq!(harness.state().ui.theme, crate::window::ThemeName::Day);
}

#[test]
fn tab_and_finder_reach_an_asset() {
    let mut harness = window(Shown::new(at(12.0)), (1_920.0, 1_080.0));
    harness.key_press(Key::Tab);
    harness.run_steps(2);
    assert_eq!(harness.state().ui.selected, Some(Selected::Transformer(0)));
    harness.key_press_modifiers(egui::Modifiers::COMMAND, Key::K);
    harness.run_steps(2);
    harness
        .input_mut()
        .events
        .push(egui::Event::Text("H17".to_owned()));
    harness.run_steps(3);
    check_texts(&painted(&harness), (1_920.0, 1_080.0), "finder");
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(harness.state().ui.selected, Some(Selected::Home(16)));
    assert_eq!(harness.state().ui.palette, None);
    assert!(harness.state().ui.camera.is_some(), "the camera goes there");
}

#[test]
fn a_click_on_a_breaker_selects_it() {
    let mut harness = window(Shown::new(at(12.0)), (1_920.0, 1_080.0));
    let at = harness
        .state()
        .ui
        .map
        .placed
        .as_ref()
        .map(|p| p.mlmds[2].0)
        .expect("the map is placed");
    harness.hover_at(at);
    harness.run_steps(1);
    harness.drag_at(at);
    harness.drop_at(at);
    harness.run_steps(3);
    assert_eq!(harness.state().ui.selected, Some(Selected::Mlmd(2)));
    assert!(
        harness
            .state()
            .actions
            .contains(&UiAction::Select(Some(Selected::Mlmd(2))))
    );
}

#[test]
fn a_click_on_the_tape_seeks() {
    let mut harness = window(Shown::new(at(12.0)), (1_920.0, 1_080.0));
    let tape = harness.get_by_label("Time tape").rect();
    let at = egui::pos2(tape.center().x, tape.center().y);
    harness.hover_at(at);
    harness.run_steps(1);
    harness.drag_at(at);
    harness.drop_at(at);
    harness.run_steps(3);
    let sought = harness
        .state()
        .actions
        .iter()
        .find_map(|action| match action {
            UiAction::Playback(PlaybackCommand::Seek(Tick(tick))) => Some(*tick),
            _ => None,
        });
    let tick = sought.expect("a click on the tape asks for a seek");
    assert!((43_100..43_300).contains(&tick), "{tick}");
}

#[test]
fn acknowledging_is_a_command_and_removes_the_banner() {
    let mut view = at(12.0);
    open_alarm(&mut view);
    let mut harness = window(Shown::new(view), (1_920.0, 1_080.0));
    let before = harness.state().ui.world_rect.map(|r| r.min.y);
    harness.key_press(Key::A);
    harness.run_steps(2);
    let ack = UiAction::Command(Command::Alarm(AlarmCommand::Acknowledge(9)));
    assert_eq!(harness.state().actions, vec![ack]);
    harness.state_mut().view.alarms[0].state = AlarmState::Acknowledged;
    harness.run_steps(2);
    let after = harness.state().ui.world_rect.map(|r| r.min.y);
    assert_eq!((before, after), (Some(80.0), Some(40.0)));
}

#[test]
fn empty_and_broken_views_do_not_panic() {
    let mut broken = at(12.0);
    broken.grid.line_p_kw.iter_mut().for_each(|p| *p = f64::NAN);
    broken.grid.bus_v_pu.truncate(3);
    broken.homes.truncate(1);
    broken.mlmds.clear();
    broken.balance.scale_kw = f64::NAN;
    broken.limits.v_max.0 = f64::INFINITY;
    broken.homes.push(HomeState {
        net_kw: f64::NAN,
        v_pu: Some(f64::NAN),
        ..HomeState::default()
    });
    for view in [ViewModel::default(), broken] {
        for size in SIZES {
            for selected in [
                None,
                Some(Selected::Home(900)),
                Some(Selected::Mlmd(0)),
                Some(Selected::Block(7, 7)),
            ] {
                let mut shown = Shown::new(view.clone());
                shown.ui.selected = selected;
                shown.ui.frame_selection = true;
                let harness = window(shown, size);
                assert!(!painted(&harness).is_empty());
            }
        }
    }
}

#[test]
fn values_do_not_move_while_digits_change() {
    let mut edges = Vec::new();
    for value in [11.1, 77.7, 44.4] {
        let mut view = at(12.0);
        view.balance.solar_kw = value;
        let harness = window(Shown::new(view), (1_920.0, 1_080.0));
        let words = crate::window::text::signed(value, 1);
        let found = painted(&harness)
            .into_iter()
            .find(|p| p.text == words && p.size == 16.0);
        edges.push(found.map(|p| p.rect).expect("the value is shown"));
    }
    assert!(
        edges
            .windows(2)
            .all(|w| (w[0].width() - w[1].width()).abs() < 0.6),
        "{edges:?}"
    );
}

#[test]
fn labels_stay_apart_at_every_zoom() {
    for zoom in [0.6, 1.0, 2.5, 6.0] {
        let mut harness = window(Shown::new(at(12.0)), (1_920.0, 1_080.0));
        let camera = harness
            .state()
            .ui
            .map
            .placed
            .as_ref()
            .map(|p| p.transform.camera)
            .expect("placed");
        let state = &mut harness.state_mut().ui;
        state.camera = Some(crate::window::state::MapCamera {
            px_per_m: camera.px_per_m * zoom,
            ..camera
        });
        harness.run_steps(3);
        let labels = &harness.state().ui.map.labels;
        assert!(labels.len() <= 400);
        for (index, a) in labels.iter().enumerate() {
            for b in &labels[index + 1..] {
                assert!(!a.rect.intersects(b.rect), "at {zoom}: {a:?} {b:?}");
            }
        }
    }
}

/// O9: what is drawn has the sign and the size of what was solved.
#[test]
fn drawn_flows_are_the_solved_ones() {
    let harness = window(Shown::new(at(12.0)), (1_920.0, 1_080.0));
    let (view, map) = (&harness.state().view, &harness.state().ui.map);
    let mut checked = 0;
    for (run, flow) in map.net.runs.iter().zip(&map.flows) {
        for (line, along) in run.lines.iter().zip(&run.along) {
            let solved = view.grid.line_p_kw[*line];
            let drawn = if *along { flow.p_kw } else { -flow.p_kw };
            assert!(
                (solved - drawn).abs() < 0.05,
                "line {line}: solved {solved}, drawn {drawn}"
            );
            checked += 1;
        }
    }
    assert_eq!(checked, view.scene.lines.len());
    // Every customer's last conductor carries what the customer takes.
    for (home, state) in view.scene.homes.iter().zip(&view.homes) {
        let line = view
            .scene
            .lines
            .iter()
            .position(|l| l.to == home.bus)
            .expect("connected");
        let further: f64 = view
            .scene
            .lines
            .iter()
            .enumerate()
            .filter(|(_, l)| l.from == home.bus)
            .map(|(i, _)| view.grid.line_p_kw[i])
            .sum();
        assert!((view.grid.line_p_kw[line] - further - state.net_kw).abs() < 1e-9);
    }
}

#[test]
fn every_symbol_answers_a_click() {
    let harness = window(Shown::new(at(12.0)), (1_920.0, 1_080.0));
    let map = &harness.state().ui.map;
    let placed = map.placed.as_ref().expect("placed");
    for (index, at) in placed.homes.iter().enumerate() {
        let hit = hit::at(*at, &map.net, placed);
        assert_eq!(hit, Some(Selected::Home(index)));
    }
    for index in 0..placed.mlmds.len() {
        assert_eq!(
            hit::at(placed.mlmds[index].0, &map.net, placed),
            Some(Selected::Mlmd(index))
        );
    }
    assert_eq!(
        hit::tab_order(&harness.state().view.scene).len(),
        24 + 3 + 1 + 2 + 1
    );
}
