//! The settings of one configured mailbox (README, "Settings").

use adapter_contract::{STATUS_LINK, Settings, TranslateError};

/// What may be set. `base-url` is the gateway's own.
const KNOWN: [&str; 5] = ["sender-name", "body", "accredited", "attachment", "base-url"];
/// Characters of the sender's name, at most: it stands in subjects.
const LONGEST_NAME: usize = 80;

/// What is attached to the mail of a referral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attached {
    /// Nothing.
    Nothing,
    /// The referral as PDF.
    Pdf,
    /// The same, which the gateway encrypts.
    SealedPdf,
}

/// The settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// Who writes, in the organisation's eyes.
    pub(crate) sender_name: String,
    /// Whether mails carry what the page shows.
    pub(crate) full: bool,
    /// What is attached.
    pub(crate) attached: Attached,
}

fn wrong(name: &str, reason: impl Into<String>) -> TranslateError {
    TranslateError::new(format!("settings.{name}"), reason)
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`TranslateError`] with the path `settings.<name>`.
    pub(crate) fn read(settings: &Settings) -> Result<Self, TranslateError> {
        if let Some(unknown) = settings.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            let known = KNOWN.iter().filter(|name| **name != "base-url").copied().collect::<Vec<_>>().join(", ");
            return Err(wrong(unknown, format!("is no setting of this adapter; there are {known}")));
        }
        let word = |name: &str| settings.get(name).map(String::as_str);
        let accredited = match word("accredited") {
            None | Some("no") => false,
            Some("yes") => true,
            Some(_) => return Err(wrong("accredited", "must be yes or no")),
        };
        let full = match word("body") {
            None | Some("minimal") => false,
            Some("full") => true,
            Some(_) => return Err(wrong("body", "must be minimal or full")),
        };
        let attached = match word("attachment") {
            None | Some("none") => Attached::Nothing,
            Some("pdf") => Attached::Pdf,
            Some("encrypted-pdf") => Attached::SealedPdf,
            Some(_) => return Err(wrong("attachment", "must be none, pdf or encrypted-pdf")),
        };
        if !accredited {
            let mend = "puts personal data into mail in clear. If this mailbox is accredited to DCB1596 or better, say so with \
                        accredited = \"yes\"; if not, leave this out";
            if full {
                return Err(wrong("body", mend));
            }
            if attached == Attached::Pdf {
                return Err(wrong("attachment", format!("{mend}, or use encrypted-pdf")));
            }
        }
        Ok(Self { sender_name: sender_name(word("sender-name"))?, full, attached })
    }
}

fn sender_name(given: Option<&str>) -> Result<String, TranslateError> {
    let name = given.map(str::trim).filter(|name| !name.is_empty()).ok_or_else(|| {
        wrong("sender-name", "is missing: say who writes to the organisation, such as \"Leeds social prescribing\"")
    })?;
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) || name.contains(STATUS_LINK) {
        return Err(wrong("sender-name", format!("must be one line of {LONGEST_NAME} characters at most")));
    }
    Ok(name.to_owned())
}
