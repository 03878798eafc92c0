//! The pages of one referral: what it says and what can be answered, a form for each answer, and why there is nothing.

use super::offer::{Kind, TODAY};
use super::pages::{At, Mistake, close, described, fault, frame};
use super::session::{EVENT, SEAL, Session, TOKEN};
use crate::http::pages::form::Form;
use crate::viewing::{Shown, Unseen};
use adapter_contract::ReferralPage;
use maud::{Markup, html};

/// The referral, and what can be said of it.
pub(super) fn referral(at: At<'_>, session: &Session, shown: &Shown, offered: &[Kind]) -> Markup {
    let content = html! {
        @match &shown.page {
            Some((page, _)) => { (warnings(page)) (answers(at, offered)) (told(page)) }
            None => {
                p { "You have this referral in the system that your organisation uses. Here you can say what becomes of it." }
                (answers(at, offered))
            }
        }
        (close(at, &session.token()))
    };
    frame(at, "A referral to your organisation", &[], &content)
}

fn warnings(page: &ReferralPage) -> Markup {
    html! {
        @if !page.warnings.is_empty() {
            section.warning aria-labelledby="important" {
                h2 #important { "Important" }
                ul { @for one in &page.warnings { li { (one) } } }
            }
        }
    }
}

fn told(page: &ReferralPage) -> Markup {
    html! {
        @for section in &page.sections {
            section.card {
                h2 { (section.heading) }
                dl { @for (name, value) in &section.lines { div { dt { (name) } dd { (value) } } } }
            }
        }
    }
}

fn answers(at: At<'_>, offered: &[Kind]) -> Markup {
    html! {
        nav aria-labelledby="answers" {
            h2 #answers { "What you can do" }
            @if !offered.iter().any(|kind| *kind != Kind::NeedsMore) {
                p { "This referral has ended, or is back with the people who sent it. There is nothing to do here." }
            }
            @if !offered.is_empty() {
                ul.answers {
                    @for (place, kind) in offered.iter().enumerate() {
                        li { a.button.second[place > 0] href={ (at.0) "/referral/" (kind.word()) } { (kind.heading()) } }
                    }
                }
            }
        }
    }
}

/// What one answer is given with.
pub(super) struct Sheet<'a> {
    pub(super) kind: Kind,
    /// Names the answer.
    pub(super) event: &'a str,
    /// Most characters of what is written.
    pub(super) most: usize,
    /// What was sent before, if it has to be put right.
    pub(super) sent: Option<&'a Form>,
    pub(super) mistakes: &'a [Mistake],
}

/// The form of one answer. It says nothing of the person.
pub(super) fn answer(at: At<'_>, session: &Session, sheet: &Sheet<'_>) -> Markup {
    let Sheet { kind, event, mistakes, .. } = *sheet;
    let word = kind.word();
    let content = html! {
        p { (before(kind)) }
        form id=(word) method="post" action={ (at.0) "/referral/" (word) } novalidate {
            input type="hidden" name=(TOKEN) value=(session.token());
            input type="hidden" name=(EVENT) value=(event);
            input type="hidden" name=(SEAL) value=(session.seal(word, event));
            @if let Some((field, choices)) = kind.choices() {
                (radios(sheet, field, &choices.iter().map(|(says, label)| (says.word(), *label)).collect::<Vec<_>>()))
            }
            @if kind == Kind::NeedsMore { (radios(sheet, "today", &TODAY)) }
            @if kind.has_words() { (writing(sheet)) }
            button type="submit" { @if kind == Kind::Accept { "Accept this referral" } @else { "Send this answer" } }
        }
        p { a href={ (at.0) "/referral" } { "Go back without answering" } }
    };
    frame(at, kind.heading(), mistakes, &content)
}

fn before(kind: Kind) -> &'static str {
    match kind {
        Kind::Accept => "You take this person on. The people who sent the referral are told so.",
        Kind::Decline => {
            "You do not take this person on. The people who sent the referral are told why, and look for other help."
        }
        Kind::Ask => "Your question goes to the people who sent the referral. The referral stays open.",
        Kind::Attended => "You say that the person came to you. The people who sent the referral are told so.",
        Kind::DidNotAttend => "You say that the person did not come. The referral stays open.",
        Kind::Finished => {
            "You say that your support for this person is over. You cannot answer for this referral after that."
        }
        Kind::NeedsMore => {
            "If anybody is in immediate danger, call 999 first. What you write goes at once to the people who sent the referral, and \
             they are asked to act today. It does not replace your own safeguarding policy or a safeguarding referral. If you cannot \
             wait for an answer, call them. The referral stays as it is."
        }
    }
}

fn radios(sheet: &Sheet<'_>, field: &'static str, choices: &[(&str, &str)]) -> Markup {
    let sent = sheet.sent.map_or("", |form| form.field(field));
    let wrong = sheet.mistakes.iter().any(|one| one.field == field);
    html! {
        div.field.wrong[wrong] {
            fieldset aria-describedby=[described(sheet.mistakes, field, false)] {
                legend { (legend(field)) }
                (fault(sheet.mistakes, field))
                @for (place, (value, label)) in choices.iter().enumerate() {
                    @let id = if place == 0 { field.to_owned() } else { format!("{field}-{}", place + 1) };
                    div.choice {
                        input id=(id) type="radio" name=(field) value=(value) checked[sent == *value];
                        label for=(id) { (label) }
                    }
                }
            }
        }
    }
}

fn legend(field: &str) -> &'static str {
    match field {
        "reason" => "Why do you decline it?",
        "concern" => "What worries you?",
        "today" => "Does somebody have to act today?",
        _ => "How did it end?",
    }
}

fn writing(sheet: &Sheet<'_>) -> Markup {
    let sent = sheet.sent.map_or("", |form| form.field("words"));
    let wrong = sheet.mistakes.iter().any(|one| one.field == "words");
    let (label, hint) = match sheet.kind {
        Kind::Ask => ("Your question", ""),
        Kind::NeedsMore => ("What worries you, and what have you done?", "Say how we can reach you today. "),
        Kind::Decline => (
            "Tell us more",
            "If you cannot meet this person's needs, you have to write what would help, and for another reason which it is. Otherwise you can leave this empty. ",
        ),
        _ => ("Tell us more (optional)", ""),
    };
    html! {
        div.field.wrong[wrong] {
            label for="words" { (label) }
            p.hint #words-hint { (hint) "Do not write more about the person than is needed. You can use up to " (sheet.most) " characters." }
            (fault(sheet.mistakes, "words"))
            // A line end behind the tag is not part of what was written (HTML, 13.1.2.5).
            textarea #words name="words" rows="6" aria-describedby=[described(sheet.mistakes, "words", true)]
                aria-invalid=[wrong.then_some("true")] { "\n" (sent) }
        }
    }
}

/// Why nothing is shown, without a word of the person.
pub(super) fn nothing(at: At<'_>, session: &Session, why: &Unseen) -> Markup {
    let words = match why {
        Unseen::Absent => "Your organisation does not have this referral any more.",
        Unseen::Erased => "What we held of this referral was deleted.",
        Unseen::Withdrawn => {
            "This referral was taken back. Please stop work on it, and do not contact the person because of it."
        }
        Unseen::Restricted => "This referral may not be shown here.",
        Unseen::NoConsent(_) => "We do not have the person's consent to show you this referral at the moment.",
        Unseen::Unsayable(_) => "This referral cannot be shown here.",
    };
    closing(at, session, "There is nothing to see", &[words, ASK])
}

const ASK: &str = "If you have a question, or are worried about the person, call the people who sent you the referral. If anybody is in \
                   immediate danger, call 999.";

/// An answer that cannot be given as the referral stands.
pub(super) fn not_now(at: At<'_>, session: &Session) -> Markup {
    let words = "The referral has moved on, or somebody at your organisation has answered already. What you sent was not stored.";
    let content = html! {
        p { (words) }
        p { a href={ (at.0) "/referral" } { "See how the referral stands" } }
        (close(at, &session.token()))
    };
    frame(at, "This answer cannot be given now", &[], &content)
}

fn closing(at: At<'_>, session: &Session, heading: &str, paragraphs: &[&str]) -> Markup {
    let content = html! { @for one in paragraphs { p { (one) } } (close(at, &session.token())) };
    frame(at, heading, &[], &content)
}
