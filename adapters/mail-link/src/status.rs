//! What words mean: the table of `adapter.toml`.

use crate::descriptor;
use adapter_contract::{Concept, IdempotencyKey, PlatformOrder, PlatformReferralId, StatusReport};

/// Business-status of a word that the table does not have.
const UNMAPPED: &str = "unmapped";

/// A statement that says no more than a word; who makes it adds the rest.
pub(crate) fn statement(word: &str, referral: PlatformReferralId, key: IdempotencyKey, event: String) -> StatusReport {
    let row = descriptor().statuses.iter().find(|row| row.platform == word);
    StatusReport {
        platform_referral: referral,
        key: Some(key),
        event,
        order: PlatformOrder { version: None, instant: None },
        platform_status: Concept { code: Some(word.to_owned()), ..Concept::default() },
        status: row.and_then(|row| row.status),
        business_status: row.map_or(UNMAPPED, |row| row.business_status.as_str()).to_owned(),
        reason: None,
        outputs: Vec::new(),
    }
}
