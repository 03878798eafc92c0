//! Letters of which it is not known whether they left, that MESH would not take, whose report comes too early, and whose person changes
//! while they are written.

use super::*;
use crate::support::OPERATOR;
use async_trait::async_trait;
use gateway_core::change::{Change, Transaction};
use gateway_core::notify::{Destination, NoticeState};
use gateway_core::resource::{ResourceKey, ResourceVersion};
use std::sync::atomic::AtomicBool;
use vcse_gateway::store::CommitError;
use vcse_gateway::store::watched::{Watched, Watcher};

/// A scene whose clock is moved by hand.
async fn slow() -> Option<(Scene, Arc<ManualClock>)> {
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-20 11:00 UTC)));
    let keys = format!("to = \"{THEIRS}\"\nacknowledgement-days = 2");
    let scene = scene(&keys, Arc::<ManualClock>::clone(&clock) as Arc<dyn Clock>).await?;
    Some((scene, clock))
}

async fn turn(clock: &ManualClock, seconds: u64) {
    clock.advance(Duration::from_secs(seconds));
    settle().await;
}

impl Scene {
    /// Time goes on until it is so.
    async fn in_time<T>(&self, clock: &ManualClock, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        for _ in 0..200 {
            turn(clock, 1).await;
            if let Some(found) = ask().await {
                return found;
            }
        }
        panic!("waited in vain for {what}");
    }

    async fn lie_there(&self) -> Vec<Message> {
        self.mesh.messages(THEIRS).await.unwrap()
    }
}

#[tokio::test]
async fn what_mesh_refused_goes_once_it_is_mended_and_a_person_lets_it() {
    let Some(scene) = usual("").await else { return };
    scene.gate.is(REFUSING);
    let task = scene.ends(&referral(0), "completed", "done").await;
    scene.letter_is(&task, "not-sent").await;
    scene.is_told(&task, "could not be sent").await;
    scene.gate.is(OPEN);
    settle().await;
    assert!(scene.lie_there().await.is_empty(), "nothing goes by itself");
    let all = json!({ "resourceType": "Parameters", "parameter": [{ "name": "all", "valueBoolean": true }] });
    let done = scene.world.post(OPERATOR, "/fhir/Task/$renotify", all.to_string()).await;
    assert!(done.text.contains("\"reopened\",\"valueUnsignedInt\":1"), "{}", done.text);
    let letter = scene.letters(1).await.remove(0);
    scene.letter_is(&task, "sent").await;
    scene.answers(&letter, "20013").await;
    scene.answers(&letter, "30001").await;
    scene.letter_is(&task, "patient-known").await;
    assert_eq!(scene.told(&task).await, "", "nobody has to look any more");
    assert_eq!(scene.letters(1).await.len(), 1);
    scene.world.stop().await;
}

#[tokio::test]
async fn one_in_doubt_is_waited_for_and_not_sent_again_after_consent_was_withdrawn() {
    let Some((scene, clock)) = slow().await else { return };
    scene.gate.is(DEAF);
    let sent = scene.world.submit(&referral(0)).await;
    let task = scene.plans(&sent, "completed", "done").await;
    scene.food.tick_until_settled(50).await;
    scene.in_time(&clock, "a letter that left", async || (!scene.lie_there().await.is_empty()).then_some(())).await;
    scene.gate.is(AWAY);
    settle().await;
    let number = scene.lie_there().await.len();
    let letter = scene.lie_there().await.remove(0);
    let withdrawn = scene.world.change(&sent.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(withdrawn.status, 200, "{}", withdrawn.text);
    scene.gate.is(OPEN);
    let referral = scene.world.referral().await;
    scene
        .in_time(&clock, "no further attempt", async || {
            let notices = scene.world.store().notices_of(&referral.id).await.unwrap();
            let mut letters = notices.iter().filter(|one| matches!(one.destination, Destination::Letter { .. }));
            letters.all(|one| one.state == NoticeState::Dropped).then_some(())
        })
        .await;
    assert_eq!(scene.lie_there().await.len(), number, "it may have left, and is not sent any more");
    assert_eq!(scene.told(&task).await, "");
    // Nobody answers, of which a person is told; what is answered late counts.
    turn(&clock, 2 * 24 * 3_600).await;
    scene.letter_is(&task, "unanswered").await;
    scene.is_told(&task, "has not confirmed").await;
    scene.answers(&letter, "20013").await;
    scene.answers(&letter, "30001").await;
    scene
        .in_time(&clock, "the late acknowledgement", async || {
            let stands = scene.world.task(&task).await;
            (said(&stands, "state")["valueCode"] == "patient-known").then_some(())
        })
        .await;
    assert_eq!(scene.told(&task).await, "");
    assert_eq!(scene.lie_there().await.len(), number);
    scene.world.stop().await;
}

#[tokio::test]
async fn a_report_that_comes_before_mesh_has_answered_is_not_lost() {
    let Some((scene, clock)) = slow().await else { return };
    scene.gate.is(HELD);
    let task = scene.begins(&referral(0), "completed", "done").await;
    scene.food.tick_until_settled(50).await;
    let letter = scene.in_time(&clock, "the letter", async || scene.lie_there().await.pop()).await;
    scene.mesh.report_undelivered(OURS, &letter.id, "GPCONNECT_SEND_DOCUMENT").await.unwrap();
    let report = scene.mesh.waiting(OURS).await.unwrap().remove(0);
    let path = format!("/inbox/{report}");
    scene
        .in_time(&clock, "a look at the report", async || {
            let asked = scene.gate.weather.asked.lock().unwrap();
            asked.iter().any(|head| head.starts_with("GET") && head.contains(&path)).then_some(())
        })
        .await;
    assert_eq!(scene.mesh.waiting(OURS).await.unwrap(), [report], "whose letter it is about is not known yet");
    scene.gate.is(OPEN);
    scene
        .in_time(&clock, "what the report says", async || {
            let stands = scene.world.task(&task).await;
            (said(&stands, "state")["valueCode"] == "undelivered").then_some(())
        })
        .await;
    scene.is_told(&task, "code 14").await;
    assert!(scene.mesh.waiting(OURS).await.unwrap().is_empty());
    assert_eq!(scene.lie_there().await.len(), 1);
    scene.world.stop().await;
}

/// Writes the Patient anew just before the first letter is committed.
struct Corrects(AtomicBool);

#[async_trait]
impl Watcher for Corrects {
    async fn commit(&self, store: &dyn Store, transaction: Transaction) -> Result<(), CommitError> {
        let is_letter = transaction.changes.iter().any(
            |change| matches!(change, Change::PutResource(one) if one.key.kind == "DocumentReference" && one.version == 1),
        );
        if is_letter && !self.0.swap(true, Ordering::SeqCst) {
            let of = transaction.changes.iter().find_map(|change| match change {
                Change::PutReferral(referral) => Some((referral.compartment.clone(), referral.patient.clone())),
                _ => None,
            });
            let (compartment, patient) = of.unwrap();
            let id = patient.strip_prefix("Patient/").unwrap().to_owned();
            let stored =
                store.resource(&ResourceKey { compartment, kind: "Patient".to_owned(), id }, None).await?.unwrap();
            let body = stored.body.replace("O'Canary-Smythe", "Corrected");
            assert_ne!(body, stored.body);
            let next = ResourceVersion { version: stored.version + 1, body, ..stored };
            store.commit(Transaction { checks: Vec::new(), changes: vec![Change::PutResource(next)] }).await?;
        }
        store.commit(transaction).await
    }
}

#[tokio::test]
async fn a_letter_is_about_the_person_as_they_are_when_it_leaves() {
    let watcher = Corrects(AtomicBool::new(false));
    let store: Arc<dyn Store> = Arc::new(Watched { inner: Arc::new(MemoryStore::new()), watcher });
    let keys = format!("to = \"{THEIRS}\"");
    let Some(scene) = scene_over(&keys, Arc::new(SystemClock), store).await else { return };
    let task = scene.ends(&referral(0), "completed", "done").await;
    scene.letter_is(&task, "sent").await;
    let letters = scene.letters(1).await;
    assert_eq!(letters.len(), 1);
    assert!(letters[0].subject.contains("Ada Corrected"), "the subject is about somebody else's name");
    assert!(!xml(&letters[0]).contains("Canary"));
    scene.world.stop().await;
}
