//! The mark of a copy: an extension that says which version it is of what and of when, with a digest over everything else in the resource.

use gateway_fhir::Json;
use gateway_fhir::instant::{self, to_instant};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use time::OffsetDateTime;

/// URL of the extension: a name.
pub const MARK: &str = "https://vcse-gateway.example/fhir/StructureDefinition/gateway-copy";
const VERSION: &str = "version";
const DIGEST: &str = "digest";
const AT: &str = "at";

/// What of a resource is the server's own: it may differ, and nobody has changed anything.
const SERVERS_OWN: [&str; 2] = ["id", "meta"];

/// What a copy says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The version of the resource at the gateway (`meta.versionId` there).
    pub version: u64,
    /// When that version was written there (`meta.lastUpdated`): after a store was put back the same numbers come again, later.
    pub at: Option<OffsetDateTime>,
    /// SHA-256 over the copy without its mark, lower-case hex.
    pub digest: String,
}

impl Mark {
    /// The mark of a resource that is to be written.
    pub(super) fn of(resource: &Json, version: u64, at: Option<OffsetDateTime>) -> Self {
        Self { version, at, digest: digest(resource) }
    }

    /// The mark that a resource bears, if its content is what the mark was made of: nobody has changed it since.
    #[must_use]
    pub fn intact(resource: &Json) -> Option<Self> {
        let mut marks = resource.items("extension").iter().filter(|one| one.text("url") == Some(MARK));
        let (mark, none) = (marks.next()?, marks.next());
        let part = |url: &str, value: &str| {
            let mut parts = mark.items("extension").iter().filter(|one| one.text("url") == Some(url));
            parts.next()?.text(value)
        };
        let at = part(AT, "valueInstant").and_then(instant::parse).map(|at| at.earliest);
        let version = part(VERSION, "valueString")?.parse().ok()?;
        let read = Self { version, at, digest: part(DIGEST, "valueString")?.to_owned() };
        (none.is_none() && digest(resource) == read.digest).then_some(read)
    }

    /// Puts it on.
    pub(super) fn put_on(&self, resource: &mut Json) {
        let mut parts = vec![
            json!({ "url": VERSION, "valueString": self.version.to_string() }),
            json!({ "url": DIGEST, "valueString": self.digest }),
        ];
        parts.extend(self.at.map(|at| json!({ "url": AT, "valueInstant": to_instant(at) })));
        let own = json!({ "url": MARK, "extension": parts });
        let mut extensions: Vec<Json> =
            resource.items("extension").iter().filter(|one| one.text("url") != Some(MARK)).cloned().collect();
        extensions.push(own.into());
        resource.set("extension", Json::Array(extensions));
    }
}

fn digest(resource: &Json) -> String {
    let members = resource.as_object().unwrap_or_default();
    let mut own: Vec<(String, Json)> =
        members.iter().filter(|(name, _)| !SERVERS_OWN.contains(&name.as_str())).cloned().collect();
    for (_, extensions) in own.iter_mut().filter(|(name, _)| name == "extension") {
        let left = extensions.as_array().unwrap_or_default().iter().filter(|one| one.text("url") != Some(MARK));
        *extensions = Json::Array(left.cloned().collect());
    }
    let mut text = String::new();
    canonical(&Json::Object(own), &mut text);
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Servers keep what JSON says, not how it is written: the order of members, the digits of a number and what is empty may change. The
/// nesting is that of a document which passed the door.
fn canonical(value: &Json, out: &mut String) {
    match value {
        Json::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Json::Object(members) => {
            let mut members: Vec<&(String, Json)> = members.iter().filter(|(_, value)| !is_empty(value)).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            out.push('{');
            for (name, value) in members {
                out.push_str(&Json::string(name).to_text());
                out.push(':');
                canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Json::Number(text) => match text.parse::<f64>() {
            Ok(number) => {
                let _ = write!(out, "{number}");
            }
            Err(_) => out.push_str(text),
        },
        plain => out.push_str(&plain.to_text()),
    }
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.iter().all(|(_, value)| is_empty(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn marked(resource: serde_json::Value) -> Json {
        let mut resource: Json = resource.into();
        Mark::of(&resource, 7, Some(datetime!(2026-06-15 12:00:00.125 UTC))).put_on(&mut resource);
        resource
    }

    #[test]
    fn a_mark_holds_while_only_the_writing_changes() {
        let own =
            marked(json!({ "resourceType": "Task", "id": "a", "meta": { "versionId": "1" }, "status": "requested",
            "extension": [{ "url": "urn:other", "valueDecimal": 1.5 }] }));
        let said = Mark::intact(&own).map(|mark| (mark.version, mark.at));
        assert_eq!(said, Some((7, Some(datetime!(2026-06-15 12:00:00.125 UTC)))));
        // As another server writes it: its id and meta, its order, its digits, its empty members.
        let text = own.to_text().replace("1.5", "1.50");
        let mut theirs = gateway_fhir::door::admit(text.as_bytes(), &Default::default()).expect("JSON");
        theirs.remove("meta");
        theirs.set("id", Json::string("theirs"));
        theirs.set("meta", json!({ "versionId": "xyz", "source": "#1" }).into());
        theirs.set("note", Json::Array(Vec::new()));
        let Json::Object(members) = &mut theirs else { panic!("an object") };
        members.reverse();
        assert_eq!(Mark::intact(&theirs), Mark::intact(&own));
    }

    #[test]
    fn a_mark_is_broken_by_any_change_of_content() {
        let own = marked(
            json!({ "resourceType": "Task", "status": "requested", "note": [{ "text": "a" }, { "text": "b" }] }),
        );
        let changes: [fn(&mut Json); 6] = [
            |task| task.set("status", Json::string("accepted")),
            |task| task.set("description", Json::string("x")),
            |task| task.set("note", json!([{ "text": "b" }, { "text": "a" }]).into()),
            |task| {
                task.remove("note");
            },
            |task| {
                task.remove("extension");
            },
            |task| {
                let twice = task.items("extension").iter().chain(task.items("extension")).cloned().collect();
                task.set("extension", Json::Array(twice));
            },
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut theirs = own.clone();
            change(&mut theirs);
            assert_eq!(Mark::intact(&theirs), None, "{index}");
        }
    }
}
