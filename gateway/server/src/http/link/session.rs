//! Who has opened a link: the browser that holds the secret it was given for the right passphrase. Only a hash of it is kept, and all
//! that proves that a form is one of ours is made from it.

use crate::chance::sha256;
use crate::gateway::{Gateway, Platform};
use crate::http::pages::form::Form;
use crate::http::pages::seal::{cookie, is_same, mac};
use crate::store::StoreError;
use axum::http::HeaderMap;
use gateway_core::status_link::StatusLink;
use std::sync::Arc;

/// Name of the cookie. The prefix makes browsers take it from this host alone, over TLS, for all of its paths.
const COOKIE: &str = "__Host-status-link";

/// Field with the proof that a form was given to this browser.
pub(super) const TOKEN: &str = "token";
/// Field that names the answer.
pub(super) const EVENT: &str = "event";
/// Field with the proof that the name is one that we gave.
pub(super) const SEAL: &str = "seal";

/// A page that is open.
pub(super) struct Session {
    secret: String,
    /// What it opened.
    pub(super) link: StatusLink,
    /// Whose organisation it is.
    pub(super) platform: Arc<Platform>,
}

impl Session {
    /// The session of a request; `None` if there is none, or it is over.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be looked up.
    pub(super) async fn of(gateway: &Gateway, headers: &HeaderMap) -> Result<Option<Self>, StoreError> {
        let Some(secret) = cookie(headers, COOKIE) else { return Ok(None) };
        let hash = sha256(secret.as_bytes());
        let Some(link) = gateway.store.link_by_session(&hash).await? else { return Ok(None) };
        let platform = gateway.platform(&link.platform).filter(|platform| platform.status_link.is_some());
        let open = link.is_open(&hash, gateway.clock.now());
        Ok(platform.filter(|_| open).map(|platform| Self { secret: secret.to_owned(), link, platform }))
    }

    /// Proves that a form was given to this browser.
    pub(super) fn token(&self) -> String {
        self.mac("form")
    }

    /// Proves that this answer was named by us, for this form.
    pub(super) fn seal(&self, answer: &str, event: &str) -> String {
        self.mac(&format!("answer {answer} {event}"))
    }

    /// Whether a form was given to this browser.
    pub(super) fn gave(&self, form: &Form) -> bool {
        is_same(form.field(TOKEN), &self.token())
    }

    /// The name of the answer that a form gives; `None` if we did not give it.
    pub(super) fn event<'a>(&self, answer: &str, form: &'a Form) -> Option<&'a str> {
        let event = form.field(EVENT);
        is_same(form.field(SEAL), &self.seal(answer, event)).then_some(event)
    }

    fn mac(&self, text: &str) -> String {
        mac(&self.secret, text)
    }
}

/// What the browser keeps until it is closed, or the page is.
pub(super) fn set_cookie(secret: &str) -> String {
    format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict")
}

/// What makes it forget.
pub(super) fn forget_cookie() -> String {
    format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
}
