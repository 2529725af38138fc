//! A whole answer, which has the parts that a stream has.

use super::events::Reader;
use crate::chat::{Answer, Failure};
use crate::dialect::AnswerContext;
use crate::dialect::gathered::Gathered;
use crate::dialect::no_answer::no_answer;

/// Reads a whole answer.
///
/// # Errors
/// A [`Failure`] where the body is an error in disguise, or no answer.
pub fn read<'a>(body: &'a str, context: &AnswerContext) -> Result<Answer<'a>, Failure> {
    let mut gathered = Gathered::default();
    Reader::new(context).whole(body, &mut |event| gathered.take(event));
    let none = || no_answer(context.provider, body.as_bytes(), "the answer is no Gemini answer");
    gathered.end().unwrap_or_else(|| Err(none()))
}
