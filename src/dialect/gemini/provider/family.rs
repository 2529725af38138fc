//! What each family of Gemini models accepts, as data.
//!
//! Source: Google's documentation of the latest models, its SDK (google-genai 3.4.0) and LiteLLM 1.106.2, read 2026-11-28; not seen live. A new
//! family is one row.
//!
//! **Invariant:** the first row that matches counts: newer versions stand above older ones, a variant above its version.

/// How a family can be told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// It cannot.
    Never,
    /// `thinkingBudget`, in tokens.
    Budget {
        /// What `none` is: 0, or the least where it cannot stop.
        rest: u64,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// `thinkingLevel`.
    Level {
        /// Its lowest level is `MINIMAL`, else `LOW`.
        minimal: bool,
    },
}

/// What a family is told of sampling, each less than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sampling {
    /// All of it.
    WithPenalties,
    /// No penalties, which it refuses.
    Plain,
    /// Nothing: it ignores that, and the next is to refuse it.
    Fixed,
}

/// What a family of models accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// How it thinks.
    pub thinking: Thinking,
    /// Whether it takes a JSON format beside functions.
    pub format_with_tools: bool,
    /// Whether calls carry ids, must be signed, and may get media within their results: Gemini 3.
    pub signs: bool,
    /// Whether the last turn may be the model's.
    pub prefill: bool,
    /// How it is told to sample.
    pub sampling: Sampling,
    /// Whether it takes instructions beside the conversation.
    pub instructions: bool,
}

const OLD: Family = Family {
    thinking: Thinking::Never,
    format_with_tools: false,
    signs: false,
    prefill: true,
    sampling: Sampling::WithPenalties,
    instructions: true,
};
const GEMMA_3: Family = Family { instructions: false, ..OLD };
const FLASH_2_5: Family =
    Family { thinking: Thinking::Budget { rest: 0, least: 1, most: 24_576 }, sampling: Sampling::Plain, ..OLD };
/// Those that draw or speak.
const MEDIA_2_5: Family = Family { thinking: Thinking::Never, ..FLASH_2_5 };
const LITE_2_5: Family = Family { thinking: Thinking::Budget { rest: 0, least: 512, most: 24_576 }, ..FLASH_2_5 };
const PRO_2_5: Family = Family { thinking: Thinking::Budget { rest: 128, least: 128, most: 32_768 }, ..FLASH_2_5 };
const PRO_3: Family =
    Family { thinking: Thinking::Level { minimal: false }, format_with_tools: true, signs: true, ..FLASH_2_5 };
const FLASH_3: Family = Family { thinking: Thinking::Level { minimal: true }, ..PRO_3 };
/// How much those that draw think is their own affair.
const IMAGE_3: Family = Family { thinking: Thinking::Never, ..PRO_3 };
const FLASH_3_6: Family = Family { prefill: false, sampling: Sampling::Fixed, ..FLASH_3 };
const LATEST: Family = Family { prefill: false, sampling: Sampling::Fixed, ..PRO_3 };

/// From which version on, which word in the name (any, where it is empty), and what that family accepts.
const FAMILIES: &[((u32, u32), &str, Family)] = &[
    ((0, 0), "gemma-3", GEMMA_3),
    ((3, 0), "-image", IMAGE_3),
    ((3, 7), "", LATEST),
    ((3, 6), "flash", FLASH_3_6),
    ((3, 6), "", LATEST),
    ((3, 5), "flash-lite", FLASH_3_6),
    ((3, 0), "flash", FLASH_3),
    ((3, 0), "", PRO_3),
    ((2, 5), "-image", MEDIA_2_5),
    ((2, 5), "-tts", MEDIA_2_5),
    ((2, 5), "flash-lite", LITE_2_5),
    ((2, 5), "flash", FLASH_2_5),
    ((2, 5), "", PRO_2_5),
    ((0, 0), "", OLD),
];

/// What the model accepts. A Gemini without a number (`gemini-flash-latest`) is as new as the newest; what is none is as old as the oldest.
#[must_use]
pub fn of(model: &str) -> Family {
    let version = match model.rsplit_once("gemini-") {
        Some((_, rest)) => version(rest).unwrap_or((u32::MAX, 0)),
        None => (0, 0),
    };
    let fits = |(since, word, _): &&((u32, u32), &str, Family)| version >= *since && model.contains(word);
    FAMILIES.iter().find(fits).map_or(OLD, |(_, _, family)| *family)
}

/// The first number: `3`, `2.5`, that of `live-2.5-flash`.
fn version(rest: &str) -> Option<(u32, u32)> {
    let number = rest.split(|c: char| !c.is_ascii_digit() && c != '.').find(|part| !part.is_empty())?;
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_told_apart() {
        for (model, family) in [
            ("gemini-1.5-pro", OLD),
            ("gemini-2.0-flash-001", OLD),
            ("gemma-3-27b-it", GEMMA_3),
            ("gemma-4-31b-it", OLD),
            ("4242424242", OLD),
            ("gemini-2.5-pro", PRO_2_5),
            ("gemini-2.5-flash-preview-09-2025", FLASH_2_5),
            ("gemini-2.5-flash-lite", LITE_2_5),
            ("gemini-2.5-flash-image", MEDIA_2_5),
            ("gemini-2.5-pro-preview-tts", MEDIA_2_5),
            ("gemini-3-pro-image", IMAGE_3),
            ("gemini-3-pro-preview", PRO_3),
            ("gemini-3.1-pro-preview", PRO_3),
            ("gemini-3-flash-preview", FLASH_3),
            ("gemini-3.5-flash", FLASH_3),
            ("gemini-3.5-flash-lite", FLASH_3_6),
            ("gemini-3.6-flash", FLASH_3_6),
            ("gemini-3.7-flash", LATEST),
            ("gemini-3.8-flash", LATEST),
            ("gemini-4-pro", LATEST),
            ("gemini-live-2.5-flash", FLASH_2_5),
            ("gemini-robotics-er-1.6-preview", OLD),
            ("gemini-flash-latest", LATEST),
        ] {
            assert_eq!(of(model), family, "{model}");
        }
    }
}
