//! `dead-letters`: what is listed, what is to be done, and that it goes on.

use crate::support::{Place, binary, referral, stderr, stdout, task_of, until};
use conformance_tests::platform::{Fault, FaultKind, Match};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::process::Output;

fn dead_letters(place: &Place, arguments: &[&str]) -> Output {
    let mut command = binary();
    command.arg("dead-letters").args(arguments).current_dir(place.folder.path());
    command.env("OPERATOR_TOKEN", "an-operators-own").output().unwrap()
}

/// A place whose operator has a token.
async fn place() -> Place {
    let place = Place::with_file().await;
    let hash: String = Sha256::digest("an-operators-own").iter().map(|byte| format!("{byte:02x}")).collect();
    let text = std::fs::read_to_string(place.configuration()).unwrap();
    let operator = format!(
        ", {{ id = \"operator\", tenant = \"pcn\", organisation = \"QHL01\", token-sha256 = \"{hash}\", roles = [\"operator\"] }}]\nroute"
    );
    std::fs::write(place.configuration(), text.replacen("]\nroute", &operator, 1)).unwrap();
    place
}

#[tokio::test]
async fn what_could_not_be_delivered_is_listed_explained_and_redriven() {
    let mut place = place().await;
    let serving = place.start().await;
    let none = dead_letters(&place, &["list", "--config", "gateway.toml"]);
    assert_eq!((none.status.code(), stdout(&none).trim()), (Some(0), "No dead letters."), "{}", stderr(&none));

    let refused = FaultKind::Status { status: 403, retry_after: None };
    place.platform.faults().push(Fault::new(Match::on("POST", "/fhir/Task"), refused));
    let answer = serving.post(referral(0).bundle_text()).await;
    let task = task_of(&answer);
    until("it is dead", async || serving.get(&task).await.1["status"] == "on-hold").await;
    let id = task.strip_prefix("Task/").unwrap();

    let list = stdout(&dead_letters(&place, &["list", "--config", "gateway.toml"]));
    assert!(list.contains("http-403") && list.contains("1 dead letters"), "{list}");
    let list = stdout(&dead_letters(&place, &["list", "--config", "gateway.toml", "--format", "json"]));
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list["deadLetters"][0]["task"], &list["deadLetters"][0]["cause"]), (&id.into(), &"http-403".into()));
    let other = dead_letters(&place, &["list", "--config", "gateway.toml", "--cause", "http-401"]);
    assert_eq!(stdout(&other).trim(), "No dead letters.");

    let page = stdout(&dead_letters(&place, &["show", &task, "--config", "gateway.toml"]));
    assert!(page.contains("do next   The platform forbids it to our account."), "{page}");
    assert!(page.contains("attempt   1 "), "{page}");
    let unknown = dead_letters(&place, &["show", "nothing", "--config", "gateway.toml"]);
    assert_eq!(unknown.status.code(), Some(1), "{}", stderr(&unknown));

    let redrive = |more: &[&str]| {
        let arguments = [&["redrive", "--url", &serving.base], more].concat();
        dead_letters(&place, &arguments)
    };
    assert_eq!(redrive(&["--all"]).status.code(), Some(2), "no token is named");
    let nobody = redrive(&["--all", "--token-env", "NO_SUCH_VARIABLE"]);
    assert_eq!(nobody.status.code(), Some(3), "{}", stderr(&nobody));
    let nothing = redrive(&["--token-env", "OPERATOR_TOKEN"]);
    assert_eq!(nothing.status.code(), Some(1), "{}", stderr(&nothing));
    assert!(stderr(&nothing).contains("Say which dead letters"), "{}", stderr(&nothing));
    let dry = redrive(&["--task", id, "--dry-run", "--token-env", "OPERATOR_TOKEN"]);
    assert!(
        stdout(&dry).contains("would go on") && stdout(&dry).contains("1 would go on, 0 stay."),
        "{}",
        stdout(&dry)
    );
    assert_eq!(place.platform.tasks().len(), 0);
    let done = redrive(&["--all", "--token-env", "OPERATOR_TOKEN", "--format", "json"]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let told: Value = serde_json::from_str(&stdout(&done)).unwrap();
    assert_eq!((&told["redriven"], &told["deadLetters"][0]["outcome"]), (&1.into(), &"redriven".into()));
    until("delivered", async || serving.get(&task).await.1["businessStatus"]["coding"][0]["code"] == "delivered").await;
    drop(serving);
    let gone = dead_letters(
        &place,
        &["redrive", "--url", "http://127.0.0.1:9/fhir", "--all", "--token-env", "OPERATOR_TOKEN"],
    );
    assert_eq!(gone.status.code(), Some(3), "{}", stderr(&gone));
    assert!(stderr(&gone).contains("Start the gateway, then do it again."), "{}", stderr(&gone));
}
