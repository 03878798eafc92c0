//! Brings the database to the newest schema, under an advisory lock: of several instances that start at the same time one
//! applies, the others wait and find it done.
//!
//! Instances of two versions may run side by side while one follows the other, so a migration must leave what the older
//! version reads and writes in place: expand, move the data, and only a release later contract (docs/operations.md).

use super::fault::Fault;
use super::sql::{Bind as _, all, ask, command, one, run};
use crate::store::StoreError;
use crate::store::migrations::{checksum, known};
use crate::store::rows::Columns as _;
use sqlx::{AssertSqlSafe, PgConnection};

/// All migrations, in order; the first has number 1.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("../../../migrations/postgres/0001_initial.sql")];

/// How to begin anew.
const MEND: &str = "Keep it aside and start with an empty database";

/// Brings the database to the newest schema, wholly or not at all.
pub(super) async fn migrate(on: &mut PgConnection, migrations: &[&str]) -> Result<(), Fault> {
    command(on, "BEGIN").await?;
    match apply(on, migrations).await {
        Ok(()) => command(on, "COMMIT").await,
        Err(fault) => {
            // If this fails the connection is broken, and the server has rolled back by itself.
            let _ = command(on, "ROLLBACK").await;
            Err(fault)
        }
    }
}

async fn apply(on: &mut PgConnection, migrations: &[&str]) -> Result<(), Fault> {
    super::writer::lock(on).await?;
    let applied = match checksums(on).await? {
        Some(applied) => applied,
        None => {
            let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace
                AND relkind IN ('r', 'p', 'v', 'm')";
            if one(on, ask(tables), |row| row.integer(0)).await? != Some(0) {
                return Err(StoreError::Engine(
                    "the database holds tables of another program: give the gateway a database of its own".to_owned(),
                )
                .into());
            }
            command(
                on,
                "CREATE TABLE schema_migration (
                    number BIGINT NOT NULL PRIMARY KEY, -- of the migration file
                    sha256 TEXT   NOT NULL              -- of its text
                )",
            )
            .await?;
            Vec::new()
        }
    };
    known(&applied, migrations, MEND)?;
    for (number, sql) in (1_i64..).zip(migrations).skip(applied.len()) {
        sqlx::raw_sql(AssertSqlSafe((*sql).to_owned())).execute(&mut *on).await?;
        let record = ask("INSERT INTO schema_migration (number, sha256) VALUES (?1, ?2)");
        run(on, record.number(number).text(&checksum(sql))).await?;
    }
    super::keys::prepare_blind(on).await
}

/// Whether a database that is only read has the newest schema.
pub(super) async fn check(on: &mut PgConnection) -> Result<(), Fault> {
    let Some(applied) = checksums(on).await? else {
        return Err(StoreError::Engine("the database holds no store of this gateway".to_owned()).into());
    };
    known(&applied, MIGRATIONS, MEND)?;
    if applied.len() < MIGRATIONS.len() {
        let words = "the store is of an older gateway: start this one on it once";
        return Err(StoreError::Engine(words.to_owned()).into());
    }
    Ok(())
}

/// What was applied, in order; `None` where nothing ever was.
async fn checksums(on: &mut PgConnection) -> Result<Option<Vec<String>>, Fault> {
    let there = ask("SELECT (to_regclass('schema_migration') IS NOT NULL)::int::bigint");
    if one(on, there, |row| row.integer(0)).await? != Some(1) {
        return Ok(None);
    }
    Ok(Some(all(on, ask("SELECT sha256 FROM schema_migration ORDER BY number"), |row| row.string(0)).await?))
}
