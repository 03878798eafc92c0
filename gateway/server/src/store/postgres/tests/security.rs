//! Row security, and what is not ours.

use super::{database, open, server};
use crate::gateway::Secret;
use crate::store::postgres::PostgresStore;
use crate::store::postgres::sql::{all, ask, one};
use crate::store::rows::Columns as _;
use crate::store::suite::samples;
use crate::store::{Store, StoreError};
use gateway_core::change::{Change, Transaction};
use gateway_core::identity::TenantId;

const TABLES: [&str; 8] =
    ["received", "resource_current", "resource_version", "token", "referral", "outbox", "answer", "audit"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_forgets_its_tenant_sees_no_other() {
    let Some(server) = server() else { return };
    let store = open(&database(server)).await;
    let changes = vec![
        Change::PutResource(samples::resource("t", 1, &[("status", "requested")])),
        samples::put_referral(samples::referral("r", 1)),
        samples::put_errand(samples::errand("r", 1, 0)),
        Change::Received(samples::received("q")),
        Change::RememberAnswer(samples::answer("q")),
        Change::Audit(samples::audit("r", "accept")),
    ];
    store.commit(Transaction { checks: Vec::new(), changes }).await.expect("commits");
    let count = async |tenant: &str, table: &str| {
        let mut on = store.of(&TenantId(tenant.to_owned())).await.expect("a connection");
        let sql = format!("SELECT count(*) FROM {table}");
        one(&mut on, ask(&sql), |row| row.integer(0)).await.expect("counts")
    };
    for table in TABLES {
        assert_eq!(count("north", table).await, Some(1), "{table}: its own row is seen");
        for other in ["south", ""] {
            assert_eq!(count(other, table).await, Some(0), "{table}: seen for {other:?}");
        }
    }
    // What has no tenant is for workers alone.
    assert_eq!(count("north", "attempt").await, Some(0));
    let mut on = store.of(&TenantId("south".to_owned())).await.expect("a connection");
    let put = ask("UPDATE referral SET body = ''");
    assert_eq!(put.execute(&mut *on).await.expect("runs").rows_affected(), 0, "nor written");
    drop(on);
    // Tables that a later migration adds are thought of.
    let mut on = store.all().await.expect("a connection");
    let open =
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
        AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY relname";
    let open = all(&mut on, ask(open), |row| row.string(0)).await.expect("reads");
    assert_eq!(open, ["schema_migration", "subject_key"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_is_never_changed() {
    let Some(server) = server() else { return };
    let url = database(server);
    let store = open(&url).await;
    let changes =
        vec![Change::PutResource(samples::resource("t", 1, &[])), Change::Audit(samples::audit("r", "accept"))];
    store.commit(Transaction { checks: Vec::new(), changes }).await.expect("commits");
    for sql in [
        "UPDATE audit SET action = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "UPDATE resource_version SET author = 'x'",
        "DELETE FROM resource_version",
        "TRUNCATE resource_version",
    ] {
        let words = server.psql(url.reveal(), sql).expect_err(sql).to_string();
        assert!(words.contains("are never"), "{sql}: {words}");
    }
}

fn refusal(opened: Result<PostgresStore, StoreError>) -> String {
    opened.err().expect("refused").to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_is_refused_and_left_alone() {
    let Some(server) = server() else { return };
    let url = database(server);
    assert!(refusal(PostgresStore::open_to_read(&url).await).contains("no store"));
    server.psql(url.reveal(), "CREATE TABLE theirs (id TEXT)").expect("creates");
    assert!(refusal(PostgresStore::open(&url).await).contains("another program"));

    let url = database(server);
    open(&url).await.close().await;
    open(&url).await.close().await;
    server.psql(url.reveal(), "INSERT INTO schema_migration VALUES (2, 'x')").expect("writes");
    assert!(refusal(PostgresStore::open(&url).await).contains("newer gateway"));
    server.psql(url.reveal(), "UPDATE schema_migration SET sha256 = 'y' WHERE number = 1").expect("writes");
    assert!(refusal(PostgresStore::open(&url).await).contains("migration 1 is not the one"));

    let words = refusal(PostgresStore::open(&Secret::new("mysql://u:secret@h/d".to_owned())).await);
    assert!(words.contains("postgres://") && !words.contains("secret"), "{words}");
    let words = refusal(PostgresStore::open(&Secret::new("postgres://u:secret@db.example/d".to_owned())).await);
    assert!(words.contains("verify-full") && !words.contains("secret"), "{words}");
    let words = refusal(PostgresStore::open(&Secret::new("postgres://u:secret@127.0.0.1:1/d".to_owned())).await);
    assert!(words.contains("cannot be reached") && !words.contains("secret"), "{words}");
}
