//! The commands that end: what they say, and with which code.

use crate::support::{Place, referral, run, stderr, stdout};
use std::path::{Path, PathBuf};

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file
}

fn example() -> String {
    let output = run(&["config", "example"]);
    assert_eq!(output.status.code(), Some(0));
    stdout(&output)
}

#[test]
fn the_example_configuration_passes_its_own_check() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "gateway.toml", &example());
    let output = run(&["config", "check", file.to_str().unwrap()]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    assert!(stdout(&output).contains("1 clients, 1 platforms, 1 routes"), "{}", stdout(&output));
}

#[test]
fn a_broken_configuration_is_named_by_key_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("listen = \"127.0.0.1:8080\"", "listen = \"0.0.0.0:8080\"", "server.listen", "loopback"),
        ("adapter = \"fhir-task\"", "adapter = \"fax\"", "platform.adapter", "fhir-task"),
        (
            "base-url = \"http://127.0.0.1:9090/fhir\"",
            "base-url = \"http://p.example/fhir\"",
            "platform.base-url",
            "https",
        ),
        ("organisation = \"A82001\"", "organisation = \"a practice\"", "client.organisation", "ODS"),
        ("roles = [\"referrer\"]", "roles = [\"boss\"]", "`boss`", "referrer"),
        ("[server]", "[server]\ncolour = \"blue\"", "colour", ""),
        ("id = \"gp-system\"", "id = gp-system", "", ""),
    ];
    for (from, to, key, words) in cases {
        let line = example().lines().position(|line| line.contains(from)).unwrap() + 1;
        let text = example().replacen(from, to, 1);
        let line = line + to.matches('\n').count();
        let file = write(folder.path(), "broken.toml", &text);
        let output = run(&["config", "check", file.to_str().unwrap()]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{to}: {said}");
        assert!(said.contains(&format!("line {line}: ")), "{to}: line {line} in {said}");
        assert!(said.contains(key) && said.contains(words), "{to}: {said}");
    }
    let output = run(&["config", "check", "/no/such/file.toml"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("/no/such/file.toml"));
}

#[tokio::test]
async fn route_explain_says_where_a_bundle_goes_and_why() {
    let place = Place::with_file().await;
    let config = place.configuration();
    // 0 is for the food bank; 11 names a recipient that nobody knows.
    for (number, code, expected) in
        [(0, 0, ["Goes to food-bank by route food", "Task.owner"]), (11, 1, ["Held", "food"])]
    {
        let file = write(place.folder.path(), "bundle.json", &referral(number).bundle_text());
        let arguments = ["route", "explain", file.to_str().unwrap(), "--config", config.to_str().unwrap()];
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(code), "{}{}", stdout(&output), stderr(&output));
        for words in expected {
            assert!(stdout(&output).contains(words), "{words}: {}", stdout(&output));
        }
        let output = run(&[arguments.as_slice(), &["--format", "json"]].concat());
        assert_eq!(output.status.code(), Some(code));
        let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(rows[0]["platform"], if code == 0 { "food-bank".into() } else { serde_json::Value::Null });
        assert!(rows[0]["explanation"].as_str().is_some_and(|text| text.contains("food")), "{rows}");
    }
    assert_eq!(place.platform.requests().len(), 0, "nothing is sent");

    let file = write(place.folder.path(), "bundle.json", "{\"resourceType\":\"Bundle\",\"type\":\"transaction\"");
    let output = run(&["route", "explain", file.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let output = run(&["route", "explain", "/no/such.json", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}

#[test]
fn adapters_are_listed() {
    let output = run(&["adapter", "list"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("fhir-task"));
    let output = run(&["adapter", "list", "--format", "json"]);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(list.as_array().is_some_and(|rows| rows.iter().any(|row| row["name"] == "fhir-task")), "{list}");
}

#[test]
fn wrong_usage_ends_with_2() {
    let cases: [&[&str]; 11] = [
        &[],
        &["serve"],
        &["fly"],
        &["--no-such-option"],
        &["config", "check"],
        &["adapter", "list", "--format", "xml"],
        &["demo", "--referrals", "many"],
        &["route", "explain"],
        &["translate", "--adapter", "fhir-task"],
        &["adapter", "new"],
        &["adapter", "check"],
    ];
    for arguments in cases {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("--help"), "{arguments:?}: {}", stderr(&output));
    }
    for arguments in [["--help"], ["--version"]] {
        assert_eq!(run(&arguments).status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn the_demo_ends_with_everything_aligned() {
    let output = run(&["demo", "--referrals", "24", "--once"]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
    assert!(said.contains("24 of 24 settled, 24 of 24 aligned, 0 doubled"), "{said}");
    assert_eq!(said.matches(" SP-00000001-").count(), 24, "a row for each: {said}");
    assert!(!said.contains(" NO "), "{said}");
    let rows = rows(&said);
    for platform in ["food-bank", "befriending", "advice-centre", "family-support", "older-people", "community-garden"]
    {
        assert!(rows.iter().any(|row| row[1] == platform && row[2] == "delivered"), "{platform}: {said}");
    }
    // What each can say at most.
    for row in rows.iter().filter(|row| row[2] == "delivered") {
        let (said_by_platform, business) = (row[6].as_str(), row[4].as_str());
        match row[1].as_str() {
            "community-garden" => assert_eq!((row[3].as_str(), business), ("requested", "sent-unmonitored"), "{said}"),
            "family-support" => assert!(["Accepted", "Declined"].contains(&said_by_platform), "{said}"),
            "older-people" => assert_eq!(said_by_platform == "staged", business == "unacknowledged", "{said}"),
            _ => assert_eq!(row[3], said_by_platform, "{said}"),
        }
    }
    let worth = said.split("Worth a look").nth(1).unwrap();
    for words in [
        "family-support: rejected, declined-other\n",
        "The organisation's reason, as the GP reads it: We are full until spring.\n",
        "older-people: requested, unacknowledged\n",
        "Ask the organisation.\n",
        "A person was told: The platform reports accepted, which cannot follow rejected; rejected stays shown.",
        "food-bank: completed, helped\n",
        "Life satisfaction 7, Worthwhile 8, Happiness yesterday 6, Anxiety yesterday 3\n",
    ] {
        assert!(worth.contains(words), "{words}: {said}");
    }
    let again = run(&["demo", "--referrals", "24", "--once"]);
    assert_eq!(self::rows(&stdout(&again)), rows, "the same seed, the same run");
}

/// The cells of the demonstration's table.
fn rows(said: &str) -> Vec<Vec<String>> {
    let rows = said.lines().filter(|line| line.contains(" SP-00000001-"));
    rows.map(|row| row.trim_matches('│').split('┆').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn the_scene_of_a_withdrawal_tells_the_platform_stops_what_is_queued_and_shows_it_to_the_gp() {
    let output = run(&["demo", "--withdraw"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    for line in [
        "delivery withdrawn, with the Consent's own commit",
        "befriending has 0 Tasks",
        "it stopped.",
        "Nothing was sent",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(text.lines().last(), Some("2 of 2 settled, 2 of 2 aligned"), "{text}");
}
