//! An organisation with a mailbox: an adapter that writes it letters and reads its answers, a post that keeps the links in them, and
//! a browser of few means.

use crate::support::{Answer as Page, Besides, Sent, Setup, World, eventually, inside, referral_to};
use adapter_contract::{
    Adapter, Answer, Capabilities, Concept, DeliveryError, Descriptor, Exchange, HttpRequest, Limits, LinkAnswer,
    MailRequest, PageSection, PlatformOrder, PlatformRequest, Progress, Purpose, Reading, Receipt, ReferralPage,
    Repeat, Report, Says, StatusReport, Step, TaskStatus, TranslateError,
};
use async_trait::async_trait;
use conformance_tests::generator::Expectation;
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use time::macros::datetime;
use vcse_gateway::adapters::FolderReader;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::gateway::{Platform, Secret};
use vcse_gateway::passphrase;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::transport::{Names, Transport};

pub(crate) const PASSPHRASE: &str = "7KQ4-M9TX-0C2V-HRWE";
/// Family name of the person, as somebody might write it who means harm.
pub(crate) const NAME: &str = "<script>alert(1)</script>Canary";
const ODS: &str = "VCSE9";

/// Keeps the links that leave.
#[derive(Default)]
pub(crate) struct Postbox(Mutex<Vec<String>>);

#[async_trait]
impl Transport for Postbox {
    async fn send(&self, _: &Platform, _: &HttpRequest, _: &Names) -> Result<Answer, DeliveryError> {
        Err(DeliveryError::new(adapter_contract::FailureCode::NotConnected, "Nobody is there."))
    }

    async fn mail(&self, _: &Platform, _: &MailRequest, link: &Secret, _: &Names) -> Result<Answer, DeliveryError> {
        let secret = link.reveal().rsplit('/').next().unwrap().to_owned();
        self.0.lock().unwrap().push(secret);
        Ok(Answer::Mailed)
    }
}

/// A gateway whose organisation has one referral.
pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<dyn Store>,
    post: Arc<Postbox>,
    pub(crate) sent: Sent,
    _files: TempDir,
}

impl Desk {
    pub(crate) async fn open() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let clock = Arc::new(ManualClock::at(datetime!(2026-06-20 11:00 UTC)));
        let post = Arc::new(Postbox::default());
        let (world, files) = world(&store, &clock, &post).await;
        let mut referral = referral_to(ODS, Expectation::Delivered, 0).bundle;
        inside(&mut referral, "Patient")["name"][0]["family"] = Value::from(NAME);
        let sent = world.submit(&referral).await;
        world.delivered(&sent.path("Task")).await;
        Self { world, clock, store, post, sent, _files: files }
    }

    /// Ends this gateway and starts another on the same store.
    pub(crate) async fn restarted(self) -> Self {
        let Self { world, clock, store, post, sent, .. } = self;
        world.stop().await;
        let (world, files) = self::world(&store, &clock, &post).await;
        Self { world, clock, store, post, sent, _files: files }
    }

    /// The secrets that left, in order.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.post.0.lock().unwrap().clone()
    }

    pub(crate) fn secret(&self) -> String {
        self.secrets().last().unwrap().clone()
    }

    pub(crate) async fn links(&self) -> Vec<gateway_core::status_link::StatusLink> {
        let referral = self.world.referral().await;
        self.store.links(&referral.id).await.unwrap()
    }

    pub(crate) async fn task_becomes(&self, status: &str) -> Value {
        self.world.task_becomes(&self.sent.path("Task"), status).await
    }

    pub(crate) async fn get(&self, path: &str, cookie: &str) -> Page {
        self.world.send(self.world.request("", "GET", path).header("cookie", cookie)).await
    }

    pub(crate) async fn post(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Page {
        self.world.send(self.request(path, cookie, fields)).await
    }

    pub(crate) fn request(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.world.request("", "POST", path).header("cookie", cookie);
        request.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    pub(crate) async fn try_with(&self, secret: &str, passphrase: &str) -> Page {
        self.post(&format!("/link/{secret}"), "", &[("passphrase", passphrase)]).await
    }

    /// Opens the last link, and gives the cookie.
    pub(crate) async fn enter(&self) -> String {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let url = format!("{}/link/{}", self.world.origin, self.secret());
        let request = client.post(url).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(format!("passphrase={PASSPHRASE}")).send().await.unwrap();
        assert_eq!(answer.status(), 303);
        assert_eq!(answer.headers()["location"], "/link/referral");
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Opens the form of an answer and gives its hidden fields.
    pub(crate) async fn sheet(&self, cookie: &str, kind: &str) -> Vec<(String, String)> {
        let page = self.get(&format!("/link/referral/{kind}"), cookie).await;
        assert_eq!(page.status, 200, "{kind}: {}", page.text);
        hidden(&page.text)
    }

    /// Sends hidden fields with others.
    pub(crate) async fn send(
        &self,
        cookie: &str,
        kind: &str,
        hidden: &[(String, String)],
        fields: &[(&str, &str)],
    ) -> Page {
        let own = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<(&str, &str)> = own.chain(fields.iter().copied()).collect();
        self.post(&format!("/link/referral/{kind}"), cookie, &all).await
    }

    /// Gives an answer, which is taken.
    pub(crate) async fn say(&self, cookie: &str, kind: &str, fields: &[(&str, &str)]) {
        let hidden = self.sheet(cookie, kind).await;
        let page = self.send(cookie, kind, &hidden, fields).await;
        assert!(page.text.contains("Your answer was sent"), "{kind}: {}", page.text);
    }

    /// Statements of the organisation that were read.
    pub(crate) async fn statements(&self) -> Vec<StatusReport> {
        let referral = self.world.referral().await;
        let reports = self.store.reports(&referral.id).await.unwrap();
        reports.into_iter().map(|record| record.report).collect()
    }

    /// Waits until so many were.
    pub(crate) async fn heard(&self, number: usize) -> Vec<StatusReport> {
        eventually("statements", || async {
            Some(self.statements().await).filter(|statements| statements.len() >= number)
        })
        .await
    }
}

/// Whether it says that the session is over.
pub(crate) fn is_over(page: &Page) -> bool {
    page.text.contains("This page has closed")
}

/// Names and values of the hidden fields of the first form.
pub(crate) fn hidden(html: &str) -> Vec<(String, String)> {
    let form = html.split("</form>").next().unwrap();
    let fields = form.split("<input type=\"hidden\" name=\"").skip(1);
    let field = |text: &str| {
        let (name, rest) = text.split_once("\" value=\"").unwrap();
        (name.to_owned(), rest.split('"').next().unwrap().to_owned())
    };
    fields.map(field).collect()
}

async fn world(store: &Arc<dyn Store>, clock: &Arc<ManualClock>, post: &Arc<Postbox>) -> (World, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let adapters = folder.path().join("adapters");
    std::fs::create_dir_all(adapters.join("desk")).unwrap();
    let hash = passphrase::hash(PASSPHRASE).unwrap();
    for (name, text) in [("password", "mailbox"), ("hash", hash.as_str()), ("adapters/desk/mapping.yaml", "")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let file = |name: &str| format!("{{ file = \"{}\" }}", folder.path().join(name).display());
    let server = format!(
        "{{ host = \"localhost\", port = 9, username = \"referrals@pcn.example\", password = {} }}",
        file("password")
    );
    let mailbox = format!(
        "\n[[mailbox]]\nid = \"referrals\"\nfrom = \"PCN <referrals@pcn.example>\"\nsmtp = {server}\nimap = {server}\npoll-seconds = 86400\n"
    );
    let keys = format!(
        "mail = {{ mailbox = \"referrals\", to = \"desk@charity.example\" }}\nstatus-link = {{ passphrase-hash = {} }}",
        file("hash")
    );
    let besides = Besides { ods: ODS, adapter: "desk", base: String::new(), scheme: "", token: keys, settings: "" };
    let setup = Setup {
        store: Arc::clone(store),
        lanes: true,
        transport: Some(Arc::<Postbox>::clone(post)),
        clock: Arc::<ManualClock>::clone(clock),
        besides: Some(besides),
        notes_to: &[("pcn-a", "besides")],
        adapters: Some((adapters, Arc::new(Reader))),
        decided: mailbox,
        ..Setup::default()
    };
    (World::start(setup).await, folder)
}

struct Reader;

impl FolderReader for Reader {
    fn hash(&self, _: &Path) -> Result<String, String> {
        Ok("0".to_owned())
    }

    fn read(&self, _: &Path) -> Result<(Arc<dyn Adapter>, String), Vec<String>> {
        Ok((Arc::new(Writer { descriptor: descriptor() }), "0".to_owned()))
    }
}

struct Writer {
    descriptor: Descriptor,
}

fn descriptor() -> Descriptor {
    Descriptor {
        name: "desk".to_owned(),
        version: "1+0".to_owned(),
        format: "mail".to_owned(),
        capabilities: Capabilities {
            cancel: false,
            hold: false,
            look_up: false,
            poll: false,
            push: false,
            status_link: true,
            amend: adapter_contract::Amend::None,
        },
        data_needs: crate::scripted::everything(),
        accepted_losses: Vec::new(),
        limits: Limits {
            steps: 4,
            answer_seconds: 20,
            answer_bytes: 1024,
            poll_seconds: 1,
            pace: adapter_contract::Pace::default(),
        },
        statuses: Vec::new(),
    }
}

impl Adapter for Writer {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn begin(&self, exchange: &Exchange<'_>) -> Result<Step, TranslateError> {
        let thread = exchange.keys.idempotency.0.clone();
        let key = match exchange.purpose {
            Purpose::Submit { .. } => format!("{thread}-new"),
            Purpose::Ask { why, number, .. } => format!("{thread}-{}-{number}", format!("{why:?}").to_lowercase()),
            _ => return Ok(Step::Absent),
        };
        let mail = MailRequest {
            key,
            thread,
            follows: None,
            subject: "A referral".to_owned(),
            text: "Please open this link:\n{status-link}\n".to_owned(),
            attachments: Vec::new(),
            repeat: Repeat::Keyed,
        };
        Ok(Step::Send(PlatformRequest::Mail(mail), Progress::at("mail")))
    }

    fn resume(&self, exchange: &Exchange<'_>, _: &Progress, _: &Answer) -> Result<Step, TranslateError> {
        let platform_referral = adapter_contract::PlatformReferralId(exchange.keys.idempotency.0.clone());
        Ok(Step::Delivered(Receipt { platform_referral, reports: Vec::new() }))
    }

    fn page(&self, exchange: &Exchange<'_>) -> Result<Option<ReferralPage>, TranslateError> {
        let Purpose::Submit { referral } = exchange.purpose else {
            return Err(TranslateError::new("purpose", "is no submission"));
        };
        let bundle: Value = serde_json::from_str(referral.bundle()).unwrap();
        let entries = bundle["entry"].as_array().unwrap();
        let patient = entries.iter().find(|entry| entry["resource"]["resourceType"] == "Patient").unwrap();
        let family = patient["resource"]["name"][0]["family"].as_str().unwrap().to_owned();
        let lines = vec![("Name".to_owned(), family.clone())];
        let sections = vec![PageSection { heading: format!("About {family}"), lines }];
        Ok(Some(ReferralPage { warnings: vec![format!("Do not telephone {family}.")], sections }))
    }

    fn read_report(&self, report: &Report<'_>) -> Result<Vec<Reading>, TranslateError> {
        assert_eq!(report.content_type, Some("application/json"));
        let answer: LinkAnswer = serde_json::from_slice(report.body).unwrap();
        Ok(vec![Reading::Status(StatusReport {
            platform_referral: answer.referral,
            key: Some(answer.key),
            event: answer.event,
            order: PlatformOrder { version: None, instant: Some(answer.at) },
            platform_status: Concept { code: Some(answer.says.word().to_owned()), ..Concept::default() },
            status: status(answer.says),
            business_status: answer.says.word().to_owned(),
            reason: answer.words,
            outputs: Vec::new(),
        })])
    }
}

pub(crate) fn status(says: Says) -> Option<TaskStatus> {
    match says {
        Says::Accept => Some(TaskStatus::Accepted),
        Says::DeclineNoCapacity
        | Says::DeclineNotRightService
        | Says::DeclineNeedsNotMet
        | Says::DeclinePersonDeclined
        | Says::DeclineNoContact
        | Says::DeclineOutsideArea
        | Says::DeclineOther => Some(TaskStatus::Rejected),
        Says::Question | Says::DidNotAttend => None,
        Says::NeedsMoreMentalHealth | Says::NeedsMoreSafeguarding | Says::NeedsMoreOther => None,
        Says::Attended => Some(TaskStatus::InProgress),
        Says::FinishedHelped | Says::FinishedNotHelped | Says::FinishedLeftEarly => Some(TaskStatus::Completed),
    }
}

/// A day, for clocks that are moved.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3_600);
