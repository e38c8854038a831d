//! The dockable part: tabs can be dragged to other places.

use egui::{Align2, Color32, Rect, Stroke, Ui, WidgetText, pos2, vec2};
use egui_tiles::{Behavior, SimplificationOptions, TabState, TileId, Tiles, Tree, UiResponse};

use super::{curves, events, notes, phasor, plots, spacetime, votes, waves};
use crate::window::panels::{Column, scrolled};
use crate::window::text::{self, Style};
use crate::window::theme::Theme;
use crate::window::ui::Cx;
use crate::window::{draw, fonts};

/// A tile's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// Sequence of events.
    Events,
    /// Bookmarks, notes, branches.
    Notes,
    /// Space-time diagram.
    SpaceTime,
    /// Vote grid.
    Votes,
    /// Alarm catalogue.
    Catalogue,
    /// Plots.
    Plots,
    /// Phasor diagram.
    Phasor,
    /// Time-current curves.
    Curves,
    /// Waveforms of the fault recorder.
    Waves,
}

impl Pane {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Events,
        Self::Notes,
        Self::SpaceTime,
        Self::Votes,
        Self::Catalogue,
        Self::Plots,
        Self::Phasor,
        Self::Curves,
        Self::Waves,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Events => "Events",
            Self::Notes => "Notes, branches",
            Self::SpaceTime => "Space-time",
            Self::Votes => "Votes",
            Self::Catalogue => "Alarm catalogue",
            Self::Plots => "Plots",
            Self::Phasor => "Phasors",
            Self::Curves => "Time-current",
            Self::Waves => "Waveforms",
        }
    }
}

/// The tiles as they come: four places, three of them with further tabs; `front`
/// is the tab that shows.
fn arrangement(compact: bool, front: Option<Pane>) -> Tree<Pane> {
    let mut tiles = Tiles::default();
    let mut place = |panes: &[Pane]| {
        let ids: Vec<TileId> = panes.iter().map(|p| tiles.insert_pane(*p)).collect();
        let shown = panes.iter().position(|p| Some(*p) == front);
        let shown = shown.map(|at| ids[at]);
        let place = tiles.insert_tab_tile(ids);
        if let Some(egui_tiles::Tile::Container(egui_tiles::Container::Tabs(tabs))) =
            tiles.get_mut(place)
            && let Some(shown) = shown
        {
            tabs.set_active(shown);
        }
        place
    };
    let children = if compact {
        vec![
            place(&[Pane::Events, Pane::Notes]),
            place(&[Pane::SpaceTime, Pane::Votes, Pane::Catalogue]),
            place(&[Pane::Plots, Pane::Phasor, Pane::Curves, Pane::Waves]),
        ]
    } else {
        vec![
            place(&[Pane::Events, Pane::Notes]),
            place(&[Pane::SpaceTime]),
            place(&[Pane::Votes, Pane::Catalogue]),
            place(&[Pane::Plots, Pane::Phasor, Pane::Curves, Pane::Waves]),
        ]
    };
    let root = tiles.insert_horizontal_tile(children.clone());
    let shares = [440.0, 540.0, 420.0, 520.0];
    if let Some(egui_tiles::Tile::Container(egui_tiles::Container::Linear(linear))) =
        tiles.get_mut(root)
    {
        for (child, share) in children.iter().zip(shares) {
            linear.shares.set_share(*child, share);
        }
    }
    Tree::new("engineer-tiles", root, tiles)
}

/// Shows the tiles.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let mut tree = cx
        .state
        .engineer
        .tiles
        .take()
        .unwrap_or_else(|| arrangement(cx.compact, cx.state.engineer.front));
    let mut place = ui.new_child(egui::UiBuilder::new().max_rect(rect).id_salt("tiles"));
    place.set_clip_rect(rect);
    tree.ui(&mut Docked { cx }, &mut place);
    cx.state.engineer.tiles = Some(tree);
}

struct Docked<'a, 'b> {
    cx: &'a mut Cx<'b>,
}

impl Docked<'_, '_> {
    fn theme(&self) -> &Theme {
        self.cx.theme
    }
}

impl Behavior<Pane> for Docked<'_, '_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, pane: &mut Pane) -> UiResponse {
        let rect = ui.max_rect();
        ui.painter().rect_filled(rect, 0.0, self.theme().panel);
        match pane {
            Pane::Events => events::show(ui, self.cx, rect),
            Pane::Notes => notes::show(ui, self.cx, rect),
            Pane::SpaceTime => spacetime::show(ui, self.cx, rect),
            Pane::Votes => votes::show(ui, self.cx, rect),
            Pane::Catalogue => catalogue(ui, self.cx, rect),
            Pane::Plots => plots::show(ui, self.cx, rect),
            Pane::Phasor => phasor::show(ui, self.cx, rect),
            Pane::Curves => curves::show(ui, self.cx, rect),
            Pane::Waves => waves::show(ui, self.cx, rect),
        }
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        egui::RichText::new(pane.title())
            .font(fonts::semibold(12.0))
            .into()
    }

    fn on_tab_button(
        &mut self,
        tiles: &mut Tiles<Pane>,
        tile: TileId,
        response: egui::Response,
    ) -> egui::Response {
        if let Some(egui_tiles::Tile::Pane(pane)) = tiles.get(tile) {
            let (title, id) = (pane.title(), response.id);
            response.ctx.accesskit_node_builder(id, |node| {
                node.set_role(egui::accesskit::Role::Tab);
                node.set_label(title);
            });
        }
        response
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions {
            all_panes_must_have_tabs: true,
            ..SimplificationOptions::default()
        }
    }

    fn tab_bar_height(&self, _style: &egui::Style) -> f32 {
        26.0
    }

    fn gap_width(&self, _style: &egui::Style) -> f32 {
        1.0
    }

    fn tab_bar_color(&self, _visuals: &egui::Visuals) -> Color32 {
        self.theme().panel
    }

    fn tab_bg_color(
        &self,
        _visuals: &egui::Visuals,
        _tiles: &Tiles<Pane>,
        _tile: TileId,
        state: &TabState,
    ) -> Color32 {
        if state.active {
            self.theme().raised
        } else {
            self.theme().panel
        }
    }

    fn tab_outline_stroke(
        &self,
        _visuals: &egui::Visuals,
        _tiles: &Tiles<Pane>,
        _tile: TileId,
        _state: &TabState,
    ) -> Stroke {
        Stroke::NONE
    }

    fn tab_bar_hline_stroke(&self, _visuals: &egui::Visuals) -> Stroke {
        Stroke::new(1.0, self.theme().rule)
    }

    fn tab_text_color(
        &self,
        _visuals: &egui::Visuals,
        _tiles: &Tiles<Pane>,
        _tile: TileId,
        state: &TabState,
    ) -> Color32 {
        if state.active {
            self.theme().text1
        } else {
            self.theme().text2
        }
    }
}

/// Every alarm the run can raise, once per title pattern.
fn catalogue(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    scrolled(ui, "catalogue", rect, |ui, area| {
        let mut column = Column::inside(area);
        column.y -= 4.0;
        let count = cx.view.scene.catalogue.len();
        column.heading(ui, cx, "CATALOGUE", &format!("{count} points"));
        let mut seen: Vec<&str> = Vec::new();
        for row in &cx.view.scene.catalogue {
            if seen.contains(&row.cause) {
                continue;
            }
            seen.push(row.cause);
            let y = column.y + 10.0;
            let at = pos2(column.left + 7.0, y);
            draw::alarm(
                ui.painter(),
                at,
                13.0,
                row.priority as usize,
                true,
                cx.theme,
            );
            let style = Style::strong(12.0, cx.theme.text1);
            let at = pos2(column.left + 22.0, y);
            let room = column.width() - 90.0;
            text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, &row.title);
            let style = Style::body(11.0, cx.theme.text2);
            let words = format!("{} min", row.respond_s.div_ceil(60));
            let at = pos2(column.right, y);
            text::text(ui, at, Align2::RIGHT_CENTER, &style, &words);
            let mut y = y + 10.0;
            for words in [row.cause, row.consequence, row.action.as_str()] {
                let at = pos2(column.left + 22.0, y);
                let shown = text::paragraph(ui, at, &style, column.width() - 24.0, words);
                y = shown.max.y + 1.0;
            }
            column.y = y + 6.0;
            let line = column.left..=column.right;
            draw::rule(ui.painter(), line, column.y.round() - 3.5, cx.theme);
        }
        column.y + vec2(0.0, 8.0).y
    });
}
