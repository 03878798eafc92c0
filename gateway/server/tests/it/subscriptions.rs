//! Topic Subscriptions over real HTTP: an endpoint that is asked first, told everything once and in order, caught up with when it was
//! away, and told nothing that its client may not have at that moment.

mod crowd;
mod endpoint;
mod instances;
mod refused;
mod standing;

use crate::split::{parts, tasks};
use crate::support::{
    FHIR_JSON, FOREIGN, GP, NEIGHBOUR, READER, Sent, Setup, WEBHOOK_SECRET, World, assert_valid, bundle, eventually,
    settle,
};
use endpoint::{Endpoint, Told};
use gateway_core::subscription::{BACKPORT, Topic};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::datetime;
use vcse_gateway::clock::{Clock as _, ManualClock};
use vcse_gateway::webhooks::{Keys, Use};

/// A gateway whose clock is moved, with one endpoint.
struct Scene {
    world: World,
    clock: Arc<ManualClock>,
    endpoint: Endpoint,
}

fn extension(name: &str, kind: &str, value: Value) -> Value {
    json!({ "url": format!("{BACKPORT}/StructureDefinition/{name}"), kind: value })
}

/// A Subscription to Tasks at this endpoint.
fn subscription(endpoint: &str, content: &str, channel: &[Value]) -> Value {
    let mut document = json!({
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "What became of our referrals",
        "criteria": Topic::TaskStatus.url(),
        "channel": {
            "type": "rest-hook",
            "endpoint": endpoint,
            "payload": "application/fhir+json",
            "_payload": { "extension": [extension("backport-payload-content", "valueCode", json!(content))] },
        },
    });
    if !channel.is_empty() {
        document["channel"]["extension"] = json!(channel);
    }
    document
}

impl Scene {
    async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    async fn with(setup: Setup) -> Self {
        let clock = Arc::new(ManualClock::at(datetime!(2026-06-20 11:00 UTC)));
        let setup =
            Setup { clock: Arc::<ManualClock>::clone(&clock), subscribers: &[GP, READER, NEIGHBOUR, FOREIGN], ..setup };
        Self { world: World::start(setup).await, clock, endpoint: Endpoint::start().await }
    }

    async fn create(&self, client: &str, subscription: &Value) -> String {
        let answer = self.world.post(client, "/fhir/Subscription", subscription.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_valid("a Subscription", &answer.text);
        assert_eq!(answer.json()["status"], "requested");
        format!("/fhir/Subscription/{}", answer.json()["id"].as_str().unwrap())
    }

    /// One that is active.
    async fn active(&self, content: &str, channel: &[Value]) -> String {
        let path = self.create(GP, &subscription(&self.endpoint.url, content, channel)).await;
        self.becomes(&path, "active").await;
        path
    }

    async fn status(&self, path: &str) -> Value {
        self.world.get(GP, path).await.json()
    }

    async fn becomes(&self, path: &str, status: &str) -> Value {
        eventually(&format!("{path} {status}"), || async {
            let standing = self.status(path).await;
            (standing["status"] == status).then_some(standing)
        })
        .await
    }

    /// The same, with time going on.
    async fn becomes_in_time(&self, path: &str, status: &str, step: Duration) -> Value {
        eventually(&format!("{path} {status} in time"), || async {
            self.clock.advance(step);
            settle().await;
            let standing = self.status(path).await;
            (standing["status"] == status).then_some(standing)
        })
        .await
    }

    /// Waits until this many notifications of this type have come, and gives them.
    async fn told(&self, kind: &str, count: usize) -> Vec<Told> {
        eventually(&format!("{count} of {kind}"), || async {
            let told: Vec<Told> = self.endpoint.told().into_iter().filter(|told| told.kind() == kind).collect();
            (told.len() >= count).then_some(told)
        })
        .await
    }

    /// Waits until these events were told, each once.
    async fn events(&self, numbers: &[u64]) {
        let seen = || self.endpoint.told().iter().flat_map(Told::numbers).collect::<Vec<u64>>();
        eventually(&format!("events {numbers:?}"), || async { (seen().len() >= numbers.len()).then_some(()) }).await;
        assert_eq!(seen(), numbers);
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    async fn refer(&self) -> Sent {
        self.world.submit(&bundle(0)).await
    }

    /// Whom `$events` knows.
    async fn events_of(&self, path: &str, query: &str) -> Told {
        let answer = self.world.get(GP, &format!("{path}/$events{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_valid("$events", &answer.text);
        Told::of(answer.json())
    }

    async fn stop(self) {
        self.world.stop().await;
    }
}

#[tokio::test]
async fn an_endpoint_is_asked_first_and_then_told_each_version_signed() {
    let scene = Scene::start().await;
    let path = scene.active("id-only", &[]).await;
    let handshake = scene.told("handshake", 1).await.remove(0);
    assert_eq!((handshake.status(), handshake.since_start(), handshake.numbers()), ("requested", 0, vec![]));
    let task = scene.refer().await.path("Task");
    assert!(scene.world.move_task(&task, "on-hold").await.status.is_success());
    let versions =
        scene.world.get(GP, &format!("{task}/_history")).await.json()["entry"].as_array().unwrap().len() as u64;
    scene.events(&(1..=versions).collect::<Vec<_>>()).await;
    let keys = Keys::read(WEBHOOK_SECRET, Use::Verify).unwrap();
    for told in scene.endpoint.told() {
        let proved = keys.verify(&told.headers, told.text.as_bytes(), datetime!(2026-06-20 11:00 UTC));
        assert_eq!(
            proved.as_deref(),
            Ok(told.bundle["id"].as_str().unwrap()),
            "the name of the message is the Bundle's"
        );
        assert_eq!(told.headers["content-type"], FHIR_JSON);
        assert!(!told.headers.contains_key("authorization"));
        assert_valid("a notification", &told.text);
    }
    let last = scene.told("event-notification", 1).await.pop().unwrap();
    let focus = format!("{}/{}", scene.world.origin, task.trim_start_matches('/'));
    assert!(!last.focuses().is_empty() && last.focuses().iter().all(|one| *one == focus), "{}", last.text);
    assert_eq!(last.bundle["entry"][1]["fullUrl"], focus);
    assert!(last.bundle["entry"][1].get("resource").is_none(), "id-only holds no resource");
    assert_eq!(last.since_start(), versions);
    // What happened to whom is found by the id that was told, with what the client may read.
    assert_eq!(scene.world.get(GP, &focus).await.json()["status"], "on-hold");
    let status = scene.world.get(GP, &format!("{path}/$status")).await;
    assert_valid("$status", &status.text);
    let entry = &status.json()["entry"][0]["resource"];
    let value = |name: &str, kind: &str| {
        let all = entry["parameter"].as_array().unwrap().iter();
        all.filter(|one| one["name"] == name).map(|one| one[kind].clone()).next().unwrap_or_default()
    };
    assert_eq!(value("status", "valueCode"), "active");
    assert_eq!(value("type", "valueCode"), "query-status");
    assert_eq!(value("events-since-subscription-start", "valueString"), versions.to_string());
    scene.stop().await;
}

/// A Task that is made of others has no referral of its own; its versions are events all the same.
#[tokio::test]
async fn the_whole_of_a_split_referral_is_told_when_a_part_moves_it() {
    let scene = Scene::start().await;
    scene.active("full-resource", &[]).await;
    let sent = scene.world.submit(&parts(1)).await;
    let [whole, part] = tasks(&sent).try_into().unwrap();
    scene.events(&[1, 2]).await;
    assert!(scene.world.move_task(&part, "cancelled").await.status.is_success());
    let focus = format!("{}{whole}", scene.world.origin);
    eventually("the whole", || async {
        let told = scene.endpoint.told();
        let of = |told: &Told| told.focuses().contains(&focus) && told.text.contains("of which 1 have ended");
        told.iter().any(of).then_some(())
    })
    .await;
    scene.stop().await;
}

#[tokio::test]
async fn a_full_resource_is_what_stands_when_it_is_sent_and_filters_hold() {
    let scene = Scene::with(Setup { lanes: true, ..Setup::default() }).await;
    let mut wanted = subscription(&scene.endpoint.url, "full-resource", &[]);
    wanted["_criteria"] =
        json!({ "extension": [extension("backport-filter-criteria", "valueString", json!("Task?status=cancelled"))] });
    let path = scene.create(GP, &wanted).await;
    scene.becomes(&path, "active").await;
    let task = scene.refer().await.path("Task");
    for status in ["on-hold", "cancelled"] {
        assert!(scene.world.move_task(&task, status).await.status.is_success());
    }
    let told = scene.told("event-notification", 1).await.remove(0);
    assert_eq!(told.numbers(), [1], "versions that the filter does not hold for are no events");
    let resource = &told.bundle["entry"][1]["resource"];
    assert_eq!(*resource, scene.world.get(GP, &task).await.json());
    assert_eq!(resource["status"], "cancelled");
    assert_valid("a notification", &told.text);
    let asked = scene.events_of(&path, "").await;
    assert_eq!(asked.bundle["entry"][1]["resource"], *resource);
    let less = scene.events_of(&path, "?content=id-only").await;
    assert!(less.bundle["entry"][1].get("resource").is_none() && less.focuses() == told.focuses());
    scene.stop().await;
}

#[tokio::test]
async fn several_events_go_together_up_to_the_number_that_was_asked_for() {
    let scene = Scene::start().await;
    let path = scene.active("id-only", &[extension("backport-max-count", "valuePositiveInt", json!(3))]).await;
    scene.endpoint.answer(503);
    for _ in 0..5 {
        scene.refer().await;
    }
    eventually("five events", || async { (scene.events_of(&path, "").await.since_start() == 5).then_some(()) }).await;
    eventually("a failure", || async { (scene.endpoint.failed() >= 1).then_some(()) }).await;
    scene.endpoint.answer(200);
    eventually("all", || async {
        scene.clock.advance(Duration::from_secs(2));
        settle().await;
        (scene.endpoint.told().iter().flat_map(Told::numbers).count() >= 5).then_some(())
    })
    .await;
    let told: Vec<Vec<u64>> =
        scene.endpoint.told().iter().map(Told::numbers).filter(|numbers| !numbers.is_empty()).collect();
    assert_eq!(told.concat(), [1, 2, 3, 4, 5]);
    assert!(told.iter().all(|numbers| numbers.len() <= 3) && told.len() <= 3, "{told:?}");
    scene.stop().await;
}

#[tokio::test]
async fn one_that_was_away_is_shown_as_an_error_and_misses_nothing() {
    let scene = Scene::start().await;
    let path = scene.active("id-only", &[]).await;
    scene.refer().await;
    scene.events(&[1]).await;
    scene.endpoint.answer(500);
    for _ in 0..3 {
        scene.refer().await;
    }
    let failed = scene.becomes_in_time(&path, "error", Duration::from_secs(600)).await;
    assert!(failed["error"].as_str().unwrap().contains("$events"), "{failed}");
    assert_valid("a Subscription", &failed.to_string());
    // Others are asked meanwhile what it missed.
    let missed = scene.events_of(&path, "?eventsSinceNumber=2").await;
    assert_eq!((missed.kind(), missed.status(), missed.numbers()), ("query-event", "error", vec![2, 3, 4]));
    let two = scene.events_of(&path, "?eventsSinceNumber=2&eventsUntilNumber=3").await;
    assert_eq!(two.numbers(), [2, 3]);
    let empty = scene.events_of(&path, "?content=empty").await;
    assert_eq!((empty.numbers(), empty.focuses().len()), (vec![1, 2, 3, 4], 0));
    // It comes back, and is told what it missed, in order, by itself.
    scene.endpoint.answer(204);
    let back = scene.becomes_in_time(&path, "active", Duration::from_secs(60)).await;
    assert!(back.get("error").is_none(), "{back}");
    scene.events(&[1, 2, 3, 4]).await;
    scene.stop().await;
}

#[tokio::test]
async fn heartbeats_come_when_it_is_quiet_and_not_otherwise() {
    let scene = Scene::start().await;
    let path = scene.active("empty", &[extension("backport-heartbeat-period", "valueUnsignedInt", json!(3600))]).await;
    scene.clock.advance(Duration::from_secs(3_000));
    scene.refer().await;
    scene.events(&[1]).await;
    // The last word was just now.
    scene.clock.advance(Duration::from_secs(3_000));
    settle().await;
    assert!(scene.endpoint.told().iter().all(|told| told.kind() != "heartbeat"));
    for beat in 1..=3 {
        eventually("a heartbeat", || async {
            scene.clock.advance(Duration::from_secs(300));
            settle().await;
            (scene.endpoint.told().iter().filter(|told| told.kind() == "heartbeat").count() >= beat).then_some(())
        })
        .await;
    }
    let last = scene.told("heartbeat", 3).await.pop().unwrap();
    assert_eq!((last.since_start(), last.numbers().len(), last.status()), (1, 0, "active"));
    assert!(last.text.find("Topic").is_none(), "an empty notification does not tell its topic");
    // It is no event.
    assert_eq!(scene.events_of(&path, "").await.numbers(), [1]);
    scene.stop().await;
}

#[tokio::test]
async fn nothing_is_sent_after_the_end_after_a_delete_or_to_one_that_is_gone() {
    let scene = Scene::start().await;
    let mut ends = subscription(&scene.endpoint.url, "id-only", &[]);
    ends["end"] = json!("2026-06-20T12:00:00Z");
    let ends = scene.create(GP, &ends).await;
    scene.becomes(&ends, "active").await;
    scene.becomes_in_time(&ends, "off", Duration::from_secs(300)).await;

    let deleted = scene.active("id-only", &[]).await;
    let answer = scene.world.send(scene.world.request(GP, "DELETE", &deleted)).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(scene.status(&deleted).await["status"], "off");

    let gone = Endpoint::start().await;
    let third = scene.create(GP, &subscription(&gone.url, "id-only", &[])).await;
    scene.becomes(&third, "active").await;
    gone.answer(410);
    scene.endpoint.forget();
    scene.refer().await;
    let off = scene.becomes(&third, "off").await;
    assert!(off["error"].as_str().unwrap().contains("410"));
    gone.answer(200);
    gone.forget();
    scene.refer().await;
    settle().await;
    assert!(scene.endpoint.told().is_empty() && gone.told().is_empty());
    scene.stop().await;
}

#[tokio::test]
async fn a_handshake_that_is_refused_opens_nothing_until_it_is_asked_for_anew() {
    let scene = Scene::start().await;
    scene.endpoint.answer(404);
    let path = scene.create(GP, &subscription(&scene.endpoint.url, "id-only", &[])).await;
    let refused = scene.becomes(&path, "error").await;
    assert!(refused["error"].as_str().unwrap().contains("handshake"), "{refused}");
    scene.endpoint.answer(200);
    scene.refer().await;
    scene.clock.advance(Duration::from_secs(60));
    settle().await;
    assert!(scene.endpoint.told().is_empty(), "nobody has agreed to be told");
    let answer = scene.world.change(&path, |one| one["status"] = json!("requested")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let active = scene.becomes(&path, "active").await;
    assert!(active.get("error").is_none());
    scene.refer().await;
    scene.told("event-notification", 1).await;
    // What it missed is there to be asked for.
    assert_eq!(scene.events_of(&path, "").await.numbers(), [1, 2]);
    scene.stop().await;
}

#[tokio::test]
async fn what_is_changed_to_lead_elsewhere_is_asked_there_first() {
    let scene = Scene::start().await;
    let path = scene.active("id-only", &[]).await;
    let elsewhere = Endpoint::start().await;
    elsewhere.answer(503);
    let answer = scene.world.change(&path, |one| one["channel"]["endpoint"] = json!(elsewhere.url)).await;
    assert_eq!((answer.status.as_u16(), answer.json()["status"].as_str()), (200, Some("requested")));
    scene.refer().await;
    settle().await;
    scene.endpoint.forget();
    elsewhere.answer(200);
    scene.becomes_in_time(&path, "active", Duration::from_secs(2)).await;
    // What waited for the handshake waits no longer.
    eventually("told there", || async {
        (elsewhere.told().iter().flat_map(Told::numbers).next() == Some(1)).then_some(())
    })
    .await;
    assert!(scene.endpoint.told().is_empty());
    let stale = scene.world.request(GP, "PUT", &path).header("content-type", FHIR_JSON).header("if-match", "W/\"1\"");
    let answer = scene.world.send(stale.body(scene.status(&path).await.to_string())).await;
    assert_eq!(answer.status, 412);
    scene.stop().await;
}

#[tokio::test]
async fn another_tenants_and_another_organisations_see_and_hear_nothing() {
    let scene = Scene::start().await;
    let (foreign, neighbour) = (Endpoint::start().await, Endpoint::start().await);
    for (client, endpoint) in [(FOREIGN, &foreign), (NEIGHBOUR, &neighbour)] {
        let path = scene.create(client, &subscription(&endpoint.url, "full-resource", &[])).await;
        eventually("active", || async {
            (scene.world.get(client, &path).await.json()["status"] == "active").then_some(())
        })
        .await;
        for (verb, rest) in
            [("GET", ""), ("GET", "/_history"), ("GET", "/$status"), ("GET", "/$events"), ("DELETE", "")]
        {
            let answer = scene.world.send(scene.world.request(GP, verb, &format!("{path}{rest}"))).await;
            let missing =
                scene.world.send(scene.world.request(GP, verb, &format!("/fhir/Subscription/none{rest}"))).await;
            assert_eq!((answer.status.as_u16(), &answer.text), (404, &missing.text), "{verb} {rest}");
        }
    }
    let own = scene.active("id-only", &[]).await;
    scene.refer().await;
    scene.events(&[1]).await;
    settle().await;
    for endpoint in [&foreign, &neighbour] {
        assert!(endpoint.told().iter().all(|told| told.kind() == "handshake"));
    }
    let all = scene.world.get(GP, "/fhir/Subscription").await.json();
    assert_eq!((all["total"].as_u64(), all["entry"][0]["resource"]["id"].as_str()), (Some(1), own.rsplit('/').next()));
    let by_url = |url: &str| format!("/fhir/Subscription?url={}", url.replace(':', "%3A").replace('/', "%2F"));
    assert_eq!(scene.world.get(GP, &by_url(&scene.endpoint.url)).await.json()["total"], 1);
    assert_eq!(scene.world.get(GP, &by_url(&foreign.url)).await.json()["total"], 0);
    assert_eq!(scene.world.get(GP, "/fhir/Subscription?status=off").await.json()["total"], 0);
    let status = scene.world.get(GP, "/fhir/Subscription/$status").await.json();
    assert_eq!(status["total"], 1);
    scene.stop().await;
}

#[tokio::test]
async fn consent_is_decided_again_when_it_is_sent() {
    let scene = Scene::with(Setup { lanes: true, ..Setup::default() }).await;
    let path = scene.active("full-resource", &[]).await;
    let sent = scene.refer().await;
    let first = scene.told("event-notification", 1).await.remove(0);
    assert_eq!(first.bundle["entry"][1]["resource"]["resourceType"], "Task");
    // The endpoint is away while the person withdraws.
    scene.endpoint.answer(503);
    assert!(scene.world.move_task(&sent.path("Task"), "on-hold").await.status.is_success());
    eventually("a failure", || async { (scene.endpoint.failed() >= 1).then_some(()) }).await;
    let withdrawn = scene.world.change(&sent.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(withdrawn.status, 200, "{}", withdrawn.text);
    scene.endpoint.answer(200);
    scene.endpoint.forget();
    eventually("told", || async {
        scene.clock.advance(Duration::from_secs(2));
        settle().await;
        (!scene.endpoint.told().is_empty()).then_some(())
    })
    .await;
    for told in scene.endpoint.told() {
        assert!(
            told.bundle["entry"].as_array().unwrap().iter().skip(1).all(|entry| entry.get("resource").is_none()),
            "{}",
            told.text
        );
        assert!(!told.focuses().is_empty(), "that something happened is told, so that it can be looked up");
    }
    let later = scene.events_of(&path, "?content=full-resource").await;
    assert!(later.bundle["entry"].as_array().unwrap().iter().skip(1).all(|entry| entry.get("resource").is_none()));
    scene.stop().await;
}

#[tokio::test]
async fn those_in_one_state_are_found_among_however_many_have_ended() {
    let scene = Scene::start().await;
    let wish = subscription(&scene.endpoint.url, "empty", &[]);
    for _ in 0..201 {
        let path = scene.create(GP, &wish).await;
        assert_eq!(scene.world.send(scene.world.request(GP, "DELETE", &path)).await.status, 204);
    }
    let path = scene.active("empty", &[]).await;
    let id = path.rsplit('/').next().unwrap();
    let ask = async |query: &str| {
        let answer = scene.world.get(GP, &format!("/fhir/Subscription/$status{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_valid(query, &answer.text);
        let answer = answer.json();
        let listed = answer["entry"].as_array().map_or(0, Vec::len);
        (answer["total"].as_u64().unwrap(), listed, answer)
    };
    let (total, listed, answer) = ask("?status=active").await;
    assert_eq!((total, listed), (1, 1));
    assert!(answer.to_string().contains(id));
    assert_eq!(ask("?status=error").await.0, 0);
    let (total, listed, _) = ask(&format!("?id={id}")).await;
    assert_eq!((total, listed), (1, 1));
    assert_eq!(ask(&format!("?id={id}&status=off")).await.0, 0);
    // All: what is more than a page is behind its link.
    let (total, listed, first) = ask("").await;
    assert_eq!((total, listed), (202, 200));
    let next = first["link"][0]["url"].as_str().unwrap();
    let (total, listed, last) = ask(next.split_once("$status").unwrap().1).await;
    assert_eq!((total, listed, last.get("link")), (202, 2, None));
    assert!(last.to_string().contains(id));
    scene.stop().await;
}
