//! Outcome letters to the practice, over the real MESH sandbox: written, sent, acknowledged, refused, missed.
//!
//! Without the sandbox the tests say so and pass, unless `MESH=required`.

mod again;
mod doubt;

use crate::support::{GOVERNANCE, GP, Sent, Setup, World, assert_valid, bundle, eventually, inside, settle};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use conformance_tests::generator::PRACTICE_ODS;
use conformance_tests::mesh_sandbox::{MeshSandbox, Message, PASSWORD, SHARED_KEY, Sending, reason_to_skip};
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use time::macros::datetime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vcse_gateway::clock::{Clock, ManualClock, SystemClock};
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

/// Mailboxes that the sandbox has built in: ours, the practice's.
const OURS: &str = "X26ABC1";
const THEIRS: &str = "X26ABC2";
const ACKNOWLEDGEMENTS: &str = "GPCONNECT_SEND_DOCUMENT_ACK";
const EXTENSION: &str = "https://vcse-gateway.example/fhir/StructureDefinition/outcome-letter";
const TRACED: &str = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";

/// Every code by which a practice's system refuses, and one that is not published.
const REFUSALS: [&str; 26] = [
    "10001", "10002", "10003", "10004", "10005", "10006", "10007", "10008", "10009", "10010", "20001", "20002",
    "20003", "20004", "20005", "20006", "20009", "20010", "20011", "20012", "20014", "20015", "30002", "30003",
    "30004", "31999",
];

struct Scene {
    world: World,
    food: FhirPlatform,
    mesh: MeshSandbox,
    gate: Gate,
    _secrets: tempfile::TempDir,
}

/// What stands before MESH.
struct Gate {
    url: String,
    weather: Arc<Weather>,
}

#[derive(Default)]
struct Weather {
    state: AtomicU8,
    /// Messages that nobody gets.
    broken: Mutex<Vec<String>>,
    /// How what was asked begins.
    asked: Mutex<Vec<String>>,
}

impl Weather {
    fn is(&self, state: u8) -> bool {
        self.state.load(Ordering::SeqCst) == state
    }

    /// What is answered in place of MESH, if it is not asked.
    fn refuses(&self, head: &str) -> Option<&'static str> {
        if self.is(REFUSING) {
            return Some("400 Bad Request");
        }
        let is_broken = || self.broken.lock().unwrap().iter().any(|id| head.contains(id.as_str()));
        (self.is(AWAY) || is_broken()).then_some("503 Service Unavailable")
    }
}

/// Everything passes.
const OPEN: u8 = 0;
/// Everything is answered with 503.
const AWAY: u8 = 1;
/// A message reaches MESH, and its answer is lost.
const DEAF: u8 = 2;
/// Everything is answered with 400.
const REFUSING: u8 = 3;
/// A message reaches MESH, and its answer comes once that is over.
const HELD: u8 = 4;

impl Gate {
    async fn before(mesh: &MeshSandbox) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind = mesh.base_url().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let weather = Arc::new(Weather::default());
        let told = Arc::clone(&weather);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, behind.clone(), Arc::clone(&told)));
            }
        });
        Self { url, weather }
    }

    fn is(&self, state: u8) {
        self.weather.state.store(state, Ordering::SeqCst);
    }
}

async fn carry(mut near: TcpStream, behind: String, weather: Arc<Weather>) -> std::io::Result<()> {
    let mut far = TcpStream::connect(behind).await?;
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let (mut is_letter, mut is_lost) = (false, false);
    loop {
        tokio::select! {
            read = near.read(&mut asked) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                let head = String::from_utf8_lossy(asked.get(..read.min(200)).unwrap_or_default()).into_owned();
                weather.asked.lock().unwrap().push(head.clone());
                if let Some(status) = weather.refuses(&head) {
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                    near.write_all(answer.as_bytes()).await?;
                    near.shutdown().await?;
                    tokio::io::copy(&mut near, &mut tokio::io::sink()).await?;
                    return Ok(());
                }
                is_letter |= head.starts_with("POST") && head.contains("/outbox");
                is_lost |= weather.is(DEAF) && is_letter;
                far.write_all(asked.get(..read).unwrap_or_default()).await?;
            }
            read = far.read(&mut answered) => {
                let read = read?;
                if read == 0 || is_lost {
                    return Ok(());
                }
                let mut ticks = tokio::time::interval(Duration::from_millis(15));
                while is_letter && weather.is(HELD) {
                    ticks.tick().await;
                }
                near.write_all(answered.get(..read).unwrap_or_default()).await?;
            }
        }
    }
}

async fn scene(keys: &str, clock: Arc<dyn Clock>) -> Option<Scene> {
    scene_over(keys, clock, Arc::new(MemoryStore::new())).await
}

#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
async fn scene_over(keys: &str, clock: Arc<dyn Clock>, store: Arc<dyn Store>) -> Option<Scene> {
    if let Some(missing) = reason_to_skip().unwrap_or_else(|missing| panic!("{missing}")) {
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    let mesh = MeshSandbox::start().unwrap();
    let gate = Gate::before(&mesh).await;
    let secrets = tempfile::tempdir().unwrap();
    let file = |name: &str, secret: &str| {
        let path = secrets.path().join(name);
        std::fs::write(&path, secret).unwrap();
        format!("{{ file = \"{}\" }}", path.display())
    };
    let gp = format!(
        "[client.notify.document]\nbase-url = \"{}\"\nmailbox = \"{OURS}\"\npassword = {}\nshared-key = {}\n\
         sender = {{ ods = \"A1B2C\", name = \"Example Valley Social Prescribing\", telephone = \"01632 960123\" }}\n\
         author = {{ given = [\"Sam\"], family = \"Example\", role = \"link worker\" }}\n\
         practice = {{ name = \"The Example Surgery\" }}\nwait-minutes = 0\npoll-seconds = 1\n{keys}\n",
        gate.url,
        file("password", PASSWORD),
        file("key", SHARED_KEY),
    );
    let food = FhirPlatform::start(PlatformConfig { seed: 3, ..PlatformConfig::default() }).await.unwrap();
    let bases = [food.base_url(), "http://127.0.0.1:9/fhir".to_owned()];
    let world = World::start(Setup { bases, lanes: true, gp, clock, store, ..Setup::default() }).await;
    Some(Scene { world, food, mesh, gate, _secrets: secrets })
}

async fn usual(keys: &str) -> Option<Scene> {
    scene(&format!("to = \"{THEIRS}\"\n{keys}"), Arc::new(SystemClock)).await
}

/// Refuses this organisation the outcome: all of it, or words alone.
pub(crate) fn refusal(organisation: &str, is_of_words: bool) -> Value {
    let identifier = json!({"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": organisation});
    let practice = json!({"type": "Organization", "identifier": identifier});
    let role =
        json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]});
    let action =
        json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "disclose"}]});
    let mut deny = json!({"type": "deny", "actor": [{"role": role, "reference": practice}], "action": [action]});
    if is_of_words {
        deny["class"] = json!([{"system": "urn:ietf:bcp:13", "code": "text/plain"}]);
    }
    deny
}

/// Names the practice where the person is registered, or none.
fn registered(referral: &mut Value, practice: Option<&str>) {
    let patient = inside(referral, "Patient").as_object_mut().unwrap();
    patient.remove("generalPractitioner");
    if let Some(code) = practice {
        let identifier = json!({"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": code});
        let named = json!([{ "type": "Organization", "identifier": identifier, "display": "The Other Surgery" }]);
        patient.insert("generalPractitioner".to_owned(), named);
    }
}

/// A referral about somebody who is traced.
fn referral(nth: usize) -> Value {
    let mut referral = bundle(nth);
    let patient = inside(&mut referral, "Patient");
    patient["name"] = json!([{ "use": "official", "family": "O'Canary-Smythe", "given": ["Ada"] }]);
    patient["identifier"][0]["extension"] =
        json!([{ "url": TRACED, "valueCodeableConcept": { "coding": [{ "code": "01" }] } }]);
    referral
}

impl Scene {
    /// Sends a referral and has the platform end it; the path of its Task.
    async fn ends(&self, referral: &Value, status: &'static str, reason: &str) -> String {
        let task = self.begins(referral, status, reason).await;
        self.food.tick_until_settled(50).await;
        self.world.task_becomes(&task, status).await;
        task
    }

    async fn begins(&self, referral: &Value, status: &'static str, reason: &str) -> String {
        let sent = self.world.submit(referral).await;
        self.plans(&sent, status, reason).await
    }

    async fn plans(&self, sent: &Sent, status: &'static str, reason: &str) -> String {
        let task = sent.path("Task");
        let id = self.world.delivered(&task).await.platform_referral.unwrap().0;
        let scores =
            [("Life satisfaction", 7), ("Worthwhile", 8), ("Happiness yesterday", 6), ("Anxiety yesterday", 3)];
        self.food.measure(&id, "Personal well-being (ONS4), 0 to 10", &scores);
        assert!(self.food.plan(&id, &[("accepted", None), ("in-progress", None), (status, Some(reason))]));
        task
    }

    /// Waits until so many letters lie in the practice's mailbox.
    async fn letters(&self, number: usize) -> Vec<Message> {
        eventually("the letters", || async {
            let found = self.mesh.messages(THEIRS).await.unwrap();
            (found.len() >= number).then_some(found)
        })
        .await
    }

    async fn answers(&self, letter: &Message, code: &str) -> String {
        self.sends(acknowledgement(letter, code)).await
    }

    async fn sends(&self, content: String) -> String {
        let sending =
            Sending { from: THEIRS, to: OURS, workflow: ACKNOWLEDGEMENTS, name: "response.xml", part_bytes: None };
        self.mesh.send(&sending, content).await.unwrap()
    }

    /// Waits until the Task says that its letter is so far.
    async fn letter_is(&self, task: &str, state: &str) -> Value {
        eventually(&format!("{task}: {state}"), || async {
            let task = self.world.task(task).await;
            (said(&task, "state")["valueCode"] == state).then_some(task)
        })
        .await
    }

    /// What a person is asked about a Task, as long as somebody has to act.
    async fn told(&self, task: &str) -> String {
        let parent = task.trim_start_matches("/fhir/");
        let found = self.world.get(GP, &format!("/fhir/Task?part-of={parent}&status=requested")).await.json();
        let entries = found["entry"].as_array().cloned().unwrap_or_default();
        let words = entries.iter().map(|entry| {
            let one = &entry["resource"];
            assert_eq!(one["code"]["coding"][0]["code"], "letter-not-delivered", "{one}");
            format!("{}: {}", one["priority"].as_str().unwrap(), one["description"].as_str().unwrap())
        });
        words.collect::<Vec<_>>().join("\n")
    }

    async fn is_told(&self, task: &str, words: &str) -> String {
        eventually(&format!("{task}: a person is told {words}"), || async {
            let told = self.told(task).await;
            told.contains(words).then_some(told)
        })
        .await
    }
}

/// A part of what a Task says of its letter.
fn said(task: &Value, part: &str) -> Value {
    let all = task["extension"].as_array().cloned().unwrap_or_default();
    let ours = all.into_iter().find(|extension| extension["url"] == EXTENSION).unwrap_or_default();
    let parts = ours["extension"].as_array().cloned().unwrap_or_default();
    parts.into_iter().find(|one| one["url"] == part).unwrap_or_default()
}

/// The value of the first element of this name behind a mark.
fn value(xml: &str, mark: &str, element: &str) -> String {
    let rest = &xml[xml.find(mark).unwrap_or_else(|| panic!("no {mark}"))..];
    let start = format!("<{element} value=\"");
    let rest = &rest[rest.find(&start).unwrap_or_else(|| panic!("no {element}")) + start.len()..];
    rest[..rest.find('"').unwrap()].to_owned()
}

fn xml(letter: &Message) -> String {
    String::from_utf8(letter.content.clone()).unwrap()
}

/// Our reference of a letter.
fn reference(letter: &Message) -> String {
    value(&xml(letter), "\"SenderReference\"", "valueString")
}

fn acknowledgement(letter: &Message, code: &str) -> String {
    let (header, reference) = (value(&xml(letter), "<MessageHeader", "id"), reference(letter));
    let (outcome, severity) =
        if matches!(code, "20013" | "30001") { ("ok", "information") } else { ("fatal-error", "fatal") };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Bundle xmlns="http://hl7.org/fhir"><type value="message"/>
  <entry><resource><MessageHeader>
    <extension url="https://fhir.nhs.uk/STU3/StructureDefinition/Extension-ITK-MessageHandling-2">
      <extension url="SenderReference"><valueString value="{reference}"/></extension>
    </extension>
    <event><system value="https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2"/><code value="ITK008M"/></event>
    <timestamp value="2026-11-23T10:00:00+00:00"/>
    <response><identifier value="{header}"/><code value="{outcome}"/></response>
  </MessageHeader></resource></entry>
  <entry><resource><OperationOutcome><issue><severity value="{severity}"/><code value="informational"/>
    <details><coding><system value="https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1"/><code value="{code}"/></coding></details>
    <diagnostics value="Mrs Canary said so"/></issue></OperationOutcome></resource></entry>
</Bundle>"#
    )
}

/// The PDF within a letter's message.
fn pdf(letter: &Message) -> Vec<u8> {
    BASE64.decode(value(&xml(letter), "<Binary", "content")).unwrap()
}

#[tokio::test]
async fn an_outcome_letter_is_sent_and_both_acknowledgements_come_back() {
    let Some(scene) = usual("").await else { return };
    let task = scene.ends(&referral(0), "completed", "Settled in well").await;
    let letters = scene.letters(1).await;
    let letter = &letters[0];
    assert_eq!((letter.workflow.as_str(), letter.local_id.as_str()), ("GPCONNECT_SEND_DOCUMENT", "A1B2C"));
    assert_eq!((letter.from.as_str(), letter.to.as_str()), (OURS, THEIRS));
    assert!(
        letter.subject.starts_with("Outcome of a social prescribing referral for Ada O'Canary-Smythe, NHS Number: ")
    );
    scene.letter_is(&task, "sent").await;

    // What was sent is what is stored, and the practice's own system reads it here as well.
    let patient = scene.world.task(&task).await["for"]["reference"].as_str().unwrap().to_owned();
    let found = scene.world.get(GP, &format!("/fhir/DocumentReference?patient={patient}")).await.json();
    let document = found["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["resource"])
        .find(|document| document["id"] == reference(letter).as_str())
        .unwrap()
        .clone();
    assert_valid("the DocumentReference", &document.to_string());
    let binary = async |place: usize| {
        let url = document["content"][place]["attachment"]["url"].as_str().unwrap();
        let binary = scene.world.get(GP, &format!("/fhir/{url}")).await;
        assert_valid("the Binary", &binary.text);
        BASE64.decode(binary.json()["data"].as_str().unwrap()).unwrap()
    };
    let stored = binary(0).await;
    assert_eq!((&stored, binary(1).await), (&pdf(letter), letter.content.clone()));
    drawn(&stored);

    // Nobody else writes what a letter is, or how far.
    let url = format!("DocumentReference/{}", reference(letter));
    let mut bare = document.clone();
    bare.as_object_mut().unwrap().remove("extension");
    for (method, url, resource) in
        [("PUT", url.as_str(), &bare), ("PUT", url.as_str(), &document), ("POST", "DocumentReference", &document)]
    {
        let entry = json!({ "fullUrl": "urn:uuid:7d9b6a52-8f3f-4a4e-9a57-6a3f3a1d2c78", "resource": resource, "request": { "method": method, "url": url } });
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [entry] });
        let answer = scene.world.post(GP, "/fhir", bundle.to_string()).await;
        answer.assert_refused(method);
        assert!(answer.text.contains("letter to the practice"), "{method}: {}", answer.text);
    }

    scene.answers(letter, "20013").await;
    scene.letter_is(&task, "received").await;
    scene.answers(letter, "30001").await;
    let told = scene.letter_is(&task, "patient-known").await;
    assert_valid("the Task", &told.to_string());
    assert_eq!(
        said(&told, "document")["valueReference"]["reference"],
        format!("DocumentReference/{}", reference(letter))
    );
    eventually("an empty mailbox", || async { scene.mesh.waiting(OURS).await.unwrap().is_empty().then_some(()) }).await;

    // Nobody has to act, no second letter follows from what the Task says of the first, and the practice stands among the recipients.
    settle().await;
    assert_eq!(scene.letters(1).await.len(), 1);
    assert_eq!(scene.told(&task).await, "");
    let disclosures = scene.world.get(GOVERNANCE, &format!("/fhir/{patient}/$disclosures")).await;
    assert!(disclosures.text.contains("The Example Surgery"), "{}", disclosures.text);
    let referral = scene.world.referral().await;
    let audit = serde_json::to_string(&scene.world.store().audit(&referral.id).await.unwrap()).unwrap();
    assert!(audit.contains("\"letter\"") && !audit.contains("Canary") && !audit.contains("GPPROVIDER"), "{audit}");

    // With the person goes what was written about the person.
    let wish = json!({ "resourceType": "Parameters", "parameter": [{ "name": "reason", "valueCode": "request" }] });
    let erased = scene.world.post(GOVERNANCE, &format!("/fhir/{patient}/$erase"), wish.to_string()).await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    let gone = async |path: String| scene.world.get(GP, &path).await.status;
    let attachments =
        document["content"].as_array().unwrap().iter().map(|one| one["attachment"]["url"].as_str().unwrap());
    for url in attachments.chain([url.as_str()]) {
        assert_eq!(gone(format!("/fhir/{url}")).await, 410, "{url}");
    }
    scene.world.stop().await;
}

/// Poppler draws the letter and reads its text, where it is installed.
#[expect(clippy::print_stderr, reason = "says where the picture is, or that there is none")]
fn drawn(pdf: &[u8]) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (file, picture) = (folder.join("letter-over-mesh.pdf"), folder.join("letter-over-mesh"));
    std::fs::write(&file, pdf).unwrap();
    let draw = Command::new("pdftoppm").args(["-png", "-r", "80"]).arg(&file).arg(&picture).output();
    let Ok(draw) = draw else {
        let missing = "no pdftoppm (Debian: poppler-utils), so the letter was drawn by nobody but its maker";
        assert!(std::env::var("POPPLER").as_deref() != Ok("required"), "{missing}");
        eprintln!("SKIPPED: {missing}");
        return;
    };
    assert!(draw.status.success() && draw.stderr.is_empty(), "{}", String::from_utf8_lossy(&draw.stderr));
    // One page has the number 1, and there is no other.
    assert!(folder.join("letter-over-mesh-1.png").is_file() && !folder.join("letter-over-mesh-2.png").exists());
    let image = std::fs::read(folder.join("letter-over-mesh-1.png")).unwrap();
    assert!(image.starts_with(b"\x89PNG") && image.len() > 10_000, "an empty page is smaller: {}", image.len());
    eprintln!("The letter as Poppler draws it: {}", folder.join("letter-over-mesh-1.png").display());
    let read = Command::new("pdftotext").args(["-layout"]).arg(&file).arg("-").output().unwrap();
    let text = String::from_utf8(read.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "Ada O'Canary-Smythe",
        "The service has completed the support.",
        "Settled in well",
        "Satisfied with life (ONS4)",
        "Scale 0 to 10",
        "The Example Surgery",
        "Example Valley Social Prescribing",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn every_refusal_is_put_in_front_of_a_person() {
    let Some(scene) = usual("").await else { return };
    let mut tasks = Vec::new();
    for nth in 0..REFUSALS.len() {
        tasks.push(scene.begins(&referral(nth), "completed", "done").await);
    }
    scene.food.tick_until_settled(200).await;
    let letters = scene.letters(REFUSALS.len()).await;
    // Something that cannot be read, and something about nobody's letter, lie before all others.
    let odd = scene.sends("<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"message\"/></Bundle>".to_owned()).await;
    let other = acknowledgement(&letters[0], "30002")
        .replace(&value(&xml(&letters[0]), "<MessageHeader", "id"), "0b0c5a52-8f3f-4a4e-9a57-6a3f3a1d2c01");
    let other = scene.sends(other).await;
    let mut of = Vec::new();
    for (letter, code) in letters.iter().zip(REFUSALS) {
        scene.answers(letter, "20013").await;
        scene.answers(letter, code).await;
        of.push((reference(letter), code));
    }
    for task in &tasks {
        let stands = scene.letter_is(task, "refused").await;
        let document = said(&stands, "document")["valueReference"]["reference"].as_str().unwrap().to_owned();
        let (_, code) = of.iter().find(|(reference, _)| document.ends_with(reference.as_str())).unwrap();
        assert_eq!(said(&stands, "code")["valueCode"], *code);
        let told = scene.is_told(task, code).await;
        assert!(told.contains("has to act") && !told.contains("Canary"), "{told}");
        let died = *code == "30004";
        assert_eq!((told.contains("Never send it again"), told.starts_with("urgent")), (died, died), "{told}");
        assert_eq!(stands["status"], "completed", "the outcome itself stands");
    }
    let waiting = scene.mesh.waiting(OURS).await.unwrap();
    assert_eq!(waiting.len(), 2, "what is not ours stays: {waiting:?}");
    assert!(waiting.contains(&odd) && waiting.contains(&other));
    scene.world.stop().await;
}

#[tokio::test]
async fn what_mesh_could_not_deliver_and_a_contradiction_are_told() {
    let Some(scene) = usual("").await else { return };
    let task = scene.ends(&referral(0), "rejected", "Outside our area").await;
    let letter = scene.letters(1).await.remove(0);
    assert!(xml(&letter).contains("GPConnect"));
    scene.letter_is(&task, "sent").await;
    scene.mesh.report_undelivered(OURS, &letter.id, "GPCONNECT_SEND_DOCUMENT").await.unwrap();
    let stands = scene.letter_is(&task, "undelivered").await;
    assert_eq!(said(&stands, "code")["valueCode"], "14");
    scene.is_told(&task, "code 14").await;
    // The practice has it after all; then it says that it has not.
    scene.answers(&letter, "30001").await;
    scene.letter_is(&task, "patient-known").await;
    assert_eq!(scene.told(&task).await, "", "nobody has to look any more");
    scene.answers(&letter, "30002").await;
    scene.letter_is(&task, "unclear").await;
    scene.is_told(&task, "30001, 30002").await;
    scene.world.stop().await;
}

#[tokio::test]
async fn a_missing_acknowledgement_is_told_and_a_late_one_counts() {
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-20 11:00 UTC)));
    let Some(scene) = scene(
        &format!("to = \"{THEIRS}\"\nacknowledgement-days = 2"),
        Arc::<ManualClock>::clone(&clock) as Arc<dyn Clock>,
    )
    .await
    else {
        return;
    };
    let turn = async |seconds: u64| {
        clock.advance(Duration::from_secs(seconds));
        settle().await;
    };
    let task = scene.begins(&referral(0), "completed", "done").await;
    scene.food.tick_until_settled(50).await;
    eventually("the letter", || async {
        turn(2).await;
        let stands = scene.world.task(&task).await;
        (said(&stands, "state")["valueCode"] == "sent").then_some(())
    })
    .await;
    let letter = scene.letters(1).await.remove(0);
    scene.answers(&letter, "20013").await;
    eventually("the first acknowledgement", || async {
        turn(2).await;
        let stands = scene.world.task(&task).await;
        (said(&stands, "state")["valueCode"] == "received").then_some(())
    })
    .await;
    turn(2 * 24 * 3_600 - 600).await;
    assert_eq!(scene.told(&task).await, "");
    turn(700).await;
    scene.letter_is(&task, "unanswered").await;
    scene.is_told(&task, "has not confirmed").await;
    scene.answers(&letter, "30001").await;
    eventually("the late acknowledgement", || async {
        turn(2).await;
        let stands = scene.world.task(&task).await;
        (said(&stands, "state")["valueCode"] == "patient-known").then_some(())
    })
    .await;
    assert_eq!(scene.told(&task).await, "");
    scene.world.stop().await;
}

#[tokio::test]
async fn who_is_not_traced_or_keeps_the_outcome_is_not_written_about() {
    let Some(scene) = usual("").await else { return };
    let mut untraced = referral(0);
    inside(&mut untraced, "Patient")["identifier"][0].as_object_mut().unwrap().remove("extension");
    let mut kept = referral(1);
    inside(&mut kept, "Consent")["provision"]["provision"] = json!([refusal(PRACTICE_ODS, false)]);
    let silent = scene.ends(&kept, "completed", "done").await;
    let untold = scene.ends(&untraced, "completed", "done").await;
    let told = scene.is_told(&untold, "traced").await;
    assert!(!told.contains("Canary"), "{told}");
    // A third one is written, so that the first two had their turn.
    scene.ends(&referral(2), "completed", "done").await;
    let letters = scene.letters(1).await;
    settle().await;
    assert_eq!(scene.letters(1).await.len(), 1, "{}", letters.len());
    assert_eq!(scene.told(&silent).await, "", "what the person keeps is no fault");
    scene.world.stop().await;
}
