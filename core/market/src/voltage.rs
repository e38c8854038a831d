//! Voltage limits in the clearing between clusters (design section 5.4, step 4).
//!
//! A node's voltage is taken as linear in the net exchanges of the clusters
//! (Baran and Wu 1989 for the radial case; the coefficients come from whoever
//! has a power flow). A voltage beyond its limit tightens the exchange of a
//! cluster, and the tree is cleared again under it; so the limit has a price:
//! the one at the cluster's own place differs from the one at its node, and the
//! difference times the exchange is the rent of the limit.
//!
//! Everything is in integers, micro-pu and Wh: replicas agree to the bit. What
//! is linear is not exact; the owner of the power flow checks the result.

use gridloom_units::{EnergyWh, PriceMicroEurPerKwh};

use crate::MarketError;
use crate::tiers::{ExchangeLimit, TierInput, TierOutcome, clear_tiers_within};

/// Times that one clearing tightens an exchange before it gives up.
const MAX_TIGHTENINGS: usize = 200;

/// Voltage of a node over the exchanges of the clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeVoltage {
    /// Voltage at the exchanges of [`VoltageInput::at_wh`], micro-pu.
    pub base_upu: i64,
    /// What a kilowatt more of net export adds, per cluster, micro-pu.
    pub upu_per_kw: Vec<i64>,
}

/// Linear voltages of a slot and their limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoltageInput {
    /// Length of the slot, min.
    pub slot_min: u32,
    /// Least voltage, micro-pu.
    pub min_upu: i64,
    /// Largest voltage, micro-pu.
    pub max_upu: i64,
    /// Net export of each cluster at which the base voltages hold, Wh.
    pub at_wh: Vec<EnergyWh>,
    /// The nodes under watch.
    pub nodes: Vec<NodeVoltage>,
}

/// A slot cleared within voltage limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoltageOutcome {
    /// The clearing.
    pub tiers: TierOutcome,
    /// Limits it was cleared under, per cluster.
    pub limits: Vec<ExchangeLimit>,
    /// Voltage of every node at the result, micro-pu.
    pub predicted_upu: Vec<i64>,
    /// Times an exchange was tightened.
    pub tightenings: usize,
    /// Whether every limit holds; false where no exchange is left to tighten.
    pub holds: bool,
}

impl VoltageInput {
    /// Voltage of a node at these net exports, micro-pu.
    #[must_use]
    pub fn predicted_upu(&self, node: &NodeVoltage, exchange_wh: &[EnergyWh]) -> i64 {
        let moved: i128 = node
            .upu_per_kw
            .iter()
            .zip(exchange_wh.iter().zip(&self.at_wh))
            .map(|(upu, (now, then))| i128::from(*upu) * (i128::from(*now) - i128::from(*then)))
            .sum();
        // Wh in a slot are 60 / slot_min W.
        let upu = moved * 60 / (1_000 * i128::from(self.slot_min.max(1)));
        node.base_upu
            .saturating_add(i64::try_from(upu).unwrap_or(i64::MAX))
    }

    /// Energy that moves a voltage by at least so much, Wh.
    fn energy_for(&self, upu: i64, upu_per_kw: i64) -> EnergyWh {
        let wh = i128::from(upu) * 1_000 * i128::from(self.slot_min.max(1));
        let per = 60 * i128::from(upu_per_kw.max(1));
        EnergyWh::try_from((wh + per - 1) / per).unwrap_or(EnergyWh::MAX)
    }

    /// Nodes beyond a limit and by how much, furthest first: positive above the
    /// upper one, negative below the lower one, micro-pu.
    fn beyond(&self, voltages: &[i64]) -> Vec<(usize, i64)> {
        let off = |upu: i64| {
            let above = (upu - self.max_upu).max(0);
            if above > 0 {
                above
            } else {
                (upu - self.min_upu).min(0)
            }
        };
        let mut beyond: Vec<(usize, i64)> = voltages
            .iter()
            .enumerate()
            .map(|(node, upu)| (node, off(*upu)))
            .filter(|(_, off)| *off != 0)
            .collect();
        beyond.sort_by_key(|(node, off)| (std::cmp::Reverse(off.abs()), *node));
        beyond
    }
}

/// Clears a slot so that every linear voltage keeps its limits. The exchanges
/// are tightened where a micro-pu costs the least: by the value of a
/// kilowatt-hour at the cluster's boundary over its effect on the node.
///
/// # Errors
/// As [`clear_tiers_within`].
pub fn clear_within_voltage(
    input: &TierInput<'_>,
    voltage: &VoltageInput,
) -> Result<VoltageOutcome, MarketError> {
    let mut limits = vec![ExchangeLimit::default(); input.clusters.len()];
    let mut tightenings = 0;
    loop {
        let tiers = clear_tiers_within(input, &limits)?;
        let exchange_wh: Vec<EnergyWh> = tiers.clusters.iter().map(|c| c.exchange_wh).collect();
        let predicted_upu: Vec<i64> = voltage
            .nodes
            .iter()
            .map(|node| voltage.predicted_upu(node, &exchange_wh))
            .collect();
        let beyond = voltage.beyond(&predicted_upu);
        // What cannot be mended must not keep others from it.
        let tightened = tightenings < MAX_TIGHTENINGS
            && beyond.iter().any(|(node, off_upu)| {
                let node = &voltage.nodes[*node];
                tighten(voltage, node, *off_upu, &tiers, input, &mut limits)
            });
        if tightened {
            tightenings += 1;
            continue;
        }
        return Ok(VoltageOutcome {
            tiers,
            limits,
            predicted_upu,
            tightenings,
            holds: beyond.is_empty(),
        });
    }
}

/// Tightens one exchange after the other until the node's limit holds; whether
/// any was.
fn tighten(
    voltage: &VoltageInput,
    node: &NodeVoltage,
    off_upu: i64,
    tiers: &TierOutcome,
    input: &TierInput<'_>,
    limits: &mut [ExchangeLimit],
) -> bool {
    let too_high = off_upu > 0;
    let mut order: Vec<(i128, usize, EnergyWh, i64)> = Vec::new();
    for (index, cluster) in tiers.clusters.iter().enumerate() {
        let upu_per_kw = node.upu_per_kw.get(index).copied().unwrap_or(0);
        // Without the part that the limit itself makes.
        let outside = cluster.boundary - cluster.voltage;
        let (room_wh, value) = if too_high {
            (cluster.exchange_wh, outside - input.ask(cluster))
        } else {
            (-cluster.exchange_wh, input.lost_load - outside)
        };
        if upu_per_kw > 0 && room_wh > 0 {
            let value: PriceMicroEurPerKwh = value.max(0) + 1;
            // Value per micro-pu in fixed point.
            let cost = (i128::from(value) << 32) / i128::from(upu_per_kw);
            order.push((cost, index, room_wh, upu_per_kw));
        }
    }
    order.sort_unstable();
    let mut left_upu = off_upu.abs();
    let mut tightened = false;
    for (_, index, room_wh, upu_per_kw) in order {
        if left_upu <= 0 {
            break;
        }
        let less_wh = voltage.energy_for(left_upu, upu_per_kw).min(room_wh);
        let limit = Some(room_wh - less_wh);
        if too_high {
            limits[index].export_wh = limit;
        } else {
            limits[index].import_wh = limit;
        }
        tightened = true;
        let done = i128::from(less_wh) * 60 * i128::from(upu_per_kw);
        let done = done / (1_000 * i128::from(voltage.slot_min.max(1)));
        left_upu -= i64::try_from(done).unwrap_or(i64::MAX);
    }
    tightened
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiers::{ClusterOrders, TierNode};
    use crate::{BuyOrder, Exponent, SellOrder};
    use gridloom_units::{AccountId, EnergyType};
    use proptest::prelude::*;

    const EXPORT: i64 = 80_000;

    fn account(n: u8) -> AccountId {
        AccountId([n; 32])
    }

    fn network(clusters: usize) -> Vec<TierNode> {
        let line = |parent, fee| TierNode {
            parent,
            capacity_wh: 1_000_000,
            fee,
        };
        let below = std::iter::repeat_n(line(Some(0), 5_000), clusters);
        std::iter::once(line(None, 10_000)).chain(below).collect()
    }

    /// Clusters of two sellers, or of one buyer where the figure is negative.
    fn clusters(net_wh: &[i64]) -> Vec<ClusterOrders> {
        let cluster = |(index, net_wh): (usize, &i64)| {
            let n = index as u8 * 3;
            let seller = |n, offered_wh| SellOrder {
                account: account(n),
                kind: EnergyType::Solar,
                offered_wh,
            };
            let half = net_wh.max(&0) / 2;
            ClusterOrders {
                node: index + 1,
                sellers: vec![seller(n, half), seller(n + 1, net_wh.max(&0) - half)],
                buyers: vec![BuyOrder {
                    account: account(n + 2),
                    demand_wh: (-net_wh).max(0),
                    weights: [1; 7],
                }],
                wishes: vec![],
            }
        };
        net_wh.iter().enumerate().map(cluster).collect()
    }

    fn cleared(net_wh: &[i64], voltage: &VoltageInput) -> VoltageOutcome {
        let (network, clusters) = (network(net_wh.len()), clusters(net_wh));
        clear_within_voltage(
            &TierInput {
                import: 300_000,
                export: EXPORT,
                lost_load: 3_000_000,
                reserve: 0,
                exponent: Exponent::One,
                network: &network,
                clusters: &clusters,
            },
            voltage,
        )
        .expect("valid")
    }

    fn hour(at_wh: &[i64], nodes: Vec<NodeVoltage>) -> VoltageInput {
        VoltageInput {
            slot_min: 60,
            min_upu: 950_000,
            max_upu: 1_050_000,
            at_wh: at_wh.to_vec(),
            nodes,
        }
    }

    #[test]
    fn the_cluster_that_moves_the_voltage_most_is_held_back_and_paid_less() {
        // 20 kW each; the far one moves the node ten times as much.
        let node = NodeVoltage {
            base_upu: 1_054_000,
            upu_per_kw: vec![100, 1_000],
        };
        let outcome = cleared(&[20_000, 20_000], &hour(&[20_000, 20_000], vec![node]));
        assert!(outcome.holds);
        let exchange: Vec<i64> = outcome
            .tiers
            .clusters
            .iter()
            .map(|c| c.exchange_wh)
            .collect();
        assert_eq!(exchange, [20_000, 16_000]);
        assert_eq!(outcome.predicted_upu, [1_050_000]);
        let [near, far] = &outcome.tiers.clusters[..] else {
            unreachable!("two clusters")
        };
        // 8 ct less 1.5 ct of fees; at the held one the price is what its sellers ask.
        assert_eq!((near.boundary, near.voltage), (65_000, 0));
        assert_eq!((far.boundary, far.voltage), (0, -65_000));
        assert_eq!(outcome.tiers.voltage_rent, 65_000 * 16_000);
        // In proportion: each seller of the far cluster loses 2 kWh.
        assert_eq!(
            far.cut_wh.values().copied().collect::<Vec<_>>(),
            [2_000, 2_000]
        );
        assert_eq!(outcome.tiers.imbalance(), 0);
    }

    #[test]
    fn low_voltage_sheds_demand_at_the_value_of_lost_load() {
        let node = NodeVoltage {
            base_upu: 949_000,
            upu_per_kw: vec![500],
        };
        let outcome = cleared(&[-10_000], &hour(&[-10_000], vec![node]));
        assert!(outcome.holds);
        let cluster = &outcome.tiers.clusters[0];
        assert_eq!((cluster.exchange_wh, cluster.shed_wh), (-8_000, 2_000));
        assert_eq!(cluster.boundary, 3_000_000);
        assert_eq!(cluster.voltage, 3_000_000 - 315_000);
        assert_eq!(outcome.tiers.imbalance(), 0);
    }

    #[test]
    fn what_no_exchange_can_mend_is_said() {
        let node = NodeVoltage {
            base_upu: 1_080_000,
            upu_per_kw: vec![1_000],
        };
        let outcome = cleared(&[20_000], &hour(&[20_000], vec![node]));
        assert!(!outcome.holds);
        assert_eq!(outcome.predicted_upu, [1_060_000]);
        assert_eq!(outcome.tiers.clusters[0].exchange_wh, 0);
    }

    #[test]
    fn what_cannot_be_mended_keeps_nothing_else_from_it() {
        let node = |base_upu, upu_per_kw: [i64; 2]| NodeVoltage {
            base_upu,
            upu_per_kw: upu_per_kw.to_vec(),
        };
        // The first node is far too low and nobody imports; the second one is too high.
        let nodes = vec![node(900_000, [500, 0]), node(1_060_000, [0, 1_000])];
        let outcome = cleared(&[20_000, 20_000], &hour(&[20_000, 20_000], nodes));
        assert!(!outcome.holds);
        assert_eq!(outcome.predicted_upu, [900_000, 1_050_000]);
    }

    proptest! {
        #[test]
        fn limits_hold_and_money_is_complete(
            net_wh in prop::collection::vec(-30_000_i64..30_000, 1..5),
            bases in prop::collection::vec(930_000_i64..1_070_000, 1..6),
            upu in prop::collection::vec(0_i64..2_000, 30),
        ) {
            let count = net_wh.len();
            let nodes: Vec<NodeVoltage> = bases.iter().enumerate().map(|(n, base)| NodeVoltage {
                base_upu: *base,
                upu_per_kw: upu[n * 5..n * 5 + count].to_vec(),
            }).collect();
            let voltage = hour(&net_wh, nodes);
            let outcome = cleared(&net_wh, &voltage);
            prop_assert_eq!(outcome.tiers.imbalance(), 0);
            prop_assert!(outcome.tiers.voltage_rent >= 0);
            let within = outcome.predicted_upu.iter()
                .all(|upu| (voltage.min_upu..=voltage.max_upu).contains(upu));
            prop_assert_eq!(outcome.holds, within);
            let free = cleared(&net_wh, &VoltageInput { min_upu: 0, max_upu: i64::MAX, ..voltage.clone() });
            for (held, free) in outcome.tiers.clusters.iter().zip(&free.tiers.clusters) {
                // Held back, never turned round.
                prop_assert!(held.exchange_wh.abs() <= free.exchange_wh.abs());
                prop_assert!(held.exchange_wh.signum() * free.exchange_wh.signum() >= 0);
                let cut: i64 = held.cut_wh.values().sum();
                prop_assert_eq!(cut, free.exchange_wh - held.exchange_wh);
            }
            let lowest = voltage.nodes.iter().map(|node| node.base_upu).min().unwrap_or(0);
            let highest = voltage.nodes.iter().map(|node| node.base_upu).max().unwrap_or(0);
            if lowest >= voltage.min_upu && highest <= voltage.max_upu {
                prop_assert_eq!(outcome.tightenings, 0);
            }
        }
    }
}
