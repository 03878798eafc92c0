//! The frame of a simulated platform that is reached over HTTP: the socket, the record of every request, faults on demand
//! and by chance, the clock, what it pushes, and namespaces. What a platform *is* stands in its own module, as an [`Api`]: state,
//! and an answer to each request.
//!
//! Nothing happens by itself. Time moves when a test moves it, and what the platform has to tell leaves when a test says so,
//! so that the same calls give the same run.
//!
//! One socket serves any number of independent platforms: [`Simulator::namespace`] gives one that has a base address, a state, a
//! record and faults of its own.

mod introspection;
mod serve;
mod space;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use time::{Duration, OffsetDateTime};
use tokio::task::JoinHandle;

use crate::platform::connection::{BreakableListener, Connection, OpenConnections};
use crate::platform::{FaultKind, Faults, RecordedRequest};
use space::{Space, Spaces};

pub use introspection::Introspection;

/// What the simulated clock of a platform shows at first.
pub const START: OffsetDateTime = time::macros::datetime!(2026-06-15 12:00 UTC);

/// A request as far as a platform is concerned.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The method, in upper case.
    pub method: String,
    /// The path below the platform's base address, with its leading slash, still percent-encoded.
    pub path: String,
    /// The query, still encoded, without the question mark.
    pub query: String,
    /// Every header, names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What the server that gives out the platform's tokens says of the one that is shown (RFC 7662, 2.2), where there is such a server.
    pub token: Option<serde_json::Value>,
}

impl Asked {
    /// Whether the token that is shown is good, by the word of the server that gave it out.
    #[must_use]
    pub fn token_is_good(&self) -> bool {
        self.token.as_ref().is_some_and(|token| token["active"] == true)
    }

    /// Whether that server gave it out for this scope.
    #[must_use]
    pub fn token_has_scope(&self, scope: &str) -> bool {
        let granted = self.token.as_ref().and_then(|token| token["scope"].as_str()).unwrap_or_default();
        granted.split(' ').any(|one| one == scope)
    }

    /// The value of a header, by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    /// The parts of the path, decoded. `None` where one is no UTF-8.
    #[must_use]
    pub fn segments(&self) -> Option<Vec<String>> {
        let parts = self.path.trim_start_matches('/').split('/');
        parts
            .map(|part| percent_encoding::percent_decode_str(part).decode_utf8().ok().map(std::borrow::Cow::into_owned))
            .collect()
    }

    /// The parameters of the query, decoded, in their order.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// The first parameter of this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters().into_iter().find(|(one, _)| one == name).map(|(_, value)| value)
    }

    /// The fields of a form, decoded, in their order; `None` unless the body says that it is one.
    #[must_use]
    pub fn form(&self) -> Option<Vec<(String, String)>> {
        let is_form = self
            .header("content-type")
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
        is_form.then(|| url::form_urlencoded::parse(&self.body).into_owned().collect())
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer without a body.
    #[must_use]
    pub fn bare(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A JSON body.
    #[must_use]
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::of(status, "application/json; charset=utf-8", body.to_string())
    }

    /// A body of this media type.
    #[must_use]
    pub fn of(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::bare(status).with("content-type", media_type).body(body.into())
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }
}

/// Something that a platform tells by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Whom: an absolute address.
    pub to: String,
    /// What it is about, for the record and for faults: `/Task/1`.
    pub about: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// What it was about.
    pub about: String,
    /// The receiver's answer, or why there was none.
    pub answer: Result<u16, String>,
}

/// A platform: its state, and what it answers. It knows nothing of sockets and faults.
pub trait Api: Send + 'static {
    /// Answers one request, at this time of the platform's clock.
    fn answer(&mut self, asked: &Asked, now: OffsetDateTime) -> Answer;

    /// The server that gives out its tokens and is asked about each before [`answer`](Self::answer). A platform that gives them out
    /// itself, or has none, asks nobody.
    fn introspection(&self) -> Option<Introspection> {
        None
    }

    /// What it says, in its own format, when it is not well: the body of [`FaultKind::Status`] and [`FaultKind::ErrorInSuccess`].
    fn unwell(&self, status: u16) -> Answer {
        Answer::of(status, "text/plain; charset=utf-8", "not now")
    }

    /// Ends every session that it has given out: [`FaultKind::ExpireSessions`]. A platform without sessions does nothing.
    fn expire_sessions(&mut self) {}

    /// What it has to tell since it was last asked.
    fn pushes(&mut self) -> Vec<Push> {
        Vec::new()
    }
}

/// A running simulator; it ends when the handle is dropped.
pub struct Simulator<A: Api> {
    spaces: Arc<Spaces<A>>,
    root: Arc<Space<A>>,
    address: SocketAddr,
    open: OpenConnections,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl<A: Api> Simulator<A> {
    /// Starts on a free port of the loopback interface. `make` gives a platform as it is at first, for each namespace and after each
    /// reset. Ready when this returns.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(make: impl Fn() -> A + Send + Sync + 'static) -> io::Result<Self> {
        let open = OpenConnections::default();
        let listener = BreakableListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), open.clone()).await?;
        let address = listener.address()?;
        let spaces = Arc::new(Spaces::new(Box::new(make)));
        let root = spaces.of("");
        let app = Router::new().fallback(serve::serve::<A>).with_state(Arc::clone(&spaces));
        let service = app.into_make_service_with_connect_info::<Connection>();
        let server = tokio::spawn(async move {
            // It serves until it is aborted; accepting does not fail (see the listener).
            let _ = axum::serve(listener, service).await;
        });
        Ok(Self { spaces, root, address, open, server: Mutex::new(Some(server)) })
    }

    /// The platform of this name; made if it is not there.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Namespace<A> {
        Namespace { space: self.spaces.of(name), base_url: format!("http://{}/~{name}", self.address) }
    }

    /// The platform at the root.
    #[must_use]
    pub fn root(&self) -> Namespace<A> {
        Namespace { space: Arc::clone(&self.root), base_url: format!("http://{}", self.address) }
    }

    /// Stops as a crash would: the port closes, open connections are reset.
    pub async fn stop(&self) {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            server.abort();
            // An aborted task ends with an error that says so.
            let _ = server.await;
        }
        self.open.reset_all();
        self.spaces.release();
    }
}

impl<A: Api> Drop for Simulator<A> {
    fn drop(&mut self) {
        if let Some(server) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take() {
            server.abort();
        }
        self.open.reset_all();
    }
}

/// One platform of a simulator.
pub struct Namespace<A: Api> {
    space: Arc<Space<A>>,
    base_url: String,
}

impl<A: Api> Namespace<A> {
    /// Its base address, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Looks at the platform, or does what its people do.
    pub fn with<T>(&self, act: impl FnOnce(&mut A, OffsetDateTime) -> T) -> T {
        self.space.with(act)
    }

    /// The faults to come.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.space.faults
    }

    /// The simulated time.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.space.now()
    }

    /// Lets time pass.
    pub fn advance(&self, step: Duration) {
        self.space.advance(step);
    }

    /// Every request so far, verbatim, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.space.requests()
    }

    /// As at first: no memory, no record, no faults, the clock at [`START`].
    pub fn reset(&self) {
        self.space.reset();
    }

    /// Sends what the platform has to tell, one after the other, and says what became of each. A failure is not repeated.
    pub async fn push(&self, client: &reqwest::Client) -> Vec<Pushed> {
        let mut done = Vec::new();
        for push in self.space.due() {
            let mut request = client.post(&push.to).body(push.body.clone());
            for (name, value) in &push.headers {
                request = request.header(name, value);
            }
            let answer = request.send().await.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string());
            done.push(Pushed { about: push.about, answer });
        }
        done
    }
}

/// The order in which pushes are really sent, after losses, repeats and swaps. What is swapped waits in `held` for the one that
/// follows it, in this call or a later one; where nothing follows, the next empty call lets it go.
fn schedule(pushes: Vec<Push>, held: &mut Vec<Push>, faults: &Faults) -> Vec<Push> {
    if pushes.is_empty() {
        return std::mem::take(held);
    }
    let mut order = Vec::new();
    for push in pushes {
        match faults.strike("NOTIFY", &push.about, None) {
            Some(FaultKind::LoseNotification) => continue,
            Some(FaultKind::ReorderNotifications) => {
                held.push(push);
                continue;
            }
            Some(FaultKind::DuplicateNotification) => order.push(push.clone()),
            _ => {}
        }
        order.push(push);
        order.append(held);
    }
    order
}
