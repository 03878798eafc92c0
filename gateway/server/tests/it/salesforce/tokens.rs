//! Tokens are the gateway's transport: the adapter goes on where a session has ended.

use super::{Org, SETTINGS, delivered, referral};
use crate::support::{Besides, Setup, World};
use adapter_contract::FailureCode;
use conformance_tests::platform::{Fault, FaultKind, Match};
use conformance_tests::salesforce::Licence;
use conformance_tests::simulator::START;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use vcse_gateway::clock::{Clock, SystemClock};

const TOKEN: &str = "/services/oauth2/token";
fn tokens(org: &Org) -> usize {
    org.asked("POST").iter().filter(|path| path.starts_with(TOKEN)).count()
}

#[tokio::test]
async fn a_session_that_ends_between_describe_and_upsert_is_renewed_once() {
    let org = Org::start(Licence::PublicSector).await;
    org.org.faults().push(Fault::new(Match::on("PATCH", "/"), FaultKind::ExpireSessions));
    let world = World::start(Setup { poll_seconds: 0, ..org.setup("salesforce", SETTINGS) }).await;
    delivered(&world, 0).await;
    assert_eq!(org.asked("PATCH").len(), 2, "the same request with a fresh token");
    assert_eq!(tokens(&org), 2);
    assert_eq!(org.org.with(|org, _| org.count("Referral")), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_session_that_always_ends_is_a_dead_letter() {
    let org = Org::start(Licence::PublicSector).await;
    org.org.faults().push(Fault::new(Match::on("PATCH", "/").times(9), FaultKind::ExpireSessions));
    let world = org.world().await;
    let sent = world.submit(&referral(0)).await;
    world.task_becomes(&sent.path("Task"), "on-hold").await;
    let row = world.store().outbox(&world.referral().await.id).await.unwrap().remove(0);
    assert_eq!(row.last_failure.unwrap().code, FailureCode::HttpStatus(401));
    assert_eq!(org.asked("PATCH").len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn a_token_for_another_address_is_not_used() {
    let org = Org::start(Licence::PublicSector).await;
    org.org.with(|org, _| org.set_instance_url("https://another.my.salesforce.example"));
    let world = org.world().await;
    let sent = world.submit(&referral(0)).await;
    world.task_becomes(&sent.path("Task"), "on-hold").await;
    assert_eq!(org.asked("GET"), [""; 0], "nothing but tokens was asked for");
    assert!(tokens(&org) > 0);
    world.stop().await;
}

#[tokio::test]
async fn a_secret_that_is_refused_is_told_to_a_person() {
    let org = Org::start(Licence::PublicSector).await;
    let mut setup = org.setup("salesforce", SETTINGS);
    setup.besides = setup.besides.map(|besides| Besides { token: "another".to_owned(), ..besides });
    let world = World::start(setup).await;
    let sent = world.submit(&referral(0)).await;
    world.task_becomes(&sent.path("Task"), "on-hold").await;
    assert_eq!(org.asked("GET"), [""; 0]);
    world.stop().await;
}

#[tokio::test]
async fn a_signed_assertion_opens_a_session_as_well() {
    let org = Org::start(Licence::PublicSector).await;
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    org.org.with(|org, _| {
        let app = org.app();
        app.client_credentials = false;
        app.public_key = Some(key.public_key_raw().to_vec());
    });
    let mut setup = org.setup("salesforce", SETTINGS);
    // Assertions are made at the transport's own time; a minute ahead, so that a slow machine signs none too far in the future.
    org.org.advance(SystemClock.now() - START + time::Duration::MINUTE);
    setup.besides = setup.besides.map(|besides| Besides {
        scheme: "oauth2 = { token-url = \"BASE/services/oauth2/token\", grant = \"jwt-bearer\", client-id = \"3MVG9.gateway\", \
                 key = { file = \"SECRET\" }, algorithm = \"RS256\", subject = \"gateway@charity.example\", \
                 audience = \"https://login.salesforce.com\" }",
        token: key.serialize_pem(),
        ..besides
    });
    let world = World::start(setup).await;
    delivered(&world, 0).await;
    assert_eq!(tokens(&org), 1);
    world.stop().await;
}
