//! A Subscription in a scene: each version of each Task is one event under one number, and is told, whatever dies meanwhile.

use crate::facts::Kept;
use crate::scene::TENANT;
use anyhow::{Context as _, Result};
use conformance_tests::generator::PRACTICE_ODS;
use conformance_tests::subscriber::{Made, Subscriber};
use gateway_core::identity::{Compartment, Owner, TenantId};
use gateway_core::notify::{Destination, NoticeState, What};
use gateway_core::resource::ResourceKey;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use vcse_gateway::store::ReferralFilter;

/// More than a run makes.
const EVENTS: u32 = 10_000;

/// Who is told, and by which Subscription.
#[derive(Debug)]
pub struct Subscribed {
    endpoint: Subscriber,
    id: OnceLock<String>,
}

impl Subscribed {
    /// An endpoint to which no Subscription leads yet.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> Result<Self> {
        Ok(Self { endpoint: Subscriber::start().await?, id: OnceLock::new() })
    }

    /// Asks once, if nobody was answered yet; true once somebody was.
    pub async fn asks(&self, fhir_base: &str, token: &str) -> bool {
        if self.id.get().is_none()
            && let Some(id) = self.endpoint.subscribe(fhir_base, token).await
        {
            let _ = self.id.set(id);
        }
        self.id.get().is_some()
    }

    fn queue(&self) -> Result<(String, Compartment)> {
        let owner = Owner::Organisation(PRACTICE_ODS.to_owned());
        let compartment = Compartment { tenant: TenantId(TENANT.to_owned()), owner };
        let id = self.id.get().context("nobody has subscribed")?.clone();
        Ok((Destination::Subscription { id }.queue(&compartment), compartment))
    }

    /// True once all that happened was told, or given up. False if the store cannot be read now.
    pub async fn is_told(&self, kept: &Kept) -> bool {
        let told = async || -> Result<bool> {
            let (store, (queue, _)) = (kept.open().await?, self.queue()?);
            let open = store.notices(&queue, 0, EVENTS).await?.iter().any(|notice| notice.state.is_open());
            Ok(!open && store.feed(1).await?.is_empty())
        };
        told().await.unwrap_or_default()
    }

    /// What is not right in the end, in words.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn compare(&self, kept: &Kept) -> Result<Vec<String>> {
        let (store, (queue, compartment)) = (kept.open().await?, self.queue()?);
        let mut versions = BTreeSet::new();
        for referral in store.referrals(&ReferralFilter { limit: u32::MAX, ..ReferralFilter::default() }).await? {
            let tasks = referral.follow_ups.iter().map(|one| one.task.clone()).chain([referral.task.clone()]);
            for id in tasks {
                let key = ResourceKey { compartment: compartment.clone(), kind: "Task".to_owned(), id };
                versions.extend(store.history(&key).await?.into_iter().map(|one| (one.key.id, one.version)));
            }
        }
        let (mut findings, mut made) = (Vec::new(), Vec::new());
        for notice in store.notices(&queue, 0, EVENTS).await? {
            if notice.state != NoticeState::Sent {
                findings.push(format!("event {} is {:?}: {:?}", notice.sequence, notice.state, notice.last_failure));
            }
            if let What::Version { id, version, .. } = notice.what {
                made.push(Made { number: notice.sequence, task: id, version });
            }
        }
        findings.extend(self.endpoint.compare(&made, &versions));
        Ok(findings)
    }
}
