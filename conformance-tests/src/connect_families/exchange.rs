//! The calls of the platform: which address does what, for which role, and what is refused.
//!
//! It works on parsed requests under one lock and knows nothing of sockets or faults; [`crate::simulator`] does.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::json;
use time::OffsetDateTime;
use url::form_urlencoded;

use super::auth::{self, Caller};
use super::referral;
use super::store::{Listing, Order, State, Status, Stored};
use crate::simulator::{Answer, Api, Asked};

/// Most characters of a reason for declining.
const REASON: usize = 500;

impl Api for State {
    fn answer(&mut self, asked: &Asked, now: OffsetDateTime) -> Answer {
        let answer = answer(self, asked, now);
        // Those of 401 and 403 have no body.
        if answer.status == 401 { answer.with("www-authenticate", "Bearer") } else { answer }
    }

    fn unwell(&self, status: u16) -> Answer {
        problem(status, "The platform is not well", &[])
    }
}

/// Problem details (RFC 9457) with the faults by member.
fn problem(status: u16, title: &str, faults: &[(&str, String)]) -> Answer {
    let mut errors: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, words) in faults {
        errors.entry(path).or_default().push(words);
    }
    let mut body = json!({ "type": "about:blank", "title": title, "status": status });
    if !errors.is_empty() {
        body["errors"] = json!(errors);
    }
    Answer::of(status, "application/problem+json; charset=utf-8", body.to_string())
}

fn not_found(what: &str) -> Answer {
    problem(404, &format!("{what} was not found"), &[])
}

fn bad(path: &str, words: &str) -> Answer {
    problem(400, "One or more validation errors occurred.", &[(path, words.to_owned())])
}

/// Answers one request.
fn answer(state: &mut State, asked: &Asked, now: OffsetDateTime) -> Answer {
    // The empty segments of `//` stay: an empty reason is no reason, and an address with one more segment is another.
    let segments: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
    let Some(route) = route(&asked.method, &segments) else { return not_found("The address") };
    let Some(caller) = auth::caller(&state.key, now, asked.header("authorization")) else {
        return Answer::bare(401);
    };
    if !route.is_for(&caller) {
        return Answer::bare(403);
    }
    match route {
        Route::Create => create(state, asked, now),
        Route::Read(id) => read(state, &caller, id),
        Route::ByReferrer(account) => list(state, asked, account, |one, account| one.accepted.account == account),
        Route::ByOrganisation(id) => list(state, asked, id, |one, id| one.accepted.organisation == id),
        Route::SetStatus(id, status, reason) => set_status(state, &caller, (id, status, reason), now),
        Route::Statuses => {
            let all = Status::ALL.map(|status| json!({ "id": status.number(), "name": status.as_str() }));
            Answer::json(200, &json!(all))
        }
    }
}

/// An address with its parts.
#[derive(Debug, Clone, Copy)]
enum Route<'a> {
    Create,
    Read(&'a str),
    ByReferrer(&'a str),
    ByOrganisation(&'a str),
    SetStatus(&'a str, &'a str, Option<&'a str>),
    Statuses,
}

impl Route<'_> {
    fn is_for(self, caller: &Caller) -> bool {
        let Some(role) = caller.role else { return matches!(self, Self::Statuses) };
        match self {
            Self::Create | Self::ByReferrer(_) => role.refers(),
            Self::ByOrganisation(_) | Self::SetStatus(..) => role.receives(),
            Self::Read(_) | Self::Statuses => true,
        }
    }
}

fn route<'a>(method: &str, segments: &[&'a str]) -> Option<Route<'a>> {
    match (method, segments) {
        ("POST", ["api", "referrals"]) => Some(Route::Create),
        ("GET", ["api", "referral", id]) => Some(Route::Read(id)),
        ("GET", ["api", "referralsByReferrer", id]) => Some(Route::ByReferrer(id)),
        ("GET", ["api", "organisationreferrals", id]) => Some(Route::ByOrganisation(id)),
        ("POST", ["api", "status", id, status]) => Some(Route::SetStatus(id, status, None)),
        ("POST", ["api", "status", id, status, reason]) => Some(Route::SetStatus(id, status, Some(reason))),
        ("GET", ["api", "statuses"]) => Some(Route::Statuses),
        _ => None,
    }
}

fn create(state: &mut State, asked: &Asked, now: OffsetDateTime) -> Answer {
    let media = asked.header("content-type").and_then(|header| header.split(';').next()).unwrap_or_default();
    if !media.trim().eq_ignore_ascii_case("application/json") {
        return problem(415, "The body must be application/json", &[]);
    }
    let Ok(body) = serde_json::from_slice(&asked.body) else { return bad("$", "is not JSON") };
    match referral::read(&body) {
        Err(faults) => problem(400, "One or more validation errors occurred.", &faults),
        Ok(accepted) => {
            let stored = state.add(accepted, now);
            let service = stored.accepted.referral.pointer("/referralServiceDto/name");
            Answer::json(
                200,
                &json!({
                    "id": stored.id,
                    "serviceName": service,
                    "organisationId": stored.accepted.organisation,
                }),
            )
        }
    }
}

fn read(state: &State, caller: &Caller, id: &str) -> Answer {
    let Ok(id) = id.parse::<i64>() else { return bad("id", "must be a number") };
    let Some(stored) = state.get(id) else { return not_found("The referral") };
    let own = if caller.role.is_some_and(auth::Role::refers) {
        caller.account == stored.accepted.account
    } else {
        caller.organisation == stored.accepted.organisation
    };
    if own { Answer::json(200, &state.shown(stored)) } else { Answer::bare(403) }
}

/// `asked` is the id, the status and the reason, as they stand in the address.
fn set_status(state: &mut State, caller: &Caller, asked: (&str, &str, Option<&str>), now: OffsetDateTime) -> Answer {
    let (id, status, reason) = asked;
    let Ok(id) = id.parse::<i64>() else { return bad("id", "must be a number") };
    let Some(stored) = state.get(id) else { return not_found("The referral") };
    if stored.accepted.organisation != caller.organisation {
        return Answer::bare(403);
    }
    let Some(status) = segment(status).as_deref().and_then(Status::named) else {
        return not_found("The status");
    };
    let reason = match reason.map(segment) {
        None => None,
        Some(None) => return bad("reason", "is not UTF-8"),
        Some(Some(text)) if text.is_empty() => return not_found("The address"),
        Some(Some(text)) if referral::count(&text) > REASON => {
            return bad("reason", &format!("must be {REASON} characters or fewer"));
        }
        Some(Some(text)) => Some(text),
    };
    state.set_status(id, status, reason, now);
    Answer::of(200, "text/plain; charset=utf-8", status.as_str())
}

/// A path segment decoded; none if it is no UTF-8. An encoded slash stays encoded, as the platform's web server has it.
fn segment(raw: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in raw.replace("%2f", "%2F").split("%2F") {
        parts.push(percent_decode_str(part).decode_utf8().ok()?.into_owned());
    }
    Some(parts.join("%2F"))
}

fn list(state: &State, asked: &Asked, owner: &str, belongs: fn(&Stored, i64) -> bool) -> Answer {
    let Ok(owner) = owner.parse::<i64>() else { return bad("id", "must be a number") };
    match listing(&asked.query) {
        Ok(listing) => Answer::json(200, &state.list(listing, |one| belongs(one, owner))),
        Err((name, words)) => bad(name, words),
    }
}

/// The query of a list. A name that the platform does not know, the well-spelled `isAscending` too, is passed over.
fn listing(query: &str) -> Result<Listing, (&'static str, &'static str)> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let value = |name: &str| {
        let found = pairs.iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    };
    let flag = |name: &'static str| match value(name) {
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(_) => Err((name, "must be true or false")),
    };
    let number = |name: &'static str, default: usize| match value(name).map(str::parse::<usize>) {
        None => Ok(default),
        Some(Ok(number)) if number > 0 => Ok(number),
        Some(_) => Err((name, "must be a number above 0")),
    };
    let order = match value("orderBy") {
        None => None,
        Some("DateSent") => Some(Order::Sent),
        Some("DateUpdated") => Some(Order::Updated),
        Some(_) => return Err(("orderBy", "is not an order that this double knows")),
    };
    Ok(Listing {
        order,
        ascending: flag("isAssending")?,
        declined: flag("includeDeclined")?.unwrap_or(false),
        page: number("pageNumber", 1)?,
        size: number("pageSize", 10)?,
    })
}
