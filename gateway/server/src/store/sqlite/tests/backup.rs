//! Copies: whole, found out when a byte has changed, and careful when they are put back.

use super::open;
use crate::store::Store;
use crate::store::sqlite::backup::{check, copy, pause_mark, restore};
use crate::store::suite::samples::{
    Shared, at, audit, claim, commit, errand, link, must, put, put_errand, put_link, put_referral, raw_report,
    received, referral, referral_id, resource, write,
};
use adapter_contract::Repeat;
use gateway_core::change::Change;
use gateway_core::outbox::{OutboxRow, OutboxState};
use gateway_core::status_link::LinkState;
use std::path::Path;
use std::sync::Arc;

/// A store with something in most tables.
async fn filled(folder: &Path) -> Shared {
    let store: Shared = Arc::new(open(folder));
    for number in 0..20 {
        let id = format!("r{number}");
        let changes = vec![
            Change::Received(received(&id)),
            put(resource(&id, 1, &[("status", "ready")])),
            put_referral(referral(&id, 1)),
            put_errand(errand(&id, 1, 10)),
            Change::ReceiveReport(raw_report(&id)),
            Change::Audit(audit(&id, "accept")),
        ];
        must(commit(&store, vec![], changes).await);
    }
    store
}

#[tokio::test]
async fn a_copy_is_taken_while_others_write_and_holds_what_was_committed() {
    let (folder, place) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let store = filled(folder.path()).await;
    let (from, to) = (folder.path().join("gateway.db"), place.path().join("copy.db"));
    let before = must(store.content_hash().await);
    let taken = copy(&from, &to).expect("a copy");
    assert_eq!(std::fs::metadata(&to).expect("is there").len(), taken.bytes);
    write(&store, vec![put(resource("later", 1, &[]))]).await;
    let copied = crate::store::sqlite::SqliteStore::open_to_read(&to).expect("opens");
    assert_eq!(must(copied.content_hash().await), before);
    let checked = check(&to).expect("is checked");
    assert_eq!((checked.faults, checked.had_sum, checked.audit.len()), (vec![], true, 1));
    assert!(check(&from).expect("the running one as well").faults.is_empty());
    // It is never written over.
    assert!(copy(&from, &to).expect_err("it is there").to_string().contains("exists already"));
    assert!(copy(&place.path().join("none"), &place.path().join("other")).is_err());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&to).expect("is there").permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_changed_byte_is_found_wherever_it_is() {
    let (folder, place) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let store = filled(folder.path()).await;
    let to = place.path().join("copy.db");
    let taken = copy(&folder.path().join("gateway.db"), &to).expect("a copy");
    drop(store);
    let whole = std::fs::read(&to).expect("reads");
    let mut unseen = 0;
    for step in 0..64 {
        let place = usize::try_from(taken.bytes).expect("small") * step / 64;
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        std::fs::write(&to, &bytes).expect("writes");
        // A header that is none is an error; anything else a fault.
        let found = check(&to).is_ok_and(|checked| checked.faults.is_empty());
        unseen += usize::from(found);
    }
    assert_eq!(unseen, 0, "bytes that were changed and not found");
}

#[tokio::test]
async fn without_a_sum_seals_structure_and_audit_still_hold() {
    let (folder, place) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    drop(filled(folder.path()).await);
    let to = place.path().join("copy.db");
    copy(&folder.path().join("gateway.db"), &to).expect("a copy");
    std::fs::remove_file(place.path().join("copy.db.sha256")).expect("removes");
    for (case, sql) in [
        (
            "a body",
            "DROP TRIGGER resource_version_keeps; UPDATE resource_version SET body = zeroblob(length(body)) WHERE place = 3",
        ),
        ("a request", "UPDATE received SET bytes = substr(bytes, 2) WHERE place = 4"),
        ("a column", "UPDATE referral SET delivery = 'withdrawn' WHERE place = 5"),
        ("a state", "UPDATE outbox SET state = 'done', due = NULL WHERE place = 6"),
        ("a line", "DROP TRIGGER audit_keeps; UPDATE audit SET action = 'other' WHERE number = 7"),
        (
            "a key",
            "PRAGMA foreign_keys = OFF; DELETE FROM subject_key WHERE id = (SELECT sealed_by FROM received LIMIT 1)",
        ),
    ] {
        let spoilt = place.path().join(format!("{}.db", case.replace(' ', "-")));
        std::fs::copy(&to, &spoilt).expect("copies");
        assert!(check(&spoilt).expect("is looked over").faults.is_empty(), "{case}: whole at first");
        rusqlite::Connection::open(&spoilt).expect("opens").execute_batch(sql).expect(case);
        let checked = check(&spoilt).expect("is looked over");
        assert!(!checked.faults.is_empty() && !checked.had_sum, "{case}");
    }
}

#[tokio::test]
async fn what_is_put_back_doubts_what_was_open_and_is_marked() {
    let (folder, place) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let store = filled(folder.path()).await;
    let set = async |row: OutboxRow| write(&store, vec![put_errand(row)]).await;
    set(OutboxRow { state: OutboxState::Done, ..errand("r0", 1, 10) }).await;
    set(OutboxRow { state: OutboxState::Dead, attempts: 3, ..errand("r1", 1, 10) }).await;
    set(OutboxRow { in_flight: Some(Repeat::Keyed), attempts: 1, ..errand("r3", 1, 10) }).await;
    write(&store, vec![put_link(link("l1", "r0", 900)), put_link(link("l2", "r1", 900))]).await;
    write(&store, vec![put_link(link("l2", "r1", 900).opened("session".to_owned(), at(700)))]).await;
    let leased = must(store.claim(claim("food-bank", 20, 1)).await);
    assert_eq!(leased.iter().map(|one| one.row.id.as_str()).collect::<Vec<_>>(), ["r2-1"]);
    let copied = place.path().join("copy.db");
    copy(&folder.path().join("gateway.db"), &copied).expect("a copy");
    drop(store);

    let path = place.path().join("gateway.db");
    let restored = restore(&copied, &path, at(500)).expect("is put back");
    assert_eq!(restored.uncertain.values().sum::<u64>(), 18, "all that was open and not keyed: {restored:?}");
    assert!(pause_mark(&path).is_file());
    assert!(check(&path).expect("is looked over").faults.is_empty());
    let back: Shared = Arc::new(open(place.path()));
    for number in 0..20 {
        let id = format!("r{number}");
        let row = must(back.outbox(&referral_id(&id)).await).remove(0);
        match number {
            0 => assert_eq!((row.state, row.in_flight), (OutboxState::Done, None)),
            1 => assert_eq!((row.state, row.in_flight), (OutboxState::Dead, Some(Repeat::LookUpFirst))),
            3 => assert_eq!((row.state, row.in_flight), (OutboxState::Ready, Some(Repeat::Keyed))),
            _ => {
                assert_eq!((row.state, row.in_flight), (OutboxState::Ready, Some(Repeat::LookUpFirst)), "{id}");
                assert!(row.attempts >= 1, "nobody says any more that nothing was sent");
            }
        }
    }
    for referral in ["r0", "r1"] {
        let links = must(back.links(&referral_id(referral)).await);
        assert!(links.iter().all(|link| link.state == LinkState::Spent) && links.len() == 1, "{links:?}");
    }
    assert!(must(back.verify_audit().await).iter().all(|chain| chain.broken.is_none()));
    drop(back);
    // Nothing is put over what is there.
    let again = restore(&copied, &path, at(501)).expect_err("there is one");
    assert!(again.to_string().contains("exists already"), "{again}");
}
