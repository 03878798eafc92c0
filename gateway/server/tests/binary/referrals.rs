//! `referrals show`: where a referral is, and for what it waits.

use crate::support::{Place, binary, referral, stderr, stdout, task_of, until};
use conformance_tests::platform::{Fault, FaultKind, Match};
use serde_json::Value;
use std::process::Output;

fn show(place: &Place, arguments: &[&str]) -> Output {
    let mut command = binary();
    command.args(["referrals", "show"]).args(arguments).args(["--config", "gateway.toml"]);
    command.current_dir(place.folder.path()).output().unwrap()
}

// The command is waited for while the platform answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_referral_says_where_it_is_and_for_what_it_waits() {
    let mut place = Place::with_file().await;
    let serving = place.start().await;
    let refused = FaultKind::Status { status: 503, retry_after: Some(3_600) };
    place.platform.faults().push(Fault::new(Match::on("POST", "/fhir/Task"), refused));
    let task = task_of(&serving.post(referral(0).bundle_text()).await);
    let json = |output: Output| -> Value { serde_json::from_str(&stdout(&output)).unwrap() };
    until("its attempt has failed", async || {
        json(show(&place, &[&task, "--format", "json"]))[0]["waitsFor"] == "next-attempt"
    })
    .await;
    let page = stdout(&show(&place, &[&task]));
    assert!(page.contains("It is tried again at ") && page.contains("the last ended with http-503"), "{page}");
    assert!(page.contains("attempt   1 ") && page.contains("delivery  queued"), "{page}");

    // The next one waits because its platform asked for time.
    let other = task_of(&serving.post(referral(1).bundle_text()).await);
    let told = json(show(&place, &[other.strip_prefix("Task/").unwrap(), "--format", "json"]));
    assert_eq!(told[0]["waitsFor"], "left-alone", "{told}");
    assert!(told[0]["next"].is_string());
    let by_referral = json(show(&place, &[told[0]["referral"].as_str().unwrap(), "--format", "json"]));
    assert_eq!(by_referral[0]["task"], told[0]["task"]);

    let unknown = show(&place, &["Task/nothing"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("No referral has this id"), "{}", stderr(&unknown));
    drop(serving);
}
