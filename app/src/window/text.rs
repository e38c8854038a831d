//! Text at exact places.
//!
//! Panels are laid out on a 4 px grid, so text is painted where the layout
//! says instead of flowing. Every piece of text is also a named node for
//! accessibility and, where it is measured, an entry of the text log that the overlap
//! checks read.

use std::sync::atomic::{AtomicBool, Ordering};

use egui::{
    self, Align2, Color32, FontId, Pos2, Rect, Sense, Ui, WidgetInfo, WidgetType,
    text::{LayoutJob, TextFormat, TextWrapping},
};

use super::fonts;

/// Size, weight and colour of a piece of text.
#[derive(Clone, Debug)]
pub struct Style {
    font: FontId,
    colour: Color32,
    spacing: f32,
}

impl Style {
    /// Inter Medium.
    pub fn body(size: f32, colour: Color32) -> Self {
        Self {
            font: fonts::medium(size),
            colour,
            spacing: 0.0,
        }
    }

    /// Inter `SemiBold`.
    pub fn strong(size: f32, colour: Color32) -> Self {
        Self {
            font: fonts::semibold(size),
            colour,
            spacing: 0.0,
        }
    }

    /// JetBrains Mono.
    pub fn mono(size: f32, colour: Color32) -> Self {
        Self {
            font: fonts::mono(size),
            colour,
            spacing: 0.0,
        }
    }

    /// Capitals of a section.
    pub fn heading(colour: Color32) -> Self {
        Self {
            font: fonts::semibold(11.0),
            colour,
            spacing: 0.6,
        }
    }
}

/// Where a piece of text was painted.
#[derive(Clone, Debug)]
pub struct Painted {
    /// Its words.
    pub text: String,
    /// Its ink.
    pub rect: Rect,
    /// The part of the screen it may use.
    pub clip: Rect,
    /// Whether it had to be shortened.
    pub cut: bool,
    /// Size of the letters, px.
    pub size: f32,
    /// Colour of the letters.
    pub colour: Color32,
    /// Painting layer: text of a dialogue may cover text below it.
    pub layer: egui::LayerId,
}

/// Text painted in the running pass.
#[derive(Clone, Debug, Default)]
struct TextLog {
    /// Pass the entries belong to.
    pass: u64,
    /// The entries.
    entries: Vec<Painted>,
}

/// Whether painted text is noted: only for tests and measurements.
static LOGGED: AtomicBool = AtomicBool::new(cfg!(test));

/// Notes painted text from now on.
pub fn log_on() {
    LOGGED.store(true, Ordering::Relaxed);
}

/// Name under which the log is kept in the context.
fn log_id() -> egui::Id {
    egui::Id::new("gridloom-text-log")
}

/// Text painted in the last pass of a context, where it is noted.
pub fn painted(ctx: &egui::Context) -> Vec<Painted> {
    ctx.data_mut(|data| {
        data.get_temp_mut_or_default::<TextLog>(log_id())
            .entries
            .clone()
    })
}

/// Lays text out on one line, shortened with an ellipsis at `max_width`.
pub fn galley(ui: &Ui, style: &Style, max_width: f32, text: &str) -> std::sync::Arc<egui::Galley> {
    let mut job = LayoutJob::single_section(
        text.to_owned(),
        TextFormat {
            font_id: style.font.clone(),
            color: style.colour,
            extra_letter_spacing: style.spacing,
            ..Default::default()
        },
    );
    job.wrap = TextWrapping::truncate_at_width(max_width.max(1.0));
    ui.ctx().fonts_mut(|f| f.layout_job(job))
}

/// Width of a piece of text, px.
pub fn width(ui: &Ui, style: &Style, text: &str) -> f32 {
    galley(ui, style, f32::INFINITY, text).size().x
}

/// Paints text with `anchor` at `at`; returns its rectangle.
pub fn text(ui: &Ui, at: Pos2, anchor: Align2, style: &Style, text: &str) -> Rect {
    text_within(ui, at, anchor, style, f32::INFINITY, text)
}

/// As [`text`], at most `max_width` wide.
pub fn text_within(
    ui: &Ui,
    at: Pos2,
    anchor: Align2,
    style: &Style,
    max_width: f32,
    text: &str,
) -> Rect {
    let galley = galley(ui, style, max_width, text);
    let rect = anchor.anchor_size(at, galley.size());
    let cut = galley.elided;
    ui.painter().galley(rect.min, galley, style.colour);
    note(ui, rect, style, cut, text);
    rect
}

/// Paints text only where all of it fits into `room`.
pub fn text_if_fits(ui: &Ui, at: Pos2, anchor: Align2, style: &Style, room: f32, words: &str) {
    if width(ui, style, words) <= room {
        text(ui, at, anchor, style, words);
    }
}

/// As much of a text as fits into `room`, whole words and an ellipsis.
pub fn shortened(ui: &Ui, style: &Style, room: f32, text: &str) -> String {
    if width(ui, style, text) <= room {
        return text.to_owned();
    }
    let mut words: Vec<&str> = text.split_whitespace().collect();
    while words.len() > 1 {
        words.pop();
        let short = format!(
            "{}…",
            words.join(" ").trim_end_matches([',', '.', ':', ';'])
        );
        if width(ui, style, &short) <= room {
            return short;
        }
    }
    words
        .first()
        .map_or_else(String::new, |word| (*word).to_owned())
}

/// Paints text that may wrap; returns its rectangle.
pub fn paragraph(ui: &Ui, at: Pos2, style: &Style, max_width: f32, text: &str) -> Rect {
    let galley = ui.ctx().fonts_mut(|f| {
        f.layout(
            text.to_owned(),
            style.font.clone(),
            style.colour,
            max_width.max(20.0),
        )
    });
    let rect = Rect::from_min_size(at, galley.size());
    ui.painter().galley(rect.min, galley, style.colour);
    note(ui, rect, style, false, text);
    rect
}

/// Lines that [`paragraph`] needs for a text, from the widths of its letters;
/// a line that is all but full counts as full.
pub fn lines(ui: &Ui, style: &Style, max_width: f32, text: &str) -> usize {
    const SAFE: f32 = 0.98;
    let room = max_width.max(20.0) * SAFE;
    ui.ctx().fonts_mut(|fonts| {
        let mut of = |words: &str| -> f32 {
            words
                .chars()
                .map(|c| fonts.glyph_width(&style.font, c) + style.spacing)
                .sum()
        };
        let space = of(" ");
        let (mut lines, mut used) = (1, 0.0);
        for word in text.split(' ') {
            let width = of(word);
            if used > 0.0 && used + space + width > room {
                lines += 1;
                used = width;
            } else {
                used += width + if used > 0.0 { space } else { 0.0 };
            }
            // A word longer than the line is broken.
            while used > room {
                lines += 1;
                used -= room;
            }
        }
        lines
    })
}

/// Names the text for accessibility and for measurements.
fn note(ui: &Ui, rect: Rect, style: &Style, cut: bool, text: &str) {
    if text.is_empty() || !ui.is_rect_visible(rect) {
        return;
    }
    // Named by place, not by words: a value that changes stays the same node.
    let id = ui.id().with((
        "text",
        rect.min.x.to_bits(),
        rect.min.y.to_bits(),
        rect.max.x.to_bits(),
    ));
    ui.interact(rect, id, Sense::hover())
        .widget_info(|| WidgetInfo::labeled(WidgetType::Label, true, text));
    if LOGGED.load(Ordering::Relaxed) {
        log(ui, rect, style, cut, text);
    }
}

/// Keeps the text for the overlap checks.
fn log(ui: &Ui, rect: Rect, style: &Style, cut: bool, text: &str) {
    let pass = ui.ctx().cumulative_pass_nr();
    ui.ctx().data_mut(|data| {
        let log = data.get_temp_mut_or_default::<TextLog>(log_id());
        if log.pass != pass {
            *log = TextLog {
                pass,
                entries: Vec::new(),
            };
        }
        log.entries.push(Painted {
            text: text.to_owned(),
            rect,
            clip: ui.clip_rect(),
            cut,
            size: style.font.size,
            colour: style.colour,
            layer: ui.layer_id(),
        });
    });
}

/// A number with a typographic minus; `–` for what is not finite.
pub fn signed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{:.*}", decimals, value.abs());
    let zero = text.bytes().all(|b| b == b'0' || b == b'.');
    match (zero, value < 0.0) {
        (true, _) => text,
        (false, true) => format!("\u{2212}{text}"),
        (false, false) => format!("+{text}"),
    }
}

/// As [`signed`], without a plus.
pub fn plain(value: f64, decimals: usize) -> String {
    let text = signed(value, decimals);
    text.strip_prefix('+').map_or(text.clone(), str::to_owned)
}

/// An integer with thin groups of three.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{2009}');
        }
        out.push(digit);
    }
    out
}
