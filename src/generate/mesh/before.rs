//! The manifest in force: its clusters outlive their configuration, since requests may still be on their way to them.
//!
//! A mesh gives a proxy its clusters before its routes and filters, so what goes with the same manifest that no longer names it goes too early.

use serde_json::{Map, Value, json};

use super::super::directory::{self, Held};

/// What of the manifest in force outlives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Before {
    /// The clusters, and since when some of them are no longer configured.
    held: Held,
    /// Which clusters stand in which document.
    pub(super) shelves: Vec<Vec<String>>,
    /// The ways to the clusters by what the filter selects, as the route has them.
    ways: Map<String, Value>,
}

/// The annotation that says since when clusters are no longer configured.
const RETIRED: &str = "signalbox.dev/retired";

impl Before {
    /// Takes it out of the documents of a manifest.
    #[must_use]
    pub fn read(documents: &[Value]) -> Self {
        let (mut clusters, mut shelves) = (Vec::new(), Vec::new());
        let (mut retired, mut ways) = (json!({}), Map::new());
        for document in documents {
            let found = clusters_of(document);
            let is_shelf = document.pointer("/metadata/name").and_then(Value::as_str).is_some_and(is_shelf_name);
            if is_shelf {
                shelves.push(found.iter().map(name).collect());
            }
            clusters.extend(found);
            let note = document.pointer("/metadata/annotations").and_then(|notes| notes.get(RETIRED)?.as_str());
            if let Some(since) = note.and_then(|note| serde_json::from_str(note).ok()) {
                retired = since;
            }
            find_ways(document, &mut ways);
        }
        Self { held: Held { clusters: json!({"resources": clusters}), retired }, shelves, ways }
    }

    /// Whether it has any cluster.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.clusters.pointer("/resources/0").is_none()
    }

    /// Adds the clusters that are no longer configured to those that are. Gives the annotations that say so.
    pub(super) fn retire(&self, clusters: &mut Vec<Value>, routes: &mut [Value], now_s: u64) -> Map<String, Value> {
        let retired = directory::retired(&self.held, clusters, now_s);
        if retired.is_empty() {
            return Map::new();
        }
        let since: Map<String, Value> =
            retired.iter().map(|(name, since_s, _)| (name.clone(), json!(since_s))).collect();
        let leads_there = |way: &Value| {
            let cluster = way.pointer("/action/typed_config/cluster").and_then(Value::as_str);
            cluster.is_some_and(|cluster| since.contains_key(cluster))
        };
        for route in routes {
            if let Some(map) = route.pointer_mut(MAP).and_then(Value::as_object_mut) {
                let ways = self.ways.iter().filter(|(_, way)| leads_there(way));
                map.extend(ways.map(|(selected, way)| (selected.clone(), way.clone())));
            }
        }
        let note = Map::from_iter([(RETIRED.to_owned(), json!(Value::Object(since.clone()).to_string()))]);
        clusters.extend(retired.into_iter().map(|(_, _, cluster)| cluster));
        note
    }
}

/// Where a route has its ways to clusters.
const MAP: &str =
    "/route/inline_cluster_specifier_plugin/extension/typed_config/cluster_matcher/matcher_tree/prefix_match_map/map";

/// The end of the names of the documents that hold clusters.
pub(super) const SHELF: &str = "-clusters";

/// The name of such a document, by its place.
pub(super) fn shelf_name(name: &str, place: usize) -> String {
    if place == 0 { format!("{name}{SHELF}") } else { format!("{name}{SHELF}-{}", place + 1) }
}

fn is_shelf_name(name: &str) -> bool {
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
    name.ends_with(SHELF) || bare.strip_suffix('-').is_some_and(|bare| bare.ends_with(SHELF))
}

/// The name of a cluster.
pub(super) fn name(cluster: &Value) -> String {
    cluster.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The clusters that a document adds, in Istio's words or Envoy Gateway's.
fn clusters_of(document: &Value) -> Vec<Value> {
    let list = |pointer: &str| document.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let of_istio = list("/spec/configPatches").filter(|patch| patch.get("applyTo") == Some(&json!("CLUSTER")));
    let is_cluster = |kind: &str| kind.ends_with("config.cluster.v3.Cluster");
    let of_gateway =
        list("/spec/jsonPatches").filter(|patch| patch.get("type").and_then(Value::as_str).is_some_and(is_cluster));
    let values = of_istio.filter_map(|patch| patch.pointer("/patch/value"));
    values.chain(of_gateway.filter_map(|patch| patch.pointer("/operation/value"))).cloned().collect()
}

fn find_ways(value: &Value, ways: &mut Map<String, Value>) {
    match value {
        Value::Object(entries) => {
            if let Some(map) = entries.get("prefix_match_map").and_then(|map| map.get("map")?.as_object()) {
                ways.extend(map.iter().map(|(selected, way)| (selected.clone(), way.clone())));
                return;
            }
            entries.values().for_each(|value| find_ways(value, ways));
        }
        Value::Array(items) => items.iter().for_each(|item| find_ways(item, ways)),
        _ => {}
    }
}
