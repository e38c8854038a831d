//! Why the contract did what it did, compact on the ledger and readable.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{EnergyType, PriceMicroEurPerKwh};
use serde::{Deserialize, Serialize};

/// The rule behind an order or a refusal.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum FiredRule {
    /// Price below the charging threshold.
    ChargeCheap,
    /// Price above the discharging threshold.
    DischargeDear,
    /// Price between the thresholds.
    Hold,
    /// Price says discharge, but only the reserve is left.
    ReserveKept,
    /// Price says charge, but the battery is full.
    BatteryFull,
    /// The device itself demands to run.
    MustRun,
    /// Below the lowest comfortable level.
    TooCold,
    /// It is late for the time at which it must be ready.
    Deadline,
    /// Price below the running threshold.
    RunCheap,
    /// Price above the running threshold and time left.
    Wait,
    /// Not its turn to answer the price: the last order stands.
    NotItsTurn,
    /// Cleared for this slot together with the other devices.
    Cleared,
    /// Nothing left to do.
    Done,
    /// No car is plugged in.
    NoCar,
    /// The customer does not let the contract steer this device.
    NotAllowed,
    /// The meter reports a kind of device this contract does not know.
    UnknownDevice,
    /// The meter's figures cannot be right.
    BadFacts,
    /// The instance does not act yet.
    NotActive,
    /// Template or preferences are invalid.
    BadTerms,
    /// The run used up its steps.
    StepLimit,
}

/// What a line is about.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum Subject {
    /// The run as a whole.
    Contract,
    /// The battery.
    Battery,
    /// The water heater.
    Heater,
    /// The EV charger.
    Ev,
    /// A device of a kind the contract does not know, with the meter's code.
    Unknown(u16),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract => f.write_str("contract"),
            Self::Battery => f.write_str("battery"),
            Self::Heater => f.write_str("heater"),
            Self::Ev => f.write_str("EV"),
            Self::Unknown(code) => write!(f, "device of kind {code}"),
        }
    }
}

/// One decision of a run.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct TraceLine {
    /// What it is about.
    pub subject: Subject,
    /// The rule that fired.
    pub rule: FiredRule,
    /// The energy type that weighed most in the price, if any was on offer.
    pub kind: Option<EnergyType>,
    /// The price the rule looked at, micro-EUR/kWh.
    pub price: PriceMicroEurPerKwh,
    /// The threshold it was compared with, micro-EUR/kWh.
    pub threshold: PriceMicroEurPerKwh,
    /// Power ordered, W; charging and running positive.
    pub power_w: i64,
}

/// Cents per kilowatt-hour with one decimal, rounded half away from zero.
fn cents(price: PriceMicroEurPerKwh) -> String {
    let tenths = (price.unsigned_abs() + 500) / 1_000;
    let sign = if price < 0 && tenths > 0 { "-" } else { "" };
    format!("{sign}{}.{}", tenths / 10, tenths % 10)
}

/// Whole watts with a thin group separator.
fn watts(power_w: i64) -> String {
    let digits = power_w.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for TraceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.kind.map_or("import", EnergyType::label);
        let (price, threshold, power) = (
            cents(self.price),
            cents(self.threshold),
            watts(self.power_w),
        );
        write!(f, "{}: ", self.subject)?;
        match self.rule {
            FiredRule::ChargeCheap => {
                write!(f, "{source} {price} ct < {threshold} ct: charge {power} W")
            }
            FiredRule::DischargeDear => write!(
                f,
                "{source} {price} ct > {threshold} ct: discharge {power} W"
            ),
            FiredRule::Hold => write!(f, "{source} {price} ct asks for nothing: hold"),
            FiredRule::ReserveKept => write!(
                f,
                "{source} {price} ct > {threshold} ct, but only the reserve is left: hold"
            ),
            FiredRule::BatteryFull => write!(
                f,
                "{source} {price} ct < {threshold} ct, but it is full: hold"
            ),
            FiredRule::MustRun => write!(f, "the device must run now: {power} W"),
            FiredRule::TooCold => write!(f, "below the comfort band: {power} W"),
            FiredRule::Deadline => write!(f, "must be ready in time: {power} W"),
            FiredRule::RunCheap => write!(f, "{source} {price} ct < {threshold} ct: run {power} W"),
            FiredRule::Wait => write!(f, "{source} {price} ct >= {threshold} ct: wait"),
            FiredRule::NotItsTurn => f.write_str("not its turn: the last order stands"),
            FiredRule::Cleared if self.power_w < 0 => {
                write!(
                    f,
                    "cleared with the others for this slot: discharge {power} W"
                )
            }
            FiredRule::Cleared if self.power_w == 0 => {
                f.write_str("cleared with the others for this slot: wait")
            }
            FiredRule::Cleared => {
                write!(f, "cleared with the others for this slot: {power} W")
            }
            FiredRule::Done => f.write_str("nothing left to do: off"),
            FiredRule::NoCar => f.write_str("no car plugged in"),
            FiredRule::NotAllowed => f.write_str("the customer keeps control of it: no order"),
            FiredRule::UnknownDevice => f.write_str("not known to this contract: no order"),
            FiredRule::BadFacts => f.write_str("the meter's figures cannot be right: no order"),
            FiredRule::NotActive => f.write_str("not active at this height: no orders"),
            FiredRule::BadTerms => f.write_str("the terms are invalid: no orders"),
            FiredRule::StepLimit => f.write_str("step limit reached: no further orders"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_like_a_sentence() {
        let line = TraceLine {
            subject: Subject::Battery,
            rule: FiredRule::ChargeCheap,
            kind: Some(EnergyType::Solar),
            price: 123_456,
            threshold: 140_000,
            power_w: 1_200,
        };
        assert_eq!(
            line.to_string(),
            "battery: solar 12.3 ct < 14.0 ct: charge 1 200 W"
        );
        assert_eq!(cents(-12_345), "-1.2");
        assert_eq!(cents(-400), "0.0");
        assert_eq!(watts(-1_234_567), "1 234 567");
        assert_eq!(watts(0), "0");
    }
}
