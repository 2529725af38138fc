//! What was chosen earlier in the same conversation, found from the conversation itself.
//!
//! A client sends the whole conversation every time, so what the requests before this one were is written in it: each ended before
//! an answer. Judging them again gives what they were given, on any worker and after any restart, with no table to keep. Of the
//! requests that share one ask the last is the hardest, since all that grows between them (calls, results) speaks for a harder
//! tier; so there is one to judge an ask, or two where something else of the user's follows it.
//!
//! **Invariant:** an ask is judged at most twice, and of a very long conversation the oldest asks only, so that time stays bounded.

use crate::chat::{Role, Transcript, Utterance};

/// How many earlier asks are judged.
const MOST_ASKS: usize = 256;
/// Judging looks at every turn's counts: asks times turns stay below this.
const MOST_LOOKS: usize = 256 * 1024;

/// Calls `judge` with each earlier request of a conversation, the oldest first, until it returns false.
pub(super) fn earlier<'a>(
    conversation: &Transcript<'a>,
    is_prompt: impl Fn(&Utterance<'a>) -> bool,
    mut judge: impl FnMut(&Transcript<'a>) -> bool,
) {
    if conversation.turns.iter().filter(|turn| turn.role == Role::User).count() < 2 {
        return;
    }
    let most = (MOST_LOOKS / conversation.turns.len().max(1)).clamp(1, MOST_ASKS);
    let turns = conversation.turns.iter().enumerate();
    let asks: Vec<usize> = turns.filter(|(_, turn)| is_prompt(turn)).map(|(at, _)| at).take(most).collect();
    let mut so_far = Transcript {
        turns: Vec::with_capacity(conversation.turns.len()),
        tools: conversation.tools.clone(),
        max_tokens: conversation.max_tokens,
        structured: conversation.structured,
    };
    let end = conversation.turns.len();
    for (number, ask) in asks.iter().enumerate() {
        let next = asks.get(number + 1).copied();
        let mut grow = |end: usize| {
            let from = so_far.turns.len();
            so_far.turns.extend_from_slice(conversation.turns.get(from..end).unwrap_or_default());
            judge(&so_far)
        };
        let between = conversation.turns.get(ask + 1..next.unwrap_or(end)).unwrap_or_default();
        // Some rules hold only while the ask is the newest turn of the user's.
        if let Some(other) = between.iter().position(|turn| turn.role == Role::User)
            && !grow(ask + 1 + other)
        {
            return;
        }
        // The request that ends with the newest ask is the one in hand.
        if !next.is_some_and(&mut grow) {
            return;
        }
    }
}

/// The conversation as it was when a turn was its newest.
pub(super) fn up_to<'a>(conversation: &Transcript<'a>, turn: usize) -> Transcript<'a> {
    Transcript {
        turns: conversation.turns.get(..=turn).unwrap_or_default().to_vec(),
        tools: conversation.tools.clone(),
        max_tokens: conversation.max_tokens,
        structured: conversation.structured,
    }
}
