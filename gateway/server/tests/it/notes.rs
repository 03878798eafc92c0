//! Notes go only to a recipient that the sender's tenant lets have them; else the referral waits and says for what.

use crate::losses::{Scene, script};
use crate::preview::{parts, previewed, values};
use crate::support::{Setup, bundle, inside, settle};
use serde_json::{Value, json};
use std::sync::Arc;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

async fn scene(store: &Arc<dyn Store>, notes_to: &'static [(&'static str, &'static str)]) -> Scene {
    Scene::of(&script(&[]), Setup { store: Arc::clone(store), notes_to, ..Setup::default() }).await
}

#[tokio::test]
async fn a_referral_with_a_note_waits_until_its_tenants_policy_lets_the_recipient_have_it() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut noted = bundle(0);
    inside(&mut noted, "ServiceRequest")["note"] = json!([{"text": "canarynote"}]);
    // What was decided about another recipient is no decision about this one, nor is what another tenant has decided.
    let other = scene(&store, &[("pcn-a", "befriending")]).await;
    assert_eq!(values(&previewed(&other.world, &noted).await, "outcome"), ["held"]);
    other.world.stop().await;
    let strangers = scene(&store, &[("pcn-b", "food")]).await;
    let told = previewed(&strangers.world, &noted).await;
    assert_eq!((values(&told, "outcome"), values(&told, "verdict")), (vec!["held".into()], vec!["deny".into()]));
    let withheld = parts(&told, "withheld");
    let note = withheld.iter().find(|one| values(one, "element") == ["ServiceRequest.note"]).expect("the note");
    assert_eq!((values(note, "reason"), values(note, "rule")), (vec!["needs-review".into()], vec!["R7:notes".into()]));
    let sent = strangers.world.submit(&noted).await;
    let task = sent.resource("Task");
    let words = task["statusReason"]["text"].as_str().unwrap();
    assert_eq!(task["status"], "on-hold");
    assert!(words.contains("ServiceRequest.note") && words.contains("policy"), "{words}");
    assert!(!words.contains("canarynote") && !told.to_string().contains("canarynote"));
    // Letting it go on changes nothing while the policy stands.
    let again = strangers.world.move_task(&sent.path("Task"), "requested").await;
    assert_eq!((again.status.as_u16(), &again.json()["status"]), (200, &json!("on-hold")), "{}", again.text);
    settle().await;
    assert_eq!(strangers.platform.sent(), []);
    strangers.world.stop().await;

    let own = scene(&store, &[("pcn-a", "food")]).await;
    assert_eq!(own.world.move_task(&sent.path("Task"), "requested").await.json()["status"], "requested");
    own.world.delivered(&sent.path("Task")).await;
    assert_eq!(own.platform.paths(), ["one"]);
    own.world.stop().await;
}

#[tokio::test]
async fn without_notes_there_is_nothing_to_wait_for() {
    let scene = scene(&(Arc::new(MemoryStore::new()) as Arc<dyn Store>), &[]).await;
    let mut plain = bundle(0);
    for (kind, elements) in
        [("ServiceRequest", ["note", "patientInstruction"].as_slice()), ("Task", ["note", "description"].as_slice())]
    {
        let members = inside(&mut plain, kind).as_object_mut().unwrap();
        members.retain(|name, _: &mut Value| !elements.contains(&name.as_str()));
    }
    let sent = scene.world.submit(&plain).await;
    scene.world.delivered(&sent.path("Task")).await;
    scene.world.stop().await;
}
