//! A simulated Salesforce organisation, written from Salesforce's REST API, SOQL and object reference guides: the token endpoint,
//! describe, upsert by external id, update by id, query with pages, error arrays, the limit of requests in 24 hours.
//!
//! It refuses what Salesforce refuses and answers in its words. What its documentation leaves open is decided the strict way: texts
//! are counted in UTF-16 code units, an external id is compared without regard to case, and a query that mixes AND and OR without
//! parentheses is malformed.
//!
//! Not simulated: sharing, triggers, flows, validation rules with formulas, the recycle bin, other objects than one is given.

mod oauth;
mod object;
mod records;
mod rest;
mod soql;

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::simulator::{Answer, Api, Asked};

pub use oauth::{App, JWT_GRANT};
pub use object::{Field, Kind, Licence, Record, SObject, referral};

/// How long a session lasts that nobody uses. The organisation sets it; two hours is what Salesforce sets.
const SESSION: Duration = Duration::hours(2);
/// The newest version of the API that is offered.
const NEWEST_VERSION: u32 = 68;
/// Most records in one page of a query, unless it is made smaller.
const PAGE: usize = 2000;

/// A session that was given out.
#[derive(Debug, Clone)]
struct Session {
    token: String,
    ends: OffsetDateTime,
}

/// The rest of a query, behind a locator.
#[derive(Debug, Clone)]
struct Rest {
    locator: String,
    rows: Vec<Value>,
    total: usize,
}

/// The organisation.
#[derive(Debug)]
pub struct Salesforce {
    app: App,
    objects: BTreeMap<String, SObject>,
    sessions: Vec<Session>,
    /// When the requests of the last 24 hours were made.
    used: VecDeque<OffsetDateTime>,
    limit: usize,
    page: usize,
    rests: Vec<Rest>,
    instance: Option<String>,
    locked: u32,
    duplicate_rule: bool,
    /// Ids, tokens and locators are numbered.
    next: u64,
    /// Host that stands before every link to a next page.
    links: String,
}

impl Salesforce {
    /// An organisation with this licence. Its object `Referral` has been given the external id field `VcseReferralKey__c`.
    #[must_use]
    pub fn new(licence: Licence) -> Self {
        let objects = licence.objects().into_iter().map(|object| (object.name.clone(), object)).collect();
        Self {
            app: App::default(),
            objects,
            sessions: Vec::new(),
            used: VecDeque::new(),
            limit: 100_000,
            page: PAGE,
            rests: Vec::new(),
            instance: None,
            locked: 0,
            duplicate_rule: false,
            next: 1,
            links: String::new(),
        }
    }

    /// The connected app by which programs come in.
    pub fn app(&mut self) -> &mut App {
        &mut self.app
    }

    /// The address that stands as `instance_url` in the answer of the token endpoint. Without it, the host that was asked.
    pub fn set_instance_url(&mut self, url: &str) {
        self.instance = Some(url.to_owned());
    }

    /// How many requests the organisation has in 24 hours.
    pub fn set_daily_limit(&mut self, requests: usize) {
        self.limit = requests;
    }

    /// How many requests were made in the last 24 hours.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.len()
    }

    /// Most records in one page.
    pub fn set_page(&mut self, records: usize) {
        self.page = records.max(1);
    }

    /// A host that stands before the path of every `nextRecordsUrl`, as no Salesforce writes it.
    pub fn set_link_prefix(&mut self, prefix: &str) {
        self.links = prefix.to_owned();
    }

    /// The next so many writes meet a record that somebody else is changing.
    pub fn lock(&mut self, writes: u32) {
        self.locked = writes;
    }

    /// Whether a second record with the same name of the client and the same telephone number is refused.
    pub fn set_duplicate_rule(&mut self, on: bool) {
        self.duplicate_rule = on;
    }

    /// Adds an object of the organisation's own, or replaces one.
    pub fn add_object(&mut self, object: SObject) {
        self.objects.insert(object.name.clone(), object);
    }

    /// An object, to change what describe says of it.
    pub fn object(&mut self, name: &str) -> Option<&mut SObject> {
        self.objects.get_mut(name)
    }

    /// A session for a program that a test gives it, without the token endpoint.
    pub fn open_session(&mut self, now: OffsetDateTime) -> String {
        let token = format!("00Dxx!session.{}", self.number());
        self.sessions.push(Session { token: token.clone(), ends: now + SESSION });
        token
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Whether the request carries a session that has not ended. Using it makes it last longer.
    fn has_session(&mut self, asked: &Asked, now: OffsetDateTime) -> bool {
        let Some(token) = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) else {
            return false;
        };
        match self.sessions.iter_mut().find(|session| session.token == token && session.ends > now) {
            Some(session) => {
                session.ends = now + SESSION;
                true
            }
            None => false,
        }
    }

    /// Counts a request; `false` beyond the limit.
    fn counts(&mut self, now: OffsetDateTime) -> bool {
        while self.used.front().is_some_and(|at| *at + Duration::DAY <= now) {
            self.used.pop_front();
        }
        if self.used.len() >= self.limit {
            return false;
        }
        self.used.push_back(now);
        true
    }
}

impl Api for Salesforce {
    fn answer(&mut self, asked: &Asked, now: OffsetDateTime) -> Answer {
        let Some(segments) = asked.segments() else { return not_found() };
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        if parts == ["services", "oauth2", "token"] {
            return self.token(asked, now);
        }
        if !self.has_session(asked, now) {
            return error(401, "INVALID_SESSION_ID", "Session expired or invalid", &[]);
        }
        let usage = |used: usize, limit: usize| format!("api-usage={used}/{limit}");
        if !self.counts(now) {
            let refused = error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", &[]);
            return refused.with("sforce-limit-info", &usage(self.used.len(), self.limit));
        }
        let answer = self.rest(asked, &parts, now);
        answer.with("sforce-limit-info", &usage(self.used.len(), self.limit))
    }

    fn unwell(&self, status: u16) -> Answer {
        error(status, "SERVER_UNAVAILABLE", "Server is temporarily unavailable.", &[])
    }

    fn expire_sessions(&mut self) {
        self.sessions.clear();
    }
}

/// An error as Salesforce writes it: always an array.
fn error(status: u16, code: &str, message: &str, fields: &[&str]) -> Answer {
    let mut item = json!({ "message": message, "errorCode": code });
    if matches!(status, 400) {
        item["fields"] = json!(fields);
    }
    Answer::json(status, &json!([item]))
}

fn not_found() -> Answer {
    error(404, "NOT_FOUND", "The requested resource does not exist", &[])
}
