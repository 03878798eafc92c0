//! A manifest with many faults reports every one of them.

use super::*;

const RIGHT: &str = r#"name = "example"
version = "0.1.0"
format = "Example API 3"

[capabilities]
cancel = true
hold = false
look-up = true
poll = true
push = false

[limits]
steps = 4
answer-seconds = 20
answer-bytes = 1048576
poll-seconds = 300

[[statuses]]
platform = "New"
status = "requested"
business-status = "delivered"

[[statuses]]
platform = "Noted"
business-status = "seen"

[[equivalent-mutants]]
target = "create.path"
change = "removed"
because = "Nobody sees it."
"#;

fn read_text(text: &str) -> Result<Manifest, Vec<String>> {
    let folder = Folder::new("example", [(MANIFEST.to_owned(), text.as_bytes().to_vec())]);
    read(&folder).map_err(|broken| broken.faults.iter().map(ToString::to_string).collect())
}

#[test]
fn a_right_manifest_is_read_whole() {
    let manifest = read_text(RIGHT).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("example", "0.1.0"));
    assert!(manifest.capabilities.cancel && manifest.capabilities.look_up && !manifest.capabilities.hold);
    assert_eq!(
        manifest.limits,
        Limits { steps: 4, answer_seconds: 20, answer_bytes: 1_048_576, poll_seconds: 300, pace: Pace::default() }
    );
    assert_eq!((manifest.statuses.len(), manifest.status_lines.as_slice()), (2, [19, 24].as_slice()));
    assert_eq!((manifest.statuses[0].status, manifest.statuses[1].status), (Some(TaskStatus::Requested), None));
    let mutant = EquivalentMutant { target: "create.path".to_owned(), change: "removed".to_owned(), line: 28 };
    assert_eq!(manifest.equivalent, [mutant]);
}

#[test]
fn each_fault_is_told_with_its_place_and_mend() {
    let cases = [
        ("name = \"example\"", "name = \"Exámple\"", "adapter.toml:1:8", "lower-case letters"),
        ("name = \"example\"", "name = \"other\"", "adapter.toml:1:8", "write name = \"example\""),
        ("name = \"example\"", "", "adapter.toml:1:1", "`name` is missing"),
        ("version = \"0.1.0\"", "version = 1", "adapter.toml:2:11", "is integer"),
        ("version = \"0.1.0\"", "version = \"1.0\"", "adapter.toml:2:11", "three numbers"),
        ("format = \"Example API 3\"", "format = \" \"", "adapter.toml:3:10", "is empty"),
        ("hold = false", "hold = \"no\"", "adapter.toml:7:8", "true or false"),
        ("hold = false", "hold = false\nholt = true", "adapter.toml:8:1", "did you mean `hold`?"),
        ("steps = 4", "steps = 400", "adapter.toml:13:9", "from 1 to 20"),
        ("steps = 4", "steps = -1", "adapter.toml:13:9", "from 1 to 20"),
        ("steps = 4", "", "adapter.toml:12:1", "`limits.steps` is missing"),
        ("status = \"requested\"", "status = \"requsted\"", "adapter.toml:20:10", "did you mean `requested`?"),
        ("\"seen\"", "\"seeen\"", "adapter.toml:25:19", "did you mean `seen`?"),
        ("\"Noted\"", "\"New\"", "adapter.toml:24:12", "has a row already, at line 19"),
        ("[capabilities]", "[capability]", "adapter.toml:5:2", "there is no key `capability`"),
        ("[[statuses]]\nplatform = \"New\"", "[statuses]\nplatform = \"New\"", "adapter.toml:", "duplicate key"),
        ("format =", "data-needs = []\nformat =", "adapter.toml:3:1", "derived from the mapping"),
        ("because = \"Nobody sees it.\"", "", "adapter.toml:27:1", "`equivalent-mutants.because` is missing"),
        ("version = \"0.1.0\"", "version = ", "adapter.toml:2:", ""),
    ];
    for (from, to, place, words) in cases {
        assert!(RIGHT.contains(from), "{from}");
        let faults = read_text(&RIGHT.replacen(from, to, 1)).expect_err(to).join("\n");
        assert!(faults.contains(place) && faults.contains(words), "{to}: {faults}");
    }
}

#[test]
fn the_pace_of_the_platform_is_read() {
    let with = |pace: &str| RIGHT.replace("poll-seconds = 300", &format!("poll-seconds = 300\npace = {pace}"));
    let number = std::num::NonZeroU32::new;
    let read = read_text(&with("{ requests-per-minute = 60, at-once = 4 }")).unwrap();
    assert_eq!(read.limits.pace, Pace { requests_per_minute: number(60), at_once: number(4), ..Pace::default() });
    let read = read_text(&with("{ requests-per-day = 1000, urgent-per-day = 50, day-starts-minute = 1380 }")).unwrap();
    let (requests_per_day, urgent_per_day, day_starts_minute) = (number(1_000), number(50), number(1_380));
    let pace = Pace { requests_per_day, urgent_per_day, day_starts_minute, ..Pace::default() };
    assert_eq!(read.limits.pace, pace);
    for (pace, words) in [
        ("{ requests-per-minute = 0 }", "`limits.pace.requests-per-minute` is out of bounds"),
        ("{ requests-per-day = 0 }", "`limits.pace.requests-per-day` is out of bounds"),
        ("{ day-starts-minute = 1440 }", "write a number from 1 to 1439"),
        ("{ burst = \"5\" }", "`limits.pace.burst`"),
        ("{ per-minute = 5 }", "limits.pace.per-minute"),
        ("60", "limits.pace"),
    ] {
        let faults = read_text(&with(pace)).unwrap_err();
        assert!(faults.iter().any(|fault| fault.contains(words)), "{pace}: {faults:#?}");
    }
}

#[test]
fn all_faults_are_told_at_once_and_in_order() {
    let text = RIGHT
        .replace("name = \"example\"", "name = \"Bad Name\"")
        .replace("hold = false", "hold = 0")
        .replace("poll-seconds = 300", "poll-seconds = 0")
        .replace("\"delivered\"", "\"delivred\"")
        .replace("[[equivalent-mutants]]", "[[equivalent-mutant]]");
    let faults = read_text(&text).unwrap_err();
    assert_eq!(faults.len(), 5, "{faults:#?}");
    let line = |fault: &String| fault.split("adapter.toml:").nth(1)?.split(':').next()?.parse().ok();
    let lines: Vec<u32> = faults.iter().map(|fault| line(fault).unwrap()).collect();
    assert!(lines.is_sorted(), "{lines:?}");
}

#[test]
fn what_is_no_manifest_at_all_is_said() {
    assert!(read(&Folder::new("example", [])).unwrap_err().faults[0].words.contains("is missing"));
    let bytes = Folder::new("example", [(MANIFEST.to_owned(), vec![0xff, 0xfe])]);
    assert!(read(&bytes).unwrap_err().faults[0].words.contains("UTF-8"));
    let turned = RIGHT.replace("Example API 3", "Example \u{202e}API 3");
    assert!(read_text(&turned).unwrap_err()[0].contains("control characters"));
}
