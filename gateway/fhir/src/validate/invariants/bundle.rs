//! Invariants of Bundle: which members go with which type of bundle.

use super::{Check, Rule, has, places};
use crate::Json;
use std::collections::HashSet;

pub(super) const RULES: &[Rule] = &[
    Rule {
        under: "Bundle",
        id: "bdl-1",
        text: "total only when a search or history",
        check: Check::Holds(|bundle| !has(bundle, "total") || is_one_of(bundle, &["searchset", "history"])),
    },
    Rule {
        under: "Bundle",
        id: "bdl-2",
        text: "entry.search only when a search",
        check: Check::Places(|bundle| {
            places(bundle, "entry", |entry| has(entry, "search") && !is_one_of(bundle, &["searchset"]))
        }),
    },
    Rule {
        under: "Bundle",
        id: "bdl-3",
        text: "entry.request mandatory for batch/transaction/history, otherwise prohibited",
        check: Check::Places(|bundle| {
            let wanted = is_one_of(bundle, &["batch", "transaction", "history"]);
            places(bundle, "entry", |entry| has(entry, "request") != wanted)
        }),
    },
    Rule {
        under: "Bundle",
        id: "bdl-4",
        text: "entry.response mandatory for batch-response/transaction-response/history, otherwise prohibited",
        check: Check::Places(|bundle| {
            let wanted = is_one_of(bundle, &["batch-response", "transaction-response", "history"]);
            places(bundle, "entry", |entry| has(entry, "response") != wanted)
        }),
    },
    Rule {
        under: "Bundle.entry",
        id: "bdl-5",
        text: "must be a resource unless there's a request or response",
        check: Check::Holds(|entry| ["resource", "request", "response"].iter().any(|name| has(entry, name))),
    },
    Rule {
        under: "Bundle",
        id: "bdl-7",
        text: "fullUrl must be unique in a bundle, or else entries with the same fullUrl must have different meta.versionId",
        check: Check::Places(repeated_full_urls),
    },
    Rule {
        under: "Bundle.entry",
        id: "bdl-8",
        text: "fullUrl cannot be a version specific reference",
        check: Check::Holds(|entry| !entry.text("fullUrl").is_some_and(|url| url.contains("/_history/"))),
    },
    Rule {
        under: "Bundle",
        id: "bdl-9",
        text: "a document must have an identifier with a system and a value",
        check: Check::Holds(|bundle| {
            let holds = |identifier: &Json| has(identifier, "system") && has(identifier, "value");
            !is_one_of(bundle, &["document"]) || bundle.get("identifier").is_some_and(holds)
        }),
    },
    Rule {
        under: "Bundle",
        id: "bdl-10",
        text: "a document must have a date",
        check: Check::Holds(|bundle| !is_one_of(bundle, &["document"]) || bundle.text("timestamp").is_some()),
    },
    Rule {
        under: "Bundle",
        id: "bdl-11",
        text: "a document must have a Composition as the first resource",
        check: Check::Holds(|bundle| !is_one_of(bundle, &["document"]) || first_is(bundle, "Composition")),
    },
    Rule {
        under: "Bundle",
        id: "bdl-12",
        text: "a message must have a MessageHeader as the first resource",
        check: Check::Holds(|bundle| !is_one_of(bundle, &["message"]) || first_is(bundle, "MessageHeader")),
    },
];

fn is_one_of(bundle: &Json, types: &[&str]) -> bool {
    bundle.text("type").is_some_and(|found| types.contains(&found))
}

fn first_is(bundle: &Json, name: &str) -> bool {
    let first = bundle.items("entry").first().and_then(|entry| entry.get("resource"));
    first.and_then(|resource| resource.text("resourceType")) == Some(name)
}

fn repeated_full_urls(bundle: &Json) -> Vec<String> {
    if is_one_of(bundle, &["history"]) {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut repeated = Vec::new();
    for (index, entry) in bundle.items("entry").iter().enumerate() {
        let version = entry.get("resource").and_then(|resource| resource.get("meta")?.text("versionId"));
        if let Some(url) = entry.text("fullUrl")
            && !seen.insert((url, version))
        {
            repeated.push(format!("entry[{index}]"));
        }
    }
    repeated
}
