//! The tools of a request, and the choice among them.
//!
//! This dialect has functions in namespaces, and tools that take a text, perhaps by a grammar. Others have functions alone, so each of these
//! becomes one, and its form is kept for the answer ([`ToolForm`]).
//!
//! **Invariant:** two tools never get one name, and a tool gets the same one where it is offered, chosen and called.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::chat::{ApiError, Conversation, ForeignTool, Member, Place, Tool, ToolChoice, ToolForm};
use crate::dialect::read::{
    Object, Path, Unread, array, boolean, loose_text, object, optional, raw_object, required, text, wrong_value,
};

/// What stands between the name of a namespace and that of a function.
const WITHIN: &str = "__";
/// The schema of a text that is the only argument.
const TEXT: &str =
    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}"#;

/// The tools by their names.
#[derive(Default)]
pub(super) struct Forms(BTreeMap<String, ToolForm>);

impl Forms {
    /// The name of a tool. A plain function keeps its own, unless another tool has taken it.
    pub fn name<'a>(&mut self, namespace: Option<&str>, name: Cow<'a, str>, takes_text: bool) -> Cow<'a, str> {
        let form = ToolForm { namespace: namespace.map(str::to_owned), name: name.clone().into_owned(), takes_text };
        let mut ours = match namespace {
            Some(namespace) => Cow::Owned([namespace, WITHIN, &name].concat()),
            None => name,
        };
        while self.0.get(ours.as_ref()).is_some_and(|known| *known != form) {
            ours.to_mut().push('_');
        }
        self.0.entry(ours.clone().into_owned()).or_insert(form);
        ours
    }

    /// The name of a tool that is called or chosen: of one that is offered in another form, that one's.
    pub fn known<'a>(&mut self, namespace: Option<&str>, name: Cow<'a, str>, takes_text: bool) -> Cow<'a, str> {
        let is_same = |form: &ToolForm| form.namespace.as_deref() == namespace && form.name == name;
        let mut same = self.0.values().filter(|form| is_same(form)).map(|form| form.takes_text);
        let takes_text = same.clone().find(|takes| *takes == takes_text).or_else(|| same.next()).unwrap_or(takes_text);
        self.name(namespace, name, takes_text)
    }

    /// Those that are not plain functions by that name.
    pub fn into_map(mut self) -> BTreeMap<String, ToolForm> {
        self.0.retain(|ours, form| form.takes_text || form.namespace.is_some() || form.name != *ours);
        self.0
    }
}

/// Reads a list of tools, each of which stands at its `place`.
pub(super) fn offered<'a>(
    list: Vec<&'a RawValue>,
    place: impl Fn(usize) -> Place,
    into: &mut Conversation<'a>,
    forms: &mut Forms,
    unread: &mut Unread,
) -> Result<(), ApiError> {
    for (index, raw) in list.into_iter().enumerate() {
        let place = place(index);
        let path = Path::from(place);
        object(raw, path, unread, |fields, unread| {
            let kind = required(fields, path, "type", text)?;
            if kind != "namespace" {
                return tool(fields, kind, None, place, into, forms, unread);
            }
            let namespace = required(fields, path, "name", text)?;
            fields.take_if("description", |raw| loose_text(raw).is_some_and(|text| text.is_empty()).then_some(()));
            let list = path.field("tools");
            for (index, raw) in required(fields, path, "tools", array)?.into_iter().enumerate() {
                let place = place.at(Member::Tools, index);
                object(raw, list.index(index), unread, |fields, unread| {
                    let kind = required(fields, list.index(index), "type", text)?;
                    tool(fields, kind, Some(&namespace), place, into, forms, unread)
                })?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn tool<'a>(
    fields: &mut Object<'a>,
    kind: Cow<'a, str>,
    namespace: Option<&str>,
    place: Place,
    into: &mut Conversation<'a>,
    forms: &mut Forms,
    unread: &mut Unread,
) -> Result<(), ApiError> {
    let path = Path::from(place);
    let takes_text = kind == "custom";
    if !takes_text && kind != "function" {
        fields.cover();
        into.foreign_tools.push(ForeignTool { name: Some(kind), is_optional: true, place });
        return Ok(());
    }
    let name = forms.name(namespace, required(fields, path, "name", text)?, takes_text);
    let mut description = optional(fields, path, "description", text)?;
    let (parameters, strict) = if takes_text {
        if let Some(raw) = fields.take("format") {
            description = Some(with_grammar(description, raw, path.field("format"), unread)?);
        }
        (serde_json::from_str(TEXT).ok(), None)
    } else {
        (optional(fields, path, "parameters", raw_object)?, optional(fields, path, "strict", boolean)?)
    };
    into.tools.push(Tool { name, description, parameters, strict, cache_control: None, place });
    Ok(())
}

/// The description of a tool that takes a text, with the grammar which that must follow.
fn with_grammar<'a>(
    description: Option<Cow<'a, str>>,
    raw: &'a RawValue,
    path: Path<'_>,
    unread: &mut Unread,
) -> Result<Cow<'a, str>, ApiError> {
    object(raw, path, unread, |fields, _| {
        let description = description.unwrap_or_default();
        match required(fields, path, "type", text)?.as_ref() {
            "text" => Ok(description),
            "grammar" => {
                let syntax = required(fields, path, "syntax", text)?;
                let definition = required(fields, path, "definition", text)?;
                let rule = format!("The input must follow this {syntax} grammar:\n{definition}");
                Ok(Cow::Owned(if description.is_empty() { rule } else { format!("{description}\n\n{rule}") }))
            }
            other => Err(wrong_value(path.field("type"), other, "'text', and 'grammar'")),
        }
    })
}

/// Reads a tool choice. One of a tool that runs at the provider names it by its type. `None`: by a type that no tool has.
pub(super) fn tool_choice<'a>(
    raw: &'a RawValue,
    foreign: &[ForeignTool<'_>],
    forms: &mut Forms,
    unread: &mut Unread,
) -> Result<Option<ToolChoice<'a>>, ApiError> {
    let path = Path::Top("tool_choice");
    if raw.get().starts_with('"') {
        return match text(raw, path)?.as_ref() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            other => Err(wrong_value(path, other, "'none', 'auto', and 'required'")),
        };
    }
    object(raw, path, unread, |fields, unread| {
        let kind = required(fields, path, "type", text)?;
        if kind != "allowed_tools" {
            let is_known = matches!(kind.as_ref(), "function" | "custom");
            let is_there = is_known || foreign.iter().any(|tool| tool.name.as_ref() == Some(&kind));
            let name = named(fields, kind, path, forms)?;
            return Ok(is_there.then_some(ToolChoice::Named(name)));
        }
        let is_required = match optional(fields, path, "mode", text)?.as_deref() {
            None | Some("auto") => false,
            Some("required") => true,
            Some(other) => return Err(wrong_value(path.field("mode"), other, "'auto', and 'required'")),
        };
        let list = path.field("tools");
        let mut names = Vec::new();
        for (index, raw) in required(fields, path, "tools", array)?.into_iter().enumerate() {
            let path = list.index(index);
            names.extend(object(raw, path, unread, |fields, unread| {
                let kind = required(fields, path, "type", text)?;
                if kind != "function" && kind != "custom" {
                    fields.cover();
                    unread.name(path);
                    return Ok(None);
                }
                named(fields, kind, path, forms).map(Some)
            })?);
        }
        Ok(ToolChoice::allowed(is_required, names))
    })
}

fn named<'a>(
    fields: &mut Object<'a>,
    kind: Cow<'a, str>,
    path: Path<'_>,
    forms: &mut Forms,
) -> Result<Cow<'a, str>, ApiError> {
    let takes_text = kind == "custom";
    if !takes_text && kind != "function" {
        fields.cover();
        return Ok(kind);
    }
    let namespace = optional(fields, path, "namespace", text)?;
    Ok(forms.known(namespace.as_deref(), required(fields, path, "name", text)?, takes_text))
}
