//! What can be known at one moment: the store's records, what the platforms hold, what the GP system was answered. Plain
//! data, so that each invariant is a function of it and can be shown to fail.

use crate::scene::{Held, Platforms, Told};
use anyhow::{Context as _, Result};
use conformance_tests::gp_system::GpSystem;
use gateway_core::change::AuditRecord;
use gateway_core::outbox::{Attempt, Errand, OutboxRow, OutboxState};
use gateway_core::referral::Referral;
use gateway_core::resource::ResourceKey;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use vcse_gateway::gateway::Secret;
use vcse_gateway::store::postgres::PostgresStore;
use vcse_gateway::store::sqlite::SqliteStore;
use vcse_gateway::store::{ReferralFilter, Store};

/// Where a store is kept.
#[derive(Debug, Clone)]
pub enum Kept {
    /// In a file.
    File(PathBuf),
    /// In a PostgreSQL database, at this address.
    Database(Secret),
}

impl Kept {
    /// Opens it for reading.
    ///
    /// # Errors
    /// When it is not there, or cannot be read now.
    pub async fn open(&self) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::File(file) => Arc::new(SqliteStore::open_to_read(file).context("the store cannot be opened")?),
            Self::Database(url) => {
                Arc::new(PostgresStore::open_to_read(url).await.context("the database cannot be opened")?)
            }
        })
    }
}

/// A submission that was answered with 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The practice's own id.
    pub placer: String,
    /// The Task that was answered.
    pub task: String,
    /// The Task that the same `X-Request-Id` was answered with afterwards; absent if it was not asked again.
    pub again: Option<String>,
}

/// Everything of one referral.
#[derive(Debug, Clone)]
pub struct ReferralFacts {
    /// As it stands.
    pub referral: Referral,
    /// `Task.status` of each version of the sender's Task, oldest first.
    pub versions: Vec<String>,
    /// Its lines of audit, in order.
    pub audit: Vec<AuditRecord>,
    /// Its errands, each with its attempts.
    pub outbox: Vec<(OutboxRow, Vec<Attempt>)>,
}

impl ReferralFacts {
    /// True while something is still to be done for it, beyond waiting for a deadline or one more look.
    #[must_use]
    pub fn is_open(&self) -> bool {
        is_open(self.outbox.iter().map(|(row, _)| row))
    }
}

/// What stands behind a dead letter of its referral waits for the same person.
fn is_open<'a>(rows: impl Iterator<Item = &'a OutboxRow> + Clone) -> bool {
    let dead = rows.clone().filter(|row| row.state == OutboxState::Dead).map(|row| row.sequence).min();
    let waits = |row: &OutboxRow| dead.is_some_and(|dead| row.sequence > dead && row.attempts == 0);
    let mut open = rows.filter(|row| matches!(row.state, OutboxState::Ready | OutboxState::Leased));
    open.any(|row| !matches!(row.errand, Errand::Chase | Errand::Read) && !waits(row))
}

/// Everything at one moment.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Submissions that were answered with 2xx.
    pub answered: Vec<Answered>,
    /// The store's referrals.
    pub referrals: Vec<ReferralFacts>,
    /// What the platforms hold.
    pub held: Vec<Held>,
    /// What was told in each conversation.
    pub told: BTreeMap<String, Told>,
    /// Where the chain of audit does not hold, in words.
    pub broken: Vec<String>,
    /// The store was made of a copy: of what was open in it one attempt is counted that nobody knows of.
    pub restored: bool,
}

/// Reads the store.
///
/// # Errors
/// When it cannot be read.
pub async fn read_store(kept: &Kept) -> Result<(Vec<ReferralFacts>, Vec<String>)> {
    read(kept.open().await?.as_ref()).await
}

/// The same of a store that is open.
///
/// # Errors
/// When it cannot be read.
pub async fn read(store: &dyn Store) -> Result<(Vec<ReferralFacts>, Vec<String>)> {
    let mut found = Vec::new();
    let filter = ReferralFilter { limit: u32::MAX, ..ReferralFilter::default() };
    for referral in store.referrals(&filter).await? {
        found.push(of_one(store, referral).await?);
    }
    let chains = store.verify_audit().await?;
    let broken =
        chains.into_iter().filter_map(|chain| chain.broken.map(|line| format!("{}: {line:?}", chain.tenant.0)));
    Ok((found, broken.collect()))
}

async fn of_one(store: &dyn Store, referral: Referral) -> Result<ReferralFacts> {
    let key =
        ResourceKey { compartment: referral.compartment.clone(), kind: "Task".to_owned(), id: referral.task.clone() };
    let mut versions: Vec<String> = Vec::new();
    for version in store.history(&key).await? {
        let task: serde_json::Value = serde_json::from_str(&version.body).context("a stored Task is no JSON")?;
        versions.push(task["status"].as_str().unwrap_or_default().to_owned());
    }
    versions.reverse();
    let audit = store.audit(&referral.id).await?;
    let mut outbox = Vec::new();
    for row in store.outbox(&referral.id).await? {
        let attempts = store.attempts(&row.id).await?;
        outbox.push((row, attempts));
    }
    Ok(ReferralFacts { referral, versions, audit, outbox })
}

/// How many errands are due or under way and how many referrals stand where, while the gateway runs; nothing if the store
/// cannot be read just now.
pub async fn quick(kept: &Kept) -> Option<Vec<(Referral, bool)>> {
    let store = kept.open().await.ok()?;
    let filter = ReferralFilter { limit: u32::MAX, ..ReferralFilter::default() };
    let mut found = Vec::new();
    for referral in store.referrals(&filter).await.ok()? {
        let rows = store.outbox(&referral.id).await.ok()?;
        let open = is_open(rows.iter());
        found.push((referral, open));
    }
    Some(found)
}

/// What is known outside of the gateway at one moment: what was answered, and what arrived.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// What the GP system was answered.
    pub answered: Vec<Answered>,
    /// What the platforms hold.
    pub held: Vec<Held>,
    /// What was told in each conversation.
    pub told: BTreeMap<String, Told>,
}

impl Outside {
    /// As it is now.
    #[must_use]
    pub fn now(platforms: &Platforms, gp: &GpSystem) -> Self {
        Self { answered: answered(gp), held: platforms.held(), told: platforms.told() }
    }

    /// Together with the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn with_store(self, kept: &Kept) -> Result<Facts> {
        let (referrals, broken) = read_store(kept).await?;
        Ok(Facts { answered: self.answered, referrals, held: self.held, told: self.told, broken, restored: false })
    }
}

/// What the GP system was answered.
#[must_use]
pub fn answered(gp: &GpSystem) -> Vec<Answered> {
    let records = gp.records().into_iter();
    records.map(|record| Answered { placer: record.placer_id, task: record.task_id, again: None }).collect()
}
