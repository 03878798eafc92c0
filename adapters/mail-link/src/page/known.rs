//! What is known that bears on the help: conditions, goals, observations, questionnaires.

use super::Section;
use crate::document::{Document, Said, View};
use crate::words::{concept, concepts, date, value};

/// Longest name of a group that is repeated before each of its questions.
const LONGEST_GROUP: usize = 200;

/// What is known.
pub(super) fn known(document: &Document) -> Section {
    let mut section = Section::new("What is known");
    for condition in document.of_kind("Condition") {
        let states = ["clinicalStatus", "verificationStatus"].into_iter();
        let states = states.filter_map(|name| condition.get(name)).filter_map(state);
        let said = condition.get("code").and_then(concept);
        section.line("Condition", said.map(|said| said.noting(Said::join(states, ", "))));
    }
    for goal in document.of_kind("Goal") {
        let due = goal.items("target").into_iter().filter_map(|target| target.words("dueDate")).map(date);
        let about =
            goal.words("lifecycleStatus").into_iter().chain(due.map(|due| due.map(|text| format!("by {text}"))));
        let said = goal.get("description").and_then(concept);
        section.line("Goal", said.map(|said| said.noting(Said::join(about, ", "))));
    }
    for observation in document.of_kind("Observation") {
        section.lines.extend(observed(observation));
    }
    for answers in document.of_kind("QuestionnaireResponse") {
        let about = answers.words("status").into_iter().chain(answers.words("authored").map(date));
        section.line("Questionnaire", Said::join(about, ", "));
        for item in answers.items("item") {
            asked(item, None, &mut section);
        }
    }
    section
}

/// A status code of a condition: its words, or the code itself.
fn state(status: View<'_>) -> Option<Said> {
    let code = || status.items("coding").into_iter().find_map(|coding| coding.words("code"));
    status.words("text").or_else(code)
}

/// An observation: what was observed, and what was found.
fn observed(observation: View<'_>) -> Option<(Said, Said)> {
    let name = observation.get("code").and_then(concept).unwrap_or_else(|| Said::ours("Observation"));
    let parts = observation.items("component").into_iter().filter_map(|component| {
        let (name, found) = (component.get("code").and_then(concept)?, found(component)?);
        Some(name.and(": ", &found))
    });
    let said = Said::join(found(observation).into_iter().chain(parts), "\n")?;
    let about = observation.words("effectiveDateTime").map(date).into_iter().chain(observation.words("status"));
    Some((name, said.noting(Said::join(about, ", "))))
}

fn found(of: View<'_>) -> Option<Said> {
    let absent = || Some(of.get("dataAbsentReason").and_then(concept)?.map(|text| format!("no value: {text}")));
    of.choice("value").and_then(value).or_else(absent)
}

/// A question and its answers; what is asked below it stands behind it. The document is bounded in depth, and so is this.
fn asked(item: View<'_>, above: Option<&Said>, section: &mut Section) {
    let number = || Some(item.words("linkId")?.map(|number| format!("Question {number}")));
    let own = item.words("text").or_else(number).unwrap_or_else(|| Said::ours("Question"));
    let name = match above {
        Some(above) => above.clone().and(": ", &own),
        None => own,
    };
    let answers = item.items("answer");
    let said = Said::join(answers.iter().filter_map(|answer| value(answer.choice("value")?)), "; ");
    let below: Vec<View<'_>> =
        item.items("item").into_iter().chain(answers.iter().flat_map(|answer| answer.items("item"))).collect();
    let repeated = name.text.len() <= LONGEST_GROUP && !below.is_empty();
    match said {
        Some(said) => section.lines.push((name.clone(), said)),
        None if below.is_empty() => section.lines.push((name.clone(), Said::ours("no answer"))),
        None if !repeated => section.lines.push((name.clone(), Said::ours("the questions that follow"))),
        None => {}
    }
    for inner in below {
        asked(inner, repeated.then_some(&name), section);
    }
}

/// Words of roles, for whoever sent the referral.
pub(super) fn roles(of: View<'_>) -> Option<Said> {
    Said::join(concepts(of, "code"), ", ")
}
