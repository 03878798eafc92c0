//! A whole mapping, and what the compiler makes of it.

use crate::support::{FAMILIES, compiled, must_compile};
use mappings::Capabilities;
use mappings::diagnostic::render_all;

#[test]
fn a_whole_mapping_compiles() {
    let made = must_compile(compiled(FAMILIES, Capabilities { poll: true, ..Capabilities::default() }));
    assert!(made.warnings.is_empty(), "{}", render_all(&[], &made.warnings));
    for element in &made.program.read_set.elements {
        eprintln!("{} {:?} conveyed {} needed {}", element.path, element.class, element.conveyed, element.needed);
    }
}

#[test]
fn the_base_of_all_cases_has_no_fault() {
    let made = must_compile(compiled("mapping: 1\nextends: base.yaml\n", Capabilities::default()));
    assert!(made.warnings.is_empty(), "{}", render_all(&[], &made.warnings));
    assert!(made.program.read_set.elements.is_empty());
}
