//! Whatever a provider streams, in whatever pieces: the same comes out, and a stream that ends well held an answer. Seeded, so that a
//! failure repeats.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use signalbox::dialect::{AnswerContext, Passed, StreamFacts, bridge};
use signalbox::provider::Dialect;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ROUNDS: usize = 20_000;

const OPENAI: &[&[u8]] = &[
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hé\"},\"finish_reason\":null}]}\n\n".as_bytes(),
    b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    b"data: [DONE]\n\n",
    b": keep-alive\n\n",
    b"event: ping\ndata: {}\n\n",
    b"data: {\"detail\":\"rate limit\"}\n\n",
    b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3}}\n\n",
    b"data: {\"choices\":null,\"base_resp\":{\"status_code\":0}}\r\n\r\n",
    b"data: x\xff\n\n",
    b"event: error\ndata: it broke\n\n",
    b"Too many requests",
    b"\xef\xbb\xbf",
];

const ANTHROPIC: &[&[u8]] = &[
    b"data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":3}}}\n\n",
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hé\"}}\n\n"
        .as_bytes(),
    b"data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
    b"data: {\"type\":\"message_stop\"}\n\n",
    b"event: ping\ndata: {\"type\":\"ping\"}\n\n",
    b"data: {\"detail\":\"rate limit\"}\r\n\r\n",
    b": keep-alive\n\n",
    b"data: x\xff\n\n",
    b"data: [DONE]\n\n",
];

/// A repeatable stream of numbers.
fn draws(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as usize % below
    }
}

fn replay(dialect: Dialect, pieces: &[&[u8]]) -> (Vec<u8>, StreamFacts) {
    let mut stream = bridge(Dialect::OpenAi, dialect).stream(AnswerContext::default());
    let mut text = Vec::new();
    for piece in pieces {
        let mut out = Vec::new();
        match stream.push(piece, &mut out) {
            Passed::Unchanged => text.extend_from_slice(piece),
            Passed::Rewritten => text.extend(out),
        }
    }
    stream.end(&mut text);
    (text, stream.facts().clone())
}

#[test]
fn a_stream_that_ends_well_held_an_answer_however_it_was_cut() {
    let mut draw = draws(0x2545_F491_4F6C_DD1D);
    let mut good = 0;
    for round in 0..ROUNDS {
        let (dialect, parts) = if round % 2 == 0 { (Dialect::OpenAi, OPENAI) } else { (Dialect::Anthropic, ANTHROPIC) };
        let mut bytes = (0..draw(6)).flat_map(|_| parts[draw(parts.len())].to_vec()).collect::<Vec<u8>>();
        for _ in 0..draw(3) {
            if !bytes.is_empty() {
                let at = draw(bytes.len());
                bytes[at] = b"\xff\xc3\n\r:{}\"x0 "[draw(11)];
            }
        }
        if draw(3) == 0 {
            bytes.truncate(draw(bytes.len() + 1));
        }
        let mut pieces = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + draw(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        let shown = String::from_utf8_lossy(&bytes);
        let whole = replay(dialect, &[&bytes]);
        assert_eq!(replay(dialect, &pieces), whole, "{shown:?}");
        let (text, facts) = whole;
        let ends_well = text.ends_with(b"data: [DONE]\n\n");
        if facts.failure.is_some() {
            assert!(!ends_well, "{shown:?}");
            continue;
        }
        assert!(facts.meaningful && facts.complete, "{shown:?}");
        // What follows the last word is not read, and passes: clients have left.
        assert!(facts.done || (ends_well && std::str::from_utf8(&text).is_ok()), "{shown:?}");
        good += 1;
    }
    assert!(good > 500, "only {good} streams were good");
}
