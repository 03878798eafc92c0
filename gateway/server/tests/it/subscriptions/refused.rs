//! Who may not subscribe, and what is no Subscription here.

use super::{Scene, extension, subscription};
use crate::support::{COLLECTOR, FHIR_JSON, GOVERNANCE, GP, READER, RECORDER, assert_valid};
use gateway_core::subscription::Topic;
use serde_json::{Value, json};

#[tokio::test]
async fn only_who_is_let_may_subscribe_and_only_to_hosts_of_the_operator() {
    let scene = Scene::start().await;
    let good = subscription(&scene.endpoint.url, "id-only", &[]);
    for client in [GOVERNANCE, RECORDER, COLLECTOR] {
        let answer = scene.world.post(client, "/fhir/Subscription", good.to_string()).await;
        answer.assert_refused(client);
        assert_eq!(answer.status, 403, "{client}");
    }
    assert_eq!(scene.world.post("", "/fhir/Subscription", good.to_string()).await.status, 401);
    for endpoint in ["https://elsewhere.example/hook", "https://169.254.169.254/latest", "https://10.0.0.1/"] {
        let answer =
            scene.world.post(GP, "/fhir/Subscription", subscription(endpoint, "id-only", &[]).to_string()).await;
        answer.assert_refused(endpoint);
        assert_eq!(answer.status, 403);
        assert_eq!(answer.issues(), [("forbidden".to_owned(), "Subscription.channel.endpoint".to_owned())]);
        assert!(!answer.text.contains(endpoint), "what was received is not repeated");
    }
    // Who reads may be told of what it reads.
    assert_eq!(scene.world.post(READER, "/fhir/Subscription", good.to_string()).await.status, 201);
    scene.stop().await;
}

#[tokio::test]
async fn another_client_of_the_organisation_reads_it_and_changes_nothing() {
    let scene = Scene::start().await;
    let path = scene.active("id-only", &[]).await;
    let seen = scene.world.get(READER, &path).await;
    assert_eq!(seen.status, 200);
    let mut other = seen.json();
    other["channel"]["endpoint"] = json!("http://127.0.0.1:9/elsewhere");
    let put = scene.world.request(READER, "PUT", &path).header("content-type", FHIR_JSON).body(other.to_string());
    assert_eq!(scene.world.send(put).await.status, 403);
    assert_eq!(scene.world.send(scene.world.request(READER, "DELETE", &path)).await.status, 403);
    assert_eq!(scene.world.get(GP, &path).await.text, seen.text);
    scene.stop().await;
}

#[tokio::test]
async fn a_topic_with_a_version_is_the_same_topic() {
    let scene = Scene::start().await;
    let mut one = subscription(&scene.endpoint.url, "id-only", &[]);
    one["criteria"] = json!(format!("{}|1.0.0", Topic::TaskStatus.url()));
    let path = scene.create(GP, &one).await;
    scene.becomes(&path, "active").await;
    scene.refer().await;
    scene.events(&[1]).await;
    scene.stop().await;
}

#[tokio::test]
async fn what_is_not_understood_is_refused_with_its_element_and_nothing_is_stored() {
    let scene = Scene::start().await;
    let before = scene.world.store().content_hash().await.unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut one = subscription(&scene.endpoint.url, "id-only", &[]);
        change(&mut one);
        one
    };
    let cases = [
        (changed(&|one| one["status"] = json!("active")), 422, "business-rule", "Subscription.status"),
        (
            changed(&|one| one["criteria"] = json!("Task?status=completed")),
            422,
            "not-supported",
            "Subscription.criteria",
        ),
        (
            changed(&|one| {
                let filter = extension("backport-filter-criteria", "valueString", json!("Task?colour=red"));
                one["_criteria"] = json!({ "extension": [filter] });
            }),
            422,
            "not-supported",
            "Subscription.criteria.extension[0].value",
        ),
        (
            changed(&|one| one["channel"]["header"] = json!(["Authorization: Bearer abc"])),
            422,
            "not-supported",
            "Subscription.channel.header",
        ),
        (
            changed(&|one| one["channel"]["type"] = json!("websocket")),
            422,
            "not-supported",
            "Subscription.channel.type",
        ),
    ];
    for (body, status, code, place) in cases {
        let answer = scene.world.post(GP, "/fhir/Subscription", body.to_string()).await;
        answer.assert_refused(place);
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.issues(), [(code.to_owned(), place.to_owned())]);
        assert!(!answer.text.contains("abc"), "{}", answer.text);
    }
    let conditional = scene.world.request(GP, "POST", "/fhir/Subscription").header("content-type", FHIR_JSON);
    let conditional = conditional.header("if-none-exist", "url=x").body(changed(&|_| ()).to_string());
    assert_eq!(scene.world.send(conditional).await.status, 400);
    let token = scene.world.get(GP, "/fhir/Subscription/any/$get-ws-binding-token").await;
    assert_eq!(token.status, 404, "there are no websockets");
    assert_eq!(scene.world.store().content_hash().await.unwrap(), before);
    scene.stop().await;
}

#[tokio::test]
async fn a_subscription_is_a_resource_with_versions_and_the_statement_tells_of_it() {
    let scene = Scene::start().await;
    let path = scene.active("id-only", &[]).await;
    let history = scene.world.get(GP, &format!("{path}/_history")).await;
    assert_valid("a history", &history.text);
    let statuses: Vec<Value> =
        history.json()["entry"].as_array().unwrap().iter().map(|entry| entry["resource"]["status"].clone()).collect();
    assert_eq!(statuses, ["active", "requested"]);
    assert_eq!(scene.world.get(GP, &format!("{path}/_history/1")).await.json()["status"], "requested");
    let topic = scene.world.change(&path, |one| one["criteria"] = json!(Topic::ServiceRequestStatus.url())).await;
    assert_eq!(topic.issues(), [("business-rule".to_owned(), "Subscription.criteria".to_owned())]);
    for wrong in ["?eventsSinceNumber=first", "?content=everything"] {
        assert_eq!(scene.world.get(GP, &format!("{path}/$events{wrong}")).await.status, 400, "{wrong}");
    }
    let asked =
        json!({ "resourceType": "Parameters", "parameter": [{ "name": "eventsSinceNumber", "valueString": "1" }] });
    assert_eq!(scene.world.post(GP, &format!("{path}/$events"), asked.to_string()).await.status, 200);
    let statement = scene.world.get("", "/fhir/metadata").await;
    assert_valid("the statement", &statement.text);
    let statement = statement.json();
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    let own = resources.iter().find(|one| one["type"] == "Subscription").unwrap();
    let topics: Vec<&Value> = own["extension"].as_array().unwrap().iter().map(|one| &one["valueCanonical"]).collect();
    assert_eq!(topics, Topic::ALL.map(Topic::url));
    let names: Vec<&Value> = own["operation"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["status", "events"]);
    scene.stop().await;
}
