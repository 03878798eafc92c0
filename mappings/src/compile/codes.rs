//! Code translations: held against both ends, the codes that the source element can have and those that the field takes.

use super::Compiler;
use super::paths::{Path, type_names};
use super::{Thing, types::literal_text};
use crate::ConceptMap;
use crate::diagnostic::Code;
use crate::elements;
use crate::fhirpath::{System, Type};
use crate::program::{CodeRule, Unmapped};
use crate::source::Span;
use crate::spec::{Text, nearest};
use crate::yaml::{Node, Value};
use gateway_fhir_elements::CodeSet;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many codes are named in a fault before it says "and others".
const NAMED: usize = 5;

impl Compiler<'_> {
    /// What `map`, `system` and `unmapped` say.
    pub(super) fn code_rule(&mut self, node: &Node, path: Option<&Path>) -> Option<CodeRule> {
        let name = node.text("map")?;
        self.uses(Thing::Map, name.text);
        let known = self.tree.map("concept-maps").iter().map(|entry| entry.key.as_str());
        if !known.clone().any(|key| key == name.text) {
            let mend = match nearest(name.text, known) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => "Name it under `concept-maps`.".to_owned(),
            };
            self.fault(Code::UnknownName, name.at, format!("There is no concept map `{}`.", name.text), mend);
        }
        let map = self.maps.get(name.text).map(Arc::clone);
        let system = match (node.text("system"), path) {
            (Some(system), _) => Some(system.text.to_owned()),
            (None, Some(path)) => self.system_of(path, name.at),
            (None, None) => None,
        };
        if let (Some(map), Some(path)) = (&map, path) {
            self.check_source(map, path, system.as_deref(), name);
        }
        let unmapped = self.unmapped(node, map.as_deref(), path, system.as_deref());
        Some(CodeRule { name: name.text.to_owned(), map: map?, system, unmapped: unmapped? })
    }

    /// The system of a source that is a bare code, by the binding of its element.
    fn system_of(&mut self, path: &Path, at: Span) -> Option<String> {
        let bare = path.result().types.iter().any(|ty| ty.system() == Some(System::String));
        if !bare {
            return None;
        }
        let mut systems = BTreeSet::new();
        for codes in path.conveyed().filter_map(bound_codes) {
            systems.extend(systems_of(codes));
        }
        match (systems.pop_first(), systems.is_empty()) {
            (Some(system), true) => Some(system.to_owned()),
            _ => {
                let fault = "The path gives a bare code, and R4 does not fix its system.";
                self.fault(Code::NoSystem, at, fault, "Add `system` with its URI, or let the path give the Coding.");
                None
            }
        }
    }

    /// Reports a map whose rows can never be asked for.
    fn check_source(&mut self, map: &ConceptMap, path: &Path, system: Option<&str>, name: Text<'_>) {
        let systems = map.source_systems();
        if let Some(system) = system.filter(|system| !systems.contains(system)) {
            let fault =
                format!("`{}` translates from {}; the path gives codes of {system}.", name.text, systems.join(", "));
            self.fault(Code::MapSource, name.at, fault, "Correct `group.source` in the map, or name another map.");
            return;
        }
        let elements: Vec<String> = path.conveyed().map(str::to_owned).collect();
        let [element] = elements.as_slice() else { return };
        let Some(codes) = bound_codes(element) else { return };
        let own = systems_of(codes);
        if !systems.iter().any(|source| own.contains(source)) {
            let fault = format!(
                "`{}` translates from {}; {element} has codes of other systems.",
                name.text,
                systems.join(", ")
            );
            self.fault(Code::MapSource, name.at, fault, "Correct `group.source` in the map, or name another map.");
            return;
        }
        let mut strange: Vec<&str> =
            map.codes().filter(|(source, code)| !codes.has(source, code)).map(|(_, code)| code).collect();
        strange.sort_unstable();
        if !strange.is_empty() {
            let fault =
                format!("`{}` has rows for codes that {element} cannot have: {}.", name.text, some_of(&strange));
            self.fault(Code::MapSource, name.at, fault, "Correct the codes in the map, or remove the rows.");
        }
    }

    fn unmapped(
        &mut self,
        node: &Node,
        map: Option<&ConceptMap>,
        path: Option<&Path>,
        system: Option<&str>,
    ) -> Option<Unmapped> {
        let Some(said) = node.get("unmapped") else {
            let open = match (map, path) {
                (Some(map), Some(path)) => left_open(map, path, system),
                _ => return None,
            };
            let Some(open) = open else { return Some(Unmapped::Refuse) };
            let fault = format!("Nothing says what happens to a code that the map does not translate{open}.");
            let mend = "Add `unmapped: refuse`, `omit`, `keep`, or one code with its reason.";
            self.fault(Code::UnmappedCode, node.key_at("map"), fault, mend);
            return None;
        };
        if let Value::Map(_) = said.value {
            let (literal, _) = super::types::literal(said.get("code")?)?;
            return Some(Unmapped::Code(literal_text(&literal)));
        }
        match said.as_text()?.text {
            "refuse" => Some(Unmapped::Refuse),
            "omit" => Some(Unmapped::Omit),
            "keep" => Some(Unmapped::Keep),
            _ => None,
        }
    }

    /// Reports a path that gives no codes.
    pub(super) fn check_code_source(&mut self, path: &Path, at: Span) {
        let fits = |ty: &Type| ty.system() == Some(System::String) || matches!(ty.name(), "Coding" | "CodeableConcept");
        if path.result().types.is_empty() || !path.result().types.iter().all(fits) {
            let fault = format!("A map translates codes; the path gives {}.", type_names(path.result()));
            self.fault(Code::WrongType, at, fault, "Let the path give a code, Coding or CodeableConcept.");
        }
    }

    /// Reports targets that the field itself refuses.
    pub(super) fn check_targets(&mut self, node: &Node, rule: &CodeRule, name: Text<'_>) {
        let words: Vec<&str> = node.list("one-of").iter().filter_map(Node::as_text).map(|text| text.text).collect();
        let other = if let Unmapped::Code(code) = &rule.unmapped { Some(code.as_str()) } else { None };
        let targets: BTreeSet<&str> = rule.map.targets().chain(other).collect();
        let most = node.count("max-length").unwrap_or(u32::MAX) as usize;
        let refused: Vec<&str> = targets
            .into_iter()
            .filter(|code| (!words.is_empty() && !words.contains(code)) || code.chars().count() > most)
            .collect();
        if !refused.is_empty() {
            let fault = format!("`{}` gives codes that the field does not take: {}.", name.text, some_of(&refused));
            self.fault(
                Code::MapTarget,
                name.at,
                fault,
                "Correct the target codes in the map, or `one-of` and `max-length` here.",
            );
        }
    }
}

/// What a map leaves open, in words; `None` if it answers for every code that there can be.
fn left_open(map: &ConceptMap, path: &Path, system: Option<&str>) -> Option<String> {
    let mut elements = path.conveyed();
    let (element, more) = (elements.next(), elements.next());
    let codes = element.filter(|_| more.is_none()).and_then(bound_codes);
    let Some(codes) = codes else { return Some(String::new()) };
    let open = |system: &str, code: &str| !map.translate(system, code).is_ok_and(|found| found.code().is_some());
    let mut missing: Vec<&str> = codes
        .pairs()
        .filter(|(own, code)| system.is_none_or(|system| system == *own) && open(own, code))
        .map(|(_, code)| code)
        .collect();
    missing.sort_unstable();
    (!missing.is_empty()).then(|| format!(" ({})", some_of(&missing)))
}

/// The codes that R4 lists for an element, or for the coding that it lies in.
fn bound_codes(path: &str) -> Option<&'static CodeSet> {
    let mut at = path;
    loop {
        if let Some(codes) = elements::find(at).and_then(|member| member.element.codes) {
            return Some(codes);
        }
        let (above, last) = at.rsplit_once('.')?;
        if !matches!(last, "code" | "coding" | "system" | "display") {
            return None;
        }
        at = above;
    }
}

fn systems_of(codes: &CodeSet) -> BTreeSet<&'static str> {
    codes.pairs().map(|(system, _)| system).collect()
}

fn some_of(codes: &[&str]) -> String {
    let shown: Vec<&str> = codes.iter().take(NAMED).copied().collect();
    format!("{}{}", shown.join(", "), if codes.len() > NAMED { " and others" } else { "" })
}
