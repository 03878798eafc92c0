//! What link workers do, each by its form: decided as any update of the Task is, refused where that is, and on record.

use super::desk::{Desk, NAME, START, account, ods};
use crate::split::{parts, tasks};
use crate::support::assert_valid;
use gateway_core::referral::{Recall, SenderState, Way};
use serde_json::{Value, json};
use std::sync::Arc;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::store::memory::MemoryStore;

/// What stands on the list.
async fn listed(desk: &Desk, cookie: &str) -> String {
    let list = desk.get(cookie, "").await;
    assert_eq!(list.status, 200);
    list.text
}

#[tokio::test]
async fn a_page_tells_the_referral_and_is_on_record_and_escapes_what_it_shows() {
    let desk = Desk::open().await;
    let task = desk.referral(0, |_| {}).await;
    desk.said(&task, "rejected", "declined-capacity", "We are <b>full</b>.").await;
    let anna = desk.enter("anna").await;
    let list = listed(&desk, &anna).await;
    assert!(list.contains("Declined by the service (1)") && list.contains("Canary") && !list.contains(NAME), "{list}");
    let page = desk.get(&anna, &format!("/{task}")).await.text;
    for words in [
        "Why it needs you",
        "We are &lt;b&gt;full&lt;/b&gt;.",
        "Example food",
        "What has happened",
        "Refer to another service",
        "999 ",
    ] {
        assert!(page.contains(words), "{words} is missing: {page}");
    }
    assert!(!page.contains(NAME) && !page.contains("<title>Sam"), "{page}");
    let lines = desk.audited(&task, "account/anna").await;
    assert_eq!(lines.iter().map(|line| line.action.as_str()).collect::<Vec<_>>(), ["work-view"]);
    assert!(!format!("{lines:?}").contains("Canary"));
    desk.world.stop().await;
}

#[tokio::test]
async fn a_question_is_answered_and_the_next_one_comes_up_again() {
    let desk = Desk::open().await;
    let task = desk.referral(0, |_| {}).await;
    desk.said(&task, "on-hold", "info-needed", "Can she climb stairs?").await;
    let anna = desk.enter("anna").await;
    assert!(listed(&desk, &anna).await.contains("The service has a question"));
    let empty = desk.act(&anna, &task, "answer", &[("words", " ")]).await;
    assert!(empty.status == 422 && empty.text.contains("Write your answer"), "{}", empty.text);
    assert_eq!(desk.done(&anna, &task, "answer", &[("words", "Yes, with a rail.")]).await, task);
    let stored = desk.task(&task).await;
    assert_eq!((&stored["status"], &stored["note"][0]["text"]), (&json!("on-hold"), &json!("Yes, with a rail.")));
    assert_eq!(stored["note"][0]["authorString"], "ANNA Link");
    assert!(stored["meta"]["source"].as_str().unwrap().ends_with("#account/anna"), "{stored}");
    assert_valid("answered", &stored.to_string());
    assert!(listed(&desk, &anna).await.contains("Nothing here needs you"));
    let lines = desk.audited(&task, "account/anna").await;
    assert!(lines.iter().any(|line| line.action == "settle" && line.detail["how"] == "answered"), "{lines:?}");
    assert!(!format!("{lines:?}").contains("rail"), "no words of it in the audit");
    // What the service says next is new: the worker takes back what was settled.
    desk.written(&task, |referral, document| {
        referral.handled = None;
        document["statusReason"]["text"] = json!("And a dog?");
    })
    .await;
    assert!(listed(&desk, &anna).await.contains("The service has a question"));
    desk.world.stop().await;
}

#[tokio::test]
async fn who_was_declined_is_referred_elsewhere_and_the_history_stays_together() {
    let desk = Desk::open().await;
    let old = desk.referral(0, |_| {}).await;
    desk.said(&old, "rejected", "declined-capacity", "full").await;
    let anna = desk.enter("anna").await;
    let none = desk.act(&anna, &old, "re-refer", &[]).await;
    assert!(none.status == 422 && none.text.contains("Choose a service"), "{}", none.text);
    let new = desk.done(&anna, &old, "re-refer", &[("service", "befriending")]).await;
    assert_ne!(new, old);
    let (before, after) = (desk.task(&old).await, desk.task(&new).await);
    assert_eq!(
        (&before["status"], &after["partOf"][0]["reference"]),
        (&json!("rejected"), &json!(format!("Task/{old}")))
    );
    assert_eq!(after["owner"]["identifier"]["value"], "VCSE2");
    assert_valid("re-referred", &after.to_string());
    let request = |task: &Value| format!("/fhir/{}", task["focus"]["reference"].as_str().unwrap());
    let (first, second) = (desk.world.task(&request(&before)).await, desk.world.task(&request(&after)).await);
    assert_eq!(second["replaces"][0]["reference"], json!(format!("ServiceRequest/{}", first["id"].as_str().unwrap())));
    assert_eq!((&second["code"], &second["subject"]), (&first["code"], &first["subject"]));
    let (first, second) = (desk.of_task(&old).await, desk.of_task(&new).await);
    assert_eq!(second.platform.as_ref().map(|platform| platform.0.as_str()), Some("befriending"));
    assert_eq!((first.subject.is_some(), &first.subject), (true, &second.subject), "one person, erased together");
    assert_eq!(second.client, first.client, "whoever was told of the old one is told of the new one");
    assert!(!listed(&desk, &anna).await.contains(&old), "the old one is settled");
    let page = desk.get(&anna, &format!("/{new}")).await.text;
    assert!(page.contains(&format!("/console/work/{old}\">See the earlier referral")), "{page}");
    // The same form once more makes no third one.
    assert_eq!(desk.get(&anna, &format!("/{old}/settle")).await.status, 409);
    desk.world.stop().await;
}

/// Whoever it was handed to sees what they have made; a part of a split referral stays a part of it.
#[tokio::test]
async fn who_refers_elsewhere_keeps_it_in_hand_and_a_part_stays_a_part() {
    let mut charity = account("charity");
    charity.reach.works_for = ods("8JK12");
    let clock = Arc::new(ManualClock::at(START));
    let desk = Desk::over(Arc::new(MemoryStore::new()), clock, &[account("anna"), charity]).await;
    let sent = desk.world.submit(&parts(2)).await;
    let [whole, old, other] = tasks(&sent).try_into().unwrap();
    let [old, other] = [old, other].map(|path| path.trim_start_matches("/fhir/Task/").to_owned());
    let anna = desk.enter("anna").await;
    desk.said(&old, "rejected", "declined-capacity", "full").await;
    desk.done(&anna, &old, "hand-over", &[("to", "charity")]).await;
    let cookie = desk.enter("charity").await;
    let new = desk.done(&cookie, &old, "re-refer", &[("service", "befriending")]).await;
    assert_eq!(desk.get(&cookie, &format!("/{new}")).await.status, 200, "it is theirs as the old one was");
    assert_eq!(desk.get(&cookie, &format!("/{other}")).await.status, 404);
    let after = desk.task(&new).await;
    let of: Vec<_> = after["partOf"].as_array().unwrap().iter().map(|part| part["reference"].clone()).collect();
    assert_eq!(of, [json!(format!("Task/{old}")), json!(whole.trim_start_matches("/fhir/"))]);
    // The whole waits for the new part, and not for the old one.
    assert_eq!(desk.world.move_task(&format!("/fhir/Task/{other}"), "cancelled").await.status, 200);
    let standing = desk.task(&new).await["status"].clone();
    assert_ne!(standing, "cancelled");
    assert_eq!(desk.world.task(&whole).await["status"], standing);
    assert_eq!(desk.world.move_task(&format!("/fhir/Task/{new}"), "cancelled").await.status, 200);
    assert_eq!(desk.world.task(&whole).await["status"], "rejected");
    desk.world.stop().await;
}

#[tokio::test]
async fn one_that_is_under_way_ends_properly_when_it_is_referred_elsewhere() {
    let desk = Desk::open().await;
    let old = desk.held(0).await;
    let anna = desk.enter("anna").await;
    let hidden = desk.form(&anna, &old, "re-refer").await;
    let new = desk.give(&anna, (&old, "re-refer"), &hidden, &[("service", "food")]).await;
    assert_eq!(new.status, 303, "{}", new.text);
    let twice = desk.give(&anna, (&old, "re-refer"), &hidden, &[("service", "food")]).await;
    assert_eq!(twice.status, 409, "sent twice, done once: {}", twice.text);
    assert_eq!(desk.world.referrals().await.len(), 2);
    let ended = desk.of_task(&old).await;
    assert_eq!((ended.sender, desk.task(&old).await["status"].as_str()), (SenderState::Cancelled, Some("cancelled")));
    let request = format!("/fhir/ServiceRequest/{}", ended.service_request);
    assert_eq!(desk.world.task(&request).await["status"], "revoked");
    desk.world.stop().await;
}

#[tokio::test]
async fn what_is_held_is_tried_again_or_ended_and_never_closed_by_word() {
    let desk = Desk::open().await;
    let task = desk.held(0).await;
    let anna = desk.enter("anna").await;
    let before = desk.of_task(&task).await.revision;
    desk.done(&anna, &task, "release", &[]).await;
    let after = desk.of_task(&task).await;
    assert!(after.revision > before && after.delivery.word() == "held", "no route has come: it is held again");
    assert_eq!(desk.get(&anna, &format!("/{task}/settle")).await.status, 409);
    let empty = desk.act(&anna, &task, "cancel", &[("words", "")]).await;
    assert!(empty.status == 422 && empty.text.contains("There is a problem"), "{}", empty.text);
    desk.done(&anna, &task, "cancel", &[("words", "She moved away.")]).await;
    let stored = desk.task(&task).await;
    assert_eq!((&stored["status"], &stored["statusReason"]["text"]), (&json!("cancelled"), &json!("She moved away.")));
    assert!(listed(&desk, &anna).await.contains("Nothing here needs you"));
    assert_eq!(desk.get(&anna, &format!("/{task}/cancel")).await.status, 409);
    assert_eq!(desk.get(&anna, &format!("/{task}/dance")).await.status, 404);
    desk.world.stop().await;
}

#[tokio::test]
async fn losses_are_let_pass_by_whoever_has_read_them() {
    let desk = Desk::open().await;
    let task = desk.referral(0, |_| {}).await;
    desk.written(&task, |referral, document| {
        referral.delivery = gateway_core::referral::Delivery::Held {
            reason: gateway_core::referral::HoldReason::Losses("The note is too long.".to_owned()),
        };
        referral.task_status = "on-hold".parse().unwrap();
        document["status"] = json!("on-hold");
    })
    .await;
    let anna = desk.enter("anna").await;
    let page = desk.get(&anna, &format!("/{task}")).await.text;
    assert!(page.contains("The note is too long.") && page.contains("Send it although something is lost"), "{page}");
    desk.done(&anna, &task, "release", &[]).await;
    assert_eq!(desk.task(&task).await["status"], "requested");
    desk.world.stop().await;
}

#[tokio::test]
async fn a_declined_one_is_closed_with_a_reason() {
    let desk = Desk::open().await;
    let task = desk.referral(0, |_| {}).await;
    desk.said(&task, "rejected", "declined-capacity", "full").await;
    let anna = desk.enter("anna").await;
    for (fields, words) in [
        (vec![], "Choose why"),
        (vec![("reason", "other")], "Write the reason"),
        (vec![("reason", "answered")], "Choose why"),
    ] {
        let answer = desk.act(&anna, &task, "settle", &fields).await;
        assert!(answer.status == 422 && answer.text.contains(words), "{words}: {}", answer.text);
    }
    desk.done(&anna, &task, "settle", &[("reason", "not-wanted"), ("words", "Said so today.")]).await;
    let stored = desk.task(&task).await;
    assert_eq!((&stored["status"], &stored["note"][0]["text"]), (&json!("rejected"), &json!("Said so today.")));
    let page = desk.get(&anna, &format!("/{task}")).await.text;
    assert!(page.contains("The person does not want help any more") && !page.contains("Why it needs you"), "{page}");
    desk.world.stop().await;
}

#[tokio::test]
async fn a_call_after_a_withdrawal_is_recorded() {
    let desk = Desk::open().await;
    let task = desk.referral(0, |_| {}).await;
    desk.written(&task, |referral, document| {
        referral.delivery = gateway_core::referral::Delivery::Delivered { at: START };
        (referral.sender, referral.task_status) = (SenderState::Cancelled, "cancelled".parse().unwrap());
        referral.attention = Some("Call the organisation.".to_owned());
        referral.recall = Some(Box::new(Recall {
            consent: None,
            reason: "withdrawn".to_owned(),
            words: "The Consent was withdrawn.".to_owned(),
            asked_at: START - time::Duration::HOUR,
            way: Way::Person,
            deadline: None,
            told_at: None,
            confirmed_at: None,
            confirmed_by: None,
            overdue_at: None,
        }));
        document["status"] = json!("cancelled");
        document["extension"] = json!([{ "url": gateway_core::withdraw::EXTENSION, "extension": [
            { "url": "asked-at", "valueInstant": "2026-06-20T10:00:00.000Z" }, { "url": "way", "valueCode": "person" }] }]);
    })
    .await;
    let anna = desk.enter("anna").await;
    let list = listed(&desk, &anna).await;
    assert!(list.contains("Consent withdrawn: call the service") && list.contains("Urgent"), "{list}");
    let page = desk.get(&anna, &format!("/{task}")).await.text;
    assert!(!page.contains("Refer to another service") && !page.contains("Cancel the referral"), "{page}");
    assert_eq!(desk.act(&anna, &task, "record-call", &[("by", "")]).await.status, 422);
    desk.done(&anna, &task, "record-call", &[("by", "Mo, coordinator")]).await;
    let recall = desk.of_task(&task).await.recall.unwrap();
    assert_eq!((recall.confirmed_by.as_deref(), recall.confirmed_at), (Some("Mo, coordinator"), Some(START)));
    assert!(listed(&desk, &anna).await.contains("Nothing here needs you"));
    desk.world.stop().await;
}

#[tokio::test]
async fn a_form_of_an_old_version_is_refused_with_the_state_that_stands() {
    let desk = Desk::open().await;
    let task = desk.referral(0, |_| {}).await;
    desk.said(&task, "rejected", "declined-capacity", "full").await;
    let anna = desk.enter("anna").await;
    let hidden = desk.form(&anna, &task, "settle").await;
    // Meanwhile the service says something else.
    desk.said(&task, "accepted", "accepted", "There is room after all.").await;
    let answer = desk.give(&anna, (&task, "settle"), &hidden, &[("reason", "not-wanted")]).await;
    assert_eq!(answer.status, 409);
    assert!(
        answer.text.contains("has moved on") && answer.text.contains("There is room after all."),
        "{}",
        answer.text
    );
    let stored = desk.task(&task).await;
    assert_eq!((&stored["status"], stored.get("note")), (&json!("accepted"), None));
    assert_eq!(desk.of_task(&task).await.handled, None);
    desk.world.stop().await;
}

/// Opens a call for help as the worker does when a service says so; gives the follow-up.
async fn calls_for_help(desk: &Desk, task: &str, words: &str) -> String {
    use gateway_core::follow_up::{Cause, Opening, open};
    let mut referral = desk.of_task(task).await;
    let (document, request) = (
        gateway_fhir::Json::from(desk.task(task).await),
        gateway_fhir::Json::from(desk.world.task(&format!("/fhir/ServiceRequest/{}", referral.service_request)).await),
    );
    let notes = [("The service (food)".to_owned(), words.to_owned())];
    let opening = Opening { notes: &notes, ..Opening::new(Cause::NeedsMoreSupport, "event") };
    let mut changes = open(&mut referral, (&document, &request), &opening, START);
    referral.revision += 1;
    let follow_up = referral.follow_ups[0].task.clone();
    changes.push(gateway_core::change::Change::PutReferral(Box::new(referral)));
    desk.commit(changes).await;
    follow_up
}

#[tokio::test]
async fn what_is_to_be_followed_up_is_done_and_said_to_be_done() {
    let desk = Desk::open().await;
    let routine = desk.held(0).await;
    let task = desk.referral(1, |_| {}).await;
    desk.said(&task, "completed", "helped", "over").await;
    let follow_up = calls_for_help(&desk, &task, "She is <i>worse</i>.").await;

    let anna = desk.enter("anna").await;
    let list = listed(&desk, &anna).await;
    let (first, second) = (list.find(&task).unwrap(), list.find(&routine).unwrap());
    assert!(first < second && list.contains("act today"), "first of all: {list}");
    // What it asks for, and the service's words.
    let page = desk.get(&anna, &format!("/{task}")).await.text;
    for words in [
        "urgent mental health advice call NHS 111",
        "She is &lt;i&gt;worse&lt;/i&gt;.",
        "The service (food), 20 June 2026",
    ] {
        assert!(page.contains(words), "{words} is missing: {page}");
    }
    for (fields, words) in [
        (vec![("words", "called")], "Choose what is done"),
        (vec![("follow-up", follow_up.as_str())], "Write what was done"),
    ] {
        let answer = desk.act(&anna, &task, "complete", &fields).await;
        assert!(answer.status == 422 && answer.text.contains(words), "{words}: {}", answer.text);
    }
    desk.done(&anna, &task, "complete", &[("follow-up", &follow_up), ("words", "The GP sees her today.")]).await;
    let done = desk.task(&follow_up).await;
    assert_eq!((&done["status"], &done["note"][1]["text"]), (&json!("completed"), &json!("The GP sees her today.")));
    assert!(!listed(&desk, &anna).await.contains(&task));
    assert_eq!(desk.get(&anna, &format!("/{follow_up}")).await.status, 404, "a follow-up is no referral of its own");
    desk.world.stop().await;
}

#[tokio::test]
async fn a_follow_up_is_completed_by_whoever_has_seen_it_as_it_stands() {
    let desk = Desk::open().await;
    let task = desk.referral(0, |_| {}).await;
    desk.said(&task, "in-progress", "in-contact", "begun").await;
    let follow_up = calls_for_help(&desk, &task, "She is worse.").await;
    let anna = desk.enter("anna").await;
    let done = |words: &'static str| [("follow-up", follow_up.clone()), ("words", words.to_owned())];
    let give = async |hidden: &[(String, String)], words| {
        let fields = done(words);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        desk.give(&anna, (&task, "complete"), hidden, &fields).await
    };
    // A colleague notes something on the follow-up while the form is open: the referral's own Task stands as it was.
    let first = desk.form(&anna, &task, "complete").await;
    let own = format!("/fhir/Task/{follow_up}");
    let noted = desk.world.change(&own, |task| {
        task["note"].as_array_mut().unwrap().push(json!({ "text": "She has called the practice as well." }));
    });
    assert_eq!(noted.await.status, 200);
    let late = give(&first, "Nobody answered.").await;
    assert!(
        late.status == 409
            && late.text.contains("has moved on")
            && late.text.contains("has called the practice as well"),
        "{}",
        late.text
    );
    assert_eq!(desk.task(&follow_up).await["status"], "requested");
    // That the service says something else of the referral is in nobody's way.
    let second = desk.form(&anna, &task, "complete").await;
    desk.said(&task, "on-hold", "waitlisted", "Some weeks.").await;
    let answer = give(&second, "The GP sees her today.").await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    // The same form of somebody who was slower says nothing over it.
    let slower = give(&second, "I have done it.").await;
    assert_eq!(slower.status, 409, "{}", slower.text);
    let stored = desk.task(&follow_up).await;
    assert_eq!(stored["status"], "completed");
    assert_eq!(stored["note"].as_array().map(Vec::len), Some(3), "{stored}");
    desk.world.stop().await;
}

#[tokio::test]
async fn what_is_held_as_a_duplicate_is_sent_all_the_same_or_cancelled() {
    let desk = Desk::deciding("\n[duplicates]\nmode = \"hold\"\n").await;
    let first = desk.referral(0, |_| {}).await;
    let (wanted, unwanted) = (desk.referral(0, |_| {}).await, desk.referral(0, |_| {}).await);
    let anna = desk.enter("anna").await;
    let list = listed(&desk, &anna).await;
    assert!(list.contains("Held: the service seems to have it already (2)"), "{list}");
    assert!(list.contains(&wanted) && list.contains(&unwanted) && !list.contains(&format!("work/{first}\"")), "{list}");
    let page = desk.get(&anna, &format!("/{wanted}")).await.text;
    for words in ["Send it all the same", "Cancel the referral", &format!("work/{first}\">See the other referral")] {
        assert!(page.contains(words), "{words} is missing: {page}");
    }
    let answer = desk.world.get(crate::support::GP, "/fhir/Task/$work-list?cause=duplicate").await.json();
    assert_eq!(answer["total"], 2, "{answer}");
    desk.done(&anna, &wanted, "release", &[]).await;
    assert_eq!(desk.of_task(&wanted).await.delivery.word(), "queued");
    desk.done(&anna, &unwanted, "cancel", &[("words", "Sent twice.")]).await;
    assert_eq!(desk.task(&unwanted).await["status"], "cancelled");
    assert!(listed(&desk, &anna).await.contains("Nothing here needs you"));
    desk.world.stop().await;
}
