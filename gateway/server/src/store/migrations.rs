//! Migrations: numbered files that only ever grow in number. Each one applied is recorded with its SHA-256, so that an
//! edited old file is noticed, and a store that a newer gateway wrote is refused instead of misread. What applies them is
//! the engine's.

use super::StoreError;
use super::digest::hex;
use sha2::{Digest as _, Sha256};

/// Refuses a store whose migrations are not ours, in order. `mend` says how to begin anew.
pub(super) fn known(applied: &[String], migrations: &[&str], mend: &str) -> Result<(), StoreError> {
    // Before the count: an unreleased build may have had more migrations, and is no newer gateway.
    for (number, (sql, known)) in (1..).zip(migrations.iter().zip(applied)) {
        if checksum(sql) != *known {
            return Err(StoreError::Engine(format!(
                "migration {number} is not the one that the store was made with: an unreleased build of this gateway made \
                 it, and no other can read it. {mend}"
            )));
        }
    }
    if applied.len() > migrations.len() {
        return Err(StoreError::Engine(format!(
            "the store has schema {}, this gateway knows {}: it was written by a newer gateway",
            applied.len(),
            migrations.len()
        )));
    }
    Ok(())
}

/// What is recorded of a migration.
pub(super) fn checksum(sql: &str) -> String {
    hex(&Sha256::digest(sql))
}
