//! The price of a slot (paper step d), formed by every validator alike.

use gridloom_contract::Basis;
use gridloom_market::forward::{Outlook, Series};
use gridloom_market::wholesale::GridPrices;
use gridloom_market::{
    Household, MarketError, PriceInput, PriceOutcome, PriceRule, Rule, StepLimit, form_price,
};
use gridloom_units::{EnergyType, EnergyWh, PriceMicroEurPerKwh, SimTime, TypedWh};

use super::order::terms_of;
use super::wholesale::grid_prices;
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
    pub(super) fn energy_in(&self, slot: u32, rules: &MarketRules) -> Option<Registers> {
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

/// A price and what was learned on the way to it.
pub(crate) struct Formed {
    /// The price.
    pub(crate) price: SlotPrice,
    /// The cluster's forecasts, the slot before noted.
    outlook: Outlook,
}

/// The price a slot must have, from what is on record for the slot before, or
/// from what that lets expect of the slot, as the contract says.
///
/// The first price has no predecessor, so its step is not limited.
pub(crate) fn form(view: &View<'_>, rules: &MarketRules, slot: u32) -> Result<Formed, Refusal> {
    let market = view.market().ok_or("the EM contract is not registered")?;
    let version = market.version_for(slot)?;
    let template = view
        .template(version)
        .ok_or("the EM contract is not registered")?;
    let roster = view.roster().map_or(&[][..], Vec::as_slice);
    let island = view.island(slot).is_some();
    let (grid, position) = if island {
        let (feed_in, import) = rules.bounds(true);
        (GridPrices { feed_in, import }, None)
    } else {
        grid_prices(view, rules, slot)?
    };
    let mut input = PriceInput {
        lower: grid.feed_in,
        upper: grid.import,
        exponent: template.price.exponent,
        supply_wh: [0; EnergyType::COUNT],
        buyers: Vec::with_capacity(roster.len()),
        asks: Vec::new(),
    };
    let known = slot.checked_sub(1).map(|previous| {
        let wanted = (previous, slot);
        metered(view, rules, wanted, &mut input)
    });
    let metered = known.unwrap_or_default();
    let mut outlook = view.outlook().cloned().unwrap_or_default();
    if let Some(previous) = slot.checked_sub(1) {
        let day = usize::from(1_440 / rules.slot_min().max(1)).max(1);
        outlook.note(previous, metered.demand_wh, &metered.supply_wh, day);
    }
    let (mut supply_wh, mut demand_wh) = (metered.supply_wh, metered.demand_wh);
    if template.price.basis == Basis::Forecast {
        expect(&outlook, &metered, &mut input);
        (supply_wh, demand_wh) = (outlook.supply_wh(), outlook.demand.expected().wh);
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
    typed[EnergyType::GridMix.index()] = grid.import;
    let price = SlotPrice {
        slot,
        typed,
        scalar: outcome.scalar,
        supply_wh,
        demand_wh,
        metered_supply_wh: metered.supply_wh,
        metered_demand_wh: metered.demand_wh,
        recorded: metered.recorded,
        expected: u32::try_from(roster.len()).unwrap_or(u32::MAX),
        height: 0,
        version,
        grid,
        position,
        island,
    };
    Ok(Formed { price, outlook })
}

/// What the meters say of a slot; orders may offer or ask for less of it.
#[derive(Default)]
struct Metered {
    supply_wh: TypedWh,
    demand_wh: EnergyWh,
    /// Meters with a reading at its end.
    recorded: u32,
}

/// Fills in what was metered in the slot before, under the orders of the priced one.
fn metered(
    view: &View<'_>,
    rules: &MarketRules,
    (previous, slot): (u32, u32),
    input: &mut PriceInput,
) -> Metered {
    let mut metered = Metered::default();
    for account in view.roster().map_or(&[][..], Vec::as_slice) {
        let Some((meter, instance)) = view.participant(*account).and_then(|participant| {
            view.meter(participant.meter)
                .zip(view.instance(*account, participant.version))
        }) else {
            continue;
        };
        metered.recorded += u32::from(meter.has_end_of(previous, rules));
        let Some(energy) = meter.energy_in(previous, rules) else {
            continue;
        };
        let mut given_wh = [0; EnergyType::COUNT];
        given_wh[EnergyType::Solar.index()] = energy.export_solar_wh;
        given_wh[EnergyType::Battery.index()] = energy.export_battery_wh;
        for (sum, wh) in metered.supply_wh.iter_mut().zip(given_wh) {
            *sum += wh;
        }
        metered.demand_wh += energy.import_wh;
        let limits = instance.preferences.limits;
        input.add(
            &Household {
                demand_wh: energy.import_wh,
                supply_wh: given_wh,
                weights: instance.preferences.weights.to_array(),
                buy_up_to: limits.buy_up_to,
                sell_from: limits.sell_from,
            },
            terms_of(view, *account, slot),
        );
    }
    metered
}

/// Puts what is expected in the place of what was metered: supply by type, and
/// everybody's demand and offer in proportion.
fn expect(outlook: &Outlook, metered: &Metered, input: &mut PriceInput) {
    let scale = |wh: EnergyWh, to: EnergyWh, of: EnergyWh| {
        if of <= 0 {
            return wh;
        }
        let scaled = i128::from(wh) * i128::from(to) / i128::from(of);
        EnergyWh::try_from(scaled).unwrap_or(wh)
    };
    let expected_wh = outlook.supply_wh();
    for (k, wh) in input.supply_wh.iter_mut().enumerate() {
        let (to, of) = (expected_wh[k], metered.supply_wh[k]);
        *wh = if of > 0 { scale(*wh, to, of) } else { to };
    }
    let demand_wh = outlook.demand.expected().wh;
    for buyer in &mut input.buyers {
        buyer.demand_wh = scale(buyer.demand_wh, demand_wh, metered.demand_wh);
    }
    let (to, of): (EnergyWh, EnergyWh) = (expected_wh.iter().sum(), metered.supply_wh.iter().sum());
    for ask in &mut input.asks {
        ask.offered_wh = scale(ask.offered_wh, to, of);
    }
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
        let Formed { mut price, outlook } = form(&self.view, rules, slot)?;
        if (price.typed, price.scalar) != (*typed, scalar) {
            return Err(format!(
                "the price is {scalar} (per type {typed:?}), but the readings on record give {} ({:?}) µEUR/kWh",
                price.scalar, price.typed
            ));
        }
        let previous = market.priced_through.and_then(|last| self.view.price(last));
        let previous_scalar = previous.map_or(rules.import, |last| last.scalar);
        price.height = self.env.height;
        self.begin_version(slot);
        market = self.market();
        market.priced_through = Some(slot);
        self.put_market(market);
        self.receipts.push(Receipt::PriceDecided {
            slot,
            typed: *typed,
            scalar,
        });
        self.receipts.push(Receipt::Expected {
            slot,
            demand: outlook.demand.expected(),
            supply: Box::new(outlook.supply.each_ref().map(Series::expected)),
        });
        self.view
            .put(StateKey::Outlook, StateValue::Outlook(Box::new(outlook)));
        self.run_contracts(rules, &price, previous_scalar);
        self.view
            .put(StateKey::Price(slot), StateValue::Price(price));
        Ok(())
    }
}
