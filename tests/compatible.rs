//! What servers that call themselves compatible with OpenAI write otherwise, row by row of the list of faults, for clients of each dialect.
//!
//! `golden/compatible/ROW.PROVIDER.json` and `.stream` hold what comes, `ROW.PROVIDER.EXTENSION.out` what each client gets. `GOLDEN=write`
//! rewrites the latter; the reviewer reads the diff.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, clippy::panic, missing_docs)]

#[path = "support/golden.rs"]
mod golden;

use std::fs;

use signalbox::chat::Failure;
use signalbox::dialect::{AnswerContext, Bridge, Dialect, bridge, client_face};
use signalbox::failure::api_error;
use signalbox::provider::{Provider, by_name};

const CLIENTS: [(&str, Dialect); 3] =
    [("chat", Dialect::OpenAi), ("messages", Dialect::Anthropic), ("responses", Dialect::Responses)];

fn context(provider: &Provider, client: Dialect, include_usage: bool) -> AnswerContext {
    AnswerContext {
        provider: provider.name,
        model: "asked-model".to_owned(),
        now_s: 1_763_600_000,
        fallback_id: format!("{}fallback", client_face(client).id_prefix()),
        include_usage,
        thinking_blocks: true,
        may_stop_with_calls: provider.habits.is_openai,
        ..AnswerContext::default()
    }
}

fn failed(failure: &Failure) -> String {
    format!("failed: {}: {}\n", failure.class.as_str(), failure.message)
}

fn whole(bridge: Bridge, body: &[u8], context: &AnswerContext) -> String {
    match bridge.answer(body, context) {
        Ok(answer) => {
            let text = String::from_utf8(answer.body.unwrap_or_else(|| body.to_vec())).unwrap();
            let usage = answer.usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens));
            format!("{}\nbooks: {usage:?}\n", text.trim_end())
        }
        Err(failure) => format!("{:?}\n{}", api_error(&failure).status, failed(&failure)),
    }
}

fn streamed(bridge: Bridge, pieces: &[&[u8]], context: &AnswerContext) -> String {
    let mut stream = bridge.stream(context.clone());
    let text = golden::replay(stream.as_mut(), pieces);
    let facts = stream.facts();
    let usage = facts.usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens));
    let failure = facts.failure.as_ref().map(failed).unwrap_or_default();
    format!("{text}books: {usage:?}\n{failure}")
}

/// Of what a client gets, as much as says what it will read: all chunks, the blocks of a message, the last event of a response.
fn essence(client: Dialect, text: &str) -> String {
    let keeps = |line: &&str| match client {
        Dialect::Anthropic => !line.contains(r#"{"type":"message_st"#) && !line.contains("content_block_stop"),
        Dialect::Responses => !line.contains(r#"{"type":"response."#) || line.contains(r#","response":{"#),
        _ => true,
    };
    let says =
        |line: &&str| !line.is_empty() && !line.starts_with("event:") && !line.contains(r#""status":"in_progress""#);
    text.lines().filter(says).filter(keeps).map(|line| format!("{line}\n")).collect()
}

/// The rows: file name, its provider, whether it is a stream, what comes.
fn rows() -> Vec<(String, &'static Provider, bool, Vec<u8>)> {
    let mut names: Vec<String> = fs::read_dir(golden::path("compatible"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".out"))
        .collect();
    names.sort();
    let row = |name: String| {
        let mut parts = name.rsplit('.');
        let (extension, provider) = (parts.next().unwrap(), parts.next().unwrap());
        let bytes = fs::read(golden::path("compatible").join(&name)).unwrap();
        (name.clone(), by_name(provider).unwrap(), extension == "stream", bytes)
    };
    names.into_iter().map(row).collect()
}

#[test]
fn every_row_comes_out_as_written() {
    for (name, provider, is_stream, bytes) in rows() {
        let mut out = String::new();
        for (client, dialect) in CLIENTS {
            let (bridge, context) = (bridge(dialect, provider.dialect), context(provider, dialect, true));
            out.push_str(&format!("=== {client}\n"));
            let text = if is_stream { streamed(bridge, &[&bytes], &context) } else { whole(bridge, &bytes, &context) };
            out.push_str(&essence(dialect, &text));
            if is_stream && dialect == Dialect::OpenAi {
                let unasked = AnswerContext { include_usage: false, ..context.clone() };
                let text = essence(dialect, &streamed(bridge, &[&bytes], &unasked));
                if !out.ends_with(&text) {
                    out.push_str(&format!("=== {client}, no usage asked for\n{text}"));
                }
                golden::assert_any_cut(&name, &bytes, |pieces| streamed(bridge, pieces, &context));
            }
        }
        golden::assert(&format!("compatible/{name}.out"), &out);
    }
}

/// What was put right once needs nothing more.
#[test]
fn what_is_put_right_passes_as_it_is() {
    for (name, provider, is_stream, bytes) in rows() {
        let context = context(provider, Dialect::OpenAi, true);
        let bridge = bridge(Dialect::OpenAi, provider.dialect);
        if is_stream {
            let once = streamed(bridge, &[&bytes], &context);
            let (events, _) = once.split_once("books: ").unwrap();
            if !once.contains("failed: ") {
                let twice = streamed(bridge, &[events.as_bytes()], &context);
                assert_eq!(twice.split_once("books: ").unwrap().0, events, "{name}");
            }
        } else if let Ok(answer) = bridge.answer(&bytes, &context)
            && let Some(body) = answer.body
        {
            assert_eq!(bridge.answer(&body, &context).unwrap().body, None, "{name}");
        }
    }
}

#[test]
fn damaged_rows_never_panic() {
    for (_, provider, is_stream, bytes) in rows() {
        let context = context(provider, Dialect::OpenAi, true);
        let bridge = bridge(Dialect::OpenAi, provider.dialect);
        for damaged in golden::damage(&bytes) {
            if is_stream {
                let mut stream = bridge.stream(context.clone());
                stream.push(&damaged, &mut Vec::new());
                stream.end(&mut Vec::new());
                let facts = stream.facts();
                assert!(facts.complete || facts.failure.is_some(), "it has an end");
            } else {
                drop(bridge.answer(&damaged, &context));
            }
        }
    }
}
