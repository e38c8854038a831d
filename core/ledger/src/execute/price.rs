//! The price of a slot (paper step d), formed by every validator alike.

use gridloom_market::{
    Buyer, MarketError, PriceInput, PriceOutcome, PriceRule, Rule, StepLimit, form_price,
};
use gridloom_units::{EnergyType, EnergyWh, PriceMicroEurPerKwh, SimTime};

use super::{Executor, Refusal};
use crate::genesis::MarketRules;
use crate::receipt::Receipt;
use crate::state::{Meter, Registers, SlotPrice, StateKey, StateValue, View};

/// The contract's rule, except that without any supply every type costs what
/// the grid asks: the next kilowatt-hour of any type is imported.
struct ImportWithoutSupply<'a>(&'a Rule);

impl PriceRule for ImportWithoutSupply<'_> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn price(&self, input: &PriceInput, minute_of_day: u16) -> Result<PriceOutcome, MarketError> {
        let mut outcome = self.0.price(input, minute_of_day)?;
        if input.supply_wh.iter().all(|wh| *wh == 0) {
            outcome.price = [input.upper; EnergyType::COUNT];
            outcome.scalar = input.upper;
        }
        Ok(outcome)
    }
}

impl Meter {
    /// Energy of a slot for price formation: what the registers say, brought
    /// to the length of a slot where readings are missing at its ends.
    fn energy_in(&self, slot: u32, rules: &MarketRules) -> Option<Registers> {
        let slot = self.boundaries.iter().find(|b| b.slot == slot)?;
        let span_ms = slot.end_ms - slot.from_ms.min(slot.end_ms);
        let energy = slot.registers.since(&slot.from);
        if span_ms == rules.slot_ms || span_ms == 0 {
            return Some(energy);
        }
        let scale = |wh: EnergyWh| {
            let scaled = i128::from(wh) * i128::from(rules.slot_ms) / i128::from(span_ms);
            EnergyWh::try_from(scaled).unwrap_or(wh)
        };
        Some(Registers {
            import_wh: scale(energy.import_wh),
            export_solar_wh: scale(energy.export_solar_wh),
            export_battery_wh: scale(energy.export_battery_wh),
        })
    }

    /// Whether the last reading that the slot's timetable asks for is on record.
    pub(crate) fn has_end_of(&self, slot: u32, rules: &MarketRules) -> bool {
        let due_ms = rules.slot_end_ms(slot).saturating_sub(rules.reading_ms);
        self.last.as_ref().is_some_and(|last| {
            last.interval_end_ms > rules.slot_end_ms(slot)
                || self
                    .boundaries
                    .iter()
                    .any(|b| b.slot == slot && b.end_ms > due_ms)
        })
    }
}

/// The price a slot must have, from what is on record for the slot before.
///
/// The first price has no predecessor, so its step is not limited.
pub(crate) fn form(view: &View<'_>, rules: &MarketRules, slot: u32) -> Result<SlotPrice, Refusal> {
    let market = view.market().ok_or("the EM contract is not registered")?;
    let template = view
        .template(market.template_version)
        .ok_or("the EM contract is not registered")?;
    let roster = view.roster().map_or(&[][..], Vec::as_slice);
    let mut input = PriceInput {
        lower: rules.feed_in,
        upper: rules.import,
        exponent: template.price.exponent,
        supply_wh: [0; EnergyType::COUNT],
        buyers: Vec::with_capacity(roster.len()),
    };
    let mut recorded = 0;
    for account in roster {
        let Some((meter, instance)) = view.participant(*account).and_then(|participant| {
            view.meter(participant.meter)
                .zip(view.instance(*account, participant.version))
        }) else {
            continue;
        };
        let Some(previous) = slot.checked_sub(1) else {
            continue;
        };
        recorded += u32::from(meter.has_end_of(previous, rules));
        let Some(energy) = meter.energy_in(previous, rules) else {
            continue;
        };
        input.supply_wh[EnergyType::Solar.index()] += energy.export_solar_wh;
        input.supply_wh[EnergyType::Battery.index()] += energy.export_battery_wh;
        input.buyers.push(Buyer {
            demand_wh: energy.import_wh,
            weights: instance.preferences.weights.to_array(),
        });
    }
    let limit = previous_price(view, rules).filter(|_| rules.max_step > 0);
    let outcome = form_price(
        &ImportWithoutSupply(&template.price.rule),
        &input,
        rules.minute_of_day(slot),
        limit.as_ref(),
    )
    .map_err(|error| error.to_string())?;
    let mut typed = outcome.price;
    typed[EnergyType::GridMix.index()] = rules.import;
    Ok(SlotPrice {
        slot,
        typed,
        scalar: outcome.scalar,
        supply_wh: input.supply_wh,
        demand_wh: input.buyers.iter().map(|buyer| buyer.demand_wh).sum(),
        recorded,
        expected: u32::try_from(roster.len()).unwrap_or(u32::MAX),
        height: 0,
    })
}

fn previous_price(view: &View<'_>, rules: &MarketRules) -> Option<StepLimit> {
    let last = view.price(view.market()?.priced_through?)?;
    Some(StepLimit {
        previous: last.typed,
        previous_scalar: last.scalar,
        max_step: rules.max_step,
    })
}

impl Executor<'_> {
    /// Accepts a price that equals the recomputation and runs the contracts.
    pub(super) fn price(
        &mut self,
        rules: &MarketRules,
        slot: u32,
        typed: &[PriceMicroEurPerKwh; EnergyType::COUNT],
        scalar: PriceMicroEurPerKwh,
    ) -> Result<(), Refusal> {
        let mut market = self.market();
        if market.priced_through.is_some_and(|last| slot <= last) {
            return Err(format!("slot {slot} or a later one is priced already"));
        }
        let now = rules.slot_at(self.env.time_ms);
        if slot != now {
            return Err(format!(
                "slot {slot} cannot be priced at {}, which is in slot {now}",
                SimTime(self.env.time_ms)
            ));
        }
        let mut price = form(&self.view, rules, slot)?;
        if (price.typed, price.scalar) != (*typed, scalar) {
            return Err(format!(
                "the price is {scalar} (per type {typed:?}), but the readings on record give {} ({:?}) µEUR/kWh",
                price.scalar, price.typed
            ));
        }
        let previous = market.priced_through.and_then(|last| self.view.price(last));
        let previous_scalar = previous.map_or(rules.import, |last| last.scalar);
        price.height = self.env.height;
        market.priced_through = Some(slot);
        self.put_market(market);
        self.receipts.push(Receipt::PriceDecided {
            slot,
            typed: *typed,
            scalar,
        });
        self.run_contracts(rules, &price, previous_scalar);
        self.view
            .put(StateKey::Price(slot), StateValue::Price(price));
        Ok(())
    }
}
