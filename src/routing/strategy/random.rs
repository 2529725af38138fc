//! Chance as a value: `splitmix64` from a seed that the caller draws, so that a plan can be replayed.

/// A small random number generator. Good for spreading load, not for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

/// Spreads every bit of a number over all of another.
pub(in crate::routing) const fn mix(number: u64) -> u64 {
    let mut z = number;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Random {
    /// Starts from a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, over the whole range.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number from 0 up to, but not including, 1.
    pub fn unit(&mut self) -> f64 {
        // 53 bits are all that an f64 holds.
        #[allow(clippy::cast_precision_loss)]
        let value = (self.next() >> 11) as f64;
        value / 9_007_199_254_740_992.0
    }

    /// A number below a bound; 0 where the bound is 0.
    pub(in crate::routing) fn below(&mut self, bound: usize) -> usize {
        #[allow(clippy::cast_possible_truncation, reason = "below a usize")]
        let drawn = ((u128::from(self.next()) * bound as u128) >> 64) as usize;
        drawn
    }

    /// Puts things into random order.
    pub(super) fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            // One that stays where it is is no pair.
            if let Ok([one, other]) = things.get_disjoint_mut([last, self.below(last + 1)]) {
                std::mem::swap(one, other);
            }
        }
    }
}
