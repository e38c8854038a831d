//! Looking for devices: who answers on an endpoint, and which models it has.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::link::{Link, LinkError, UnitShape};
use super::{EndpointConfig, Wire};
use crate::HardwareError;
use crate::modbus::ReadRequest;
use crate::profile::{Area, Profile, Protocol};
use crate::sunspec::{Found, Search, SearchStep};

/// A unit that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Modbus unit.
    pub unit: u8,
    /// How it answered.
    pub answer: String,
    /// Whether it has a SunSpec map where most have theirs.
    pub sunspec: bool,
}

fn runtime() -> Result<tokio::runtime::Runtime, HardwareError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|source| HardwareError::Start {
            what: "scan",
            source,
        })
}

fn no_answer(at: &EndpointConfig, unit: u8, why: &LinkError) -> HardwareError {
    HardwareError::NoAnswer {
        address: at.endpoint.to_string(),
        unit,
        reason: why.to_string(),
    }
}

/// Asks every unit of a range for one register, `limit` each.
///
/// # Errors
/// Fails when the endpoint cannot be opened.
pub fn probe(
    at: &EndpointConfig,
    units: RangeInclusive<u8>,
    limit: Duration,
) -> Result<Vec<Presence>, HardwareError> {
    at.check()?;
    runtime()?.block_on(async {
        let wire = || Wire::new(at.endpoint.to_string(), 0, None);
        let mut link = Link::connect(at, wire())
            .await
            .map_err(|error| no_answer(at, 0, &error))?;
        let mut present = Vec::new();
        for unit in units {
            let mark = knock(&mut link, unit, 40_000, limit).await;
            let (answer, sunspec) = match &mark {
                Ok(words) => ("holding register 40000".to_owned(), words == &[0x5375]),
                Err(error) if error.is_answer() => (error.to_string(), false),
                Err(_) => {
                    if link.is_lost() {
                        link = Link::connect(at, wire())
                            .await
                            .map_err(|error| no_answer(at, unit, &error))?;
                    }
                    continue;
                }
            };
            present.push(Presence {
                unit,
                answer,
                sunspec,
            });
        }
        Ok(present)
    })
}

async fn knock(
    link: &mut Link,
    unit: u8,
    addr: u16,
    limit: Duration,
) -> Result<Vec<u16>, LinkError> {
    let request = ReadRequest {
        area: Area::Holding,
        addr,
        count: 1,
    };
    link.knock(unit, &request, limit).await
}

/// Finds the SunSpec models of a unit.
///
/// # Errors
/// Fails when the unit does not answer or has no SunSpec map.
pub fn scan(at: &EndpointConfig, unit: u8, limit: Duration) -> Result<Found, HardwareError> {
    at.check()?;
    runtime()?.block_on(async {
        let wire = Wire::new(at.endpoint.to_string(), 0, None);
        let mut link = Link::connect(at, wire)
            .await
            .map_err(|error| no_answer(at, unit, &error))?;
        link.add(UnitShape::of(unit, &Profile::empty(Protocol::SunSpec)));
        let mut search = Search::new();
        loop {
            match search.next() {
                SearchStep::Read(request) => match link.ask(unit, &request, limit, 8).await {
                    Ok((registers, _)) => search.found(&registers),
                    Err(error) if error.is_answer() => search.refused(),
                    Err(error) => return Err(no_answer(at, unit, &error)),
                },
                SearchStep::Done(found) => return Ok(found),
                SearchStep::NotFound => {
                    return Err(HardwareError::NoAnswer {
                        address: at.endpoint.to_string(),
                        unit,
                        reason: "it has no SunSpec map at 40000, 50000 or 0".to_owned(),
                    });
                }
            }
        }
    })
}
