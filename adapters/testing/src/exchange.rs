//! Plays an exchange: what the adapter asks is compared, what the platform answers is read from the case, and each step is made twice.

use crate::Case;
use adapter_contract::{
    Adapter, Answer, Exchange, IdempotencyKey, Keys, PlatformRequest, Progress, Purpose, Reading, Settings, Step,
    TranslateError,
};
use serde_json::{Value, json};

/// The key of exchanges in fixtures.
pub const KEY: &str = "0b0f7c52-6c1e-4d0c-9a55-3f1f5ac0a001";
/// When their referrals were accepted.
pub const ACCEPTED: &str = "2026-11-22T09:00:00.000Z";

/// Runs `check` with an exchange of this purpose and key.
pub fn with_exchange<R>(
    purpose: Purpose<'_>,
    key: &str,
    settings: &Settings,
    check: impl FnOnce(&Exchange<'_>) -> R,
) -> R {
    let key = IdempotencyKey(key.to_owned());
    let keys = Keys { idempotency: &key, correlation: "conversation-1" };
    check(&Exchange { purpose, at: None, keys, settings, accepted_at: ACCEPTED })
}

/// Plays to the end, which is returned. `asked` compares what is asked with the case, for the number of the step; `answered` reads the
/// answer to it.
///
/// # Panics
/// If the adapter makes more steps than it declares, or another step of the same.
pub fn play(
    adapter: &dyn Adapter,
    exchange: &Exchange<'_>,
    case: &mut Case,
    asked: impl Fn(&mut Case, u32, &PlatformRequest, &Progress),
    answered: impl Fn(&mut Case, u32) -> Answer,
) -> Result<Step, TranslateError> {
    let mut step = adapter.begin(exchange);
    assert_eq!(step, adapter.begin(exchange), "the same exchange gives the same step");
    for number in 1.. {
        let Ok(Step::Send(request, progress)) = &step else { break };
        assert!(number <= adapter.descriptor().limits.steps, "more steps than declared");
        asked(case, number, request, progress);
        let answer = answered(case, number);
        let next = adapter.resume(exchange, progress, &answer);
        assert_eq!(next, adapter.resume(exchange, progress, &answer), "the same answer gives the same step");
        step = next;
    }
    step
}

/// An HTTP answer as a case has it: `status`, `headers`, and `body` (JSON) or `text`.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn http_answer(answer: &Value) -> Answer {
    let headers = answer.get("headers").and_then(Value::as_object).into_iter().flatten();
    let body = match (answer.get("body"), answer.get("text").and_then(Value::as_str)) {
        (Some(body), None) => body.to_string(),
        (None, text) => text.unwrap_or_default().to_owned(),
        (Some(_), Some(_)) => panic!("an answer has a body or a text"),
    };
    Answer::Http {
        status: answer["status"].as_u64().and_then(|status| status.try_into().ok()).expect("a status"),
        headers: headers.map(|(name, value)| (name.clone(), value.as_str().expect("a string").to_owned())).collect(),
        body: body.into_bytes(),
    }
}

/// How an exchange ended, as `result.json` has it; `reading` writes one reading.
///
/// # Panics
/// If it has not ended.
#[must_use]
pub fn result(step: &Result<Step, TranslateError>, reading: impl Fn(&Reading) -> Value) -> Value {
    match step {
        Ok(Step::Send(..)) => panic!("an exchange ends"),
        Ok(Step::Delivered(receipt)) => json!({ "delivered": receipt.platform_referral, "reports": receipt.reports }),
        Ok(Step::Absent) => json!("absent"),
        Ok(Step::Reports(page)) => {
            json!({ "readings": readings(&page.readings, reading), "cursor": page.cursor, "more": page.more })
        }
        Ok(Step::Failed(error)) => json!({ "failed": error }),
        Err(error) => refused(error),
    }
}

/// Readings, each as `reading` writes it.
#[must_use]
pub fn readings(readings: &[Reading], reading: impl Fn(&Reading) -> Value) -> Vec<Value> {
    readings.iter().map(reading).collect()
}

/// A refusal, as `result.json` has it.
#[must_use]
pub fn refused(error: &TranslateError) -> Value {
    json!({ "refused": { "path": error.path, "reason": error.reason, "unsafe-to-send": error.unsafe_to_send } })
}
