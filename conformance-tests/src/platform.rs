//! A charity platform with a FHIR server, as the Gravity SDOH Clinical Care guide describes a referral recipient.
//!
//! Written from the guide, not from the gateway: it refuses what the guide says a server refuses and lives a Task's
//! life by its own seeded plan. It listens on loopback, keeps everything in memory, and moves its time only when told.
//!
//! It is not the guide in full: search knows a handful of parameters, versions before the latest are not kept, and the
//! subscription is a setting instead of a resource.

pub(crate) mod connection;
mod exchange;
mod faults;
mod in_process;
pub(crate) mod life;
mod notify;
pub(crate) mod profile;
mod serve;
mod state;
mod store;
mod transaction;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tokio::task::JoinHandle;

use connection::{BreakableListener, Connection, OpenConnections};
use state::State;

pub use faults::{Fault, FaultKind, Faults, Match, Weather};
pub use in_process::InProcess;
pub use notify::{NotificationRecord, Notify, Payload};
pub use state::{PlatformTask, RecordedRequest};

/// How a platform is set up.
#[derive(Debug, Clone)]
pub struct PlatformConfig {
    /// Decides what becomes of each Task.
    pub seed: u64,
    /// The bearer token that callers must present.
    pub token: String,
    /// What the simulated clock shows at first.
    pub start: OffsetDateTime,
    /// How far a tick moves it.
    pub step: Duration,
    /// Where changes of Tasks are told, if anywhere.
    pub notify: Option<Notify>,
    /// The most entries on a page of search results.
    pub page_limit: usize,
}

impl Default for PlatformConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            token: "platform-token".to_owned(),
            start: time::macros::datetime!(2026-06-15 12:00 UTC),
            step: Duration::hours(1),
            notify: None,
            page_limit: 50,
        }
    }
}

/// What the server, the control routes and the handle share.
struct Inner {
    state: Mutex<State>,
    faults: Faults,
    notify: Mutex<Option<Notify>>,
    notifications: Mutex<Vec<NotificationRecord>>,
    /// Held while notifications go out, so that two ticks at once cannot mix theirs; what a fault holds back.
    sending: tokio::sync::Mutex<Vec<state::Change>>,
    client: reqwest::Client,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn tick(&self) -> usize {
        let moved = self.state().tick();
        self.send_notifications().await;
        moved
    }

    async fn send_notifications(&self) {
        let mut held = self.sending.lock().await;
        // With nobody to tell, nothing is kept for later: a subscription has no past.
        let (changes, base_url) = {
            let mut state = self.state();
            (state.changes.drain(..).collect::<Vec<_>>(), state.base_url.clone())
        };
        let to = self.notify.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(to) = to else { return };
        for change in notify::schedule(changes, &mut held, &self.faults) {
            let record = notify::send(&self.client, &to, &base_url, &change).await;
            self.notifications.lock().unwrap_or_else(PoisonError::into_inner).push(record);
        }
    }

    fn reset(&self) {
        self.faults.clear();
        self.state().reset();
        self.notifications.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A running platform; it ends when the handle is dropped.
pub struct FhirPlatform {
    inner: Arc<Inner>,
    address: SocketAddr,
    open: OpenConnections,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl FhirPlatform {
    /// Starts a platform on a free port of the loopback interface. Ready when this returns.
    pub async fn start(config: PlatformConfig) -> io::Result<Self> {
        let open = OpenConnections::default();
        let listener = BreakableListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), open.clone()).await?;
        let address = listener.address()?;
        // Loopback only: a proxy of the environment has no business here.
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(std::time::Duration::from_secs(30))
            .build()
            .map_err(io::Error::other)?;
        let state = State::new(&config, format!("http://{address}/fhir"));
        let inner = Arc::new(Inner {
            state: Mutex::new(state),
            faults: Faults::default(),
            notify: Mutex::new(config.notify),
            notifications: Mutex::default(),
            sending: tokio::sync::Mutex::default(),
            client,
        });
        let server = Mutex::new(Some(run(listener, Arc::clone(&inner))));
        Ok(Self { inner, address, open, server })
    }

    /// The FHIR base, `http://127.0.0.1:port/fhir`.
    pub fn base_url(&self) -> String {
        format!("http://{}/fhir", self.address)
    }

    /// The base of the control routes, `http://127.0.0.1:port/control`.
    pub fn control_url(&self) -> String {
        format!("http://{}/control", self.address)
    }

    /// Tells changes here from now on, or nowhere.
    pub fn set_notify(&self, notify: Option<Notify>) {
        *self.inner.notify.lock().unwrap_or_else(PoisonError::into_inner) = notify;
    }

    /// The faults to come.
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// Moves its clock to this time; a clock of a double never goes back.
    pub fn pass_to(&self, now: OffsetDateTime) {
        self.inner.state().pass_to(now);
    }

    /// Lets one step of time pass and sends the notifications of what changed. How many Tasks moved.
    pub async fn tick(&self) -> usize {
        self.inner.tick().await
    }

    /// Ticks until every Task is final, at most `limit` times. True when they are.
    pub async fn tick_until_settled(&self, limit: usize) -> bool {
        for _ in 0..limit {
            if self.settled() {
                return true;
            }
            self.tick().await;
        }
        self.settled()
    }

    /// Sends what is to be told without letting time pass (a cancellation by the requester, say, or, when there is
    /// nothing new, a notification that [`FaultKind::ReorderNotifications`] holds back).
    pub async fn send_notifications(&self) {
        self.inner.send_notifications().await;
    }

    /// True when every Task is final.
    pub fn settled(&self) -> bool {
        self.inner.state().settled()
    }

    /// The simulated time.
    pub fn now(&self) -> OffsetDateTime {
        self.inner.state().now()
    }

    /// Every FHIR request so far, verbatim, in order of arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.inner.state().requests.clone()
    }

    /// What became of each notification that was sent.
    pub fn notifications(&self) -> Vec<NotificationRecord> {
        self.inner.notifications.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every Task.
    pub fn tasks(&self) -> Vec<PlatformTask> {
        self.inner.state().tasks()
    }

    /// A stored resource.
    pub fn resource(&self, kind: &str, id: &str) -> Option<Value> {
        self.inner.state().store.get(kind, id).cloned()
    }

    /// How many resources of a type are stored.
    pub fn count(&self, kind: &str) -> usize {
        self.inner.state().store.all(kind).count()
    }

    /// The idempotency keys that more than one Task bears: referrals that were delivered twice.
    pub fn duplicates(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.tasks().into_iter().filter_map(|task| task.key).collect();
        keys.sort();
        let mut twice: Vec<String> = keys
            .windows(2)
            .filter(|pair| pair.first() == pair.last())
            .filter_map(|pair| pair.first().cloned())
            .collect();
        twice.dedup();
        twice
    }

    /// Replaces what is to come of an open Task: one status a tick, the reason where the guide asks for one.
    /// False where the Task is unknown or has ended, or a status is not one of the guide's.
    pub fn plan(&self, task_id: &str, moves: &[(&'static str, Option<&str>)]) -> bool {
        let known = moves.iter().all(|(status, _)| profile::STATES.contains(status));
        let moves = moves.iter().map(|(status, reason)| life::Move {
            status,
            wait: 0,
            reason: reason.map(str::to_owned),
            words: None,
        });
        known && self.inner.state().set_life(task_id, moves.collect())
    }

    /// Draws what is to come of an open Task anew, from the seed and this name: the key that the Task bears is another in each
    /// run. False where the Task is unknown or has ended.
    pub fn live_by(&self, task_id: &str, name: &str) -> bool {
        self.inner.state().live_by(task_id, name)
    }

    /// What will have been measured of the person, from 0 to 10 each: given as one more output when the Task is completed.
    pub fn measure(&self, task_id: &str, what: &str, scores: &[(&str, u8)]) {
        self.inner.state().measure(task_id, what, scores);
    }

    /// Forgets everything but the settings.
    pub fn reset(&self) {
        self.inner.reset();
    }

    /// Stops as a crash would: the port closes, open connections are reset. What is stored stays.
    pub async fn stop(&self) {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            server.abort();
            // An aborted task ends with an error that says so.
            let _ = server.await;
        }
        self.open.reset_all();
        self.inner.faults.release();
    }

    /// Starts again on the same port with what was stored.
    pub async fn restart(&self) -> io::Result<()> {
        self.stop().await;
        let listener = BreakableListener::bind(self.address, self.open.clone()).await?;
        let server = run(listener, Arc::clone(&self.inner));
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        Ok(())
    }
}

impl Drop for FhirPlatform {
    fn drop(&mut self) {
        if let Some(server) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take() {
            server.abort();
        }
        self.open.reset_all();
    }
}

fn run(listener: BreakableListener, inner: Arc<Inner>) -> JoinHandle<()> {
    let app = Router::new().fallback(serve::serve).with_state(inner);
    let service = app.into_make_service_with_connect_info::<Connection>();
    tokio::spawn(async move {
        // It serves until it is aborted; accepting does not fail (see the listener).
        let _ = axum::serve(listener, service).await;
    })
}
