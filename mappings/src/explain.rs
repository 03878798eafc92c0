//! The explanation: one line for each target field, made from what the account recorded.
//!
//! Lines hold element paths, rules, steps and keyed hashes. Values are in them only if the caller asks for them by name.

use crate::account::{Account, Did, Field, FieldLine};
use crate::document::{Document, NodeId};
use crate::loss::{relation, unit};
use crate::program::{Program, Transform};
use crate::run::place;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt::Write;

/// How many bytes of the keyed hash are shown.
const SHOWN: usize = 8;

/// Whether explanations hold values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Values {
    /// They do not.
    #[default]
    Hidden,
    /// They do: a person asked for them, and is told that they are patient data.
    Revealed,
}

impl Account {
    /// One line for each target field, in the order of the requests. `key` makes the hashes: without it nobody can find a
    /// value by trying.
    #[must_use]
    pub fn explain(&self, program: &Program, document: &Document<'_>, key: &[u8], values: Values) -> Vec<FieldLine> {
        self.fields.iter().filter_map(|field| self.line(field, program, document, key, values)).collect()
    }

    fn line(
        &self,
        field: &Field,
        program: &Program,
        document: &Document<'_>,
        key: &[u8],
        values: Values,
    ) -> Option<FieldLine> {
        let info = program.rules.get(field.rule.0 as usize)?;
        let value = self.values.get(field.value.start as usize..field.value.end as usize).unwrap_or_default();
        Some(FieldLine {
            target: self.target(&info.target, field.position),
            sources: field.sources.of(&self.sources).iter().map(|id| location(document, *id)).collect(),
            rule: place(program, info.place),
            steps: field.steps.of(&self.steps).iter().map(|did| words(*did)).collect(),
            class: info.class,
            hash: hash(key, value),
            value: if values == Values::Revealed { value.to_owned() } else { String::new() },
        })
    }

    /// The target with the indexes of the lists in which the field stands: each `[]` gets its own.
    fn target(&self, target: &str, position: u32) -> String {
        let mut indexes = Vec::new();
        let mut at = position;
        while let Some(here) = at.checked_sub(1).and_then(|at| self.positions.get(at as usize)) {
            indexes.push(here.index);
            at = here.around;
        }
        let mut out = String::with_capacity(target.len() + 4);
        let mut rest = target;
        while let Some((before, after)) = rest.split_once("[]") {
            let index = indexes.pop().map_or_else(String::new, |index| index.to_string());
            let _ = write!(out, "{before}[{index}]");
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

/// Where a value stands, from its resource on: `Patient.telecom[0].value`; `Observation[1].valueString` if there are
/// several resources of the type.
pub(crate) fn location(document: &Document<'_>, id: NodeId) -> String {
    let whole = document.location(id);
    let holds = |node: NodeId| node <= id && id < document.descendants_end(node);
    let kind = |resource: NodeId| document.get(resource, "resourceType").and_then(|kind| document.string(kind));
    let entries = document.get(document.root(), "entry");
    let resources: Vec<NodeId> = entries
        .into_iter()
        .flat_map(|entries| document.children(entries))
        .filter_map(|entry| document.get(entry, "resource"))
        .collect();
    let Some(own) = resources.iter().copied().find(|resource| holds(*resource)) else { return whole };
    let Some(name) = kind(own) else { return whole };
    let below = whole.strip_prefix(&document.location(own)).unwrap_or_default();
    let same: Vec<NodeId> = resources.into_iter().filter(|resource| kind(*resource).as_ref() == Some(&name)).collect();
    match same.iter().position(|resource| *resource == own).filter(|_| same.len() > 1) {
        Some(index) => format!("{name}[{index}]{below}"),
        None => format!("{name}{below}"),
    }
}

fn hash(key: &[u8], value: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(value.as_bytes());
    mac.finalize().into_bytes().iter().take(SHOWN).fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn words(did: Did) -> String {
    match did {
        Did::Constant => "constant".to_owned(),
        Did::Mapped { group, element, equivalence } => {
            format!("code map: row {element} of group {group}, the target is {}", relation(equivalence))
        }
        Did::MappedByRule => "code map: no row, the rule for other codes".to_owned(),
        Did::KeptUnmapped => "code map: no row, the code kept".to_owned(),
        Did::Formatted => "date written in the platform's pattern".to_owned(),
        Did::KeptPartial => "partial date kept as it came".to_owned(),
        Did::DayOnly => "only the date of a date with a time".to_owned(),
        Did::Joined(count) => format!("{count} values joined"),
        Did::Transformed(how) => transform(how).to_owned(),
        Did::Cut { from, to, count } => format!("cut from {from} to {to} {}", unit(count)),
        Did::Defaulted => "default".to_owned(),
        Did::Copied => "copied as it stands".to_owned(),
        Did::Base64 => "base64".to_owned(),
    }
}

const fn transform(how: Transform) -> &'static str {
    match how {
        Transform::Trim => "white space at both ends removed",
        Transform::CollapseWhitespace => "white space collapsed",
        Transform::SingleLine => "line ends made spaces",
        Transform::Upper => "upper case",
        Transform::Lower => "lower case",
        Transform::StripHtml => "mark-up removed",
        Transform::DigitsOnly => "only digits kept",
    }
}
