//! Rules for what platforms say.

use super::samples::{Shared, must, platform, put_referral, raw_report, record, referral, referral_id, report, write};
use adapter_contract::business_status::NEEDS_MORE;
use adapter_contract::{IdempotencyKey, PlatformReferralId};
use gateway_core::change::{Change, Disposition, RawReport, ReportRecord};

fn of(referral: &str, disposition: Disposition, row: ReportRecord) -> ReportRecord {
    ReportRecord { referral: Some(referral_id(referral)), disposition, ..row }
}

async fn parked(store: &Shared, name: &str, key: &str) -> Vec<ReportRecord> {
    let (name, key) = (PlatformReferralId(name.to_owned()), IdempotencyKey(key.to_owned()));
    must(store.parked_reports(&platform("food-bank"), &name, &key).await)
}

pub(super) async fn raw_reports_wait_until_read(store: Shared) {
    let plain = RawReport { content_type: None, ..raw_report("a") };
    for row in [raw_report("b"), plain.clone(), raw_report("c")] {
        write(&store, vec![Change::ReceiveReport(row)]).await;
    }
    assert_eq!(must(store.unread_reports(10).await), [raw_report("b"), plain.clone(), raw_report("c")]);
    assert_eq!(must(store.unread_reports(1).await), [raw_report("b")]);
    // What was begun is counted, and never less.
    let begun = |id: &str, begun| Change::ReadingBegun { id: id.to_owned(), begun };
    write(&store, vec![begun("c", 2), begun("unknown", 1)]).await;
    write(&store, vec![begun("c", 1)]).await;
    let third = RawReport { begun: 2, ..raw_report("c") };
    assert_eq!(must(store.unread_reports(10).await), [raw_report("b"), plain.clone(), third.clone()]);
    let read = |id: &str, fault: Option<&str>| {
        let about = vec![referral_id("r")];
        Change::ReportRead { id: id.to_owned(), fault: fault.map(str::to_owned), about }
    };
    write(&store, vec![read("b", None), read("a", Some("not JSON")), read("unknown", None)]).await;
    assert_eq!(must(store.unread_reports(10).await), [third]);
    let hash = must(store.content_hash().await);
    let twice =
        super::samples::commit(&store, vec![], vec![read("c", None), Change::ReceiveReport(raw_report("c"))]).await;
    assert!(twice.is_err(), "a second push must not take the first one's id");
    assert_eq!(must(store.content_hash().await), hash);
}

pub(super) async fn the_same_statement_is_kept_once(store: Shared) {
    let first = of("r", Disposition::Recorded, report("1", "fb-1", "e1"));
    write(&store, vec![record(first.clone())]).await;
    let hash = must(store.content_hash().await);
    let repeated = of("r", Disposition::Conflict, report("2", "fb-1", "e1"));
    let dispose = Change::DisposeReport { id: "2".to_owned(), disposition: Disposition::Late };
    write(&store, vec![record(repeated), dispose]).await;
    assert_eq!(must(store.content_hash().await), hash, "a repetition changes nothing");
    // Another event, another referral, another platform: other statements.
    let event = of("r", Disposition::Recorded, report("3", "fb-1", "e2"));
    let name = of("q", Disposition::Recorded, report("4", "fb-2", "e1"));
    let place =
        ReportRecord { platform: platform("walks"), ..of("r", Disposition::Recorded, report("5", "fb-1", "e1")) };
    write(&store, vec![record(event.clone()), record(name.clone()), record(place.clone())]).await;
    assert_eq!(must(store.reports(&referral_id("r")).await), [first.clone(), event.clone(), place.clone()]);
    assert_eq!(must(store.reports(&referral_id("q")).await), [name]);
    // A stored id is the same statement in a new state; its place in the order stays.
    let now = of("r", Disposition::Withheld, first.clone());
    write(&store, vec![record(now.clone())]).await;
    assert_eq!(must(store.reports(&referral_id("r")).await), [now.clone(), event.clone(), place.clone()]);
    // Unless it would become what another id says already.
    let hash = must(store.content_hash().await);
    write(&store, vec![record(of("r", Disposition::Applied, report("1", "fb-1", "e2")))]).await;
    assert_eq!(must(store.content_hash().await), hash);
    assert_eq!(must(store.reports(&referral_id("none")).await), []);
}

pub(super) async fn parked_statements_find_their_referral(store: Shared) {
    let (first, second) = (report("1", "fb-1", "e1"), report("2", "fb-2", "e2"));
    let mut keyless = report("3", "fb-1", "e3");
    keyless.report.key = None;
    let elsewhere = ReportRecord { platform: platform("walks"), ..report("4", "fb-1", "e4") };
    let known = of("r", Disposition::Recorded, report("5", "fb-1", "e5"));
    let rows = [&second, &first, &keyless, &elsewhere, &known];
    write(&store, rows.into_iter().cloned().map(record).collect()).await;
    assert_eq!(parked(&store, "fb-1", "key-of-fb-1").await, [first.clone(), keyless.clone()]);
    assert_eq!(parked(&store, "fb-1", "key-of-fb-2").await, [second.clone(), first.clone(), keyless.clone()]);
    assert_eq!(parked(&store, "fb-9", "key-of-fb-2").await, std::slice::from_ref(&second));
    assert_eq!(parked(&store, "fb-9", "key-of-fb-9").await, []);
    assert_eq!(must(store.referrals_to_align(10).await), [referral_id("r")], "parked ones wait for their referral");
    let found = of("late", Disposition::Recorded, first.clone());
    write(&store, vec![record(found.clone())]).await;
    assert_eq!(parked(&store, "fb-1", "key-of-fb-1").await, [keyless]);
    assert_eq!(must(store.reports(&referral_id("late")).await), [found]);
}

pub(super) async fn alignment_goes_by_the_oldest_statement(store: Shared) {
    assert_eq!(must(store.referrals_to_align(10).await), []);
    for (id, referral) in [("1", "b"), ("2", "a"), ("3", "b"), ("4", "c")] {
        write(&store, vec![record(of(referral, Disposition::Recorded, report(id, "fb-1", id)))]).await;
    }
    let waiting = |words: &[&str]| words.iter().map(|word| referral_id(word)).collect::<Vec<_>>();
    assert_eq!(must(store.referrals_to_align(10).await), waiting(&["b", "a", "c"]));
    assert_eq!(must(store.referrals_to_align(2).await), waiting(&["b", "a"]));
    assert_eq!(must(store.referrals_to_align(0).await), []);
    let dispose = |id: &str, disposition| Change::DisposeReport { id: id.to_owned(), disposition };
    write(&store, vec![dispose("1", Disposition::Applied), dispose("unknown", Disposition::Late)]).await;
    assert_eq!(must(store.referrals_to_align(10).await), waiting(&["a", "b", "c"]), "b by its second now");
    write(&store, vec![dispose("2", Disposition::Inferred), dispose("3", Disposition::Unmapped)]).await;
    assert_eq!(must(store.referrals_to_align(10).await), waiting(&["c"]));
    // One whose delivery is under way waits for its end, unless it calls for help.
    for id in ["q", "u"] {
        write(&store, vec![put_referral(referral(id, 1))]).await;
        write(&store, vec![record(of(id, Disposition::Recorded, report(id, "fb-1", id)))]).await;
    }
    assert_eq!(must(store.referrals_to_align(10).await), waiting(&["c"]));
    let mut call = of("u", Disposition::Recorded, report("uu", "fb-1", "uu"));
    call.report.business_status = NEEDS_MORE.to_owned();
    write(&store, vec![record(call)]).await;
    assert_eq!(must(store.referrals_to_align(10).await), waiting(&["c", "u"]));
    write(&store, vec![dispose("uu", Disposition::Applied)]).await;
    assert_eq!(must(store.referrals_to_align(10).await), waiting(&["c"]));
    let kept: Vec<_> = must(store.reports(&referral_id("b")).await).iter().map(|row| row.disposition).collect();
    assert_eq!(kept, [Disposition::Applied, Disposition::Unmapped]);
    write(&store, vec![record(of("a", Disposition::Unmapped, report("5", "fb-1", "5")))]).await;
    let unknown = async |limit| must(store.unmapped(limit).await).into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!((unknown(10).await, unknown(1).await), (vec!["5".to_owned(), "3".to_owned()], vec!["5".to_owned()]));
}
