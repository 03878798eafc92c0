//! Bad input to single resources and updates, and to addresses that are not there or not the caller's.

use crate::bad_input::{Bad, CANARY, all_are_refused, marked_bundle};
use crate::support::{COLLECTOR, FHIR_JSON, FOREIGN, GP, NEIGHBOUR, PATCH_JSON, READER, World, inside};
use serde_json::{Value, json};

#[tokio::test]
async fn single_resources_and_updates_are_held_to_the_same() {
    let world = World::quiet().await;
    let sent = world.submit(&marked_bundle()).await;
    let task = sent.path("Task");
    let current = world.task(&task).await;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut document = current.clone();
        change(&mut document);
        document.to_string()
    };
    let put = |name: &'static str, status: u16, change: &dyn Fn(&mut Value)| {
        Bad::to(&task, name, changed(change), status).method("PUT")
    };
    let patch = |name: &'static str, body: &str, status: u16| {
        Bad::to(&task, name, body, status).method("PATCH").with("content-type", PATCH_JSON)
    };
    let request = json!({ "resourceType": "ServiceRequest", "status": "active", "intent": "order",
        "code": { "text": CANARY }, "subject": { "reference": "#p" } });
    let mut contained = request.clone();
    contained["contained"] = json!([{ "resourceType": "Patient", "id": "p", "name": [{ "family": CANARY }] }]);
    let lonely = json!({ "resourceType": "Task", "status": "requested", "intent": "order",
        "focus": { "reference": "ServiceRequest/none" }, "for": { "reference": "Patient/none" } });
    let mut cases = vec![
        Bad::to("/fhir/Task", "a body of another type", request.to_string(), 400).tells("structure", "resourceType"),
        Bad::to("/fhir/Task", "no type", "{}", 400),
        Bad::to("/fhir/Task", "focus on what is not there", lonely.to_string(), 422)
            .tells("not-found", "Task.focus.reference"),
        Bad::to("/fhir/ServiceRequest", "nobody contained", request.to_string(), 422),
        Bad::to("/fhir/ServiceRequest", "contained without an NHS number", contained.to_string(), 422)
            .tells("required", "ServiceRequest.subject"),
        Bad::to("/fhir/ServiceRequest", "a criterion that is not supported", request.to_string(), 422)
            .with("if-none-exist", "status=active"),
        Bad::to(
            "/fhir/Procedure",
            "what only a platform creates",
            json!({ "resourceType": "Procedure" }).to_string(),
            422,
        ),
        Bad::to("/fhir/Task", "not JSON", CANARY, 400),
        put("PUT without an id", 400, &|task| {
            task.as_object_mut().unwrap().remove("id");
        }),
        put("PUT of another id", 400, &|task| task["id"] = json!("other")).tells("structure", "Task.id"),
        put("PUT of another type", 400, &|task| task["resourceType"] = json!("Patient")),
        put("PUT of an unknown element", 400, &|task| task["favouriteColour"] = json!(CANARY)),
        put("PUT of an output", 422, &|task| {
            task["output"] = json!([{ "type": { "text": "x" }, "valueString": CANARY }])
        })
        .tells("business-rule", "Task.output"),
        put("PUT of another focus", 422, &|task| task["focus"] = json!({ "reference": "ServiceRequest/none" })),
        put("PUT of another owner", 422, &|task| task["owner"] = json!({ "display": CANARY }))
            .tells("business-rule", "Task.owner"),
        put("PUT that takes the patient away", 422, &|task| {
            task.as_object_mut().unwrap().remove("for");
        })
        .tells("business-rule", "Task.for"),
        put("PUT with a foreign reference", 422, &|task| {
            task["note"] =
                json!([{ "text": "x", "authorReference": { "reference": "https://evil.example/Practitioner/1" } }]);
        }),
        put("a move that is not the sender's", 422, &|task| task["status"] = json!("completed"))
            .tells("business-rule", "Task.status"),
        put("a stale If-Match", 412, &|task| task["status"] = json!("cancelled"))
            .with("if-match", "W/\"99\"")
            .tells("conflict", ""),
        put("an If-Match that is none", 400, &|task| task["status"] = json!("cancelled")).with("if-match", "abc"),
        put("PUT as XML", 415, &|_| {}).with("content-type", "application/xml"),
        put("a reader's PUT", 403, &|task| task["status"] = json!("cancelled")).by(READER),
        patch("a patch that is no array", "{\"op\":\"remove\"}", 400),
        patch("a patch with an unknown op", "[{\"op\":\"paint\",\"path\":\"/status\"}]", 400),
        patch("a patch of what is not there", "[{\"op\":\"remove\",\"path\":\"/nothing\"}]", 422),
        patch("a patch whose test fails", "[{\"op\":\"test\",\"path\":\"/status\",\"value\":\"Zzyxcanary\"}]", 422),
        patch("a patch of the type", "[{\"op\":\"replace\",\"path\":\"/resourceType\",\"value\":\"Patient\"}]", 400),
        patch(
            "a patch that makes it invalid",
            "[{\"op\":\"replace\",\"path\":\"/status\",\"value\":\"Zzyxcanary\"}]",
            422,
        ),
        patch(
            "a patch of an output",
            "[{\"op\":\"add\",\"path\":\"/output\",\"value\":[{\"type\":{\"text\":\"x\"},\"valueString\":\"Zzyxcanary\"}]}]",
            422,
        ),
        patch("a patch that breaks out of its frame", "[],\"more\":[]", 400),
        patch("a patch with a second patch behind it", "[]},{\"patch\":[]", 400),
        patch("a patch that ends its frame", "[]}", 400),
        patch("an empty body", "", 400),
        patch("a patch that copies copies", &copies("/note/-", 60), 422).tells("too-costly", ""),
        patch("a patch that nests copies", &copies("/note/0/extension", 400), 422).tells("too-costly", ""),
        patch("a patch of 501 operations", &copies("/note/-", 501), 422).tells("too-costly", ""),
        patch("a patch as merge patch", "{\"status\":\"cancelled\"}", 415)
            .with("content-type", "application/merge-patch+json"),
        patch("a patch as FHIR", "[]", 415).with("content-type", FHIR_JSON),
        patch("a patch with NUL", "[{\"op\":\"replace\",\"path\":\"/status\",\"value\":\"\\u0000Zzyxcanary\"}]", 400),
    ];
    cases.push(put("a neighbour's PUT", 404, &|task| task["status"] = json!("cancelled")).by(NEIGHBOUR));
    cases.push(patch("a foreigner's PATCH", "[]", 404).by(FOREIGN));
    all_are_refused(&world, cases).await;
}

/// Copies the notes so often: a small body that would fill the memory.
fn copies(path: &str, times: usize) -> String {
    let first = json!({ "op": "add", "path": "/note", "value": [{ "text": "x" }] });
    let again = json!({ "op": "copy", "from": "/note", "path": path });
    let mut operations = vec![first];
    operations.resize(times + 1, again);
    Value::Array(operations).to_string()
}

#[tokio::test]
async fn anothers_id_answers_exactly_as_a_missing_one() {
    let world = World::quiet().await;
    let sent = world.submit(&marked_bundle()).await;
    for kind in ["Task", "ServiceRequest", "Patient", "Consent"] {
        let path = sent.path(kind);
        let missing = format!("/fhir/{kind}/00000000-0000-4000-8000-000000000000");
        for suffix in ["", "/_history", "/_history/1"] {
            let expected = world.get(GP, &format!("{missing}{suffix}")).await;
            expected.assert_refused("a missing id");
            assert_eq!(expected.status, 404);
            for token in [NEIGHBOUR, FOREIGN, COLLECTOR] {
                let answer = world.get(token, &format!("{path}{suffix}")).await;
                assert_eq!((answer.status, &answer.text), (expected.status, &expected.text), "{token} {path}{suffix}");
            }
        }
    }
    for token in [NEIGHBOUR, FOREIGN, COLLECTOR] {
        let found = world.get(token, "/fhir/Task").await;
        assert_eq!(found.json().get("entry"), None, "{token} sees the Tasks of another: {}", found.text);
        // Nor can it be referred to.
        let mut bundle = marked_bundle();
        inside(&mut bundle, "Task")["focus"] = json!({ "reference": sent.reference("ServiceRequest") });
        if token != COLLECTOR {
            let answer = world.post(token, "/fhir", bundle.to_string()).await;
            assert_eq!(answer.status, 422, "{}", answer.text);
            assert!(answer.issues().iter().any(|(code, _)| code == "not-found"), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn an_address_that_is_not_there_and_a_verb_that_is_not_known_are_said_so() {
    let world = World::quiet().await;
    for path in
        ["/", "/fhir/Nothing", "/fhir/task", "/FHIR/Task", "/fhir/Task/a/b", "/fhir/Task/a/_history/1/2", "/platforms"]
    {
        let answer = world.get(GP, path).await;
        answer.assert_refused(path);
        assert_eq!(answer.status, 404, "{path}");
    }
    for (method, path, allowed) in [
        ("DELETE", "/fhir/Task/a", "GET"),
        ("PUT", "/fhir/Organization/a", "GET"),
        ("POST", "/fhir/metadata", "GET"),
        ("PUT", "/fhir", "POST"),
        ("DELETE", "/fhir/Task", "GET"),
    ] {
        let answer = world.send(world.request(GP, method, path)).await;
        answer.assert_refused(path);
        assert_eq!(answer.status, 405, "{method} {path}");
        assert!(answer.header("allow").contains(allowed), "{method} {path}: {}", answer.header("allow"));
    }
    // Ids that no path can hold are an address that is not there, in our own words.
    for path in
        ["/fhir/Task/%FF", "/fhir/Task/%00", "/fhir/Task/a%2Fb", "/fhir/Task/..%2F..", "/fhir/Task/a/_history/x"]
    {
        let answer = world.get(GP, path).await;
        answer.assert_refused(path);
    }
}

#[tokio::test]
async fn an_unknown_recipient_is_held_for_a_person_and_not_refused() {
    let world = World::quiet().await;
    let referral = crate::support::referral_to("VCSE1", conformance_tests::generator::Expectation::NoRoute, 0);
    let sent = world.submit(&referral.bundle).await;
    let task = world.task(&sent.path("Task")).await;
    assert_eq!(task["status"], "on-hold");
    assert!(task["statusReason"]["text"].as_str().unwrap().starts_with("Nothing has been sent"), "{task}");
    assert_eq!(world.referral().await.delivery.word(), "held");
}
