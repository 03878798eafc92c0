//! What the tests share: a referral as a careful sender would make it, a caller, a little gateway.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conformance_tests::fhir::{REFERRAL_KEY, SDOHCC, TASK_CODE, instant};
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

pub(crate) const PATIENT: &str = "urn:uuid:00000000-0000-4000-8000-000000000001";
pub(crate) const ORDER: &str = "urn:uuid:00000000-0000-4000-8000-000000000002";
pub(crate) const SENDER: &str = "urn:uuid:00000000-0000-4000-8000-000000000003";
pub(crate) const TASK: &str = "urn:uuid:00000000-0000-4000-8000-000000000004";

pub(crate) fn referral(key: &str) -> Value {
    let entry = |url: &str, resource: Value| {
        let kind = resource["resourceType"].clone();
        json!({ "fullUrl": url, "resource": resource, "request": { "method": "POST", "url": kind } })
    };
    let code = |system: &str, code: &str| json!({ "coding": [{ "system": system, "code": code }] });
    let mut task = entry(
        TASK,
        json!({
            "resourceType": "Task",
            "identifier": [{ "system": REFERRAL_KEY, "value": key }],
            "status": "requested", "intent": "order", "priority": "routine",
            "code": code(TASK_CODE, "fulfill"),
            "focus": { "reference": ORDER }, "for": { "reference": PATIENT },
            "authoredOn": "2026-06-15T12:00:00Z", "requester": { "reference": SENDER },
        }),
    );
    task["request"]["ifNoneExist"] = json!(format!("identifier={REFERRAL_KEY}|{key}"));
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
        task,
        entry(ORDER, json!({
            "resourceType": "ServiceRequest", "status": "active", "intent": "filler-order",
            "basedOn": [{ "identifier": { "system": "urn:x", "value": "SP-1" } }],
            "category": [code(SDOHCC, "social-connection")],
            "code": { "text": "Befriending" }, "subject": { "reference": PATIENT },
        })),
        entry(PATIENT, json!({ "resourceType": "Patient", "name": [{ "family": "Ashworth" }] })),
        entry(SENDER, json!({ "resourceType": "Organization", "name": "Gateway" })),
    ] })
}

/// The resource of a type in a Bundle made by [`referral`].
pub(crate) fn part<'b>(bundle: &'b mut Value, kind: &str) -> &'b mut Value {
    let entries = bundle["entry"].as_array_mut().unwrap();
    &mut entries.iter_mut().find(|entry| entry["resource"]["resourceType"] == kind).unwrap()["resource"]
}

pub(crate) async fn platform() -> FhirPlatform {
    FhirPlatform::start(PlatformConfig::default()).await.unwrap()
}

/// One client for all tests, without a pool: each test has a runtime of its own, and connections die with it.
pub(crate) fn client() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        builder.timeout(std::time::Duration::from_secs(30)).build().unwrap()
    });
    CLIENT.clone()
}

pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Got {
    /// The `expression`s of an OperationOutcome.
    pub(crate) fn expressions(&self) -> Vec<&str> {
        assert_eq!(self.body["resourceType"], "OperationOutcome", "{}", self.body);
        let issues = self.body["issue"].as_array().unwrap();
        issues.iter().filter_map(|issue| issue["expression"][0].as_str()).collect()
    }
}

/// Calls with the platform's token and the FHIR media type, and these headers besides.
pub(crate) async fn call(method: &str, url: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Got {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = client().request(method, url).bearer_auth("platform-token");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/fhir+json").body(body.to_string());
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    Got { status, headers, body }
}

pub(crate) async fn post(platform: &FhirPlatform, bundle: &Value) -> Got {
    call("POST", &platform.base_url(), &[], Some(bundle)).await
}

/// A gateway of the size of a test: takes transactions, keeps Tasks, knows If-Match, and can be told to fail first.
#[derive(Default)]
pub(crate) struct Stub {
    pub(crate) tasks: BTreeMap<String, Value>,
    pub(crate) fail_first: Vec<u16>,
    pub(crate) seen: Vec<(String, HeaderMap, String)>,
    pub(crate) page_size: usize,
    pub(crate) clock: i64,
    /// Changes the Task behind the back of the next PUT.
    pub(crate) interfere: Option<&'static str>,
}

impl Stub {
    pub(crate) fn set(&mut self, id: &str, changes: &[(&str, Value)]) {
        self.clock += 1;
        let at = instant(time::macros::datetime!(2026-06-15 12:00 UTC) + time::Duration::seconds(self.clock));
        let task = self.tasks.entry(id.to_owned()).or_insert_with(|| json!({ "resourceType": "Task", "id": id }));
        for (name, value) in changes {
            task[*name] = value.clone();
        }
        let version = task["meta"]["versionId"].as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) + 1;
        task["meta"] = json!({ "versionId": version.to_string(), "lastUpdated": at });
    }
}

pub(crate) type Gateway = Arc<Mutex<Stub>>;

pub(crate) async fn gateway() -> (String, Gateway) {
    let stub: Gateway = Arc::new(Mutex::new(Stub { page_size: 100, ..Stub::default() }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/fhir", listener.local_addr().unwrap());
    let app = Router::new().fallback(serve).with_state(Arc::clone(&stub));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base, stub)
}

async fn serve(State(stub): State<Gateway>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut stub = stub.lock().unwrap();
    let text = String::from_utf8_lossy(&body).into_owned();
    stub.seen.push((format!("{method} {uri}"), headers.clone(), text.clone()));
    if !stub.fail_first.is_empty() {
        let status = StatusCode::from_u16(stub.fail_first.remove(0)).unwrap();
        return (status, json!({ "resourceType": "OperationOutcome" }).to_string()).into_response();
    }
    let path = uri.path().trim_start_matches("/fhir").trim_matches('/').to_owned();
    match (method.as_str(), path.split('/').collect::<Vec<_>>().as_slice()) {
        ("POST", [""]) => {
            let id = format!("t{}", stub.tasks.len() + 1);
            stub.set(&id, &[("status", json!("requested"))]);
            let location = json!({ "response": { "status": "201", "location": format!("Task/{id}/_history/1") } });
            let other = json!({ "response": { "status": "201", "location": "Patient/p1/_history/1" } });
            answer(
                json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": [other, location] }),
                None,
            )
        }
        ("GET", ["Task"]) => page(&stub, &uri, headers.get("host").unwrap().to_str().unwrap()),
        ("GET", ["Task", id]) => answer(stub.tasks[*id].clone(), None),
        ("GET", ["ServiceRequest", id]) => {
            let identifier = json!({ "system": "https://sender.example/Id/referral", "value": id });
            let based_on = json!([{ "type": "ServiceRequest", "identifier": identifier }]);
            answer(json!({ "resourceType": "ServiceRequest", "id": id, "basedOn": based_on }), None)
        }
        ("GET", [kind, id]) => answer(json!({ "resourceType": kind, "id": id }), None),
        ("PATCH" | "PUT", ["Task", id]) => write(&mut stub, &method, id, &headers, &text),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn write(stub: &mut Stub, method: &Method, id: &str, headers: &HeaderMap, text: &str) -> Response {
    if let Some(status) = stub.interfere.take() {
        stub.set(id, &[("status", json!(status))]);
    }
    let etag = format!("W/\"{}\"", stub.tasks[id]["meta"]["versionId"].as_str().unwrap());
    if headers.get("if-match").unwrap() != etag.as_str() {
        return StatusCode::PRECONDITION_FAILED.into_response();
    }
    let body: Value = serde_json::from_str(text).unwrap();
    if method == Method::PATCH {
        assert_eq!(headers["content-type"], "application/json-patch+json");
        for operation in body.as_array().unwrap() {
            let name = operation["path"].as_str().unwrap().trim_start_matches('/').to_owned();
            stub.set(id, &[(name.as_str(), operation["value"].clone())]);
        }
    } else {
        let fields: Vec<(&str, Value)> =
            body.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        stub.set(id, &fields);
    }
    answer(stub.tasks[id].clone(), None)
}

fn page(stub: &Stub, uri: &Uri, host: &str) -> Response {
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let offset: usize = query.get("offset").map_or(0, |text| text.parse().unwrap());
    let since = query.get("_lastUpdated").map(|bound| bound.trim_start_matches("ge").to_owned()).unwrap_or_default();
    let mut found: Vec<&Value> = stub.tasks.values().collect();
    found.retain(|task| task["meta"]["lastUpdated"].as_str().unwrap() >= since.as_str());
    found.retain(|task| query.get("status").is_none_or(|status| task["status"] == status.as_str()));
    let entries: Vec<Value> =
        found.iter().skip(offset).take(stub.page_size).map(|task| json!({ "resource": task })).collect();
    let mut bundle = json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries });
    if offset + stub.page_size < found.len() {
        let next = format!("http://{host}/fhir/Task?_lastUpdated=ge{since}&offset={}", offset + stub.page_size);
        bundle["link"] = json!([{ "relation": "next", "url": next }]);
    }
    answer(bundle, None)
}

fn answer(body: Value, status: Option<StatusCode>) -> Response {
    let headers = [("content-type", "application/fhir+json")];
    (status.unwrap_or(StatusCode::OK), headers, body.to_string()).into_response()
}
