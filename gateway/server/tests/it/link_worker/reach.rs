//! Who sees what: another's referral answers exactly as one that is not there.

use super::desk::{Desk, START, account, ods, sds};
use crate::support::inside;
use gateway_core::identity::TenantId;
use serde_json::json;
use std::sync::Arc;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::store::memory::MemoryStore;

const MISSING: &str = "0198a000-0000-7000-8000-000000000000";

#[tokio::test]
async fn another_customers_or_organisations_referral_answers_as_a_missing_one() {
    let mut foreign = account("foreign");
    foreign.tenant = TenantId("pcn-b".to_owned());
    let mut neighbour = account("neighbour");
    neighbour.organisations = ["A82001".to_owned()].into();
    let clock = Arc::new(ManualClock::at(START));
    let desk = Desk::over(Arc::new(MemoryStore::new()), clock, &[account("anna"), foreign, neighbour]).await;
    let task = desk.held(0).await;
    for name in ["foreign", "neighbour"] {
        let cookie = desk.enter(name).await;
        assert!(desk.get(&cookie, "").await.text.contains("Nothing here needs you"), "{name}");
        for path in ["", "/cancel", "/hand-over"] {
            let (theirs, missing) = (
                desk.get(&cookie, &format!("/{task}{path}")).await,
                desk.get(&cookie, &format!("/{MISSING}{path}")).await,
            );
            assert_eq!((theirs.status.as_u16(), &theirs.text), (404, &missing.text), "{name} {path}");
        }
        let list = desk.get(&cookie, "").await;
        let hidden = super::desk::hidden(&list.text);
        let answer = desk.give(&cookie, (&task, "cancel"), &hidden, &[("version", "2"), ("words", "x")]).await;
        assert_eq!(answer.status, 404, "{name}");
    }
    assert_eq!(desk.task(&task).await["status"], "on-hold");
    let anna = desk.enter("anna").await;
    assert!(desk.get(&anna, "").await.text.contains(&task));
    desk.world.stop().await;
}

#[tokio::test]
async fn a_charitys_link_worker_sees_what_names_the_charity_until_more_is_handed_over() {
    let mut charity = account("charity");
    charity.reach.works_for = ods("8JK12");
    let mut person = account("person");
    person.reach.practitioner = sds("555");
    let clock = Arc::new(ManualClock::at(START));
    let desk = Desk::over(Arc::new(MemoryStore::new()), clock, &[account("anna"), charity, person]).await;
    let theirs = desk
        .referral(0, |bundle| {
            inside(bundle, "ServiceRequest").as_object_mut().unwrap().remove("performer");
            let task = inside(bundle, "Task").as_object_mut().unwrap();
            task.remove("owner");
            let by = json!({ "type": "Organization", "identifier": { "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "8JK12" } });
            task.insert("requester".to_owned(), by);
        })
        .await;
    let other = desk.held(1).await;
    let cookie = desk.enter("charity").await;
    let list = desk.get(&cookie, "").await.text;
    assert!(list.contains(&theirs) && !list.contains(&other), "{list}");
    assert_eq!(desk.get(&cookie, &format!("/{theirs}")).await.status, 200);
    assert_eq!(desk.get(&cookie, &format!("/{other}")).await.status, 404);
    // The practice's own link worker sees both, and hands the other over.
    let anna = desk.enter("anna").await;
    let all = desk.get(&anna, "").await.text;
    assert!(all.contains(&theirs) && all.contains(&other), "{all}");
    assert_eq!(desk.done(&anna, &other, "hand-over", &[("to", "charity")]).await, other);
    assert_eq!(desk.get(&cookie, &format!("/{other}")).await.status, 200);
    let mine = desk.get(&cookie, "?whose=mine").await.text;
    assert!(mine.contains(&other) && !mine.contains(&theirs), "{mine}");
    let lines = desk.audited(&other, "account/anna").await;
    assert!(lines.iter().any(|line| line.action == "hand-over" && line.detail["to"] == "charity"), "{lines:?}");
    // Handed back, it is out of sight again.
    desk.done(&anna, &other, "hand-over", &[("to", "")]).await;
    assert_eq!(desk.get(&cookie, &format!("/{other}")).await.status, 404);
    // Nobody is handed anything who is no colleague.
    let answer = desk.act(&anna, &other, "hand-over", &[("to", "nobody")]).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    desk.world.stop().await;
}

#[tokio::test]
async fn what_names_another_practitioner_is_not_theirs() {
    let mut person = account("person");
    person.reach.practitioner = sds("555");
    let clock = Arc::new(ManualClock::at(START));
    let desk = Desk::over(Arc::new(MemoryStore::new()), clock, &[person]).await;
    let requester = |value: &'static str| {
        move |bundle: &mut serde_json::Value| {
            let by = json!({ "type": "Practitioner", "identifier": { "system": "https://fhir.nhs.uk/Id/sds-user-id", "value": value } });
            inside(bundle, "Task")["requester"] = by.clone();
            inside(bundle, "ServiceRequest")["requester"] = by;
            inside(bundle, "ServiceRequest").as_object_mut().unwrap().remove("performer");
            inside(bundle, "Task").as_object_mut().unwrap().remove("owner");
        }
    };
    let (own, other) = (desk.referral(0, requester("555")).await, desk.referral(1, requester("556")).await);
    let cookie = desk.enter("person").await;
    let list = desk.get(&cookie, "").await.text;
    assert!(list.contains(&own) && !list.contains(&other), "{list}");
    assert_eq!(desk.get(&cookie, &format!("/{other}")).await.status, 404);
    desk.world.stop().await;
}

#[tokio::test]
async fn a_duplicate_names_to_nobody_what_is_not_theirs_to_see() {
    let desk = Desk::deciding("\n[duplicates]\nmode = \"hold\"\n").await;
    let mut charity = account("charity");
    charity.reach.works_for = ods("8JK12");
    desk.keep(&charity).await;
    let (first, held) = (desk.referral(0, |_| {}).await, desk.referral(0, |_| {}).await);
    let anna = desk.enter("anna").await;
    assert!(desk.get(&anna, &format!("/{held}")).await.text.contains(&first), "who sees both is told which");
    desk.done(&anna, &held, "hand-over", &[("to", "charity")]).await;
    let cookie = desk.enter("charity").await;
    let page = desk.get(&cookie, &format!("/{held}")).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains(&first), "{}", page.text);
    // Why it needs somebody, how it stands, and what has happened.
    assert!(page.text.matches("which is not yours to see").count() >= 3, "{}", page.text);
    desk.world.stop().await;
}
