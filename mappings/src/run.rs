//! Runs a compiled mapping: from a referral to the platform's request, from the platform's answer to what it means.
//!
//! Pure: the same inputs give the same bytes. It knows no network, clock or chance, and nothing of files. A referral
//! that cannot be said in the platform's format is a [`Refusal`] with the element's FHIR path, before anything is sent.
//! Nothing here panics on what a document or an answer holds; work and size have limits.

mod answer;
mod code;
mod date;
mod environment;
mod foresee;
mod held;
mod inputs;
mod length;
mod node;
mod record;
mod refusal;
mod request;
mod settings;
mod shape;
mod statements;
mod store;
mod text;
mod value;
mod watch;

pub use answer::{Outcome, answer};
pub use foresee::foresee;
pub use inputs::{HttpAnswer, Inputs, Keys};
pub use node::MAX_BODY;
pub(crate) use refusal::place;
pub use refusal::{Cause, Refusal};
pub use request::Rendered;
pub use settings::check_settings;
pub use statements::{ReadStatement, ReadStatus, read_report};
pub use text::plain_text;
pub use watch::{Watch, answer_watched, read_report_watched, request_watched};

use crate::account::Account;
use crate::fhirpath::NoTrace;
use crate::loss::Places;
use crate::program::{ExchangeName, Program, Step};
use environment::Run;
use record::{Record, Recorder};
use store::{Given, Store};

/// What one translation leaves to the next: how much room it needed, and what was learned of element paths. One for each
/// thread; it is of use to one mapping at a time and holds no value of any referral.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    body: usize,
    places: Option<Places>,
}

impl Scratch {
    /// What is known of element paths under a mapping.
    pub(crate) fn places(&mut self, program: &Program) -> &mut Places {
        if self.places.as_ref().is_some_and(|places| !places.is_for(program)) {
            self.places = None;
        }
        self.places.get_or_insert_with(|| Places::new(program))
    }
}

/// Makes the request of one step.
///
/// # Errors
/// [`Refusal`] if a guard of the mapping holds, a required element is missing, or something does not fit and the
/// mapping says that the referral is then not sent.
pub fn request(
    program: &Program,
    exchange: ExchangeName,
    step: usize,
    inputs: &Inputs<'_>,
    scratch: &mut Scratch,
) -> Result<Rendered, Box<Refusal>> {
    recorded(program, exchange, step, inputs, scratch, &mut NoTrace)
}

/// As [`request`], and keeps what is needed to explain it and to say what is lost.
///
/// # Errors
/// As [`request`].
pub fn request_explained(
    program: &Program,
    exchange: ExchangeName,
    step: usize,
    inputs: &Inputs<'_>,
    scratch: &mut Scratch,
) -> Result<(Rendered, Account), Box<Refusal>> {
    let mut recorder = recorder(inputs);
    let rendered = recorded(program, exchange, step, inputs, scratch, &mut recorder)?;
    Ok((rendered, recorder.into_account()))
}

fn recorder(inputs: &Inputs<'_>) -> Recorder {
    Recorder::new(inputs.referral)
}

fn recorded<R: Record>(
    program: &Program,
    exchange: ExchangeName,
    step: usize,
    inputs: &Inputs<'_>,
    scratch: &mut Scratch,
    record: &mut R,
) -> Result<Rendered, Box<Refusal>> {
    let given = Given { program, inputs, answered: None, foreseen: &[] };
    made(given, exchange, step, scratch, record)
}

fn made<R: Record>(
    given: Given<'_>,
    exchange: ExchangeName,
    step: usize,
    scratch: &mut Scratch,
    record: &mut R,
) -> Result<Rendered, Box<Refusal>> {
    let program = given.program;
    let declared = find(program, exchange, step)?;
    let store = Store::new(program);
    let slots = store.bindings(given);
    let mut run = Run::new(given, &slots, &store, record);
    if matches!(exchange, ExchangeName::Submit | ExchangeName::Update) && step == 0 {
        run.guards(program)?;
    }
    let rendered = run.request(&declared.request, scratch.body)?;
    scratch.body = rendered.body.as_ref().map_or(0, Vec::len) + 256;
    Ok(rendered)
}

fn find(program: &Program, exchange: ExchangeName, step: usize) -> Result<&Step, Box<Refusal>> {
    let found = program.exchanges.get(&exchange).and_then(|steps| steps.get(step));
    found.ok_or_else(|| Refusal::of("the exchange", Cause::NoSuchStep))
}
