//! A patient whose record is labelled restricted, through the running gateway: nothing that tells the place reaches the
//! platform, and what cannot be sent without it is put before a person.

use crate::losses::{Scene, script};
use crate::preview::{parts, previewed, values};
use crate::support::{Setup, World, bundle, inside, settle};
use serde_json::{Value, json};

const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

/// A referral of a restricted patient with words that nobody may see, to which a Consent agrees that speaks of this level.
fn restricted(level: &str, consent: Option<&str>) -> Value {
    let mut referral = bundle(0);
    let patient = inside(&mut referral, "Patient");
    patient.as_object_mut().unwrap().remove("extension");
    patient["meta"]["security"] = json!([{"system": CONFIDENTIALITY, "code": level}]);
    patient["name"] = json!([{"family": "Staysname", "text": "canary name"}]);
    patient["address"] = json!([{"line": ["canary line"], "postalCode": "LS1 4AP"}]);
    patient["telecom"] = json!([{"system": "phone", "value": "01134960000"}]);
    patient["contact"] = json!([{"name": {"text": "canary contact"}}]);
    patient["generalPractitioner"] = json!([{"display": "canary practice"}]);
    patient["managingOrganization"] = json!({"display": "canary organisation"});
    let request = inside(&mut referral, "ServiceRequest");
    request.as_object_mut().unwrap().remove("orderDetail");
    request["note"] = json!([{"text": "canary note"}]);
    request["patientInstruction"] = json!("canary instruction");
    if let Some(level) = consent {
        inside(&mut referral, "Consent")["provision"]["securityLabel"] =
            json!([{"system": CONFIDENTIALITY, "code": level}]);
    }
    referral
}

fn reason(task: &Value) -> &str {
    task["statusReason"]["text"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn no_whereabouts_reach_the_platform_and_only_a_consent_that_speaks_of_the_label_lets_anything_go() {
    let (world, food, _befriending) = World::with_platforms("").await;
    for (level, consent) in [("R", None), ("R", Some("N")), ("V", Some("R")), ("REDACTED", Some("V"))] {
        let sent = world.submit(&restricted(level, consent)).await;
        let task = sent.resource("Task");
        assert_eq!(task["status"], "on-hold", "{level} {consent:?}");
        assert!(reason(task).contains("labelled restricted"), "{level} {consent:?}: {}", reason(task));
    }
    settle().await;
    assert_eq!(food.tasks().len(), 0);

    let told = previewed(&world, &restricted("R", Some("R"))).await;
    assert_eq!(values(&told, "verdict"), ["redact"], "{told}");
    let withheld = parts(&told, "withheld");
    for element in ["Patient.address", "Patient.telecom", "ServiceRequest.note", "ServiceRequest.requester"] {
        let one = withheld.iter().find(|one| values(one, "element") == [element]).expect(element);
        let why = (values(one, "reason").concat(), values(one, "rule").concat());
        assert_eq!(why, ("whereabouts".to_owned(), "R7:restricted-patient".to_owned()), "{element}");
    }
    let sent = world.submit(&restricted("R", Some("R"))).await;
    // What is lost may be grave enough that the sender has to let it go knowingly; consent is settled.
    if sent.resource("Task")["status"] == "on-hold" {
        assert!(reason(sent.resource("Task")).contains("(unsafe)"), "{}", reason(sent.resource("Task")));
        world.move_task(&sent.path("Task"), "requested").await;
    }
    world.delivered(&sent.path("Task")).await;
    let bytes: String = food.requests().iter().map(|request| request.body.clone()).collect();
    assert!(bytes.contains("Staysname"), "the name tells no place");
    for gone in ["canary", "LS1 4AP", "01134960000"] {
        assert!(!bytes.contains(gone), "{gone}");
    }
    // That the label would be in the way, too, does not keep a withdrawal from travelling.
    let inactive = |consent: &mut Value| consent["status"] = json!("inactive");
    assert_eq!(world.change(&sent.path("Consent"), inactive).await.status, 200);
    assert_eq!(world.task(&sent.path("Task")).await["status"], "cancelled");
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_sent_without_the_telephone_waits_for_a_person() {
    let mut needs = script(&[]);
    needs["needed"] = json!(["Patient.telecom"]);
    needs["declares"] =
        json!(["ServiceRequest.code", "ServiceRequest.subject", "Patient.name", "Patient.telecom", "Task"]);
    let scene = Scene::of(&needs, Setup::default()).await;
    let sent = scene.world.submit(&restricted("R", Some("R"))).await;
    let task = sent.resource("Task");
    assert_eq!(task["status"], "on-hold");
    let words = reason(task);
    assert!(words.contains("cannot do without") && words.contains("labelled restricted"), "{words}");
    assert!(!words.contains("01134960000"));
    settle().await;
    assert_eq!(scene.platform.sent(), []);
    // Of a patient without the label the same may go.
    let mut plain = restricted("N", None);
    inside(&mut plain, "Patient").as_object_mut().unwrap().remove("meta");
    inside(&mut plain, "Task").as_object_mut().unwrap().retain(|name, _| name != "note" && name != "description");
    let told = previewed(&scene.world, &plain).await;
    assert_eq!(values(&told, "verdict"), ["permit"], "{told}");
    scene.world.stop().await;
}
