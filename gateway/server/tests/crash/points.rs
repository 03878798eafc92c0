//! The points: thin wrappers around store and transport that count each thing that happens, write it down, and kill the
//! process at the one that was asked for.

use adapter_contract::{Answer, DeliveryError, HttpRequest};
use async_trait::async_trait;
use gateway_core::change::{Change, Transaction};
use gateway_core::notify::NoticeState;
use gateway_core::outbox::{ClaimRequest, Claimed};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vcse_gateway::gateway::Platform;
use vcse_gateway::store::watched::Watcher;
use vcse_gateway::store::{CommitError, Store, StoreError};
use vcse_gateway::transport::{HttpTransport, Names, Transport};

/// Polls go on for as long as the process lives; only the first few are points, or waiting would make points.
const POLLS: u32 = 4;

/// How long a request is under way before the process dies in the middle of it.
const UNDER_WAY: Duration = Duration::from_millis(3);

/// Counts, writes down, kills.
pub(crate) struct Points {
    target: Option<String>,
    seen: Mutex<(BTreeMap<String, u32>, File)>,
}

impl Points {
    pub(crate) fn new(target: Option<String>, trace: &Path) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self { target, seen: Mutex::new((BTreeMap::new(), File::create(trace)?)) }))
    }

    /// Notes the point; true if it is the one.
    fn is_it(&self, name: &str) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (times, trace) = &mut *seen;
        let times = times.entry(name.to_owned()).or_default();
        *times += 1;
        let point = format!("{name}#{times}");
        // One write call, unbuffered: it is with the kernel before the process dies.
        let _ = trace.write_all(format!("{point}\n").as_bytes());
        self.target.as_deref() == Some(point.as_str())
    }

    fn reach(&self, name: &str) {
        if self.is_it(name) {
            die();
        }
    }

    fn seen(&self, name: &str) -> u32 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).0.get(name).copied().unwrap_or(0)
    }
}

/// No unwinding, no destructor, no flush.
fn die() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    loop {
        std::thread::park();
    }
}

/// Counts what is done to the real store.
pub(crate) struct Counting {
    pub(crate) points: Arc<Points>,
}

/// What a transaction is for: its first audit line, else what it holds.
fn purpose(transaction: &Transaction) -> String {
    let changes = &transaction.changes;
    let has = |wanted: fn(&Change) -> bool| changes.iter().any(wanted);
    let action = changes.iter().find_map(|change| match change {
        Change::Audit(line) => Some(line.action.clone()),
        _ => None,
    });
    let marks = has(|change| matches!(change, Change::PutOutbox(row) if row.in_flight.is_some()));
    // The mark before a request holds the decision on which it leaves; a hold has other lines before it.
    let action = action.filter(|action| !(marks && action == "consent-decision"));
    if let Some(action) = action {
        return action;
    }
    let word = if has(|change| matches!(change, Change::ReceiveReport(_))) {
        "receive-report"
    } else if has(|change| matches!(change, Change::ReadingBegun { .. })) {
        "begin-reading"
    } else if has(|change| matches!(change, Change::ReportRead { fault: Some(_), .. })) {
        "set-report-aside"
    } else if has(|change| matches!(change, Change::ReportRead { .. })) {
        "read-report"
    } else if has(|change| matches!(change, Change::PutCursor { .. })) {
        "poll-page"
    } else if has(|change| matches!(change, Change::PutAttempt(_))) {
        "status-was-read"
    } else if marks {
        "mark-in-flight"
    } else if has(|change| matches!(change, Change::PutNotice(notice) if notice.state == NoticeState::Sending)) {
        "begin-notice"
    } else if has(|change| matches!(change, Change::PutNotice(_))) {
        "make-notices"
    } else if has(|change| matches!(change, Change::Remove(_))) {
        "look-at-what-was-fed"
    } else {
        "other"
    };
    word.to_owned()
}

#[async_trait]
impl Watcher for Counting {
    async fn commit(&self, store: &dyn Store, transaction: Transaction) -> Result<(), CommitError> {
        let purpose = purpose(&transaction);
        self.points.reach(&format!("before commit {purpose}"));
        let done = store.commit(transaction).await;
        self.points.reach(&format!("after commit {purpose}"));
        done
    }

    async fn claim(&self, store: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        let claimed = store.claim(request).await?;
        for row in &claimed {
            self.points.reach(&format!("after claim {}", row.row.errand.word()));
        }
        Ok(claimed)
    }
}

/// The real transport, counted.
pub(crate) struct CountingTransport {
    pub(crate) inner: HttpTransport,
    pub(crate) points: Arc<Points>,
}

/// What a request is, without the ids in it.
fn call(request: &HttpRequest) -> String {
    let kind = request.path.split('/').next().filter(|kind| !kind.is_empty()).unwrap_or("transaction");
    let by = if request.path.contains('/') {
        " by id"
    } else if request.query.iter().any(|(name, _)| name == "identifier") {
        " by key"
    } else if request.query.is_empty() {
        ""
    } else {
        " poll"
    };
    format!("{:?} {kind}{by}", request.method)
}

#[async_trait]
impl Transport for CountingTransport {
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        let call = call(request);
        if call.ends_with(" poll") && self.points.seen(&format!("before {call}")) >= POLLS {
            return self.inner.send(platform, request, names).await;
        }
        self.points.reach(&format!("before {call}"));
        if self.points.is_it(&format!("in the middle of {call}")) {
            let _ = tokio::time::timeout(UNDER_WAY, self.inner.send(platform, request, names)).await;
            die();
        }
        let answer = self.inner.send(platform, request, names).await;
        self.points.reach(&format!("after {call}"));
        answer
    }
}
