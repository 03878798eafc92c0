//! What an update writes at the platform, and what it leaves: a platform of a few resources answers, and the transaction is looked at.

use adapter_contract::{
    Answer, FailureCode, Method, MinimisedReferral, PlatformReferralId, PlatformRequest, Purpose, Repeat, Settings,
    Step, systems,
};
use adapter_testing::{KEY, with_exchange};
use serde_json::{Value, json};

/// What stands behind our key at what was made of entry `n` of the referral.
fn suffix(n: usize) -> String {
    if n == 1 { "-1".to_owned() } else { format!("-0000000000004000800000000000000{n}") }
}

fn key(suffix: &str) -> Value {
    json!({"system": systems::REFERRAL_KEY, "value": format!("{KEY}{suffix}")})
}

/// The referral, where the sender's Task has no priority of its own.
fn referral() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/referrals/food-parcel.json");
    let mut bundle: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("is there")).expect("JSON");
    bundle["entry"][5]["resource"].as_object_mut().expect("a Task").remove("priority");
    bundle
}

/// The Task, order, person and what they lead to, as the submission left them.
fn platform() -> Vec<Value> {
    let nhs = referral()["entry"][1]["resource"]["identifier"][0].clone();
    let at = |kind: &str, id: &str, identifier: Value| json!({"resourceType": kind, "id": id, "meta": {"versionId": "1"}, "identifier": identifier});
    let (mut task, mut order) = (at("Task", "77", json!([key("")])), at("ServiceRequest", "9", json!([key("")])));
    task["status"] = json!("received");
    task["priority"] = json!("urgent");
    task["focus"] = json!({"reference": "ServiceRequest/9"});
    task["for"] = json!({"reference": "https://platform.example/fhir/Patient/5"});
    task["input"] = json!([{"valueReference": {"reference": "QuestionnaireResponse/8"}}]);
    order["status"] = json!("active");
    order["priority"] = json!("urgent");
    order["reasonReference"] = json!([{"reference": "Condition/6"}]);
    order["supportingInfo"] = json!([{"reference": "Observation/7"}]);
    vec![
        task,
        order,
        at("Patient", "5", json!([nhs, key("-1")])),
        at("Condition", "6", json!([key(&suffix(2))])),
        at("Observation", "7", json!([key(&suffix(3))])),
        at("QuestionnaireResponse", "8", key(&suffix(6))),
    ]
}

fn at<'a>(platform: &'a mut [Value], place: &str) -> &'a mut Value {
    let found = platform.iter_mut().find(|one| {
        format!("{}/{}", one["resourceType"].as_str().expect("a type"), one["id"].as_str().expect("an id")) == place
    });
    found.unwrap_or_else(|| panic!("{place} is not there"))
}

fn ok(body: &Value) -> Answer {
    Answer::Http { status: 200, headers: Vec::new(), body: body.to_string().into_bytes() }
}

/// The transaction with which the platform is told, and what repeating it means; or why it is not told.
fn told(bundle: &Value, platform: &mut [Value], keyed: bool) -> Result<(Value, Repeat), String> {
    let referral = MinimisedReferral::new(bundle.to_string());
    let id = PlatformReferralId("77".to_owned());
    let fixed = [
        ("base-url", "https://platform.example/fhir"),
        ("requester-ods", "X26"),
        ("requester-name", "Gateway"),
        ("conditional-create", if keyed { "true" } else { "false" }),
    ];
    let settings: Settings = fixed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    with_exchange(Purpose::Update { platform_referral: &id, referral: &referral }, KEY, &settings, |exchange| {
        let adapter = adapter_fhir_task::adapter();
        let mut step = adapter.begin(exchange).expect("begins");
        for _ in 0..4 {
            let (request, progress) = match step {
                Step::Send(PlatformRequest::Http(request), progress) => (request, progress),
                Step::Failed(error) => {
                    assert_eq!(error.code, FailureCode::Refused);
                    return Err(error.diagnostic);
                }
                other => panic!("{other:?}"),
            };
            let answer = if request.method == Method::Get {
                ok(at(platform, &request.path))
            } else {
                let body: Value = serde_json::from_slice(request.body.as_deref().expect("a body")).expect("JSON");
                if body["type"] == "transaction" {
                    return Ok((body, request.repeat));
                }
                let mut entries = Vec::new();
                for entry in body["entry"].as_array().expect("entries") {
                    let url = entry["request"]["url"].as_str().expect("a place").to_owned();
                    entries.push(json!({"resource": at(platform, &url), "response": {"status": "200"}}));
                }
                ok(&json!({"resourceType": "Bundle", "type": "batch-response", "entry": entries}))
            };
            step = adapter.resume(exchange, &progress, &answer).expect("goes on");
        }
        panic!("more steps than an update has")
    })
}

/// Method and address of each entry.
fn lines(transaction: &Value) -> Vec<String> {
    let line = |entry: &Value| {
        let request = &entry["request"];
        format!("{} {}", request["method"].as_str().expect("a method"), request["url"].as_str().expect("an address"))
    };
    transaction["entry"].as_array().expect("entries").iter().map(line).collect()
}

fn written<'a>(transaction: &'a Value, line: &str) -> &'a Value {
    let nth = lines(transaction).iter().position(|one| one == line).unwrap_or_else(|| panic!("{line} is not there"));
    &transaction["entry"][nth]["resource"]
}

const ALL: [&str; 5] =
    ["PUT Patient/5", "PUT Condition/6", "PUT Observation/7", "PUT QuestionnaireResponse/8", "PUT ServiceRequest/9"];

#[test]
fn all_that_was_sent_is_put_where_it_is_and_nothing_is_made_twice() {
    for keyed in [true, false] {
        let (transaction, repeat) = told(&referral(), &mut platform(), keyed).expect("is told");
        assert_eq!(lines(&transaction), ALL, "{keyed}");
        assert_eq!(repeat, Repeat::Keyed, "what is held by versions is harmless to repeat");
    }
}

#[test]
fn what_goes_and_what_comes_moves_nothing_from_one_resource_to_another() {
    let mut bundle = referral();
    let (mut platform, mut second) = (platform(), bundle["entry"][3].clone());
    second["fullUrl"] = json!("urn:uuid:00000000-0000-4000-8000-000000000009");
    second["resource"]["valueQuantity"]["value"] = json!(9);
    // Two Observations were sent, and the first is no longer referred to: another one comes in its place.
    let mut there = at(&mut platform, "Observation/7").clone();
    (there["id"], there["identifier"]) = (json!("70"), json!([key(&suffix(9))]));
    platform.push(there);
    at(&mut platform, "ServiceRequest/9")["supportingInfo"] =
        json!([{"reference": "Observation/7"}, {"reference": "Observation/70"}]);
    bundle["entry"][0]["resource"]["supportingInfo"][0]["reference"] = second["fullUrl"].clone();
    bundle["entry"][3] = second;
    let (transaction, _) = told(&bundle, &mut platform, true).expect("is told");
    assert_eq!(written(&transaction, "PUT Observation/70")["valueQuantity"]["value"], json!(9));
    assert!(!lines(&transaction).contains(&"PUT Observation/7".to_owned()), "{transaction}");
    let info = &written(&transaction, "PUT ServiceRequest/9")["supportingInfo"];
    assert_eq!(info.as_array().expect("a list").len(), 1, "what is ours and gone is not referred to: {info}");
}

#[test]
fn what_the_platform_has_added_stays() {
    let mut platform = platform();
    platform.push(json!({"resourceType": "Observation", "id": "90", "meta": {"versionId": "1"}}));
    let order = at(&mut platform, "ServiceRequest/9");
    order["status"] = json!("on-hold");
    order["note"] = json!([{"text": "Rang twice"}]);
    order["identifier"].as_array_mut().expect("a list").push(json!({"system": "urn:theirs", "value": "1"}));
    // In front of ours, where a place in the list would have found it.
    order["supportingInfo"] = json!([{"reference": "Observation/90"}, {"reference": "Observation/7"}]);
    at(&mut platform, "Patient/5")["maritalStatus"] = json!({"text": "Widowed"});
    // Elements that the referral had before, and has not now.
    at(&mut platform, "Patient/5")["deceasedBoolean"] = json!(false);
    at(&mut platform, "ServiceRequest/9")["orderDetail"] = json!([{"text": "Ground floor"}]);
    let mut without = referral();
    without["entry"][0]["resource"].as_object_mut().expect("an order").remove("supportingInfo");
    for (bundle, ours) in [(referral(), 1), (without, 0)] {
        let (transaction, _) = told(&bundle, &mut platform, true).expect("is told");
        assert!(!transaction.to_string().contains("PUT Observation/90"));
        let order = written(&transaction, "PUT ServiceRequest/9");
        let info = order["supportingInfo"].as_array().expect("a list");
        assert_eq!(info.len(), ours + 1, "{order}");
        assert_eq!(info.last().expect("one"), &json!({"reference": "Observation/90"}));
        assert_eq!((&order["status"], &order["note"][0]["text"]), (&json!("on-hold"), &json!("Rang twice")));
        assert_eq!(order["identifier"], json!([key(""), {"system": "urn:theirs", "value": "1"}]));
        assert_eq!(order.get("orderDetail"), None);
        let person = written(&transaction, "PUT Patient/5");
        assert_eq!((&person["maritalStatus"]["text"], person.get("deceasedBoolean")), (&json!("Widowed"), None));
        assert_eq!(person["name"], bundle["entry"][1]["resource"]["name"]);
    }
}

#[test]
fn what_is_new_is_created_under_a_key_of_what_it_says_and_found_by_the_next_change() {
    let mut bundle = referral();
    let mut there = platform();
    there.retain(|one| one["resourceType"] != "Observation");
    at(&mut there, "ServiceRequest/9")["supportingInfo"] = json!([]);
    let (first, repeat) = told(&bundle, &mut there, true).expect("is told");
    assert_eq!((lines(&first)[2].as_str(), repeat), ("POST Observation", Repeat::Keyed));
    let made = written(&first, "POST Observation").clone();
    let (again, _) = told(&bundle, &mut there, true).expect("is told");
    assert_eq!(again, first, "the same change is the same transaction");
    // Without conditional creates a second one could be made: nobody repeats it unasked.
    assert_eq!(told(&bundle, &mut there, false).expect("is told").1, Repeat::LookUpFirst);
    // Something else that it says is another key, so that an old one which nothing leads to is not taken for it.
    bundle["entry"][3]["resource"]["valueQuantity"]["value"] = json!(7);
    let (other, _) = told(&bundle, &mut there, true).expect("is told");
    assert_ne!(written(&other, "POST Observation")["identifier"], made["identifier"]);
    // Once it is there it is found by whose it is.
    let mut stored = made;
    (stored["id"], stored["meta"]) = (json!("7"), json!({"versionId": "4"}));
    there.push(stored);
    at(&mut there, "ServiceRequest/9")["supportingInfo"] = json!([{"reference": "Observation/7"}]);
    let (third, _) = told(&bundle, &mut there, true).expect("is told");
    assert_eq!(lines(&third), ALL);
    assert_eq!(written(&third, "PUT Observation/7")["identifier"], written(&other, "POST Observation")["identifier"]);
}

type Change = fn(&mut Value, &mut Vec<Value>);

#[test]
fn what_is_not_ours_to_write_is_left_and_a_person_is_told_why() {
    let cases: [(&str, Change); 9] = [
        ("order at the platform does not carry our key", |_, all| {
            at(all, "ServiceRequest/9")["identifier"] = json!([]);
        }),
        ("does not carry our key and no other", |_, all| at(all, "Patient/5")["identifier"] = json!([])),
        ("does not carry our key and no other", |_, all| {
            let other = json!({"system": systems::REFERRAL_KEY, "value": "another-1"});
            at(all, "Patient/5")["identifier"].as_array_mut().expect("a list").push(other);
        }),
        ("an identifier of its own", |_, all| {
            let own = json!({"system": "urn:theirs", "value": "C-1"});
            at(all, "Patient/5")["identifier"].as_array_mut().expect("a list").push(own);
        }),
        ("linked the person's record", |_, all| {
            at(all, "Patient/5")["link"] = json!([{"type": "replaced-by", "other": {"reference": "Patient/50"}}]);
        }),
        ("with their versions", |_, all| at(all, "Patient/5")["meta"] = json!({})),
        ("leads to no person", |_, all| {
            at(all, "Task/77")["for"] = json!({"reference": "https://other.example/Patient/5"})
        }),
        ("what the Task says besides the order", |_, all| {
            at(all, "QuestionnaireResponse/8")["identifier"] = key("-another");
        }),
        ("the priority has changed", |bundle, _| bundle["entry"][0]["resource"]["priority"] = json!("asap")),
    ];
    for (words, change) in cases {
        let (mut bundle, mut platform) = (referral(), platform());
        change(&mut bundle, &mut platform);
        let said = told(&bundle, &mut platform, true).expect_err(words);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_priority_is_told_where_the_task_says_it_already_or_never_said_the_orders() {
    // Somebody there set it, after a call.
    let (mut bundle, mut there) = (referral(), platform());
    bundle["entry"][0]["resource"]["priority"] = json!("stat");
    at(&mut there, "Task/77")["priority"] = json!("stat");
    assert!(told(&bundle, &mut there, true).is_ok());
    // The platform has its own view of it, and ours has not changed.
    let mut there = platform();
    at(&mut there, "Task/77")["priority"] = json!("routine");
    assert!(told(&referral(), &mut there, true).is_ok());
    // The sender's Task has its own, which was sent and stands.
    let mut bundle = referral();
    bundle["entry"][0]["resource"]["priority"] = json!("stat");
    bundle["entry"][5]["resource"]["priority"] = json!("urgent");
    assert!(told(&bundle, &mut platform(), true).is_ok());
}

#[test]
fn a_resource_without_room_for_our_key_is_not_stored_again_with_each_change() {
    let (mut bundle, mut there) = (referral(), platform());
    bundle["entry"][6]["resource"]["identifier"] = json!({"value": "own"});
    bundle["entry"][0]["resource"]["supportingInfo"] = json!([{"reference": bundle["entry"][6]["fullUrl"]}]);
    bundle["entry"][5]["resource"].as_object_mut().expect("a Task").remove("input");
    at(&mut there, "Task/77").as_object_mut().expect("a Task").remove("input");
    let said = told(&bundle, &mut there, false).expect_err("is not told");
    assert!(said.contains("no room for our key"), "{said}");
}

#[test]
fn more_than_is_read_for_one_change_is_not_half_read() {
    let mut there = platform();
    let many: Vec<Value> = (0..40).map(|n| json!({"reference": format!("Flag/{n}")})).collect();
    at(&mut there, "ServiceRequest/9")["supportingInfo"] = json!(many);
    assert!(told(&referral(), &mut there, true).expect_err("is not told").contains("more resources"));
}

#[test]
fn a_number_that_the_platform_put_beside_the_senders_in_the_same_system_is_not_taken_away() {
    let mut there = platform();
    let mut other = referral()["entry"][1]["resource"]["identifier"][0].clone();
    other["value"] = json!("9990000026");
    at(&mut there, "Patient/5")["identifier"].as_array_mut().expect("a list").push(other);
    let words = told(&referral(), &mut there, true).expect_err("it is refused");
    assert!(words.contains("identifier of its own"), "{words}");
}

#[test]
fn what_cannot_be_read_with_its_version_is_not_stored_a_second_time() {
    let mut there = platform();
    at(&mut there, "Condition/6").as_object_mut().expect("a resource").remove("meta");
    let words = told(&referral(), &mut there, true).expect_err("it is refused");
    assert!(words.contains("can be read with its version"), "{words}");
}
