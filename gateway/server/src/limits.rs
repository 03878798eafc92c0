//! Every bound in one place. Nothing that comes from outside is without one.

use gateway_fhir::door::DoorLimits;
use std::time::Duration;
use time::Time;

/// Bounds on what one request, worker or platform may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes, depth, values of one JSON document.
    pub door: DoorLimits,
    /// Entries of a transaction Bundle.
    pub bundle_entries: usize,
    /// Whole time of one HTTP request of ours, 408 after it.
    pub request: Duration,
    /// Whole time of one BaRS message, 408 after it (BaRS Core, non-functional requirements: all within 5 seconds).
    pub message: Duration,
    /// Connections at the same time; further ones wait to be taken.
    pub connections: usize,
    /// Time that the head of a request may take, and that a connection may be idle.
    pub head: Duration,
    /// Time that requests under way have to end, once the gateway is told to stop.
    pub drain: Duration,
    /// Resources on one search page, at most and unless asked.
    pub page: (u32, u32),
    /// How often a request is decided anew because somebody else wrote first.
    pub conflict_retries: u32,
    /// How long a platform that did not answer is left alone before it is asked whether it has the referral.
    pub settle: time::Duration,
    /// How long a platform has to confirm that it stopped, after consent was withdrawn, before a person is told.
    pub recall: time::Duration,
    /// How long a platform has, once it has a referral, to say whether anybody takes it on, before a person is told.
    pub answer: time::Duration,
    /// Time between two looks for referrals whose platform has said nothing in time.
    pub unanswered_look: Duration,
    /// How long a worker may hold an outbox row.
    pub lease: Duration,
    /// For how long the lane of a platform is taken, where instances share the store.
    pub lane: Duration,
    /// Exchanges under way with one platform.
    pub platform_concurrency: u32,
    /// When each night GP, gateway and platforms are compared, on the wall in London; absent = only on demand.
    pub reconcile_at: Option<Time>,
    /// Pages read in one poll.
    pub poll_pages: u32,
    /// Raw reports or referrals taken in one turn of the status worker.
    pub status_batch: u32,
    /// Notices that are being told at once: to one place, of one tenant, and in all; those that failed before have three of four.
    pub notices_at_once: (u32, u32, u32),
    /// Bytes of one pushed report.
    pub report_bytes: usize,
    /// Bytes of a form of the status-link pages: the longest words, with every character of them escaped.
    pub link_form_bytes: usize,
    /// Characters of what an organisation writes in one answer.
    pub link_words: usize,
    /// Longest `X-Request-Id` and `X-Correlation-Id`.
    pub id_header_bytes: usize,
    /// Time between two looks at the folders of adapters.
    pub adapters_look: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            door: DoorLimits::default(),
            bundle_entries: 100,
            request: Duration::from_secs(30),
            message: Duration::from_secs(5),
            connections: 4_096,
            head: Duration::from_secs(30),
            drain: Duration::from_secs(35),
            page: (200, 50),
            conflict_retries: 5,
            settle: time::Duration::seconds(60),
            recall: time::Duration::hours(48),
            answer: time::Duration::days(7),
            unanswered_look: Duration::from_secs(60),
            lease: Duration::from_secs(120),
            lane: Duration::from_secs(10),
            platform_concurrency: 8,
            reconcile_at: None,
            poll_pages: 500,
            status_batch: 64,
            notices_at_once: (6, 12, 36),
            report_bytes: 1024 * 1024,
            link_form_bytes: 32 * 1024,
            link_words: 1_000,
            id_header_bytes: 128,
            adapters_look: Duration::from_secs(5),
        }
    }
}
