//! What the guides say is what the code has: the example of the README, issue codes, status words, configuration keys.

use std::fs;
use std::path::Path;

fn text(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The words that a Rust file puts between double quotes on lines that begin and end so.
fn quoted(path: &str, begins: &str) -> Vec<String> {
    let lines = text(path);
    let words = lines.lines().map(str::trim).filter(|line| line.starts_with(begins)).filter_map(|line| {
        let (_, rest) = line.split_once("=> \"")?;
        Some(rest.split_once('"')?.0.to_owned())
    });
    words.collect()
}

fn assert_documented(guide: &str, words: &[String]) {
    let guide_text = text(guide);
    assert!(!words.is_empty(), "{guide}: found nothing to look for");
    let missing: Vec<&String> = words.iter().filter(|word| !guide_text.contains(&format!("`{word}`"))).collect();
    assert!(missing.is_empty(), "{guide} does not explain {missing:?}");
}

#[test]
fn the_readme_shows_the_example_configuration() {
    assert!(text("README.md").contains(&text("docs/examples/gateway.toml")));
}

#[test]
fn each_issue_code_is_explained() {
    assert_documented("docs/errors.md", &quoted("gateway/fhir/src/issue.rs", "Self::"));
}

#[test]
fn each_business_status_of_an_adapter_is_explained() {
    let table = ["fhir-message", "fhir-task"].map(|name| text(&format!("adapters/{name}/adapter.toml"))).concat();
    let codes: Vec<String> = table
        .lines()
        .filter_map(|line| line.trim().strip_prefix("business-status = \"")?.strip_suffix('"').map(str::to_owned))
        .collect();
    assert_documented("docs/status.md", &codes);
}

#[test]
fn each_business_status_is_explained() {
    let table = text("adapters/contract/src/business_status.rs");
    let code = |line: &str| {
        let line = line.trim();
        let rest = line.strip_prefix("any(\"").or_else(|| line.strip_prefix("ours(\""))?;
        rest.split_once('"').map(|(code, _)| code.to_owned())
    };
    let codes: Vec<String> = table.lines().filter_map(code).collect();
    assert!(codes.len() > 30, "{codes:?}");
    assert_documented("docs/status.md", &codes);
}

#[test]
fn each_configuration_key_is_explained() {
    let sections = [
        "sections",
        "access/reached",
        "letters",
        "policy",
        "store",
        "follow_up",
        "duplicates",
        "poll",
        "subscriptions",
    ]
    .map(|name| text(&format!("gateway/server/src/config/{name}.rs")))
    .concat();
    let keys: Vec<String> = sections
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": "))
        // A parameter of a function or of a macro is no key.
        .filter(|(name, _)| !name.contains("fn ") && !name.starts_with('$'))
        .map(|(name, _)| name.replace('_', "-"))
        // What the configuration holds beside its keys: sections, and what was made of them.
        .filter(|name| {
            !matches!(
                name.as_str(),
                "server"
                    | "store"
                    | "client"
                    | "route"
                    | "policy"
                    | "retry"
                    | "limits"
                    | "retention"
                    | "duplicates"
                    | "follow-up"
                    | "decided"
                    | "policies"
                    | "registers"
            )
        })
        .collect();
    assert_documented("docs/configuration.md", &keys);
}
