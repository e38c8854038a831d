//! Counter-based randomness: a value is a pure function of its coordinates.
//!
//! There is no generator state to save, so a draw is the same after a rewind,
//! on any thread and in any order of calls.

/// What a draw is for; keeps the draws of different subsystems independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    /// Latency of a message on a link.
    LinkLatency = 1,
    /// Whether a message on a link is lost.
    LinkLoss = 2,
    /// Measurement noise of a meter.
    MeterNoise = 3,
    /// Spread of a device's reaction (hash of the device).
    DeviceSpread = 4,
    /// Key generation for simulated participants.
    Keys = 5,
    /// Consensus network latency.
    ConsensusLatency = 6,
    /// Consensus network loss.
    ConsensusLoss = 7,
    /// Behaviour of occupants (draws, arrivals).
    Behaviour = 8,
}

/// `SplitMix64` finaliser (Steele, Lea and Flood 2014).
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A uniform 64-bit value for `(seed, tick, device, stream)`.
#[must_use]
pub fn draw_u64(seed: u64, tick: u64, device: u64, stream: Stream) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = seed.wrapping_add(GOLDEN);
    for part in [tick, device, stream as u64] {
        z = mix(z ^ part.wrapping_mul(GOLDEN).wrapping_add(GOLDEN));
    }
    mix(z)
}

/// A uniform value in `[0, 1)` for `(seed, tick, device, stream)`.
#[must_use]
pub fn draw_f64(seed: u64, tick: u64, device: u64, stream: Stream) -> f64 {
    // 53 bits fit a double exactly, so the division is exact.
    (draw_u64(seed, tick, device, stream) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_every_coordinate() {
        let base = draw_u64(1, 2, 3, Stream::LinkLoss);
        assert_eq!(base, draw_u64(1, 2, 3, Stream::LinkLoss));
        assert_ne!(base, draw_u64(2, 2, 3, Stream::LinkLoss));
        assert_ne!(base, draw_u64(1, 3, 3, Stream::LinkLoss));
        assert_ne!(base, draw_u64(1, 2, 4, Stream::LinkLoss));
        assert_ne!(base, draw_u64(1, 2, 3, Stream::LinkLatency));
    }

    #[test]
    fn the_mean_of_many_draws_is_a_half() {
        let n = 100_000;
        let sum: f64 = (0..n).map(|i| draw_f64(7, i, 0, Stream::Behaviour)).sum();
        assert!((sum / n as f64 - 0.5).abs() < 0.005);
    }
}
