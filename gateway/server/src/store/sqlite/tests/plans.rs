//! The plans of the statements that run often: each goes by an index, none sorts.

use crate::store::lane;
use crate::store::sqlite::search::Found;
use crate::store::sqlite::{chain, claim, kept, keys, reads, schema};
use crate::store::suite::samples::{at, query, strangers};
use crate::store::{ReferralFilter, SearchQuery, UpdatedRange, statements};
use gateway_core::resource::Token;
use gateway_core::subject::SubjectId;
use gateway_core::work_list::Group;
use rusqlite::Connection;

fn file() -> Connection {
    let mut file = Connection::open_in_memory().expect("opens");
    schema::migrate(&mut file, schema::MIGRATIONS).expect("migrates");
    crate::store::sqlite::blind::prepare(&file).expect("makes a key");
    file
}

fn plan(file: &Connection, sql: &str) -> Vec<String> {
    let mut statement = file.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect(sql);
    // Plans do not depend on the values: NULL for all.
    let values = vec![None::<i64>; statement.parameter_count()];
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| row.get(3));
    rows.expect("explains").collect::<Result<_, _>>().expect("reads")
}

/// No step reads a whole table or sorts.
#[track_caller]
fn check(file: &Connection, sql: &str) {
    let plan = plan(file, sql);
    for step in &plan {
        // `ahead` is what a bounded count counts.
        assert!(
            !(step.contains("TEMP B-TREE") || step.starts_with("SCAN") && step != "SCAN ahead"),
            "{step}\n{sql}\n{plan:#?}"
        );
    }
}

/// It reads the index alone, and no more of it than is asked: `LIMIT` bounds what it costs.
#[test]
fn the_backlog_is_counted_in_an_index() {
    let plan = plan(&file(), claim::BACKLOG);
    assert!(plan.iter().any(|step| step.starts_with("SEARCH o USING COVERING INDEX outbox_turn")), "{plan:#?}");
    assert!(plan.iter().all(|step| step != "SCAN outbox" && !step.contains("TEMP B-TREE")), "{plan:#?}");
}

#[test]
fn fixed_statements_go_by_an_index() {
    let file = file();
    let fixed = [
        claim::DUE,
        claim::NEXT,
        claim::TENANT,
        claim::PLATFORM,
        claim::STANDS,
        claim::LEFT,
        claim::BEFORE,
        claim::URGENT_BEFORE,
        claim::URGENT,
        lane::LANE,
        lane::FENCE,
        lane::LEASED,
        reads::RESOURCE.as_str(),
        reads::HISTORY.as_str(),
        reads::ANSWER,
        keys::ERASURE,
        kept::RAW_REPORTS,
        kept::RECEIVED,
        kept::ANSWERS,
        kept::PARKED,
        kept::IDLE,
        kept::BELONGING,
        reads::UNANSWERED,
        reads::DEAD[0],
        reads::DEAD[1],
        reads::BY_TASK,
        reads::BY_NAME,
        reads::BY_KEY,
        reads::BY_FORMER,
        reads::OUTBOX,
        reads::UNREAD,
        reads::REPORTS,
        reads::UNMAPPED,
        reads::LINK_BY_SECRET,
        reads::LINK_BY_SESSION,
        reads::LINKS,
        reads::EXPIRED_LINKS,
        statements::NOTICE,
        statements::DUE_NOTICES,
        statements::NEXT_NOTICE,
        statements::LAST_NOTICE,
        statements::NOTICES,
        statements::NOTICES_OF,
        statements::ENDED_NOTICES,
        statements::DEAD_NOTICES[0],
        statements::DEAD_NOTICES[1],
        statements::NOTICES_WAIT[0],
        statements::NOTICES_WAIT[1],
        reads::ACCOUNT,
        reads::SIGN_IN,
        reads::EXPIRED_SIGN_INS,
        reads::TO_ALIGN,
        reads::AUDIT,
        reads::AUDIT_LINE,
        reads::LATEST,
        chain::LAST,
    ];
    let needing = Group::ALL.map(statements::needing);
    for sql in fixed.into_iter().chain(needing).chain(reads::PARKED_BY).chain(keys::OF_REFERRALS) {
        check(&file, sql);
    }
    // Counting counts all; the index is enough for it and nothing is sorted.
    assert_eq!(plan(&file, reads::COUNTS), ["SCAN referral USING COVERING INDEX referral_counts"]);
}

#[test]
fn lists_of_referrals_go_by_an_index() {
    let file = file();
    let tenants = [None, Some(strangers()[0].tenant.clone())];
    for tenant in tenants {
        for delivery in [None, Some("held".to_owned())] {
            for subject in [None, Some(SubjectId("p".to_owned()))] {
                for attention in [false, true] {
                    let (tenant, delivery, subject) = (tenant.clone(), delivery.clone(), subject.clone());
                    let filter =
                        ReferralFilter { tenant, delivery, subject, attention, needing: None, after: None, limit: 10 };
                    check(&file, &reads::listing(&filter));
                }
            }
        }
    }
}

#[test]
fn searches_go_by_an_index() {
    let file = file();
    let blind = crate::store::sqlite::blind::read(&file).expect("a key");
    let cases: [&[&[(&str, &str)]]; 11] = [
        &[],
        &[&[("status", "ready")]],
        &[&[("patient", "Patient/1")]],
        &[&[("status", "ready")], &[("patient", "Patient/1")]],
        &[&[("patient", "Patient/1")], &[("identifier", "x|1")], &[("status", "ready"), ("status", "done")]],
        &[&[("status", "ready"), ("status", "done")]],
        &[&[("patient", "Patient/1"), ("patient", "Patient/2")]],
        &[&[("patient", "Patient/1"), ("patient", "Patient/2")], &[("status", "ready")]],
        &[&[("_id", "1")]],
        &[&[("_id", "1"), ("_id", "2")]],
        &[&[("status", "ready")], &[("_id", "1"), ("_id", "2")]],
    ];
    for all_of in cases {
        for from in [None, Some(at(0))] {
            let query = SearchQuery { updated: UpdatedRange { from, to: from }, ..query(all_of) };
            let mut found = Found::of(&blind, &query, 0, 10).expect("builds");
            check(&file, &found.count());
            check(&file, &found.page(10));
        }
    }
    let mut by_patient = Found::of(&blind, &query(cases[3]), 0, 10).expect("builds");
    let plan = plan(&file, &by_patient.page(10)).join("\n");
    assert!(plan.contains("SEARCH t USING PRIMARY KEY") && plan.contains("SEARCH x "), "{plan}");
    let query = query(cases[3]);
    let hidden = blind.value(&query.compartment.owner.key(), &query.kind, &Token::new("patient", "Patient/1"));
    assert!(by_patient.values.contains(&hidden.into()));
}
