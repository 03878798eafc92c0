//! Redrive, with effects: finds the dead letters that are meant, has consent decided and `gateway-core` say what becomes of
//! each, commits one by one.

use crate::gateway::{Gateway, is_race};
use crate::store::{CommitError, StoreError};
use crate::view::{View, ViewError};
use gateway_core::classify::failure_word;
use gateway_core::consent::Decision;
use gateway_core::identity::{Owner, PlatformId, TenantId};
use gateway_core::outbox::OutboxRow;
use gateway_core::redrive::{Redriving, Stays, redrive};
use gateway_core::referral::Referral;
use std::collections::BTreeSet;

/// Dead letters that are looked at together.
const PAGE: u32 = 200;

/// Which dead letters are meant, and how.
pub(crate) struct Wanted {
    /// Of this customer.
    pub(crate) tenant: TenantId,
    /// Only of these Tasks, by id; empty = of all.
    pub(crate) tasks: BTreeSet<String>,
    /// Only at this platform.
    pub(crate) platform: Option<PlatformId>,
    /// Only after this failure, by its [word](failure_word).
    pub(crate) cause: Option<String>,
    /// After how many attempts somebody asked the organisation, and it did not have the one that is meant.
    pub(crate) asked: Option<u32>,
    /// Whether nothing is to be written.
    pub(crate) dry_run: bool,
    /// Only behind this place.
    pub(crate) after: u64,
    /// At most so many.
    pub(crate) limit: usize,
    /// Who does it, as audit names it.
    pub(crate) author: String,
}

/// What became, or would become, of one dead letter.
pub(crate) struct Line {
    /// Its place among all dead letters.
    pub(crate) place: u64,
    /// The sender's Task.
    pub(crate) task: String,
    /// The sender's organisation.
    pub(crate) organisation: String,
    /// The row, as it was.
    pub(crate) row: OutboxRow,
    /// It goes on, or why it stays.
    pub(crate) outcome: Result<(), Stays>,
}

/// What came of it: a line for each, in order of place, and whether more are behind the last one.
pub(crate) struct Redriven {
    pub(crate) lines: Vec<Line>,
    pub(crate) more: bool,
}

/// Redrives what is wanted, each in a transaction of its own: one that stays hinders no other.
///
/// # Errors
/// When the store fails; what was redriven before stays so.
pub(crate) async fn run(gateway: &Gateway, wanted: &Wanted) -> Result<Redriven, StoreError> {
    let mut lines = Vec::new();
    let mut after = wanted.after;
    loop {
        let page = gateway.store.dead_letters(Some(&wanted.tenant), after, PAGE).await?;
        let full = page.len() == PAGE as usize;
        for (place, row) in page {
            if !is_meant(wanted, &row) {
                after = place;
                continue;
            }
            let Some(referral) = gateway.store.referral(&row.referral).await? else { continue };
            if !wanted.tasks.is_empty() && !wanted.tasks.contains(&referral.task) {
                after = place;
                continue;
            }
            if lines.len() == wanted.limit {
                return Ok(Redriven { lines, more: true });
            }
            after = place;
            let outcome = one(gateway, wanted, &row.id, &referral).await?;
            let organisation = match &referral.compartment.owner {
                Owner::Organisation(code) => code.clone(),
                Owner::Platform(platform) => platform.0.clone(),
            };
            lines.push(Line { place, task: referral.task, organisation, row, outcome });
        }
        if !full {
            return Ok(Redriven { lines, more: false });
        }
    }
}

fn is_meant(wanted: &Wanted, row: &OutboxRow) -> bool {
    let cause = row.last_failure.as_ref().map(|failure| failure_word(&failure.code));
    wanted.platform.as_ref().is_none_or(|platform| row.platform == *platform)
        && wanted.cause.as_ref().is_none_or(|wanted| cause.as_ref() == Some(wanted))
}

async fn one(
    gateway: &Gateway,
    wanted: &Wanted,
    row: &str,
    referral: &Referral,
) -> Result<Result<(), Stays>, StoreError> {
    if referral.erased.is_some() {
        return Ok(Err(Stays::Erased));
    }
    for _ in 0..=gateway.limits.conflict_retries {
        let view = match View::load(gateway, &referral.id).await {
            Ok(view) => view,
            Err(ViewError::Store(error)) => return Err(error),
            Err(ViewError::Erased) => return Ok(Err(Stays::Erased)),
            Err(ViewError::Missing(what)) => {
                return Err(StoreError::Engine(format!("a referral lacks its {what}")));
            }
        };
        // It is read again: somebody else may have been at it since the list was made.
        let rows = gateway.store.outbox(&referral.id).await?;
        let Some(row) = rows.into_iter().find(|one| one.id == row) else { return Ok(Err(Stays::NotDead)) };
        let Some(platform) = gateway.platform(&row.platform) else { return Ok(Err(Stays::NoPlatform)) };
        let (consent, unchanged): (Decision, _) = view.attempted(gateway, &platform).await?;
        let decided = redrive(&Redriving {
            referral: &view.standing.referral,
            row: &row,
            task: view.standing.task(),
            capabilities: platform.capabilities(),
            consent: &consent,
            asked: wanted.asked,
            schedule: &gateway.rules.schedule,
            author: &wanted.author,
            now: gateway.clock.now(),
        });
        let mut transaction = match decided {
            Ok(transaction) => transaction,
            Err(stays) => return Ok(Err(stays)),
        };
        if wanted.dry_run {
            return Ok(Ok(()));
        }
        transaction.checks.extend(unchanged);
        match gateway.commit(transaction).await {
            Ok(()) => return Ok(Ok(())),
            Err(CommitError::Store(error)) => return Err(error),
            Err(error) if is_race(&error) => {}
            Err(CommitError::Refused(_)) => break,
        }
    }
    Ok(Err(Stays::Busy))
}
