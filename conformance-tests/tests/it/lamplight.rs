//! The double of Lamplight: that it takes what the documentation says, and refuses what it refuses.

use conformance_tests::lamplight::{IdForm, Lamplight, LamplightConfig};
use conformance_tests::platform::{Fault, FaultKind, Match};
use conformance_tests::simulator::{Namespace, Simulator};
use serde_json::{Value, json};

const PROJECT: &str = "format=json&lampid=12&project=4&key=lamplight-key-of-tests";

async fn start() -> Simulator<Lamplight> {
    Simulator::start(|| Lamplight::new(LamplightConfig::default())).await.unwrap()
}

async fn post(platform: &Namespace<Lamplight>, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let address = format!("{}/{path}", platform.base_url());
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = reqwest::Client::new().post(address).header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
}

async fn person(platform: &Namespace<Lamplight>, form: &[(&str, &str)]) -> (u16, Value) {
    post(platform, &format!("people/add/role/user?{PROJECT}"), form).await
}

async fn referral(platform: &Namespace<Lamplight>, form: &[(&str, &str)]) -> (u16, Value) {
    post(platform, &format!("referral/add?{PROJECT}"), form).await
}

fn error(answer: &(u16, Value)) -> i64 {
    assert_eq!(answer.0, 400, "{}", answer.1);
    answer.1["error"].as_i64().unwrap()
}

#[tokio::test]
async fn a_person_a_referrer_and_a_referral_are_three_calls() {
    let simulator = start().await;
    let platform = simulator.root();
    let added = person(&platform, &[("surname", "Example"), ("postcode", "LS1 1AA"), ("mobile", "07700 900123")]).await;
    assert_eq!(added, (200, json!({ "data": 651, "meta": "" })));
    let contact = post(&platform, &format!("people/add/role/contact?{PROJECT}"), &[("surname", "Referrer")]).await;
    assert_eq!(contact.1["data"], 652);
    let form = [("attendee", "651"), ("referrer", "652"), ("referral_reason", "Food"), ("workareaid", "22")];
    let made = referral(&platform, &form).await;
    assert_eq!(made, (200, json!({ "data": { "id": 653, "attend": true }, "meta": "" })));
    platform.with(|lamplight, _| {
        let kept = &lamplight.referrals()[0];
        assert_eq!((kept.attendee, kept.referrer, kept.workarea), (651, Some(652), Some(22)));
        assert_eq!((kept.reason.as_str(), kept.date_from.as_str()), ("Food", "2026-06-15"));
        assert_eq!(lamplight.of_role("user")[0].field("postcode"), Some("LS1 1AA"));
    });
    assert_eq!(platform.requests().len(), 3);
    assert!(platform.with(|lamplight, _| lamplight.remove_referral(653) && lamplight.referrals().is_empty()));
    assert!(!platform.with(|lamplight, _| lamplight.remove_referral(653)), "it is gone");
    platform.reset();
    assert!(platform.with(|lamplight, _| lamplight.people().is_empty()) && platform.requests().is_empty());
}

#[tokio::test]
async fn the_same_call_twice_makes_two_and_an_address_that_both_have_names_nobody() {
    let simulator = start().await;
    let platform = simulator.root();
    for _ in 0..2 {
        assert_eq!(person(&platform, &[("surname", "Example"), ("email", "sam@example.org")]).await.0, 200);
    }
    assert_eq!(error(&referral(&platform, &[("attendee", "sam@example.org")]).await), 1024);
    assert_eq!(platform.with(|lamplight, _| (lamplight.people().len(), lamplight.messages().len())), (2, 1));
    assert_eq!(referral(&platform, &[("attendee", "651")]).await.0, 200, "the id is unambiguous");
}

#[tokio::test]
async fn what_is_not_valid_is_refused_and_nothing_is_kept() {
    let simulator = start().await;
    let platform = simulator.root();
    for (form, code) in [
        (vec![("surname", "Example"), ("postcode", "ls1 1aa")], 1055),
        (vec![("surname", "Example"), ("mobile", "0113 496 0123")], 1055),
        (vec![("surname", "Example"), ("email", "nobody")], 1055),
        (vec![("postcode", "LS1 1AA")], 1056),
        (vec![("surname", "Ex<b>ample")], 9999),
    ] {
        assert_eq!(error(&person(&platform, &form).await), code, "{form:?}");
    }
    assert!(platform.with(|lamplight, _| lamplight.people().is_empty()));
    let somebody = platform.with(|lamplight, _| lamplight.make("user", &[("surname", "Example")])).to_string();
    for (form, code) in [
        (vec![("referral_reason", "Food")], 1022),
        (vec![("attendee", "somebody")], 1022),
        (vec![("attendee", "999999")], 1024),
        (vec![("attendee", somebody.as_str()), ("referrer", "999999")], 1024),
        (vec![("attendee", somebody.as_str()), ("workareaid", "99")], 1040),
        (vec![("attendee", somebody.as_str()), ("date_from", "31/12/2026")], 1040),
        (vec![("attendee", somebody.as_str()), ("Colour", "Orange")], 1040),
        (vec![("attendee", somebody.as_str()), ("referral_reason", "<i>Food</i>")], 9999),
    ] {
        assert_eq!(error(&referral(&platform, &form).await), code, "{form:?}");
    }
    assert!(platform.with(|lamplight, _| lamplight.referrals().is_empty()));
}

#[tokio::test]
async fn a_custom_field_that_does_not_fit_leaves_the_person_there() {
    let simulator = start().await;
    let platform = simulator.root();
    let options = vec!["Female".to_owned(), "Male".to_owned()];
    let set_up = |config: &mut LamplightConfig| config.custom_fields = vec![("Gender".to_owned(), options.clone())];
    platform.with(|lamplight, _| lamplight.set_up(set_up));
    assert_eq!(person(&platform, &[("surname", "Example"), ("gender", "Male")]).await.0, 200);
    assert_eq!(error(&person(&platform, &[("surname", "Other"), ("gender", "Other")]).await), 1058);
    assert_eq!(error(&person(&platform, &[("surname", "Third"), ("shoe_size", "8")]).await), 1058);
    let kept = platform
        .with(|lamplight, _| lamplight.people().iter().map(|one| one.field("gender").is_some()).collect::<Vec<_>>());
    assert_eq!(kept, [true, false, false], "the person is kept, the field is not");
}

#[tokio::test]
async fn what_is_not_switched_on_may_not_be_done_and_places_run_out() {
    let simulator = start().await;
    let platform = simulator.root();
    let somebody = platform.with(|lamplight, _| lamplight.make("user", &[("surname", "Example")])).to_string();
    platform.with(|lamplight, _| lamplight.set_up(|config| config.places = Some(1)));
    assert_eq!(referral(&platform, &[("attendee", &somebody)]).await.0, 200);
    assert_eq!(error(&referral(&platform, &[("attendee", &somebody)]).await), 1025);
    platform.with(|lamplight, _| lamplight.set_up(|config| (config.referrals, config.roles) = (false, Vec::new())));
    assert_eq!(error(&referral(&platform, &[("attendee", &somebody)]).await), 1027);
    assert_eq!(error(&person(&platform, &[("surname", "Example")]).await), 1054);
    let nobody = post(&platform, &format!("people/add/role/king?{PROJECT}"), &[("surname", "Example")]).await;
    assert_eq!(error(&nobody), 1001);
}

#[tokio::test]
async fn whoever_lacks_a_credential_or_the_format_is_turned_away() {
    let simulator = start().await;
    let platform = simulator.root();
    for query in [
        "",
        "format=json&lampid=12&project=4",
        "format=json&lampid=12&project=4&key=other",
        "format=json&lampid=13&project=4&key=lamplight-key-of-tests",
        "format=json&lampid=12&project=5&key=lamplight-key-of-tests",
    ] {
        let answer = post(&platform, &format!("people/add/role/user?{query}"), &[("surname", "Example")]).await;
        assert_eq!(answer.0, 401, "{query}");
    }
    let without = PROJECT.replace("format=json&", "");
    assert_eq!(post(&platform, &format!("people/add/role/user?{without}"), &[("surname", "Example")]).await.0, 400);
    let in_path = "people/add/role/user/format/json/lampid/12/project/4/key/lamplight-key-of-tests";
    assert_eq!(post(&platform, in_path, &[("surname", "Example")]).await.0, 200, "they may stand in the path");
}

#[tokio::test]
async fn nothing_can_be_read_back_and_people_are_only_posted() {
    let simulator = start().await;
    let platform = simulator.root();
    for (path, code) in [("referral/all", 1004), ("referral/add", 1004), ("people/add/role/user", 1050)] {
        let answer = reqwest::get(format!("{}/{path}?{PROJECT}", platform.base_url())).await.unwrap();
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.json::<Value>().await.unwrap()["error"], code, "{path}");
    }
}

#[tokio::test]
async fn an_id_is_answered_in_each_documented_form_and_faults_speak_the_format() {
    let simulator = start().await;
    let platform = simulator.root();
    for (form, expected) in [
        (IdForm::Bare, json!(651)),
        (IdForm::Record, json!({ "id": 652, "attend": true })),
        (IdForm::List, json!([{ "id": 653, "attend": true }])),
    ] {
        platform.with(|lamplight, _| lamplight.set_up(|config| config.person_id = form));
        assert_eq!(person(&platform, &[("surname", "Example")]).await.1["data"], expected);
    }
    platform.faults().push(Fault::new(Match::on("POST", "/people"), FaultKind::ErrorInSuccess));
    let (status, body) = person(&platform, &[("surname", "Example")]).await;
    assert_eq!((status, &body["error"]), (200, &json!(1007)));
    assert_eq!(platform.with(|lamplight, _| lamplight.people().len()), 3, "a fault in its own words stores nothing");
}
