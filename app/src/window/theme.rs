//! Colour tokens: one [`Theme`] for panels and world, read from `assets/theme.ron`.

use egui::Color32;
use serde::Deserialize;

/// Which of the two sets of tokens is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThemeName {
    /// Dark, for control rooms at night and for showing.
    #[default]
    Night,
    /// Light, for lit rooms.
    Day,
}

impl ThemeName {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Night => Self::Day,
            Self::Day => Self::Night,
        }
    }
}

/// The tokens of one theme, named by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    #[serde(with = "hex")]
    pub base: Color32,
    #[serde(with = "hex")]
    pub panel: Color32,
    #[serde(with = "hex")]
    pub raised: Color32,
    #[serde(with = "hex")]
    pub rule: Color32,
    /// Edge of buttons and chips, and the band of normal values.
    #[serde(with = "hex")]
    pub edge: Color32,
    #[serde(with = "hex")]
    pub text1: Color32,
    #[serde(with = "hex")]
    pub text2: Color32,
    #[serde(with = "hex")]
    pub text3: Color32,
    #[serde(with = "hex")]
    pub energised: Color32,
    #[serde(with = "hex")]
    pub dead: Color32,
    #[serde(with = "hex")]
    pub ribbon_low: Color32,
    #[serde(with = "hex")]
    pub ribbon_high: Color32,
    #[serde(with = "hex")]
    pub chevron: Color32,
    #[serde(with = "hex")]
    pub alarm1: Color32,
    #[serde(with = "hex")]
    pub alarm2: Color32,
    #[serde(with = "hex")]
    pub alarm3: Color32,
    #[serde(with = "hex")]
    pub alarm2_edge: Color32,
    #[serde(with = "hex")]
    pub alarm1_digit: Color32,
    #[serde(with = "hex")]
    pub alarm2_digit: Color32,
    #[serde(with = "hex")]
    pub alarm3_digit: Color32,
    #[serde(with = "hex")]
    pub ledger: Color32,
    #[serde(with = "hex")]
    pub data: Color32,
    #[serde(with = "hex")]
    pub volt_low: Color32,
    #[serde(with = "hex")]
    pub volt_high: Color32,
}

/// Both themes, as in the file.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Themes {
    night: Theme,
    day: Theme,
}

impl Themes {
    /// The tokens that are built into the program.
    pub fn built_in() -> Self {
        ron::from_str(include_str!("../../../assets/theme.ron"))
            .expect("the built-in theme file is read by a unit test")
    }

    /// One of the two.
    pub fn get(&self, name: ThemeName) -> &Theme {
        match name {
            ThemeName::Night => &self.night,
            ThemeName::Day => &self.day,
        }
    }
}

/// `share` of `b` over `a`, per channel in gamma space (as the pictures were drawn).
pub fn mix(a: Color32, b: Color32, share: f32) -> Color32 {
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let channel =
        |x: u8, y: u8| (f32::from(x) + (f32::from(y) - f32::from(x)) * share).round() as u8;
    Color32::from_rgb(
        channel(a.r(), b.r()),
        channel(a.g(), b.g()),
        channel(a.b(), b.b()),
    )
}

impl Theme {
    /// The tokens for the last row of a room: every letter in the strongest ink.
    pub fn presented(&self) -> Self {
        Self {
            text2: self.text1,
            text3: self.text1,
            ..*self
        }
    }

    /// Colour of a conductor by its loading: full strength from 67 %.
    pub fn ribbon(&self, loading: f64) -> Color32 {
        mix(self.ribbon_low, self.ribbon_high, (loading / 0.67) as f32)
    }

    /// Halo colour of a voltage, `None` where it would not show.
    pub fn voltage(&self, v_pu: f64) -> Option<Color32> {
        let share = voltage_share(v_pu - 1.0);
        let end = if v_pu < 1.0 {
            self.volt_low
        } else {
            self.volt_high
        };
        (share > 0.02).then(|| mix(self.base, end, share))
    }

    /// The ledger colour at the strength of a background layer.
    pub fn ledger_dim(&self, strength: f32) -> Color32 {
        mix(self.base, self.ledger, strength)
    }

    /// Alarm colour by priority, 0 to 2.
    pub fn alarm(&self, priority: usize) -> Color32 {
        [self.alarm1, self.alarm2, self.alarm3][priority.min(2)]
    }

    /// egui's own widgets (text field, scroll bar) in our colours.
    pub fn visuals(&self) -> egui::Visuals {
        let mut v = if luminance(self.base) < 0.2 {
            egui::Visuals::dark()
        } else {
            egui::Visuals::light()
        };
        v.panel_fill = self.panel;
        v.window_fill = self.panel;
        v.extreme_bg_color = self.base;
        v.faint_bg_color = self.raised;
        v.override_text_color = Some(self.text1);
        v.selection.bg_fill = self.edge;
        v.selection.stroke = egui::Stroke::new(1.0, self.text1);
        v.window_shadow = egui::Shadow::NONE;
        v.popup_shadow = egui::Shadow::NONE;
        v
    }
}

/// How strongly a deviation from nominal is coloured, 0..1: quiet near nominal.
pub fn voltage_share(deviation_pu: f64) -> f32 {
    if !deviation_pu.is_finite() {
        return 0.0;
    }
    (1.15 * libm::pow((deviation_pu / 0.1).abs(), 1.9)).min(1.0) as f32
}

/// Relative luminance (WCAG 2.2).
pub fn luminance(colour: Color32) -> f64 {
    let [r, g, b] = linear(colour);
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

/// sRGB to linear light, 0..1 per channel.
pub fn linear(colour: Color32) -> [f64; 3] {
    [colour.r(), colour.g(), colour.b()].map(|channel| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.040_45 {
            c / 12.92
        } else {
            libm::pow((c + 0.055) / 1.055, 2.4)
        }
    })
}

mod hex {
    use egui::Color32;
    use serde::{Deserialize, Deserializer, de::Error};

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Color32, D::Error> {
        let text = String::deserialize(from)?;
        Color32::from_hex(&text)
            .map_err(|_| D::Error::custom(format!("`{text}` is not a colour like #15181C")))
    }
}
