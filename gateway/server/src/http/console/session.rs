//! Who is signed in: the browser that holds the secret which it was given for the right passphrase. Only a hash of it is kept, and all
//! that proves that a form is one of ours is made from it.

use super::Fault;
use crate::chance::sha256;
use crate::gateway::{Gateway, is_race};
use crate::http::pages::form::Form;
use crate::http::pages::seal::{cookie, is_same, mac};
use axum::body::Body;
use axum::http::HeaderMap;
use gateway_core::account::{Account, AccountId, KNOWN, Session as Kept, SignIn};
use gateway_core::change::{AuditRecord, Change, Transaction};
use gateway_core::reach::Parties;
use gateway_core::referral::ReferralId;
use serde_json::Value;

/// Name of the cookie. The prefix makes browsers take it from this host alone, over TLS, for all of its paths.
const COOKIE: &str = "__Host-link-worker";
/// Name of the cookie by which a browser is known with which somebody has signed in.
const KNOWN_COOKIE: &str = "__Host-known-browser";
/// Field with the proof that a form was given to this browser.
pub(super) const TOKEN: &str = "token";

/// Somebody who is signed in.
pub(super) struct Session {
    secret: String,
    /// What is kept of it.
    pub(super) kept: Kept,
    /// Who it is, as it stands.
    pub(super) account: Account,
}

impl Session {
    /// The session of a request; `None` if there is none, or it is over. That somebody was there is written down now and then.
    pub(super) async fn of(gateway: &Gateway, headers: &HeaderMap) -> Result<Option<Self>, Fault> {
        let Some(secret) = cookie(headers, COOKIE) else { return Ok(None) };
        let Some(SignIn::Session(kept)) = gateway.store.sign_in(&sha256(secret.as_bytes())).await? else {
            return Ok(None);
        };
        let Some(account) = gateway.store.account(&kept.account).await? else { return Ok(None) };
        // The latest time ever seen: a clock that is put back opens nothing again.
        let now = gateway.decision_time().await?;
        if !kept.is_open(&account, now) {
            return Ok(None);
        }
        let kept = match kept.seen_again(now) {
            None => kept,
            Some(next) => {
                let changes = vec![Change::PutSignIn(SignIn::Session(next.clone()))];
                match gateway.commit(Transaction { checks: Vec::new(), changes }).await {
                    Ok(()) => next,
                    // Another page of the same browser wrote it, or it was signed out in this moment.
                    Err(error) if is_race(&error) => match gateway.store.sign_in(&kept.secret_sha256).await? {
                        Some(SignIn::Session(now)) => now,
                        _ => return Ok(None),
                    },
                    Err(error) => return Err(error.into()),
                }
            }
        };
        Ok(Some(Self { secret: secret.to_owned(), kept, account }))
    }

    /// Proves that a form was given to this browser.
    pub(super) fn token(&self) -> String {
        mac(&self.secret, "form")
    }

    /// A form that was given to this browser.
    pub(super) async fn sent(&self, gateway: &Gateway, body: Body) -> Result<Form, Fault> {
        let form = Form::read(gateway, body).await?;
        if is_same(form.field(TOKEN), &self.token()) { Ok(form) } else { Err(Fault::Foreign) }
    }

    /// Whether what these parties are named on is theirs to see.
    pub(super) fn sees(&self, parties: &Parties) -> bool {
        self.account.reach.sees(&self.account.id, parties)
    }

    /// The name to sign in with.
    pub(super) fn id(&self) -> &AccountId {
        &self.account.id
    }

    /// A line of audit of what they looked at or did.
    pub(super) fn line(&self, gateway: &Gateway, action: &str, referral: Option<&ReferralId>, detail: Value) -> Change {
        Change::Audit(AuditRecord {
            tenant: self.account.tenant.clone(),
            at: gateway.clock.now(),
            actor: self.account.actor(),
            action: action.to_owned(),
            referral: referral.cloned(),
            detail,
        })
    }

    /// Puts it on record that something is looked at, before it is shown.
    pub(super) async fn record(
        &self,
        gateway: &Gateway,
        action: &str,
        referral: Option<&ReferralId>,
        detail: Value,
    ) -> Result<(), Fault> {
        let changes = vec![self.line(gateway, action, referral, detail)];
        Ok(gateway.commit(Transaction { checks: Vec::new(), changes }).await?)
    }
}

/// What the browser keeps until it is closed, or they sign out.
pub(super) fn set_cookie(secret: &str) -> String {
    format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict")
}

/// By what a browser is known from now on: a name that is drawn, and the proof that it was given to this account. It opens nothing; wrong
/// passphrases are counted by it alone. A new passphrase of the account ends it.
pub(super) fn known_cookie(account: &Account, name: &str) -> String {
    let (proof, seconds) = (proof(account, name), KNOWN.whole_seconds());
    format!("{KNOWN_COOKIE}={name}.{proof}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={seconds}")
}

/// By what this browser is known, if somebody has signed in to this account with it.
pub(super) fn known_browser(headers: &HeaderMap, account: Option<&Account>) -> Option<String> {
    let (name, sent) = cookie(headers, KNOWN_COOKIE)?.split_once('.')?;
    is_same(sent, &proof(account?, name)).then(|| sha256(name.as_bytes()))
}

/// The hash of the passphrase is known to nobody outside, and is another with each passphrase.
fn proof(account: &Account, name: &str) -> String {
    mac(&account.passphrase_hash, &format!("browser {} {name}", account.id))
}

/// What makes it forget.
pub(super) fn forget_cookie() -> String {
    format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
}
