//! The three typefaces, embedded so that the program runs from any folder.

use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily, FontId};

/// Body text and numbers: Inter Medium with equal-width digits.
pub fn medium(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// Titles and live values: Inter `SemiBold` with equal-width digits.
pub fn semibold(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("semibold".into()))
}

/// Clock, hashes, event times and key names.
pub fn mono(size: f32) -> FontId {
    FontId::new(size, FontFamily::Monospace)
}

/// Installs the typefaces into a context; call once.
pub fn install(ctx: &egui::Context) {
    let mut fonts = FontDefinitions::empty();
    let faces: [(&str, &'static [u8], FontFamily); 3] = [
        (
            "GridInter Medium",
            include_bytes!("../../../assets/fonts/GridInter-Medium.otf"),
            FontFamily::Proportional,
        ),
        (
            "GridInter SemiBold",
            include_bytes!("../../../assets/fonts/GridInter-SemiBold.otf"),
            FontFamily::Name("semibold".into()),
        ),
        (
            "JetBrains Mono",
            include_bytes!("../../../assets/fonts/JetBrainsMono-Regular.ttf"),
            FontFamily::Monospace,
        ),
    ];
    for (name, bytes, family) in faces {
        fonts
            .font_data
            .insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
        fonts.families.insert(family, vec![name.to_owned()]);
    }
    ctx.set_fonts(fonts);
}
