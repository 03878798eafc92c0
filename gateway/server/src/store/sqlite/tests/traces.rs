//! What lies on the disk: no body in clear, and after an erasure neither the key nor what was found by, in file or log.

use super::open;
use crate::store::suite::samples::{
    Shared, answer, erasure, key, must, put, put_referral, raw_report, received, record, referral, report, resource,
    subject, write,
};
use gateway_core::change::{Change, RawReport, Received, ReportRecord, StoredAnswer};
use gateway_core::referral::Referral;
use gateway_core::resource::ResourceVersion;
use gateway_core::subject::Domain;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

const CANARY: &str = "Zanzibar-7331";

/// How often bytes stand in the file or its log.
fn traces(folder: &Path, bytes: &[u8]) -> usize {
    ["gateway.db", "gateway.db-wal"]
        .iter()
        .map(|name| std::fs::read(folder.join(name)).unwrap_or_default())
        .map(|whole| whole.windows(bytes.len()).filter(|window| *window == bytes).count())
        .sum()
}

fn keys(folder: &Path, person: &str) -> Vec<Vec<u8>> {
    let file = Connection::open(folder.join("gateway.db")).expect("opens");
    let mut statement =
        file.prepare("SELECT key FROM subject_key WHERE subject = ?1 AND key IS NOT NULL").expect("a query");
    let found = statement.query_map([person], |row| row.get(0)).expect("runs");
    found.collect::<Result<_, _>>().expect("reads")
}

/// One of everything that holds what a person or a platform wrote.
fn everything(person: &str, id: &str) -> Vec<Change> {
    let of = Some(subject(person, Domain::Record));
    let mut said = report(id, &format!("fb-{id}"), "e1");
    said.report.reason = Some(CANARY.to_owned());
    let mut stored = resource(id, 1, &[("identifier", &format!("nhs|{person}"))]);
    stored.body = format!("{{\"note\":\"{CANARY}\"}}");
    stored.subject = of.clone();
    vec![
        put_referral(Referral { subject: of.clone().map(|of| of.id), ..referral(id, 1) }),
        put(stored.clone()),
        put(ResourceVersion { version: 2, ..stored }),
        Change::Received(Received { bytes: CANARY.as_bytes().to_vec(), subject: of.clone(), ..received(id) }),
        Change::RememberAnswer(StoredAnswer { body: Some(CANARY.to_owned()), subject: of, ..answer(id) }),
        Change::ReceiveReport(RawReport { body: CANARY.as_bytes().to_vec(), ..raw_report(id) }),
        record(ReportRecord { referral: Some(super::super::super::suite::samples::referral_id(id)), ..said }),
    ]
}

#[tokio::test]
async fn nothing_of_a_body_is_readable_and_a_destroyed_key_is_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let store: Shared = Arc::new(open(folder.path()));
    // Enough people that pages of the tables are full and split.
    for number in 0..200 {
        write(&store, everything(&format!("person-{number:03}-9990000018"), &format!("r{number}"))).await;
    }
    assert_eq!(traces(folder.path(), CANARY.as_bytes()), 0, "a body lies there in clear");
    let erased: Vec<String> = (50..150).map(|number| format!("person-{number:03}-9990000018")).collect();
    let destroyed: Vec<Vec<u8>> = erased.iter().flat_map(|person| keys(folder.path(), person)).collect();
    assert_eq!(destroyed.len(), 100);
    assert!(
        destroyed.iter().all(|key| traces(folder.path(), key) > 0),
        "the test shows nothing if a key is never there"
    );
    for person in &erased {
        write(&store, vec![Change::Erase { subject: subject(person, Domain::Record), erasure: erasure(9) }]).await;
    }
    for key in &destroyed {
        assert_eq!(traces(folder.path(), key), 0, "a destroyed key");
    }
    assert_eq!(keys(folder.path(), "person-007-9990000018").len(), 1, "others keep theirs");
    assert_eq!(traces(folder.path(), b"nhs|person"), 0, "what is searched for lies there as a hash alone");
    let query = crate::store::suite::samples::query(&[&[("identifier", "nhs|person-007-9990000018")]]);
    assert_eq!(must(store.search(&query).await).total, Some(1), "and is found all the same");
    assert!(must(store.resource(&key(&crate::store::suite::samples::home(), "r7"), None).await).is_some());
}

#[tokio::test]
async fn a_body_in_another_rows_place_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let store: Shared = Arc::new(open(folder.path()));
    write(&store, vec![put(resource("a", 1, &[])), put(resource("b", 1, &[]))]).await;
    drop(store);
    let file = Connection::open(folder.path().join("gateway.db")).expect("opens");
    file.execute_batch(
        "DROP TRIGGER resource_version_keeps;
         UPDATE resource_version SET body = (SELECT body FROM resource_version WHERE place = 2) WHERE place = 1;",
    )
    .expect("swaps");
    drop(file);
    let store: Shared = Arc::new(open(folder.path()));
    let home = crate::store::suite::samples::home();
    assert!(store.resource(&key(&home, "a"), None).await.is_err());
    assert!(must(store.resource(&key(&home, "b"), None).await).is_some());
}
