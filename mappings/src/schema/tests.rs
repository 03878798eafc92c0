//! Committed files are what the code makes; every example compiles; every form that can be shown is shown.

use super::examples::{EXAMPLES, Stands, UNDER};
use super::*;
use crate::diagnostic::render_all;
use crate::{Manifest, compile};
use std::collections::BTreeMap;
use std::path::Path;

/// Compares with the committed file, or with UPDATE=1 writes it.
fn same(path: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder is made");
        std::fs::write(&path, made).expect("the file is written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == made, "{} is not what the code makes; run UPDATE=1 cargo test -p mappings schema", path.display());
}

#[test]
fn the_schema_is_what_the_tables_say() {
    let mut text = serde_json::to_string_pretty(&json_schema()).expect("is JSON");
    text.push('\n');
    same("schema/mapping.schema.json", &text);
}

#[test]
fn the_reference_is_what_the_tables_say() {
    same("../docs/reference/mapping-language.md", &language_reference());
    same("../docs/reference/mapping-faults.md", &faults_reference());
}

fn over(yaml: &str, stands: Stands) -> String {
    let head = if yaml.contains("extends:") { "mapping: 1\n" } else { "mapping: 1\nextends: base.yaml\n" };
    if stands == Stands::Top {
        return format!("{head}{yaml}");
    }
    let inner: String = yaml.lines().map(|line| format!("            {line}\n")).collect();
    format!(
        "{head}exchanges:\n  submit:\n    - step: create\n      request:\n        body:\n          fields:\n{inner}"
    )
}

#[test]
fn every_example_compiles() {
    for example in EXAMPLES {
        let mut text = over(example.yaml, example.stands);
        if example.form == "accepted loss" {
            // Lists replace each other: what else the base accepts follows the example.
            let others = UNDER.lines().filter(|line| line.starts_with("  - { element") && !line.contains("t.priority"));
            others.for_each(|line| text.push_str(&format!("{line}\n")));
        }
        let files = BTreeMap::from([
            ("mapping.yaml".to_owned(), text.clone().into_bytes()),
            ("base.yaml".to_owned(), UNDER.as_bytes().to_vec()),
            ("concept-maps/gender.json".to_owned(), include_bytes!("../../tests/language/files/gender.json").to_vec()),
        ]);
        let statuses = ["New", "Accepted", "Declined"].map(str::to_owned).to_vec();
        let manifest = Manifest { steps: 3, statuses, ..Manifest::default() };
        if let Err(faults) = compile(&files, "mapping.yaml", &manifest) {
            panic!("{}\n{text}\n{}", example.title, render_all(&faults, &[]));
        }
    }
}

#[test]
fn keys_and_forms_say_what_they_do() {
    for form in FORMS {
        assert!(form.about.ends_with('.') && form.all_keys().count() > 0, "{}", form.name);
        for key in form.all_keys() {
            assert!(key.about.ends_with('.'), "{}.{}", form.name, key.name);
            for other in key.beside {
                assert!(form.all_keys().any(|key| key.name == *other), "{}.{} beside {other}", form.name, key.name);
            }
        }
        for one in form.exactly_one {
            assert!(form.all_keys().any(|key| key.name == *one), "{}: {one}", form.name);
        }
    }
    for example in EXAMPLES {
        assert!(FORMS.iter().any(|form| form.name == example.form), "{}", example.title);
    }
}
