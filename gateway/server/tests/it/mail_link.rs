//! One life of a referral with an organisation that has a mailbox and no system: a mail, a link, a passphrase, answers on pages, and the
//! outcome on the Task. The adapter, the pages and the store are the real ones; mail goes over Postfix and Dovecot where they are here.

use crate::mail::server;
use crate::support::{Besides, GP, Setup, World, assert_valid, eventually, referral_to};
use adapter_contract::{Answer, DeliveryError, HttpRequest, MailRequest};
use async_trait::async_trait;
use conformance_tests::generator::Expectation;
use conformance_tests::mail_server::{MailServer, Pair};
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use vcse_gateway::clock::{Clock, SystemClock};
use vcse_gateway::gateway::{Platform, Secret};
use vcse_gateway::transport::{HttpTransport, Names, Transport};
use vcse_gateway::{limits, passphrase};

pub(crate) const ODS: &str = "VCSE9";
/// What was agreed with the organisation.
pub(crate) const PASSPHRASE: &str = "7KQ4-M9TX-0C2V-HRWE";

/// Takes mail and keeps it.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<(MailRequest, String)>>);

impl Kept {
    pub(crate) fn all(&self) -> Vec<(MailRequest, String)> {
        self.0.lock().unwrap().clone()
    }

    /// The links of the mails, in the order in which they left.
    pub(crate) async fn links(&self, number: usize) -> Vec<String> {
        eventually("mail", || async {
            let all = self.all();
            (all.len() >= number).then(|| all.into_iter().map(|(_, link)| link).collect::<Vec<_>>())
        })
        .await
    }
}

#[async_trait]
impl Transport for Kept {
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        HttpTransport::new().unwrap().send(platform, request, names).await
    }

    async fn mail(
        &self,
        _: &Platform,
        request: &MailRequest,
        link: &Secret,
        _: &Names,
    ) -> Result<Answer, DeliveryError> {
        self.0.lock().unwrap().push((request.clone(), link.reveal().to_owned()));
        Ok(Answer::Mailed)
    }
}

/// A gateway with such an organisation.
pub(crate) struct Office {
    pub(crate) world: World,
    _files: TempDir,
}

impl Office {
    /// Mail is carried by this.
    pub(crate) async fn with(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        let server = "{ host = \"localhost\", port = 1, username = \"gw\", password = PASSWORD }";
        let mailbox = format!(
            "[[mailbox]]\nid = \"referrals\"\nfrom = \"PCN referrals <referrals@pcn.example>\"\nsmtp = {server}\nimap = {server}\npoll-seconds = 3600\n"
        );
        Self::start(&mailbox, "team@charity.example", Some(transport), clock).await
    }

    /// Mail goes over the real servers.
    async fn at(server: &MailServer, pair: &Pair) -> Self {
        let (ports, ours) = (server.ports(), pair.ours.address());
        let at = |port: u16| {
            format!(
                "{{ host = \"localhost\", port = {port}, tls = \"implicit\", username = \"{ours}\", password = PASSWORD }}"
            )
        };
        let mailbox = format!(
            "[[mailbox]]\nid = \"referrals\"\nfrom = \"PCN referrals <{ours}>\"\nsmtp = {}\nimap = {}\nauthority = \"{}\"\npoll-seconds = 1\n",
            at(ports.smtps),
            at(ports.imaps),
            server.authority().display()
        );
        Self::start_with(&mailbox, pair.theirs.address(), pair.ours.password(), None, Arc::new(SystemClock)).await
    }

    async fn start(mailbox: &str, to: &str, transport: Option<Arc<dyn Transport>>, clock: Arc<dyn Clock>) -> Self {
        Self::start_with(mailbox, to, "password", transport, clock).await
    }

    async fn start_with(
        mailbox: &str,
        to: &str,
        password: &str,
        transport: Option<Arc<dyn Transport>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("password"), password).unwrap();
        std::fs::write(files.path().join("hash"), passphrase::hash(PASSPHRASE).unwrap()).unwrap();
        let file = |name: &str| format!("{{ file = \"{}\" }}", files.path().join(name).display());
        let keys = format!(
            "mail = {{ mailbox = \"referrals\", to = \"{to}\" }}\nstatus-link = {{ passphrase-hash = {}, reminder-days = [3] }}",
            file("hash")
        );
        let besides = Besides {
            ods: ODS,
            adapter: "mail-link",
            base: String::new(),
            scheme: "",
            token: keys,
            settings: "sender-name = \"Example PCN\"",
        };
        let setup = Setup {
            lanes: true,
            besides: Some(besides),
            notes_to: &[("pcn-a", "besides")],
            decided: format!("\n{}", mailbox.replace("PASSWORD", &file("password"))),
            transport,
            clock,
            ..Setup::default()
        };
        Self { world: World::start(setup).await, _files: files }
    }

    /// A referral that the organisation has been written to about: the path of its Task.
    pub(crate) async fn referral(&self, nth: usize) -> String {
        let sent = self.world.submit(&referral_to(ODS, Expectation::Delivered, nth).bundle).await;
        self.world.delivered(&sent.path("Task")).await;
        sent.path("Task")
    }
}

/// A request with a form in it.
fn filled(request: reqwest::RequestBuilder, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
}

/// A browser without a screen: it keeps its cookie and follows nothing by itself.
pub(crate) struct Reader {
    http: reqwest::Client,
    base: String,
    cookie: String,
}

/// A page, with what its forms hold.
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Seen {
    /// The value of a hidden field.
    fn hidden(&self, name: &str) -> String {
        let at = self.text.split_once(&format!("name=\"{name}\" value=\"")).map(|(_, rest)| rest);
        at.and_then(|rest| rest.split_once('"')).map_or_else(String::new, |(value, _)| value.to_owned())
    }
}

impl Reader {
    /// Opens a link with the passphrase.
    pub(crate) async fn open(link: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        let before = http.get(link).send().await.unwrap();
        assert_eq!(before.status(), 200);
        let opened = filled(http.post(link), &[("passphrase", PASSPHRASE)]).send().await.unwrap();
        assert_eq!(opened.status(), 303, "the passphrase opens it");
        let cookie = opened.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        let base = link.rsplit_once('/').unwrap().0.to_owned();
        Self { http, base, cookie }
    }

    pub(crate) async fn get(&self, page: &str) -> Seen {
        let got = self.http.get(format!("{}/{page}", self.base)).header(COOKIE, &self.cookie).send().await.unwrap();
        Seen { status: got.status().as_u16(), text: got.text().await.unwrap() }
    }

    /// Fills in the form of this answer and sends it.
    pub(crate) async fn answer(&self, name: &str, fields: &[(&str, &str)]) -> Seen {
        let sheet = self.get(&format!("referral/{name}")).await;
        assert_eq!(sheet.status, 200, "{name}: {}", sheet.text);
        let hidden: Vec<(&str, String)> = ["token", "event", "seal"].map(|field| (field, sheet.hidden(field))).into();
        let own = hidden.iter().map(|(field, value)| (*field, value.as_str()));
        let fields: Vec<(&str, &str)> = own.chain(fields.iter().copied()).collect();
        let address = format!("{}/referral/{name}", self.base);
        let sent = filled(self.http.post(address).header(COOKIE, &self.cookie), &fields).send().await.unwrap();
        let status = sent.status().as_u16();
        if status == 303 {
            assert!(sent.headers()[LOCATION].to_str().unwrap().ends_with("/done"));
        }
        Seen { status, text: sent.text().await.unwrap() }
    }
}

/// Accepts, says that the person came, and how it ended; what the GP reads in the end.
async fn to_the_end(office: &Office, task: &str, reader: &Reader) -> Value {
    let page = reader.get("referral").await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("Accept the referral"), "{}", page.text);
    assert_eq!(reader.answer("accept", &[]).await.status, 303);
    office.world.task_becomes(task, "accepted").await;
    assert_eq!(reader.answer("attended", &[]).await.status, 303);
    office.world.task_becomes(task, "in-progress").await;
    let words = "She comes to lunch each week & has <friends> there.";
    assert_eq!(reader.answer("finished", &[("outcome", "finished-helped"), ("words", words)]).await.status, 303);
    let ended = office.world.task_becomes(task, "completed").await;
    assert_valid("Task", &ended.to_string());
    assert_eq!(ended["businessStatus"]["coding"][0]["code"], "helped", "{ended}");
    assert!(ended["output"].to_string().contains(words), "{ended}");
    let after = reader.get("referral").await;
    assert!(!after.text.contains("Accept the referral"), "nothing more can be said: {}", after.text);
    ended
}

#[tokio::test]
async fn one_life_by_mail_and_pages_from_fhir_to_the_outcome_on_the_task() {
    let mails = Arc::new(Kept::default());
    let office = Office::with(mails.clone(), Arc::new(SystemClock)).await;
    let bundle = referral_to(ODS, Expectation::Delivered, 1).bundle;
    let task = office.referral(1).await;
    let link = mails.links(1).await.remove(0);
    let (mail, _) = mails.all().remove(0);
    let person =
        bundle["entry"].as_array().unwrap().iter().find(|entry| entry["resource"]["resourceType"] == "Patient");
    let name = person.unwrap()["resource"]["name"][0]["family"].as_str().unwrap();
    assert!(!format!("{}{}", mail.subject, mail.text).contains(name), "no name in the mail: {}", mail.text);

    let reader = Reader::open(&link).await;
    let page = reader.get("referral").await;
    assert!(page.text.contains(name), "the name is on the page: {}", page.text);
    to_the_end(&office, &task, &reader).await;

    // Each look at the page is on record as a disclosure to this organisation.
    let patient = office.world.task(&task).await["for"]["reference"].as_str().unwrap().to_owned();
    let events = office.world.get(GP, &format!("/fhir/AuditEvent?patient={patient}")).await.json();
    // One mail, and two looks while it was open.
    let told =
        events["entry"].as_array().unwrap().iter().filter(|one| one["resource"]["subtype"][0]["code"] == "disclose");
    assert!(told.count() >= 3, "{events}");
    assert_eq!(mails.all().len(), 1, "nobody is reminded of what was answered");
    office.world.stop().await;
}

#[tokio::test]
async fn a_decline_with_its_reason_and_a_question_reach_the_sender() {
    let mails = Arc::new(Kept::default());
    let office = Office::with(mails.clone(), Arc::new(SystemClock)).await;
    let task = office.referral(2).await;
    let reader = Reader::open(&mails.links(1).await[0]).await;
    assert_eq!(reader.answer("ask", &[("words", "")]).await.status, 422, "a question has words");
    assert_eq!(reader.answer("ask", &[("words", "Can she climb stairs?")]).await.status, 303);
    let asked = office.world.task_becomes(&task, "on-hold").await;
    assert_eq!(asked["businessStatus"]["coding"][0]["code"], "info-needed", "{asked}");
    assert_eq!(asked["statusReason"]["text"], "Can she climb stairs?");
    assert!(reader.get("referral").await.text.contains("Accept the referral"), "a question does not shut the door");
    assert_eq!(reader.answer("decline", &[("reason", "decline-needs-not-met")]).await.status, 422, "what would help?");
    let fields = [("reason", "decline-needs-not-met"), ("words", "A volunteer who signs")];
    assert_eq!(reader.answer("decline", &fields).await.status, 303);
    let declined = office.world.task_becomes(&task, "rejected").await;
    assert_eq!(declined["businessStatus"]["coding"][0]["code"], "declined-needs");
    assert_eq!(declined["statusReason"]["text"], "A volunteer who signs");
    assert_eq!(declined["statusReason"]["coding"][0]["code"], "needs-more", "polite words have a code beside them");

    // It has ended, and a call for help is heard all the same: as a Task of somebody's, for today.
    let fields = [("concern", "needs-more-safeguarding"), ("today", "yes"), ("words", "She has bruises.")];
    assert_eq!(reader.answer("needs-more", &fields).await.status, 303);
    let query = format!("/fhir/Task?part-of=Task/{}&priority=urgent", task.rsplit_once('/').unwrap().1);
    let called = eventually("the follow-up", || async {
        let found = office.world.get(GP, &query).await.json();
        found["entry"].as_array().and_then(|all| all.first()).map(|entry| entry["resource"].clone())
    })
    .await;
    assert_eq!(called["code"]["coding"][0]["code"], "safeguarding-concern");
    let words = called["note"][0]["text"].as_str().unwrap();
    assert!(words.contains("has to act today") && words.ends_with("She has bruises."), "{words}");
    assert_eq!(office.world.task(&task).await["status"], "rejected", "it moves nothing");
    office.world.stop().await;
}

/// The link in a mail as it lies in a mailbox.
fn link_in(mail: &str) -> String {
    let parsed = mail_parser::MessageParser::default().parse(mail.as_bytes()).unwrap();
    let text = parsed.body_text(0).unwrap().into_owned();
    let at = text.find("http://").unwrap_or_else(|| panic!("no link: {text}"));
    text[at..].split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_life_over_real_mail_servers_with_a_reply_and_a_link_that_is_asked_for() {
    let Some(server) = server() else { return };
    let pair = server.pair();
    let office = Office::at(server, &pair).await;
    let task = office.referral(3).await;
    let first = pair.theirs.await_mail(1).remove(0);
    let link = link_in(&first);

    // Somebody answers by mail: it is read, and moves nothing.
    let parsed = mail_parser::MessageParser::default().parse(first.as_bytes()).unwrap();
    let to = parsed.reply_to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap().to_owned();
    let reply = format!(
        "From: {}\r\nTo: {to}\r\nSubject: Re: referral\r\nMessage-ID: <reply@charity.example>\r\n\r\nIs Tuesday all right?\r\n",
        pair.theirs.address()
    );
    pair.theirs.send(pair.theirs.address(), &to, &reply).unwrap();
    let heard = eventually("the reply", || async {
        let task = office.world.task(&task).await;
        (task["businessStatus"]["coding"][0]["code"] == "info-needed").then_some(task)
    })
    .await;
    assert_eq!(
        (&heard["status"], &heard["statusReason"]["text"]),
        (&"requested".into(), &"Is Tuesday all right?".into())
    );

    // The link is used and closed; a new one is asked for with the old.
    let reader = Reader::open(&link).await;
    let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let again = filled(http.post(&link), &[("passphrase", PASSPHRASE)]).send().await.unwrap();
    assert_eq!(again.status(), 403, "it opens once");
    let asked = filled(http.post(format!("{link}/new")), &[("new", "link")]).send().await.unwrap();
    assert_eq!(asked.status(), 200);
    // The first link is younger than ten minutes: nothing is sent, and the page does not say so.
    assert_eq!(pair.theirs.mail("").len(), 1);
    to_the_end(&office, &task, &reader).await;
    office.world.stop().await;
}

#[tokio::test]
async fn without_an_answer_the_organisation_is_reminded_and_then_it_goes_back() {
    let clock = Arc::new(vcse_gateway::clock::ManualClock::at(time::macros::datetime!(2026-06-15 09:00 UTC)));
    let mails = Arc::new(Kept::default());
    let office = Office::with(mails.clone(), clock.clone()).await;
    let task = office.referral(4).await;
    let first = mails.links(1).await.remove(0);
    let day = Duration::from_secs(24 * 3600);
    clock.advance(day * 3 + limits::Limits::default().unanswered_look);
    let reminded = mails.links(2).await;
    assert_ne!(reminded[0], reminded[1], "each mail has a link of its own");
    clock.advance(day * 12);
    let back = office.world.task_becomes(&task, "on-hold").await;
    assert_eq!(back["businessStatus"]["coding"][0]["code"], "expired-no-response", "{back}");
    let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    for link in [first, reminded[1].clone()] {
        let opened = filled(http.post(&link), &[("passphrase", PASSPHRASE)]).send().await.unwrap();
        assert_eq!(opened.status(), 403, "what went back opens nothing");
    }
    office.world.stop().await;
}
