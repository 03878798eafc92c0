//! An organisation's way through the status-link pages with a keyboard alone, on a telephone and at a desk. On each page and in each state
//! axe-core looks for barriers, nothing scrolls sideways, and a picture is kept.

use super::driver::{Browser, DESK, ENLARGED, PHONE, Screen, is_here};
use crate::mail_link::{Kept, Office, PASSPHRASE};
use crate::support::eventually;
use fantoccini::key::Key;
use std::sync::Arc;
use vcse_gateway::clock::SystemClock;

/// Who looks at the pages, and what they are called in pictures.
struct Person {
    browser: Browser,
    on: &'static str,
}

impl Person {
    async fn at(screen: Screen, on: &'static str) -> Self {
        Self { browser: Browser::start(screen).await, on }
    }

    /// The page holds to the rules.
    async fn sees(&self, page: &str, words: &str) {
        // A page that was asked for may still be on its way.
        eventually(&format!("{page}: {words:?}"), || async { self.browser.text().await.contains(words).then_some(()) })
            .await;
        self.browser.holds(&format!("{}-{page}", self.on)).await;
    }

    /// Goes to a link or button by its words, and presses it.
    async fn follows(&self, selector: &str) {
        self.browser.tab_to(selector).await;
        self.browser.press(Key::Enter).await;
    }

    async fn opens(&self, link: &str) {
        self.browser.open(link).await;
        self.browser.tab_to("#passphrase").await;
        self.browser.write(PASSPHRASE).await;
        self.browser.press(Key::Enter).await;
        eventually("the referral", || async { self.browser.address().await.ends_with("/link/referral").then_some(()) })
            .await;
    }
}

async fn whole_way(screen: Screen, on: &'static str) {
    let mails = Arc::new(Kept::default());
    let office = Office::with(mails.clone(), Arc::new(SystemClock)).await;
    let (first, second) = (office.referral(1).await, office.referral(2).await);
    let links = mails.links(2).await;
    let person = Person::at(screen, on).await;
    let browser = &person.browser;

    // Before anything is shown: the passphrase, first a wrong one.
    browser.open(&links[0]).await;
    person.sees("door", "Passphrase").await;
    assert!(browser.title().await.starts_with("Open the referral"), "{}", browser.title().await);
    browser.tab_to("#passphrase").await;
    browser.write("not the one").await;
    browser.press(Key::Enter).await;
    person.sees("door-error", "There is a problem").await;
    assert!(browser.title().await.starts_with("Error: "), "{}", browser.title().await);
    // The summary leads to the field.
    person.follows(".errors a").await;
    assert!(browser.focused().await.contains("id=\"passphrase\""), "{}", browser.focused().await);
    browser.write(PASSPHRASE).await;
    browser.press(Key::Enter).await;
    person.sees("referral", "Accept the referral").await;

    // Accept, ask, say that the person came, and how it ended.
    person.follows("a[href$='/referral/accept']").await;
    person.sees("accept", "You take this person on").await;
    person.follows("form button").await;
    person.sees("done", "Your answer was sent").await;
    office.world.task_becomes(&first, "accepted").await;
    person.follows("a[href$='/referral']").await;
    person.sees("accepted", "Tell us that the person came").await;
    person.follows("a[href$='/referral/ask']").await;
    person.sees("ask", "Your question").await;
    person.follows("form button").await;
    person.sees("ask-error", "Write your question").await;
    browser.tab_to("#words").await;
    browser.write("Can she climb stairs?").await;
    person.follows("form button").await;
    office.world.task_becomes(&first, "on-hold").await;
    person.follows("a[href$='/referral']").await;
    person.follows("a[href$='/referral/attended']").await;
    person.sees("attended", "the person came to you").await;
    person.follows("form button").await;
    office.world.task_becomes(&first, "in-progress").await;
    person.follows("a[href$='/referral']").await;
    person.follows("a[href$='/referral/did-not-attend']").await;
    person.sees("did-not-attend", "did not come").await;
    person.follows("p > a[href$='/referral']").await;
    person.follows("a[href$='/referral/finished']").await;
    person.sees("finished", "How did it end?").await;
    person.follows("form button").await;
    person.sees("finished-error", "Choose how your support ended").await;
    // A choice by the space bar, the next by an arrow.
    browser.tab_to("[name=outcome]").await;
    browser.write(" ").await;
    browser.press(Key::Down).await;
    browser.press(Key::Up).await;
    browser.tab_to("#words").await;
    browser.write("She comes to lunch each week.").await;
    person.follows("form button").await;
    let ended = office.world.task_becomes(&first, "completed").await;
    assert!(ended["output"].to_string().contains("She comes to lunch each week."), "{ended}");
    person.follows("a[href$='/referral']").await;
    person.sees("ended", "").await;
    person.follows("#close button").await;
    person.sees("closed", "opens nothing any more").await;

    // What is used opens nothing more; a new link is asked for.
    browser.open(&links[0]).await;
    person.follows("#new button").await;
    person.sees("new-link", "We have your request").await;

    // The other referral is declined, with a reason that needs words.
    person.opens(&links[1]).await;
    person.follows("a[href$='/referral/decline']").await;
    person.sees("decline", "Why do you decline it?").await;
    person.follows("form button").await;
    person.sees("decline-error", "Choose why you decline the referral").await;
    browser.tab_to("[name=reason]").await;
    browser.write(" ").await;
    // By arrows to the reason that needs words, wherever it stands among the others.
    browser.arrow_to("[name=reason][value=decline-needs-not-met]").await;
    person.follows("form button").await;
    person.sees("decline-words-error", "Write what would help").await;
    browser.tab_to("#words").await;
    browser.write("A volunteer who signs").await;
    person.follows("form button").await;
    let declined = office.world.task_becomes(&second, "rejected").await;
    assert_eq!(declined["businessStatus"]["coding"][0]["code"], "declined-needs", "{declined}");
    assert_eq!(declined["statusReason"]["coding"][0]["code"], "needs-more", "{declined}");
    assert_eq!(declined["statusReason"]["text"], "A volunteer who signs");
    person.browser.close().await;
    office.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_way_by_keyboard_on_a_telephone() {
    if is_here() {
        whole_way(PHONE, "phone").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_way_by_keyboard_at_a_desk() {
    if is_here() {
        whole_way(DESK, "desk").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_are_enlarged_four_times_do_not_scroll_sideways() {
    if !is_here() {
        return;
    }
    let mails = Arc::new(Kept::default());
    let office = Office::with(mails.clone(), Arc::new(SystemClock)).await;
    office.referral(1).await;
    let link = mails.links(1).await.remove(0);
    let person = Person::at(ENLARGED, "enlarged").await;
    person.opens(&link).await;
    person.sees("referral", "").await;
    let base = link.rsplit_once('/').unwrap().0;
    for name in ["accept", "decline", "ask"] {
        person.browser.open(&format!("{base}/referral/{name}")).await;
        person.sees(name, "").await;
    }
    person.browser.close().await;
    office.world.stop().await;
}
