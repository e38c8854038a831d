//! Format, clock, date, market and links.

use super::Check;
use super::value::Range;
use crate::scene::spans::At;
use crate::scene::{LinkSpec, SCENE_FORMAT, UploadSpec};

/// Longest tick: one hour.
const MAX_TICK_MS: u64 = 3_600_000;
/// Longest run: a leap year.
const MAX_HOURS: f64 = 8_784.0;
/// Longest latency of a link: one minute.
const MAX_LATENCY_MS: u64 = 60_000;
/// Most reading intervals between two reports to the cloud.
const MAX_UPLOAD: u64 = 96;
/// Highest price and price step, micro-EUR/kWh: 1000 EUR/kWh.
const MAX_PRICE: i64 = 1_000_000_000;

impl Check<'_, '_, '_> {
    pub(super) fn head(&mut self) {
        let (scene, root) = (self.scene, self.root);
        if scene.format != SCENE_FORMAT {
            self.report.say(
                root.field("format"),
                format!("format {} is not known", scene.format),
                format!("this version reads format {SCENE_FORMAT}"),
            );
        }
        if scene.title.trim().is_empty() {
            self.report
                .say(root.field("title"), "title is empty", "name the scene");
        }
        if !is_date(&scene.date) {
            self.report.say(
                root.field("date"),
                format!("`{}` is not a calendar day", scene.date),
                "write YYYY-MM-DD, for example 2026-06-18",
            );
        }
        self.number(
            root,
            "duration_h",
            scene.duration_h,
            Range::Positive(MAX_HOURS),
        );
        let layout = root.field("layout");
        self.number(
            layout,
            "rotate_deg",
            scene.layout.rotate_deg,
            Range::Closed(-360.0, 360.0),
        );
        let (names, solar) = (self.names, root.field("solar_series"));
        self.refers(solar, "profile series", &scene.solar_series, &names.series);
        if let Some(series) = &scene.temperature_series {
            let at = root.field("temperature_series");
            self.refers(at, "profile series", series, &names.series);
        }
        self.intervals();
        self.prices();
    }

    /// Ticks divide readings, readings divide slots, slots divide the day.
    fn intervals(&mut self) {
        let (scene, root) = (self.scene, self.root);
        let market = root.field("market");
        let (slot_min, reading_s) = (scene.market.slot_min, scene.market.reading_s);
        let tick_fits = self.whole(root, "tick_ms", scene.tick_ms, 1, MAX_TICK_MS);
        let reading_fits = self.whole(market, "reading_s", u64::from(reading_s), 1, 86_400);
        let slot_fits = self.whole(market, "slot_min", u64::from(slot_min), 1, 1_440);
        let reading_ms = u64::from(reading_s) * 1_000;
        if tick_fits && reading_fits && reading_ms % scene.tick_ms != 0 {
            self.report.say(
                root.field("tick_ms"),
                format!(
                    "tick_ms {} does not divide reading_s {reading_s}",
                    scene.tick_ms
                ),
                "a reading must span a whole number of ticks",
            );
        }
        if reading_fits && slot_fits && (u64::from(slot_min) * 60_000) % reading_ms != 0 {
            self.report.say(
                market.field("reading_s"),
                format!("reading_s {reading_s} does not divide slot_min {slot_min}"),
                "a slot must span a whole number of readings",
            );
        }
        if slot_fits && 1_440 % slot_min != 0 {
            self.report.say(
                market.field("slot_min"),
                format!("slot_min {slot_min} does not divide the day"),
                "write a divisor of 1440, for example 5, 15, 30 or 60",
            );
        }
    }

    fn prices(&mut self) {
        let (market, at) = (&self.scene.market, self.root.field("market"));
        let words = format!("write micro-EUR/kWh from 0 to {MAX_PRICE}; 1 ct is 10000");
        for (field, price) in [
            ("feed_in", market.feed_in),
            ("import", market.import),
            ("max_step", market.max_step),
            ("island", market.island.unwrap_or(market.import)),
        ] {
            if !(0..=MAX_PRICE).contains(&price) {
                self.report.say(
                    at.field(field),
                    format!("{field} is {price}"),
                    words.clone(),
                );
            }
        }
        if market.import <= market.feed_in {
            self.report.say(
                at.field("import"),
                format!(
                    "import {} is not above feed_in {}",
                    market.import, market.feed_in
                ),
                "the grid must ask more than it pays, or trading it in circles earns money",
            );
        }
        if let Some(between) = market.between {
            let at = at.field("between");
            if market.wholesale.is_some() {
                self.report.say(
                    at,
                    "trade between clusters beside a wholesale agent",
                    "leave one of them out: both deal with what is left of a slot",
                );
            }
            let fees = [between.neighbour_fee, between.grid_fee];
            let room = market.import.saturating_sub(market.feed_in) / 2;
            let fit = fees.iter().all(|fee| (0..=MAX_PRICE).contains(fee))
                && fees.iter().sum::<i64>() <= room;
            if !fit {
                self.report.say(
                    at,
                    format!("fees of {} and {} micro-EUR/kWh", fees[0], fees[1]),
                    format!("they are parts of the tariff: together 0 to {room}"),
                );
            }
        }
        if market.max_step == 0 {
            self.report.say(
                at.field("max_step"),
                "max_step is 0",
                "a price that cannot move",
            );
        }
    }

    pub(super) fn upload(&mut self, at: At<'_>, upload: UploadSpec) {
        self.whole(at, "every", u64::from(upload.every), 1, MAX_UPLOAD);
    }

    pub(super) fn links(&mut self) {
        let (links, at) = (self.scene.links, self.root.field("links"));
        self.link(at.field("meter"), links.meter);
        self.link(at.field("mlmd"), links.mlmd);
        self.link(at.field("cloud"), links.cloud);
        self.upload(self.root.field("upload"), self.scene.upload);
    }

    pub(super) fn link(&mut self, at: At<'_>, link: LinkSpec) {
        let (low, high) = link.latency_ms;
        if low > high || high > MAX_LATENCY_MS {
            self.report.say(
                at.field("latency_ms"),
                format!("latency_ms ({low}, {high}) is not a range"),
                format!("write (from, to) with from <= to <= {MAX_LATENCY_MS}"),
            );
        }
        self.whole(at, "loss_permille", u64::from(link.loss_permille), 0, 1_000);
    }
}

/// `YYYY-MM-DD` in the Gregorian calendar.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else {
        return false;
    };
    let digits = |part: &str, len| part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
    if !(digits(year, 4) && digits(month, 2) && digits(day, 2)) {
        return false;
    }
    let number = |part: &str| part.parse::<u32>().unwrap_or(0);
    let (year, month, day) = (number(year), number(month), number(day));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::is_date;

    #[test]
    fn dates_follow_the_calendar() {
        for good in ["2026-06-18", "2024-02-29", "2000-02-29"] {
            assert!(is_date(good), "{good}");
        }
        for bad in [
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "2026-6-1",
            "today",
            "2026-06-00",
        ] {
            assert!(!is_date(bad), "{bad}");
        }
    }
}
