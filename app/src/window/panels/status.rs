//! Status bar: what holds for the whole community.

use egui::{Align2, CornerRadius, Rect, Stroke, Ui, pos2, vec2};

use crate::window::draw;
use crate::window::state::Workspace;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// A pen that writes from left to right in the bar.
struct Pen<'a> {
    ui: &'a Ui,
    x: f32,
    y: f32,
    /// Nothing is written beyond this.
    end: f32,
}

impl Pen<'_> {
    fn write(&mut self, style: &Style, words: &str, gap: f32) -> bool {
        let width = text::width(self.ui, style, words);
        if self.x + width > self.end {
            self.end = self.x;
            return false;
        }
        text::text(
            self.ui,
            pos2(self.x, self.y),
            Align2::LEFT_CENTER,
            style,
            words,
        );
        self.x += width + gap;
        true
    }

    /// Whether a piece of this width still fits.
    fn fits(&self, width: f32) -> bool {
        self.x + width <= self.end
    }

    fn divider(&mut self, cx: &Cx<'_>) {
        if self.fits(40.0) {
            let line = [pos2(self.x, self.y - 9.0), pos2(self.x, self.y + 9.0)];
            self.ui
                .painter()
                .line_segment(line, Stroke::new(1.0, cx.theme.rule));
            self.x += 16.0;
        }
    }
}

/// Shows the bar; in narrow windows engine, rate and validators go first.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let theme = cx.theme;
    let right = tabs(ui, cx, rect);
    let mut pen = Pen {
        ui,
        x: rect.min.x + 16.0,
        y: rect.center().y,
        end: right - 12.0,
    };
    draw::logo(ui.painter(), pos2(pen.x + 8.0, pen.y), theme.text1);
    pen.x += 24.0;
    pen.write(&Style::strong(14.0, theme.text1), "Gridloom", 12.0);
    pen.divider(cx);
    title(&mut pen, cx);
    pen.divider(cx);
    mode(&mut pen, cx);
    pen.divider(cx);
    alarms(&mut pen, cx);
    pen.divider(cx);
    ledgers(&mut pen, cx);
    engine(&mut pen, cx);
}

/// How long ago the alarms were looked at; the first thing to go.
fn engine(pen: &mut Pen<'_>, cx: &Cx<'_>) {
    let age = if cx.state.watchdog.silent() {
        "alarms are not evaluated".to_owned()
    } else {
        let age_s = cx.playback.alarms_checked_s;
        format!("alarms checked {} s ago", text::plain(age_s, 1))
    };
    let (heading, body) = (
        Style::heading(cx.theme.text2),
        Style::body(12.0, cx.theme.text2),
    );
    let width = text::width(pen.ui, &heading, "ENGINE") + text::width(pen.ui, &body, &age) + 40.0;
    if !cx.compact && pen.fits(width) {
        pen.divider(cx);
        pen.write(&heading, "ENGINE", 8.0);
        pen.write(&body, &age, 16.0);
    }
}

/// Workspace and finder at the right; returns where they begin.
fn tabs(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) -> f32 {
    let theme = cx.theme;
    let find = Rect::from_min_max(pos2(rect.max.x - 112.0, rect.min.y), rect.max);
    let response = ui.interact(find, ui.id().with("find"), egui::Sense::click());
    response
        .widget_info(|| egui::WidgetInfo::labeled(egui::WidgetType::Button, true, "Find asset"));
    if response.clicked() {
        cx.state.palette = Some(String::new());
    }
    let y = rect.center().y;
    let ink = if response.hovered() {
        theme.text1
    } else {
        theme.text2
    };
    text::text(
        ui,
        pos2(find.min.x + 8.0, y),
        Align2::LEFT_CENTER,
        &Style::body(12.0, ink),
        "Find",
    );
    text::text(
        ui,
        pos2(find.max.x - 16.0, y),
        Align2::RIGHT_CENTER,
        &Style::mono(11.0, theme.text3),
        "Ctrl K",
    );
    let mut right = find.min.x - 4.0;
    for (index, workspace) in Workspace::ALL.into_iter().enumerate().rev() {
        let style = Style::strong(13.0, theme.text1);
        let width = text::width(ui, &style, workspace.name()) + 40.0;
        let tab = Rect::from_min_max(
            pos2(right - width, rect.min.y),
            pos2(right, rect.max.y - 1.0),
        );
        workspace_tab(ui, cx, tab, index, workspace);
        right = tab.min.x;
    }
    let tab = Rect::from_min_max(pos2(right, rect.min.y), pos2(right, rect.max.y));
    let other = cx.state.theme.other();
    let name = match other {
        super::super::theme::ThemeName::Day => "Day",
        super::super::theme::ThemeName::Night => "Night",
    };
    let theme_tab = Rect::from_min_max(
        pos2(tab.min.x - 70.0, rect.min.y),
        pos2(tab.min.x - 6.0, rect.max.y),
    );
    let response = ui.interact(theme_tab, ui.id().with("theme"), egui::Sense::click());
    response
        .widget_info(|| egui::WidgetInfo::labeled(egui::WidgetType::Button, true, "Change theme"));
    if response.clicked() {
        cx.state.theme = other;
    }
    text::text(
        ui,
        pos2(theme_tab.min.x + 6.0, y),
        Align2::LEFT_CENTER,
        &Style::mono(11.0, theme.text3),
        "T",
    );
    text::text(
        ui,
        pos2(theme_tab.min.x + 20.0, y),
        Align2::LEFT_CENTER,
        &Style::body(12.0, theme.text2),
        name,
    );
    theme_tab.min.x
}

/// One workspace: its key, its name, and a foot under the shown one.
fn workspace_tab(ui: &Ui, cx: &mut Cx<'_>, tab: Rect, index: usize, workspace: Workspace) {
    let theme = cx.theme;
    let shown = cx.state.workspace == workspace;
    let response = ui.interact(
        tab,
        ui.id().with(("workspace", index)),
        egui::Sense::click(),
    );
    response.widget_info(|| {
        let kind = egui::WidgetType::RadioButton;
        egui::WidgetInfo::selected(kind, true, shown, workspace.name())
    });
    if response.clicked() {
        cx.state.workspace = workspace;
    }
    if shown || response.hovered() || response.has_focus() {
        ui.painter()
            .rect_filled(tab, CornerRadius::ZERO, theme.raised);
    }
    if shown {
        let foot = Rect::from_min_max(pos2(tab.min.x, tab.max.y - 2.0), tab.max);
        ui.painter().rect_filled(foot, 0.0, theme.text1);
    }
    let y = tab.center().y;
    let key = Style::mono(11.0, theme.text3);
    let at = pos2(tab.min.x + 10.0, y);
    text::text(
        ui,
        at,
        Align2::LEFT_CENTER,
        &key,
        &format!("F{}", index + 1),
    );
    let style = if shown {
        Style::strong(13.0, theme.text1)
    } else {
        Style::body(13.0, theme.text2)
    };
    let at = pos2(tab.min.x + 30.0, y);
    text::text(ui, at, Align2::LEFT_CENTER, &style, workspace.name());
}

fn title(pen: &mut Pen<'_>, cx: &Cx<'_>) {
    let scene = &cx.view.scene;
    let style = Style::strong(13.0, cx.theme.text1);
    let most = if cx.compact { 150.0 } else { 320.0 };
    let galley = text::galley(pen.ui, &style, most, &scene.title);
    let width = galley.size().x;
    if pen.fits(width) {
        text::text_within(
            pen.ui,
            pos2(pen.x, pen.y),
            Align2::LEFT_CENTER,
            &style,
            most,
            &scene.title,
        );
        pen.x += width + 16.0;
    }
}

fn mode(pen: &mut Pen<'_>, cx: &Cx<'_>) {
    let grid = &cx.view.grid;
    let dot = pos2(pen.x + 4.0, pen.y);
    if grid.grid_tied {
        pen.ui.painter().circle_filled(dot, 4.0, cx.theme.text1);
    } else {
        pen.ui
            .painter()
            .circle_stroke(dot, 4.0, Stroke::new(1.5, cx.theme.text1));
    }
    pen.x += 16.0;
    let islands = &cx.view.islands;
    let words = match (grid.grid_tied, islands.planned, islands.islands.len()) {
        (true, ..) => "GRID-TIED".to_owned(),
        (false, true, 0) => "BLACKOUT".to_owned(),
        (false, _, count) if count > 1 => format!("{count} ISLANDS"),
        _ => "ISLAND".to_owned(),
    };
    let strong = Style::strong(13.0, cx.theme.text1);
    let body = Style::body(12.0, cx.theme.text2);
    pen.write(&strong, &words, 10.0);
    if grid.frequency_hz > 0.0 {
        pen.write(&strong, &text::plain(grid.frequency_hz, 2), 6.0);
        pen.write(&body, "Hz", 14.0);
    }
    if !grid.grid_tied && !islands.islands.is_empty() {
        let up: f64 = islands.islands.iter().map(|i| i.reserve_up_kw).sum();
        pen.write(&body, &format!("reserve {} kW", text::plain(up, 1)), 14.0);
    }
    let past = cx.view.tick < cx.view.head;
    if past && !cx.compact {
        pen.write(&body, "shown: the past", 10.0);
    }
    if !grid.converged {
        pen.write(&Style::strong(12.0, cx.theme.text1), "NO SOLUTION", 14.0);
    }
}

fn alarms(pen: &mut Pen<'_>, cx: &Cx<'_>) {
    let theme = cx.theme;
    if !cx.compact {
        pen.write(&Style::heading(theme.text2), "ALARMS", 8.0);
    }
    for level in 0..3 {
        let count = cx
            .view
            .alarms
            .iter()
            .filter(|a| a.active && a.state.listed() && a.priority as usize == level)
            .count();
        if !pen.fits(40.0) {
            return;
        }
        let at = pos2(pen.x + 7.0, pen.y);
        draw::alarm(pen.ui.painter(), at, 14.0, level, count > 0, theme);
        if count > 0 {
            draw::alarm_digit(pen.ui, at, level, 11.0, theme);
        }
        pen.x += 19.0;
        let style = if count > 0 {
            Style::strong(13.0, theme.text1)
        } else {
            Style::body(13.0, theme.text2)
        };
        pen.write(&style, &count.to_string(), 10.0);
    }
    if !cx.compact {
        let rates = cx.view.alarm_rates;
        if rates.shelved > 0 {
            let words = format!("{} shelved", rates.shelved);
            pen.write(&Style::body(12.0, theme.text2), &words, 10.0);
        }
        let recent = rates.last_10_min;
        pen.write(
            &Style::body(12.0, theme.text2),
            &format!("{recent} in 10 min"),
            14.0,
        );
    }
}

fn ledgers(pen: &mut Pen<'_>, cx: &Cx<'_>) {
    let theme = cx.theme;
    if !cx.compact {
        pen.write(&Style::heading(theme.text2), "LEDGER", 8.0);
    }
    if cx.view.ledgers.is_empty() {
        pen.write(&Style::body(12.0, theme.text3), "none", 12.0);
        return;
    }
    let square = Rect::from_center_size(pos2(pen.x + 5.0, pen.y), vec2(10.0, 10.0));
    pen.ui.painter().rect_filled(square, 0.0, theme.ledger);
    pen.x += 16.0;
    for ledger in cx.view.ledgers.iter().take(4) {
        let short = if ledger.id == "root" {
            "root".to_owned()
        } else {
            ledger.id.clone()
        };
        pen.write(&Style::body(12.0, theme.text2), &short, 4.0);
        pen.write(
            &Style::strong(13.0, theme.text1),
            &text::grouped(ledger.height),
            10.0,
        );
    }
    if cx.compact {
        return;
    }
    let oldest = cx.view.ledgers.iter().map(|l| l.age_s).fold(0.0, f64::max);
    pen.write(
        &Style::body(12.0, theme.text2),
        &format!("oldest {} s ago", text::plain(oldest, 1)),
        10.0,
    );
    let up: usize = cx.view.ledgers.iter().map(|l| l.validators_up).sum();
    let all: usize = cx.view.ledgers.iter().map(|l| l.validators).sum();
    pen.write(
        &Style::body(12.0, theme.text2),
        &format!("{up}/{all} validators"),
        14.0,
    );
}
