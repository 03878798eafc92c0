//! Read, vread, history, search and the CapabilityStatement.

use crate::support::{
    Answer, COLLECTOR, FHIR_JSON, GOVERNANCE, GP, OPERATOR, PATCH_JSON, READER, World, assert_valid, bundle, inside,
    referral_to,
};
use conformance_tests::generator::Expectation;
use gateway_core::ingest::{GATEWAY_WRITES, STAND_ALONE, STORED};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

#[tokio::test]
async fn every_version_is_read_and_history_names_who_wrote_it() {
    let world = World::quiet().await;
    let sent = world.submit(&bundle(0)).await;
    let task = sent.path("Task");
    assert_eq!(world.move_task(&task, "on-hold").await.status, 200);
    let patch = world.request(GP, "PATCH", &task).header("content-type", PATCH_JSON);
    let patched = world.send(patch.body("[{\"op\":\"replace\",\"path\":\"/status\",\"value\":\"cancelled\"}]")).await;
    assert_eq!(patched.status, 200, "{}", patched.text);
    let current = world.get(READER, &task).await;
    assert_eq!((current.header("etag"), current.status.as_u16()), ("W/\"3\"", 200));
    assert_valid("Task", &current.text);
    for (version, status) in [(1, "requested"), (2, "on-hold"), (3, "cancelled")] {
        let read = world.get(READER, &format!("{task}/_history/{version}")).await;
        assert_eq!(
            (read.json()["status"].as_str(), read.header("etag")),
            (Some(status), format!("W/\"{version}\"").as_str())
        );
        assert!(read.header("last-modified").ends_with(" GMT"));
    }
    assert_eq!(world.get(GP, &format!("{task}/_history/4")).await.status, 404);
    assert_eq!(world.get(GP, &format!("{task}/_history/0")).await.status, 404);
    let history = world.get(READER, &format!("{task}/_history")).await;
    assert_valid("history", &history.text);
    let history = history.json();
    let column = |pointer: &str| -> Vec<String> {
        let entries = history["entry"].as_array().unwrap().iter();
        entries.map(|entry| entry.pointer(pointer).unwrap().as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(column("/resource/meta/versionId"), ["3", "2", "1"]);
    assert_eq!(column("/request/method"), ["PATCH", "PUT", "POST"]);
    assert!(column("/resource/meta/source").iter().all(|source| source.ends_with("#client/gp")));
    assert_eq!(history["total"], 3);
    let unchanged = world.request(GP, "GET", &task).header("if-none-match", "W/\"3\"");
    let unchanged = world.send(unchanged).await;
    assert_eq!((unchanged.status.as_u16(), unchanged.text.as_str()), (304, ""));
}

fn ids(page: &Value) -> Vec<String> {
    let entries = page["entry"].as_array().cloned().unwrap_or_default();
    let matches = entries.iter().filter(|entry| entry["search"]["mode"] == "match");
    matches.map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
}

async fn found(world: &World, path: &str) -> Vec<String> {
    let answer = world.get(GP, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    assert_valid(path, &answer.text);
    ids(&answer.json())
}

#[tokio::test]
async fn tasks_are_found_by_each_parameter_alone_and_together() {
    let world = World::quiet().await;
    let one = world.submit(&bundle(0)).await;
    let two = world.submit(&referral_to("VCSE2", Expectation::Delivered, 1).bundle).await;
    let held = world.submit(&referral_to("VCSE1", Expectation::NoConsent, 0).bundle).await;
    let id = |sent: &crate::support::Sent| sent.resource("Task")["id"].as_str().unwrap().to_owned();
    let (a, b, c) = (id(&one), id(&two), id(&held));
    let placer = one.resource("Task")["identifier"][0]["value"].as_str().unwrap().to_owned();
    let system = "https://gp-system.example/fhir/Id/referral";
    let owner = one.resource("Task")["owner"]["reference"].as_str().unwrap().to_owned();
    let ods = "https://fhir.nhs.uk/Id/ods-organization-code";
    let (patient, focus) = (one.reference("Patient"), one.reference("ServiceRequest"));
    let bare = |reference: &str| reference.split_once('/').unwrap().1.to_owned();
    let everything = vec![a.clone(), b.clone(), c.clone()];
    for (query, expected) in [
        (String::new(), everything.clone()),
        (format!("_id={a}"), vec![a.clone()]),
        (format!("_id={a},{c},none"), vec![a.clone(), c.clone()]),
        (format!("identifier={system}|{placer}"), vec![a.clone()]),
        (format!("identifier={placer}"), vec![a.clone()]),
        (format!("identifier=https://other.example|{placer}"), vec![]),
        (
            format!(
                "identifier={}%7C{}",
                "https%3A%2F%2Fgp-system.example%2Ffhir%2FId%2Freferral",
                placer.replace('/', "%2F")
            ),
            vec![a.clone()],
        ),
        ("status=requested".to_owned(), vec![a.clone(), b.clone()]),
        ("status=on-hold,completed".to_owned(), vec![c.clone()]),
        ("status=requested,on-hold".to_owned(), everything.clone()),
        ("status=http://hl7.org/fhir/task-status|on-hold".to_owned(), vec![c.clone()]),
        (format!("patient={patient}"), vec![a.clone()]),
        (format!("patient={}", bare(&patient)), vec![a.clone()]),
        (format!("patient={patient},{}", two.reference("Patient")), vec![a.clone(), b.clone()]),
        (format!("focus={focus}"), vec![a.clone()]),
        (format!("focus={}", bare(&focus)), vec![a.clone()]),
        (format!("owner={owner}"), vec![a.clone()]),
        (format!("owner:identifier={ods}|VCSE1"), vec![a.clone(), c.clone()]),
        (format!("status=requested&owner:identifier={ods}|VCSE1"), vec![a.clone()]),
        (format!("status=requested&patient={patient}&_id={b}"), vec![]),
        ("status=requested&status=on-hold".to_owned(), vec![]),
        ("_lastUpdated=ge2020-01-01".to_owned(), everything.clone()),
        ("_lastUpdated=lt2020-01-01".to_owned(), vec![]),
        ("_lastUpdated=gt2020-01-01&_lastUpdated=le2120-01-01T00:00:00Z".to_owned(), everything.clone()),
        ("_lastUpdated=ge2020-01-01T00:00:00%2B01:00".to_owned(), everything.clone()),
        ("unknown=1".to_owned(), everything.clone()),
        ("_format=json".to_owned(), everything.clone()),
        ("_format=application%2ffhir%2bjson".to_owned(), everything),
    ] {
        let mut sorted = expected.clone();
        let mut seen = found(&world, &format!("/fhir/Task?{query}")).await;
        sorted.sort();
        seen.sort();
        assert_eq!(seen, sorted, "{query}");
    }
    // An absolute reference to ourselves is the same reference.
    assert_eq!(
        found(&world, &format!("/fhir/Task?focus={}/fhir/{focus}", world.origin)).await,
        std::slice::from_ref(&a)
    );
    // A moment, to the millisecond, on either side of its borders.
    let updated = world.task(&one.path("Task")).await["meta"]["lastUpdated"].as_str().unwrap().to_owned();
    for (prefix, inside) in [("ge", true), ("le", true), ("eq", true), ("", true), ("gt", false), ("lt", false)] {
        let seen = found(&world, &format!("/fhir/Task?_id={a}&_lastUpdated={prefix}{updated}")).await;
        assert_eq!(seen == [a.clone()], inside, "{prefix}");
    }
    // The other types that can be searched.
    assert_eq!(found(&world, &format!("/fhir/ServiceRequest?patient={patient}&status=active")).await, [bare(&focus)]);
    assert_eq!(found(&world, &format!("/fhir/Consent?patient={patient}")).await.len(), 1);
    let number = one.resource("Patient")["identifier"][0]["value"].as_str().unwrap();
    assert_eq!(
        found(&world, &format!("/fhir/Patient?identifier=https://fhir.nhs.uk/Id/nhs-number|{number}")).await,
        [bare(&patient)]
    );
}

#[tokio::test]
async fn a_search_tells_what_it_counted_and_what_it_does_not_know() {
    let world = World::quiet().await;
    let sent = world.submit(&bundle(0)).await;
    let lenient = world.get(GP, "/fhir/Task?status=requested&colour=red").await.json();
    let own = lenient["link"][0]["url"].as_str().unwrap();
    assert!(
        own.starts_with(&format!("{}/fhir/Task?status=requested", world.origin)) && !own.contains("colour"),
        "{own}"
    );
    assert_eq!(lenient["total"], 1);
    let strict =
        world.send(world.request(GP, "GET", "/fhir/Task?colour=red").header("prefer", "handling=strict")).await;
    strict.assert_refused("strict");
    assert_eq!((strict.status.as_u16(), strict.issues()[0].0.as_str()), (400, "not-supported"));
    assert!(!strict.text.contains("colour"), "a received name is not echoed: {}", strict.text);
    for wrong in
        ["_count=many", "_lastUpdated=yesterday", "_lastUpdated=zz2020-01-01", "status=", "_after=x", "status=%FF"]
    {
        let answer = world.get(GP, &format!("/fhir/Task?{wrong}")).await;
        answer.assert_refused(wrong);
        assert_eq!(answer.status, 400, "{wrong}");
    }
    // By POST as by GET.
    let form = |body: &'static str| {
        let post =
            world.request(GP, "POST", "/fhir/Task/_search").header("content-type", "application/x-www-form-urlencoded");
        post.body(body)
    };
    let posted = world.send(form("status=requested&identifier:nothing=1")).await;
    assert_eq!(ids(&posted.json()), [sent.resource("Task")["id"].as_str().unwrap()]);
    let json = world.request(GP, "POST", "/fhir/Task/_search").header("content-type", FHIR_JSON).body("{}");
    assert_eq!(world.send(json).await.status, 415);
    let with_focus = world.get(GP, "/fhir/Task?_include=Task:focus").await;
    assert_valid("include", &with_focus.text);
    let modes: Vec<(Value, Value)> = with_focus.json()["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["resource"]["resourceType"].clone(), entry["search"]["mode"].clone()))
        .collect();
    assert_eq!(modes, [(json!("Task"), json!("match")), (json!("ServiceRequest"), json!("include"))]);
}

#[tokio::test]
async fn walking_the_pages_sees_each_of_the_first_moment_once_while_others_write() {
    let world = Arc::new(World::quiet().await);
    let mut first = Vec::new();
    for nth in 0..12 {
        first.push(world.submit(&bundle(nth)).await.path("Task"));
    }
    let mut seen = Vec::new();
    let mut url = format!("{}/fhir/Task?_count=5", world.origin);
    let mut pages = 0;
    loop {
        let page = world.get(GP, &url).await;
        assert_valid("page", &page.text);
        let page = page.json();
        assert_eq!(page["total"], 12, "the total is that of the first moment");
        seen.extend(ids(&page).into_iter().map(|id| format!("/fhir/Task/{id}")));
        // Meanwhile one seen, one to come are changed, and new ones are made.
        let changed = first.get(pages).unwrap();
        assert_eq!(world.move_task(changed, "on-hold").await.status, 200);
        assert_eq!(
            world.move_task(first.last().unwrap(), if pages == 0 { "on-hold" } else { "requested" }).await.status,
            200
        );
        world.submit(&bundle(20 + pages)).await;
        pages += 1;
        let links = page["link"].as_array().unwrap();
        let Some(next) = links.iter().find(|link| link["relation"] == "next") else { break };
        url = next["url"].as_str().unwrap().to_owned();
        assert!(url.starts_with(&world.origin), "{url}");
    }
    assert_eq!(pages, 3);
    assert_eq!(seen, first);
}

#[tokio::test]
async fn the_capability_statement_is_valid_and_needs_no_token() {
    let world = World::quiet().await;
    let answer = world.get("", "/fhir/metadata").await;
    assert_eq!(answer.status, 200);
    assert_valid("CapabilityStatement", &answer.text);
    let statement = answer.json();
    assert_eq!(statement["fhirVersion"], "4.0.1");
    assert_eq!(statement["implementation"]["url"], format!("{}/fhir", world.origin));
    for element in ["status", "date", "kind", "format"] {
        assert!(statement.get(element).is_some(), "R4 requires {element}");
    }
    let xml = world.send(world.request("", "GET", "/fhir/metadata").header("accept", "application/fhir+xml")).await;
    xml.assert_refused("metadata as XML");
    assert_eq!(xml.status, 406);
}

/// Verb, path and body type of an interaction of a type.
fn address(interaction: &str, kind: &str) -> (&'static str, String, &'static str) {
    match interaction {
        "read" => ("GET", format!("/fhir/{kind}/none"), ""),
        "vread" => ("GET", format!("/fhir/{kind}/none/_history/1"), ""),
        "history-instance" => ("GET", format!("/fhir/{kind}/none/_history"), ""),
        "search-type" => ("GET", format!("/fhir/{kind}"), ""),
        "create" => ("POST", format!("/fhir/{kind}"), FHIR_JSON),
        "update" => ("PUT", format!("/fhir/{kind}/none"), FHIR_JSON),
        "patch" => ("PATCH", format!("/fhir/{kind}/none"), PATCH_JSON),
        "delete" => ("DELETE", format!("/fhir/{kind}/none"), ""),
        "history-type" => ("GET", format!("/fhir/{kind}/_history"), ""),
        other => panic!("an unknown interaction: {other}"),
    }
}

async fn call(world: &World, token: &str, interaction: &str, kind: &str) -> Answer {
    let (verb, path, media) = address(interaction, kind);
    let mut request = world.request(token, verb, &path);
    if !media.is_empty() {
        request = request.header("content-type", media).body("{");
    }
    world.send(request).await
}

#[tokio::test]
async fn everything_listed_is_there_and_nothing_else_is() {
    let world = World::quiet().await;
    let statement = world.get("", "/fhir/metadata").await.json();
    let rest = &statement["rest"][0];
    assert_eq!(rest["interaction"], json!([{ "code": "transaction" }]));
    let listed = rest["resource"].as_array().unwrap();
    let types: BTreeSet<&str> = listed.iter().map(|resource| resource["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        STORED
            .into_iter()
            .chain(GATEWAY_WRITES)
            .chain(["AuditEvent", "CodeSystem", "ConceptMap", "MessageDefinition", "Subscription"])
            .collect()
    );
    let operations: Vec<(&str, &str)> = listed
        .iter()
        .flat_map(|resource| {
            let kind = resource["type"].as_str().unwrap();
            let all = resource["operation"].as_array().into_iter().flatten();
            all.map(move |one| (kind, one["name"].as_str().unwrap()))
        })
        .collect();
    let expected = [
        ("Consent", "erase"),
        ("Patient", "disclosures"),
        ("Patient", "erase"),
        ("ServiceRequest", "erase"),
        ("ServiceRequest", "preview"),
        ("Subscription", "events"),
        ("Subscription", "status"),
        ("Task", "message-back"),
        ("Task", "reconcile"),
        ("Task", "redrive"),
        ("Task", "renotify"),
        ("Task", "work-list"),
    ];
    let mut named = operations.clone();
    named.sort_unstable();
    assert_eq!(named, expected);
    // These are asked by GET.
    let read = ["disclosures", "message-back", "work-list", "events", "status"];
    for (kind, name) in operations.into_iter().filter(|(_, name)| !read.contains(name)) {
        let (by, path) = match name {
            "erase" => (GOVERNANCE, "x/$erase"),
            "redrive" => (OPERATOR, "$redrive"),
            "renotify" => (OPERATOR, "$renotify"),
            "reconcile" => (OPERATOR, "$reconcile"),
            _ => (GP, "$preview"),
        };
        assert_eq!(world.post(by, &format!("/fhir/{kind}/{path}"), "{}").await.status, 400, "{kind} {name}");
    }
    assert_eq!(world.post(GP, "/fhir/Patient/a/$disclosures", "{}").await.status, 405);
    assert_eq!(world.get("", "/fhir/Patient/a/$disclosures").await.status, 401);
    let all =
        ["read", "vread", "history-instance", "search-type", "create", "update", "patch", "delete", "history-type"];
    for resource in listed {
        let kind = resource["type"].as_str().unwrap();
        let codes: Vec<&str> =
            resource["interaction"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
        for interaction in all {
            let answer = call(&world, GP, interaction, kind).await;
            // What is not a route answers before anybody asks who is there; `/_history` of a type reads as an id.
            let by_type = ["search-type", "create"].contains(&interaction);
            let routed = answer.status != 405 && !(by_type && answer.status == 404) && interaction != "history-type";
            // It is made when asked for: whoever asks without a token for a version of it finds no such route.
            let made = ["AuditEvent", "CodeSystem", "ConceptMap", "MessageDefinition"].contains(&kind);
            let versions = ["vread", "history-instance"].contains(&interaction) && made;
            let routed = if versions { call(&world, "", interaction, kind).await.status == 401 } else { routed };
            assert_eq!(codes.contains(&interaction), routed, "{interaction} {kind}: {} {}", answer.status, answer.text);
            assert!(answer.status.as_u16() < 500);
        }
        assert_eq!(resource["conditionalCreate"], STAND_ALONE.contains(&kind), "{kind}");
        for parameter in resource["searchParam"].as_array().into_iter().flatten() {
            let (name, form) = (parameter["name"].as_str().unwrap(), parameter["type"].as_str().unwrap());
            let value = if form == "date" { "2026-01-01" } else { "a" };
            // Whose record, has to be said.
            let whose = if kind == "AuditEvent" && name != "patient" { "&patient=a" } else { "" };
            let path = format!("/fhir/{kind}?{name}={value}{whose}");
            let strict = world.request(GP, "GET", &path).header("prefer", "handling=strict");
            assert_eq!(world.send(strict).await.status, 200, "{kind}?{name}");
        }
        for include in resource["searchInclude"].as_array().into_iter().flatten() {
            let path = format!("/fhir/{kind}?_include={}", include.as_str().unwrap());
            assert_eq!(
                world.send(world.request(GP, "GET", &path).header("prefer", "handling=strict")).await.status,
                200
            );
        }
    }
    // No type beside those: not one of R4's others.
    for kind in ["Flag", "Bundle", "Binary", "Encounter", "Medication", "Parameters"] {
        for interaction in ["read", "search-type", "create"] {
            assert_eq!(call(&world, GP, interaction, kind).await.status, 404, "{interaction} {kind}");
        }
    }
}

#[tokio::test]
async fn a_reader_reads_and_a_collector_sees_only_what_was_published_for_it() {
    let world = World::quiet().await;
    let mut bundle = bundle(0);
    inside(&mut bundle, "Patient")["birthDate"] = json!("1950-01-01");
    let sent = world.submit(&bundle).await;
    assert_eq!(world.get(READER, &sent.path("Patient")).await.status, 200);
    for kind in ["Task", "ServiceRequest", "Patient", "Consent"] {
        assert_eq!(world.get(COLLECTOR, &sent.path(kind)).await.status, 404);
        let page = world.get(COLLECTOR, &format!("/fhir/{kind}")).await.json();
        assert_eq!((page.get("entry"), page.get("total")), (None, None), "{kind}");
    }
}
