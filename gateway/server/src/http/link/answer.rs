//! Behind the door: the referral, the forms, and what is sent with them. Each request looks again at who asks, at consent, and at what
//! can be said.

use super::offer::{Kind, Said, offered, said};
use super::referral::{self as sheets, Sheet};
use super::session::{Session, forget_cookie};
use super::{Fault, Reply, at, pages};
use crate::gateway::{Gateway, is_race};
use crate::http::pages::form::Form;
use crate::store::StoreError;
use crate::viewing::{Shown, Unseen, look};
use adapter_contract::{LinkAnswer, ReportSource};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use gateway_core::change::{Change, RawReport, Transaction};
use gateway_core::referral::Referral;
use gateway_fhir::instant;

async fn session(gateway: &Gateway, headers: &HeaderMap) -> Result<Session, Fault> {
    Session::of(gateway, headers).await?.ok_or(Fault::Over)
}

/// The session, and the form that was given to it.
async fn sent(gateway: &Gateway, headers: &HeaderMap, body: Body) -> Result<(Session, Form), Fault> {
    let session = session(gateway, headers).await?;
    let form = Form::read(gateway, body).await?;
    if session.gave(&form) { Ok((session, form)) } else { Err(Fault::Foreign) }
}

async fn seen(gateway: &Gateway, session: &Session) -> Result<Result<Shown, Unseen>, StoreError> {
    look(gateway, &session.platform, &session.link.referral).await
}

/// The referral. That it is shown is on record before it is.
pub(super) async fn referral(gateway: &Gateway, headers: &HeaderMap) -> Result<Reply, Fault> {
    let session = session(gateway, headers).await?;
    for _ in 0..=gateway.limits.conflict_retries {
        let shown = match seen(gateway, &session).await? {
            Ok(shown) => shown,
            Err(why) => return Ok(unseen(gateway, &session, &why)),
        };
        let record = shown.record(gateway, &session.platform);
        if !record.changes.is_empty() {
            match gateway.commit(record).await {
                Ok(()) => {}
                Err(error) if is_race(&error) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        let page = sheets::referral(at(gateway), &session, &shown, offered(shown.referral()));
        return Ok(Reply::Page(StatusCode::OK, page));
    }
    Err(Fault::Busy)
}

fn unseen(gateway: &Gateway, session: &Session, why: &Unseen) -> Reply {
    Reply::Page(StatusCode::OK, sheets::nothing(at(gateway), session, why))
}

fn not_now(gateway: &Gateway, session: &Session) -> Reply {
    Reply::Page(StatusCode::CONFLICT, sheets::not_now(at(gateway), session))
}

/// The form of one answer.
pub(super) async fn sheet(gateway: &Gateway, headers: &HeaderMap, kind: Kind) -> Result<Reply, Fault> {
    let session = session(gateway, headers).await?;
    let shown = match seen(gateway, &session).await? {
        Ok(shown) => shown,
        Err(why) => return Ok(unseen(gateway, &session, &why)),
    };
    if !offered(shown.referral()).contains(&kind) {
        return Ok(not_now(gateway, &session));
    }
    let (event, most) = (gateway.new_id(), gateway.limits.link_words);
    let sheet = Sheet { kind, event: &event, most, sent: None, mistakes: &[] };
    Ok(Reply::Page(StatusCode::OK, sheets::answer(at(gateway), &session, &sheet)))
}

/// One answer, stored before it is thanked for.
pub(super) async fn give(gateway: &Gateway, headers: &HeaderMap, body: Body, kind: Kind) -> Result<Reply, Fault> {
    let (session, form) = sent(gateway, headers, body).await?;
    let event = session.event(kind.word(), &form).ok_or(Fault::Foreign)?;
    // Sent once more: it may not be offered any more because it was given.
    let given = gateway.store.reports(&session.link.referral).await?;
    if given.iter().any(|one| one.source == ReportSource::StatusLink && one.report.event == event) {
        return Ok(Reply::See("done", None));
    }
    let shown = match seen(gateway, &session).await? {
        Ok(shown) => shown,
        Err(why) => return Ok(unseen(gateway, &session, &why)),
    };
    if !offered(shown.referral()).contains(&kind) {
        return Ok(not_now(gateway, &session));
    }
    let most = gateway.limits.link_words;
    match said(kind, &form, most) {
        Ok(said) => {
            let Some(report) = report(gateway, &session, shown.referral(), event, said) else {
                return Ok(not_now(gateway, &session));
            };
            let changes = vec![Change::ReceiveReport(report)];
            gateway.commit(Transaction { checks: Vec::new(), changes }).await?;
            Ok(Reply::See("done", None))
        }
        Err(mistakes) => {
            let sheet = Sheet { kind, event, most, sent: Some(&form), mistakes: &mistakes };
            let page = sheets::answer(at(gateway), &session, &sheet);
            Ok(Reply::Page(StatusCode::UNPROCESSABLE_ENTITY, page))
        }
    }
}

/// The answer as a report of the platform; `None` if the platform has no name for the referral. The same answer sent twice before it
/// is read is two reports with one statement.
fn report(
    gateway: &Gateway,
    session: &Session,
    referral: &Referral,
    event: &str,
    Said { says, today, words }: Said,
) -> Option<RawReport> {
    let now = gateway.clock.now();
    let answer = LinkAnswer {
        referral: referral.platform_referral.clone()?,
        key: referral.key.clone(),
        event: event.to_owned(),
        at: instant::to_instant(now),
        says,
        today,
        words,
    };
    Some(RawReport {
        id: gateway.new_id(),
        platform: session.platform.id.clone(),
        source: ReportSource::StatusLink,
        content_type: Some("application/json".to_owned()),
        received: now,
        body: serde_json::to_vec(&answer).ok()?,
        begun: 0,
    })
}

/// After an answer.
pub(super) async fn done(gateway: &Gateway, headers: &HeaderMap) -> Result<Reply, Fault> {
    let session = session(gateway, headers).await?;
    Ok(Reply::Page(StatusCode::OK, pages::done(at(gateway), &session.token())))
}

/// Ends the session.
pub(super) async fn close(gateway: &Gateway, headers: &HeaderMap, body: Body) -> Result<Reply, Fault> {
    let (session, _) = sent(gateway, headers, body).await?;
    let changes = vec![Change::PutLink(Box::new(session.link.closed()))];
    match gateway.commit(Transaction { checks: Vec::new(), changes }).await {
        Ok(()) => {}
        // Whoever wrote first can only have closed it.
        Err(error) if is_race(&error) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Reply::PageAndCookie(pages::closed(at(gateway)), forget_cookie()))
}
