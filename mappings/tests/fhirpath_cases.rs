//! The official cases for R4 (`tests-fhir-r4.xml` of the HL7 test cases), each of which must pass or be refused when it
//! is compiled. The file is part of the package `rh-fhirpath`; another copy can be named by `FHIRPATH_TESTS`.
//!
//! The outcome of each case is kept in `fhirpath-cases.tsv`, by name and without the official text. `UPDATE=1` writes
//! it anew.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]
#![allow(clippy::print_stderr, reason = "a skip, and what was found, are said aloud")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use mappings::document::Document;
use mappings::fhirpath::{Environment, Item, NoTrace, Node, NodeType, Scope, Type, compile};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fhirpath-cases.tsv");
const FEWEST: usize = 900;

#[derive(Debug, Default, Clone)]
struct Case {
    group: String,
    name: String,
    input: Option<String>,
    expression: String,
    /// `syntax`, `semantic` or `execution`: the case demands an error.
    invalid: Option<String>,
    outputs: Vec<(Option<String>, String)>,
    predicate: bool,
    unordered: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// Refused, or failed when run, as the case demands.
    Demanded,
    Refused(String),
    NoInput,
    Wrong(String),
}

impl Outcome {
    fn cells(&self) -> (&'static str, &str) {
        match self {
            Self::Passed => ("passed", ""),
            Self::Demanded => ("error demanded", ""),
            Self::Refused(reason) => ("refused", reason),
            Self::NoInput => ("no input", "the package does not carry the input file"),
            Self::Wrong(found) => ("wrong", found),
        }
    }
}

#[test]
fn each_official_case_passes_or_is_refused() {
    let Some(file) = cases_file() else {
        eprintln!("SKIPPED: no official FHIRPath cases: rh-fhirpath is not in the graph and FHIRPATH_TESTS is not set");
        return;
    };
    let cases = read(&std::fs::read_to_string(&file).unwrap());
    assert!(cases.len() >= FEWEST, "{} holds {} cases only", file.display(), cases.len());
    let inputs = file.parent().unwrap().join("input");
    let outcomes: Vec<_> = cases.iter().map(|case| (case, run(case, &inputs))).collect();

    eprintln!("{}", summary(&outcomes));
    let wrong: Vec<_> = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Wrong(_))).collect();
    assert!(wrong.is_empty(), "compiled and answered wrongly: {wrong:#?}");
    let table = table(&outcomes);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(TABLE, &table).unwrap();
    }
    assert!(
        std::fs::read_to_string(TABLE).unwrap_or_default() == table,
        "the outcomes are not those of {TABLE}: run again with UPDATE=1 and review the difference"
    );
}

fn cases_file() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("FHIRPATH_TESTS") {
        let path = PathBuf::from(path);
        return Some(if path.is_dir() { path.join("tests-fhir-r4.xml") } else { path });
    }
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = cargo_metadata::MetadataCommand::new().manifest_path(manifest).exec().ok()?;
    let package = metadata.packages.iter().find(|package| package.name.as_str() == "rh-fhirpath")?;
    let folder = package.manifest_path.parent()?.join("tests/fixtures/hl7_fhirpath_tests/tests-fhir-r4.xml");
    folder.exists().then(|| folder.into_std_path_buf())
}

fn read(text: &str) -> Vec<Case> {
    let mut reader = Reader::from_str(text);
    let (mut cases, mut group, mut case, mut chars) = (Vec::new(), String::new(), Case::default(), String::new());
    loop {
        match reader.read_event().expect("the official file is XML") {
            Event::Start(tag) => {
                chars.clear();
                match tag.name().as_ref() {
                    "group" => group = attribute(&tag, "name").unwrap_or_default(),
                    "test" => {
                        case = Case {
                            group: group.clone(),
                            name: attribute(&tag, "name").unwrap_or_default(),
                            input: attribute(&tag, "inputfile"),
                            predicate: attribute(&tag, "predicate").as_deref() == Some("true"),
                            unordered: attribute(&tag, "ordered").as_deref() == Some("false"),
                            ..Case::default()
                        }
                    }
                    "expression" => case.invalid = attribute(&tag, "invalid"),
                    "output" => case.outputs.push((attribute(&tag, "type"), String::new())),
                    _ => {}
                }
            }
            Event::Empty(tag) if tag.name().as_ref() == "output" => {
                case.outputs.push((attribute(&tag, "type"), String::new()));
            }
            Event::Text(part) => chars.push_str(&part),
            Event::GeneralRef(entity) => match entity.resolve_char_ref().unwrap() {
                Some(character) => chars.push(character),
                None => chars.push_str(quick_xml::escape::resolve_predefined_entity(&entity).unwrap()),
            },
            Event::End(tag) => match tag.name().as_ref() {
                "expression" => case.expression.clone_from(&chars),
                "output" => case.outputs.last_mut().unwrap().1.clone_from(&chars),
                "test" => cases.push(std::mem::take(&mut case)),
                _ => {}
            },
            Event::Eof => return cases,
            _ => {}
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).ok()??;
    Some(attribute.value.into_owned())
}

fn run(case: &Case, inputs: &Path) -> Outcome {
    let text = match &case.input {
        None => None,
        Some(file) => match std::fs::read_to_string(inputs.join(file.replace(".xml", ".json"))) {
            Ok(text) => Some(text),
            Err(_) => return Outcome::NoInput,
        },
    };
    let document = text.as_deref().map(|text| Document::parse(text).unwrap());
    let resource = document.as_ref().map(|document| {
        let id = document.get(document.root(), "resourceType").unwrap();
        Type::fhir(&document.string(id).unwrap()).unwrap()
    });
    let scope = resource.clone().into_iter().fold(Scope::new(), Scope::context);
    let expression = match compile(&case.expression, &scope) {
        Ok(expression) => expression,
        Err(_) if case.invalid.is_some() => return Outcome::Demanded,
        Err(faults) => return Outcome::Refused(faults[0].problem.clone()),
    };
    let focus = document.as_ref().zip(resource).map(|(document, ty)| {
        let Type::Fhir(ty) = ty else { panic!("a resource") };
        Item::Node(Node::new(document, document.root(), NodeType::Fhir(ty.name())))
    });
    let mut found = Vec::new();
    let outcome = expression.evaluate(&Environment::default(), focus, &mut NoTrace, &mut |item| {
        found.push(show(&item));
        ControlFlow::Continue(())
    });
    match (outcome, &case.invalid) {
        (Err(_), Some(_)) => Outcome::Demanded,
        (Err(fault), None) => Outcome::Wrong(fault.to_string()),
        (Ok(()), Some(_)) => Outcome::Wrong(format!("answered {found:?}, and an error is demanded")),
        (Ok(()), None) => judge(case, found),
    }
}

fn judge(case: &Case, mut found: Vec<(String, String)>) -> Outcome {
    if case.predicate {
        found = vec![("boolean".to_owned(), (!found.is_empty()).to_string())];
    }
    let mut wanted: Vec<_> = case.outputs.clone();
    if case.unordered {
        found.sort_by(|left, right| left.1.cmp(&right.1));
        wanted.sort_by(|left, right| left.1.cmp(&right.1));
    }
    let fits = |((ty, value), (wanted, text)): ((&String, &String), &(Option<String>, String))| {
        wanted.as_ref().is_none_or(|wanted| wanted == ty) && value == text.strip_prefix('@').unwrap_or(text)
    };
    let all = found.len() == wanted.len() && found.iter().map(|(a, b)| (a, b)).zip(&wanted).all(fits);
    if all { Outcome::Passed } else { Outcome::Wrong(format!("answered {found:?} instead of {wanted:?}")) }
}

/// Type and value, as the official file writes them.
fn show(item: &Item<'_>) -> (String, String) {
    let ty = match item {
        Item::Node(node) => match node.ty {
            NodeType::Fhir(name) => name,
            NodeType::Shape(_) => "shape",
        },
        Item::Text(_) => "string",
        Item::Integer(_) => "integer",
        Item::Decimal(_) => "decimal",
        Item::Boolean(_) => "boolean",
        Item::Date(_) => "date",
        Item::DateTime(_) => "dateTime",
        Item::Time(_) => "time",
    };
    let text = item.as_bool().map(|truth| truth.to_string()).or(item.as_text().map(Into::into));
    (ty.to_owned(), text.unwrap_or_else(|| "{}".to_owned()))
}

fn summary(outcomes: &[(&Case, Outcome)]) -> String {
    const KINDS: [&str; 5] = ["passed", "error demanded", "refused", "no input", "wrong"];
    let mut groups: BTreeMap<&str, [usize; 5]> = BTreeMap::new();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut total = [0; 5];
    for (case, outcome) in outcomes {
        let (kind, reason) = outcome.cells();
        let place = KINDS.iter().position(|name| *name == kind).unwrap();
        groups.entry(&case.group).or_default()[place] += 1;
        total[place] += 1;
        if kind == "refused" {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let mut text = format!("{:<32}", "group");
    KINDS.iter().for_each(|kind| write!(text, "{kind:>16}").unwrap());
    for (group, counts) in groups.iter().map(|(group, counts)| (*group, counts)).chain([("all", &total)]) {
        write!(text, "\n{group:<32}").unwrap();
        counts.iter().for_each(|count| write!(text, "{count:>16}").unwrap());
    }
    text.push_str("\n\nrefused because:");
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    reasons.iter().for_each(|(reason, count)| write!(text, "\n{count:>6}  {reason}").unwrap());
    text
}

fn table(outcomes: &[(&Case, Outcome)]) -> String {
    let mut text =
        String::from("# Made by the test fhirpath_cases; UPDATE=1 writes it anew.\n# group\tname\toutcome\treason\n");
    for (case, outcome) in outcomes {
        let (kind, reason) = outcome.cells();
        writeln!(text, "{}\t{}\t{kind}\t{reason}", case.group, case.name).unwrap();
    }
    text
}
