//! The models that may be asked, in Anthropic's shape, and how its agents write their names.

use serde_json::{Value, json};

/// What agents append to the name of a model whose long window they want. They ask for that by a header too.
const LONG_WINDOW: &str = "[1m]";

/// A name without it, however often it is there.
pub fn bare(asked: &str) -> &str {
    let mut bare = asked;
    while let Some((name, end)) = bare.len().checked_sub(LONG_WINDOW.len()).and_then(|at| bare.split_at_checked(at))
        && end.eq_ignore_ascii_case(LONG_WINDOW)
        && !name.is_empty()
    {
        bare = name;
    }
    bare
}

/// One of them.
pub fn one(id: &str) -> Value {
    // LiteLLM's time, so that the answer never changes.
    let created = "2023-02-28T18:56:42Z";
    json!({"type": "model", "id": id, "display_name": id, "created_at": created, "lifecycle": "active"})
}

/// All of them, on one page.
pub fn list(models: &[(&str, &str)]) -> Value {
    let id = |model: Option<&(&str, &str)>| model.map(|(id, _)| (*id).to_owned());
    let data: Vec<Value> = models.iter().map(|(id, _)| one(id)).collect();
    json!({"data": data, "has_more": false, "first_id": id(models.first()), "last_id": id(models.last())})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P3.
    #[test]
    fn p3_the_wish_for_a_long_window_is_no_part_of_the_name() {
        for (asked, name) in [
            ("claude[1m]", "claude"),
            ("claude[1M][1m]", "claude"),
            ("claude", "claude"),
            ("cl[1m]aude", "cl[1m]aude"),
            ("[1m]", "[1m]"),
            ("claude[2m]", "claude[2m]"),
            ("modèle[1m]", "modèle"),
            ("è1m]", "è1m]"),
        ] {
            assert_eq!(bare(asked), name);
        }
    }

    /// P2.
    #[test]
    fn p2_a_page_says_where_it_begins_and_ends() {
        let page = list(&[("a", "openai"), ("b", "anthropic")]);
        assert_eq!((&page["first_id"], &page["last_id"], &page["has_more"]), (&json!("a"), &json!("b"), &json!(false)));
        assert_eq!(page["data"][1]["id"], "b");
        assert_eq!(list(&[])["last_id"], Value::Null);
    }
}
