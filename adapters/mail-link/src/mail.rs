//! Reads what comes back by mail: bounces, automatic answers, replies.
//!
//! Nothing is believed because of who seems to write: anybody can write as anybody. A reply says that somebody wants something, and
//! never accepts or declines. A mail counts for a referral only if it holds our key, which stands in nothing that we publish.

mod bounce;
mod parts;
mod quote;
mod whose;
mod words;

use crate::status::statement;
use adapter_contract::{IdempotencyKey, PlatformReferralId, Reading, TranslateError};
use bounce::Delivery;
use parts::Mail;
use uuid::Uuid;

/// Names of statements are made in this space.
const STATEMENTS: Uuid = Uuid::from_u128(0x31c5_7d02_9e4b_4f6a_8c1d_64b0_2a7f_e911);

/// Reads one mail.
///
/// # Errors
/// [`TranslateError`] for what is no mail, and for a mail that could matter and names no referral of ours.
pub(crate) fn read(body: &[u8]) -> Result<Vec<Reading>, TranslateError> {
    let mail = Mail::read(body).ok_or_else(|| TranslateError::new("report", "is no mail"))?;
    let reading = match bounce::delivery(&mail) {
        Some(Delivery::Failed { code }) => bounced(&mail, code.as_deref())?,
        Some(Delivery::Complaint) => {
            let reason = "is a complaint about one of our mails as unwanted; speak to the organisation";
            return Err(TranslateError::new("report", reason));
        }
        Some(Delivery::Unclear) => {
            let reason = "tells of the delivery of a mail, and not what became of it; read it, and act by hand";
            return Err(TranslateError::new("report", reason));
        }
        // What is on its way, has arrived or was shown to somebody changes nothing, and neither does what a machine answers.
        Some(Delivery::Delayed | Delivery::Arrived) => return Ok(Vec::new()),
        None if is_automatic(&mail) => return Ok(Vec::new()),
        None => replied(&mail)?,
    };
    Ok(vec![reading])
}

fn bounced(mail: &Mail, code: Option<&str>) -> Result<Reading, TranslateError> {
    let about = whose::bounced(mail)?;
    let what = match about.kind.as_deref() {
        Some("submit") => "The mail with the referral",
        Some("withdrawn") => "The mail that withdraws the referral",
        Some(kind) if kind.starts_with("changed") => "The mail that tells how the referral was changed",
        Some(_) => "A mail that asks about the referral",
        None => "A mail about the referral",
    };
    let code = code.map(|code| format!(" (code {code})")).unwrap_or_default();
    let reason =
        format!("{what} did not reach the organisation{code}. Ask them for their address, then send it again.");
    Ok(statement_of(mail, "bounced", about.key, reason))
}

fn replied(mail: &Mail) -> Result<Reading, TranslateError> {
    let key = whose::answered(mail)?;
    Ok(statement_of(mail, "reply", key, words::of(mail)))
}

fn statement_of(mail: &Mail, word: &str, key: String, reason: String) -> Reading {
    // The same mail read twice is one statement, by whichever way it came.
    let mut said = mail.header("message-id").unwrap_or_default().trim().as_bytes().to_vec();
    said.push(0);
    said.extend_from_slice(mail.body());
    let event = format!("mail/{word}/{}", Uuid::new_v5(&STATEMENTS, &said));
    let mut report = statement(word, PlatformReferralId(key.clone()), IdempotencyKey(key), event);
    // The clock of whoever wrote it is nothing to go by: it counts when it came.
    report.reason = Some(reason);
    Reading::Status(report)
}

/// Whether a machine wrote it: RFC 3834, and what was usual before and beside it.
fn is_automatic(mail: &Mail) -> bool {
    let first = |name: &str| {
        let value = mail.header(name).unwrap_or_default().trim().to_ascii_lowercase();
        value.split([';', ' ', '\t', '(']).next().unwrap_or_default().to_owned()
    };
    let submitted = first("auto-submitted");
    let subject = mail.subject().trim().to_lowercase();
    // Exchange says this of its own automatic answers. People's programs may ask for fewer than all to be suppressed.
    let suppressed = first("x-auto-response-suppress");
    (!submitted.is_empty() && submitted != "no")
        || ["auto_reply", "auto-reply", "junk"].contains(&first("precedence").as_str())
        || suppressed == "all"
        || ["x-autoreply", "x-autorespond", "x-autoresponder"].iter().any(|name| mail.header(name).is_some())
        || AUTOMATIC_SUBJECTS.iter().any(|begins| subject.starts_with(begins))
}

/// How automatic answers begin their subjects, where they do not say it elsewhere.
const AUTOMATIC_SUBJECTS: [&str; 7] = [
    "automatic reply:",
    "auto reply:",
    "auto-reply:",
    "autoreply:",
    "out of office:",
    "out of the office:",
    "ateb awtomatig:",
];

#[cfg(test)]
mod tests;
