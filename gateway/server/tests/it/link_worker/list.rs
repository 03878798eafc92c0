//! The order of a long list, and that nobody is hidden by it: neither by what is older, nor by what others see.

use super::desk::{Desk, START, account, ods};
use crate::support::{GP, READER, assert_valid, inside};
use adapter_contract::IdempotencyKey;
use gateway_core::change::Change;
use gateway_core::follow_up::{Cause, FollowUp};
use gateway_core::referral::{Delivery, Referral, ReferralId};
use gateway_core::resource::{ResourceKey, ResourceVersion, WriteMethod, tokens};
use serde_json::{Value, json};
use std::sync::Arc;
use time::Duration;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::store::memory::MemoryStore;

/// Copies of a referral that a service was sent, each older than it; `change` makes each what it is to be.
async fn many(desk: &Desk, like: &str, count: i64, change: impl Fn(&mut Referral, &mut Value)) {
    let original = desk.of_task(like).await;
    let key = |kind: &str, id: &str| ResourceKey {
        compartment: original.compartment.clone(),
        kind: kind.to_owned(),
        id: id.to_owned(),
    };
    let task: Value = desk.task(like).await;
    let stored = desk.store.resource(&key("Task", like), None).await.unwrap().unwrap();
    for number in 0..count {
        let id = format!("{like}-{number}");
        let mut document = task.clone();
        document["id"] = json!(id);
        document["meta"]["versionId"] = json!("1");
        let mut referral = Referral {
            id: ReferralId(format!("{}-{number}", original.id.0)),
            revision: 1,
            task: id.clone(),
            key: IdempotencyKey(format!("{}-{number}", original.key.0)),
            accepted_at: original.accepted_at - Duration::HOUR - Duration::seconds(number),
            delivery: Delivery::Delivered { at: START },
            ..original.clone()
        };
        change(&mut referral, &mut document);
        let version = ResourceVersion {
            key: key("Task", &id),
            version: 1,
            method: WriteMethod::Post,
            body: document.to_string(),
            tokens: tokens("Task", &document.into()),
            ..stored.clone()
        };
        desk.commit(vec![Change::PutResource(version), Change::PutReferral(Box::new(referral))]).await;
    }
}

fn stands(referral: &mut Referral, document: &mut Value, status: &str, business: &str) {
    referral.task_status = status.parse().unwrap();
    referral.platform_status = Some(referral.task_status);
    document["status"] = json!(status);
    document["businessStatus"] =
        json!({ "coding": [{ "system": adapter_contract::systems::BUSINESS_STATUS, "code": business }] });
}

/// A service calls for help on this one.
async fn alarm(desk: &Desk, task: &str) {
    desk.written(task, |referral, _| {
        referral.follow_ups.push(FollowUp {
            cause: Cause::SafeguardingConcern,
            task: "alarm".to_owned(),
            opened_at: START,
            due: None,
            ended_at: None,
            again: None,
        });
    })
    .await;
}

/// The Tasks that are listed over FHIR, and the answer.
async fn listed(desk: &Desk, token: &str, query: &str) -> (Vec<String>, Value) {
    let answer = desk.world.get(token, &format!("/fhir/Task/$work-list{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_valid(query, &answer.text);
    let bundle = answer.json();
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let matches = entries.iter().filter(|entry| entry["search"]["mode"] == "match");
    let ids = matches.map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect();
    (ids, bundle)
}

fn outcome(bundle: &Value) -> Option<&Value> {
    let entries = bundle["entry"].as_array()?;
    entries.iter().find(|entry| entry["search"]["mode"] == "outcome").map(|entry| &entry["resource"]["issue"][0])
}

#[tokio::test]
async fn a_call_for_help_is_first_behind_any_number_of_older_ones_on_a_waiting_list() {
    let desk = Desk::open().await;
    let waits = desk.referral(0, |_| {}).await;
    many(&desk, &waits, 600, |referral, document| stands(referral, document, "on-hold", "waitlisted")).await;
    let declined = desk.referral(1, |_| {}).await;
    desk.said(&declined, "rejected", "declined-capacity", "full").await;
    let help = desk.referral(2, |_| {}).await;
    desk.said(&help, "on-hold", "waitlisted", "Some weeks.").await;
    alarm(&desk, &help).await;
    let anna = desk.enter("anna").await;
    let page = desk.get(&anna, "").await.text;
    let (first, second) = (page.find(&help).unwrap(), page.find(&declined).unwrap());
    assert!(first < second && !page.contains("There is more than fits here"), "{page}");
    let (ids, bundle) = listed(&desk, GP, "").await;
    assert_eq!((ids, &bundle["total"], outcome(&bundle)), (vec![help, declined], &json!(2), None));
    desk.world.stop().await;
}

#[tokio::test]
async fn what_others_see_hides_nothing_from_whoever_sees_little() {
    let mut charity = account("charity");
    charity.reach.works_for = ods("8JK12");
    let clock = Arc::new(ManualClock::at(START));
    let desk = Desk::over(Arc::new(MemoryStore::new()), clock, &[account("anna"), charity]).await;
    let others = desk.referral(0, |_| {}).await;
    many(&desk, &others, 600, |referral, document| stands(referral, document, "rejected", "declined-capacity")).await;
    // The youngest of all, and nothing urgent.
    let theirs = desk
        .referral(1, |bundle| {
            inside(bundle, "Task").as_object_mut().unwrap().remove("owner");
            inside(bundle, "ServiceRequest").as_object_mut().unwrap().remove("performer");
            inside(bundle, "Task")["requester"] = json!({ "type": "Organization",
                "identifier": { "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "8JK12" } });
        })
        .await;
    let cookie = desk.enter("charity").await;
    let page = desk.get(&cookie, "").await.text;
    assert!(page.contains(&theirs) && page.contains("Everybody's (1)"), "{page}");
    assert!(!page.contains("There is more than fits here"), "all was looked at: {page}");
    desk.world.stop().await;
}

#[tokio::test]
async fn where_not_all_was_looked_at_the_list_says_so() {
    let desk = Desk::open().await;
    let like = desk.referral(0, |_| {}).await;
    many(&desk, &like, 600, |referral, document| {
        stands(referral, document, "rejected", "declined-capacity");
        // One of the youngest is urgent.
        referral.urgent = referral.task.ends_with("-7").then_some(START);
    })
    .await;
    let failed = desk.referral(1, |_| {}).await;
    desk.said(&failed, "failed", "error", "It did not work.").await;
    desk.written(&failed, |referral, _| referral.urgent = None).await;
    let anna = desk.enter("anna").await;
    let page = desk.get(&anna, "").await.text;
    assert!(page.contains("There is more than fits here") && page.contains(" or more)"), "{page}");
    assert_eq!(page.matches("<li class=\"card\">").count(), 100);
    let (ids, bundle) = listed(&desk, READER, "?_count=20").await;
    assert_eq!((ids.len(), bundle.get("total")), (20, None));
    assert_eq!(ids[0], format!("{like}-7"), "what is urgent first");
    assert_eq!(ids[1], format!("{like}-599"), "then the oldest");
    let issue = outcome(&bundle).unwrap();
    assert_eq!((&issue["severity"], &issue["code"]), (&json!("warning"), &json!("incomplete")));
    // Asked for one cause it goes on until it has found it.
    let (ids, bundle) = listed(&desk, READER, "?cause=failed").await;
    assert_eq!((ids.as_slice(), &bundle["total"]), (std::slice::from_ref(&failed), &json!(1)));
    assert!(desk.get(&anna, "?why=failed").await.text.contains(&failed));
    // Whoever wants no line counts all.
    let (ids, bundle) = listed(&desk, READER, "?_count=0").await;
    assert_eq!((ids.len(), &bundle["total"], outcome(&bundle)), (0, &json!(601), None));
    desk.world.stop().await;
}
