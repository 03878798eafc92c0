//! How grave it is to lose what stands at a path: by the table of elements, and for codes that do no harm by what stands
//! there.

use adapter_contract::Grade;
use gateway_fhir::Json;
use mappings::class;

/// SDOH Clinical Care: the person must not be contacted. Wherever it stands, losing it may do harm.
const CONTACT_PROHIBITED: &str = "contacting-subject-prohibited";

/// Longest URL of an extension that is named in a path.
const URL: usize = 200;

/// The gravest of what stands at this path and below. `None`: nothing stands there.
pub(super) fn gravest(value: &Json, path: &str) -> Option<Grade> {
    match value {
        Json::Null => None,
        Json::Array(items) => items.iter().filter_map(|item| gravest(item, path)).max(),
        Json::Object(members) => {
            let path = named(value, path);
            // Narrative repeats what the elements say, and never leaves.
            if value.get("div").is_some() && value.get("status").is_some() {
                return Some(Grade::Informational);
            }
            // Without a code the words are all that says what it is.
            let worded = value.get("text").is_some() && value.items("coding").is_empty();
            // A contained resource weighs what its own type weighs, wherever it stands.
            let path = match value.text("resourceType") {
                Some(kind) if path.ends_with(".contained") => kind.to_owned(),
                _ => path,
            };
            members
                .iter()
                .filter_map(|(name, inner)| match name.strip_prefix('_').unwrap_or(name) {
                    "resourceType" => None,
                    "text" if worded => gravest(inner, &path),
                    name => gravest(inner, &format!("{path}.{name}")),
                })
                .max()
        }
        leaf => Some(grade(path, &as_text(leaf))),
    }
}

fn as_text(leaf: &Json) -> String {
    leaf.as_str().map_or_else(|| leaf.to_text(), str::to_owned)
}

fn grade(path: &str, value: &str) -> Grade {
    if value == CONTACT_PROHIBITED {
        return Grade::Unsafe;
    }
    if class::is_harmless(path, value) {
        return Grade::Informational;
    }
    // A label says how the record is to be handled; the recipient no longer sees it.
    if path.contains(".meta.security") {
        return Grade::Notable;
    }
    class::grade_of(path)
}

/// An extension is named with its URL: `Patient.extension(https://…)`. A URL in which data could hide is left out.
pub(super) fn named(value: &Json, path: &str) -> String {
    let is_extension = path.rsplit('.').next().is_some_and(|step| matches!(step, "extension" | "modifierExtension"));
    let plain = |url: &&str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":/.-_".contains(&byte);
        let numbered = url.split(|c: char| !c.is_ascii_digit()).any(|run| run.len() >= 6);
        url.len() <= URL && url.starts_with("http") && url.bytes().all(allowed) && !numbered
    };
    match value.text("url").filter(|_| is_extension).filter(plain) {
        Some(url) => format!("{path}({url})"),
        None => path.to_owned(),
    }
}
