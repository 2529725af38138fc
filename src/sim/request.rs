//! What a request asks for, as far as the simulator needs it, in any dialect.
//!
//! It is read with one lenient structure for all of them, and not by the dialects of this crate, because the simulator tests them.
//!
//! **Invariant:** what a provider would refuse as malformed is an error here too, with the name of the field.

use serde::Deserialize;
use serde_json::{Value, json};

use super::surface::{Surface, at};

/// The forms of requests that are read here; what has another one is translated to one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's older text completions.
    Completions,
    /// OpenAI's embeddings.
    Embeddings,
    /// Anthropic's messages.
    Messages,
    /// OpenAI's Responses.
    Responses,
}

/// A tool that the answer calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The tool's name.
    pub name: String,
    /// Its arguments, a JSON object as text.
    pub arguments: String,
}

/// A request, reduced to what the answer depends on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// The model's name as the client wrote it, with its fault.
    pub model: String,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// Whether the stream ends with usage (OpenAI).
    pub include_usage: bool,
    /// The newest user text.
    pub text: String,
    /// Size of all text, in characters.
    pub chars: usize,
    /// The tools to call, in one turn.
    pub calls: Vec<Call>,
    /// How many images the conversation holds.
    pub images: usize,
    /// The texts at which the answer must stop.
    pub stops: Vec<String>,
    /// Whether reasoning is shown.
    pub reasoning: bool,
    /// The most tokens the answer may have.
    pub max_tokens: Option<u64>,
    /// How many answers.
    pub n: u32,
    /// The JSON text of the answer, if the request asks for JSON.
    pub json: Option<String>,
    /// Whether the conversation ends with an assistant's turn.
    pub prefilled: bool,
    /// What to embed: the inputs as texts.
    pub inputs: Vec<String>,
    /// Size of the embeddings.
    pub dimensions: Option<u32>,
    /// Whether embeddings are sent as base64.
    pub base64: bool,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<Value>,
    #[serde(default)]
    messages: Option<Vec<Message>>,
    #[serde(default)]
    system: Value,
    #[serde(default)]
    tools: Option<Vec<Value>>,
    #[serde(default)]
    tool_choice: Value,
    #[serde(default)]
    reasoning_effort: Option<String>,
    #[serde(default)]
    thinking: Value,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    max_output_tokens: Option<u64>,
    #[serde(default)]
    instructions: Value,
    #[serde(default)]
    reasoning: Value,
    #[serde(default, rename = "text")]
    said: Value,
    #[serde(default)]
    n: Option<u32>,
    #[serde(default)]
    stop: Value,
    #[serde(default)]
    stop_sequences: Value,
    #[serde(default)]
    response_format: Value,
    #[serde(default)]
    output_config: Value,
    #[serde(default)]
    prompt: Value,
    #[serde(default)]
    input: Value,
    #[serde(default, alias = "output_dimension")]
    dimensions: Option<u32>,
    #[serde(default)]
    encoding_format: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence for the client.
    pub fn read(surface: &Surface, path: &str, body: &[u8]) -> Result<Request, String> {
        let unlike = |e: serde_json::Error| format!("We could not parse the JSON body of your request. ({e})");
        let raw: Raw = match surface.translate {
            Some(translate) => serde_json::from_value(translate(path, body)?).map_err(unlike)?,
            None => serde_json::from_slice(body).map_err(unlike)?,
        };
        // Azure names the model in the path.
        let deployment = path.split_once("/deployments/").and_then(|(_, rest)| rest.split('/').next());
        let model = raw.model.clone().or(deployment.map(str::to_owned)).ok_or("you must provide a model parameter")?;
        let mut request = Request {
            model,
            stream: raw.stream.unwrap_or_default(),
            include_usage: raw
                .stream_options
                .as_ref()
                .and_then(|o| at(o, "/include_usage").as_bool())
                .unwrap_or_default(),
            max_tokens: raw.max_completion_tokens.or(raw.max_output_tokens).or(raw.max_tokens),
            n: raw.n.unwrap_or(1).clamp(1, 128),
            dimensions: raw.dimensions,
            base64: raw.encoding_format.as_deref() == Some("base64"),
            ..Request::default()
        };
        match surface.form {
            Form::Chat | Form::Messages => request.read_chat(surface.form, &raw)?,
            Form::Responses => {
                let messages = turns(&raw.input).ok_or("Missing required parameter: 'input'.")?;
                request.read_chat(surface.form, &Raw { messages: Some(messages), ..raw })?;
            }
            Form::Completions => {
                request.text = inputs(&raw.prompt).pop().ok_or("Missing required parameter: 'prompt'.")?;
                request.chars = request.text.len();
            }
            Form::Embeddings => {
                request.inputs = inputs(&raw.input);
                if request.inputs.is_empty() {
                    return Err("Missing required parameter: 'input'.".to_owned());
                }
            }
        }
        Ok(request)
    }

    fn read_chat(&mut self, form: Form, raw: &Raw) -> Result<(), String> {
        let messages = raw.messages.as_deref().ok_or("Missing required parameter: 'messages'.")?;
        let newest = messages.last().ok_or("Invalid 'messages': empty array.")?;
        if form == Form::Messages && raw.max_tokens.is_none() {
            return Err("max_tokens: Field required".to_owned());
        }
        self.chars = messages.iter().map(|message| size(&message.content)).sum::<usize>()
            + size(&raw.system)
            + size(&raw.instructions);
        let of_user =
            messages.iter().rev().find(|message| message.role == "user" && !text(&message.content).is_empty());
        self.text = of_user.map(|message| text(&message.content)).unwrap_or_default();
        self.images = messages.iter().map(|message| images(&message.content)).sum();
        self.stops = [&raw.stop, &raw.stop_sequences].into_iter().flat_map(inputs).collect();
        self.prefilled = newest.role == "assistant";
        self.reasoning = [raw.reasoning_effort.as_deref(), at(&raw.reasoning, "/effort").as_str()]
            .into_iter()
            .flatten()
            .any(|effort| effort != "none")
            || at(&raw.thinking, "/type").as_str().is_some_and(|kind| kind != "disabled");
        let answered = newest.role == "tool" || has_tool_result(&newest.content);
        let turns = messages.iter().map(|message| (&*message.role, text(&message.content)));
        let tools = raw.tools.as_deref().unwrap_or_default();
        self.calls = match scripted(turns) {
            Some(calls) => calls,
            None => call(tools, &raw.tool_choice, &self.text, answered).into_iter().collect(),
        };
        let format = at(&raw.response_format, "/type").as_str().or(at(&raw.said, "/format/type").as_str());
        self.json = match format {
            Some("json_object") => Some(json!({ "you_said": excerpt(&self.text) }).to_string()),
            Some("json_schema") if at(&raw.said, "/format/schema").is_object() => {
                Some(sample(at(&raw.said, "/format/schema")).to_string())
            }
            Some("json_schema") => Some(sample(at(&raw.response_format, "/json_schema/schema")).to_string()),
            _ if at(&raw.output_config, "/format/schema").is_object() => {
                Some(sample(at(&raw.output_config, "/format/schema")).to_string())
            }
            _ => None,
        };
        Ok(())
    }
}

/// The items of Responses as messages: a result is a tool's, and what the model said, thought and called is its own.
fn turns(input: &Value) -> Option<Vec<Message>> {
    if let Value::String(text) = input {
        return Some(vec![Message { role: "user".to_owned(), content: text.clone().into() }]);
    }
    let turn = |item: &Value| {
        let (role, content) = match at(item, "/type").as_str() {
            None | Some("message") => (at(item, "/role").as_str().unwrap_or("user"), at(item, "/content")),
            Some("function_call_output" | "custom_tool_call_output") => ("tool", at(item, "/output")),
            _ => ("assistant", &Value::Null),
        };
        Message { role: role.to_owned(), content: content.clone() }
    };
    Some(input.as_array()?.iter().map(turn).collect())
}

/// The first words of a text.
pub fn excerpt(text: &str) -> String {
    text.split_whitespace().take(6).collect::<Vec<_>>().join(" ")
}

/// The text of a message's content: a string, or its text parts.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| at(part, "/text").as_str()).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

fn size(content: &Value) -> usize {
    match content {
        Value::String(text) => text.len(),
        Value::Array(parts) => parts.iter().filter_map(|part| at(part, "/text").as_str()).map(str::len).sum(),
        _ => 0,
    }
}

fn images(content: &Value) -> usize {
    let kind = |part: &&Value| matches!(at(part, "/type").as_str(), Some("image_url" | "image" | "input_image"));
    content.as_array().map_or(0, |parts| parts.iter().filter(kind).count())
}

fn has_tool_result(content: &Value) -> bool {
    content.as_array().is_some_and(|blocks| blocks.iter().any(|block| at(block, "/type") == "tool_result"))
}

/// A prompt or an input: one text, several, one list of tokens, or several.
fn inputs(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) if items.first().is_some_and(Value::is_number) => vec![value.to_string()],
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

/// The calls that a user wrote down for the model, for loops of tools: each line `call NAME {"arguments": ...}` of the newest text that has
/// any is one turn of the model, in their order, and `and call NAME {...}` in the same line is called beside it. `turns`: the role and
/// the text of each. `None`: no text has any; no calls: all were made.
pub fn scripted<'a>(turns: impl DoubleEndedIterator<Item = (&'a str, String)>) -> Option<Vec<Call>> {
    let mut made = 0;
    let mut was_models = false;
    for (role, text) in turns.rev() {
        let is_models = matches!(role, "assistant" | "model" | "function_call");
        made += usize::from(is_models && !was_models);
        was_models = is_models;
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| line.starts_with("call ")).collect();
        if role == "user" && !lines.is_empty() {
            return Some(lines.get(made).map(|line| written(line)).unwrap_or_default());
        }
    }
    None
}

/// The calls of one line.
fn written(line: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut rest = line;
    while let Some((name, after)) = rest.strip_prefix("call ").and_then(|rest| rest.trim_start().split_once(' ')) {
        let mut documents = serde_json::Deserializer::from_str(after).into_iter::<Value>();
        let Some(Ok(arguments)) = documents.next() else { break };
        calls.push(Call { name: name.to_owned(), arguments: arguments.to_string() });
        rest = after.get(documents.byte_offset()..).unwrap_or_default().trim_start();
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    calls
}

/// Chooses the tool to call: the required one, or, if the text is about the weather, the one that fits.
fn call(tools: &[Value], choice: &Value, text: &str, answered: bool) -> Option<Call> {
    let mode = choice.as_str().or(at(choice, "/type").as_str()).unwrap_or("auto");
    let forced = matches!(mode, "required" | "any" | "tool" | "function");
    let fits = text.to_ascii_lowercase().contains("weather") && !answered;
    if mode == "none" || !(forced || fits) {
        return None;
    }
    let named = at(choice, "/function/name").as_str().or(at(choice, "/name").as_str());
    let wanted = |name: &str| named.map_or_else(|| name.contains("weather"), |named| name == named);
    // OpenAI wraps a tool, Anthropic does not.
    let mut bare = tools.iter().map(|tool| tool.get("function").unwrap_or(tool));
    let tool = bare.clone().find(|tool| at(tool, "/name").as_str().is_some_and(wanted)).or_else(|| bare.next())?;
    let schema = tool.get("parameters").unwrap_or(at(tool, "/input_schema"));
    Some(Call { name: at(tool, "/name").as_str()?.to_owned(), arguments: sample(schema).to_string() })
}

/// A small value that a JSON schema accepts, for the common keywords.
fn sample(schema: &Value) -> Value {
    if let Some(first) = at(schema, "/enum").get(0).or(schema.get("const")).or(at(schema, "/examples").get(0)) {
        return first.clone();
    }
    let kind = at(schema, "/type").as_str().or(at(schema, "/type/0").as_str());
    match kind {
        Some("string") => json!("Rome"),
        Some("integer") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("number") => schema.get("minimum").cloned().unwrap_or(json!(1.5)),
        Some("boolean") => json!(true),
        Some("array") => json!([sample(at(schema, "/items"))]),
        Some("object") | None if at(schema, "/properties").is_object() => {
            let properties = at(schema, "/properties").as_object().into_iter().flatten();
            properties.map(|(name, schema)| (name.clone(), sample(schema))).collect::<serde_json::Map<_, _>>().into()
        }
        Some("null") => Value::Null,
        _ => at(schema, "/anyOf").get(0).map_or_else(|| json!({}), sample),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{anthropic, openai};
    use super::*;

    fn chat(body: Value) -> Request {
        Request::read(&openai::CHAT, "/v1/chat/completions", body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn calls_a_tool_when_the_text_or_the_choice_asks_for_it() {
        let tool = json!({"type": "function", "function": {"name": "get_weather", "parameters":
            {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}}}}});
        let ask = |text: &str, choice: Value| {
            let user = json!({"role": "user", "content": text});
            chat(json!({"model": "m", "messages": [user], "tools": [tool], "tool_choice": choice})).calls.pop()
        };
        let wanted = Some(Call { name: "get_weather".into(), arguments: r#"{"city":"Rome","unit":"c"}"#.into() });
        assert_eq!(ask("Weather?", json!("auto")), wanted);
        assert_eq!(ask("Hello", json!("required")), wanted);
        assert_eq!(ask("Hello", json!({"type": "function", "function": {"name": "get_weather"}})), wanted);
        assert_eq!(ask("Hello", Value::Null), None);
        assert_eq!(ask("Weather?", json!("none")), None);
    }

    #[test]
    fn answers_in_words_once_the_tool_has_spoken() {
        let request = chat(json!({"model": "m", "messages": [
            {"role": "user", "content": "Weather?"}, {"role": "tool", "tool_call_id": "c", "content": "21"}],
            "tools": [{"type": "function", "function": {"name": "get_weather"}}]}));
        assert_eq!((request.calls, request.text.as_str()), (Vec::new(), "Weather?"));
    }

    #[test]
    fn plays_the_calls_that_a_user_wrote_down() {
        let said = "Do this:\ncall ls {\"path\": \".\"}\ncall cat {\"path\": \"a\"} and call cat {\"path\": \"b\"}";
        let call = |name: &str, path: &str| Call { name: name.into(), arguments: json!({ "path": path }).to_string() };
        let at = |rest: &[&str]| {
            let turns = [("system", ""), ("user", said)].into_iter().chain(rest.iter().map(|role| (*role, "")));
            scripted(turns.map(|(role, text)| (role, text.to_owned())).collect::<Vec<_>>().into_iter())
        };
        assert_eq!(at(&[]), Some(vec![call("ls", ".")]));
        assert_eq!(at(&["assistant", "tool"]), Some(vec![call("cat", "a"), call("cat", "b")]));
        assert_eq!(at(&["assistant", "tool", "function_call", "function_call", "tool", "tool"]), Some(Vec::new()));
        assert_eq!(
            scripted([("user", "call me".to_owned()), ("user", "Hello".to_owned())].into_iter()),
            Some(Vec::new())
        );
        assert_eq!(scripted([("user", "Hello".to_owned())].into_iter()), None);
    }

    #[test]
    fn refuses_what_a_provider_refuses() {
        let said = |surface: &Surface, body: &str| Request::read(surface, "/", body.as_bytes()).unwrap_err();
        assert!(said(&openai::CHAT, "{").contains("could not parse"));
        assert!(said(&openai::CHAT, r#"{"model":"m"}"#).contains("'messages'"));
        assert!(said(&openai::CHAT, r#"{"messages":[]}"#).contains("model"));
        assert!(
            said(&anthropic::MESSAGES, r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#)
                .contains("max_tokens")
        );
        assert!(said(&openai::EMBEDDINGS, r#"{"model":"m"}"#).contains("'input'"));
    }
}
