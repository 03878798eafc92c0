//! The frame of every status-link page, and the pages that tell nothing of a person. Every value is escaped where it is put in.

use super::session::TOKEN;
pub(super) use crate::http::pages::fields::{Mistake, described, fault};
use crate::http::pages::frame::Frame;
use maud::{Markup, html};

/// Where the pages are as browsers see them, without trailing slash: `/link`.
#[derive(Clone, Copy)]
pub(super) struct At<'a>(pub(super) &'a str);

/// A page in its frame. The title is its heading, which never holds anything of a person.
pub(super) fn frame(at: At<'_>, heading: &str, mistakes: &[Mistake], content: &Markup) -> Markup {
    let frame = Frame {
        at: at.0,
        site: "Social prescribing referrals",
        band: "Social prescribing referrals",
        foot: "These pages are only for the organisation that the mail was sent to. If it was not meant for you, close this page and tell \
               whoever sent it.",
    };
    frame.page(heading, mistakes, content)
}

/// What is said of a passphrase that opens nothing, whatever the cause.
const NOT_RIGHT: &str = "The passphrase is not right, or the link cannot be used any more";

/// Before anything is shown: asks for the passphrase. The same for every link, so that it tells nothing of it: its forms are sent to
/// the address at which the page is.
pub(super) fn door(at: At<'_>, refused: bool) -> Markup {
    let mistakes: Vec<Mistake> =
        refused.then(|| Mistake { field: "passphrase", words: NOT_RIGHT.to_owned() }).into_iter().collect();
    let content = html! {
        p { "A person was referred to your organisation. Enter your organisation's passphrase to see the referral and answer it." }
        form #open method="post" novalidate {
            div.field.wrong[refused] {
                label for="passphrase" { "Passphrase" }
                p.hint #passphrase-hint {
                    "You agreed this with the people who send you referrals. It is never in the mail."
                }
                (fault(&mistakes, "passphrase"))
                input #passphrase type="password" name="passphrase" autocomplete="current-password" autocapitalize="none"
                    spellcheck="false" aria-describedby=[described(&mistakes, "passphrase", true)]
                    aria-invalid=[refused.then_some("true")];
            }
            button type="submit" { "Continue" }
        }
        h2 { "If the link does not work" }
        p {
            "A link opens once, and only for some days. We can send a new one to the mail address that we hold for your organisation. "
            "After many wrong passphrases a link rests for 15 minutes."
        }
        form #new method="post" {
            input type="hidden" name="new" value="link";
            button.second type="submit" { "Send a new link" }
        }
        p { "If you do not know the passphrase, ask the people who send you referrals." }
    };
    frame(at, "Open the referral", &mistakes, &content)
}

/// After a new link was asked for: the same for every link.
pub(super) fn asked_again(at: At<'_>) -> Markup {
    let content = html! {
        p {
            "If this link belongs to a referral that is still open with your organisation, a new link is on its way to the mail "
            "address that we hold. It can take some minutes. Look in your junk folder too."
        }
        p { "We send at most one link in 10 minutes, and five in a day." }
        p { "If nothing comes, call the people who sent you the referral." }
    };
    frame(at, "We have your request", &[], &content)
}

/// The session is over.
pub(super) fn over(at: At<'_>) -> Markup {
    let content = html! {
        p { "This page was open for as long as it may be, or it was closed, or it was opened in another browser." }
        p { strong { "If you typed something just now, it was not sent." } }
        p {
            "To go on, open the link in our mail again and choose " strong { "Send a new link" } ". We send it to the mail address that "
            "we hold for your organisation."
        }
    };
    frame(at, "This page has closed", &[], &content)
}

/// An answer is stored.
pub(super) fn done(at: At<'_>, token: &str) -> Markup {
    let content = html! {
        p { "We have stored it, and pass it on to the people who sent the referral." }
        p { a href={ (at.0) "/referral" } { "Go back to the referral" } }
        (close(at, token))
    };
    frame(at, "Your answer was sent", &[], &content)
}

/// The button that ends a session.
pub(super) fn close(at: At<'_>, token: &str) -> Markup {
    html! {
        form #close method="post" action={ (at.0) "/close" } {
            input type="hidden" name=(TOKEN) value=(token);
            p { "Close this page when you have finished, so that nobody else can use it on this computer." }
            button.second type="submit" { "Close this page" }
        }
    }
}

/// The session was ended by whoever had opened it.
pub(super) fn closed(at: At<'_>) -> Markup {
    let content = html! {
        p { "The link that you used opens nothing any more." }
        p { "To answer again, open the link in our mail and choose " strong { "Send a new link" } "." }
    };
    frame(at, "The page is closed", &[], &content)
}

/// A page of a heading and some paragraphs.
pub(super) fn plain(at: At<'_>, heading: &str, paragraphs: &[&str]) -> Markup {
    frame(at, heading, &[], &html! { @for one in paragraphs { p { (one) } } })
}
