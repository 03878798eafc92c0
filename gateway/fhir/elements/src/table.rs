//! The index over `tables/elements.tsv`: by path, then by JSON member name.
//!
//! Built on first use and kept for the life of the process. The file is part of the build, so a line that does not
//! read is a fault of the build and is held by a test, not told to a caller.

use super::codes::code_set;
use super::{Element, ElementType, Member};
use std::collections::HashMap;
use std::sync::OnceLock;

const ELEMENTS: &str = include_str!("../tables/elements.tsv");

/// What a root row of the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Resource,
    Abstract,
    Complex,
    Primitive,
}

/// The whole table.
#[derive(Debug)]
pub(crate) struct Table {
    nodes: HashMap<&'static str, Node>,
    kinds: HashMap<&'static str, Kind>,
}

/// The members of one object.
#[derive(Debug, Default)]
pub struct Node {
    elements: Vec<Element>,
    /// JSON member name to (element, type, members of the value).
    names: HashMap<String, (usize, usize, &'static str)>,
}

impl Table {
    pub(crate) fn node(&self, under: &str) -> Option<&Node> {
        self.nodes.get(under)
    }

    pub(crate) fn is_resource_type(&self, name: &str) -> bool {
        self.kinds.get(name) == Some(&Kind::Resource)
    }

    pub(crate) fn resource(&self, name: &str) -> Option<(&'static str, &Node)> {
        let (name, kind) = self.kinds.get_key_value(name)?;
        if *kind == Kind::Resource { Some((name, self.nodes.get(name)?)) } else { None }
    }

    #[cfg(test)]
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        self.kinds.iter().map(|(name, kind)| (*name, *kind))
    }
}

impl Node {
    /// The elements in the order of the definition.
    #[must_use]
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// The member of this JSON name.
    #[must_use]
    pub fn member(&'static self, name: &str) -> Option<Member> {
        let &(index, type_index, under) = self.names.get(name)?;
        let element = self.elements.get(index)?;
        let row = element.types.get(type_index)?;
        Some(Member { element, type_code: row.code, under, targets: &row.targets })
    }

    /// The place of this member's element among [`elements`](Self::elements).
    #[must_use]
    pub fn place(&self, name: &str) -> Option<usize> {
        self.names.get(name).map(|(index, _, _)| *index)
    }
}

/// The table, read on first use.
pub(crate) fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(read)
}

fn read() -> Table {
    let mut table = Table { nodes: HashMap::new(), kinds: HashMap::new() };
    for line in ELEMENTS.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&'static str> = line.split('\t').collect();
        let &[path, min, max, types, binding, reference] = cells.as_slice() else { continue };
        match path.rsplit_once('.') {
            None => {
                table.kinds.insert(path, kind(types));
                table.nodes.entry(path).or_default();
            }
            Some((under, last)) => {
                let name = last.strip_suffix("[x]").unwrap_or(last);
                let binding = filled(binding);
                table.nodes.entry(under).or_default().elements.push(Element {
                    path,
                    name,
                    choice: name.len() != last.len(),
                    min: min.parse().unwrap_or_default(),
                    max: max.parse().ok(),
                    types: filled(types).map(read_types).unwrap_or_default(),
                    binding,
                    codes: binding.and_then(code_set),
                    content_reference: filled(reference),
                });
            }
        }
    }
    follow_content_references(&mut table);
    for node in table.nodes.values_mut() {
        node.names = names(&node.elements);
    }
    table
}

fn filled(cell: &'static str) -> Option<&'static str> {
    (cell != "-").then_some(cell)
}

fn kind(cell: &str) -> Kind {
    match cell {
        "resource" => Kind::Resource,
        "complex-type" => Kind::Complex,
        "primitive-type" => Kind::Primitive,
        _ => Kind::Abstract,
    }
}

/// `Reference(Patient|Group),string`. A target list with `Resource` in it allows all, so it is kept as an empty one.
fn read_types(cell: &'static str) -> Vec<ElementType> {
    cell.split(',')
        .map(|row| {
            let (code, targets) = row.split_once('(').unwrap_or((row, ""));
            let targets: Vec<_> =
                targets.trim_end_matches(')').split('|').filter(|target| !target.is_empty()).collect();
            let any = targets.contains(&"Resource");
            ElementType { code, targets: if any { Vec::new() } else { targets } }
        })
        .collect()
}

/// An element that points to another has no types of its own; it gets those of the other.
fn follow_content_references(table: &mut Table) {
    let types: HashMap<&'static str, Vec<ElementType>> = table
        .nodes
        .values()
        .flat_map(|node| &node.elements)
        .map(|element| (element.path, element.types.clone()))
        .collect();
    for element in table.nodes.values_mut().flat_map(|node| &mut node.elements) {
        if let Some(found) = element.content_reference.and_then(|path| types.get(path)) {
            element.types.clone_from(found);
        }
    }
}

fn names(elements: &[Element]) -> HashMap<String, (usize, usize, &'static str)> {
    let mut names = HashMap::new();
    for (index, element) in elements.iter().enumerate() {
        for (type_index, row) in element.types.iter().enumerate() {
            let name = if element.choice { choice_name(element.name, row.code) } else { element.name.to_owned() };
            names.entry(name).or_insert((index, type_index, value_under(element, row.code)));
        }
    }
    names
}

/// `value` and `dateTime` give `valueDateTime`.
fn choice_name(stem: &str, code: &str) -> String {
    let mut name = String::from(stem);
    let mut characters = code.chars();
    name.extend(characters.next().map(|first| first.to_ascii_uppercase()));
    name.push_str(characters.as_str());
    name
}

/// Where the members of a value of this type are defined.
fn value_under(element: &Element, code: &'static str) -> &'static str {
    match code {
        "BackboneElement" | "Element" => element.content_reference.unwrap_or(element.path),
        primitive if super::is_primitive(primitive) => "Element",
        datatype => datatype,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_reads_and_every_type_is_known() {
        for line in ELEMENTS.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<_> = line.split('\t').collect();
            assert_eq!(cells.len(), 6, "{line}");
            assert!(cells[1].parse::<u32>().is_ok() && ["1", "*"].contains(&cells[2]), "{line}");
        }
        let table = table();
        for element in table.nodes.values().flat_map(Node::elements) {
            assert!(!element.types.is_empty(), "{} has no type", element.path);
            for row in &element.types {
                assert!(table.kinds.contains_key(row.code), "{} has unknown type {}", element.path, row.code);
                assert!(row.targets.iter().all(|target| table.is_resource_type(target)), "{}: {row:?}", element.path);
                let under = value_under(element, row.code);
                assert!(row.code == "Resource" || table.nodes.contains_key(under), "{} leads nowhere", element.path);
            }
        }
    }
}
