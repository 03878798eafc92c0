//! The model: the same promises as the embedded store, in plain collections behind one lock. Not durable; for tests and
//! simulations, and what the other engines are compared with.

mod apply;
mod claim;
mod lane;
mod notices;
mod search;
mod state;

use super::chain::Walk;
use super::digest::Digest;
use super::{
    AuditChain, AuditLine, CommitError, Counts, Needing, Page, ReferralFilter, SearchQuery, Store, StoreError,
    canonical,
};
use adapter_contract::{Cursor, IdempotencyKey, PlatformReferralId};
use async_trait::async_trait;
use gateway_core::account::{Account, AccountId, SignIn};
use gateway_core::alarm::is_alarm;
use gateway_core::backlog::Backlog;
use gateway_core::change::{Disposition, RawReport, Received, ReportRecord, StoredAnswer, Transaction};
use gateway_core::identity::{ClientId, Compartment, PlatformId, TenantId};
use gateway_core::lane::{Lane, LeaveLane, TakeLane, Taken};
use gateway_core::notify::{Fed, Notice};
use gateway_core::outbox::{Attempt, ClaimRequest, Claimed, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, Referral, ReferralId};
use gateway_core::resource::{ResourceKey, ResourceVersion};
use gateway_core::status_link::StatusLink;
use gateway_core::subject::{Domain, Erasure, Subject, SubjectId};
use gateway_core::waiting::Ahead;
use gateway_core::work_list::Needs;
use state::State;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use time::OffsetDateTime;

/// A store that forgets everything when it is dropped.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A panic while the lock was held leaves the store unusable, as a dead writer does.
    fn state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        self.state.lock().map_err(|_| StoreError::Closed)
    }

    fn referral_where(&self, holds: impl Fn(&Referral) -> bool) -> Result<Option<Referral>, StoreError> {
        Ok(self.state()?.referrals.iter().find(|referral| holds(referral)).cloned())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, transaction: Transaction) -> Result<(), CommitError> {
        apply::commit(&mut *self.state()?, canonical::transaction(transaction))
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        claim::claim(&mut *self.state()?, &canonical::claim(request))
    }

    async fn take_lane(&self, request: &TakeLane) -> Result<Taken, StoreError> {
        Ok(lane::take(&mut *self.state()?, request))
    }

    async fn leave_lane(&self, request: &LeaveLane) -> Result<(), StoreError> {
        lane::leave(&mut *self.state()?, request);
        Ok(())
    }

    async fn next_due(&self, platforms: &[PlatformId]) -> Result<Option<OffsetDateTime>, StoreError> {
        Ok(claim::next_due(&*self.state()?, platforms))
    }

    async fn backlog(&self, most: u64) -> Result<Backlog, StoreError> {
        Ok(claim::backlog(&*self.state()?, most))
    }

    async fn busy_platforms(&self) -> Result<Vec<PlatformId>, StoreError> {
        Ok(claim::busy_platforms(&*self.state()?))
    }

    async fn ahead(&self, outbox: &str, now: OffsetDateTime, most: u64) -> Result<Ahead, StoreError> {
        let ahead = claim::ahead(&*self.state()?, outbox, canonical::instant(now));
        Ok(Ahead { own: ahead.own.min(most), urgent: ahead.urgent.min(most), ..ahead })
    }

    async fn lane(&self, platform: &PlatformId) -> Result<Option<Lane>, StoreError> {
        Ok(self.state()?.lanes.get(platform).cloned())
    }

    async fn resource(&self, key: &ResourceKey, version: Option<u64>) -> Result<Option<ResourceVersion>, StoreError> {
        let state = self.state()?;
        let versions = state.readable(key);
        Ok(match version {
            None => versions.last().cloned(),
            Some(version) => versions.iter().find(|row| row.version == version).cloned(),
        })
    }

    async fn resources(&self, keys: &[ResourceKey]) -> Result<Vec<ResourceVersion>, StoreError> {
        let state = self.state()?;
        Ok(keys.iter().filter_map(|key| state.readable(key).last().cloned()).collect())
    }

    async fn history(&self, key: &ResourceKey) -> Result<Vec<ResourceVersion>, StoreError> {
        Ok(self.state()?.readable(key).iter().rev().cloned().collect())
    }

    async fn erasure(&self, key: &ResourceKey) -> Result<Option<Erasure>, StoreError> {
        let state = self.state()?;
        Ok(state.versions(key).first().and_then(|first| state.erasure(first.subject.as_ref())).cloned())
    }

    async fn search(&self, query: &SearchQuery) -> Result<Page, StoreError> {
        Ok(search::search(&*self.state()?, query))
    }

    async fn referral(&self, id: &ReferralId) -> Result<Option<Referral>, StoreError> {
        self.referral_where(|referral| referral.id == *id)
    }

    async fn referral_by_task(&self, compartment: &Compartment, task: &str) -> Result<Option<Referral>, StoreError> {
        self.referral_where(|referral| referral.compartment == *compartment && referral.task == task)
    }

    async fn referral_at_platform(
        &self,
        platform: &PlatformId,
        platform_referral: &PlatformReferralId,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<Referral>, StoreError> {
        let here = |referral: &Referral| referral.platform.as_ref() == Some(platform);
        let named = self.referral_where(|referral| {
            here(referral) && referral.platform_referral.as_ref() == Some(platform_referral)
        })?;
        let keyed = || match key {
            Some(key) => self.referral_where(|referral| here(referral) && referral.key == *key),
            None => Ok(None),
        };
        let former = |word: &str| {
            self.referral_where(|referral| here(referral) && referral.former_words().any(|former| former == word))
        };
        for found in [Ok(named), keyed(), former(&platform_referral.0), key.map_or(Ok(None), |key| former(&key.0))] {
            if let Some(found) = found? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn referrals(&self, filter: &ReferralFilter) -> Result<Vec<Referral>, StoreError> {
        let state = self.state()?;
        let start = match &filter.after {
            None => 0,
            Some(after) => state.referrals.iter().position(|row| row.id == *after).map_or(usize::MAX, |at| at + 1),
        };
        let wanted = |referral: &&Referral| {
            filter.tenant.as_ref().is_none_or(|tenant| referral.compartment.tenant == *tenant)
                && filter.delivery.as_ref().is_none_or(|word| referral.delivery.word() == word)
                && (filter.subject.is_none() || filter.subject == referral.subject)
                && (!filter.attention || referral.attention.is_some())
        };
        if let Some(wanted) = &filter.needing {
            if start == usize::MAX {
                return Ok(Vec::new());
            }
            return Ok(needing(&state.referrals, wanted, start, filter.limit as usize));
        }
        Ok(state.referrals.iter().skip(start).filter(wanted).take(filter.limit as usize).cloned().collect())
    }

    async fn unanswered(&self, by: OffsetDateTime, limit: u32) -> Result<Vec<Referral>, StoreError> {
        let by = canonical::instant(by);
        let state = self.state()?;
        let due = |referral: &Referral| referral.next_look().filter(|due| *due <= by);
        let mut found: Vec<Referral> = state.referrals.iter().filter(|one| due(one).is_some()).cloned().collect();
        found.sort_by_key(due);
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn dead_letters(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, OutboxRow)>, StoreError> {
        let state = self.state()?;
        let placed = (1..).zip(state.outbox.iter().map(|kept| &kept.row)).filter(|(place, _)| *place > after);
        let dead = placed.filter(|(_, row)| row.state == OutboxState::Dead);
        let own = dead.filter(|(_, row)| tenant.is_none_or(|tenant| row.tenant == *tenant));
        Ok(own.take(limit as usize).map(|(place, row)| (place, row.clone())).collect())
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let mut counts = BTreeMap::new();
        for referral in &self.state()?.referrals {
            *counts.entry((referral.delivery.word(), referral.task_status.code())).or_insert(0) += 1;
        }
        Ok(counts.into_iter().map(|((word, code), count)| (word.to_owned(), code.to_owned(), count)).collect())
    }

    async fn outbox(&self, referral: &ReferralId) -> Result<Vec<OutboxRow>, StoreError> {
        let state = self.state()?;
        let mut rows: Vec<_> =
            state.outbox.iter().map(|kept| &kept.row).filter(|row| row.referral == *referral).cloned().collect();
        // Stable: rows of the same sequence stay in the order of their creation.
        rows.sort_by_key(|row| row.sequence);
        Ok(rows)
    }

    async fn attempts(&self, outbox: &str) -> Result<Vec<Attempt>, StoreError> {
        let state = self.state()?;
        let range = (outbox.to_owned(), 0)..=(outbox.to_owned(), u32::MAX);
        Ok(state.attempts.range(range).map(|(_, attempt)| attempt.clone()).collect())
    }

    async fn unread_reports(&self, limit: u32) -> Result<Vec<RawReport>, StoreError> {
        let state = self.state()?;
        let unread = state.raw_reports.iter().filter(|kept| !kept.read);
        Ok(unread.take(limit as usize).map(|kept| kept.report.clone()).collect())
    }

    async fn reports(&self, referral: &ReferralId) -> Result<Vec<ReportRecord>, StoreError> {
        let state = self.state()?;
        Ok(state.reports.iter().filter(|report| report.referral.as_ref() == Some(referral)).cloned().collect())
    }

    async fn parked_reports(
        &self,
        platform: &PlatformId,
        platform_referral: &PlatformReferralId,
        key: &IdempotencyKey,
    ) -> Result<Vec<ReportRecord>, StoreError> {
        let wanted = |report: &&ReportRecord| {
            report.disposition == Disposition::Parked
                && report.platform == *platform
                && (report.platform_referral() == platform_referral || report.report.key.as_ref() == Some(key))
        };
        Ok(self.state()?.reports.iter().filter(wanted).cloned().collect())
    }

    async fn referrals_to_align(&self, limit: u32) -> Result<Vec<ReferralId>, StoreError> {
        let state = self.state()?;
        let mut waiting: Vec<ReferralId> = Vec::new();
        for report in state.reports.iter().filter(|report| report.disposition.is_open()) {
            if waiting.len() >= limit as usize {
                break;
            }
            let queued = |id: &ReferralId| {
                state.referrals.iter().any(|referral| referral.id == *id && referral.delivery == Delivery::Queued)
            };
            let calls = |id: &ReferralId| {
                let waits =
                    |one: &&ReportRecord| one.disposition == Disposition::Recorded && one.referral.as_ref() == Some(id);
                state.reports.iter().filter(waits).any(|one| is_alarm(&one.report))
            };
            if let Some(referral) = &report.referral
                && !waiting.contains(referral)
                && (!queued(referral) || calls(referral))
            {
                waiting.push(referral.clone());
            }
        }
        Ok(waiting)
    }

    async fn link_by_secret(&self, secret_sha256: &str) -> Result<Option<StatusLink>, StoreError> {
        Ok(self.state()?.links.iter().find(|link| link.secret_sha256 == secret_sha256).cloned())
    }

    async fn link_by_session(&self, session_sha256: &str) -> Result<Option<StatusLink>, StoreError> {
        let state = self.state()?;
        Ok(state.links.iter().find(|link| link.session() == Some(session_sha256)).cloned())
    }

    async fn links(&self, referral: &ReferralId) -> Result<Vec<StatusLink>, StoreError> {
        Ok(self.state()?.links.iter().filter(|link| link.referral == *referral).cloned().collect())
    }

    async fn expired_links(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<StatusLink>, StoreError> {
        let state = self.state()?;
        let mut found: Vec<_> = state.links.iter().filter(|link| link.expires_at < before).cloned().collect();
        found.sort_by_key(|link| link.expires_at);
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn feed(&self, limit: u32) -> Result<Vec<Fed>, StoreError> {
        Ok(self.state()?.feed.values().take(limit as usize).cloned().collect())
    }

    async fn notice(&self, id: &str) -> Result<Option<Notice>, StoreError> {
        Ok(self.state()?.notices.values().find(|notice| notice.id == id).cloned())
    }

    async fn due_notices(&self, now: OffsetDateTime, each: u32) -> Result<Vec<Notice>, StoreError> {
        Ok(notices::due(&*self.state()?, canonical::instant(now), each))
    }

    async fn next_notice(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        Ok(notices::heads(&*self.state()?).map(|(_, notice)| notice.due).min())
    }

    async fn last_notice(&self, queue: &str) -> Result<u64, StoreError> {
        let state = self.state()?;
        let own = state.notices.values().filter(|notice| notice.queue() == queue);
        Ok(own.map(|notice| notice.sequence).max().unwrap_or(0))
    }

    async fn notices(&self, queue: &str, after: u64, limit: u32) -> Result<Vec<Notice>, StoreError> {
        Ok(notices::of_queue(&*self.state()?, queue, after, limit))
    }

    async fn notices_of(&self, referral: &ReferralId) -> Result<Vec<Notice>, StoreError> {
        let state = self.state()?;
        let own = state.notices.values().filter(|notice| notice.referral.as_ref() == Some(referral));
        Ok(own.cloned().collect())
    }

    async fn ended_notices(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<Notice>, StoreError> {
        Ok(notices::ended(&*self.state()?, canonical::instant(before), limit))
    }

    async fn dead_notices(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Notice)>, StoreError> {
        Ok(notices::dead(&*self.state()?, tenant, after, limit))
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        Ok(self.state()?.accounts.iter().find(|account| account.id == *id).cloned())
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        Ok(self.state()?.accounts.clone())
    }

    async fn sign_in(&self, key: &str) -> Result<Option<SignIn>, StoreError> {
        Ok(self.state()?.sign_ins.get(key).cloned())
    }

    async fn expired_sign_ins(&self, by: OffsetDateTime, limit: u32) -> Result<Vec<SignIn>, StoreError> {
        let by = canonical::instant(by);
        let state = self.state()?;
        let mut found: Vec<_> = state.sign_ins.values().filter(|one| one.expires_at() <= by).cloned().collect();
        // Those that end at once stand in the order of their keys already.
        found.sort_by_key(SignIn::expires_at);
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn cursor(&self, platform: &PlatformId) -> Result<Option<Cursor>, StoreError> {
        Ok(self.state()?.cursors.get(platform).cloned())
    }

    async fn answer(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        request_id: &str,
    ) -> Result<Option<StoredAnswer>, StoreError> {
        Ok(self.state()?.answers.get(&(tenant.clone(), client.clone(), request_id.to_owned())).cloned())
    }

    async fn received(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<(u64, Received)>, StoreError> {
        let state = self.state()?;
        let all = state.received.iter().map(|(place, row)| (*place, row.clone()));
        Ok(oldest(all, |(_, row)| row.at, before, limit))
    }

    async fn answers(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<StoredAnswer>, StoreError> {
        Ok(oldest(self.state()?.answers.values().cloned(), |row| row.at, before, limit))
    }

    async fn raw_reports(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<RawReport>, StoreError> {
        let state = self.state()?;
        let all = state.raw_reports.iter().map(|kept| kept.report.clone());
        Ok(oldest(all, |row| row.received, before, limit))
    }

    async fn unmapped(&self, limit: u32) -> Result<Vec<ReportRecord>, StoreError> {
        let state = self.state()?;
        let newest = state.reports.iter().rev().filter(|row| row.disposition == Disposition::Unmapped);
        Ok(newest.take(limit as usize).cloned().collect())
    }

    async fn parked(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<ReportRecord>, StoreError> {
        let state = self.state()?;
        let all = state.reports.iter().filter(|row| row.disposition == Disposition::Parked).cloned();
        Ok(oldest(all, |row| row.received, before, limit))
    }

    async fn idle(
        &self,
        domain: Domain,
        before: OffsetDateTime,
        after: Option<&SubjectId>,
        limit: u32,
    ) -> Result<Vec<(SubjectId, ResourceKey)>, StoreError> {
        let state = self.state()?;
        let before = canonical::instant(before);
        let mut subjects: BTreeMap<&SubjectId, (Option<&ResourceKey>, bool)> = BTreeMap::new();
        for (_, row) in state.current() {
            let Some(subject) = row.subject.as_ref().filter(|subject| subject.domain == domain) else { continue };
            let (first, idle) = subjects.entry(&subject.id).or_insert((None, true));
            if first.is_none() && matches!(row.key.kind.as_str(), "Patient" | "ServiceRequest" | "Consent") {
                *first = Some(&row.key);
            }
            *idle &= row.updated < before;
        }
        let idle = subjects.into_iter().filter(|(id, (_, idle))| *idle && after.is_none_or(|after| *id > after));
        let named = idle.filter_map(|(id, (key, _))| Some((id.clone(), key?.clone())));
        Ok(named.take(limit as usize).collect())
    }

    async fn belonging(&self, subject: &Subject) -> Result<Vec<ResourceKey>, StoreError> {
        let state = self.state()?;
        let own = state.current().map(|(_, row)| row).filter(|row| row.subject.as_ref() == Some(subject));
        let mut keys: Vec<ResourceKey> = own
            .filter(|row| matches!(row.key.kind.as_str(), "Patient" | "ServiceRequest" | "Consent"))
            .map(|row| row.key.clone())
            .collect();
        keys.sort();
        Ok(keys)
    }

    async fn audit_lines(&self, referral: &ReferralId) -> Result<Vec<AuditLine>, StoreError> {
        let state = self.state()?;
        let own = state.audit.iter().filter(|(_, record)| record.referral.as_ref() == Some(referral));
        Ok(own.map(|(link, record)| AuditLine { number: link.number, record: record.clone() }).collect())
    }

    async fn audit_line(&self, tenant: &TenantId, number: u64) -> Result<Option<AuditLine>, StoreError> {
        let state = self.state()?;
        let found = state.audit.iter().find(|(link, record)| record.tenant == *tenant && link.number == number);
        Ok(found.map(|(_, record)| AuditLine { number, record: record.clone() }))
    }

    async fn verify_audit(&self) -> Result<Vec<AuditChain>, StoreError> {
        let state = self.state()?;
        let mut walks: BTreeMap<TenantId, Walk> = BTreeMap::new();
        for (link, record) in &state.audit {
            let walk = walks.entry(record.tenant.clone()).or_insert_with(|| Walk::new(record.tenant.clone()));
            let number = i64::try_from(link.number).unwrap_or(i64::MAX);
            apply::with_content(record, |content| walk.line(number, &link.hash, content));
        }
        Ok(walks.into_values().map(Walk::end).collect())
    }

    async fn latest_time(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        Ok(self.state()?.audit.iter().map(|(_, line)| line.at).max())
    }

    async fn content_hash(&self) -> Result<String, StoreError> {
        let mut digest = Digest::default();
        self.state()?.digest(&mut digest)?;
        Ok(digest.finish())
    }
}

/// Those before a time, oldest first.
fn oldest<T>(
    all: impl Iterator<Item = T>,
    at: impl Fn(&T) -> OffsetDateTime,
    before: OffsetDateTime,
    limit: u32,
) -> Vec<T> {
    let before = canonical::instant(before);
    let mut found: Vec<T> = all.filter(|row| at(row) < before).collect();
    // Stable: what came at the same time stays in the order in which it came.
    found.sort_by_key(at);
    found.truncate(limit as usize);
    found
}

/// What of a party needs a person, of one group, the longest waiting first; behind a time and a number of places.
fn needing(all: &[Referral], wanted: &Needing, start: usize, limit: usize) -> Vec<Referral> {
    let now = canonical::instant(wanted.now);
    let behind = wanted.since.map(canonical::instant).filter(|_| start > 0).map(|since| (since, start));
    let mut found: Vec<_> = (1..)
        .zip(all)
        .filter(|(_, one)| one.compartment.tenant == wanted.tenant && one.compartment.owner == wanted.owner)
        .filter_map(|(place, one)| Some((place, one, Needs::of(one)?)))
        .filter(|(place, _, needs)| {
            needs.group(now) == wanted.group && behind.is_none_or(|behind| (needs.since, *place) > behind)
        })
        .collect();
    found.sort_by_key(|(place, _, needs)| (needs.since, *place));
    found.into_iter().take(limit).map(|(_, one, _)| one.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::MemoryStore;
    use crate::store::{Store, suite};
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_model_keeps_every_rule() {
        suite::run_all(|| async { Arc::new(MemoryStore::new()) as Arc<dyn Store> }).await;
    }
}
