//! Did you mean: the nearest of some names.
//!
//! **Invariant:** what is suggested is one of the names given.

use strsim::osa_distance;

/// The name that `word` most likely stands for: the same but for case and separators, or one slip away (two in
/// longer words), where a slip is a letter too many, missing, wrong, or swapped with its neighbour.
pub(crate) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = plain(word);
    names
        .into_iter()
        .map(|name| {
            let plain = plain(name);
            let allowed = if plain.chars().count().min(word.chars().count()) < 5 { 1 } else { 2 };
            (osa_distance(&word, &plain), allowed, name)
        })
        .filter(|(slips, allowed, _)| slips <= allowed)
        .min_by_key(|(slips, ..)| *slips)
        .map(|(_, _, name)| name)
}

fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let names = ["rpm", "tpm", "weight", "api_base", "num_retries"];
        assert_eq!(nearest("rmp", names), Some("rpm"));
        assert_eq!(nearest("apiBase", names), Some("api_base"));
        assert_eq!(nearest("num_retry", names), None);
        assert_eq!(nearest("num_retrys", names), Some("num_retries"));
        assert_eq!(nearest("wieght", names), Some("weight"));
        assert_eq!(nearest("temperature", names), None);
        assert_eq!(nearest("", ["abc"]), None);
    }
}
