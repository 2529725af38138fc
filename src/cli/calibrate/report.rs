//! What `signalbox calibrate` found, as text and as JSON.
//!
//! **Invariant:** boundaries are printed with all their digits.

use serde_json::{Value, json};
use signalbox::config::complexity::{ComplexityConfig, Tier, TierBoundaries};
use signalbox::routing::complexity::Scored;

use super::boundaries::Cut;

/// The quantiles that are shown, in per cent.
const QUANTILES: [usize; 7] = [0, 10, 25, 50, 75, 90, 100];

/// How many prompts have each tier.
type Counts = [usize; 4];

/// Everything that is printed.
#[derive(Debug)]
pub struct Report {
    /// The router that was asked for by name.
    pub router: Option<String>,
    /// The router's path, if it is under `signalbox.routers`.
    pub own: Option<String>,
    /// Lines that could not be read.
    pub skipped: usize,
    /// Whether the classifier is another one than the configuration's.
    pub changed: bool,
    classifier: &'static str,
    prompts: usize,
    /// The scores in ascending order, of those prompts that have one.
    scores: Vec<f64>,
    today: (TierBoundaries, Counts),
    proposed: (TierBoundaries, Counts),
    cuts: Vec<Cut>,
}

impl Report {
    /// Counts what was decided with today's boundaries, and what then.
    pub fn new(
        config: &ComplexityConfig,
        found: TierBoundaries,
        cuts: Vec<Cut>,
        mut scores: Vec<f64>,
        today: &[Scored],
        then: &[Scored],
    ) -> Self {
        scores.sort_by(f64::total_cmp);
        let counts = |of: &[Scored]| Tier::ALL.map(|tier| of.iter().filter(|it| it.tier == tier).count());
        Self {
            router: None,
            own: None,
            skipped: 0,
            changed: false,
            classifier: config.classifier_type.as_str(),
            prompts: today.len(),
            scores,
            today: (config.tier_boundaries, counts(today)),
            proposed: (found, counts(then)),
            cuts,
        }
    }

    /// As text, with the snippet to paste at the end.
    pub fn text(&self) -> String {
        let Self { prompts, scores, .. } = self;
        let of = self.router.as_ref().map(|name| format!(" of `{name}`")).unwrap_or_default();
        let mut out = format!("{prompts} prompts, scored by {}{of}\n", self.classifier);
        let ruled = prompts - scores.len();
        if ruled > 0 {
            out += &format!("of these, decided by rules, whatever the boundaries: {ruled}\n");
        }
        if self.skipped > 0 {
            out += &format!("lines that could not be read: {}\n", self.skipped);
        }
        out += "\nscores  ";
        out += &self.quantiles().map(|(name, score)| format!("{name} {score:.3}")).collect::<Vec<_>>().join(" · ");
        out += "\n\n             today            proposed\n             from    share    from    share\n";
        let rows = Tier::ALL.into_iter().zip(froms(&self.today.0)).zip(froms(&self.proposed.0));
        for (((tier, today), then), (before, after)) in rows.zip(self.today.1.iter().zip(&self.proposed.1)) {
            let (before, after) = (self.percent(*before), self.percent(*after));
            out += &format!("{:<11}  {today:<6} {before:>6}    {then:<6} {after:>6}\n", tier.as_str());
        }
        out.push('\n');
        for cut in &self.cuts {
            out += &self.outcome(cut);
        }
        let place = self.own.as_ref().map_or("the router's litellm_params".to_owned(), |own| format!("`{own}`"));
        out + &format!("\nTo paste into {place}:\n\n") + &self.yaml()
    }

    /// As JSON.
    pub fn json(&self) -> String {
        let side = |(boundaries, counts): &(TierBoundaries, Counts)| {
            let share = |(tier, count): (Tier, &usize)| {
                (tier.as_str().to_owned(), json!({ "prompts": count, "share": self.share(*count) }))
            };
            let tiers: serde_json::Map<_, Value> = Tier::ALL.into_iter().zip(counts).map(share).collect();
            json!({ "tier_boundaries": map(boundaries), "tiers": tiers })
        };
        let quantiles: serde_json::Map<_, Value> = self.quantiles().map(|(name, score)| (name, score.into())).collect();
        let wish = |cut: &Cut| {
            let reached = self.share(self.at_or_above(cut.tier));
            json!({ "tier": cut.tier.as_str(), "wished": cut.wished, "reached": reached, "tied": cut.tied, "fixed": cut.fixed })
        };
        let out = json!({
            "router": self.router,
            "classifier": self.classifier,
            "prompts": self.prompts,
            "ruled": self.prompts - self.scores.len(),
            "skipped": self.skipped,
            "scores": quantiles,
            "today": side(&self.today),
            "proposed": side(&self.proposed),
            "wishes": self.cuts.iter().map(wish).collect::<Vec<_>>(),
        });
        format!("{out:#}\n")
    }

    /// Which share was reached, and why it is not the requested one.
    fn outcome(&self, cut: &Cut) -> String {
        let reached = self.at_or_above(cut.tier);
        let above = if cut.tier == Tier::Reasoning { "" } else { " and above" };
        let wished = percent(cut.wished);
        let mut line = format!("{}{above}: {wished} requested, {} reached", cut.tier.as_str(), self.percent(reached));
        let alike = format!("{} prompts have the one score that lies there", cut.tied);
        let fixed = format!("{} prompts are there whatever the boundary", cut.fixed);
        match cut {
            _ if reached == cut.wanted => {}
            Cut { fixed: there, wanted, .. } if there > wanted => line += &format!("; {fixed}"),
            Cut { tied: 1.., .. } => line += &format!("; {alike}"),
            _ => line += "; rules and the other boundaries leave no more",
        }
        line + "\n"
    }

    fn yaml(&self) -> String {
        let [simple_medium, medium_complex, complex_reasoning] = values(&self.proposed.0);
        // A router of `signalbox.routers` has its settings without LiteLLM's wrapping.
        let (head, indent) = if self.own.is_some() { ("", "") } else { ("complexity_router_config:\n", "  ") };
        let classifier =
            if self.changed { format!("{indent}classifier_type: {}\n", self.classifier) } else { String::new() };
        format!(
            "{head}{classifier}{indent}tier_boundaries: {{simple_medium: {simple_medium:?}, \
             medium_complex: {medium_complex:?}, complex_reasoning: {complex_reasoning:?}}}\n"
        )
    }

    /// The score that so many per cent of the prompts do not exceed.
    fn quantiles(&self) -> impl Iterator<Item = (String, f64)> + '_ {
        let score = |per_cent: usize| self.scores.get((self.scores.len() * per_cent).div_ceil(100).saturating_sub(1));
        QUANTILES.into_iter().filter_map(move |per_cent| {
            let name = match per_cent {
                0 => "least".to_owned(),
                100 => "most".to_owned(),
                _ => format!("{per_cent}%"),
            };
            Some((name, *score(per_cent)?))
        })
    }

    fn at_or_above(&self, tier: Tier) -> usize {
        Tier::ALL.into_iter().zip(self.proposed.1).filter(|(it, _)| *it >= tier).map(|(_, count)| count).sum()
    }

    fn share(&self, count: usize) -> f64 {
        count as f64 / self.prompts as f64
    }

    fn percent(&self, count: usize) -> String {
        percent(self.share(count))
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

fn values(boundaries: &TierBoundaries) -> [f64; 3] {
    [boundaries.simple_medium, boundaries.medium_complex, boundaries.complex_reasoning]
}

/// Where each tier begins, the easiest at nothing.
fn froms(boundaries: &TierBoundaries) -> impl Iterator<Item = String> {
    std::iter::once(String::new()).chain(values(boundaries).map(|from| format!("{from:?}")))
}

fn map(boundaries: &TierBoundaries) -> Value {
    let [simple_medium, medium_complex, complex_reasoning] = values(boundaries);
    json!({ "simple_medium": simple_medium, "medium_complex": medium_complex, "complex_reasoning": complex_reasoning })
}
