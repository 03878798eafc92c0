//! Many Subscriptions beside each other: whoever does not answer delays nobody, however many they are.

use super::endpoint::{Endpoint, Told};
use super::{Scene, subscription};
use crate::support::{GP, NEIGHBOUR, bundle, eventually, settle};
use conformance_tests::generator::PRACTICE_ODS;
use gateway_core::identity::{Compartment, Owner, TenantId};
use gateway_core::notify::{Destination, Notice, NoticeState};
use std::time::Duration;

/// The clients, each with the ODS code of its organisation. They are of one customer.
const CLIENTS: [(&str, &str); 2] = [(GP, PRACTICE_ODS), (NEIGHBOUR, "A82001")];

async fn active(scene: &Scene, client: &str, endpoint: &Endpoint) -> String {
    let path = scene.create(client, &subscription(&endpoint.url, "id-only", &[])).await;
    eventually(&format!("{path} active"), || async {
        (scene.world.get(client, &path).await.json()["status"] == "active").then_some(())
    })
    .await;
    path
}

/// The notice that each of these queues is at.
async fn heads(scene: &Scene, queues: &[String]) -> Vec<Notice> {
    let mut heads = Vec::new();
    for queue in queues {
        let all = scene.world.store().notices(queue, 0, 100).await.unwrap();
        heads.extend(all.into_iter().find(|notice| notice.state.is_open()));
    }
    heads
}

async fn refer(scene: &Scene) {
    for (client, _) in CLIENTS {
        let answer = scene.world.post(client, "/fhir", bundle(0).to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
}

/// One more of each organisation than may be told at once, and more of both together than of one customer.
#[tokio::test]
async fn dead_endpoints_delay_no_other_however_many_they_are() {
    let scene = Scene::start().await;
    let (each, tenant, _) = scene.world.running.gateway.limits.notices_at_once;
    assert!((each + 1) * 2 > tenant);
    let alive = [Endpoint::start().await, Endpoint::start().await];
    let mut dead = Vec::new();
    for ((client, organisation), endpoint) in CLIENTS.into_iter().zip(&alive) {
        let owner = Owner::Organisation(organisation.to_owned());
        let compartment = Compartment { tenant: TenantId("pcn-a".to_owned()), owner };
        for _ in 0..=each {
            let path = active(&scene, client, &scene.endpoint).await;
            let id = path.rsplit('/').next().unwrap().to_owned();
            dead.push(Destination::Subscription { id }.queue(&compartment));
        }
        active(&scene, client, endpoint).await;
    }
    scene.endpoint.hang();
    refer(&scene).await;
    // That they do not answer costs each of them its time-out once, before anybody knows.
    eventually("each has failed once", || async {
        scene.clock.advance(Duration::from_secs(61));
        settle().await;
        let heads = heads(&scene, &dead).await;
        let failed = heads.iter().filter(|one| one.last_failure.is_some()).count();
        (failed == dead.len()).then_some(())
    })
    .await;
    let numbers = |endpoint: &Endpoint| endpoint.told().iter().flat_map(Told::numbers).collect::<Vec<_>>();
    eventually("the others are told", || async { alive.iter().all(|one| numbers(one) == [1]).then_some(()) }).await;
    // Whoever was under way ends, and all of them are due again: as many as may be are tried. From here on no time passes, so that none
    // of these ends.
    for seconds in [61, 10] {
        scene.clock.advance(Duration::from_secs(seconds));
        settle().await;
    }
    let at_once = || async {
        let heads = heads(&scene, &dead).await;
        heads.iter().filter(|one| one.state == NoticeState::Sending && one.due > scene.now()).count()
    };
    eventually("many are under way", || async { (at_once().await >= each as usize).then_some(()) }).await;
    settle().await;
    let before = at_once().await;
    assert!(before < dead.len(), "not all of them are tried at once");
    for _ in 0..3 {
        refer(&scene).await;
    }
    eventually("the others are told at once", || async {
        alive.iter().all(|one| numbers(one) == [1, 2, 3, 4]).then_some(())
    })
    .await;
    assert!(numbers(&scene.endpoint).is_empty());
    assert_eq!(at_once().await, before);
    scene.endpoint.answer(200);
    scene.stop().await;
}
