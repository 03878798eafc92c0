//! What a mapping declares by name: settings, shapes, concept maps, variables.

use super::env::Env;
use super::{Compiler, Thing, VariableFacts};
use crate::diagnostic::Code;
use crate::fhirpath::{Shape, ShapeKind};
use crate::program::{Scalar, Setting, Slot, Variable};
use crate::source::Span;
use crate::spec::nearest;
use crate::yaml::{Entry, Node, Value};
use crate::{ConceptMap, shared};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Concept maps may be large, since they are data; this is some hundred thousand rows.
const MOST_MAP_BYTES: usize = 64 << 20;
/// Most variables of a mapping: each path is compiled in sight of all before it.
const MOST_VARIABLES: usize = 200;
/// Deepest nesting of shapes in each other.
const DEEPEST_SHAPE: usize = 32;
/// Most parts of a shape, those of shapes within it counted wherever they stand.
const LARGEST_SHAPE: usize = 10_000;

/// A shape and how many parts it has.
type Sized = (Arc<Shape>, usize);

impl<'t> Compiler<'t> {
    pub(super) fn declare_settings(&mut self) {
        let mut shape = Shape::object();
        for Entry { key, key_at, value: node } in self.tree.map("settings") {
            let kind = self.scalar_kind(node).unwrap_or(Scalar::Text);
            let one_of: Vec<String> =
                node.list("one-of").iter().filter_map(Node::as_text).map(|t| t.text.to_owned()).collect();
            let default = node.text("default");
            let pattern = node.text("pattern").and_then(|text| self.regex(text));
            if let Some(default) = default {
                let fits = pattern.as_ref().is_none_or(|pattern| pattern.is_match(default.text))
                    && (one_of.is_empty() || one_of.iter().any(|one| one == default.text))
                    && super::types::text_fits(kind, default.text);
                if !fits {
                    let fault = format!("The default of `{key}` is not among the values that it may have.");
                    self.fault(Code::BadLiteral, default.at, fault, "Correct the default, or what the setting may be.");
                }
                if node.flag("required") {
                    let fault = format!("`{key}` is required and has a default.");
                    self.fault(Code::MisplacedKey, *key_at, fault, "Keep one of them.");
                }
            }
            shape = shape.member(key, Shape::scalar(kind_of_shape(kind)));
            self.settings.push(Setting {
                name: key.clone(),
                kind,
                required: node.flag("required"),
                default: default.map(|text| text.text.to_owned()),
                pattern,
                one_of,
                about: node.text("about").map(|text| text.text.to_owned()).unwrap_or_default(),
            });
        }
        self.settings_shape = Arc::new(shape);
    }

    pub(super) fn declare_shapes(&mut self) {
        let declared: BTreeMap<&'t str, &'t Entry> =
            self.tree.map("shapes").iter().map(|entry| (entry.key.as_str(), entry)).collect();
        for entry in self.tree.map("shapes") {
            self.named_shape(&entry.key, entry.key_at, &declared, &mut Vec::new());
        }
    }

    /// A shape by its name, made when it is first asked for. `open` are those that are being made.
    fn named_shape(
        &mut self,
        name: &str,
        at: Span,
        declared: &BTreeMap<&'t str, &'t Entry>,
        open: &mut Vec<String>,
    ) -> Option<Sized> {
        if let Some((made, size)) = self.shapes.get(name) {
            return Some((Arc::clone(made), *size));
        }
        let Some(entry) = declared.get(name) else {
            let mend = match nearest(name, declared.keys().copied().chain(KINDS.iter().map(|kind| kind.0))) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => format!("Declare it under `shapes`, or use one of {}.", kinds()),
            };
            self.fault(Code::UnknownName, at, format!("There is no shape `{name}`."), mend);
            return None;
        };
        if open.iter().any(|other| other == name) || open.len() >= DEEPEST_SHAPE {
            let fault = format!("The shape `{name}` contains itself, or shapes are more than {DEEPEST_SHAPE} deep.");
            self.fault(Code::Cycle, at, fault, "Declare it as deep as paths go, and no deeper.");
            return None;
        }
        open.push(name.to_owned());
        let made = self.shape(&entry.value, declared, open);
        open.pop();
        let (made, size) = made?;
        if size > LARGEST_SHAPE {
            let fault = format!("The shape `{name}` has more than {LARGEST_SHAPE} parts.");
            self.fault(Code::TooLarge, entry.key_at, fault, "Declare only what paths look at.");
            return None;
        }
        self.shapes.insert(name.to_owned(), (Arc::clone(&made), size));
        Some((made, size))
    }

    fn shape(
        &mut self,
        node: &'t Node,
        declared: &BTreeMap<&'t str, &'t Entry>,
        open: &mut Vec<String>,
    ) -> Option<Sized> {
        match &node.value {
            Value::Map(members) => {
                let mut made = Shape::object();
                let mut size: usize = 1;
                for member in members {
                    let (inner, repeats) = match &member.value.value {
                        Value::List(items) => match items.as_slice() {
                            [one] => (one, true),
                            _ => {
                                let mend = "Write `[ string ]`, or `[ Part ]` with the name of a shape.";
                                self.fault(
                                    Code::WrongKind,
                                    member.value.at,
                                    "A list of a shape has one item: what repeats.",
                                    mend,
                                );
                                continue;
                            }
                        },
                        _ => (&member.value, false),
                    };
                    let Some((inner, parts)) = self.shape(inner, declared, open) else { continue };
                    size = size.saturating_add(parts);
                    made = match inner.members() {
                        // The name of a shape that is an array.
                        [items] if inner.is_list() => made.repeated(&member.key, Arc::clone(&items.shape)),
                        _ if repeats => made.repeated(&member.key, inner),
                        _ => made.member(&member.key, inner),
                    };
                }
                Some((Arc::new(made), size))
            }
            Value::List(items) => match items.as_slice() {
                [one] => {
                    let (item, size) = self.shape(one, declared, open)?;
                    Some((Arc::new(Shape::list(item)), size.saturating_add(1)))
                }
                _ => {
                    let mend = "Write `[ string ]`, or `[ Part ]` with the name of a shape.";
                    self.fault(Code::WrongKind, node.at, "A list of a shape has one item: what repeats.", mend);
                    None
                }
            },
            Value::Scalar(_) => {
                let Some(text) = node.as_text() else {
                    let fault = "A shape is a kind, the name of a shape, a list with one of these, or a map.";
                    self.fault(Code::WrongKind, node.at, fault, format!("Write one of {}.", kinds()));
                    return None;
                };
                if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == text.text) {
                    return Some((Arc::new(Shape::scalar(*kind)), 1));
                }
                if text.text.contains('|') {
                    let words: Vec<String> = text.text.split('|').map(|word| word.trim().to_owned()).collect();
                    let made = Arc::new(Shape::scalar(ShapeKind::Text));
                    self.enumerations.push((Arc::clone(&made), words, text.at));
                    return Some((made, 1));
                }
                self.uses(Thing::Shape, text.text);
                self.named_shape(text.text, text.at, declared, open)
            }
        }
    }

    pub(super) fn load_maps(&mut self) {
        for Entry { key, value: node, .. } in self.tree.map("concept-maps") {
            let Some(file) = node.as_text() else { continue };
            let loaded = match file.text.strip_prefix("shared:") {
                Some(name) => match shared::named(name) {
                    Some(json) => ConceptMap::load(json).map_err(|error| error.to_string()),
                    None => {
                        let fault = format!("No concept map `{name}` ships with the gateway.");
                        let mend = format!("There are {}.", shared::NAMES.join(", "));
                        self.fault(Code::MissingFile, file.at, fault, mend);
                        continue;
                    }
                },
                None => match self.map_text(file.text, file.at) {
                    Some(json) => ConceptMap::load(&json).map_err(|error| error.to_string()),
                    None => continue,
                },
            };
            match loaded {
                Ok(map) => drop(self.maps.insert(key.clone(), Arc::new(map))),
                Err(error) => {
                    let fault = format!("`{}` cannot be loaded: {error}.", file.text);
                    let mend =
                        "Correct the ConceptMap there (FHIR R4, unique rows, no dependsOn, product or other-map).";
                    self.fault(Code::BadConceptMap, file.at, fault, mend);
                }
            }
        }
    }

    fn map_text(&mut self, name: &str, at: Span) -> Option<String> {
        let Some(bytes) = self.files.read(name) else {
            let names = self.files.names();
            let mend = match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => "Put it into the folder `concept-maps`.".to_owned(),
            };
            self.fault(Code::MissingFile, at, format!("There is no file `{name}`."), mend);
            return None;
        };
        if bytes.len() > MOST_MAP_BYTES {
            let fault = format!("`{name}` has more than {MOST_MAP_BYTES} bytes.");
            self.fault(Code::TooLarge, at, fault, "Keep only the rows that can occur.");
            return None;
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => Some(text.to_owned()),
            Err(_) => {
                self.fault(Code::BadConceptMap, at, format!("`{name}` is not UTF-8."), "Save it as UTF-8.");
                None
            }
        }
    }

    pub(super) fn declare_variables(&mut self) {
        for Entry { key, key_at, value: node } in self.tree.map("variables") {
            let Some(text) = node.as_text() else { continue };
            let taken = Slot::ALL.iter().any(|slot| slot.name() == key) || RESERVED.contains(&key.as_str());
            if taken {
                let fault = format!("%{key} is predeclared.");
                self.fault(Code::BadName, *key_at, fault, "Give the variable another name.");
                continue;
            }
            if self.variables.len() >= MOST_VARIABLES {
                let fault = format!("There are more than {MOST_VARIABLES} variables.");
                self.fault(Code::TooLarge, *key_at, fault, "Write paths where they are used.");
                return;
            }
            let env = Env::referral(self.variables.len());
            let Some(path) = self.path(text, &env) else {
                // Later uses of the name would only repeat the fault: it stands for nothing that could be known.
                self.broken.insert(key.clone());
                continue;
            };
            let facts = VariableFacts { reads: path.reads, cuts: path.cuts, urls: path.urls, other: path.other };
            self.variables.push(Variable { name: key.clone(), expression: path.expression });
            self.variable_facts.push(facts);
        }
    }
}

/// Names that FHIRPath itself has.
const RESERVED: [&str; 5] = ["context", "resource", "ucum", "sct", "loinc"];

const KINDS: [(&str, ShapeKind); 7] = [
    ("string", ShapeKind::Text),
    ("integer", ShapeKind::Integer),
    ("decimal", ShapeKind::Decimal),
    ("boolean", ShapeKind::Boolean),
    ("date", ShapeKind::Date),
    ("date-time", ShapeKind::DateTime),
    ("any", ShapeKind::Scalar),
];

fn kinds() -> String {
    KINDS.map(|kind| kind.0).join(", ")
}

const fn kind_of_shape(kind: Scalar) -> ShapeKind {
    match kind {
        Scalar::Text | Scalar::Code => ShapeKind::Text,
        Scalar::Integer => ShapeKind::Integer,
        Scalar::Decimal => ShapeKind::Decimal,
        Scalar::Boolean => ShapeKind::Boolean,
        Scalar::Date => ShapeKind::Date,
        Scalar::DateTime => ShapeKind::DateTime,
    }
}
