//! A letter as a `DocumentReference`: written, and read back.

use super::{Heard, Letter, State};
use crate::accept::version_of;
use crate::consent::Kept;
use crate::identity::GATEWAY_AUTHOR;
use crate::message_back::MessageBack;
use crate::resource::{ResourceKey, ResourceVersion, Token, WriteMethod};
use crate::task::derived_id;
use gateway_fhir::{Json, instant};
use serde_json::{Value, json};
use std::num::NonZeroU32;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How far a letter is, on its DocumentReference: a name, not an address.
pub const DELIVERY: &str = "https://vcse-gateway.example/fhir/StructureDefinition/letter-delivery";
/// The same in short, on the Task.
pub const TASK_EXTENSION: &str = "https://vcse-gateway.example/fhir/StructureDefinition/outcome-letter";

/// Finds the letters of a referral; a token of the gateway's own, as the two below.
pub const OF_REFERRAL: &str = "letter-of";
/// Finds letters whose answers are waited for; its value is [`AWAITED`].
pub const IN_STATE: &str = "letter-state";
/// The value for all that are waited for.
pub const AWAITED: &str = "awaited";
/// Finds a letter by what the network calls it, or by an id within its message.
pub const NAMED: &str = "letter-named";

/// What a DocumentReference says of a letter beside how far it is.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The person, as FHIR refers to them.
    pub subject: &'a Json,
    /// Title of the letter, without patient data.
    pub title: &'a str,
    /// SNOMED CT code and term of the kind of document.
    pub kind: (&'a str, &'a str),
    /// Name and ODS code of who sends it.
    pub sender: (&'a str, &'a str),
    /// Who wrote it.
    pub author: &'a str,
    /// Ids of Task and ServiceRequest.
    pub about: (&'a str, &'a str),
    /// Id of the DocumentReference that it replaces.
    pub replaces: Option<&'a str>,
    /// Bytes of the PDF and of the message.
    pub sizes: [usize; 2],
    /// Media types of both.
    pub media_types: [&'a str; 2],
    /// When it was made.
    pub now: OffsetDateTime,
}

/// The DocumentReference of a new letter.
#[must_use]
pub fn document(letter: &Letter, facts: &Facts<'_>) -> Json {
    let titles = [facts.title, "The message with the letter (GP Connect Send Document, FHIR STU3)"];
    let content = letter.binaries.iter().zip(facts.sizes).zip(facts.media_types.iter().zip(titles));
    let content: Vec<Value> = content
        .map(|((binary, size), (media_type, title))| {
            json!({ "attachment": {
                "contentType": media_type, "url": format!("Binary/{binary}"), "size": size, "title": title,
                "creation": instant::to_instant(facts.now),
            } })
        })
        .collect();
    let (code, term) = facts.kind;
    let (name, ods) = facts.sender;
    let (task, request) = facts.about;
    let mut document: Json = json!({
        "resourceType": "DocumentReference",
        "identifier": [{ "system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{}", letter.identifiers[0]) }],
        "status": "current",
        "docStatus": "final",
        "type": { "coding": [{ "system": gateway_codes::SNOMED_CT, "code": code, "display": term }] },
    })
    .into();
    document.set("subject", facts.subject.clone());
    document.set("date", Json::string(instant::to_instant(facts.now)));
    document.set("author", json!([{ "display": facts.author }]).into());
    let custodian = json!({
        "type": "Organization",
        "identifier": { "system": gateway_fhir::identifiers::ODS_CODE, "value": ods },
        "display": name,
    });
    document.set("custodian", custodian.into());
    if let Some(before) = facts.replaces {
        let target = json!({ "reference": format!("DocumentReference/{before}") });
        document.set("relatesTo", json!([{ "code": "replaces", "target": target }]).into());
    }
    document.set("description", Json::string(format!("{}, version {}", facts.title, letter.number)));
    document.set("content", Json::from(Value::Array(content)));
    let related = json!([
        { "reference": format!("Task/{task}") },
        { "reference": format!("ServiceRequest/{request}") },
    ]);
    document.set("context", json!({ "related": related }).into());
    with(&document, letter)
}

/// The same with what this letter says of how far it is.
pub(super) fn with(document: &Json, letter: &Letter) -> Json {
    let mut document = document.clone();
    let others = document.items("extension").iter().filter(|one| one.text("url") != Some(DELIVERY)).cloned();
    let mut all: Vec<Json> = others.collect();
    all.push(Json::from(json!({ "url": DELIVERY, "extension": parts(letter) })));
    document.set("extension", Json::Array(all));
    document
}

fn parts(letter: &Letter) -> Vec<Value> {
    let text = |url: &str, value: &str| json!({ "url": url, "valueString": value });
    let code = |url: &str, value: &str| json!({ "url": url, "valueCode": value });
    let at = |url: &str, value: OffsetDateTime| json!({ "url": url, "valueInstant": instant::to_instant(value) });
    let [to, subject] = &letter.envelope;
    let [message, within] = &letter.identifiers;
    let mut parts = vec![
        code("state", letter.state.code()),
        json!({ "url": "number", "valuePositiveInt": letter.number }),
        text("referral", &letter.referral),
        text("contents", &letter.contents),
        code("kept", kept_code(letter.kept)),
        text("message-identifier", message),
        text("document-identifier", within),
        text("address", to),
        text("subject", subject),
    ];
    parts.extend(letter.message_ids.iter().map(|id| text("message-id", id)));
    parts.extend(letter.code.as_deref().map(|value| code("code", value)));
    parts.extend(letter.network.as_deref().map(|value| text("network", value)));
    parts.extend(letter.leaving.map(|value| at("leaving", value)));
    parts.extend(letter.sent_at.map(|value| at("sent-at", value)));
    parts.extend(letter.due.map(|value| at("due", value)));
    parts.extend(letter.heard.iter().map(|heard| {
        let mut inner = vec![json!({ "url": "ok", "valueBoolean": heard.ok }), at("at", heard.at)];
        if !heard.code.is_empty() {
            inner.push(code("code", &heard.code));
        }
        json!({ "url": "heard", "extension": inner })
    }));
    parts.extend(letter.follow_ups.iter().map(|id| text("follow-up", id)));
    parts
}

/// Reads a letter from its DocumentReference; `None` if it is none of the gateway's.
#[must_use]
pub fn read(id: &str, version: u64, document: &Json) -> Option<Letter> {
    let delivery = document.items("extension").iter().find(|one| one.text("url") == Some(DELIVERY))?;
    let parts = delivery.items("extension");
    let all = |url: &'static str| parts.iter().filter(move |part| part.text("url") == Some(url));
    let text = |url: &'static str| all(url).find_map(|part| part.text("valueString")).map(str::to_owned);
    let at = |url: &'static str| all(url).find_map(|part| when(part.text("valueInstant")?));
    let number = all("number").find_map(|part| match part.get("valuePositiveInt")? {
        Json::Number(text) => text.parse::<NonZeroU32>().ok(),
        _ => None,
    });
    let heard = |part: &Json| {
        let inner = part.items("extension");
        let of = |url: &str| inner.iter().find(|one| one.text("url") == Some(url));
        Some(Heard {
            code: of("code").and_then(|one| one.text("valueCode")).unwrap_or_default().to_owned(),
            ok: of("ok")?.get("valueBoolean") == Some(&Json::Bool(true)),
            at: when(of("at")?.text("valueInstant")?)?,
        })
    };
    let binary = |place: usize| {
        let attachment = document.items("content").get(place)?.get("attachment")?;
        attachment.text("url")?.strip_prefix("Binary/").map(str::to_owned)
    };
    Some(Letter {
        id: id.to_owned(),
        version,
        referral: text("referral")?,
        number: number?,
        contents: text("contents")?,
        kept: all("kept").find_map(|part| kept_of(part.text("valueCode")?))?,
        binaries: [binary(0)?, binary(1)?],
        identifiers: [text("message-identifier")?, text("document-identifier")?],
        message_ids: all("message-id").filter_map(|part| part.text("valueString")).map(str::to_owned).collect(),
        envelope: [text("address")?, text("subject")?],
        state: all("state").find_map(|part| State::from_code(part.text("valueCode")?))?,
        code: all("code").find_map(|part| part.text("valueCode")).map(str::to_owned),
        network: text("network"),
        leaving: at("leaving"),
        sent_at: at("sent-at"),
        due: at("due"),
        heard: all("heard").filter_map(heard).collect(),
        follow_ups: all("follow-up").filter_map(|part| part.text("valueString")).map(str::to_owned).collect(),
    })
}

const fn kept_code(kept: Kept) -> &'static str {
    match kept {
        Kept::Nothing => "nothing",
        Kept::Words => "words",
        Kept::All => "all",
    }
}

fn kept_of(code: &str) -> Option<Kept> {
    [Kept::Nothing, Kept::Words, Kept::All].into_iter().find(|kept| kept_code(*kept) == code)
}

fn when(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// The next version of a letter's DocumentReference, with what finds it.
#[must_use]
pub fn stored(key: ResourceKey, letter: &Letter, document: Json, now: OffsetDateTime) -> ResourceVersion {
    let method = if letter.version == 0 { WriteMethod::Post } else { WriteMethod::Put };
    let mut stored = version_of(key, letter.version + 1, document, GATEWAY_AUTHOR, method, now, &|_| None);
    stored.tokens.push(Token::new(OF_REFERRAL, &letter.referral));
    if letter.is_awaited() {
        stored.tokens.push(Token::new(IN_STATE, AWAITED));
    }
    stored.tokens.extend(letter.network.iter().chain(&letter.message_ids).map(|name| Token::new(NAMED, name)));
    stored.tokens.sort();
    stored.tokens.dedup();
    stored
}

/// A `Binary` with these bytes, in base64.
#[must_use]
pub fn binary(
    key: ResourceKey,
    media_type: &str,
    base64: &str,
    document: &str,
    now: OffsetDateTime,
) -> ResourceVersion {
    let body = json!({
        "resourceType": "Binary",
        "contentType": media_type,
        "securityContext": { "reference": format!("DocumentReference/{document}") },
        "data": base64,
    });
    version_of(key, 1, body.into(), GATEWAY_AUTHOR, WriteMethod::Post, now, &|_| None)
}

/// Whether an extension of a Task is the gateway's word on a letter.
#[must_use]
pub fn is_ours(extension: &Json) -> bool {
    extension.text("url") == Some(TASK_EXTENSION)
}

/// Says on a Task how far the letter is, in the place of what was said before.
pub(super) fn show(task: &mut Json, letter: &Letter, now: OffsetDateTime) {
    let mut all: Vec<Json> = task.items("extension").iter().filter(|one| !is_ours(one)).cloned().collect();
    let mut parts = vec![
        json!({ "url": "document", "valueReference": { "reference": format!("DocumentReference/{}", letter.id) } }),
        json!({ "url": "state", "valueCode": letter.state.code() }),
        json!({ "url": "text", "valueString": letter.state.words() }),
        json!({ "url": "at", "valueInstant": instant::to_instant(now) }),
    ];
    parts.extend(letter.code.as_deref().map(|code| json!({ "url": "code", "valueCode": code })));
    all.push(json!({ "url": TASK_EXTENSION, "extension": parts }).into());
    task.set("extension", Json::Array(all));
}

/// Digest of what a letter tells, and about whom: the same is not written again, and anything else is a new version.
#[must_use]
pub fn contents(back: &MessageBack, identity: &[&str]) -> String {
    let texts =
        |entries: &[crate::message_back::Entry]| entries.iter().map(|entry| entry.text.clone()).collect::<Vec<_>>();
    let scores =
        back.scores.iter().flat_map(|score| score.readings()).map(|(phase, reading)| {
            format!("{} {:?} {:?} {}", phase.code(), reading.measure, reading.on, reading.points)
        });
    let mut parts: Vec<String> = vec![back.outcome.status.code().to_owned()];
    for group in [
        identity.iter().map(|part| (*part).to_owned()).collect(),
        back.outcome.words.clone(),
        texts(&back.needs),
        texts(&back.activities),
        scores.collect(),
        back.unread.iter().map(|unread| unread.words.clone()).collect(),
    ] {
        parts.push(group.len().to_string());
        parts.extend(group);
    }
    derived_id(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}
