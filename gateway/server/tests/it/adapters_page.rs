//! `docs/adapters.md` is made from what adapters say of themselves, their fixtures, and `[tested]` of their `conformance.toml`.
//! `UPDATE=1 cargo test --workspace --test it adapters_page` writes it anew.

use adapter_contract::{Capabilities, DataClass, Descriptor};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What `conformance.toml` says of the counterpart.
struct Tested {
    against: String,
    real: bool,
}

fn tested(folder: &Path) -> Tested {
    let text = std::fs::read_to_string(folder.join("conformance.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let tested = table.get("tested").and_then(toml::Value::as_table);
    let tested = tested.unwrap_or_else(|| panic!("{}: [tested] is missing", folder.display()));
    let words = |key: &str| tested.get(key).and_then(toml::Value::as_str).unwrap().to_owned();
    assert!(tested["tests"].as_array().is_some_and(|tests| !tests.is_empty()), "{}", folder.display());
    Tested { against: words("against"), real: tested["real"].as_bool().unwrap() }
}

/// What repeating a submission's requests means, by the fixtures: those that change something.
fn repeats(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for case in std::fs::read_dir(folder.join("fixtures")).unwrap().flatten() {
        if !case.file_name().to_str().unwrap().starts_with("submit") || !case.path().is_dir() {
            continue;
        }
        for file in std::fs::read_dir(case.path()).unwrap().flatten() {
            if !file.file_name().to_str().unwrap().ends_with("-request.json") {
                continue;
            }
            let request: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
            let repeat = request["request"]["repeat"].as_str().or(request["repeat"].as_str());
            found.extend(repeat.filter(|repeat| *repeat != "safe").map(str::to_owned));
        }
    }
    found
}

fn repetition(repeats: &BTreeSet<String>, can: Capabilities) -> &'static str {
    let has = |word: &str| repeats.contains(word);
    match (has("look-up-first"), has("keyed"), can.look_up) {
        (true, _, true) => "looked up before anything is sent again",
        (true, _, false) => "never sent again on a guess: a person decides",
        (false, true, _) => "recognised by our key",
        (false, false, _) => "harmless",
    }
}

fn back(can: Capabilities) -> &'static str {
    match (can.push, can.poll) {
        (true, true) => "it reports, and is polled",
        (true, false) => "it reports",
        (false, true) => "polled",
        (false, false) => "none",
    }
}

fn limits(descriptor: &Descriptor) -> String {
    let pace = descriptor.limits.pace;
    let mut words = Vec::new();
    words.extend(pace.requests_per_minute.map(|number| format!("{number} requests a minute")));
    words.extend(pace.at_once.map(|number| format!("{number} at once")));
    words.extend(pace.requests_per_day.map(|number| format!("{number} a day")));
    if descriptor.capabilities.poll {
        words.push(format!("a poll in {} s", descriptor.limits.poll_seconds));
    }
    if words.is_empty() { "none of its own".to_owned() } else { words.join(", ") }
}

fn cell(words: &str) -> String {
    words.replace('|', "\\|").replace('\n', " ")
}

fn page() -> String {
    let mut text = String::from(
        "# Adapters\n\n<!-- Made from the adapters, do not edit: UPDATE=1 cargo test --workspace --test it adapters_page -->\n\n\
         What each adapter of this build carries and loses, how statuses come back, and what it was tested against. Each implements a \
         published format; none was tested with a vendor's service, and no vendor endorses it. *Real* means that the tests run the software \
         itself; *simulator* that they run one written from the published documentation.\n\n\
         | Adapter | Status | Told of a withdrawal | Limits | A lost answer | Tested against |\n|---|---|---|---|---|---|\n",
    );
    let adapters: Vec<_> = vcse_gateway::adapters::all();
    for adapter in &adapters {
        let descriptor = adapter.descriptor();
        let folder = root().join("adapters").join(&descriptor.name);
        let (tested, can) = (tested(&folder), descriptor.capabilities);
        let _ = writeln!(
            text,
            "| [`{0}`](#{0}) | {1} | {2} | {3} | {4} | {5}: {6} |",
            descriptor.name,
            back(can),
            match (can.cancel, can.hold) {
                (true, true) => "yes; of a pause too",
                (true, false) => "yes",
                _ => "no: a person has to",
            },
            limits(descriptor),
            repetition(&repeats(&folder), can),
            if tested.real { "real" } else { "simulator" },
            cell(&tested.against),
        );
    }
    for adapter in &adapters {
        section(&mut text, adapter.descriptor());
    }
    text
}

fn section(text: &mut String, descriptor: &Descriptor) {
    let _ = writeln!(
        text,
        "\n## {0}\n\nVersion {1}. {2}. [Its page](../adapters/{0}/README.md).\n\n| Kind of data | Elements that it reads |\n|---|---|",
        descriptor.name,
        descriptor.version,
        descriptor.format.trim_end_matches('.')
    );
    let mut by_class: BTreeMap<DataClass, BTreeSet<&str>> = BTreeMap::new();
    for need in &descriptor.data_needs {
        by_class.entry(need.class).or_default().insert(&need.path);
    }
    for (class, paths) in by_class {
        let paths: Vec<_> = paths.into_iter().map(|path| format!("`{path}`")).collect();
        let _ = writeln!(text, "| {} | {} |", class.word(), paths.join(", "));
    }
    if !descriptor.accepted_losses.is_empty() {
        text.push_str("\n| Safety content that does not arrive | Why that is accepted |\n|---|---|\n");
        for loss in &descriptor.accepted_losses {
            let _ = writeln!(text, "| `{}` | {} |", loss.element, cell(&loss.because));
        }
    }
    if descriptor.statuses.is_empty() {
        text.push_str("\nIt has no status words.\n");
        return;
    }
    text.push_str("\n| Its word | `Task.status` | Business status |\n|---|---|---|\n");
    for row in &descriptor.statuses {
        let status = row.status.map_or("moves nothing", |status| status.code());
        let _ = writeln!(text, "| {} | {status} | `{}` |", cell(&row.platform), row.business_status);
    }
}

#[test]
fn the_page_of_adapters_is_what_they_say() {
    let (path, fresh) = (root().join("docs/adapters.md"), page());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == fresh, "docs/adapters.md is old: UPDATE=1 cargo test --workspace --test it adapters_page");
}
