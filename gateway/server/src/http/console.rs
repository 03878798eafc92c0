//! The link workers' pages: who signs in sees what needs a person, one referral after the other, and acts on it. Plain HTML, without
//! scripts. What is asked for by opening a page changes nothing; all that does is sent by a form that was given to this very sign-in.

mod act;
mod follow_ups;
mod frame;
mod list;
mod referral;
mod session;
mod sheet;
mod sign_in;
mod words;

use super::pages::form::{self, Unread};
use super::pages::{guard, html, is_below, not_allowed, style_sheet, with_cookies};
use super::whole;
use crate::gateway::{Gateway, log_store_fault};
use crate::store::{CommitError, StoreError};
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::{MethodRouter, get, post};
use frame::At;
use gateway_core::work_list::Act;
use maud::Markup;
use session::Session;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;

/// Where the pages are, behind the gateway's own address.
const PLACE: &str = "/console/work";

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum What {
    Door,
    Enter,
    Leave,
    List,
    Referral,
    Sheet,
    Act,
}

/// The routes. The id of a Task is a UUID, so that none is the name of a page.
pub(super) fn router() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/console/work/style.css", get(style_sheet))
        .route(PLACE, get_page(What::List))
        .route("/console/work/sign-in", get_page(What::Door).merge(post_page(What::Enter)))
        .route("/console/work/sign-out", post_page(What::Leave))
        .route("/console/work/{task}", get_page(What::Referral))
        .route("/console/work/{task}/{act}", get_page(What::Sheet).merge(post_page(What::Act)))
        .method_not_allowed_fallback(|State(gateway): State<Arc<Gateway>>| async move {
            let words = ["This page cannot be used in that way. Go to your work list, and go on from there."];
            not_allowed(plain(&gateway, StatusCode::METHOD_NOT_ALLOWED, WENT_WRONG, &words))
        })
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| broken()))
}

/// Whether a path that nothing answers belongs here.
pub(super) fn is_ours(path: &str) -> bool {
    is_below(path, "/console")
}

/// There is no such page, or none for whoever asks.
pub(super) fn nowhere(gateway: &Gateway) -> Response<Body> {
    let words = ["There is no such page, or it is not yours to see. If you typed the address, check it."];
    plain(gateway, StatusCode::NOT_FOUND, "There is no such page", &words)
}

fn get_page(what: What) -> MethodRouter<Arc<Gateway>> {
    get(move |State(gateway): State<Arc<Gateway>>, names: Names, request: Request| {
        entered(gateway, what, names, request)
    })
}

fn post_page(what: What) -> MethodRouter<Arc<Gateway>> {
    post(move |State(gateway): State<Arc<Gateway>>, names: Names, request: Request| {
        entered(gateway, what, names, request)
    })
}

type Names = Result<Path<HashMap<String, String>>, PathRejection>;

async fn entered(gateway: Arc<Gateway>, what: What, names: Names, request: Request) -> Response<Body> {
    // A name that is no UTF-8 is one that nothing here has.
    let names = names.map(|Path(names)| names).unwrap_or_default();
    whole(answered(gateway, what, names, request)).await
}

/// What is given back.
enum Reply {
    Page(StatusCode, Markup),
    /// Another page, by what follows the address of the list; with cookies.
    See(String, Vec<String>),
}

/// Why there is none. Each is a page.
enum Fault {
    /// The body is too long.
    TooLarge,
    /// The body ended early.
    Torn,
    /// It was not sent from a page of ours.
    Foreign,
    /// Nobody is signed in, or no longer.
    SignedOut,
    /// Whoever is signed in may not do it.
    NotAllowed,
    /// For so long nothing is taken from there.
    TooMany(Duration),
    /// Too much is under way.
    Busy,
    /// There is no such page.
    Nowhere,
    /// Something failed on our side; it is in the log.
    Failed,
}

impl From<Unread> for Fault {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => Self::TooLarge,
            Unread::Torn => Self::Torn,
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        log_store_fault("link workers' pages", &error);
        Self::Failed
    }
}

impl From<CommitError> for Fault {
    fn from(error: CommitError) -> Self {
        tracing::error!(error = %error, "what a link worker's page had to store was refused");
        Self::Failed
    }
}

async fn answered(
    gateway: Arc<Gateway>,
    what: What,
    names: HashMap<String, String>,
    request: Request,
) -> Response<Body> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let from = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.0.ip());
    let (parts, body) = request.into_parts();
    let budget = gateway.clock.now() + gateway.limits.request;
    let outcome = tokio::select! {
        outcome = run(&gateway, what, &names, (&parts, body, from)) => outcome,
        () = gateway.clock.sleep_until(budget) => {
            let words = ["It took too long, and we do not know whether it was stored. Go back and look before you send it again."];
            return plain(&gateway, StatusCode::REQUEST_TIMEOUT, "It took too long", &words);
        }
    };
    match outcome {
        Ok(Reply::Page(status, page)) => html(status, page),
        Ok(Reply::See(page, cookies)) => with_cookies(see(&gateway, &page), cookies),
        Err(fault) => refused(&gateway, what, fault),
    }
}

async fn run(
    gateway: &Gateway,
    what: What,
    names: &HashMap<String, String>,
    (parts, body, from): (&Parts, Body, IpAddr),
) -> Result<Reply, Fault> {
    gateway.admission.pages.view(from).map_err(Fault::TooMany)?;
    let changes = matches!(what, What::Enter | What::Leave | What::Act);
    if changes && !form::is_from_here(gateway, &parts.headers) {
        return Err(Fault::Foreign);
    }
    let at = at(gateway);
    match what {
        What::Door => return Ok(Reply::Page(StatusCode::OK, sign_in::door(&at, None))),
        What::Enter => return sign_in::enter(gateway, &at, (&parts.headers, body), from).await,
        _ => {}
    }
    let session = Session::of(gateway, &parts.headers).await?.ok_or(Fault::SignedOut)?;
    let name = |name: &str| names.get(name).map(String::as_str).unwrap_or_default();
    let kind = || Act::named(name("act")).ok_or(Fault::Nowhere);
    match what {
        What::Leave => sign_in::leave(gateway, &session, body).await,
        What::Referral => referral::show(gateway, &at, &session, name("task")).await,
        What::Sheet => sheet::show(gateway, &at, &session, name("task"), kind()?).await,
        What::Act => act::act(gateway, &at, &session, (name("task"), kind()?), body).await,
        What::List | What::Door | What::Enter => {
            list::show(gateway, &at, &session, parts.uri.query().unwrap_or_default()).await
        }
    }
}

/// Where the pages are as browsers see them.
fn at(gateway: &Gateway) -> At {
    let beside = gateway.link_url.strip_suffix("/link").unwrap_or(&gateway.link_url);
    let path = beside.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    At(if path.is_empty() { PLACE.to_owned() } else { format!("/{path}{PLACE}") })
}

fn see(gateway: &Gateway, page: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(place) = HeaderValue::from_str(&format!("{}{page}", at(gateway).0)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    guard(response.headers_mut());
    response
}

const WENT_WRONG: &str = "Something went wrong";
const FAILED: &str =
    "Something failed on our side, and we do not know whether it was stored. Go back in a minute and look.";

fn refused(gateway: &Gateway, what: What, fault: Fault) -> Response<Body> {
    let (status, heading, words) = match fault {
        Fault::SignedOut => {
            let sent = matches!(what, What::Act | What::Leave);
            let page = sign_in::over(&at(gateway), sent);
            return with_cookies(html(StatusCode::FORBIDDEN, page), [session::forget_cookie()]);
        }
        Fault::Nowhere => return nowhere(gateway),
        Fault::TooMany(wait) => {
            let words = ["There were too many attempts. Nothing was stored. Wait some minutes, then try again."];
            let mut response = plain(gateway, StatusCode::TOO_MANY_REQUESTS, "Try again later", &words);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
            return response;
        }
        Fault::TooLarge => {
            let words = "What you sent is too long, and was not stored. Go back and make it shorter.";
            (StatusCode::PAYLOAD_TOO_LARGE, "That is too long", words)
        }
        Fault::Torn => {
            let words = "Not all of it arrived, and it was not stored. Go back and send it again.";
            (StatusCode::BAD_REQUEST, WENT_WRONG, words)
        }
        Fault::Foreign => {
            let words =
                "This was not sent from our page, and was not stored. Go to your work list, and go on from there.";
            (StatusCode::FORBIDDEN, WENT_WRONG, words)
        }
        Fault::NotAllowed => {
            let words = "Your account may look at referrals and not change them. Nothing was stored. Ask whoever looks after the accounts.";
            (StatusCode::FORBIDDEN, "You may not do this", words)
        }
        Fault::Busy => {
            let words = "We are busy. Nothing was stored. Try again in a minute.";
            (StatusCode::SERVICE_UNAVAILABLE, "Try again later", words)
        }
        Fault::Failed => (StatusCode::SERVICE_UNAVAILABLE, "Try again later", FAILED),
    };
    tracing::info!(status = status.as_u16(), ?what, "a link worker's page was refused");
    plain(gateway, status, heading, &[words])
}

fn plain(gateway: &Gateway, status: StatusCode, heading: &str, words: &[&str]) -> Response<Body> {
    html(status, frame::plain(&at(gateway), heading, words))
}

fn broken() -> Response<Body> {
    html(StatusCode::INTERNAL_SERVER_ERROR, frame::plain(&At(PLACE.to_owned()), WENT_WRONG, &[FAILED]))
}
