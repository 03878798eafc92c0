//! Signing in and out: what opens the pages, for how long, and that nothing is learnt by trying.

use super::desk::{Desk, PASSPHRASE, START, account};
use gateway_core::account::{AccountRole, IDLE, LONGEST, Place, SignIn, attempts_key};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::store::memory::MemoryStore;

/// Under which key what this name did from here is kept.
fn key(name: &str) -> String {
    attempts_key(&account(name).id, &Place::Network([127, 0, 0, 1].into()))
}

const MINUTE: Duration = Duration::from_secs(60);

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_sign_in_opens_the_list_until_they_sign_out() {
    let desk = Desk::open().await;
    let closed = desk.get("", "").await;
    assert_eq!(closed.status, 403);
    assert!(closed.text.contains("Sign in to go on"), "{}", closed.text);
    let door = desk.get("", "/sign-in").await;
    assert_eq!((door.status.as_u16(), door.header("cache-control")), (200, "no-store"));
    let policy = door.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self'") && !policy.contains("script")
    );

    let answer = desk.try_with(" Anna ", PASSPHRASE).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/console/work"));
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-link-worker="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let secret = cookie.split_once('=').unwrap().1;
    // Only its hash is kept.
    assert!(matches!(desk.store.sign_in(&sha256(secret)).await.unwrap(), Some(SignIn::Session(_))));
    assert_eq!(desk.store.sign_in(secret).await.unwrap(), None);
    let list = desk.get(cookie, "").await;
    assert_eq!(list.status, 200);
    assert!(list.text.contains("Your work list") && list.text.contains("ANNA Link"), "{}", list.text);

    let token = super::desk::hidden(&list.text);
    let fields: Vec<(&str, &str)> = token.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let left = desk.post(cookie, "/sign-out", &fields).await;
    assert_eq!((left.status.as_u16(), left.header("location")), (303, "/console/work/sign-in"));
    assert!(left.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(desk.get(cookie, "").await.status, 403);
    assert_eq!(desk.store.sign_in(&sha256(secret)).await.unwrap(), None);
    desk.world.stop().await;
}

#[tokio::test]
async fn nobody_learns_which_names_exist() {
    let closed = account("closed").disabled(true);
    let clock = Arc::new(ManualClock::at(START));
    let desk = Desk::over(Arc::new(MemoryStore::new()), clock, &[account("anna"), account("closed"), closed]).await;
    let wrong = desk.try_with("anna", "wrong").await;
    let of = |name: &str| wrong.text.replace("value=\"anna\"", &format!("value=\"{name}\""));
    for (name, passphrase) in
        [("nobody", PASSPHRASE), ("nobody", "wrong"), ("closed", PASSPHRASE), ("anna", ""), ("a b", "x")]
    {
        let answer = desk.try_with(name, passphrase).await;
        assert_eq!((answer.status, &answer.text), (wrong.status, &of(name)), "{name}");
        assert_eq!(answer.header("set-cookie"), "");
    }
    assert_eq!(wrong.status, 403);
    // What is stored is the same as well.
    for name in ["anna", "nobody", "closed"] {
        let kept = desk.store.sign_in(&key(name)).await.unwrap();
        assert!(matches!(kept, Some(SignIn::Attempts(_))), "{name}");
    }
    desk.world.stop().await;
}

#[tokio::test]
async fn a_name_rests_after_five_wrong_passphrases_whether_it_exists_or_not() {
    let desk = Desk::open().await;
    for name in ["anna", "nobody"] {
        for _ in 0..5 {
            assert_eq!(desk.try_with(name, "wrong").await.status, 403);
        }
    }
    let right = desk.try_with("anna", PASSPHRASE).await;
    let wrong = desk.try_with("anna", "wrong").await;
    assert_eq!((right.status.as_u16(), &right.text), (403, &wrong.text), "nothing tells that it was right");
    desk.clock.advance(14 * MINUTE);
    assert_eq!(desk.try_with("anna", PASSPHRASE).await.status, 403);
    // Trying on did not make it longer.
    desk.clock.advance(MINUTE);
    desk.enter("anna").await;
    assert_eq!(desk.store.sign_in(&key("anna")).await.unwrap(), None, "they begin anew");
    let SignIn::Attempts(kept) = desk.store.sign_in(&key("nobody")).await.unwrap().unwrap() else { panic!("attempts") };
    assert_eq!((kept.wrong, kept.rests_until), (5, Some(START + 15 * MINUTE)));
    desk.world.stop().await;
}

/// The cookie by which this browser is known.
async fn known(desk: &Desk, name: &str) -> String {
    let answer = desk.try_with(name, PASSPHRASE).await;
    assert_eq!(answer.status, 303);
    let cookies: Vec<&str> = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    let known = cookies.iter().find(|cookie| cookie.starts_with("__Host-known-browser=")).unwrap();
    assert!(known.contains("; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age="), "{known}");
    assert!(!known.contains(name), "it tells no name: {known}");
    known.split(';').next().unwrap().to_owned()
}

async fn with(desk: &Desk, cookie: &str, name: &str, passphrase: &str) -> u16 {
    desk.post(cookie, "/sign-in", &[("name", name), ("passphrase", passphrase)]).await.status.as_u16()
}

#[tokio::test]
async fn nobody_keeps_a_colleague_out_by_trying_their_name_elsewhere() {
    let desk = Desk::open().await;
    let elsewhere =
        reqwest::Client::builder().no_proxy().local_address(std::net::IpAddr::from([127, 0, 0, 2])).build().unwrap();
    let tries = async |passphrase: &str| {
        let url = format!("{}/console/work/sign-in", desk.world.origin);
        let body: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("name", "anna"), ("passphrase", passphrase)])
            .finish();
        let request = elsewhere.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        desk.send(request).await.status.as_u16()
    };
    for _ in 0..5 {
        assert_eq!(tries("wrong").await, 403);
    }
    assert_eq!(tries(PASSPHRASE).await, 403, "from there even the right one waits");
    desk.enter("anna").await;
    assert_eq!(tries(PASSPHRASE).await, 403, "and that it was right elsewhere opens nothing there");
    desk.world.stop().await;
}

#[tokio::test]
async fn a_browser_that_is_known_waits_for_its_own_mistakes_alone() {
    let clock = Arc::new(ManualClock::at(START));
    let desk = Desk::over(Arc::new(MemoryStore::new()), clock, &[account("anna"), account("ben")]).await;
    let (annas, bens) = (known(&desk, "anna").await, known(&desk, "ben").await);
    // Everybody has the address of one proxy, and somebody tries the name there, as often as the rate lets them.
    for _ in 0..12 {
        desk.try_with("anna", "wrong").await;
    }
    for (cookie, opens) in [("", false), (bens.as_str(), false), ("__Host-known-browser=a.b", false), (&annas, true)] {
        let status = with(&desk, cookie, "anna", PASSPHRASE).await;
        assert_eq!(status == 303, opens, "{cookie}: {status}");
    }
    // It is counted as well, by itself.
    desk.clock.advance(MINUTE);
    for _ in 0..5 {
        assert_eq!(with(&desk, &annas, "anna", "wrong").await, 403);
    }
    assert_eq!(with(&desk, &annas, "anna", PASSPHRASE).await, 403, "its own mistakes count");
    desk.clock.advance(15 * MINUTE);
    assert_eq!(with(&desk, &annas, "anna", PASSPHRASE).await, 303);
    // A new passphrase makes it a browser like any other.
    let hash = vcse_gateway::passphrase::hash(PASSPHRASE).unwrap();
    desk.keep(&account("anna").with_passphrase(hash)).await;
    for _ in 0..5 {
        desk.try_with("anna", "wrong").await;
    }
    assert_eq!(with(&desk, &annas, "anna", PASSPHRASE).await, 403);
    desk.world.stop().await;
}

#[tokio::test]
async fn one_name_is_tried_so_often_a_minute() {
    let desk = Desk::open().await;
    let mut told = None;
    for _ in 0..30 {
        let answer = desk.try_with("nobody", "x").await;
        if answer.status == 429 {
            told = Some(answer.header("retry-after").parse::<u64>().unwrap());
            break;
        }
    }
    assert!(told.is_some_and(|seconds| (1..=60).contains(&seconds)), "{told:?}");
    desk.enter("anna").await;
    desk.world.stop().await;
}

#[tokio::test]
async fn a_sign_in_ends_when_nobody_is_there_and_at_the_end_of_the_day() {
    let desk = Desk::open().await;
    let idle = Duration::try_from(IDLE).unwrap();
    let cookie = desk.enter("anna").await;
    desk.clock.advance(idle - MINUTE);
    assert_eq!(desk.get(&cookie, "").await.status, 200);
    desk.clock.advance(idle - MINUTE);
    assert_eq!(desk.get(&cookie, "").await.status, 200, "a page keeps it open");
    desk.clock.advance(idle);
    assert_eq!(desk.get(&cookie, "").await.status, 403);

    let cookie = desk.enter("anna").await;
    let mut passed = Duration::ZERO;
    let longest = Duration::try_from(LONGEST).unwrap();
    while passed + 10 * MINUTE < longest {
        desk.clock.advance(10 * MINUTE);
        passed += 10 * MINUTE;
        assert_eq!(desk.get(&cookie, "").await.status, 200, "{passed:?}");
    }
    desk.clock.advance(longest - passed);
    let over = desk.get(&cookie, "").await;
    assert_eq!(over.status, 403);
    assert!(over.header("set-cookie").contains("Max-Age=0"));
    desk.world.stop().await;
}

#[tokio::test]
async fn a_sign_in_outlives_the_process_and_ends_with_the_account() {
    let desk = Desk::open().await;
    let cookie = desk.enter("anna").await;
    let desk = desk.restarted().await;
    assert_eq!(desk.get(&cookie, "").await.status, 200);
    // Another instance on the same store.
    let other = Desk::over(Arc::clone(&desk.store), Arc::clone(&desk.clock), &[]).await;
    assert_eq!(other.get(&cookie, "").await.status, 200);
    let closed = account("anna").disabled(true);
    desk.keep(&closed).await;
    assert_eq!((desk.get(&cookie, "").await.status.as_u16(), other.get(&cookie, "").await.status.as_u16()), (403, 403));
    assert_eq!(desk.try_with("anna", PASSPHRASE).await.status, 403);
    // Opened again, the old sign-in stays over.
    desk.keep(&closed.disabled(false)).await;
    assert_eq!(desk.get(&cookie, "").await.status, 403);
    desk.enter("anna").await;
    other.world.stop().await;
    desk.world.stop().await;
}

#[tokio::test]
async fn nothing_is_taken_that_was_not_sent_from_a_page_of_theirs() {
    let clock = Arc::new(ManualClock::at(START));
    let desk = Desk::over(Arc::new(MemoryStore::new()), clock, &[account("anna"), account("ben")]).await;
    let task = desk.held(0).await;
    let (anna, ben) = (desk.enter("anna").await, desk.enter("ben").await);
    let hidden = desk.form(&anna, &task, "cancel").await;
    let version = desk.task(&task).await["meta"]["versionId"].clone();
    let own: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let with = |more: &[(&'static str, &'static str)]| [own.as_slice(), more].concat();
    let path = format!("/{task}/cancel");
    let words = [("words", "Not needed")];
    // Without its token, with another's, from elsewhere, from nobody who is signed in.
    let cases = [
        desk.posting(&anna, &path, &words),
        desk.posting(&ben, &path, &with(&words)),
        desk.posting(&anna, &path, &with(&words)).header("origin", "https://elsewhere.example"),
        desk.posting(&anna, &path, &with(&words)).header("sec-fetch-site", "cross-site"),
        desk.posting("", &path, &with(&words)),
        desk.posting("__Host-link-worker=guess", &path, &with(&words)),
    ];
    for (nth, request) in cases.into_iter().enumerate() {
        assert_eq!(desk.send(request).await.status, 403, "case {nth}");
    }
    let elsewhere = desk.posting("", "/sign-in", &[("name", "anna"), ("passphrase", PASSPHRASE)]);
    assert_eq!(desk.send(elsewhere.header("origin", "https://elsewhere.example")).await.status, 403);
    // Opening an address changes nothing.
    for page in ["", "?whose=mine&why=call", &format!("/{task}"), &path] {
        assert_eq!(desk.get(&anna, page).await.status, 200, "{page}");
    }
    assert_eq!(desk.get(&anna, "/sign-out").await.status, 405);
    assert_eq!(desk.task(&task).await["meta"]["versionId"], version);
    let long = "x".repeat(200_000);
    assert_eq!(desk.post(&anna, &path, &[("words", long.as_str())]).await.status, 413);
    desk.world.stop().await;
}

#[tokio::test]
async fn readers_change_nothing_and_operators_see_nobody() {
    let mut reader = account("reader");
    reader.roles = [AccountRole::Reader].into();
    let mut operator = account("operator");
    operator.roles = [AccountRole::Operator].into();
    let clock = Arc::new(ManualClock::at(START));
    let desk = Desk::over(Arc::new(MemoryStore::new()), clock, &[account("anna"), reader, operator]).await;
    let task = desk.held(0).await;
    let reads = desk.enter("reader").await;
    let page = desk.get(&reads, &format!("/{task}")).await;
    assert!(
        page.status == 200 && page.text.contains("Canary") && !page.text.contains("What you can do"),
        "{}",
        page.text
    );
    assert_eq!(desk.get(&reads, &format!("/{task}/cancel")).await.status, 403);
    let token = super::desk::hidden(&page.text);
    let version = desk.task(&task).await["meta"]["versionId"].as_str().unwrap().to_owned();
    let hidden = [token[0].clone(), ("version".to_owned(), version)];
    let answer = desk.give(&reads, (&task, "cancel"), &hidden, &[("words", "no")]).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert_eq!(desk.task(&task).await["status"], "on-hold");

    let operates = desk.enter("operator").await;
    let list = desk.get(&operates, "").await;
    assert!(list.text.contains(&task) && list.text.contains("no service chosen"), "{}", list.text);
    assert!(!list.text.contains("Canary"), "{}", list.text);
    assert_eq!(desk.get(&operates, &format!("/{task}")).await.status, 404);
    desk.world.stop().await;
}
