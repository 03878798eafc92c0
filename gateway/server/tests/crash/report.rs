//! A report whose reading ends the process: it is begun a few times, and then set aside, so that the gateway gets up again.
//!
//! Its death is played at the point before what it says would be stored: like a fault in an adapter, each reading ends there.

use crate::process;
use crate::scenario::{self, Plan, REPORT_TOKEN};
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use gateway_core::change::{POISON_READINGS, RawReport};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Child;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::store::Store as _;
use vcse_gateway::store::sqlite::SqliteStore;

/// The point at which each reading ends.
const READING: &str = "before commit read-report#1";
/// A heartbeat of a subscription: read without a fault, and about nobody.
const HEARTBEAT: &str = r#"{"resourceType":"Bundle","type":"history","entry":[{"resource":{"resourceType":"Parameters",
    "parameter":[{"name":"type","valueCode":"heartbeat"}]},"response":{"status":"200"}}]}"#;

#[tokio::test]
async fn a_report_that_ends_the_process_is_set_aside() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let platform = FhirPlatform::start(PlatformConfig::default()).await.expect("the platform starts");
    let plan = Plan { name: "report".to_owned(), keyed: true, seed: 1, at: None, number: 200 };
    let address = scenario::free_address(&plan);
    scenario::configure(folder.path(), &address, &platform, true);
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let send = || {
        let post = http.post(format!("http://{address}/platforms/food-bank/reports")).bearer_auth(REPORT_TOKEN);
        post.header("content-type", "application/fhir+json").body(HEARTBEAT).send()
    };

    // What is read in the ordinary way costs no count: that the first process dies of it is not known to the second.
    let mut first = process::spawn(folder.path(), 1, Some(READING)).expect("the process starts");
    let answer = until_answered(&mut first, send).await;
    assert!(answer.is_none_or(|status| status == 202), "stored first, read afterwards: {answer:?}");
    ended_by_its_point(&mut first).await;
    assert_eq!(reports(folder.path()).await, [(0, false)]);

    for nth in 1..=POISON_READINGS {
        let mut child = process::spawn(folder.path(), 1 + nth, Some(READING)).expect("the process starts");
        ended_by_its_point(&mut child).await;
        assert_eq!(reports(folder.path()).await, [(nth, false)], "on the disk before it was read");
    }

    let mut last = process::spawn(folder.path(), 100, Some(READING)).expect("the process starts");
    let answer = until_answered(&mut last, send).await;
    assert!(answer.is_none_or(|status| status == 202), "it is up: {answer:?}");
    // The next report is read in the ordinary way, and dies at the point: so much shows that it was its turn.
    ended_by_its_point(&mut last).await;
    assert_eq!(reports(folder.path()).await, [(POISON_READINGS, true), (0, false)]);
    let log = std::fs::read_to_string(folder.path().join("log-100")).expect("a log");
    let said = log.lines().find(|line| line.contains("a report could not be read")).unwrap_or_default();
    assert!(said.contains("the process ended 5 times while it was being read"), "{log}");
}

/// Asks until somebody answers, or the process dies of what it was asked.
async fn until_answered<F: Future<Output = reqwest::Result<reqwest::Response>>>(
    child: &mut Child,
    mut ask: impl FnMut() -> F,
) -> Option<u16> {
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    loop {
        beat.tick().await;
        if let Ok(response) = ask().await {
            return Some(response.status().as_u16());
        }
        if child.try_wait().expect("it is our child").is_some() {
            return None;
        }
    }
}

async fn ended_by_its_point(child: &mut Child) {
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..3_000 {
        beat.tick().await;
        if let Some(status) = child.try_wait().expect("it is our child") {
            assert_eq!(status.signal(), Some(rustix::process::Signal::KILL.as_raw()), "{status}");
            return;
        }
    }
    let _ = child.kill();
    panic!("the process lives on");
}

/// How often the reading of each was begun, and whether it is done with, in order of arrival.
async fn reports(folder: &Path) -> Vec<(u32, bool)> {
    let store = SqliteStore::open(&folder.join("gateway.db")).expect("nobody else has it");
    let unread = store.unread_reports(10).await.expect("it is read");
    let is_read = |report: &RawReport| !unread.iter().any(|one| one.id == report.id);
    let all = store.raw_reports(datetime!(9999-01-01 0:00 UTC), 10).await.expect("it is read");
    all.iter().map(|report| (report.begun, is_read(report))).collect()
}
