//! (being written)
use super::{Answer, AnswerContext, AnswerStream, Encoded, Passed, StreamFacts, Target};
use crate::chat::{ApiError, ChatRequest, Failure};
/// stub
pub fn request(_r: &ChatRequest<'_>, _t: Target<'_>) -> Result<Encoded, ApiError> {
    Ok(Encoded { body: Vec::new(), dropped: Vec::new() })
}
/// stub
pub fn answer(_b: &[u8], _c: &AnswerContext) -> Result<Answer, Failure> {
    Ok(Answer { body: None, usage: None })
}
/// stub
pub struct Stream {
    facts: StreamFacts,
}
impl AnswerStream for Stream {
    fn push(&mut self, _b: &[u8], _o: &mut Vec<u8>) -> Passed {
        self.facts.meaningful = true;
        Passed::Unchanged
    }
    fn end(&mut self, _o: &mut Vec<u8>) {}
    fn facts(&self) -> &StreamFacts {
        &self.facts
    }
}
/// stub
pub fn stream(_c: AnswerContext) -> Stream {
    Stream { facts: StreamFacts::default() }
}
/// The prefix of a body up to the end of its model's name, with the name replaced.
pub fn splice(b: &[u8], s: std::ops::Range<usize>, m: &str) -> (usize, Vec<u8>) {
    let mut v = b.get(..s.start).unwrap_or_default().to_vec();
    v.extend_from_slice(serde_json::to_string(m).unwrap_or_default().as_bytes());
    (s.end, v)
}
