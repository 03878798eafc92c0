//! What the model remembers.

use crate::store::StoreError;
use crate::store::chain::Link;
use crate::store::digest::Digest;
use adapter_contract::Cursor;
use gateway_core::change::{AuditRecord, RawReport, Received, ReportRecord, StoredAnswer};
use gateway_core::identity::{ClientId, PlatformId, TenantId};
use gateway_core::outbox::{Attempt, OutboxRow};
use gateway_core::referral::Referral;
use gateway_core::resource::{ResourceKey, ResourceVersion};
use std::collections::{BTreeMap, HashMap};
use time::OffsetDateTime;

/// Everything, in order of arrival where order matters.
#[derive(Default)]
pub(super) struct State {
    pub(super) received: Vec<Received>,
    /// All versions of each resource, in creation order: the first stands at place 1. None is ever empty.
    pub(super) resources: Vec<Vec<ResourceVersion>>,
    /// Where each resource stands in `resources`.
    pub(super) resource_index: HashMap<ResourceKey, usize>,
    pub(super) referrals: Vec<Referral>,
    pub(super) outbox: Vec<KeptRow>,
    pub(super) attempts: BTreeMap<(String, u32), Attempt>,
    pub(super) raw_reports: Vec<KeptReport>,
    pub(super) reports: Vec<ReportRecord>,
    pub(super) cursors: BTreeMap<PlatformId, Cursor>,
    pub(super) answers: BTreeMap<(TenantId, ClientId, String), StoredAnswer>,
    /// With the place of each in its tenant's chain.
    pub(super) audit: Vec<(Link, AuditRecord)>,
}

/// An outbox row, and when it is due: its time if ready, the lease's end if leased, else never.
pub(super) struct KeptRow {
    pub(super) row: OutboxRow,
    pub(super) due: Option<OffsetDateTime>,
}

/// A push, and whether somebody read it.
pub(super) struct KeptReport {
    pub(super) report: RawReport,
    pub(super) read: bool,
    pub(super) fault: Option<String>,
}

impl State {
    /// All versions of a resource, oldest first; none if it is unknown.
    pub(super) fn versions(&self, key: &ResourceKey) -> &[ResourceVersion] {
        self.resource_index.get(key).and_then(|at| self.resources.get(*at)).map_or(&[], Vec::as_slice)
    }

    /// Its current version, 0 if it is unknown.
    pub(super) fn version(&self, key: &ResourceKey) -> u64 {
        self.versions(key).last().map_or(0, |current| current.version)
    }

    /// Current versions with their places, in creation order.
    pub(super) fn current(&self) -> impl Iterator<Item = (u64, &ResourceVersion)> {
        (1..).zip(&self.resources).filter_map(|(place, versions)| Some((place, versions.last()?)))
    }

    /// Hands every row to the hash.
    pub(super) fn digest(&self, digest: &mut Digest) -> Result<(), StoreError> {
        self.received.iter().for_each(|row| digest.received(row));
        for (place, versions) in (1..).zip(&self.resources) {
            versions.iter().for_each(|row| digest.resource(place, row));
        }
        self.referrals.iter().try_for_each(|row| digest.referral(row))?;
        self.outbox.iter().try_for_each(|kept| digest.outbox(&kept.row, kept.due))?;
        self.attempts.values().try_for_each(|row| digest.attempt(row))?;
        for kept in &self.raw_reports {
            digest.raw_report(&kept.report, kept.read, kept.fault.as_deref())?;
        }
        self.reports.iter().try_for_each(|row| digest.report(row))?;
        self.cursors.iter().for_each(|(platform, cursor)| digest.cursor(platform, &cursor.0));
        self.answers.values().for_each(|row| digest.answer(row));
        self.audit.iter().try_for_each(|(link, row)| digest.audit(link, row))
    }
}
