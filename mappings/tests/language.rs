//! The mapping language from outside: what compiles, and what is said of what does not.

use mappings::diagnostic::{Diagnostic, render_all};
use mappings::{Capabilities, Compiled, Manifest, compile};
use std::collections::BTreeMap;

fn manifest() -> Manifest {
    Manifest {
        capabilities: Capabilities { poll: true, ..Capabilities::default() },
        statuses: ["New", "Opened", "Accepted", "Declined"].map(str::to_owned).to_vec(),
        steps: 5,
    }
}

fn files(mapping: &str) -> BTreeMap<String, Vec<u8>> {
    let gender = include_bytes!("mappings/gender.json").to_vec();
    BTreeMap::from([
        ("mapping.yaml".to_owned(), mapping.as_bytes().to_vec()),
        ("concept-maps/gender.json".to_owned(), gender),
    ])
}

fn compiled(mapping: &str) -> Result<Compiled, Vec<Diagnostic>> {
    compile(&files(mapping), "mapping.yaml", &manifest())
}

#[test]
fn a_whole_mapping_compiles() {
    let made = compiled(include_str!("mappings/families.yaml"))
        .unwrap_or_else(|faults| panic!("{}", render_all(&faults, &[])));
    assert!(made.warnings.is_empty(), "{}", render_all(&[], &made.warnings));
    for element in &made.program.read_set.elements {
        eprintln!("{} {:?} conveyed {} needed {}", element.path, element.class, element.conveyed, element.needed);
    }
}
