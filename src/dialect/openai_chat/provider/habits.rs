//! What those compatible with OpenAI refuse or want otherwise, by the [`Habits`] of their rows.
//!
//! A body is taken apart only where a habit may touch it: for most a look for an empty list of tools is all, for those that want turns in an
//! order of their own a look at who says what. What is changed is a member or
//! a message as a whole; all else keeps its order.
//!
//! **Invariant:** what is left out and says something is named.

use memchr::memmem;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::rigid;
use crate::dialect::Target;
use crate::dialect::read::{loose_list, loose_object, loose_text};
use crate::dialect::unsupported::DroppedFields;
use crate::provider::Habits;

/// The members of a message that strict providers know.
const OF_MESSAGE: &[&str] = &["role", "content", "tool_calls", "tool_call_id", "name", "prefix"];
/// Members of OpenAI's own that strict providers refuse.
const OF_OPENAI: &[&str] = &["store", "metadata", "safety_identifier", "verbosity", "prompt_cache_retention"];
/// What models refuse to be told that think, and what those that cannot be told how much.
const OF_THINKERS: [&str; 4] = ["presence_penalty", "frequency_penalty", "stop", "reasoning_effort"];
/// Those that are refused together with everything unknown.
const REFUSED: &[&str] = &[
    "user",
    "logit_bias",
    "service_tier",
    "verbosity",
    "safety_identifier",
    "modalities",
    "audio",
    "web_search_options",
    "functions",
    "function_call",
    "thinking",
    "cache_control",
    "prompt_cache_retention",
];
/// The members of a chat, or of a request for embeddings, that those take as they are who refuse what they do not know.
const USUAL: &[&str] = &[
    "model",
    "messages",
    "input",
    "stream",
    "temperature",
    "top_p",
    "max_tokens",
    "stop",
    "n",
    "response_format",
    "presence_penalty",
    "frequency_penalty",
    "encoding_format",
];
/// What stands between a result and what the user says, where a turn of the model must.
const BETWEEN: &str = "OK.";
/// What the names of Groq's and Cerebras' models say that take their reasoning back.
const TAKE_REASONING: &[&str] = &["gpt-oss", "qwen3", "qwen-3", "deepseek-r1", "reasoning", "glm-4", "thinking"];

type Object = Map<String, Value>;

/// The body as its provider takes it, and the names of what was left out. `None`: as it is.
pub fn fitted(body: &[u8], target: Target<'_>) -> Option<(Vec<u8>, Vec<String>)> {
    let habits = target.provider.habits;
    let has = |name: &[u8]| memmem::find(body, name).is_some();
    let wants_order = habits.rigid_turns || habits.one_turn_each;
    let is_touched = has_no_tools(body)
        || !habits.is_openai && has(b"\"developer\"")
        || wants_order && !is_in_order(body, habits).unwrap_or(false)
        || habits.strict_messages
            && !habits.rigid_turns
            && (has(b"\"assistant\"") || OF_OPENAI.iter().any(|name| has(&[b"\"", name.as_bytes(), b"\""].concat())))
        || habits.older_limit && has(b"\"max_completion_tokens\"")
        || habits.no_schema && has(b"\"json_schema\"")
        || habits.takes_reasoning && has(b"\"reasoning_content\"")
        || habits.takes_thinking && has(b"\"tool_calls\"")
        || habits.cool && has(b"\"temperature\"")
        || habits.one_text && has(b"\"text\"")
        || habits.fixed_sampling && !of_fixed(target).is_empty();
    if !is_touched {
        return None;
    }
    let Ok(Value::Object(mut whole)) = serde_json::from_slice(body) else { return None };
    let before = whole.clone();
    if whole.get("messages").and_then(Value::as_array).is_some_and(|list| !list.iter().all(Value::is_object)) {
        return None;
    }
    let mut dropped = DroppedFields::new(true);
    tools(&mut whole);
    limits(&mut whole, target, &mut dropped);
    let thinks = thinks(&whole, habits, target.model);
    if let Some(Value::Array(messages)) = whole.get_mut("messages") {
        *messages = turns(std::mem::take(messages), habits, target.model, thinks, &mut dropped);
    }
    if whole == before {
        return None;
    }
    Some((serde_json::to_vec(&whole).ok()?, dropped.names()))
}

/// Whether a body has what is usual alone, said by turns as they are wanted. `None`: it cannot be told.
fn is_in_order(body: &[u8], habits: Habits) -> Option<bool> {
    let mut whole = loose_object(body)?;
    if habits.rigid_turns && !whole.names().all(|name| USUAL.contains(&name)) {
        return Some(false);
    }
    let mut before = "".into();
    for message in whole.take("messages").map_or(Some(Vec::new()), loose_list)? {
        let mut message = loose_object(message.get().as_bytes())?;
        let now = message.take("role").and_then(loose_text)?;
        let is_models = now == "assistant";
        let fits = match habits.rigid_turns {
            true => is_models || now == "user" || now == "system" && before != "assistant",
            false => now != before || !is_models && now != "user",
        };
        // Parts and turns without a text have forms of their own.
        let said = message.take("content").map(RawValue::get).unwrap_or_default();
        let is_text = said.starts_with('"') && said != "\"\"";
        if !fits || habits.rigid_turns && (!is_text || message.names().next().is_some()) {
            return Some(false);
        }
        before = now;
    }
    Some(!habits.rigid_turns || before != "assistant")
}

/// What a model refuses to be told of how to sample.
fn of_fixed(target: Target<'_>) -> &'static [&'static str] {
    let has = |known: &&str| target.model.contains(*known);
    let thinks = ["grok-4", "grok-3-mini"].iter().any(has) || target.model.ends_with("-reasoning");
    if thinks {
        let [.., effort] = &OF_THINKERS;
        let takes_effort = !has(&"grok-4") || has(&"grok-4.");
        return match (has(&"non-reasoning"), takes_effort) {
            (false, false) => &OF_THINKERS,
            (false, true) => OF_THINKERS.split_last().map_or(&[], |(_, rest)| rest),
            (true, false) => std::slice::from_ref(effort),
            (true, true) => &[],
        };
    }
    let is_fixed = target.drop_params && ["kimi-k2.5", "kimi-k2.6", "kimi-k3"].iter().any(has);
    if is_fixed { &["temperature"] } else { &[] }
}

/// Whether there is an empty list of tools.
fn has_no_tools(body: &[u8]) -> bool {
    memmem::find_iter(body, b"\"tools\"").any(|at| {
        let rest = body.get(at + 7..).unwrap_or_default().trim_ascii_start();
        let list = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start).and_then(|rest| rest.strip_prefix(b"["));
        list.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"]"))
    })
}

/// An empty list of tools, and what is said of tools where there are none.
fn tools(whole: &mut Object) {
    if whole.get("tools").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        no_tools(whole);
    }
}

pub(super) fn no_tools(whole: &mut Object) {
    for name in ["tools", "tool_choice", "parallel_tool_calls"] {
        whole.shift_remove(name);
    }
}

fn leave_out(whole: &mut Object, name: &str, dropped: &mut DroppedFields) {
    if whole.shift_remove(name).is_some_and(|value| says_something(&value)) {
        dropped.hint(name);
    }
}

pub(super) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn rename(whole: &mut Object, old: &str, new: &str) {
    if let Some(value) = whole.shift_remove(old).filter(|value| !value.is_null()) {
        whole.insert(new.to_owned(), value);
    }
}

/// The members at the top.
fn limits(whole: &mut Object, target: Target<'_>, dropped: &mut DroppedFields) {
    let habits = target.provider.habits;
    if habits.older_limit {
        rename(whole, "max_completion_tokens", "max_tokens");
    }
    if habits.strict_messages {
        OF_OPENAI.iter().for_each(|name| leave_out(whole, name, dropped));
    }
    if habits.rigid_turns {
        REFUSED.iter().for_each(|name| leave_out(whole, name, dropped));
        // Its streams end with their usage anyway.
        whole.shift_remove("stream_options");
        rename(whole, "seed", "random_seed");
        // Of embeddings.
        rename(whole, "dimensions", "output_dimension");
        effort(whole, target.model, dropped);
        rigid::tools(whole, dropped);
        if whole.get("tool_choice").is_some_and(|choice| choice == "required") {
            whole.insert("tool_choice".to_owned(), json!("any"));
        }
    }
    if let Some(temperature) = whole.get_mut("temperature").filter(|_| habits.cool)
        && temperature.as_f64().is_some_and(|temperature| temperature > 1.0)
    {
        *temperature = json!(1);
    }
    if habits.fixed_sampling {
        of_fixed(target).iter().for_each(|name| leave_out(whole, name, dropped));
    }
    let is_schema = whole.get("response_format").is_some_and(|format| is(format.get("type"), "json_schema"));
    if habits.no_schema && is_schema && target.drop_params {
        let schema = whole.insert("response_format".to_owned(), json!({"type": "json_object"})).unwrap_or_default();
        let schema = schema.pointer("/json_schema/schema").map(Value::to_string).unwrap_or_default();
        let words = format!("Answer with one json object by this JSON schema: {schema}");
        if let Some(Value::Array(messages)) = whole.get_mut("messages") {
            let rest = std::mem::take(messages);
            messages.push(json!({"role": "system", "content": words}));
            messages.extend(rest);
        }
        dropped.hint("response_format");
    }
}

/// How hard Mistral's models think: they are told whether, and those that always do are not told. Other makers' have all levels.
fn effort(whole: &mut Object, model: &str, dropped: &mut DroppedFields) {
    if model.contains("magistral") {
        leave_out(whole, "reasoning_effort", dropped);
    } else if let Some(level) = whole.get_mut("reasoning_effort").filter(|_| !model.contains("glm"))
        && ["minimal", "low", "medium", "xhigh", "max"].iter().any(|known| level == known)
    {
        *level = json!("high");
    }
}

/// Whether the model was told to think, or does by its name unless it is told not to.
fn thinks(whole: &Object, habits: Habits, model: &str) -> bool {
    const BY_NAME: [&str; 2] = ["reasoner", "deepseek-v4"];
    // All of its newer ones do.
    let is_kimi =
        habits.no_empty_thinking && ["thinking", "kimi-k2.", "kimi-k3"].iter().any(|name| model.contains(name));
    match whole.get("thinking").and_then(|thinking| thinking.get("type")) {
        Some(kind) if model.contains("reasoner") || kind == "enabled" => true,
        Some(kind) if kind == "disabled" => false,
        _ => is_kimi || BY_NAME.iter().any(|name| model.contains(name)),
    }
}

fn is(value: Option<&Value>, word: &str) -> bool {
    value.is_some_and(|value| value == word)
}

fn role(message: Option<&Object>) -> &str {
    message.and_then(|message| message.get("role")).and_then(Value::as_str).unwrap_or_default()
}

/// The messages, each an object.
fn turns(messages: Vec<Value>, habits: Habits, model: &str, thinks: bool, dropped: &mut DroppedFields) -> Vec<Value> {
    let mut turns: Vec<Object> = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        let Value::Object(mut message) = message else { continue };
        members(&mut message, index, habits, model, thinks, dropped);
        let before = role(turns.last()).to_owned();
        if habits.one_text {
            as_one_text(message.get_mut("content"));
        }
        if !habits.is_openai && !habits.rigid_turns && role(Some(&message)) == "developer" {
            message.insert("role".to_owned(), json!("system"));
        }
        if habits.rigid_turns {
            let told = match (role(Some(&message)), before.as_str()) {
                ("system" | "developer", "assistant" | "tool") => Some("user"),
                ("developer", _) => Some("system"),
                _ => None,
            };
            if let Some(told) = told {
                message.insert("role".to_owned(), json!(told));
            }
            if role(Some(&message)) == "user" && before == "tool" {
                let between = json!({"role": "assistant", "content": BETWEEN});
                turns.extend(between.as_object().cloned());
            }
        }
        if habits.rigid_turns && says_nothing(&message) {
            continue;
        }
        let now = role(Some(&message));
        let is_same = habits.one_turn_each && now == before && matches!(now, "user" | "assistant");
        match turns.last_mut().filter(|_| is_same) {
            Some(last) => join(last, message),
            None => turns.push(message),
        }
    }
    if habits.rigid_turns
        && let Some(last) = turns.last_mut()
        && is(last.get("role"), "assistant")
        && !last.contains_key("tool_calls")
    {
        last.insert("prefix".to_owned(), json!(true));
    }
    turns.into_iter().map(Value::Object).collect()
}

/// Whether it is a turn of the model's without a word and without a call, which is refused.
fn says_nothing(message: &Object) -> bool {
    let has = |name| message.get(name).is_some_and(says_something);
    role(Some(message)) == "assistant" && !has("content") && !has("tool_calls")
}

/// A list of nothing but texts as one.
fn as_one_text(content: Option<&mut Value>) {
    let Some(content) = content else { return };
    let Some(parts) = content.as_array() else { return };
    let mut texts = String::new();
    for (at, part) in parts.iter().enumerate() {
        let Some(text) = part.get("text").and_then(Value::as_str).filter(|_| is(part.get("type"), "text")) else {
            return;
        };
        if at > 0 {
            texts.push('\n');
        }
        texts.push_str(text);
    }
    *content = Value::String(texts);
}

/// Adds what a message says to the one before it.
fn join(last: &mut Object, mut message: Object) {
    let take = |of: &mut Object| of.get_mut("content").map(Value::take).unwrap_or_default();
    let content = match (take(last), take(&mut message)) {
        (Value::String(first), Value::String(second)) => Value::String([first, second].join("\n\n")),
        (first, second) => Value::Array([parts(first), parts(second)].concat()),
    };
    last.insert("content".to_owned(), content);
}

fn parts(content: Value) -> Vec<Value> {
    match content {
        Value::Array(parts) => parts,
        Value::Null => Vec::new(),
        text => vec![json!({"type": "text", "text": text})],
    }
}

/// The members of a message.
fn members(message: &mut Object, index: usize, habits: Habits, model: &str, thinks: bool, dropped: &mut DroppedFields) {
    let calls = message.get("tool_calls").is_some_and(says_something);
    let wants_reasoning = habits.takes_reasoning
        || habits.strict_messages && !habits.rigid_turns && TAKE_REASONING.iter().any(|known| model.contains(known));
    if wants_reasoning {
        rename(message, "reasoning_content", "reasoning");
    }
    let is_models = message.get("role").is_some_and(|role| role == "assistant");
    let has_thinking = match message.get("reasoning_content") {
        Some(thinking) => !habits.no_empty_thinking || says_something(thinking),
        None => false,
    };
    if habits.takes_thinking && thinks && calls && is_models && !has_thinking {
        let thinking = if habits.no_empty_thinking { " " } else { "" };
        message.insert("reasoning_content".to_owned(), json!(thinking));
    }
    if !habits.strict_messages {
        return;
    }
    let is_result = message.get("role").is_some_and(|role| role == "tool");
    let mut gone = Vec::new();
    message.retain(|name, value| {
        let is_known = OF_MESSAGE.contains(&name.as_str()) || name == "reasoning" && wants_reasoning;
        let is_taken = is_known && !(name == "name" && habits.rigid_turns && !is_result);
        let stays = is_taken && (!value.is_null() || name == "content");
        if !stays && says_something(value) {
            gone.push(name.clone());
        }
        stays
    });
    for name in gone {
        dropped.hint(&format!("messages[{index}].{name}"));
    }
    if habits.rigid_turns && calls && message.get("content").is_some_and(Value::is_null) {
        message.insert("content".to_owned(), json!(""));
    }
    if let Some(Value::Array(parts)) = message.get_mut("content").filter(|_| habits.rigid_turns) {
        rigid::parts(parts, &format!("messages[{index}]"), dropped);
    }
    for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        let Value::Object(call) = call else { continue };
        call.retain(|name, _| matches!(name.as_str(), "id" | "type" | "function"));
        if let Some(Value::Object(function)) = call.get_mut("function") {
            function.retain(|name, _| matches!(name.as_str(), "name" | "arguments"));
        }
        if habits.rigid_turns {
            shorten(call.get_mut("id"));
        }
    }
    if habits.rigid_turns {
        shorten(message.get_mut("tool_call_id"));
    }
}

/// An id of nine letters and digits, the same for the same.
fn shorten(id: Option<&mut Value>) {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some(Value::String(id)) = id else { return };
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return;
    }
    let mut hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    *id = (0..9)
        .map(|_| {
            let digit = usize::try_from(hash % 62).unwrap_or_default();
            hash /= 62;
            char::from(DIGITS.get(digit).copied().unwrap_or(b'0'))
        })
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_chats_are_not_taken_apart() {
        let of = |name: &str| crate::provider::by_name(name).unwrap().habits;
        let told = |habits, roles: &[&str], more: &str| {
            let turns: Vec<Value> = roles.iter().map(|role| json!({"role": role, "content": "hi"})).collect();
            let body = format!(r#"{{"model":"m","messages":{}{more}}}"#, json!(turns));
            is_in_order(body.as_bytes(), habits)
        };
        let (mistral, perplexity) = (of("mistral"), of("perplexity"));
        let chat = ["system", "user", "assistant", "user"];
        assert_eq!(told(mistral, &chat, r#","stream":true,"max_tokens":5"#), Some(true));
        assert_eq!(told(perplexity, &chat, r#","stream":true,"search_domain_filter":[]"#), Some(true));
        for (roles, more) in [
            (&["user", "assistant"][..], ""),
            (&["developer", "user"], ""),
            (&["user", "assistant", "system"], ""),
            (&["user"], r#","stream_options":{}"#),
            (&["user"], r#","user":null"#),
        ] {
            assert_eq!(told(mistral, roles, more), Some(false), "{roles:?}{more}");
        }
        assert_eq!(told(perplexity, &["user", "user"], ""), Some(false));
        assert_eq!(told(perplexity, &["system", "system", "user"], ""), Some(true));
        assert_eq!(is_in_order(br#"{"model":"m","input":"x"}"#, mistral), Some(true));
        assert_eq!(
            is_in_order(br#"{"model":"m","messages":[{"role":"user","content":"x","name":"u"}]}"#, mistral),
            Some(false)
        );
        for content in ["[]", "null", "\"\""] {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#);
            assert_eq!(is_in_order(body.as_bytes(), mistral), Some(false), "{content}");
        }
        assert_eq!(is_in_order(br#"{"model":"m","messages":7}"#, mistral), None);
    }
}
