//! What the model remembers.

use super::notices;
use crate::store::StoreError;
use crate::store::chain::Link;
use crate::store::digest::Digest;
use adapter_contract::Cursor;
use gateway_core::account::{Account, SignIn};
use gateway_core::change::{AuditRecord, RawReport, Received, ReportRecord, StoredAnswer};
use gateway_core::identity::{ClientId, PlatformId, TenantId};
use gateway_core::lane::Lane;
use gateway_core::notify::Fed;
use gateway_core::outbox::{Attempt, OutboxRow};
use gateway_core::referral::{Referral, ReferralId};
use gateway_core::resource::{ResourceKey, ResourceVersion};
use gateway_core::status_link::StatusLink;
use gateway_core::subject::{Erasure, Subject};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use time::OffsetDateTime;

/// Everything, in order of arrival where order matters.
#[derive(Default)]
pub(super) struct State {
    /// By place in the order of arrival.
    pub(super) received: BTreeMap<u64, Received>,
    /// The last place that was given.
    pub(super) received_last: u64,
    /// All versions of each resource, in creation order: the first stands at place 1. None is ever empty.
    pub(super) resources: Vec<Vec<ResourceVersion>>,
    /// Where each resource stands in `resources`.
    pub(super) resource_index: HashMap<ResourceKey, usize>,
    pub(super) referrals: Vec<Referral>,
    pub(super) outbox: Vec<KeptRow>,
    pub(super) attempts: BTreeMap<(String, u32), Attempt>,
    pub(super) raw_reports: Vec<KeptReport>,
    pub(super) reports: Vec<ReportRecord>,
    pub(super) lanes: BTreeMap<PlatformId, Lane>,
    /// In the order in which they were made.
    pub(super) links: Vec<StatusLink>,
    /// What is fed, by place.
    pub(super) feed: BTreeMap<u64, Fed>,
    /// The last place that was given.
    pub(super) feed_last: u64,
    pub(super) notices: notices::Kept,
    /// The last place that was given.
    pub(super) notice_last: u64,
    /// In the order in which they were made.
    pub(super) accounts: Vec<Account>,
    /// By key.
    pub(super) sign_ins: BTreeMap<String, SignIn>,
    pub(super) cursors: BTreeMap<PlatformId, Cursor>,
    pub(super) answers: BTreeMap<(TenantId, ClientId, String), StoredAnswer>,
    /// With the place of each in its tenant's chain.
    pub(super) audit: Vec<(Link, AuditRecord)>,
    pub(super) erased: BTreeMap<Subject, Erasure>,
    /// Which referrals a push speaks of, referral first.
    pub(super) about: BTreeSet<(ReferralId, String)>,
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

    /// The same, but none if it was erased.
    pub(super) fn readable(&self, key: &ResourceKey) -> &[ResourceVersion] {
        let versions = self.versions(key);
        if versions.first().is_some_and(|first| self.erasure(first.subject.as_ref()).is_some()) {
            &[]
        } else {
            versions
        }
    }

    /// When and why a subject was erased.
    pub(super) fn erasure(&self, subject: Option<&Subject>) -> Option<&Erasure> {
        self.erased.get(subject?)
    }

    /// Its current version, 0 if it is unknown.
    pub(super) fn version(&self, key: &ResourceKey) -> u64 {
        self.versions(key).last().map_or(0, |current| current.version)
    }

    /// Newest versions with their places, in creation order, also of what was erased.
    pub(super) fn places(&self) -> impl Iterator<Item = (u64, &ResourceVersion)> {
        (1..).zip(&self.resources).filter_map(|(place, versions)| Some((place, versions.last()?)))
    }

    /// The same without what was erased.
    pub(super) fn current(&self) -> impl Iterator<Item = (u64, &ResourceVersion)> {
        self.places().filter(|(_, row)| self.erasure(row.subject.as_ref()).is_none())
    }

    /// Hands every row to the hash.
    pub(super) fn digest(&self, digest: &mut Digest) -> Result<(), StoreError> {
        self.received.values().for_each(|row| digest.received(row));
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
        self.erased.iter().for_each(|(subject, erasure)| digest.erased(subject, erasure));
        self.about.iter().for_each(|(referral, raw)| digest.about(&referral.0, raw));
        self.links.iter().try_for_each(|link| digest.link(link))?;
        self.feed.values().for_each(|fed| digest.fed(fed));
        self.notices.values().try_for_each(|notice| digest.notice(notice))?;
        self.accounts.iter().try_for_each(|account| digest.account(account))?;
        self.sign_ins.values().try_for_each(|sign_in| digest.sign_in(sign_in))?;
        self.cursors.iter().for_each(|(platform, cursor)| digest.cursor(platform, &cursor.0));
        self.answers.values().for_each(|row| digest.answer(row));
        self.audit.iter().try_for_each(|(link, row)| digest.audit(link, row))
    }
}
