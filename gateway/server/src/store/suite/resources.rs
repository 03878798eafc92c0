//! Rules for resources, their versions and conditional creation.

use super::samples::{
    Shared, commit, compartment, home, key, must, put, query, refused, resource, strangers, token, write,
};
use crate::store::{CommitError, SearchQuery};
use gateway_core::change::{Check, CheckFailure};
use gateway_core::resource::ResourceKey;
use tokio::task::JoinSet;

pub(super) async fn versions_follow_each_other(store: Shared) {
    assert_eq!(refused(&store, vec![], vec![put(resource("a", 2, &[]))]).await, CheckFailure::Version(0));
    assert_eq!(refused(&store, vec![], vec![put(resource("a", 0, &[]))]).await, CheckFailure::Version(0));
    write(&store, vec![put(resource("a", 1, &[])), put(resource("a", 2, &[("status", "ready")]))]).await;
    for version in [0, 1, 2, 4] {
        let failure = refused(&store, vec![], vec![put(resource("a", version, &[]))]).await;
        assert_eq!(failure, CheckFailure::Version(2), "version {version} after 2");
    }
    assert_eq!(must(store.resource(&key(&home(), "b"), None).await), None);
}

pub(super) async fn history_is_newest_first_and_old_versions_stay(store: Shared) {
    let mut versions = Vec::new();
    for version in 1..=3 {
        // Tokens are given back as they were given, whatever their order.
        let next = resource("a", version, &[("status", &format!("s{version}")), ("identifier", "x|1")]);
        write(&store, vec![put(next.clone())]).await;
        versions.insert(0, next);
    }
    let a = key(&home(), "a");
    assert_eq!(must(store.history(&a).await), versions);
    assert_eq!(must(store.resource(&a, None).await).as_ref(), versions.first());
    for version in &versions {
        assert_eq!(must(store.resource(&a, Some(version.version)).await).as_ref(), Some(version));
    }
    for absent in [0, 4, u64::MAX] {
        assert_eq!(must(store.resource(&a, Some(absent)).await), None, "version {absent}");
    }
    assert_eq!(must(store.history(&key(&home(), "b")).await), []);
}

pub(super) async fn several_are_read_as_they_stand(store: Shared) {
    let (first, now) = (resource("a", 1, &[]), resource("a", 2, &[("status", "ready")]));
    let other = resource("b", 1, &[]);
    write(&store, vec![put(first), put(now.clone()), put(other.clone())]).await;
    let keys = ["b", "z", "a"].map(|id| key(&home(), id));
    assert_eq!(must(store.resources(&keys).await), [other, now], "in the order asked, without what is not there");
    assert_eq!(must(store.resources(&[]).await), []);
    let [stranger, ..] = strangers();
    assert_eq!(must(store.resources(&[key(&stranger, "a")]).await), [], "another's compartment");
}

pub(super) async fn a_read_version_must_still_be_current(store: Shared) {
    write(&store, vec![put(resource("a", 1, &[]))]).await;
    let read = |id: &str, version| Check::VersionIs { key: key(&home(), id), version };
    must(commit(&store, vec![read("a", 1), read("b", 0)], vec![put(resource("a", 2, &[]))]).await);
    assert_eq!(refused(&store, vec![read("a", 1)], vec![put(resource("a", 3, &[]))]).await, CheckFailure::Version(2));
    assert_eq!(refused(&store, vec![read("b", 1)], vec![]).await, CheckFailure::Version(0));
}

pub(super) async fn what_was_read_must_still_be_all_there_is(store: Shared) {
    write(&store, vec![put(resource("a", 1, &[("patient", "p|1")])), put(resource("b", 1, &[("patient", "p|2")]))])
        .await;
    let these = |read: &[(&str, u64)]| Check::These {
        compartment: home(),
        kind: "Task".to_owned(),
        any_of: vec![token("patient", "p|1"), token("patient", "p|2")],
        read: read.iter().map(|(id, version)| ((*id).to_owned(), *version)).collect(),
    };
    must(commit(&store, vec![these(&[("a", 1), ("b", 1)])], vec![]).await);
    for other in [vec![], vec![("a", 1)], vec![("a", 1), ("b", 2)], vec![("a", 1), ("b", 1), ("c", 1)]] {
        assert_eq!(refused(&store, vec![these(&other)], vec![]).await, CheckFailure::Changed, "{other:?}");
    }
    // One is changed, one comes, one is no longer meant.
    write(&store, vec![put(resource("a", 2, &[("patient", "p|1")]))]).await;
    assert_eq!(refused(&store, vec![these(&[("a", 1), ("b", 1)])], vec![]).await, CheckFailure::Changed);
    write(&store, vec![put(resource("c", 1, &[("patient", "p|2")]))]).await;
    assert_eq!(refused(&store, vec![these(&[("a", 2), ("b", 1)])], vec![]).await, CheckFailure::Changed);
    write(&store, vec![put(resource("b", 2, &[]))]).await;
    must(commit(&store, vec![these(&[("a", 2), ("c", 1)])], vec![]).await);
    let stranger = strangers().into_iter().next().expect("there are strangers");
    let Check::These { kind, any_of, .. } = these(&[]) else { unreachable!() };
    must(
        commit(&store, vec![Check::These { compartment: stranger, kind, any_of, read: Default::default() }], vec![])
            .await,
    );
}

fn no_match(tokens: &[(&str, &str)]) -> Check {
    let tokens = tokens.iter().map(|(parameter, value)| token(parameter, value)).collect();
    Check::NoMatch { compartment: home(), kind: "Task".to_owned(), tokens }
}

pub(super) async fn no_match_looks_at_current_tokens_only(store: Shared) {
    write(&store, vec![put(resource("b", 1, &[("identifier", "x|1"), ("status", "ready")]))]).await;
    write(&store, vec![put(resource("a", 1, &[("identifier", "x|1"), ("identifier", "x|1")]))]).await;
    let both = CheckFailure::Matches(vec!["b".to_owned(), "a".to_owned()]);
    assert_eq!(refused(&store, vec![no_match(&[("identifier", "x|1")])], vec![]).await, both, "in creation order");
    let all = no_match(&[("identifier", "x|1"), ("status", "ready")]);
    assert_eq!(refused(&store, vec![all.clone()], vec![]).await, CheckFailure::Matches(vec!["b".to_owned()]));
    must(commit(&store, vec![no_match(&[("identifier", "x|")])], vec![]).await);
    must(commit(&store, vec![no_match(&[("IDENTIFIER", "x|1")])], vec![]).await);
    // The new version no longer carries it.
    write(&store, vec![put(resource("b", 2, &[("identifier", "x|1"), ("status", "done")]))]).await;
    must(commit(&store, vec![all.clone()], vec![]).await);
    // And again.
    write(&store, vec![put(resource("b", 3, &[("status", "ready"), ("identifier", "x|1")]))]).await;
    refused(&store, vec![all], vec![]).await;
}

pub(super) async fn concurrent_creates_make_exactly_one(store: Shared) {
    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let store = Shared::clone(&store);
        tasks.spawn(async move {
            let create = put(resource(&format!("r{number}"), 1, &[("identifier", "x|1")]));
            commit(&store, vec![no_match(&[("identifier", "x|1")])], vec![create]).await
        });
    }
    let (mut made, mut found) = (0, Vec::new());
    while let Some(result) = tasks.join_next().await {
        match must(result) {
            Ok(()) => made += 1,
            Err(CommitError::Refused(CheckFailure::Matches(ids))) => found.extend(ids),
            Err(error) => panic!("neither created nor matched: {error}"),
        }
    }
    assert_eq!((made, found.len()), (1, 49));
    let page = must(store.search(&query(&[])).await);
    assert_eq!(page.total, Some(1));
    assert!(page.rows.iter().all(|(_, row)| found.iter().all(|id| *id == row.key.id)), "all were told of the one");
}

pub(super) async fn compartments_do_not_see_each_other(store: Shared) {
    let mine = resource("a", 1, &[("identifier", "x|1")]);
    write(&store, vec![put(mine.clone())]).await;
    for stranger in strangers() {
        let there = key(&stranger, "a");
        assert_eq!(must(store.resource(&there, None).await), None);
        assert_eq!(must(store.resource(&there, Some(1)).await), None);
        assert_eq!(must(store.history(&there).await), []);
        let look = SearchQuery { compartment: stranger.clone(), ..query(&[&[("identifier", "x|1")]]) };
        let page = must(store.search(&look).await);
        assert_eq!((page.rows.len(), page.total, page.up_to), (0, Some(0), 0));
        let all = must(store.search(&SearchQuery { all_of: vec![], ..look.clone() }).await);
        assert_eq!((all.rows.len(), all.up_to), (0, 0), "not even how many others have");
        let Check::NoMatch { kind, tokens, .. } = no_match(&[("identifier", "x|1")]) else { unreachable!() };
        let checks = vec![
            Check::NoMatch { compartment: stranger.clone(), kind, tokens },
            Check::VersionIs { key: there.clone(), version: 0 },
        ];
        // The same id may stand in both, each with its own versions.
        must(
            commit(&store, checks, vec![put(gateway_core::resource::ResourceVersion { key: there, ..mine.clone() })])
                .await,
        );
        assert_eq!(must(store.search(&look).await).rows.len(), 1);
    }
    let other_kind = ResourceKey { kind: "Consent".to_owned(), ..key(&home(), "a") };
    assert_eq!(must(store.resource(&other_kind, None).await), None);
    assert_eq!(must(store.search(&query(&[&[("identifier", "x|1")]])).await).rows.len(), 1);
    assert_eq!(must(store.resource(&key(&compartment("north", "A8200"), "1a"), None).await), None);
}
