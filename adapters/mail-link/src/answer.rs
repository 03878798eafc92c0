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
    let words = answer.words.filter(|words| !words.trim().is_empty());
    let told = [worry(answer.says), answer.today.map(urgency), words.as_deref()];
    let told: Vec<&str> = told.into_iter().flatten().collect();
    report.reason = (!told.is_empty()).then(|| told.join(" "));
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

/// What a call for help is about: whoever reads the words has to know it, and the code says less.
const fn worry(says: Says) -> Option<&'static str> {
    match says {
        Says::NeedsMoreMentalHealth => Some("The person's mental health is getting worse."),
        Says::NeedsMoreSafeguarding => Some("Somebody may be harmed."),
        Says::NeedsMoreOther => Some("The person needs help that the organisation does not give."),
        _ => None,
    }
}

const fn urgency(today: bool) -> &'static str {
    if today {
        "The organisation says that somebody has to act today."
    } else {
        "The organisation says that it need not be today."
    }
}
