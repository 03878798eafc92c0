//! A whole submit before anything is sent: what each request will hold, without the platform's answers.

use super::inputs::Inputs;
use super::refusal::Refusal;
use super::request::Rendered;
use super::store::Given;
use super::{Scratch, made, recorder};
use crate::account::Account;
use crate::program::{ExchangeName, Program, Step, Then};

/// Makes the requests of a submit in the course that the mapping's author lists first: from each answer, the first outcome
/// that goes on or has delivered. A note of an answer that is not there yet stands as its name in brackets. The account
/// is that of all these requests together.
///
/// # Errors
/// [`Refusal`] as from [`request`](super::request), of the first request that would not be made.
pub fn foresee(
    program: &Program,
    inputs: &Inputs<'_>,
    scratch: &mut Scratch,
) -> Result<(Vec<Rendered>, Account), Box<Refusal>> {
    let exchange = ExchangeName::Submit;
    let steps = program.exchanges.get(&exchange).map(Vec::as_slice).unwrap_or_default();
    let foreseen = notes(steps);
    let given = Given { program, inputs, answered: None, foreseen: &foreseen };
    let mut requests = Vec::new();
    let mut account = Account::default();
    for step in course(steps) {
        let mut recorder = recorder(inputs);
        requests.push(made(given, exchange, step, scratch, &mut recorder)?);
        account.merge(&recorder.into_account());
    }
    Ok((requests, account))
}

fn course(steps: &[Step]) -> Vec<usize> {
    let mut course = Vec::new();
    let mut next = (!steps.is_empty()).then_some(0);
    while let Some(at) = next.filter(|at| !course.contains(at)) {
        course.push(at);
        let outcomes = steps.get(at).map(|step| step.answer.outcomes.as_slice()).unwrap_or_default();
        next = outcomes
            .iter()
            .find_map(|outcome| match &outcome.then {
                Then::Next { step, .. } => Some(Some(*step)),
                Then::Delivered { .. } => Some(None),
                _ => None,
            })
            .flatten();
    }
    course
}

fn notes(steps: &[Step]) -> Vec<String> {
    let outcomes = steps.iter().flat_map(|step| &step.answer.outcomes);
    let mut names: Vec<String> = outcomes
        .filter_map(|outcome| match &outcome.then {
            Then::Next { notes, .. } => Some(notes.iter().map(|(name, _)| name.clone())),
            _ => None,
        })
        .flatten()
        .collect();
    names.sort();
    names.dedup();
    names
}
