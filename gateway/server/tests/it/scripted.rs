//! An adapter that is a folder with one file, and a platform that answers everything and remembers what it was sent: so
//! that a test decides what is lost, how many steps there are, and when a folder changes.

use adapter_contract::{
    Account, Adapter, Amend, Answer, Capabilities, Cursor, DataClass, DataNeed, DeliveryError, Descriptor, Exchange,
    FailureCode, HttpRequest, Limits, Loss, Method, PlatformOrder, PlatformReferralId, PlatformRequest, Progress,
    Purpose, Reading, Receipt, Repeat, Report, ReportPage, Settings, StatusReport, Step, TaskStatus, TranslateError,
};
use async_trait::async_trait;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use vcse_gateway::adapters::FolderReader;
use vcse_gateway::gateway::Platform;
use vcse_gateway::transport::{Names, Transport};

/// Name of the adapter, and of its folder.
pub(crate) const NAME: &str = "scripted";

/// What the file says.
#[derive(Clone, Deserialize)]
struct Script {
    /// Version without the hash.
    version: String,
    /// Steps of a submission, in order. One whose name begins with `safe` may be made again at no risk.
    steps: Vec<String>,
    /// What the account says is lost.
    #[serde(default)]
    losses: Vec<Loss>,
    /// Whether there is an account.
    #[serde(default = "yes")]
    accounts: bool,
    /// A setting that must be there.
    #[serde(default)]
    needs_setting: Option<String>,
    /// Elements that are declared.
    #[serde(default = "usual")]
    declares: Vec<String>,
    /// Of these the ones that it cannot do without.
    #[serde(default)]
    needed: Vec<String>,
    /// Whether a lost answer to a submission has to be asked for.
    #[serde(default)]
    asks: bool,
    /// Whether it can be told of a cancellation.
    #[serde(default)]
    cancels: bool,
    /// How it is told of a change.
    #[serde(default)]
    amends: Amend,
    /// Whether it panics when it is asked.
    #[serde(default)]
    panics: bool,
}

fn yes() -> bool {
    true
}

/// What there is, as declared by an adapter that reads it all.
pub(crate) fn everything() -> Vec<DataNeed> {
    let need = |path| DataNeed { path, class: DataClass::Clinical, needed: false };
    usual().into_iter().map(need).collect()
}

fn usual() -> Vec<String> {
    ["ServiceRequest", "Patient", "Task", "Condition", "Observation", "QuestionnaireResponse", "Organization"]
        .into_iter()
        .chain(["Practitioner", "PractitionerRole", "Location", "Consent", "RelatedPerson", "HealthcareService"])
        .chain(["Patient.extension", "Patient.identifier.extension", "ServiceRequest.extension"])
        .map(str::to_owned)
        .collect()
}

/// Makes the adapter of the file `adapter.json`.
pub(crate) struct Reader;

impl FolderReader for Reader {
    fn hash(&self, folder: &Path) -> Result<String, String> {
        let bytes = std::fs::read(folder.join("adapter.json")).map_err(|error| error.to_string())?;
        Ok(Sha256::digest(bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect())
    }

    fn read(&self, folder: &Path) -> Result<(Arc<dyn Adapter>, String), Vec<String>> {
        let hash = self.hash(folder).map_err(|error| vec![error])?;
        let text = std::fs::read_to_string(folder.join("adapter.json")).map_err(|error| vec![error.to_string()])?;
        let script: Script = serde_json::from_str(&text)
            .map_err(|error| vec![format!("adapter.json:{}:{}: {error}", error.line(), error.column())])?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok((Arc::new(Scripted { descriptor: descriptor(&name, &script, &hash), script }), hash))
    }
}

struct Scripted {
    descriptor: Descriptor,
    script: Script,
}

fn descriptor(name: &str, script: &Script, hash: &str) -> Descriptor {
    let need = |path: &String| DataNeed {
        path: path.clone(),
        class: DataClass::Clinical,
        needed: script.needed.contains(path),
    };
    Descriptor {
        name: name.to_owned(),
        version: format!("{}+{hash}", script.version),
        format: "none".to_owned(),
        capabilities: Capabilities {
            cancel: script.cancels,
            hold: false,
            look_up: true,
            poll: true,
            push: false,
            status_link: false,
            amend: script.amends,
        },
        data_needs: script.declares.iter().map(need).collect(),
        accepted_losses: Vec::new(),
        limits: Limits {
            steps: 4,
            answer_seconds: 5,
            answer_bytes: 1024,
            poll_seconds: 1,
            pace: adapter_contract::Pace::default(),
        },
        statuses: Vec::new(),
    }
}

impl Scripted {
    fn request(&self, method: Method, path: &str, step: &str) -> Step {
        let version = self.descriptor.version.clone();
        let request = HttpRequest {
            method,
            path: path.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Some(version.into_bytes()),
            repeat: match method {
                Method::Get => Repeat::Safe,
                _ if self.script.asks => Repeat::LookUpFirst,
                _ => Repeat::Keyed,
            },
        };
        Step::Send(PlatformRequest::Http(request), Progress::at(step))
    }

    fn submission(&self, step: &str) -> Step {
        let method = if step.starts_with("safe") { Method::Get } else { Method::Post };
        self.request(method, step, step)
    }

    fn place(&self, step: &str) -> Result<usize, TranslateError> {
        let found = self.script.steps.iter().position(|known| known == step);
        found.ok_or_else(|| TranslateError::new("progress.step", "is no step of this version of the mapping"))
    }
}

impl Adapter for Scripted {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), TranslateError> {
        match &self.script.needs_setting {
            Some(name) if !settings.contains_key(name) => {
                Err(TranslateError::new(format!("settings.{name}"), "is missing"))
            }
            _ => Ok(()),
        }
    }

    fn begin(&self, exchange: &Exchange<'_>) -> Result<Step, TranslateError> {
        assert!(!self.script.panics, "as the script says");
        match exchange.purpose {
            Purpose::Submit { .. } => {
                let first = self.script.steps.first().map(String::as_str).unwrap_or_default();
                let step = exchange.at.map_or(first, |progress| progress.step.as_str());
                self.place(step)?;
                Ok(self.submission(step))
            }
            Purpose::LookUp if self.script.asks => Ok(self.request(Method::Get, "look-up", "look-up")),
            Purpose::LookUp => Ok(Step::Absent),
            Purpose::Read { .. } => Ok(self.request(Method::Get, "read-1", "read-1")),
            Purpose::Poll { .. } => Ok(self.request(Method::Get, "poll", "poll")),
            Purpose::Tell { .. } if self.script.cancels => Ok(self.request(Method::Post, "cancel", "cancel")),
            Purpose::Update { .. } | Purpose::Tell { .. } | Purpose::Ask { .. } => {
                Err(TranslateError::new("purpose", "is not declared"))
            }
        }
    }

    fn resume(&self, exchange: &Exchange<'_>, progress: &Progress, answer: &Answer) -> Result<Step, TranslateError> {
        let Answer::Http { body, .. } = answer else { return Err(TranslateError::new("answer", "is none")) };
        match exchange.purpose {
            Purpose::Submit { .. } => match self.script.steps.get(self.place(&progress.step)? + 1) {
                Some(next) => Ok(self.submission(next)),
                None => Ok(there(body)),
            },
            Purpose::Read { .. } if progress.step == "read-1" => Ok(self.request(Method::Get, "read-2", "read-2")),
            Purpose::Read { platform_referral } => {
                let mut status = if body == b"ended" { ended(platform_referral) } else { accepted(platform_referral) };
                if self.script.amends == Amend::CancelAndResend && body != b"ended" {
                    status.status = Some(TaskStatus::Requested);
                }
                if body == b"rejected" {
                    let order = PlatformOrder { version: Some(4), instant: None };
                    let (event, rejected) = ("4".to_owned(), Some(TaskStatus::Rejected));
                    status = StatusReport { event, order, status: rejected, ..status };
                }
                let readings = vec![Reading::Status(status)];
                Ok(Step::Reports(ReportPage { readings, cursor: None, more: false }))
            }
            // The platform only says which have changed, as often as it pleases.
            Purpose::Poll { .. } => {
                let names = String::from_utf8_lossy(body);
                let changed = |name: &str| Reading::Changed(PlatformReferralId(name.to_owned()));
                let readings = names.split_whitespace().map(changed).collect();
                Ok(Step::Reports(ReportPage { readings, cursor: Some(Cursor("1".to_owned())), more: false }))
            }
            // What was sent may have arrived before nothing was answered any more.
            Purpose::LookUp if body == b"there" || is_name(body) => Ok(there(body)),
            Purpose::LookUp => Ok(Step::Absent),
            Purpose::Update { .. } | Purpose::Tell { .. } | Purpose::Ask { .. } => Ok(there(b"")),
        }
    }

    /// A push says what a poll says: the names of what has changed.
    fn read_report(&self, report: &Report<'_>) -> Result<Vec<Reading>, TranslateError> {
        let names = String::from_utf8_lossy(report.body);
        Ok(names.split_whitespace().map(|name| Reading::Changed(PlatformReferralId(name.to_owned()))).collect())
    }

    fn account(&self, _: &Exchange<'_>) -> Result<Option<Account>, TranslateError> {
        assert!(!self.script.panics, "as the script says");
        let account = Account { fields: Vec::new(), losses: self.script.losses.clone() };
        Ok(self.script.accounts.then_some(account))
    }
}

/// Under the name that the platform says, or else the usual one.
fn there(body: &[u8]) -> Step {
    let name = if is_name(body) { String::from_utf8_lossy(body).into_owned() } else { "42".to_owned() };
    Step::Delivered(Receipt { platform_referral: PlatformReferralId(name), reports: Vec::new() })
}

fn is_name(body: &[u8]) -> bool {
    !body.is_empty() && body.iter().all(u8::is_ascii_digit)
}

/// It ended well: what nobody may learn after a withdrawal.
fn ended(name: &PlatformReferralId) -> StatusReport {
    StatusReport {
        event: "3".to_owned(),
        order: PlatformOrder { version: Some(3), instant: None },
        status: Some(TaskStatus::Completed),
        business_status: "helped".to_owned(),
        reason: Some("Three food parcels were given.".to_owned()),
        ..accepted(name)
    }
}

fn accepted(name: &PlatformReferralId) -> StatusReport {
    StatusReport {
        platform_referral: name.clone(),
        key: None,
        event: "accepted".to_owned(),
        order: PlatformOrder { version: Some(2), instant: None },
        platform_status: adapter_contract::Concept { code: Some("open".to_owned()), ..Default::default() },
        status: Some(TaskStatus::Accepted),
        business_status: "accepted".to_owned(),
        reason: None,
        outputs: Vec::new(),
    }
}

/// A platform that takes everything, unless it is told to be away from some step on.
#[derive(Default)]
pub(crate) struct Everywhere {
    /// Path and body of each request, in order, without polls.
    sent: Mutex<Vec<(String, String)>>,
    /// From the request of this path on nothing is answered while this stands.
    pub(crate) away_at: Mutex<Option<String>>,
    /// Who looks up waits for this to be open.
    pub(crate) looked_up: Gate,
    /// Whether polls say that the referral has changed, twice.
    pub(crate) changed: AtomicBool,
    /// Whether what is read has ended.
    pub(crate) ended: AtomicBool,
    /// What is kept of what was sent, where a test wants that.
    pub(crate) keeps: Mutex<Option<Keeps>>,
}

/// A platform that has a name for each referral, knows what it has, and calls what was cancelled *rejected*.
#[derive(Default)]
pub(crate) struct Keeps {
    /// How many referrals it was ever given.
    pub(crate) given: u32,
    /// Whether the last of them stands.
    pub(crate) stands: bool,
    /// Paths of which the next request is kept and not answered.
    pub(crate) loses: Vec<&'static str>,
    /// Path of which every request is refused, from the first one on that was not answered.
    pub(crate) then_refuses: Option<&'static str>,
}

impl Keeps {
    /// What it answers; an error where it does not.
    fn take(&mut self, path: &str) -> Result<String, DeliveryError> {
        let lost = self.loses.iter().position(|one| *one == path).map(|place| self.loses.remove(place));
        match path {
            "cancel" => self.stands = false,
            "one" if !self.stands => (self.given, self.stands) = (self.given + 1, true),
            _ if lost.is_none() && self.loses.is_empty() && self.then_refuses == Some(path) => {
                return Err(DeliveryError::new(FailureCode::HttpStatus(422), "Not now."));
            }
            _ => {}
        }
        if lost.is_some() {
            return Err(DeliveryError::new(FailureCode::NoAnswer, "No answer within the time."));
        }
        let name = (41 + self.given).to_string();
        Ok(match path {
            "one" | "look-up" if self.stands => name,
            "read-2" if !self.stands => "rejected".to_owned(),
            _ => String::new(),
        })
    }
}

/// Open unless it is shut; says whether somebody waits before it.
#[derive(Default)]
pub(crate) struct Gate {
    shut: AtomicBool,
    waits: AtomicBool,
    opened: tokio::sync::Notify,
}

impl Gate {
    pub(crate) fn shut(&self) {
        self.shut.store(true, Ordering::SeqCst);
    }

    pub(crate) fn open(&self) {
        self.shut.store(false, Ordering::SeqCst);
        self.opened.notify_one();
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        self.waits.load(Ordering::SeqCst)
    }

    async fn pass(&self) {
        while self.shut.load(Ordering::SeqCst) {
            self.waits.store(true, Ordering::SeqCst);
            self.opened.notified().await;
        }
    }
}

impl Everywhere {
    pub(crate) fn sent(&self) -> Vec<(String, String)> {
        self.sent.lock().unwrap().clone()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.sent().into_iter().map(|(path, _)| path).collect()
    }

    pub(crate) fn away(&self, path: Option<&str>) {
        *self.away_at.lock().unwrap() = path.map(str::to_owned);
    }
}

#[async_trait]
impl Transport for Everywhere {
    async fn send(&self, platform: &Platform, request: &HttpRequest, _: &Names) -> Result<Answer, DeliveryError> {
        let answer = |body: &str| Ok(Answer::Http { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() });
        if platform.id.0 != "food" {
            return Err(DeliveryError::new(FailureCode::NotConnected, "Nobody is there."));
        }
        if request.path == "poll" {
            return answer(if self.changed.load(Ordering::SeqCst) { "42 42" } else { "" });
        }
        if request.path == "look-up" {
            self.looked_up.pass().await;
        }
        if self.away_at.lock().unwrap().as_deref() == Some(request.path.as_str()) {
            // Nobody knows whether it arrived, where that has to be asked for.
            let status = if request.repeat == Repeat::LookUpFirst { 504 } else { 503 };
            return Err(DeliveryError::new(FailureCode::HttpStatus(status), "Away."));
        }
        let body = String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).into_owned();
        self.sent.lock().unwrap().push((request.path.clone(), body));
        if let Some(keeps) = self.keeps.lock().unwrap().as_mut() {
            return answer(&keeps.take(&request.path)?);
        }
        answer(if self.ended.load(Ordering::SeqCst) { "ended" } else { "" })
    }
}
