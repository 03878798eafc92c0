//! What the platform sends by itself: a message, which is about one referral and brings much else along.

use crate::appointment;
use crate::communication::{self, EITHER, FROM_PROVIDER, FROM_REQUESTER};
use crate::outputs::Outputs;
use crate::received::{About, Received};
use crate::statement::{report, timeless};
use crate::status::{self, ERROR, Meaning, UNMAPPED, Vocabulary};
use crate::submit::ADD;
use crate::task;
use crate::tell::REVOKE;
use adapter_contract::{Concept, PlatformOrder, Reading, Report, ReportSource, StatusReport, TranslateError};
use serde_json::Value;
use std::collections::BTreeSet;

/// Events that the guides name (CA:eReC 1.1.0-DFT, Ontario 0.10 and 0.11) and BSeR's one.
const EVENTS: [&str; 13] = [
    ADD,
    "notify-add-service-record",
    "notify-update-service-request",
    "notify-data-correction",
    REVOKE,
    "notify-add-process-request",
    "notify-update-process-request",
    "notify-update-status",
    "notify-add-appointment",
    "notify-update-appointment",
    EITHER,
    FROM_PROVIDER,
    FROM_REQUESTER,
];
const BSER_EVENT: (&str, &str) = ("http://terminology.hl7.org/CodeSystem/v2-0003", "I12");

/// Statements of one message, at most.
const MOST_STATEMENTS: usize = 200;

/// Characters of a platform's word that is said of every referral of a message, at most.
const LONGEST_WORD: usize = 1_000;

/// Reads a pushed message.
///
/// # Errors
/// [`TranslateError`] when it is no message, or says nothing of any referral.
pub(crate) fn read(pushed: &Report<'_>) -> Result<Vec<Reading>, TranslateError> {
    let wrong = |what: &str| TranslateError::new("Bundle", what);
    if pushed.source == ReportSource::TaskUpdate {
        return Err(TranslateError::new("report.source", "this platform collects nothing from the gateway"));
    }
    let body = std::str::from_utf8(pushed.body).map_err(|_| TranslateError::new("report", "is not UTF-8"))?;
    let received = Received::read(body).map_err(wrong)?;
    if received.kind != "message" {
        return Err(wrong("is not of type message"));
    }
    let header = received.resources.first().filter(|first| first.kind() == "MessageHeader");
    let header = header.ok_or_else(|| wrong("does not begin with a MessageHeader"))?;
    // Each of them is a statement, unless it comes again: how many there are is known before any of them is read.
    let stating = received.resources.iter().filter(|one| matches!(one.kind(), "Task" | "Appointment"));
    let stating: BTreeSet<&str> = stating.map(|one| one.text).collect();
    let focus = header.value.get("focus").and_then(Value::as_array).map_or(0, Vec::len);
    if stating.len().max(focus) > MOST_STATEMENTS {
        return Err(wrong("says more than the gateway takes from one message"));
    }
    let message = Message::of(&received, &header.value);
    let statements = message.statements();
    if statements.is_empty() {
        return Err(wrong("says nothing of a referral that is named by its id or by our key"));
    }
    let mut told = BTreeSet::new();
    let mut readings = Vec::new();
    for one in statements.into_iter().flatten() {
        if told.insert((one.platform_referral.0.clone(), one.event.clone())) {
            readings.push(Reading::Status(one));
        }
    }
    if readings.is_empty() && message.is_about_a_stranger() {
        return Err(wrong("is about something that names no referral"));
    }
    if readings.len() > MOST_STATEMENTS {
        return Err(wrong("says more than the gateway takes from one message"));
    }
    Ok(readings)
}

/// A message, with what its header says.
struct Message<'m, 'a> {
    received: &'m Received<'a>,
    system: Option<&'m str>,
    code: &'m str,
    /// Identifier of the message that this one answers, and how.
    response: Option<(&'m str, &'m str)>,
    /// Places of what it is about.
    focus: Vec<usize>,
    /// Referrals that it names without having them in it.
    named: Vec<About>,
}

impl<'m, 'a> Message<'m, 'a> {
    fn of(received: &'m Received<'a>, header: &'m Value) -> Self {
        let text = |path: &str| header.pointer(path).and_then(Value::as_str);
        // R4 has a list; the older payload that Caredove shows has one object.
        let focus: Vec<&Value> = match header.get("focus") {
            Some(Value::Array(all)) => all.iter().collect(),
            Some(one) => vec![one],
            None => Vec::new(),
        };
        let place = |one: &&Value| Some(received.find(one.get("reference")?.as_str()?)?.0);
        let places = focus.iter().filter_map(place).collect();
        let outside = focus.iter().filter(|one| place(one).is_none());
        Self {
            received,
            system: text("/eventCoding/system"),
            code: text("/eventCoding/code").or_else(|| text("/eventUri")).unwrap_or_default(),
            response: text("/response/identifier").zip(text("/response/code")),
            focus: places,
            named: outside.filter_map(|one| received.meant(one)).collect(),
        }
    }

    /// Everything that it says, as statements. `None` is what was understood and is no news; nothing at all, that nobody
    /// knows whom it is about.
    fn statements(&self) -> Vec<Option<StatusReport>> {
        if let Some((identifier, code)) = self.response {
            return self.abouts().iter().map(|about| self.responded(about, identifier, code)).collect();
        }
        if !self.is_known() {
            return self.abouts().iter().map(|about| Some(self.evidence(about))).collect();
        }
        let vocabulary = Vocabulary::of(self.system);
        let (mut said, mut outputs) = (Vec::new(), Outputs::default());
        for (place, resource) in self.received.resources.iter().enumerate() {
            let in_focus = self.focus.contains(&place);
            let Some(about) = self.received.about_of(place) else { continue };
            match resource.kind() {
                "Task" => {
                    said.push(Some(task::read(self.received, vocabulary, resource, &about, in_focus, &mut outputs)));
                }
                "Appointment" => {
                    let beside = appointment::stands_beside(self.received, &about);
                    said.push(Some(appointment::read(self.received, resource, &about, in_focus, beside)));
                }
                "Communication" if in_focus && self.code != FROM_REQUESTER => {
                    said.push(communication::read(self.received, self.code, resource, &about));
                }
                _ => {}
            }
        }
        for about in self.abouts() {
            if self.is_revoked(&about) {
                said.push(self.revoked(&about));
            } else if about.key.is_some() && !said.iter().flatten().any(|one| one.platform_referral == about.name) {
                said.push(held(self.received, &about));
            } else {
                said.push(None);
            }
        }
        said
    }

    /// Whether something that it is about cannot be told to belong to any referral.
    fn is_about_a_stranger(&self) -> bool {
        self.focus.iter().any(|place| self.received.about_of(*place).is_none())
    }

    fn is_known(&self) -> bool {
        EVENTS.contains(&self.code) || (self.system.unwrap_or_default(), self.code) == BSER_EVENT
    }

    /// The referrals that it is about, or that stand in it.
    fn abouts(&self) -> Vec<About> {
        let requests = self.received.resources.iter().enumerate().filter(|(_, one)| one.kind() == "ServiceRequest");
        let inside = requests.filter_map(|(place, _)| self.received.about_of(place));
        let in_focus = self.focus.iter().filter_map(|place| self.received.about_of(*place));
        let mut all: Vec<About> = Vec::new();
        let header = || self.received.only();
        for about in self.named.iter().cloned().chain(in_focus).chain(inside) {
            if !all.iter().any(|known| known.name == about.name) {
                all.push(about);
            }
        }
        if all.is_empty() { header().into_iter().collect() } else { all }
    }

    /// The sender's own withdrawal, come back: the event says it of what it is about, a status of its request.
    fn is_revoked(&self, about: &About) -> bool {
        let request = about.request.and_then(|place| self.received.resources.get(place));
        let status = request.and_then(|request| request.text("status"));
        let in_focus = match about.request {
            Some(place) => self.focus.is_empty() || self.focus.contains(&place),
            None => true,
        };
        (self.code == REVOKE && in_focus) || status == Some("revoked")
    }

    fn revoked(&self, about: &About) -> Option<StatusReport> {
        let means = status::word(REVOKE)?;
        let order = PlatformOrder { version: None, instant: self.received.timestamp.clone() };
        let word = Concept { code: Some(REVOKE.to_owned()), ..Concept::default() };
        Some(report(about, format!("ServiceRequest/{}/revoked", about.name.0), order, word, means))
    }

    /// An event that nobody published: kept, and shown to a person.
    fn evidence(&self, about: &About) -> StatusReport {
        let means = Meaning { status: None, business_status: UNMAPPED.to_owned(), contradiction: false };
        let order = PlatformOrder { version: None, instant: self.received.timestamp.clone() };
        let code = Some(bounded(self.code)).filter(|code| !code.is_empty());
        let text = code.is_none().then(|| "a message without an event".to_owned());
        let word = Concept { system: self.system.map(bounded).filter(|_| code.is_some()), code, text };
        report(about, format!("event/{}/{}", about.name.0, short(self.code)), order, word, means)
    }

    /// An answer that comes later than the request's: that the message could not be processed is news.
    fn responded(&self, about: &About, identifier: &str, code: &str) -> Option<StatusReport> {
        if code == "ok" {
            return held(self.received, about).filter(|_| about.key.is_some());
        }
        let means = Meaning { status: None, business_status: ERROR.to_owned(), contradiction: false };
        let order = PlatformOrder { version: None, instant: self.received.timestamp.clone() };
        let word = Concept { code: Some(bounded(code)), ..Concept::default() };
        let mut said = report(about, format!("response/{}/{}", short(identifier), short(code)), order, word, means);
        said.reason = Some("The platform answered later that it could not process the message.".to_owned());
        Some(said)
    }
}

/// A word of the platform as a part of a name: bounded, whatever it is.
fn short(word: &str) -> String {
    word.chars().filter(|one| one.is_ascii_alphanumeric() || matches!(one, '-' | '.' | ':')).take(80).collect()
}

/// The beginning of a word that is said again of each referral.
fn bounded(word: &str) -> String {
    word.chars().take(LONGEST_WORD).collect()
}

/// That the platform has the request: what is left of our own message when it comes back. It never has a time, so that it
/// takes back nothing of what is known; it can only prove that a message whose answer was lost did arrive.
fn held(received: &Received<'_>, about: &About) -> Option<StatusReport> {
    let forwarded = about.forwarded;
    let means = status::word(if forwarded { "forwarded" } else { "ServiceRequest active" })?;
    let request = about.request.and_then(|place| received.resources.get(place));
    let status = request.and_then(|request| request.text("status")).unwrap_or("active");
    let word = Concept {
        system: Some("http://hl7.org/fhir/request-status".to_owned()),
        code: Some(status.to_owned()),
        text: forwarded.then(|| "forwarded".to_owned()),
    };
    let kind = if forwarded { "forwarded" } else { "held" };
    Some(report(about, format!("ServiceRequest/{}/{kind}/{status}", about.name.0), timeless(), word, means))
}
