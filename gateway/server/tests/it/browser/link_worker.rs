//! A link worker's way through the pages with a keyboard alone, on a telephone, at a desk and enlarged four times. On each page axe-core
//! looks for barriers, nothing scrolls sideways, and a picture is kept.

use super::driver::{Browser, DESK, ENLARGED, PHONE, Screen, is_here};
use crate::link_worker::desk::{Desk, PASSPHRASE};
use crate::support::eventually;
use fantoccini::key::Key;

/// Somebody at the pages, and what they are called in pictures.
struct Person {
    browser: Browser,
    on: &'static str,
}

impl Person {
    async fn sees(&self, page: &str, words: &str) {
        // A page that was asked for may still be on its way.
        eventually(&format!("{page}: {words:?}"), || async { self.browser.text().await.contains(words).then_some(()) })
            .await;
        self.browser.holds(&format!("link-worker-{}-{page}", self.on)).await;
        let title = self.browser.title().await;
        assert!(title.ends_with("Link workers") && !title.contains("Canary"), "{title}");
        assert!(!self.browser.address().await.contains("Canary"));
    }

    async fn follows(&self, selector: &str) {
        self.browser.tab_to(selector).await;
        self.browser.press(Key::Enter).await;
    }

    async fn writes(&self, selector: &str, words: &str) {
        self.browser.tab_to(selector).await;
        self.browser.write(words).await;
    }
}

async fn whole_way(screen: Screen, on: &'static str) {
    let desk = Desk::open().await;
    let declined = desk.referral(0, |_| {}).await;
    desk.said(&declined, "rejected", "declined-capacity", "We are full.").await;
    let asked = desk.referral(1, |_| {}).await;
    desk.said(&asked, "on-hold", "info-needed", "Can she climb stairs?").await;
    let held = desk.held(2).await;
    let person = Person { browser: Browser::start(screen).await, on };
    let home = format!("{}/console/work", desk.world.origin);

    person.browser.open(&home).await;
    person.sees("over", "Sign in to go on").await;
    person.follows("a.button").await;
    person.sees("door", "Your name for signing in").await;
    person.writes("#name", "anna").await;
    person.writes("#passphrase", "not the one").await;
    person.browser.press(Key::Enter).await;
    person.sees("door-error", "There is a problem").await;
    person.follows(".errors a").await;
    assert!(person.browser.focused().await.contains("id=\"name\""), "{}", person.browser.focused().await);
    person.writes("#passphrase", PASSPHRASE).await;
    person.browser.press(Key::Enter).await;
    person.sees("list", "Declined by the service (1)").await;
    person.follows("a[href$='why=question']").await;
    person.sees("filtered", "The service has a question").await;

    // A question is answered, first with nothing.
    person.follows(&format!(".work a[href$='{asked}']")).await;
    person.sees("question", "Can she climb stairs?").await;
    person.follows("a[href$='/answer']").await;
    person.sees("answer", "Your answer").await;
    person.follows("#answer button").await;
    person.sees("answer-error", "Write your answer").await;
    person.writes("#words", "Yes, with a rail.").await;
    person.follows("#answer button").await;
    person.sees("answered", "Yes, with a rail.").await;
    person.follows("main > p > a").await;

    // Another service is chosen by the keyboard.
    person.follows(&format!(".work a[href$='{declined}']")).await;
    person.sees("declined", "We are full.").await;
    person.follows("a[href$='/re-refer']").await;
    person.sees("re-refer", "Which service?").await;
    person.browser.tab_to("[name=service]").await;
    person.browser.write(" ").await;
    person.browser.press(Key::Down).await;
    person.follows("#re-refer button").await;
    person.sees("re-referred", "See the earlier referral").await;
    assert!(!person.browser.address().await.contains(&declined), "the new one");

    // Every other form, and back without doing it.
    for act in ["release", "cancel", "hand-over"] {
        person.browser.open(&format!("{home}/{held}/{act}")).await;
        person.sees(act, "Go back without doing this").await;
    }
    person.browser.open(&format!("{home}/{declined}/settle")).await;
    person.sees("not-now", "Please look again").await;
    person.browser.open(&format!("{home}/{held}")).await;
    person.follows("#leave button").await;
    person.sees("left", "Sign in").await;
    person.browser.open(&format!("{home}/nothing")).await;
    person.sees("signed-out", "Sign in to go on").await;
    person.browser.close().await;
    desk.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_workers_way_by_keyboard_on_a_telephone() {
    if is_here() {
        whole_way(PHONE, "phone").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_workers_way_by_keyboard_at_a_desk() {
    if is_here() {
        whole_way(DESK, "desk").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_workers_way_by_keyboard_enlarged_four_times() {
    if is_here() {
        whole_way(ENLARGED, "enlarged").await;
    }
}
