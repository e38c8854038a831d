//! The search for the fewest causes.

use std::collections::BTreeMap;

use crate::explain::Candidate;

/// Steps of the search at most.
const MOVES: usize = 24;

/// Causes sought in one area at most.
const CAUSES: usize = 6;

/// The set of causes under search.
pub(crate) struct Search {
    pub(crate) candidates: Vec<Candidate>,
    rows: Vec<Vec<f64>>,
    products: Vec<f64>,
    gram: BTreeMap<(usize, usize), f64>,
    total: f64,
    count: f64,
    pub(crate) chosen: Vec<usize>,
}

impl Search {
    /// Candidates with their weighted rows, and what they are to explain.
    pub(crate) fn new(candidates: Vec<Candidate>, rows: Vec<Vec<f64>>, residuals: &[f64]) -> Self {
        Self {
            products: rows.iter().map(|row| dot(row, residuals)).collect(),
            candidates,
            rows,
            gram: BTreeMap::new(),
            total: dot(residuals, residuals),
            count: residuals.len() as f64,
            chosen: Vec::new(),
        }
    }

    /// Searches from nothing, and again from the best set without free causes:
    /// one of those explains several others at once, and a search that has
    /// taken it cannot leave it by single steps.
    pub(crate) fn run(&mut self) {
        let (_, plain) = self.descend(Vec::new(), false);
        let from_plain = self.descend(plain, true);
        let from_nothing = self.descend(Vec::new(), true);
        self.chosen = if from_nothing.0 < from_plain.0 {
            from_nothing.1
        } else {
            from_plain.1
        };
    }

    /// Steps from a set until none lowers the criterion; its value and the set.
    fn descend(&mut self, start: Vec<usize>, free: bool) -> (f64, Vec<usize>) {
        let mut best = (self.criterion(&start), start);
        for _ in 0..MOVES {
            let mut next: Option<(f64, Vec<usize>)> = None;
            for set in self.moves(&best.1, free) {
                let value = self.criterion(&set);
                if value < next.as_ref().map_or(best.0, |(v, _)| *v) - 1e-9 {
                    next = Some((value, set));
                }
            }
            match next {
                Some(better) => best = better,
                None => break,
            }
        }
        best
    }

    /// Every set one step away: no one is accused twice. Causes with a parameter
    /// for every interval only where they are `free` to be taken.
    fn moves(&self, chosen: &[usize], free: bool) -> Vec<Vec<usize>> {
        let mut sets = Vec::new();
        let with_one_more = |set: &[usize], sets: &mut Vec<Vec<usize>>| {
            for (index, candidate) in self.candidates.iter().enumerate() {
                let allowed = free || candidate.freedom <= 1.0;
                if allowed && set.iter().all(|&i| self.candidates[i].who != candidate.who) {
                    sets.push(set.iter().copied().chain([index]).collect());
                }
            }
        };
        for position in 0..chosen.len() {
            let mut without = chosen.to_vec();
            without.remove(position);
            with_one_more(&without, &mut sets);
            sets.push(without);
        }
        if chosen.len() < CAUSES {
            with_one_more(chosen, &mut sets);
        }
        sets
    }

    /// Bayesian information criterion: the likelihood with the noise that is
    /// left, which is at least that of the instruments.
    fn criterion(&mut self, set: &[usize]) -> f64 {
        let (left, _) = self.solve(set);
        let freedom: f64 = set.iter().map(|&i| 1.0 + self.candidates[i].freedom).sum();
        let mean = left / self.count;
        let misfit = if mean < 1.0 {
            mean
        } else {
            1.0 + libm::log(mean)
        };
        self.count * misfit + freedom * libm::log(self.count)
    }

    /// Least squares over a set: the sum of squares left, and the coefficients.
    pub(crate) fn solve(&mut self, set: &[usize]) -> (f64, Vec<f64>) {
        let n = set.len();
        let mut a = vec![vec![0.0; n + 1]; n];
        for (row, &i) in set.iter().enumerate() {
            for (column, &j) in set.iter().enumerate() {
                a[row][column] = self.inner_product(i.min(j), i.max(j));
            }
            a[row][n] = self.products[i];
        }
        let coefficients = eliminate(a);
        let products = set.iter().map(|&i| self.products[i]);
        let explained: f64 = coefficients.iter().zip(products).map(|(c, p)| c * p).sum();
        ((self.total - explained).max(0.0), coefficients)
    }

    fn inner_product(&mut self, i: usize, j: usize) -> f64 {
        let rows = &self.rows;
        *self
            .gram
            .entry((i, j))
            .or_insert_with(|| dot(&rows[i], &rows[j]))
    }
}

/// Gauss elimination with pivoting of a small augmented matrix; an unknown
/// without a pivot is zero.
fn eliminate(mut a: Vec<Vec<f64>>) -> Vec<f64> {
    let n = a.len();
    for column in 0..n {
        let pivot = (column..n).max_by(|&x, &y| a[x][column].abs().total_cmp(&a[y][column].abs()));
        let Some(pivot) = pivot.filter(|&row| a[row][column].abs() > 1e-12) else {
            continue;
        };
        a.swap(column, pivot);
        let above = a[column].clone();
        for row in &mut a[column + 1..] {
            let factor = row[column] / above[column];
            for (value, from_above) in row.iter_mut().zip(&above).skip(column) {
                *value -= factor * from_above;
            }
        }
    }
    let mut x = vec![0.0; n];
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|k| a[row][k] * x[k]).sum();
        if a[row][row].abs() > 1e-12 {
            x[row] = (a[row][n] - known) / a[row][row];
        }
    }
    x
}

/// Sum of the products.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
