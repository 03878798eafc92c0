//! Reads the two middle columns of `cases.tsv`: which Consents are on record, and what is asked.
//!
//! Consents are separated by ` ; `; each is `C` with changes: `path=value` sets, `-path` takes away. In values `@X` is an
//! actor that names `Organization/X`, `$system:code` a Coding, `&system:code` a CodeableConcept.

use crate::world::{self, RECIPIENTS, c, coding, directory, tenant};
use adapter_contract::{DataClass, DataNeed};
use gateway_core::consent::*;
use gateway_core::identity::{PlatformId, TenantId};
use gateway_fhir::identifiers::ODS_CODE;
use gateway_fhir::{Json, instant};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::{date, datetime};

pub(crate) const NOW: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);

/// Everything that a question borrows.
pub(crate) struct Asked {
    pub(crate) consents: Vec<ConsentDocument>,
    pub(crate) overrides: Vec<Override>,
    pub(crate) policy: Policy,
    pub(crate) standing: Standing,
    pub(crate) patient: Json,
    pub(crate) service_request: Json,
    pub(crate) task: Json,
    pub(crate) related: Vec<(String, Json)>,
    pub(crate) recipient: Recipient,
    pub(crate) items: Vec<Item>,
    pub(crate) needs: Vec<DataNeed>,
    pub(crate) purpose: String,
    pub(crate) stage: Stage,
    pub(crate) now: OffsetDateTime,
}

impl Asked {
    pub(crate) fn decide(&self) -> Decision {
        decide(&Question {
            stage: self.stage,
            tenant: &tenant(),
            consents: &self.consents,
            overrides: &self.overrides,
            directory: &directory,
            policy: &self.policy,
            subject: Subject {
                references: vec!["Patient/p".to_owned(), "Patient/p-old".to_owned()],
                nhs_number: Some("9990000018"),
                patient: &self.patient,
                standing: &self.standing,
            },
            recipient: &self.recipient,
            items: &self.items,
            needs: &self.needs,
            purpose: &self.purpose,
            now: self.now,
        })
    }

    /// The items anew, after the resources were changed.
    pub(crate) fn reread(&mut self) {
        let related = self.related.iter().map(|(_, resource)| resource);
        self.items = items([&self.service_request, &self.patient, &self.task].into_iter().chain(related));
    }
}

/// Each Consent with an id of its own, unless it has one.
pub(crate) fn stored(consents: &[Value]) -> Vec<ConsentDocument> {
    let one = |(place, consent): (usize, &Value)| ConsentDocument {
        tenant: consent["tenant"].as_str().map_or(tenant(), |name| TenantId(name.to_owned())),
        id: consent["id"].as_str().map_or(format!("c{place}"), str::to_owned),
        version: consent["meta"]["versionId"].as_str().map_or(1, |version| version.parse().unwrap()),
        document: {
            let mut document = consent.clone();
            document.as_object_mut().unwrap().remove("tenant");
            document.into()
        },
    };
    consents.iter().enumerate().map(one).collect()
}

/// The recipient of this letter.
pub(crate) fn recipient(letter: &str) -> Recipient {
    let (_, code) = RECIPIENTS.iter().find(|(known, _)| *known == letter).expect("a letter of the table");
    Recipient {
        platform: PlatformId(letter.to_owned()),
        name: letter.to_owned(),
        identifiers: vec![(ODS_CODE.to_owned(), (*code).to_owned())],
    }
}

/// H gives care, L is statutory, K is a channel that the person reads.
pub(crate) fn policy() -> Policy {
    let mut policy = Policy::default();
    let care = DirectCare {
        approver: "Dr A Sample".to_owned(),
        review: date!(2026 - 12 - 31),
        minimum: ["Patient.name", "Patient.telecom", "ServiceRequest", "Task"].map(str::to_owned).to_vec(),
    };
    for (letter, class) in [
        ("H", RecipientClass::DirectCare(care)),
        ("L", RecipientClass::Statutory),
        ("K", RecipientClass::PatientFacing),
    ] {
        let of = RecipientPolicy { class, ..RecipientPolicy::default() };
        policy.recipients.insert(PlatformId(letter.to_owned()), of);
    }
    policy
}

/// A question with these Consents to B, of a whole referral.
pub(crate) fn asked(consents: &[Value]) -> Asked {
    let mut asked = Asked {
        consents: stored(consents),
        overrides: Vec::new(),
        policy: policy(),
        standing: Standing::default(),
        patient: world::patient().into(),
        service_request: world::service_request(&[]).into(),
        task: world::task().into(),
        related: Vec::new(),
        recipient: recipient("B"),
        items: Vec::new(),
        needs: Vec::new(),
        purpose: "COC".to_owned(),
        stage: Stage::Attempt,
        now: NOW,
    };
    asked.reread();
    asked
}

/// Reads both columns.
pub(crate) fn read(consents: &str, question: &str) -> Asked {
    let consents: Vec<Value> = match consents.trim() {
        "none" => Vec::new(),
        all => all.split(" ; ").map(consent).collect(),
    };
    let mut asked = asked(&consents);
    let words: Vec<&str> = question.split_whitespace().collect();
    for word in &words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        apply(&mut asked, name, value);
    }
    if !words.iter().any(|word| word.starts_with("only=") || *word == "unknown-data") {
        asked.reread();
    }
    asked
}

fn apply(asked: &mut Asked, name: &str, value: &str) {
    let own = |policy: &mut Policy, change: &dyn Fn(&mut RecipientPolicy), platform: &PlatformId| {
        change(policy.recipients.entry(platform.clone()).or_default());
    };
    let platform = asked.recipient.platform.clone();
    let list = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
    match name {
        "to" => asked.recipient = recipient(value),
        "now" => asked.now = instant::parse(value).expect("an instant").earliest,
        "purpose" => value.clone_into(&mut asked.purpose),
        "born" => asked.patient.set("birthDate", Json::string(value)),
        "unborn" => drop(asked.patient.remove("birthDate")),
        "patient" => asked.patient = merged(&asked.patient, value),
        "request" => asked.service_request = merged(&asked.service_request, value),
        "with" => {
            let names: Vec<&str> = value.split(',').collect();
            asked.service_request = world::service_request(&names).into();
            asked.related = names.iter().map(|id| related(id)).collect();
        }
        "only" => asked.items = items(value.split(',').map(related).map(|(_, one)| one).collect::<Vec<_>>().iter()),
        "assessed" => {
            for resource in [&mut asked.service_request, &mut asked.task] {
                resource.set("meta", json!({"security": [coding("act", "EMPL")]}).into());
            }
        }
        "unknown-data" => asked.items.clear(),
        "competent" => asked.standing.competent_minor = true,
        "disputed" => asked.standing.disputed = true,
        "lost" => asked.standing.lacks_capacity_since = Some(instant::parse(value).expect("a date").earliest),
        "proxy" => asked.standing.proxies.push(proxy(value)),
        "override" => asked.overrides.push(overriding(value)),
        "needs" => asked.needs.extend(list().into_iter().map(|path| need(path, true))),
        "reads" => asked.needs.extend(list().into_iter().map(|path| need(path, false))),
        "at-most" => own(&mut asked.policy, &|policy| policy.at_most = Some(list()), &platform),
        "notes-sent" => own(&mut asked.policy, &|policy| policy.notes = Notes::Send, &platform),
        "care" => asked.policy = with_care(value),
        "branch-of-B" => {
            let identifiers = vec![(ODS_CODE.to_owned(), "B001".to_owned())];
            let branch = Branch { identifiers, inherits: value == "inherits" };
            own(&mut asked.policy, &|policy| policy.branch = Some(branch.clone()), &platform);
        }
        "role" => asked.policy.receiving_roles.push(("urn:roles".to_owned(), value.to_owned())),
        "review-code" => asked.policy.review_codes.push(("urn:codes".to_owned(), value.to_owned())),
        "withhold" => {
            let list = format!("sexually-transmitted-infection\turn:codes\t{value}");
            asked.policy.withheld = WithheldCodes::read(&list).expect("a code list");
        }
        // Whoever asks could not read what is on record (`cases.rs`).
        "unreadable" => {}
        "relay" => asked.stage = Stage::Relay,
        "beside" => {
            // So many other Consents of the person, which name D.
            let other = consent("C actor=[@D]");
            let count: usize = value.parse().expect("a number");
            let others: Vec<Value> = (0..count).map(|place| changed(&other, &format!("id=other-{place}"))).collect();
            asked.consents.extend(stored(&others));
        }
        other => panic!("the question has the unknown word {other}"),
    }
}

fn related(id: &str) -> (String, Json) {
    let resource = world::sample(id).unwrap_or_else(|| panic!("there is no sample {id}"));
    (format!("{}/{id}", resource["resourceType"].as_str().unwrap()), resource.into())
}

fn merged(resource: &Json, members: &str) -> Json {
    let mut resource = resource.clone();
    let Value::Object(members) = value(members) else { panic!("an object is merged") };
    for (name, value) in members {
        if value.is_null() {
            resource.remove(&name);
        } else {
            resource.set(&name, value.into());
        }
    }
    resource
}

fn need(path: String, needed: bool) -> DataNeed {
    DataNeed { path, class: DataClass::Need, needed }
}

/// `RelatedPerson/x:parental` or with `:until`.
fn proxy(text: &str) -> Proxy {
    let mut parts = text.splitn(3, ':');
    let reference = parts.next().unwrap().to_owned();
    let authority = match parts.next().unwrap() {
        "parental" => Authority::Parental,
        "health" => Authority::HealthAttorney,
        "property" => Authority::PropertyAttorney,
        "deputy" => Authority::WelfareDeputy,
        "best-interests" => Authority::BestInterests,
        other => panic!("there is no authority {other}"),
    };
    Proxy { reference, authority, until: parts.next().map(|until| instant::parse(until).unwrap().earliest) }
}

/// `recipient,professional,reason,from,until`; an empty cell is empty.
fn overriding(text: &str) -> Override {
    let cells: Vec<&str> = text.split(',').collect();
    let time = |cell: &str| instant::parse(cell).expect("an instant").earliest;
    Override {
        id: "o".to_owned(),
        recipient: PlatformId(cells[0].to_owned()),
        professional: cells[1].to_owned(),
        reason: cells[2].to_owned(),
        from: time(cells[3]),
        expires: time(cells[4]),
    }
}

/// `approver,review`: the listing of H as it is written then.
fn with_care(text: &str) -> Policy {
    let (approver, review) = text.split_once(',').unwrap();
    let mut policy = policy();
    for of in policy.recipients.values_mut() {
        if let RecipientClass::DirectCare(care) = &mut of.class {
            approver.clone_into(&mut care.approver);
            care.review = instant::parse(review).unwrap().earliest.date();
        }
    }
    policy
}

/// One Consent of the column.
pub(crate) fn consent(text: &str) -> Value {
    let text = text.trim();
    assert!(text == "C" || text.starts_with("C "), "a Consent is C with changes, not {text}");
    text.split_whitespace().skip(1).fold(c(), |consent, change| changed(&consent, change))
}

/// One change.
pub(crate) fn changed(consent: &Value, change: &str) -> Value {
    let mut consent = consent.clone();
    let (path, to) = match change.strip_prefix('-') {
        Some(path) => (path, Value::Null),
        None => {
            let (path, text) = change.split_once('=').unwrap_or_else(|| panic!("{change} changes nothing"));
            if path == "rule" { (path, json!({"coding": [{"code": text}]})) } else { (path, value(text)) }
        }
    };
    let path = match path {
        "type" | "period" | "actor" | "purpose" | "action" | "class" | "code" | "dataPeriod" | "data" | "_type" => {
            format!("provision.{path}")
        }
        "label" => "provision.securityLabel".to_owned(),
        "in" => "provision.provision".to_owned(),
        "start" | "end" => format!("provision.period.{path}"),
        "rule" => "policyRule".to_owned(),
        other => other.to_owned(),
    };
    let (parents, last) = path.rsplit_once('.').map_or((None, path.as_str()), |(above, last)| (Some(above), last));
    let mut place = &mut consent;
    for step in parents.into_iter().flat_map(|parents| parents.split('.')) {
        place = &mut place[step];
    }
    if to.is_null() {
        place.as_object_mut().expect("something to take from").remove(last);
    } else {
        place[last] = to;
    }
    consent
}

/// A value of the column; what is no JSON is a text.
fn value(text: &str) -> Value {
    let mut json = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['@', '$', '&']) {
        json.push_str(&rest[..at]);
        let mark = &rest[at..=at];
        let end = rest[at + 1..].find([',', ']', '}', '"']).map_or(rest.len(), |end| at + 1 + end);
        let word = &rest[at + 1..end];
        let made = match mark {
            "@" => world::actor(&if word.contains('/') { word.to_owned() } else { format!("Organization/{word}") }),
            mark => {
                let (system, code) = word.rsplit_once(':').unwrap_or_else(|| panic!("{word} is no system:code"));
                let coding = coding(system, code);
                if mark == "&" { json!({"coding": [coding]}) } else { coding }
            }
        };
        json.push_str(&made.to_string());
        rest = &rest[end..];
    }
    json.push_str(rest);
    serde_json::from_str(&json).unwrap_or_else(|_| json!(text))
}
