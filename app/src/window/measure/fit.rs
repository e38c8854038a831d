//! V8, V9, V10, T8: whether everything that is written can be read.

use std::sync::Arc;

use egui::{Key, Modifiers};
use gridloom_core::Twin;
use gridloom_core::view::{Selected, ViewModel};
use gridloom_units::Tick;

use super::robot::Robot;
use crate::window::engineer::Pane;
use crate::window::fonts;
use crate::window::state::{MapCamera, UiScale, Workspace};
use crate::window::text::Painted;
use crate::window::theme::{ThemeName, luminance};

/// Texts that cannot be read as they are, by kind.
#[derive(Default)]
pub struct Fit {
    /// Windows looked at.
    pub windows: usize,
    /// Texts looked at.
    pub texts: usize,
    /// Shortened with an ellipsis.
    pub cut: usize,
    /// Reaching out of their place to the left or right.
    pub clipped: usize,
    /// Pairs over each other.
    pub overlaps: usize,
    /// The first few of them, for a person.
    pub examples: Vec<String>,
}

/// Window sizes and scales of bar V8: what a person may see from the smallest
/// window to a large screen, from 75 to 200 %.
const WINDOWS: [(f32, f32, f32); 9] = [
    (1_280.0, 720.0, 1.0),
    (1_280.0, 720.0, 0.75),
    (1_600.0, 900.0, 1.0),
    (1_600.0, 900.0, 1.25),
    (1_920.0, 1_080.0, 1.0),
    (1_920.0, 1_080.0, 1.5),
    (2_560.0, 1_440.0, 2.0),
    (3_840.0, 2_160.0, 1.25),
    (3_840.0, 2_160.0, 2.0),
];

impl Fit {
    /// Looks at the texts of a window; what differs only by the place of the
    /// list it stands in counts once.
    fn look(&mut self, texts: &[Painted], case: &str) {
        self.windows += 1;
        self.texts += texts.len();
        for (index, a) in texts.iter().enumerate() {
            let outside = a.rect.min.x < a.clip.min.x - 0.5 || a.rect.max.x > a.clip.max.x + 0.5;
            if a.cut || a.text.ends_with('…') {
                self.cut += 1;
                self.note(format!("cut in {case}: {}", a.text));
            }
            if outside {
                self.clipped += 1;
                self.note(format!("clipped in {case}: {}", a.text));
            }
            let seen = a.rect.intersect(a.clip).shrink(1.0);
            for b in texts[index + 1..].iter().filter(|b| b.layer == a.layer) {
                let over = seen.intersect(b.rect.intersect(b.clip).shrink(1.0));
                if over.width() > 0.5 && over.height() > 0.5 {
                    self.overlaps += 1;
                    self.note(format!(
                        "over each other in {case}: {} | {}",
                        a.text, b.text
                    ));
                }
            }
        }
    }

    fn note(&mut self, words: String) {
        if self.examples.len() < 60 && !self.examples.contains(&words) {
            self.examples.push(words);
        }
    }
}

/// V8: every workspace in every window, with different things selected.
pub fn texts(twin: &mut Twin, also: &[Selected]) -> Fit {
    let mut fit = Fit::default();
    let mut choices = vec![None];
    choices.extend(also.iter().copied().map(Some));
    for selected in choices {
        let view = Arc::new(twin.view(selected));
        for (width, height, scale) in WINDOWS {
            let mut robot = Robot::new(Arc::clone(&view), (width, height));
            robot.state.selected = selected;
            robot.state.scale = UiScale(scale);
            for workspace in Workspace::ALL {
                robot.state.workspace = workspace;
                robot.state.engineer.tiles = None;
                robot.settle();
                let case = format!(
                    "{} at {width}x{height} {} %",
                    workspace.name(),
                    (scale * 100.0) as u32
                );
                fit.look(&robot.texts(), &case);
            }
        }
    }
    fit
}

/// V8: every tab of the Engineer workspace, in the smallest and the design's window.
pub fn tabs(twin: &mut Twin, selected: Option<Selected>, fit: &mut Fit) {
    let view = Arc::new(twin.view(selected));
    for size in [(1_280.0, 720.0), (1_920.0, 1_080.0)] {
        for pane in Pane::ALL {
            let mut robot = Robot::new(Arc::clone(&view), size);
            robot.state.selected = selected;
            robot.state.workspace = Workspace::Engineer;
            robot.state.engineer.front = Some(pane);
            robot.state.engineer.tiles = None;
            robot.settle();
            let case = format!("{pane:?} at {}x{}", size.0, size.1);
            fit.look(&robot.texts(), &case);
        }
    }
}

/// What the map shows over a slow zoom from all to one house and back.
pub struct LabelSweep {
    /// Most labels at once.
    pub most: usize,
    /// Pairs of labels over each other.
    pub overlaps: usize,
    /// Frames that differ from what they settle to.
    pub pops: usize,
    /// Changes of the level of detail.
    pub levels: usize,
}

/// V9: labels and levels of detail while somebody zooms.
pub fn labels(view: &Arc<ViewModel>) -> LabelSweep {
    let mut robot = Robot::new(Arc::clone(view), (1_920.0, 1_080.0));
    let mut sweep = LabelSweep {
        most: 0,
        overlaps: 0,
        pops: 0,
        levels: 0,
    };
    let placed = |robot: &Robot| robot.state.map.placed.clone();
    let Some(fitted) = placed(&robot).map(|p| p.transform.camera) else {
        return sweep;
    };
    // A home in the middle of the list stands for where somebody looks.
    let home = view.scene.homes.get(view.scene.homes.len() / 2);
    let bus = home.and_then(|h| view.scene.buses.get(h.bus));
    let to = bus.map_or(fitted.centre_m, |b| b.pos_m);
    let mut level = placed(&robot).map(|p| p.detail);
    let steps = 60_i32;
    for step in (0..=steps).chain((0..steps).rev()) {
        let share = f64::from(step) / f64::from(steps);
        let px_per_m = fitted.px_per_m * libm::pow(24.0 / fitted.px_per_m, share);
        let blend = |a: f64, b: f64| a + (b - a) * share.min(0.5) * 2.0;
        robot.state.camera = Some(MapCamera {
            centre_m: (
                blend(fitted.centre_m.0, to.0),
                blend(fitted.centre_m.1, to.1),
            ),
            px_per_m,
        });
        robot.pass();
        let first = (shown(&robot), placed(&robot).map(|p| p.detail));
        robot.pass();
        let second = (shown(&robot), placed(&robot).map(|p| p.detail));
        sweep.pops += usize::from(first != second);
        sweep.levels += usize::from(second.1 != level);
        level = second.1;
        let labels = &robot.state.map.labels;
        sweep.most = sweep.most.max(labels.len());
        for (index, a) in labels.iter().enumerate() {
            let over = labels[index + 1..].iter();
            sweep.overlaps += over.filter(|b| a.rect.intersects(b.rect)).count();
        }
    }
    sweep
}

/// Labels and amount of drawing of the last pass.
fn shown(robot: &Robot) -> (Vec<[i32; 2]>, [usize; 3]) {
    let map = &robot.state.map;
    let labels = map.labels.iter();
    let places = labels.map(|l| [l.rect.min.x as i32, l.rect.min.y as i32]);
    let world = &map.world;
    let counts = [world.under.len(), world.moving.len(), world.symbols.len()];
    (places.collect(), counts)
}

/// V10: largest change of the width of a value while its digits change, px.
pub fn digit_widths(view: &Arc<ViewModel>) -> f32 {
    let robot = Robot::new(Arc::clone(view), (1_280.0, 720.0));
    let mut worst = 0.0_f32;
    for font in [fonts::medium, fonts::semibold, fonts::mono] {
        for size in [11.0, 12.0, 13.0, 14.0, 16.0, 20.0, 24.0, 44.0] {
            for form in ["dd.d", "+ddd.d", "\u{2212}ddd.d", "d.ddd", "dd:dd:dd.ddd"] {
                let widths = ('0'..='9').map(|digit| {
                    let words = form.replace('d', &digit.to_string());
                    robot.width(font(size), &words)
                });
                let (low, high) = widths.fold((f32::INFINITY, 0.0_f32), |(low, high), w| {
                    (low.min(w), high.max(w))
                });
                worst = worst.max(high - low);
            }
        }
    }
    worst
}

/// What an audience can read, and whether a clicker suffices.
pub struct Presented {
    /// Smallest letters, px.
    pub smallest_px: f32,
    /// Smallest contrast of live text on what lies under it.
    pub contrast: f64,
    /// Captions told by pressing nothing but the clicker.
    pub told: usize,
    /// Captions of the scene.
    pub captions: usize,
}

/// T8: presents a scene with nothing but the clicker.
pub fn presenter(twin: &mut Twin) -> Presented {
    let view = Arc::new(twin.view(None));
    let mut robot = Robot::new(view, (1_920.0, 1_080.0));
    robot.key(Key::F12, Modifiers::NONE);
    let mut presented = Presented {
        smallest_px: f32::INFINITY,
        contrast: f64::INFINITY,
        told: 0,
        captions: robot.view.story.script.iter().filter(|e| e.says).count(),
    };
    for theme in [ThemeName::Night, ThemeName::Day] {
        robot.state.theme = theme;
        // A caption whose condition has no time comes when it comes: run on to it.
        for _ in 0..60 {
            robot.key(Key::PageDown, Modifiers::NONE);
            robot.playback.playing = true;
            if !robot.serve(twin) || twin.tick() >= twin.end() {
                break;
            }
            read(&robot, theme, &mut presented);
        }
        let end = twin.end();
        twin.run_until(end);
        robot.view = Arc::new(twin.view(None));
        presented.told = presented.told.max(robot.view.story.told);
        twin.seek(Tick(1));
        robot.view = Arc::new(twin.view(None));
    }
    presented
}

fn read(robot: &Robot, theme: ThemeName, presented: &mut Presented) {
    let tokens = robot.theme(theme);
    let zoom = robot.state.zoom(robot.size);
    let digits = [
        tokens.alarm1_digit,
        tokens.alarm2_digit,
        tokens.alarm3_digit,
    ];
    for text in robot.texts() {
        // The digit of an alarm repeats what its shape says.
        if digits.contains(&text.colour) && text.text.len() == 1 {
            continue;
        }
        presented.smallest_px = presented.smallest_px.min(text.size * zoom);
        // Captions stand on a plate of the first ink, everything else on the ground.
        let ground = if text.colour == tokens.base {
            tokens.text1
        } else {
            tokens.base
        };
        let (a, b) = (luminance(text.colour), luminance(ground));
        let ratio = (a.max(b) + 0.05) / (a.min(b) + 0.05);
        presented.contrast = presented.contrast.min(ratio);
    }
}
