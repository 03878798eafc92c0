//! Tokens of an OAuth2 server that others wrote (`oidc-provider`): what it gives, refuses, ends and forgets, and one whole life of a
//! referral with a platform that asks that server what each token is worth (RFC 7662).
//!
//! The platform's part is played by simulators; the server's time is moved beside the gateway's. Without the server the tests say so and
//! pass, unless `OAUTH2=required`.

use crate::access::Way;
use crate::fhir_message::{Scene, bundle};
use crate::own_credentials::{Place, assert_nowhere};
use crate::support::eventually;
use adapter_contract::FailureCode;
use conformance_tests::message_platform::{Folder, PROCESS_MESSAGE};
use conformance_tests::oauth2_server::{Client, JWT_BEARER, OAuth2Server, OAuth2ServerConfig, reason_to_skip};
use conformance_tests::platform::RecordedRequest;
use conformance_tests::simulator::{Answer, Api, Asked, Introspection, START, Simulator};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use vcse_gateway::transport::dial::SystemLookup;

/// What stands in the file behind `{secret}` of a [`Way`].
const SECRET: &str = "a secret+of/its=own";
const SCOPE: &str = "referrals";
/// A scope that the server has, and gives to none of these clients.
const FOREIGN_SCOPE: &str = "payments";
/// Seconds that a token lasts.
const LASTS: u32 = 600;
const CLIENT_CREDENTIALS: &str = "grant = \"client-credentials\", scope = \"referrals\"";

#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
fn skips() -> bool {
    let missing = reason_to_skip().unwrap_or_else(|missing| panic!("{missing}"));
    if let Some(missing) = &missing {
        eprintln!("SKIPPED: {missing}");
    }
    missing.is_some()
}

fn client(id: &str, auth: &'static str) -> Client {
    Client { id: id.to_owned(), secret: Some(SECRET.to_owned()), auth, scope: SCOPE, ..Client::default() }
}

/// A server whose time is that of a [`Way`].
fn server(clients: Vec<Client>, token_seconds: u32) -> OAuth2Server {
    let config = OAuth2ServerConfig { clients, scopes: vec![SCOPE, FOREIGN_SCOPE], token_seconds, now: Some(START) };
    OAuth2Server::start(config).unwrap()
}

/// A platform that has nothing but a door.
struct Door(Introspection);

impl Api for Door {
    fn answer(&mut self, asked: &Asked, _: OffsetDateTime) -> Answer {
        let is_let_in = asked.token_is_good() && asked.token_has_scope(SCOPE);
        Answer::bare(if is_let_in { 200 } else { 401 })
    }

    fn introspection(&self) -> Option<Introspection> {
        Some(self.0.clone())
    }
}

/// A platform behind a door, and the way to it.
struct Guarded {
    way: Way,
    door: Simulator<Door>,
}

impl Guarded {
    async fn by(server: &OAuth2Server, client: &str, more: &str) -> Self {
        let introspection = server.introspection();
        let door = Simulator::start(move || Door(introspection.clone())).await.unwrap();
        let keys = format!("oauth2 = {{ token-url = \"{}\", client-id = \"{client}\", {more} }}", server.token_url());
        let way = Way::to(&format!("{}/fhir", door.root().base_url()), &keys, Arc::new(SystemLookup));
        Self { way, door }
    }

    async fn status(&self) -> u16 {
        self.way.status("Task").await
    }

    /// Tokens that were shown at the door, in order.
    fn shown(&self) -> Vec<String> {
        tokens(&self.door.root().requests())
    }

    /// Time passes here and at the server.
    fn pass(&self, server: &mut OAuth2Server, seconds: u32) {
        self.way.clock.advance(Duration::from_secs(u64::from(seconds)));
        server.advance(seconds).unwrap();
    }
}

/// The tokens that requests show, in order.
fn tokens(requests: &[RecordedRequest]) -> Vec<String> {
    let shown = |request: &RecordedRequest| {
        let (_, value) = request.headers.iter().find(|(name, _)| name == "authorization")?;
        Some(value.strip_prefix("Bearer ")?.to_owned())
    };
    requests.iter().filter_map(shown).collect()
}

#[tokio::test]
async fn a_client_is_known_by_each_of_its_ways() {
    if skips() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut clients = vec![client("by-basic", "client_secret_basic"), client("by-body", "client_secret_post")];
    let rsa = || rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let keys = [
        ("es384", rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(), ""),
        ("es256", rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap(), ", algorithm = \"ES256\""),
        ("rs384", rsa(), ""),
        ("rs512", rsa(), ", algorithm = \"RS512\""),
    ];
    let mut ways = vec![
        ("by-basic", "secret = { {secret} }".to_owned()),
        ("by-body", "client-auth = \"body\", secret = { {secret} }".to_owned()),
    ];
    for (name, key, more) in &keys {
        let file = home.path().join(name);
        std::fs::write(&file, key.serialize_pem()).unwrap();
        ways.push((name, format!("key = {{ file = \"{}\" }}, key-id = \"k1\"{more}", file.display())));
        let private_key = Some(key.serialize_pem());
        clients.push(Client { secret: None, private_key, ..client(name, "private_key_jwt") });
    }
    let mut server = server(clients, LASTS);
    let mut all = Vec::new();
    for (name, how) in &ways {
        all.push((name, Guarded::by(&server, name, &format!("{CLIENT_CREDENTIALS}, {how}")).await));
    }
    for (name, guarded) in &all {
        let answer = guarded.way.send("Task").await;
        assert!(matches!(answer, Ok(adapter_contract::Answer::Http { status: 200, .. })), "{name}: {answer:?}");
        assert_eq!(guarded.status().await, 200, "{name}");
    }
    // An assertion holds once: the next token takes another.
    server.advance(LASTS).unwrap();
    for (name, guarded) in &all {
        guarded.way.clock.advance(Duration::from_secs(LASTS.into()));
        assert_eq!(guarded.status().await, 200, "{name}");
        let shown = guarded.shown();
        assert!(shown[0] == shown[1] && shown[1] != shown[2], "{name}: {shown:?}");
    }
    // Another client's key, and a key of one that is known by a secret.
    let signed = ways[2].1.clone();
    for (name, how) in [("es256", signed.as_str()), ("rs384", signed.as_str()), ("by-basic", signed.as_str())] {
        let guarded = Guarded::by(&server, name, &format!("{CLIENT_CREDENTIALS}, {how}")).await;
        guarded.way.clock.advance(Duration::from_secs(LASTS.into()));
        let error = guarded.way.send("Task").await.unwrap_err();
        assert_eq!(error.code, FailureCode::HttpStatus(401), "{name}: {error:?}");
        assert!(guarded.shown().is_empty(), "{name}: nothing reached the platform");
    }
    assert_eq!(server.given().unwrap(), 2 * ways.len());
}

#[tokio::test]
async fn an_assertion_for_a_user_is_a_grant_of_its_own() {
    if skips() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let file = home.path().join("key");
    std::fs::write(&file, key.serialize_pem()).unwrap();
    let known = Client {
        grants: vec![JWT_BEARER],
        private_key: Some(key.serialize_pem()),
        ..client("for-a-user", "client_secret_basic")
    };
    let mut server = server(vec![known, client("other", "client_secret_basic")], LASTS);
    let grant = format!(
        "grant = \"jwt-bearer\", subject = \"user@example.org\", scope = \"{SCOPE}\", client-auth = \"basic\", \
         secret = {{ {{secret}} }}, key = {{ file = \"{}\" }}, key-id = \"k1\"",
        file.display()
    );
    let guarded = Guarded::by(&server, "for-a-user", &grant).await;
    assert_eq!(guarded.status().await, 200);
    // One that may not use the grant, and an assertion that has ended before it came.
    let denied = Guarded::by(&server, "other", &grant).await;
    assert_eq!(denied.way.send("Task").await.unwrap_err().code, FailureCode::HttpStatus(401));
    server.advance(LASTS).unwrap();
    let late = Guarded::by(&server, "for-a-user", &grant).await;
    assert_eq!(late.way.send("Task").await.unwrap_err().code, FailureCode::HttpStatus(401));
    let refused: Vec<_> = server.asked().unwrap().into_iter().filter_map(|one| one.error).collect();
    assert_eq!(refused, ["invalid_request", "invalid_grant"]);
}

#[tokio::test]
async fn what_the_server_refuses_reaches_no_platform_and_shows_no_secret() {
    if skips() {
        return;
    }
    let known =
        Client { secret: Some("another secret of the client".to_owned()), ..client("gw", "client_secret_basic") };
    let right = client("right", "client_secret_basic");
    let mut server = server(vec![known, right], LASTS);
    let secret = "secret = { {secret} }";
    for (name, more, told) in [
        ("gw", format!("{CLIENT_CREDENTIALS}, {secret}"), "invalid_client"),
        ("gw", format!("{CLIENT_CREDENTIALS}, client-auth = \"body\", {secret}"), "invalid_client"),
        ("stranger", format!("{CLIENT_CREDENTIALS}, {secret}"), "invalid_client"),
        ("right", format!("grant = \"client-credentials\", scope = \"{FOREIGN_SCOPE}\", {secret}"), "invalid_scope"),
    ] {
        let guarded = Guarded::by(&server, name, &more).await;
        let error = guarded.way.send("Task").await.unwrap_err();
        assert_eq!(error.code, FailureCode::HttpStatus(401), "{told}: {error:?}");
        let words = format!("{error:?}");
        assert!(!words.contains("its=own") && !words.contains("its%3Down"), "{words}");
        assert!(guarded.shown().is_empty(), "{told}");
        assert_eq!(server.asked().unwrap().pop().unwrap().error.as_deref(), Some(told));
    }
    // A scope that nobody knows is no fault to this server (RFC 6749, 3.3): its token is just not enough for the platform.
    let unknown = format!("grant = \"client-credentials\", scope = \"unheard-of\", {secret}");
    let guarded = Guarded::by(&server, "right", &unknown).await;
    assert_eq!(guarded.status().await, 401);
    assert_eq!(guarded.shown().len(), 2, "refused, renewed once, and refused for good");
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_however_short_it_lasts() {
    if skips() {
        return;
    }
    for (lasts, kept) in [(LASTS, LASTS - 31), (40, 19)] {
        let mut server = server(vec![client("gw", "client_secret_basic")], lasts);
        let guarded = Guarded::by(&server, "gw", &format!("{CLIENT_CREDENTIALS}, secret = {{ {{secret}} }}")).await;
        for nth in 1..4 {
            assert_eq!(guarded.status().await, 200);
            guarded.pass(&mut server, kept);
            assert_eq!(guarded.status().await, 200);
            assert_eq!(server.given().unwrap(), nth, "{lasts}: kept as long as it is good");
            guarded.pass(&mut server, 1);
        }
        assert!(server.asked().unwrap().iter().all(|one| one.error.is_none()), "no dead token was ever shown");
        assert_eq!(guarded.shown().len(), 6);
    }
}

#[tokio::test]
async fn a_token_that_ended_or_was_revoked_or_forgotten_is_renewed_once() {
    if skips() {
        return;
    }
    let mut server = server(vec![client("gw", "client_secret_basic")], LASTS);
    let more = format!("{CLIENT_CREDENTIALS}, secret = {{ {{secret}} }}");
    let guarded = Guarded::by(&server, "gw", &more).await;
    assert_eq!(guarded.status().await, 200);
    // The clocks differ: by ours it is good.
    server.advance(LASTS + 1).unwrap();
    assert_eq!(guarded.status().await, 200);
    assert_eq!((server.given().unwrap(), guarded.shown().len()), (2, 3));
    // Sixteen at once with a token that its server took back: one renewal, and nobody is refused.
    guarded.pass(&mut server, 60);
    revoke(&server, &guarded.shown().pop().unwrap()).await;
    let all = futures_util::future::join_all((0..16).map(|_| guarded.status())).await;
    assert_eq!(all, [200; 16]);
    assert_eq!(server.given().unwrap(), 3, "one asked, and the others waited for what it brings");
    // A server that was started again knows none of its tokens.
    guarded.pass(&mut server, 60);
    server.restart().unwrap();
    let all = futures_util::future::join_all((0..16).map(|_| guarded.status())).await;
    assert_eq!(all, [200; 16]);
    assert_eq!(server.given().unwrap(), 1, "since its start");
    // One that is gone cannot be asked what a token is worth, nor for another: nothing is in doubt.
    server.stop();
    guarded.way.clock.advance(Duration::from_secs(60));
    let error = guarded.way.send("Task").await.unwrap_err();
    assert_eq!(error.code, FailureCode::NotConnected);
}

/// By RFC 7009, as its client.
async fn revoke(server: &OAuth2Server, token: &str) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
    let secret: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let request = http.post(server.revocation_url()).basic_auth("gw", Some(secret));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

/// A gateway and a platform for messages whose tokens this server gives out; both by the machine's time.
async fn scene(known: Client, secret: &str, scope: &str) -> (Scene, OAuth2Server) {
    let config = OAuth2ServerConfig {
        clients: vec![known],
        scopes: vec![SCOPE, FOREIGN_SCOPE],
        token_seconds: LASTS,
        now: None,
    };
    let server = OAuth2Server::start(config).unwrap();
    let introspection = server.introspection();
    let scene = Scene::tokens_of(&server.token_url(), ("gw", secret), scope, move |config| {
        config.tokens_of = Some((introspection.clone(), SCOPE.to_owned()));
    })
    .await;
    (scene, server)
}

#[tokio::test]
async fn a_referral_lives_from_the_first_token_to_its_outcome() {
    if skips() {
        return;
    }
    let (scene, mut server) = scene(client("gw", "client_secret_basic"), SECRET, SCOPE).await;
    let (sent, id) = scene.delivered(0).await;
    let path = sent.path("Task");
    scene.happens(|platform, now| assert!(platform.state(&id, "accepted", None, now))).await;
    scene.world.task_becomes(&path, "accepted").await;
    scene.happens(|platform, now| assert!(platform.book(&id, "booked", "2026-07-01T10:00:00Z", now))).await;
    eventually("the booking", || async {
        scene.world.task(&path).await.to_string().contains("2026-07-01T10:00:00Z").then_some(())
    })
    .await;
    scene
        .happens(|platform, now| {
            let outcome =
                json!([{"type": {"text": "Letter"}, "valueReference": {"reference": "DocumentReference/D-1"}}]);
            assert!(platform.refine(&id, &[("output", outcome)]));
            assert!(platform.state(&id, "completed", None, now));
        })
        .await;
    let task = scene.world.task_becomes(&path, "completed").await;
    assert!(task["output"].to_string().contains("DocumentReference/D-1"), "{task}");
    assert_eq!(scene.world.task(&sent.path("ServiceRequest")).await["status"], "completed");
    // Another one, of which the sender thinks better: by the same token, though its server took back a former one.
    let shown = tokens(&scene.platform.requests()).pop().unwrap();
    revoke(&server, &shown).await;
    let (other, there) = scene.delivered(1).await;
    assert_eq!(scene.world.move_task(&other.path("Task"), "cancelled").await.status, 200);
    eventually("the withdrawal there", || async { (scene.folder(&there) == Folder::Cancelled).then_some(()) }).await;
    assert_ne!(tokens(&scene.platform.requests()).pop().unwrap(), shown);
    assert_eq!((scene.kept(), server.given().unwrap()), (2, 2), "each referral once, by one token and its renewal");
    let written = [(Place::Header, "secret", SECRET), (Place::Header, "token", shown.as_str())];
    assert_nowhere(&scene.world, "messages", &written).await;
    scene.world.stop().await;
}

#[tokio::test]
async fn a_wrong_secret_is_a_dead_letter_that_says_what_to_do() {
    if skips() {
        return;
    }
    let (scene, _server) = scene(client("gw", "client_secret_basic"), "a secret of yesterday", SCOPE).await;
    let sent = scene.world.submit(&bundle(2)).await;
    scene.world.delivery_becomes(&sent.path("Task"), "dead-letter").await;
    let task = scene.world.task_becomes(&sent.path("Task"), "on-hold").await;
    let reason = task["statusReason"]["text"].as_str().unwrap_or_default();
    assert!(reason.contains("token server refused"), "{task}");
    let asked = scene.platform.requests().iter().any(|request| request.path == PROCESS_MESSAGE);
    assert!(!asked && scene.kept() == 0, "nothing was sent");
    assert_nowhere(&scene.world, "messages", &[(Place::Header, "secret", "a secret of yesterday")]).await;
    scene.world.stop().await;
}

#[tokio::test]
async fn a_server_that_is_away_only_delays() {
    if skips() {
        return;
    }
    let (scene, mut server) = scene(client("gw", "client_secret_basic"), SECRET, SCOPE).await;
    server.stop();
    let sent = scene.world.submit(&bundle(3)).await;
    let waits = || async {
        let referral = scene.world.referral().await;
        let rows = scene.world.store().outbox(&referral.id).await.unwrap();
        rows.iter().any(|row| row.attempts > 0 && row.in_flight.is_none()).then_some(())
    };
    eventually("an attempt that sent nothing", waits).await;
    server.restart().unwrap();
    scene.world.delivered(&sent.path("Task")).await;
    assert_eq!(scene.kept(), 1);
    scene.world.stop().await;
}
