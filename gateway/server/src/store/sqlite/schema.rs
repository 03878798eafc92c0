//! Migrations: numbered files that only ever grow in number. Each one applied is recorded with its SHA-256, so that an
//! edited old file is noticed, and a file that a newer gateway wrote is refused instead of misread.

use crate::store::StoreError;
use crate::store::migrations::{checksum, known};
use rusqlite::{Connection, TransactionBehavior};

/// All migrations, in order; the first has number 1.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("../../../migrations/sqlite/0001_initial.sql")];

/// How to begin anew.
const MEND: &str = "Move it away, with its -wal and -shm, and start with a new one";

/// Brings the file to the newest schema, wholly or not at all.
pub(super) fn migrate(file: &mut Connection, migrations: &[&str]) -> Result<(), StoreError> {
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let applied = applied(&transaction)?;
    known(&applied, migrations, MEND)?;
    for (number, sql) in (1_i64..).zip(migrations).skip(applied.len()) {
        transaction.execute_batch(sql)?;
        transaction
            .execute("INSERT INTO schema_migration (number, sha256) VALUES (?1, ?2)", (number, checksum(sql)))?;
    }
    transaction.commit()?;
    Ok(())
}

/// Whether a file that is only read has the newest schema.
pub(super) fn check(file: &Connection) -> Result<(), StoreError> {
    if !file.table_exists(None, "schema_migration")? {
        return Err(StoreError::Engine("the file is no store of this gateway".to_owned()));
    }
    let applied = checksums(file)?;
    known(&applied, MIGRATIONS, MEND)?;
    if applied.len() < MIGRATIONS.len() {
        return Err(StoreError::Engine("the file is of an older gateway: start this one on it once".to_owned()));
    }
    Ok(())
}

/// Checksums of what was applied, in order. A new file gets the table that records them; a file that is not ours is
/// refused.
fn applied(file: &Connection) -> Result<Vec<String>, StoreError> {
    let tables: i64 = file.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && !file.table_exists(None, "schema_migration")? {
        return Err(StoreError::Engine("the file is a database of another program".to_owned()));
    }
    file.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migration (
            number INTEGER PRIMARY KEY, -- of the migration file
            sha256 TEXT NOT NULL        -- of its text
        ) STRICT",
    )?;
    checksums(file)
}

fn checksums(file: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = file.prepare("SELECT sha256 FROM schema_migration ORDER BY number")?;
    let checksums = statement.query_map([], |row| row.get(0))?;
    Ok(checksums.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::{MIGRATIONS, migrate};
    use crate::store::StoreError;
    use rusqlite::Connection;

    fn refusal(result: Result<(), StoreError>) -> String {
        result.expect_err("refused").to_string()
    }

    #[test]
    fn migrations_are_applied_once_and_never_edited() {
        let mut file = Connection::open_in_memory().expect("opens");
        migrate(&mut file, MIGRATIONS).expect("migrates");
        migrate(&mut file, MIGRATIONS).expect("has nothing to do");
        let edited = format!("{} ", MIGRATIONS[0]);
        let edited = [&[edited.as_str()], &MIGRATIONS[1..]].concat();
        let words = refusal(migrate(&mut file, &edited));
        assert!(words.contains("migration 1 is not the one") && words.contains("unreleased build"), "{words}");
        let grown = [MIGRATIONS, &["CREATE TABLE more (id TEXT) STRICT"]].concat();
        migrate(&mut file, &grown).expect("adds one more");
        assert!(refusal(migrate(&mut file, MIGRATIONS)).contains("newer gateway"));
    }

    #[test]
    fn a_failing_migration_leaves_nothing() {
        let mut file = Connection::open_in_memory().expect("opens");
        refusal(migrate(&mut file, &["CREATE TABLE one (id TEXT) STRICT", "CREATE NONSENSE"]));
        let tables: i64 = file.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).expect("reads");
        assert_eq!(tables, 0);
    }

    #[test]
    fn another_programs_file_is_refused() {
        let mut file = Connection::open_in_memory().expect("opens");
        file.execute_batch("CREATE TABLE theirs (id TEXT)").expect("creates");
        assert!(refusal(migrate(&mut file, MIGRATIONS)).contains("another program"));
    }

    #[test]
    fn every_column_says_what_it_is_for() {
        for line in MIGRATIONS.iter().flat_map(|sql| sql.lines()) {
            let column = line.starts_with("    ") && !line.trim_start().starts_with("PRIMARY KEY");
            assert!(!column || line.contains("-- "), "no comment: {line}");
        }
    }
}
