//! Letters that are written anew, that go to the practice that the Patient names, and answers that are hard to find.

use super::*;

#[tokio::test]
async fn what_was_written_before_the_person_narrowed_it_or_was_corrected_is_written_anew() {
    let Some(scene) = usual("").await else { return };
    scene.gate.is(AWAY);
    let mut sent = Vec::new();
    for nth in 0..3 {
        sent.push(scene.world.submit(&referral(nth)).await);
        scene.plans(&sent[nth], "completed", "Canary words of the service").await;
    }
    scene.food.tick_until_settled(80).await;
    let documents = async |sent: &Sent| -> Vec<Value> {
        let path = format!("/fhir/DocumentReference?patient={}", sent.reference("Patient"));
        let found = scene.world.get(GP, &path).await.json();
        let entries = found["entry"].as_array().cloned().unwrap_or_default();
        let all = entries.into_iter().map(|entry| entry["resource"].clone());
        all.filter(|document| {
            document["extension"][0]["url"].as_str().is_some_and(|url| url.ends_with("letter-delivery"))
        })
        .collect()
    };
    for one in &sent {
        eventually("a stored letter", || async { (!documents(one).await.is_empty()).then_some(()) }).await;
    }
    // One keeps words, one is corrected, one keeps all of it.
    for (one, is_of_words) in [(&sent[0], true), (&sent[2], false)] {
        let narrow = |consent: &mut Value| {
            consent["provision"]["provision"] = json!([refusal(PRACTICE_ODS, is_of_words)]);
        };
        let answer = scene.world.change(&one.path("Consent"), narrow).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let correct = |patient: &mut Value| patient["name"][0]["family"] = json!("Corrected");
    assert_eq!(scene.world.change(&sent[1].path("Patient"), correct).await.status, 200);
    scene.gate.is(OPEN);
    scene.letter_is(&sent[2].path("Task"), "withdrawn").await;
    scene.letter_is(&sent[0].path("Task"), "sent").await;
    scene.letter_is(&sent[1].path("Task"), "sent").await;
    settle().await;
    let letters = scene.letters(2).await;
    assert_eq!(letters.len(), 2, "nothing of whoever keeps all of it");
    for (one, is_corrected) in [(&sent[0], false), (&sent[1], true)] {
        let all = documents(one).await;
        let ours: Vec<&Message> = letters
            .iter()
            .filter(|letter| all.iter().any(|document| document["id"] == reference(letter).as_str()))
            .collect();
        assert_eq!((all.len(), ours.len()), (2, 1), "the one that was stored first is not sent: {all:?}");
        let before = all.iter().find(|document| document["id"] != reference(ours[0]).as_str()).unwrap();
        assert!(before["status"] == "superseded" && before.to_string().contains("\"withdrawn\""), "{before}");
        assert_eq!(xml(ours[0]).contains("Corrected"), is_corrected);
        assert_eq!(ours[0].subject.contains("O'Canary-Smythe"), !is_corrected, "the subject is of the same person");
        if let Some(text) = text(&pdf(ours[0])) {
            assert!(text.contains("The service has completed the support."), "{text}");
            assert_eq!(text.contains("Canary words"), is_corrected, "{text}");
        }
        assert_eq!(scene.told(&one.path("Task")).await, "");
    }
    scene.world.stop().await;
}

/// The text of a letter as Poppler reads it, where it is installed.
fn text(pdf: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.pdf");
    std::fs::write(&file, pdf).unwrap();
    let Ok(read) = Command::new("pdftotext").args(["-layout"]).arg(&file).arg("-").output() else {
        assert!(std::env::var("POPPLER").as_deref() != Ok("required"), "no pdftotext (Debian: poppler-utils)");
        return None;
    };
    Some(String::from_utf8(read.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn a_letter_of_whose_taking_nobody_heard_is_known_by_its_acknowledgement() {
    let Some(scene) = usual("").await else { return };
    scene.gate.is(DEAF);
    let task = scene.begins(&referral(0), "completed", "done").await;
    scene.food.tick_until_settled(50).await;
    let letter = scene.letters(1).await.remove(0);
    scene.gate.is(AWAY);
    scene.answers(&letter, "20013").await;
    scene.answers(&letter, "30001").await;
    // From now on nothing is lost; whatever was sent again before has the same reference.
    scene.gate.is(OPEN);
    scene.letter_is(&task, "patient-known").await;
    let of_it = async || {
        let all = scene.mesh.messages(THEIRS).await.unwrap();
        all.iter().filter(|one| reference(one) == reference(&letter)).count()
    };
    let number = of_it().await;
    // Another one is written, waited for and answered, so that the first had its turns.
    let other = scene.ends(&referral(1), "completed", "done").await;
    scene.letter_is(&other, "sent").await;
    settle().await;
    assert_eq!(of_it().await, number, "what is acknowledged is not sent again");
    assert_eq!(scene.letters(number + 1).await.len(), number + 1, "and nothing is written in its place");
    assert_eq!(scene.told(&task).await, "");
    scene.world.stop().await;
}

#[tokio::test]
async fn without_an_address_the_practice_that_the_patient_names_is_asked_about() {
    let Some(scene) = scene("", Arc::new(SystemClock)).await else { return };
    let mut all: Vec<Value> = (0..4).map(referral).collect();
    for (referral, practice) in all.iter_mut().zip([None, Some("Y67890"), Some("Y67890"), Some("Y67890")]) {
        registered(referral, practice);
    }
    inside(&mut all[1], "Consent")["provision"]["provision"] = json!([refusal("Y67890", false)]);
    inside(&mut all[2], "Consent")["provision"]["provision"] = json!([refusal("W11111", true)]);
    let mut sent = Vec::new();
    for referral in &all {
        sent.push(scene.world.submit(referral).await);
        scene.plans(sent.last().unwrap(), "completed", "done").await;
    }
    scene.food.tick_until_settled(80).await;
    let [unnamed, kept, other, told] = [0, 1, 2, 3].map(|nth: usize| sent[nth].path("Task"));
    scene.is_told(&unnamed, "names no practice").await;
    scene.is_told(&other, "another organisation").await;
    // The sandbox has no practice for anybody, so that this one is told of as well, once it was about to leave.
    scene.is_told(&told, "could not be sent").await;
    settle().await;
    assert_eq!(scene.told(&kept).await, "", "what the person keeps is no fault");
    for (one, is_disclosed) in sent.iter().zip([false, false, false, true]) {
        let path = format!("/fhir/{}/$disclosures", one.reference("Patient"));
        let disclosures = scene.world.get(GOVERNANCE, &path).await.text;
        assert_eq!(disclosures.contains("The Other Surgery"), is_disclosed, "{disclosures}");
        assert_eq!(disclosures.contains("Y67890"), is_disclosed, "{disclosures}");
        assert!(!disclosures.contains("The Example Surgery"), "{disclosures}");
    }
    scene.world.stop().await;
}

#[tokio::test]
async fn what_is_not_ours_or_cannot_be_had_hides_no_acknowledgement() {
    let Some(scene) = usual("").await else { return };
    let task = scene.ends(&referral(0), "completed", "done").await;
    let letter = scene.letters(1).await.remove(0);
    scene.letter_is(&task, "sent").await;
    // More than may fail in one look, then more than is listed at once.
    scene.gate.is(AWAY);
    let foreign = Sending { from: THEIRS, to: OURS, workflow: "SOMETHING_ELSE", name: "other.txt", part_bytes: None };
    let mut others = Vec::new();
    for _ in 0..110 {
        others.push(scene.mesh.send(&foreign, "not a letter").await.unwrap());
    }
    scene.gate.weather.broken.lock().unwrap().extend(others.iter().take(6).cloned());
    scene.answers(&letter, "20013").await;
    scene.answers(&letter, "30001").await;
    scene.gate.is(OPEN);
    scene.letter_is(&task, "patient-known").await;
    assert_eq!(scene.told(&task).await, "");
    eventually("what is ours is finished", || async {
        (scene.mesh.waiting(OURS).await.unwrap() == others).then_some(())
    })
    .await;
    scene.world.stop().await;
}
