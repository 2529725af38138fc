//! Did you mean: the nearest of some names.
//!
//! **Invariant:** what is suggested is one of the names given.

/// The name that someone who wrote `word` most likely meant: the same but for case and separators, or one slip away (two in
/// longer words), where a slip is a letter too many, missing, wrong, or swapped with its neighbour.
pub(crate) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = plain(word);
    names
        .into_iter()
        .map(|name| {
            let plain = plain(name);
            let allowed = if plain.len().min(word.len()) < 5 { 1 } else { 2 };
            (slips(&word, &plain), allowed, name)
        })
        .filter(|(slips, allowed, _)| slips <= allowed)
        .min_by_key(|(slips, ..)| *slips)
        .map(|(_, _, name)| name)
}

fn plain(word: &str) -> Vec<char> {
    word.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Optimal string alignment distance, two rows and the one before them.
fn slips(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (i, &ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        let mut last_b = None;
        for (j, &cb) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut best = cell(&above, j) + usize::from(ca != cb);
            best = best.min(cell(&above, j + 1) + 1).min(cell(&row, j) + 1);
            if last_a == Some(cb) && last_b == Some(ca) {
                best = best.min(cell(&before, j.saturating_sub(1)) + 1);
            }
            row.push(best);
            last_b = Some(cb);
        }
        last_a = Some(ca);
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        let slips = |a: &str, b: &str| slips(&plain(a), &plain(b));
        assert_eq!(slips("rpm", "rpm"), 0);
        assert_eq!(slips("rmp", "rpm"), 1);
        assert_eq!(slips("wieght", "weight"), 1);
        assert_eq!(slips("time", "timeout"), 3);
        assert_eq!(slips("", "abc"), 3);
    }

    #[test]
    fn the_nearest_name_is_suggested() {
        let names = ["rpm", "tpm", "weight", "api_base", "num_retries"];
        assert_eq!(nearest("rmp", names), Some("rpm"));
        assert_eq!(nearest("apiBase", names), Some("api_base"));
        assert_eq!(nearest("num_retry", names), None);
        assert_eq!(nearest("num_retrys", names), Some("num_retries"));
        assert_eq!(nearest("temperature", names), None);
    }
}
