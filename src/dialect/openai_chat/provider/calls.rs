//! Which call a piece belongs to: providers number their calls in many ways, or not at all.
//!
//! Of a call that has begun, its number tells, or else its place: it is the last one. Another id is another call, whatever the number, and so is
//! another function, or one that is named anew when the arguments so far are whole.
//!
//! **Invariant:** arguments that come for a call that has begun reach that call, whatever came in between.

use super::answer::Called;

/// The calls of one answer, in the order in which they began.
#[derive(Default)]
pub struct Calls(Vec<Known>);

/// A call that has begun.
struct Known {
    /// The provider's number of it.
    index: Option<u64>,
    id: String,
    name: String,
    arguments: Progress,
}

/// Where a piece belongs.
pub struct Place {
    /// The number of its call, counted up.
    pub number: usize,
    /// The call begins there.
    pub begins: bool,
    /// It is the first that says the function's name.
    pub names: bool,
}

impl Calls {
    /// Where a piece belongs.
    pub fn place(&mut self, piece: &Called<'_>) -> Place {
        let (number, begins) = match self.find(piece) {
            Some(place) => (place, false),
            None => {
                let (id, name) = (piece.id.as_ref().to_owned(), String::new());
                self.0.push(Known { index: piece.index, id, name, arguments: Progress::default() });
                (self.0.len().saturating_sub(1), true)
            }
        };
        let mut names = false;
        if let Some(known) = self.0.get_mut(number) {
            names = known.name.is_empty();
            if names {
                known.name.push_str(&piece.name);
            }
            known.arguments.take(&piece.arguments);
        }
        Place { number, begins, names }
    }

    fn find(&self, piece: &Called<'_>) -> Option<usize> {
        let last = self.0.len().checked_sub(1);
        let (has_id, has_name) = (!piece.id.is_empty(), !piece.name.is_empty());
        let is_same = |known: &Known| {
            let is_id = !has_id || known.id.is_empty() || known.id == piece.id;
            let is_anew = !has_id
                && has_name
                && !known.name.is_empty()
                && (known.name != piece.name || known.arguments.is_whole());
            is_id && !is_anew
        };
        match piece.index {
            Some(_) => {
                let known = self.0.iter().rposition(|known| known.index == piece.index && is_same(known));
                known.or(last.filter(|_| !has_id && !has_name))
            }
            None if has_id => self.0.iter().rposition(|known| known.id == piece.id),
            None if has_name => None,
            None => last,
        }
    }

    /// How much is kept of them, in bytes.
    pub fn kept(&self) -> usize {
        self.0.iter().map(|known| known.id.capacity() + known.name.capacity()).sum()
    }

    /// Whether the arguments of a call are whole.
    pub fn is_whole(&self, place: usize) -> bool {
        self.0.get(place).is_some_and(|known| known.arguments.is_whole())
    }
}

/// How far a text of JSON has come, of which only the brackets and the quotes are looked at.
#[derive(Debug, Default)]
struct Progress {
    depth: u32,
    begun: bool,
    quoted: bool,
    escaped: bool,
}

impl Progress {
    fn take(&mut self, piece: &str) {
        for byte in piece.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.quoted => self.escaped = true,
                b'"' => self.quoted = !self.quoted,
                _ if self.quoted => {}
                b'{' | b'[' => {
                    self.begun = true;
                    self.depth = self.depth.saturating_add(1);
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    const fn is_whole(&self) -> bool {
        self.begun && self.depth == 0 && !self.quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_whole_where_their_last_bracket_closes() {
        let whole = |pieces: &[&str]| {
            let mut progress = Progress::default();
            pieces.iter().for_each(|piece| progress.take(piece));
            progress.is_whole()
        };
        assert!(whole(&["{", "}"]) && whole(&[r#"{"a":"#, r#""}\"""#, "}"]));
        assert!(!whole(&[]) && !whole(&[r#"{"a":"}"#]) && !whole(&[r#"{"a":{}"#]) && !whole(&[" "]));
    }

    #[test]
    fn a_piece_reaches_its_call() {
        let places = |pieces: &[(Option<u64>, &'static str, &'static str, &'static str)]| {
            let mut calls = Calls::default();
            let place = |(index, id, name, arguments): &(_, &'static str, &'static str, &'static str)| {
                let piece =
                    Called { index: *index, id: (*id).into(), name: (*name).into(), arguments: (*arguments).into() };
                calls.place(&piece).number
            };
            pieces.iter().map(place).collect::<Vec<_>>()
        };
        let first = Some(0);
        for (pieces, wanted) in [
            // K49: all are called the first.
            (&[(first, "a", "f", "{"), (first, "b", "f", "{"), (first, "", "", "}")][..], &[0, 1, 1][..]),
            (&[(first, "", "f", "{}"), (first, "", "f", "{}")], &[0, 1]),
            (&[(first, "", "f", ""), (first, "", "g", "{}")], &[0, 1]),
            // No number at all.
            (&[(None, "a", "f", "{}"), (None, "b", "f", "{"), (None, "", "", "}")], &[0, 1, 1]),
            (&[(None, "a", "f", "{"), (None, "a", "f", "}")], &[0, 0]),
            (&[(None, "", "f", "{}"), (None, "", "f", "{}")], &[0, 1]),
            // K50: the id or the name again, or the name later.
            (&[(first, "a", "f", "{"), (first, "a", "f", "}")], &[0, 0]),
            (&[(first, "a", "", ""), (first, "", "f", "{}")], &[0, 0]),
            (&[(first, "a", "f", "{"), (Some(1), "b", "f", "{"), (first, "", "", "}")], &[0, 1, 0]),
            // A number out of nowhere.
            (&[(None, "a", "f", "{"), (Some(7), "", "", "}")], &[0, 0]),
        ] {
            assert_eq!(places(pieces), wanted);
        }
    }
}
