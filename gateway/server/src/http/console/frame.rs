//! The frame of every page for link workers. Every value is escaped where it is put in. Titles and addresses hold nothing of a person.

use super::session::{Session, TOKEN};
use crate::http::pages::fields::Mistake;
use crate::http::pages::frame::Frame;
use maud::{Markup, html};

/// Where the pages are as browsers see them, without trailing slash: `/console/work`.
pub(super) struct At(pub(super) String);

/// A page in its frame.
pub(super) fn frame(
    at: &At,
    session: Option<&Session>,
    heading: &str,
    mistakes: &[Mistake],
    content: &Markup,
) -> Markup {
    let content = html! {
        (content)
        @if let Some(session) = session { (leave(at, session)) }
    };
    let frame = Frame {
        at: &at.0,
        site: "Link workers",
        band: "Social prescribing: link workers",
        foot: "Only for people who work on these referrals. What you open and what you do is recorded.",
    };
    frame.page(heading, mistakes, &content)
}

fn leave(at: &At, session: &Session) -> Markup {
    html! {
        form #leave method="post" action={ (at.0) "/sign-out" } {
            input type="hidden" name=(TOKEN) value=(session.token());
            p { "You are signed in as " (session.account.name) ". Sign out when you have finished." }
            button.second type="submit" { "Sign out" }
        }
    }
}

/// A page of a heading and some paragraphs.
pub(super) fn plain(at: &At, heading: &str, paragraphs: &[&str]) -> Markup {
    let content = html! {
        @for one in paragraphs { p { (one) } }
        p { a href=(at.0) { "Go to your work list" } }
    };
    frame(at, None, heading, &[], &content)
}
