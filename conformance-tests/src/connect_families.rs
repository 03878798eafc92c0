//! A platform that speaks the referral API of DfE's "Connect families to support".
//!
//! Written from the published interface, not from the gateway: it refuses what the publication says is refused. It
//! listens on loopback, keeps everything in memory, and its time moves only when told. What people at the charity do is
//! a method of [`ConnectFamilies`], where the real platform has web pages.
//!
//! It is not the product: no directory of services stands behind it (any service is taken), nobody is told of anything,
//! and the searches by person are missing.
//!
//! # Finding a referral again
//!
//! A create has no idempotency key, and there is no look-up by one. After an answer that was lost, this is what the
//! interface leaves:
//!
//! 1. The sender writes a short reference of its own into a text that people read, at the end of `ReasonForSupport` or
//!    `EngageWithFamily`, and leaves room for it within the 500 characters.
//! 2. It reads `GET api/referralsByReferrer/{accountId}` with `includeDeclined=true`, `orderBy=DateSent` and
//!    `isAssending=false`, page by page, and looks for the reference in that text.
//!
//! Without `includeDeclined=true` a declined referral looks as if it had never arrived. Without both `orderBy` and
//! `isAssending` (so spelled) the order is not promised, and pages may miss a row. By `DateSent`, newest first, a new
//! row between two pages makes a row come twice and never makes one vanish; by `DateUpdated` a row that somebody touches
//! jumps to the front, past a reader that is already on page two. The account that a referral is listed under is that of
//! `ReferralUserAccountDto.Id`: a sender that puts another number there cannot read its own referral.

mod auth;
mod exchange;
mod in_process;
mod referral;
mod store;

use std::io;

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::platform::{Faults, RecordedRequest};
use crate::simulator::{Namespace, START, Simulator};
use store::State;

pub use auth::Role;
pub use in_process::InProcess;
pub use store::Status;

/// How a platform is set up.
#[derive(Debug, Clone)]
pub struct ConnectFamiliesConfig {
    /// The symmetric key that callers sign their tokens with (`BearerTokenSigningKey`).
    pub signing_key: String,
    /// What the simulated clock shows at first; behind a socket not before [`START`].
    pub start: OffsetDateTime,
}

impl Default for ConnectFamiliesConfig {
    fn default() -> Self {
        Self { signing_key: "connect-families-signing-key-of-a-test".to_owned(), start: START }
    }
}

/// Ways of answering that the publication neither promises nor rules out. None at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quirks {
    /// Each further page of a list begins with the last row of the page before.
    pub rows_again: bool,
    /// Answers spell statuses in lower case.
    pub status_in_lower_case: bool,
}

/// A running platform; it ends when the handle is dropped.
pub struct ConnectFamilies {
    simulator: Simulator<State>,
    root: Namespace<State>,
    start: OffsetDateTime,
}

impl ConnectFamilies {
    /// Starts a platform on a free port of the loopback interface. Ready when this returns.
    pub async fn start(config: ConnectFamiliesConfig) -> io::Result<Self> {
        let key = config.signing_key;
        let simulator = Simulator::start(move || State::new(key.clone())).await?;
        let platform = Self { root: simulator.root(), simulator, start: config.start };
        platform.root.advance(platform.start - START);
        Ok(platform)
    }

    /// As at first: no referrals, no record, no faults, no quirks, the clock at its start.
    pub fn reset(&self) {
        self.root.reset();
        self.root.advance(self.start - START);
    }

    /// What the addresses of the publication (`api/referrals`) are relative to: `http://127.0.0.1:port/`.
    pub fn base_url(&self) -> String {
        format!("{}/", self.root.base_url())
    }

    /// A token for a caller, without an end.
    pub fn token(&self, role: Role, account: i64, organisation: i64) -> String {
        self.sign(&auth::claims(role, account, organisation))
    }

    /// A token with these claims, signed with the platform's key.
    pub fn sign(&self, claims: &Value) -> String {
        self.root.with(|state, _| auth::sign(&state.key, claims))
    }

    /// The faults to come. Those of notifications and of FHIR Tasks do nothing here.
    pub fn faults(&self) -> &Faults {
        self.root.faults()
    }

    /// Answers in these ways from now on.
    pub fn set_quirks(&self, quirks: Quirks) {
        self.root.with(|state, _| state.quirks = quirks);
    }

    /// The simulated time.
    pub fn now(&self) -> OffsetDateTime {
        self.root.now()
    }

    /// Lets time pass.
    pub fn advance(&self, step: Duration) {
        self.root.advance(step);
    }

    /// Somebody at the charity looks at a referral. False if there is none of this id.
    pub fn open(&self, id: i64) -> bool {
        self.set_status(id, Status::Opened, None)
    }

    /// The charity says yes. False if there is no referral of this id.
    pub fn accept(&self, id: i64) -> bool {
        self.set_status(id, Status::Accepted, None)
    }

    /// The charity says no. False if there is no referral of this id.
    pub fn decline(&self, id: i64, reason: &str) -> bool {
        self.set_status(id, Status::Declined, Some(reason))
    }

    /// Sets any status from any other, as the platform lets people do. False if there is no referral of this id.
    pub fn set_status(&self, id: i64, status: Status, reason: Option<&str>) -> bool {
        self.root.with(|state, now| state.set_status(id, status, reason.map(str::to_owned), now))
    }

    /// The referrals that arrived, oldest first, as the API shows them.
    pub fn received(&self) -> Vec<Value> {
        self.root.with(|state, _| state.all().map(|one| state.shown(one)).collect())
    }

    /// One referral, as the API shows it.
    pub fn referral(&self, id: i64) -> Option<Value> {
        self.root.with(|state, _| state.get(id).map(|one| state.shown(one)))
    }

    /// The ids of the referrals that hold `text` in one of the two texts that people read.
    pub fn holding(&self, text: &str) -> Vec<i64> {
        let holds =
            |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().contains(text);
        self.root.with(|state, _| {
            let found = state.all().filter(|one| {
                let referral = &one.accepted.referral;
                holds(referral, "reasonForSupport") || holds(referral, "engageWithFamily")
            });
            found.map(|one| one.id).collect()
        })
    }

    /// What a referral's sender wrote that the platform has no member for and did not keep, by path.
    pub fn ignored(&self, id: i64) -> Vec<String> {
        self.root.with(|state, _| state.get(id).map(|one| one.accepted.ignored.clone()).unwrap_or_default())
    }

    /// Every request so far, verbatim, in order of arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.root.requests()
    }

    /// Stops as a crash would: the port closes, open connections are reset.
    pub async fn stop(&self) {
        self.simulator.stop().await;
    }
}

/// The reference that people at both ends say to each other: the id in hexadecimal, six digits in upper case.
pub fn human_reference(id: i64) -> String {
    format!("{id:06X}")
}
