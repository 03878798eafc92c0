//! Rules for erasing a subject, and for removing what is kept for a time only.

use super::samples::{
    Shared, answer, audit, commit, erasure, home, key, must, platform, put, put_referral, query, raw_report, received,
    record, referral, referral_id, refused, report, resource, subject, write,
};
use adapter_contract::{IdempotencyKey, PlatformReferralId};
use gateway_core::change::{Change, Check, CheckFailure, Disposition, Received, Removed, ReportRecord, StoredAnswer};
use gateway_core::identity::{ClientId, TenantId};
use gateway_core::referral::Referral;
use gateway_core::resource::ResourceVersion;
use gateway_core::subject::{Domain, Subject};

fn of(id: &str) -> Option<Subject> {
    Some(subject(id, Domain::Record))
}

fn erase(id: &str, domain: Domain, seconds: i64) -> Change {
    Change::Erase { subject: subject(id, domain), erasure: erasure(seconds) }
}

/// A Task of a person.
fn task(id: &str, version: u64, person: &str) -> ResourceVersion {
    ResourceVersion { subject: of(person), ..resource(id, version, &[("patient", "Patient/x"), ("status", "ready")]) }
}

async fn kept_answer(store: &Shared, request_id: &str) -> Option<StoredAnswer> {
    must(store.answer(&TenantId("north".to_owned()), &ClientId("gp".to_owned()), request_id).await)
}

pub(super) async fn what_is_erased_is_gone_and_says_so(store: Shared) {
    let mine = StoredAnswer { subject: of("p"), ..answer("q1") };
    let changes = vec![
        put(task("a", 1, "p")),
        put(ResourceVersion { subject: None, ..task("a", 2, "p") }),
        Change::Received(Received { subject: of("p"), ..received("q1") }),
        Change::RememberAnswer(mine.clone()),
        Change::Audit(audit("a", "accept")),
    ];
    write(&store, changes).await;
    let found = must(store.resource(&key(&home(), "a"), None).await).expect("it is there");
    assert_eq!((found.version, found.subject), (2, of("p")), "a later version is about whom the first is about");
    assert_eq!(must(store.erasure(&key(&home(), "a")).await), None);
    let lines = must(store.audit(&referral_id("a")).await);

    write(&store, vec![erase("p", Domain::Record, 50)]).await;
    for version in [None, Some(1), Some(2)] {
        assert_eq!(must(store.resource(&key(&home(), "a"), version).await), None);
    }
    assert_eq!(must(store.history(&key(&home(), "a")).await), []);
    assert_eq!(must(store.erasure(&key(&home(), "a")).await), Some(erasure(50)));
    assert_eq!(must(store.erasure(&key(&home(), "b")).await), None, "what never was is not erased");
    for criteria in [&[][..], &[&[("patient", "Patient/x")][..]], &[&[("status", "ready"), ("status", "x")]]] {
        let page = must(store.search(&query(criteria)).await);
        assert_eq!((page.rows, page.total), (vec![], Some(0)));
    }
    assert_eq!(kept_answer(&store, "q1").await, Some(StoredAnswer { body: None, ..mine }));
    assert_eq!(must(store.audit(&referral_id("a")).await), lines, "audit stays");
    // It is erased once, and keeps its first time.
    let hash = must(store.content_hash().await);
    write(&store, vec![erase("p", Domain::Record, 60)]).await;
    assert_eq!(must(store.content_hash().await), hash);
    assert_eq!(must(store.erasure(&key(&home(), "a")).await), Some(erasure(50)));
}

pub(super) async fn what_belongs_to_others_stays(store: Shared) {
    let consent = ResourceVersion { subject: Some(subject("p", Domain::Consent)), ..task("consent", 1, "p") };
    let shared = ResourceVersion { subject: None, ..task("shared", 1, "p") };
    let other = task("other", 1, "q");
    let theirs = StoredAnswer { subject: of("q"), ..answer("q2") };
    let kept = [consent, shared, other];
    let mut changes: Vec<Change> = kept.iter().cloned().map(put).collect();
    changes.extend([
        put(task("mine", 1, "p")),
        Change::RememberAnswer(theirs.clone()),
        record(ReportRecord { referral: Some(referral_id("other")), ..report("1", "fb-1", "e1") }),
        put_referral(Referral { subject: of("q").map(|subject| subject.id), ..referral("other", 1) }),
    ]);
    write(&store, changes).await;
    write(&store, vec![erase("p", Domain::Record, 50)]).await;
    for row in &kept {
        assert_eq!(must(store.resource(&row.key, None).await).as_ref(), Some(row));
    }
    let page = must(store.search(&query(&[&[("patient", "Patient/x")]])).await);
    assert_eq!(page.rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>(), kept);
    assert_eq!(kept_answer(&store, "q2").await, Some(theirs));
    assert_eq!(must(store.reports(&referral_id("other")).await).len(), 1);
    // The other half, by itself.
    write(&store, vec![erase("p", Domain::Consent, 60)]).await;
    assert_eq!(must(store.erasure(&key(&home(), "consent")).await), Some(erasure(60)));
    assert_eq!(must(store.erasure(&key(&home(), "mine")).await), Some(erasure(50)));
    assert!(must(store.resource(&key(&home(), "other"), None).await).is_some());
}

pub(super) async fn nothing_more_is_taken_for_what_is_erased(store: Shared) {
    let changes = vec![
        put(task("a", 1, "p")),
        put_referral(Referral { subject: of("p").map(|subject| subject.id), ..referral("r", 1) }),
        erase("p", Domain::Record, 50),
        // Erased before anything of it was known.
        erase("new", Domain::Record, 50),
    ];
    write(&store, changes).await;
    let hash = must(store.content_hash().await);
    let of_referral = |id: &str| record(ReportRecord { referral: Some(referral_id("r")), ..report(id, "fb-1", id) });
    let late = [
        put(ResourceVersion { subject: None, ..task("a", 2, "p") }),
        put(task("b", 1, "p")),
        put(task("b", 1, "new")),
        Change::Received(Received { subject: of("p"), ..received("q1") }),
        Change::RememberAnswer(StoredAnswer { subject: of("p"), ..answer("q1") }),
        of_referral("late"),
    ];
    for change in late {
        let what = format!("{change:?}");
        let failure = refused(&store, vec![], vec![Change::Audit(audit("a", "never")), change]).await;
        assert_eq!(failure, CheckFailure::Erased, "{what}");
    }
    // Not even in the same transaction, after it.
    let both = vec![erase("q", Domain::Record, 60), put(task("c", 1, "q"))];
    assert_eq!(refused(&store, vec![], both).await, CheckFailure::Erased);
    assert_eq!(must(store.content_hash().await), hash);
    // What a condition looks for is no longer there.
    let tokens = vec![super::samples::token("patient", "Patient/x")];
    let none = Check::NoMatch { compartment: home(), kind: "Task".to_owned(), tokens };
    must(commit(&store, vec![none], vec![put(task("b", 1, "another"))]).await);
}

pub(super) async fn what_platforms_said_goes_with_the_referral(store: Shared) {
    let mine = Referral { subject: of("p").map(|subject| subject.id), ..referral("mine", 1) };
    let said = |id: &str, whose: &str| {
        record(ReportRecord {
            referral: Some(referral_id(whose)),
            disposition: Disposition::Recorded,
            ..report(id, &format!("fb-{whose}"), id)
        })
    };
    let read = |id: &str, about: &[&str]| {
        let about = about.iter().map(|id| referral_id(id)).collect();
        Change::ReportRead { id: id.to_owned(), fault: None, about }
    };
    let mut changes =
        vec![put_referral(mine), put_referral(referral("other", 1)), said("1", "mine"), said("2", "other")];
    changes.extend(["a", "b", "c"].map(|id| Change::ReceiveReport(raw_report(id))));
    changes.extend([read("a", &["mine"]), read("b", &["other", "mine"]), read("c", &["other"])]);
    changes.push(record(report("3", "fb-9", "parked")));
    write(&store, changes).await;
    write(&store, vec![erase("p", Domain::Record, 50)]).await;
    assert_eq!(must(store.reports(&referral_id("mine")).await), []);
    assert_eq!(must(store.reports(&referral_id("other")).await).len(), 1);
    // Their ids are free again: the pushes are gone, that of the other alone is not.
    for id in ["a", "b"] {
        write(&store, vec![Change::ReceiveReport(raw_report(id))]).await;
    }
    assert!(commit(&store, vec![], vec![Change::ReceiveReport(raw_report("c"))]).await.is_err());
    let (name, ours) = (PlatformReferralId("fb-9".to_owned()), IdempotencyKey("none".to_owned()));
    assert_eq!(must(store.parked_reports(&platform("food-bank"), &name, &ours).await).len(), 1);
    assert!(must(store.referral(&referral_id("mine")).await).is_some(), "what counts and is audited stays");
}

pub(super) async fn single_things_can_be_removed(store: Shared) {
    let empty = must(store.content_hash().await);
    let changes = vec![
        Change::RememberAnswer(answer("q1")),
        Change::Received(received("q1")),
        Change::ReceiveReport(raw_report("a")),
        record(report("1", "fb-1", "e1")),
    ];
    write(&store, changes).await;
    let (tenant, client) = (TenantId("north".to_owned()), ClientId("gp".to_owned()));
    let all = vec![
        Removed::Received(1),
        Removed::Answer { tenant, client, request_id: "q1".to_owned() },
        Removed::RawReport("a".to_owned()),
        Removed::Report("1".to_owned()),
    ];
    write(&store, vec![Change::Remove(all.clone())]).await;
    assert_eq!(must(store.content_hash().await), empty);
    write(&store, vec![Change::Remove(all)]).await;
    // A place is never given twice.
    write(&store, vec![Change::Received(received("q2"))]).await;
    write(&store, vec![Change::Remove(vec![Removed::Received(1)])]).await;
    assert_ne!(must(store.content_hash().await), empty);
}
