//! The keys that bodies are sealed with: found, made when first needed, destroyed.

use super::fault::Fault;
use super::put;
use super::sql::{Bind as _, ask, one, run};
use crate::store::blind::{Blind, NAME};
use crate::store::holder::{Holder, Known};
use crate::store::rows::{Columns as _, an_erasure};
use crate::store::seal::{Key, new_key};
use crate::store::statements::{ERASURE, OF_REFERRALS};
use crate::store::values::{micros, unreadable};
use gateway_core::change::CheckFailure;
use gateway_core::identity::PlatformId;
use gateway_core::referral::ReferralId;
use gateway_core::resource::ResourceKey;
use gateway_core::subject::{Domain, Erasure, Subject};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// The key that hides the values of tokens.
pub(super) async fn blind(on: &mut PgConnection) -> Result<Blind, Fault> {
    let sql = "SELECT key FROM subject_key WHERE subject = ?1 AND domain = ?2";
    let bytes = one(on, ask(sql).text(NAME.0).text(NAME.1), |row| Ok(row.bytes(0)?.to_vec())).await?;
    Ok(Blind::new(&bytes.ok_or_else(|| unreadable("key"))?))
}

/// Makes that key, if there is none yet. The caller holds the lock of the writer.
pub(super) async fn prepare_blind(on: &mut PgConnection) -> Result<(), Fault> {
    let holder = Holder(NAME.0.to_owned(), NAME.1);
    find(on, &holder, OffsetDateTime::UNIX_EPOCH).await.map(|_| ())
}

/// The holder of a statement's body.
pub(super) async fn of_statement(
    on: &mut PgConnection,
    referral: Option<&ReferralId>,
    platform: &PlatformId,
) -> Result<Holder, Fault> {
    let subject = match referral {
        None => None,
        Some(id) => {
            let subject = ask("SELECT subject FROM referral WHERE id = ?1").text(&id.0);
            one(on, subject, |row| row.text_or_null(0)).await?.flatten()
        }
    };
    Ok(Holder::of_statement(subject, platform))
}

/// The key of a holder, made if there is none.
///
/// # Errors
/// [`CheckFailure::Erased`] if it was destroyed.
pub(super) async fn find(on: &mut PgConnection, holder: &Holder, at: OffsetDateTime) -> Result<Known, Fault> {
    let sql = "SELECT id, key FROM subject_key WHERE subject = ?1 AND domain = ?2";
    let standing = one(on, ask(sql).text(&holder.0).text(holder.1), |row| {
        Ok((row.integer(0)?, row.bytes_or_null(1)?.map(Key::read).transpose()?))
    });
    match standing.await? {
        Some((id, Some(key))) => Ok(Known { id, key }),
        Some((_, None)) => Err(CheckFailure::Erased.into()),
        None => {
            let bytes = new_key()?;
            let sql = "WITH p AS (UPDATE last_place SET last = last + 1 WHERE name = 'subject_key' RETURNING last)
                INSERT INTO subject_key (id, subject, domain, key, made) SELECT last, ?1, ?2, ?3, ?4 FROM p RETURNING id";
            let made = ask(sql).text(&holder.0).text(holder.1).bytes(&bytes).number(micros(at)?);
            let id = one(on, made, |row| row.integer(0)).await?.ok_or_else(|| unreadable("key"))?;
            Ok(Known { id, key: Key::read(&bytes)? })
        }
    }
}

/// The key of this number.
///
/// # Errors
/// [`CheckFailure::Erased`] if it was destroyed.
pub(super) async fn numbered(on: &mut PgConnection, id: i64) -> Result<Known, Fault> {
    let key = one(on, ask("SELECT key FROM subject_key WHERE id = ?1").number(id), |row| {
        row.bytes_or_null(0)?.map(Key::read).transpose()
    });
    match key.await?.flatten() {
        Some(key) => Ok(Known { id, key }),
        None => Err(CheckFailure::Erased.into()),
    }
}

/// Destroys a subject's key, removes what finds and what repeats its contents.
pub(super) async fn destroy(on: &mut PgConnection, subject: &Subject, erasure: &Erasure) -> Result<(), Fault> {
    let (at, cause) = (micros(erasure.at)?, erasure.cause.word());
    let (id, domain) = (&subject.id.0, subject.domain.word());
    let sql = "SELECT id, destroyed FROM subject_key WHERE subject = ?1 AND domain = ?2";
    let standing =
        one(on, ask(sql).text(id).text(domain), |row| Ok((row.integer(0)?, row.integer_or_null(1)?))).await?;
    if let Some((_, Some(_))) = standing {
        return Ok(());
    }
    if subject.domain == Domain::Record {
        for sql in OF_REFERRALS {
            run(on, ask(sql).text(id)).await?;
        }
    }
    let Some((number, _)) = standing else {
        // Nothing was ever sealed: that it is erased still holds.
        let sql = "WITH p AS (UPDATE last_place SET last = last + 1 WHERE name = 'subject_key' RETURNING last)
            INSERT INTO subject_key (id, subject, domain, made, destroyed, cause) SELECT last, ?1, ?2, ?3, ?3, ?4 FROM p";
        return run(on, ask(sql).text(id).text(domain).number(at).text(cause)).await;
    };
    // The tokens stand in the bodies, which nobody can read afterwards.
    put::forget_tokens(on, number).await?;
    run(on, ask("UPDATE resource_current SET erased = 1 WHERE sealed_by = ?1").number(number)).await?;
    run(on, ask("DELETE FROM received WHERE sealed_by = ?1").number(number)).await?;
    let sql = "UPDATE subject_key SET key = NULL, destroyed = ?2, cause = ?3 WHERE id = ?1";
    run(on, ask(sql).number(number).number(at).text(cause)).await
}

/// When and why a resource was erased.
pub(super) async fn erasure(on: &mut PgConnection, key: &ResourceKey) -> Result<Option<Erasure>, Fault> {
    let compartment = &key.compartment;
    let sql = ask(ERASURE).text(&compartment.tenant.0).text(&compartment.owner.key()).text(&key.kind).text(&key.id);
    one(on, sql, |row| an_erasure(row, 0)).await
}
