//! What is fed, and notices: fed in the order of commits, told in the order of each queue, each begun by one alone.

use super::samples::{
    Shared, at, audit, commit, erasure, fed, must, notice, put_notice, put_referral, referral, referral_id, refused,
    write,
};
use crate::store::CommitError;
use gateway_core::change::{Change, CheckFailure, Removed};
use gateway_core::identity::TenantId;
use gateway_core::notify::{Destination, Notice, NoticeState, Told};
use gateway_core::referral::Referral;
use gateway_core::retry::Schedule;
use gateway_core::subject::{Domain, Subject, SubjectId};
use time::Duration;

fn names(notices: Vec<Notice>) -> Vec<(String, u64)> {
    let name = |notice: Notice| (notice.referral.map(|referral| referral.0).unwrap_or_default(), notice.sequence);
    notices.into_iter().map(name).collect()
}

fn named(names: &[(&str, u64)]) -> Vec<(String, u64)> {
    names.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
}

fn ended(notice: &Notice, told: &Told, seconds: i64) -> Notice {
    notice.begun(at(seconds + 9)).after(told, at(seconds), &Schedule::default(), 0.5)
}

/// Begins and ends a notice in two commits.
async fn end(store: &Shared, notice: &Notice, told: &Told, seconds: i64) {
    write(store, vec![put_notice(notice.begun(at(seconds + 9)))]).await;
    write(store, vec![put_notice(ended(notice, told, seconds))]).await;
}

pub(super) async fn what_is_fed_comes_in_the_order_of_commits_until_it_is_removed(store: Shared) {
    assert_eq!(must(store.feed(9).await), []);
    write(&store, vec![fed("b", 1), fed("a", 1)]).await;
    write(&store, vec![fed("b", 2)]).await;
    let found = must(store.feed(9).await);
    let read: Vec<_> = found.iter().map(|fed| (fed.key.id.as_str(), fed.version, fed.at)).collect();
    assert_eq!(read, [("b", 1, at(5)), ("a", 1, at(5)), ("b", 2, at(5))]);
    assert_eq!(must(store.feed(1).await), found.get(..1).unwrap_or_default());
    let first = found.iter().take(2).map(|fed| Removed::Fed(fed.place)).collect();
    write(&store, vec![Change::Remove(first)]).await;
    // A place is never given again, so that nobody who looked earlier removes what came later.
    let last = found.iter().skip(2).map(|fed| Removed::Fed(fed.place)).collect();
    write(&store, vec![Change::Remove(last), fed("c", 1)]).await;
    let left = must(store.feed(9).await);
    assert!(left.iter().all(|fed| found.iter().all(|old| old.place < fed.place)) && left.len() == 1, "{left:?}");
}

pub(super) async fn a_queue_is_told_in_order_and_delays_no_other(store: Shared) {
    write(&store, vec![put_notice(notice("a", 1, 30)), put_notice(notice("a", 2, 10)), put_notice(notice("b", 1, 20))])
        .await;
    assert_eq!(names(must(store.due_notices(at(40), 9).await)), named(&[("b", 1), ("a", 1)]));
    assert_eq!(names(must(store.due_notices(at(29), 9).await)), named(&[("b", 1)]));
    assert_eq!(names(must(store.due_notices(at(40), 1).await)), named(&[("b", 1)]), "so many of each party");
    let foreign = Notice { compartment: super::samples::compartment("south", "A82001"), ..notice("c", 1, 35) };
    write(&store, vec![put_notice(foreign.clone())]).await;
    assert_eq!(names(must(store.due_notices(at(40), 1).await)), named(&[("b", 1), ("c", 1)]), "nobody hides another");
    end(&store, &foreign, &Told::Sent, 36).await;
    assert_eq!(must(store.next_notice().await), Some(at(20)), "the second of a waits for the first");
    write(&store, vec![put_notice(notice("b", 1, 20).begun(at(90)))]).await;
    assert_eq!(must(store.next_notice().await), Some(at(30)));
    end(&store, &notice("a", 1, 30), &Told::Sent, 31).await;
    assert_eq!(names(must(store.due_notices(at(40), 9).await)), named(&[("a", 2)]));
    // A lease that ran out is found again.
    assert_eq!(names(must(store.due_notices(at(90), 9).await)), named(&[("a", 2), ("b", 1)]));
    end(&store, &notice("a", 2, 10), &Told::Never("422".to_owned()), 41).await;
    assert_eq!(names(must(store.due_notices(at(89), 9).await)), named(&[]));
    // What a person reopens goes before what is behind it.
    write(&store, vec![put_notice(notice("a", 3, 50))]).await;
    assert_eq!(names(must(store.due_notices(at(60), 9).await)), named(&[("a", 3)]));
    let dead = must(store.notices("north/organisation/A82001/server/gp/Task/a", 1, 1).await);
    let again = dead.first().and_then(|dead| dead.reopened(at(55), &Schedule::default()));
    write(&store, again.map(put_notice).into_iter().collect()).await;
    assert_eq!(names(must(store.due_notices(at(60), 9).await)), named(&[("a", 2)]));
    assert_eq!(must(store.next_notice().await), Some(at(55)));
}

pub(super) async fn revisions_and_numbers_of_notices_are_taken_once(store: Shared) {
    let first = notice("a", 1, 10);
    assert_eq!(refused(&store, vec![], vec![put_notice(first.begun(at(20)))]).await, CheckFailure::Revision(0));
    write(&store, vec![put_notice(first.clone())]).await;
    // Of two who begin it at once, one does.
    write(&store, vec![put_notice(first.begun(at(20)))]).await;
    assert_eq!(refused(&store, vec![], vec![put_notice(first.begun(at(20)))]).await, CheckFailure::Revision(2));
    let hash = must(store.content_hash().await);
    let other = Notice { id: "other".to_owned(), ..notice("a", 1, 10) };
    let both = vec![Change::Audit(audit("a", "never")), put_notice(other)];
    assert_eq!(refused(&store, vec![], both).await, CheckFailure::Changed);
    let twice = vec![put_notice(notice("a", 2, 10)), put_notice(notice("a", 2, 10))];
    assert!(matches!(commit(&store, vec![], twice).await, Err(CommitError::Refused(CheckFailure::Revision(1)))));
    assert_eq!(must(store.content_hash().await), hash, "nothing of it was written");
}

pub(super) async fn notices_are_listed_by_queue_referral_and_end(store: Shared) {
    let queue = notice("a", 1, 1).queue();
    assert_eq!(must(store.last_notice(&queue).await), 0);
    for (task, number) in [("a", 1), ("b", 1), ("a", 2), ("a", 3)] {
        write(&store, vec![put_notice(notice(task, number, 1))]).await;
    }
    assert_eq!(must(store.last_notice(&queue).await), 3);
    assert_eq!(names(must(store.notices(&queue, 1, 9).await)), named(&[("a", 2), ("a", 3)]));
    assert_eq!(names(must(store.notices(&queue, 0, 1).await)), named(&[("a", 1)]));
    assert_eq!(names(must(store.notices_of(&referral_id("a")).await)), named(&[("a", 1), ("a", 2), ("a", 3)]));
    assert_eq!(must(store.notice(&notice("b", 1, 1).id).await), Some(notice("b", 1, 1)));
    assert_eq!(must(store.notice("none").await), None);
    end(&store, &notice("a", 1, 1), &Told::Sent, 40).await;
    end(&store, &notice("a", 2, 1), &Told::Never("422".to_owned()), 30).await;
    end(&store, &notice("b", 1, 1), &Told::Sent, 20).await;
    // The last of a queue stays: its numbers go on.
    assert_eq!(names(must(store.ended_notices(at(41), 9).await)), named(&[("a", 2), ("a", 1)]));
    assert_eq!(names(must(store.ended_notices(at(40), 9).await)), named(&[("a", 2)]));
    assert_eq!(names(must(store.ended_notices(at(41), 1).await)), named(&[("a", 2)]));
    let dead = must(store.dead_notices(None, 0, 9).await);
    assert_eq!(dead.iter().map(|(place, dead)| (*place, dead.state)).collect::<Vec<_>>(), [(3, NoticeState::Dead)]);
    assert_eq!(must(store.dead_notices(Some(&TenantId("south".to_owned())), 0, 9).await), []);
    assert_eq!(must(store.dead_notices(Some(&TenantId("north".to_owned())), 2, 9).await).len(), 1);
    assert_eq!(must(store.dead_notices(None, 3, 9).await), []);
    let gone = ["a", "none"].map(|task| Removed::Notice(notice(task, 1, 1).id)).to_vec();
    write(&store, vec![Change::Remove(gone)]).await;
    assert_eq!(names(must(store.notices_of(&referral_id("a")).await)), named(&[("a", 2), ("a", 3)]));
}

pub(super) async fn the_last_of_a_queue_goes_with_the_person_unless_its_numbers_are_told(store: Shared) {
    let of = |id: &str, person: Option<&str>| {
        let subject = person.map(|person| SubjectId(person.to_owned()));
        put_referral(Referral { subject, ..referral(id, 1) })
    };
    write(&store, vec![of("a", Some("p")), of("b", Some("q")), of("c", None)]).await;
    let event = {
        let destination = Destination::Subscription { id: "s".to_owned() };
        Notice { destination, id: "event".to_owned(), ..notice("a", 1, 1) }
    };
    // One is about no referral that is known here.
    for ended in [notice("a", 1, 1), notice("a", 2, 1), notice("b", 1, 1), notice("c", 1, 1), notice("d", 1, 1), event]
    {
        write(&store, vec![put_notice(ended.clone())]).await;
        end(&store, &ended, &Told::Sent, 20).await;
    }
    write(&store, vec![put_notice(notice("a", 3, 1))]).await;
    let ended = async || names(must(store.ended_notices(at(30), 9).await));
    assert_eq!(ended().await, named(&[("a", 1), ("a", 2)]));
    for domain in [Domain::Consent, Domain::Record] {
        let subject = Subject { id: SubjectId("p".to_owned()), domain };
        write(&store, vec![Change::Erase { subject, erasure: erasure(25) }]).await;
        assert_eq!(ended().await, named(&[("a", 1), ("a", 2)]), "the last one is open");
    }
    end(&store, &notice("a", 3, 1), &Told::NotWanted("The record was erased.".to_owned()), 26).await;
    assert_eq!(ended().await, named(&[("a", 1), ("a", 2), ("a", 3)]));
    assert_eq!(names(must(store.ended_notices(at(26), 9).await)), named(&[("a", 1), ("a", 2)]), "each at its time");
}

pub(super) async fn times_of_notices_are_kept_to_the_microsecond(store: Shared) {
    let fine = at(9) + Duration::nanoseconds(1_234_567);
    let kept = at(9) + Duration::microseconds(1_234);
    let made = Notice { made: fine, due: fine, expires_at: fine, ..notice("a", 1, 9) };
    write(&store, vec![put_notice(made)]).await;
    let read = must(store.notice(&notice("a", 1, 9).id).await).map(|one| (one.made, one.due, one.expires_at));
    assert_eq!(read, Some((kept, kept, kept)));
    assert_eq!(must(store.next_notice().await), Some(kept));
}
