//! `adapter new`, `check`, `list` and `translate`: what a vendor's analyst sees, and with which exit codes.

use crate::support::{referral, run, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A folder with one new adapter, `our-town`.
struct Made {
    home: tempfile::TempDir,
}

impl Made {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let output = run(&["adapter", "new", "our-town", "--in", home.path().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        for words in ["adapter check", "translate --adapter our-town", "docs/adapter-guide.md"] {
            assert!(stdout(&output).contains(words), "{words}: {}", stdout(&output));
        }
        Self { home }
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("our-town")
    }

    fn home(&self) -> &str {
        self.home.path().to_str().unwrap()
    }

    fn check(&self, more: &[&str]) -> Output {
        run(&[&["adapter", "check", self.folder().to_str().unwrap()], more].concat())
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.folder().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    fn translate(&self, more: &[&str]) -> Output {
        let adapter = ["translate", "--adapter", "our-town", "--adapters", self.home()];
        run(&[&adapter, more].concat())
    }

    fn bundle(&self, number: u64) -> String {
        let file = self.home.path().join(format!("bundle-{number}.json"));
        fs::write(&file, referral(number).bundle_text()).unwrap();
        file.to_str().unwrap().to_owned()
    }
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stdout(output)))
}

#[test]
fn a_new_adapter_passes_its_check_and_is_not_written_over() {
    let made = Made::new();
    let output = made.check(&[]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
    for words in
        ["Patient.birthDate", "Signed", "Status words (7)", "Fixtures: ", "Coverage: ", "Mutants noticed: ", "passes."]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let output = made.check(&["--format", "json"]);
    let checked = json(&output);
    assert_eq!(
        (output.status.code(), &checked["passed"], &checked["faults"]),
        (Some(0), &true.into(), &Value::Array(vec![]))
    );
    assert!(
        checked["coverage"]["of"].as_u64() > Some(50) && checked["mutation"]["of"].as_u64() > Some(100),
        "{checked}"
    );

    let again = run(&["adapter", "new", "our-town", "--in", made.home()]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("exists already"), "{}", stderr(&again));
    let bad = run(&["adapter", "new", "Our Town", "--in", made.home()]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(stderr(&bad).contains("lower-case"), "{}", stderr(&bad));
    let none = run(&["adapter", "check", "/no/such/folder"]);
    assert_eq!(none.status.code(), Some(3), "{}", stderr(&none));
    let file = run(&["adapter", "check", made.folder().join("mapping.yaml").to_str().unwrap()]);
    assert_eq!(file.status.code(), Some(2), "{}", stderr(&file));
    assert!(stderr(&file).contains("Name the adapter's folder"), "{}", stderr(&file));
}

#[test]
#[cfg(unix)]
fn what_is_expected_is_not_written_through_a_link() {
    let made = Made::new();
    let expected = made.folder().join("fixtures/submit-refused/result.json");
    let elsewhere = made.home.path().join("elsewhere.json");
    fs::rename(&expected, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &expected).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    made.edit("mapping.yaml", "diagnostic: \"The platform refused", "diagnostic: \"The example platform refused");
    let output = made.check(&["--update"]);
    assert_eq!(output.status.code(), Some(3), "{}", stdout(&output));
    assert!(stderr(&output).contains("is a link"), "{}", stderr(&output));
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
}

#[test]
fn a_broken_folder_is_told_fault_by_fault_with_places() {
    let made = Made::new();
    for (file, from, to) in [
        ("adapter.toml", "hold = false", "hold = \"no\""),
        ("adapter.toml", "business-status = \"claimed\"", "business-status = \"climed\""),
        ("mapping.yaml", "%patient.birthDate", "%patient.birthdate"),
        ("mapping.yaml", "overflow: refuse, class: contact", "class: contact"),
        ("mapping.yaml", "marker: \" [more was written]\"", "colour: blue"),
        ("mapping.yaml", "repeat: keyed\n        body:", "repeat: often\n        body:"),
        ("mapping.yaml", "platform-referral: requests.first().id", "platform-referral: requests.first().idd"),
    ] {
        made.edit(file, from, to);
    }
    let output = made.check(&[]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in [
        "adapter.toml:10:8",
        "did you mean `claimed`",
        "birthDate",
        "max-length",
        "colour",
        "often",
        "idd",
        "mapping.yaml:",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(said.matches("error").count() >= 7, "{said}");
    let output = made.check(&["--format", "json"]);
    let faults = json(&output)["faults"].as_array().unwrap().clone();
    assert!(faults.len() >= 7 && faults.iter().all(|fault| fault["line"].as_u64() > Some(0)), "{faults:#?}");
    let listed = run(&["adapter", "list", "--adapters", made.home()]);
    assert_eq!(listed.status.code(), Some(1));
    assert!(stderr(&listed).contains("adapter.toml:10:8"), "{}", stderr(&listed));
}

#[test]
fn what_no_fixture_notices_is_named_and_update_writes_for_review() {
    let made = Made::new();
    // Without the cases of refusals nobody would notice if they were lost.
    for case in fs::read_dir(made.folder().join("fixtures")).unwrap() {
        let path = case.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("submit-") && name != "submit-whole" {
            fs::remove_dir_all(path).unwrap();
        }
    }
    let output = made.check(&[]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in ["less than 90%", "refuse[0]", "condition never holds", "mapping.yaml:", "does not pass."] {
        assert!(said.contains(words), "{words}: {said}");
    }

    let made = Made::new();
    made.edit("mapping.yaml", "diagnostic: \"The platform refused", "diagnostic: \"The example platform refused");
    let output = made.check(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("submit-refused"), "{}", stdout(&output));
    assert!(stdout(&output).contains("The example platform refused"), "{}", stdout(&output));
    let output = made.check(&["--update"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("fixtures/submit-refused/result.json"), "{}", stdout(&output));
    assert_eq!(made.check(&[]).status.code(), Some(0));
}

#[test]
fn folders_are_listed_beside_what_is_built_in() {
    let made = Made::new();
    let output = run(&["adapter", "list", "--adapters", made.home(), "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let list = json(&output);
    let of = |name: &str| list.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    assert_eq!(of("fhir-task")["source"], "code");
    let ours = of("our-town");
    assert!(ours["version"].as_str().is_some_and(|version| version.starts_with("0.1.0+")), "{ours}");
    assert!(ours["source"].as_str().is_some_and(|source| source.ends_with("our-town")), "{ours}");
    assert!(ours["data-needs"].as_array().is_some_and(|needs| needs.len() > 5), "{ours}");
}

#[test]
fn translate_shows_request_fields_and_losses_without_values() {
    let made = Made::new();
    let file = made.bundle(0);
    let output = made.translate(&["--set", "team=north", "--explain", &file]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
    for words in
        ["POST v1/requests", "\"team\": \"north\"", "Fields (", "mapping.yaml:", "Losses (", "Patient.identifier"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (_, fields) = said.split_once("Fields (").unwrap();
    let family = family_of(&file);
    assert!(!fields.contains(&family), "values stay out of explanation and losses: {fields}");
    let revealed = made.translate(&["--set", "team=north", "--explain", "--reveal", &file]);
    let (_, fields) = stdout(&revealed).split_once("Fields (").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(fields.contains(&family), "{fields}");

    let output = made.translate(&["--set", "team=north", "--explain", "--format", "json", &file]);
    let value = json(&output);
    let one = &value["translations"][0];
    assert_eq!(one["requests"].as_array().map(Vec::len), Some(1));
    assert!(
        one["fields"].as_array().unwrap().iter().all(|line| line.get("value").is_none() && line["hash"].is_string())
    );
    assert_eq!(one["losses"]["complete"], true);
    let reasons = one["losses"]["losses"].as_array().unwrap();
    assert!(
        reasons.iter().any(|loss| loss["element"] == "Patient.identifier" && loss["reason"] == "no-field"),
        "{reasons:#?}"
    );
}

fn family_of(file: &str) -> String {
    let bundle: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let entries = bundle["entry"].as_array().unwrap();
    let patient = entries.iter().find(|entry| entry["resource"]["resourceType"] == "Patient").unwrap();
    patient["resource"]["name"][0]["family"].as_str().unwrap().to_owned()
}

#[test]
fn translate_works_for_adapters_with_code_and_for_single_resources() {
    let made = Made::new();
    let file = made.bundle(0);
    let settings = made.home.path().join("settings.toml");
    fs::write(&settings, "requester-ods = \"X26\"\nrequester-name = \"Example PCN\"\n").unwrap();
    let settings = settings.to_str().unwrap();
    let output = run(&["translate", "--adapter", "fhir-task", "--settings", settings, "--explain", &file]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
    assert!(said.contains("\"resourceType\": \"Bundle\"") && said.contains("Patient.name <- Patient.name"), "{said}");

    let files = parts(made.home.path());
    let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let output = made.translate(&[&["--set", "team=north"], names.as_slice()].concat());
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
    assert!(said.contains("note: Task: there is none") && said.contains("\"help\": \"Food parcel\""), "{said}");
}

/// A request and its person, each in a file.
fn parts(folder: &Path) -> Vec<PathBuf> {
    let request = serde_json::json!({
        "resourceType": "ServiceRequest", "id": "r", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p"}, "code": {"text": "Food parcel"}, "requester": {"display": "Dr Example"},
        "authoredOn": "2026-11-22T09:00:00Z",
    });
    let patient = serde_json::json!({
        "resourceType": "Patient", "id": "p", "name": [{"family": "Example"}],
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
    });
    [("request.json", request), ("patient.json", patient)]
        .into_iter()
        .map(|(name, value)| {
            let file = folder.join(name);
            fs::write(&file, value.to_string()).unwrap();
            file
        })
        .collect()
}

#[test]
fn translate_says_what_it_lacks() {
    let made = Made::new();
    let file = made.bundle(0);
    let folder = made.folder();
    let cases: [(&[&str], i32, &str); 7] = [
        (&[&file], 2, "settings.team"),
        (&["--set", "team", &file], 2, "NAME=VALUE"),
        (&["--set", "team=north", "--set", "tem=x", &file], 2, "settings.tem"),
        (&["--set", "team=north", "--platform", "p", &file], 2, "belong together"),
        (&["--set", "team=north", "--reveal", &file], 2, "--explain"),
        (&["--set", "team=north", "/no/such.json"], 3, "/no/such.json"),
        (&["--set", "team=north", folder.to_str().unwrap()], 3, "our-town"),
    ];
    for (arguments, code, words) in cases {
        let output = made.translate(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    }
    let output = run(&["translate", "--adapter", "nobody", &file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("fhir-task"), "{}", stderr(&output));
    let broken = made.home.path().join("broken.json");
    fs::write(&broken, "{").unwrap();
    let output = made.translate(&["--set", "team=north", broken.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    // A person who must not be contacted: refused in the mapping's words.
    fs::write(
        &broken,
        fs::read_to_string(&file).unwrap().replacen(
            "\"status\":\"active\"",
            "\"status\":\"active\",\"doNotPerform\":true",
            1,
        ),
    )
    .unwrap();
    let output = made.translate(&["--set", "team=north", broken.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    assert!(
        stdout(&output).contains("Nothing is sent.") || stderr(&output).contains("doNotPerform"),
        "{}",
        stdout(&output)
    );
}

/// The page that an information-governance lead reads, kept beside the code. `UPDATE=1` writes it anew.
#[test]
fn the_page_on_what_recipients_may_receive_is_what_the_adapters_declare() {
    let output = run(&["adapter", "needs"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/what-recipients-may-receive.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &output.stdout).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    assert!(
        kept == stdout(&output),
        "the page is not what the adapters declare: UPDATE=1 cargo test -p vcse-gateway --test binary what_recipients"
    );
    let one = json(&run(&["adapter", "needs", "fhir-task", "--format", "json"]));
    let needs = one[0]["needs"].as_array().unwrap();
    for need in needs {
        assert!(kept.contains(need["path"].as_str().unwrap()), "{need}");
    }
    assert!(needs.len() > 20 && kept.contains("`Patient.name`\\*"), "needed elements are marked");
    let unknown = run(&["adapter", "needs", "nowhere"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        stderr(&unknown).contains(
            "There are: batch-csv, charitylog, connect-families, fhir-message, fhir-task, lamplight, mail-link, salesforce, ticket-rt."
        ),
        "{}",
        stderr(&unknown)
    );
}
