//! Copies of the store, as an operator takes them and puts them back.

use crate::support::{Place, binary, referral, stderr, stdout, task_of, until};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::process::Output;

fn command(place: &Place, arguments: &[&str]) -> Output {
    binary().args(arguments).current_dir(place.folder.path()).output().unwrap()
}

fn code(task: &Value) -> Option<&str> {
    task["businessStatus"]["coding"][0]["code"].as_str()
}

/// The store is lost.
fn lose(folder: &Path) {
    for name in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
        let _ = std::fs::remove_file(folder.join("data").join(name));
    }
}

#[tokio::test]
async fn a_copy_that_is_put_back_sends_nothing_before_it_is_told_to_and_doubles_nothing_then() {
    let mut place = Place::with_file().await;
    let none = command(&place, &["backup", "--config", "gateway.toml", "--to", "copy.db"]);
    assert_eq!(none.status.code(), Some(3), "{}", stderr(&none));

    // The copy is taken while the platform is away; afterwards it has the referral.
    let away = conformance_tests::platform::FaultKind::Status { status: 503, retry_after: None };
    let first = conformance_tests::platform::Match::any();
    place.platform.faults().push(conformance_tests::platform::Fault::new(first.times(3), away));
    let mut serving = place.start().await;
    let task = task_of(&serving.post(referral(0).bundle_text()).await);
    let taken = command(&place, &["backup", "--config", "gateway.toml", "--to", "copy.db"]);
    assert_eq!(taken.status.code(), Some(0), "{}", stderr(&taken));
    assert!(stdout(&taken).contains("SHA-256"), "{}", stdout(&taken));
    let checked = command(&place, &["store", "check", "--config", "gateway.toml"]);
    assert_eq!(checked.status.code(), Some(0), "{}{}", stdout(&checked), stderr(&checked));
    until("delivered", async || code(&serving.get(&task).await.1) == Some("delivered")).await;
    let there = command(&place, &["restore", "--config", "gateway.toml", "--from", "copy.db"]);
    assert_eq!(there.status.code(), Some(3), "a running gateway is not replaced: {}", stdout(&there));
    serving.signal(Signal::TERM);
    assert!(serving.end().await.success());
    let there = command(&place, &["restore", "--config", "gateway.toml", "--from", "copy.db"]);
    assert!(stderr(&there).contains("exists already"), "{}", stderr(&there));

    lose(place.folder.path());
    let copy = place.folder.path().join("copy.db");
    let whole = std::fs::read(&copy).unwrap();
    let mut spoilt = whole.clone();
    spoilt[whole.len() / 2] ^= 1;
    std::fs::write(&copy, &spoilt).unwrap();
    let refused = command(&place, &["restore", "--config", "gateway.toml", "--from", "copy.db"]);
    assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));
    assert!(!place.folder.path().join("data/gateway.db").exists());
    std::fs::write(&copy, &whole).unwrap();
    let restored = command(&place, &["restore", "--config", "gateway.toml", "--from", "copy.db"]);
    assert_eq!(restored.status.code(), Some(0), "{}", stderr(&restored));
    assert!(stdout(&restored).contains("food-bank: 1 errands"), "{}", stdout(&restored));

    let asked = place.platform.requests().len();
    let mut serving = place.start().await;
    let later = task_of(&serving.post(referral(1).bundle_text()).await);
    serving.signal(Signal::TERM);
    assert!(serving.end().await.success());
    assert!(serving.said().contains("start it with --resume"), "{}", serving.said());
    assert_eq!(place.platform.requests().len(), asked, "it takes in and sends nothing");

    let serving = place.resume().await;
    for task in [&task, &later] {
        until("delivered", async || code(&serving.get(task).await.1) == Some("delivered")).await;
    }
    assert_eq!((place.platform.tasks().len(), place.platform.duplicates().len()), (2, 0));
}
