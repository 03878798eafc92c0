//! Kinds of data, and how grave it is to lose an element: `tables/classes.tsv`, looked up by element path.
//!
//! It knows elements and nothing of what a referral says or a mapping does.

use crate::elements;
pub use adapter_contract::{DataClass, Grade};
use std::collections::HashMap;
use std::sync::LazyLock;

/// What the table says of one element.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    /// `None` keeps the class of what is above (rows of datatypes).
    class: Option<DataClass>,
    grade: Grade,
    safety: bool,
    harmless: Vec<&'static str>,
}

/// The table, by element.
struct Table {
    rows: HashMap<&'static str, Row>,
    /// Words of extension urls, in small letters.
    words: Vec<(&'static str, Row)>,
    safety: Vec<&'static str>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| read(include_str!("../tables/classes.tsv")));

/// For an element of no known kind: nothing is known of it, so it is guarded.
const UNKNOWN: Row =
    Row { class: Some(DataClass::Clinical), grade: Grade::Notable, safety: false, harmless: Vec::new() };

/// The kind of data that an element holds: `Patient.name.family`, `Observation.valueQuantity.value`,
/// `Patient.extension(http://…).valueBoolean`.
#[must_use]
pub fn class_of(path: &str) -> DataClass {
    if let Some(Row { class: Some(class), .. }) = datatype_row(path) {
        return *class;
    }
    row(path).class.unwrap_or(DataClass::Clinical)
}

/// The gravest class of an element and all that can stand below it: what somebody is given who is given the whole.
#[must_use]
pub fn gravest_within(path: &str) -> DataClass {
    let below = TABLE.rows.iter().filter(|(element, _)| covers(path, element)).filter_map(|(_, row)| row.class);
    below.fold(class_of(path), DataClass::max)
}

/// How grave it is to lose an element, as long as nothing is known of its value.
#[must_use]
pub fn grade_of(path: &str) -> Grade {
    datatype_row(path).unwrap_or_else(|| row(path)).grade
}

/// The elements whose loss has to be accepted in words, where no rule sends them. A choice is named with `[x]`.
#[must_use]
pub fn safety_elements() -> &'static [&'static str] {
    &TABLE.safety
}

/// Whether an element is safety content: it lies at or below one of [`safety_elements`], or is an extension that says
/// of itself that it is.
#[must_use]
pub fn is_safety(path: &str) -> bool {
    let row = row(path);
    row.safety || row.grade == Grade::Unsafe
}

/// Whether the loss of this code or value of an element does no harm, however grave the loss of others is.
#[must_use]
pub fn is_harmless(path: &str, code: &str) -> bool {
    row(path).harmless.contains(&code)
}

/// Whether `path` is `element` or lies below it. `element` may be a choice with `[x]`.
#[must_use]
pub fn covers(element: &str, path: &str) -> bool {
    let (stem, choice) = match element.strip_suffix("[x]") {
        Some(stem) => (stem, true),
        None => (element, false),
    };
    let Some(rest) = path.strip_prefix(stem) else { return false };
    let below = rest.is_empty() || rest.starts_with(['.', '(', '[']);
    below || (choice && rest.starts_with(|first: char| first.is_ascii_uppercase()))
}

/// The row of the element itself or of the nearest above it that has one.
fn row(path: &str) -> &'static Row {
    static NOTHING: Row = UNKNOWN;
    let table = &*TABLE;
    if let Some(row) = extension_row(table, path) {
        return row;
    }
    let mut at = path;
    loop {
        if let Some(row) = table.rows.get(at).or_else(|| choice_row(table, at)) {
            return row;
        }
        let Some((above, _)) = at.rsplit_once('.') else { return &NOTHING };
        at = above;
    }
}

/// `Patient.deceasedBoolean` has the row `Patient.deceased[x]`.
fn choice_row(table: &'static Table, path: &str) -> Option<&'static Row> {
    let last = path.rfind('.')? + 1;
    let capitals = path.get(last..)?.char_indices().filter(|(_, c)| c.is_ascii_uppercase());
    capitals.filter_map(|(at, _)| path.get(..last + at)).find_map(|stem| table.rows.get(format!("{stem}[x]").as_str()))
}

/// An extension that is named with its url has the row of that url.
fn extension_row(table: &'static Table, path: &str) -> Option<&'static Row> {
    let open = path.find('(')?;
    let close = open + path.get(open..)?.find(')')?;
    if let Some(row) = table.rows.get(path.get(..=close)?) {
        return Some(row);
    }
    let url = path.get(open + 1..close)?.to_lowercase();
    table.words.iter().find(|(word, _)| url.contains(word)).map(|(_, row)| row)
}

/// The row of a datatype's element (`Coding.system`) that this path ends in.
fn datatype_row(path: &str) -> Option<&'static Row> {
    // Rows of the path itself say more, and elements of a resource are no datatype's.
    if TABLE.rows.contains_key(path) {
        return None;
    }
    let element = elements::find(path)?;
    if element.element.path.starts_with(path.split('.').next()?) {
        return None;
    }
    TABLE.rows.get(element.element.path)
}

fn read(text: &'static str) -> Table {
    let mut table = Table { rows: HashMap::new(), words: Vec::new(), safety: Vec::new() };
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let cells: Vec<&'static str> = line.split('\t').collect();
        let [element, class, grade, safety, harmless] = cells.as_slice() else {
            unreachable!("the table is held to five cells a row by the test below: {line}")
        };
        let row = Row {
            class: DataClass::named(class),
            grade: Grade::named(grade).expect("held by the test below"),
            safety: *safety == "yes",
            harmless: if *harmless == "-" { Vec::new() } else { harmless.split(',').collect() },
        };
        if row.safety {
            table.safety.push(element);
        }
        match element.strip_prefix("Extension(*").and_then(|word| word.strip_suffix("*)")) {
            Some(word) => table.words.push((word, row)),
            None => drop(table.rows.insert(element, row)),
        }
    }
    table
}

#[cfg(test)]
mod tests;
