//! Every rule of the "Connect families to support" double has a request that breaks it, and is refused.

mod lists;
mod rights;

use conformance_tests::connect_families::{
    ConnectFamilies, ConnectFamiliesConfig, Quirks, Role, Status, human_reference,
};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use time::Duration;

use crate::support::client;

const ACCOUNT: i64 = 71;
const CHARITY: i64 = 12;
/// Everything but letters and digits: more than has to be encoded, and never less.
const SEGMENT: &percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC;

struct Got {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {}", self.status, self.text))
    }

    fn media(&self) -> &str {
        self.headers.get("content-type").map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The members that problem details name.
    fn members(&self) -> Vec<String> {
        assert_eq!((self.status, self.media()), (400, "application/problem+json; charset=utf-8"), "{}", self.text);
        let body = self.json();
        assert_eq!(body["status"], 400);
        body["errors"].as_object().unwrap().keys().cloned().collect()
    }
}

async fn platform() -> ConnectFamilies {
    ConnectFamilies::start(ConnectFamiliesConfig::default()).await.unwrap()
}

async fn send(platform: &ConnectFamilies, method: Method, path: &str, token: &str, body: Option<&Value>) -> Got {
    try_send(platform, method, path, token, body).await.unwrap()
}

async fn try_send(
    platform: &ConnectFamilies,
    method: Method,
    path: &str,
    token: &str,
    body: Option<&Value>,
) -> Result<Got, reqwest::Error> {
    let mut request = client().request(method, format!("{}{path}", platform.base_url()));
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Got { status, headers, text: response.text().await? })
}

fn sender(platform: &ConnectFamilies) -> String {
    platform.token(Role::LaProfessional, ACCOUNT, 3)
}

fn charity(platform: &ConnectFamilies) -> String {
    platform.token(Role::VcsProfessional, 88, CHARITY)
}

async fn post(platform: &ConnectFamilies, body: &Value) -> Got {
    send(platform, Method::POST, "api/referrals", &sender(platform), Some(body)).await
}

async fn get(platform: &ConnectFamilies, path: &str) -> Got {
    send(platform, Method::GET, path, &sender(platform), None).await
}

fn whole(reason: &str) -> Value {
    json!({
        "Referral": {
            "Id": 0,
            "ReasonForSupport": reason,
            "EngageWithFamily": "By telephone, in the mornings",
            "ReferrerTelephone": "0113 496 0001",
            "RecipientDto": { "Name": "Maud Ashworth", "Telephone": "07700 900123", "PostCode": "LS1 4AP" },
            "ReferralUserAccountDto": { "Id": ACCOUNT, "EmailAddress": "link.worker@practice.example" },
            "ReferralServiceDto": {
                "Id": 4, "Name": "Befriending", "OrganisationDto": { "Id": CHARITY, "Name": "Good Neighbours" }
            },
            "Status": { "Id": 1, "Name": "New" },
        },
        "Metrics": { "RequestTimestamp": "2026-06-15T12:00:00Z" },
    })
}

/// The body with the member at `path` replaced, or taken away.
fn with(path: &str, value: Option<Value>) -> Value {
    let mut body = whole("Would like company");
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut at = &mut body;
    for step in parent.split('.').filter(|step| !step.is_empty()) {
        at = &mut at[step];
    }
    match value {
        Some(value) => at[name] = value,
        None => assert!(at.as_object_mut().unwrap().shift_remove(name).is_some(), "{path}"),
    }
    body
}

#[tokio::test]
async fn a_referral_is_taken_and_shown_to_both_sides() {
    let platform = platform().await;
    let got = post(&platform, &whole("Would like company")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(got.json(), json!({ "id": 1, "serviceName": "Befriending", "organisationId": CHARITY }));
    assert_eq!((human_reference(1), human_reference(0x0a_bc_de)), ("000001".to_owned(), "0ABCDE".to_owned()));
    let shown = get(&platform, "api/referral/1").await.json();
    let expected = json!({
        "id": 1,
        "referrerTelephone": "0113 496 0001",
        "reasonForSupport": "Would like company",
        "engageWithFamily": "By telephone, in the mornings",
        "recipientDto": {
            "name": "Maud Ashworth", "email": null, "telephone": "07700 900123", "textPhone": null,
            "addressLine1": null, "addressLine2": null, "townOrCity": null, "county": null, "postCode": "LS1 4AP",
        },
        "referralUserAccountDto": {
            "id": ACCOUNT, "emailAddress": "link.worker@practice.example",
            "name": null, "phoneNumber": null, "team": null, "roles": null,
        },
        "referralServiceDto": {
            "id": 4, "name": "Befriending", "description": null, "url": null,
            "organisationDto": { "id": CHARITY, "name": "Good Neighbours", "description": null },
        },
        "status": { "id": 1, "name": "New" },
        "reasonForDecliningSupport": null,
        "created": shown["lastModified"],
        "lastModified": shown["lastModified"],
    });
    assert_eq!(shown, expected);
    assert!(shown["created"].as_str().unwrap().starts_with("2026-06-15T12:00:00."), "{shown}");
    let seen = send(&platform, Method::GET, "api/referral/1", &charity(&platform), None).await.json();
    assert_eq!((seen, platform.referral(1), platform.received()), (shown.clone(), Some(shown.clone()), vec![shown]));
    assert_eq!((platform.ignored(1), platform.referral(2)), (Vec::new(), None));
}

#[tokio::test]
async fn what_the_platform_has_no_member_for_is_dropped_without_a_word() {
    let platform = platform().await;
    let mut body = with("Referral.RecipientDto.DateOfBirth", Some(json!("1950-02-03")));
    body["Referral"]["NhsNumber"] = json!("9990000018");
    body["Referral"]["reasonForSupport"] = json!("in the wrong case");
    assert_eq!(post(&platform, &body).await.status, 200);
    let lost = ["Referral.RecipientDto.DateOfBirth", "Referral.NhsNumber", "Referral.reasonForSupport"];
    assert_eq!(platform.ignored(1), lost);
    assert!(!platform.referral(1).unwrap().to_string().contains("9990000018"));
}

#[tokio::test]
async fn each_required_member_is_required() {
    let platform = platform().await;
    let required = [
        "Referral",
        "Metrics",
        "Metrics.RequestTimestamp",
        "Referral.Id",
        "Referral.ReasonForSupport",
        "Referral.EngageWithFamily",
        "Referral.RecipientDto",
        "Referral.RecipientDto.Name",
        "Referral.ReferralUserAccountDto",
        "Referral.ReferralUserAccountDto.Id",
        "Referral.ReferralUserAccountDto.EmailAddress",
        "Referral.ReferralServiceDto",
        "Referral.ReferralServiceDto.Id",
        "Referral.ReferralServiceDto.OrganisationDto",
        "Referral.ReferralServiceDto.OrganisationDto.Id",
        "Referral.Status",
        "Referral.Status.Name",
    ];
    for path in required {
        assert_eq!(post(&platform, &with(path, None)).await.members(), [path]);
        assert_eq!(post(&platform, &with(path, Some(Value::Null))).await.members(), [path]);
    }
    let two = json!({ "Referral": { "Id": 0 }, "Metrics": {} });
    assert_eq!(post(&platform, &two).await.members().len(), 7, "all faults at once");
    assert_eq!(platform.received().len(), 0);
}

#[tokio::test]
async fn each_wrong_value_is_refused_by_name_and_not_repeated() {
    let platform = platform().await;
    let wrong = [
        ("Referral.Id", json!(7)),
        ("Referral.Id", json!("0")),
        ("Referral.ReasonForSupport", json!("  ")),
        ("Referral.ReasonForSupport", json!(["SECRET"])),
        ("Referral.RecipientDto", json!("SECRET")),
        ("Referral.RecipientDto.Email", json!(5)),
        ("Referral.ReferralUserAccountDto.Id", json!(0)),
        ("Referral.ReferralUserAccountDto.Id", json!(-1)),
        ("Referral.Status.Name", json!("new")),
        ("Referral.Status.Name", json!("SECRET")),
        ("Metrics.RequestTimestamp", json!("SECRET")),
        ("Metrics.RequestTimestamp", json!("2026-06-15")),
    ];
    for (path, value) in wrong {
        let got = post(&platform, &with(path, Some(value))).await;
        assert_eq!(got.members(), [path]);
        assert!(!got.text.contains("SECRET"), "{}", got.text);
    }
    assert_eq!(platform.received().len(), 0);
}

#[tokio::test]
async fn each_limit_holds_at_its_edge() {
    let platform = platform().await;
    let limits = [
        ("Referral.ReasonForSupport", 500),
        ("Referral.EngageWithFamily", 500),
        ("Referral.ReasonForDecliningSupport", 500),
        ("Referral.RecipientDto.Name", 255),
        ("Referral.ReferralUserAccountDto.Name", 255),
        ("Referral.RecipientDto.Email", 254),
        ("Referral.ReferralUserAccountDto.EmailAddress", 254),
        ("Referral.ReferrerTelephone", 64),
        ("Referral.RecipientDto.Telephone", 64),
        ("Referral.RecipientDto.TextPhone", 64),
        ("Referral.ReferralUserAccountDto.PhoneNumber", 64),
    ];
    for (path, limit) in limits {
        let text = |length: usize| Some(json!("x".repeat(length)));
        assert_eq!(post(&platform, &with(path, text(limit))).await.status, 200, "{path}");
        assert_eq!(post(&platform, &with(path, text(limit + 1))).await.members(), [path]);
    }
    let lines = "x\r\n".repeat(250);
    assert_eq!(post(&platform, &whole(&lines)).await.status, 200, "a carriage return is not counted");
    assert_eq!(post(&platform, &whole(&format!("{lines}x"))).await.members(), ["Referral.ReasonForSupport"]);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let platform = platform().await;
    let address = format!("{}api/referrals", platform.base_url());
    for (media, body, status) in [
        ("application/json", "{", 400),
        ("application/json", "[]", 400),
        ("application/json", "", 400),
        ("text/plain", "{}", 415),
        ("application/x-www-form-urlencoded", "Referral=x", 415),
    ] {
        let request = client().post(&address).bearer_auth(sender(&platform)).header("content-type", media).body(body);
        assert_eq!(request.send().await.unwrap().status().as_u16(), status, "{media} {body}");
    }
}

#[tokio::test]
async fn a_status_moves_by_its_exact_name() {
    let platform = platform().await;
    post(&platform, &whole("Would like company")).await;
    let token = charity(&platform);
    let token = token.as_str();
    let set = |path: String| {
        let platform = &platform;
        async move { send(platform, Method::POST, &format!("api/status/{path}"), token, None).await }
    };
    let status = || platform.referral(1).unwrap()["status"]["name"].clone();
    for name in ["Opened", "Accepted", "Declined", "New", "Accepted"] {
        let got = set(format!("1/{name}")).await;
        assert_eq!((got.status, got.text.as_str()), (200, name));
        assert_eq!(status(), name, "any status may follow any");
    }
    for (path, expected) in [("1/opened", 404), ("1/Done", 404), ("1/", 404), ("9/Opened", 404), ("x/Opened", 400)] {
        assert_eq!(set(path.to_owned()).await.status, expected, "{path}");
        assert_eq!(status(), "Accepted");
    }
}

#[tokio::test]
async fn a_reason_is_one_segment_of_the_path() {
    let platform = platform().await;
    post(&platform, &whole("Would like company")).await;
    let token = charity(&platform);
    let token = token.as_str();
    let decline = |reason: String| {
        let path = format!("api/status/1/Declined/{reason}");
        let platform = &platform;
        async move { send(platform, Method::POST, &path, token, None).await.status }
    };
    let encoded = |text: &str| percent_encoding::utf8_percent_encode(text, SEGMENT).to_string();
    let reason = || platform.referral(1).unwrap()["reasonForDecliningSupport"].clone();
    let text = "We are full until June. Ask 100% again? #1 \u{2013} caf\u{e9}";
    assert_eq!(decline(encoded(text)).await, 200);
    assert_eq!(reason(), text);
    assert_eq!(decline("before/after".to_owned()).await, 404, "a slash is another segment");
    assert_eq!(decline(String::new()).await, 404);
    assert_eq!(decline("%ff".to_owned()).await, 400);
    assert_eq!(reason(), text);
    assert_eq!(decline("before%2fafter".to_owned()).await, 200);
    assert_eq!(reason(), "before%2Fafter", "an encoded slash comes through encoded");
    assert_eq!(decline("x".repeat(500)).await, 200);
    assert_eq!(decline("x".repeat(501)).await, 400);
    assert_eq!(send(&platform, Method::POST, "api/status/1/Opened", token, None).await.status, 200);
    assert_eq!(reason(), Value::Null, "the next move takes it away");
}

#[tokio::test]
async fn after_a_reset_nothing_is_left() {
    let start = time::macros::datetime!(2026-06-16 09:00 UTC);
    let platform = ConnectFamilies::start(ConnectFamiliesConfig { start, ..Default::default() }).await.unwrap();
    assert_eq!(platform.now(), start);
    post(&platform, &whole("Would like company")).await;
    platform.set_quirks(Quirks { status_in_lower_case: true, ..Quirks::default() });
    platform.advance(Duration::hours(2));
    assert_eq!((platform.received().len(), platform.requests().len()), (1, 1));
    platform.reset();
    assert_eq!(platform.now(), start);
    assert_eq!((platform.received().len(), platform.requests().len()), (0, 0));
    post(&platform, &whole("Would like company")).await;
    assert_eq!(get(&platform, "api/referral/1").await.json()["status"]["name"], "New", "the quirk is gone");
}

#[tokio::test]
async fn people_at_the_charity_move_what_the_sender_sees() {
    let platform = platform().await;
    post(&platform, &whole("Would like company")).await;
    let seen = || async {
        let shown = get(&platform, "api/referral/1").await.json();
        (shown["status"]["name"].clone(), shown["reasonForDecliningSupport"].clone(), shown["lastModified"].clone())
    };
    platform.advance(Duration::hours(2));
    assert!(platform.open(1));
    let (status, reason, modified) = seen().await;
    assert_eq!((status, reason), (json!("Opened"), Value::Null));
    assert!(modified.as_str().unwrap().starts_with("2026-06-15T14:00:00."), "{modified}");
    assert!(platform.accept(1));
    assert_eq!(seen().await.0, "Accepted");
    assert!(platform.decline(1, "No volunteers in this town"));
    let (status, reason, _) = seen().await;
    assert_eq!((status, reason), (json!("Declined"), json!("No volunteers in this town")));
    assert!(platform.set_status(1, Status::New, None));
    assert_eq!(seen().await.0, "New");
    assert!(!platform.open(2) && !platform.accept(2) && !platform.decline(2, "x"));
    platform.set_quirks(Quirks { status_in_lower_case: true, ..Quirks::default() });
    assert_eq!(seen().await.0, "new");
}
