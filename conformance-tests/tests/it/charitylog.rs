//! The double of Charitylog: that it takes what the pages say, refuses the rest, and lists cases as they say.

use conformance_tests::charitylog::{Answers, Charitylog, CharitylogConfig};
use conformance_tests::simulator::{Namespace, Simulator};
use serde_json::{Value, json};
use time::Duration;

const FORM: &str = "application/x-www-form-urlencoded";

async fn start() -> Simulator<Charitylog> {
    Simulator::start(|| Charitylog::new(CharitylogConfig::default())).await.unwrap()
}

struct Caller<'a> {
    platform: &'a Namespace<Charitylog>,
    keys: [&'a str; 3],
}

impl Caller<'_> {
    async fn send(&self, method: reqwest::Method, path: &str, body: Option<(&str, String)>) -> (u16, Value) {
        let [source, org, user] = self.keys;
        let address = format!("{}/{path}", self.platform.base_url());
        let request = reqwest::Client::new().request(method, address);
        let mut request = request.header("Source", source).header("Org", org).header("User", user);
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        let answer = request.send().await.unwrap();
        assert!(answer.headers()["date"].to_str().unwrap().ends_with("GMT"));
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
    }

    async fn put(&self, body: &Value) -> (u16, Value) {
        self.send(reqwest::Method::PUT, "external_referral", Some((FORM, body.to_string()))).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(reqwest::Method::GET, path, None).await
    }
}

fn caller(platform: &Namespace<Charitylog>) -> Caller<'_> {
    Caller { platform, keys: ["source-key-of-tests", "org-key-of-tests", "user-key-of-tests"] }
}

fn alice(more: Value) -> Value {
    let mut one = json!({ "org_type_id": "7", "first_name": "Alice", "surname": "Example", "external_id": "key-1" });
    one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!([one])
}

#[tokio::test]
async fn what_is_staged_waits_for_staff_and_cannot_be_read() {
    let simulator = start().await;
    let platform = simulator.root();
    let caller = caller(&platform);
    let body = alice(json!({ "description": "Wants company & help", "project": 7, "telephone": "0113 496 0123" }));
    assert_eq!(caller.put(&body).await, (200, json!({ "id": 501 })));
    assert_eq!(caller.put(&body).await, (200, json!({ "id": 502 })), "the same twice lies there twice");
    assert_eq!(caller.get("external_referral").await.0, 405);
    assert_eq!(caller.get("referrals").await, (200, json!([])));
    platform.with(|charity, now| {
        assert_eq!(charity.staged()[0].members["description"], "Wants company & help");
        assert!(charity.reject(502) && !charity.reject(502));
        assert_eq!(charity.import(501, 7, now), Some(504));
        assert_eq!((charity.staged().len(), charity.import(501, 7, now)), (0, None));
    });
    let expected = json!([{ "id": 504, "client": 503, "project": 7, "stage": 31, "status": 131 }]);
    assert_eq!(caller.get("referrals").await, (200, expected));
    platform.reset();
    assert!(platform.with(|charity, _| charity.cases().is_empty()));
}

#[tokio::test]
async fn what_is_not_as_the_page_says_is_refused_and_nobody_is_staged() {
    let simulator = start().await;
    let platform = simulator.root();
    let caller = caller(&platform);
    for body in [
        json!({ "org_type_id": 7, "first_name": "Alice", "surname": "Example" }),
        json!([]),
        json!([1]),
        json!([{ "org_type_id": 7, "surname": "Example" }]),
        json!([{ "org_type_id": 7, "first_name": "Alice" }]),
        json!([{ "first_name": "Alice", "surname": "Example" }]),
        alice(json!({ "org_type_id": 99 })),
        alice(json!({ "project": 99 })),
        alice(json!({ "source": 1 })),
        alice(json!({ "referral_role": 1 })),
        alice(json!({ "shoe_size": "8" })),
    ] {
        assert_eq!(caller.put(&body).await.0, 400, "{body}");
    }
    let good = alice(json!({}));
    let as_json =
        caller.send(reqwest::Method::PUT, "external_referral", Some(("application/json", good.to_string()))).await;
    assert_eq!(as_json.0, 400);
    let posted = caller.send(reqwest::Method::POST, "external_referral", Some((FORM, good.to_string()))).await;
    assert_eq!(posted.0, 405);
    assert!(platform.with(|charity, _| charity.staged().is_empty()));
    assert_eq!(caller.put(&alice(json!({ "source": 1, "referral_role": 1 }))).await.0, 200);
}

#[tokio::test]
async fn each_key_is_needed() {
    let simulator = start().await;
    let platform = simulator.root();
    for wrong in 0..3 {
        let mut keys = caller(&platform).keys;
        keys[wrong] = "other";
        let caller = Caller { platform: &platform, keys };
        assert_eq!(caller.get("referrals").await.0, 401);
        assert_eq!(caller.put(&alice(json!({}))).await.0, 401);
    }
    assert!(platform.with(|charity, _| charity.staged().is_empty()));
}

#[tokio::test]
async fn cases_are_found_by_days_of_contacts_project_and_external_id() {
    let simulator = start().await;
    let platform = simulator.root();
    let caller = caller(&platform);
    let (ours, other) = platform
        .with(|charity, now| (charity.open(1, Some("key-1".to_owned()), 7, now), charity.open(2, None, 8, now)));
    platform.with(|charity, now| charity.open(3, None, 99, now));
    platform.advance(Duration::days(2));
    assert!(platform.with(|charity, now| charity.contact(ours, "First Appointment Booked", now)));
    assert!(!platform.with(|charity, now| charity.contact(ours, "No such stage", now)));
    let ids = |answer: (u16, Value)| {
        assert_eq!(answer.0, 200, "{}", answer.1);
        answer.1.as_array().unwrap().iter().map(|case| case["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids(caller.get("referrals").await), [ours, other], "what the user may not see is not there");
    assert_eq!(ids(caller.get("referrals/date_active/2026-06-16,2026-06-17").await), [ours]);
    assert_eq!(ids(caller.get("referrals/date_active/2026-06-15,2999-12-31/project/7;8").await), [ours, other]);
    assert_eq!(ids(caller.get("referrals/date_active/2026-06-15,2026-06-15/project/7%3B8").await), [ours, other]);
    assert_eq!(ids(caller.get("referrals/project/8").await), [other]);
    assert_eq!(ids(caller.get("referrals/client_external_id/key-1").await), [ours]);
    let named = caller.get(&format!("referrals/id/{ours}/field/id;stage;status?resolveIds%5B%5D=ALL")).await;
    assert_eq!(named.1, json!([{ "id": ours, "stage": "First Appointment Booked", "status": "Open" }]));
    for path in [
        "referrals/date_active/2026-06-15",
        "referrals/date_active/june,july",
        "referrals/colour/red",
        "referrals/field/id;name",
        "referrals/project",
        "referrals/id/1/id/1/id/1/id/1/id/1/id/1/id/1/id/1/id/1/id/1/id/1",
    ] {
        assert_eq!(caller.get(path).await.0, 400, "{path}");
    }
    assert_eq!(caller.get("clients").await.0, 404);
}

#[tokio::test]
async fn what_was_made_is_answered_as_a_test_chooses() {
    let simulator = start().await;
    let platform = simulator.root();
    let caller = caller(&platform);
    for (answers, expected) in [
        (Answers::Record, json!({ "id": 501 })),
        (Answers::Records, json!([{ "id": 502 }])),
        (Answers::Ids, json!([503])),
    ] {
        platform.with(|charity, _| charity.set_up(|config| config.answers = answers));
        assert_eq!(caller.put(&alice(json!({}))).await.1, expected);
    }
}
