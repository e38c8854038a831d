//! Names and values on the map: placed once per camera, zero overlaps.

use egui::{Align2, CornerRadius, Pos2, Rect, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};
use gridloom_core::view::{Selected, ViewModel};

use super::camera::Detail;
use super::links;
use super::place::Placed;
use super::space::Space;
use crate::window::state::Layers;
use crate::window::text::{self, Style};
use crate::window::theme::Theme;

/// No more labels than this, whatever the scene.
const MOST: usize = 400;

/// A placed label.
#[derive(Clone, Debug)]
pub struct Label {
    /// Whose it is.
    pub what: Selected,
    /// What it points at.
    pub anchor: Pos2,
    /// Its box.
    pub rect: Rect,
    /// Whether it stands far enough to need a line.
    pub leader: bool,
}

/// Name and value of a label.
fn words(view: &ViewModel, what: Selected, layers: Layers) -> (String, String) {
    let scene = &view.scene;
    match what {
        Selected::Mlmd(i) => {
            let name = scene.mlmds.get(i).map_or(String::new(), |m| m.id.clone());
            let value = view.mlmds.get(i).map_or(String::new(), |m| {
                if m.closed {
                    text::signed(m.through_kw, 1)
                } else {
                    "open".to_owned()
                }
            });
            (name, value)
        }
        Selected::SharedBattery(i) => {
            let name = scene
                .shared_batteries
                .get(i)
                .map_or(String::new(), |b| b.id.clone());
            let value = view.shared_batteries.get(i).map_or(String::new(), |s| {
                let does = if s.p_kw.abs() < 0.05 {
                    "rests".to_owned()
                } else if s.p_kw > 0.0 {
                    format!("takes {} kW", text::plain(s.p_kw, 1))
                } else {
                    format!("gives {} kW", text::plain(-s.p_kw, 1))
                };
                format!("{} %, {does}", text::plain(s.soc * 100.0, 0))
            });
            (name, value)
        }
        Selected::Home(i) => {
            let name = scene.homes.get(i).map_or(String::new(), |h| h.id.clone());
            let value = view.homes.get(i).map_or(String::new(), |s| {
                let model = if s.v_pu.is_some() {
                    text::signed(s.net_kw, 1)
                } else {
                    "no supply".to_owned()
                };
                match &s.bound {
                    None => model,
                    // What the device on the wall measures, beside the model.
                    Some(bound) if bound.good => {
                        format!("{model} | {}", text::signed(bound.p_kw, 1))
                    }
                    Some(_) => format!("{model} | bad"),
                }
            });
            (name, value)
        }
        Selected::Aggregator(i) => {
            let name = scene
                .clusters
                .get(i)
                .map_or(String::new(), |c| c.aggregator.clone());
            let price = view.prices.get(i).filter(|_| layers.price);
            let value = price.map_or(String::new(), |p| {
                format!("{} ct", text::plain(p.scalar as f64 / 1e4, 1))
            });
            (name, value)
        }
        _ => (String::new(), String::new()),
    }
}

/// Widest form of a label, so that digits never move it.
fn template(view: &ViewModel, what: Selected) -> &'static str {
    let bound = |i: usize| view.homes.get(i).is_some_and(|home| home.bound.is_some());
    match what {
        Selected::Home(i) if bound(i) => "+888.8 | +888.8",
        Selected::Mlmd(_) | Selected::Home(_) => "+888.8",
        Selected::SharedBattery(_) => "88 %, takes 88.8 kW",
        Selected::Aggregator(_) => "88.8 ct",
        _ => "",
    }
}

/// Chooses what to label, most important first, and places it.
pub fn plan(
    ui: &Ui,
    view: &ViewModel,
    placed: &Placed,
    theme: &Theme,
    area: Rect,
    reserved: &[Rect],
    selected: Option<Selected>,
    layers: Layers,
) -> Vec<Label> {
    let mut space = Space::new(area);
    placed.mark(&mut space, 10.0);
    if layers.data {
        links::mark(view, placed, &mut space);
    }
    for rect in reserved {
        space.mark(*rect, 2);
    }
    let mut wanted: Vec<(Selected, Pos2, f32)> = Vec::new();
    let homes = placed
        .homes
        .iter()
        .enumerate()
        .map(|(i, at)| (Selected::Home(i), *at, placed.house_px * 0.5 + 16.0));
    wanted.extend(homes.clone().filter(|(what, ..)| Some(*what) == selected));
    wanted.extend(
        placed
            .mlmds
            .iter()
            .enumerate()
            .map(|(i, (at, _))| (Selected::Mlmd(i), *at, 19.0)),
    );
    wanted.extend(
        placed
            .batteries
            .iter()
            .enumerate()
            .map(|(i, (_, at))| (Selected::SharedBattery(i), *at, 32.0)),
    );
    if layers.ledger || layers.data {
        wanted.extend(
            placed
                .aggregators
                .iter()
                .enumerate()
                .map(|(i, at)| (Selected::Aggregator(i), *at, 24.0)),
        );
    }
    if placed.detail == Detail::House {
        wanted.extend(homes.filter(|(what, ..)| Some(*what) != selected));
    }
    let (name_style, value_style) = styles(theme);
    let mut labels = Vec::new();
    // What lies outside takes no label from what is seen.
    wanted.retain(|(_, anchor, _)| area.contains(*anchor));
    for (what, anchor, gap) in wanted.into_iter().take(MOST) {
        let (name, value) = words(view, what, layers);
        let mut width = text::width(ui, &name_style, &name) + 16.0;
        if !value.is_empty() {
            let widest = text::width(ui, &value_style, template(view, what)).max(text::width(
                ui,
                &value_style,
                &value,
            ));
            width += widest + 8.0;
        }
        let Some(rect) = space.place(anchor, vec2(width.ceil(), 22.0), gap, 150.0) else {
            continue;
        };
        space.mark(rect.expand(2.0), 2);
        let leader = rect.distance_to_pos(anchor) > gap + 14.0;
        labels.push(Label {
            what,
            anchor,
            rect,
            leader,
        });
    }
    labels
}

fn styles(theme: &Theme) -> (Style, Style) {
    (
        Style::strong(12.0, theme.text1),
        Style::body(12.0, theme.text2),
    )
}

/// Paints the placed labels with the values of now.
pub fn paint(ui: &Ui, view: &ViewModel, theme: &Theme, labels: &[Label], layers: Layers) {
    let (name_style, value_style) = styles(theme);
    for label in labels {
        let (name, value) = words(view, label.what, layers);
        let rect = label.rect;
        if label.leader {
            let to = rect.clamp(label.anchor);
            let way = (to - label.anchor).normalized();
            let from = label.anchor + way * 12.0;
            ui.painter()
                .line_segment([from, to], Stroke::new(1.0, theme.text3));
        }
        let aggregator = matches!(label.what, Selected::Aggregator(_));
        if !aggregator {
            ui.painter().rect(
                rect,
                CornerRadius::same(4),
                theme.panel,
                Stroke::new(1.0, theme.edge),
                StrokeKind::Inside,
            );
        }
        let style = if aggregator {
            &value_style
        } else {
            &name_style
        };
        let middle = rect.center().y;
        let shown = text::text(
            ui,
            pos2(rect.min.x + 8.0, middle),
            Align2::LEFT_CENTER,
            style,
            &name,
        );
        if !value.is_empty() {
            let room = rect.max.x - shown.max.x - 14.0;
            text::text_within(
                ui,
                pos2(shown.max.x + 8.0, middle),
                Align2::LEFT_CENTER,
                &value_style,
                room.max(10.0),
                &value,
            );
        }
    }
}

/// Texts of the transformers; returns the space they take.
pub fn transformers(
    ui: &Ui,
    view: &ViewModel,
    placed: &Placed,
    theme: &Theme,
    draw: bool,
) -> Vec<Rect> {
    let mut rects = Vec::new();
    for (t, facts) in placed.transformers.iter().zip(&view.scene.transformers) {
        let texts = [
            (
                t.bar - vec2(0.0, 36.0),
                Style::body(12.0, theme.text2),
                format!("{} kV", trim(facts.kv_from)),
            ),
            (
                t.circles - vec2(0.0, 30.0),
                Style::strong(12.0, theme.text1),
                facts.name.clone(),
            ),
            (
                t.circles + vec2(0.0, 30.0),
                Style::body(11.0, theme.text3),
                format!("{} kVA", trim(facts.rating_kva)),
            ),
        ];
        for (at, style, words) in texts {
            let size = vec2(text::width(ui, &style, &words), 15.0);
            rects.push(Rect::from_center_size(at, size + Vec2::splat(6.0)));
            if draw {
                text::text(ui, at, Align2::CENTER_CENTER, &style, &words);
            }
        }
    }
    rects
}

/// A figure without needless decimals.
fn trim(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
