//! Messages that change a referral: about the same person, each taken once, in the order in which they were made, and answered with what
//! was written.

use super::{SENDER, cancellation, guid, message, part, post, told};
use crate::support::{Answer, GP, World, assert_valid};
use serde_json::{Value, json};

const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";

/// The change of the referral that was answered so, made on this minute.
fn change(taken: &Answer, sent: &Value, id: u32, minute: u32) -> Value {
    let mut update = sent.clone();
    update["id"] = json!(guid(id));
    update["timestamp"] = json!(format!("2026-06-02T10:{minute:02}:00+01:00"));
    part(&mut update, "ServiceRequest")["id"] = part(&mut taken.json(), "ServiceRequest")["id"].clone();
    part(&mut update, "MessageHeader")["reason"]["coding"][0]["code"] = json!("update");
    update
}

/// A world with one referral, of a person as this makes them; the answer to it.
async fn referred(person: impl Fn(&mut Value)) -> (World, Value, Answer) {
    let world = World::quiet().await;
    let mut sent = message(0);
    person(part(&mut sent, "Patient"));
    let taken = world.send(post(&world, 1, &sent)).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    (world, sent, taken)
}

async fn patient(world: &World) -> Value {
    world.task(&format!("/fhir/{}", world.referral().await.patient)).await
}

/// Who has no number is known by name and day of birth.
fn unnumbered(patient: &mut Value) {
    patient.as_object_mut().unwrap().remove("identifier");
    patient["name"] = json!([{ "family": "Ahmed", "given": ["Sara"] }]);
    patient["birthDate"] = json!("1961-04-05");
}

#[tokio::test]
async fn where_a_number_is_missing_name_and_day_of_birth_say_who_it_is() {
    type Person = fn(&mut Value);
    let refused: &[(&str, Person, u16, &str)] = &[
        ("another day", |p| p["birthDate"] = json!("1961-05-04"), 409, "conflict"),
        ("another name", |p| p["name"] = json!([{ "family": "Jones" }]), 409, "conflict"),
        (
            "another number and day",
            |p| {
                p["identifier"] = json!([{ "system": NHS_NUMBER, "value": "9990000026" }]);
                p["birthDate"] = json!("1950-01-01");
            },
            409,
            "conflict",
        ),
        ("no day", |p| drop(p.as_object_mut().unwrap().remove("birthDate")), 422, "required"),
        ("no name", |p| drop(p.as_object_mut().unwrap().remove("name")), 422, "required"),
        (
            "a number alone",
            |p| {
                *p = json!({ "resourceType": "Patient", "identifier": [{ "system": NHS_NUMBER, "value": "9990000026" }] });
            },
            422,
            "required",
        ),
    ];
    let (world, sent, taken) = referred(unnumbered).await;
    let before = world.store().content_hash().await.unwrap();
    for (n, (case, person, status, issue)) in (10..).step_by(2).zip(refused) {
        let mut update = change(&taken, &sent, 500, 1);
        person(part(&mut update, "Patient"));
        part(&mut update, "Patient")["telecom"] = json!([{ "system": "phone", "value": "07700 900999" }]);
        // The telephone is one of somebody else.
        let mut cancel = cancellation(&taken.json(), "revoked");
        *part(&mut cancel, "Patient") = part(&mut update, "Patient").clone();
        for (request, message) in [(n, &update), (n + 1, &cancel)] {
            let answer = world.send(post(&world, request, message)).await;
            let (is_status, code, _) = told(case, &answer);
            assert_eq!((is_status, code.as_str()), (*status, *issue), "{case}: {}", answer.text);
            assert!(!answer.text.contains("Ahmed") && !answer.text.contains("1961"), "{}", answer.text);
        }
        assert_eq!(world.store().content_hash().await.unwrap(), before, "{case}");
    }
    // The same, in other letters and with another name beside it.
    let mut update = change(&taken, &sent, 501, 2);
    part(&mut update, "Patient")["name"] = json!([{ "family": "AHMED" }, { "use": "maiden", "family": "Khan" }]);
    let answer = world.send(post(&world, 2, &update)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(patient(&world).await["name"][1]["family"], "Khan");
    let mut cancel = cancellation(&taken.json(), "revoked");
    *part(&mut cancel, "Patient") =
        json!({ "resourceType": "Patient", "birthDate": "1961-04-05", "name": [{ "family": "Khan" }] });
    let answer = world.send(post(&world, 3, &cancel)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn all_that_may_change_of_a_person_is_taken_and_a_stub_changes_nothing() {
    let (world, sent, taken) = referred(|patient| {
        patient["telecom"] = json!([{ "system": "phone", "value": "01632 960001" }]);
        patient["generalPractitioner"] = json!([{ "reference": SENDER }]);
    })
    .await;
    let before = patient(&world).await;
    // Who is meant, and nothing of them.
    let mut stub = change(&taken, &sent, 500, 1);
    let identifier = part(&mut stub, "Patient")["identifier"].clone();
    *part(&mut stub, "Patient") = json!({ "resourceType": "Patient", "identifier": identifier });
    let answer = world.send(post(&world, 2, &stub)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(patient(&world).await, before);
    // The whole again, with what has happened since.
    let mut update = change(&taken, &sent, 501, 2);
    let person = part(&mut update, "Patient");
    person["deceasedDateTime"] = json!("2026-06-01");
    person["birthDate"] = json!("1960-02-03");
    person["contact"] = json!([{ "name": { "text": "a daughter" } }]);
    person.as_object_mut().unwrap().remove("telecom");
    let practice = before["generalPractitioner"][0]["reference"].clone();
    assert!(practice.as_str().unwrap().starts_with("Organization/"), "{practice}");
    let answer = world.send(post(&world, 3, &update)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_valid("answer", &answer.text);
    let after = patient(&world).await;
    assert_eq!((&after["deceasedDateTime"], &after["birthDate"]), (&json!("2026-06-01"), &json!("1960-02-03")));
    assert_eq!((&after["contact"][0]["name"]["text"], after.get("telecom")), (&json!("a daughter"), None));
    assert_eq!(after["generalPractitioner"][0]["reference"], practice, "the same practice under the sender's fullUrl");
    assert_eq!(after["identifier"], before["identifier"]);
    // Nobody comes back to life because a message says nothing of it.
    let silent = change(&taken, &sent, 502, 3);
    let answer = world.send(post(&world, 4, &silent)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(patient(&world).await["deceasedDateTime"], "2026-06-01");
    let mut corrected = change(&taken, &sent, 503, 4);
    part(&mut corrected, "Patient")["deceasedBoolean"] = json!(false);
    let answer = world.send(post(&world, 5, &corrected)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let after = patient(&world).await;
    assert_eq!((&after["deceasedBoolean"], after.get("deceasedDateTime")), (&json!(false), None));
    // What stays is refused, where it stands in the message.
    let mut linked = change(&taken, &sent, 504, 5);
    part(&mut linked, "Patient")["link"] = json!([{ "type": "seealso", "other": { "identifier": { "value": "x" } } }]);
    let place = linked["entry"].as_array().unwrap().iter().position(|one| one["resource"]["resourceType"] == "Patient");
    let answer = world.send(post(&world, 6, &linked)).await;
    let expected = ("business-rule".to_owned(), format!("Bundle.entry[{}].resource.link", place.unwrap()));
    assert_eq!((answer.status.as_u16(), answer.issues()), (422, vec![expected]), "{}", answer.text);
}

#[tokio::test]
async fn a_change_is_taken_once_and_an_older_one_undoes_no_newer() {
    let (world, sent, taken) = referred(|_| ()).await;
    let flag = |update: &mut Value, text: &str| {
        let subject = part(update, "ServiceRequest")["subject"].clone();
        update["entry"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "fullUrl": format!("urn:uuid:{}", guid(701)), "resource": {
            "resourceType": "Flag", "status": "active", "subject": subject, "code": { "text": text } } }));
    };
    let mut first = change(&taken, &sent, 500, 10);
    flag(&mut first, "a dog");
    let answer = world.send(post(&world, 2, &first)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut newer = change(&taken, &sent, 501, 30);
    flag(&mut newer, "two dogs");
    let answer = world.send(post(&world, 3, &newer)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let before = world.store().content_hash().await.unwrap();
    let older = change(&taken, &sent, 502, 20);
    let mut of_the_first = change(&taken, &sent, 503, 40);
    of_the_first["id"] = sent["id"].clone();
    let mut untimed = change(&taken, &sent, 504, 0);
    untimed.as_object_mut().unwrap().remove("timestamp");
    let mut anew = message(1);
    anew["id"] = first["id"].clone();
    for (case, request, sent, status, issue) in [
        ("the first again", 10, &first, 409, "duplicate"),
        ("the newer again", 11, &newer, 409, "duplicate"),
        ("under the id of the referral", 12, &of_the_first, 409, "duplicate"),
        ("a referral under the id of a change", 13, &anew, 409, "duplicate"),
        ("made before", 14, &older, 409, "conflict"),
        ("made at no time", 15, &untimed, 422, "required"),
    ] {
        let answer = world.send(post(&world, request, sent)).await;
        let (is_status, code, _) = told(case, &answer);
        assert_eq!((is_status, code.as_str()), (status, issue), "{case}: {}", answer.text);
    }
    assert_eq!(world.store().content_hash().await.unwrap(), before);
    // A clock that ran ahead once shuts nobody out for ever.
    let mut ahead = change(&taken, &sent, 505, 0);
    ahead["timestamp"] = json!("2999-01-01T00:00:00Z");
    assert_eq!(world.send(post(&world, 20, &ahead)).await.status, 200);
    let mut later = change(&taken, &sent, 506, 0);
    later["timestamp"] = json!("2998-01-01T00:00:00Z");
    assert_eq!(world.send(post(&world, 21, &later)).await.status, 200);
}

#[tokio::test]
async fn of_the_same_change_sent_twice_at_once_one_is_taken() {
    let (world, sent, taken) = referred(|_| ()).await;
    let mut update = change(&taken, &sent, 500, 1);
    part(&mut update, "ServiceRequest")["orderDetail"] = json!([{ "text": "Ground floor only" }]);
    let (one, two) = tokio::join!(world.send(post(&world, 2, &update)), world.send(post(&world, 3, &update)));
    let mut both =
        [(one.status.as_u16(), one.text.contains("duplicate")), (two.status.as_u16(), two.text.contains("duplicate"))];
    both.sort_unstable();
    assert_eq!(both, [(200, false), (409, true)], "{} {}", one.text, two.text);
    let request = format!("/fhir/ServiceRequest/{}", world.referral().await.service_request);
    assert_eq!(world.task(&request).await["meta"]["versionId"], "2");
}

#[tokio::test]
async fn the_answer_shows_the_task_as_it_was_written() {
    let (world, sent, taken) = referred(|_| ()).await;
    let update = change(&taken, &sent, 500, 1);
    let answer = world.send(post(&world, 2, &update)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let referral = world.referral().await;
    let task = world.task(&format!("/fhir/Task/{}", referral.task)).await;
    let mut said = answer.json();
    assert_eq!(part(&mut said, "Task")["meta"], task["meta"]);
    let version = format!("/Task/{}/_history/{}", referral.task, task["meta"]["versionId"].as_str().unwrap());
    assert!(answer.header("location").ends_with(&version), "{}", answer.header("location"));
    let numbers = part(&mut said, "ServiceRequest")["identifier"].as_array().unwrap().clone();
    assert!(numbers.iter().any(|one| one["value"] == referral.key.0.as_str()), "{numbers:?}");
    let words = part(&mut said, "OperationOutcome")["issue"][0]["diagnostics"].clone();
    assert!(words.as_str().unwrap().starts_with("The change is stored"), "{words}");
    let names = world.get(GP, &format!("/fhir/Task?identifier={}", guid(500))).await.json();
    assert_eq!((names["total"].as_u64(), &names["entry"][0]["resource"]["id"]), (Some(1), &task["id"]));
}

#[tokio::test]
async fn the_platform_is_told_of_a_change_and_not_of_its_name() {
    let (world, food, _) = World::with_platforms("").await;
    let sent = message(0);
    let taken = world.send(post(&world, 1, &sent)).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    let task = format!("/fhir/Task/{}", world.referral().await.task);
    world.delivered(&task).await;
    let mut update = change(&taken, &sent, 501, 2);
    part(&mut update, "ServiceRequest")["orderDetail"] = json!([{ "text": "Ground floor only" }]);
    assert_eq!(world.send(post(&world, 3, &update)).await.status, 200);
    world.outbox_idle().await;
    let bodies: String = food.requests().iter().map(|request| request.body.clone()).collect();
    assert!(bodies.contains("Ground floor only"));
    assert!(!bodies.contains("bars-change"));
}

/// A message repeats the whole person: what it says again must not look like a change of each referral of theirs.
#[tokio::test]
async fn a_person_who_is_only_repeated_is_not_changed() {
    let (world, sent, taken) = referred(|patient| {
        patient["telecom"] = json!([{ "system": "phone", "value": "01632 960001" }]);
        patient["gender"] = json!("female");
    })
    .await;
    let before = patient(&world).await;
    let mut update = change(&taken, &sent, 21, 30);
    part(&mut update, "ServiceRequest")["note"] = json!([{ "text": "Please ring twice." }]);
    let answer = world.send(post(&world, 22, &update)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(patient(&world).await, before);
    world.stop().await;
}
