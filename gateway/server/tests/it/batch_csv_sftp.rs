//! The adapter `batch-csv` over SFTP against the real OpenSSH server.
//!
//! Without the server the tests say so and pass, unless `SFTP=required`.

use crate::support::{Besides, Sent, Setup, World, eventually, referral_to, settle};
use adapter_contract::{Answer, DeliveryError, FailureCode, FileRequest, HttpRequest};
use async_trait::async_trait;
use conformance_tests::generator::Expectation;
use conformance_tests::sftp_server::{SftpServer, reason_to_skip};
use futures_util::future::BoxFuture;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use vcse_gateway::chance::Chance;
use vcse_gateway::clock::SystemClock;
use vcse_gateway::gateway::Platform;
use vcse_gateway::transport::dial::Lookup;
use vcse_gateway::transport::{HttpTransport, Names, Transport};

const ODS: &str = "VCSE9";
const NOTES_TO: &[(&str, &str)] = &[("pcn-a", "besides")];

/// A gateway and a server.
struct Scene {
    world: World,
    server: SftpServer,
}

#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
fn server() -> Option<SftpServer> {
    if let Some(missing) = reason_to_skip().unwrap_or_else(|missing| panic!("{missing}")) {
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    Some(SftpServer::start().unwrap())
}

fn keys(server: &SftpServer, key: &Path, host_key: &str) -> String {
    let (port, username, key) = (server.address().port(), server.username(), key.display());
    format!(
        "sftp = {{ host = \"127.0.0.1\", port = {port}, username = \"{username}\", key = {{ file = \"{key}\" }}, host-key = \"{host_key}\" }}"
    )
}

async fn scene_with(server: SftpServer, keys: String, transport: Option<Arc<dyn Transport>>) -> Scene {
    let (base, settings) = (String::new(), "bom = \"yes\"");
    let besides = Besides { ods: ODS, adapter: "batch-csv", base, scheme: "", token: keys, settings };
    let besides = Some(besides);
    let world = World::start(Setup { lanes: true, besides, notes_to: NOTES_TO, transport, ..Setup::default() }).await;
    Scene { world, server }
}

async fn scene(transport: Option<Arc<dyn Transport>>) -> Option<Scene> {
    let server = server()?;
    let keys = keys(&server, &server.client_key(), server.host_key());
    Some(scene_with(server, keys, transport).await)
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| entry.path().is_file());
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

impl Scene {
    async fn delivered(&self, nth: usize) -> (Sent, String) {
        let sent = self.world.submit(&referral_to(ODS, Expectation::Delivered, nth).bundle).await;
        let referral = self.world.delivered(&sent.path("Task")).await;
        (sent, referral.platform_referral.unwrap().0)
    }

    /// The organisation leaves a file, whole from the moment at which it has its name.
    fn leaves(&self, name: &str, content: &str) -> PathBuf {
        leave(&self.server.outward(), name, content)
    }

    async fn taken(&self, path: &Path) {
        eventually("the file in done/", || async { (!path.exists()).then_some(()) }).await;
    }

    async fn versions(&self, task: &str) -> usize {
        self.world.task(&format!("{task}/_history")).await["entry"].as_array().unwrap().len()
    }
}

fn leave(folder: &Path, name: &str, content: &str) -> PathBuf {
    let (part, path) = (folder.join(format!("{name}.part")), folder.join(name));
    std::fs::write(&part, content).unwrap();
    std::fs::rename(&part, &path).unwrap();
    path
}

#[tokio::test]
async fn a_file_arrives_and_result_files_move_the_task() {
    let Some(scene) = scene(None).await else { return };
    let (sent, key) = scene.delivered(0).await;
    let task = sent.path("Task");
    assert_eq!(files(&scene.server.inward()), [format!("{key}.csv")], "{}", scene.server.log());
    let file = std::fs::read(scene.server.inward().join(format!("{key}.csv"))).unwrap();
    let text = String::from_utf8(file).unwrap();
    assert!(text.starts_with("\u{feff}ref,referred,") && text.contains(&key) && text.ends_with(",\r\n"), "{text}");

    // One that is still written is nobody's yet.
    std::fs::write(
        scene.server.outward().join("early.csv.part"),
        format!("ref,status,date\n{key},rejected,30/11/2026\n"),
    )
    .unwrap();
    let first = scene.leaves("results 30 Nov.csv", &format!("ref,status,date\n{key},accepted,30/11/2026\n"));
    scene.world.task_becomes(&task, "accepted").await;
    scene.taken(&first).await;
    let odd = scene.leaves("odd.csv", &format!("ref,status,date\n{key},Gone fishing,01/12/2026\n"));
    eventually("the unknown word", || async {
        let seen = scene.world.task(&task).await;
        (seen["status"] == "accepted" && seen["businessStatus"]["coding"][0]["code"] == "unmapped").then_some(())
    })
    .await;
    scene.taken(&odd).await;
    let last = format!("ref,status,date,outcome\n{key},completed,02/12/2026,Food parcel\n");
    let third = scene.leaves("last.csv", &last);
    let seen = scene.world.task_becomes(&task, "completed").await;
    assert!(seen["output"].to_string().contains("Food parcel"), "{seen}");
    scene.taken(&third).await;

    let before = scene.versions(&task).await;
    let again = scene.leaves("last.csv", &last);
    scene.taken(&again).await;
    settle().await;
    assert_eq!(scene.versions(&task).await, before);
    assert_eq!(files(&scene.server.outward()), ["early.csv.part"]);
    let done = files(&scene.server.outward().join("done"));
    assert!(done.iter().any(|name| name.ends_with("-results 30 Nov.csv")) && done.len() >= 3, "{done:?}");
    scene.world.stop().await;
}

#[tokio::test]
async fn problems_are_told_by_a_file() {
    let Some(scene) = scene(None).await else { return };
    let (sent, key) = scene.delivered(1).await;
    scene.leaves("results.csv", &format!("ref,status,date\nnone,accepted,30/11/2026\n{key},accepted,30/11/2026\n"));
    scene.world.task_becomes(&sent.path("Task"), "accepted").await;
    let told = files(&scene.server.inward());
    assert!(told.iter().any(|name| name.starts_with("problems-")), "{told:?}");
    scene.world.stop().await;
}

#[tokio::test]
async fn a_server_with_another_key_gets_nothing() {
    let Some(server) = server() else { return };
    let other = SftpServer::start().unwrap();
    let keys = keys(&server, &server.client_key(), other.host_key());
    let scene = scene_with(server, keys, None).await;
    let sent = scene.world.submit(&referral_to(ODS, Expectation::Delivered, 2).bundle).await;
    let task = scene.world.task_becomes(&sent.path("Task"), "on-hold").await;
    assert!(task["statusReason"]["text"].as_str().unwrap().contains("not the one that is configured"), "{task}");
    assert!(scene.server.connections() > 0 && files(&scene.server.inward()).is_empty());
    scene.world.stop().await;
}

#[tokio::test]
async fn an_account_that_the_server_does_not_know_is_put_in_front_of_a_person() {
    let Some(server) = server() else { return };
    let keys = keys(&server, &server.strange_key(), server.host_key());
    let scene = scene_with(server, keys, None).await;
    let sent = scene.world.submit(&referral_to(ODS, Expectation::Delivered, 3).bundle).await;
    let task = scene.world.task_becomes(&sent.path("Task"), "on-hold").await;
    assert!(task["statusReason"]["text"].as_str().unwrap().contains("does not know the configured user"), "{task}");
    assert!(files(&scene.server.inward()).is_empty());
    scene.world.stop().await;
}

/// Every name leads to this machine.
#[derive(Default)]
struct Home(AtomicUsize);

impl Lookup for Home {
    fn addresses(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]) })
    }
}

#[tokio::test]
async fn a_name_that_leads_into_our_own_network_is_not_dialled() {
    let Some(server) = server() else { return };
    let lookup = Arc::<Home>::default();
    let chance = Arc::new(Chance::seeded(1));
    let transport = HttpTransport::with(Arc::<Home>::clone(&lookup), Arc::new(SystemClock), chance).unwrap();
    let keys = keys(&server, &server.client_key(), server.host_key()).replace("127.0.0.1", "sftp.example");
    let scene = scene_with(server, keys, Some(Arc::new(transport))).await;
    scene.world.submit(&referral_to(ODS, Expectation::Delivered, 5).bundle).await;
    eventually("an attempt", || async { (lookup.0.load(Ordering::SeqCst) > 1).then_some(()) }).await;
    settle().await;
    assert_eq!(scene.server.connections(), 0);
    scene.world.stop().await;
}

/// Does something before the first word that a file is finished, and loses the first answer to a file that leaves.
struct Meddling {
    through: HttpTransport,
    puts: AtomicUsize,
    finishes: AtomicUsize,
    /// Folder and content of a file that is written over the one that is about to be finished.
    over: std::sync::Mutex<Option<(PathBuf, String)>>,
}

impl Meddling {
    fn new() -> Arc<Self> {
        let (puts, finishes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { through: HttpTransport::new().unwrap(), puts, finishes, over: std::sync::Mutex::default() })
    }
}

#[async_trait]
impl Transport for Meddling {
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        self.through.send(platform, request, names).await
    }

    async fn file(&self, platform: &Platform, request: &FileRequest, names: &Names) -> Result<Answer, DeliveryError> {
        let loses = matches!(request, FileRequest::Put(_)) && self.puts.fetch_add(1, Ordering::SeqCst) == 0;
        let finishes =
            matches!(request, FileRequest::Finish { .. }) && self.finishes.fetch_add(1, Ordering::SeqCst) == 0;
        let over = if finishes { self.over.lock().unwrap().take() } else { None };
        if let Some((folder, content)) = over {
            leave(&folder, "results.csv", &content);
        }
        let answer = self.through.file(platform, request, names).await;
        if loses { Err(DeliveryError::new(FailureCode::NoAnswer, "No answer within the time.")) } else { answer }
    }
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_file_and_a_file_that_is_written_over_is_read() {
    let transport = Meddling::new();
    let Some(scene) = scene(Some(Arc::<Meddling>::clone(&transport))).await else { return };
    let (sent, key) = scene.delivered(4).await;
    assert_eq!(files(&scene.server.inward()), [format!("{key}.csv")], "and no part of it");
    assert_eq!(transport.puts.load(Ordering::SeqCst), 2);
    let over = format!("ref,status,date,reason\n{key},rejected,01/12/2026,We are full\n");
    *transport.over.lock().unwrap() = Some((scene.server.outward(), over));
    scene.leaves("results.csv", &format!("ref,status,date\n{key},received,30/11/2026\n"));
    let task = scene.world.task_becomes(&sent.path("Task"), "rejected").await;
    assert_eq!(task["statusReason"]["text"], "We are full");
    scene.world.stop().await;
}
