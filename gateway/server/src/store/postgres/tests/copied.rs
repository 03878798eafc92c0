//! A SQLite store that is moved into a database.

use super::{database, open, server};
use crate::store::postgres::copy::copy;
use crate::store::sqlite::SqliteStore;
use crate::store::suite::samples;
use crate::store::{Store, differential};
use gateway_core::change::{Change, Transaction};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_moved_and_goes_on_where_it_stood() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gateway.db");
    let source = SqliteStore::open(&file).expect("opens");
    differential::history(7, 300, &source).await;
    // What a platform may say, and PostgreSQL's text cannot hold.
    let odd = samples::record(samples::report("odd", "na\0me", "e\u{1}vent"));
    source.commit(Transaction { checks: Vec::new(), changes: vec![odd] }).await.expect("commits");
    let url = database(server);
    let words = copy(&file, &url, |_, _| ()).await.expect_err("it runs").to_string();
    assert!(words.contains("another process holds"), "{words}");
    source.close();
    drop(source);

    let mut told = Vec::new();
    let copied = copy(&file, &url, |done, all| told.push((done, all))).await.expect("copies");
    assert_eq!(told.last(), Some(&(copied.rows, copied.rows)), "all rows were counted");
    let (source, target) = (SqliteStore::open(&file).expect("opens"), open(&url).await);
    let hash = source.content_hash().await.expect("hashes");
    assert_eq!(target.content_hash().await.expect("hashes"), hash);
    assert_eq!(copied.content_hash, hash);
    let chains = source.verify_audit().await.expect("reads");
    assert_eq!(target.verify_audit().await.expect("reads"), chains);
    assert_eq!(chains.iter().map(|chain| chain.lines).sum::<u64>(), copied.audit_lines);

    // Places, numbers and chains go on alike.
    for store in [&source as &dyn Store, &target] {
        let changes = vec![
            Change::PutResource(samples::resource("later", 1, &[("status", "requested")])),
            Change::Received(samples::received("later")),
            Change::Audit(samples::audit("later", "accept")),
        ];
        store.commit(Transaction { checks: Vec::new(), changes }).await.expect("commits");
    }
    assert_eq!(target.content_hash().await.expect("hashes"), source.content_hash().await.expect("hashes"));
    let query = samples::query(&[&[("status", "requested")]]);
    assert_eq!(target.search(&query).await.expect("finds"), source.search(&query).await.expect("finds"));

    source.close();
    drop(source);
    let words = copy(&file, &url, |_, _| ()).await.expect_err("it is not empty").to_string();
    assert!(words.contains("already holds a store"), "{words}");
    let words = copy(&folder.path().join("none.db"), &url, |_, _| ()).await.expect_err("no source").to_string();
    assert!(words.contains("there is no store"), "{words}");
}
