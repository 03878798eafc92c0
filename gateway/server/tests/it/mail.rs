//! What the tests of mail share: a gateway with a mailbox at the real servers, an adapter that reads what comes, and a log that is looked at.
//!
//! Without the servers the tests say so and pass, unless `MAIL=required`.

use crate::support::{Besides, Setup, World, referral_to};
use adapter_contract::{
    Adapter, Answer, Capabilities, Concept, Descriptor, Exchange, IdempotencyKey, Limits, MailRequest, PlatformOrder,
    PlatformReferralId, Progress, Purpose, Reading, Receipt, Repeat, Report, ReportSource, StatusReport, Step,
    TaskStatus, TranslateError,
};
use conformance_tests::generator::Expectation;
use conformance_tests::mail_server::{MailServer, Pair, reason_to_skip};
use gateway_core::identity::PlatformId;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use vcse_gateway::adapters::FolderReader;
use vcse_gateway::gateway::{Platform, Secret};
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::transport::{Names, Transport};

const ODS: &str = "VCSE9";
/// The link in every mail.
pub(crate) const LINK: &str = "https://gateway.example/link/5ecret-of-this-mail";
/// What no log may hold.
pub(crate) const CANARY: &str = "Canary";

/// How the mailbox is reached.
pub(crate) struct Way {
    /// `implicit` or `starttls`.
    pub(crate) tls: &'static str,
    /// Whether the configured authority is the servers'.
    pub(crate) known: bool,
    /// What is shown instead of the password.
    pub(crate) password: Option<&'static str>,
    /// To whom mail goes, if not to the organisation.
    pub(crate) to: Option<String>,
    /// Name of both servers.
    pub(crate) host: &'static str,
    /// Seconds between looks into the mailbox.
    pub(crate) every: u32,
    /// What carries.
    pub(crate) transport: Option<Arc<dyn Transport>>,
    /// What is stored already.
    pub(crate) store: Arc<dyn Store>,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            tls: "implicit",
            known: true,
            password: None,
            to: None,
            host: "localhost",
            every: 3600,
            transport: None,
            store: Arc::new(MemoryStore::new()),
        }
    }
}

/// The servers, unless they are not here.
#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
pub(crate) fn server() -> Option<&'static MailServer> {
    if let Some(missing) = reason_to_skip().unwrap_or_else(|missing| panic!("{missing}")) {
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    Some(MailServer::shared().unwrap())
}

/// A gateway with one mailbox, and one platform that is reached by mail; and the files of both.
pub(crate) struct Post {
    world: World,
    _files: TempDir,
}

impl std::ops::Deref for Post {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Post {
    pub(crate) async fn stop(self) {
        self.world.stop().await;
    }
}

/// Where the servers are, and who we are there.
pub(crate) struct Ends {
    pub(crate) smtp: u16,
    pub(crate) imap: u16,
    pub(crate) authority: Option<PathBuf>,
    pub(crate) ours: String,
    pub(crate) theirs: String,
    pub(crate) password: &'static str,
}

/// With these mailboxes at the real servers.
pub(crate) async fn world(server: &MailServer, pair: &Pair, way: Way) -> Post {
    let ports = server.ports();
    let (smtp, imap) = if way.tls == "implicit" { (ports.smtps, ports.imaps) } else { (ports.smtp, ports.imap) };
    let authority = Some(if way.known { server.authority() } else { server.stranger() });
    let (ours, theirs) = (pair.ours.address().to_owned(), pair.theirs.address().to_owned());
    let ends = Ends { smtp, imap, authority, ours, theirs, password: pair.ours.password() };
    world_between(&ends, way).await
}

/// With these servers.
pub(crate) async fn world_between(ends: &Ends, way: Way) -> Post {
    let folder = tempfile::tempdir().unwrap();
    let adapters = folder.path().join("adapters");
    std::fs::create_dir_all(adapters.join("letters")).unwrap();
    for (name, text) in [
        ("password", way.password.unwrap_or(ends.password)),
        ("passphrase", PASSPHRASE),
        // A folder with this file is an adapter.
        ("adapters/letters/mapping.yaml", ""),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let file = |name: &str| format!("{{ file = \"{}\" }}", folder.path().join(name).display());
    let (password, passphrase) = (file("password"), file("passphrase"));
    let at = |port: u16| {
        let (host, tls, ours) = (way.host, way.tls, &ends.ours);
        format!("{{ host = \"{host}\", port = {port}, tls = \"{tls}\", username = \"{ours}\", password = {password} }}")
    };
    let authority = ends.authority.as_ref().map(|path| format!("authority = \"{}\"\n", path.display()));
    let mailbox = format!(
        "\n[[mailbox]]\nid = \"referrals\"\nfrom = \"PCN referrals <{}>\"\nsmtp = {}\nimap = {}\n{}poll-seconds = {}\n",
        ends.ours,
        at(ends.smtp),
        at(ends.imap),
        authority.unwrap_or_default(),
        way.every
    );
    let to = way.to.as_ref().unwrap_or(&ends.theirs);
    let mail = format!("mail = {{ mailbox = \"referrals\", to = \"{to}\", attachment-passphrase = {passphrase} }}");
    let base = String::new();
    let besides = Besides { ods: ODS, adapter: "letters", base, scheme: "", token: mail, settings: "" };
    let setup = Setup {
        lanes: true,
        besides: Some(besides),
        notes_to: &[("pcn-a", "besides")],
        adapters: Some((adapters, Arc::new(Letters))),
        decided: mailbox,
        transport: way.transport,
        store: way.store,
        ..Setup::default()
    };
    Post { world: World::start(setup).await, _files: folder }
}

/// What was agreed with the organisation.
pub(crate) const PASSPHRASE: &str = "four plain words here";

/// The platform that is reached by mail.
pub(crate) fn platform(world: &World) -> Arc<Platform> {
    world.running.gateway.platform(&PlatformId("besides".to_owned())).unwrap()
}

/// Sends a mail as an exchange does.
pub(crate) async fn mail(world: &World, request: &MailRequest) -> Result<Answer, adapter_contract::DeliveryError> {
    let gateway = &world.running.gateway;
    let names = Names { request_id: "r".to_owned(), correlation: "c".to_owned() };
    gateway.transport.mail(&platform(world), request, &Secret::new(LINK.to_owned()), &names).await
}

/// A referral that the organisation has: its Task's path, and the key that stands in mails about it.
pub(crate) async fn delivered(world: &World, nth: usize) -> (String, String) {
    let sent = world.submit(&referral_to(ODS, Expectation::Delivered, nth).bundle).await;
    let referral = world.delivered(&sent.path("Task")).await;
    (sent.path("Task"), referral.key.0)
}

/// A mail about a referral.
pub(crate) fn request(thread: &str) -> MailRequest {
    MailRequest {
        key: format!("{thread}-1"),
        thread: thread.to_owned(),
        follows: None,
        subject: "A new referral".to_owned(),
        text: "Please open this link:\n{status-link}\nThank you.\n.\n..\nThe end.\n".to_owned(),
        attachments: Vec::new(),
        repeat: Repeat::Keyed,
    }
}

/// Makes the one adapter.
struct Letters;

impl FolderReader for Letters {
    fn hash(&self, _: &Path) -> Result<String, String> {
        Ok("0".to_owned())
    }

    fn read(&self, _: &Path) -> Result<(Arc<dyn Adapter>, String), Vec<String>> {
        Ok((Arc::new(Reader { descriptor: descriptor() }), "0".to_owned()))
    }
}

/// Hands referrals over without a word, and reads mail: `yes` accepts, a report that it could not be delivered fails.
struct Reader {
    descriptor: Descriptor,
}

fn descriptor() -> Descriptor {
    Descriptor {
        name: "letters".to_owned(),
        version: "1+0".to_owned(),
        format: "none".to_owned(),
        capabilities: Capabilities {
            cancel: false,
            hold: false,
            look_up: true,
            poll: false,
            push: true,
            status_link: false,
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

impl Adapter for Reader {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn begin(&self, exchange: &Exchange<'_>) -> Result<Step, TranslateError> {
        match exchange.purpose {
            Purpose::Submit { .. } => {
                let platform_referral = PlatformReferralId(exchange.keys.idempotency.0.clone());
                Ok(Step::Delivered(Receipt { platform_referral, reports: Vec::new() }))
            }
            _ => Ok(Step::Absent),
        }
    }

    fn resume(&self, _: &Exchange<'_>, _: &Progress, _: &Answer) -> Result<Step, TranslateError> {
        Err(TranslateError::new("answer", "is none"))
    }

    fn read_report(&self, report: &Report<'_>) -> Result<Vec<Reading>, TranslateError> {
        assert_eq!((report.source, report.content_type), (ReportSource::Mail, Some("message/rfc822")));
        let text = String::from_utf8_lossy(report.body);
        if text.contains("unreadable") {
            return Err(TranslateError::new("mail", "cannot be read"));
        }
        let key = text.split_once("referrals+").and_then(|(_, rest)| rest.split_once('@')).map(|(key, _)| key);
        if text.contains("Back on Monday") {
            return Ok(Vec::new());
        }
        let Some(key) = key else { return Err(TranslateError::new("mail", "names no referral")) };
        let status = if text.contains("Action: failed") {
            Some(TaskStatus::Failed)
        } else {
            text.contains("yes").then_some(TaskStatus::Accepted)
        };
        Ok(vec![Reading::Status(StatusReport {
            platform_referral: PlatformReferralId(key.to_owned()),
            key: Some(IdempotencyKey(key.to_owned())),
            event: text.len().to_string(),
            order: PlatformOrder { version: None, instant: None },
            platform_status: Concept { code: Some("mail".to_owned()), ..Concept::default() },
            status,
            business_status: "mail".to_owned(),
            reason: text.contains("text/html").then(|| "It came as HTML.".to_owned()),
            outputs: Vec::new(),
        })])
    }
}

/// Everything that is logged on this thread while it is held.
pub(crate) struct Log {
    written: Written,
    _ends: tracing::subscriber::DefaultGuard,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn listen() -> Self {
        let written = Written::default();
        let own = written.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        let subscriber = subscriber.with_writer(move || own.clone()).finish();
        Self { written, _ends: tracing::subscriber::set_default(subscriber) }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.written.0.lock().unwrap()).into_owned()
    }

    /// That something was heard, and nothing that is secret or anybody's.
    pub(crate) fn holds_nothing_of(&self, pair: &Pair) {
        let text = self.text();
        assert!(!text.is_empty(), "nothing was heard");
        for secret in
            [pair.ours.address(), pair.theirs.address(), pair.ours.password(), LINK, "5ecret", CANARY, PASSPHRASE]
        {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}
