//! Faults in numbers, and mappings that mean harm.

use crate::support::{BASE, Folder, compiled, faults_over_base, folder, in_body, manifest, must_compile};
use mappings::diagnostic::{Diagnostic, render, render_all};
use mappings::{Capabilities, compile};
use proptest::prelude::*;

fn none() -> Capabilities {
    Capabilities::default()
}

fn ids(faults: &[Diagnostic]) -> Vec<&str> {
    faults.iter().map(|fault| fault.code.id()).collect()
}

fn in_folder(folder: &Folder) -> Vec<Diagnostic> {
    compile(folder, "mapping.yaml", &manifest(none())).err().unwrap_or_default()
}

#[test]
fn a_mapping_with_twenty_faults_reports_twenty() {
    let kinds = [
        "{ from: \"%patient.birthdate\", class: identity }",
        "{ from: \"%patient.name.family\", class: identity }",
        "{ from: \"%patient.id\" }",
        "{ constant: x, class: clinical }",
        "{ from: \"%serviceRequest.patientInstruction\", max-length: 4, class: need }",
    ];
    let fields: String = (0..20).map(|n| format!("F{n}: {}\n", kinds[n % kinds.len()])).collect();
    let (faults, _) = faults_over_base(&in_body(&fields), none());
    assert_eq!(faults.len(), 20, "{}", render_all(&faults, &[]));
    let lines: std::collections::BTreeSet<u32> = faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines.len(), 20, "each on its own line");
    let text = render_all(&faults, &[]);
    assert!(text.ends_with("20 faults, 0 warnings\n") && text.contains("--> mapping.yaml:9:"), "{text}");
}

#[test]
fn faults_point_into_quoted_folded_and_literal_text() {
    let cases = [
        ("A: { from: \"%patient.nam\", class: identity }", "%patient.".len() + 1 + "A: { from: ".len()),
        (
            "A: { from: '%patient.extension(''u'').valu', class: clinical }",
            "A: { from: '%patient.extension(''u'').".len(),
        ),
        ("A: { from: \"\\u0025patient.nam\", class: identity }", "A: { from: \"\\u0025patient.".len()),
        ("A: { from: $this.nam, class: identity }", "A: { from: ".len()),
    ];
    for (field, column) in cases {
        let (faults, _) = faults_over_base(&in_body(field), none());
        let found: Vec<(u32, u32)> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
        assert_eq!(found, [(9, u32::try_from(column + 13).unwrap())], "{field}\n{}", render_all(&faults, &[]));
    }
    let block = "A:\n  class: identity\n  from: |-\n    %patient.name\n      .familie";
    let (faults, _) = faults_over_base(&in_body(block), none());
    assert_eq!(faults.iter().map(|fault| (fault.line, fault.column)).collect::<Vec<_>>(), [(13, 20)]);
    let folded = "A:\n  class: identity\n  from: >-\n    %patient.name\n    .familie";
    let (faults, _) = faults_over_base(&in_body(folded), none());
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [12], "coarse, but not wrong");
}

#[test]
fn a_diagnostic_is_drawn_as_rustc_draws_it_and_given_as_json() {
    let (faults, _) = faults_over_base(&in_body("Größe: { from: \"%patient.nam\", class: identity }"), none());
    let drawn = "\
error[M030]: Patient has no element nam.
 --> mapping.yaml:9:38
  |
9 |             Größe: { from: \"%patient.nam\", class: identity }
  |                                      ^^^
  |
  = help: Did you mean `name`?";
    assert_eq!(render(&faults[0]), drawn);
    let json = serde_json::to_value(&faults[0]).expect("serialises");
    assert_eq!(
        (json["code"].as_str(), json["line"].as_u64(), json["column"].as_u64()),
        (Some("M030"), Some(9), Some(38))
    );
    assert_eq!(json["source-line"], "            Größe: { from: \"%patient.nam\", class: identity }");
}

#[test]
fn of_a_long_line_the_part_around_the_place_is_drawn() {
    let long = "é".repeat(1_000);
    let field = format!("A: {{ label: {long}, from: \"%patient.nam\", class: identity, transform: [ {long} ] }}");
    let (faults, _) = faults_over_base(&in_body(&field), none());
    let path = faults.iter().find(|fault| fault.code.id() == "M030").expect("the path is wrong");
    assert!(path.column > 1_000 && path.source_column > 900 && path.source_line.chars().count() == 160);
    let shown: String = path.source_line.chars().skip((path.column - path.source_column) as usize).take(3).collect();
    assert_eq!(shown, "nam");
    let drawn = render(path);
    assert!(drawn.contains(&format!("--> mapping.yaml:9:{}", path.column)) && drawn.contains("^^^"), "{drawn}");
}

#[test]
fn files_that_extend_each_other_end() {
    let chain = |names: &[&str]| {
        let mut folder = folder(&[]);
        for pair in names.windows(2) {
            folder.insert(pair[0].to_owned(), format!("extends: {}\n", pair[1]).into_bytes());
        }
        folder
    };
    let circle = chain(&["mapping.yaml", "a.yaml", "b.yaml", "a.yaml"]);
    let faults = in_folder(&circle);
    assert_eq!(ids(&faults), ["M007"]);
    assert!(faults[0].fault.contains("mapping.yaml -> a.yaml -> b.yaml -> a.yaml") && faults[0].file == "b.yaml");
    let deep = chain(&["mapping.yaml", "a.yaml", "b.yaml", "c.yaml", "d.yaml", "e.yaml", "f.yaml"]);
    assert_eq!(ids(&in_folder(&deep)), ["M007"]);
    let well = chain(&["mapping.yaml", "a.yaml", "b.yaml", "c.yaml", "base.yaml"]);
    assert_eq!(ids(&in_folder(&well)), [] as [&str; 0]);
}

#[test]
fn what_is_laid_over_replaces_merges_and_removes() {
    let over = "mapping: 1\nextends: middle.yaml\nname: over\n";
    let middle = format!(
        "mapping: 1\nextends: base.yaml\n{}",
        in_body(
            "Key: { remove: true }\nId: { from: \"%patient.id\", class: administrative, max-length: 64, overflow: refuse }"
        )
    );
    let over =
        format!("{over}{}", in_body("Id: { max-length: 9 }\nBorn: { from: \"%patient.birthDate\", class: identity }"));
    let files = folder(&[("mapping.yaml", &over), ("middle.yaml", &middle)]);
    let made = must_compile(compile(&files, "mapping.yaml", &manifest(none())));
    assert_eq!(made.program.name, "over");
    let rules: Vec<&str> = made.program.rules.iter().map(|rule| rule.target.as_str()).collect();
    assert_eq!(rules, ["submit.create.body.Id", "submit.create.body.Born", "submit.create.outcomes[0]"]);
    let id = &made.program.rules[0];
    assert_eq!(made.program.files[usize::from(id.place.file)], "middle.yaml", "a rule stands where it was written");
    let text = format!("{:?}", made.program.exchanges);
    assert!(text.contains("most: 9") && !text.contains("most: 64"));
}

#[test]
fn fragments_that_multiply_are_stopped() {
    let mut text = "fragments:\n  f0: { fields: { A: { constant: a, class: administrative } } }\n".to_owned();
    for n in 1..16 {
        text.push_str(&format!("  f{n}: {{ fields: {{"));
        for m in 0..8 {
            text.push_str(&format!(" X{m}: {{ use: f{} }},", n - 1));
        }
        text.push_str(" } }\n");
    }
    text.push_str(&in_body("Bomb: { use: f15 }"));
    let (faults, _) = faults_over_base(&text, none());
    assert_eq!(ids(&faults), ["M005"], "{}", render_all(&faults, &[]));
}

#[test]
fn shapes_and_variables_that_multiply_are_stopped() {
    let mut shapes = "shapes:\n  S0: { a: string }\n".to_owned();
    for n in 1..31 {
        shapes.push_str(&format!("  S{n}: {{ a: S{m}, b: S{m} }}\n", m = n - 1));
    }
    shapes.push_str("exchanges: { submit: [ { step: create, answer: { shape: S30 } } ] }\n");
    let (faults, _) = faults_over_base(&shapes, none());
    assert_eq!(ids(&faults), ["M005", "M005"], "{}", render_all(&faults, &[]));
    let mut chain = "shapes:\n".to_owned();
    for n in 0..20_000 {
        chain.push_str(&format!("  S{n}: {{ a: S{} }}\n", n + 1));
    }
    let (faults, _) = faults_over_base(&chain, none());
    assert!(ids(&faults).contains(&"M021") && faults.len() <= 500);
    let variables: String = (0..20_000).map(|n| format!("  v{n}: \"%patient.id\"\n")).collect();
    let (faults, _) = faults_over_base(&format!("variables:\n{variables}"), none());
    assert!(ids(&faults).contains(&"M005"));
}

#[test]
fn large_files_end_with_a_fault_or_a_program() {
    let large = format!("{BASE}# {}\n", "x".repeat(1 << 20));
    let faults = in_folder(&folder(&[("mapping.yaml", &large)]));
    assert_eq!(ids(&faults), ["M005"]);
    let line = format!("mapping: 1\nname: {}\n", "x".repeat(20_000));
    assert_eq!(ids(&in_folder(&folder(&[("mapping.yaml", &line)]))), ["M005"]);
    for unit in
        ["a: {", "- ", "? ", "[", "{", "'", "\"", "a: &a\n", "!t ", "|\n", "%a ", "a: b\n", "#! ", "%YAML 1.2\n---\n"]
    {
        let mut text = unit.repeat((1 << 20) / unit.len());
        assert!(!in_folder(&folder(&[("mapping.yaml", &text)])).is_empty(), "{unit}");
        text = text.chars().map(|c| if c == ' ' { '\n' } else { c }).collect();
        assert!(!in_folder(&folder(&[("mapping.yaml", &text)])).is_empty(), "{unit}");
    }
    let keys: String = (0..60_000).map(|n| format!("k{n}: {n}\n")).collect();
    assert_eq!(in_folder(&folder(&[("mapping.yaml", &keys)])).len(), 500, "no more are listed");
    let fields: String =
        (0..8_000).map(|n| format!("F{n}: {{ from: \"%patient.id\", class: administrative }}\n")).collect();
    must_compile(compiled(&format!("mapping: 1\nextends: base.yaml\n{}", in_body(&fields)), none()));
}

#[test]
fn a_map_of_a_hundred_thousand_rows_is_loaded_and_checked() {
    let rows: Vec<String> = (0..100_000)
        .map(|n| format!(r#"{{"code":"s{n}","target":[{{"equivalence":"equivalent","code":"t{n}"}}]}}"#))
        .collect();
    let map = |system: &str| {
        format!(
            r#"{{"resourceType":"ConceptMap","status":"active","group":[{{"source":"{system}","target":"b","element":[{}]}}]}}"#,
            rows.join(",")
        )
    };
    let mapping = format!(
        "mapping: 1\nextends: base.yaml\nconcept-maps: {{ big: big.json }}\n{}",
        in_body("A: { from: \"%serviceRequest.code\", map: big, unmapped: omit, class: need }")
    );
    let snomed = map("http://snomed.info/sct");
    let files = folder(&[("mapping.yaml", &mapping), ("big.json", &snomed)]);
    must_compile(compile(&files, "mapping.yaml", &manifest(none())));
    let gender = map("http://hl7.org/fhir/administrative-gender");
    let mapping =
        mapping.replace("%serviceRequest.code", "%patient.gender").replace("class: need", "class: demographic");
    let files = folder(&[("mapping.yaml", &mapping), ("big.json", &gender)]);
    let faults = in_folder(&files);
    assert_eq!(ids(&faults), ["M061"]);
    assert!(faults[0].fault.len() < 200 && faults[0].fault.contains("s0, s1, s10"), "{}", faults[0].fault);
}

#[test]
fn text_that_does_not_show_is_drawn_so_that_it_shows() {
    let (faults, _) = faults_over_base("name: \"a\u{202e}b\u{200b}\"\n", none());
    assert_eq!(ids(&faults), ["M004", "M004"]);
    let drawn = render_all(&faults, &[]);
    assert!(!drawn.contains('\u{202e}') && !drawn.contains('\u{200b}') && drawn.contains("U+202E"), "{drawn}");
    let bytes = Folder::from([("mapping.yaml".to_owned(), b"mapping: 1\nname: \xff\n".to_vec())]);
    let faults = in_folder(&bytes);
    assert_eq!((ids(&faults), faults[0].line), (vec!["M004"], 2));
    assert_eq!(ids(&in_folder(&Folder::new())), ["M006"]);
    assert_eq!(ids(&in_folder(&Folder::from([("mapping.yaml".to_owned(), Vec::new())]))), ["M001"]);
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let seeds = prop_oneof![Just(BASE), Just(crate::support::FAMILIES)];
    let cuts = prop::collection::vec(
        (any::<prop::sample::Index>(), 0usize..12, "[ -~\\n\u{202e}é'\"{}\\[\\]:%&*!|>-]{0,6}"),
        1..6,
    );
    (seeds, cuts).prop_map(|(seed, cuts)| {
        let mut text: Vec<char> = seed.chars().collect();
        for (at, length, with) in cuts {
            let start = at.index(text.len() + 1);
            let end = (start + length).min(text.len());
            text.splice(start..end, with.chars());
        }
        text.into_iter().collect::<String>().into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_file_brings_the_compiler_down_and_every_fault_has_a_place(bytes in mutated()) {
        let mut files = folder(&[]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        files.insert("mapping.yaml".to_owned(), bytes);
        if let Err(faults) = compile(&files, "mapping.yaml", &manifest(Capabilities { poll: true, ..none() })) {
            prop_assert!(!faults.is_empty());
            for fault in &faults {
                let line = text.lines().nth(fault.line as usize - 1).unwrap_or_default();
                prop_assert!(fault.file != "mapping.yaml" || fault.column as usize <= line.chars().count() + 1, "{fault:?}");
                prop_assert!(render(fault).contains(fault.code.id()));
            }
        }
    }

    #[test]
    fn no_bytes_bring_the_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let files = Folder::from([("mapping.yaml".to_owned(), bytes)]);
        let made = compile(&files, "mapping.yaml", &manifest(none()));
        prop_assert!(made.is_err_and(|faults| !faults.is_empty()));
    }
}
