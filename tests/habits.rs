//! What those compatible with OpenAI refuse or want otherwise, out of a client's own bytes. A case is named by its row of the list of faults
//! of other bridges.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::{Value, json};
use signalbox::dialect::{Dialect, Target, provider_face};
use signalbox::provider::by_name;

/// The body as a provider gets it, and what was left out; `None`: its very bytes.
fn fitted(provider: &str, model: &str, body: &Value) -> Option<(Value, Vec<String>)> {
    let provider = by_name(provider).unwrap();
    let target = Target { provider, model, drop_params: true, max_output_tokens: None };
    let (body, dropped) = provider_face(Dialect::OpenAi).suited(body.to_string().as_bytes(), target)?;
    Some((serde_json::from_slice(&body).unwrap(), dropped))
}

fn messages(provider: &str, model: &str, messages: Value) -> (Value, Vec<String>) {
    let (body, dropped) = fitted(provider, model, &json!({"model": "m", "messages": messages})).unwrap();
    (body["messages"].clone(), dropped)
}

fn chat(more: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn what_no_habit_touches_keeps_its_bytes() {
    let tool = json!([{"type": "function", "function": {"name": "f"}}]);
    for provider in ["groq", "together_ai", "hosted_vllm", "deepseek", "cerebras", "perplexity", "xai"] {
        assert_eq!(fitted(provider, "m", &chat(json!({"tools": tool, "tool_choice": "auto"}))), None, "{provider}");
    }
    let said = json!([{"role": "user", "content": "\"tools\": [ ] \"assistant\""}]);
    assert_eq!(fitted("groq", "m", &json!({"model": "m", "messages": said})), None);
}

#[test]
fn k41_no_tools_are_not_told_of() {
    let body = chat(json!({"tools": [], "tool_choice": "auto", "parallel_tool_calls": true}));
    for provider in ["groq", "together_ai", "hosted_vllm", "deepseek", "mistral", "openrouter"] {
        assert_eq!(fitted(provider, "m", &body).unwrap(), (chat(json!({})), vec![]), "{provider}");
    }
    let spaced = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools" : [ ] }"#;
    let target = Target { provider: by_name("zai").unwrap(), model: "m", drop_params: false, max_output_tokens: None };
    assert!(provider_face(Dialect::OpenAi).suited(spaced.as_bytes(), target).is_some());
}

#[test]
fn k42_strict_providers_get_no_member_that_they_do_not_know() {
    let call =
        json!({"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}, "tokens": 3});
    let said = json!({"role": "assistant", "content": "x", "refusal": null, "audio": null, "annotations": [],
        "metadata": {"a": 1}, "tool_calls": [call]});
    for provider in ["fireworks_ai", "cerebras", "mistral", "groq"] {
        let result = json!({"role": "tool", "tool_call_id": "abcdefghi", "content": "1"});
        let (told, dropped) = messages(provider, "m", json!([{"role": "user", "content": "hi"}, said, result]));
        let clean = json!({"role": "assistant", "content": "x", "tool_calls": [
            {"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
        assert_eq!(told[1], clean, "{provider}");
        assert_eq!(dropped, ["messages[1].metadata"], "{provider}");
        let (told, dropped) = fitted(provider, "m", &chat(json!({"store": true, "metadata": {"a": "b"}}))).unwrap();
        assert_eq!((told, dropped), (chat(json!({})), vec!["store".into(), "metadata".into()]), "{provider}");
    }
}

#[test]
fn k43_thinking_goes_back_by_the_name_that_is_read() {
    let history = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x", "reasoning_content": "h"},
        {"role": "user", "content": "and?"}]);
    let said = |provider, model| messages(provider, model, history.clone()).0[1].clone();
    let plain = json!({"role": "assistant", "content": "x"});
    let reasoning = json!({"role": "assistant", "content": "x", "reasoning": "h"});
    assert_eq!(said("mistral", "magistral-medium"), plain);
    assert_eq!((said("groq", "llama-3.3-70b"), said("cerebras", "llama3.1-8b")), (plain.clone(), plain));
    assert_eq!(
        (said("groq", "openai/gpt-oss-120b"), said("cerebras", "qwen-3-32b")),
        (reasoning.clone(), reasoning.clone())
    );
    assert_eq!(said("hosted_vllm", "any"), reasoning);
    assert_eq!(fitted("deepseek", "deepseek-reasoner", &json!({"model": "m", "messages": history})), None);
}

#[test]
fn k44_a_call_of_another_provider_gets_empty_thinking() {
    let call = |thought: Value| {
        let mut said = json!({"role": "assistant", "content": "", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
        said.as_object_mut().unwrap().extend(thought.as_object().unwrap().clone());
        json!([{"role": "user", "content": "q"}, said, {"role": "tool", "tool_call_id": "a", "content": "1"},
            {"role": "assistant", "content": "done"}, {"role": "user", "content": "more"}])
    };
    let asked = |thought| json!({"model": "m", "thinking": {"type": "enabled"}, "messages": call(thought)});
    assert_eq!(fitted("deepseek", "deepseek-chat", &asked(json!({"reasoning_content": "h"}))), None);
    let (told, _) = fitted("deepseek", "deepseek-chat", &asked(json!({}))).unwrap();
    assert_eq!(
        (&told["messages"][1]["reasoning_content"], &told["messages"][3]),
        (&json!(""), &json!({"role": "assistant", "content": "done"}))
    );
}

#[test]
fn k45_the_limit_has_its_older_name() {
    for provider in ["mistral", "deepseek"] {
        let (told, dropped) = fitted(provider, "m", &chat(json!({"max_completion_tokens": 50}))).unwrap();
        assert_eq!((told, dropped), (chat(json!({"max_tokens": 50})), vec![]), "{provider}");
    }
}

#[test]
fn k46_a_schema_is_told_in_words() {
    let format = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}});
    let (told, dropped) = fitted("deepseek", "m", &chat(json!({"response_format": format}))).unwrap();
    assert_eq!(
        (&told["response_format"], dropped),
        (&json!({"type": "json_object"}), vec!["response_format".to_owned()])
    );
    let words = told["messages"][0]["content"].as_str().unwrap();
    assert!(words.contains("json") && words.contains(r#"{"type":"object"}"#), "{words}");
    assert_eq!(told["messages"][1], json!({"role": "user", "content": "hi"}));
}

#[test]
fn k47_what_a_model_refuses_to_be_told() {
    let body = chat(json!({"presence_penalty": 0, "stop": ["x"], "temperature": 0.2}));
    let (told, dropped) = fitted("xai", "grok-4-fast-reasoning", &body).unwrap();
    assert_eq!((told, dropped), (chat(json!({"temperature": 0.2})), vec!["presence_penalty".into(), "stop".into()]));
    assert_eq!(fitted("xai", "grok-2", &body), None);
    let (told, dropped) = fitted("moonshot", "kimi-k2.5", &chat(json!({"temperature": 0.2}))).unwrap();
    assert_eq!((told, dropped), (chat(json!({})), vec!["temperature".into()]));
}

#[test]
fn k48_the_user_and_the_model_take_turns() {
    let (told, _) =
        messages("perplexity", "sonar", json!([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]));
    assert_eq!(told, json!([{"role": "user", "content": "a\n\nb"}]));
}

#[test]
fn g33_ids_have_nine_letters() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let ids = ["toolu_01VpEm654HvfMoRcrE3Hgdc6", "toolu_01VpEm654HvfMoRcrE3HgdZZ", "FI5qQGzDE"];
    let results = ids.map(|id| json!({"role": "tool", "tool_call_id": id, "content": "1"}));
    let mut all = vec![
        json!({"role": "user", "content": "q"}),
        json!({"role": "assistant", "content": null, "tool_calls": ids.map(call)}),
    ];
    all.extend(results);
    let (told, _) = messages("mistral", "m", json!(all));
    let sent: Vec<&str> = (0..3).map(|at| told[1]["tool_calls"][at]["id"].as_str().unwrap()).collect();
    assert_eq!((sent[2], &told[1]["content"]), ("FI5qQGzDE", &json!("")));
    assert!(
        sent[0] != sent[1]
            && sent.iter().all(|id| id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())),
        "{sent:?}"
    );
    (0..3).for_each(|at| assert_eq!(told[2 + at]["tool_call_id"], sent[at]));
}

#[test]
fn mistral_gets_what_is_attached_in_its_own_forms() {
    let pdf = "data:application/pdf;base64,JVBERi0=";
    let mark = json!({"type": "ephemeral"});
    let (told, dropped) = messages(
        "mistral",
        "m",
        json!([{"role": "user", "content": [
            {"type": "text", "text": "Look.", "cache_control": mark},
            {"type": "image_url", "image_url": {"url": "https://h/a.png", "detail": "low", "format": "image/png"}},
            {"type": "file", "file": {"file_data": pdf, "filename": "a.pdf", "format": "application/pdf"}},
            {"type": "file", "file": {"file_id": "https://h/b.pdf"}},
            {"type": "file", "file": {"file_id": "1f2e"}},
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, {"role": "user", "content": "?"}]),
    );
    let parts = json!([{"type": "text", "text": "Look."},
        {"type": "image_url", "image_url": {"url": "https://h/a.png", "detail": "low"}},
        {"type": "document_url", "document_url": pdf, "document_name": "a.pdf"},
        {"type": "document_url", "document_url": "https://h/b.pdf"},
        {"type": "file", "file_id": "1f2e"}, {"type": "input_audio", "input_audio": "UklG"}]);
    assert_eq!((&told[0]["content"], &told[1]["content"]), (&parts, &json!([{"type": "text", "text": "No."}])));
    let places = ["[0].cache_control", "[1].image_url.format", "[2].file.format", "[5].input_audio.format"];
    assert_eq!(dropped, places.map(|place| format!("messages[0].content{place}")));
}

#[test]
fn mistrals_tools_have_parameters_and_nothing_more() {
    let tools = json!([{"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}},
        {"type": "function", "function": {"name": "g", "strict": true, "parameters": {"type": "object"}}}]);
    let f = json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}});
    let (told, dropped) =
        fitted("mistral", "m", &chat(json!({"tools": tools, "thinking": {"type": "enabled"}}))).unwrap();
    assert_eq!((&told["tools"][0], &told["tools"][1]), (&f, &tools[1]));
    assert_eq!(dropped, ["thinking", "tools[0].cache_control"]);
    let choice = |mode: &str, names: &[&str]| {
        let tools: Vec<_> = names.iter().map(|name| json!({"type": "function", "function": {"name": name}})).collect();
        json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
    };
    for (choice, offered, told_choice) in [
        (choice("required", &["f"]), json!([f]), json!("any")),
        (choice("auto", &["f", "g"]), json!([f, tools[1]]), json!("auto")),
        (choice("auto", &[]), json!(null), json!(null)),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            json!([f, tools[1]]),
            json!({"type": "function", "function": {"name": "f"}}),
        ),
    ] {
        let (told, _) = fitted("mistral", "m", &chat(json!({"tools": tools, "tool_choice": choice}))).unwrap();
        assert_eq!((&told["tools"], &told["tool_choice"]), (&offered, &told_choice), "{choice}");
    }
}

#[test]
fn g34_to_g37_mistrals_turns_have_an_order() {
    let call = json!([{"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let result = json!({"role": "tool", "tool_call_id": "abcdefghi", "name": "f", "content": "1"});
    let (told, _) = messages(
        "mistral",
        "m",
        json!([{"role": "user", "content": "q", "name": "u"},
        {"role": "assistant", "content": "", "tool_calls": call, "refusal": null}, result, {"role": "user", "content": "go"},
        {"role": "assistant", "content": "hi"}, {"role": "system", "content": "be brief"}, {"role": "user", "content": "x"},
        {"role": "assistant", "content": "Sure,"}]),
    );
    let roles: Vec<&str> = told.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "assistant", "user", "assistant", "user", "user", "assistant"]);
    assert_eq!(told[0], json!({"role": "user", "content": "q"}), "G36");
    assert!(!told[3]["content"].as_str().unwrap().is_empty(), "G34");
    assert_eq!(told[6], json!({"role": "user", "content": "be brief"}), "G35");
    assert_eq!(told[8], json!({"role": "assistant", "content": "Sure,", "prefix": true}), "G37");
    let silent = json!([{"role": "user", "content": "q"}, {"role": "assistant", "content": null}, {"role": "assistant", "content": ""},
        {"role": "user", "content": "r"}]);
    let (told, _) = messages("mistral", "m", silent);
    assert_eq!(told, json!([{"role": "user", "content": "q"}, {"role": "user", "content": "r"}]));
    let (told, dropped) = fitted(
        "mistral",
        "m",
        &chat(json!({"seed": 1, "tool_choice": "required", "user": "u",
        "stream_options": {"include_usage": true}, "tools": [{"type": "function", "function": {"name": "f"}}]})),
    )
    .unwrap();
    assert_eq!(
        (&told["random_seed"], &told["tool_choice"], dropped),
        (&json!(1), &json!("any"), vec!["user".to_owned()])
    );
    assert!(told.get("stream_options").is_none());
}

#[test]
fn mistrals_models_are_told_whether_to_think() {
    let told = |model, effort: &str| fitted("mistral", model, &chat(json!({ "reasoning_effort": effort })));
    for effort in ["minimal", "low", "medium", "xhigh"] {
        let (body, dropped) = told("mistral-medium-latest", effort).unwrap();
        assert_eq!((body, dropped), (chat(json!({"reasoning_effort": "high"})), vec![]), "{effort}");
    }
    assert_eq!((told("mistral-small-latest", "none"), told("zai-glm-5-3", "low")), (None, None));
    let always = told("magistral-medium-latest", "low").unwrap();
    assert_eq!(always, (chat(json!({})), vec!["reasoning_effort".into()]));
    let (body, dropped) = fitted("mistral", "m", &chat(json!({"thinking": {"type": "enabled"}, "top_k": 3}))).unwrap();
    assert_eq!((body, dropped), (chat(json!({"top_k": 3})), vec!["thinking".into()]));
}

#[test]
fn mistrals_embeddings_have_a_size_by_its_own_name() {
    let body = json!({"model": "m", "input": ["a"], "dimensions": 3, "user": "u", "encoding_format": "float"});
    let (told, dropped) = fitted("mistral", "codestral-embed", &body).unwrap();
    assert_eq!(told, json!({"model": "m", "input": ["a"], "encoding_format": "float", "output_dimension": 3}));
    assert_eq!(dropped, ["user"]);
}

/// K41 also holds for Azure's, whose deployments refuse an empty list.
#[test]
fn k41_azures_are_not_told_of_no_tools() {
    let told =
        |model| fitted("azure", model, &chat(json!({"tools": [], "tool_choice": "auto", "max_tokens": 5}))).unwrap().0;
    assert_eq!(told("my-gpt-4o"), chat(json!({"max_tokens": 5})));
    assert_eq!(told("o3-mini"), chat(json!({"max_completion_tokens": 5})));
    let developer = json!({"model": "m", "messages": [{"role": "developer", "content": "s"}]});
    assert_eq!(fitted("azure", "my-gpt-4o", &developer), None);
}

#[test]
fn k42_instructions_have_the_name_that_all_know() {
    let said = json!([{"role": "developer", "content": "s"}, {"role": "user", "content": "the \"developer\" role"}]);
    for provider in ["groq", "deepseek", "hosted_vllm", "moonshot", "perplexity", "openrouter", "lm_studio"] {
        let (told, dropped) = messages(provider, "m", said.clone());
        assert_eq!((&told[0]["role"], &told[1], dropped.len()), (&json!("system"), &said[1], 0), "{provider}");
    }
    assert_eq!(fitted("openai", "gpt-4o", &json!({"model": "m", "messages": said})), None);
}

#[test]
fn k42_strict_providers_get_no_hint_of_openais_own() {
    let (told, dropped) =
        fitted("groq", "m", &chat(json!({"safety_identifier": "s", "verbosity": "low", "service_tier": "auto"})))
            .unwrap();
    assert_eq!(
        (told, dropped),
        (chat(json!({"service_tier": "auto"})), vec!["safety_identifier".into(), "verbosity".into()])
    );
}

#[test]
fn k42_texts_are_one_text_where_lists_are_refused() {
    let list = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    let image = json!([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://h/a.png"}}]);
    let result = json!({"role": "tool", "tool_call_id": "c", "content": list});
    let said = json!([{"role": "user", "content": list}, {"role": "user", "content": image}, result]);
    for provider in ["deepseek", "sarvam", "sambanova"] {
        let (told, dropped) = messages(provider, "m", said.clone());
        assert_eq!((&told[0]["content"], &told[2]["content"]), (&json!("a\nb"), &json!("a\nb")), "{provider}");
        assert_eq!((&told[1], dropped.len()), (&said[1], 0), "{provider}");
    }
    assert_eq!(fitted("together_ai", "m", &json!({"model": "m", "messages": said})), None);
}

/// Moonshot takes an empty text for none, and DeepSeek's newer models think unless they are told not to.
#[test]
fn k44_thinking_that_is_missing_is_filled_in() {
    let told = |provider, model, more: Value| {
        let said = json!({"role": "assistant", "content": "", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
        let mut body = json!({"model": "m", "messages": [said, {"role": "tool", "tool_call_id": "a", "content": "1"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fitted(provider, model, &body).map(|(told, _)| told["messages"][0]["reasoning_content"].clone())
    };
    let off = json!({"thinking": {"type": "disabled"}});
    for model in ["kimi-k2-thinking", "kimi-k2.5", "kimi-k2.6"] {
        assert_eq!(told("moonshot", model, json!({})), Some(json!(" ")), "{model}");
        assert_eq!(told("moonshot", model, off.clone()), None, "{model}");
    }
    assert_eq!(told("moonshot", "kimi-k2-0905-preview", json!({})), None);
    assert_eq!(told("deepseek", "deepseek-v4-flash", json!({})), Some(json!("")));
    assert_eq!(told("deepseek", "deepseek-v4-flash", off), None);
    assert_eq!(told("deepseek", "deepseek-chat", json!({})), None);
}

#[test]
fn k47_no_temperature_above_what_is_taken() {
    for provider in ["moonshot", "zai", "minimax"] {
        let (told, dropped) = fitted(provider, "m", &chat(json!({"temperature": 1.7}))).unwrap();
        assert_eq!((told, dropped), (chat(json!({"temperature": 1})), vec![]), "{provider}");
        assert_eq!(fitted(provider, "m", &chat(json!({"temperature": 0.7}))), None, "{provider}");
    }
}

#[test]
fn k47_some_that_think_cannot_be_told_how_much() {
    let body = chat(json!({"reasoning_effort": "low"}));
    for model in ["grok-4", "grok-4-fast-reasoning", "grok-4-1-fast-non-reasoning"] {
        let (told, dropped) = fitted("xai", model, &body).unwrap();
        assert_eq!((told, dropped), (chat(json!({})), vec!["reasoning_effort".into()]), "{model}");
    }
    assert!(fitted("xai", "grok-3-mini", &body).is_none() && fitted("xai", "grok-4.3", &body).is_none());
}
