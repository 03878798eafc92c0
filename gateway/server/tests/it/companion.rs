//! A platform that nobody tells of and that tells nobody, with a status link beside it: Lamplight has the referral, and the
//! organisation says by mail and pages what becomes of it.

use crate::mail_link::{Kept, ODS, PASSPHRASE, Reader};
use crate::own_credentials::{OwnCredentials, Place};
use crate::support::{Setup, World, referral_to};
use conformance_tests::generator::Expectation;
use conformance_tests::lamplight::{Lamplight, LamplightConfig};
use conformance_tests::simulator::{Namespace, Simulator};
use gateway_core::status_link::LinkState;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use vcse_gateway::clock::{Clock, ManualClock, SystemClock};
use vcse_gateway::limits::Limits;
use vcse_gateway::passphrase;
use vcse_gateway::store::memory::MemoryStore;

const SECRETS: &[(Place, &str, &str)] =
    &[(Place::Query, "lampid", "12"), (Place::Query, "project", "4"), (Place::Query, "key", "lamplight-key-of-tests")];
const DAY: Duration = Duration::from_secs(24 * 3600);

struct Scene {
    world: World,
    mails: Arc<Kept>,
    platform: Namespace<Lamplight>,
    _simulator: Simulator<Lamplight>,
    _files: TempDir,
}

async fn scene(clock: Arc<dyn Clock>) -> Scene {
    let simulator = Simulator::start(|| Lamplight::new(LamplightConfig::default())).await.unwrap();
    let platform = simulator.root();
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("hash"), passphrase::hash(PASSPHRASE).unwrap()).unwrap();
    std::fs::write(files.path().join("password"), "password").unwrap();
    let file = |name: &str| format!("{{ file = \"{}\" }}", files.path().join(name).display());
    let base = platform.base_url();
    let besides =
        OwnCredentials { ods: ODS, adapter: "lamplight", base, settings: "workarea-id = \"22\"", secrets: SECRETS };
    let server = format!("{{ host = \"localhost\", port = 1, username = \"gw\", password = {} }}", file("password"));
    let keys = format!(
        "adapter = \"lamplight\"\nmail = {{ mailbox = \"referrals\", to = \"team@charity.example\" }}\n\
         status-link = {{ passphrase-hash = {}, settings = {{ sender-name = \"Example PCN\" }} }}\n",
        file("hash")
    );
    let mailbox = format!(
        "\n[[mailbox]]\nid = \"referrals\"\nfrom = \"PCN referrals <referrals@pcn.example>\"\nsmtp = {server}\nimap = {server}\n\
         poll-seconds = 86400\n"
    );
    let sections = besides.sections(files.path());
    assert!(sections.contains("adapter = \"lamplight\"\n"), "{sections}");
    let decided = sections.replace("adapter = \"lamplight\"\n", &keys) + &mailbox;
    let mails = Arc::new(Kept::default());
    let setup = Setup {
        lanes: true,
        decided,
        store: Arc::new(MemoryStore::new()),
        transport: Some(mails.clone()),
        clock,
        ..Setup::default()
    };
    Scene { world: World::start(setup).await, mails, platform, _simulator: simulator, _files: files }
}

#[tokio::test]
async fn who_has_it_in_lamplight_is_asked_by_mail_and_answers_on_a_page_without_the_person() {
    let scene = scene(Arc::new(SystemClock)).await;
    let bundle = referral_to(ODS, Expectation::Delivered, 0).bundle;
    let sent = scene.world.submit(&bundle).await;
    let task = sent.path("Task");
    let kept = scene.world.delivered(&task).await;
    assert!(kept.answer_due.is_some(), "somebody will tell, so that it is waited for");
    let link = scene.mails.links(1).await.remove(0);
    assert_eq!(scene.platform.with(|lamplight, _| lamplight.referrals().len()), 1);

    let reader = Reader::open(&link).await;
    let page = reader.get("referral").await;
    let entry = bundle["entry"].as_array().unwrap().iter().find(|one| one["resource"]["resourceType"] == "Patient");
    let name = entry.unwrap()["resource"]["name"][0]["family"].as_str().unwrap();
    assert!(page.text.contains("the system that your organisation uses"), "{}", page.text);
    assert!(!page.text.contains(name), "the page shows nothing of the person");
    assert_eq!(reader.answer("accept", &[]).await.status, 303);
    scene.world.task_becomes(&task, "accepted").await;
    assert_eq!(reader.answer("finished", &[("outcome", "finished-helped")]).await.status, 303);
    let ended = scene.world.task_becomes(&task, "completed").await;
    assert_eq!(ended["businessStatus"]["coding"][0]["code"], "helped", "{ended}");
    scene.world.stop().await;
}

#[tokio::test]
async fn it_is_asked_again_and_then_the_referral_goes_back_with_its_links_closed() {
    let clock = Arc::new(ManualClock::at(time::macros::datetime!(2026-06-15 09:00 UTC)));
    let scene = scene(clock.clone()).await;
    let sent = scene.world.submit(&referral_to(ODS, Expectation::Delivered, 0).bundle).await;
    let task = sent.path("Task");
    let kept = scene.world.delivered(&task).await;
    scene.mails.links(1).await;
    let look = Limits::default().unanswered_look;
    for (days, letters) in [(3, 2), (4, 3)] {
        clock.advance(DAY * days + look);
        scene.mails.links(letters).await;
    }
    clock.advance(DAY * 8);
    let back = scene.world.task_becomes(&task, "on-hold").await;
    assert_eq!(back["businessStatus"]["coding"][0]["code"], "expired-no-response", "{back}");
    let links = scene.world.store().links(&kept.id).await.unwrap();
    assert!(links.len() == 3 && links.iter().all(|link| link.state == LinkState::Spent), "{links:?}");
    assert_eq!(scene.platform.with(|lamplight, _| lamplight.referrals().len()), 1, "nothing is sent twice");
    scene.world.stop().await;
}

#[tokio::test]
async fn nobody_is_asked_about_what_was_withdrawn() {
    let clock = Arc::new(ManualClock::at(time::macros::datetime!(2026-06-15 09:00 UTC)));
    let scene = scene(clock.clone()).await;
    let mut both = Vec::new();
    // Neither is wanted by a day before the reminders.
    for (place, nth) in [(1, 4), (2, 0)] {
        let sent = scene.world.submit(&referral_to(ODS, Expectation::Delivered, nth).bundle).await;
        both.push((sent.path("Task"), scene.world.delivered(&sent.path("Task")).await));
        scene.mails.links(place).await;
    }
    let ((withdrawn, gone), (_, other)) = (&both[0], &both[1]);
    let link = scene.mails.all().into_iter().find(|(mail, _)| mail.thread == gone.key.0).unwrap().1;
    assert_eq!(scene.world.move_task(withdrawn, "cancelled").await.status, 200);
    let reader = Reader::open(&link).await;
    let page = reader.get("referral").await;
    assert!(page.text.contains("taken back"), "{}", page.text);
    // What is still open is reminded of at both times: by then the one that was withdrawn would have been, too.
    for (days, letters) in [(3, 3), (4, 4)] {
        clock.advance(DAY * days + Limits::default().unanswered_look);
        scene.mails.links(letters).await;
    }
    let threads: Vec<String> = scene.mails.all().into_iter().skip(2).map(|(mail, _)| mail.thread).collect();
    assert_eq!(threads, [other.key.0.clone(), other.key.0.clone()]);
    scene.world.stop().await;
}
