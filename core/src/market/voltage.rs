//! A slot cleared within voltage limits and checked against the power flow
//! (design section 5.4, step 4).
//!
//! The power flow solves the result of clearing without limits. Where a node is
//! beyond a limit, it gives the sensitivities there, the exchanges of the
//! clusters are held back by linear constraints, and the power flow solves the
//! new result: at most three rounds.

use std::collections::BTreeMap;

use gridloom_market::tiers::{ClusterTier, TierInput, TierOutcome, clear_tiers};
use gridloom_market::voltage::{NodeVoltage, VoltageInput, clear_within_voltage};
use gridloom_units::{AccountId, EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh};
use serde::Serialize;

use super::feeder::{Feeder, micro};

/// Most rounds of clearing and power flow.
const ROUNDS: usize = 3;

/// Error of a prediction that needs no further round, micro-pu.
const GOOD_UPU: i64 = 300;

/// What a solved voltage may be beyond a limit, micro-pu.
pub const TOLERANCE_UPU: i64 = 100;

/// Limits of a slot.
#[derive(Clone, Copy, Debug)]
pub struct VoltageLimits {
    /// Least voltage, micro-pu.
    pub min_upu: i64,
    /// Largest voltage, micro-pu.
    pub max_upu: i64,
}

impl VoltageLimits {
    /// How far the worst voltage is beyond a limit, micro-pu; 0 within them.
    fn excess_upu(self, voltages: &[i64]) -> i64 {
        let (low, high) = band(voltages.iter().copied());
        (self.min_upu - low).max(high - self.max_upu).max(0)
    }
}

/// Voltages of a cleared slot, predicted against solved.
#[derive(Clone, Debug, Default, Serialize)]
pub struct VoltageRow {
    /// Lowest and highest solved voltage without limits, micro-pu.
    pub free_upu: (i64, i64),
    /// Largest error of the sensitivities alone, from their operating point to
    /// this slot, micro-pu.
    pub linear_error_upu: i64,
    /// Lowest and highest predicted voltage of the result, micro-pu: by the last
    /// round of clearing, without one by the sensitivities alone.
    pub predicted_upu: (i64, i64),
    /// Lowest and highest solved voltage of the result, micro-pu.
    pub solved_upu: (i64, i64),
    /// Largest difference of the two at any node, micro-pu.
    pub error_upu: i64,
    /// Rounds of clearing and power flow; 0 when no limit was reached.
    pub rounds: usize,
    /// Whether the power flow keeps the limits, within [`TOLERANCE_UPU`].
    pub holds: bool,
    /// Whether the clearing found exchanges that keep them.
    pub mended: bool,
    /// Supply held back, Wh.
    pub curtailed_wh: EnergyWh,
    /// Demand held back, Wh.
    pub shed_wh: EnergyWh,
    /// Voltage component of each cluster's price, micro-EUR/kWh.
    pub component: Vec<PriceMicroEurPerKwh>,
    /// Rent of the limits, nano-EUR.
    pub rent_nano_eur: MoneyNanoEur,
}

/// Power that members give in a slot, by their place in the feeder.
struct Given<'a> {
    places: &'a BTreeMap<AccountId, usize>,
    slot_min: u32,
    /// As the orders say, kW.
    ordered_kw: Vec<f64>,
}

impl<'a> Given<'a> {
    fn new(
        input: &TierInput<'_>,
        places: &'a BTreeMap<AccountId, usize>,
        members: usize,
        slot_min: u32,
    ) -> Self {
        let mut given = Self {
            places,
            slot_min,
            ordered_kw: vec![0.0; members],
        };
        let mut ordered_kw = vec![0.0; members];
        for cluster in input.clusters {
            let sold = cluster.sellers.iter().map(|o| (o.account, o.offered_wh));
            let bought = cluster.buyers.iter().map(|o| (o.account, -o.demand_wh));
            for (account, wh) in sold.chain(bought) {
                if let Some(place) = places.get(&account) {
                    ordered_kw[*place] += given.kw(wh);
                }
            }
        }
        given.ordered_kw = ordered_kw;
        given
    }

    fn kw(&self, wh: EnergyWh) -> f64 {
        wh as f64 * 60.0 / (1_000.0 * f64::from(self.slot_min))
    }

    /// After what was held back, kW.
    fn after(&self, outcome: &TierOutcome) -> Vec<f64> {
        let mut given_kw = self.ordered_kw.clone();
        for cluster in &outcome.clusters {
            for (account, wh) in &cluster.cut_wh {
                if let Some(place) = self.places.get(account) {
                    given_kw[*place] -= self.kw(*wh);
                }
            }
        }
        given_kw
    }
}

/// Sensitivity of a node to a cluster's exchange: the members' ones, weighted
/// by what each has left over, since that is what a limit holds back.
fn of_cluster(row: &[i64], cluster: &ClusterTier, places: &BTreeMap<AccountId, usize>) -> i64 {
    // By what is left over, not by the exchange: that may be held at nothing.
    let unsold = cluster.local.unsold.iter().map(|(a, _, wh)| (*a, *wh));
    let unmet = cluster.local.unmet.iter().copied();
    let sum_wh = |parts: &[(AccountId, EnergyWh)]| parts.iter().map(|(_, wh)| wh).sum::<EnergyWh>();
    let (unsold, unmet): (Vec<_>, Vec<_>) = (unsold.collect(), unmet.collect());
    let parts = if sum_wh(&unsold) >= sum_wh(&unmet) {
        unsold
    } else {
        unmet
    };
    let (mut sum, mut weight) = (0_i128, 0_i128);
    for (account, wh) in parts {
        if let Some(place) = places.get(&account) {
            sum += i128::from(row[*place]) * i128::from(wh);
            weight += i128::from(wh);
        }
    }
    i64::try_from(sum / weight.max(1)).unwrap_or(0)
}

fn band(voltages: impl Iterator<Item = i64> + Clone) -> (i64, i64) {
    (
        voltages.clone().min().unwrap_or(0),
        voltages.max().unwrap_or(0),
    )
}

fn largest_gap(a: &[i64], b: &[i64]) -> i64 {
    let gaps = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    gaps.max().unwrap_or(0)
}

/// Clears a slot within voltage limits. `places` says which member of the
/// feeder an account is.
///
/// # Errors
/// As the clearing; and when the power flow has no solution.
pub fn clear_on_feeder(
    feeder: &mut Feeder,
    input: &TierInput<'_>,
    places: &BTreeMap<AccountId, usize>,
    slot_min: u32,
    limits: VoltageLimits,
) -> Result<(TierOutcome, VoltageRow), String> {
    let given = Given::new(input, places, feeder.members(), slot_min);
    let outcome = clear_tiers(input).map_err(|error| error.to_string())?;
    let given_kw = given.after(&outcome);
    let mut now = Round {
        predicted: feeder.predict_upu(&given_kw),
        solved: solved_upu(feeder, &given_kw)?,
        outcome,
        given_kw,
        mended: true,
    };
    let mut row = VoltageRow {
        free_upu: band(now.solved.iter().copied()),
        linear_error_upu: largest_gap(&now.predicted, &now.solved),
        ..VoltageRow::default()
    };
    let mut best: Option<Round> = None;
    let mut again = limits.excess_upu(&now.solved) > 0;
    while row.rounds < ROUNDS && again {
        row.rounds += 1;
        let voltage = VoltageInput {
            slot_min,
            min_upu: limits.min_upu,
            max_upu: limits.max_upu,
            at_wh: exchanges(&now.outcome),
            nodes: nodes(&feeder.sensitivities(&now.given_kw)?, &now, places),
        };
        let cleared = clear_within_voltage(input, &voltage).map_err(|e| e.to_string())?;
        let given_kw = given.after(&cleared.tiers);
        now = Round {
            predicted: cleared.predicted_upu,
            solved: solved_upu(feeder, &given_kw)?,
            outcome: cleared.tiers,
            given_kw,
            mended: cleared.holds,
        };
        // Whether too little was held back, or more than needed.
        let (excess_upu, gap_upu) = now.faults(limits);
        again = (excess_upu > TOLERANCE_UPU || gap_upu > GOOD_UPU)
            && exchanges(&now.outcome) != voltage.at_wh;
        // Where clusters are alike a round may jump from one to the other; what
        // cannot be mended is what the last round says.
        let better = |best: &Round| now.faults(limits) < best.faults(limits);
        if !now.mended || best.as_ref().is_none_or(better) {
            best = Some(now.clone());
        }
    }
    let Round {
        outcome,
        predicted,
        solved,
        mended,
        ..
    } = best.unwrap_or(now);
    row.predicted_upu = band(predicted.iter().copied());
    row.solved_upu = band(solved.iter().copied());
    row.error_upu = largest_gap(&predicted, &solved);
    row.holds = limits.excess_upu(&solved) <= TOLERANCE_UPU;
    row.mended = mended;
    row.curtailed_wh = outcome.clusters.iter().map(|c| c.curtailed_wh).sum();
    row.shed_wh = outcome.clusters.iter().map(|c| c.shed_wh).sum();
    row.component = outcome.clusters.iter().map(|c| c.voltage).collect();
    row.rent_nano_eur = outcome.voltage_rent;
    Ok((outcome, row))
}

/// A clearing and its power flow.
#[derive(Clone)]
struct Round {
    outcome: TierOutcome,
    given_kw: Vec<f64>,
    predicted: Vec<i64>,
    solved: Vec<i64>,
    mended: bool,
}

impl Round {
    /// How far beyond a limit, when that is beyond the tolerance, and the
    /// largest error, micro-pu.
    fn faults(&self, limits: VoltageLimits) -> (i64, i64) {
        (
            limits.excess_upu(&self.solved).max(TOLERANCE_UPU),
            largest_gap(&self.predicted, &self.solved),
        )
    }
}

fn solved_upu(feeder: &mut Feeder, given_kw: &[f64]) -> Result<Vec<i64>, String> {
    Ok(feeder.solve(given_kw)?.into_iter().map(micro).collect())
}

fn exchanges(outcome: &TierOutcome) -> Vec<EnergyWh> {
    outcome.clusters.iter().map(|c| c.exchange_wh).collect()
}

/// The nodes under watch, linear around a result that was solved.
fn nodes(
    sensitivities: &[Vec<i64>],
    round: &Round,
    places: &BTreeMap<AccountId, usize>,
) -> Vec<NodeVoltage> {
    let clusters = &round.outcome.clusters;
    sensitivities
        .iter()
        .zip(&round.solved)
        .map(|(row, base_upu)| NodeVoltage {
            base_upu: *base_upu,
            upu_per_kw: clusters
                .iter()
                .map(|cluster| of_cluster(row, cluster, places))
                .collect(),
        })
        .collect()
}
