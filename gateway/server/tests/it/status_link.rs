//! The pages behind a status link: what opens them, what they tell, and what is made of what is said there.

mod answers;
mod desk;

use crate::mail::Log;
use crate::support::{Answer, GOVERNANCE};
use desk::{DAY, Desk, NAME, PASSPHRASE};
use serde_json::json;
use std::time::Duration;

const UNKNOWN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn is_refused(page: &Answer) -> bool {
    page.text.contains("The passphrase is not right, or the link cannot be used any more")
}

/// What every page is sent with.
fn assert_guarded(page: &Answer) {
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
    assert!(!page.text.contains("<script") && !page.text.contains("OperationOutcome"), "{}", page.text);
}

#[tokio::test]
async fn opening_a_link_changes_nothing_and_tells_nothing_of_it() {
    let desk = Desk::open().await;
    let secret = desk.secret();
    let before = desk.store.content_hash().await.unwrap();
    let known = desk.get(&format!("/link/{secret}"), "").await;
    assert_eq!(known.status, 200);
    assert_guarded(&known);
    assert!(!known.text.contains(&secret) && !known.text.contains("Canary"));
    let head = desk.world.send(desk.world.request("", "HEAD", &format!("/link/{secret}"))).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    let unknown = desk.get(&format!("/link/{UNKNOWN}"), "").await;
    assert_eq!(unknown.text, known.text);
    assert_eq!(desk.store.content_hash().await.unwrap(), before);

    desk.enter().await;
    assert_eq!(desk.get(&format!("/link/{secret}"), "").await.text, known.text, "used");
    desk.clock.advance(DAY * 15);
    assert_eq!(desk.get(&format!("/link/{secret}"), "").await.text, known.text, "expired");
    for path in ["/link", "/link/", "/link/a/b/c"] {
        let page = desk.get(path, "").await;
        assert_eq!(page.status, 404, "{path}");
        assert_guarded(&page);
    }
    let page = desk.get(&format!("/link/{secret}/new"), "").await;
    assert_eq!(page.status, 405);
    assert_guarded(&page);
    desk.world.stop().await;
}

#[tokio::test]
async fn the_passphrase_opens_a_link_once_and_the_view_is_on_record() {
    let log = Log::listen();
    let desk = Desk::open().await;
    let secret = desk.secret();
    let unknown = desk.try_with(UNKNOWN, PASSPHRASE).await;
    assert!(is_refused(&unknown), "{}", unknown.text);
    let wrong = desk.try_with(&secret, "7KQ4-M9TX-0C2V-HRWF").await;
    assert_eq!(wrong.text, unknown.text, "whether there is such a link is not told");
    assert_eq!(desk.links().await[0].wrong, 1);

    let cookie = desk.enter().await;
    let page = desk.get("/link/referral", &cookie).await;
    assert_eq!(page.status, 200);
    assert_guarded(&page);
    assert!(page.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;Canary"), "{}", page.text);
    assert!(!page.text.split("</title>").next().unwrap().contains("Canary"));
    let (important, name) = (page.text.find("Do not telephone").unwrap(), page.text.find("About &lt;").unwrap());
    assert!(important < name);
    let again = desk.try_with(&secret, PASSPHRASE).await;
    assert_eq!(again.text, unknown.text, "a link opens once");

    let referral = desk.world.referral().await;
    let audit = desk.store.audit(&referral.id).await.unwrap();
    assert_eq!(audit.iter().filter(|line| line.detail["manner"] == "viewed").count(), 1, "{audit:?}");
    let patient = desk.sent.reference("Patient");
    let events = desk.world.get(GOVERNANCE, &format!("/fhir/AuditEvent?patient={patient}")).await;
    assert_eq!(events.status, 200, "{}", events.text);
    assert_eq!(events.json()["entry"].as_array().unwrap().len(), 2, "sent, and viewed: {}", events.text);
    desk.world.stop().await;
    let text = log.text();
    assert!(!text.is_empty());
    let session = cookie.split_once('=').unwrap().1;
    for hidden in [secret.as_str(), PASSPHRASE, "HRWF", "Canary", NAME, session] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
}

#[tokio::test]
async fn of_two_who_open_a_link_at_once_one_is_let_in() {
    let desk = Desk::open().await;
    let secret = desk.secret();
    let (one, other) = tokio::join!(desk.try_with(&secret, PASSPHRASE), desk.try_with(&secret, PASSPHRASE));
    // Who is let in is led on.
    assert_eq!(u8::from(is_refused(&one)) + u8::from(is_refused(&other)), 1, "{} {}", one.text, other.text);
    let link = desk.links().await.remove(0);
    assert!(link.session().is_some() && link.wrong == 0);
    desk.world.stop().await;
}

#[tokio::test]
async fn wrong_passphrases_count_and_the_rest_outlives_a_gateway() {
    let mut desk = Desk::open().await;
    let secret = desk.secret();
    for _ in 0..5 {
        assert!(is_refused(&desk.try_with(&secret, "wrong").await));
    }
    desk = desk.restarted().await;
    assert!(is_refused(&desk.try_with(&secret, PASSPHRASE).await), "it rests");
    let link = desk.links().await.remove(0);
    assert_eq!(link.wrong, 5, "what is not looked at does not count");
    desk.clock.advance(Duration::from_secs(15 * 60));
    let cookie = desk.enter().await;
    assert_eq!(desk.get("/link/referral", &cookie).await.status, 200);
    desk.world.stop().await;
}

#[tokio::test]
async fn ten_wrong_passphrases_spend_a_link_and_a_new_one_can_be_asked_for() {
    let desk = Desk::open().await;
    let secret = desk.secret();
    for _ in 0..2 {
        for _ in 0..5 {
            assert!(is_refused(&desk.try_with(&secret, "wrong").await));
        }
        desk.clock.advance(Duration::from_secs(15 * 60));
    }
    assert!(is_refused(&desk.try_with(&secret, PASSPHRASE).await), "it is spent");
    let unknown = desk.post(&format!("/link/{UNKNOWN}/new"), "", &[]).await;
    assert_eq!(unknown.status, 200);
    let known = desk.post(&format!("/link/{secret}/new"), "", &[]).await;
    assert_eq!(known.text, unknown.text);
    crate::support::eventually("a new link", || async { (desk.secrets().len() == 2).then_some(()) }).await;
    // By the button of the page, which is sent to the address at which it is; this soon nothing more leaves.
    let button = desk.post(&format!("/link/{secret}"), "", &[("new", "link")]).await;
    assert_eq!(button.text, unknown.text);
    crate::support::settle().await;
    assert_eq!(desk.secrets().len(), 2);
    let cookie = desk.enter().await;
    assert_eq!(desk.get("/link/referral", &cookie).await.status, 200);
    desk.world.stop().await;
}

#[tokio::test]
async fn a_page_closes_by_its_time_and_by_its_button() {
    let desk = Desk::open().await;
    let cookie = desk.enter().await;
    let hidden = desk.sheet(&cookie, "accept").await;
    let page = desk.get("/link/referral", &cookie).await;
    let token = desk::hidden(page.text.split("id=\"close\"").nth(1).unwrap());
    desk.clock.advance(Duration::from_secs(3_600));
    let over = desk.send(&cookie, "accept", &hidden, &[]).await;
    assert_eq!(over.status, 403);
    assert!(over.text.contains("it was not sent") && over.text.contains("Send a new link"), "{}", over.text);
    assert_guarded(&over);
    assert!(desk::is_over(&desk.get("/link/referral", &cookie).await));
    assert_eq!(desk.statements().await, []);

    desk.post(&format!("/link/{}/new", desk.secret()), "", &[]).await;
    crate::support::eventually("a new link", || async { (desk.secrets().len() == 2).then_some(()) }).await;
    let second = desk.enter().await;
    let (name, value) = &token[0];
    let foreign = desk.post("/link/close", &second, &[(name, value)]).await;
    assert_eq!(foreign.status, 403, "the token of another session");
    let page = desk.get("/link/referral", &second).await;
    let (name, value) = desk::hidden(page.text.split("id=\"close\"").nth(1).unwrap()).remove(0);
    let closed = desk.post("/link/close", &second, &[(&name, &value)]).await;
    assert!(closed.text.contains("The page is closed") && closed.header("set-cookie").contains("Max-Age=0"));
    assert!(desk::is_over(&desk.get("/link/referral", &second).await));
    desk.world.stop().await;
}

#[tokio::test]
async fn after_consent_is_withdrawn_an_open_page_tells_nothing_of_the_person() {
    let desk = Desk::open().await;
    let cookie = desk.enter().await;
    assert!(desk.get("/link/referral", &cookie).await.text.contains("Canary"));
    let hidden = desk.sheet(&cookie, "accept").await;
    let withdrawn =
        desk.world.change(&desk.sent.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(withdrawn.status, 200, "{}", withdrawn.text);
    for page in [
        desk.get("/link/referral", &cookie).await,
        desk.get("/link/referral/accept", &cookie).await,
        desk.send(&cookie, "accept", &hidden, &[]).await,
    ] {
        assert!(page.text.contains("There is nothing to see") && !page.text.contains("Canary"), "{}", page.text);
        assert_guarded(&page);
    }
    assert_eq!(desk.statements().await, []);
    desk.world.stop().await;
}

#[tokio::test]
async fn who_tries_one_link_again_and_again_has_to_wait() {
    let desk = Desk::open().await;
    let mut refused = None;
    for _ in 0..20 {
        let page = desk.post(&format!("/link/{UNKNOWN}/new"), "", &[]).await;
        if page.status == 429 {
            refused = Some(page);
            break;
        }
        assert_eq!(page.status, 200);
    }
    let page = refused.unwrap();
    assert_guarded(&page);
    assert!(page.header("retry-after").parse::<u64>().unwrap() > 0 && page.text.contains("Try again later"));
    desk.clock.advance(Duration::from_secs(60));
    assert_eq!(desk.post(&format!("/link/{UNKNOWN}/new"), "", &[]).await.status, 200);
    desk.world.stop().await;
}

#[tokio::test]
async fn the_style_sheet_is_the_one_thing_that_browsers_keep() {
    let desk = Desk::open().await;
    let sheet = desk.get("/link/style.css", "").await;
    assert_eq!(sheet.header("content-type"), "text/css; charset=utf-8");
    assert!(sheet.text.contains("#005eb8") && sheet.header("cache-control").contains("max-age"));
    let tag = sheet.header("etag").to_owned();
    let kept = desk.world.request("", "GET", "/link/style.css").header("if-none-match", tag);
    assert_eq!(desk.world.send(kept).await.status, 304);
    desk.world.stop().await;
}
