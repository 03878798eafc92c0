//! How platforms are reached: credentials, tokens, addresses, what is never followed and never waited for. Against `wiremock`; time is a
//! clock that the test moves. TLS is in `certificates`.

use adapter_contract::{
    Adapter, Answer, DeliveryError, Descriptor, Exchange, FailureCode, HttpRequest, Method, Repeat, Step,
    TranslateError,
};
use gateway_core::identity::PlatformId;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::chance::Chance;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::config::{self, EXAMPLE};
use vcse_gateway::gateway::Platform;
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::transport::dial::{Lookup, SystemLookup};
use vcse_gateway::transport::{HttpTransport, Names, Transport};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const SECRET: &str = "a secret+of/its=own";
const BASIC: &str = "Basic Z3c6YStzZWNyZXQlMkJvZiUyRml0cyUzRG93bg==";

/// A platform and the way to it.
pub(crate) struct Way {
    pub(crate) platform: Platform,
    pub(crate) transport: HttpTransport,
    pub(crate) clock: Arc<ManualClock>,
    _home: tempfile::TempDir,
}

impl Way {
    /// To `base`, as these further keys say; `{secret}` in them is where [`SECRET`] stands.
    pub(crate) fn to(base: &str, keys: &str, lookup: Arc<dyn Lookup>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("secret");
        std::fs::write(&file, SECRET).unwrap();
        let secret = format!("file = \"{}\"", file.display());
        let text = EXAMPLE.replacen("http://127.0.0.1:9090/fhir", base, 1).replacen(
            "# poll-seconds = 900",
            &keys.replace("{secret}", &secret),
            1,
        );
        let config = config::parse(&text).unwrap();
        let clock = Arc::new(ManualClock::at(datetime!(2026-06-15 12:00 UTC)));
        let chance = Arc::new(Chance::seeded(1));
        let transport = HttpTransport::with(lookup, clock.clone(), Arc::clone(&chance)).unwrap();
        let store = Arc::new(MemoryStore::new());
        let through = Arc::new(transport.clone());
        let gateway =
            config::build(&config, "http://127.0.0.1:1/fhir".to_owned(), store, clock.clone(), chance, through);
        let platform = gateway.unwrap().platforms.get(&PlatformId("food-bank".to_owned())).unwrap();
        Self { platform: (*platform).clone(), transport, clock, _home: home }
    }

    pub(crate) async fn send(&self, path: &str) -> Result<Answer, DeliveryError> {
        let request = HttpRequest {
            method: Method::Get,
            path: path.to_owned(),
            query: vec![("page".to_owned(), "2".to_owned())],
            headers: Vec::new(),
            body: None,
            repeat: Repeat::Safe,
        };
        let names = Names { request_id: "request".to_owned(), correlation: "talk".to_owned() };
        self.transport.send(&self.platform, &request, &names).await
    }

    pub(crate) async fn status(&self, path: &str) -> u16 {
        match self.send(path).await.unwrap() {
            Answer::Http { status, .. } => status,
            other => panic!("{other:?}"),
        }
    }
}

fn way(base: &str, keys: &str) -> Way {
    Way::to(base, keys, Arc::new(SystemLookup))
}

fn oauth2(token: &MockServer, more: &str) -> String {
    format!("oauth2 = {{ token-url = \"{}/token\", client-id = \"gw\", {more} }}", token.uri())
}

fn granted(token: &str, more: &Value) -> ResponseTemplate {
    let mut body = json!({ "access_token": token, "token_type": "Bearer" });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    ResponseTemplate::new(200).set_body_json(body)
}

async fn grants(server: &MockServer, answer: ResponseTemplate, times: u64) {
    let mock = Mock::given(method("POST")).and(path("/token")).and(header("authorization", BASIC)).respond_with(answer);
    mock.up_to_n_times(times).expect(times).mount(server).await;
}

async fn platform_takes(server: &MockServer, token: &str, status: u16) {
    let shown = format!("Bearer {token}");
    let mock = Mock::given(path("/fhir/Task")).and(header("authorization", shown.as_str()));
    mock.respond_with(ResponseTemplate::new(status)).mount(server).await;
}

const CLIENT_CREDENTIALS: &str = "grant = \"client-credentials\", secret = { {secret} }";

#[tokio::test]
async fn many_that_need_a_token_ask_for_one() {
    let (server, base) = (MockServer::start().await, MockServer::start().await);
    grants(&server, granted("first", &json!({ "expires_in": 600 })), 1).await;
    platform_takes(&base, "first", 200).await;
    let way = way(&format!("{}/fhir", base.uri()), &oauth2(&server, CLIENT_CREDENTIALS));
    let all = futures_util::future::join_all((0..16).map(|_| way.status("Task"))).await;
    assert_eq!(all, [200; 16]);
    // It is renewed before its end, and not earlier.
    way.clock.advance(Duration::from_secs(569));
    assert_eq!(way.status("Task").await, 200);
    grants(&server, granted("second", &json!({ "expires_in": 600 })), 1).await;
    platform_takes(&base, "second", 200).await;
    way.clock.advance(Duration::from_secs(1));
    assert_eq!(way.status("Task").await, 200);
    let last = base.received_requests().await.unwrap().pop().unwrap();
    assert_eq!(last.headers["authorization"], "Bearer second");
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let (server, base) = (MockServer::start().await, MockServer::start().await);
    for token in ["first", "second", "third"] {
        grants(&server, granted(token, &json!({})), 1).await;
    }
    platform_takes(&base, "first", 401).await;
    platform_takes(&base, "second", 200).await;
    let way = way(&format!("{}/fhir", base.uri()), &oauth2(&server, CLIENT_CREDENTIALS));
    assert_eq!(way.status("Task").await, 200);
    base.reset().await;
    platform_takes(&base, "second", 401).await;
    platform_takes(&base, "third", 401).await;
    assert_eq!(way.status("Task").await, 401);
    assert_eq!(base.received_requests().await.unwrap().len(), 1, "it was renewed a moment ago: no other is asked for");
    way.clock.advance(Duration::from_secs(60));
    assert_eq!(way.status("Task").await, 401, "whoever is refused with a new one as well is refused");
    assert_eq!(base.received_requests().await.unwrap().len(), 3);
}

#[tokio::test]
async fn without_a_token_nothing_reaches_the_platform() {
    let base = MockServer::start().await;
    let failed = async |answer: ResponseTemplate| {
        let server = MockServer::start().await;
        grants(&server, answer, 1).await;
        let way = way(&format!("{}/fhir", base.uri()), &oauth2(&server, CLIENT_CREDENTIALS));
        let error = way.send("Task").await.unwrap_err();
        assert!(!format!("{error:?}").contains("its=own") && !format!("{error:?}").contains("tok-1"), "{error:?}");
        (error.code, error.retry_after_seconds)
    };
    let unavailable = ResponseTemplate::new(503).insert_header("retry-after", "77");
    assert_eq!(failed(unavailable).await, (FailureCode::NotConnected, Some(77)));
    assert_eq!(failed(ResponseTemplate::new(302)).await, (FailureCode::NotConnected, None));
    assert_eq!(failed(ResponseTemplate::new(400)).await, (FailureCode::NotConnected, None), "it may be a proxy's");
    assert_eq!(failed(ResponseTemplate::new(403)).await, (FailureCode::NotConnected, None));
    for code in ["invalid_client", "invalid_request"] {
        let denied = ResponseTemplate::new(400).set_body_json(json!({ "error": code }));
        assert_eq!(failed(denied).await, (FailureCode::HttpStatus(401), None), "{code}");
    }
    let later = ResponseTemplate::new(400).set_body_json(json!({ "error": "temporarily_unavailable" }));
    assert_eq!(failed(later).await, (FailureCode::NotConnected, None));
    assert_eq!(failed(ResponseTemplate::new(401)).await, (FailureCode::HttpStatus(401), None));
    let page = ResponseTemplate::new(200).set_body_string("<html>sign in</html>");
    assert_eq!(failed(page).await, (FailureCode::NotConnected, None));
    assert_eq!(failed(granted("tok-1\nx", &json!({}))).await, (FailureCode::NotConnected, None));
    assert_eq!(failed(granted("tok-1", &json!({ "token_type": "mac" }))).await, (FailureCode::NotConnected, None));
    let huge = granted("tok-1", &json!({ "more": "x".repeat(300 << 10) }));
    assert_eq!(failed(huge).await, (FailureCode::NotConnected, None));
    // Salesforce says for which address a token is.
    let elsewhere = granted("tok-1", &json!({ "instance_url": "https://elsewhere.example" }));
    assert_eq!(failed(elsewhere).await, (FailureCode::HttpStatus(421), None));
    assert_eq!(base.received_requests().await.unwrap().len(), 0);
    platform_takes(&base, "tok-1", 200).await;
    let server = MockServer::start().await;
    grants(&server, granted("tok-1", &json!({ "instance_url": base.uri() })), 1).await;
    assert_eq!(way(&format!("{}/fhir", base.uri()), &oauth2(&server, CLIENT_CREDENTIALS)).status("Task").await, 200);
}

#[tokio::test]
async fn no_end_of_a_token_is_beyond_belief() {
    for seconds in [0_u64, 5, u64::MAX] {
        let (server, base) = (MockServer::start().await, MockServer::start().await);
        let answer = granted("tok-1", &json!({ "expires_in": seconds }));
        Mock::given(path("/token")).respond_with(answer).mount(&server).await;
        platform_takes(&base, "tok-1", 200).await;
        let way = way(&format!("{}/fhir", base.uri()), &oauth2(&server, CLIENT_CREDENTIALS));
        way.clock.advance(Duration::from_secs(90));
        assert_eq!((way.status("Task").await, way.status("Task").await), (200, 200));
        assert_eq!(server.received_requests().await.unwrap().len(), 1, "{seconds}: both within ten seconds");
        way.clock.advance(Duration::from_secs(24 * 3600));
        assert_eq!(way.status("Task").await, 200);
        assert_eq!(server.received_requests().await.unwrap().len(), 2, "{seconds}: a day later");
    }
}

#[tokio::test]
async fn a_client_is_known_by_its_key() {
    let home = tempfile::tempdir().unwrap();
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let file = home.path().join("key.pem");
    std::fs::write(&file, pair.serialize_pem()).unwrap();
    let verified = |token: &str, audience: &str| {
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES384);
        validation.set_audience(&[audience]);
        // The clock is the test's.
        validation.validate_exp = false;
        let key = jsonwebtoken::DecodingKey::from_ec_pem(pair.public_key_pem().as_bytes()).unwrap();
        jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap()
    };
    let key = format!("key = {{ file = \"{}\" }}, key-id = \"k1\"", file.display());
    for (more, field, subject, audience) in [
        (format!("grant = \"client-credentials\", {key}"), "client_assertion", "gw", None),
        (
            format!(
                "grant = \"jwt-bearer\", subject = \"user@example.org\", audience = \"https://login.example\", {key}"
            ),
            "assertion",
            "user@example.org",
            Some("https://login.example"),
        ),
    ] {
        let (server, base) = (MockServer::start().await, MockServer::start().await);
        Mock::given(path("/token")).respond_with(granted("tok-1", &json!({}))).mount(&server).await;
        platform_takes(&base, "tok-1", 200).await;
        assert_eq!(way(&format!("{}/fhir", base.uri()), &oauth2(&server, &more)).status("Task").await, 200);
        let asked = server.received_requests().await.unwrap();
        assert!(asked.len() == 1 && !asked[0].headers.contains_key("authorization"));
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(&asked[0].body).into_owned().collect();
        let value = |name: &str| fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        let own_address = format!("{}/token", server.uri());
        let token = verified(&value(field).unwrap(), audience.unwrap_or(&own_address));
        assert_eq!((token.header.kid.as_deref(), &token.claims["iss"]), (Some("k1"), &json!("gw")));
        assert_eq!(token.claims["sub"], subject);
        let lives = token.claims["exp"].as_i64().unwrap() - token.claims["iat"].as_i64().unwrap();
        assert!((1..=300).contains(&lives) && token.claims["jti"].as_str().unwrap().len() == 64);
    }
}

#[tokio::test]
async fn secrets_go_where_they_belong_and_do_not_come_back() {
    let base = MockServer::start().await;
    let echo =
        ResponseTemplate::new(200).insert_header("location", format!("/x?key={SECRET}").as_str()).set_body_string(
            format!("you said {SECRET}, {} and {}.", "a%20secret%2Bof%2Fits%3Down", "a secret+of\\/its=own"),
        );
    Mock::given(path("/fhir/Task"))
        .and(header("org", SECRET))
        .and(query_param("key", SECRET))
        .and(query_param("page", "2"))
        .and(header("authorization", "Basic Z3c6YSBzZWNyZXQrb2YvaXRzPW93bg=="))
        .respond_with(echo)
        .expect(1)
        .mount(&base)
        .await;
    let keys = "basic = { username = \"gw\", {secret} }\nsecret-headers = [{ name = \"Org\", {secret} }]\n\
                secret-query = [{ name = \"key\", {secret} }]";
    let answer = way(&format!("{}/fhir", base.uri()), keys).send("Task").await.unwrap();
    let Answer::Http { status: 200, body, .. } = &answer else { panic!("{answer:?}") };
    assert_eq!(body, b"you said [secret], [secret] and [secret].");
    assert_eq!(answer.header("location"), Some("/x?key=[secret]"));
}

#[tokio::test]
async fn no_address_leads_away_from_the_platform() {
    let base = MockServer::start().await;
    let elsewhere = ResponseTemplate::new(307).insert_header("location", "/fhir/Task");
    Mock::given(path("/fhir/Moved")).respond_with(elsewhere).mount(&base).await;
    let way = way(&format!("{}/fhir", base.uri()), "");
    assert_eq!(way.status("Moved").await, 307, "a redirect is an answer");
    for path in ["../admin", "Task/../../admin", "%2e%2e/admin", "..", "Task/%2E%2e/..\\..\\admin"] {
        let error = way.send(path).await.unwrap_err();
        assert_eq!(error.code, FailureCode::Untranslatable, "{path}");
    }
    let asked = base.received_requests().await.unwrap();
    assert!(asked.iter().all(|request| request.url.path() == "/fhir/Moved"));
}

/// An adapter of which only the limits count.
struct Hurried(Descriptor);

impl Adapter for Hurried {
    fn descriptor(&self) -> &Descriptor {
        &self.0
    }

    fn begin(&self, _: &Exchange<'_>) -> Result<Step, TranslateError> {
        Ok(Step::Absent)
    }
}

#[tokio::test]
async fn what_does_not_come_in_time_or_not_to_an_end_is_no_answer() {
    let base = MockServer::start().await;
    let mut way = way(&format!("{}/fhir", base.uri()), "");
    let mut declared = way.platform.adapter.descriptor().clone();
    declared.limits.answer_seconds = 1;
    declared.limits.answer_bytes = 1000;
    way.platform.adapter = Arc::new(Hurried(declared));
    let late = ResponseTemplate::new(200).set_delay(Duration::from_secs(3600));
    Mock::given(path("/fhir/Late")).respond_with(late).mount(&base).await;
    for (name, length) in [("/fhir/Fits", 1000), ("/fhir/Long", 1001)] {
        let answer = ResponseTemplate::new(200).set_body_bytes(vec![b'x'; length]);
        Mock::given(path(name)).respond_with(answer).mount(&base).await;
    }
    let long_refusal = ResponseTemplate::new(503).set_body_bytes(vec![b'x'; 1001]);
    Mock::given(path("/fhir/Unwell")).respond_with(long_refusal).mount(&base).await;
    assert_eq!(way.status("Fits").await, 200);
    assert_eq!(way.send("Late").await.unwrap_err().code, FailureCode::NoAnswer);
    assert_eq!(way.send("Long").await.unwrap_err().code, FailureCode::UnreadableSuccess);
    assert_eq!(way.send("Unwell").await.unwrap_err().code, FailureCode::HttpStatus(503));
    let nobody = self::way("http://127.0.0.1:1/fhir", "");
    assert_eq!(nobody.send("Task").await.unwrap_err().code, FailureCode::NotConnected);
}
