//! Cluster, neighbours, grid: money complete, energy complete, nearer never dearer.

use std::collections::BTreeMap;

use gridloom_market::tiers::{ClusterOrders, Tier, TierInput, TierNode, clear_tiers, welfare_gap};
use gridloom_market::{BuyOrder, Exponent, SellOrder};
use gridloom_units::{AccountId, EnergyType};
use proptest::prelude::*;

const IMPORT: i64 = 300_000;
const EXPORT: i64 = 80_000;
const LOST_LOAD: i64 = 3_000_000;

fn account(cluster: usize, n: usize, side: u8) -> AccountId {
    let mut bytes = [side; 32];
    bytes[0] = cluster as u8;
    bytes[1] = n as u8;
    AccountId(bytes)
}

type Orders = Vec<(i64, u32)>;

prop_compose! {
    fn street()(
        capacities in proptest::collection::vec(0_i64..20_000, 5),
        fees in proptest::collection::vec(0_i64..15_000, 5),
        clusters in proptest::collection::vec(
            (
                proptest::collection::vec((0_i64..3_000, 0_u32..4), 1..8),
                proptest::collection::vec((0_i64..6_000, 0_u32..6), 0..6),
            ),
            3,
        ),
    ) -> (Vec<TierNode>, Vec<ClusterOrders>) {
        // A root, a transformer below it, and three clusters, one at the root.
        let parents = [None, Some(0), Some(1), Some(1), Some(0)];
        let network = parents
            .iter()
            .enumerate()
            .map(|(n, parent)| TierNode {
                parent: *parent,
                capacity_wh: capacities[n],
                fee: fees[n],
            })
            .collect();
        let orders = clusters
            .into_iter()
            .enumerate()
            .map(|(c, (buy, sell)): (usize, (Orders, Orders))| ClusterOrders {
                node: c + 2,
                buyers: buy
                    .iter()
                    .enumerate()
                    .map(|(n, (demand_wh, weight))| BuyOrder {
                        account: account(c, n, 0),
                        demand_wh: *demand_wh,
                        weights: std::array::from_fn(|k| (weight + k as u32) % 4),
                    })
                    .collect(),
                sellers: sell
                    .iter()
                    .enumerate()
                    .map(|(n, (offered_wh, kind))| SellOrder {
                        account: account(c, n, 1),
                        kind: EnergyType::ALL[*kind as usize],
                        offered_wh: *offered_wh,
                    })
                    .collect(),
                wishes: vec![],
            })
            .collect();
        (network, orders)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn money_and_energy_are_complete_and_nearer_is_never_dearer((network, clusters) in street()) {
        let input = TierInput {
            import: IMPORT,
            export: EXPORT,
            lost_load: LOST_LOAD,
            reserve: 0,
            exponent: Exponent::One,
            network: &network,
            clusters: &clusters,
        };
        let outcome = clear_tiers(&input).expect("valid");
        prop_assert_eq!(outcome.imbalance(), 0);
        prop_assert!(outcome.fees >= 0 && outcome.rent >= 0);
        prop_assert!(welfare_gap(&input, &outcome).expect("valid") >= 0);

        // Every watt-hour wanted or offered has a lot, was shed or was curtailed.
        let mut bought: BTreeMap<AccountId, i64> = BTreeMap::new();
        let mut sold: BTreeMap<AccountId, i64> = BTreeMap::new();
        for lot in &outcome.lots {
            prop_assert!(lot.energy_wh > 0);
            if let Some(buyer) = lot.buyer {
                *bought.entry(buyer).or_default() += lot.energy_wh;
            }
            if let Some(seller) = lot.seller {
                *sold.entry(seller).or_default() += lot.energy_wh;
            }
        }
        for (cluster, result) in clusters.iter().zip(&outcome.clusters) {
            let wanted: i64 = cluster.buyers.iter().map(|o| o.demand_wh).sum();
            let got: i64 = cluster.buyers.iter().map(|o| bought.get(&o.account).copied().unwrap_or(0)).sum();
            prop_assert_eq!(wanted, got + result.shed_wh);
            let offered: i64 = cluster.sellers.iter().map(|o| o.offered_wh).sum();
            let given: i64 = cluster.sellers.iter().map(|o| sold.get(&o.account).copied().unwrap_or(0)).sum();
            prop_assert_eq!(offered, given + result.curtailed_wh);
            // Inside the bounds unless a full line made energy scarce or worthless.
            let (low, high) = result.bounds;
            for price in result.typed {
                prop_assert!((low..=high).contains(&price));
            }
            if outcome.rent == 0 && result.shed_wh == 0 && result.curtailed_wh == 0 {
                prop_assert!((low - 1..=high).contains(&result.boundary), "{} of {low}..{high}", result.boundary);
            }
        }
        // A refused type reaches nobody, at any distance.
        let weights: BTreeMap<AccountId, [u32; EnergyType::COUNT]> =
            clusters.iter().flat_map(|c| &c.buyers).map(|o| (o.account, o.weights)).collect();
        for lot in outcome.lots.iter().filter(|lot| lot.seller.is_some()) {
            if let Some(weights) = lot.buyer.and_then(|buyer| weights.get(&buyer)) {
                prop_assert!(weights[lot.kind.index()] > 0, "{lot:?}");
            }
        }
    }
}

#[test]
fn a_neighbour_is_served_before_the_grid_and_pays_the_fees_of_the_way() {
    let line = |parent, fee| TierNode {
        parent,
        capacity_wh: 10_000,
        fee,
    };
    let network = [
        line(None, 20_000),
        line(Some(0), 5_000),
        line(Some(0), 5_000),
    ];
    let clusters = [
        ClusterOrders {
            node: 1,
            buyers: vec![BuyOrder {
                account: account(0, 0, 0),
                demand_wh: 1_000,
                weights: [1; 7],
            }],
            ..ClusterOrders::default()
        },
        ClusterOrders {
            node: 2,
            sellers: vec![SellOrder {
                account: account(1, 0, 1),
                kind: EnergyType::Solar,
                offered_wh: 3_000,
            }],
            ..ClusterOrders::default()
        },
    ];
    let outcome = clear_tiers(&TierInput {
        import: IMPORT,
        export: EXPORT,
        lost_load: LOST_LOAD,
        reserve: 0,
        exponent: Exponent::One,
        network: &network,
        clusters: &clusters,
    })
    .expect("valid");
    let tiers: Vec<(Tier, i64)> = outcome.lots.iter().map(|l| (l.tier, l.energy_wh)).collect();
    assert_eq!(tiers, [(Tier::Neighbour, 1_000), (Tier::Grid, 2_000)]);
    // 2 kWh leave for the grid, so the seller gets 8 - 2 - 0.5 ct, and the buyer
    // pays two line fees more.
    let prices: Vec<i64> = outcome.clusters.iter().map(|c| c.boundary).collect();
    assert_eq!(prices, [65_000, 55_000]);
    assert_eq!(outcome.imbalance(), 0);
}
