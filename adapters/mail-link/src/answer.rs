//! Reads what an organisation said on the page behind a status link.

use crate::status::statement;
use adapter_contract::{
    Concept, LinkAnswer, OutputValue, PlatformOrder, Reading, ReportedOutput, Says, TranslateError,
};

/// One answer is one statement.
///
/// # Errors
/// [`TranslateError`] for what is no [`LinkAnswer`].
pub(crate) fn read(body: &[u8]) -> Result<Vec<Reading>, TranslateError> {
    let answer: LinkAnswer = serde_json::from_slice(body)
        .map_err(|_| TranslateError::new("report", "is no answer of the status-link pages that this adapter knows"))?;
    let mut report = statement(answer.says.word(), answer.referral, answer.key, answer.event);
    report.order = PlatformOrder { version: None, instant: Some(answer.at) };
    report.reason = answer.words.filter(|words| !words.trim().is_empty());
    if has_ended(answer.says) {
        report.outputs = report.reason.iter().cloned().map(outcome).collect();
    }
    Ok(vec![Reading::Status(report)])
}

/// What was said about the end of the help is what came of it.
const fn has_ended(says: Says) -> bool {
    matches!(says, Says::FinishedHelped | Says::FinishedNotHelped | Says::FinishedLeftEarly)
}

fn outcome(words: String) -> ReportedOutput {
    ReportedOutput {
        kind: Concept { text: Some("Outcome".to_owned()), ..Concept::default() },
        value: OutputValue::Concept(Concept { text: Some(words), ..Concept::default() }),
    }
}
