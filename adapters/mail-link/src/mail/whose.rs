//! Which referral a mail is about: by our key and nothing else.
//!
//! The key stands in the address that is answered to (`local+KEY@domain`), in the `Message-ID` of each of our mails
//! (`<KEY-kind@domain>`) and in its last line (`Reference: KEY`). Only whole keys count.

use super::parts::{Content, Mail, fields};
use super::words;
use adapter_contract::TranslateError;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Characters of a key.
const KEY: usize = 36;
/// Fields that say where a mail went.
const RECIPIENTS: [&str; 7] =
    ["to", "cc", "delivered-to", "x-original-to", "envelope-to", "x-forwarded-to", "x-delivered-to"];

/// The mail of ours that another is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    /// The referral's key.
    pub(super) key: String,
    /// Which of its mails: `submit`, `reminder-2`; `None` if that is not known.
    pub(super) kind: Option<String>,
}

/// The referral that a reply is about.
///
/// # Errors
/// [`TranslateError`] if it names none of ours, or more than one.
pub(super) fn answered(mail: &Mail) -> Result<String, TranslateError> {
    let by_address = addressed(mail);
    let by_thread = threaded(mail);
    let by_line = || referenced(mail);
    for found in [by_address, by_thread] {
        if let Some(key) = only(found)? {
            return Ok(key);
        }
    }
    only(by_line())?.ok_or_else(unknown)
}

/// The mail that did not arrive: by what comes back of it, and if nothing does, as a reply.
///
/// # Errors
/// As [`answered`].
pub(super) fn bounced(mail: &Mail) -> Result<About, TranslateError> {
    let heads = mail.parts.iter().filter_map(|part| match &part.content {
        Content::Mail(bytes) if part.media_type != "message/delivery-status" => Some(bytes.as_slice()),
        _ => None,
    });
    for head in heads {
        for (_, value) in fields(head).into_iter().filter(|(name, _)| name == "message-id") {
            if let Some(about) = message_ids(&value).next() {
                return Ok(about);
            }
        }
    }
    // Some put the mail into their text.
    let text = words::whole(mail);
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut named = lines.filter(|(name, _)| name.trim_start_matches(['>', ' ']).eq_ignore_ascii_case("message-id"));
    if let Some(about) = named.find_map(|(_, value)| message_ids(value).next()) {
        return Ok(about);
    }
    Ok(About { key: answered(mail)?, kind: None })
}

fn only(found: BTreeSet<String>) -> Result<Option<String>, TranslateError> {
    if found.len() > 1 {
        return Err(TranslateError::new("report", "names more than one referral; read it, and act for each by hand"));
    }
    Ok(found.into_iter().next())
}

fn unknown() -> TranslateError {
    TranslateError::new("report", "names no referral of ours by its whole key; read it, and act by hand")
}

/// By the address that it was written to.
fn addressed(mail: &Mail) -> BTreeSet<String> {
    let values = RECIPIENTS.iter().flat_map(|name| mail.headers(name));
    values.flat_map(|value| value.split('+').skip(1)).filter_map(begins_with_key).map(|(key, _)| key).collect()
}

/// By the mail that it answers; if that is none of ours, by those before it.
fn threaded(mail: &Mail) -> BTreeSet<String> {
    let of = |name: &str| -> BTreeSet<String> {
        mail.headers(name).flat_map(|value| message_ids(value).map(|about| about.key).collect::<Vec<_>>()).collect()
    };
    let direct = of("in-reply-to");
    if direct.is_empty() { of("references") } else { direct }
}

/// By the line that ends each of our mails, wherever it is quoted.
fn referenced(mail: &Mail) -> BTreeSet<String> {
    let text = format!("{}\n{}", mail.subject(), words::whole(mail)).to_ascii_lowercase();
    let after = text.split("reference").skip(1);
    after
        .filter_map(|rest| begins_with_key(rest.trim_start_matches([':', ' ', '\u{a0}', '*'])))
        .map(|(key, _)| key)
        .collect()
}

/// Our mails among the `Message-ID`s of a field.
fn message_ids(value: &str) -> impl Iterator<Item = About> {
    value.split('<').skip(1).filter_map(|rest| {
        let (key, rest) = begins_with_key(rest)?;
        let kind = rest.strip_prefix('-')?.split('@').next()?;
        let plain = kind.len() <= 40 && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        plain.then(|| About { key, kind: Some(kind.to_owned()) })
    })
}

/// A whole key at the beginning of a text, in its usual form, and what follows it.
fn begins_with_key(text: &str) -> Option<(String, &str)> {
    let (head, rest) = text.split_at_checked(KEY)?;
    if rest.starts_with(|next: char| next.is_ascii_alphanumeric()) {
        return None;
    }
    let key = Uuid::try_parse(head).ok()?;
    Some((key.hyphenated().to_string(), rest))
}
