//! The chord method: slopes of the ports at a solution, kept for the next ones.

use super::*;
use crate::ldl::{Block, Chord};

/// Factor with the slopes of every branch at the solution it was made from.
#[derive(Clone, Debug)]
pub(super) struct Linearised {
    pub(super) chord: Chord,
    pub(super) slopes: Vec<Block>,
}

/// Step of the difference that gives a slope, share of the rated voltage.
const STEP: f64 = 1e-4;

impl Network {
    /// Takes the slopes of everything at the ports, at the present voltages,
    /// into a factor of its own. Until switches, taps or sources change,
    /// [`Network::solve`] iterates with it, in few steps however weak the
    /// network is, as long as the state stays near. Worth one factorisation for
    /// series of steps in networks with long feeders. Not part of
    /// [`Network::solution_state`]: restoring a state drops it. Returns whether
    /// the factor exists.
    pub fn linearise(&mut self) -> bool {
        self.linearised = None;
        if self.prepare().is_err() {
            return false;
        }
        self.linearised = self
            .chord_here()
            .map(|(chord, slopes)| Linearised { chord, slopes });
        self.linearised.is_some()
    }

    /// Factor and slopes at the present voltages.
    pub(super) fn chord_here(&mut self) -> Option<(Chord, Vec<Block>)> {
        self.control_at(Stage::Start);
        let first = self.matrix.factor.first_port();
        let slopes: Vec<Block> = self
            .branches
            .iter()
            .map(|branch| {
                if !branch.live {
                    return [0.0; 4];
                }
                let v = self.v[first + branch.at_a as usize] - self.v[first + branch.at_b as usize];
                slope(branch, v)
            })
            .collect();
        let mut matrix = self.matrix.sum.clone();
        for (slot, y) in self.overlay() {
            matrix[slot] += y;
        }
        let blocks = self
            .branches
            .iter()
            .zip(&slopes)
            .filter(|(b, _)| b.live)
            .map(|(b, slope)| (b.at_a, b.at_b, *slope));
        let chord = self.matrix.factor.chord(&matrix, blocks)?;
        Some((chord, slopes))
    }
}

/// Derivative of the current beyond the matrix with respect to the voltage.
fn slope(branch: &Branch, v: Complex) -> Block {
    let h = STEP * branch.law.v_base();
    let across = |d: Complex| (branch.beyond(v + d) - branch.beyond(v - d)).scale(0.5 / h);
    let (re, im) = (across(Complex::new(h, 0.0)), across(Complex::new(0.0, h)));
    let block = [re.re, im.re, re.im, im.im];
    if block.iter().all(|x| x.is_finite()) {
        block
    } else {
        [0.0; 4]
    }
}

/// A block times a voltage.
#[inline]
pub(super) fn times(b: &Block, v: Complex) -> Complex {
    Complex::new(b[0] * v.re + b[1] * v.im, b[2] * v.re + b[3] * v.im)
}
