//! Small builders: one referral of one person to one platform, and readers of what a transaction writes.

use adapter_contract::{
    Amend, Capabilities, DeliveryError, FailureCode, IdempotencyKey, PlatformReferralId, Progress, TaskStatus,
};
use gateway_core::change::{Change, Check, Disposition, Transaction};
use gateway_core::consent::{Decision, Reason, Verdict};
use gateway_core::deliver::Job;
use gateway_core::identity::{Client, ClientId, Compartment, Owner, PlatformId, Profile, Role, TenantId};
use gateway_core::outbox::{AdapterVersion, Attempt, Errand, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, Recall, Referral, ReferralId, SenderState, Way};
use gateway_core::resource::ResourceVersion;
use gateway_core::retry::Schedule;
use gateway_core::status_link::Asks;
use gateway_fhir::{Json, Severity, door, validate};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

/// The time of every decision.
pub(crate) const NOW: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);

/// How long a platform is given to finish.
pub(crate) const SETTLE: Duration = Duration::seconds(90);

/// How long a platform has to confirm a recall.
pub(crate) const WITHIN: Duration = Duration::hours(48);

/// A valid NHS number from the range for tests, and another.
pub(crate) const NUMBER: &str = "9990000018";
pub(crate) const OTHER_NUMBER: &str = "9990000026";

/// A platform that can do everything.
pub(crate) const ABLE: Capabilities = Capabilities {
    cancel: true,
    hold: true,
    look_up: true,
    poll: true,
    push: true,
    status_link: false,
    amend: Amend::Update,
};

/// A platform that can do nothing.
pub(crate) const UNABLE: Capabilities = Capabilities {
    cancel: false,
    hold: false,
    look_up: false,
    poll: false,
    push: false,
    status_link: false,
    amend: Amend::None,
};

pub(crate) fn platform() -> PlatformId {
    PlatformId("food-bank".to_owned())
}

pub(crate) fn client() -> Client {
    Client {
        id: ClientId("gp".to_owned()),
        tenant: TenantId("pcn".to_owned()),
        organisation: "A82001".to_owned(),
        profile: Profile::Fhir,
        roles: BTreeSet::from([Role::Referrer]),
        platform: None,
    }
}

pub(crate) fn compartment() -> Compartment {
    Compartment { tenant: TenantId("pcn".to_owned()), owner: Owner::Organisation("A82001".to_owned()) }
}

pub(crate) fn nhs(number: &str) -> Value {
    json!({"system": "https://fhir.nhs.uk/Id/nhs-number", "value": number})
}

pub(crate) fn patient() -> Json {
    person("p", NUMBER)
}

pub(crate) fn person(id: &str, number: &str) -> Json {
    json!({"resourceType": "Patient", "id": id, "identifier": [nhs(number)], "birthDate": "1980-01-01"}).into()
}

pub(crate) fn service_request() -> Json {
    json!({"resourceType": "ServiceRequest", "id": "sr", "status": "active", "intent": "order",
        "code": {"text": "Food parcels"}, "subject": {"reference": "Patient/p"}})
    .into()
}

pub(crate) fn task(status: TaskStatus) -> Json {
    json!({"resourceType": "Task", "id": "t", "status": status.code(), "intent": "order",
        "focus": {"reference": "ServiceRequest/sr"}, "for": {"reference": "Patient/p"}})
    .into()
}

pub(crate) fn referral() -> Referral {
    Referral {
        id: ReferralId("r".to_owned()),
        revision: 4,
        compartment: compartment(),
        client: client().id,
        task: "t".to_owned(),
        service_request: "sr".to_owned(),
        patient: "Patient/p".to_owned(),
        platform: Some(platform()),
        route: "food".to_owned(),
        key: IdempotencyKey("key".to_owned()),
        correlation: "conversation".to_owned(),
        accepted_at: NOW,
        urgent: None,
        delivery: Delivery::Queued,
        sender: SenderState::Active,
        task_status: TaskStatus::Requested,
        platform_referral: None,
        platform_status: None,
        conflict: None,
        attention: None,
        loss: None,
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

pub(crate) fn adapter() -> AdapterVersion {
    AdapterVersion { name: "letters".to_owned(), version: "1.0.0".to_owned() }
}

pub(crate) fn delivered() -> Referral {
    Referral {
        delivery: Delivery::Delivered { at: NOW },
        platform_referral: Some(PlatformReferralId("42".to_owned())),
        ..referral()
    }
}

/// Consent for it was withdrawn, and the organisation is to be called.
pub(crate) fn recalled(referral: Referral) -> Referral {
    let recall = Recall {
        consent: None,
        reason: "withdrawn".to_owned(),
        words: "The Consent was withdrawn.".to_owned(),
        asked_at: NOW,
        way: Way::Person,
        deadline: None,
        told_at: None,
        confirmed_at: None,
        confirmed_by: None,
        overdue_at: None,
    };
    let (sender, task_status) = (SenderState::Cancelled, TaskStatus::Cancelled);
    Referral { recall: Some(Box::new(recall)), sender, task_status, ..referral }
}

/// A row as the worker has it: leased, with one attempt counted.
pub(crate) fn row(errand: Errand) -> OutboxRow {
    OutboxRow {
        id: format!("row-{}", errand.word()),
        tenant: compartment().tenant,
        referral: referral().id,
        platform: platform(),
        errand,
        former: None,
        sequence: 1,
        state: OutboxState::Leased,
        attempts: 1,
        tried: false,
        died: 0,
        alone: false,
        urgent: None,
        not_before: NOW,
        expires_at: NOW + Duration::hours(72),
        fence: 7,
        carries: None,
        progress: None,
        in_flight: None,
        last_failure: None,
    }
}

pub(crate) fn in_state(errand: Errand, state: OutboxState, attempts: u32) -> OutboxRow {
    OutboxRow { state, attempts, ..row(errand) }
}

pub(crate) fn step(name: &str) -> Option<Progress> {
    Some(Progress::at(name))
}

pub(crate) fn error(code: FailureCode) -> DeliveryError {
    DeliveryError::new(code, "It went wrong.")
}

pub(crate) fn decision(verdict: Verdict) -> Decision {
    let reason = if verdict == Verdict::Permit { Reason::Permitted } else { Reason::Refused };
    Decision { verdict, reason, ..Decision::indeterminate() }
}

/// Everything that a job points at.
pub(crate) struct Stand {
    pub(crate) referral: Referral,
    pub(crate) row: OutboxRow,
    pub(crate) task: Json,
    pub(crate) service_request: Json,
    pub(crate) capabilities: Capabilities,
    pub(crate) asks: Option<Asks<'static>>,
    pub(crate) adapter: AdapterVersion,
    pub(crate) schedule: Schedule,
    pub(crate) settle: Duration,
    pub(crate) now: OffsetDateTime,
}

impl Stand {
    pub(crate) fn new(errand: Errand) -> Self {
        Self {
            referral: referral(),
            row: row(errand),
            task: task(TaskStatus::Requested),
            service_request: service_request(),
            capabilities: ABLE,
            asks: None,
            adapter: adapter(),
            schedule: Schedule::default(),
            settle: SETTLE,
            now: NOW,
        }
    }

    /// The sender withdrew it.
    pub(crate) fn cancelled(mut self) -> Self {
        self.referral.sender = SenderState::Cancelled;
        self.referral.task_status = TaskStatus::Cancelled;
        self.task = task(TaskStatus::Cancelled);
        self
    }

    pub(crate) fn job(&self) -> Job<'_> {
        Job {
            referral: &self.referral,
            row: &self.row,
            task: (3, &self.task),
            service_request: (2, &self.service_request),
            capabilities: self.capabilities,
            asks: self.asks,
            adapter: &self.adapter,
            schedule: &self.schedule,
            settle: self.settle,
            answer: Duration::days(7),
            started: self.now,
            now: self.now,
        }
    }
}

/// Ids in the order in which they are asked for.
pub(crate) fn ids() -> impl FnMut() -> String {
    let mut count = 0;
    move || {
        count += 1;
        format!("id-{count}")
    }
}

/// What a transaction writes.
pub(crate) trait Wrote {
    fn all(&self) -> &Transaction;

    fn referral(&self) -> Referral {
        let found = self.all().changes.iter().rev().find_map(|change| match change {
            Change::PutReferral(referral) => Some((**referral).clone()),
            _ => None,
        });
        found.expect("a referral is written")
    }

    fn rows(&self) -> Vec<OutboxRow> {
        let rows = self.all().changes.iter().filter_map(|change| match change {
            Change::PutOutbox(row) => Some((**row).clone()),
            _ => None,
        });
        rows.collect()
    }

    /// The names of rows that are no longer wanted.
    fn dropped(&self) -> Vec<String> {
        let names = self.all().changes.iter().filter_map(|change| match change {
            Change::DropOutbox(id) => Some(id.clone()),
            _ => None,
        });
        names.collect()
    }

    /// The row as it stands in the end.
    fn row(&self) -> OutboxRow {
        self.rows().pop().expect("a row is written")
    }

    fn versions(&self, kind: &str) -> Vec<(ResourceVersion, Json)> {
        let versions = self.all().changes.iter().filter_map(|change| match change {
            Change::PutResource(version) if version.key.kind == kind => Some((version.clone(), read(&version.body))),
            _ => None,
        });
        versions.collect()
    }

    fn task(&self) -> Option<Json> {
        self.versions("Task").pop().map(|(_, document)| document)
    }

    fn attempts(&self) -> Vec<Attempt> {
        let attempts = self.all().changes.iter().filter_map(|change| match change {
            Change::PutAttempt(attempt) => Some(attempt.clone()),
            _ => None,
        });
        attempts.collect()
    }

    fn audit(&self) -> Vec<String> {
        let lines = self.all().changes.iter().filter_map(|change| match change {
            Change::Audit(line) => Some(line.action.clone()),
            _ => None,
        });
        lines.collect()
    }

    fn dispositions(&self) -> Vec<(String, Disposition)> {
        let found = self.all().changes.iter().filter_map(|change| match change {
            Change::DisposeReport { id, disposition } => Some((id.clone(), *disposition)),
            _ => None,
        });
        found.collect()
    }

    /// Exactly the check that every write of a worker rests on.
    fn assert_leased(&self, row: &OutboxRow) {
        assert_eq!(self.all().checks, [Check::LeaseHeld { outbox: row.id.clone(), fence: row.fence }]);
    }

    /// Every written resource is valid R4.
    fn assert_valid(&self) {
        for change in &self.all().changes {
            if let Change::PutResource(version) = change {
                let faults = validate::resource(&read(&version.body));
                let errors: Vec<_> = faults.iter().filter(|issue| issue.severity == Severity::Error).collect();
                assert!(errors.is_empty(), "{errors:?}\n{}", version.body);
            }
        }
    }
}

impl Wrote for Transaction {
    fn all(&self) -> &Transaction {
        self
    }
}

pub(crate) fn read(text: &str) -> Json {
    door::admit(text.as_bytes(), &door::DoorLimits::default()).expect("what is written can be read")
}

pub(crate) fn status_reason(task: &Json) -> &str {
    task.get("statusReason").and_then(|reason| reason.text("text")).unwrap_or_default()
}

/// Code of the gateway's own business status.
pub(crate) fn business_status(task: &Json) -> &str {
    let coding = task.get("businessStatus").and_then(|status| status.items("coding").first());
    coding.and_then(|coding| coding.text("code")).unwrap_or_default()
}
