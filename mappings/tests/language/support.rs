//! Shared by the tests: manifests, files, cases that are laid over a base.

use mappings::diagnostic::{Diagnostic, render_all};
use mappings::{Capabilities, Compiled, Manifest, compile};
use std::collections::BTreeMap;

pub(crate) const BASE: &str = include_str!("files/base.yaml");
pub(crate) const FAMILIES: &str = include_str!("files/families.yaml");
pub(crate) const GENDER: &str = include_str!("files/gender.json");

pub(crate) type Folder = BTreeMap<String, Vec<u8>>;

pub(crate) fn manifest(capabilities: Capabilities) -> Manifest {
    let statuses = ["New", "Opened", "Accepted", "Declined"].map(str::to_owned).to_vec();
    Manifest { capabilities, statuses, steps: 5 }
}

pub(crate) fn folder(files: &[(&str, &str)]) -> Folder {
    let shared = [("base.yaml", BASE), ("concept-maps/gender.json", GENDER)];
    shared.iter().chain(files).map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
}

pub(crate) fn compiled(mapping: &str, capabilities: Capabilities) -> Result<Compiled, Vec<Diagnostic>> {
    compile(&folder(&[("mapping.yaml", mapping)]), "mapping.yaml", &manifest(capabilities))
}

/// Faults of a mapping over the base, and its text.
pub(crate) fn faults_over_base(part: &str, capabilities: Capabilities) -> (Vec<Diagnostic>, String) {
    let text = format!("mapping: 1\nextends: base.yaml\n{part}");
    (compiled(&text, capabilities).err().unwrap_or_default(), text)
}

/// A part of a mapping whose fields stand in the body of the base's request.
pub(crate) fn in_body(fields: &str) -> String {
    let mut text =
        "exchanges:\n  submit:\n    - step: create\n      request:\n        body:\n          fields:\n".to_owned();
    for line in fields.trim_matches('\n').lines() {
        text.push_str("            ");
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Fails with all that is wrong.
pub(crate) fn must_compile(made: Result<Compiled, Vec<Diagnostic>>) -> Compiled {
    made.unwrap_or_else(|faults| panic!("{}", render_all(&faults, &[])))
}
