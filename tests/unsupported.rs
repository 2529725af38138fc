//! The table of what a dialect has no words for, held against its codec.
#![allow(missing_docs, clippy::unwrap_used)]

use signalbox::dialect::scan::BodyScan;
use signalbox::dialect::unsupported::{Feature, unsupported};
use signalbox::dialect::{Target, client_face, provider_face};
use signalbox::provider::{Dialect, by_name};

const DIALECTS: [Dialect; 4] = [Dialect::OpenAi, Dialect::Anthropic, Dialect::Responses, Dialect::Gemini];

/// Members that ask for a feature.
const fn members(feature: Feature) -> &'static [&'static str] {
    match feature {
        Feature::SeveralChoices => &[r#""n":2"#],
        Feature::Logprobs => &[r#""logprobs":true"#],
        Feature::TopLogprobs => &[r#""top_logprobs":5"#],
        Feature::LogitBias => &[r#""logit_bias":{"50256":-100}"#],
        Feature::SpokenAnswer => &[r#""modalities":["text","audio"]"#, r#""audio":{"voice":"alloy"}"#],
    }
}

#[test]
fn a_dialect_refuses_what_its_list_says_and_nothing_else_of_it() {
    for dialect in DIALECTS {
        for feature in Feature::ALL {
            for member in members(feature) {
                let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{member}}}"#);
                let asked = Feature::ALL.map(|other| BodyScan::read(body.as_bytes()).unwrap().needs.has(other));
                assert_eq!(asked, Feature::ALL.map(|other| other == feature), "{member}");
                let decoded = client_face(Dialect::OpenAi).read(body.as_bytes()).unwrap();
                let said = |drop_params| {
                    provider_face(dialect).write(
                        &decoded,
                        Target {
                            provider: by_name("openai").unwrap(),
                            model: "claude-haiku-4-5",
                            drop_params,
                            max_output_tokens: None,
                        },
                    )
                };
                let lacks = unsupported(dialect).contains(&feature);
                assert_eq!(said(false).is_err(), lacks, "{member} in {dialect:?}");
                assert!(said(true).is_ok(), "{member} in {dialect:?} is left out");
            }
        }
    }
}
