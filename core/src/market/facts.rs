//! Physics in the integers a contract may see.

use gridloom_contract::{BatteryFacts, EvFacts, HeaterFacts};
use gridloom_equipment::NANO_WH_PER_WH;
use gridloom_ledger::DeviceFacts;

use crate::clock::SimClock;
use crate::site::{BatteryUnit, EvUnit, HeatPumpUnit, HeaterUnit};

fn permille(share: f64) -> u16 {
    (share.clamp(0.0, 1.0) * 1_000.0) as u16
}

fn watts(kw: f64) -> i64 {
    (kw * 1_000.0) as i64
}

/// State of the equipment behind a meter at the end of the tick.
pub(crate) fn device_facts(
    clock: &SimClock,
    slot_ms: u64,
    battery: Option<&BatteryUnit>,
    heater: Option<&HeaterUnit>,
    heat_pump: Option<&HeatPumpUnit>,
    ev: Option<&EvUnit>,
) -> DeviceFacts {
    let now = gridloom_units::SimTime(clock.end_ms());
    DeviceFacts {
        battery: battery.map(|unit| {
            let params = unit.0.params();
            BatteryFacts {
                soc_permille: permille(unit.0.soc()),
                capacity_wh: watts(params.capacity_kwh),
                max_charge_w: watts(params.max_kw),
                max_discharge_w: watts(params.max_kw),
            }
        }),
        // A home has one thermal store: a tank or the building itself.
        heater: heater
            .map(|unit| {
                let params = unit.0.params();
                HeaterFacts {
                    stored_permille: permille(unit.0.level()),
                    store_wh: watts(params.store_kwh),
                    power_w: watts(params.kw),
                    must_run: unit.0.must_run(now, clock.tick_ms),
                }
            })
            .or_else(|| {
                heat_pump.map(|unit| HeaterFacts {
                    stored_permille: permille(unit.0.level()),
                    store_wh: watts(unit.0.store_kwh()),
                    power_w: watts(unit.0.params().kw),
                    must_run: unit.0.must_run(),
                })
            }),
        ev: ev.map(|unit| {
            let params = unit.0.params();
            EvFacts {
                connected: unit.0.plugged(),
                need_wh: unit.0.remaining() / NANO_WH_PER_WH,
                slots_left: slots_left(unit, now, slot_ms),
                max_w: watts(params.kw),
            }
        }),
        other: Vec::new(),
    }
}

/// Whole slots until departure; zero when nothing is plugged in.
fn slots_left(unit: &EvUnit, now: gridloom_units::SimTime, slot_ms: u64) -> u16 {
    let left_ms = unit.0.time_left_ms(now).unwrap_or(0);
    u16::try_from(left_ms / slot_ms.max(1)).unwrap_or(u16::MAX)
}
