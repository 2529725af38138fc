//! From scores to boundaries: where a tier must begin to get the requested share of some prompts.
//!
//! Boundaries move only what the scorer decides. A rule (a keyword, a client's own chore) gives its tier whatever the score is, and so
//! do LiteLLM's two words of reasoning, from a score on: such prompts are counted, not moved.
//!
//! Scores are sums with rounding errors, and many prompts may share one. Scores nearer than [`SAME`] are one score here, and a
//! boundary lies in the gap between two: as short a number as the gap allows, so that every reader gets the same bits, and no
//! prompt is so near that a bit matters.
//!
//! **Invariant:** boundaries ascend as far as today's did, and a new one has six decimals at most.

use signalbox::config::complexity::{Tier, TierBoundaries};

/// Scores nearer than this are one score.
const SAME: f64 = 1e-5;
/// How far a boundary is from every score, at least.
const MARGIN: f64 = 1e-6;

/// What is known of a prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Judged {
    /// A rule decided.
    Ruled(Tier),
    /// The scorer decides. `reasoning`: it has LiteLLM's two words of reasoning, which give REASONING from a score on.
    Scored { score: f64, reasoning: bool },
}

/// Where a tier's share was cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// The tier that begins here.
    pub tier: Tier,
    /// The requested share of all prompts at or above it, from 0 to 1.
    pub wished: f64,
    /// How many prompts have the one score at which it should have been cut, where that is impossible.
    pub tied: usize,
    /// How many prompts are at or above the tier wherever it begins.
    pub fixed: usize,
    /// How many prompts the requested share is.
    pub wanted: usize,
}

/// The boundaries for requested shares at or above MEDIUM, COMPLEX, REASONING, as many as are given. Other boundaries stay, but for
/// those that would be passed by one before them. `override_from` is the configuration's `reasoning_override_min_score`.
pub fn propose(
    judged: &[Judged],
    shares: &[f64],
    today: TierBoundaries,
    override_from: Option<f64>,
) -> (TierBoundaries, Vec<Cut>) {
    let [_, harder @ ..] = Tier::ALL;
    let mut found = today;
    let mut cuts = Vec::new();
    for (tier, wished) in harder.into_iter().zip(shares) {
        // Unless configured, reasoning counts from where MEDIUM begins, so that it is no case of its own there.
        let override_from =
            override_from.unwrap_or(if tier == Tier::Medium { f64::INFINITY } else { found.simple_medium });
        let (boundary, made) = cut(judged, tier, *wished, override_from);
        let place = match tier {
            Tier::Complex => &mut found.medium_complex,
            Tier::Reasoning => &mut found.complex_reasoning,
            Tier::Simple | Tier::Medium => &mut found.simple_medium,
        };
        *place = boundary.unwrap_or(*place);
        cuts.push(made);
        found.medium_complex = found.medium_complex.max(found.simple_medium);
        found.complex_reasoning = found.complex_reasoning.max(found.medium_complex);
    }
    (found, cuts)
}

/// The boundary for one share; none where no prompt's tier depends on it.
fn cut(judged: &[Judged], tier: Tier, wished: f64, override_from: f64) -> (Option<f64>, Cut) {
    let mut fixed = 0;
    let mut free = Vec::new();
    for prompt in judged {
        match *prompt {
            Judged::Ruled(ruled) => fixed += usize::from(ruled >= tier),
            Judged::Scored { score, reasoning } if reasoning && score >= override_from => fixed += 1,
            Judged::Scored { score, .. } => free.push(score),
        }
    }
    free.sort_by(|a, b| b.total_cmp(a));
    // No list of prompts is so long that a float could not count it.
    let wanted = (wished * judged.len() as f64).round() as usize;
    let mut above = wanted.saturating_sub(fixed).min(free.len());
    let one_score = |at: usize| match (at.checked_sub(1).and_then(|before| free.get(before)), free.get(at)) {
        (Some(higher), Some(lower)) => higher - lower < SAME,
        _ => false,
    };
    let mut tied = 0;
    if one_score(above) {
        let first = (0..above).rev().find(|at| !one_score(*at)).unwrap_or(0);
        let last = (above..=free.len()).find(|at| !one_score(*at)).unwrap_or(free.len());
        tied = last - first;
        // Of two that are as near, the one that costs less.
        above = if last - above < above - first { last } else { first };
    }
    let higher = above.checked_sub(1).and_then(|at| free.get(at)).copied();
    (between(free.get(above).copied(), higher), Cut { tier, wished, tied, fixed, wanted })
}

/// A short number above one score and below the next higher one, either of which may be missing.
fn between(lower: Option<f64>, higher: Option<f64>) -> Option<f64> {
    let hundredths = |of: f64| rounded(of / 100.0, 2);
    match (lower, higher) {
        (None, None) => None,
        (None, Some(higher)) => hundredths(((higher - MARGIN) * 100.0).floor()),
        (Some(lower), None) => hundredths(((lower + MARGIN) * 100.0).ceil()),
        (Some(lower), Some(higher)) => (1..=6)
            .filter_map(|decimals| rounded(lower + (higher - lower) / 2.0, decimals))
            .find(|short| lower + MARGIN < *short && *short < higher - MARGIN),
    }
}

/// The number that so many decimals say; zero has no sign.
fn rounded(number: f64, decimals: usize) -> Option<f64> {
    format!("{number:.decimals$}").parse::<f64>().ok().map(|number| number + 0.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn scored(scores: &[f64]) -> Vec<Judged> {
        scores.iter().map(|score| Judged::Scored { score: *score, reasoning: false }).collect()
    }

    fn found(judged: &[Judged], shares: &[f64]) -> [f64; 3] {
        let (it, _) = propose(judged, shares, TierBoundaries::default(), None);
        [it.simple_medium, it.medium_complex, it.complex_reasoning]
    }

    #[test]
    fn each_share_has_its_boundary() {
        let ten: Vec<f64> = (0..10).map(|at| f64::from(at) / 10.0).collect();
        assert_eq!(found(&scored(&ten), &[0.3]), [0.65, 0.65, 0.65]);
        assert_eq!(found(&scored(&ten), &[0.5, 0.3, 0.1]), [0.45, 0.65, 0.85]);
        assert_eq!(found(&scored(&ten), &[1.0, 0.0]), [-0.01, 0.91, 0.91]);
        assert_eq!(found(&scored(&ten), &[]), [0.15, 0.35, 0.6]);
        assert_eq!(found(&[Judged::Ruled(Tier::Complex)], &[0.0]), [0.15, 0.35, 0.6]);
    }

    #[test]
    fn one_score_is_not_cut() {
        let six = scored(&[0.1, 0.2, 0.2, 0.2 + 1e-17, 0.200_000_9, 0.3]);
        let cut = |share: f64| {
            let (it, cuts) = propose(&six, &[share], TierBoundaries::default(), None);
            (it.simple_medium, cuts.first().unwrap().tied)
        };
        assert_eq!(cut(1.0 / 6.0), (0.25, 0));
        assert_eq!(cut(2.0 / 6.0), (0.25, 4));
        // Two to either side: the dearer boundary would be as wrong.
        assert_eq!(cut(3.0 / 6.0), (0.25, 4));
        assert_eq!(cut(4.0 / 6.0), (0.15, 4));
        assert_eq!(cut(5.0 / 6.0), (0.15, 0));
    }

    #[test]
    fn what_no_boundary_moves_is_counted() {
        let mut ten = scored(&[0.0, 0.1, 0.2, 0.3, 0.4, 0.5]);
        ten.extend([Judged::Ruled(Tier::Reasoning), Judged::Ruled(Tier::Medium), Judged::Ruled(Tier::Simple)]);
        ten.push(Judged::Scored { score: 0.35, reasoning: true });
        // Two are ruled; 0.5, 0.4 and the reasoning one are above 0.3.
        assert_eq!(found(&ten, &[0.5])[0], 0.32);
        // From there on that one is REASONING, so that only two more are wanted.
        assert_eq!(found(&ten, &[0.5, 0.4])[1], 0.35);
        let (_, cuts) = propose(&ten, &[0.1], TierBoundaries::default(), Some(0.0));
        assert_eq!((cuts.first().unwrap().fixed, cuts.first().unwrap().wanted), (3, 1));
    }

    #[test]
    fn boundaries_are_short_and_lie_between() {
        let mut seed = 7_u64;
        let mut draw = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 11) as f64 / (1_u64 << 53) as f64
        };
        for _ in 0..20_000 {
            let lower = draw() * 2.0 - 1.0;
            let higher = lower + SAME + draw() * draw() * draw() * 0.01;
            let it = between(Some(lower), Some(higher)).unwrap();
            assert!(lower < it && it < higher, "{lower} {it} {higher}");
            assert!(it.to_string().len() <= 9, "{it}");
            assert!(between(Some(lower), None).unwrap() > lower && between(None, Some(lower)).unwrap() < lower);
        }
        assert_eq!(between(Some(-0.1), Some(0.1)).map(f64::to_bits), Some(0));
    }
}
