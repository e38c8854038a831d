//! Registers and signed readings.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_equipment::{MeterRegisters, NANO_WH_PER_WH};
use gridloom_ledger::{KeyPair, MeterReading, Transaction, TxBody};

use crate::clock::SimClock;
use crate::edge::{Step, Steps};
use crate::grid::{Mlmd, Through};
use crate::ledger::{Ledgers, Membership};
use crate::link::{Body, DataPlane, LinkTable, RecentHops};
use crate::market::MarketClock;
use crate::market::facts::device_facts;
use crate::sim_state::plain_sim_state;
use crate::site::{BatteryUnit, EvUnit, HeatPumpUnit, HeaterUnit, Site, SitePower};
use crate::truth::{Drift, PhaseProbe, Probe, Told};
use crate::view::Place;

/// An I-meter.
#[derive(Component, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Meter {
    /// Registers since the start.
    pub registers: MeterRegisters,
    /// Sequence number of the next reading.
    pub sequence: u64,
    /// Whether its radio is off.
    pub silenced: bool,
    /// End of the last interval that reached the LG-Aggregator, ms.
    pub last_received_ms: Option<u64>,
    /// What its display shows, if the LG-Aggregator sent it something.
    pub notice: Option<String>,
}

plain_sim_state!(Meter);

/// Keys of a site: the owner's account and the meter's own; fixed for a run.
#[derive(Component, Clone)]
pub struct MeterKeys {
    /// Signs registration and preferences.
    pub account: KeyPair,
    /// Signs readings.
    pub meter: KeyPair,
}

/// Adds the tick's energy, as served by the network, to the registers.
pub(super) fn count_energy(clock: Res<SimClock>, mut sites: Query<(&SitePower, &mut Meter)>) {
    for (power, mut meter) in &mut sites {
        meter
            .registers
            .record(power.net_kw, power.pv_kw, clock.tick_ms);
    }
}

type Metered<'w> = (
    &'w Site,
    &'w MeterKeys,
    &'w mut Meter,
    &'w mut Told,
    &'w mut Probe,
    Option<&'w BatteryUnit>,
    Option<&'w HeaterUnit>,
    Option<&'w HeatPumpUnit>,
    Option<&'w EvUnit>,
);

/// At the end of an interval every meter signs a reading and sends it.
pub(super) fn send_readings(
    clock: Res<SimClock>,
    market: Res<MarketClock>,
    links: Res<LinkTable>,
    ledgers: Res<Ledgers>,
    membership: Res<Membership>,
    mut plane: ResMut<DataPlane>,
    mut recent: ResMut<RecentHops>,
    mut steps: ResMut<Steps>,
    mut sites: Query<Metered<'_>>,
) {
    if !clock.ends_interval(market.reading_ms) {
        return;
    }
    let end_ms = clock.end_ms();
    // The message number seeds its latency, so meters send in fixed order.
    let mut order: Vec<_> = sites.iter_mut().collect();
    order.sort_by_key(|(site, ..)| site.meter);
    for (site, keys, mut meter, mut told, mut probe, battery, heater, heat_pump, ev) in order {
        let registers = meter.registers.reading();
        let registers = [
            registers.import_wh,
            registers.export_solar_wh,
            registers.export_battery_wh,
        ];
        let [import_wh, export_solar_wh, export_battery_wh] =
            told.tell(registers, market.reading_ms);
        let quality = probe.take(clock.tick_ms as f64 / 1_000.0);
        if meter.silenced {
            continue;
        }
        let facts = device_facts(&clock, market.slot_ms, battery, heater, heat_pump, ev);
        let body = TxBody::Reading(MeterReading {
            interval_end_ms: end_ms,
            import_wh,
            export_solar_wh,
            export_battery_wh,
            facts,
        });
        let chain = ledgers.chain_id(membership.of(site.meter));
        let transaction = Transaction::sign(chain, &keys.meter, meter.sequence, body).encode();
        meter.sequence += 1;
        let reading = Body::Reading {
            meter: site.meter,
            interval_end_ms: end_ms,
            transaction,
            quality,
        };
        steps.begin(Step::MeterToAggregator);
        let to = Place::Mlmd(site.mlmd);
        if !plane.send(&links, &mut recent, end_ms, site.place, to, reading) {
            steps.fail(Step::MeterToAggregator);
        }
    }
}

/// At the end of an interval every M-LMD reports the load of its area.
pub(super) fn send_area_loads(
    clock: Res<SimClock>,
    market: Res<MarketClock>,
    links: Res<LinkTable>,
    mut plane: ResMut<DataPlane>,
    mut recent: ResMut<RecentHops>,
    mut mlmds: Query<(&Mlmd, &Through, &mut Drift, &mut PhaseProbe)>,
) {
    if !clock.ends_interval(market.reading_ms) {
        return;
    }
    let end_ms = clock.end_ms();
    let mut order: Vec<_> = mlmds.iter_mut().collect();
    order.sort_by_key(|(mlmd, ..)| mlmd.index);
    for (mlmd, through, mut drift, mut phases) in order {
        let body = Body::AreaLoad {
            mlmd: mlmd.index,
            interval_end_ms: end_ms,
            energy_wh: drift.tell(through.area_energy / NANO_WH_PER_WH),
            phases_upu: phases.take(),
        };
        let (from, to) = (Place::Mlmd(mlmd.index), Place::Aggregator(mlmd.cluster));
        plane.send(&links, &mut recent, end_ms, from, to, body);
    }
}
