//! What repeats, told once: one unknown provider in two hundred entries is one message with two hundred places.
//!
//! Two diagnostics are of one kind where severity, path (but for indices and free names in it), problem and remedy are the same,
//! or differ only by the name that the problem is about. With different names they are put together only where they are many,
//! since each name is then listed with its line and loses its own remedy's words.
//!
//! **Invariant:** every diagnostic is in exactly one group, and groups stand in the order of their first one.

use std::collections::HashMap;

use super::{Diagnostic, Place};

/// With different names, up to so many stand by themselves.
const FEW: usize = 3;
/// So many further places are listed.
const LISTED: usize = 8;

/// Diagnostics of one kind, at least one.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// The first one in the text, which stands for all.
    pub first: &'a Diagnostic,
    /// The others.
    pub others: Vec<&'a Diagnostic>,
}

impl Group<'_> {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.others.len() + 1
    }

    /// A line for a terminal: the first one's, and where the others stand.
    #[must_use]
    pub fn line(&self, file: &str) -> String {
        let line = self.first.line(file);
        if self.others.is_empty() {
            return line;
        }
        // What has the first one's own name comes first, without it.
        let mut listed: Vec<(Option<&str>, Vec<String>)> = vec![(None, Vec::new())];
        for other in &self.others {
            let (name, place) = (self.name_of(other), place(other));
            let known = listed.iter().position(|(known, _)| *known == name);
            // Of more names than are listed it is enough to know that there are more.
            let is_enough = listed.len() > LISTED + 1;
            match known.and_then(|known| listed.get_mut(known)) {
                Some((_, places)) if places.last() == Some(&place) => {}
                Some((_, places)) => places.push(place),
                None if is_enough => {}
                None => listed.push((name, vec![place])),
            }
        }
        listed.retain(|(_, places)| !places.is_empty());
        let more = if listed.len() > LISTED { "; …" } else { "" };
        let listed: Vec<String> = listed.iter().take(LISTED).map(|(name, places)| told(*name, places)).collect();
        format!("{line} (and {} more: {}{more})", self.others.len(), listed.join("; "))
    }

    /// The name that one of the others is about, where it is not the first one's.
    fn name_of<'b>(&self, other: &'b Diagnostic) -> Option<&'b str> {
        names(&self.first.problem).zip(names(&other.problem)).find(|(mine, its)| mine != its).map(|(_, its)| its)
    }
}

fn place(of: &Diagnostic) -> String {
    of.place.map_or_else(|| of.path.clone(), |Place { line, .. }| line.to_string())
}

/// A name and where it stands: `` `top_p` lines 89, 103 ``.
fn told(name: Option<&str>, places: &[String]) -> String {
    let is_line = places.first().is_some_and(|place| place.bytes().all(|byte| byte.is_ascii_digit()));
    let word = match (is_line, places.len()) {
        (false, _) => "",
        (true, 1) => "line ",
        (true, _) => "lines ",
    };
    let more = if places.len() > LISTED { ", …" } else { "" };
    let listed = places.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let name = name.map(|name| format!("`{name}` ")).unwrap_or_default();
    format!("{name}{word}{listed}{more}")
}

/// Puts together what is of one kind.
pub(super) fn of(all: &[Diagnostic]) -> Vec<Group<'_>> {
    let alone = all.iter().map(|first| Group { first, others: Vec::new() });
    let exact = gather(alone, |first| kind(first, false));
    let mut sizes = HashMap::<String, usize>::new();
    exact.iter().for_each(|group| *sizes.entry(kind(group.first, true)).or_default() += 1);
    let mut few = 0_usize;
    gather(exact.into_iter(), |first| {
        let kind = kind(first, true);
        if sizes.get(&kind).is_some_and(|size| *size > FEW) {
            return kind;
        }
        few += 1;
        few.to_string()
    })
}

/// Joins groups with the same key, each where the first one stands.
fn gather<'a>(groups: impl Iterator<Item = Group<'a>>, mut key: impl FnMut(&Diagnostic) -> String) -> Vec<Group<'a>> {
    let (mut found, mut places) = (Vec::<Group<'a>>::new(), HashMap::<String, usize>::new());
    for group in groups {
        let place = *places.entry(key(group.first)).or_insert(found.len());
        match found.get_mut(place) {
            Some(known) => known.others.extend(std::iter::once(group.first).chain(group.others)),
            None => found.push(group),
        }
    }
    found.iter_mut().for_each(|group| crate::sort::by_key(&mut group.others, |other| other.place));
    found
}

/// What two diagnostics of one kind have in common; `nameless`, whatever name the problem is about.
fn kind(of: &Diagnostic, nameless: bool) -> String {
    let mut text = format!("{}\n{}\n{}\n{}", of.severity.as_str(), without_indices(&of.path), of.problem, of.remedy);
    if nameless {
        for name in names(&of.problem).filter(|name| !name.is_empty()) {
            text = text.replace(name, "`");
        }
    }
    text
}

/// What a text says in backticks.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// A path with `[]` for every `[7]`.
fn without_indices(path: &str) -> String {
    let mut inside = false;
    let keep = |c: &char| {
        inside = if *c == '[' { true } else { inside && c.is_ascii_digit() };
        !(inside && c.is_ascii_digit())
    };
    path.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Diagnostics, Place};
    use super::*;

    fn at(line: usize) -> Option<Place> {
        Some(Place { line, column: 3 })
    }

    /// S14: a file of nothing but unknown keys.
    #[test]
    fn s14_many_names_take_no_longer_than_they_are_many() {
        let (mut found, started) = (Diagnostics::default(), std::time::Instant::now());
        for key in 0..100_000 {
            found.warning(at(key), &format!("k{key}"), format!("there is no key `k{key}`"), "leave it out");
        }
        let lines = found.lines("f");
        assert!(lines.len() == 1 && lines[0].ends_with("; …)") && lines[0].len() < 400, "{}", lines[0]);
        // All names compared with all names take minutes.
        assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    }

    #[test]
    fn one_kind_is_one_message_with_all_its_places() {
        let mut found = Diagnostics::default();
        for entry in 0..200 {
            let path = format!("model_list[{entry}].litellm_params.model");
            found.error(at(entry * 4 + 1), &path, "unknown provider `opnai`", "did you mean `openai`?");
        }
        found.error(at(900), "model_list[7].model_name", "`model_name` is empty", "write one");
        let lines = found.lines("f");
        assert_eq!(
            lines,
            [
                "f:1:3: error: model_list[0].litellm_params.model: unknown provider `opnai`; did you mean `openai`? \
                 (and 199 more: lines 5, 9, 13, 17, 21, 25, 29, 33, …)",
                "f:900:3: error: model_list[7].model_name: `model_name` is empty; write one",
            ]
        );
        assert_eq!(found.groups().iter().map(Group::count).sum::<usize>(), 201);
    }

    #[test]
    fn names_are_listed_where_they_are_many_and_keep_their_remedy() {
        let told = |names: &[&str]| {
            let mut found = Diagnostics::default();
            for (index, name) in names.iter().enumerate() {
                let path = format!("model_list[{index}].litellm_params.model");
                let problem = format!("`{name}` does not say which provider runs it");
                found.error(at(index + 1), &path, problem, format!("write `openai/{name}`"));
            }
            found.lines("f")
        };
        assert_eq!(told(&["a", "b", "c"]).len(), 3);
        let lines = told(&["a1", "b2", "c3", "d4", "b2", "a1"]);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with("(and 5 more: line 6; `b2` lines 2, 5; `c3` line 3; `d4` line 4)"), "{lines:?}");
    }

    #[test]
    fn another_remedy_severity_or_key_is_another_kind() {
        let mut found = Diagnostics::default();
        for index in 0..9 {
            found.warning(at(index), &format!("a[{index}].x"), "odd", "mend it");
            found.error(at(index), &format!("a[{index}].x"), "odd", "mend it");
            found.warning(at(index), &format!("a[{index}].y"), "odd", "mend it");
            found.warning(
                at(index),
                &format!("a[{index}].z{index}"),
                format!("`z{index}` is no key"),
                format!("did you mean `k{index}`?"),
            );
        }
        assert_eq!(found.lines("f").len(), 3 + 9);
    }
}
