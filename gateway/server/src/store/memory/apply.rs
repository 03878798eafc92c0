//! Applies a transaction to the model: everything that can refuse comes first, so that what follows cannot fail half-way.

use super::state::{KeptReport, KeptRow, State};
use super::{notices, search};
use crate::store::canonical::MATCHES_NAMED;
use crate::store::chain::{Content, Link};
use crate::store::{CommitError, StoreError};
use gateway_core::account::SignIn;
use gateway_core::change::{AuditRecord, Change, Check, CheckFailure, Removed, ReportRecord, Transaction};
use gateway_core::outbox::{OutboxRow, OutboxState};
use gateway_core::referral::{Referral, ReferralId};
use gateway_core::resource::ResourceVersion;
use gateway_core::status_link::StatusLink;
use gateway_core::subject::{Domain, Erasure, Subject, SubjectId};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Wholly or not at all.
pub(super) fn commit(state: &mut State, transaction: Transaction) -> Result<(), CommitError> {
    for check in &transaction.checks {
        holds(state, check)?;
    }
    follows(state, &transaction.changes)?;
    for change in transaction.changes {
        apply(state, change);
    }
    Ok(())
}

fn holds(state: &State, check: &Check) -> Result<(), CheckFailure> {
    match check {
        Check::Unseen { tenant, client, request_id } => {
            match state.answers.get(&(tenant.clone(), client.clone(), request_id.clone())) {
                Some(answer) => Err(CheckFailure::Seen(Box::new(answer.clone()))),
                None => Ok(()),
            }
        }
        Check::NoMatch { compartment, kind, tokens } => {
            let found: Vec<_> = state
                .current()
                .filter(|(_, row)| row.key.compartment == *compartment && row.key.kind == *kind)
                .filter(|(_, row)| tokens.iter().all(|token| search::carries(row, token)))
                .map(|(_, row)| row.key.id.clone())
                .take(MATCHES_NAMED as usize)
                .collect();
            if found.is_empty() { Ok(()) } else { Err(CheckFailure::Matches(found)) }
        }
        Check::LeaseHeld { outbox, fence } => lease(state, outbox, *fence, true),
        Check::NotLeased { outbox, fence } => lease(state, outbox, *fence, false),
        Check::VersionIs { key, version } => {
            let current = state.version(key);
            if current == *version { Ok(()) } else { Err(CheckFailure::Version(current)) }
        }
        Check::These { compartment, kind, any_of, read } => {
            let found: BTreeMap<String, u64> = state
                .current()
                .filter(|(_, row)| row.key.compartment == *compartment && row.key.kind == *kind)
                .filter(|(_, row)| any_of.iter().any(|token| search::carries(row, token)))
                .map(|(_, row)| (row.key.id.clone(), row.version))
                .collect();
            if found == *read { Ok(()) } else { Err(CheckFailure::Changed) }
        }
    }
}

fn lease(state: &State, outbox: &str, fence: u64, leased: bool) -> Result<(), CheckFailure> {
    let kept = state.outbox.iter().map(|kept| &kept.row).find(|row| row.id == outbox);
    let holds = kept.is_some_and(|row| row.fence == fence && (row.state == OutboxState::Leased) == leased);
    if holds { Ok(()) } else { Err(CheckFailure::LeaseLost) }
}

/// Versions, revisions and ids, counting in what the same transaction writes before.
fn follows(state: &State, changes: &[Change]) -> Result<(), CommitError> {
    let mut versions = HashMap::new();
    let mut revisions = HashMap::new();
    let mut raw = HashSet::new();
    let mut subjects = HashMap::new();
    let mut firsts = HashMap::new();
    let mut links = state.links.clone();
    let mut kept = state.notices.clone();
    let mut accounts = HashMap::new();
    let mut sign_ins: HashMap<&str, u64> = HashMap::new();
    let mut erased: HashSet<&Subject> = state.erased.keys().collect();
    let taken = |subject: Option<&Subject>, erased: &HashSet<&Subject>| match subject {
        Some(subject) if erased.contains(subject) => Err(CheckFailure::Erased),
        _ => Ok(()),
    };
    for change in changes {
        match change {
            Change::Erase { subject, .. } => {
                if !state.erased.contains_key(subject) {
                    links.retain(|link| !is_about(state, &subjects, link, subject));
                }
                erased.insert(subject);
            }
            Change::Remove(removed) => {
                links.retain(|link| !removed.contains(&Removed::Link(link.id.clone())));
                notices::remove(&mut kept, removed);
                sign_ins.extend(removed.iter().filter_map(|one| match one {
                    Removed::SignIn(key) => Some((key.as_str(), 0)),
                    _ => None,
                }));
            }
            Change::Received(received) => taken(received.subject.as_ref(), &erased)?,
            Change::RememberAnswer(answer) => taken(answer.subject.as_ref(), &erased)?,
            Change::RecordReport(report) => {
                let standing = report.referral.as_ref().and_then(|id| {
                    let kept = || state.referrals.iter().find(|kept| kept.id == *id)?.subject.clone();
                    subjects.get(id).cloned().unwrap_or_else(kept)
                });
                taken(standing.as_ref().map(Subject::record).as_ref(), &erased)?;
            }
            Change::PutResource(resource) => {
                let current = versions.entry(&resource.key).or_insert_with(|| state.version(&resource.key));
                if current.checked_add(1) != Some(resource.version) {
                    return Err(CheckFailure::Version(*current).into());
                }
                *current = resource.version;
                let first = firsts.entry(&resource.key).or_insert_with(|| {
                    state
                        .versions(&resource.key)
                        .first()
                        .map_or(resource.subject.as_ref(), |first| first.subject.as_ref())
                });
                taken(*first, &erased)?;
            }
            Change::PutReferral(referral) => {
                let current = revisions.entry(&referral.id).or_insert_with(|| {
                    state.referrals.iter().find(|kept| kept.id == referral.id).map_or(0, |kept| kept.revision)
                });
                if current.checked_add(1) != Some(referral.revision) {
                    return Err(CheckFailure::Revision(*current).into());
                }
                *current = referral.revision;
                subjects.insert(&referral.id, referral.subject.clone());
            }
            Change::PutLink(link) => {
                let place = links.iter().position(|kept| kept.id == link.id);
                let current = place.and_then(|place| links.get(place)).map_or(0, |kept| kept.revision);
                if current.checked_add(1) != Some(link.revision) {
                    return Err(CheckFailure::Revision(current).into());
                }
                place.map(|place| links.remove(place));
                if links.iter().any(|kept| opens_the_same(kept, link)) {
                    return Err(StoreError::Engine("a status link's secret was used twice".to_owned()).into());
                }
                links.push((**link).clone());
            }
            Change::PutNotice(notice) => notices::follows(&mut kept, notice)?,
            Change::PutAccount(account) => {
                let current = accounts.entry(&account.id).or_insert_with(|| {
                    state.accounts.iter().find(|kept| kept.id == account.id).map_or(0, |kept| kept.revision)
                });
                if current.checked_add(1) != Some(account.revision) {
                    return Err(CheckFailure::Revision(*current).into());
                }
                *current = account.revision;
            }
            Change::PutSignIn(sign_in) => {
                let current = sign_ins
                    .entry(sign_in.key())
                    .or_insert_with(|| state.sign_ins.get(sign_in.key()).map_or(0, SignIn::revision));
                if current.checked_add(1) != Some(sign_in.revision()) {
                    return Err(CheckFailure::Revision(*current).into());
                }
                *current = sign_in.revision();
            }
            Change::ReceiveReport(report)
                if !raw.insert(&report.id) || state.raw_reports.iter().any(|kept| kept.report.id == report.id) =>
            {
                return Err(StoreError::Engine("a raw report's id was used twice".to_owned()).into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether what opens one link, or goes on with it, does so with the other.
fn opens_the_same(one: &StatusLink, other: &StatusLink) -> bool {
    one.secret_sha256 == other.secret_sha256 || one.session().is_some_and(|session| other.session() == Some(session))
}

/// Whether a link is about a referral of this subject. `written` are referrals that the same transaction writes before.
fn is_about(
    state: &State,
    written: &HashMap<&ReferralId, Option<SubjectId>>,
    link: &StatusLink,
    subject: &Subject,
) -> bool {
    let kept = || state.referrals.iter().find(|kept| kept.id == link.referral).and_then(|kept| kept.subject.clone());
    let of = written.get(&link.referral).cloned().unwrap_or_else(kept);
    subject.domain == Domain::Record && of.as_ref() == Some(&subject.id)
}

fn apply(state: &mut State, change: Change) {
    match change {
        Change::Received(received) => {
            state.received_last += 1;
            state.received.insert(state.received_last, received);
        }
        Change::PutResource(resource) => put_resource(state, resource),
        Change::PutReferral(referral) => put_referral(state, *referral),
        Change::PutOutbox(row) => put_outbox(state, *row),
        Change::DropOutbox(id) => {
            let waiting = |kept: &&mut KeptRow| kept.row.id == id && kept.row.state == OutboxState::Ready;
            if let Some(kept) = state.outbox.iter_mut().find(waiting) {
                (kept.row.state, kept.due) = (OutboxState::Dropped, None);
            }
        }
        Change::PutAttempt(attempt) => {
            state.attempts.insert((attempt.outbox.clone(), attempt.number), attempt);
        }
        Change::ReceiveReport(report) => state.raw_reports.push(KeptReport { report, read: false, fault: None }),
        Change::ReadingBegun { id, begun } => {
            if let Some(kept) = state.raw_reports.iter_mut().find(|kept| kept.report.id == id) {
                kept.report.begun = kept.report.begun.max(begun);
            }
        }
        Change::ReportRead { id, fault, about } => {
            state.about.extend(about.into_iter().map(|referral| (referral, id.clone())));
            if let Some(kept) = state.raw_reports.iter_mut().find(|kept| kept.report.id == id) {
                kept.read = true;
                kept.fault = fault;
            }
        }
        Change::RecordReport(report) => record_report(state, *report),
        Change::DisposeReport { id, disposition } => {
            if let Some(report) = state.reports.iter_mut().find(|report| report.id == id) {
                report.disposition = disposition;
            }
        }
        Change::PutLink(link) => match state.links.iter_mut().find(|kept| kept.id == link.id) {
            Some(kept) => *kept = *link,
            None => state.links.push(*link),
        },
        Change::PutAccount(account) => match state.accounts.iter_mut().find(|kept| kept.id == account.id) {
            Some(kept) => *kept = *account,
            None => state.accounts.push(*account),
        },
        Change::PutSignIn(sign_in) => {
            state.sign_ins.insert(sign_in.key().to_owned(), sign_in);
        }
        Change::PutCursor { platform, cursor } => {
            state.cursors.insert(platform, cursor);
        }
        Change::RememberAnswer(answer) => {
            let key = (answer.tenant.clone(), answer.client.clone(), answer.request_id.clone());
            state.answers.insert(key, answer);
        }
        Change::Feed(fed) => notices::feed(state, fed),
        Change::PutNotice(notice) => notices::write(state, *notice),
        Change::Audit(line) => audit(state, line),
        Change::Erase { subject, erasure } => erase(state, subject, erasure),
        Change::Remove(removed) => removed.into_iter().for_each(|one| remove(state, one)),
    }
}

/// Behind the last line of its tenant.
fn audit(state: &mut State, line: AuditRecord) {
    let last = state.audit.iter().rev().find(|(_, kept)| kept.tenant == line.tenant);
    let last = last.map_or_else(Link::default, |(link, _)| *link);
    state.audit.push((with_content(&line, |content| last.next(&line.tenant, content)), line));
}

/// Hands over a line's content as other engines keep it.
pub(super) fn with_content<T>(line: &AuditRecord, work: impl FnOnce(&Content<'_>) -> T) -> T {
    let at = i64::try_from(line.at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
    let detail = line.detail.to_string();
    work(&Content {
        at,
        actor: line.actor.as_bytes(),
        action: line.action.as_bytes(),
        referral: line.referral.as_ref().map(|referral| referral.0.as_bytes()),
        detail: detail.as_bytes(),
    })
}

/// What the embedded store can no longer read is no longer there.
fn erase(state: &mut State, subject: Subject, erasure: Erasure) {
    if state.erased.contains_key(&subject) {
        return;
    }
    let here = |of: &Option<Subject>| of.as_ref() == Some(&subject);
    for row in state.resources.iter_mut().flatten().filter(|row| here(&row.subject)) {
        row.body.clear();
        row.tokens.clear();
    }
    state.received.retain(|_, row| !here(&row.subject));
    for answer in state.answers.values_mut().filter(|answer| here(&answer.subject)) {
        answer.body = None;
    }
    if subject.domain == Domain::Record {
        let of_subject = |row: &&Referral| row.subject.as_ref() == Some(&subject.id);
        let referrals: HashSet<&ReferralId> = state.referrals.iter().filter(of_subject).map(|row| &row.id).collect();
        state.reports.retain(|report| report.referral.as_ref().is_none_or(|id| !referrals.contains(id)));
        let told: HashSet<String> =
            state.about.iter().filter(|(id, _)| referrals.contains(id)).map(|(_, raw)| raw.clone()).collect();
        state.raw_reports.retain(|kept| !told.contains(&kept.report.id));
        state.about.retain(|(id, _)| !referrals.contains(id));
        state.links.retain(|link| !referrals.contains(&link.referral));
    }
    state.erased.insert(subject, erasure);
}

fn remove(state: &mut State, removed: Removed) {
    match removed {
        Removed::Received(place) => {
            state.received.remove(&place);
        }
        Removed::Answer { tenant, client, request_id } => {
            state.answers.remove(&(tenant, client, request_id));
        }
        Removed::RawReport(id) => state.raw_reports.retain(|kept| kept.report.id != id),
        Removed::Link(id) => state.links.retain(|kept| kept.id != id),
        Removed::Fed(place) => {
            state.feed.remove(&place);
        }
        notice @ Removed::Notice(_) => notices::remove(&mut state.notices, &[notice]),
        Removed::SignIn(key) => {
            state.sign_ins.remove(&key);
        }
        Removed::Report(id) => state.reports.retain(|kept| kept.id != id),
    }
}

/// The subject of the first version counts.
fn put_resource(state: &mut State, mut resource: ResourceVersion) {
    if let Some(first) = state.versions(&resource.key).first() {
        resource.subject = first.subject.clone();
    }
    let at = *state.resource_index.entry(resource.key.clone()).or_insert(state.resources.len());
    match state.resources.get_mut(at) {
        Some(versions) => versions.push(resource),
        None => state.resources.push(vec![resource]),
    }
}

fn put_referral(state: &mut State, referral: Referral) {
    match state.referrals.iter_mut().find(|kept| kept.id == referral.id) {
        Some(kept) => *kept = referral,
        None => state.referrals.push(referral),
    }
}

fn put_outbox(state: &mut State, row: OutboxRow) {
    let kept = state.outbox.iter_mut().find(|kept| kept.row.id == row.id);
    let lease = kept.as_ref().filter(|kept| kept.row.state == OutboxState::Leased).and_then(|kept| kept.due);
    let due = match row.state {
        OutboxState::Ready => Some(row.not_before),
        OutboxState::Leased => lease.or(Some(row.not_before)),
        OutboxState::Held | OutboxState::Done | OutboxState::Dead | OutboxState::Dropped => None,
    };
    match kept {
        Some(kept) => *kept = KeptRow { row, due },
        None => state.outbox.push(KeptRow { row, due }),
    }
}

fn same_statement(kept: &ReportRecord, report: &ReportRecord) -> bool {
    kept.platform == report.platform
        && kept.platform_referral() == report.platform_referral()
        && kept.report.event == report.report.event
}

fn record_report(state: &mut State, report: ReportRecord) {
    if state.reports.iter().any(|kept| kept.id != report.id && same_statement(kept, &report)) {
        return;
    }
    match state.reports.iter_mut().find(|kept| kept.id == report.id) {
        Some(kept) => *kept = report,
        None => state.reports.push(report),
    }
}
