//! Fault records in the COMTRADE format, IEEE C37.111-2013 (IEC 60255-24).
//!
//! The twin knows phasors per segment between two events; the record shows the
//! waveforms they stand for, sampled at a fixed rate. They are quasi-steady:
//! without decaying direct-current parts, and a current ends where its breaker
//! opened, not at the next zero.

use std::fmt::Write as _;

use crate::phasor::Phasor;

/// Longest record, samples.
pub const MAX_SAMPLES: usize = 2_000_000;

/// Largest value of a 16-bit sample; -32768 marks missing data.
const FULL_SCALE: f64 = 32_767.0;

/// An analog channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analog {
    /// Id of the channel (`"M1 IL1"`).
    pub id: String,
    /// Phase (`"L1"`).
    pub phase: String,
    /// What is measured (`"M1"`).
    pub component: String,
    /// Unit (`"A"`, `"V"`).
    pub unit: String,
}

/// What the channels were between two events.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Begin, us.
    pub from_us: u64,
    /// End, us.
    pub to_us: u64,
    /// Root-mean-square phasor of every analog channel.
    pub phasors: Vec<Phasor>,
    /// State of every status channel.
    pub states: Vec<bool>,
}

/// Encoding of the data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Text.
    Ascii,
    /// 16-bit integers.
    Binary,
}

/// A calendar day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Year.
    pub year: i32,
    /// Month, from 1.
    pub month: u32,
    /// Day of the month, from 1.
    pub day: u32,
}

impl Day {
    /// From `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let day = Self {
            year: parts.next()?.parse().ok()?,
            month: parts.next()?.parse().ok()?,
            day: parts.next()?.parse().ok()?,
        };
        let valid = (1..=12).contains(&day.month) && (1..=31).contains(&day.day);
        (valid && parts.next().is_none()).then_some(day)
    }

    /// Days in this month.
    fn length(self) -> u32 {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// So many days later.
    #[must_use]
    pub fn later(mut self, days: u64) -> Self {
        for _ in 0..days {
            self.day += 1;
            if self.day > self.length() {
                self.day = 1;
                self.month += 1;
                if self.month > 12 {
                    self.month = 1;
                    self.year += 1;
                }
            }
        }
        self
    }
}

/// A record of one disturbance.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Station: the scene.
    pub station: String,
    /// Recording device.
    pub device: String,
    /// Day on which time 0 of the run lies.
    pub day: Day,
    /// Frequency of the network, Hz.
    pub frequency_hz: f64,
    /// Sampling rate, Hz.
    pub rate_hz: u32,
    /// Analog channels.
    pub analog: Vec<Analog>,
    /// Status channels.
    pub status: Vec<String>,
    /// Segments in order without gaps.
    pub segments: Vec<Segment>,
    /// When the recorder was triggered, us.
    pub trigger_us: u64,
}

/// Samples of a record.
struct Samples {
    /// Raw values by sample and channel.
    raw: Vec<Vec<i16>>,
    states: Vec<Vec<bool>>,
    /// Unit per raw step by channel.
    scale: Vec<f64>,
}

/// A record has no samples, or channels that do not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There is nothing in it.
    #[error("the record is empty")]
    Empty,
    /// It is longer than [`MAX_SAMPLES`].
    #[error("the record has {0} samples, at most {MAX_SAMPLES} are written")]
    TooLong(u64),
    /// Segments leave a gap or do not have every channel.
    #[error("segment {0} does not follow the one before or lacks channels")]
    Segment(usize),
}

impl Record {
    fn check(&self) -> Result<u64, RecordError> {
        let (Some(first), Some(last)) = (self.segments.first(), self.segments.last()) else {
            return Err(RecordError::Empty);
        };
        for (i, segment) in self.segments.iter().enumerate() {
            let follows = i == 0 || self.segments[i - 1].to_us == segment.from_us;
            let whole = segment.phasors.len() == self.analog.len()
                && segment.states.len() == self.status.len()
                && segment.to_us >= segment.from_us;
            if !(follows && whole) {
                return Err(RecordError::Segment(i));
            }
        }
        let samples = (last.to_us - first.from_us) * u64::from(self.rate_hz) / 1_000_000 + 1;
        if samples as usize > MAX_SAMPLES {
            return Err(RecordError::TooLong(samples));
        }
        Ok(samples)
    }

    /// Time of a sample after the first, us.
    fn at_us(&self, sample: u64) -> u64 {
        sample * 1_000_000 / u64::from(self.rate_hz)
    }

    fn samples(&self) -> Result<Samples, RecordError> {
        let count = self.check()?;
        let root2 = 2.0_f64.sqrt();
        let peak = |channel: usize| {
            let peaks = self.segments.iter().map(|s| s.phasors[channel].abs());
            root2 * peaks.fold(0.0, f64::max)
        };
        let scale: Vec<f64> = (0..self.analog.len())
            .map(|channel| (peak(channel) / FULL_SCALE).max(1e-9))
            .collect();
        let start_us = self.segments[0].from_us;
        let mut samples = Samples {
            raw: Vec::with_capacity(count as usize),
            states: Vec::with_capacity(count as usize),
            scale,
        };
        let mut at = 0;
        for n in 0..count {
            let after_us = self.at_us(n);
            while at + 1 < self.segments.len() && start_us + after_us >= self.segments[at].to_us {
                at += 1;
            }
            let segment = &self.segments[at];
            let angle = std::f64::consts::TAU * self.frequency_hz * after_us as f64 * 1e-6;
            let (sin, cos) = libm::sincos(angle);
            let raw = segment.phasors.iter().zip(&samples.scale);
            samples.raw.push(
                raw.map(|(phasor, scale)| {
                    let value = root2 * (phasor.re * cos - phasor.im * sin);
                    libm::round(value / scale).clamp(-FULL_SCALE, FULL_SCALE) as i16
                })
                .collect(),
            );
            samples.states.push(segment.states.clone());
        }
        Ok(samples)
    }

    fn stamp(&self, at_us: u64) -> String {
        let s = at_us / 1_000_000;
        let day = self.day.later(s / 86_400);
        format!(
            "{:02}/{:02}/{:04},{:02}:{:02}:{:02}.{:06}",
            day.day,
            day.month,
            day.year,
            s / 3_600 % 24,
            s / 60 % 60,
            s % 60,
            at_us % 1_000_000
        )
    }

    fn cfg_of(&self, samples: &Samples, encoding: Encoding) -> String {
        let (analog, status) = (self.analog.len(), self.status.len());
        let mut out = String::new();
        let mut line = |text: String| {
            out.push_str(&text);
            out.push_str("\r\n");
        };
        line(format!(
            "{},{},2013",
            plain(&self.station),
            plain(&self.device)
        ));
        line(format!("{},{analog}A,{status}D", analog + status));
        for (i, channel) in self.analog.iter().enumerate() {
            line(format!(
                "{},{},{},{},{},{:.12e},0,0,-32767,32767,1,1,P",
                i + 1,
                plain(&channel.id),
                plain(&channel.phase),
                plain(&channel.component),
                plain(&channel.unit),
                samples.scale[i]
            ));
        }
        for (i, name) in self.status.iter().enumerate() {
            line(format!("{},{},,,0", i + 1, plain(name)));
        }
        line(format!("{}", self.frequency_hz));
        line("1".to_owned());
        line(format!("{},{}", self.rate_hz, samples.raw.len()));
        line(self.stamp(self.segments[0].from_us));
        line(self.stamp(self.trigger_us));
        line(
            match encoding {
                Encoding::Ascii => "ASCII",
                Encoding::Binary => "BINARY",
            }
            .to_owned(),
        );
        line("1".to_owned());
        // Time code of the stamps and of the place; quality of the clock, leap second.
        line("0,0".to_owned());
        line("0,0".to_owned());
        out
    }

    fn dat_ascii(&self, samples: &Samples) -> String {
        let mut out = String::new();
        for (n, (raw, states)) in samples.raw.iter().zip(&samples.states).enumerate() {
            let _ = write!(out, "{},{}", n + 1, self.at_us(n as u64));
            for value in raw {
                let _ = write!(out, ",{value}");
            }
            for &state in states {
                out.push_str(if state { ",1" } else { ",0" });
            }
            out.push_str("\r\n");
        }
        out
    }

    fn dat_binary(&self, samples: &Samples) -> Vec<u8> {
        let mut out = Vec::new();
        for (n, (raw, states)) in samples.raw.iter().zip(&samples.states).enumerate() {
            out.extend((n as u32 + 1).to_le_bytes());
            out.extend((self.at_us(n as u64) as u32).to_le_bytes());
            for value in raw {
                out.extend(value.to_le_bytes());
            }
            for word in states.chunks(16) {
                let bits = word
                    .iter()
                    .enumerate()
                    .fold(0_u16, |bits, (i, &on)| bits | u16::from(on) << i);
                out.extend(bits.to_le_bytes());
            }
        }
        out
    }

    /// Configuration and data file.
    ///
    /// # Errors
    /// If the record is empty, too long or not whole.
    pub fn files(&self, encoding: Encoding) -> Result<(String, Vec<u8>), RecordError> {
        let samples = self.samples()?;
        let data = match encoding {
            Encoding::Ascii => self.dat_ascii(&samples).into_bytes(),
            Encoding::Binary => self.dat_binary(&samples),
        };
        Ok((self.cfg_of(&samples, encoding), data))
    }

    /// Everything in one file (CFF).
    ///
    /// # Errors
    /// If the record is empty, too long or not whole.
    pub fn combined(&self, encoding: Encoding) -> Result<Vec<u8>, RecordError> {
        let (cfg, data) = self.files(encoding)?;
        let kind = match encoding {
            Encoding::Ascii => "DAT ASCII".to_owned(),
            Encoding::Binary => format!("DAT BINARY: {}", data.len()),
        };
        let mut out = format!("--- file type: CFG ---\r\n{cfg}").into_bytes();
        out.extend_from_slice(b"--- file type: INF ---\r\n\r\n--- file type: HDR ---\r\n\r\n");
        out.extend_from_slice(format!("--- file type: {kind} ---\r\n").as_bytes());
        out.extend(data);
        Ok(out)
    }
}

/// Text of a field: no separators, one line, plain letters.
fn plain(text: &str) -> String {
    text.chars()
        .take(64)
        .map(|c| match c {
            ',' | '\r' | '\n' => ' ',
            c if c.is_ascii() => c,
            _ => '_',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn record() -> Record {
        let segment = |from_us, to_us, amps: f64, tripped| Segment {
            from_us,
            to_us,
            phasors: vec![Phasor::polar(amps, 0.0), Phasor::polar(230.0, -120.0)],
            states: vec![tripped],
        };
        let channel = |id: &str, unit: &str| Analog {
            id: id.to_owned(),
            phase: "L1".to_owned(),
            component: "M1".to_owned(),
            unit: unit.to_owned(),
        };
        Record {
            station: "Two, houses".to_owned(),
            device: "M1".to_owned(),
            day: Day::parse("2028-02-28").expect("a day"),
            frequency_hz: 50.0,
            rate_hz: 4_000,
            analog: vec![channel("M1 IL1", "A"), channel("M1 UL1", "V")],
            status: vec!["M1 open".to_owned()],
            segments: vec![
                segment(86_399_900_000, 86_400_000_000, 10.0, false),
                segment(86_400_000_000, 86_400_050_000, 1_000.0, false),
                segment(86_400_050_000, 86_400_100_000, 0.0, true),
            ],
            trigger_us: 86_400_000_000,
        }
    }

    #[test]
    fn the_configuration_says_what_the_data_are() {
        let (cfg, data) = record().files(Encoding::Ascii).expect("whole");
        let lines: Vec<&str> = cfg.lines().collect();
        assert_eq!(lines[0], "Two  houses,M1,2013");
        assert_eq!(lines[1], "3,2A,1D");
        assert!(lines[2].starts_with("1,M1 IL1,L1,M1,A,"));
        assert_eq!(lines[7], "4000,801");
        assert_eq!(lines[8], "28/02/2028,23:59:59.900000");
        assert_eq!(lines[9], "29/02/2028,00:00:00.000000");
        let text = String::from_utf8(data).expect("text");
        assert_eq!(text.lines().count(), 801);
        let first = text.lines().next().expect("a line");
        assert!(first.starts_with("1,0,328,-1638"), "{first}");
        assert!(text.lines().last().expect("a line").ends_with(",1"));
    }

    #[test]
    fn waveforms_have_the_amplitude_of_their_phasors() {
        let record = record();
        let samples = record.samples().expect("whole");
        let peak = |range: std::ops::Range<usize>| {
            let values = samples.raw[range].iter().map(|raw| f64::from(raw[0]));
            values.map(f64::abs).fold(0.0, f64::max) * samples.scale[0]
        };
        let root2 = 2.0_f64.sqrt();
        assert!((peak(0..400) - 10.0 * root2).abs() < 0.05);
        assert!((peak(400..600) - 1_000.0 * root2).abs() < 1.0);
        assert_eq!(peak(600..801), 0.0);
    }

    #[test]
    fn binary_data_have_the_size_the_format_says() {
        let (_, data) = record().files(Encoding::Binary).expect("whole");
        assert_eq!(data.len(), 801 * (4 + 4 + 2 * 2 + 2));
        let whole = record().combined(Encoding::Binary).expect("whole");
        let head = String::from_utf8_lossy(&whole);
        assert!(head.contains("--- file type: DAT BINARY: 11214 ---"));
    }

    #[test]
    fn a_record_with_a_gap_is_refused() {
        let mut broken = record();
        broken.segments[1].from_us += 1;
        assert_eq!(broken.files(Encoding::Ascii), Err(RecordError::Segment(1)));
        broken.segments.clear();
        assert_eq!(broken.files(Encoding::Ascii), Err(RecordError::Empty));
    }
}
