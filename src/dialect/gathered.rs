//! A whole answer from the events of one: for dialects whose whole answers and streams have the same parts.
//!
//! **Invariant:** blocks keep the order in which they began.

use std::borrow::Cow;

use crate::chat::{Answer, Begun, Block, Content, Delta, Event, Failure, Source};

/// What came so far.
#[derive(Default)]
pub struct Gathered {
    answer: Answer<'static>,
    failure: Option<Failure>,
    is_whole: bool,
}

impl Gathered {
    /// Takes the next event.
    pub fn take(&mut self, event: Event<'_>) {
        let answer = &mut self.answer;
        match event {
            Event::Start { id, model } => {
                (answer.id, answer.model) = (id.into_owned().into(), model.into_owned().into());
            }
            Event::BlockStart(_, begun) => answer.blocks.push(Block::new(match begun {
                Begun::Text => Content::Text("".into()),
                Begun::Refusal => Content::Refusal("".into()),
                Begun::Thinking => Content::Thinking { text: "".into(), signature: None },
                Begun::Image(uri) => Content::Image { source: Source::Uri(uri.into_owned().into()), detail: None },
                Begun::RedactedThinking(data) => Content::RedactedThinking(data.into_owned().into()),
                Begun::ToolCall { id, name } => Content::ToolCall {
                    id: id.into_owned().into(),
                    name: name.into_owned().into(),
                    arguments: "".into(),
                },
            })),
            Event::Delta(block, delta) => {
                let Some(block) = answer.blocks.get_mut(block) else { return };
                match (&mut block.content, &delta) {
                    (Content::Thinking { signature, .. }, Delta::Signature(more)) => {
                        signature.get_or_insert_default().to_mut().push_str(more);
                    }
                    (
                        Content::Text(all)
                        | Content::Refusal(all)
                        | Content::Thinking { text: all, .. }
                        | Content::ToolCall { arguments: all, .. },
                        more,
                    ) => all.to_mut().push_str(more.as_str()),
                    _ => {}
                }
            }
            Event::Stop(reason) => _ = answer.stop.get_or_insert(reason),
            Event::Usage(usage) => answer.usage = Some(usage),
            Event::Logprobs(more) => {
                let all = answer.logprobs.take().map_or_else(String::new, Cow::into_owned);
                let joined = match all.strip_suffix(']') {
                    Some(all) => format!("{all},{}", more.strip_prefix('[').unwrap_or(&more)),
                    None => more.into_owned(),
                };
                answer.logprobs = Some(joined.into());
            }
            Event::Failed(failure) => self.failure = Some(failure),
            Event::End => self.is_whole = true,
            _ => {}
        }
    }

    /// The answer; `None`: it did not come to an end.
    ///
    /// # Errors
    /// The failure that came in its place.
    pub fn end(self) -> Option<Result<Answer<'static>, Failure>> {
        match self.failure {
            Some(failure) => Some(Err(failure)),
            None => self.is_whole.then_some(Ok(self.answer)),
        }
    }
}
