//! What stands over the map: caption, newest blocks, scale.

use egui::{Align2, CornerRadius, Pos2, Rect, Shape, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::view::{Selected, ViewModel};

use super::links::{self, BlockPlaces};
use super::place::Placed;
use super::{hit, layers, legend};
use crate::window::draw;
use crate::window::state::{UiState, Workspace, WorldView};
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Rectangles of the overlay's parts.
#[derive(Clone, Debug)]
pub struct Parts {
    rect: Rect,
    title: Rect,
    views: Rect,
    strip: Rect,
    pitch: f32,
    per_ledger: usize,
    switches: Option<Rect>,
    legend: Option<Rect>,
    /// Where a caption stands over the world.
    caption: Option<Rect>,
    /// The one button that replaces switches and legend in small windows.
    fold: Option<Rect>,
    scale: Rect,
}

/// Height of the legend card.
const LEGEND: egui::Vec2 = vec2(248.0, 154.0);

impl Parts {
    /// Lays the parts out in the world rectangle.
    pub fn of(rect: Rect, view: &ViewModel, state: &UiState, compact: bool) -> Self {
        let ledgers = view.ledgers.len().max(1);
        let (pitch, per_ledger) = if compact {
            (46.0, (6 / ledgers).max(1))
        } else {
            (54.0, (9 / ledgers).max(1))
        };
        let group = per_ledger as f32 * pitch + 14.0;
        let width = (group * ledgers as f32).min(rect.width() * 0.55);
        let strip = Rect::from_min_size(
            pos2(rect.max.x - 20.0 - width, rect.min.y + 12.0),
            vec2(width, 66.0),
        );
        // A story and the layers need the ground that legend and switches cover.
        let train = state.workspace == Workspace::Train || state.train.presenter;
        let folded = compact || state.morph.to == WorldView::Layers;
        let open = !train && (!folded || state.legend_open);
        let bottom = rect.max.y - 16.0 - if folded { 34.0 } else { 0.0 };
        let legend = Rect::from_min_max(
            pos2(rect.min.x + 16.0, bottom - LEGEND.y),
            pos2(rect.min.x + 16.0 + LEGEND.x, bottom),
        );
        let switches = Rect::from_min_max(
            pos2(legend.min.x, legend.min.y - 12.0 - 60.0),
            pos2(legend.max.x, legend.min.y - 12.0),
        );
        let caption = (train && view.story.caption.is_some()).then(|| {
            let size = vec2((rect.width() - 80.0).clamp(200.0, 1_200.0), 150.0);
            Rect::from_min_size(
                pos2(rect.center().x - size.x * 0.5, rect.max.y - size.y),
                size,
            )
        });
        Self {
            rect,
            caption,
            title: Rect::from_min_size(rect.min + vec2(16.0, 14.0), vec2(300.0, 40.0)),
            views: Rect::from_min_size(
                rect.min + vec2(16.0, if compact { 50.0 } else { 58.0 }),
                if compact {
                    vec2(86.0, 22.0)
                } else {
                    vec2(372.0, 24.0)
                },
            ),
            strip,
            pitch,
            per_ledger,
            switches: open.then_some(switches),
            legend: open.then_some(legend),
            fold: (folded && !train).then(|| {
                Rect::from_min_size(
                    pos2(rect.min.x + 16.0, rect.max.y - 40.0),
                    vec2(132.0, 24.0),
                )
            }),
            scale: Rect::from_min_size(
                pos2(rect.max.x - 96.0, rect.max.y - 42.0),
                vec2(76.0, 28.0),
            ),
        }
    }

    /// All parts, for the label solver.
    pub fn rects(&self) -> Vec<Rect> {
        let mut rects = vec![self.title, self.views, self.strip, self.scale];
        rects.extend(
            [self.switches, self.legend, self.fold, self.caption]
                .into_iter()
                .flatten(),
        );
        rects
    }

    /// Where the network should fit, clear of transformer and captions.
    pub fn fit_area(&self, view: &ViewModel) -> Rect {
        let left = if view.scene.transformers.is_empty() {
            40.0
        } else {
            190.0
        };
        let small = self.rect.width() < 900.0;
        let top = if small { 84.0 } else { 70.0 };
        let foot = self.caption.map_or(40.0, |plate| plate.height() - 10.0);
        let mut area = Rect::from_min_max(
            self.rect.min + vec2(left, top),
            self.rect.max - vec2(if small { 40.0 } else { 90.0 }, foot),
        );
        if !area.is_positive() {
            area = Rect::from_center_size(self.rect.center(), vec2(40.0, 40.0));
        }
        area
    }

    /// Middle of block `nth` of a ledger.
    fn block(&self, view: &ViewModel, ledger: usize, nth: usize) -> Pos2 {
        let group = self.strip.width() / view.ledgers.len().max(1) as f32;
        let x = self.strip.min.x + group * ledger as f32 + 24.0 + nth as f32 * self.pitch;
        pos2(x.round(), self.strip.min.y + 36.0)
    }

    /// The newest block of each ledger.
    pub fn block_places(&self, view: &ViewModel) -> BlockPlaces {
        view.ledgers
            .iter()
            .enumerate()
            .map(|(i, ledger)| (!ledger.blocks.is_empty()).then(|| self.block(view, i, 0)))
            .collect()
    }
}

/// Shows every part.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, placed: &Placed, parts: &Parts) {
    if cx.state.train.presenter {
        plane_names(ui, cx, placed, parts);
        return;
    }
    caption(ui, cx, placed, parts);
    views(ui, cx, parts);
    plane_names(ui, cx, placed, parts);
    if cx.state.layers.ledger {
        blocks(ui, cx, parts);
    }
    if let Some(rect) = parts.fold {
        let words = if cx.state.legend_open {
            "Hide legend"
        } else {
            "Legend, layers"
        };
        if cx.button(ui, rect, words, "", true) {
            cx.state.legend_open = !cx.state.legend_open;
        }
    }
    if let Some(rect) = parts.switches {
        legend::switches(ui, cx, rect);
    }
    if let Some(rect) = parts.legend {
        legend::show(ui, cx, placed, rect);
    }
    if parts.caption.is_none() {
        scale(ui, cx, placed, parts);
    }
}

/// Names of the four planes at their front left corners.
fn plane_names(ui: &Ui, cx: &Cx<'_>, placed: &Placed, parts: &Parts) {
    if placed.transform.ground.layers < 0.6 {
        return;
    }
    let style = Style::strong(13.0, cx.theme.text1);
    for (plane, name) in layers::NAMES {
        let [front, ..] = layers::corners(placed, parts.rect, plane);
        let at = front + vec2(30.0, -14.0);
        text::text(ui, at, Align2::LEFT_CENTER, &style, name);
    }
    let at = layers::server(placed, parts.rect) + vec2(28.0, -6.0);
    let strong = Style::strong(12.0, cx.theme.text1);
    text::text(ui, at, Align2::LEFT_CENTER, &strong, "Cloud server");
}

/// Switches between the three views.
fn views(ui: &mut Ui, cx: &mut Cx<'_>, parts: &Parts) {
    let count = WorldView::ALL.len() as f32;
    let gap = if cx.compact { 4.0 } else { 6.0 };
    let width = (parts.views.width() - gap * (count - 1.0)) / count;
    for (index, view) in WorldView::ALL.into_iter().enumerate() {
        let (letter, name) = view.name();
        let x = parts.views.min.x + index as f32 * (width + gap);
        let cell = Rect::from_min_size(
            pos2(x, parts.views.min.y),
            vec2(width, parts.views.height()),
        );
        let chosen = cx.state.morph.to == view;
        let response = ui.interact(cell, ui.id().with(("view", index)), egui::Sense::click());
        response.widget_info(|| {
            let kind = egui::WidgetType::RadioButton;
            egui::WidgetInfo::selected(kind, true, chosen, format!("View {name}"))
        });
        let (fill, edge) = if chosen {
            (cx.theme.raised, cx.theme.text3)
        } else {
            (cx.theme.base, cx.theme.rule)
        };
        ui.painter().rect(
            cell,
            CornerRadius::same(4),
            fill,
            Stroke::new(1.0, edge),
            StrokeKind::Inside,
        );
        let strong = Style::strong(12.0, cx.theme.text1);
        if cx.compact {
            let middle = cell.center();
            text::text(ui, middle, Align2::CENTER_CENTER, &strong, letter);
        } else {
            let at = cell.left_center() + vec2(9.0, 0.0);
            text::text(ui, at, Align2::LEFT_CENTER, &strong, letter);
            let ink = if chosen {
                cx.theme.text1
            } else {
                cx.theme.text2
            };
            let style = Style::body(12.0, ink);
            let at = cell.left_center() + vec2(24.0, 0.0);
            let room = width - 28.0;
            text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, name);
        }
        if response.clicked() {
            let at_once = cx.state.reduce_motion;
            cx.state.morph.turn(view, at_once);
        }
    }
}

fn caption(ui: &Ui, cx: &Cx<'_>, placed: &Placed, parts: &Parts) {
    if cx.state.camera.is_some() {
        draw::plate(ui.painter(), parts.title.expand(4.0), cx.theme.base);
    }
    let scene = &cx.view.scene;
    let at = parts.title.min;
    text::text(
        ui,
        at,
        Align2::LEFT_TOP,
        &Style::strong(13.0, cx.theme.text1),
        match cx.state.morph.to {
            WorldView::SingleLine => "Single-line on map",
            WorldView::Neighbourhood => "Neighbourhood, tilted",
            WorldView::Layers => "Four-layer view",
        },
    );
    let solar = scene.homes.iter().filter(|home| home.pv_kw > 0.0).count();
    let dead = cx
        .view
        .homes
        .iter()
        .filter(|home| home.v_pu.is_none())
        .count();
    let customers = if dead > 0 {
        format!(
            "{} of {} customers supplied",
            scene.homes.len() - dead.min(scene.homes.len()),
            scene.homes.len()
        )
    } else {
        format!("{} customers, {solar} with PV", scene.homes.len())
    };
    let words = format!(
        "{customers} · {} · {} px/m",
        placed.detail.label(),
        text::plain(placed.transform.camera.px_per_m, 1)
    );
    let room = (parts.strip.min.x - at.x - 16.0).max(80.0);
    text::text_within(
        ui,
        at + vec2(0.0, 19.0),
        Align2::LEFT_TOP,
        &Style::body(12.0, cx.theme.text2),
        room,
        &words,
    );
}

/// The newest blocks of every ledger, newest at the left of its group.
fn blocks(ui: &mut Ui, cx: &mut Cx<'_>, parts: &Parts) {
    let view = cx.view;
    // The map may lie under the row when the camera is near.
    if cx.state.camera.is_some() {
        draw::plate(ui.painter(), parts.strip, cx.theme.base);
    }
    let mut clicked = None;
    for (index, ledger) in view.ledgers.iter().enumerate() {
        let first = parts.block(view, index, 0);
        let name = if cx.compact {
            ledger.id.clone()
        } else if index < view.scene.clusters.len() {
            format!("LEDGER {}", ledger.id)
        } else {
            ledger.id.to_uppercase()
        };
        let heading = Style::heading(cx.theme.text2);
        text::text(
            ui,
            pos2(first.x - 10.0, parts.strip.min.y + 8.0),
            Align2::LEFT_CENTER,
            &heading,
            &name,
        );
        let shown = ledger.blocks.len().min(parts.per_ledger);
        let mut shapes = Vec::new();
        if shown > 1 {
            let last = parts.block(view, index, shown - 1);
            shapes.push(Shape::line_segment(
                [first, last],
                Stroke::new(1.25, cx.theme.ledger_dim(0.45)),
            ));
        }
        for (nth, block) in ledger.blocks.iter().take(shown).enumerate() {
            let at = parts.block(view, index, nth);
            let strength = (0.8 - 0.12 * nth as f32).max(0.45);
            links::block(at, 20.0, block.fullness, strength, cx.theme, &mut shapes);
            let what = Selected::Block(index, block.height);
            if cx.state.selected == Some(what) {
                let ring = Rect::from_center_size(at, vec2(28.0, 28.0));
                shapes.push(Shape::rect_stroke(
                    ring,
                    4.0,
                    Stroke::new(1.5, cx.theme.text1),
                    StrokeKind::Middle,
                ));
            }
            let words = format!("{}", block.height % 100_000);
            let style = Style::mono(11.0, cx.theme.text2);
            text::text(
                ui,
                at + vec2(0.0, 22.0),
                Align2::CENTER_CENTER,
                &style,
                &words,
            );
            let hit = Rect::from_center_size(at + vec2(0.0, 8.0), vec2(parts.pitch - 8.0, 44.0));
            let response = ui.interact(
                hit,
                ui.id().with(("block", index, nth)),
                egui::Sense::click(),
            );
            let label = format!("Block {} of ledger {}", block.height, ledger.id);
            response
                .widget_info(|| egui::WidgetInfo::labeled(egui::WidgetType::Button, true, &label));
            if response.clicked() {
                clicked = Some(what);
            }
        }
        ui.painter().extend(shapes);
    }
    if clicked.is_some() {
        cx.select(clicked);
    }
}

fn scale(ui: &Ui, cx: &Cx<'_>, placed: &Placed, parts: &Parts) {
    let px_per_m = placed.transform.camera.px_per_m.max(1e-6);
    let lengths = [
        1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0,
    ];
    let metres = lengths
        .iter()
        .copied()
        .rev()
        .find(|m| m * px_per_m <= 76.0)
        .unwrap_or(1.0);
    let width = ((metres * px_per_m) as f32).min(76.0);
    let y = parts.scale.max.y - 6.0;
    let (a, b) = (
        pos2(parts.scale.max.x - width, y),
        pos2(parts.scale.max.x, y),
    );
    let stroke = Stroke::new(1.25, cx.theme.text2);
    let painter = ui.painter();
    painter.line_segment([a, b], stroke);
    for end in [a, b] {
        painter.line_segment([end - vec2(0.0, 4.0), end + vec2(0.0, 4.0)], stroke);
    }
    let words = format!("{} m", text::plain(metres, 0));
    text::text(
        ui,
        pos2((a.x + b.x) * 0.5, y - 13.0),
        Align2::CENTER_CENTER,
        &Style::body(11.0, cx.theme.text2),
        &words,
    );
}

/// Name and value of what is under the pointer.
pub fn hover(ui: &Ui, cx: &Cx<'_>, placed: &Placed, at: Pos2, rect: Rect, parts: &Parts) {
    if parts.rects().iter().any(|part| part.contains(at)) {
        return;
    }
    let Some(what) = hit::at(at, &cx.state.map.net, placed) else {
        return;
    };
    let view = cx.view;
    let words = match what {
        Selected::Home(i) => view.homes.get(i).map_or(String::new(), |s| match s.v_pu {
            Some(v) => format!(
                "{} kW · {} pu",
                text::signed(s.net_kw, 2),
                text::plain(v, 3)
            ),
            None => "no supply".to_owned(),
        }),
        Selected::Line(i) => {
            let p = view.grid.line_p_kw.get(i).copied().unwrap_or(f64::NAN);
            let loading = view.grid.line_loading.get(i).copied().unwrap_or(f64::NAN);
            format!(
                "{} kW · {} %",
                text::signed(p, 1),
                text::plain(loading * 100.0, 0)
            )
        }
        _ => String::new(),
    };
    let name = hit::name(&view.scene, what);
    let (strong, body) = (
        Style::strong(12.0, cx.theme.text1),
        Style::body(12.0, cx.theme.text2),
    );
    let value_width = if words.is_empty() {
        0.0
    } else {
        text::width(ui, &body, &words) + 8.0
    };
    let size = vec2(text::width(ui, &strong, &name) + value_width + 16.0, 22.0);
    let mut chip = Rect::from_min_size(at + vec2(14.0, 14.0), size);
    let over = (chip.max - rect.max + vec2(4.0, 4.0)).max(vec2(0.0, 0.0));
    chip = chip.translate(-over);
    ui.painter().rect(
        chip,
        CornerRadius::same(4),
        cx.theme.raised,
        Stroke::new(1.0, cx.theme.edge),
        StrokeKind::Inside,
    );
    let shown = text::text(
        ui,
        chip.left_center() + vec2(8.0, 0.0),
        Align2::LEFT_CENTER,
        &strong,
        &name,
    );
    if !words.is_empty() {
        text::text(
            ui,
            pos2(shown.max.x + 8.0, chip.center().y),
            Align2::LEFT_CENTER,
            &body,
            &words,
        );
    }
}
