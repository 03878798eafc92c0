//! One fixture folder, read: what is asked of the adapter, what the platform answers, what is expected.
//!
//! A case needs no Rust. `case.json` says what is done; `N-answer.json` what the platform answers; the other files hold
//! what is expected, and `adapter check --update` writes them for review. A file that nothing reads is a fault: it would
//! prove nothing.

use super::{referral, wire};
use crate::fault::Fault;
use crate::folder::{FIXTURES, Folder};
use adapter_contract::{Answer, MinimisedReferral, ReportSource, Settings};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The referral's key, where a case names no other.
const KEY: &str = "0b0f7c52-6c1e-4d0c-9a55-3f1f5ac0a001";
/// The conversation, likewise.
const CORRELATION: &str = "conversation-1";
/// When the gateway accepted the referral, likewise.
const ACCEPTED: &str = "2026-11-22T09:00:00.000Z";
/// The platform's address, likewise.
const BASE: &str = "https://platform.example";

/// What a case asks of the adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Asks {
    /// Give the platform the referral.
    Submit,
    /// Give it what the referral has become.
    Update,
    /// The sender has withdrawn it.
    Cancel,
    /// The sender has paused it.
    Hold,
    /// The sender lets it go on.
    Release,
    /// Ask whether the platform has it.
    LookUp,
    /// Read one referral's status.
    Read,
    /// Ask what has changed.
    Poll,
    /// Read what the platform sent by itself.
    Report,
    /// Check a configuration.
    Settings,
    /// Translate every code of a concept map.
    Codes,
}

/// `case.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CaseFile {
    /// What the case shows, in a sentence.
    about: String,
    /// AD-* requirements of the conformance suite that it shows; `conformance.toml` has to claim them.
    #[serde(default)]
    requirements: Vec<String>,
    purpose: Asks,
    /// Over those of `fixtures/settings.json`; null takes one away.
    #[serde(default)]
    settings: BTreeMap<String, Option<String>>,
    /// Name of a file in `fixtures/referrals`; without it, `referral.json` of the case.
    referral: Option<String>,
    /// JSON Pointer to new value; null removes.
    #[serde(default)]
    changes: serde_json::Map<String, Value>,
    platform_referral: Option<String>,
    reason: Option<String>,
    /// Where the last poll ended, as JSON.
    cursor: Option<Value>,
    key: Option<String>,
    correlation: Option<String>,
    accepted_at: Option<String>,
    source: Option<ReportSource>,
    content_type: Option<String>,
    /// Name of a concept map of the mapping.
    map: Option<String>,
}

/// A case that can be run.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) asks: Asks,
    pub(super) settings: Settings,
    pub(super) referral: Option<MinimisedReferral>,
    pub(super) platform_referral: String,
    pub(super) reason: Option<String>,
    pub(super) cursor: Option<String>,
    pub(super) key: String,
    pub(super) correlation: String,
    pub(super) accepted_at: String,
    pub(super) answers: Vec<Answer>,
    pub(super) report: Vec<u8>,
    pub(super) source: ReportSource,
    pub(super) content_type: Option<String>,
    pub(super) map: Option<String>,
    /// What is expected, by file name; `None` for a file that is there but empty, to be filled.
    pub(crate) expected: BTreeMap<String, Option<Value>>,
}

/// Reads all cases of a folder that was read whole.
///
/// # Errors
/// Faults of the fixture files themselves.
pub(crate) fn read_all(folder: &Folder) -> Result<Vec<Case>, Vec<Fault>> {
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut faults = Vec::new();
    for file in folder.names().filter_map(|name| name.strip_prefix(FIXTURES)) {
        match file.split_once('/') {
            Some(("referrals", _)) => {}
            Some((case, file)) => {
                names.entry(case).or_default().insert(file);
            }
            None if file == "settings.json" || file == "README.md" => {}
            None => faults.push(Fault::of_file(format!("{FIXTURES}{file}"), "belongs to no case")),
        }
    }
    let shared: Settings = json(folder, &format!("{FIXTURES}settings.json"), &mut faults).unwrap_or_default();
    let mut referrals = BTreeSet::new();
    let mut cases = Vec::new();
    for (name, files) in names {
        let mut reader = Reader { folder, case: name, used: BTreeSet::new(), faults: &mut faults };
        cases.extend(reader.case(&shared, &mut referrals));
        let unread: Vec<&str> = files.into_iter().filter(|file| !reader.used.contains(*file)).collect();
        for file in unread {
            let words = "no step of this case reads it, so it proves nothing";
            faults.push(Fault::of_file(format!("{FIXTURES}{name}/{file}"), words).mend("remove or rename it"));
        }
    }
    for file in folder.names().filter(|name| name.starts_with("fixtures/referrals/")) {
        if !referrals.contains(file) {
            faults.push(Fault::of_file(file, "no case uses this referral").mend("remove it, or write a case"));
        }
    }
    if faults.is_empty() { Ok(cases) } else { Err(faults) }
}

fn json<T: serde::de::DeserializeOwned>(folder: &Folder, file: &str, faults: &mut Vec<Fault>) -> Option<T> {
    let bytes = folder.get(file)?;
    match serde_json::from_slice(bytes) {
        Ok(value) => Some(value),
        Err(error) => {
            // The place stands before the words already.
            let words = error.to_string();
            let words = words.split_once(" at line ").map_or(words.as_str(), |(words, _)| words);
            let mut fault = Fault::of_file(file, words);
            fault.line = u32::try_from(error.line()).unwrap_or(0);
            fault.column = u32::try_from(error.column()).unwrap_or(0);
            faults.push(fault);
            None
        }
    }
}

struct Reader<'a> {
    folder: &'a Folder,
    case: &'a str,
    used: BTreeSet<String>,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    fn path(&self, file: &str) -> String {
        format!("{FIXTURES}{}/{file}", self.case)
    }

    fn fault(&mut self, file: &str, words: impl Into<String>) {
        let path = self.path(file);
        self.faults.push(Fault::of_file(path, words));
    }

    fn file<T: serde::de::DeserializeOwned>(&mut self, file: &str) -> Option<T> {
        let path = self.path(file);
        if self.folder.get(&path).is_some() {
            self.used.insert(file.to_owned());
        }
        json(self.folder, &path, self.faults)
    }

    fn case(&mut self, shared: &Settings, referrals: &mut BTreeSet<String>) -> Option<Case> {
        if self.folder.get(&self.path("case.json")).is_none() {
            let words = "case.json is missing: it says what the case asks (`purpose`) and what it shows (`about`)";
            self.fault("case.json", words);
            return None;
        }
        let case: CaseFile = self.file("case.json")?;
        if case.about.trim().is_empty() {
            self.fault("case.json", "`about` is empty: say in a sentence what the case shows");
        }
        self.members(&case);
        self.requirements(&case.requirements);
        let with_referral = matches!(case.purpose, Asks::Submit | Asks::Update);
        let referral = if with_referral { Some(self.referral(&case, referrals)?) } else { None };
        let report = if case.purpose == Asks::Report { self.report()? } else { Vec::new() };
        let answers = self.answers();
        let expected = self.expected();
        let mut settings = shared.clone();
        settings.entry("base-url".to_owned()).or_insert_with(|| BASE.to_owned());
        for (name, value) in case.settings {
            match value {
                Some(value) => settings.insert(name, value),
                None => settings.remove(&name),
            };
        }
        Some(Case {
            name: self.case.to_owned(),
            asks: case.purpose,
            settings,
            referral,
            platform_referral: case.platform_referral.unwrap_or_default(),
            reason: case.reason,
            cursor: case.cursor.map(|cursor| match cursor {
                Value::String(text) => text,
                other => other.to_string(),
            }),
            key: case.key.unwrap_or_else(|| KEY.to_owned()),
            correlation: case.correlation.unwrap_or_else(|| CORRELATION.to_owned()),
            accepted_at: case.accepted_at.unwrap_or_else(|| ACCEPTED.to_owned()),
            answers,
            report,
            source: case.source.unwrap_or(ReportSource::Webhook),
            content_type: case.content_type,
            map: case.map,
            expected,
        })
    }

    /// What a case says that it shows has to be claimed in `conformance.toml`.
    fn requirements(&mut self, named: &[String]) {
        let text = self.folder.get("conformance.toml").map(String::from_utf8_lossy).unwrap_or_default();
        let claims: toml::Table = toml::from_str(&text).unwrap_or_default();
        let claimed =
            |id: &str| claims.get("adapter").and_then(toml::Value::as_table).is_some_and(|all| all.contains_key(id));
        for id in named.iter().filter(|id| !claimed(id)) {
            self.fault("case.json", format!("`{id}` is not claimed under [adapter] in conformance.toml"));
        }
    }

    /// Members that mean nothing for this purpose, or that it lacks.
    fn members(&mut self, case: &CaseFile) {
        use Asks::{Cancel, Codes, Hold, Poll, Read, Release, Report, Submit, Update};
        let rows: [(&str, bool, bool, &[Asks]); 7] = [
            ("referral", case.referral.is_some(), false, &[Submit, Update]),
            ("changes", !case.changes.is_empty(), false, &[Submit, Update]),
            ("platform-referral", case.platform_referral.is_some(), true, &[Cancel, Hold, Release, Read, Update]),
            ("reason", case.reason.is_some(), false, &[Cancel, Hold, Release]),
            ("cursor", case.cursor.is_some(), false, &[Poll]),
            ("map", case.map.is_some(), true, &[Codes]),
            ("source", case.source.is_some() || case.content_type.is_some(), false, &[Report]),
        ];
        for (name, given, needed, purposes) in rows {
            let fits = purposes.contains(&case.purpose);
            if given && !fits {
                self.fault("case.json", format!("`{name}` means nothing for this purpose"));
            } else if !given && fits && needed {
                self.fault("case.json", format!("`{name}` is missing"));
            }
        }
    }

    fn referral(&mut self, case: &CaseFile, referrals: &mut BTreeSet<String>) -> Option<MinimisedReferral> {
        let (path, mut bundle): (String, Value) = match &case.referral {
            Some(name) => {
                let path = format!("{FIXTURES}referrals/{name}.json");
                if self.folder.get(&path).is_none() {
                    self.fault("case.json", format!("there is no {path}"));
                    return None;
                }
                referrals.insert(path.clone());
                (path.clone(), json(self.folder, &path, self.faults)?)
            }
            None => {
                if self.folder.get(&self.path("referral.json")).is_none() {
                    self.fault(
                        "case.json",
                        "a submit needs a referral: name one with `referral`, or add referral.json",
                    );
                    return None;
                }
                (self.path("referral.json"), self.file("referral.json")?)
            }
        };
        for (pointer, value) in &case.changes {
            if let Err(words) = referral::change(&mut bundle, pointer, value) {
                self.fault("case.json", format!("changes: {pointer}: {words}"));
            }
        }
        if let Err(words) = referral::check(&bundle) {
            self.faults.push(Fault::of_file(path, words));
            return None;
        }
        Some(MinimisedReferral::new(bundle.to_string()))
    }

    /// The bytes as they stand, whatever they are.
    fn report(&mut self) -> Option<Vec<u8>> {
        for name in ["report.json", "report.txt"] {
            if let Some(bytes) = self.folder.get(&self.path(name)) {
                self.used.insert(name.to_owned());
                return Some(bytes.to_vec());
            }
        }
        self.fault("case.json", "a report needs a body: report.json or report.txt");
        None
    }

    fn answers(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        for number in 1.. {
            let name = format!("{number}-answer.json");
            if self.folder.get(&self.path(&name)).is_none() {
                break;
            }
            let Some(value) = self.file::<Value>(&name) else { break };
            match wire::answer(&value) {
                Ok(answer) => answers.push(answer),
                Err(words) => self.fault(&name, words),
            }
        }
        answers
    }

    /// Files that the runner compares. Whether the run gives each of them is seen when it runs.
    fn expected(&mut self) -> BTreeMap<String, Option<Value>> {
        let start = self.path("");
        let names: Vec<String> =
            self.folder.names().filter_map(|name| Some(name.strip_prefix(&start)?.to_owned())).collect();
        let mut expected = BTreeMap::new();
        for name in names {
            let request = name.strip_suffix("-request.json").is_some_and(|n| n.parse::<u32>().is_ok());
            if !request && !["result.json", "losses.json", "account.json"].contains(&name.as_str()) {
                continue;
            }
            let empty = self.folder.get(&self.path(&name)).is_some_and(|bytes| bytes.trim_ascii().is_empty());
            if empty {
                self.used.insert(name.clone());
                expected.insert(name, None);
            } else if let Some(value) = self.file::<Value>(&name) {
                expected.insert(name, Some(value));
            }
        }
        expected
    }
}
