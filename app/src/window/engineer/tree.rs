//! Objects by feeder section, one filter expression over all, breakpoints.

use egui::{Align2, CornerRadius, Id, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::view::Selected;

use super::filter;
use crate::window::desk::BreakAction;
use crate::window::panels::{Column, scrolled};
use crate::window::state::UiAction;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;
use crate::window::{draw, fonts};

/// Height of a row, px.
const ROW: f32 = 22.0;

/// Rows at most; more are counted at the end of the list.
const ROWS: usize = 2_000;

/// Shows filter, tree and breakpoints.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let breaks_h = if cx.compact { 104.0 } else { 140.0 };
    let mut column = Column::inside(rect);
    column.left -= 4.0;
    column.right += 4.0;
    column.heading(ui, cx, "TREE", "filter");
    let mut words = std::mem::take(&mut cx.state.engineer.filter);
    let place = Rect::from_min_size(pos2(column.left, column.y), vec2(column.width(), 26.0));
    field(ui, cx, place, "filter", &mut words, "v < 0.99 & mlmd = M4");
    cx.state.engineer.filter = words;
    column.y += 34.0;
    let filter = filter::parsed(&cx.state.engineer.filter);
    let (rows, found, all) = rows(cx, filter.as_ref().ok().and_then(Option::as_ref));
    let note = match &filter {
        Err(reason) => reason.clone(),
        Ok(None) => format!("{all} objects"),
        Ok(Some(_)) => format!("{found} of {all} objects match"),
    };
    let style = Style::body(11.0, cx.theme.text2);
    let at = pos2(column.left, column.y + 6.0);
    text::text_within(ui, at, Align2::LEFT_CENTER, &style, column.width(), &note);
    column.y += 18.0;
    let list = Rect::from_min_max(
        pos2(rect.min.x, column.y),
        pos2(rect.max.x, rect.max.y - breaks_h),
    );
    scrolled(ui, "tree", list, |ui, area| {
        let mut y = area.min.y;
        let clip = ui.clip_rect();
        for row in &rows {
            let place = Rect::from_min_size(pos2(rect.min.x, y), vec2(rect.width(), ROW));
            // Rows out of sight cost nothing.
            if place.max.y >= clip.min.y && place.min.y <= clip.max.y {
                tree_row(ui, cx, place, row);
            }
            y += ROW;
        }
        y
    });
    let breaks = Rect::from_min_max(pos2(rect.min.x, list.max.y), rect.max);
    draw::rule(
        ui.painter(),
        rect.x_range().min..=rect.max.x,
        breaks.min.y,
        cx.theme,
    );
    breakpoints(ui, cx, breaks);
}

/// A line of the tree.
struct Row {
    depth: usize,
    words: String,
    value: String,
    what: Option<Selected>,
    /// Name under which the group remembers whether it is open.
    group: Option<(String, bool)>,
}

/// Rows of the tree, objects that match, and objects in all.
fn rows(cx: &Cx<'_>, filter: Option<&gridloom_model::expr::Expr>) -> (Vec<Row>, usize, usize) {
    let (view, scene) = (cx.view, &cx.view.scene);
    let mut rows = Vec::new();
    let (mut found, mut all) = (0, 0);
    let mut group = |name: String, depth: usize, objects: Vec<(Selected, String, String)>| {
        all += objects.len();
        let kept: Vec<_> = objects
            .into_iter()
            .filter(|(what, id, _)| filter::passes(view, filter, *what, id))
            .collect();
        found += kept.len();
        if filter.is_some() && kept.is_empty() {
            return;
        }
        let asked = cx.state.engineer.open.get(&name).copied();
        let open = asked.unwrap_or(filter.is_some());
        rows.push(Row {
            depth,
            words: name.clone(),
            value: kept.len().to_string(),
            what: None,
            group: Some((name, open)),
        });
        if !open {
            return;
        }
        for (what, id, value) in kept {
            if rows.len() < ROWS {
                rows.push(Row {
                    depth: depth + 1,
                    words: id,
                    value,
                    what: Some(what),
                    group: None,
                });
            }
        }
    };
    for (index, mlmd) in scene.mlmds.iter().enumerate() {
        let own = view.mlmds.get(index).map_or(String::new(), |m| {
            if m.closed {
                text::signed(m.through_kw, 1)
            } else {
                "open".to_owned()
            }
        });
        let mut objects = vec![(Selected::Mlmd(index), mlmd.id.clone(), own)];
        objects.extend(mlmd.homes.iter().filter_map(|&home| {
            let v = view.homes.get(home)?.v_pu;
            let value = v.map_or("dead".to_owned(), |v| text::plain(v, 3));
            Some((
                Selected::Home(home),
                scene.homes.get(home)?.id.clone(),
                value,
            ))
        }));
        group(format!("{} area", mlmd.id), 0, objects);
    }
    let batteries = scene.shared_batteries.iter().enumerate().map(|(i, b)| {
        let soc = view.shared_batteries.get(i).map_or(0.0, |s| s.soc);
        let value = format!("{} %", text::plain(soc * 100.0, 0));
        (Selected::SharedBattery(i), b.id.clone(), value)
    });
    group("Batteries".to_owned(), 0, batteries.collect());
    let aggregators = scene.clusters.iter().enumerate().map(|(i, c)| {
        let height = view.ledgers.get(i).map_or(0, |l| l.height);
        (
            Selected::Aggregator(i),
            c.aggregator.clone(),
            format!("h {height}"),
        )
    });
    group("Aggregators".to_owned(), 0, aggregators.collect());
    let lines = scene.lines.iter().enumerate().map(|(i, line)| {
        let loading = view.grid.line_loading.get(i).copied().unwrap_or(0.0);
        let value = format!("{} %", text::plain(loading * 100.0, 0));
        (Selected::Line(i), line.name.clone(), value)
    });
    group("Lines".to_owned(), 0, lines.collect());
    (rows, found, all)
}

fn tree_row(ui: &Ui, cx: &mut Cx<'_>, place: Rect, row: &Row) {
    let theme = cx.theme;
    let id = ui
        .id()
        .with(("tree", &row.words, row.depth, row.what.is_some()));
    let response = ui.interact(place, id, Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::WidgetType::Button, true, &row.words));
    let chosen = row.what.is_some() && row.what == cx.state.selected;
    if chosen || response.hovered() {
        ui.painter().rect_filled(place, 0.0, theme.raised);
    }
    if chosen {
        let bar = Rect::from_min_size(place.min, vec2(2.0, place.height()));
        ui.painter().rect_filled(bar, 0.0, theme.text1);
    }
    let x = place.min.x + 12.0 + row.depth as f32 * 14.0;
    let y = place.center().y;
    if let Some((_, open)) = &row.group {
        fold_mark(ui, pos2(x + 4.0, y), *open, theme.text2);
    }
    let style = if row.group.is_some() {
        Style::strong(12.0, theme.text1)
    } else {
        Style::body(12.0, theme.text1)
    };
    let shown = text::text_within(
        ui,
        pos2(x + 14.0, y),
        Align2::LEFT_CENTER,
        &style,
        place.max.x - x - 70.0,
        &row.words,
    );
    let at = pos2(place.max.x - 12.0, y);
    let value = Style::body(12.0, theme.text2);
    let room = at.x - shown.max.x - 6.0;
    text::text_if_fits(ui, at, Align2::RIGHT_CENTER, &value, room, &row.value);
    if response.clicked() {
        if let Some(what) = row.what {
            cx.select(Some(what));
        } else if let Some((name, open)) = &row.group {
            cx.state.engineer.open.insert(name.clone(), !open);
        }
    }
}

/// A small arrow: right when closed, down when open.
pub fn fold_mark(ui: &Ui, at: egui::Pos2, open: bool, ink: egui::Color32) {
    let points = if open {
        [vec2(-3.5, -1.75), vec2(0.0, 1.75), vec2(3.5, -1.75)]
    } else {
        [vec2(-1.75, -3.5), vec2(1.75, 0.0), vec2(-1.75, 3.5)]
    };
    let line = points.iter().map(|p| at + *p).collect();
    ui.painter()
        .add(egui::Shape::line(line, Stroke::new(1.25, ink)));
}

/// A text field in the window's style; returns whether Enter was pressed in it.
pub fn field(
    ui: &mut Ui,
    cx: &Cx<'_>,
    place: Rect,
    name: &str,
    words: &mut String,
    hint: &str,
) -> bool {
    ui.painter().rect(
        place,
        CornerRadius::same(4),
        cx.theme.base,
        Stroke::new(1.0, cx.theme.edge),
        StrokeKind::Inside,
    );
    let edit = egui::TextEdit::singleline(words)
        .hint_text(egui::RichText::new(hint).color(cx.theme.text3))
        .font(fonts::mono(12.0))
        .frame(egui::Frame::NONE)
        .id(Id::new(("field", name)));
    let response = ui.put(place.shrink2(vec2(8.0, 4.0)), edit);
    ui.ctx()
        .accesskit_node_builder(response.id, |node| node.set_label(name));
    response.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter))
}

/// Breakpoints: filled dot = on; a click on the text goes back to its last change.
fn breakpoints(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let mut column = Column::inside(rect);
    column.left -= 4.0;
    column.right += 4.0;
    column.y -= 6.0;
    column.heading(ui, cx, "BREAKPOINTS", "click: last change");
    let mut words = std::mem::take(&mut cx.state.engineer.condition);
    let place = Rect::from_min_size(
        pos2(column.left, column.y - 2.0),
        vec2(column.width(), 24.0),
    );
    if field(ui, cx, place, "condition", &mut words, "vmax > 1.08") && !words.trim().is_empty() {
        cx.actions
            .push(UiAction::Break(BreakAction::Add(words.trim().to_owned())));
        words.clear();
    }
    cx.state.engineer.condition = words;
    column.y += 28.0;
    let list = Rect::from_min_max(pos2(rect.min.x, column.y), rect.max);
    let rows = cx.desk.breakpoints.clone();
    scrolled(ui, "breaks", list, |ui, area| {
        let mut y = area.min.y;
        for (index, row) in rows.iter().enumerate() {
            let place = Rect::from_min_size(pos2(rect.min.x, y), vec2(rect.width(), ROW));
            let dot = pos2(place.min.x + 18.0, place.center().y);
            let hot = Rect::from_center_size(dot, vec2(20.0, ROW));
            let toggle = ui.interact(hot, ui.id().with(("break-on", index)), Sense::click());
            toggle.widget_info(|| {
                let kind = egui::WidgetType::Checkbox;
                egui::WidgetInfo::selected(kind, true, row.on, format!("Breakpoint {}", row.text))
            });
            if row.on {
                ui.painter().circle_filled(dot, 4.0, cx.theme.text1);
            } else {
                let stroke = Stroke::new(1.25, cx.theme.text3);
                ui.painter().circle_stroke(dot, 3.5, stroke);
            }
            let style = Style::mono(
                12.0,
                if row.on {
                    cx.theme.text1
                } else {
                    cx.theme.text3
                },
            );
            let at = pos2(place.min.x + 32.0, place.center().y);
            let room = place.width() - 138.0;
            let shown = text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, &row.text);
            let words = format!("{}, {} hits", row.value, row.hits);
            let note = Style::body(11.0, cx.theme.text2);
            let at = pos2(place.max.x - 30.0, place.center().y);
            text::text(ui, at, Align2::RIGHT_CENTER, &note, &words);
            let cross = Rect::from_center_size(pos2(place.max.x - 16.0, at.y), vec2(18.0, ROW));
            let remove = ui.interact(cross, ui.id().with(("break-x", index)), Sense::click());
            remove.widget_info(|| {
                let words = format!("Remove breakpoint {}", row.text);
                egui::WidgetInfo::labeled(egui::WidgetType::Button, true, words)
            });
            draw::cross(ui.painter(), cross.center(), 3.5, cx.theme.text3);
            let text_id = ui.id().with(("break-text", index));
            let back = ui.interact(shown.expand(2.0), text_id, Sense::click());
            let action = if toggle.clicked() {
                Some(BreakAction::Toggle(index))
            } else if remove.clicked() {
                Some(BreakAction::Remove(index))
            } else if back.clicked() {
                Some(BreakAction::LastChange(row.text.clone()))
            } else {
                None
            };
            cx.actions.extend(action.map(UiAction::Break));
            y += ROW;
        }
        y
    });
}
