//! The adapter `batch-csv` over the real MESH sandbox: an organisation without an interface reads files and answers with files.
//!
//! Without the sandbox the tests say so and pass, unless `MESH=required`.

use crate::support::{Besides, Sent, Setup, World, eventually, inside, referral_to, settle};
use adapter_contract::{Answer, DeliveryError, FailureCode, FileRequest, HttpRequest};
use async_trait::async_trait;
use conformance_tests::generator::Expectation;
use conformance_tests::mesh_sandbox::{MeshSandbox, Message, PASSWORD, SHARED_KEY, Sending, reason_to_skip};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use vcse_gateway::gateway::Platform;
use vcse_gateway::transport::{HttpTransport, Names, Transport};

const ODS: &str = "VCSE9";
/// Mailboxes that the sandbox has built in: ours, the organisation's, a stranger's.
const OURS: &str = "X26ABC1";
const THEIRS: &str = "X26ABC2";
const STRANGER: &str = "X26ABC3";
const WORKFLOW: &str = "TEST_WORKFLOW";
const NOTES_TO: &[(&str, &str)] = &[("pcn-a", "besides")];

/// A gateway and a sandbox.
struct Scene {
    world: World,
    mesh: MeshSandbox,
    _secrets: tempfile::TempDir,
}

/// What a test changes.
#[derive(Default)]
struct Wanted {
    /// More keys of `mesh`.
    keys: &'static str,
    settings: &'static str,
    transport: Option<Arc<dyn Transport>>,
}

#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
async fn scene(wanted: Wanted) -> Option<Scene> {
    if let Some(missing) = reason_to_skip().unwrap_or_else(|missing| panic!("{missing}")) {
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    let mesh = MeshSandbox::start().unwrap();
    let secrets = tempfile::tempdir().unwrap();
    let file = |name: &str, secret: &str| {
        let path = secrets.path().join(name);
        std::fs::write(&path, secret).unwrap();
        format!("{{ file = \"{}\" }}", path.display())
    };
    let (password, key) = (file("password", PASSWORD), file("key", SHARED_KEY));
    let keys = wanted.keys;
    let besides = Besides {
        ods: ODS,
        adapter: "batch-csv",
        base: mesh.base_url().to_owned(),
        scheme: "",
        token: format!(
            "mesh = {{ mailbox = \"{OURS}\", to = \"{THEIRS}\", workflow = \"{WORKFLOW}\", password = {password}, shared-key = {key}{keys} }}"
        ),
        settings: wanted.settings,
    };
    let transport = wanted.transport;
    let world =
        World::start(Setup { lanes: true, besides: Some(besides), notes_to: NOTES_TO, transport, ..Setup::default() })
            .await;
    Some(Scene { world, mesh, _secrets: secrets })
}

fn referral(nth: usize) -> Value {
    referral_to(ODS, Expectation::Delivered, nth).bundle
}

impl Scene {
    /// Sends a referral and waits for its delivery: the Task, and our key.
    async fn delivered(&self, bundle: &Value) -> (Sent, String) {
        let sent = self.world.submit(bundle).await;
        let referral = self.world.delivered(&sent.path("Task")).await;
        (sent, referral.platform_referral.unwrap().0)
    }

    async fn files(&self) -> Vec<Message> {
        self.mesh.messages(THEIRS).await.unwrap()
    }

    /// The organisation answers with a file; its name at MESH.
    async fn answers(&self, content: impl AsRef<[u8]>) -> String {
        self.sends(THEIRS, None, content).await
    }

    async fn sends(&self, from: &str, part_bytes: Option<usize>, content: impl AsRef<[u8]>) -> String {
        let sending = Sending { from, to: OURS, workflow: "TEST_WORKFLOW_ACK", name: "results.csv", part_bytes };
        self.mesh.send(&sending, content).await.unwrap()
    }

    /// Waits until the gateway has finished a message.
    async fn finished(&self, id: &str) {
        eventually("the acknowledgement", || async {
            let waiting = self.mesh.waiting(OURS).await.unwrap();
            (!waiting.iter().any(|one| one == id)).then_some(())
        })
        .await;
    }

    async fn versions(&self, task: &str) -> usize {
        self.world.task(&format!("{task}/_history")).await["entry"].as_array().unwrap().len()
    }
}

/// Rows of a CSV file in which no cell is quoted.
fn lines(content: &[u8]) -> Vec<String> {
    String::from_utf8(content.to_vec()).unwrap().split("\r\n").map(str::to_owned).collect()
}

#[tokio::test]
async fn a_file_arrives_and_result_files_move_the_task() {
    let Some(scene) = scene(Wanted { settings: "service = \"Befriending\"", ..Wanted::default() }).await else {
        return;
    };
    let mut bundle = referral(0);
    inside(&mut bundle, "Patient")["birthDate"] = json!("1957-04-03");
    let (sent, key) = scene.delivered(&bundle).await;
    let task = sent.path("Task");
    let files = scene.files().await;
    let [file] = files.as_slice() else { panic!("one file: {files:?}") };
    let named = (file.from.as_str(), file.local_id.as_str(), file.file_name.as_str(), file.workflow.as_str());
    assert_eq!(named, (OURS, key.as_str(), format!("{key}.csv").as_str(), WORKFLOW));
    let text = String::from_utf8(file.content.clone()).unwrap();
    assert!(text.starts_with("ref,referred,urgency,"), "{text}");
    assert!(text.contains("Befriending") && text.contains("03/04/1957") && text.contains(&key), "{text}");
    assert!(text.ends_with("\r\nTOTAL,1,,,,,,,,,,,,,,,,,,,,,\r\n"), "{text}");

    let first = scene.answers(format!("Status;Ref;Date;Comments\r\nAccepted;{key};30/11/2026;\r\n")).await;
    let seen = scene.world.task_becomes(&task, "accepted").await;
    assert_eq!(seen["businessStatus"]["coding"][0]["code"], "accepted");
    scene.finished(&first).await;

    // A word that nobody knows is shown and moves nothing.
    let odd = format!("ref,status,date\r\n{key},Gone fishing,01/12/2026\r\n");
    scene.answers(odd).await;
    eventually("the unknown word", || async {
        let seen = scene.world.task(&task).await;
        (seen["status"] == "accepted" && seen["businessStatus"]["coding"][0]["code"] == "unmapped").then_some(())
    })
    .await;

    let last = format!("ref,status,date,outcome\r\n{key},completed,2026-12-02,\"Food parcel, twice\"\r\nTOTAL,1,,\r\n");
    let id = scene.answers(&last).await;
    let seen = scene.world.task_becomes(&task, "completed").await;
    assert!(seen["output"].to_string().contains("Food parcel, twice"), "{seen}");
    scene.finished(&id).await;

    // The same file once more changes nothing.
    let before = scene.versions(&task).await;
    let again = scene.answers(&last).await;
    scene.finished(&again).await;
    settle().await;
    assert_eq!(scene.versions(&task).await, before);
    scene.world.stop().await;
}

#[tokio::test]
async fn good_rows_count_and_the_sender_is_told_of_the_others() {
    let Some(scene) = scene(Wanted::default()).await else { return };
    let (sent, key) = scene.delivered(&referral(1)).await;
    let windows = [
        format!("ref,status,date,reason\r\nnone,accepted,30/11/2026,\r\n{key},no capacity,30/11/2026,Caf").as_bytes(),
        b"\xe9 is full\r\n",
    ]
    .concat();
    let id = scene.answers(windows).await;
    let task = scene.world.task_becomes(&sent.path("Task"), "rejected").await;
    assert_eq!(task["statusReason"]["text"], "Caf\u{e9} is full");
    scene.finished(&id).await;
    let told = scene.files().await.into_iter().find(|file| file.file_name.starts_with("problems-")).unwrap();
    let rows = lines(&told.content);
    assert_eq!(rows[0], "file,line,problem");
    assert!(rows[1].starts_with(&format!("{id},2,`ref` is none of ours")), "{rows:?}");
    assert_eq!(rows[2], "TOTAL,1,");
    scene.world.stop().await;
}

#[tokio::test]
async fn what_is_not_from_the_organisation_is_left_alone_and_other_references_move_nothing() {
    let Some(scene) = scene(Wanted::default()).await else { return };
    let (sent, key) = scene.delivered(&referral(2)).await;
    let row = |key: &str, status: &str| format!("ref,status,date\r\n{key},{status},2026-11-30\r\n");
    let strange = scene.sends(STRANGER, None, row(&key, "rejected")).await;
    // A reference that is well made and nobody's.
    let other = scene.answers(row("0b0f7c52-6c1e-4d0c-9a55-3f1f5ac0affe", "rejected")).await;
    scene.finished(&other).await;
    let task = scene.world.task(&sent.path("Task")).await;
    assert_eq!(task["status"], "requested");
    assert!(scene.mesh.waiting(OURS).await.unwrap().contains(&strange), "nobody has finished it");
    // It holds nothing up, and a file in parts is one file.
    scene.sends(THEIRS, Some(40), row(&key, "accepted")).await;
    scene.world.task_becomes(&sent.path("Task"), "accepted").await;
    scene.world.stop().await;
}

#[tokio::test]
async fn what_mesh_cannot_deliver_is_put_in_front_of_a_person() {
    let Some(scene) = scene(Wanted::default()).await else { return };
    let (sent, _) = scene.delivered(&referral(3)).await;
    let message = scene.files().await.remove(0).id;
    scene.mesh.report_undelivered(OURS, &message, WORKFLOW).await.unwrap();
    let task = scene.world.task_becomes(&sent.path("Task"), "on-hold").await;
    assert_eq!(task["businessStatus"]["coding"][0]["code"], "undeliverable");
    assert!(task["statusReason"]["text"].as_str().unwrap().contains("code 14"), "{task}");
    scene.world.stop().await;
}

#[tokio::test]
async fn a_withdrawal_is_told_by_a_file() {
    let Some(scene) = scene(Wanted::default()).await else { return };
    let (sent, key) = scene.delivered(&referral(4)).await;
    assert_eq!(scene.world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    let name = format!("{key}-withdrawn.csv");
    let file =
        eventually("the withdrawal", || async { scene.files().await.into_iter().find(|file| file.file_name == name) })
            .await;
    assert_eq!(lines(&file.content), ["ref,status", &format!("{key},withdrawn"), "TOTAL,1", ""]);
    scene.world.stop().await;
}

#[tokio::test]
async fn a_long_file_is_packed_and_sent_in_parts() {
    let Some(scene) = scene(Wanted { keys: ", chunk-bytes = 700", ..Wanted::default() }).await else { return };
    let mut bundle = referral(5);
    // Notes that hardly get shorter when they are packed.
    let words: Vec<String> =
        (0_u64..1_600).map(|nth| format!("{:x}", nth.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let note = words.join(" ").chars().take(19_000).collect::<String>();
    inside(&mut bundle, "ServiceRequest")["note"] = json!([{ "text": note }]);
    scene.delivered(&bundle).await;
    let file = scene.files().await.remove(0);
    assert!(file.parts > 5, "{}", file.parts);
    let text = String::from_utf8(file.content).unwrap();
    assert!(text.contains(&note) && text.ends_with(",\r\n"));
    scene.world.stop().await;
}

/// What is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// The first file, before it was sent.
    File,
    /// The answer to it.
    Answer,
    /// The first word that a file is finished.
    Finish,
}

struct Losing {
    through: HttpTransport,
    lost: Lost,
    puts: AtomicUsize,
    finishes: AtomicUsize,
}

impl Losing {
    fn new(lost: Lost) -> Arc<Self> {
        let (puts, finishes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { through: HttpTransport::new().unwrap(), lost, puts, finishes })
    }
}

#[async_trait]
impl Transport for Losing {
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        self.through.send(platform, request, names).await
    }

    async fn file(&self, platform: &Platform, request: &FileRequest, names: &Names) -> Result<Answer, DeliveryError> {
        let silence = || Err(DeliveryError::new(FailureCode::NoAnswer, "No answer within the time."));
        let first = match request {
            FileRequest::Put(_) => self.puts.fetch_add(1, Ordering::SeqCst) == 0 && self.lost != Lost::Finish,
            FileRequest::Finish { .. } => {
                self.finishes.fetch_add(1, Ordering::SeqCst) == 0 && self.lost == Lost::Finish
            }
            _ => false,
        };
        if first && self.lost != Lost::Answer {
            return silence();
        }
        let answer = self.through.file(platform, request, names).await;
        if first { silence() } else { answer }
    }
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_file() {
    for (lost, puts) in [(Lost::Answer, 1), (Lost::File, 2)] {
        let transport = Losing::new(lost);
        let wanted = Wanted { transport: Some(Arc::<Losing>::clone(&transport)), ..Wanted::default() };
        let Some(scene) = scene(wanted).await else { return };
        scene.delivered(&referral(6)).await;
        assert_eq!(scene.files().await.len(), 1);
        assert_eq!(transport.puts.load(Ordering::SeqCst), puts, "it was looked for before it was sent again");
        scene.world.stop().await;
    }
}

#[tokio::test]
async fn without_tracking_a_lost_answer_is_put_in_front_of_a_person() {
    let transport = Losing::new(Lost::Answer);
    let wanted = Wanted { keys: ", track-by-local-id = false", transport: Some(transport), ..Wanted::default() };
    let Some(scene) = scene(wanted).await else { return };
    let sent = scene.world.submit(&referral(6)).await;
    let task = scene.world.task_becomes(&sent.path("Task"), "on-hold").await;
    let reason = task["statusReason"]["text"].as_str().unwrap();
    assert!(reason.contains("not asked by local id"), "{reason}");
    assert_eq!(scene.files().await.len(), 1, "it was sent once");
    scene.world.stop().await;
}

#[tokio::test]
async fn a_file_that_is_read_twice_says_nothing_new() {
    let transport = Losing::new(Lost::Finish);
    let wanted = Wanted { transport: Some(Arc::<Losing>::clone(&transport)), ..Wanted::default() };
    let Some(scene) = scene(wanted).await else { return };
    let (sent, key) = scene.delivered(&referral(8)).await;
    let id = scene.answers(format!("ref,status,date\r\n{key},accepted,2026-11-30\r\n")).await;
    scene.world.task_becomes(&sent.path("Task"), "accepted").await;
    let before = scene.versions(&sent.path("Task")).await;
    scene.finished(&id).await;
    assert!(transport.finishes.load(Ordering::SeqCst) >= 2);
    settle().await;
    assert_eq!(scene.versions(&sent.path("Task")).await, before);
    scene.world.stop().await;
}
