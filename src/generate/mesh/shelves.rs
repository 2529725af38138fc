//! Which document holds which cluster: as many documents as it takes, so that Kubernetes takes each.
//!
//! **Invariant:** a cluster stays in the document where it was, as long as there is room: a mesh takes one document after the other, and in
//! between a cluster that moved would be there twice, or not at all.

use serde_json::{Map, Value};

use super::Manifest;
use super::before::shelf_name;
use super::manifest::{Document, bytes};
use super::parts::Parts;

/// How many bytes of clusters a document may hold. An annotation of `kubectl apply` holds 256 KiB in all.
const ROOM: usize = 240_000;

/// What a document is made from: its name, what it is for, its annotations and its patches.
pub(super) type Make<'a> = &'a dyn Fn(&str, &str, Map<String, Value>, Vec<Value>) -> Document;

/// The documents of the clusters' patches. `name` gives the name of a patch's cluster.
pub(super) fn documents(
    manifest: &Manifest<'_>,
    parts: &Parts,
    patches: Vec<Value>,
    name: &dyn Fn(&Value) -> String,
    make: Make<'_>,
) -> Vec<Document> {
    let before = manifest.before.map(|before| before.shelves.as_slice()).unwrap_or_default();
    let shelves = place(patches, name, before);
    let all = shelves.len();
    let document = |(place, patches): (usize, Vec<Value>)| {
        let mut about =
            "The providers: a cluster a deployment, with its own key and the filter that rewrites requests for it."
                .to_owned();
        if all > 1 {
            about.push_str(&format!(" Part {} of {all}.", place + 1));
        }
        let annotations = if place == 0 { parts.annotations.clone() } else { Map::new() };
        make(&shelf_name(manifest.name, place), &about, annotations, patches)
    };
    shelves.into_iter().enumerate().map(document).collect()
}

/// The items by document. `name` gives an item's name; `before` says which stood where.
fn place(items: Vec<Value>, name: &dyn Fn(&Value) -> String, before: &[Vec<String>]) -> Vec<Vec<Value>> {
    let mut shelves: Vec<(usize, Vec<Value>)> = before.iter().map(|_| (0, Vec::new())).collect();
    let mut new = Vec::new();
    for item in items {
        let (size, name) = (bytes(&item), name(&item));
        let old = before.iter().position(|shelf| shelf.contains(&name));
        match old.and_then(|at| shelves.get_mut(at)).filter(|(used, _)| used + size <= ROOM) {
            Some((used, shelf)) => {
                *used += size;
                shelf.push(item);
            }
            None => new.push((size, item)),
        }
    }
    for (size, item) in new {
        match shelves.iter_mut().find(|(used, _)| used + size <= ROOM) {
            Some((used, shelf)) => {
                *used += size;
                shelf.push(item);
            }
            None => shelves.push((size, vec![item])),
        }
    }
    shelves.into_iter().map(|(_, shelf)| shelf).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn name(item: &Value) -> String {
        item["name"].as_str().unwrap().to_owned()
    }

    fn names(shelves: &[Vec<Value>]) -> Vec<Vec<String>> {
        shelves.iter().map(|shelf| shelf.iter().map(name).collect()).collect()
    }

    #[test]
    fn a_cluster_stays_where_it_was() {
        let item = |name: &str| json!({"name": name, "filler": "x".repeat(100_000)});
        let items = |names: &str| names.chars().map(|letter| item(&letter.to_string())).collect::<Vec<_>>();
        let first = names(&place(items("abcde"), &name, &[]));
        assert_eq!(first, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
        let second = names(&place(items("zbcde"), &name, &first));
        assert_eq!(second, [vec!["b", "z"], vec!["c", "d"], vec!["e"]]);
        let third = names(&place(items("zb"), &name, &second));
        assert_eq!(third, [vec!["z", "b"], vec![], vec![]], "an empty document takes the place of a full one");
    }
}
