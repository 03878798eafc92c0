//! What is put where something of ours is: our elements as they are now, and beside them what the platform has added.
//!
//! An element that the adapter sends is ours, and stands as the referral says it. All else is the platform's and stays.

use crate::descriptor;
use crate::order::{CARRIED_AFTER_REQUESTER, CARRIED_BEFORE_SUBJECT, OCCURRENCE};
use crate::settings::Config;
use crate::task::own_reference;
use adapter_contract::systems;
use adapter_fhir::json::{Object, Writer, array, quoted};
use adapter_fhir::read::is_id;
use serde_json::{Value, json};

/// Elements of the order that the gateway makes itself.
const MADE: [&str; 6] = ["identifier", "basedOn", "intent", "subject", "authoredOn", "requester"];

/// Elements of the order to which a platform may have added what it knows itself.
const ADDED_TO: [&str; 2] = ["reasonReference", "supportingInfo"];

/// What every resource has, and the server writes.
const SERVERS: [&str; 5] = ["resourceType", "id", "meta", "text", "implicitRules"];

/// A resource as it stands at the platform.
#[derive(Debug)]
pub(super) struct There<'a> {
    /// `Type/id`.
    pub(super) place: String,
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) version: String,
    /// Values of its identifiers in our system.
    pub(super) keys: Vec<String>,
    pub(super) text: &'a str,
    pub(super) object: Object<'a>,
}

impl<'a> There<'a> {
    /// What a batch answered; what has no version is passed over, since nothing would hold a write to it.
    pub(super) fn all(entries: &[Object<'a>]) -> Vec<Self> {
        entries.iter().filter_map(|entry| Self::read(entry.raw("resource")?)).collect()
    }

    fn read(text: &'a str) -> Option<Self> {
        let object = Object::read(text)?;
        let (kind, id) = object.string("resourceType").zip(object.string("id").filter(|id| is_id(id)))?;
        let version =
            object.raw("meta").and_then(Object::read)?.string("versionId").filter(|version| is_id(version))?;
        let keys = identifiers(&object).into_iter().filter(|(system, _)| system == systems::REFERRAL_KEY);
        let keys = keys.filter_map(|(_, one)| one.string("value")).collect();
        Some(Self { place: format!("{kind}/{id}"), kind, id, version, keys, text, object })
    }

    /// Whether it was made of this resource of the sender's, when it was sent or with a later change.
    pub(super) fn is_made_of(&self, key: &str) -> bool {
        let [only] = self.keys.as_slice() else { return false };
        only.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// Whether it has an identifier that is neither ours nor one of the sender's: of another system, or another one of the same, which
    /// the platform may have corrected or added.
    pub(super) fn is_numbered_besides(&self, sent: &Object<'_>) -> bool {
        let named = |object: &Object<'_>| -> Vec<(String, Option<String>)> {
            identifiers(object).into_iter().map(|(system, one)| (system, one.string("value"))).collect()
        };
        let known = named(sent);
        named(&self.object).into_iter().any(|one| one.0 != systems::REFERRAL_KEY && !known.contains(&one))
    }
}

/// A resource's identifiers with their systems; a QuestionnaireResponse has at most one, and it is no list.
fn identifiers<'a>(object: &Object<'a>) -> Vec<(String, Object<'a>)> {
    let text = object.raw("identifier").unwrap_or("[]");
    let all = if text.starts_with('{') { vec![text] } else { array(text) };
    all.into_iter().filter_map(Object::read).map(|one| (one.string("system").unwrap_or_default(), one)).collect()
}

/// References of the order at the platform that lead to what is the platform's, by element.
pub(super) fn references(
    config: &Config<'_>,
    there: &There<'_>,
    is_theirs: &dyn Fn(&String) -> bool,
) -> Vec<(&'static str, String)> {
    if there.kind != "ServiceRequest" {
        return Vec::new();
    }
    let mut kept = Vec::new();
    for element in ADDED_TO {
        for text in there.object.array(element) {
            let reference = Object::read(text).and_then(|one| one.string("reference"));
            let place = reference.and_then(|reference| own_reference(&reference, Some(config.base_url)));
            kept.extend(place.filter(|place| is_theirs(place)).map(|_| (element, text.to_owned())));
        }
    }
    kept
}

/// The resource under the id that it has at the platform: what we send as `text` has it, and what is there besides. `kept` are
/// references that the platform has added.
pub(super) fn resource(text: &str, there: &There<'_>, kept: &[(&'static str, String)]) -> String {
    let Some(ours) = Object::read(text) else { return text.to_owned() };
    let mut writer = Writer::object();
    for (name, value) in ours.members().filter(|(name, _)| *name != "id") {
        match name {
            "resourceType" => {
                writer.raw(name, value);
                writer.raw("id", &quoted(&there.id));
            }
            "identifier" if there.kind != "Patient" && value.starts_with('[') => {
                writer.value(name, &numbered(value, there));
            }
            // How far the order is at the platform is for the platform to say.
            "status" if there.kind == "ServiceRequest" => {
                writer.raw(name, there.object.raw("status").unwrap_or(value));
            }
            _ => writer.raw(name, &with_kept(name, value, kept)),
        }
    }
    for name in ADDED_TO.into_iter().filter(|name| ours.raw(name).is_none()) {
        if kept.iter().any(|(element, _)| *element == name) {
            writer.raw(name, &with_kept(name, "[]", kept));
        }
    }
    let theirs = |name: &str| {
        let element = name.strip_prefix('_').unwrap_or(name);
        ours.raw(name).is_none() && !SERVERS.contains(&element) && !is_sent(&there.kind, element)
    };
    for (name, value) in there.object.members().filter(|(name, _)| theirs(name)) {
        writer.raw(name, value);
    }
    writer.finish()
}

/// Our identifier, and those that the platform has given it: we send no other of these kinds.
fn numbered(ours: &str, there: &There<'_>) -> Value {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let theirs = there.object.array("identifier").into_iter().map(parsed);
    let theirs = theirs.filter(|one| one.get("system") != Some(&json!(systems::REFERRAL_KEY)));
    array(ours).into_iter().map(parsed).chain(theirs).collect()
}

fn with_kept(name: &str, value: &str, kept: &[(&'static str, String)]) -> String {
    let mut all = array(value);
    all.extend(kept.iter().filter(|(element, _)| *element == name).map(|(_, text)| text.as_str()));
    if kept.iter().any(|(element, _)| *element == name) { format!("[{}]", all.join(",")) } else { value.to_owned() }
}

/// Whether an element is one that the adapter sends, so that it is gone where the referral no longer has it.
fn is_sent(kind: &str, element: &str) -> bool {
    if kind == "ServiceRequest" {
        let carried = CARRIED_BEFORE_SUBJECT.iter().chain(&CARRIED_AFTER_REQUESTER).chain(&OCCURRENCE).chain(&MADE);
        return carried.chain(&["status"]).any(|name| *name == element);
    }
    // The key stands there, also where the sender's own is not read.
    let path = format!("{kind}.{element}");
    element == "identifier"
        || descriptor().data_needs.iter().any(|need| {
            need.path.strip_prefix(&path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '(']))
        })
}
