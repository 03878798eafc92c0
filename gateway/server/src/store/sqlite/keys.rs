//! The keys that bodies are sealed with: found, made when first needed, destroyed.

use super::rows::{micros, time};
use super::seal::{self, Key};
use super::{put, reads};
use crate::store::{CommitError, StoreError};
use gateway_core::change::CheckFailure;
use gateway_core::identity::{PlatformId, TenantId};
use gateway_core::referral::ReferralId;
use gateway_core::resource::ResourceKey;
use gateway_core::subject::{Cause, Domain, Erasure, Subject, SubjectId};
use rusqlite::{Connection, OptionalExtension as _, Row};
use time::OffsetDateTime;

/// Domain of the keys of tenants and platforms.
const SHARED: &str = "shared";

/// Under what a body is sealed.
pub(super) struct Holder(String, &'static str);

impl Holder {
    /// A person's, or else the tenant's.
    pub(super) fn of(subject: Option<&Subject>, tenant: &TenantId) -> Self {
        match subject {
            Some(subject) => Self(subject.id.0.clone(), subject.domain.word()),
            None => Self(format!("tenant/{}", tenant.0), SHARED),
        }
    }

    /// A platform's.
    pub(super) fn platform(platform: &PlatformId) -> Self {
        Self(format!("platform/{}", platform.0), SHARED)
    }

    /// That of the person whose referral it is; of a statement without one the platform's.
    pub(super) fn of_statement(
        file: &Connection,
        referral: Option<&ReferralId>,
        platform: &PlatformId,
    ) -> Result<Self, StoreError> {
        let subject: Option<String> = match referral {
            None => None,
            Some(id) => file
                .prepare_cached("SELECT subject FROM referral WHERE id = ?1")?
                .query_row([&id.0], |row| row.get(0))
                .optional()?
                .flatten(),
        };
        Ok(subject.map_or_else(|| Self::platform(platform), |id| Self(id, Domain::Record.word())))
    }
}

/// A key with the number by which rows name it.
pub(super) struct Known {
    pub(super) id: i64,
    pub(super) key: Key,
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

/// A key that stands in a column; `None` once it was destroyed.
pub(super) fn column(row: &Row<'_>, column: usize) -> Result<Option<Key>, StoreError> {
    row.get_ref(column)?.as_blob_or_null().map_err(|_| super::errors::unreadable("key"))?.map(Key::read).transpose()
}

/// The subject that stands in two columns; `None` for a tenant or platform.
pub(super) fn subject(row: &Row<'_>, column: usize) -> Result<Option<Subject>, StoreError> {
    let id: String = row.get(column)?;
    let domain = Domain::from_word(super::rows::text(row, column + 1)?);
    Ok(domain.map(|domain| Subject { id: SubjectId(id), domain }))
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

/// Statements on a subject's referrals, pushes that speak of them, and the rows that say so.
pub(super) const OF_REFERRALS: [&str; 3] = [
    "DELETE FROM report WHERE referral IN (SELECT id FROM referral WHERE subject = ?1)",
    "DELETE FROM raw_report WHERE id IN (
        SELECT a.raw FROM referral f CROSS JOIN raw_report_about a ON a.referral = f.id WHERE f.subject = ?1)",
    "DELETE FROM raw_report_about WHERE referral IN (SELECT id FROM referral WHERE subject = ?1)",
];

/// When and why a resource was erased.
pub(super) const ERASURE: &str = "SELECT k.destroyed, k.cause
    FROM resource_current c CROSS JOIN subject_key k ON k.id = c.sealed_by
    WHERE c.tenant = ?1 AND c.owner = ?2 AND c.kind = ?3 AND c.id = ?4 AND c.erased = 1";

pub(super) fn erasure(file: &Connection, key: &ResourceKey) -> Result<Option<Erasure>, StoreError> {
    let params = (&key.compartment.tenant.0, key.compartment.owner.key(), &key.kind, &key.id);
    Ok(reads::all(file, ERASURE, params, |row| an_erasure(row, 0))?.pop())
}

/// Reads `destroyed, cause`.
pub(super) fn an_erasure(row: &Row<'_>, column: usize) -> Result<Erasure, StoreError> {
    let cause = Cause::from_word(super::rows::text(row, column + 1)?);
    Ok(Erasure { at: time(row.get(column)?)?, cause: cause.ok_or_else(|| super::errors::unreadable("cause"))? })
}
