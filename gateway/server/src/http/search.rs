//! Search of current resources in the caller's compartment, in creation order. A page link carries the place up to which
//! the first page looked, so that walking on neither repeats nor skips what was there at the start.

use super::collect::{self, Given};
use super::context::Context;
use super::reply::{Reply, commit_fault, store_fault};
use crate::gateway::Gateway;
use crate::store::{Page, SearchQuery, UpdatedRange};
use axum::http::StatusCode;
use gateway_core::refusal::Refusal;
use gateway_core::resource::{ResourceKey, ResourceVersion, Token};
use gateway_fhir::{Issue, IssueCode, instant};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::collections::BTreeSet;
use time::Duration;

/// What a query value may hold as it is (RFC 3986, unreserved).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Values of one parameter, at most.
const VALUES: usize = 100;

/// A search parameter of a type, for the CapabilityStatement and for reading queries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) says: &'static str,
}

/// How a parameter's values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A code.
    Code,
    /// `system|value`, `value`.
    Identifier,
    /// `Type/id` or `id`, of this type; `name:identifier` takes `system|value`.
    Reference(&'static str),
    /// `_lastUpdated`.
    Updated,
    /// `_id`.
    Id,
    /// A canonical address, whole.
    Uri,
}

const ID: Parameter = Parameter { name: "_id", form: Form::Id, says: "Logical id." };
const UPDATED: Parameter =
    Parameter { name: "_lastUpdated", form: Form::Updated, says: "meta.lastUpdated, with ge, gt, le, lt, eq." };
const IDENTIFIER: Parameter = Parameter { name: "identifier", form: Form::Identifier, says: "Business identifier." };
const STATUS: Parameter = Parameter { name: "status", form: Form::Code, says: "Status; several joined by commas." };
const PATIENT: Parameter =
    Parameter { name: "patient", form: Form::Reference("Patient"), says: "The patient it is about." };

const TASK: [Parameter; 8] = [
    ID,
    UPDATED,
    IDENTIFIER,
    STATUS,
    PATIENT,
    Parameter { name: "focus", form: Form::Reference("ServiceRequest"), says: "The ServiceRequest that it fulfils." },
    Parameter { name: "part-of", form: Form::Reference("Task"), says: "The Task of which it is a part." },
    Parameter { name: "owner", form: Form::Reference("Organization"), says: "Who is to do it." },
];
const SERVICE_REQUEST: [Parameter; 5] = [ID, UPDATED, IDENTIFIER, STATUS, PATIENT];
const CONSENT: [Parameter; 5] = SERVICE_REQUEST;
const PROVENANCE: [Parameter; 3] = [
    ID,
    UPDATED,
    Parameter {
        name: "target",
        form: Form::Reference("Task"),
        says: "The Task that it tells of, of whichever version.",
    },
];
const OTHERS: [Parameter; 3] = [ID, UPDATED, IDENTIFIER];

const AUDIT_EVENT: [Parameter; 2] =
    [PATIENT, Parameter { name: "date", form: Form::Updated, says: "When it was recorded, with ge, gt, le, lt, eq." }];

const TERMINOLOGY: [Parameter; 2] = [ID, Parameter { name: "url", form: Form::Uri, says: "Its canonical address." }];

const MESSAGE_DEFINITION: [Parameter; 3] = [
    ID,
    Parameter { name: "url", form: Form::Uri, says: "Its canonical address." },
    Parameter {
        name: "context",
        form: Form::Code,
        says: "The service that is to receive: its identifier, with or without system.",
    },
];

/// The parameters of a type.
pub(crate) fn parameters(kind: &str) -> &'static [Parameter] {
    match kind {
        "Task" => &TASK,
        "ServiceRequest" => &SERVICE_REQUEST,
        "Consent" => &CONSENT,
        "Provenance" => &PROVENANCE,
        "AuditEvent" => &AUDIT_EVENT,
        "CodeSystem" | "ConceptMap" => &TERMINOLOGY,
        "MessageDefinition" => &MESSAGE_DEFINITION,
        _ => &OTHERS,
    }
}

/// What was asked, and what of it counts.
struct Asked {
    query: SearchQuery,
    include_focus: bool,
    /// The parameters that counted, for the self link.
    counted: Vec<(String, String)>,
    ids: Option<BTreeSet<String>>,
}

/// Answers a search.
pub(super) async fn search(gateway: &Gateway, context: &Context, kind: &str, query: &str) -> Result<Reply, Refusal> {
    let asked = read_query(gateway, context, kind, query)?;
    let mut page = match &asked.ids {
        Some(ids) => by_ids(gateway, &asked, ids).await?,
        None => gateway.store.search(&asked.query).await.map_err(|error| store_fault(&error))?,
    };
    let mut shown = Vec::with_capacity(page.rows.len());
    for (_, stored) in &page.rows {
        let given = collect::give(gateway, &context.client, stored, &[stored]).await;
        match given.map_err(|error| commit_fault(&error))? {
            Given::Whole => shown.push(stored.clone()),
            Given::End(end) => shown.push(*end),
            Given::Nothing => {}
        }
    }
    if context.client.platform.is_some() {
        // A count would tell a platform of what consent keeps from it.
        page.total = None;
    }
    let mut entries: Vec<String> =
        shown.iter().map(|stored| entry(gateway, kind, &stored.key.id, &stored.body, "match")).collect();
    if asked.include_focus {
        entries.extend(included(gateway, context, &shown).await?);
    }
    let mut body = String::from("{\"resourceType\":\"Bundle\",\"type\":\"searchset\"");
    if let Some(total) = page.total {
        body.push_str(&format!(",\"total\":{total}"));
    }
    body.push_str(&format!(",\"link\":[{}]", links(gateway, kind, &asked, &page)));
    if !entries.is_empty() {
        body.push_str(&format!(",\"entry\":[{}]", entries.join(",")));
    }
    body.push('}');
    Ok(Reply::json(StatusCode::OK, body))
}

fn entry(gateway: &Gateway, kind: &str, id: &str, body: &str, mode: &str) -> String {
    format!(
        "{{\"fullUrl\":\"{}/{kind}/{id}\",\"resource\":{body},\"search\":{{\"mode\":\"{mode}\"}}}}",
        gateway.base_url
    )
}

/// `_id` with the other criteria: few ids, each looked at.
async fn by_ids(gateway: &Gateway, asked: &Asked, ids: &BTreeSet<String>) -> Result<Page, Refusal> {
    let mut wide = asked.query.clone();
    wide.all_of.push(ids.iter().map(|id| Token::new("_id", id)).collect());
    gateway.store.search(&wide).await.map_err(|error| store_fault(&error))
}

async fn included(gateway: &Gateway, context: &Context, shown: &[ResourceVersion]) -> Result<Vec<String>, Refusal> {
    let compartment = context.client.compartment();
    let mut wanted = BTreeSet::new();
    for stored in shown {
        let focus = stored.tokens.iter().find(|token| token.parameter == "focus");
        wanted.extend(focus.map(|token| token.value.clone()));
    }
    let mut entries = Vec::new();
    for reference in wanted {
        let Some((kind, id)) = reference.split_once('/') else { continue };
        let key = ResourceKey { compartment: compartment.clone(), kind: kind.to_owned(), id: id.to_owned() };
        let Some(stored) = gateway.store.resource(&key, None).await.map_err(|error| store_fault(&error))? else {
            continue;
        };
        let given = collect::give(gateway, &context.client, &stored, &[&stored]).await;
        if matches!(given.map_err(|error| commit_fault(&error))?, Given::Whole) {
            entries.push(entry(gateway, kind, id, &stored.body, "include"));
        }
    }
    Ok(entries)
}

fn links(gateway: &Gateway, kind: &str, asked: &Asked, page: &Page) -> String {
    let query = |extra: &[(String, String)]| -> String {
        let pairs: Vec<String> = asked
            .counted
            .iter()
            .chain(extra)
            .map(|(name, value)| {
                format!("{}={}", utf8_percent_encode(name, UNRESERVED), utf8_percent_encode(value, UNRESERVED))
            })
            .collect();
        pairs.join("&")
    };
    let base = format!("{}/{kind}", gateway.base_url);
    let mut links = vec![format!("{{\"relation\":\"self\",\"url\":\"{base}?{}\"}}", query(&[]))];
    if page.more
        && let Some((place, _)) = page.rows.last()
    {
        let next = [("_after".to_owned(), place.to_string()), ("_upto".to_owned(), page.up_to.to_string())];
        links.push(format!("{{\"relation\":\"next\",\"url\":\"{base}?{}\"}}", query(&next)));
    }
    links.join(",")
}

fn read_query(gateway: &Gateway, context: &Context, kind: &str, query: &str) -> Result<Asked, Refusal> {
    let mut asked = Asked {
        query: SearchQuery {
            compartment: context.client.compartment(),
            kind: kind.to_owned(),
            all_of: Vec::new(),
            updated: UpdatedRange::default(),
            after: 0,
            up_to: None,
            limit: gateway.limits.page.1,
            count: true,
        },
        include_focus: false,
        counted: Vec::new(),
        ids: None,
    };
    let mut issues = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
            issues.push(Issue::general(IssueCode::Value, "A search parameter is not UTF-8."));
            continue;
        };
        match take(gateway, &mut asked, kind, &name, &value) {
            Taken::Counted => {
                if !matches!(name.as_str(), "_after" | "_upto" | "_format") {
                    asked.counted.push((name, value));
                }
            }
            Taken::Unknown if context.strict => {
                let words = format!("A search parameter is unknown here. {kind} knows: {}.", names(kind));
                issues.push(Issue::general(IssueCode::NotSupported, words));
            }
            Taken::Unknown => {}
            Taken::Wrong(words) => issues.push(Issue::general(IssueCode::Value, words)),
        }
    }
    if issues.is_empty() { Ok(asked) } else { Err(Refusal::several(400, issues)) }
}

fn names(kind: &str) -> String {
    parameters(kind).iter().map(|parameter| parameter.name).collect::<Vec<_>>().join(", ")
}

/// As a query value.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

pub(super) fn decoded(text: &str) -> Option<String> {
    percent_decode_str(&text.replace('+', " ")).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

enum Taken {
    Counted,
    Unknown,
    Wrong(&'static str),
}

fn take(gateway: &Gateway, asked: &mut Asked, kind: &str, name: &str, value: &str) -> Taken {
    match name {
        "_count" => match value.parse::<u32>() {
            Ok(count) => {
                asked.query.limit = count.clamp(1, gateway.limits.page.0);
                return Taken::Counted;
            }
            Err(_) => return Taken::Wrong("_count is a whole number."),
        },
        "_after" | "_upto" => match value.parse::<u64>() {
            Ok(place) if name == "_after" => asked.query.after = place,
            Ok(place) => asked.query.up_to = Some(place),
            Err(_) => return Taken::Wrong("Page links are taken as they were given."),
        },
        "_include" if kind == "Task" && value == "Task:focus" => asked.include_focus = true,
        "_format" => {}
        _ => return criterion(gateway, asked, kind, name, value),
    }
    Taken::Counted
}

fn criterion(gateway: &Gateway, asked: &mut Asked, kind: &str, name: &str, value: &str) -> Taken {
    let (plain, modifier) = name.split_once(':').map_or((name, None), |(plain, modifier)| (plain, Some(modifier)));
    let Some(parameter) = parameters(kind).iter().find(|parameter| parameter.name == plain) else {
        return Taken::Unknown;
    };
    if value.is_empty() {
        return Taken::Wrong("A search parameter has no value.");
    }
    if value.split(',').count() > VALUES {
        return Taken::Wrong("A search parameter has more than 100 values. Ask several times.");
    }
    let values = value.split(',');
    match (parameter.form, modifier) {
        (Form::Updated, None) => return updated(asked, value),
        (Form::Id, None) => {
            asked.ids.get_or_insert_default().extend(values.map(str::to_owned));
        }
        // The system of a code element is the one of its binding: `system|code` asks for the code.
        (Form::Code, None) => {
            let codes = values.map(|value| value.rsplit_once('|').map_or(value, |(_, code)| code));
            asked.query.all_of.push(codes.map(|code| Token::new(plain, code)).collect());
        }
        (Form::Identifier, None) => asked.query.all_of.push(values.map(|value| identifier(plain, value)).collect()),
        (Form::Reference(target), None) => {
            // Our own absolute address of a resource is the same reference.
            let own = format!("{}/", gateway.base_url);
            let any = values.map(|value| {
                let value = value.strip_prefix(&own).unwrap_or(value);
                let bare = !value.contains('/');
                Token::new(plain, if bare { format!("{target}/{value}") } else { value.to_owned() })
            });
            asked.query.all_of.push(any.collect());
        }
        (Form::Reference(_), Some("identifier")) => {
            let parameter = format!("{plain}:identifier");
            asked.query.all_of.push(values.map(|value| Token::new(&parameter, value)).collect());
        }
        _ => return Taken::Unknown,
    }
    Taken::Counted
}

fn identifier(parameter: &str, value: &str) -> Token {
    if value.contains('|') { Token::new(parameter, value) } else { Token::new(&format!("{parameter}-value"), value) }
}

fn updated(asked: &mut Asked, value: &str) -> Taken {
    match date_range(&mut asked.query.updated, value) {
        Ok(()) => Taken::Counted,
        Err(words) => Taken::Wrong(words),
    }
}

/// Narrows a range by a date parameter; words if it cannot be read.
pub(super) fn date_range(range: &mut UpdatedRange, value: &str) -> Result<(), &'static str> {
    let split = value.find(|character: char| character.is_ascii_digit()).unwrap_or(0);
    let (prefix, text) = value.split_at(split);
    let Some(moment) = instant::parse(text) else {
        return Err("A date parameter takes a FHIR date or instant, with ge, gt, le, lt or eq before it.");
    };
    let step = Duration::milliseconds(1);
    let (from, to) = match prefix {
        "ge" => (Some(moment.earliest), None),
        "gt" => (Some(moment.latest.saturating_add(step)), None),
        "le" => (None, Some(moment.latest)),
        "lt" => (None, Some(moment.earliest.saturating_sub(step))),
        "" | "eq" => (Some(moment.earliest), Some(moment.latest)),
        _ => return Err("A date parameter knows the prefixes ge, gt, le, lt and eq."),
    };
    range.from = range.from.max(from);
    range.to = match (range.to, to) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    Ok(())
}
