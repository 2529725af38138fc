//! One entry of `model_list`: a deployment.
//!
//! **Invariant:** a literal key goes into [`Key::Literal`] and nowhere else, no diagnostic shows it.

use super::facts;
use super::field::{Diagnostics, Field};
use super::names::nearest;
use super::origin::Origins;
use super::{budgets, defaults, endpoint, infer, policies, provider_name};
use crate::config::model::{Deployment, GroupIndex, Token};
use crate::config::task::Task;
use crate::config::tree::Value;
use crate::provider::{Api, Call, Provider};

/// Reads an entry; its id is given by the caller. `None` where it lacks what it cannot do without.
pub(super) fn read<'a>(
    entry: &Field<'a>,
    group: GroupIndex,
    group_name: &str,
    origins: &Origins<'a>,
    diagnostics: &mut Diagnostics,
) -> Option<Deployment> {
    let params = params_of(entry, diagnostics)?;
    let mut named = provider_name::read(&params, diagnostics);
    let mut of_model = None;
    if let Some((provider, model)) = &mut named {
        unfilled(&params, model, group_name, diagnostics);
        let mode = mode(entry, &params, provider.name, model);
        let (spoken, name) = provider.spoken(model, mode);
        *model = name;
        of_model = Some(spoken).filter(|spoken| *spoken != provider.dialect);
        if of_model.is_none() {
            unserved(&params, provider, name, mode, diagnostics);
        }
    }
    let placed = named.map(|(provider, model)| {
        let spoken = of_model.unwrap_or(provider.dialect);
        origins.of(&params, (provider, spoken), model, diagnostics)
    });
    // Every value is read, also where the deployment is lost already, so that all its errors show at once.
    let model_info = entry.at("model_info").filter(|info| info.is_map(diagnostics));
    let info = |name: &str| model_info.as_ref().and_then(|info| info.at(name));
    let limit = |name: &str| params.at(name).or_else(|| entry.at(name));
    let of = placed.as_ref().map(|placed| placed.provider);
    let mut headers = defaults::headers(&params, of, origins.common_headers(), diagnostics);
    let token = placed.as_ref().and_then(|placed| placed.token.clone());
    let credential = placed.as_ref().map(|placed| placed.credential);
    let provider = of.or_else(|| crate::provider::all().next())?;
    let (endpoint, key, account, signing) = placed
        .map_or((None, None, Vec::new(), None), |placed| (placed.endpoint, placed.key, placed.account, placed.signing));
    headers.extend(
        account.into_iter().filter(|one| headers.iter().all(|known| known.name != one.name)).collect::<Vec<_>>(),
    );
    let key = key.filter(|_| !of.is_some_and(|provider| defaults::hold_key(&headers, provider)));
    let deployment = Deployment {
        defaults: of.and_then(|provider| defaults::body(&params, provider, diagnostics)),
        headers,
        id: String::new(),
        group,
        provider,
        dialect: of_model.or(of.map(|provider| provider.dialect)).unwrap_or_default(),
        probed: named.and_then(|(of, model)| probed(mode(entry, &params, of.name, model), of, model)),
        model: named.map(|(_, model)| model.to_owned()).unwrap_or_default(),
        endpoint: endpoint.clone().unwrap_or_else(endpoint::nowhere),
        credential: credential.unwrap_or_else(|| provider.sends(false)),
        token: token.filter(|token| key.is_some() || matches!(token, Token::Google { .. })),
        key,
        signing,
        weight: params.at("weight").and_then(|field| field.weight(diagnostics)),
        rpm: limit("rpm").and_then(|field| field.count(diagnostics)),
        tpm: limit("tpm").and_then(|field| field.count(diagnostics)),
        order: params.at("order").and_then(|field| field.whole(diagnostics, i64::MIN, i64::MAX)),
        timeout_ms: params
            .at("timeout")
            .or_else(|| params.at("request_timeout"))
            .and_then(|f| f.seconds(diagnostics, false)),
        stream_timeout_ms: params.at("stream_timeout").and_then(|field| field.seconds(diagnostics, false)),
        num_retries: params.at("num_retries").and_then(|field| field.few(diagnostics)),
        cooldown_ms: info("cooldown_time")
            .or_else(|| params.at("cooldown_time"))
            .and_then(|field| field.seconds(diagnostics, true)),
        allowed_fails: info("allowed_fails").and_then(|field| field.many(diagnostics, 0)),
        allowed_fails_policy: info("allowed_fails_policy")
            .and_then(|field| policies::allowed_fails(&field, diagnostics)),
        max_parallel: params.at("max_parallel_requests").and_then(|field| field.many(diagnostics, 1)),
        budget: budgets::deployment(&params, diagnostics),
        tags: params.at("tags").map(|field| field.texts(diagnostics)).unwrap_or_default(),
        region: params.at("region_name").and_then(|field| field.text(diagnostics)).map(str::to_owned),
        blocked: info("blocked").and_then(|field| field.flag(diagnostics)).unwrap_or(false),
        supports: info("supports").map(|field| supports(&field, diagnostics)).unwrap_or_default(),
        drop_params: params.at("drop_params").is_some_and(|field| drop_params(&field, diagnostics)),
        base_model: base_model(&params, model_info.as_ref()),
        facts: named.map(|(of, model)| facts::read(entry, &params, of.name, model, diagnostics)).unwrap_or_default(),
    };
    (named.is_some() && endpoint.is_some()).then_some(deployment)
}

/// `base_model`, which is read for its facts too.
fn base_model(params: &Field<'_>, info: Option<&Field<'_>>) -> Option<String> {
    let field = info.and_then(|info| info.at("base_model")).or_else(|| params.at("base_model"))?;
    field.text(&mut Diagnostics::default()).map(str::to_owned)
}

/// The parameters of an entry, which it cannot do without.
fn params_of<'a>(entry: &Field<'a>, diagnostics: &mut Diagnostics) -> Option<Field<'a>> {
    let Some(params) = entry.at("litellm_params") else {
        entry.error(diagnostics, "`litellm_params` is missing", "write it with at least `model: provider/name`");
        return None;
    };
    let is_map = matches!(params.node.value, Value::Map(_));
    if !is_map {
        let problem = format!("expected a map, found {}", params.node.kind());
        params.error(diagnostics, problem, "write `model: provider/name` below it");
    }
    is_map.then_some(params)
}

/// A model's name with more `*` than its group's has.
fn unfilled(params: &Field<'_>, model: &str, group_name: &str, diagnostics: &mut Diagnostics) {
    if model.matches('*').count() > group_name.matches('*').count() {
        let problem = format!("nothing fills the `*` of `{model}`, since `{group_name}` has fewer");
        params.at("model").unwrap_or(params.clone()).error(diagnostics, problem, "write the model's full name");
    }
}

/// Whether what a provider cannot express is left out. What is no flag is off, as in LiteLLM.
pub(super) fn drop_params(field: &Field<'_>, diagnostics: &mut Diagnostics) -> bool {
    let word = match &field.node.value {
        Value::Int(number) => number.to_string(),
        Value::Str(text) => text.trim().to_ascii_lowercase(),
        Value::Bool(flag) => return *flag,
        _ => String::new(),
    };
    match word.as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => true,
        "false" | "f" | "no" | "n" | "off" | "0" => false,
        _ => {
            let remedy = match field.node.value {
                Value::Seq(_) => {
                    "write `additional_drop_params` for a list of names, or `true` for all that is unsupported"
                }
                _ => "write `true` or `false`",
            };
            field.warning(diagnostics, "this is neither true nor false, and counts as `false`, as in LiteLLM", remedy);
            false
        }
    }
}

/// What a model is for, in LiteLLM's words.
fn mode<'a>(entry: &Field<'a>, params: &Field<'a>, provider: &str, model: &str) -> &'a str {
    let info = entry.at("model_info");
    let written = info.and_then(|info| info.at("mode")).or_else(|| params.at("mode"));
    match written.as_ref().map(|field| &field.node.value) {
        Some(Value::Str(mode)) => mode.as_str(),
        _ if model.starts_with("responses/") => "responses",
        _ => infer::mode(provider, model),
    }
}

/// What a probe asks of a model that is for this. Where nothing says so, its name does, or what its provider has.
fn probed(mode: &str, provider: &Provider, model: &str) -> Option<Api> {
    let chat = Call { api: Api::Chat, dialect: provider.dialect, model, stream: false };
    match mode {
        "" if model.contains("embed") || provider.path_of(chat).is_none() => Some(Api::Embeddings),
        "" | "chat" | "completion" | "responses" => Some(Api::Chat),
        "embedding" => Some(Api::Embeddings),
        _ => None,
    }
}

/// Warns of a model that no path here serves.
fn unserved(params: &Field<'_>, provider: &Provider, model: &str, mode: &str, diagnostics: &mut Diagnostics) {
    let passed = Call { api: Api::Passed("/"), dialect: provider.dialect, model, stream: false };
    let is_served = infer::is_served(mode) || infer::is_passed(mode) && (provider.path)(passed).is_some();
    if is_served && !model.starts_with("responses/") {
        return;
    }
    let what = if mode == "responses" || is_served { "the Responses API".to_owned() } else { mode.replace('_', " ") };
    let problem = format!("`{model}` is for {what}, which no path here serves: its requests will fail");
    let remedy = "take it out; docs/client-api.md lists what is served";
    params.at("model").unwrap_or(params.clone()).warning(diagnostics, problem, remedy);
}

/// The tasks it is good at: names of our own, so a name that no task could have is a slip.
fn supports(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<String> {
    let is_task = |name: &str| {
        let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(rest)
    };
    let mut found = Vec::new();
    for item in field.items(diagnostics) {
        let Some(name) = item.text(diagnostics) else { continue };
        if is_task(name) {
            known(name, &item, diagnostics);
            found.push(name.to_owned());
            continue;
        }
        let fits = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let meant: String = name.trim().chars().map(fits).collect();
        let remedy = if is_task(&meant) { format!("write `{meant}`") } else { "write for example `math`".to_owned() };
        item.error(diagnostics, format!("{} cannot name a task (only a-z 0-9 _)", item.shown()), remedy);
    }
    found
}

/// Notes a name that no router will ever ask for.
fn known(name: &str, item: &Field<'_>, diagnostics: &mut Diagnostics) {
    let names = Task::ALL.map(Task::name);
    if names.contains(&name) {
        return;
    }
    match nearest(name, names) {
        Some(meant) => item.error(diagnostics, format!("unknown task `{name}`"), format!("did you mean `{meant}`?")),
        None => item.warning(
            diagnostics,
            format!("unknown task `{name}`, which has no effect"),
            format!("the tasks are {}", names.join(", ")),
        ),
    }
}
