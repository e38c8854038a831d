//! Gate 9: tree clearing finds the optimum, and prices differ across a line
//! only by the fee or because it is full.

use gridloom_market::{MarketError, Order, TreeInput, TreeNode, clear_tree};
use gridloom_units::{AccountId, amount};
use proptest::prelude::*;

/// Best welfare per net export, from `-limit` to `limit`; `None` is impossible.
type Table = Vec<Option<i128>>;

/// Exhaustive search over whole watt-hours: for every node the best welfare
/// for every net export, orders and children combined one unit at a time.
fn best_welfare(input: &TreeInput) -> i128 {
    let all: i64 = input
        .nodes
        .iter()
        .flat_map(|n| n.bids.iter().chain(&n.offers))
        .map(|o| o.energy_wh)
        .sum();
    let limit = all.max(1);
    let index = |net: i64| usize::try_from(net + limit).expect("within the table");
    let mut tables: Vec<Table> = vec![vec![None; 2 * limit as usize + 1]; input.nodes.len()];
    for table in &mut tables {
        table[index(0)] = Some(0);
    }
    let combine = |a: &Table, b: &Table| {
        let mut sum: Table = vec![None; a.len()];
        for (i, left) in a.iter().enumerate() {
            for (j, right) in b.iter().enumerate() {
                let net = i as i64 + j as i64 - 2 * limit;
                if let (Some(left), Some(right)) = (left, right)
                    && net.abs() <= limit
                {
                    let slot = &mut sum[index(net)];
                    *slot = (*slot).max(Some(left + right));
                }
            }
        }
        sum
    };
    for n in (0..input.nodes.len()).rev() {
        let node = &input.nodes[n];
        for (orders, sign) in [(&node.bids, -1), (&node.offers, 1)] {
            for order in orders {
                let mut choice: Table = vec![None; 2 * limit as usize + 1];
                for wh in 0..=order.energy_wh {
                    choice[index(sign * wh)] = Some(-i128::from(sign) * amount(wh, order.price));
                }
                tables[n] = combine(&tables[n], &choice);
            }
        }
        let up: Table = tables[n]
            .iter()
            .enumerate()
            .map(|(i, welfare)| {
                let net = i as i64 - limit;
                (net.abs() <= node.capacity_wh)
                    .then(|| welfare.map(|welfare| welfare - amount(net.abs(), node.fee)))
                    .flatten()
            })
            .collect();
        match node.parent {
            Some(parent) => tables[parent] = combine(&tables[parent], &up),
            None => {
                let traded = up.iter().enumerate().filter_map(|(i, welfare)| {
                    let net = i as i64 - limit;
                    let price = if net < 0 { input.import } else { input.export };
                    welfare.map(|welfare| welfare + amount(net, price))
                });
                return traded.max().expect("doing nothing is possible");
            }
        }
    }
    0
}

fn order(price: i64, energy_wh: i64) -> Order {
    Order {
        account: AccountId([0; 32]),
        price,
        energy_wh,
    }
}

fn orders(price: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Order>> {
    proptest::collection::vec((price, 0_i64..4).prop_map(|(p, q)| order(p, q)), 0..3)
}

prop_compose! {
    fn tree()(
        nodes in proptest::collection::vec(
            (any::<prop::sample::Index>(), 0_i64..9, 0_i64..5, orders(1..100), orders(1..80)),
            1..7,
        ),
        grid in prop_oneof![Just((30, 8)), Just((45, 5)), Just((60, 20))],
    ) -> TreeInput {
        TreeInput {
            nodes: nodes
                .into_iter()
                .enumerate()
                .map(|(n, (parent, capacity_wh, fee, bids, offers))| TreeNode {
                    parent: (n > 0).then(|| parent.index(n)),
                    capacity_wh,
                    fee,
                    bids,
                    offers,
                    ..TreeNode::default()
                })
                .collect(),
            import: grid.0,
            export: grid.1,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gate_9_the_tree_clears_at_the_optimum(input in tree()) {
        let outcome = clear_tree(&input).expect("valid");
        prop_assert_eq!(outcome.welfare, best_welfare(&input));
    }

    #[test]
    fn gate_9_flows_balance_and_prices_differ_only_by_fee_or_limit(input in tree()) {
        let outcome = clear_tree(&input).expect("valid");
        let mut net: Vec<i64> = outcome
            .nodes
            .iter()
            .map(|node| node.taken_wh.iter().sum::<i64>() - node.served_wh.iter().sum::<i64>())
            .collect();
        for n in (0..input.nodes.len()).rev() {
            let (node, result) = (&input.nodes[n], &outcome.nodes[n]);
            prop_assert_eq!(net[n], result.flow_wh);
            prop_assert!(result.flow_wh.abs() <= node.capacity_wh);
            if let Some(parent) = node.parent {
                net[parent] += result.flow_wh;
            }
            // Nobody trades at a loss, and nobody who wants to is left out.
            for (order, wh) in node.bids.iter().zip(&result.served_wh) {
                prop_assert!((0..=order.energy_wh).contains(wh));
                prop_assert!(*wh == 0 || order.price >= result.price);
                prop_assert!(*wh == order.energy_wh || order.price <= result.price);
            }
            for (order, wh) in node.offers.iter().zip(&result.taken_wh) {
                prop_assert!((0..=order.energy_wh).contains(wh));
                prop_assert!(*wh == 0 || order.price <= result.price);
                prop_assert!(*wh == order.energy_wh || order.price >= result.price);
            }
            prop_assert!(result.rent >= 0, "{result:?}");
            if result.flow_wh.abs() < node.capacity_wh {
                prop_assert_eq!(result.rent, 0);
            }
        }
    }

    #[test]
    fn what_users_pay_goes_to_sellers_lines_and_the_grid(input in tree()) {
        let outcome = clear_tree(&input).expect("valid");
        let mut left = 0;
        for result in &outcome.nodes {
            left += amount(result.served_wh.iter().sum(), result.price);
            left -= amount(result.taken_wh.iter().sum(), result.price);
            left -= result.fee + result.rent;
        }
        let flow = outcome.nodes[0].flow_wh;
        left += amount(flow, if flow < 0 { input.import } else { input.export });
        prop_assert_eq!(left, 0);
    }
}

#[test]
fn a_full_line_splits_the_price_and_earns_the_rent() {
    // Cheap supply behind a line for 5 Wh, 8 Wh of demand in front of it.
    let input = TreeInput {
        nodes: vec![
            TreeNode {
                parent: None,
                capacity_wh: 100,
                fee: 0,
                bids: vec![order(90, 8)],
                ..TreeNode::default()
            },
            TreeNode {
                parent: Some(0),
                capacity_wh: 5,
                fee: 1,
                offers: vec![order(10, 20)],
                ..TreeNode::default()
            },
        ],
        import: 30,
        export: 8,
    };
    let outcome = clear_tree(&input).expect("valid");
    assert_eq!((outcome.nodes[0].price, outcome.nodes[1].price), (30, 10));
    assert_eq!(
        (outcome.nodes[0].flow_wh, outcome.nodes[1].flow_wh),
        (-3, 5)
    );
    // 20 of difference less the fee, on 5 Wh.
    assert_eq!((outcome.nodes[1].rent, outcome.nodes[1].fee), (95, 5));
}

#[test]
fn a_limit_in_one_direction_leaves_the_other_alone() {
    let line = |bids, offers, export_limit_wh| TreeInput {
        nodes: vec![TreeNode {
            parent: None,
            capacity_wh: 100,
            export_limit_wh,
            bids,
            offers,
            ..TreeNode::default()
        }],
        import: 30,
        export: 8,
    };
    let sold = clear_tree(&line(vec![], vec![order(5, 20)], Some(6))).expect("valid");
    assert_eq!((sold.nodes[0].flow_wh, sold.nodes[0].price), (6, 5));
    // What the grid pays beyond the price at the node is rent.
    assert_eq!(sold.nodes[0].rent, 18);
    let bought = clear_tree(&line(vec![order(90, 20)], vec![], Some(6))).expect("valid");
    assert_eq!((bought.nodes[0].flow_wh, bought.nodes[0].price), (-20, 30));
}

#[test]
fn trees_that_are_none_are_refused() {
    let node = |parent| TreeNode {
        parent,
        capacity_wh: 1,
        ..TreeNode::default()
    };
    let tree = |nodes| TreeInput {
        nodes,
        import: 30,
        export: 8,
    };
    for nodes in [
        vec![node(Some(0))],
        vec![node(None), node(None)],
        vec![node(None), node(Some(2)), node(Some(0))],
        vec![TreeNode {
            fee: -1,
            ..node(None)
        }],
        vec![TreeNode {
            capacity_wh: -1,
            ..node(None)
        }],
        vec![TreeNode {
            export_limit_wh: Some(-1),
            ..node(None)
        }],
    ] {
        assert!(matches!(
            clear_tree(&tree(nodes)),
            Err(MarketError::BadTree { .. })
        ));
    }
    assert!(
        clear_tree(&TreeInput {
            import: 1,
            ..tree(vec![node(None)])
        })
        .is_err()
    );
    assert_eq!(clear_tree(&tree(vec![])).expect("nothing to do").welfare, 0);
}
