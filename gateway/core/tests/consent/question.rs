//! A question to the engine, with everything that it borrows; and Consents as the tables write them: `C` with changes.
//! `path=value` sets, `-path` takes away. In values `@X` is an actor that names `Organization/X`, `$system:code` a Coding,
//! `&system:code` a CodeableConcept.

use crate::world::{self, RECIPIENTS, c, coding, directory, tenant};
use adapter_contract::DataNeed;
use gateway_core::consent::*;
use gateway_core::identity::{PlatformId, TenantId};
use gateway_fhir::Json;
use gateway_fhir::identifiers::ODS_CODE;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::{date, datetime};

pub(crate) const NOW: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);

/// Everything that a question borrows.
pub(crate) struct Asked {
    pub(crate) consents: Vec<ConsentDocument>,
    pub(crate) complete: bool,
    pub(crate) overrides: Vec<Override>,
    pub(crate) policy: Policy,
    pub(crate) standing: Standing,
    pub(crate) patient: Json,
    /// The same person, stored again.
    pub(crate) also: Vec<Json>,
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
            complete: self.complete,
            overrides: &self.overrides,
            directory: &directory,
            policy: &self.policy,
            subject: Subject {
                references: vec!["Patient/p".to_owned(), "Patient/p-old".to_owned()],
                nhs_number: Some("9990000018"),
                patient: &self.patient,
                also: self.also.iter().collect(),
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
        version: consent["meta"]["versionId"].as_str().map_or(1, |version| version.parse().expect("as it is written")),
        document: {
            let mut document = consent.clone();
            document.as_object_mut().expect("as it is written").remove("tenant");
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
        complete: true,
        overrides: Vec::new(),
        policy: policy(),
        standing: Standing::default(),
        patient: world::patient().into(),
        also: Vec::new(),
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

/// One Consent.
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

/// A value; what is no JSON is a text.
pub(crate) fn value(text: &str) -> Value {
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
