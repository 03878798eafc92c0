//! Conditional creation, reading, searching and paging on the platform.

use std::collections::BTreeSet;

use conformance_tests::fhir::REFERRAL_KEY;
use conformance_tests::generator::{Generator, PLACER_SYSTEM, RecipientSpec};
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use serde_json::{Value, json};

use crate::support::{call, part, platform, post, referral};

#[tokio::test]
async fn a_transaction_again_finds_what_the_first_made() {
    let platform = platform().await;
    let first = post(&platform, &referral("k1")).await;
    let again = post(&platform, &referral("k1")).await;
    let location = |got: &crate::support::Got| got.body["entry"][0]["response"]["location"].clone();
    assert_eq!(location(&first), location(&again));
    assert_eq!(again.body["entry"][0]["response"]["status"], "200 OK");
    assert_eq!((platform.count("Task"), platform.duplicates()), (1, vec![]));
}

#[tokio::test]
async fn without_a_condition_the_second_is_a_duplicate_and_is_counted() {
    let platform = platform().await;
    let mut bundle = referral("k1");
    bundle["entry"][0]["request"].as_object_mut().unwrap().remove("ifNoneExist");
    post(&platform, &bundle).await;
    post(&platform, &bundle).await;
    assert_eq!(platform.duplicates(), ["k1"]);
    let many = post(&platform, &referral("k1")).await;
    assert_eq!((many.status, platform.count("Task")), (412, 2));
}

#[tokio::test]
async fn a_task_alone_is_created_on_condition() {
    let platform = platform().await;
    post(&platform, &referral("k1")).await;
    let mut task = platform.resource("Task", &platform.tasks()[0].id).unwrap();
    for server_owned in ["id", "meta"] {
        task.as_object_mut().unwrap().remove(server_owned);
    }
    task["identifier"][0]["value"] = json!("k2");
    let url = format!("{}/Task", platform.base_url());
    let condition = format!("identifier={REFERRAL_KEY}%7Ck2");
    let headers = [("if-none-exist", condition.as_str())];
    let made = call("POST", &url, &headers, Some(&task)).await;
    assert_eq!((made.status, made.headers["etag"].to_str().unwrap()), (201, "W/\"1\""));
    assert!(made.headers["location"].to_str().unwrap().starts_with(&url));
    let found = call("POST", &url, &headers, Some(&task)).await;
    assert_eq!((found.status, &found.body["id"]), (200, &made.body["id"]));
    assert_eq!(call("POST", &url, &[("if-none-exist", "status=requested")], Some(&task)).await.status, 400);
    assert_eq!(platform.count("Task"), 2);
}

#[tokio::test]
async fn tasks_are_found_by_identifier_status_and_change() {
    let platform = platform().await;
    for key in ["k1", "k2", "k3"] {
        post(&platform, &referral(key)).await;
    }
    let base = platform.base_url();
    let total = async |query: &str| call("GET", &format!("{base}/Task?{query}"), &[], None).await.body["total"].clone();
    assert_eq!(total(&format!("identifier={REFERRAL_KEY}|k2")).await, 1);
    assert_eq!(total("identifier=urn:other|k2").await, 0);
    assert_eq!(total("status=requested,accepted").await, 3);
    assert_eq!(total("status=completed").await, 0);
    let second = platform.resource("Task", &platform.tasks()[1].id).unwrap();
    let at = second["meta"]["lastUpdated"].as_str().unwrap();
    assert_eq!(total(&format!("_lastUpdated=ge{at}")).await, 2);
    assert_eq!(total(&format!("_lastUpdated=gt{at}")).await, 1);
    assert_eq!(total(&format!("_id={}", second["id"].as_str().unwrap())).await, 1);
    assert_eq!(total("owner:missing=true&_sort=-_lastUpdated").await, 3);
}

#[tokio::test]
async fn pages_are_stable_while_tasks_arrive() {
    let config = PlatformConfig { page_limit: 4, ..PlatformConfig::default() };
    let platform = FhirPlatform::start(config).await.unwrap();
    for n in 0..10 {
        post(&platform, &referral(&format!("k{n}"))).await;
    }
    let mut next = Some(format!("{}/Task?_count=3&_sort=-_lastUpdated", platform.base_url()));
    let mut seen = Vec::new();
    while let Some(url) = next {
        assert!(url.starts_with("http://127.0.0.1:"), "links are absolute");
        let page = call("GET", &url, &[], None).await.body;
        seen.extend(page["entry"].as_array().unwrap().iter().map(|entry| entry["resource"]["id"].to_string()));
        let links = page["link"].as_array().unwrap();
        next =
            links.iter().find(|link| link["relation"] == "next").map(|link| link["url"].as_str().unwrap().to_owned());
        post(&platform, &referral(&format!("late{}", seen.len()))).await;
    }
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (10, 10));
}

#[tokio::test]
async fn a_batch_reads_each_for_itself() {
    let platform = platform().await;
    post(&platform, &referral("k1")).await;
    let get = |url: &str| json!({ "request": { "method": "GET", "url": url } });
    let task = format!("Task/{}", platform.tasks()[0].id);
    let batch = json!({ "resourceType": "Bundle", "type": "batch", "entry": [
        get(&task), get("Task/none"), get("Task?status=requested"), { "request": { "method": "POST", "url": "Task" } },
    ] });
    let got = post(&platform, &batch).await.body;
    let statuses: Vec<&Value> = got["entry"].as_array().unwrap().iter().map(|one| &one["response"]["status"]).collect();
    assert_eq!(statuses, ["200", "404", "200", "400"]);
    assert_eq!(got["entry"][0]["response"]["etag"], "W/\"1\"");
    assert_eq!(got["entry"][2]["resource"]["total"], 1);
}

/// What a coordination platform makes of a generated referral: its own order on the basis of the source's.
#[tokio::test]
async fn every_generated_referral_is_acceptable_once_it_is_a_filler_order() {
    let platform = platform().await;
    let generator = Generator::new(6, vec![RecipientSpec::new("A1B2C", "Good Neighbours", &[])]);
    for n in 0..60 {
        let referral = generator.referral(n);
        let mut bundle = referral.bundle.clone();
        let order = part(&mut bundle, "ServiceRequest");
        order["intent"] = json!("filler-order");
        order["basedOn"] = json!([{ "identifier": { "system": PLACER_SYSTEM, "value": referral.placer_id } }]);
        let key = json!([{ "system": REFERRAL_KEY, "value": referral.placer_id }]);
        part(&mut bundle, "Task")["identifier"] = key;
        let got = post(&platform, &bundle).await;
        assert_eq!(got.status, 200, "{}", got.body);
        let refused = post(&platform, &referral.bundle).await;
        assert_eq!(refused.status, 422, "the source's own order is not for a platform");
    }
    assert_eq!((platform.count("Task"), platform.duplicates().len()), (60, 0));
}
