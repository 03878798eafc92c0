//! The way in and out. What is answered, and what is stored for it, never depends on whether there is such an account.

use super::frame::{At, frame};
use super::session::{Session, forget_cookie, known_browser, known_cookie, set_cookie};
use super::{Fault, Reply};
use crate::admission::network;
use crate::chance::sha256;
use crate::gateway::{Gateway, is_race};
use crate::http::pages::fields::{Mistake, described, fault};
use crate::http::pages::form::Form;
use crate::passphrase;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use gateway_core::account::{Account, AccountId, Attempts, Place, Session as Kept, SignIn, attempts_key};
use gateway_core::change::{AuditRecord, Change, Removed, Transaction};
use maud::{Markup, html};
use serde_json::json;
use std::net::IpAddr;

/// Under this name all that is no name is counted.
const NO_NAME: &str = "?";
/// Longest passphrase that is looked at.
const LONGEST: usize = 256;

/// A name and a passphrase.
pub(super) async fn enter(
    gateway: &Gateway,
    at: &At,
    (headers, body): (&HeaderMap, Body),
    from: IpAddr,
) -> Result<Reply, Fault> {
    let form = Form::read(gateway, body).await?;
    let id = AccountId::read(form.field("name")).unwrap_or_else(|_| AccountId(NO_NAME.to_owned()));
    let account = gateway.store.account(&id).await?;
    let place = match known_browser(headers, account.as_ref()) {
        Some(known) => Place::Browser(known),
        None => Place::Network(network(from)),
    };
    let key = attempts_key(&id, &place);
    let rate = match &place {
        Place::Browser(_) => gateway.admission.pages.known(&key),
        Place::Network(_) => gateway.admission.pages.attempt(from, &key),
    };
    rate.map_err(Fault::TooMany)?;
    let attempts = attempts(gateway, &key).await?;
    let now = gateway.decision_time().await?;
    let open = attempts.as_ref().is_none_or(|attempts| attempts.may_be_tried(now));
    // What may not be tried is compared with nobody's, and takes as long.
    let tried = account.clone().filter(|account| open && !account.disabled);
    let hash = tried.as_ref().map(|account| account.passphrase_hash.clone());
    let given = form.field("passphrase").to_owned();
    let right = {
        let _place = gateway.admission.pages.look().await.ok_or(Fault::Busy)?;
        let compared = move || given.len() <= LONGEST && passphrase::is_right(hash.as_deref(), &given);
        tokio::task::spawn_blocking(compared).await.map_err(|_| Fault::Busy)?
    };
    match tried.filter(|_| right) {
        Some(account) => begin(gateway, &account, key).await,
        None => {
            // While a name rests nothing is counted: nobody keeps a colleague out for longer by going on.
            if open {
                count(gateway, &key, attempts, account.as_ref()).await?;
            }
            Ok(Reply::Page(StatusCode::FORBIDDEN, door(at, Some(form.field("name")))))
        }
    }
}

async fn attempts(gateway: &Gateway, key: &str) -> Result<Option<Attempts>, Fault> {
    Ok(match gateway.store.sign_in(key).await? {
        Some(SignIn::Attempts(attempts)) => Some(attempts),
        _ => None,
    })
}

/// A new secret for this browser; what was counted of wrong passphrases is over.
async fn begin(gateway: &Gateway, account: &Account, key: String) -> Result<Reply, Fault> {
    let secret = gateway.chance.link_secret();
    let session = Kept::begun(account, sha256(secret.as_bytes()), gateway.decision_time().await?);
    let known = known_cookie(account, &gateway.chance.link_secret());
    let changes = vec![
        Change::PutSignIn(SignIn::Session(session)),
        Change::Remove(vec![Removed::SignIn(key)]),
        line(gateway, account, "sign-in"),
    ];
    gateway.commit(Transaction { checks: Vec::new(), changes }).await?;
    Ok(Reply::See(String::new(), vec![set_cookie(&secret), known]))
}

/// One more attempt in vain. Where others wrote first it is counted on top of theirs.
async fn count(
    gateway: &Gateway,
    key: &str,
    mut before: Option<Attempts>,
    account: Option<&Account>,
) -> Result<(), Fault> {
    for _ in 0..=gateway.limits.conflict_retries {
        let next = Attempts::one_more(before.as_ref(), key, gateway.decision_time().await?);
        let rests = next.rests_until.is_some();
        let mut changes = vec![Change::PutSignIn(SignIn::Attempts(next))];
        // Only who has an account has a customer in whose audit it could stand.
        changes.extend(account.map(|account| line(gateway, account, "sign-in-refused")));
        match gateway.commit(Transaction { checks: Vec::new(), changes }).await {
            Ok(()) if rests => {
                tracing::warn!(known = account.is_some(), "a sign-in name rests after wrong passphrases");
                return Ok(());
            }
            Ok(()) => return Ok(()),
            Err(error) if is_race(&error) => {
                before = attempts(gateway, key).await?;
                // Another attempt of the same moment has begun a rest: this one was one too many, and changes nothing.
                let now = gateway.decision_time().await?;
                if before.as_ref().is_some_and(|before| !before.may_be_tried(now)) {
                    return Ok(());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::Busy)
}

fn line(gateway: &Gateway, account: &Account, action: &str) -> Change {
    Change::Audit(AuditRecord {
        tenant: account.tenant.clone(),
        at: gateway.clock.now(),
        actor: account.actor(),
        action: action.to_owned(),
        referral: None,
        detail: json!({}),
    })
}

/// Ends the session.
pub(super) async fn leave(gateway: &Gateway, session: &Session, body: Body) -> Result<Reply, Fault> {
    session.sent(gateway, body).await?;
    let gone = Change::Remove(vec![Removed::SignIn(session.kept.secret_sha256.clone())]);
    let changes = vec![gone, line(gateway, &session.account, "sign-out")];
    gateway.commit(Transaction { checks: Vec::new(), changes }).await?;
    Ok(Reply::See("/sign-in".to_owned(), vec![forget_cookie()]))
}

/// What is said of a sign-in that opens nothing, whatever the cause.
const NOT_RIGHT: &str = "The name or the passphrase is not right, or this name has to wait";

/// Asks for name and passphrase; `refused` is the name that was typed, if it opened nothing.
pub(super) fn door(at: &At, refused: Option<&str>) -> Markup {
    let wrong = refused.is_some();
    let mistakes: Vec<Mistake> =
        refused.map(|_| Mistake { field: "name", words: NOT_RIGHT.to_owned() }).into_iter().collect();
    let content = html! {
        form #enter method="post" action={ (at.0) "/sign-in" } novalidate {
            div.field.wrong[wrong] {
                label for="name" { "Your name for signing in" }
                (fault(&mistakes, "name"))
                input #name type="text" name="name" value=(refused.unwrap_or_default()) autocomplete="username"
                    autocapitalize="none" spellcheck="false" aria-describedby=[described(&mistakes, "name", false)]
                    aria-invalid=[wrong.then_some("true")];
            }
            div.field {
                label for="passphrase" { "Passphrase" }
                input #passphrase type="password" name="passphrase" autocomplete="current-password" autocapitalize="none"
                    spellcheck="false";
            }
            button type="submit" { "Sign in" }
        }
        h2 { "If you cannot sign in" }
        p {
            "After five wrong passphrases from where you are a name has to wait for 15 minutes there, and longer after more. A browser "
            "with which you have signed in before waits for your own mistakes alone. If you have forgotten your passphrase, ask whoever "
            "looks after the accounts for a new one. Nobody else ever asks you for it."
        }
    };
    frame(at, None, "Sign in", &mistakes, &content)
}

/// Nobody is signed in any more. `sent`: something was sent, and is lost.
pub(super) fn over(at: &At, sent: bool) -> Markup {
    let content = html! {
        p { "You are signed in for as long as you use the pages: after 20 minutes without use, and after 10 hours, you sign in again." }
        @if sent { p { strong { "What you sent just now was not stored." } } }
        p { a.button href={ (at.0) "/sign-in" } { "Sign in" } }
    };
    frame(at, None, "Sign in to go on", &[], &content)
}
