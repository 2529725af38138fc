//! Money, exactly.
//!
//! A whole number of pico-dollars: the unit in which every price of the table is whole (0.15 USD for a million tokens is 150,000 a
//! token), so a cost is exact, and sums of costs are the same in any order and on any worker. A float would be enough for one
//! header, but not for a budget of a million requests. It holds at most 18 million dollars, and saturates.
//!
//! **Invariant:** nothing overflows, nothing is negative.

use std::fmt;

/// An amount of US dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(u64);

const PICO: f64 = 1e12;
const PLACES: usize = 12;

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount in pico-dollars (10^-12 USD).
    #[must_use]
    pub const fn from_pico(pico: u64) -> Self {
        Self(pico)
    }

    /// In pico-dollars (10^-12 USD).
    #[must_use]
    pub const fn pico(self) -> u64 {
        self.0
    }

    /// In nano-dollars (10^-9 USD), rounded.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0.saturating_add(500) / 1000
    }

    /// A number of dollars, as people write it. An amount above zero stays above zero. `None` if it is negative, not a number, or more
    /// than a million dollars.
    #[must_use]
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        if !(0.0..=1e6).contains(&dollars) {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded above, and not negative")]
        let pico = (dollars * PICO).round() as u64;
        Some(Self(pico.max(u64::from(dollars > 0.0))))
    }

    /// In dollars, rounded to a float.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "for gauges and texts; sums are made of whole numbers")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / PICO
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// This amount, multiplied.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

/// In dollars, without sign and without an exponent: `0.000123`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1_000_000_000_000, self.0 % 1_000_000_000_000);
        if part == 0 {
            return f.pad(&whole.to_string());
        }
        let part = format!("{part:0PLACES$}");
        f.pad(&format!("{whole}.{}", part.trim_end_matches('0')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_people_write_it() {
        let shown = |pico: u64| Usd::from_pico(pico).to_string();
        assert_eq!(shown(123_000_000), "0.000123");
        assert_eq!(shown(0), "0");
        assert_eq!(shown(1), "0.000000000001");
        assert_eq!(shown(12_500_000_000_000), "12.5");
        assert_eq!(shown(u64::MAX), "18446744.073709551615");
    }

    #[test]
    fn dollars_become_whole_numbers() {
        let pico = |dollars: f64| Usd::from_dollars(dollars).map(Usd::pico);
        assert_eq!(pico(0.000_000_15), Some(150_000));
        assert_eq!(pico(7.5e-8), Some(75_000));
        assert_eq!(pico(0.0), Some(0));
        assert_eq!(pico(-0.0), Some(0));
        assert_eq!(pico(1e-15), Some(1), "a price is not made free by rounding");
        for wrong in [-1e-9, f64::NAN, f64::INFINITY, 1e7] {
            assert_eq!(pico(wrong), None);
        }
    }

    #[test]
    fn too_much_stays_at_the_most() {
        let most = Usd::from_pico(u64::MAX);
        assert_eq!((most.plus(most), most.times(3)), (most, most));
    }
}
