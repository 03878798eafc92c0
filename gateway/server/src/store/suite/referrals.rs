//! Rules for referrals.

use super::samples::{
    Shared, all_referrals, at, home, must, platform, put_referral, referral, referral_id, refused, strangers, write,
};
use crate::store::ReferralFilter;
use adapter_contract::{IdempotencyKey, PlatformReferralId, TaskStatus};
use gateway_core::change::CheckFailure;
use gateway_core::identity::TenantId;
use gateway_core::referral::{Delivery, Former, HoldReason, Referral};

pub(super) async fn revisions_follow_each_other(store: Shared) {
    assert_eq!(refused(&store, vec![], vec![put_referral(referral("a", 2))]).await, CheckFailure::Revision(0));
    let first = referral("a", 1);
    write(&store, vec![put_referral(first.clone())]).await;
    assert_eq!(must(store.referral(&first.id).await), Some(first.clone()));
    let second =
        Referral { task_status: TaskStatus::Accepted, conflict: Some("two words".to_owned()), ..referral("a", 2) };
    write(&store, vec![put_referral(second.clone())]).await;
    for revision in [0, 1, 2, 4] {
        let failure = refused(&store, vec![], vec![put_referral(referral("a", revision))]).await;
        assert_eq!(failure, CheckFailure::Revision(2), "revision {revision} after 2");
    }
    assert_eq!(must(store.referral(&first.id).await), Some(second.clone()));
    assert_eq!(must(store.referral_by_task(&home(), "task-a").await), Some(second));
    assert_eq!(must(store.referral_by_task(&home(), "task").await), None);
    assert_eq!(must(store.referral(&referral_id("b")).await), None);
    for stranger in strangers() {
        assert_eq!(must(store.referral_by_task(&stranger, "task-a").await), None);
    }
}

pub(super) async fn a_platform_speaks_by_name_or_key(store: Shared) {
    let name = |name: &str| PlatformReferralId(name.to_owned());
    let named = Referral { platform_referral: Some(name("fb-1")), ..referral("a", 1) };
    let nameless = referral("b", 1);
    let elsewhere =
        Referral { platform: Some(platform("walks")), platform_referral: Some(name("fb-1")), ..referral("c", 1) };
    let unrouted = Referral { platform: None, ..referral("d", 1) };
    for row in [&named, &nameless, &elsewhere, &unrouted] {
        write(&store, vec![put_referral(row.clone())]).await;
    }
    let key = |key: &str| IdempotencyKey(key.to_owned());
    let cases = [
        ("food-bank", "fb-1", None, Some(&named)),
        ("food-bank", "fb-1", Some(key("key-b")), Some(&named)),
        ("food-bank", "fb-2", Some(key("key-b")), Some(&nameless)),
        ("food-bank", "fb-2", Some(key("key-c")), None),
        ("food-bank", "fb-2", Some(key("key-d")), None),
        ("food-bank", "fb-2", None, None),
        ("walks", "fb-1", None, Some(&elsewhere)),
        ("walks", "fb-3", Some(key("key-a")), None),
        ("nobody", "fb-1", Some(key("key-a")), None),
    ];
    for (at, word, key, expected) in cases {
        let found = must(store.referral_at_platform(&platform(at), &name(word), key.as_ref()).await);
        assert_eq!(found.as_ref(), expected, "{at} {word} {key:?}");
    }
    // What it was known by there before finds it as well, after every present name and key.
    let former = |name: &str, key: &str| Former {
        key: IdempotencyKey(key.to_owned()),
        platform_referral: PlatformReferralId(name.to_owned()),
        ended: at(7),
    };
    let renamed = Referral {
        platform_referral: Some(name("fb-9")),
        former: vec![former("fb-7", "key-old"), former("fb-1", "key-b")],
        ..referral("e", 1)
    };
    write(&store, vec![put_referral(renamed.clone())]).await;
    let again = Referral { revision: 2, ..renamed };
    write(&store, vec![put_referral(again.clone())]).await;
    for (at, word, key, expected) in [
        ("food-bank", "fb-9", None, Some(&again)),
        ("food-bank", "fb-7", None, Some(&again)),
        ("food-bank", "fb-8", Some(key("key-old")), Some(&again)),
        ("food-bank", "fb-1", None, Some(&named)),
        ("food-bank", "fb-8", Some(key("key-b")), Some(&nameless)),
        ("food-bank", "fb-7", Some(key("key-b")), Some(&nameless)),
        ("walks", "fb-7", Some(key("key-old")), None),
    ] {
        let found = must(store.referral_at_platform(&platform(at), &name(word), key.as_ref()).await);
        assert_eq!(found.as_ref(), expected, "{at} {word} {key:?}");
    }
    // Its name may come later.
    let later = Referral { platform_referral: Some(name("fb-2")), ..referral("b", 2) };
    write(&store, vec![put_referral(later.clone())]).await;
    assert_eq!(must(store.referral_at_platform(&platform("food-bank"), &name("fb-2"), None).await), Some(later));
}

/// Five referrals: a, c, e of one customer, b, d of another; a and b held.
async fn five(store: &Shared) {
    for (id, tenant) in [("a", "north"), ("b", "south"), ("c", "north"), ("d", "south"), ("e", "north")] {
        let mut row = referral(id, 1);
        row.compartment.tenant = TenantId(tenant.to_owned());
        if id < "c" {
            row.delivery = Delivery::Held { reason: HoldReason::NoConsent("nobody said yes".to_owned()) };
        }
        write(store, vec![put_referral(row)]).await;
    }
}

pub(super) async fn lists_are_filtered_and_paged(store: Shared) {
    five(&store).await;
    // A change does not move a referral in the list.
    let mut changed = referral("c", 2);
    changed.conflict = Some("look".to_owned());
    write(&store, vec![put_referral(changed)]).await;
    let cases = [
        (None, None, None, 9, "abcde"),
        (None, None, None, 2, "ab"),
        (None, None, Some("b"), 2, "cd"),
        (None, None, Some("e"), 2, ""),
        (None, None, Some("unknown"), 2, ""),
        (Some("north"), None, None, 9, "ace"),
        (Some("north"), None, Some("b"), 9, "ce"),
        (None, Some("held"), None, 9, "ab"),
        (None, Some("held"), Some("a"), 9, "b"),
        (Some("north"), Some("held"), None, 9, "a"),
        (Some("south"), Some("queued"), Some("a"), 1, "d"),
        (Some("west"), None, None, 9, ""),
        (None, Some("lost"), None, 9, ""),
        (None, None, None, 0, ""),
    ];
    for (tenant, delivery, after, limit, expected) in cases {
        let filter = ReferralFilter {
            tenant: tenant.map(|id| TenantId(id.to_owned())),
            delivery: delivery.map(str::to_owned),
            subject: None,
            attention: false,
            needing: None,
            after: after.map(referral_id),
            limit,
        };
        let found: Vec<_> = must(store.referrals(&filter).await).into_iter().map(|row| row.id.0).collect();
        assert_eq!(found.concat(), expected, "{filter:?}");
    }
    assert_eq!(must(store.referrals(&all_referrals()).await).len(), 5);
}

pub(super) async fn what_a_person_has_to_settle_is_listed(store: Shared) {
    five(&store).await;
    let filter = ReferralFilter { attention: true, ..all_referrals() };
    assert_eq!(must(store.referrals(&filter).await), []);
    for id in ["b", "c"] {
        let mut row = referral(id, 2);
        row.attention = Some("look".to_owned());
        write(&store, vec![put_referral(row)]).await;
    }
    let listed = |found: Vec<Referral>| found.into_iter().map(|row| row.id.0).collect::<String>();
    assert_eq!(listed(must(store.referrals(&filter).await)), "bc");
    let behind = ReferralFilter { after: Some(referral_id("b")), ..filter.clone() };
    assert_eq!(listed(must(store.referrals(&behind).await)), "c");
    write(&store, vec![put_referral(referral("b", 3))]).await;
    assert_eq!(listed(must(store.referrals(&filter).await)), "c");
}

pub(super) async fn who_has_not_answered_is_found_by_the_deadline(store: Shared) {
    let waiting = |id: &str, revision, due| {
        let delivery = Delivery::Delivered { at: at(0) };
        Referral { delivery, answer_due: Some(at(due)), ..referral(id, revision) }
    };
    for (id, due) in [("a", 30), ("b", 10), ("c", 20), ("d", 20)] {
        write(&store, vec![put_referral(waiting(id, 1, due))]).await;
    }
    let queued = Referral { delivery: Delivery::Queued, ..waiting("e", 1, 5) };
    let told = Referral { attention: Some("look".to_owned()), ..waiting("f", 1, 5) };
    let accepted = Referral { task_status: TaskStatus::Accepted, ..waiting("g", 1, 5) };
    write(&store, vec![put_referral(queued), put_referral(told), put_referral(accepted)]).await;
    let found = async |by, limit| {
        let found = must(store.unanswered(at(by), limit).await);
        found.into_iter().map(|row| row.id.0).collect::<String>()
    };
    for (by, limit, expected) in [(9, 9, ""), (10, 9, "b"), (20, 9, "bcd"), (30, 9, "bcda"), (30, 2, "bc"), (30, 0, "")]
    {
        assert_eq!(found(by, limit).await, expected, "by {by}, at most {limit}");
    }
    // Who is reminded before that is looked at before that.
    let reminded = Referral { reminders: vec![at(8), at(5)], ..waiting("a", 2, 30) };
    write(&store, vec![put_referral(reminded)]).await;
    assert_eq!((found(4, 9).await, found(10, 9).await), (String::new(), "ab".to_owned()));
    write(&store, vec![put_referral(waiting("a", 3, 30))]).await;
    let answered = Referral { answer_due: None, ..waiting("b", 2, 0) };
    write(&store, vec![put_referral(answered)]).await;
    assert_eq!(found(30, 9).await, "cda");
}

pub(super) async fn counts_say_how_many_stand_where(store: Shared) {
    assert_eq!(must(store.counts().await), []);
    five(&store).await;
    let done = Referral { task_status: TaskStatus::Completed, delivery: Delivery::Withdrawn, ..referral("e", 2) };
    write(&store, vec![put_referral(done)]).await;
    let expected = [("held", "requested", 2), ("queued", "requested", 2), ("withdrawn", "completed", 1)];
    let counts = must(store.counts().await);
    let counts: Vec<_> = counts.iter().map(|(word, code, count)| (word.as_str(), code.as_str(), *count)).collect();
    assert_eq!(counts, expected);
}
