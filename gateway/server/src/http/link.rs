//! The pages behind a status link: how an organisation without a system sees a referral and says what becomes of it. Plain HTML,
//! without scripts. What is asked for by opening a link changes nothing; all that does is sent by a form.

mod answer;
mod door;
mod offer;
mod pages;
mod referral;
mod session;

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
use maud::Markup;
use offer::Kind;
use pages::At;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum What {
    Door,
    Open,
    Again,
    Referral,
    Sheet,
    Answer,
    Done,
    Close,
}

/// The routes. A secret has 43 characters, so that none is the name of a page.
pub(super) fn router() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/link/style.css", get(style_sheet))
        .route("/link/referral", get_page(What::Referral))
        .route("/link/referral/{name}", get_page(What::Sheet).merge(post_page(What::Answer)))
        .route("/link/done", get_page(What::Done))
        .route("/link/close", post_page(What::Close))
        .route("/link/{name}", get_page(What::Door).merge(post_page(What::Open)))
        .route("/link/{name}/new", post_page(What::Again))
        .method_not_allowed_fallback(|State(gateway): State<Arc<Gateway>>| async move {
            let words = ["This page cannot be used in that way. Open the link in our mail again."];
            not_allowed(plain(&gateway, StatusCode::METHOD_NOT_ALLOWED, "Something went wrong", &words))
        })
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| broken("/link")))
}

/// Whether a path that nothing answers belongs here.
pub(super) fn is_ours(path: &str) -> bool {
    is_below(path, "/link")
}

/// There is no such page.
pub(super) fn nowhere(gateway: &Gateway) -> Response<Body> {
    let words = ["If you typed the address, check it. If you followed a link in our mail, copy the whole of it."];
    plain(gateway, StatusCode::NOT_FOUND, "There is no such page", &words)
}

fn get_page(what: What) -> MethodRouter<Arc<Gateway>> {
    get(move |State(gateway): State<Arc<Gateway>>, name: Name, request: Request| entered(gateway, what, name, request))
}

fn post_page(what: What) -> MethodRouter<Arc<Gateway>> {
    post(move |State(gateway): State<Arc<Gateway>>, name: Name, request: Request| entered(gateway, what, name, request))
}

type Name = Result<Path<String>, PathRejection>;

async fn entered(gateway: Arc<Gateway>, what: What, name: Name, request: Request) -> Response<Body> {
    // A name that is no UTF-8 is one that nothing here has.
    let name = name.map(|Path(name)| name).unwrap_or_default();
    whole(answered(gateway, what, name, request)).await
}

/// A request, as the pages read it.
struct Asked {
    /// The secret, or the kind of answer.
    name: String,
    parts: Parts,
    body: Body,
    from: IpAddr,
}

/// What is given back.
enum Reply {
    Page(StatusCode, Markup),
    /// With a new value of the cookie, or one that ends it.
    PageAndCookie(Markup, String),
    /// Another page, by its name; with a cookie.
    See(&'static str, Option<String>),
}

/// Why there is none. Each is a page.
enum Fault {
    /// The body is too long.
    TooLarge,
    /// The body ended early.
    Torn,
    /// It was not sent from a page of ours.
    Foreign,
    /// Nobody has opened this, or it is over.
    Over,
    /// For so long nothing is taken from there.
    TooMany(Duration),
    /// Too much is under way.
    Busy,
    /// There is no such page.
    Nowhere,
    /// Reading or writing failed.
    Store(StoreError),
    /// Others wrote first, again and again, or something does not fit.
    Commit(CommitError),
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
        Self::Store(error)
    }
}

impl From<CommitError> for Fault {
    fn from(error: CommitError) -> Self {
        Self::Commit(error)
    }
}

async fn answered(gateway: Arc<Gateway>, what: What, name: String, request: Request) -> Response<Body> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let from = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.0.ip());
    let (parts, body) = request.into_parts();
    let budget = gateway.clock.now() + gateway.limits.request;
    let outcome = tokio::select! {
        outcome = run(&gateway, what, Asked { name, parts, body, from }) => outcome,
        () = gateway.clock.sleep_until(budget) => {
            let words = ["It took too long, and we do not know whether it was stored. Go back and look before you send it again."];
            return plain(&gateway, StatusCode::REQUEST_TIMEOUT, "It took too long", &words);
        }
    };
    match outcome {
        Ok(reply) => responded(&gateway, reply),
        Err(fault) => refused(&gateway, what, fault),
    }
}

async fn run(gateway: &Gateway, what: What, asked: Asked) -> Result<Reply, Fault> {
    gateway.admission.pages.view(asked.from).map_err(Fault::TooMany)?;
    let changes = matches!(what, What::Open | What::Again | What::Answer | What::Close);
    if changes && !form::is_from_here(gateway, &asked.parts.headers) {
        return Err(Fault::Foreign);
    }
    let kind = Kind::named(&asked.name).ok_or(Fault::Nowhere);
    let Asked { name, parts, body, from } = asked;
    let headers = &parts.headers;
    match what {
        What::Door => Ok(Reply::Page(StatusCode::OK, pages::door(at(gateway), false))),
        What::Open => door::open(gateway, &name, body, from).await,
        What::Again => door::again(gateway, &name, from).await,
        What::Referral => answer::referral(gateway, headers).await,
        What::Sheet => answer::sheet(gateway, headers, kind?).await,
        What::Answer => answer::give(gateway, headers, body, kind?).await,
        What::Done => answer::done(gateway, headers).await,
        What::Close => answer::close(gateway, headers, body).await,
    }
}

/// Where the pages are as browsers see them.
fn at(gateway: &Gateway) -> At<'_> {
    let path = gateway.link_url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    // The slash before it is one byte.
    let length = path.map_or(0, |(_, path)| path.len() + 1);
    At(gateway.link_url.get(gateway.link_url.len() - length..).filter(|path| !path.is_empty()).unwrap_or("/link"))
}

fn responded(gateway: &Gateway, reply: Reply) -> Response<Body> {
    match reply {
        Reply::Page(status, page) => html(status, page),
        Reply::PageAndCookie(page, cookie) => with_cookies(html(StatusCode::OK, page), Some(cookie)),
        Reply::See(page, cookie) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::SEE_OTHER;
            if let Ok(place) = HeaderValue::from_str(&format!("{}/{page}", at(gateway).0)) {
                response.headers_mut().insert(header::LOCATION, place);
            }
            guard(response.headers_mut());
            with_cookies(response, cookie)
        }
    }
}

fn refused(gateway: &Gateway, what: What, fault: Fault) -> Response<Body> {
    const WENT_WRONG: &str = "Something went wrong";
    let (status, heading, words) = match fault {
        Fault::Over => {
            return with_cookies(html(StatusCode::FORBIDDEN, pages::over(at(gateway))), Some(session::forget_cookie()));
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
        Fault::Torn => (
            StatusCode::BAD_REQUEST,
            WENT_WRONG,
            "Not all of it arrived, and it was not stored. Go back and send it again.",
        ),
        Fault::Foreign => {
            let words =
                "This was not sent from our page, and was not stored. Open the link in our mail, and go on from there.";
            (StatusCode::FORBIDDEN, WENT_WRONG, words)
        }
        Fault::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Try again later",
            "We are busy. Nothing was stored. Try again in a minute.",
        ),
        Fault::Store(error) => {
            log_store_fault("status-link pages", &error);
            (StatusCode::SERVICE_UNAVAILABLE, "Try again later", FAILED)
        }
        Fault::Commit(error) => {
            tracing::error!(error = %error, "what a status-link page had to store was refused");
            (StatusCode::SERVICE_UNAVAILABLE, "Try again later", FAILED)
        }
    };
    tracing::info!(status = status.as_u16(), ?what, "a status-link page was refused");
    plain(gateway, status, heading, &[words])
}

const FAILED: &str =
    "Something failed on our side, and we do not know whether it was stored. Go back in a minute and look.";

fn plain(gateway: &Gateway, status: StatusCode, heading: &str, words: &[&str]) -> Response<Body> {
    html(status, pages::plain(at(gateway), heading, words))
}

fn broken(at: &str) -> Response<Body> {
    html(StatusCode::INTERNAL_SERVER_ERROR, pages::plain(At(at), "Something went wrong", &[FAILED]))
}
