//! What the gateway's own pages have in common, whoever they are for: headers, style sheet, forms, cookies. Plain HTML, without scripts.

pub(super) mod fields;
pub(super) mod form;
pub(super) mod frame;
pub(super) mod seal;
mod style;

use crate::chance::sha256;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use maud::Markup;

/// With new values of cookies, or what ends them.
pub(super) fn with_cookies(mut response: Response<Body>, cookies: impl IntoIterator<Item = String>) -> Response<Body> {
    for cookie in cookies.into_iter().filter_map(|cookie| HeaderValue::from_str(&cookie).ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A page is used in a way for which there is none; `words` say where to go on.
pub(super) fn not_allowed(mut page: Response<Body>) -> Response<Body> {
    // Whatever is no GET here is a POST.
    page.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    page
}

/// Whether a path is this one, or below it.
pub(super) fn is_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A page with its status.
pub(super) fn html(status: StatusCode, page: Markup) -> Response<Body> {
    let mut response = Response::new(Body::from(page.into_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    guard(headers);
    response
}

/// What browsers and those in between are told with every page.
pub(super) fn guard(headers: &mut HeaderMap) {
    const POLICY: &str =
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The style sheet.
pub(super) async fn style_sheet(headers: HeaderMap) -> Response<Body> {
    let tag = format!("\"{}\"", sha256(style::SHEET.as_bytes()));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let mut response = Response::new(Body::from(if known { "" } else { style::SHEET }));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    guard(headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=600"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
