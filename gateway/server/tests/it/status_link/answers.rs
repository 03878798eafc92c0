//! What is said on the pages.

use super::assert_guarded;
use super::desk::{Desk, PASSPHRASE, status};
use crate::support::{eventually, settle};
use adapter_contract::Says;

/// Gives a new link and opens it: another browser.
async fn another(desk: &Desk) -> String {
    desk.clock.advance(std::time::Duration::from_secs(600));
    let links = desk.secrets().len();
    desk.post(&format!("/link/{}/new", desk.secret()), "", &[]).await;
    eventually("a new link", || async { (desk.secrets().len() > links).then_some(()) }).await;
    desk.enter().await
}

/// The page and the fields with which it is said.
fn form(says: Says) -> (&'static str, Vec<(&'static str, &'static str)>) {
    let words = ("words", "A lift to the hall would help.");
    match says {
        Says::Accept => ("accept", Vec::new()),
        Says::Question => ("ask", vec![words]),
        Says::Attended => ("attended", Vec::new()),
        Says::DidNotAttend => ("did-not-attend", Vec::new()),
        Says::FinishedHelped | Says::FinishedNotHelped | Says::FinishedLeftEarly => {
            ("finished", vec![("outcome", says.word())])
        }
        Says::NeedsMoreMentalHealth | Says::NeedsMoreSafeguarding | Says::NeedsMoreOther => {
            ("needs-more", vec![("concern", says.word()), ("today", "yes"), words])
        }
        Says::DeclineOther | Says::DeclineNeedsNotMet => ("decline", vec![("reason", says.word()), words]),
        _ => ("decline", vec![("reason", says.word())]),
    }
}

#[tokio::test]
async fn each_thing_that_can_be_said_arrives_as_what_it_means() {
    for says in Says::ALL {
        let desk = Desk::open().await;
        let cookie = desk.enter().await;
        let (kind, fields) = form(says);
        let before = if matches!(kind, "attended" | "did-not-attend" | "finished") {
            desk.say(&cookie, "accept", &[]).await;
            desk.task_becomes("accepted").await;
            1
        } else {
            0
        };
        desk.say(&cookie, kind, &fields).await;
        let heard = desk.heard(before + 1).await;
        let last = heard.iter().find(|one| one.platform_status.code.as_deref() == Some(says.word()));
        let last = last.unwrap_or_else(|| panic!("{says:?}: {heard:?}"));
        let words = fields.iter().find(|(name, _)| *name == "words").map(|(_, value)| (*value).to_owned());
        assert_eq!(last.reason, words, "{says:?}");
        if let Some(status) = status(says) {
            desk.task_becomes(status.code()).await;
        }
        desk.world.stop().await;
    }
}

#[tokio::test]
async fn what_is_missing_is_asked_for_and_what_was_written_is_kept() {
    let desk = Desk::open().await;
    let cookie = desk.enter().await;
    let long = "x".repeat(1_001);
    for (kind, fields, needed, field) in [
        ("ask", vec![("words", " \n ")], "Write your question", "words"),
        ("ask", vec![("words", long.as_str())], "Write 1000 characters or fewer: there are 1001", "words"),
        ("decline", vec![("words", "</textarea><script>")], "Choose why you decline the referral", "reason"),
        ("decline", vec![("reason", "finished-helped")], "Choose why you decline the referral", "reason"),
        ("decline", vec![("reason", "decline-needs-not-met")], "Write what would help you", "words"),
        ("decline", vec![("reason", "decline-other")], "Write why you decline the referral", "words"),
        ("needs-more", vec![("today", "no"), ("words", "x")], "Choose what worries you", "concern"),
        (
            "needs-more",
            vec![("concern", "needs-more-other"), ("today", "never"), ("words", "x")],
            "Choose whether somebody has to act today",
            "today",
        ),
        ("needs-more", vec![("concern", "needs-more-other"), ("today", "no")], "Write what worries you", "words"),
    ] {
        let hidden = desk.sheet(&cookie, kind).await;
        let page = desk.send(&cookie, kind, &hidden, &fields).await;
        assert_eq!(page.status, 422, "{}", page.text);
        assert_guarded(&page);
        assert!(page.text.contains("<title>Error: ") && page.text.contains("role=\"alert\""), "{}", page.text);
        assert!(page.text.contains(&format!("<a href=\"#{field}\">{needed}")), "{}", page.text);
        assert!(page.text.contains(&format!("{field}-error\"")), "{}", page.text);
        assert!(page.text.contains(&format!("id=\"{field}\"")), "the link leads to a field: {}", page.text);
        let kept = fields.iter().find(|(name, _)| *name == "reason").map(|(_, value)| *value);
        if kept == Some("decline-needs-not-met") {
            assert!(page.text.contains("value=\"decline-needs-not-met\" checked"), "{}", page.text);
        }
    }
    let hidden = desk.sheet(&cookie, "decline").await;
    let page = desk.send(&cookie, "decline", &hidden, &[("words", "Bring <b>boots</b>")]).await;
    assert!(page.text.contains("Bring &lt;b&gt;boots&lt;/b&gt;</textarea>"), "{}", page.text);
    settle().await;
    assert_eq!(desk.statements().await, []);
    desk.world.stop().await;
}

#[tokio::test]
async fn the_same_form_sent_twice_is_one_answer() {
    let desk = Desk::open().await;
    let cookie = desk.enter().await;
    let hidden = desk.sheet(&cookie, "ask").await;
    let fields = [("words", "Is there a dog?")];
    tokio::join!(desk.send(&cookie, "ask", &hidden, &fields), desk.send(&cookie, "ask", &hidden, &fields));
    desk.heard(1).await;
    settle().await;
    assert_eq!(desk.statements().await.len(), 1);

    // After it was read as well, also where it is not offered any more.
    let hidden = desk.sheet(&cookie, "accept").await;
    desk.send(&cookie, "accept", &hidden, &[]).await;
    desk.task_becomes("accepted").await;
    let again = desk.send(&cookie, "accept", &hidden, &[]).await;
    assert!(again.text.contains("Your answer was sent"), "{}", again.text);
    settle().await;
    assert_eq!(desk.statements().await.len(), 2);
    desk.world.stop().await;
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_neither_offered_nor_taken() {
    let desk = Desk::open().await;
    let cookie = desk.enter().await;
    let accept = desk.sheet(&cookie, "accept").await;
    assert_eq!(desk.get("/link/referral/finished", &cookie).await.status, 409);
    assert_eq!(desk.get("/link/referral/nothing", &cookie).await.status, 404);
    desk.say(&cookie, "decline", &[("reason", "decline-no-capacity")]).await;
    desk.task_becomes("rejected").await;
    let late = desk.send(&cookie, "accept", &accept, &[]).await;
    assert_eq!(late.status, 409);
    assert!(late.text.contains("This answer cannot be given now"), "{}", late.text);
    let page = desk.get("/link/referral", &cookie).await;
    assert!(page.text.contains("There is nothing to do here"), "{}", page.text);
    settle().await;
    assert_eq!(desk.statements().await.len(), 1);
    desk.world.stop().await;
}

#[tokio::test]
async fn forms_of_others_are_refused_and_nothing_is_stored() {
    let desk = Desk::open().await;
    let first = desk.enter().await;
    let theirs = desk.sheet(&first, "accept").await;
    let second = another(&desk).await;
    let own = desk.sheet(&second, "accept").await;
    let before = desk.store.content_hash().await.unwrap();
    let of = |fields: &[(String, String)], name: &str| {
        fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone()).unwrap()
    };
    for (case, swapped) in [("token", "token"), ("seal", "seal"), ("event", "event")] {
        let mixed: Vec<(String, String)> = own
            .iter()
            .map(|(name, value)| (name.clone(), if name == swapped { of(&theirs, name) } else { value.clone() }))
            .collect();
        let page = desk.send(&second, "accept", &mixed, &[]).await;
        assert_eq!(page.status, 403, "{case}: {}", page.text);
        assert_guarded(&page);
    }
    let page = desk.send(&second, "accept", &theirs, &[]).await;
    assert_eq!(page.status, 403, "another session's form");
    let page = desk.send(&second, "decline", &own, &[("reason", "decline-no-capacity")]).await;
    assert_eq!(page.status, 403, "the event was given for another answer");
    let fields: Vec<(&str, &str)> = own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for (name, value) in
        [("origin", "https://elsewhere.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site")]
    {
        let request = desk.request("/link/referral/accept", &second, &fields).header(name, value);
        assert_eq!(desk.world.send(request).await.status, 403, "{name}: {value}");
        let door = desk.request(&format!("/link/{}", desk.secret()), "", &[("passphrase", PASSPHRASE)]);
        assert_eq!(desk.world.send(door.header(name, value)).await.status, 403, "{name}: {value}");
    }
    assert_eq!(desk.store.content_hash().await.unwrap(), before);

    // As browsers send it from these pages.
    let request = desk.request("/link/referral/accept", &second, &fields).header("origin", "null");
    desk.world.send(request.header("sec-fetch-site", "same-origin")).await;
    desk.task_becomes("accepted").await;
    desk.world.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_with_a_page() {
    let desk = Desk::open().await;
    let cookie = desk.enter().await;
    let before = desk.store.content_hash().await.unwrap();
    let long = "x".repeat(40 * 1024);
    let hidden = desk.sheet(&cookie, "ask").await;
    for page in
        [desk.send(&cookie, "ask", &hidden, &[("words", &long)]).await, desk.try_with(&desk.secret(), &long).await]
    {
        assert_eq!(page.status, 413);
        assert_guarded(&page);
    }
    assert_eq!(desk.store.content_hash().await.unwrap(), before);
    desk.world.stop().await;
}
