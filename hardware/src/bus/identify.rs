//! Whether the device at an address is the one of the profile.
//!
//! A number read from the wrong device is worse than none. After every
//! connection, and after a silence in which somebody may have changed it, the
//! registers that tell the model are read before any value; the serial number
//! found first is the one that counts until the unit is bound anew.

use super::actor::Actor;
use super::link::{Link, LinkError};
use super::with_status;
use crate::control::DisarmReason;
use crate::modbus::ReadRequest;
use crate::profile::Area;
use crate::reading::BadReason;

/// What the marks of a device said.
pub(super) enum Found {
    /// Everything that was asked for holds.
    Same,
    /// It refuses the registers: an older firmware, or another device. It can
    /// be read, but it is not armed.
    Unmarked,
    /// Another device, and why.
    Other(String),
}

impl Actor {
    /// Identifies a unit before its first value. `Err` says that the turn is
    /// over: with a reason when the connection is, too.
    pub(super) async fn identify(
        &mut self,
        link: &mut Link,
        at: usize,
    ) -> Result<(), Option<BadReason>> {
        match self.marks(link, at).await {
            Ok(Found::Same | Found::Unmarked) => {
                self.units[at].identified = true;
                Ok(())
            }
            Ok(Found::Other(why)) => {
                self.refuse(at, why);
                Err(None)
            }
            Err(error) => {
                let unit = &mut self.units[at];
                unit.publisher.publish_all(error.reason());
                Err(self.after_failure(link, at, &error))
            }
        }
    }

    /// Whether the device now is the one of the profile; for arming.
    pub(super) async fn identity_holds(&mut self, link: &mut Link, at: usize) -> bool {
        match self.marks(link, at).await {
            Ok(Found::Same) => true,
            Ok(Found::Other(why)) => {
                self.refuse(at, why);
                false
            }
            Ok(Found::Unmarked) | Err(_) => false,
        }
    }

    /// Reads what tells the model and the serial number.
    async fn marks(&mut self, link: &mut Link, at: usize) -> Result<Found, LinkError> {
        let mut found = Found::Same;
        for identity in self.units[at].profile.identity.clone() {
            let (area, addr, count) = (identity.area, identity.addr, identity.registers());
            match self.registers(link, at, area, addr, count).await? {
                None => found = Found::Unmarked,
                Some(words) if identity.holds(&words) => {}
                Some(words) => {
                    let text = crate::profile::text_in(&words);
                    let wanted = identity.wanted();
                    return Ok(Found::Other(format!(
                        "another device: registers at {addr} hold {words:04x?} (`{text}`) instead of {wanted}"
                    )));
                }
            }
        }
        let Some(place) = self.units[at].profile.serial else {
            return Ok(found);
        };
        let words = self
            .registers(link, at, place.area, place.addr, place.count)
            .await?;
        let serial = words.and_then(|words| place.read(&words));
        let unit = &mut self.units[at];
        let wanted = unit.bound.config.serial.clone().or(unit.serial.clone());
        match (&serial, wanted) {
            (Some(serial), Some(wanted)) if *serial != wanted => {
                return Ok(Found::Other(format!(
                    "another device: serial number {serial} instead of {wanted}"
                )));
            }
            (None, Some(wanted)) => {
                return Ok(Found::Other(format!(
                    "it does not tell its serial number, {wanted} was expected"
                )));
            }
            (Some(_), _) | (None, None) => {}
        }
        unit.serial.clone_from(&serial);
        with_status(&unit.bound.status, |status| status.serial = serial);
        Ok(found)
    }

    /// Registers of a unit; `None` when it refuses them.
    async fn registers(
        &mut self,
        link: &mut Link,
        at: usize,
        area: Area,
        addr: u16,
        count: u16,
    ) -> Result<Option<Vec<u16>>, LinkError> {
        let request = ReadRequest { area, addr, count };
        match self.ask(link, at, &request).await {
            Ok(words) => Ok(Some(words)),
            Err(error) if error.is_answer() => {
                self.units[at].slot.answered();
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Nothing of another device is read or written; it is looked at again
    /// after the back-off.
    pub(super) fn refuse(&mut self, at: usize, why: String) {
        let (now, back_off) = (self.now_us(), self.back_off());
        let unit = &mut self.units[at];
        unit.identified = false;
        unit.slot.set_aside(now, back_off, 0.0);
        // Whoever sees the readings finds the reason there.
        with_status(&unit.bound.status, |status| {
            status.backing_off = true;
            status.errors.identity += 1;
            status.last_error = Some(why);
        });
        unit.publisher.publish_all(BadReason::ConfigMismatch);
        if let Some(end) = &mut unit.bound.control {
            end.control.disarm(DisarmReason::Identity);
        }
    }
}
