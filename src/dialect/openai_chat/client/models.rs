//! The models that may be asked, in OpenAI's shape.

use serde_json::{Value, json};

/// One of them, and who runs it.
pub fn one(id: &str, owner: &str) -> Value {
    // LiteLLM's `created`, so that the answer never changes.
    json!({"id": id, "object": "model", "created": 1_677_610_602, "owned_by": owner})
}

/// All of them.
pub fn list(models: &[(&str, &str)]) -> Value {
    let data: Vec<Value> = models.iter().map(|(id, owner)| one(id, owner)).collect();
    json!({"object": "list", "data": data})
}
