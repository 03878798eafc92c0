//! What a submission makes of each element of the referral, and what of it is shown to nobody.

use crate::document::{Document, Said};
use crate::page::Shown;
use crate::settings::{Attached, Config};
use adapter_contract::{Account, DataClass, Descriptor, FieldLine, Grade, Loss, LossReason};
use std::collections::{BTreeMap, BTreeSet};

/// Last steps of elements that say nothing to people beyond what stands beside them.
const SAYS_LITTLE: [&str; 10] =
    ["system", "code", "version", "userSelected", "use", "linkId", "reference", "type", "active", "deceasedBoolean"];

/// The account of one submission: a line for each line that people read, and the values that are in none.
pub(crate) fn account(descriptor: &Descriptor, config: &Config, shown: &Shown) -> Account {
    let mut fields = Vec::new();
    let mut told: BTreeSet<usize> = BTreeSet::new();
    let steps = steps(config);
    let mut line = |target: String, parts: [&Said; 2]| {
        let from: BTreeSet<usize> = parts.iter().flat_map(|part| part.from.iter().copied()).collect();
        let sources: BTreeSet<&str> = from
            .iter()
            .filter_map(|place| shown.document.leaves.get(*place))
            .map(|leaf| leaf.element.as_str())
            .collect();
        fields.push(FieldLine {
            target,
            class: sources.iter().map(|element| class(descriptor, element)).max().unwrap_or_default(),
            sources: sources.into_iter().map(str::to_owned).collect(),
            rule: String::new(),
            steps: steps.clone(),
            value: parts[1].text.clone(),
        });
        told.extend(from);
    };
    for (number, warning) in shown.warnings.iter().enumerate() {
        line(format!("page.warnings[{number}]"), [&Said::default(), warning]);
    }
    for section in &shown.sections {
        let heading = section.heading.to_lowercase().replace(' ', "-");
        for (number, (name, says)) in section.lines.iter().enumerate() {
            line(format!("page.{heading}[{number}]"), [name, says]);
        }
    }
    Account { fields, losses: losses(&shown.document, &told) }
}

fn steps(config: &Config) -> Vec<String> {
    let mut steps = vec!["shown on the page behind the status link"];
    if config.full {
        steps.push("written in the mail");
    }
    match config.attached {
        Attached::Nothing => {}
        Attached::Pdf => steps.push("written in the attached PDF"),
        Attached::SealedPdf => steps.push("written in the attached PDF, which is encrypted"),
    }
    steps.into_iter().map(str::to_owned).collect()
}

/// As the element is declared. What is there without being declared is the code that forbids contact.
fn class(descriptor: &Descriptor, element: &str) -> DataClass {
    let covers = |path: &str| element.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let needs = descriptor.data_needs.iter();
    needs.filter(|need| covers(&need.path)).map(|need| need.class).max().unwrap_or(DataClass::Safeguarding)
}

/// Every value that no line was made of, once for each element.
fn losses(document: &Document, told: &BTreeSet<usize>) -> Vec<Loss> {
    let mut lost: BTreeMap<&str, u32> = BTreeMap::new();
    let leaves = document.leaves.iter().enumerate();
    for (_, leaf) in leaves.filter(|(place, leaf)| !told.contains(place) && !document.is_structure(leaf)) {
        let count = lost.entry(leaf.element.as_str()).or_default();
        *count = count.saturating_add(1);
    }
    let loss = |(element, count): (&str, u32)| Loss {
        element: element.to_owned(),
        reason: LossReason::NotChosen,
        grade: grade(element),
        count,
        detail: None,
        rule: None,
        because: None,
    };
    lost.into_iter().map(loss).collect()
}

fn grade(element: &str) -> Grade {
    let last = element.rsplit('.').next().unwrap_or_default();
    if SAYS_LITTLE.contains(&last) { Grade::Informational } else { Grade::Notable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_beside_words_are_little_and_words_are_not() {
        assert_eq!(grade("ServiceRequest.code.coding.code"), Grade::Informational);
        assert_eq!(grade("Patient.name.family"), Grade::Notable);
    }
}
