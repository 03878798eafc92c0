//! Opening the file: lock, access mode, settings of a connection.

use crate::store::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a statement waits for a lock that only a foreign program can hold.
const BUSY: Duration = Duration::from_secs(5);
/// Statements kept prepared for each connection: more than there are fixed ones.
const STATEMENTS: usize = 96;

/// Takes the lock that makes this process the file's only writer; it lasts as long as the handle.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = OsString::from(path);
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = private(&name)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => StoreError::Engine(format!("another process holds {}", name.display())),
        TryLockError::Error(error) => StoreError::Engine(format!("cannot lock {}: {error}", name.display())),
    })?;
    Ok(file)
}

/// The connection that writes.
pub(super) fn writer(path: &Path, max_pages: Option<u32>) -> Result<Connection, StoreError> {
    // SQLite would create it readable by others; it gives the log and its index the file's own mode.
    private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let file = Connection::open_with_flags(path, flags)?;
    file.busy_timeout(BUSY)?;
    file.set_prepared_statement_cache_capacity(STATEMENTS);
    file.pragma_update(None, "journal_mode", "WAL")?;
    file.pragma_update(None, "synchronous", "FULL")?;
    // What is deleted is overwritten: a destroyed key and the tokens of a person do not stay in free space.
    file.pragma_update(None, "secure_delete", true)?;
    file.pragma_update(None, "foreign_keys", true)?;
    file.pragma_update(None, "trusted_schema", false)?;
    file.pragma_update(None, "temp_store", "MEMORY")?;
    stable_plans(&file)?;
    file.pragma_update(None, "cache_size", -16_384)?;
    // After a burst the log is cut back to this.
    file.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    if let Some(pages) = max_pages {
        file.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(file)
}

/// A connection that reads.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let file = Connection::open_with_flags(path, flags)?;
    file.busy_timeout(BUSY)?;
    file.set_prepared_statement_cache_capacity(STATEMENTS);
    file.pragma_update(None, "query_only", true)?;
    file.pragma_update(None, "trusted_schema", false)?;
    file.pragma_update(None, "temp_store", "MEMORY")?;
    stable_plans(&file)?;
    Ok(file)
}

/// Plans do not depend on the values of parameters: without this each use of a statement with a bound `LIMIT` prepares it anew.
fn stable_plans(file: &Connection) -> Result<(), StoreError> {
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Opens a file for writing; if it has to be created, for this user alone.
pub(super) fn private(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| StoreError::Engine(format!("cannot open {}: {error}", path.display())))
}
