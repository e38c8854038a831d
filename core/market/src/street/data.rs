//! Loads and sun of the experiment.
//!
//! Hours of five weeks of 17 houses, taken over from the CityLearn challenge
//! 2022 data set (`citylearn_challenge_2022_phase_all`,
//! intelligent-environments-lab/CityLearn, MIT licence), in Wh and W per
//! installed kW; the file says so in its head.

/// Load shapes of the data.
pub(super) const SHAPES: usize = 17;
const KEPT: &str = include_str!("../../data/street_weeks.csv");

/// A week of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Name for tables.
    pub name: &'static str,
    /// First hour in the source.
    pub start_hour: usize,
    /// Season it stands for; two weeks stand for winter.
    pub season: &'static str,
}

/// The weeks, in the order of the recorded table.
pub const WINDOWS: [Window; 5] = [
    Window {
        name: "February",
        start_hour: 4_560,
        season: "winter",
    },
    Window {
        name: "March",
        start_hour: 5_760,
        season: "spring",
    },
    Window {
        name: "July",
        start_hour: 8_040,
        season: "summer",
    },
    Window {
        name: "September",
        start_hour: 1_440,
        season: "autumn",
    },
    Window {
        name: "December",
        start_hour: 3_120,
        season: "winter",
    },
];

/// Hourly load and sun of one window.
#[derive(Clone, Debug, Default)]
pub struct StreetData {
    hours: Vec<([f64; SHAPES], [f64; SHAPES])>,
}

impl StreetData {
    /// The kept hours of a window.
    #[must_use]
    pub fn of(window: Window) -> Self {
        let key = window.start_hour.to_string();
        let hours = KEPT
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let mut cells = line.split(',');
                if cells.next()? != key {
                    return None;
                }
                let mut next = || cells.next().and_then(|cell| cell.parse::<f64>().ok());
                let mut row = ([0.0; SHAPES], [0.0; SHAPES]);
                for cell in row.0.iter_mut().chain(&mut row.1) {
                    *cell = next()? / 1_000.0;
                }
                Some(row)
            })
            .collect();
        Self { hours }
    }

    /// Hours in the window.
    #[must_use]
    pub fn hours(&self) -> usize {
        self.hours.len()
    }

    fn at(&self, slot: i64, of: impl Fn(usize) -> f64) -> f64 {
        let slot = usize::try_from(slot.max(0)).unwrap_or(0);
        let last = self.hours.len().saturating_sub(1);
        let (hour, part) = ((slot / 4).min(last), (slot % 4) as f64 / 4.0);
        of(hour) * (1.0 - part) + of((hour + 1).min(last)) * part
    }

    /// Load of a shape, kWh in an hour (so kW), between the hours in a straight line.
    pub(super) fn load_kwh(&self, slot: i64, shape: usize) -> f64 {
        self.at(slot, |hour| self.hours[hour].0[shape])
    }

    /// Output of an installed kW, kW.
    pub(super) fn sun_kw_per_kw(&self, slot: i64, shape: usize) -> f64 {
        self.at(slot, |hour| self.hours[hour].1[shape])
    }
}
