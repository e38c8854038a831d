//! Elimination order and the program of updates.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Degree by which a port counts as more than it has, so that the conductors
/// between ports go first and the ports' part of the elimination tree stays small.
const PORT_PENALTY: usize = 6;

/// Elimination order by minimum degree, ties by index, and each node's later neighbours.
pub(super) fn minimum_degree(
    neighbours: &[BTreeSet<u32>],
    ports: &[u32],
) -> (Vec<u32>, Vec<Vec<u32>>) {
    let n = neighbours.len();
    let mut adjacent: Vec<Vec<u32>> = neighbours
        .iter()
        .map(|set| set.iter().copied().collect())
        .collect();
    let mut penalty = vec![0; n];
    for &port in ports {
        penalty[port as usize] = PORT_PENALTY;
    }
    let mut patterns = vec![Vec::new(); n];
    let mut done = vec![false; n];
    let mut order = Vec::with_capacity(n);
    let mut heap: BinaryHeap<Reverse<(usize, u32)>> = adjacent
        .iter()
        .enumerate()
        .map(|(i, a)| Reverse((a.len() + penalty[i], i as u32)))
        .collect();
    let mut merged: Vec<u32> = Vec::new();
    while let Some(Reverse((degree, node))) = heap.pop() {
        let i = node as usize;
        if done[i] || adjacent[i].len() + penalty[i] != degree {
            continue;
        }
        done[i] = true;
        order.push(node);
        let around = std::mem::take(&mut adjacent[i]);
        for &a in &around {
            merge(&adjacent[a as usize], &around, node, a, &mut merged);
            std::mem::swap(&mut adjacent[a as usize], &mut merged);
            heap.push(Reverse((
                adjacent[a as usize].len() + penalty[a as usize],
                a,
            )));
        }
        patterns[i] = around;
    }
    (order, patterns)
}

/// Sorted union of two sorted lists without two members.
fn merge(a: &[u32], b: &[u32], without: u32, also_without: u32, out: &mut Vec<u32>) {
    out.clear();
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let next = match (a.get(i), b.get(j)) {
            (Some(&x), Some(&y)) if x == y => {
                i += 1;
                j += 1;
                x
            }
            (Some(&x), Some(&y)) if x < y => {
                i += 1;
                x
            }
            (_, Some(&y)) => {
                j += 1;
                y
            }
            (Some(&x), None) => {
                i += 1;
                x
            }
            (None, None) => break,
        };
        if next != without && next != also_without {
            out.push(next);
        }
    }
}

/// Moves ports and their ancestors to the end; the elimination stays the same.
pub(super) fn ports_last(order: &[u32], patterns: &[Vec<u32>], ports: &[u32]) -> (Vec<u32>, usize) {
    let mut wanted = vec![false; order.len()];
    for &port in ports {
        wanted[port as usize] = true;
    }
    for &node in order {
        if wanted[node as usize] {
            for &later in &patterns[node as usize] {
                wanted[later as usize] = true;
            }
        }
    }
    let mut new: Vec<u32> = order
        .iter()
        .copied()
        .filter(|&node| !wanted[node as usize])
        .collect();
    let first = new.len();
    new.extend(order.iter().copied().filter(|&node| wanted[node as usize]));
    (new, first)
}

/// Targets of the updates of a factorisation, in the order it makes them.
pub(super) fn update_program(n: usize, column: &[u32], rows: &[u32]) -> Vec<u32> {
    let nl = rows.len();
    let mut program = Vec::new();
    for k in 0..n {
        let list = &rows[column[k] as usize..column[k + 1] as usize];
        for (a, &col) in list.iter().enumerate() {
            program.push((nl + col as usize) as u32);
            let range = column[col as usize] as usize..column[col as usize + 1] as usize;
            let mut at = range.start;
            for &row in &list[a + 1..] {
                // Both lists are sorted and the second contains the first.
                while at < range.end && rows[at] < row {
                    at += 1;
                }
                program.push(at as u32);
            }
        }
    }
    program
}
