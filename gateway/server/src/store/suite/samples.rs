//! Small, invented contents for the rules. No person stands behind any of it.

use crate::store::{CommitError, ReferralFilter, SearchQuery, Store, UpdatedRange};
use adapter_contract::{
    Concept, Grade, IdempotencyKey, Loss, LossReason, PlatformOrder, PlatformReferralId, ReportSource, StatusReport,
    TaskStatus,
};
use gateway_core::account::{Account, AccountId, AccountRole, Attempts, Session, SignIn};
use gateway_core::change::{
    AuditRecord, Change, Check, CheckFailure, Disposition, RawReport, Received, ReportRecord, StoredAnswer, Transaction,
};
use gateway_core::fair::Turn;
use gateway_core::identity::{ClientId, Compartment, Owner, PlatformId, TenantId};
use gateway_core::loss::LossReport;
use gateway_core::notify::{Destination, Fed, Notice, Wanted, What};
use gateway_core::outbox::{AdapterVersion, ClaimRequest, Errand, OutboxRow, OutboxState};
use gateway_core::reach::Reach;
use gateway_core::referral::{Delivery, Referral, ReferralId, SenderState};
use gateway_core::resource::{ResourceKey, ResourceVersion, Token, WriteMethod};
use gateway_core::retry::Schedule;
use gateway_core::status_link::{LinkState, StatusLink};
use gateway_core::subject::{Cause, Domain, Erasure, Subject, SubjectId};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// The stores as rules get them.
pub(in crate::store) type Shared = Arc<dyn Store>;

/// Seconds after the moment at which all samples begin.
pub(in crate::store) fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::seconds(seconds)
}

pub(in crate::store) fn compartment(tenant: &str, code: &str) -> Compartment {
    Compartment { tenant: TenantId(tenant.to_owned()), owner: Owner::Organisation(code.to_owned()) }
}

/// The compartment of most samples.
pub(in crate::store) fn home() -> Compartment {
    compartment("north", "A82001")
}

/// Others: another party of the same customer (the second with the same word), and another customer's same party.
pub(in crate::store) fn strangers() -> [Compartment; 3] {
    let platform = Owner::Platform(PlatformId("A82001".to_owned()));
    [
        compartment("north", "A82002"),
        Compartment { tenant: TenantId("north".to_owned()), owner: platform },
        compartment("south", "A82001"),
    ]
}

pub(in crate::store) fn key(compartment: &Compartment, id: &str) -> ResourceKey {
    ResourceKey { compartment: compartment.clone(), kind: "Task".to_owned(), id: id.to_owned() }
}

pub(in crate::store) fn token(parameter: &str, value: &str) -> Token {
    Token::new(parameter, value)
}

/// A Task with tokens.
pub(in crate::store) fn resource(id: &str, version: u64, tokens: &[(&str, &str)]) -> ResourceVersion {
    ResourceVersion {
        key: key(&home(), id),
        version,
        updated: at(i64::try_from(version).unwrap_or(0)),
        author: "client/gp".to_owned(),
        method: if version == 1 { WriteMethod::Post } else { WriteMethod::Put },
        body: format!("{{\"resourceType\":\"Task\",\"id\":\"{id}\",\"x\":1.10,\"v\":\"{version} é\"}}"),
        tokens: tokens.iter().map(|(parameter, value)| token(parameter, value)).collect(),
        subject: None,
    }
}

pub(in crate::store) fn query(all_of: &[&[(&str, &str)]]) -> SearchQuery {
    let group = |any_of: &&[(&str, &str)]| any_of.iter().map(|(parameter, value)| token(parameter, value)).collect();
    SearchQuery {
        compartment: home(),
        kind: "Task".to_owned(),
        all_of: all_of.iter().map(group).collect(),
        updated: UpdatedRange::default(),
        after: 0,
        up_to: None,
        limit: 100,
        count: true,
    }
}

pub(in crate::store) fn platform(id: &str) -> PlatformId {
    PlatformId(id.to_owned())
}

pub(in crate::store) fn referral(id: &str, revision: u64) -> Referral {
    Referral {
        id: ReferralId(id.to_owned()),
        revision,
        compartment: home(),
        client: ClientId("gp".to_owned()),
        task: format!("task-{id}"),
        service_request: format!("request-{id}"),
        patient: "patient".to_owned(),
        platform: Some(platform("food-bank")),
        route: "only one".to_owned(),
        key: IdempotencyKey(format!("key-{id}")),
        correlation: "conversation".to_owned(),
        accepted_at: at(0),
        urgent: None,
        delivery: Delivery::Queued,
        sender: SenderState::Active,
        task_status: TaskStatus::Requested,
        platform_referral: None,
        platform_status: None,
        conflict: None,
        attention: None,
        loss: Some(Box::new(LossReport::new("letters", "1.0.0", vec![loss()], true))),
        loss_released: None,
        duplicate_passed: false,
        sent: None,
        replacing: None,
        cancel_left: false,
        asks: None,
        former: Vec::new(),
        answer_due: None,
        reminders: Vec::new(),
        agreed: None,
        timers: Vec::new(),
        follow_ups: Vec::new(),
        recall: None,
        handled: None,
        subject: None,
        erased: None,
    }
}

fn loss() -> Loss {
    Loss {
        element: "Patient.gender".to_owned(),
        reason: LossReason::NoField,
        grade: Grade::Notable,
        count: 1,
        detail: None,
        rule: None,
        because: None,
    }
}

/// What claims translate with.
pub(in crate::store) fn adapter() -> AdapterVersion {
    AdapterVersion { name: "letters".to_owned(), version: "1.0.0".to_owned() }
}

pub(in crate::store) fn referral_id(id: &str) -> ReferralId {
    ReferralId(id.to_owned())
}

/// An outbox row `<referral>-<sequence>` that is due at a time.
pub(in crate::store) fn errand(referral: &str, sequence: u32, seconds: i64) -> OutboxRow {
    OutboxRow {
        id: format!("{referral}-{sequence}"),
        tenant: TenantId("north".to_owned()),
        referral: referral_id(referral),
        platform: platform("food-bank"),
        errand: if sequence == 1 { Errand::Submit } else { Errand::Read },
        former: None,
        sequence,
        state: OutboxState::Ready,
        attempts: 0,
        tried: false,
        died: 0,
        alone: false,
        urgent: None,
        not_before: at(seconds),
        expires_at: at(1_000_000),
        fence: 0,
        carries: None,
        progress: None,
        in_flight: None,
        last_failure: None,
    }
}

/// A claim at a time, with a lease of 60 seconds.
pub(in crate::store) fn claim(of: &str, seconds: i64, limit: u32) -> ClaimRequest {
    ClaimRequest {
        platform: platform(of),
        now: at(seconds),
        due_by: at(seconds),
        lease_until: at(seconds + 60),
        limit,
        interrupted: false,
        urgent: false,
        turn: Turn::default(),
        lane: None,
        adapter: Some(adapter()),
    }
}

pub(in crate::store) fn raw_report(id: &str) -> RawReport {
    RawReport {
        id: id.to_owned(),
        platform: platform("food-bank"),
        source: ReportSource::Webhook,
        content_type: Some("application/json".to_owned()),
        received: at(5),
        body: vec![0, 159, 146, 150],
        begun: 0,
    }
}

/// A statement of `food-bank` on its referral `name`.
pub(in crate::store) fn report(id: &str, name: &str, event: &str) -> ReportRecord {
    ReportRecord {
        id: id.to_owned(),
        platform: platform("food-bank"),
        referral: None,
        source: ReportSource::Poll,
        received: at(6),
        report: StatusReport {
            platform_referral: PlatformReferralId(name.to_owned()),
            key: Some(IdempotencyKey(format!("key-of-{name}"))),
            event: event.to_owned(),
            order: PlatformOrder { version: Some(3), instant: None },
            platform_status: Concept { text: Some("Accepted".to_owned()), ..Concept::default() },
            status: Some(TaskStatus::Accepted),
            business_status: "accepted".to_owned(),
            reason: None,
            outputs: Vec::new(),
        },
        disposition: Disposition::Parked,
    }
}

pub(in crate::store) fn received(request_id: &str) -> Received {
    Received {
        tenant: TenantId("north".to_owned()),
        client: ClientId("gp".to_owned()),
        request_id: request_id.to_owned(),
        correlation: "conversation".to_owned(),
        at: at(1),
        sha256: "00".to_owned(),
        bytes: b"{}".to_vec(),
        subject: None,
    }
}

pub(in crate::store) fn answer(request_id: &str) -> StoredAnswer {
    StoredAnswer {
        tenant: TenantId("north".to_owned()),
        client: ClientId("gp".to_owned()),
        request_id: request_id.to_owned(),
        fingerprint: "print".to_owned(),
        at: at(2),
        status: 201,
        location: Some("Task/1".to_owned()),
        etag: None,
        body: Some("{}".to_owned()),
        subject: None,
    }
}

/// A link whose secret is named by its id; it can be opened until this many seconds.
pub(in crate::store) fn link(id: &str, referral: &str, until: i64) -> StatusLink {
    StatusLink {
        id: id.to_owned(),
        revision: 1,
        referral: referral_id(referral),
        platform: platform("food-bank"),
        secret_sha256: format!("secret-of-{id}"),
        made_at: at(0),
        expires_at: at(until),
        state: LinkState::Unused,
        wrong: 0,
        rests_until: None,
    }
}

/// The notice of this number about a Task to a server: each of the same name stands in the same queue.
pub(in crate::store) fn notice(task: &str, sequence: u64, due: i64) -> Notice {
    let wanted = Wanted {
        compartment: compartment("north", "A82001"),
        destination: Destination::Server { client: ClientId("gp".to_owned()), resource: format!("Task/{task}") },
        what: What::Version { kind: "Task".to_owned(), id: task.to_owned(), version: sequence },
        referral: Some(referral_id(task)),
        due: at(due),
    };
    wanted.notice(sequence, at(0), &Schedule::default())
}

pub(in crate::store) fn put_notice(notice: Notice) -> Change {
    Change::PutNotice(Box::new(notice))
}

pub(in crate::store) fn fed(id: &str, version: u64) -> Change {
    let key = ResourceKey { compartment: compartment("north", "A82001"), kind: "Task".to_owned(), id: id.to_owned() };
    Change::Feed(Fed { place: 0, key, version, at: at(5) })
}

pub(in crate::store) fn put_link(link: StatusLink) -> Change {
    Change::PutLink(Box::new(link))
}

/// An account with this name.
pub(in crate::store) fn account(id: &str, revision: u64) -> Account {
    Account {
        id: AccountId(id.to_owned()),
        revision,
        tenant: TenantId("north".to_owned()),
        organisations: ["A82001".to_owned()].into(),
        name: "A colleague".to_owned(),
        roles: [AccountRole::LinkWorker].into(),
        reach: Reach::default(),
        passphrase_hash: "hash".to_owned(),
        epoch: 1,
        disabled: false,
        made_at: at(0),
    }
}

pub(in crate::store) fn put_account(account: Account) -> Change {
    Change::PutAccount(Box::new(account))
}

/// A browser that signed in at this second.
pub(in crate::store) fn session(key: &str, account: &str, began: i64) -> SignIn {
    SignIn::Session(Session {
        secret_sha256: key.to_owned(),
        revision: 1,
        account: AccountId(account.to_owned()),
        epoch: 1,
        began: at(began),
        seen: at(began),
    })
}

/// Attempts that failed, the last at this second.
pub(in crate::store) fn attempts(key: &str, revision: u64, last: i64) -> SignIn {
    SignIn::Attempts(Attempts { key: key.to_owned(), revision, wrong: 1, last: at(last), rests_until: None })
}

pub(in crate::store) fn audit(referral: &str, action: &str) -> AuditRecord {
    AuditRecord {
        tenant: TenantId("north".to_owned()),
        at: at(3),
        actor: "gateway".to_owned(),
        action: action.to_owned(),
        referral: Some(referral_id(referral)),
        detail: serde_json::json!({ "z": 1, "a": ["rule", null] }),
    }
}

pub(in crate::store) fn subject(id: &str, domain: Domain) -> Subject {
    Subject { id: SubjectId(id.to_owned()), domain }
}

pub(in crate::store) fn erasure(seconds: i64) -> Erasure {
    Erasure { at: at(seconds), cause: Cause::Request }
}

pub(in crate::store) fn all_referrals() -> ReferralFilter {
    ReferralFilter { limit: 100, ..ReferralFilter::default() }
}

pub(in crate::store) fn put(resource: ResourceVersion) -> Change {
    Change::PutResource(resource)
}

pub(in crate::store) fn put_referral(referral: Referral) -> Change {
    Change::PutReferral(Box::new(referral))
}

pub(in crate::store) fn put_errand(row: OutboxRow) -> Change {
    Change::PutOutbox(Box::new(row))
}

pub(in crate::store) fn record(report: ReportRecord) -> Change {
    Change::RecordReport(Box::new(report))
}

pub(in crate::store) async fn commit(
    store: &Shared,
    checks: Vec<Check>,
    changes: Vec<Change>,
) -> Result<(), CommitError> {
    store.commit(Transaction { checks, changes }).await
}

/// Commits what must be accepted.
pub(in crate::store) async fn write(store: &Shared, changes: Vec<Change>) {
    must(commit(store, Vec::new(), changes).await);
}

/// Commits what must be refused: why it was.
pub(in crate::store) async fn refused(store: &Shared, checks: Vec<Check>, changes: Vec<Change>) -> CheckFailure {
    match commit(store, checks, changes).await {
        Err(CommitError::Refused(failure)) => failure,
        Err(CommitError::Store(error)) => panic!("the store failed where it should refuse: {error}"),
        Ok(()) => panic!("the store accepted what it should refuse"),
    }
}

/// The value of what must not fail.
#[track_caller]
pub(in crate::store) fn must<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    result.expect("the store answers")
}
