//! The layout of the workspace, held by a test: which crate may see which, and what no file may hold.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which crates of ours each crate may depend on, in tests as well. A crate that is not named may not exist.
const MAY_SEE: &[(&str, &[&str])] = &[
    ("gateway-fhir-elements", &[]),
    ("gateway-fhir-typed", &[]),
    ("gateway-fhir", &["gateway-fhir-elements", "gateway-fhir-typed"]),
    ("gateway-codes", &[]),
    ("gateway-documents", &["gateway-codes"]),
    ("mappings", &["adapter-contract", "gateway-fhir-elements"]),
    ("adapter-contract", &[]),
    ("gateway-core", &["gateway-codes", "gateway-fhir", "mappings", "adapter-contract"]),
    ("adapter-declarative", &["adapter-contract", "mappings"]),
    ("adapter-fhir", &["adapter-contract"]),
    ("adapter-testing", &["adapter-contract"]),
    ("adapter-fhir-message", &["adapter-contract", "adapter-fhir", "adapter-testing", "mappings"]),
    ("adapter-fhir-task", &["adapter-contract", "adapter-fhir", "adapter-testing", "mappings"]),
    // What goes out is a mapping; what comes in is code.
    ("adapter-batch-csv", &["adapter-contract", "adapter-declarative", "adapter-testing"]),
    ("adapter-mail-link", &["adapter-contract", "adapter-fhir"]),
    ("conformance-tests", &[]),
    (
        "vcse-gateway",
        &[
            "gateway-fhir",
            "gateway-fhir-elements",
            "gateway-documents",
            "gateway-core",
            "mappings",
            "adapter-contract",
            "adapter-declarative",
            "adapter-fhir-message",
            "adapter-fhir-task",
            "adapter-batch-csv",
            "adapter-mail-link",
            "conformance-tests",
        ],
    ),
    ("fault-campaigns", &["vcse-gateway", "gateway-core", "adapter-contract", "conformance-tests"]),
    (
        "gateway-simulation",
        &["vcse-gateway", "gateway-core", "adapter-contract", "conformance-tests", "fault-campaigns"],
    ),
    ("gateway-benchmarks", &["vcse-gateway", "gateway-core", "conformance-tests"]),
    ("xtask", &[]),
];

/// Libraries that only these crates may name.
const CONFINED: &[(&str, &[&str])] = &[
    // The baselines of the benches are made of what the gateway is made of.
    ("reqwest", &["vcse-gateway", "conformance-tests", "gateway-benchmarks"]),
    ("axum", &["vcse-gateway", "conformance-tests", "gateway-simulation", "gateway-benchmarks"]),
    ("tokio", &["vcse-gateway", "conformance-tests", "fault-campaigns", "gateway-simulation", "gateway-benchmarks"]),
    ("rand", &["vcse-gateway", "conformance-tests", "fault-campaigns", "gateway-simulation"]),
    ("rusqlite", &["vcse-gateway", "gateway-benchmarks"]),
    ("sqlx", &["vcse-gateway"]),
    ("fhir-sdk", &["gateway-fhir-typed"]),
];

/// As [`CONFINED`], for tests alone.
const CONFINED_IN_TESTS: &[(&str, &[&str])] = &[("fhir-sdk", &["gateway-fhir"]), ("rand", &["gateway-core"])];

/// Most lines of a file.
const LONGEST: usize = 600;

/// Files that are longer, each with the reason.
const LONGER: &[(&str, &str)] = &[];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_path_buf()
}

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec().expect("cargo metadata works")
}

fn row<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(row, _)| *row == name).map(|(_, allowed)| *allowed)
}

/// Every Rust file of ours with its path from the root.
fn files() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("the folder is listed") {
            let path = entry.expect("the entry is read").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, found);
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found.sort();
    let name = |path: &Path| path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
    found.iter().map(|path| (name(path), fs::read_to_string(path).expect("the file is text"))).collect()
}

#[test]
fn dependencies_point_one_way() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(allowed) = row(MAY_SEE, &package.name) else {
            wrong.push(format!("{} is in no row of MAY_SEE", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            if ours.contains(dependency.name.as_str()) && !allowed.contains(&dependency.name.as_str()) {
                wrong.push(format!("{} must not depend on {}", package.name, dependency.name));
            }
        }
    }
    for (name, allowed) in MAY_SEE {
        for named in std::iter::once(name).chain(*allowed) {
            if !ours.contains(named) {
                wrong.push(format!("MAY_SEE names {named}, which is no crate of ours"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What fails by a panic is nothing for the product.
#[test]
fn what_tests_share_is_for_tests_alone() {
    for package in metadata().workspace_packages() {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.name == "adapter-testing") {
            assert_eq!(dependency.kind, DependencyKind::Development, "{}", package.name);
        }
    }
}

#[test]
fn libraries_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for package in metadata().workspace_packages() {
        for dependency in &package.dependencies {
            let Some(homes) = row(CONFINED, &dependency.name) else { continue };
            let in_tests = dependency.kind == DependencyKind::Development
                && row(CONFINED_IN_TESTS, &dependency.name).is_some_and(|homes| homes.contains(&package.name.as_str()));
            if !homes.contains(&package.name.as_str()) && !in_tests {
                wrong.push(format!("{} must not name {}", package.name, dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// fhir-sdk then drops quantities without a word.
#[test]
fn arbitrary_precision_is_nowhere() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("the graph is resolved");
    let wrong: Vec<&str> = resolve
        .nodes
        .iter()
        .filter(|node| node.features.iter().any(|feature| feature.contains("arbitrary_precision")))
        .map(|node| node.id.repr.as_str())
        .collect();
    assert!(wrong.is_empty(), "these have the feature on: {wrong:?}");
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let forbids = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest is read");
    assert!(forbids.contains("unsafe_code = \"forbid\""));
    for package in metadata().workspace_packages() {
        let manifest = fs::read_to_string(&package.manifest_path).expect("the manifest is read");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", package.name);
    }
}

#[test]
fn one_list_names_the_adapters() {
    let metadata = metadata();
    // The contract is what adapters are made against, the declarative one is made of folders, the FHIR one is what two
    // adapters share, and the testing one what their tests share: none is a platform.
    let no_platform = ["adapter-contract", "adapter-declarative", "adapter-fhir", "adapter-testing"];
    let is_adapter =
        |package: &&&Package| package.name.starts_with("adapter-") && !no_platform.contains(&package.name.as_str());
    let adapters: Vec<(String, String)> = metadata
        .workspace_packages()
        .iter()
        .filter(is_adapter)
        .map(|package| {
            let home = package.manifest_path.parent().expect("a manifest has a folder");
            let home = home.strip_prefix(root()).expect("below the root").to_string();
            (package.name.replace('-', "_"), home)
        })
        .collect();
    assert!(!adapters.is_empty());
    for (name, text) in files() {
        for (adapter, home) in &adapters {
            let free = name.starts_with(home.as_str()) || name == "gateway/server/src/adapters.rs";
            assert!(free || !text.contains(adapter.as_str()), "{name} names {adapter}");
        }
    }
}

#[test]
fn long_files_have_a_reason() {
    let files = files();
    let too_long: Vec<(&str, usize)> =
        files.iter().map(|(name, text)| (name.as_str(), text.lines().count())).filter(|(_, n)| *n > LONGEST).collect();
    for (name, lines) in &too_long {
        assert!(LONGER.iter().any(|(row, _)| row == name), "{name} has {lines} lines and no reason in LONGER");
    }
    for (name, reason) in LONGER {
        assert!(too_long.iter().any(|(long, _)| long == name), "{name} is not long any more: take it out of LONGER");
        assert!(reason.ends_with('.'), "{name}: a reason is a sentence");
    }
}

#[test]
fn files_begin_with_what_they_are() {
    // Put together here so that this file does not hold the words.
    let unfinished: Vec<String> = ["FIX-ME", "X-XX", "HA-CK"].iter().map(|word| word.replace('-', "")).collect();
    for (name, text) in files() {
        assert!(text.starts_with("//!"), "{name} does not begin with //!");
        assert!(!name.ends_with("/mod.rs"), "{name}: write a/b.rs, not a/b/mod.rs");
        let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        for word in &unfinished {
            assert!(!words.contains(word.as_str()), "{name} holds {word}: finish it, or file an issue");
        }
    }
}
