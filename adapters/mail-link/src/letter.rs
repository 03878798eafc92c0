//! The letters. They say who writes, which referral is meant and where to go, and nothing of the person.

use crate::page::Shown;
use crate::pdf;
use crate::settings::{Attached, Config};
use adapter_contract::{
    Ask, Attachment, Exchange, MailRequest, PlatformReferralId, Repeat, STATUS_LINK, SenderMove, TranslateError,
};
use std::fmt::Write as _;
use uuid::Uuid;

/// Longest name of a referral in somebody else's system that is repeated to them.
const LONGEST_NAME: usize = 64;

/// The names of one referral in mail.
struct Names<'a> {
    /// Our key: begins the name of each mail, and stands whole in its last line.
    key: &'a str,
    /// What people call it: `0B0F-7C52`.
    short: String,
}

impl<'a> Names<'a> {
    /// # Errors
    /// If the key has anything but letters, digits and hyphens, or is too short to call a referral by.
    fn of(exchange: &'a Exchange<'_>) -> Result<Self, TranslateError> {
        let key = exchange.keys.idempotency.0.as_str();
        let plain = key.len() <= 100 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let mut letters = key.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase());
        let groups = [letters.by_ref().take(4).collect::<String>(), letters.take(4).collect()];
        if !plain || groups.iter().any(|group| group.len() < 4) {
            return Err(TranslateError::new("keys.idempotency", "cannot be the name of a mail"));
        }
        Ok(Self { key, short: groups.join("-") })
    }

    fn mail(&self, kind: &str) -> String {
        format!("{}-{kind}", self.key)
    }

    /// What ends each letter.
    fn ending(&self, config: &Config) -> String {
        let (name, key) = (&config.sender_name, self.key);
        let lines = [
            "Please do not send names, addresses or anything else about a person by",
            "mail. People read replies to this mail. A reply does not accept or decline",
            "the referral: only the page behind the link does.",
        ];
        format!("{}\n\n{name}\n\nReference: {key}\n", lines.join("\n"))
    }
}

fn letter(config: &Config, names: &Names<'_>, kind: &str, subject: &str, paragraphs: &[&str]) -> MailRequest {
    MailRequest {
        key: names.mail(kind),
        thread: names.key.to_owned(),
        follows: Some(names.mail("submit")).filter(|_| kind != "submit"),
        subject: format!("{subject} {} from {}", names.short, config.sender_name),
        text: format!("Hello,\n\n{}\n\n{}", paragraphs.join("\n\n"), names.ending(config)),
        attachments: Vec::new(),
        // The same name makes the same Message-ID, the same reference and the same page: a second copy is known as one.
        repeat: Repeat::Keyed,
    }
}

fn link() -> String {
    format!(
        "Please open this link, give your organisation's passphrase, read the\nreferral, and say whether you take it on:\n\n\
         {STATUS_LINK}\n\nThe link can be opened once, and only for a while. If it has been used or\nhas expired, open it all the \
         same: the page then tells you how to get a\nnew one."
    )
}

/// The mail of a new referral.
///
/// # Errors
/// [`TranslateError`] for a key that names no mail, and for a referral that cannot be said as the settings want it.
pub(crate) fn submit(exchange: &Exchange<'_>, config: &Config, shown: &Shown) -> Result<MailRequest, TranslateError> {
    let names = Names::of(exchange)?;
    let mut opening =
        format!("there is a new referral for you from {}.\nIts reference is {}.", config.sender_name, names.short);
    if let Some(wanted) = shown.answer_by() {
        let _ = write!(opening, " An answer is wanted {wanted}.");
    }
    with_referral(config, &names, shown, ("submit", "New referral"), &opening)
}

/// The mail that tells of a change: the whole referral as it is now, since nobody reads a difference. The same change is the same mail.
///
/// # Errors
/// As [`submit`].
pub(crate) fn update(exchange: &Exchange<'_>, config: &Config, shown: &Shown) -> Result<MailRequest, TranslateError> {
    let names = Names::of(exchange)?;
    let opening = format!(
        "the referral {} from {} has been changed.\nWhat you were sent before no longer holds.",
        names.short, config.sender_name
    );
    let kind = format!("changed-{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, shown.text().as_bytes()).simple());
    with_referral(config, &names, shown, (&kind, "Changed: referral"), &opening)
}

/// A mail with the link to the referral, and with the referral itself as far as the settings want it.
fn with_referral(
    config: &Config,
    names: &Names<'_>,
    shown: &Shown,
    (kind, subject): (&str, &str),
    opening: &str,
) -> Result<MailRequest, TranslateError> {
    let link = link();
    let careful = "Please read the referral before you contact anybody.";
    let mut mail = letter(config, names, kind, subject, &[opening, &link, careful]);
    if config.full {
        let text = shown.text();
        if text.contains(STATUS_LINK) {
            let reason = format!("has the words {STATUS_LINK}, which stand for the link in a mail: leave them out");
            return Err(TranslateError::new("ServiceRequest", reason));
        }
        let _ = write!(mail.text, "\n----------------------------------------\n\n{}", text.trim_end());
        mail.text.push('\n');
    }
    if config.attached != Attached::Nothing {
        mail.attachments.push(Attachment {
            name: format!("referral-{}.pdf", names.short),
            media_type: "application/pdf".to_owned(),
            content: pdf::make(shown, &format!("Referral {}", names.short), names.key)?,
            sealed: config.attached == Attached::SealedPdf,
        });
    }
    Ok(mail)
}

/// The mail that tells of a withdrawal.
///
/// # Errors
/// [`TranslateError`] for other moves, which this adapter does not declare, and for a key that names no mail.
pub(crate) fn tell(
    exchange: &Exchange<'_>,
    config: &Config,
    sender_move: SenderMove,
    reason: Option<&str>,
) -> Result<MailRequest, TranslateError> {
    if sender_move != SenderMove::Cancel {
        return Err(TranslateError::new(
            "exchange.purpose",
            "this adapter tells of withdrawals alone: write to the organisation about a pause yourself",
        ));
    }
    let names = Names::of(exchange)?;
    let opening = format!("the referral {} from {} has been withdrawn.", names.short, config.sender_name);
    let stop =
        "Please stop what you do because of it, and do not contact the person\nbecause of it. You need not answer.";
    // A reason is in somebody's words, and may name anybody.
    let why = reason.map(str::trim).filter(|reason| config.full && !reason.is_empty() && !reason.contains(STATUS_LINK));
    let why = why.map(|reason| format!("The reason that was given:\n\n{reason}"));
    let paragraphs: Vec<&str> = [Some(opening.as_str()), why.as_deref(), Some(stop)].into_iter().flatten().collect();
    Ok(letter(config, &names, "withdrawn", "Withdrawn: referral", &paragraphs))
}

/// The mail that asks what becomes of a referral.
///
/// # Errors
/// [`TranslateError`] for a key that names no mail.
pub(crate) fn ask(
    exchange: &Exchange<'_>,
    config: &Config,
    referral: &PlatformReferralId,
    why: Ask,
    number: u32,
) -> Result<MailRequest, TranslateError> {
    let names = Names::of(exchange)?;
    let (name, short) = (&config.sender_name, &names.short);
    let (kind, subject, mut opening) = match why {
        Ask::First => (
            "first",
            "What becomes of referral",
            format!("you have the referral {short} from\n{name}. Please tell us what becomes of it."),
        ),
        Ask::Reminder => (
            "reminder",
            "Reminder: referral",
            format!(
                "we have not heard from you about the referral {short} from\n{name}. Please tell us what becomes of it."
            ),
        ),
        Ask::NewLink => (
            "new-link",
            "New link for referral",
            format!(
                "somebody asked for a new link to the referral {short} from\n{name}. If nobody of you did, leave this mail alone."
            ),
        ),
    };
    // It came to them by another way, under a name of its own.
    let elsewhere = referral.0 != names.key;
    if elsewhere && is_name(&referral.0) {
        let _ = write!(opening, "\n\nIn your own system it is {}.", referral.0);
    }
    let link = link();
    let mut mail = letter(config, &names, &format!("{kind}-{number}"), subject, &[&opening, &link]);
    if elsewhere {
        let is_first = why == Ask::First && number == 1;
        mail.follows = (!is_first).then(|| names.mail("first-1"));
    }
    Ok(mail)
}

/// What can be repeated to people without a thought: no blank, no line end, nothing that could be a sentence.
fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
