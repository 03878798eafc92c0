//! `translate`: what becomes of a referral at one platform. Reads files, sends nothing, stores nothing.
//!
//! The way is the gateway's own: ingest with its references, minimise by the adapter's data need, translate, account.
//! With a configuration and a platform of it, consent is decided first, from the Consents in the files.

mod choose;
mod decide;
mod gather;
mod show;

use super::{Exit, complain, say};
use crate::chance::Chance;
use crate::clock::{Clock as _, SystemClock};
use adapter_contract::{
    Account, Exchange, IdempotencyKey, Keys, PlatformRequest, Purpose, Settings, Step, TranslateError,
};
use choose::{Chosen, Translating};
use decide::Decided;
use gateway_core::consent::{Verdict, Withheld};
use gateway_core::ingest::{self, Found, Outcome, patient_of};
use gateway_core::loss::{Asking, Assessment, LossReport, assess};
use gateway_core::minimise::{Minimised, Whole};
use gateway_core::task::derived_id;
use gateway_fhir::{Issue, Json, door, instant};
use std::path::PathBuf;

/// Entries of a Bundle, as the gateway takes them.
const MOST_ENTRIES: usize = 100;

/// What the command was given.
pub(super) struct Wanted {
    pub(super) adapter: String,
    pub(super) files: Vec<PathBuf>,
    pub(super) adapters: Option<PathBuf>,
    pub(super) settings_file: Option<PathBuf>,
    pub(super) settings: Vec<String>,
    pub(super) config: Option<PathBuf>,
    pub(super) platform: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) explain: bool,
    pub(super) reveal: bool,
    pub(super) json: bool,
}

/// What one Task and its ServiceRequest become.
struct Translation {
    /// Place of the Task in the Bundle.
    task: String,
    /// Absent where nobody said for whom.
    consent: Option<Decided>,
    said: Result<Said, String>,
}

/// What can be said to the platform.
struct Said {
    requests: Vec<PlatformRequest>,
    /// True if later requests would follow that depend on answers nobody has.
    more: bool,
    account: Option<Account>,
    report: LossReport,
}

/// Why nothing could be translated.
enum Stop {
    /// The command was used in a wrong way.
    Usage(String),
    /// The file or adapter is not right.
    NotRight(String),
    /// Something could not be read.
    Environment(String),
}

pub(super) fn run(wanted: &Wanted) -> Exit {
    match translated(wanted) {
        Ok((chosen, notes, translations)) => {
            let all_said = translations.iter().all(|one| one.said.is_ok());
            show::show(wanted, &chosen, &notes, &translations);
            if all_said { Exit::Done } else { Exit::NotRight }
        }
        Err(Stop::Usage(words)) => {
            complain(&words);
            Exit::Usage
        }
        Err(Stop::NotRight(words)) => {
            complain(&words);
            Exit::NotRight
        }
        Err(Stop::Environment(words)) => {
            complain(&words);
            Exit::Environment
        }
    }
}

fn translated(wanted: &Wanted) -> Result<(Chosen, Vec<String>, Vec<Translation>), Stop> {
    let chosen = choose::chosen(wanted)?;
    let mut documents = Vec::new();
    for file in &wanted.files {
        let bytes = std::fs::read(file).map_err(|error| Stop::Environment(format!("{}: {error}", file.display())))?;
        let document = door::admit(&bytes, &door::DoorLimits::default())
            .map_err(|refusal| Stop::NotRight(format!("{}:\n{}", file.display(), words(refusal.issues()))))?;
        documents.push(document);
    }
    let gathered = gather::gather(documents).map_err(Stop::NotRight)?;
    // What was put together or added explains most faults of what came of it.
    let with_notes = |words: String| {
        let notes = gathered.notes.iter().map(|note| format!("note: {note}\n"));
        Stop::NotRight(notes.chain([words]).collect())
    };
    let outcomes = resolved(&gathered.bundle).map_err(with_notes)?;
    let translations = translations(&outcomes, &chosen);
    if translations.is_empty() {
        return Err(with_notes("There is no Task whose focus is a ServiceRequest: nothing would be sent.".to_owned()));
    }
    Ok((chosen, gathered.notes, translations))
}

fn words(issues: &[Issue]) -> String {
    let one = |issue: &Issue| format!("{}: {}", issue.expression.as_deref().unwrap_or("-"), issue.diagnostics);
    issues.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// As the gateway reads what is posted to it, with ids that are the same every time.
fn resolved(bundle: &Json) -> Result<Vec<Outcome>, String> {
    let submission = ingest::read(bundle, MOST_ENTRIES).map_err(|refusal| words(&refusal.issues))?;
    let mut next = 0;
    let mut id = || {
        next += 1;
        format!("translated-{next}")
    };
    ingest::resolve(&submission, &Found::default(), &mut id).map_err(|refusal| words(&refusal.issues))
}

fn translations(outcomes: &[Outcome], chosen: &Chosen) -> Vec<Translation> {
    let lookup = |reference: &str| {
        outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Write(accepted) if format!("{}/{}", accepted.kind, accepted.id) == reference => {
                Some(&accepted.document)
            }
            _ => None,
        })
    };
    let mut all = Vec::new();
    for outcome in outcomes {
        let Outcome::Write(task) = outcome else { continue };
        let focus = task.document.get("focus").and_then(|focus| focus.text("reference")).map(str::to_owned);
        let (true, Some(focus)) = (task.kind == "Task", focus) else { continue };
        let (Some(request), Some((_, id))) = (lookup(&focus), focus.split_once('/')) else { continue };
        let Some(person) = patient_of(request, id, &lookup) else { continue };
        let whole = Whole::gather((&task.id, &task.document), (id, request), &person, &lookup);
        let needs = &chosen.adapter.as_adapter().descriptor().data_needs;
        let decide = |deciding: &decide::Deciding| {
            deciding.decide(
                outcomes,
                (&whole, &person),
                needs,
                &|reference| lookup(reference).cloned(),
                SystemClock.now(),
            )
        };
        let consent = chosen.deciding.as_ref().map(decide);
        let said = match &consent {
            Some(decided) if decided.decision.verdict == Verdict::Deny => Err(decided.words.clone()),
            Some(decided) => said(&whole, &decided.decision.withheld, chosen),
            None => said(&whole, &[], chosen),
        };
        all.push(Translation { task: task.place.clone(), consent, said });
    }
    all
}

fn said(whole: &Whole, withheld: &[Withheld], chosen: &Chosen) -> Result<Said, String> {
    // The real key is made at acceptance; any will do, as long as it is the same every time.
    let key = IdempotencyKey(derived_id(&["translate"]));
    let keys = Keys { idempotency: &key, correlation: "translate" };
    let accepted_at = instant::to_instant(SystemClock.now());
    let adapter = chosen.adapter.as_adapter();
    let settings = &chosen.settings;
    match assess(&Asking { whole, withheld, adapter, settings, accepted_at: &accepted_at, keys }) {
        Assessment::Unsayable { words, unsafe_to_send: true } => Err(format!("It would be unsafe to send: {words}")),
        Assessment::Unsayable { words, unsafe_to_send: false } => Err(words),
        Assessment::Told { report, account, minimised } => {
            let (requests, more) =
                requests(chosen, &minimised, settings, keys, &accepted_at).map_err(|error| error.to_string())?;
            Ok(Said { requests, more, account, report })
        }
    }
}

/// Every request that can be made without an answer, and whether more would follow.
fn requests(
    chosen: &Chosen,
    minimised: &Minimised,
    settings: &Settings,
    keys: Keys<'_>,
    accepted_at: &str,
) -> Result<(Vec<PlatformRequest>, bool), TranslateError> {
    let purpose = Purpose::Submit { referral: &minimised.referral };
    let exchange = Exchange { purpose, at: None, keys, settings, accepted_at };
    match &chosen.adapter {
        Translating::Declarative(adapter) => {
            let foreseen = adapter.foreseen(&exchange)?;
            Ok((foreseen.into_iter().map(PlatformRequest::Http).collect(), false))
        }
        Translating::Code(adapter) => match adapter.begin(&exchange)? {
            Step::Send(request, _) => Ok((vec![request], adapter.descriptor().limits.steps > 1)),
            // Some need no request at all.
            _ => Ok((Vec::new(), false)),
        },
    }
}

/// A key for the hashes of one explanation; nobody else has it, so nobody can find a value by trying.
fn fresh_key() -> String {
    Chance::from_system().secret()
}
