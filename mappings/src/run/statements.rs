//! Reads what a platform says of referrals: statements of an answer's body, or of a body that it pushed.

use super::answer::Body;
use super::environment::Run;
use super::held::Held;
use super::inputs::Inputs;
use super::record::Record;
use super::refusal::{Cause, Fault, Refusal};
use super::shape;
use super::store::{Given, Store};
use crate::document::Document;
use crate::fhirpath::{Expression, Item, NoTrace, Node, NodeType};
use crate::program::{Program, Reading, Reads, StatusRule};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

/// One statement of a platform about one referral.
#[derive(Clone, PartialEq, Eq)]
pub enum ReadStatement {
    /// It says what the status is.
    Status(Box<ReadStatus>),
    /// It only says that something changed; the platform's name for the referral.
    Changed(String),
}

impl fmt::Debug for ReadStatement {
    /// Nothing that the platform wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(_) => "Status(..)",
            Self::Changed(_) => "Changed(..)",
        })
    }
}

/// The parts of a status report, as the platform writes them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ReadStatus {
    /// The platform's name for the referral.
    pub platform_referral: String,
    /// Our key, where the platform repeats it.
    pub key: Option<String>,
    /// Names the statement.
    pub event: String,
    /// A number that grows.
    pub version: Option<u64>,
    /// When it happened.
    pub instant: Option<String>,
    /// The platform's word; empty if it gives none.
    pub status: String,
    /// Its reason in words.
    pub reason: Option<String>,
    /// What was done: kind and words.
    pub outputs: Vec<(String, String)>,
}

/// Reads a body that the platform pushed.
///
/// # Errors
/// [`Refusal`] if the mapping reads no pushed bodies, or the body is not as it declares.
pub fn read_report(
    program: &Program,
    settings: &BTreeMap<String, String>,
    body: &[u8],
) -> Result<Vec<ReadStatement>, Box<Refusal>> {
    recorded(program, settings, body, &mut NoTrace)
}

pub(super) fn recorded<R: Record>(
    program: &Program,
    settings: &BTreeMap<String, String>,
    body: &[u8],
    record: &mut R,
) -> Result<Vec<ReadStatement>, Box<Refusal>> {
    let refused = |problem: String| Refusal::of("the report", Cause::Unreadable(problem));
    let Some(reading) = &program.report else { return Err(Refusal::of("the report", Cause::NoSuchStep)) };
    let text = shape::text(body, program.report_shape.as_deref()).map_err(refused)?;
    let document = Document::parse(&text).map_err(|error| refused(error.to_string()))?;
    let focus = pushed(program, &document).map_err(refused)?;
    let inputs = Inputs { settings, ..Inputs::none() };
    let given = Given { program, inputs: &inputs, answered: None, foreseen: &[] };
    let store = Store::new(program);
    let slots = store.bindings(given);
    let mut run = Run::new(given, &slots, &store, record);
    statements(&mut run, reading, focus.as_ref()).map_err(|cause| run.refuse(reading.rule, cause))
}

fn pushed<'e>(program: &Program, document: &'e Document<'e>) -> Body<'e> {
    let Some(shape) = program.report_shape.as_deref() else { return Ok(None) };
    shape::fits(document, document.root(), shape)?;
    Ok(Some(Item::Node(Node::new(document, document.root(), NodeType::Shape(shape.kind())))))
}

/// The statements of a body.
pub(super) fn statements<'e, R: Record>(
    run: &mut Run<'e, '_, R>,
    reading: &'e Reading,
    focus: Option<&Item<'e>>,
) -> Result<Vec<ReadStatement>, Fault> {
    run.record.fired(reading.rule);
    let Some(each) = &reading.each else { return Ok(vec![statement(run, &reading.what, focus)?]) };
    let mut items = Vec::new();
    run.each(each, focus, &mut |item| {
        items.push(item);
        ControlFlow::Continue(())
    })?;
    items.iter().map(|item| statement(run, &reading.what, Some(item))).collect()
}

fn statement<'e, R: Record>(
    run: &mut Run<'e, '_, R>,
    reads: &'e Reads,
    focus: Option<&Item<'e>>,
) -> Result<ReadStatement, Fault> {
    match reads {
        Reads::Changed(expression) => Ok(ReadStatement::Changed(needed(run, expression, focus, "the referral")?)),
        Reads::Status(rule) => Ok(ReadStatement::Status(Box::new(status(run, rule, focus)?))),
    }
}

fn status<'e, R: Record>(
    run: &mut Run<'e, '_, R>,
    rule: &'e StatusRule,
    focus: Option<&Item<'e>>,
) -> Result<ReadStatus, Fault> {
    let mut maybe = |expression: &'e Option<Expression>| match expression {
        Some(expression) => text(run, expression, focus),
        None => Ok(None),
    };
    let key = maybe(&rule.key)?;
    let instant = maybe(&rule.instant)?;
    let reason = maybe(&rule.reason)?;
    let version = match maybe(&rule.version)? {
        Some(digits) => {
            Some(digits.parse().map_err(|_| Box::new(Cause::Unreadable("the version is no number".to_owned())))?)
        }
        None => None,
    };
    let mut outputs = Vec::new();
    for output in &rule.outputs {
        if let Some(words) = text(run, &output.text, focus)? {
            outputs.push((output.kind.clone(), words));
        }
    }
    Ok(ReadStatus {
        platform_referral: needed(run, &rule.platform_referral, focus, "the referral")?,
        key,
        event: needed(run, &rule.event, focus, "the statement")?,
        version,
        instant,
        status: text(run, &rule.status, focus)?.unwrap_or_default(),
        reason,
        outputs,
    })
}

fn needed<'e, R: Record>(
    run: &mut Run<'e, '_, R>,
    expression: &'e Expression,
    focus: Option<&Item<'e>>,
    what: &str,
) -> Result<String, Fault> {
    let missing = || Box::new(Cause::Unreadable(format!("the platform's name for {what} is missing")));
    text(run, expression, focus)?.ok_or_else(missing)
}

/// The first value of an expression as text; `None` if there is none or it is empty.
pub(super) fn text<'e, R: Record>(
    run: &mut Run<'e, '_, R>,
    expression: &'e Expression,
    focus: Option<&Item<'e>>,
) -> Result<Option<String>, Fault> {
    let Some(item) = run.first(expression, focus)? else { return Ok(None) };
    let text = Held::item(item)?.characters();
    Ok(text.filter(|text| !text.is_empty()).map(std::borrow::Cow::into_owned))
}
