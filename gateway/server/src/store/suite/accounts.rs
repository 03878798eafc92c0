//! Accounts and what is kept of signing in: found by name and by key, one change after the other, gone when it means nothing. And what of
//! a party may need a person.

use super::samples::{
    Shared, account, all_referrals, at, attempts, commit, home, must, put_account, put_referral, referral, referral_id,
    refused, session, strangers, write,
};
use crate::store::{CommitError, Needing, ReferralFilter};
use adapter_contract::TaskStatus;
use gateway_core::account::{Account, AccountId, SEEN_AGAIN, Session, SignIn};
use gateway_core::change::{Change, CheckFailure, Removed};
use gateway_core::follow_up::{self, FollowUp};
use gateway_core::identity::Compartment;
use gateway_core::referral::{Delivery, HoldReason, Referral, SenderState};
use gateway_core::work_list::Group;
use time::Duration;

fn name(id: &str) -> AccountId {
    AccountId(id.to_owned())
}

pub(super) async fn accounts_are_found_by_name_and_listed_as_they_were_made(store: Shared) {
    assert_eq!(must(store.account(&name("zoe")).await), None);
    write(&store, vec![put_account(account("zoe", 1)), put_account(account("anna", 1))]).await;
    let closed = account("zoe", 1).disabled(true);
    write(&store, vec![put_account(closed.clone())]).await;
    assert_eq!(must(store.account(&name("zoe")).await), Some(closed.clone()));
    assert_eq!(must(store.account(&name("Zoe")).await), None);
    assert_eq!(must(store.accounts().await), [closed, account("anna", 1)]);
    for (revision, standing) in [(1, 2), (2, 2), (4, 2)] {
        let refused = refused(&store, vec![], vec![put_account(account("zoe", revision))]).await;
        assert_eq!(refused, CheckFailure::Revision(standing), "{revision}");
    }
    assert_eq!(refused(&store, vec![], vec![put_account(account("ben", 2))]).await, CheckFailure::Revision(0));
    let hash = must(store.content_hash().await);
    let twice = vec![put_account(account("ben", 1)), put_account(account("ben", 1))];
    assert!(matches!(commit(&store, vec![], twice).await, Err(CommitError::Refused(CheckFailure::Revision(1)))));
    assert_eq!(must(store.content_hash().await), hash, "nothing of it was written");
}

pub(super) async fn sign_ins_are_found_by_key_and_follow_each_other(store: Shared) {
    let first = session("browser", "anna", 0);
    write(&store, vec![Change::PutSignIn(first.clone()), Change::PutSignIn(attempts("tries", 1, 0))]).await;
    assert_eq!(must(store.sign_in("browser").await), Some(first.clone()));
    assert_eq!(must(store.sign_in("tries").await), Some(attempts("tries", 1, 0)));
    assert_eq!(must(store.sign_in("other").await), None);
    assert_eq!(refused(&store, vec![], vec![Change::PutSignIn(first.clone())]).await, CheckFailure::Revision(1));
    let SignIn::Session(session) = first else { panic!("a session") };
    let again = SignIn::Session(session.seen_again(at(0) + SEEN_AGAIN).expect("it is time"));
    write(&store, vec![Change::PutSignIn(again.clone())]).await;
    assert_eq!(must(store.sign_in("browser").await), Some(again.clone()));
    // Of two that were begun on the same one, one is kept.
    assert_eq!(refused(&store, vec![], vec![Change::PutSignIn(again)]).await, CheckFailure::Revision(2));
    // Whoever signed out is not brought back by a page that was under way.
    write(
        &store,
        vec![Change::Remove(vec![Removed::SignIn("browser".to_owned()), Removed::SignIn("none".to_owned())])],
    )
    .await;
    let late = SignIn::Session(Session { revision: 3, ..session });
    assert_eq!(refused(&store, vec![], vec![Change::PutSignIn(late)]).await, CheckFailure::Revision(0));
    let both =
        vec![Change::Remove(vec![Removed::SignIn("tries".to_owned())]), Change::PutSignIn(attempts("tries", 1, 5))];
    write(&store, both).await;
    assert_eq!(must(store.sign_in("tries").await), Some(attempts("tries", 1, 5)));
}

pub(super) async fn what_means_nothing_any_more_is_listed_by_its_end(store: Shared) {
    for (key, from) in [("a", 30), ("b", 10), ("c", 20), ("d", 20)] {
        write(&store, vec![Change::PutSignIn(session(key, "anna", from))]).await;
    }
    let idle = gateway_core::account::IDLE;
    for (by, limit, expected) in [(9, 9, ""), (10, 9, "b"), (20, 9, "bcd"), (30, 9, "bcda"), (30, 2, "bc"), (30, 0, "")]
    {
        let found = must(store.expired_sign_ins(at(by) + idle, limit).await);
        let keys: String = found.iter().map(SignIn::key).collect();
        assert_eq!(keys, expected, "by {by}, at most {limit}");
    }
}

pub(super) async fn times_of_sign_ins_are_kept_to_the_microsecond(store: Shared) {
    let (fine, kept) = (at(0) + Duration::nanoseconds(1_234_567), at(0) + Duration::microseconds(1_234));
    let SignIn::Session(session) = session("browser", "anna", 0) else { panic!("a session") };
    let SignIn::Attempts(tries) = attempts("tries", 1, 0) else { panic!("attempts") };
    let made = Account { made_at: fine, ..account("anna", 1) };
    let sign_in = SignIn::Session(Session { began: fine, seen: fine, ..session.clone() });
    let failed = gateway_core::account::Attempts { last: fine, rests_until: Some(fine), ..tries.clone() };
    write(&store, vec![put_account(made), Change::PutSignIn(sign_in), Change::PutSignIn(SignIn::Attempts(failed))])
        .await;
    assert_eq!(must(store.account(&name("anna")).await).map(|account| account.made_at), Some(kept));
    let read = must(store.sign_in("browser").await);
    assert_eq!(read, Some(SignIn::Session(Session { began: kept, seen: kept, ..session })));
    let read = must(store.sign_in("tries").await);
    let expected = gateway_core::account::Attempts { last: kept, rests_until: Some(kept), ..tries };
    assert_eq!(read, Some(SignIn::Attempts(expected)));
}

pub(super) async fn what_may_need_a_person_is_listed_for_one_party(store: Shared) {
    let held = |id: &str, revision| {
        let reason = HoldReason::NoRoute("none fits".to_owned());
        Referral { delivery: Delivery::Held { reason }, task_status: TaskStatus::OnHold, ..referral(id, revision) }
    };
    let declined = |id: &str| Referral { task_status: TaskStatus::Rejected, ..referral(id, 1) };
    write(&store, vec![put_referral(referral("a", 1)), put_referral(held("b", 1)), put_referral(declined("c"))]).await;
    for (id, stranger) in ["d", "e", "f"].into_iter().zip(strangers()) {
        write(&store, vec![put_referral(Referral { compartment: stranger, ..held(id, 1) })]).await;
    }
    write(&store, vec![put_referral(Referral { conflict: Some("odd".to_owned()), ..referral("g", 1) })]).await;
    let needing = |party: Compartment, group, since| {
        Some(Needing { tenant: party.tenant, owner: party.owner, group, now: at(0), since })
    };
    let of = |party| ReferralFilter { needing: needing(party, Group::Usual, None), ..all_referrals() };
    let listed = async |filter: &ReferralFilter| {
        must(store.referrals(filter).await).into_iter().map(|row| row.id.0).collect::<String>()
    };
    assert_eq!(listed(&of(home())).await, "bcg");
    for (party, expected) in strangers().into_iter().zip(["d", "e", "f"]) {
        assert_eq!(listed(&of(party)).await, expected);
    }
    let since = Some(referral("b", 1).accepted_at);
    let page = ReferralFilter {
        limit: 1,
        after: Some(referral_id("b")),
        needing: needing(home(), Group::Usual, since),
        ..all_referrals()
    };
    assert_eq!(listed(&page).await, "c");
    // What goes on, or was ended, is listed no more.
    write(&store, vec![put_referral(referral("b", 2))]).await;
    let ended = Referral { revision: 2, sender: SenderState::Cancelled, ..declined("c") };
    write(&store, vec![put_referral(ended)]).await;
    assert_eq!(listed(&of(home())).await, "g");
}

pub(super) async fn what_needs_a_person_comes_the_most_pressing_and_the_longest_waiting_first(store: Shared) {
    let declined = |id: &str, accepted| Referral {
        task_status: TaskStatus::Rejected,
        accepted_at: at(accepted),
        urgent: None,
        ..referral(id, 1)
    };
    let alarm = FollowUp {
        cause: follow_up::Cause::SafeguardingConcern,
        task: "t".to_owned(),
        opened_at: at(50),
        due: None,
        ended_at: None,
        again: None,
    };
    for row in [
        declined("a", 30),
        declined("b", 10),
        // Urgent from a time on.
        Referral { urgent: Some(at(100)), ..declined("c", 20) },
        Referral { urgent: Some(at(0)), ..declined("d", 5) },
        // The last to come is the first of all.
        Referral { follow_ups: vec![alarm], task_status: TaskStatus::Completed, ..declined("e", 40) },
        // As old as another: in the order in which they were accepted.
        declined("f", 10),
    ] {
        write(&store, vec![put_referral(row)]).await;
    }
    let listed = async |group: Group, now: i64, behind: Option<(&str, i64)>, limit| {
        let needing = Needing {
            tenant: home().tenant,
            owner: home().owner,
            group,
            now: at(now),
            since: behind.map(|(_, since)| at(since)),
        };
        let after = behind.map(|(id, _)| referral_id(id));
        let filter = ReferralFilter { needing: Some(needing), after, limit, ..all_referrals() };
        must(store.referrals(&filter).await).into_iter().map(|row| row.id.0).collect::<String>()
    };
    for (group, now, expected) in [
        (Group::Alarm, 60, "e"),
        (Group::Urgent, 99, "d"),
        (Group::Usual, 99, "bfca"),
        (Group::Urgent, 100, "dc"),
        (Group::Usual, 100, "bfa"),
    ] {
        assert_eq!(listed(group, now, None, 10).await, expected, "{group:?} {now}");
    }
    // Page by page: nothing twice, and nothing passed over.
    assert_eq!(listed(Group::Usual, 100, None, 1).await, "b");
    assert_eq!(listed(Group::Usual, 100, Some(("b", 10)), 1).await, "f");
    assert_eq!(listed(Group::Usual, 100, Some(("f", 10)), 1).await, "a");
    assert_eq!(listed(Group::Usual, 100, Some(("a", 30)), 1).await, "");
}
