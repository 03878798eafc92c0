//! What an answer of the platform means: the first outcome whose condition holds.
//!
//! A body that is no JSON, or not of the declared shape, is never half believed. With a status of success the answer is
//! then unreadable. With any other status (an error page of a proxy) conditions find nothing in it, and an outcome that
//! would take something from it is unreadable.

use super::environment::Run;
use super::inputs::{HttpAnswer, Inputs};
use super::record::Record;
use super::refusal::{Fault, Refusal};
use super::shape;
use super::statements::{ReadStatement, statements};
use super::store::{Answered, Given, Store};
use crate::document::Document;
use crate::fhirpath::{Expression, Item, NoTrace, Node, NodeType, Shape};
use crate::program::{self, Answer, ExchangeName, Failure, Program, Then};
use std::borrow::Cow;

/// What follows an answer.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The platform has it.
    Delivered {
        /// The platform's name for the referral.
        platform_referral: String,
        /// What it said of its status.
        reports: Vec<ReadStatement>,
    },
    /// It was asked and does not have it.
    Absent,
    /// Another request.
    Next {
        /// Index of the step within its exchange.
        step: usize,
        /// What later steps need, to be kept beside the notes of earlier steps.
        notes: Vec<(String, String)>,
    },
    /// What was read.
    Reports {
        /// The statements.
        statements: Vec<ReadStatement>,
        /// Where the next poll starts; empty if the mapping keeps nothing.
        cursor: Vec<(String, String)>,
        /// Whether more is waiting.
        more: bool,
    },
    /// It refused in its own words, kept a part, or said something that cannot be read.
    Failed {
        /// Which.
        code: Failure,
        /// The mapping author's words.
        diagnostic: String,
    },
    /// The body is not what the mapping declares, so that nothing in it may be believed.
    Unreadable {
        /// What is wrong, without values.
        problem: String,
    },
    /// The HTTP status decides.
    HttpFailure,
}

/// Says what an answer means.
///
/// # Errors
/// [`Refusal`] if the mapping has no such step, or an expression fails for another reason than the body.
pub fn answer(
    program: &Program,
    exchange: ExchangeName,
    step: usize,
    inputs: &Inputs<'_>,
    http: &HttpAnswer<'_>,
) -> Result<Outcome, Box<Refusal>> {
    recorded(program, exchange, step, inputs, http, &mut NoTrace)
}

pub(super) fn recorded<R: Record>(
    program: &Program,
    exchange: ExchangeName,
    step: usize,
    inputs: &Inputs<'_>,
    http: &HttpAnswer<'_>,
    record: &mut R,
) -> Result<Outcome, Box<Refusal>> {
    let declared = &super::find(program, exchange, step)?.answer;
    let text = shape::text(http.body, declared.shape.as_deref());
    let parsed = match &text {
        Ok(text) => Document::parse(text).map_err(|error| format!("the body is no JSON: {error}")),
        Err(problem) => Err(problem.clone()),
    };
    let body = read_body(declared, parsed.as_ref());
    let own_texts = own_texts(http.body, declared);
    let own: Vec<_> =
        own_texts.iter().map(|text| text.as_deref().and_then(|text| Document::parse(text).ok())).collect();
    let answered = Answered { status: i64::from(http.status), headers: http.headers };
    let given = Given { program, inputs, answered: Some(answered), foreseen: &[] };
    let store = Store::new(program);
    let slots = store.bindings(given);
    let mut run = Run::new(given, &slots, &store, record);
    let mut reader = Reader { run: &mut run, body: body.clone(), believed: (200..300).contains(&http.status) };
    if let (true, Err(problem)) = (reader.believed, &body) {
        return Ok(Outcome::Unreadable { problem: problem.clone() });
    }
    for (outcome, own) in declared.outcomes.iter().zip(&own) {
        reader.body = match outcome.shape.as_deref() {
            None => body.clone(),
            Some(shape) => match own.as_ref().and_then(|document| fitting(document, shape)) {
                Some(item) => Ok(Some(item)),
                // A body of another shape is what another outcome is about.
                None => continue,
            },
        };
        match reader.tried(outcome) {
            Ok(None) => {}
            Ok(Some(found)) => return Ok(found),
            Err(Stop::Unreadable(problem)) => return Ok(Outcome::Unreadable { problem }),
            Err(Stop::Refused(refusal)) => return Err(refusal),
        }
    }
    Ok(Outcome::HttpFailure)
}

/// The item from which paths into the body start, or why there is none.
pub(super) type Body<'e> = Result<Option<Item<'e>>, String>;

fn read_body<'e>(declared: &Answer, parsed: Result<&'e Document<'e>, &String>) -> Body<'e> {
    let Some(shape) = declared.shape.as_deref().filter(|_| declared.body) else { return Ok(None) };
    let document = parsed.map_err(Clone::clone)?;
    shape::fits(document, document.root(), shape)?;
    Ok(Some(root(document, shape)))
}

/// For each outcome with a shape of its own, the text in which its paths look.
fn own_texts<'t>(body: &'t [u8], declared: &Answer) -> Vec<Option<Cow<'t, str>>> {
    let text = |outcome: &program::Outcome| shape::text(body, Some(outcome.shape.as_deref()?)).ok();
    declared.outcomes.iter().map(text).collect()
}

fn fitting<'e>(document: &'e Document<'e>, shape: &Shape) -> Option<Item<'e>> {
    shape::fits(document, document.root(), shape).ok().map(|()| root(document, shape))
}

fn root<'e>(document: &'e Document<'e>, shape: &Shape) -> Item<'e> {
    Item::Node(Node::new(document, document.root(), NodeType::Shape(shape.kind())))
}

struct Reader<'a, 'e, 'r, R> {
    run: &'a mut Run<'e, 'r, R>,
    body: Body<'e>,
    /// The status says that all went well.
    believed: bool,
}

/// Why an outcome could not be made.
enum Stop {
    Unreadable(String),
    Refused(Box<Refusal>),
}

impl From<Box<Refusal>> for Stop {
    fn from(refusal: Box<Refusal>) -> Self {
        Self::Refused(refusal)
    }
}

impl<'e, R: Record> Reader<'_, 'e, '_, R> {
    fn tried(&mut self, outcome: &'e program::Outcome) -> Result<Option<Outcome>, Stop> {
        if let Some(when) = &outcome.when {
            let focus = self.body.clone().ok().flatten();
            let holds = self.run.holds(when, focus.as_ref()).map_err(unreadable)?;
            if !holds {
                return Ok(None);
            }
        }
        self.run.record.fired(outcome.rule);
        Ok(Some(match &outcome.then {
            Then::Absent => Outcome::Absent,
            Then::HttpFailure => Outcome::HttpFailure,
            Then::Failed { code, diagnostic } => Outcome::Failed { code: *code, diagnostic: diagnostic.clone() },
            Then::Delivered { platform_referral, reports } => {
                let name = self.text(platform_referral)?.filter(|name| !name.is_empty());
                let problem = || Stop::Unreadable("the platform's name for the referral is missing".to_owned());
                let reports = match reports {
                    Some(reading) => self.statements(reading)?,
                    None => Vec::new(),
                };
                Outcome::Delivered { platform_referral: name.ok_or_else(problem)?, reports }
            }
            Then::Next { step, notes } => Outcome::Next { step: *step, notes: self.pairs(notes)? },
            Then::Reports { reading, cursor, more } => {
                let statements = self.statements(reading)?;
                let more = match more {
                    Some(more) => {
                        let focus = self.focus(more)?;
                        self.run.holds(more, focus.as_ref()).map_err(unreadable)?
                    }
                    None => false,
                };
                Outcome::Reports { statements, cursor: self.pairs(cursor)?, more }
            }
        }))
    }

    fn statements(&mut self, reading: &'e program::Reading) -> Result<Vec<ReadStatement>, Stop> {
        let focus = self.body.clone().map_err(Stop::Unreadable)?;
        statements(self.run, reading, focus.as_ref()).map_err(unreadable)
    }

    /// Where the paths of an expression start; one that looks into the body needs a readable one.
    fn focus(&self, expression: &Expression) -> Result<Option<Item<'e>>, Stop> {
        match &self.body {
            Ok(item) => Ok(item.clone()),
            Err(problem) if expression.uses_context() => Err(Stop::Unreadable(problem.clone())),
            Err(_) => Ok(None),
        }
    }

    fn text(&mut self, expression: &'e Expression) -> Result<Option<String>, Stop> {
        let focus = self.focus(expression)?;
        super::statements::text(self.run, expression, focus.as_ref()).map_err(unreadable)
    }

    fn pairs(&mut self, pairs: &'e [(String, Expression)]) -> Result<Vec<(String, String)>, Stop> {
        let mut made = Vec::new();
        for (name, expression) in pairs {
            if let Some(text) = self.text(expression)? {
                made.push((name.clone(), text));
            }
        }
        Ok(made)
    }
}

/// A path fails over an answer only because of what the answer holds.
#[expect(clippy::needless_pass_by_value, reason = "it is mapped over errors")]
fn unreadable(cause: Fault) -> Stop {
    Stop::Unreadable(cause.to_string())
}
