//! The reference page of the subset says what the compiler does: it is made from the compiler's own tables, and each
//! row of them is tried. `UPDATE=1` writes it anew.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::fmt::Write as _;

use mappings::fhirpath::subset::{FORMS, FUNCTIONS, Function, Verdict};
use mappings::fhirpath::{Fault, MAX_DEPTH, MAX_LENGTH, MAX_STEPS, Scope, Type, compile};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/fhirpath-subset.md");

fn refusal(text: &str) -> Option<Vec<Fault>> {
    compile(text, &Scope::new().context(Type::fhir("Patient").unwrap())).err()
}

#[test]
fn the_page_is_made_from_the_tables() {
    let page = page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(std::path::Path::new(PAGE).parent().unwrap()).unwrap();
        std::fs::write(PAGE, &page).unwrap();
    }
    assert!(std::fs::read_to_string(PAGE).unwrap_or_default() == page, "{PAGE} is stale: run again with UPDATE=1");
}

#[test]
fn what_the_tables_say_is_in_compiles_and_what_is_out_is_refused_with_its_reason() {
    for function in FUNCTIONS {
        match function.verdict {
            Verdict::In { example, .. } => {
                assert!(example.contains(&format!("{}(", function.name)), "{example}");
                assert_eq!(refusal(example), None, "{example}");
            }
            Verdict::Out { reason, mend } => {
                let faults = refusal(&format!("name.{}()", function.name)).unwrap();
                assert!(faults[0].problem.contains(reason) && faults[0].mend.as_deref() == Some(mend), "{faults:?}");
            }
        }
    }
    for form in FORMS {
        assert_eq!(refusal(form.example).is_none(), form.inside, "{}", form.example);
    }
    let mut names: Vec<_> = FUNCTIONS.iter().map(|function| function.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FUNCTIONS.len(), "a function stands twice");
}

fn page() -> String {
    let mut page = String::from(
        "# The subset of FHIRPath\n\n\
         <!-- Made from the compiler's tables by `UPDATE=1 cargo test -p mappings --test fhirpath_subset`. -->\n\n\
         An expression of a mapping is FHIRPath N1 with the rules of R4. It either compiles and answers as the \
         specification says, or it is refused when the mapping is loaded, with place, fault and mend. This page says \
         which is which.\n\n",
    );
    writeln!(
        page,
        "An expression is at most {MAX_LENGTH} bytes long and {MAX_DEPTH} parts deep, and one evaluation takes at most \
         {MAX_STEPS} steps. There is no recursion.\n\n\
         A function or operator for one item refuses a part that may give several: choose with `first()` or \
         `where(…).first()`, or put texts together with `join()`.\n\n\
         ## Literals, names and operators\n\n| Written | In | |\n|---|---|---|",
    )
    .unwrap();
    for form in FORMS {
        writeln!(page, "| {} | {} | {} |", form.form, if form.inside { "yes" } else { "no" }, form.note).unwrap();
    }
    let mut groups: Vec<&str> = FUNCTIONS.iter().map(|function| function.group).collect();
    groups.dedup();
    for group in groups {
        let of_group = || FUNCTIONS.iter().filter(|function| function.group == group);
        write!(page, "\n## {group}\n\n| Function | In | |\n|---|---|---|\n").unwrap();
        of_group().filter_map(inside).for_each(|row| page.push_str(&row));
        of_group().filter_map(outside).for_each(|row| page.push_str(&row));
    }
    page
}

fn inside(function: &Function) -> Option<String> {
    let Verdict::In { form, note, .. } = function.verdict else { return None };
    Some(format!("| `{form}` | yes | {note} |\n"))
}

fn outside(function: &Function) -> Option<String> {
    let Verdict::Out { reason, mend } = function.verdict else { return None };
    Some(format!("| `{}()` | no | Because {reason}. Instead: {mend}. |\n", function.name))
}
