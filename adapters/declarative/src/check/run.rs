//! Runs one case against an adapter and notes everything that a fixture file can hold. Whether that is what was expected
//! is for others to say; a broken adapter runs here as well as a right one.

use super::case::{Asks, Case};
use super::wire;
use adapter_contract::{
    Adapter, Cursor, Exchange, IdempotencyKey, Keys, PlatformReferralId, Purpose, Report, SenderMove, Step,
    TranslateError,
};
use serde_json::{Value, json};

/// What a run gave, by the name of the file that would hold it, in the order in which it was seen.
pub(crate) type Transcript = Vec<(String, Value)>;

/// What is run: an adapter, and the codes of its concept maps.
pub(crate) trait Subject: Adapter {
    /// Every code of the map of this name with its translation; `None` if the mapping has no such map.
    fn codes(&self, map: &str) -> Option<Value>;
}

/// Runs a case.
pub(crate) fn run(case: &Case, subject: &dyn Subject) -> Transcript {
    match case.asks {
        Asks::Report => vec![("result.json".to_owned(), report(case, subject))],
        Asks::Settings => {
            let said = match subject.check_settings(&case.settings) {
                Ok(()) => json!("right"),
                Err(error) => wire::refused(&error),
            };
            vec![("result.json".to_owned(), said)]
        }
        Asks::Codes => {
            let codes = subject.codes(case.map.as_deref().unwrap_or_default());
            vec![("result.json".to_owned(), codes.unwrap_or_else(|| json!("the mapping has no map of this name")))]
        }
        _ => with_exchange(case, |exchange| exchanged(case, subject, exchange)),
    }
}

fn report(case: &Case, subject: &dyn Subject) -> Value {
    let report = Report { source: case.source, content_type: case.content_type.as_deref(), body: &case.report };
    match subject.read_report(&report) {
        Ok(readings) => json!({ "readings": wire::readings(&readings) }),
        Err(error) => wire::refused(&error),
    }
}

fn with_exchange<R>(case: &Case, work: impl FnOnce(&Exchange<'_>) -> R) -> R {
    let platform_referral = PlatformReferralId(case.platform_referral.clone());
    let cursor = case.cursor.clone().map(Cursor);
    let key = IdempotencyKey(case.key.clone());
    let tell = |sender_move| Purpose::Tell {
        platform_referral: &platform_referral,
        sender_move,
        reason: case.reason.as_deref(),
    };
    let purpose = match (case.asks, &case.referral) {
        (Asks::Submit, Some(referral)) => Purpose::Submit { referral },
        (Asks::Update, Some(referral)) => Purpose::Update { platform_referral: &platform_referral, referral },
        (Asks::Cancel, _) => tell(SenderMove::Cancel),
        (Asks::Hold, _) => tell(SenderMove::Hold),
        (Asks::Release, _) => tell(SenderMove::Release),
        (Asks::Read, _) => Purpose::Read { platform_referral: &platform_referral },
        (Asks::Poll, _) => Purpose::Poll { cursor: cursor.as_ref() },
        // A submit has its referral, and the rest are no exchanges: what is left is the look-up.
        _ => Purpose::LookUp,
    };
    let keys = Keys { idempotency: &key, correlation: &case.correlation };
    work(&Exchange { purpose, at: None, keys, settings: &case.settings, accepted_at: &case.accepted_at })
}

fn exchanged(case: &Case, subject: &dyn Subject, exchange: &Exchange<'_>) -> Transcript {
    let mut seen = Vec::new();
    if case.asks == Asks::Submit && ["losses.json", "account.json"].iter().any(|file| case.expected.contains_key(*file))
    {
        account(case, subject, exchange, &mut seen);
    }
    let mut step = subject.begin(exchange);
    let most = subject.descriptor().limits.steps as usize;
    for number in 1..=most {
        let Ok(Step::Send(request, progress)) = &step else { break };
        seen.push((format!("{number}-request.json"), wire::request(request, progress)));
        // Without an answer the case is about the requests so far.
        let Some(answer) = case.answers.get(number - 1) else { return seen };
        let next = subject.resume(exchange, progress, answer);
        step = next;
    }
    seen.push(("result.json".to_owned(), wire::result(&step)));
    seen
}

fn account(case: &Case, subject: &dyn Subject, exchange: &Exchange<'_>, seen: &mut Transcript) {
    let (losses, fields) = match subject.account(exchange) {
        Ok(Some(account)) => (wire::losses(&account.losses), wire::account(&account.fields)),
        Ok(None) => (Value::Null, Value::Null),
        Err(error) => (wire::refused(&error), wire::refused(&error)),
    };
    for (file, value) in [("losses.json", losses), ("account.json", fields)] {
        if case.expected.contains_key(file) {
            seen.push((file.to_owned(), value));
        }
    }
}

/// Promises of the contract that no expectation file can hold: the same exchange gives the same step, the same answer
/// the same next one, and an interrupted exchange makes the awaited request again.
pub(crate) fn promises(case: &Case, subject: &dyn Subject) -> Vec<String> {
    if matches!(case.asks, Asks::Report | Asks::Settings | Asks::Codes) {
        return Vec::new();
    }
    with_exchange(case, |exchange| {
        let mut broken = Vec::new();
        let mut step = subject.begin(exchange);
        if step != subject.begin(exchange) {
            broken.push("the same exchange gives another request the second time".to_owned());
        }
        for answer in &case.answers {
            let Ok(Step::Send(_, progress)) = &step else { break };
            let again = subject.begin(&Exchange { at: Some(progress), ..*exchange });
            if again != step {
                broken.push(format!(
                    "an exchange that was interrupted at step `{}` makes another request",
                    progress.step
                ));
            }
            let next = subject.resume(exchange, progress, answer);
            if next != subject.resume(exchange, progress, answer) {
                broken.push(format!("step `{}` answers the same answer in two ways", progress.step));
            }
            step = next;
        }
        broken
    })
}

/// A subject that panics has no transcript: it is a fault of the adapter, and a mutant that panics is noticed.
pub(crate) fn run_guarded(case: &Case, subject: &dyn Subject) -> Result<Transcript, TranslateError> {
    let work = std::panic::AssertUnwindSafe(|| run(case, subject));
    std::panic::catch_unwind(work)
        .map_err(|_| TranslateError::new("adapter", "panicked; this is a fault of the runtime, please report it"))
}
