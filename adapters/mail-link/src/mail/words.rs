//! What somebody wrote: the text of a mail without what it quotes, bounded.

use super::parts::{Content, Mail, Part};
use super::quote;

/// Characters of a reply that are kept with the referral.
const LONGEST: usize = 4_000;
/// Bytes of text that are looked at.
const MOST_TEXT: usize = 512 * 1024;
/// Bytes of HTML that are read, and tags: how long it takes grows faster than their number. What was written stands above.
const MOST_HTML: usize = 256 * 1024;
const MOST_TAGS: usize = 3_000;
/// HTML is set in lines of so many characters, which are not broken again.
const WIDTH: usize = 400;

/// What a reply says, with notices of what of it was left out.
pub(super) fn of(mail: &Mail) -> String {
    let written = quote::without(&whole(mail));
    let mut said = written.trim().to_owned();
    if said.is_empty() {
        let subject = mail.subject().trim();
        said = if subject.is_empty() || is_ours(subject) {
            "[The reply has no words of its own.]".to_owned()
        } else {
            subject.to_owned()
        };
    }
    let length = said.chars().count();
    if length > LONGEST {
        said = said.chars().take(LONGEST).collect();
        said.push_str(&format!("\n[Cut: the reply has {} more characters.]", length - LONGEST));
    }
    for notice in notices(mail) {
        said.push('\n');
        said.push_str(notice);
    }
    said
}

/// A subject that is one of our own, answered.
fn is_ours(subject: &str) -> bool {
    let lower = subject.to_lowercase();
    let bare = lower.trim_start_matches("re:").trim_start_matches("fw:").trim_start_matches("fwd:").trim_start();
    [
        "new referral ",
        "reminder: referral ",
        "withdrawn: referral ",
        "what becomes of referral ",
        "new link for referral ",
    ]
    .iter()
    .any(|ours| bare.starts_with(ours))
}

fn notices(mail: &Mail) -> Vec<&'static str> {
    let is_outlook = |part: &Part| {
        part.media_type == "application/ms-tnef"
            || part.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("winmail.dat"))
    };
    let is_file =
        |part: &Part| part.attached || part.content == Content::Other || part.media_type.starts_with("message/");
    let mut notices = Vec::new();
    if mail.parts.iter().any(is_outlook) {
        notices.push("[The mail has a winmail.dat, which cannot be read. Ask the organisation to send plain text.]");
    }
    if mail.parts.iter().any(|part| is_file(part) && !is_outlook(part)) {
        notices.push("[The mail has attachments, which are not carried.]");
    }
    let is_cut = |part: &Part| matches!(&part.content, Content::Html(html) if read_of(html).len() < html.len());
    if mail.parts.iter().any(|part| !part.attached && is_cut(part)) {
        notices.push("[The mail has more HTML than is read.]");
    }
    if mail.more {
        notices.push("[The mail has more parts than are read.]");
    }
    notices
}

/// All text of a mail, what it quotes included. Of two ways to say the same the plainer counts, if it says anything.
pub(super) fn whole(mail: &Mail) -> String {
    let plain = |part: &Part| match &part.content {
        Content::Text(text) if !part.attached => Some(text.clone()),
        _ => None,
    };
    let texts: Vec<String> = mail.parts.iter().filter_map(plain).filter(|text| !text.trim().is_empty()).collect();
    let has_text = !texts.is_empty();
    let html = mail.parts.iter().filter_map(|part| match &part.content {
        Content::Html(html) if !(part.attached || has_text && part.alternative) => Some(text_of(html)),
        _ => None,
    });
    let all: Vec<String> = texts.into_iter().chain(html).collect();
    bounded(&all.join("\n"), MOST_TEXT).replace("\r\n", "\n").replace('\r', "\n")
}

fn bounded(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.get(..end).unwrap_or_default()
}

/// As much of it as is read.
fn read_of(html: &str) -> &str {
    let html = bounded(html, MOST_HTML);
    html.match_indices('<').nth(MOST_TAGS).and_then(|(end, _)| html.get(..end)).unwrap_or(html)
}

/// The text of HTML, without scripts, styles and addresses of links. Quotes are marked as in plain mail.
fn text_of(html: &str) -> String {
    let config = html2text::config::plain_no_decorate().link_footnotes(false).no_table_borders().allow_width_overflow();
    config.string_from_read(read_of(html).as_bytes(), WIDTH).unwrap_or_default()
}
