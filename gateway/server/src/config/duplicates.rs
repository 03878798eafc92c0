//! `[duplicates]`: what is done where a service has a referral like a new one already.

use gateway_core::duplicate::{Mode, Policy};
use gateway_core::identity::TenantId;
use serde::Deserialize;
use std::collections::BTreeSet;

/// `[duplicates]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DuplicatesSection {
    /// Whether a duplicate waits for its sender (`hold`), is told in a preview and on record (`tell`), or is not looked for (`off`).
    pub mode: Mode,
    /// So many days in London a referral counts.
    pub within_days: u16,
    /// Tenants one of whose organisations may learn that a service has a referral of another's, and nothing else of it.
    pub other_organisations: BTreeSet<TenantId>,
}

impl Default for DuplicatesSection {
    fn default() -> Self {
        let usual = Policy::default();
        Self { mode: Mode::Tell, within_days: usual.within_days, other_organisations: usual.organisations }
    }
}

impl DuplicatesSection {
    /// As the decision reads it.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy { mode: self.mode, within_days: self.within_days, organisations: self.other_organisations.clone() }
    }
}
