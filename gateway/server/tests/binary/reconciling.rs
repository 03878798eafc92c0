//! `reconcile`, `alignment`, `reports parked`: what is compared, how it is told, and the exit codes.

use crate::support::{Place, binary, referral, stderr, stdout, task_of, until};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::process::Output;

fn command(place: &Place, arguments: &[&str]) -> Output {
    let mut command = binary();
    command.args(arguments).current_dir(place.folder.path());
    command.env("OPERATOR_TOKEN", "an-operators-own").output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).unwrap_or_else(|_| panic!("{} {}", stdout(output), stderr(output)))
}

// The command is waited for while the platform answers.
#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_told_repaired_and_counted() {
    let mut place = Place::with_file().await;
    let hash: String = Sha256::digest("an-operators-own").iter().map(|byte| format!("{byte:02x}")).collect();
    let text = std::fs::read_to_string(place.configuration()).unwrap();
    let operator = format!(
        ", {{ id = \"operator\", tenant = \"pcn\", organisation = \"QHL01\", token-sha256 = \"{hash}\", roles = [\"operator\"] }}]\nroute"
    );
    std::fs::write(place.configuration(), text.replacen("]\nroute", &operator, 1)).unwrap();
    let serving = place.start().await;
    let task = task_of(&serving.post(referral(0).bundle_text()).await);
    until("delivered", async || serving.get(&task).await.1["businessStatus"]["coding"][0]["code"] == "delivered").await;
    // Nobody tells the gateway, and its next poll is a quarter of an hour away.
    let name = place.platform.tasks()[0].id.clone();
    assert!(place.platform.plan(&name, &[("accepted", None)]));
    place.platform.tick().await;

    let reconcile = |more: &[&str]| {
        let arguments = [&["reconcile", "--url", &serving.base, "--token-env", "OPERATOR_TOKEN"], more].concat();
        command(&place, &arguments)
    };
    let dry = reconcile(&["--dry-run"]);
    assert_eq!(dry.status.code(), Some(1), "{}", stderr(&dry));
    let told = stdout(&dry);
    assert!(told.contains("status-differs (requested here, accepted there): would be repaired"), "{told}");
    assert!(told.contains("1 compared: 1 differences would be repaired"), "{told}");
    assert_eq!(serving.get(&task).await.1["status"], "requested");
    let done = reconcile(&["--format", "json"]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let done = json(&done);
    assert_eq!(
        (&done["repaired"], &done["referrals"][0]["difference"][0]["kind"]),
        (&1.into(), &"status-differs".into())
    );
    assert_eq!(done["referrals"][0]["task"], task.as_str());
    until("it is shown", async || serving.get(&task).await.1["status"] == "accepted").await;
    let again = reconcile(&[]);
    assert_eq!(again.status.code(), Some(0), "{}", stdout(&again));
    assert!(stdout(&again).contains("1 compared: 0 differences repaired"), "{}", stdout(&again));
    let nobody = command(&place, &["reconcile", "--url", &serving.base]);
    assert_eq!(nobody.status.code(), Some(2), "no token is named");
    let unknown = reconcile(&["--platform", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1), "{}", stderr(&unknown));

    let figures = command(&place, &["alignment", "--config", "gateway.toml", "--format", "json"]);
    assert_eq!(figures.status.code(), Some(0), "{}", stderr(&figures));
    let figures = json(&figures);
    let all = &figures["all"];
    assert_eq!((&all["referrals"], &all["agree"], &all["statements"]), (&1.into(), &1.into(), &1.into()), "{figures}");
    assert!(all["lagSeconds"]["p99"].as_f64().unwrap() >= 0.0, "{figures}");
    assert_eq!(figures["rows"].as_array().unwrap().len(), 1);
    let table = stdout(&command(&place, &["alignment", "--config", "gateway.toml"]));
    assert!(table.contains("100.0 %"), "{table}");
    let other =
        json(&command(&place, &["alignment", "--config", "gateway.toml", "--tenant", "other", "--format", "json"]));
    assert_eq!(other["all"]["referrals"], 0, "another customer's are not counted");

    let parked = command(&place, &["reports", "parked", "--config", "gateway.toml"]);
    assert_eq!((parked.status.code(), stdout(&parked).trim()), (Some(0), "Every statement belongs to a referral."));
    let parked = json(&command(&place, &["reports", "parked", "--config", "gateway.toml", "--format", "json"]));
    assert_eq!(parked["parked"], Value::Array(Vec::new()));
    drop(serving);
}
