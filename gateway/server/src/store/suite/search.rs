//! Rules for search and its pages.

use super::samples::{Shared, at, must, put, query, resource, write};
use crate::store::{SearchQuery, UpdatedRange};

/// Criteria in short: AND over the outer list, OR over each inner one.
type AllOf = &'static [&'static [(&'static str, &'static str)]];

async fn found(store: &Shared, query: &SearchQuery) -> Vec<String> {
    let page = must(store.search(query).await);
    assert_eq!(page.total.unwrap_or(page.rows.len() as u64), page.rows.len() as u64, "these fit one page");
    page.rows.into_iter().map(|(_, row)| row.key.id).collect()
}

pub(super) async fn criteria_are_and_over_or(store: Shared) {
    let contents: [(&str, &[(&str, &str)]); 4] = [
        ("d", &[("patient", "Patient/1"), ("status", "ready"), ("identifier", "x|1"), ("identifier", "x|2")]),
        ("c", &[("patient", "Patient/2"), ("status", "ready")]),
        ("b", &[("patient", "Patient/1"), ("status", "done")]),
        ("a", &[]),
    ];
    for (id, tokens) in contents {
        write(&store, vec![put(resource(id, 1, tokens))]).await;
    }
    let cases: [(AllOf, &str); 19] = [
        (&[], "dcba"),
        (&[&[("patient", "Patient/1")]], "db"),
        (&[&[("patient", "patient/1")]], ""),
        (&[&[("status", "ready")]], "dc"),
        (&[&[("status", "ready")], &[("patient", "Patient/1")]], "d"),
        (&[&[("patient", "Patient/1")], &[("status", "ready")]], "d"),
        (&[&[("patient", "Patient/1"), ("patient", "Patient/2")]], "dcb"),
        (&[&[("patient", "Patient/2"), ("patient", "Patient/1")], &[("status", "ready")]], "dc"),
        (&[&[("status", "done"), ("status", "ready")]], "dcb"),
        (&[&[("status", "done"), ("status", "ready")], &[("identifier", "x|2")]], "d"),
        (&[&[("identifier", "x|1")], &[("identifier", "x|2")]], "d"),
        (&[&[("identifier", "x|1"), ("identifier", "x|2"), ("identifier", "x|1")]], "d"),
        (&[&[]], ""),
        (&[&[("patient", "Patient/1")], &[]], ""),
        (&[&[("_id", "c")]], "c"),
        (&[&[("_id", "b"), ("_id", "c"), ("_id", "z")]], "cb"),
        (&[&[("status", "ready")], &[("_id", "b"), ("_id", "c")]], "c"),
        (&[&[("_id", "b"), ("_id", "d")], &[("patient", "Patient/1")]], "db"),
        (&[&[("_id", "a"), ("identifier", "x|1")]], "da"),
    ];
    for (all_of, expected) in cases {
        assert_eq!(found(&store, &query(all_of)).await.concat(), expected, "{all_of:?}");
        let uncounted = SearchQuery { count: false, ..query(all_of) };
        assert_eq!(found(&store, &uncounted).await.concat(), expected, "{all_of:?}");
    }
    assert_eq!(must(store.search(&SearchQuery { count: false, ..query(&[]) }).await).total, None);
}

pub(super) async fn last_updated_is_bounded_inclusively(store: Shared) {
    for (id, seconds) in [("a", 10), ("b", 20), ("c", 30)] {
        let tokens: &[(&str, &str)] = &[("status", "ready"), ("patient", "Patient/1")];
        write(
            &store,
            vec![put(gateway_core::resource::ResourceVersion { updated: at(seconds), ..resource(id, 1, tokens) })],
        )
        .await;
    }
    let cases = [(None, None, "abc"), (Some(20), None, "bc"), (None, Some(20), "ab"), (Some(20), Some(20), "b")];
    for (from, to, expected) in cases.into_iter().chain([(Some(21), Some(29), ""), (Some(30), Some(10), "")]) {
        let updated = UpdatedRange { from: from.map(at), to: to.map(at) };
        for all_of in [&[][..], &[&[("status", "ready")][..]], &[&[("patient", "Patient/1")][..]]] {
            let query = SearchQuery { updated, ..query(all_of) };
            assert_eq!(found(&store, &query).await.concat(), expected, "{updated:?}");
        }
    }
}

pub(super) async fn pages_are_stable_while_others_write(store: Shared) {
    for all_of in [&[][..], &[&[("status", "ready")][..]], &[&[("status", "ready"), ("status", "busy")][..]]] {
        let prefix = format!("p{}-", all_of.concat().len());
        let id = |number: u32| format!("{prefix}{number}");
        for number in 0..7 {
            write(&store, vec![put(resource(&id(number), 1, &[("status", "ready")]))]).await;
        }
        let before = must(store.search(&query(all_of)).await);
        let mut next = SearchQuery { limit: 3, ..query(all_of) };
        let mut seen = Vec::new();
        for round in 0.. {
            let page = must(store.search(&next).await);
            assert_eq!(page.up_to, before.up_to, "the first page fixes the end");
            assert_eq!(page.total, before.total, "pages do not change the total");
            seen.extend(page.rows.iter().map(|(place, row)| (*place, row.key.id.clone())));
            assert_eq!(page.more, seen.len() < before.rows.len());
            let Some((last, _)) = page.rows.last() else { break };
            next = SearchQuery { after: *last, up_to: Some(page.up_to), ..next };
            // Others create, and change what was seen, what is to come, and what is on neither side of the fence.
            write(&store, vec![put(resource(&id(100 + round), 1, &[("status", "ready")]))]).await;
            for number in [0, 6] {
                write(&store, vec![put(resource(&id(number), u64::from(round) + 2, &[("status", "ready")]))]).await;
            }
        }
        let expected: Vec<_> = before.rows.iter().map(|(place, row)| (*place, row.key.id.clone())).collect();
        assert_eq!(seen, expected, "nothing twice, nothing missing, nothing new");
    }
    let none = must(store.search(&SearchQuery { limit: 0, ..query(&[]) }).await);
    assert!(none.rows.is_empty() && none.more && none.total > Some(0), "a page of none still counts");
    let past = must(store.search(&SearchQuery { after: u64::MAX, ..query(&[]) }).await);
    assert!(past.rows.is_empty() && !past.more && past.total == none.total);
    let nothing = must(store.search(&SearchQuery { up_to: Some(0), ..query(&[]) }).await);
    assert_eq!((nothing.rows.len(), nothing.up_to, nothing.total), (0, 0, Some(0)));
}

pub(super) async fn places_grow_with_creation(store: Shared) {
    write(&store, vec![put(resource("z", 1, &[])), put(resource("y", 1, &[]))]).await;
    write(&store, vec![put(resource("z", 2, &[]))]).await;
    write(&store, vec![put(resource("x", 1, &[]))]).await;
    let page = must(store.search(&query(&[])).await);
    let rows: Vec<_> = page.rows.iter().map(|(place, row)| (*place, row.key.id.as_str(), row.version)).collect();
    assert!(rows.is_sorted());
    assert_eq!(rows.iter().map(|(_, id, version)| (*id, *version)).collect::<Vec<_>>(), [("z", 2), ("y", 1), ("x", 1)]);
    assert_eq!(rows.last().map(|row| row.0), Some(page.up_to));
}
