//! The adapter `fhir-message` against a simulator that was written from the guides, takes messages, answers in messages and
//! tells of everything with all that it ever knew.

use crate::support::{GP, REPORT_TOKEN, Sent, Setup, World, assert_valid, eventually, inside, referral_to, settle};
use conformance_tests::generator::Expectation;
use conformance_tests::message_platform::{
    Folder, MessagePlatform, MessagePlatformConfig, ONTARIO_EVENTS, PROCESS_MESSAGE, TOKEN,
};
use conformance_tests::platform::{Fault, FaultKind, Match};
use conformance_tests::simulator::{Namespace, Simulator};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

const ODS: &str = "VCSE8";
const COMMON_EVENTS: &str = "https://guide.example/CodeSystem/message-events";

/// A gateway with one platform that takes messages.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) platform: Namespace<MessagePlatform>,
    http: reqwest::Client,
    _simulator: Simulator<MessagePlatform>,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        Self::with("", |_| {}).await
    }

    /// With more settings of the adapter, and another platform.
    async fn with(settings: &str, change: impl Fn(&mut MessagePlatformConfig) + Send + Sync + 'static) -> Self {
        Self::made(settings, None, change).await
    }

    /// With tokens that this client has of another server, for this scope.
    pub(crate) async fn tokens_of(
        token_url: &str,
        client: (&str, &str),
        scope: &str,
        change: impl Fn(&mut MessagePlatformConfig) + Send + Sync + 'static,
    ) -> Self {
        Self::made("", Some((token_url, client, scope)), change).await
    }

    async fn made(
        settings: &str,
        tokens_of: Option<(&str, (&str, &str), &str)>,
        change: impl Fn(&mut MessagePlatformConfig) + Send + Sync + 'static,
    ) -> Self {
        let simulator = Simulator::start(move || {
            let mut config = MessagePlatformConfig::default();
            change(&mut config);
            MessagePlatform::new(config)
        })
        .await
        .unwrap();
        let platform = simulator.root();
        let folder = tempfile::tempdir().unwrap();
        let own = MessagePlatformConfig::default().client;
        let own_url = format!("{}{TOKEN}", platform.base_url());
        let (token_url, (client, secret), scope) = match tokens_of {
            Some((url, client, scope)) => (url, client, format!("scope = \"{scope}\", ")),
            None => (own_url.as_str(), (own.0.as_str(), own.1.as_str()), String::new()),
        };
        let file = folder.path().join("secret");
        std::fs::write(&file, secret).unwrap();
        let credentials = format!(
            "oauth2 = {{ token-url = \"{token_url}\", grant = \"client-credentials\", client-id = \"{client}\", {scope}\
             secret = {{ file = \"{}\" }} }}",
            file.display()
        );
        let decided = section(platform.base_url(), &credentials, settings);
        let world = World::start(Setup { lanes: true, decided, ..Setup::default() }).await;
        let hook = format!("{}/platforms/messages/reports", world.origin);
        platform.with(|platform, _| platform.set_webhook(&hook, REPORT_TOKEN));
        Self { world, platform, http: reqwest::Client::new(), _simulator: simulator, _folder: folder }
    }

    /// Sends a referral and waits for its delivery: what was sent, and the platform's id.
    pub(crate) async fn delivered(&self, nth: usize) -> (Sent, String) {
        let sent = self.world.submit(&bundle(nth)).await;
        let referral = self.world.delivered(&sent.path("Task")).await;
        (sent, referral.platform_referral.unwrap().0)
    }

    /// Something happens at the platform, a minute later, and is told.
    pub(crate) async fn happens(&self, act: impl FnOnce(&mut MessagePlatform, OffsetDateTime)) {
        self.platform.advance(Duration::minutes(1));
        self.platform.with(act);
        self.push().await;
    }

    async fn push(&self) {
        for told in self.platform.push(&self.http).await {
            assert_eq!(told.answer, Ok(202), "{}", told.about);
        }
    }

    async fn all_read(&self) {
        let read = || async { self.world.store().unread_reports(1).await.unwrap().is_empty().then_some(()) };
        eventually("all reports read", read).await;
        self.world.outbox_idle().await;
        settle().await;
    }

    pub(crate) fn folder(&self, id: &str) -> Folder {
        self.platform.with(|platform, _| platform.referral(id).unwrap().folder)
    }

    pub(crate) fn kept(&self) -> usize {
        self.platform.with(|platform, _| platform.kept().count())
    }
}

fn section(base: &str, credentials: &str, settings: &str) -> String {
    let reports: String = Sha256::digest(REPORT_TOKEN.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let identifiers = format!("[{{ system = \"https://fhir.nhs.uk/Id/ods-organization-code\", value = \"{ODS}\" }}]");
    let common = "requester-ods = \"X26\", requester-name = \"Test PCN gateway\", \
        source-endpoint = \"https://gateway.example/fhir\", process-message-path = \"svc/fhir/v1/$process-message\", \
        recipient-identifier-system = \"https://platform.example/Id/service\", recipient-identifier-value = \"befriending-1\"";
    format!(
        "\n[[platform]]\nid = \"messages\"\nname = \"Messages\"\nadapter = \"fhir-message\"\nbase-url = \"{base}\"\n\
         {credentials}\nreport-token-sha256 = \"{reports}\"\nidentifiers = {identifiers}\n\
         settings = {{ {common} {settings} }}\n\n[[route]]\nname = \"messages\"\nplatform = \"messages\"\n\
         recipients = {identifiers}\n\n[[policy]]\ntenant = \"pcn-a\"\nplatform = \"messages\"\nnotes = \"send\"\n"
    )
}

pub(crate) fn bundle(nth: usize) -> Value {
    referral_to(ODS, Expectation::Delivered, nth).bundle
}

fn business(task: &Value) -> &str {
    task["businessStatus"]["coding"][0]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_referral_is_taken_on_booked_asked_about_and_done() {
    let scene = Scene::new().await;
    let (sent, id) = scene.delivered(0).await;
    assert_eq!(scene.folder(&id), Folder::New);
    let path = sent.path("Task");
    // Our own message came back: that is no news.
    scene.push().await;
    scene.all_read().await;
    let task = scene.world.task(&path).await;
    assert_eq!((&task["status"], business(&task)), (&json!("requested"), "delivered"));
    for status in ["received", "on-hold", "in-progress"] {
        scene.happens(|platform, now| assert!(platform.state(&id, status, Some("<p>Soon&nbsp;</p>"), now))).await;
        scene.all_read().await;
        let task = scene.world.task(&path).await;
        let taken_on = status != "received";
        assert_eq!(task["status"], if taken_on { "accepted" } else { "requested" }, "{status}: one folder for four");
        let word = task["businessStatus"]["coding"].to_string() + &task["businessStatus"]["text"].to_string();
        assert!(!taken_on || word.contains(status), "the platform's own word is kept: {word}");
    }
    scene.happens(|platform, now| assert!(platform.book(&id, "booked", "2026-07-01T10:00:00Z", now))).await;
    eventually("the booking", || async {
        let task = scene.world.task(&path).await;
        (business(&task) == "booked" && task.to_string().contains("2026-07-01T10:00:00Z")).then_some(())
    })
    .await;
    scene.happens(|platform, now| assert!(platform.ask(&id, "<p>Which&nbsp;language?</p>", now))).await;
    let task = scene.world.task_becomes(&path, "on-hold").await;
    assert_eq!((business(&task), &task["statusReason"]["text"]), ("info-needed", &json!("Which language?")));
    scene
        .happens(|platform, now| {
            let output =
                json!([{"type": {"text": "Letter"}, "valueReference": {"reference": "DocumentReference/D-1/$binary"}}]);
            assert!(platform.refine(&id, &[("output", output)]));
            assert!(platform.state(&id, "completed", None, now));
        })
        .await;
    let task = scene.world.task_becomes(&path, "completed").await;
    assert_valid("Task", &task.to_string());
    assert!(task["output"].to_string().contains("DocumentReference/D-1"), "{task}");
    let fetched = scene.platform.requests().iter().any(|request| request.path.contains("DocumentReference"));
    assert!(!fetched, "no link of the platform is followed");
    assert_eq!(scene.world.task(&sent.path("ServiceRequest")).await["status"], "completed");
    scene.world.stop().await;
}

#[tokio::test]
async fn elsewhere_each_status_stands_for_itself() {
    let scene = Scene::with(&format!(", event-system = \"{COMMON_EVENTS}\""), |config| {
        COMMON_EVENTS.clone_into(&mut config.event_system);
    })
    .await;
    let (sent, id) = scene.delivered(1).await;
    for (status, wanted) in [
        ("received", "seen"),
        ("accepted", "accepted"),
        ("in-progress", "in-support"),
        ("on-hold", "on-hold"),
        ("failed", "not-helped"),
    ] {
        scene.happens(|platform, now| assert!(platform.state(&id, status, Some("Words"), now))).await;
        let task = scene.world.task_becomes(&sent.path("Task"), status).await;
        assert_eq!(business(&task), wanted, "{status}");
    }
    let (sent, id) = scene.delivered(2).await;
    scene.happens(|platform, now| assert!(platform.state(&id, "requested", None, now))).await;
    scene
        .happens(|platform, now| {
            assert!(platform.refine(&id, &[("businessStatus", json!({"text": "Cancelled (by registrant)"}))]));
            assert!(platform.state(&id, "cancelled", Some("Moved away"), now));
        })
        .await;
    let task = scene.world.task_becomes(&sent.path("Task"), "cancelled").await;
    assert_eq!((business(&task), &task["statusReason"]["text"]), ("person-declined", &json!("Moved away")));
    assert!(task["businessStatus"].to_string().contains("Cancelled (by registrant)"), "{task}");
    scene.world.stop().await;
}

#[tokio::test]
async fn what_is_lost_doubled_or_swapped_ends_in_the_same_state() {
    for fault in [FaultKind::LoseNotification, FaultKind::DuplicateNotification, FaultKind::ReorderNotifications] {
        let scene = Scene::new().await;
        let (sent, id) = scene.delivered(3).await;
        scene.platform.faults().push(Fault::new(Match::on("NOTIFY", "/").times(3), fault.clone()));
        for status in ["accepted", "in-progress", "rejected"] {
            scene.happens(|platform, now| assert!(platform.state(&id, status, Some("Full"), now))).await;
        }
        // What was lost comes with the next message about anything; what was held back comes late.
        scene.happens(|platform, now| platform.resend(&id, now)).await;
        scene.push().await;
        let task = scene.world.task_becomes(&sent.path("Task"), "rejected").await;
        assert_eq!((business(&task), &task["statusReason"]["text"]), ("declined-other", &json!("Full")), "{fault:?}");
        scene.all_read().await;
        let version = scene.world.task(&sent.path("Task")).await["meta"]["versionId"].clone();
        // All of it once more says nothing new.
        for _ in 0..3 {
            scene.happens(|platform, now| platform.resend(&id, now)).await;
        }
        scene.all_read().await;
        assert_eq!(scene.world.task(&sent.path("Task")).await["meta"]["versionId"], version, "{fault:?}");
        assert_eq!(scene.world.referral().await.conflict, None);
        scene.world.stop().await;
    }
}

#[tokio::test]
async fn what_was_declined_and_is_opened_again_is_put_in_front_of_a_person() {
    let scene = Scene::new().await;
    let (sent, id) = scene.delivered(4).await;
    scene.happens(|platform, now| assert!(platform.state(&id, "rejected", Some("Full"), now))).await;
    scene.world.task_becomes(&sent.path("Task"), "rejected").await;
    scene.happens(|platform, now| assert!(platform.state(&id, "accepted", None, now))).await;
    let conflict = eventually("a conflict", || async { scene.world.referral().await.conflict }).await;
    assert!(conflict.contains("accepted") && conflict.contains("rejected"), "{conflict}");
    assert_eq!(scene.world.task(&sent.path("Task")).await["status"], "rejected");
    assert_eq!(scene.folder(&id), Folder::PendingBooking, "the platform works on it");
    scene.world.stop().await;
}

#[tokio::test]
async fn what_is_forwarded_is_still_the_same_referral() {
    let scene = Scene::new().await;
    let (sent, id) = scene.delivered(5).await;
    let mut new = String::new();
    scene.happens(|platform, now| new = platform.forward(&id, now).unwrap()).await;
    eventually("the forwarding", || async {
        let task = scene.world.task(&sent.path("Task")).await;
        (business(&task) == "rerouted").then_some(())
    })
    .await;
    scene.happens(|platform, now| assert!(platform.state(&new, "accepted", None, now))).await;
    let task = scene.world.task_becomes(&sent.path("Task"), "accepted").await;
    assert_eq!(business(&task), "accepted");
    assert_eq!(scene.world.referral().await.platform_referral.unwrap().0, id);
    scene.world.stop().await;
}

#[tokio::test]
async fn a_withdrawal_reaches_the_platform_and_its_echo_changes_nothing() {
    let scene = Scene::new().await;
    let (sent, id) = scene.delivered(6).await;
    scene.happens(|platform, now| assert!(platform.state(&id, "accepted", None, now))).await;
    scene.world.task_becomes(&sent.path("Task"), "accepted").await;
    assert_eq!(scene.world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    eventually("the withdrawal there", || async { (scene.folder(&id) == Folder::Cancelled).then_some(()) }).await;
    scene.push().await;
    scene.all_read().await;
    let task = scene.world.task(&sent.path("Task")).await;
    assert_eq!((&task["status"], business(&task)), (&json!("cancelled"), "withdrawn-by-referrer"));
    let referral = scene.world.referral().await;
    assert_eq!((referral.attention, referral.conflict), (None, None));
    let revoked = scene.platform.requests().into_iter().filter(|one| one.body.contains("revoke-service-request"));
    let bodies: Vec<String> = revoked.map(|one| one.body).collect();
    assert_eq!(bodies.len(), 1);
    assert!(
        !bodies[0].contains("\"Patient\",\"name\"") && !bodies[0].contains("999"),
        "no person's data: {}",
        bodies[0]
    );
    scene.world.stop().await;
}

#[tokio::test]
async fn a_platform_that_wants_the_person_in_a_withdrawal_is_told_by_a_person() {
    let scene = Scene::with("", |config| config.person_in_withdrawal = true).await;
    let (sent, id) = scene.delivered(7).await;
    assert_eq!(scene.world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    let attention = eventually("attention", || async { scene.world.referral().await.attention }).await;
    assert!(!attention.is_empty());
    assert_eq!(scene.world.task(&sent.path("Task")).await["status"], "cancelled");
    assert_eq!(scene.folder(&id), Folder::New);
    scene.world.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_by_the_echo_and_never_guessed_at() {
    let scene = Scene::new().await;
    scene.platform.faults().push(Fault::new(Match::on("POST", PROCESS_MESSAGE), FaultKind::ResetAfterStoring));
    let sent = scene.world.submit(&bundle(8)).await;
    scene.world.delivery_becomes(&sent.path("Task"), "dead-letter").await;
    settle().await;
    assert_eq!(scene.kept(), 1, "nothing was sent again on a guess");
    scene.push().await;
    let referral = scene.world.delivered(&sent.path("Task")).await;
    assert_eq!(scene.folder(&referral.platform_referral.unwrap().0), Folder::New);
    assert_eq!(scene.kept(), 1);
    scene.world.stop().await;
}

#[tokio::test]
async fn a_platform_that_knows_a_repetition_is_simply_sent_it_again() {
    let scene = Scene::with(", recognises-repetition = \"true\"", |config| config.recognises_repetition = true).await;
    scene.platform.faults().push(Fault::new(Match::on("POST", PROCESS_MESSAGE), FaultKind::ResetAfterStoring));
    let (_, id) = scene.delivered(9).await;
    let requests = scene.platform.requests();
    let bodies: Vec<&str> =
        requests.iter().filter(|one| one.path == PROCESS_MESSAGE).map(|one| one.body.as_str()).collect();
    assert_eq!((bodies.len(), scene.kept(), bodies[0]), (2, 1, bodies[1]), "the same message twice is one referral");
    assert_eq!(scene.folder(&id), Folder::New);
    scene.world.stop().await;
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_when_it_has_ended() {
    let scene = Scene::new().await;
    let tokens = || scene.platform.requests().iter().filter(|one| one.path == TOKEN).count();
    scene.delivered(15).await;
    scene.delivered(16).await;
    assert_eq!(tokens(), 1);
    scene.platform.faults().push(Fault::new(Match::on("POST", PROCESS_MESSAGE), FaultKind::ExpireSessions));
    scene.delivered(17).await;
    assert_eq!((tokens(), scene.kept()), (2, 3), "what was refused was not stored");
    scene.world.stop().await;
}

#[tokio::test]
async fn a_refusal_names_the_element_and_a_busy_platform_is_asked_again() {
    let scene =
        Scene::with("", |config| config.demands = vec!["Patient.contact[0].address.postalCode".to_owned()]).await;
    let sent = scene.world.submit(&bundle(10)).await;
    let task = scene.world.task_becomes(&sent.path("Task"), "on-hold").await;
    let reason = task["statusReason"]["text"].as_str().unwrap();
    assert!(business(&task) == "undeliverable" && reason.contains("Patient.contact[0].address.postalCode"), "{reason}");
    scene.platform.with(|platform, _| platform.configure(|config| config.demands.clear()));
    scene.platform.faults().push(Fault::new(
        Match::on("POST", PROCESS_MESSAGE).times(2),
        FaultKind::Status { status: 503, retry_after: Some(1) },
    ));
    let (_, id) = scene.delivered(11).await;
    assert_eq!(scene.folder(&id), Folder::New);
    assert_eq!(scene.kept(), 1);
    scene.world.stop().await;
}

#[tokio::test]
async fn messages_about_others_and_of_unknown_kinds_move_nothing() {
    let scene = Scene::new().await;
    let (sent, id) = scene.delivered(12).await;
    let key = scene.world.referral().await.key.0;
    scene.all_read().await;
    let message = |code: &str, request: &str, key: Option<&str>, status: &str| {
        let extension = key.map(|key| json!([{"url": "http://x/ext-id-message-header", "valueString": key}]));
        json!({"resourceType": "Bundle", "type": "message", "timestamp": "2026-06-15T13:00:00Z", "entry": [
            {"resource": {"resourceType": "MessageHeader", "extension": extension,
                "eventCoding": {"system": ONTARIO_EVENTS, "code": code}, "focus": [{"reference": "Task/T"}]}},
            {"resource": {"resourceType": "ServiceRequest", "id": request}},
            {"resource": {"resourceType": "Task", "id": "T", "status": status,
                "focus": {"reference": format!("ServiceRequest/{request}")}}}]})
    };
    let mut deep = message("notify-update-process-request", &id, Some(&key), "completed").to_string();
    deep.truncate(deep.len() - 10);
    for body in [
        message("notify-update-process-request", "someone-elses", None, "completed").to_string(),
        message("notify-update-process-request", "someone-elses", Some("another-key"), "completed").to_string(),
        message("notify-something-new", &id, Some(&key), "completed").to_string(),
        message("notify-update-process-request", &id, Some(&key), "vanished").to_string(),
        message("notify-update-process-request", &id, None, "entered-in-error").to_string(),
        "[".repeat(100_000),
        deep,
    ] {
        let post = scene.world.request(REPORT_TOKEN, "POST", "/platforms/messages/reports");
        let answer = scene.world.send(post.header("content-type", "application/fhir+json").body(body)).await;
        assert_eq!(answer.status, 202);
    }
    scene.all_read().await;
    let task = scene.world.task(&sent.path("Task")).await;
    assert_eq!(task["status"], "requested", "{task}");
    scene.happens(|platform, now| assert!(platform.state(&id, "accepted", None, now))).await;
    scene.world.task_becomes(&sent.path("Task"), "accepted").await;
    scene.world.stop().await;
}

#[tokio::test]
async fn a_person_who_must_not_be_contacted_is_not_referred() {
    let scene = Scene::new().await;
    let mut bundle = bundle(13);
    let code = json!({"system": "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes",
        "code": "contacting-subject-prohibited"});
    inside(&mut bundle, "ServiceRequest")["orderDetail"] = json!([{ "coding": [code] }]);
    let answer = scene.world.post(GP, "/fhir", bundle.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let held = eventually("the hold", || async {
        let referral = scene.world.referral().await;
        (referral.delivery.word() == "held").then_some(referral)
    });
    let task = scene.world.task(&format!("/fhir/Task/{}", held.await.task)).await;
    let reason = task["statusReason"]["text"].as_str().unwrap();
    assert!(task["status"] == "on-hold" && reason.contains("must not be contacted"), "{reason}");
    assert_eq!(scene.kept(), 0, "nothing was sent");
    scene.world.stop().await;
}
