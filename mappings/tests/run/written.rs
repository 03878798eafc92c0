//! Mappings as they are written, compiled and run.

use mappings::diagnostic::render_all;
use mappings::program::Program;
use mappings::{Capabilities, Manifest, compile};
use std::collections::BTreeMap;

/// The program of a mapping's text; `gender.json` is at hand.
pub(crate) fn program(mapping: &str) -> Program {
    let files = BTreeMap::from([
        ("mapping.yaml".to_owned(), mapping.as_bytes().to_vec()),
        ("concept-maps/gender.json".to_owned(), include_bytes!("mappings/gender.json").to_vec()),
    ]);
    let manifest = Manifest {
        capabilities: Capabilities {
            poll: mapping.contains("poll:"),
            push: mapping.contains("report:"),
            ..Default::default()
        },
        statuses: ["New", "Opened", "Accepted", "Declined"].map(str::to_owned).to_vec(),
        steps: 5,
    };
    match compile(&files, "mapping.yaml", &manifest) {
        Ok(compiled) => compiled.program,
        Err(faults) => panic!("{}", render_all(&faults, &[])),
    }
}
