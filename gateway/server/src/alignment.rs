//! The alignment figure, with effects: reads what is on record, referral by referral, and lets `gateway-core` count it.

use crate::store::{ReferralFilter, Store, StoreError};
use gateway_core::alignment::{Known, Shown, Table, take};
use gateway_core::identity::TenantId;
use gateway_core::referral::Referral;
use gateway_core::resource::ResourceKey;
use gateway_core::task;

/// Referrals that are read together.
const PAGE: u32 = 200;

/// The figures of all referrals, or of one customer's.
///
/// # Errors
/// When the store cannot be read.
pub async fn table(store: &dyn Store, tenant: Option<&TenantId>) -> Result<Table, StoreError> {
    let mut table = Table::new();
    let mut filter = ReferralFilter { tenant: tenant.cloned(), limit: PAGE, ..ReferralFilter::default() };
    loop {
        let page = store.referrals(&filter).await?;
        for referral in page.iter().filter(|referral| referral.erased.is_none()) {
            let versions = versions(store, referral).await?;
            let reports = store.reports(&referral.id).await?;
            take(&mut table, &Known { referral, versions: &versions, reports: &reports });
        }
        if page.len() < PAGE as usize {
            return Ok(table);
        }
        filter.after = page.last().map(|referral| referral.id.clone());
    }
}

/// The versions of a referral's Task, the oldest first.
async fn versions(store: &dyn Store, referral: &Referral) -> Result<Vec<Shown>, StoreError> {
    let key =
        ResourceKey { compartment: referral.compartment.clone(), kind: "Task".to_owned(), id: referral.task.clone() };
    let mut history = store.history(&key).await?;
    history.reverse();
    let shown = history.iter().filter_map(|version| {
        let status = task::status(&crate::ingest::parse(version)?)?;
        Some(Shown { at: version.updated, status })
    });
    Ok(shown.collect())
}
