//! Faults on demand: which request, the how-manieth, and what goes wrong.
//!
//! A queue that is asked at each request and each notification. It decides and counts; breaking things is left to
//! whoever asked.

use std::sync::{Arc, Mutex, PoisonError};

use rand::Rng as _;
use rand::seq::IteratorRandom as _;
use serde::{Deserialize, Serialize};

use crate::clock::chance;

/// Which requests a fault is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// The method; none means any. A notification has the method `NOTIFY`.
    pub method: Option<String>,
    /// How the path begins (`/fhir/Task`); none means any. A notification's path is `/Task/{id}`.
    pub path_prefix: Option<String>,
    /// Only requests of this conversation (`X-Correlation-Id`); none means any. Never a notification.
    pub correlation: Option<String>,
    /// The first request that it strikes, counted from 1 among those that match since it was pushed.
    pub nth: u32,
    /// How many in a row it strikes.
    pub times: u32,
}

impl Default for Match {
    fn default() -> Self {
        Self { method: None, path_prefix: None, correlation: None, nth: 1, times: 1 }
    }
}

impl Match {
    /// Any request, the next one.
    pub fn any() -> Self {
        Self::default()
    }

    /// The next request with this method whose path begins so.
    pub fn on(method: &str, path_prefix: &str) -> Self {
        Self { method: Some(method.to_owned()), path_prefix: Some(path_prefix.to_owned()), ..Self::default() }
    }

    /// The `nth` that matches instead of the first.
    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = nth;
        self
    }

    /// That many in a row instead of one.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Only requests of this conversation.
    #[must_use]
    pub fn of(mut self, correlation: &str) -> Self {
        self.correlation = Some(correlation.to_owned());
        self
    }

    fn fits(&self, method: &str, path: &str, correlation: Option<&str>) -> bool {
        self.correlation.as_deref().is_none_or(|wanted| correlation == Some(wanted))
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path_prefix.as_deref().is_none_or(|prefix| path.starts_with(prefix))
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Answered with this status and an OperationOutcome; nothing is stored.
    Status {
        /// The status.
        status: u16,
        /// The `Retry-After` header, in seconds.
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// Answered 200 with a web page, as a captive portal does; nothing is stored.
    HtmlPage,
    /// Answered 200 with the body that says, in the platform's own format, that it failed; nothing is stored. Simulators only.
    ErrorInSuccess,
    /// Handled, and the body of the answer is 64 MiB. Simulators only.
    HugeBody,
    /// Every session that the platform has given out ends before this request is looked at. Simulators only.
    ExpireSessions,
    /// Handled, and numbers of the answer are texts, its texts objects. Simulators only.
    SchemaDrift,
    /// Handled, and the answer breaks off in the middle of its body.
    TruncatedBody,
    /// Handled, and the answer says `text/plain`.
    WrongContentType,
    /// Not handled and never answered, until the caller hangs up or [`Faults::release`].
    Stall,
    /// Handled and never answered, until the caller hangs up or [`Faults::release`].
    StallAfterStoring,
    /// Handled, and the answer stops in the middle of its body, until the caller hangs up or [`Faults::release`]. Simulators only.
    StallInBody,
    /// The connection is reset; nothing is stored.
    ResetBeforeStoring,
    /// Handled, and the connection is reset instead of an answer.
    ResetAfterStoring,
    /// The notification is sent twice.
    DuplicateNotification,
    /// The notification is sent after the one that follows it.
    ReorderNotifications,
    /// The notification is not sent.
    LoseNotification,
    /// Handled; the Task that it creates will be rejected with this reason.
    RefuseTask(String),
}

impl FaultKind {
    fn is_of_notification(&self) -> bool {
        matches!(self, Self::DuplicateNotification | Self::ReorderNotifications | Self::LoseNotification)
    }
}

/// A fault to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which requests.
    #[serde(default)]
    pub on: Match,
    /// What happens to them.
    pub kind: FaultKind,
}

impl Fault {
    /// A fault.
    pub fn new(on: Match, kind: FaultKind) -> Self {
        Self { on, kind }
    }
}

/// Faults by seeded chance: the same seed and the same requests give the same faults.
#[derive(Debug, Clone)]
pub struct Weather {
    /// The seed.
    pub seed: u64,
    /// How many of a thousand requests are struck.
    pub per_mille: u32,
    /// What strikes; each as likely as the others.
    pub kinds: Vec<FaultKind>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<(Fault, u32)>,
    struck: Vec<(String, FaultKind)>,
    /// With the requests that were looked at since it began.
    weather: Option<(Weather, u64)>,
}

impl Queue {
    /// What chance has for this request.
    fn by_chance(&mut self, of_notification: bool) -> Option<FaultKind> {
        let (weather, seen) = self.weather.as_mut()?;
        let mut rng = chance(weather.seed, *seen);
        *seen += 1;
        if !rng.random_ratio(weather.per_mille.min(1000), 1000) {
            return None;
        }
        weather.kinds.iter().filter(|kind| kind.is_of_notification() == of_notification).choose(&mut rng).cloned()
    }
}

/// The faults of one platform. Clones share the queue.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    queue: Arc<Mutex<Queue>>,
    release: Arc<tokio::sync::Notify>,
}

impl Faults {
    /// Adds a fault to come.
    pub fn push(&self, fault: Fault) {
        self.lock().waiting.push((fault, 0));
    }

    /// From now on requests that no fault of the queue strikes are struck by chance.
    pub fn set_weather(&self, weather: Weather) {
        self.lock().weather = Some((weather, 0));
    }

    /// Those that have struck: `METHOD path` and what happened, in order.
    pub fn struck(&self) -> Vec<(String, FaultKind)> {
        self.lock().struck.clone()
    }

    /// How many have yet to strike, or to strike again.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Forgets every fault, and lets go what stalls.
    pub fn clear(&self) {
        *self.lock() = Queue::default();
        self.release();
    }

    /// Lets go of every request that stalls now; its connection is reset.
    pub fn release(&self) {
        self.release.notify_waiters();
    }

    /// Waits until [`Faults::release`].
    pub(crate) async fn stalled(&self) {
        self.release.notified().await;
    }

    /// The fault that strikes this request, if any. Counts it for every fault that it matches.
    pub(crate) fn strike(&self, method: &str, path: &str, correlation: Option<&str>) -> Option<FaultKind> {
        let of_notification = method == "NOTIFY";
        let mut queue = self.lock();
        let mut found = None;
        for (fault, seen) in &mut queue.waiting {
            if fault.kind.is_of_notification() != of_notification || !fault.on.fits(method, path, correlation) {
                continue;
            }
            *seen += 1;
            if found.is_none() && *seen >= fault.on.nth {
                found = Some(fault.kind.clone());
            }
        }
        queue.waiting.retain(|(fault, seen)| seen.saturating_add(1) < fault.on.nth.saturating_add(fault.on.times));
        let found = found.or_else(|| queue.by_chance(of_notification));
        if let Some(kind) = &found {
            queue.struck.push((format!("{method} {path}"), kind.clone()));
        }
        found
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_the_nth_match_as_often_as_asked() {
        let faults = Faults::default();
        let on = Match::on("POST", "/fhir/Task").nth(2).times(2);
        faults.push(Fault::new(on, FaultKind::HtmlPage));
        let strikes: Vec<bool> = ["GET", "POST", "POST", "POST", "POST"]
            .iter()
            .map(|method| faults.strike(method, "/fhir/Task", None).is_some())
            .collect();
        assert_eq!(strikes, [false, false, true, true, false]);
        assert_eq!((faults.waiting(), faults.struck().len()), (0, 2));
    }

    #[test]
    fn faults_of_notifications_do_not_strike_requests() {
        let faults = Faults::default();
        faults.push(Fault::new(Match::any(), FaultKind::LoseNotification));
        assert_eq!(faults.strike("GET", "/fhir/metadata", None), None);
        assert_eq!(faults.strike("NOTIFY", "/Task/1", None), Some(FaultKind::LoseNotification));
    }

    #[test]
    fn a_fault_of_one_conversation_leaves_the_others_alone() {
        let faults = Faults::default();
        faults.push(Fault::new(Match::any().of("talk"), FaultKind::Stall));
        let strike = |correlation| faults.strike("GET", "/fhir/Task", correlation);
        assert_eq!((strike(None), strike(Some("other"))), (None, None));
        assert_eq!(strike(Some("talk")), Some(FaultKind::Stall));
    }

    #[test]
    fn weather_is_the_same_for_the_same_seed_and_strikes_its_share() {
        let strikes = |seed| {
            let faults = Faults::default();
            let kinds = vec![FaultKind::HtmlPage, FaultKind::Stall, FaultKind::LoseNotification];
            faults.set_weather(Weather { seed, per_mille: 200, kinds });
            (0..1000).map(|_| faults.strike("GET", "/", None)).collect::<Vec<_>>()
        };
        assert_eq!(strikes(1), strikes(1));
        assert_ne!(strikes(1), strikes(2));
        let struck = strikes(1).into_iter().flatten().collect::<Vec<_>>();
        assert!((150..250).contains(&struck.len()), "{}", struck.len());
        assert!(!struck.contains(&FaultKind::LoseNotification), "that is none of a request");
    }

    #[test]
    fn a_fault_reads_from_json() {
        let text =
            r#"{ "on": { "method": "POST", "nth": 3 }, "kind": { "status": { "status": 503, "retry_after": 2 } } }"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(fault.on, Match { method: Some("POST".to_owned()), nth: 3, ..Match::default() });
        assert_eq!(fault.kind, FaultKind::Status { status: 503, retry_after: Some(2) });
    }
}
