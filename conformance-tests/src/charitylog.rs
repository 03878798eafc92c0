//! A double of the Dizions API v2 (Charitylog, Crossdata), written from the pages of the vendor's wiki alone: the staging area of
//! external referrals, and the cases (`referrals`) that staff make of them.
//!
//! What staff do is done by the methods of [`Charitylog`]: import or reject what is staged, record contacts, close cases. Over HTTP
//! nothing of the staging area can be read.
//!
//! What the pages leave open is taken the strict way: keys that are wrong get 401, a filter, field or id that the charity does not
//! have gets 400, a body that is not the array under the page's media type gets 400. What a call that creates answers is not
//! documented, so a test chooses ([`Answers`]). Every answer bears the `Date` of the simulated clock.

mod cases;
mod staging;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::{Date, OffsetDateTime};

use crate::simulator::{Answer, Api, Asked};

/// How the id of what was made is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// `{"id": 901}`.
    Record,
    /// `[{"id": 901}]`.
    Records,
    /// `[901]`.
    Ids,
}

/// What the charity has set up: every id is its own.
#[derive(Debug, Clone)]
pub struct CharitylogConfig {
    /// Header `Source`.
    pub source_key: String,
    /// Header `Org`.
    pub org_key: String,
    /// Header `User`.
    pub user_key: String,
    /// The verb that puts into the staging area.
    pub verb: String,
    /// Types of people.
    pub types: Vec<i64>,
    /// Projects that the user may see.
    pub projects: Vec<i64>,
    /// Fields of clients that an external referral may have, beside those of every one.
    pub fields: Vec<String>,
    /// Stages: id, name, and the status that the charity gave it.
    pub stages: Vec<(i64, String, String)>,
    /// How what was made is answered.
    pub answers: Answers,
}

impl Default for CharitylogConfig {
    fn default() -> Self {
        let stages = [
            (31, "New referral", "Pending"),
            (32, "First Appointment Booked", "Open"),
            (33, "Closed - Complete", "Closed"),
            (34, "Closed - No Answer", "Closed"),
            (35, "Closed - Client Declined", "Closed"),
            (36, "Closed - Client moved away", "Closed"),
            (37, "Closed - Referred Onward", "Closed"),
            (38, "Awaiting panel", "Parked"),
        ];
        Self {
            source_key: "source-key-of-tests".to_owned(),
            org_key: "org-key-of-tests".to_owned(),
            user_key: "user-key-of-tests".to_owned(),
            verb: "PUT".to_owned(),
            types: vec![1, 7],
            projects: vec![7, 8],
            fields: vec!["external_id".to_owned(), "telephone".to_owned(), "email".to_owned()],
            stages: stages.map(|(id, name, status)| (id, name.to_owned(), status.to_owned())).to_vec(),
            answers: Answers::Record,
        }
    }
}

/// Somebody in the staging area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Its id there.
    pub id: i64,
    /// What was sent, member by member.
    pub members: BTreeMap<String, String>,
}

/// A case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its id.
    pub id: i64,
    /// The client's id.
    pub client: i64,
    /// The client's external id, if there is one.
    pub external_id: Option<String>,
    /// The project.
    pub project: i64,
    /// The id of its stage; none if no stage was chosen.
    pub stage: Option<i64>,
    /// Days of contacts that were done.
    pub contacts: Vec<Date>,
}

/// The double.
#[derive(Debug)]
pub struct Charitylog {
    config: CharitylogConfig,
    staged: Vec<Staged>,
    cases: Vec<Case>,
    last_id: i64,
}

impl Charitylog {
    /// As it is before anybody has called.
    #[must_use]
    pub fn new(config: CharitylogConfig) -> Self {
        Self { config, staged: Vec::new(), cases: Vec::new(), last_id: 500 }
    }

    /// Who waits in the staging area.
    #[must_use]
    pub fn staged(&self) -> &[Staged] {
        &self.staged
    }

    /// Every case.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The charity changes what it has set up.
    pub fn set_up(&mut self, change: impl FnOnce(&mut CharitylogConfig)) {
        change(&mut self.config);
    }

    /// Staff import somebody from the staging area as a new client, with a case in the first stage; the case, if it was there.
    pub fn import(&mut self, staged: i64, project: i64, now: OffsetDateTime) -> Option<i64> {
        let place = self.staged.iter().position(|one| one.id == staged)?;
        let one = self.staged.remove(place);
        let external_id = one.members.get("external_id").cloned();
        let client = self.next_id();
        Some(self.open(client, external_id, project, now))
    }

    /// Staff reject somebody in the staging area; false if nobody of this id is there.
    pub fn reject(&mut self, staged: i64) -> bool {
        let before = self.staged.len();
        self.staged.retain(|one| one.id != staged);
        self.staged.len() < before
    }

    /// Staff open a case of a client.
    pub fn open(&mut self, client: i64, external_id: Option<String>, project: i64, now: OffsetDateTime) -> i64 {
        let (id, first) = (self.next_id(), self.config.stages.first().map(|(id, _, _)| *id));
        self.cases.push(Case { id, client, external_id, project, stage: first, contacts: vec![now.date()] });
        id
    }

    /// Staff record a contact, and the stage that the case has come to; false if there is no such case or stage.
    pub fn contact(&mut self, case: i64, stage: &str, now: OffsetDateTime) -> bool {
        let stage = self.config.stages.iter().find(|(_, name, _)| name == stage).map(|(id, _, _)| *id);
        let case = self.cases.iter_mut().find(|one| one.id == case);
        let (Some(stage), Some(case)) = (stage, case) else { return false };
        case.stage = Some(stage);
        case.contacts.push(now.date());
        true
    }

    fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    fn is_allowed(&self, asked: &Asked) -> bool {
        let config = &self.config;
        [("source", &config.source_key), ("org", &config.org_key), ("user", &config.user_key)]
            .iter()
            .all(|(name, key)| asked.header(name) == Some(key.as_str()))
    }

    fn made(&self, ids: &[i64]) -> Answer {
        let records = || ids.iter().map(|id| json!({ "id": id })).collect::<Vec<Value>>();
        let body = match self.config.answers {
            Answers::Ids => json!(ids),
            Answers::Record if ids.len() == 1 => records().remove(0),
            Answers::Record | Answers::Records => json!(records()),
        };
        Answer::json(200, &body)
    }
}

impl Api for Charitylog {
    fn answer(&mut self, asked: &Asked, now: OffsetDateTime) -> Answer {
        let dated = |answer: Answer| answer.with("date", &http_date(now));
        if !self.is_allowed(asked) {
            return dated(fault(401, "The keys are not known."));
        }
        let Some(segments) = asked.segments() else { return dated(fault(400, "The address is not UTF-8.")) };
        let segments: Vec<&str> = segments.iter().map(String::as_str).filter(|segment| !segment.is_empty()).collect();
        dated(match (asked.method.as_str(), segments.as_slice()) {
            (verb, ["external_referral"]) if verb == self.config.verb => match self.stage(asked) {
                Ok(ids) => self.made(&ids),
                Err(words) => fault(400, words),
            },
            ("GET", ["referrals", rest @ ..]) => match self.list(rest, asked) {
                Ok(cases) => Answer::json(200, &json!(cases)),
                Err(words) => fault(400, words),
            },
            (_, ["external_referral" | "referrals", ..]) => fault(405, "This verb does nothing here."),
            _ => fault(404, "There is no such entity."),
        })
    }

    fn unwell(&self, status: u16) -> Answer {
        fault(status, "Something went wrong.")
    }
}

fn fault(status: u16, words: &str) -> Answer {
    Answer::json(status, &json!({ "error": words }))
}

/// As HTTP writes it (RFC 9110, section 5.6.7).
fn http_date(at: OffsetDateTime) -> String {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    at.to_offset(time::UtcOffset::UTC).format(&format).unwrap_or_default()
}
