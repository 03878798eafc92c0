//! From a referral to the bytes that leave, in the gateway's own way: consent, minimise, translate. No network.

use adapter_contract::{
    Adapter, Answer, DataClass, DataNeed, Descriptor, Exchange, FileAnswer, FileRequest, HttpRequest, IdempotencyKey,
    Keys, Method, PlatformRequest, Progress, Purpose, Repeat, Settings, Step, TranslateError,
};
use adapter_declarative::{DeclarativeAdapter, load, shipped};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_core::accept::{Asked, Rules, decide_consent};
use gateway_core::consent::{ConsentDocument, Policy, Recipient, Record, Stage, Verdict, Withheld};
use gateway_core::disclose::Contents;
use gateway_core::identity::{PlatformId, TenantId};
use gateway_core::ingest::Person;
use gateway_core::minimise::{Whole, minimise};
use gateway_fhir::Json;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use time::macros::datetime;
use vcse_gateway::adapters::{all, find};

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// An adapter with the settings of a platform.
pub(crate) struct Door {
    pub(crate) name: &'static str,
    kind: Kind,
    settings: Settings,
}

enum Kind {
    Code(Arc<dyn Adapter>),
    Files(Arc<DeclarativeAdapter>),
}

impl Door {
    fn adapter(&self) -> &dyn Adapter {
        match &self.kind {
            Kind::Code(adapter) => adapter.as_ref(),
            Kind::Files(adapter) => adapter.as_ref(),
        }
    }

    pub(crate) fn needs(&self) -> Vec<DataNeed> {
        self.adapter().descriptor().data_needs.clone()
    }

    /// The bodies, addresses and queries of all requests of a submission.
    fn requests(&self, exchange: &Exchange<'_>) -> Result<String, TranslateError> {
        let mut told = String::new();
        if let Kind::Files(adapter) = &self.kind {
            adapter.foreseen(exchange)?.iter().for_each(|request| tell(request, &mut told));
            return Ok(told);
        }
        // What is shown behind a status link is told as much as what is sent.
        if let Some(page) = self.adapter().page(exchange)? {
            page.warnings.iter().for_each(|warning| told += &format!("{warning}\n"));
            let lines = page.sections.iter().flat_map(|section| &section.lines);
            lines.for_each(|(name, value)| told += &format!("{name} {value}\n"));
        }
        let mut step = self.adapter().begin(exchange)?;
        while let Step::Send(request, progress) = step {
            let answer = match &request {
                PlatformRequest::Http(http) => {
                    tell(http, &mut told);
                    stored(http)
                }
                PlatformRequest::Publish(publication) => {
                    publication.resources.iter().for_each(|one| told += &decoded(&one.resource));
                    return Ok(told);
                }
                PlatformRequest::File(FileRequest::Put(put)) => {
                    told += &format!("{} {}\n{}\n", put.key, put.name, String::from_utf8_lossy(&put.content));
                    Answer::File(FileAnswer::Put)
                }
                PlatformRequest::Mail(mail) => {
                    told += &format!("{} {}\n{}\n", mail.key, mail.subject, mail.text);
                    Answer::Mailed
                }
                PlatformRequest::Amend(_) | PlatformRequest::File(_) => return Ok(told),
            };
            // What the platform answered ends this submission sooner or later.
            step = self.adapter().resume(exchange, &progress, &answer)?;
        }
        Ok(told)
    }
}

fn tell(request: &HttpRequest, told: &mut String) {
    let body = String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).into_owned();
    *told += &format!("{} {:?} {:?}\n{}\n", request.path, request.query, request.headers, decoded(&body));
}

/// The text, and beside it every string of it that can be read as Base64.
pub(crate) fn decoded(body: &str) -> String {
    fn walk(value: &Value, text: &mut String) {
        match value {
            Value::String(one) => {
                *text += &format!("{one}\n");
                let bytes = STANDARD.decode(one).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                *text += &bytes.unwrap_or_default();
            }
            Value::Array(all) => all.iter().for_each(|one| walk(one, text)),
            Value::Object(members) => members.values().for_each(|one| walk(one, text)),
            _ => {}
        }
    }
    let mut text = format!("{body}\n");
    if let Ok(value) = serde_json::from_str(body) {
        walk(&value, &mut text);
    }
    text
}

/// The answer of a FHIR server that stored everything.
fn stored(request: &HttpRequest) -> Answer {
    let body: Value = serde_json::from_slice(request.body.as_deref().unwrap_or_default()).unwrap_or_default();
    let entries = body["entry"].as_array().cloned().unwrap_or_default();
    let each = entries.iter().enumerate().map(|(place, entry)| {
        let kind = entry["resource"]["resourceType"].as_str().unwrap_or_default();
        json!({"response": {"status": "201 Created", "location": format!("{kind}/made-{place}/_history/1")}})
    });
    let answer = json!({"resourceType": "Bundle", "type": "transaction-response", "entry": each.collect::<Vec<_>>()});
    let status = if entries.is_empty() { 500 } else { 200 };
    Answer::Http { status, headers: Vec::new(), body: answer.to_string().into_bytes() }
}

pub(crate) fn platform() -> PlatformId {
    PlatformId("canary".to_owned())
}

fn settings(pairs: &[(&str, &str)]) -> Settings {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Every adapter that this build ships; that with two ways, in both.
pub(crate) fn doors() -> Vec<Door> {
    let own = [("requester-ods", "X26"), ("requester-name", "Gateway"), ("base-url", "https://platform.example/fhir")];
    let light = [own.as_slice(), &[("mode", "direct-light")]].concat();
    let message = [
        own.as_slice(),
        &[
            ("source-endpoint", "https://gateway.example/fhir"),
            ("recipient-identifier-system", "https://platform.example/Id/service"),
            ("recipient-identifier-value", "S-1"),
        ],
    ]
    .concat();
    let in_the_mail = [("sender-name", "Gateway"), ("body", "full"), ("accredited", "yes")];
    let code = |name, adapter, pairs: &[(&str, &str)]| Door {
        name,
        kind: Kind::Code(find(adapter).unwrap()),
        settings: settings(pairs),
    };
    let csv = Door {
        name: "batch-csv",
        kind: Kind::Code(find("batch-csv").unwrap()),
        settings: settings(&[("files", "mesh"), ("service", "Befriending")]),
    };
    let mut doors = vec![
        code("fhir-message", "fhir-message", &message),
        code("fhir-task", "fhir-task", &own),
        code("fhir-task, Direct Light", "fhir-task", &light),
        csv,
        code("mail-link", "mail-link", &[("sender-name", "Gateway")]),
        code("mail-link, whole body", "mail-link", &in_the_mail),
    ];
    let mut files: BTreeMap<String, Arc<DeclarativeAdapter>> = BTreeMap::new();
    for folder in shipped() {
        files.insert(folder.name().to_owned(), load(&folder).unwrap());
    }
    let known: [(&'static str, Settings); 5] = [
        (
            "connect-families",
            settings(&[
                ("service-id", "1"),
                ("service-name", "Service"),
                ("organisation-id", "2"),
                ("organisation-name", "Organisation"),
                ("account-id", "3"),
                ("account-email", "team@example.org"),
                ("account-name", "Team"),
                ("account-team", "Team"),
                ("account-phone", "01134960001"),
            ]),
        ),
        (
            "charitylog",
            settings(&[
                ("org-type-id", "7"),
                ("project", "8"),
                ("source", "1"),
                ("referral-role", "1"),
                ("poll-projects", "8"),
                ("poll-from", "2026-11-01"),
            ]),
        ),
        (
            // Without an id for the referrer it sends nothing where the requester is withheld.
            "lamplight",
            settings(&[("referrer-id", "77"), ("send-date-of-birth", "true"), ("send-gender", "true")]),
        ),
        ("salesforce", settings(&[("external-id-field", "VcseReferralKey__c"), ("category", "Food")])),
        ("ticket-rt", settings(&[("queue", "Referrals"), ("requestor", "team@example.org")])),
    ];
    for (name, settings) in known {
        doors.push(Door { name, kind: Kind::Files(Arc::clone(&files[name])), settings });
    }
    let tried = |name: &str| doors.iter().any(|door| door.name == name);
    let missing: Vec<String> =
        all().iter().map(|one| one.descriptor().name.clone()).filter(|name| !tried(name)).collect();
    assert!(missing.is_empty(), "shipped and not tried here: {missing:?}");
    doors
}

/// An adapter that declares a name and sends the whole Patient, which it has from elsewhere.
pub(crate) fn leaky(patient: Json) -> Door {
    let need = |path: &str| DataNeed { path: path.to_owned(), class: DataClass::Identity, needed: false };
    let descriptor = Descriptor {
        name: "leaky".to_owned(),
        data_needs: vec![need("Patient.name"), need("ServiceRequest.code")],
        ..find("fhir-task").unwrap().descriptor().clone()
    };
    Door { name: "leaky", kind: Kind::Code(Arc::new(Leaky { descriptor, patient })), settings: Settings::new() }
}

struct Leaky {
    descriptor: Descriptor,
    patient: Json,
}

impl Adapter for Leaky {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn begin(&self, _: &Exchange<'_>) -> Result<Step, TranslateError> {
        let request = HttpRequest {
            method: Method::Post,
            path: "leak".to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Some(self.patient.to_text().into_bytes()),
            repeat: Repeat::Keyed,
        };
        Ok(Step::Send(PlatformRequest::Http(request), Progress::at("leak")))
    }

    fn resume(&self, _: &Exchange<'_>, _: &Progress, _: &Answer) -> Result<Step, TranslateError> {
        Ok(Step::Absent)
    }
}

/// What left.
pub(crate) struct Sent {
    /// The bytes of all requests.
    pub(crate) bytes: String,
    /// Element paths in the record of disclosure.
    pub(crate) disclosed: BTreeSet<String>,
    /// How many element paths the document has that the adapter was given.
    pub(crate) given: usize,
}

/// What leaves under a Consent that permits, with `provision` in it besides; or why nothing does.
pub(crate) fn sent(whole: &Whole, door: &Door, policy: &Policy, provision: &Value) -> Result<Sent, String> {
    let tenant = TenantId("pcn-a".to_owned());
    let mut consent = json!({
        "resourceType": "Consent", "id": "c", "status": "active", "patient": {"reference": "Patient/p"},
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"code": "IDSCL"}]}],
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "provision": {"type": "permit", "actor": [{"role": {"coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "PRCP"}]},
            "reference": {"identifier": {"system": ODS, "value": "VCSE1"}}}]},
    });
    for (name, value) in provision.as_object().unwrap() {
        consent["provision"][name] = value.clone();
    }
    let document = ConsentDocument { tenant: tenant.clone(), id: "c".to_owned(), version: 1, document: consent.into() };
    let recipient = Recipient {
        platform: platform(),
        name: "VCSE".to_owned(),
        identifiers: vec![(ODS.to_owned(), "VCSE1".to_owned())],
    };
    let rules = Rules {
        recipients: BTreeMap::from([(platform(), recipient)]),
        policies: BTreeMap::from([(tenant.clone(), policy.clone())]),
        ..Rules::default()
    };
    let decision = decide_consent(&Asked {
        stage: Stage::Attempt,
        tenant: &tenant,
        items: &whole.items(),
        needs: &door.needs(),
        rules: &rules,
        platform: &platform(),
        person: &Person { reference: "Patient/p".to_owned(), document: whole.patient.clone() },
        consents: &Record { consents: vec![document], complete: true, ..Record::default() },
        directory: &|_| None,
        now: datetime!(2026-06-15 12:00 UTC),
    });
    if decision.verdict != Verdict::Permit {
        return Err(format!("{:?} {:?} {:?}", decision.reason, decision.rule_path, decision.withheld));
    }
    bytes(whole, door, &decision.withheld)
}

/// What leaves if nobody asks for consent.
pub(crate) fn sent_without_consent(whole: &Whole, door: &Door) -> Result<Sent, String> {
    bytes(whole, door, &[])
}

fn bytes(whole: &Whole, door: &Door, withheld: &[Withheld]) -> Result<Sent, String> {
    let key = IdempotencyKey("00000000-0000-0000-0000-000000000000".to_owned());
    let minimised = minimise(&whole.source(withheld), &door.needs(), &key).map_err(|error| error.to_string())?;
    let purpose = Purpose::Submit { referral: &minimised.referral };
    let keys = Keys { idempotency: &key, correlation: "correlation" };
    let exchange = Exchange { purpose, at: None, keys, settings: &door.settings, accepted_at: "2026-06-15T12:00:00Z" };
    let account = door.adapter().account(&exchange).map_err(|error| error.to_string())?;
    let disclosed = Contents::of(&minimised, account.as_ref()).elements().iter().cloned().collect();
    let bytes = door.requests(&exchange).map_err(|error| error.to_string())?;
    Ok(Sent { bytes, disclosed, given: Contents::of(&minimised, None).elements().len() })
}
