//! The window: workspaces Operate, Train and Engineer over a running twin.
//!
//! Panels and map are functions of a [`ViewModel`] and the window's own
//! state; they never touch the simulation. The picture without a window
//! ([`shot()`]) runs exactly the same systems.

mod app;
mod audience;
mod canvas;
mod commands;
mod desk;
mod device;
mod dialogs;
mod draw;
mod engineer;
#[cfg(test)]
mod fixture;
mod fonts;
mod input;
mod map;
pub mod measure;
mod panels;
mod plot;
mod shot;
mod state;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod train;
#[allow(
    clippy::module_inception,
    reason = "the layout of the window's interface"
)]
mod ui;

use std::sync::Arc;

use gridloom_core::playback::PlaybackState;
use gridloom_core::view::ViewModel;

pub use self::app::run;
pub use self::desk::{
    BranchRow, BreakAction, BreakRow, Desk, DeskAction, LibraryRow, Other, SnapshotRow,
};
pub use self::engineer::Pane;
pub use self::shot::{ShotOptions, shot};
pub use self::state::{UiAction, Workspace, WorldView};
pub use self::theme::ThemeName;

/// The twin as the window sees it. It runs elsewhere: no call may wait for a tick.
pub trait Session: Send {
    /// The newest view to show.
    fn latest(&mut self) -> Arc<ViewModel>;
    /// The physical devices, where there are any.
    fn devices(&mut self) -> Arc<crate::devices::DevicesView> {
        Arc::default()
    }
    /// What time does.
    fn playback(&self) -> PlaybackState;
    /// What stands beside the shown moment.
    fn desk(&self) -> Arc<Desk>;
    /// A request of the person at the window.
    fn send(&mut self, action: UiAction);
}

/// What to say where no window can open.
pub const NO_DISPLAY: &str = "No display was found (neither DISPLAY nor WAYLAND_DISPLAY is set), so the window \
cannot open. Without one, `gridloom run SCENE` simulates a scene and prints its results, and \
`gridloom shot SCENE --at 12:00 -o picture.png` draws the window into a file.";

/// Whether a window can open here.
pub fn display_available() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
