//! What every provider wants of a conversation and clients do not always keep: calls with one result each, right behind them, and no empty
//! texts.
//!
//! Agents are interrupted, forget the beginning of a conversation, or hand one's results to another. A call without a result, or a result
//! without a call, ends such a conversation for good, since each later request repeats it.
//!
//! **Invariant:** behind a call stands one result once somebody speaks after it, and no other result is one; its words stay as a text.

use std::borrow::Cow;

use super::{Block, Content, Conversation, Place, Speaker, Turn};

/// What stands for a result that the client does not have.
pub const NO_RESULT: &str = "There is no result: the call was interrupted.";

impl<'a> Conversation<'a> {
    /// Puts the turns in order.
    pub fn settle(&mut self) {
        self.turns.iter_mut().for_each(without_silence);
        let says = |turn: &Turn<'_>| !turn.blocks.is_empty() || turn.cache_control.is_some() || turn.name.is_some();
        if self.turns.iter().any(says) {
            self.turns.retain(says);
        }
        let is_of_call =
            |block: &Block<'_>| matches!(block.content, Content::ToolCall { .. } | Content::ToolResult { .. });
        if self.turns.iter().any(|turn| turn.blocks.iter().any(is_of_call)) {
            self.pair();
        }
    }

    fn pair(&mut self) {
        let turns = std::mem::take(&mut self.turns);
        // The calls that have no result yet.
        let mut open: Vec<Cow<'a, str>> = Vec::new();
        for mut turn in turns {
            if turn.speaker != Speaker::Assistant {
                answer(&mut turn.blocks, &mut open);
                self.turns.push(turn);
                continue;
            }
            let calls = turn.blocks.iter().filter_map(|block| match &block.content {
                Content::ToolCall { id, .. } => Some(id.clone()),
                _ => None,
            });
            match self.turns.last_mut() {
                // What it says behind its calls would part them from their results.
                Some(last)
                    if last.speaker == Speaker::Assistant
                        && !open.is_empty()
                        && turn.name.is_none()
                        && turn.cache_control.is_none() =>
                {
                    open.extend(calls);
                    last.blocks.append(&mut turn.blocks);
                }
                _ => {
                    self.close(&mut open);
                    open.extend(calls);
                    self.turns.push(turn);
                }
            }
        }
        self.close(&mut open);
    }

    /// Gives a result to the calls that have none, if somebody has spoken since.
    fn close(&mut self, open: &mut Vec<Cow<'a, str>>) {
        let open = std::mem::take(open);
        let Some(last) = self.turns.last_mut().filter(|last| last.speaker != Speaker::Assistant && !open.is_empty())
        else {
            return;
        };
        let none = |id| {
            let blocks = vec![Block::new(Content::Text(Cow::Borrowed(NO_RESULT)))];
            Block::new(Content::ToolResult { id, blocks, is_error: Some(true) })
        };
        let results = open.into_iter().map(none);
        if last.speaker == Speaker::User {
            last.blocks.extend(results);
        } else {
            let (speaker, place) = (Speaker::User, Place::NOWHERE);
            self.turns.push(Turn { speaker, blocks: results.collect(), name: None, cache_control: None, place });
        }
    }
}

/// Takes the empty texts out of a turn. A user who says nothing says at least that.
fn without_silence(turn: &mut Turn<'_>) {
    let says = |block: &Block<'_>| {
        block.cache_control.is_some() || !matches!(&block.content, Content::Text(text) if text.is_empty())
    };
    if turn.speaker != Speaker::User || turn.blocks.iter().any(says) {
        turn.blocks.retain(says);
    }
}

/// Takes the calls that are answered off those that are `open`. What answers none of them becomes a text.
fn answer<'a>(blocks: &mut Vec<Block<'a>>, open: &mut Vec<Cow<'a, str>>) {
    let mut answers = |block: &Block<'a>| match &block.content {
        Content::ToolResult { id, .. } => {
            let mut found = false;
            open.retain(|open| {
                let is_it = !found && open == id;
                found |= is_it;
                !is_it
            });
            found
        }
        _ => true,
    };
    let stays: Vec<bool> = blocks.iter().map(&mut answers).collect();
    if stays.iter().all(|stays| *stays) {
        return;
    }
    let all = std::mem::take(blocks);
    for (block, stays) in all.into_iter().zip(stays) {
        match block {
            Block { content: Content::ToolResult { id, blocks: said, is_error }, cache_control, place } if !stays => {
                let failed = if is_error == Some(true) { ", which failed" } else { "" };
                let call = if id.is_empty() { "a call".to_owned() } else { format!("the call {id}") };
                let text = Content::Text(Cow::Owned(format!("This is the result of {call}{failed}:")));
                blocks.push(Block { content: text, cache_control, place });
                blocks.extend(said);
            }
            block => blocks.push(block),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn<'a>(speaker: Speaker, blocks: Vec<Content<'a>>) -> Turn<'a> {
        let blocks = blocks.into_iter().map(Block::new).collect();
        Turn { speaker, blocks, name: None, cache_control: None, place: Place::NOWHERE }
    }

    const fn text(text: &str) -> Content<'_> {
        Content::Text(Cow::Borrowed(text))
    }

    fn call(id: &str) -> Content<'_> {
        Content::ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into() }
    }

    fn result<'a>(id: &'a str, said: &'a str) -> Content<'a> {
        Content::ToolResult { id: id.into(), blocks: vec![Block::new(text(said))], is_error: None }
    }

    /// A letter a speaker, and what is said, in short.
    fn settled(turns: Vec<Turn<'_>>) -> Vec<String> {
        let mut conversation = Conversation { turns, ..Conversation::default() };
        conversation.settle();
        let said = |block: &Block<'_>| match &block.content {
            Content::Text(text) => text.clone().into_owned(),
            Content::ToolCall { id, .. } => format!("({id})"),
            Content::ToolResult { id, blocks, .. } => match &blocks[0].content {
                Content::Text(text) => format!("{id}={text}"),
                other => format!("{other:?}"),
            },
            other => format!("{other:?}"),
        };
        let turns = conversation.turns.iter();
        let of = |turn: &Turn<'_>| {
            let words: Vec<String> = turn.blocks.iter().map(said).collect();
            format!("{:?}: {}", turn.speaker, words.join(" "))
        };
        turns.map(of).collect()
    }

    use Speaker::{Assistant, System, User};

    #[test]
    fn m32_a_call_has_one_result_once_somebody_speaks() {
        let calls = || turn(Assistant, vec![call("a"), call("b")]);
        let none = "There is no result: the call was interrupted.";
        assert_eq!(
            settled(vec![calls(), turn(User, vec![result("b", "1"), text("go on")]), turn(Assistant, vec![text("x")])]),
            ["Assistant: (a) (b)".to_owned(), format!("User: b=1 go on a={none}"), "Assistant: x".to_owned()]
        );
        assert_eq!(
            settled(vec![turn(Assistant, vec![call("a")]), turn(System, vec![text("s")])]),
            ["Assistant: (a)".to_owned(), "System: s".to_owned(), format!("User: a={none}")]
        );
        assert_eq!(settled(vec![calls()]), ["Assistant: (a) (b)"], "nobody has spoken since");
        assert_eq!(
            settled(vec![
                calls(),
                turn(Assistant, vec![text("hm")]),
                turn(User, vec![result("a", "1"), result("b", "2")])
            ]),
            ["Assistant: (a) (b) hm", "User: a=1 b=2"]
        );
    }

    #[test]
    fn a_result_without_a_call_is_a_text() {
        assert_eq!(
            settled(vec![
                turn(User, vec![result("x", "1")]),
                turn(Assistant, vec![call("a")]),
                turn(User, vec![result("a", "2"), result("a", "3")])
            ]),
            [
                "User: This is the result of the call x: 1",
                "Assistant: (a)",
                "User: a=2 This is the result of the call a: 3"
            ]
        );
        let twice =
            vec![turn(Assistant, vec![call("f"), call("f")]), turn(User, vec![result("f", "1"), result("f", "2")])];
        assert_eq!(settled(twice), ["Assistant: (f) (f)", "User: f=1 f=2"]);
    }

    #[test]
    fn who_says_nothing_is_not_heard() {
        let turns = vec![
            turn(System, vec![text("")]),
            turn(User, vec![text(""), text("a")]),
            turn(Assistant, vec![text("")]),
            turn(User, vec![text("")]),
        ];
        assert_eq!(settled(turns), ["User: a", "User: "]);
        assert_eq!(settled(vec![turn(System, vec![text("")])]).len(), 1, "something must be asked");
    }
}
