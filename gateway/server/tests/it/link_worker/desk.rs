//! A gateway with accounts and a clock that is moved, and a browser of few means. What services say is written into the store as the
//! workers would have written it.

use crate::support::{Answer, Sent, Setup, World, bundle, inside};
use conformance_tests::generator::PRACTICE_ODS;
use gateway_core::account::{Account, AccountId, AccountRole};
use gateway_core::change::{AuditRecord, Change, Transaction};
use gateway_core::identity::TenantId;
use gateway_core::reach::{Name, Reach};
use gateway_core::referral::{Delivery, Referral};
use gateway_core::resource::{ResourceKey, ResourceVersion};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use time::OffsetDateTime;
use time::macros::datetime;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::passphrase;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

pub(crate) const PASSPHRASE: &str = "7KQ4-M9TX-0C2V-HRWE";
pub(crate) const START: OffsetDateTime = datetime!(2026-06-20 11:00 UTC);
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const SDS: &str = "https://fhir.nhs.uk/Id/sds-user-id";
/// Family name of the person, as somebody might write it who means harm.
pub(crate) const NAME: &str = "<script>alert(1)</script>Canary";

/// Made once: it takes a while.
static HASH: LazyLock<String> = LazyLock::new(|| passphrase::hash(PASSPHRASE).unwrap());

/// An account of the practice.
pub(crate) fn account(id: &str) -> Account {
    Account {
        id: AccountId(id.to_owned()),
        revision: 1,
        tenant: TenantId("pcn-a".to_owned()),
        organisations: [PRACTICE_ODS.to_owned()].into(),
        name: format!("{} Link", id.to_uppercase()),
        roles: [AccountRole::LinkWorker].into(),
        reach: Reach::default(),
        passphrase_hash: HASH.clone(),
        epoch: 1,
        disabled: false,
        made_at: START,
    }
}

pub(crate) fn ods(value: &str) -> Vec<Name> {
    vec![Name { system: ODS.to_owned(), value: value.to_owned() }]
}

pub(crate) fn sds(value: &str) -> Vec<Name> {
    vec![Name { system: SDS.to_owned(), value: value.to_owned() }]
}

pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<dyn Store>,
    browser: reqwest::Client,
}

impl Desk {
    /// With `anna`, a link worker of the practice.
    pub(crate) async fn open() -> Self {
        Self::over(Arc::new(MemoryStore::new()), Arc::new(ManualClock::at(START)), &[account("anna")]).await
    }

    /// With `anna`, where tenants decided more.
    pub(crate) async fn deciding(decided: &str) -> Self {
        let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(ManualClock::at(START)));
        Self::of(store, clock, &[account("anna")], decided).await
    }

    pub(crate) async fn over(store: Arc<dyn Store>, clock: Arc<ManualClock>, accounts: &[Account]) -> Self {
        Self::of(store, clock, accounts, "").await
    }

    async fn of(store: Arc<dyn Store>, clock: Arc<ManualClock>, accounts: &[Account], decided: &str) -> Self {
        let decided = decided.to_owned();
        let setup = Setup { store: Arc::clone(&store), clock: clock.clone(), decided, ..Setup::default() };
        let world = World::start(setup).await;
        let browser =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let desk = Self { world, clock, store, browser };
        for account in accounts {
            desk.keep(account).await;
        }
        desk
    }

    /// Ends this gateway and starts another on the same store.
    pub(crate) async fn restarted(self) -> Self {
        let Self { world, clock, store, .. } = self;
        world.stop().await;
        Self::over(store, clock, &[]).await
    }

    pub(crate) async fn keep(&self, account: &Account) {
        self.commit(vec![Change::PutAccount(Box::new(account.clone()))]).await;
    }

    pub(crate) async fn commit(&self, changes: Vec<Change>) {
        self.store.commit(Transaction { checks: Vec::new(), changes }).await.unwrap();
    }

    /// What the browser is given, without following it.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, cookie: &str, path: &str) -> Answer {
        let url = format!("{}/console/work{path}", self.world.origin);
        self.send(self.browser.get(url).header("cookie", cookie)).await
    }

    pub(crate) fn posting(&self, cookie: &str, path: &str, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.browser.post(format!("{}/console/work{path}", self.world.origin)).header("cookie", cookie);
        request.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    pub(crate) async fn post(&self, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(self.posting(cookie, path, fields)).await
    }

    pub(crate) async fn try_with(&self, name: &str, passphrase: &str) -> Answer {
        self.post("", "/sign-in", &[("name", name), ("passphrase", passphrase)]).await
    }

    /// Signs in, and gives the cookie.
    pub(crate) async fn enter(&self, name: &str) -> String {
        let answer = self.try_with(name, PASSPHRASE).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/console/work"), "{}", answer.text);
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    /// The form of an act: its hidden fields.
    pub(crate) async fn form(&self, cookie: &str, task: &str, act: &str) -> Vec<(String, String)> {
        let page = self.get(cookie, &format!("/{task}/{act}")).await;
        assert_eq!(page.status, 200, "{act}: {}", page.text);
        hidden(&page.text)
    }

    /// Fills in a form that was given before.
    pub(crate) async fn give(
        &self,
        cookie: &str,
        (task, act): (&str, &str),
        hidden: &[(String, String)],
        fields: &[(&str, &str)],
    ) -> Answer {
        let own = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<(&str, &str)> = own.chain(fields.iter().copied()).collect();
        self.post(cookie, &format!("/{task}/{act}"), &all).await
    }

    /// Opens a form, fills it in, and sends it.
    pub(crate) async fn act(&self, cookie: &str, task: &str, act: &str, fields: &[(&str, &str)]) -> Answer {
        let hidden = self.form(cookie, task, act).await;
        self.give(cookie, (task, act), &hidden, fields).await
    }

    /// The same, which is taken.
    pub(crate) async fn done(&self, cookie: &str, task: &str, act: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.act(cookie, task, act, fields).await;
        assert_eq!(answer.status, 303, "{act}: {}", answer.text);
        answer.header("location").strip_prefix("/console/work/").unwrap().to_owned()
    }

    /// A referral of the practice; gives the id of its Task.
    pub(crate) async fn referral(&self, nth: usize, change: impl FnOnce(&mut Value)) -> String {
        let mut bundle = bundle(nth);
        inside(&mut bundle, "Patient")["name"][0] = json!({ "use": "official", "given": ["Sam"], "family": NAME });
        change(&mut bundle);
        id(&self.world.submit(&bundle).await)
    }

    /// One that no route takes.
    pub(crate) async fn held(&self, nth: usize) -> String {
        self.referral(nth, |bundle| {
            inside(bundle, "Task").as_object_mut().unwrap().remove("owner");
            inside(bundle, "ServiceRequest").as_object_mut().unwrap().remove("performer");
        })
        .await
    }

    pub(crate) async fn of_task(&self, task: &str) -> Referral {
        self.world.referrals().await.into_iter().find(|one| one.task == task).unwrap()
    }

    pub(crate) async fn task(&self, task: &str) -> Value {
        self.world.task(&format!("/fhir/Task/{task}")).await
    }

    /// Writes what a service said, as the worker would have.
    pub(crate) async fn said(&self, task: &str, status: &str, business: &str, words: &str) {
        self.written(task, |referral, document| {
            referral.delivery = Delivery::Delivered { at: START };
            referral.task_status = status.parse().unwrap();
            referral.platform_status = Some(referral.task_status);
            document["status"] = json!(status);
            document["statusReason"] = json!({ "text": words });
            document["businessStatus"] =
                json!({ "coding": [{ "system": adapter_contract::systems::BUSINESS_STATUS, "code": business }] });
        })
        .await;
    }

    /// Writes the next version of a Task and the next revision of its referral; what waited to leave has left.
    pub(crate) async fn written(&self, task: &str, change: impl FnOnce(&mut Referral, &mut Value)) {
        let mut referral = self.of_task(task).await;
        let key =
            ResourceKey { compartment: referral.compartment.clone(), kind: "Task".to_owned(), id: task.to_owned() };
        let stored = self.store.resource(&key, None).await.unwrap().unwrap();
        let mut document: Value = serde_json::from_str(&stored.body).unwrap();
        referral.revision += 1;
        change(&mut referral, &mut document);
        document["meta"]["versionId"] = json!((stored.version + 1).to_string());
        let next = ResourceVersion {
            version: stored.version + 1,
            author: "platform/food".to_owned(),
            body: document.to_string(),
            tokens: gateway_core::resource::tokens("Task", &document.into()),
            ..stored
        };
        let mut changes = vec![Change::PutResource(next)];
        for mut row in self.store.outbox(&referral.id).await.unwrap() {
            (row.state, row.attempts) = (gateway_core::outbox::OutboxState::Done, 1);
            changes.push(Change::PutOutbox(Box::new(row)));
        }
        changes.push(Change::PutReferral(Box::new(referral)));
        self.commit(changes).await;
    }

    /// Lines of audit of a referral by this account, by action.
    pub(crate) async fn audited(&self, task: &str, actor: &str) -> Vec<AuditRecord> {
        let referral = self.of_task(task).await;
        let lines = self.store.audit(&referral.id).await.unwrap();
        lines.into_iter().filter(|line| line.actor == actor).collect()
    }
}

fn id(sent: &Sent) -> String {
    sent.resource("Task")["id"].as_str().unwrap().to_owned()
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
