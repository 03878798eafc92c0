//! A client's own FHIR server as GP system, which others wrote (Medplum's): what stands there is what stands here, whatever ends, fails or is
//! changed meanwhile. Without it the tests say so and pass, unless `GP_SERVER=required`.

use crate::letters::refusal;
use crate::split::{parts, tasks};
use crate::support::{GP, Setup, World, assert_valid, bundle, eventually, inside, referral_to, settle};
use conformance_tests::generator::{Expectation, PRACTICE_ODS};
use conformance_tests::gp_fhir_server::{Answered, Door, GpFhirServer, reason_to_skip};
use conformance_tests::oauth2_server::{Client, OAuth2Server, OAuth2ServerConfig};
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use gateway_core::follow_up::Cause;
use gateway_core::notify::{Destination, Notice, NoticeState};
use gateway_core::resource::ResourceKey;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::chance::Chance;
use vcse_gateway::clock::{Clock, ManualClock};
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::store::sqlite::SqliteStore;
use vcse_gateway::transport::HttpTransport;
use vcse_gateway::transport::dial::SystemLookup;

const TOKEN: &str = "a-token-of-the-practice";
const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// As a proxy before the gateway shows it: it outlives each listener.
pub(crate) const BASE: &str = "https://gateway.example/fhir";
const MARK: &str = "https://vcse-gateway.example/fhir/StructureDefinition/gateway-copy";

#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
pub(crate) fn skips() -> bool {
    let missing = reason_to_skip().unwrap_or_else(|missing| panic!("{missing}"));
    if let Some(missing) = &missing {
        eprintln!("SKIPPED: {missing}");
    }
    missing.is_some()
}

/// A practice with its server.
pub(crate) struct Practice {
    pub(crate) server: GpFhirServer,
    folder: tempfile::TempDir,
}

impl Practice {
    pub(crate) fn open() -> Self {
        let server = GpFhirServer::start(Door::Token(TOKEN.to_owned())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), TOKEN).unwrap();
        Self { server, folder }
    }

    /// The keys of its client; `more` stands in the section.
    pub(crate) fn keys(&self, more: &str) -> [String; 2] {
        let token = self.folder.path().join("token");
        let base = self.server.base_url();
        let keys = format!(
            "[client.notify.fhir-server]\nbase-url = \"{base}\"\ntoken = {{ file = \"{}\" }}\n{more}",
            token.display()
        );
        [keys, String::new()]
    }

    async fn gateway(&self, setup: Setup) -> World {
        World::start(Setup { notify: self.keys(""), base_url: Some(BASE), ..setup }).await
    }

    /// The one resource of this type there.
    fn one(&mut self, kind: &str) -> Option<Value> {
        let mut all = self.server.stored(kind).unwrap();
        // Follow-ups are Tasks as well, and part of the referral's.
        all.retain(|one| one.get("partOf").is_none());
        assert!(all.len() <= 1, "{} of {kind}", all.len());
        all.pop()
    }

    /// How often something was written.
    fn written(&mut self) -> Vec<Answered> {
        let all = self.server.asked().unwrap();
        all.into_iter().filter(|one| one.method != "GET" && one.status < 300).collect()
    }
}

/// What both say alike: everything but names that each server gives, references, and what only the copy has.
fn content(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(content).collect(),
        Value::Object(members)
            if members.contains_key("reference")
                || members.contains_key("identifier") && members.contains_key("type") =>
        {
            json!({ "display": members.get("display") })
        }
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), content(value))).collect::<Map<_, _>>().into()
        }
        plain => plain.clone(),
    }
}

fn comparable(resource: &Value) -> Value {
    let mut resource = resource.clone();
    let members = resource.as_object_mut().unwrap();
    for name in ["id", "meta", "contained", "identifier"] {
        members.remove(name);
    }
    if let Some(Value::Array(extensions)) = members.get_mut("extension") {
        extensions.retain(|one| one["url"] != MARK);
        if extensions.is_empty() {
            members.remove("extension");
        }
    }
    content(&resource)
}

pub(crate) fn version_in(copy: &Value) -> &str {
    let marks = copy["extension"].as_array().unwrap().iter().find(|one| one["url"] == MARK).unwrap();
    marks["extension"][0]["valueString"].as_str().unwrap()
}

/// Waits until the Task there is the Task here, and looks at all of it.
async fn equal(world: &World, practice: &mut Practice, task: &str, request: &str) -> Value {
    let mut ticks = tokio::time::interval(Duration::from_millis(25));
    for _ in 0..2_400 {
        ticks.tick().await;
        let here = [world.task(task).await, world.task(request).await];
        let there = [practice.one("Task"), practice.one("ServiceRequest")];
        let [Some(copy), Some(copied_request)] = there else { continue };
        let newest = |copy: &Value, own: &Value| version_in(copy) == own["meta"]["versionId"].as_str().unwrap();
        if !newest(&copy, &here[0]) || !newest(&copied_request, &here[1]) {
            continue;
        }
        assert_eq!(comparable(&copy), comparable(&here[0]));
        assert_eq!(comparable(&copied_request), comparable(&here[1]));
        assert_valid("the copy", &copy.to_string());
        assert_eq!(copy["focus"]["reference"], format!("ServiceRequest/{}", copied_request["id"].as_str().unwrap()));
        let patient = here[0]["for"]["reference"].as_str().unwrap();
        let patient = world.task(&format!("/fhir/{patient}")).await;
        let number = patient["identifier"].as_array().unwrap().iter().find(|one| one["system"] == NHS).unwrap();
        assert_eq!(copy["for"]["identifier"], json!({ "system": NHS, "value": number["value"] }));
        outputs(world, &here[0], &copy).await;
        return copy;
    }
    panic!("the Task there is not the Task here: {:?}", world.store().dead_notices(None, 0, 9).await.unwrap());
}

/// What outputs refer to here is contained there.
async fn outputs(world: &World, here: &Value, there: &Value) {
    let all = |task: &Value| task["output"].as_array().cloned().unwrap_or_default();
    for (own, copied) in all(here).iter().zip(all(there)) {
        let Some(reference) = own["valueReference"]["reference"].as_str() else { continue };
        let id = copied["valueReference"]["reference"].as_str().unwrap().strip_prefix('#').unwrap();
        let mut contained = there["contained"].as_array().unwrap().iter();
        let inside = contained.find(|one| one["id"] == id).unwrap();
        assert_eq!(comparable(inside), comparable(&world.task(&format!("/fhir/{reference}")).await));
    }
}

/// The one notice that a person has to look at.
async fn dead(world: &World) -> Notice {
    let found = eventually("a notice for a person", || async {
        let dead = world.store().dead_notices(None, 0, 9).await.unwrap();
        dead.into_iter().map(|(_, notice)| notice).find(|notice| {
            matches!(&notice.destination, Destination::Server { resource, .. } if resource.starts_with("Task/"))
        })
    });
    found.await
}

/// A Task that is made of others has no referral of its own, and stands there as it stands here.
#[tokio::test]
async fn the_whole_of_a_split_referral_stands_there_too() {
    if skips() {
        return;
    }
    let mut practice = Practice::open();
    let world = practice.gateway(Setup::default()).await;
    let sent = world.submit(&parts(2)).await;
    let [whole, one, other] = tasks(&sent).try_into().unwrap();
    for part in [&one, &other] {
        assert_eq!(world.move_task(part, "cancelled").await.status, 200);
    }
    let here = world.task(&whole).await;
    assert_eq!(here["status"], "cancelled");
    let mut ticks = tokio::time::interval(Duration::from_millis(25));
    for _ in 0..2_400 {
        ticks.tick().await;
        if let Some(copy) = practice.one("Task").filter(|copy| version_in(copy) == here["meta"]["versionId"]) {
            assert_eq!(comparable(&copy), comparable(&here));
            assert_valid("the copy", &copy.to_string());
            world.stop().await;
            return;
        }
    }
    panic!("the whole does not stand there: {:?}", world.store().dead_notices(None, 0, 9).await.unwrap());
}

#[tokio::test]
async fn a_task_there_is_the_task_here_at_every_step_through_restarts_of_both() {
    if skips() {
        return;
    }
    let mut practice = Practice::open();
    let platform = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
    let disk = tempfile::tempdir().unwrap();
    let open = || -> Arc<dyn Store> { Arc::new(SqliteStore::open(&disk.path().join("gateway.db")).unwrap()) };
    let setup =
        || Setup { store: open(), bases: [platform.base_url(), platform.base_url()], lanes: true, ..Setup::default() };
    let mut world = practice.gateway(setup()).await;
    // It is polled, so that it does not matter where the gateway listens.
    let sent = world.submit(&referral_to("VCSE2", Expectation::Delivered, 0).bundle).await;
    let (task, request) = (sent.path("Task"), sent.path("ServiceRequest"));
    let referral = world.delivered(&task).await;
    let there = equal(&world, &mut practice, &task, &request).await;
    assert_eq!(there["status"], "requested");
    let name = referral.platform_referral.unwrap().0;
    for (step, status) in ["accepted", "in-progress", "on-hold", "in-progress", "completed"].into_iter().enumerate() {
        assert!(platform.plan(&name, &[(status, (status == "on-hold").then_some("Waiting list"))]));
        match step {
            // Their server is away when it happens, and comes back.
            0 | 3 => {
                practice.server.kill().unwrap();
                platform.tick().await;
                world.task_becomes(&task, status).await;
                practice.server.restart().unwrap();
            }
            // We are.
            1 => {
                world.stop().await;
                platform.tick().await;
                world = practice.gateway(setup()).await;
            }
            // Both are.
            4 => {
                practice.server.kill().unwrap();
                world.stop().await;
                platform.tick().await;
                world = practice.gateway(setup()).await;
                world.task_becomes(&task, status).await;
                world.stop().await;
                practice.server.restart().unwrap();
                world = practice.gateway(setup()).await;
            }
            _ => {
                platform.tick().await;
            }
        }
        world.task_becomes(&task, status).await;
        let there = equal(&world, &mut practice, &task, &request).await;
        assert_eq!(there["status"], status);
    }
    let there = practice.one("Task").unwrap();
    assert!(!there["output"].as_array().unwrap().is_empty(), "{there}");
    assert_eq!(practice.one("ServiceRequest").unwrap()["status"], "completed");
    assert!(world.store().dead_notices(None, 0, 9).await.unwrap().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn what_somebody_changed_there_is_not_written_over_and_a_person_is_told() {
    if skips() {
        return;
    }
    let mut practice = Practice::open();
    let world = practice.gateway(Setup::default()).await;
    let sent = world.submit(&bundle(0)).await;
    let (task, request) = (sent.path("Task"), sent.path("ServiceRequest"));
    let ours = equal(&world, &mut practice, &task, &request).await;
    let mut theirs = ours.clone();
    theirs["note"] = json!([{ "text": "rang her" }]);
    practice.server.staff_put(&theirs).unwrap();
    assert_eq!(world.move_task(&task, "on-hold").await.status, 200);
    let notice = dead(&world).await;
    let words = notice.last_failure.unwrap();
    assert!(words.contains("somebody changed it there") && !words.contains("rang"), "{words}");
    let there = practice.one("Task").unwrap();
    assert_eq!((&there["status"], &there["note"][0]["text"]), (&json!("requested"), &json!("rang her")));
    let open = || async { world.referral().await.open_follow_ups().map(|one| one.cause).collect::<Vec<_>>() };
    eventually("a person is asked", || async { (open().await == [Cause::NotNotified]).then_some(()) }).await;
    // That is told there as well, and does not count as told after all.
    eventually("told there", || async { world.store().next_notice().await.unwrap().is_none().then_some(()) }).await;
    assert_eq!(open().await, [Cause::NotNotified]);
    // Put back as it was, it is ours again, and goes on with the newest state.
    practice.server.staff_put(&ours).unwrap();
    assert_eq!(world.move_task(&task, "cancelled").await.status, 200);
    let there = equal(&world, &mut practice, &task, &request).await;
    assert_eq!(there["status"], "cancelled");
    eventually("it is over", || async { open().await.is_empty().then_some(()) }).await;
    let own = format!("/Task/{}", ours["id"].as_str().unwrap());
    let updates = practice.written().into_iter().filter(|one| one.path.contains(&own)).collect::<Vec<_>>();
    assert!(updates.iter().skip(1).all(|one| one.if_match.is_some()), "{updates:?}");
    world.stop().await;
}

/// Everything that a store is made of, to another folder.
fn carry(from: &std::path::Path, to: &std::path::Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[tokio::test]
async fn after_a_store_was_put_back_what_is_new_is_written_over_what_the_gateway_wrote() {
    if skips() {
        return;
    }
    let mut practice = Practice::open();
    let (disk, aside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open = |at: &tempfile::TempDir| -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&at.path().join("gateway.db")).unwrap())
    };
    let world = practice.gateway(Setup { store: open(&disk), ..Setup::default() }).await;
    let sent = world.submit(&bundle(0)).await;
    let (task, request) = (sent.path("Task"), sent.path("ServiceRequest"));
    equal(&world, &mut practice, &task, &request).await;
    world.stop().await;
    carry(disk.path(), aside.path());
    let world = practice.gateway(Setup { store: open(&disk), ..Setup::default() }).await;
    for status in ["on-hold", "requested", "on-hold"] {
        assert_eq!(world.move_task(&task, status).await.status, 200);
        equal(&world, &mut practice, &task, &request).await;
    }
    world.stop().await;
    // The older store goes on. What it knows is older than what stands there, and is not written over it.
    let world = practice.gateway(Setup { store: open(&aside), ..Setup::default() }).await;
    settle().await;
    let there = practice.one("Task").unwrap();
    assert_eq!((&there["status"], &world.task(&task).await["status"]), (&json!("on-hold"), &json!("requested")));
    // What comes to be is newer, though its number is lower.
    assert_eq!(world.move_task(&task, "cancelled").await.status, 200);
    let copy = equal(&world, &mut practice, &task, &request).await;
    assert_eq!(copy["status"], "cancelled");
    assert!(version_in(&copy).parse::<u64>().unwrap() < version_in(&there).parse().unwrap());
    assert!(world.store().dead_notices(None, 0, 9).await.unwrap().is_empty());
    world.stop().await;
}

/// Waits until the Task there has this status. A read at the gateway may show more: what the practice could read before it still can.
async fn stands(world: &World, practice: &mut Practice, status: &str) -> Value {
    let mut ticks = tokio::time::interval(Duration::from_millis(25));
    for _ in 0..2_400 {
        ticks.tick().await;
        if let Some(copy) = practice.one("Task").filter(|copy| copy["status"] == status) {
            return copy;
        }
    }
    panic!("the Task there is not {status}: {:?}", world.store().dead_notices(None, 0, 9).await.unwrap());
}

/// Whether the person says so with the referral, or only when the outcome is here and the practice's server is away.
#[tokio::test]
async fn what_the_person_keeps_from_the_practice_does_not_stand_there() {
    if skips() {
        return;
    }
    for (kept, later) in
        [(None, false), (Some(false), false), (Some(false), true), (Some(true), false), (Some(true), true)]
    {
        let mut practice = Practice::open();
        let platform = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
        let bases = [platform.base_url(), platform.base_url()];
        let world = practice.gateway(Setup { bases, lanes: true, ..Setup::default() }).await;
        let mut referral = referral_to("VCSE2", Expectation::Delivered, 0).bundle;
        let wish = kept.map(|is_of_words| json!([refusal(PRACTICE_ODS, is_of_words)]));
        if let Some(wish) = wish.clone().filter(|_| !later) {
            inside(&mut referral, "Consent")["provision"]["provision"] = wish;
        }
        let sent = world.submit(&referral).await;
        let task = sent.path("Task");
        let name = world.delivered(&task).await.platform_referral.unwrap().0;
        stands(&world, &mut practice, "requested").await;
        practice.server.kill().unwrap();
        platform.measure(&name, "Personal well-being (ONS4), 0 to 10", &[("Life satisfaction", 7)]);
        assert!(platform.plan(&name, &[("accepted", None), ("completed", Some("Canary words"))]));
        platform.tick_until_settled(50).await;
        world.task_becomes(&task, "completed").await;
        if let Some(wish) = wish.filter(|_| later) {
            let of = world.referral().await;
            let key = ResourceKey { compartment: of.compartment, kind: "Task".to_owned(), id: of.task };
            let stored = world.store().resource(&key, None).await.unwrap().unwrap().body;
            assert!(stored.contains("Canary words") && stored.contains("\"output\""), "{stored}");
            let narrowed = world.change(&sent.path("Consent"), |one| one["provision"]["provision"] = wish).await;
            assert_eq!(narrowed.status, 200, "{}", narrowed.text);
        }
        practice.server.restart().unwrap();
        let copy = stands(&world, &mut practice, "completed").await;
        let there = [practice.server.stored("Task").unwrap(), practice.server.stored("ServiceRequest").unwrap()];
        let text = Value::Array(there.concat()).to_string();
        let case = format!("{kept:?} {later}: {text}");
        assert_eq!(copy["status"], "completed", "{case}");
        assert_eq!(text.contains("Canary"), kept.is_none(), "{case}");
        assert_eq!(copy.get("output").is_none() && copy.get("contained").is_none(), kept == Some(false), "{case}");
        world.stop().await;
    }
}

#[tokio::test]
async fn what_was_deleted_there_is_not_made_again() {
    if skips() {
        return;
    }
    let mut practice = Practice::open();
    let world = practice.gateway(Setup::default()).await;
    let sent = world.submit(&bundle(0)).await;
    let there = equal(&world, &mut practice, &sent.path("Task"), &sent.path("ServiceRequest")).await;
    practice.server.staff_delete("Task", there["id"].as_str().unwrap()).unwrap();
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    assert!(dead(&world).await.last_failure.unwrap().contains("no longer"));
    assert_eq!(practice.one("Task"), None);
    world.stop().await;
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_recognised_whoever_gives_the_ids() {
    if skips() {
        return;
    }
    for more in ["", "creates = \"their-id\"\n"] {
        let mut practice = Practice::open();
        practice.server.swallow(2).unwrap();
        let setup = Setup { notify: practice.keys(more), base_url: Some(BASE), ..Setup::default() };
        let world = World::start(setup).await;
        let sent = world.submit(&bundle(0)).await;
        let (task, request) = (sent.path("Task"), sent.path("ServiceRequest"));
        let there = equal(&world, &mut practice, &task, &request).await;
        assert_eq!(there["id"] == sent.resource("Task")["id"], more.is_empty());
        practice.server.swallow(1).unwrap();
        assert_eq!(world.move_task(&task, "on-hold").await.status, 200);
        equal(&world, &mut practice, &task, &request).await;
        eventually("nothing left", || async { world.store().next_notice().await.unwrap().is_none().then_some(()) })
            .await;
        assert!(world.store().dead_notices(None, 0, 9).await.unwrap().is_empty());
        let tasks = practice.written().into_iter().filter(|one| one.path.contains("/Task")).collect::<Vec<_>>();
        assert_eq!(tasks.len(), 2, "each version is written once: {tasks:?}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_is_away_for_an_hour_gets_the_newest_state_alone() {
    if skips() {
        return;
    }
    let mut practice = Practice::open();
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-20 11:00 UTC)));
    practice.server.answer_with(1_000_000, 503).unwrap();
    let world = practice.gateway(Setup { clock: Arc::<ManualClock>::clone(&clock), ..Setup::default() }).await;
    let sent = world.submit(&bundle(0)).await;
    let (task, request) = (sent.path("Task"), sent.path("ServiceRequest"));
    assert_eq!(world.move_task(&task, "on-hold").await.status, 200);
    for minute in 0..60 {
        clock.advance(Duration::from_secs(60));
        if minute == 30 {
            assert_eq!(world.move_task(&task, "cancelled").await.status, 200);
        }
        settle().await;
    }
    let asked = practice.server.asked().unwrap();
    assert!(asked.len() >= 30 && asked.iter().all(|one| one.status == 503), "{} requests", asked.len());
    assert!(asked.len() <= 4 * 62, "one after the other, and not in a loop: {}", asked.len());
    practice.server.answer_with(0, 503).unwrap();
    clock.advance(Duration::from_secs(60));
    let there = equal(&world, &mut practice, &task, &request).await;
    assert_eq!(there["status"], "cancelled");
    eventually("nothing left", || async {
        clock.advance(Duration::from_secs(2));
        world.store().next_notice().await.unwrap().is_none().then_some(())
    })
    .await;
    let tasks = practice.written().into_iter().filter(|one| one.path.contains("/Task/")).count();
    assert_eq!(tasks, 1, "what was overtaken was not written");
    let referral = world.referral().await;
    let notices = world.store().notices_of(&referral.id).await.unwrap();
    assert!(notices.iter().all(|notice| notice.state == NoticeState::Sent), "{notices:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_token_that_ends_is_had_anew_and_one_that_was_taken_back_too() {
    if skips() || conformance_tests::oauth2_server::reason_to_skip().unwrap().is_some() {
        return;
    }
    let start = datetime!(2026-06-20 11:00 UTC);
    let client = Client {
        id: "gateway".to_owned(),
        secret: Some(TOKEN.to_owned()),
        auth: "client_secret_basic",
        scope: "tasks",
        ..Client::default()
    };
    let config =
        OAuth2ServerConfig { clients: vec![client], scopes: vec!["tasks"], token_seconds: 600, now: Some(start) };
    let mut tokens = OAuth2Server::start(config).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), TOKEN).unwrap();
    let mut practice = Practice { server: GpFhirServer::start(Door::of(&tokens)).unwrap(), folder };
    let keys = format!(
        "[client.notify.fhir-server]\nbase-url = \"{}\"\n[client.notify.fhir-server.oauth2]\ntoken-url = \"{}\"\n\
         grant = \"client-credentials\"\nclient-id = \"gateway\"\nscope = \"tasks\"\nsecret = {{ file = \"{}\" }}\n",
        practice.server.base_url(),
        tokens.token_url(),
        practice.folder.path().join("secret").display(),
    );
    let clock = Arc::new(ManualClock::at(start));
    let chance = Arc::new(Chance::seeded(5));
    let through = HttpTransport::with(Arc::new(SystemLookup), Arc::<ManualClock>::clone(&clock), chance).unwrap();
    let world = World::start(Setup {
        notify: [keys, String::new()],
        base_url: Some(BASE),
        clock: Arc::<ManualClock>::clone(&clock) as Arc<dyn Clock>,
        transport: Some(Arc::new(through)),
        store: Arc::new(MemoryStore::new()),
        ..Setup::default()
    })
    .await;
    let sent = world.submit(&bundle(0)).await;
    let (task, request) = (sent.path("Task"), sent.path("ServiceRequest"));
    equal(&world, &mut practice, &task, &request).await;
    assert_eq!(tokens.given().unwrap(), 1);
    // It ends.
    tokens.advance(700).unwrap();
    clock.advance(Duration::from_secs(700));
    assert_eq!(world.move_task(&task, "on-hold").await.status, 200);
    equal(&world, &mut practice, &task, &request).await;
    assert_eq!(tokens.given().unwrap(), 2);
    // The token server forgets what it gave: only a refusal says so.
    clock.advance(Duration::from_secs(100));
    tokens.restart().unwrap();
    assert_eq!(world.move_task(&task, "cancelled").await.status, 200);
    equal(&world, &mut practice, &task, &request).await;
    assert!(practice.server.asked().unwrap().iter().any(|one| one.status == 401));
    assert_eq!(tokens.given().unwrap(), 1);
    assert!(world.store().dead_notices(None, 0, 9).await.unwrap().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn what_another_client_sent_does_not_stand_there() {
    if skips() {
        return;
    }
    let mut practice = Practice::open();
    let world = practice.gateway(Setup::default()).await;
    for (nth, client) in [crate::support::NEIGHBOUR, crate::support::FOREIGN].into_iter().enumerate() {
        let answer = world.post(client, "/fhir", bundle(nth).to_string()).await;
        assert_eq!(answer.status, 201, "{client}: {}", answer.text);
    }
    let sent = world.submit(&bundle(3)).await;
    equal(&world, &mut practice, &sent.path("Task"), &sent.path("ServiceRequest")).await;
    settle().await;
    let asked = practice.server.asked().unwrap();
    let own = |one: &Answered| {
        [sent.reference("Task"), sent.reference("ServiceRequest")].iter().any(|own| one.path.ends_with(own))
    };
    assert!(asked.iter().all(own), "{asked:?}");
    assert_eq!(world.get(GP, &sent.path("Task")).await.status, 200);
    world.stop().await;
}
