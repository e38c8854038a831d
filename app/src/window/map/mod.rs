//! The world view: a single-line diagram on the surveyed map.

pub mod cache;
pub mod camera;
pub mod hit;
pub mod hull;
pub mod labels;
pub mod layers;
pub mod legend;
pub mod links;
pub mod net;
pub mod overlay;
pub mod place;
pub mod prism;
pub mod ribbons;
pub mod small;
pub mod space;
pub mod symbols;

use egui::{Pos2, Rect, Sense, Shape, Stroke, StrokeKind, Ui, Vec2, vec2};
use gridloom_core::view::{Selected, ViewModel};

use self::cache::DrawKey;
use self::camera::{Projection, Transform};
use self::place::Placed;
use super::draw;
use super::state::{MapCamera, PendingSwitch, Workspace};
use super::ui::Cx;

pub use self::small::small_world;

/// Zoom limits, px per m.
const SCALE: std::ops::RangeInclusive<f64> = 0.3..=25.0;

/// Shows the world in `rect` and handles camera and selection.
pub fn world(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let view = cx.view;
    cx.state.map.follow(view);
    let response = ui.interact(rect, ui.id().with("world"), Sense::click_and_drag());
    response.widget_info(|| {
        let words = "World: click selects, drag moves, wheel zooms";
        egui::WidgetInfo::labeled(egui::WidgetType::Other, true, words)
    });
    let parts = overlay::Parts::of(rect, view, cx.state, cx.compact);
    let fitted = place::fit(&cx.state.map.net, parts.fit_area(view));
    if cx.state.frame_selection {
        frame(cx, fitted);
    }
    steer(ui, cx, rect, fitted, &response);
    let ground = Projection::of(&cx.state.morph, rect.height());
    let area = parts.fit_area(view);
    let transform = Transform {
        ground,
        ..transform(cx.state.camera, fitted, rect, area)
    };
    let home = self::transform(None, fitted, rect, area);
    let placed = cx.state.map.placed(view, transform, home, rect);
    if response.clicked()
        && let Some(at) = response.interact_pointer_pos()
    {
        let hit = hit::at(at, &cx.state.map.net, &placed);
        cx.select(hit);
    }
    let pointer = ui
        .input(|i| i.pointer.hover_pos())
        .filter(|at| rect.contains(*at) && response.contains_pointer());
    redraw(cx, &placed, rect, &parts);
    let mut painting = ui.new_child(egui::UiBuilder::new().max_rect(rect));
    painting.set_clip_rect(rect);
    let ui = &mut painting;
    let reserved = reserved(ui, cx, &placed, &parts);
    let settled = !cx.state.morph.moving();
    let key = Some((
        transform,
        rect,
        cx.state.selected,
        cx.state.layers,
        labels_version(view),
    ));
    if settled && cx.state.map.labels_for != key {
        cx.state.map.labels = labels::plan(
            ui,
            view,
            &placed,
            cx.theme,
            rect.shrink(4.0),
            &reserved,
            cx.state.selected,
            cx.state.layers,
        );
        cx.state.map.labels_for = key;
    }
    if cx.paint_world {
        let world = &cx.state.map.world;
        for shapes in [&world.under, &world.moving, &world.symbols] {
            ui.painter().extend(shapes.iter().cloned());
        }
    }
    if cx.state.layers.labels && settled {
        labels::transformers(ui, view, &placed, cx.theme, true);
        labels::paint(ui, view, cx.theme, &cx.state.map.labels, cx.state.layers);
    }
    alarms(ui, cx, &placed);
    overlay::show(ui, cx, &placed, &parts);
    if let Some(at) = pointer {
        overlay::hover(ui, cx, &placed, at, rect, &parts);
    }
}

/// Values change every tick, the kind of label only when a breaker moves.
fn labels_version(view: &ViewModel) -> u64 {
    view.mlmds.iter().fold(7, |acc: u64, m| {
        let state = u64::from(m.closed) + 2 * u64::from(m.v_pu.is_some());
        // Large networks have more breakers than a number has bits.
        acc.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(state)
    })
}

/// The transform of a camera; the fitted one is centred on its own area.
fn transform(camera: Option<MapCamera>, fitted: MapCamera, rect: Rect, area: Rect) -> Transform {
    match camera {
        Some(camera) => Transform {
            camera,
            middle: rect.center(),
            ground: Projection::default(),
        },
        None => Transform {
            camera: fitted,
            middle: area.center(),
            ground: Projection::default(),
        },
    }
}

/// Pan by dragging, zoom to the pointer, fit on double click.
fn steer(ui: &Ui, cx: &mut Cx<'_>, rect: Rect, fitted: MapCamera, response: &egui::Response) {
    let parts = overlay::Parts::of(rect, cx.view, cx.state, cx.compact);
    let area = parts.fit_area(cx.view);
    let now = transform(cx.state.camera, fitted, rect, area);
    if response.double_clicked() {
        cx.state.camera = None;
        return;
    }
    if response.dragged() {
        let moved = response.drag_delta();
        cx.state.camera = Some(MapCamera {
            centre_m: now.metres(rect.center() - moved),
            px_per_m: now.camera.px_per_m,
        });
    }
    if !response.contains_pointer() {
        return;
    }
    let (scroll, pinch, at) = ui.input(|i| {
        (
            i.smooth_scroll_delta.y,
            i.zoom_delta(),
            i.pointer.hover_pos(),
        )
    });
    let factor = f64::from(pinch) * libm::exp(f64::from(scroll) * 0.003);
    if let Some(at) = at.filter(|_| (factor - 1.0).abs() > 1e-4) {
        let now = transform(cx.state.camera, fitted, rect, area);
        let under = now.metres(at);
        let px_per_m = (now.camera.px_per_m * factor).clamp(*SCALE.start(), *SCALE.end());
        let off = at - rect.center();
        cx.state.camera = Some(MapCamera {
            centre_m: (
                under.0 - f64::from(off.x) / px_per_m,
                under.1 + f64::from(off.y) / px_per_m,
            ),
            px_per_m,
        });
    }
}

/// Moves the camera to the selection, close enough to see houses.
fn frame(cx: &mut Cx<'_>, fitted: MapCamera) {
    let Some(selected) = cx.state.selected else {
        cx.state.frame_selection = false;
        cx.state.camera = None;
        return;
    };
    // Before the first drawing nothing has a place yet: the next frame does it.
    let Some(placed) = cx.state.map.placed.clone() else {
        return;
    };
    cx.state.frame_selection = false;
    if let Some(place) = place_of(cx.view, &cx.state.map.net, &placed, selected) {
        cx.state.camera = Some(MapCamera {
            centre_m: placed.transform.metres(place),
            px_per_m: (fitted.px_per_m * 2.4).clamp(*SCALE.start(), *SCALE.end()),
        });
    }
}

/// Where an entity is drawn.
pub fn place_of(view: &ViewModel, net: &net::Net, placed: &Placed, what: Selected) -> Option<Pos2> {
    match what {
        Selected::Home(i) => placed.homes.get(i).copied(),
        Selected::SharedBattery(i) => placed.batteries.get(i).map(|b| b.1),
        Selected::Mlmd(i) => placed.mlmds.get(i).map(|m| m.0),
        Selected::Aggregator(i) => placed.aggregators.get(i).copied(),
        Selected::Transformer(i) => placed.transformers.get(i).map(|t| t.circles),
        Selected::Line(i) => {
            let run = *net.run_of_line.get(i)?;
            let bus = view.scene.lines.get(i)?.from;
            let known = net.runs.get(run).is_some();
            known.then(|| {
                view.scene
                    .buses
                    .get(bus)
                    .map(|b| placed.transform.px(b.pos_m))
            })?
        }
        Selected::Block(..) | Selected::Transaction(..) => None,
    }
}

/// Draws the layers whose content changed.
fn redraw(cx: &mut Cx<'_>, placed: &Placed, rect: Rect, parts: &overlay::Parts) {
    let view = cx.view;
    let key = DrawKey {
        transform: placed.transform,
        rect,
        theme: cx.state.theme,
        tick: view.tick.0,
        view: std::ptr::from_ref(view) as usize,
        selected: cx.state.selected,
        layers: cx.state.layers,
    };
    let stale = cx.state.map.drawn.as_ref() != Some(&key);
    let (theme, layers) = (cx.theme, cx.state.layers);
    if stale {
        cx.state.map.read_flows(view);
        let hops = view.data_hops.iter().chain(&view.ledger_hops);
        cx.state.map.traffic.note(hops, cx.state.motion_s);
        let map = &mut cx.state.map;
        let mut under = Vec::new();
        let ground = placed.transform.ground;
        if ground.layers > 0.0 {
            layers::planes(placed, rect, theme, &mut under);
        }
        area(view, placed, cx.state.selected, theme, &mut under);
        if layers.voltage && ground.layers < 0.5 {
            ribbons::halo(view, &map.net, placed, theme, &mut under);
        }
        ribbons::ribbons(
            &map.flows,
            &map.net,
            placed,
            theme,
            layers.power,
            &mut under,
        );
        let mut top = Vec::new();
        symbols::symbols(view, placed, theme, &mut top);
        if ground.layers > 0.0 {
            layers::upper(view, placed, rect, theme, &mut top);
        }
        if layers.ledger || layers.data {
            links::aggregators(placed, theme, &mut top);
        }
        let told = cx.state.workspace == Workspace::Train || cx.state.train.presenter;
        let ring_at = cx.state.train.ring.filter(|_| told);
        if let Some(at) = ring_at.and_then(|what| place_of(view, &map.net, placed, what)) {
            highlight(at, theme, &mut top);
        }
        ring(
            view,
            &map.net,
            placed,
            cx.state.selected,
            cx.state.pending.as_ref(),
            theme,
            &mut top,
        );
        map.world.under = under;
        map.world.symbols = top;
        map.world.changed = [true; 3];
        map.drawn = Some(key);
    }
    if stale || cx.moving {
        let mut moving = Vec::new();
        if layers.data {
            let (traffic, now_s) = (&cx.state.map.traffic, cx.state.motion_s);
            links::data(view, placed, theme, traffic, now_s, &mut moving);
        }
        if layers.ledger {
            links::ledger(
                view,
                placed,
                theme,
                &parts.block_places(view),
                &cx.state.map.traffic,
                cx.state.motion_s,
                &mut moving,
            );
        }
        if layers.power {
            let map = &cx.state.map;
            ribbons::chevrons(
                &map.flows,
                &map.net,
                placed,
                theme,
                &cx.state.phase,
                &mut moving,
            );
        }
        cx.state.map.world.moving = moving;
        cx.state.map.world.changed[1] = true;
    }
}

/// The area of the selected M-LMD.
fn area(
    view: &ViewModel,
    placed: &Placed,
    selected: Option<Selected>,
    theme: &super::theme::Theme,
    out: &mut Vec<Shape>,
) {
    let Some(Selected::Mlmd(index)) = selected else {
        return;
    };
    let Some(mlmd) = view.scene.mlmds.get(index) else {
        return;
    };
    let mut points: Vec<Pos2> = mlmd
        .homes
        .iter()
        .filter_map(|&home| placed.homes.get(home).copied())
        .collect();
    points.extend(placed.mlmds.get(index).map(|m| m.0));
    if points.len() < 2 {
        return;
    }
    let outline = hull::around(&points, 24.0);
    out.push(Shape::convex_polygon(
        outline,
        theme.panel,
        Stroke::new(1.0, theme.rule),
    ));
}

/// Ring around the selection; thicker while a step waits on it.
fn ring(
    view: &ViewModel,
    net: &net::Net,
    placed: &Placed,
    selected: Option<Selected>,
    pending: Option<&PendingSwitch>,
    theme: &super::theme::Theme,
    out: &mut Vec<Shape>,
) {
    let Some(what) = selected else { return };
    let Some(at) = place_of(view, net, placed, what) else {
        return;
    };
    let size = match what {
        Selected::SharedBattery(_) => place::BATTERY_SIZE + vec2(12.0, 12.0),
        Selected::Transformer(_) => vec2(64.0, 44.0),
        Selected::Aggregator(_) => Vec2::splat(40.0),
        _ => Vec2::splat(29.0_f32.max(placed.house_px + 12.0)),
    };
    let waits = pending.is_some_and(|p| what == Selected::Mlmd(p.mlmd));
    let stroke = Stroke::new(if waits { 2.0 } else { 1.5 }, theme.text1);
    out.push(Shape::rect_stroke(
        Rect::from_center_size(at, size),
        4.0,
        stroke,
        StrokeKind::Middle,
    ));
}

/// The ring of a caption.
fn highlight(at: Pos2, theme: &super::theme::Theme, out: &mut Vec<Shape>) {
    out.push(Shape::circle_stroke(at, 34.0, Stroke::new(5.0, theme.base)));
    out.push(Shape::circle_stroke(
        at,
        34.0,
        Stroke::new(2.5, theme.text1),
    ));
}

/// Glyphs of active alarms at their assets; unacknowledged ones blink.
fn alarms(ui: &Ui, cx: &Cx<'_>, placed: &Placed) {
    for alarm in cx
        .view
        .alarms
        .iter()
        .filter(|a| a.active && a.state.listed())
    {
        let Some(at) = alarm
            .place
            .and_then(|what| place_of(cx.view, &cx.state.map.net, placed, what))
        else {
            continue;
        };
        let acked = !alarm.state.wants_ack();
        let dark = !acked
            && !cx.state.reduce_motion
            && cx.moving
            && cx.state.blink_s.rem_euclid(1.0) > 0.6;
        if !dark {
            let above = at - vec2(0.0, placed.house_px * 0.5 + 19.0);
            draw::alarm(
                ui.painter(),
                above,
                22.0,
                alarm.priority as usize,
                true,
                cx.theme,
            );
            draw::alarm_digit(ui, above, alarm.priority as usize, 12.0, cx.theme);
        }
    }
}

/// What labels must not cover.
fn reserved(ui: &Ui, cx: &Cx<'_>, placed: &Placed, parts: &overlay::Parts) -> Vec<Rect> {
    let mut rects = parts.rects();
    rects.extend(labels::transformers(ui, cx.view, placed, cx.theme, false));
    rects
}
