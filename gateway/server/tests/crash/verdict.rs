//! The end of a run: three records side by side, the GP system's, the gateway's and the platform's.

use crate::scenario::World;
use crate::subscriber;
use conformance_tests::fhir::{REFERRAL_KEY, identifier};
use conformance_tests::generator::Expectation;
use conformance_tests::gp_system::GpRecord;
use gateway_core::outbox::{Errand, OutboxState};
use gateway_core::referral::{Delivery, Referral};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::path::Path;
use vcse_gateway::store::sqlite::SqliteStore;
use vcse_gateway::store::{ReferralFilter, Store as _, StoreError};

/// Types that a submission stores at the platform.
const KINDS: [&str; 6] = ["Patient", "ServiceRequest", "Task", "Observation", "Condition", "QuestionnaireResponse"];
/// More than the platform makes in one run.
const IDS: u32 = 400;

/// Errands that are due or under way, while the gateway runs; nothing if the file cannot be read just now.
pub(crate) fn open_errands(folder: &Path) -> Option<u32> {
    counted(folder, "SELECT count(*) FROM outbox WHERE state IN ('ready', 'leased')")
}

/// The same of what somebody on the GP's side is still to be told of.
pub(crate) fn open_notices(folder: &Path) -> Option<u32> {
    counted(
        folder,
        "SELECT (SELECT count(*) FROM feed) + (SELECT count(*) FROM notice WHERE state IN ('waiting', 'sending'))",
    )
}

fn counted(folder: &Path, sql: &str) -> Option<u32> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let file = Connection::open_with_flags(folder.join("gateway.db"), flags).ok()?;
    file.query_row(sql, [], |row| row.get(0)).ok()
}

/// What is not right, in words. The gateway has been stopped.
pub(crate) async fn compare(world: &World, keyed: bool) -> Vec<String> {
    let mut findings = at_the_platform(world, keyed);
    match at_the_gateway(world).await {
        Ok(more) => findings.extend(more),
        Err(error) => findings.push(format!("the store cannot be read after the crash: {error}")),
    }
    findings
}

fn at_the_platform(world: &World, keyed: bool) -> Vec<String> {
    let mut findings = Vec::new();
    for key in world.platform.duplicates() {
        findings.push(format!("doubled: several Tasks with the key {key}"));
    }
    let mut borne: BTreeMap<(&str, String), u32> = BTreeMap::new();
    for (kind, number) in KINDS.iter().flat_map(|kind| (1..IDS).map(move |number| (*kind, number))) {
        let Some(resource) = world.platform.resource(kind, &format!("p{number:07}")) else { continue };
        match identifier(&resource, REFERRAL_KEY) {
            Some(key) => *borne.entry((kind, key.to_owned())).or_default() += 1,
            // An Observation may be the platform's own, an output; these three are always ours.
            None if keyed && matches!(kind, "Patient" | "ServiceRequest" | "Task") => {
                findings.push(format!("a {kind} without our key, so nothing keeps it from being doubled"));
            }
            None => {}
        }
    }
    // Where the platform has to be asked first, only the Task is promised to be there once.
    for ((kind, key), times) in borne.iter().filter(|((kind, _), times)| **times > 1 && (keyed || *kind == "Task")) {
        findings.push(format!("doubled: {times} {kind} with the key {key}"));
    }
    findings
}

async fn at_the_gateway(world: &World) -> Result<Vec<String>, StoreError> {
    let store = SqliteStore::open(&world.folder.path().join("gateway.db"))?;
    let referrals = store.referrals(&ReferralFilter { limit: u32::MAX, ..ReferralFilter::default() }).await?;
    let records = world.gp.records();
    let mut findings = subscriber::compare(world, &store).await?;
    for chain in store.verify_audit().await? {
        findings.extend(chain.broken.map(|line| format!("audit of {}: {line:?}", chain.tenant.0)));
    }
    if referrals.len() != records.len() {
        findings.push(format!("{} were accepted for the GP system, {} are kept", records.len(), referrals.len()));
    }
    for record in &records {
        let Some(referral) = referrals.iter().find(|referral| referral.task == record.task_id) else {
            findings.push(format!("lost: {} was answered with 201 and is not kept", record.placer_id));
            continue;
        };
        let fault = |words: String| format!("{} ({:?}): {words}", record.placer_id, record.expectation);
        findings.extend(of_one(world, record, referral).into_iter().map(fault));
        for row in store.outbox(&referral.id).await? {
            // A poll may have asked for one more look at what is settled just before the end; nothing else may wait.
            let waits = matches!(row.state, OutboxState::Ready | OutboxState::Leased) && row.errand != Errand::Read;
            if waits || row.state == OutboxState::Dead {
                findings.push(fault(format!(
                    "{} is {:?}, last failure {:?}",
                    row.errand.word(),
                    row.state,
                    row.last_failure
                )));
            }
        }
    }
    Ok(findings)
}

fn of_one(world: &World, record: &GpRecord, referral: &Referral) -> Vec<String> {
    let mut findings = Vec::new();
    let gp = record.status().unwrap_or("-");
    if referral.task_status.code() != gp {
        findings.push(format!("GP {gp}, gateway {}", referral.task_status.code()));
    }
    // A withdrawal between two steps leaves an order behind that nobody works on: that, and only that, a person is told.
    let attention = referral.attention.as_ref().filter(|_| !matches!(referral.delivery, Delivery::Withdrawn));
    if let Some(words) = referral.conflict.as_ref().or(attention) {
        findings.push(format!("needs a person: {words}"));
    }
    let there = world.tasks_of(&record.placer_id);
    match (record.expectation, &referral.delivery, there.as_slice()) {
        (Expectation::NoConsent, Delivery::Held { .. }, []) => {}
        (Expectation::CancelledBySender, Delivery::Withdrawn, []) => {}
        (Expectation::Delivered | Expectation::CancelledBySender, Delivery::Delivered { .. }, [(id, status)]) => {
            if referral.platform_referral.as_ref().is_none_or(|name| name.0 != *id) || gp != status {
                findings.push(format!("platform {id} {status}, gateway {:?}, GP {gp}", referral.platform_referral));
            }
        }
        (_, delivery, there) => findings.push(format!("{delivery:?} while the platform has {there:?}")),
    }
    if record.expectation == Expectation::CancelledBySender && gp != "cancelled" {
        findings.push(format!("was withdrawn and is {gp}"));
    }
    findings
}
