//! What every statement has: a name made of its content, and its place in time.
//!
//! Ocean sends every resource again with each message, and our own updates back to us. So a statement is not named by
//! the message that it came in: the same content is the same statement, however often it comes.

use crate::received::{About, Received, Resource};
use crate::status::Meaning;
use adapter_contract::{Concept, PlatformOrder, StatusReport};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// Characters that are read of what people wrote; the gateway shows fewer.
const LONGEST_WORDS: usize = 8_000;

/// A report about this referral that says this much and no more.
pub(crate) fn report(
    about: &About,
    event: String,
    order: PlatformOrder,
    word: Concept,
    means: Meaning,
) -> StatusReport {
    StatusReport {
        platform_referral: about.name.clone(),
        key: about.key.clone(),
        event,
        order,
        platform_status: word,
        status: means.status,
        business_status: means.business_status,
        reason: None,
        outputs: Vec::new(),
    }
}

/// Names a statement: the kind of resource, its id, and its content. What a server writes by itself is no content,
/// unless nothing else says when it was.
pub(crate) fn event(resource: &Resource<'_>, more: &[&str]) -> String {
    let mut content = resource.value.clone();
    if let Value::Object(members) = &mut content {
        members.remove("text");
        if members.contains_key("lastModified") {
            members.remove("meta");
        } else if let Some(Value::Object(meta)) = members.get_mut("meta") {
            meta.retain(|name, _| name == "lastUpdated");
        }
    }
    let seed = format!("{}\n{}", sorted(content), more.join("\n"));
    let name = Uuid::new_v5(&Uuid::NAMESPACE_URL, seed.as_bytes());
    format!("{}/{}/{name}", resource.kind(), resource.id().unwrap_or("-"))
}

/// A short name of a content, whatever the order of its members.
pub(crate) fn digest(content: &Value) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, sorted(content.clone()).to_string().as_bytes())
}

/// The same value with its members in one order, so that a server that writes them in another says the same.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> =
                members.into_iter().map(|(name, one)| (name, sorted(one))).collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(members.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// When the platform says that it was: the first of these members, or when the server last wrote it; for what the message is
/// about, when the message was made. Nothing was changed after the message was made: a later time is that of the message.
pub(crate) fn order(
    received: &Received<'_>,
    resource: &Resource<'_>,
    members: &[&str],
    in_focus: bool,
) -> PlatformOrder {
    let own = members.iter().find_map(|name| resource.text(name));
    let own = own.or_else(|| resource.value.pointer("/meta/lastUpdated").and_then(Value::as_str));
    let made = received.timestamp.as_deref();
    let instant = match (own, made) {
        (Some(own), Some(made)) => {
            let later = parsed(own).zip(parsed(made)).is_some_and(|(own, made)| own > made);
            Some(if later { made } else { own })
        }
        (Some(own), None) => Some(own),
        (None, made) => made.filter(|_| in_focus),
    };
    PlatformOrder { version: None, instant: instant.map(str::to_owned) }
}

/// What has no place in time: it sorts before everything that has.
pub(crate) const fn timeless() -> PlatformOrder {
    PlatformOrder { version: None, instant: None }
}

fn parsed(instant: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(instant, &Rfc3339).ok()
}

/// What people wrote, without mark-up. Bounded before it is read, because mark-up that never ends is slow to read.
pub(crate) fn words(text: &str) -> Option<String> {
    let bounded: String = text.chars().take(LONGEST_WORDS).collect();
    // A no-break space is what `&nbsp;` leaves.
    let plain = mappings::run::plain_text(&bounded).replace('\u{a0}', " ");
    let plain = plain.trim();
    (!plain.is_empty()).then(|| plain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resource(value: Value) -> Resource<'static> {
        Resource { text: "", value }
    }

    fn received(timestamp: Option<&str>) -> String {
        let timestamp = timestamp.map(|timestamp| format!(r#","timestamp":"{timestamp}""#)).unwrap_or_default();
        format!(r#"{{"resourceType":"Bundle","type":"message"{timestamp}}}"#)
    }

    #[test]
    fn the_same_content_has_the_same_name_whatever_the_server_writes_around_it() {
        let one = json!({"resourceType": "Task", "id": "1", "status": "accepted", "lastModified": "t", "a": {"b": 1, "c": [2]}});
        let name = event(&resource(one.clone()), &["x"]);
        assert!(name.starts_with("Task/1/"), "{name}");
        let same = json!({"a": {"c": [2], "b": 1}, "status": "accepted", "id": "1", "resourceType": "Task", "lastModified": "t",
            "meta": {"versionId": "7", "lastUpdated": "later"}, "text": {"div": "other"}});
        assert_eq!(event(&resource(same), &["x"]), name);
        assert_ne!(event(&resource(one.clone()), &["y"]), name);
        let mut other = one;
        other["a"]["c"] = json!([3]);
        assert_ne!(event(&resource(other), &["x"]), name);
    }

    #[test]
    fn without_a_time_of_its_own_the_servers_tells_two_alike_apart() {
        let at = |instant: &str, version: &str| {
            let meta = json!({"lastUpdated": instant, "versionId": version});
            event(&resource(json!({"resourceType": "Task", "status": "accepted", "meta": meta})), &[])
        };
        assert!(at("1", "1").starts_with("Task/-/"));
        assert_eq!(at("1", "1"), at("1", "2"));
        assert_ne!(at("1", "1"), at("2", "1"));
    }

    #[test]
    fn times_are_the_resources_own_and_never_after_the_message() {
        let made = "2026-11-22T10:00:00Z";
        for (member, value, focus, timestamp, wanted) in [
            ("lastModified", "2026-11-22T09:00:00Z", false, Some(made), Some("2026-11-22T09:00:00Z")),
            ("lastModified", "9999-12-31T00:00:00Z", false, Some(made), Some(made)),
            ("lastModified", made, false, Some(made), Some(made)),
            ("lastModified", "9999-12-31T00:00:00Z", false, None, Some("9999-12-31T00:00:00Z")),
            ("lastModified", "soon", false, Some(made), Some("soon")),
            ("other", "x", true, Some(made), Some(made)),
            ("other", "x", false, Some(made), None),
            ("other", "x", true, None, None),
        ] {
            let text = received(timestamp);
            let message = Received::read(&text).expect("reads");
            let one = resource(json!({"resourceType": "Task", member: value}));
            let seen = order(&message, &one, &["lastModified"], focus);
            assert_eq!((seen.version, seen.instant.as_deref()), (None, wanted), "{member} {value}");
        }
        let text = received(None);
        let message = Received::read(&text).expect("reads");
        let one = resource(json!({"resourceType": "Task", "meta": {"lastUpdated": "2026"}}));
        assert_eq!(order(&message, &one, &["lastModified"], false).instant.as_deref(), Some("2026"));
        assert_eq!(timeless(), PlatformOrder { version: None, instant: None });
    }

    #[test]
    fn words_lose_their_mark_up_and_nothing_else() {
        assert_eq!(
            words("<p>Full&nbsp;until <b>June</b> &amp; after, 3 < 5</p>").as_deref(),
            Some("Full until June & after, 3 < 5")
        );
        assert_eq!(words(" &nbsp; <br/> "), None);
        assert_eq!(words(&"x".repeat(9_000)).map(|words| words.len()), Some(LONGEST_WORDS));
    }
}
