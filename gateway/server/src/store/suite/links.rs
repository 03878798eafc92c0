//! Status links: found by what opens them or goes on with them, each opened by one alone, and gone with their referral.

use super::samples::{
    Shared, all_referrals, at, audit, commit, erasure, link, must, put_link, put_referral, referral, referral_id,
    refused, subject, write,
};
use crate::store::CommitError;
use gateway_core::change::{Change, CheckFailure, Removed};
use gateway_core::referral::Referral;
use gateway_core::status_link::StatusLink;
use gateway_core::subject::{Domain, SubjectId};
use time::Duration;

fn ids(links: Vec<StatusLink>) -> String {
    links.into_iter().map(|link| link.id).collect()
}

pub(super) async fn revisions_of_a_link_follow_each_other(store: Shared) {
    let opened = link("a", "r", 50).opened("session".to_owned(), at(20));
    assert_eq!(refused(&store, vec![], vec![put_link(opened.clone())]).await, CheckFailure::Revision(0));
    write(&store, vec![put_link(link("a", "r", 50))]).await;
    assert_eq!(refused(&store, vec![], vec![put_link(link("a", "r", 50))]).await, CheckFailure::Revision(1));
    write(&store, vec![put_link(opened.clone())]).await;
    // Of two who open it at once, one does.
    assert_eq!(refused(&store, vec![], vec![put_link(opened)]).await, CheckFailure::Revision(2));
    let hash = must(store.content_hash().await);
    let both = vec![put_link(link("b", "r", 50)), Change::Audit(audit("r", "never")), put_link(link("b", "r", 50))];
    assert_eq!(refused(&store, vec![], both).await, CheckFailure::Revision(1));
    assert_eq!(must(store.content_hash().await), hash);
}

pub(super) async fn a_link_is_found_by_what_opens_it_and_by_what_goes_on(store: Shared) {
    let first = link("a", "r", 50);
    write(&store, vec![put_link(first.clone()), put_link(link("b", "other", 60))]).await;
    assert_eq!(must(store.link_by_secret("secret-of-a").await), Some(first.clone()));
    assert_eq!(must(store.link_by_secret("secret-of-c").await), None);
    assert_eq!(must(store.link_by_session("session").await), None);
    let opened = first.opened("session".to_owned(), at(20));
    write(&store, vec![put_link(opened.clone())]).await;
    assert_eq!(must(store.link_by_session("session").await), Some(opened.clone()));
    // Who comes with a spent link is told so: it is still found.
    assert_eq!(must(store.link_by_secret("secret-of-a").await), Some(opened.clone()));
    write(&store, vec![put_link(opened.closed())]).await;
    assert_eq!(must(store.link_by_session("session").await), None);
    assert_eq!(must(store.link_by_secret("secret-of-a").await), Some(opened.closed()));
}

pub(super) async fn no_secret_opens_two_links(store: Shared) {
    write(&store, vec![put_link(link("a", "r", 50))]).await;
    let same = StatusLink { secret_sha256: "secret-of-a".to_owned(), ..link("b", "r", 50) };
    let hash = must(store.content_hash().await);
    let failed = |result| assert!(matches!(result, Err(CommitError::Store(_))), "{result:?}");
    failed(commit(&store, vec![], vec![Change::Audit(audit("r", "never")), put_link(same.clone())]).await);
    assert_eq!(must(store.content_hash().await), hash, "nothing of it was written");
    write(&store, vec![put_link(link("b", "r", 50))]).await;
    write(&store, vec![put_link(link("a", "r", 50).opened("session".to_owned(), at(20)))]).await;
    failed(commit(&store, vec![], vec![put_link(link("b", "r", 50).opened("session".to_owned(), at(20)))]).await);
    // Once the first is removed, what opened it is free.
    write(
        &store,
        vec![Change::Remove(vec![Removed::Link("a".to_owned())]), put_link(StatusLink { id: "c".to_owned(), ..same })],
    )
    .await;
    assert_eq!(ids(must(store.links(&referral_id("r")).await)), "bc");
}

pub(super) async fn links_are_listed_as_they_were_made_and_as_they_end(store: Shared) {
    for (id, whose, until) in [("a", "r", 30), ("b", "r", 10), ("c", "other", 20), ("d", "r", 20)] {
        write(&store, vec![put_link(link(id, whose, until))]).await;
    }
    write(&store, vec![put_link(link("a", "r", 30).refused(at(5)))]).await;
    assert_eq!(ids(must(store.links(&referral_id("r")).await)), "abd");
    assert_eq!(must(store.links(&referral_id("none")).await), []);
    for (before, limit, expected) in
        [(10, 9, ""), (11, 9, "b"), (21, 9, "bcd"), (99, 9, "bcda"), (99, 2, "bc"), (99, 0, "")]
    {
        assert_eq!(
            ids(must(store.expired_links(at(before), limit).await)),
            expected,
            "before {before}, at most {limit}"
        );
    }
    write(&store, vec![Change::Remove(["a", "b", "none"].map(|id| Removed::Link(id.to_owned())).to_vec())]).await;
    assert_eq!(ids(must(store.expired_links(at(99), 9).await)), "cd");
}

pub(super) async fn links_go_with_their_referral(store: Shared) {
    let of = |id: &str, whose: &str| Referral { subject: Some(SubjectId(whose.to_owned())), ..referral(id, 1) };
    write(&store, vec![put_referral(of("mine", "p")), put_referral(of("other", "q"))]).await;
    write(&store, vec![put_link(link("a", "mine", 30)), put_link(link("b", "other", 30))]).await;
    let consents = Change::Erase { subject: subject("p", Domain::Consent), erasure: erasure(40) };
    write(&store, vec![consents]).await;
    assert_eq!(ids(must(store.links(&referral_id("mine")).await)), "a");
    write(&store, vec![Change::Erase { subject: subject("p", Domain::Record), erasure: erasure(50) }]).await;
    assert_eq!(must(store.link_by_secret("secret-of-a").await), None);
    assert_eq!(ids(must(store.expired_links(at(99), 9).await)), "b");
    assert_eq!(must(store.referrals(&all_referrals()).await).len(), 2);
    // Whoever was about to open it comes too late.
    let opened = link("a", "mine", 30).opened("session".to_owned(), at(20));
    assert_eq!(refused(&store, vec![], vec![put_link(opened)]).await, CheckFailure::Revision(0));
}

pub(super) async fn times_of_links_are_kept_to_the_microsecond(store: Shared) {
    let fine = at(9) + Duration::nanoseconds(1_234_567);
    let kept = at(9) + Duration::microseconds(1_234);
    let made = StatusLink { made_at: fine, expires_at: fine, rests_until: Some(fine), ..link("a", "r", 9) };
    write(&store, vec![put_link(made)]).await;
    let read =
        must(store.link_by_secret("secret-of-a").await).map(|link| (link.made_at, link.expires_at, link.rests_until));
    assert_eq!(read, Some((kept, kept, Some(kept))));
}
