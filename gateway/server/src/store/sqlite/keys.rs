//! The keys that bodies are sealed with: found, made when first needed, destroyed.

use super::rows::{an_erasure, micros};
use super::{put, reads};
pub(super) use crate::store::holder::{Holder, Known};
use crate::store::seal::{self, Key};
pub(super) use crate::store::statements::{ERASURE, OF_REFERRALS};
use crate::store::{CommitError, StoreError};
use gateway_core::change::CheckFailure;
use gateway_core::identity::PlatformId;
use gateway_core::referral::ReferralId;
use gateway_core::resource::ResourceKey;
use gateway_core::subject::{Domain, Erasure, Subject};
use rusqlite::{Connection, OptionalExtension as _};
use time::OffsetDateTime;

/// The holder of a statement's body.
pub(super) fn of_statement(
    file: &Connection,
    referral: Option<&ReferralId>,
    platform: &PlatformId,
) -> Result<Holder, StoreError> {
    let subject: Option<String> = match referral {
        None => None,
        Some(id) => file
            .prepare_cached("SELECT subject FROM referral WHERE id = ?1")?
            .query_row([&id.0], |row| row.get(0))
            .optional()?
            .flatten(),
    };
    Ok(Holder::of_statement(subject, platform))
}

/// The key of a holder, made if there is none.
///
/// # Errors
/// [`CheckFailure::Erased`] if it was destroyed.
pub(super) fn find(file: &Connection, holder: &Holder, at: OffsetDateTime) -> Result<Known, CommitError> {
    let standing: Option<(i64, Option<Vec<u8>>)> = file
        .prepare_cached("SELECT id, key FROM subject_key WHERE subject = ?1 AND domain = ?2")?
        .query_row((&holder.0, holder.1), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match standing {
        Some((id, Some(bytes))) => Ok(Known { id, key: Key::read(&bytes)? }),
        Some((_, None)) => Err(CheckFailure::Erased.into()),
        None => {
            let bytes = seal::new_key()?;
            file.prepare_cached("INSERT INTO subject_key (subject, domain, key, made) VALUES (?1, ?2, ?3, ?4)")?
                .execute((&holder.0, holder.1, &bytes, micros(at)?))?;
            Ok(Known { id: file.last_insert_rowid(), key: Key::read(&bytes)? })
        }
    }
}

/// The key of this number.
///
/// # Errors
/// [`CheckFailure::Erased`] if it was destroyed.
pub(super) fn numbered(file: &Connection, id: i64) -> Result<Known, CommitError> {
    let bytes: Option<Vec<u8>> =
        file.prepare_cached("SELECT key FROM subject_key WHERE id = ?1")?.query_row([id], |row| row.get(0))?;
    match bytes {
        Some(bytes) => Ok(Known { id, key: Key::read(&bytes)? }),
        None => Err(CheckFailure::Erased.into()),
    }
}

/// Destroys a subject's key, removes what finds and what repeats its contents.
pub(super) fn destroy(file: &Connection, subject: &Subject, erasure: &Erasure) -> Result<(), CommitError> {
    let at = micros(erasure.at)?;
    let name = (&subject.id.0, subject.domain.word());
    let standing: Option<(i64, bool)> = file
        .prepare_cached("SELECT id, destroyed IS NULL FROM subject_key WHERE subject = ?1 AND domain = ?2")?
        .query_row(name, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((_, false)) = standing {
        return Ok(());
    }
    if subject.domain == Domain::Record {
        for sql in OF_REFERRALS {
            file.prepare_cached(sql)?.execute([&subject.id.0])?;
        }
    }
    let Some((id, _)) = standing else {
        // Nothing was ever sealed: that it is erased still holds.
        file.prepare_cached(
            "INSERT INTO subject_key (subject, domain, made, destroyed, cause) VALUES (?1, ?2, ?3, ?3, ?4)",
        )?
        .execute((name.0, name.1, at, erasure.cause.word()))?;
        return Ok(());
    };
    // The tokens stand in the bodies, which nobody can read afterwards.
    put::forget_tokens(file, id)?;
    file.prepare_cached("UPDATE resource_current SET erased = 1 WHERE sealed_by = ?1")?.execute([id])?;
    file.prepare_cached("DELETE FROM received WHERE sealed_by = ?1")?.execute([id])?;
    file.prepare_cached("UPDATE subject_key SET key = NULL, destroyed = ?2, cause = ?3 WHERE id = ?1")?.execute((
        id,
        at,
        erasure.cause.word(),
    ))?;
    Ok(())
}

pub(super) fn erasure(file: &Connection, key: &ResourceKey) -> Result<Option<Erasure>, StoreError> {
    let params = (&key.compartment.tenant.0, key.compartment.owner.key(), &key.kind, &key.id);
    Ok(reads::all(file, ERASURE, params, |row| an_erasure(row, 0))?.pop())
}
