//! Makes the committed R4 tables of `gateway/fhir/elements/tables/` from the official 4.0.1 definitions.
//!
//! Source: an unpacked npm package `hl7.fhir.r4.examples` 4.0.1 (CC0), which holds every definition of R4 as JSON. The
//! output is sorted and carries no date, so the same package gives the same bytes. It knows nothing of how the tables
//! are read, and it decides nothing about validity: it only writes down what the definitions say.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The one release the tables may be made from.
const VERSION: &str = "4.0.1";
const PACKAGE: &str = "hl7.fhir.r4.examples";
const DEFINITIONS: &str = "http://hl7.org/fhir/StructureDefinition/";
const FHIR_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";

/// Reads the definitions below `from` and writes `elements.tsv` and `codes.tsv` into `out`.
///
/// # Errors
/// When the package is another one, a definition cannot be read, or the tables cannot be written.
pub(crate) fn generate(from: &Path, out: &Path) -> Result<()> {
    let package = read(&from.join("package.json"))?;
    ensure!(text(&package, "name") == PACKAGE, "{} is not the package {PACKAGE}", from.display());
    ensure!(text(&package, "version") == VERSION, "{} is not version {VERSION}", from.display());

    let mut elements = header("every element of every R4 resource and datatype (no profiles)");
    elements.push_str("# A root row has a kind instead of types; a dash is an empty cell. A type may name the allowed targets in brackets.\n");
    elements.push_str("# path\tmin\tmax\ttypes\trequired value set\tcontent reference\n");
    let mut bound = BTreeSet::new();
    for definition in definitions(from)? {
        write_definition(&definition, &mut elements, &mut bound)?;
    }

    let mut left_out = Vec::new();
    let mut rows = String::new();
    let systems = by_url(from, "CodeSystem-")?;
    let sets = by_url(from, "ValueSet-")?;
    for url in &bound {
        match sets.get(url).and_then(|set| expand(set, &systems)) {
            Some(codes) => {
                for (system, code) in codes {
                    writeln!(rows, "{url}\t{system}\t{code}")?;
                }
            }
            None => left_out.push(url.as_str()),
        }
    }
    let mut codes = header("the codes of every value set that R4 binds as required");
    codes.push_str("# Left out, and so not checked, because the package does not list their codes:\n");
    for url in left_out {
        writeln!(codes, "#   {url}")?;
    }
    codes.push_str("# value set\tsystem\tcode\n");
    codes.push_str(&rows);

    fs::create_dir_all(out).with_context(|| format!("make {}", out.display()))?;
    for (name, content) in [("elements.tsv", elements), ("codes.tsv", codes)] {
        let path = out.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn header(what: &str) -> String {
    format!(
        "# Generated, do not edit: {what}.\n# Source: npm package {PACKAGE} {VERSION} (HL7, CC0-1.0).\n\
         # Command: cargo xtask generate-r4-tables --from DIR\n"
    )
}

/// The structure definitions of types (not of profiles), in the order of their names.
fn definitions(from: &Path) -> Result<Vec<Value>> {
    let mut found = BTreeMap::new();
    for definition in by_url(from, "StructureDefinition-")?.into_values() {
        let is_type = matches!(text(&definition, "kind"), "resource" | "complex-type" | "primitive-type");
        // Element and Resource, the two roots of the type tree, have no derivation at all.
        if is_type && text(&definition, "derivation") != "constraint" {
            found.insert(text(&definition, "type").to_owned(), definition);
        }
    }
    Ok(found.into_values().collect())
}

/// One row for the type, and one for each element; of a primitive only the type, since its members are not JSON members.
fn write_definition(definition: &Value, rows: &mut String, bound: &mut BTreeSet<String>) -> Result<()> {
    let name = text(definition, "type");
    let kind = text(definition, "kind");
    let is_abstract = definition.get("abstract").and_then(Value::as_bool) == Some(true);
    writeln!(rows, "{name}\t0\t*\t{}{kind}\t-\t-", if is_abstract { "abstract " } else { "" })?;
    if kind == "primitive-type" {
        return Ok(());
    }
    for element in array(definition.get("snapshot").unwrap_or(&Value::Null), "element").iter().skip(1) {
        let path = text(element, "path");
        let min = element.get("min").and_then(Value::as_u64).with_context(|| format!("{path} has no min"))?;
        let mut types: Vec<String> = array(element, "type").iter().map(type_text).collect();
        // The definitions say string; the text of R4 (resource.html#id) says id, and that is what servers hold to.
        if kind == "resource" && path == format!("{name}.id") {
            types = vec!["id".to_owned()];
        }
        let required = element.get("binding").filter(|binding| text(binding, "strength") == "required");
        let value_set = required.map_or("", |binding| without_version(text(binding, "valueSet")));
        if !value_set.is_empty() {
            bound.insert(value_set.to_owned());
        }
        let max = text(element, "max");
        let types = types.join(",");
        let target = text(element, "contentReference").trim_start_matches('#');
        writeln!(rows, "{path}\t{min}\t{max}\t{}\t{}\t{}", dash(&types), dash(value_set), dash(target))?;
    }
    Ok(())
}

/// `Reference(Patient|Group)`, `string`; a FHIRPath system type becomes the FHIR type that its extension names.
fn type_text(row: &Value) -> String {
    let named = array(row, "extension").iter().find(|extension| text(extension, "url") == FHIR_TYPE);
    let code = named.map_or_else(|| text(row, "code"), |extension| text(extension, "valueUrl"));
    let targets: Vec<&str> = array(row, "targetProfile")
        .iter()
        .filter_map(Value::as_str)
        .map(|url| url.strip_prefix(DEFINITIONS).unwrap_or(url))
        .collect();
    if targets.is_empty() { code.to_owned() } else { format!("{code}({})", targets.join("|")) }
}

/// The (system, code) pairs of a value set, or `None` if the package does not hold enough to list them all.
fn expand(set: &Value, systems: &BTreeMap<String, Value>) -> Option<BTreeSet<(String, String)>> {
    let compose = set.get("compose")?;
    if !array(compose, "exclude").is_empty() {
        return None;
    }
    let mut codes = BTreeSet::new();
    for include in array(compose, "include") {
        if !array(include, "filter").is_empty() || !array(include, "valueSet").is_empty() {
            return None;
        }
        let system = text(include, "system");
        if include.get("concept").is_some() {
            collect(array(include, "concept"), system, &mut codes);
        } else {
            let whole = systems.get(system).filter(|found| text(found, "content") == "complete")?;
            collect(array(whole, "concept"), system, &mut codes);
        }
    }
    (!codes.is_empty()).then_some(codes)
}

/// A hierarchical code system nests its concepts; the nesting is a few levels deep.
fn collect(concepts: &[Value], system: &str, codes: &mut BTreeSet<(String, String)>) {
    for concept in concepts {
        codes.insert((system.to_owned(), text(concept, "code").to_owned()));
        collect(array(concept, "concept"), system, codes);
    }
}

/// Every JSON file whose name starts so, by its canonical url.
fn by_url(from: &Path, prefix: &str) -> Result<BTreeMap<String, Value>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(prefix) && name.ends_with(".json") {
            let document = read(&path)?;
            let url = text(&document, "url").to_owned();
            ensure!(found.insert(url, document).is_none(), "{} defines a url a second time", path.display());
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Value> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("parse {}", path.display()))
}

/// An empty cell is written as a dash, so that no line ends in a tab.
fn dash(cell: &str) -> &str {
    if cell.is_empty() { "-" } else { cell }
}

fn without_version(url: &str) -> &str {
    url.split_once('|').map_or(url, |(plain, _)| plain)
}

fn text<'a>(document: &'a Value, name: &str) -> &'a str {
    document.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn array<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    document.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
