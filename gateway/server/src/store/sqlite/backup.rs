//! Copies of the file: taken while a gateway runs, looked over, and put back.
//!
//! A copy knows nothing of what happened after it. What it takes for waiting may be at its platform by then, so whatever is put
//! back says of each such errand that nobody knows, and the platform is asked before anything is sent again.

use super::rows::{body, integer};
use super::{chain, connect, hash, put, schema};
use crate::store::digest::hex;
use crate::store::lane::NOBODYS;
use crate::store::{AuditChain, CommitError, StoreError};
use gateway_core::change::AuditRecord;
use gateway_core::identity::{GATEWAY_AUTHOR, TenantId};
use gateway_core::outbox::OutboxRow;
use gateway_core::referral::Referral;
use gateway_core::status_link::{LinkState, StatusLink};
use rusqlite::{Connection, TransactionBehavior};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// A copy that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of the whole file, lower-case hex; it also stands in a file beside it, as `sha256sum --check` reads it.
    pub sha256: String,
}

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What is wrong, in words without patient data; empty if nothing is.
    pub faults: Vec<String>,
    /// The audit of each tenant.
    pub audit: Vec<AuditChain>,
    /// Whether there was a SHA-256 to compare with: only then a single changed byte is found wherever it is.
    pub had_sum: bool,
}

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Errands of each platform that may be at it by now.
    pub uncertain: BTreeMap<String, u64>,
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}

/// The mark of a file that was put back and whose gateway has not been told to go on.
#[must_use]
pub fn pause_mark(path: &Path) -> PathBuf {
    beside(path, ".paused")
}

fn failed(what: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Engine(format!("{}: {error}", what.display()))
}

/// Copies the file as it stands at one moment, also while a gateway writes to it. The copy holds no trace of what was erased.
///
/// # Errors
/// If there is no store, the copy exists already, or the disk fails; then nothing is left of it.
pub fn copy(path: &Path, to: &Path) -> Result<Copy, StoreError> {
    if !path.is_file() {
        return Err(StoreError::Engine(format!("there is no store at {}", path.display())));
    }
    if to.exists() {
        return Err(StoreError::Engine(format!("{} exists already: name another file", to.display())));
    }
    let partial = beside(to, ".partial");
    let written = write_copy(path, to, &partial);
    if written.is_err() {
        // Half a copy must not be taken for one; that it cannot be removed says nothing more.
        let _ = fs::remove_file(&partial);
    }
    written
}

fn write_copy(path: &Path, to: &Path, partial: &Path) -> Result<Copy, StoreError> {
    let file = connect::reader(path)?;
    schema::check(&file)?;
    // The copy is another file: this one is only read.
    file.pragma_update(None, "query_only", false)?;
    drop(connect::private(partial)?);
    let name = partial.to_str().ok_or_else(|| StoreError::Engine("the name of the copy is no text".to_owned()))?;
    file.execute("VACUUM INTO ?1", [name])?;
    drop(file);
    let copied = File::open(partial).and_then(|copied| copied.sync_all().map(|()| copied));
    let bytes = copied.and_then(|copied| copied.metadata()).map_err(|error| failed(partial, &error))?.len();
    let sha256 = sum(partial)?;
    let sums = beside(to, ".sha256");
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    fs::write(&sums, format!("{sha256}  {name}\n")).map_err(|error| failed(&sums, &error))?;
    fs::rename(partial, to).map_err(|error| failed(to, &error))?;
    sync_folder(to)?;
    Ok(Copy { bytes, sha256 })
}

fn sync_folder(file: &Path) -> Result<(), StoreError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(folder, &error))
}

fn sum(path: &Path) -> Result<String, StoreError> {
    let mut file = File::open(path).map_err(|error| failed(path, &error))?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(|error| failed(path, &error))? {
            0 => return Ok(hex(&digest.finalize())),
            read => digest.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// Looks over a file: its SHA-256 where one stands beside it, the engine's own structure, that everything in it can be read and
/// every seal holds, that columns say what the rows say, and the audit. A gateway may be running on it.
///
/// # Errors
/// If it is no store of this gateway at all, or cannot be read from the disk.
pub fn check(path: &Path) -> Result<Checked, StoreError> {
    if !path.is_file() {
        return Err(StoreError::Engine(format!("there is no store at {}", path.display())));
    }
    let mut faults = Vec::new();
    let sums = beside(path, ".sha256");
    let had_sum = sums.is_file();
    if had_sum {
        let expected = fs::read_to_string(&sums).map_err(|error| failed(&sums, &error))?;
        if expected.split_whitespace().next() != Some(sum(path)?.as_str()) {
            faults.push(format!(
                "its SHA-256 is not the one in {}: bytes have changed since it was taken",
                sums.display()
            ));
        }
    }
    let file = connect::reader(path)?;
    let mut audit = Vec::new();
    match look_over(&file, &mut faults) {
        Ok(chains) => audit = chains,
        // What cannot be read is a fault of the file, as long as the engine opened it.
        Err(error) => faults.push(error.to_string()),
    }
    Ok(Checked { faults, audit, had_sum })
}

fn look_over(file: &Connection, faults: &mut Vec<String>) -> Result<Vec<AuditChain>, StoreError> {
    schema::check(file)?;
    let mut structure = file.prepare("PRAGMA integrity_check(20)")?;
    let found: Vec<String> = structure.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    faults.extend(found.into_iter().filter(|line| line != "ok").map(|line| format!("structure: {line}")));
    let strays = file.prepare("PRAGMA foreign_key_check")?.query_map([], |_| Ok(()))?.count();
    if strays > 0 {
        faults.push(format!("{strays} rows name others that are not there"));
    }
    hash::content_hash(file)?;
    columns(file, faults)?;
    let audit = chain::verify(file)?;
    for chain in &audit {
        if let Some(broken) = &chain.broken {
            faults.push(format!("audit of {}: line {} {}", chain.tenant.0, broken.number, broken.fault.words()));
        }
    }
    Ok(audit)
}

/// Columns repeat what is asked for; the bodies are the authority.
fn columns(file: &Connection, faults: &mut Vec<String>) -> Result<(), StoreError> {
    let mut statement = file.prepare("SELECT id, revision, delivery, task_status, tenant, body FROM referral")?;
    let mut rows = statement.query([])?;
    let mut wrong = 0;
    while let Some(row) = rows.next()? {
        let referral: Referral = body(row, 5, "referral")?;
        let same = row.get::<_, String>(0)? == referral.id.0
            && row.get::<_, i64>(1)? == integer(referral.revision)?
            && row.get::<_, String>(2)? == referral.delivery.word()
            && row.get::<_, String>(3)? == referral.task_status.code()
            && row.get::<_, String>(4)? == referral.compartment.tenant.0;
        wrong += u64::from(!same);
    }
    let mut statement = file.prepare("SELECT id, referral, platform, state, fence, tenant, body FROM outbox")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let errand: OutboxRow = body(row, 6, "outbox row")?;
        let same = row.get::<_, String>(0)? == errand.id
            && row.get::<_, String>(1)? == errand.referral.0
            && row.get::<_, String>(2)? == errand.platform.0
            && row.get::<_, String>(3)? == errand.state.word()
            && row.get::<_, i64>(4)? == integer(errand.fence)?
            && row.get::<_, String>(5)? == errand.tenant.0;
        wrong += u64::from(!same);
    }
    if wrong > 0 {
        faults.push(format!("{wrong} rows of referral and outbox say something else than their columns"));
    }
    Ok(())
}

/// Puts a copy in the place of a store that is not there, marked so that a gateway that starts on it sends nothing yet. The
/// copy must have been [checked](check).
///
/// # Errors
/// If there is a store already, another process holds its lock, or the disk fails; then nothing stands there afterwards.
pub fn restore(from: &Path, path: &Path, now: OffsetDateTime) -> Result<Restored, StoreError> {
    let _lock = connect::lock(path)?;
    for taken in [path.to_owned(), beside(path, "-wal")] {
        if taken.exists() {
            let words =
                format!("{} exists already: move it away, with its -wal and -shm, and restore again", taken.display());
            return Err(StoreError::Engine(words));
        }
    }
    let partial = beside(path, ".restoring");
    let restored = write_back(from, path, &partial, now);
    if restored.is_err() {
        for left in [partial.clone(), beside(&partial, "-wal"), beside(&partial, "-shm"), pause_mark(path)] {
            let _ = fs::remove_file(left);
        }
    }
    restored
}

fn write_back(from: &Path, path: &Path, partial: &Path, now: OffsetDateTime) -> Result<Restored, StoreError> {
    drop(connect::private(partial)?);
    fs::copy(from, partial).map_err(|error| failed(partial, &error))?;
    let mut file = connect::writer(partial, None)?;
    schema::check(&file)?;
    let restored = doubt(&mut file, now)?;
    // One file without a log is what is put in place.
    file.pragma_update(None, "journal_mode", "DELETE")?;
    file.close().map_err(|(_, error)| StoreError::from(error))?;
    File::open(partial).and_then(|file| file.sync_all()).map_err(|error| failed(partial, &error))?;
    let mark = pause_mark(path);
    fs::write(&mark, "Restored from a copy. `vcse-gateway serve --resume` goes on.\n")
        .map_err(|error| failed(&mark, &error))?;
    fs::rename(partial, path).map_err(|error| failed(path, &error))?;
    sync_folder(path)?;
    Ok(restored)
}

/// Says of every errand that was open that nobody knows what has become of it, and of it all a line of audit for each tenant.
fn doubt(file: &mut Connection, now: OffsetDateTime) -> Result<Restored, StoreError> {
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let open: Vec<OutboxRow> = {
        let sql = "SELECT body FROM outbox WHERE state IN ('ready', 'leased', 'held', 'dead') ORDER BY place";
        super::reads::all(&transaction, sql, [], |row| body(row, 0, "outbox row"))?
    };
    let mut uncertain: BTreeMap<String, u64> = BTreeMap::new();
    let mut tenants: BTreeMap<TenantId, u64> = BTreeMap::new();
    let mut statement = transaction.prepare("SELECT DISTINCT tenant FROM audit")?;
    let known: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    drop(statement);
    tenants.extend(known.into_iter().map(|tenant| (TenantId(tenant), 0)));
    for row in open {
        let doubted = row.restored(now);
        if doubted == row {
            continue;
        }
        *uncertain.entry(row.platform.0.clone()).or_default() += 1;
        *tenants.entry(row.tenant.clone()).or_default() += 1;
        // The place of a lease that nobody holds any more is the time of the row.
        transaction.execute("UPDATE outbox SET state = 'held', due = NULL WHERE id = ?1", [&row.id])?;
        put::outbox(&transaction, &doubted)?;
    }
    // A link that was used after the copy would open once more. The page sends a new one.
    let links: Vec<StatusLink> =
        super::reads::all(&transaction, "SELECT body FROM status_link ORDER BY place", [], |row| {
            body(row, 0, "status link")
        })?;
    for link in links.iter().filter(|link| link.state != LinkState::Spent) {
        put::link(&transaction, &link.closed()).map_err(|error| match error {
            CommitError::Store(error) => error,
            CommitError::Refused(_) => StoreError::Engine("a status link could not be closed".to_owned()),
        })?;
    }
    // Whoever signed out after the copy would be signed in again.
    transaction.execute("DELETE FROM sign_in", [])?;
    for (tenant, count) in &tenants {
        // What stands in the place of a tenant belongs to a platform.
        if tenant.0.starts_with("platform/") {
            continue;
        }
        let detail = json!({ "uncertain": count });
        let line = AuditRecord {
            tenant: tenant.clone(),
            at: now,
            actor: GATEWAY_AUTHOR.to_owned(),
            action: "restored".to_owned(),
            referral: None,
            detail,
        };
        put::audit(&transaction, &line)?;
    }
    // Whoever held a lane held it over the other store.
    transaction.execute(NOBODYS, [])?;
    transaction.commit()?;
    Ok(Restored { uncertain })
}
