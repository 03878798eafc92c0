//! Reads the two middle columns of `cases.tsv`: which Consents are on record (`none`, or separated by ` ; `), and what is
//! asked, in words with blanks between.

use crate::question::{Asked, asked, changed, consent, policy, recipient, stored, value};
use crate::world::{self, coding};
use adapter_contract::{DataClass, DataNeed};
use gateway_core::consent::*;
use gateway_core::identity::PlatformId;
use gateway_fhir::identifiers::ODS_CODE;
use gateway_fhir::{Json, instant};
use serde_json::{Value, json};

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
        // Another stored record of the same person.
        "also" => asked.also.push(merged(&Json::Object(Vec::new()), value)),
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
        "class-at-most" => {
            let (class, paths) = value.split_once(':').expect("class:paths");
            let class = match class {
                "ordinary" => ClassName::Ordinary,
                "direct-care" => ClassName::DirectCare,
                "statutory" => ClassName::Statutory,
                other => panic!("there is no class {other}"),
            };
            asked.policy.at_most.insert(class, paths.split(',').map(str::to_owned).collect());
        }
        "notes-sent" => own(&mut asked.policy, &|policy| policy.notes = Notes::Send, &platform),
        "labels-sent" => own(&mut asked.policy, &|policy| policy.notes = Notes::Labels, &platform),
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
        // Whoever asks could not read all that is on record.
        "unreadable" => asked.complete = false,
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
    (format!("{}/{id}", resource["resourceType"].as_str().expect("as it is written")), resource.into())
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
    let reference = parts.next().expect("as it is written").to_owned();
    let authority = match parts.next().expect("as it is written") {
        "parental" => Authority::Parental,
        "health" => Authority::HealthAttorney,
        "property" => Authority::PropertyAttorney,
        "deputy" => Authority::WelfareDeputy,
        "best-interests" => Authority::BestInterests,
        other => panic!("there is no authority {other}"),
    };
    Proxy {
        reference,
        authority,
        until: parts.next().map(|until| instant::parse(until).expect("as it is written").earliest),
    }
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
    let (approver, review) = text.split_once(',').expect("as it is written");
    let mut policy = policy();
    for of in policy.recipients.values_mut() {
        if let RecipientClass::DirectCare(care) = &mut of.class {
            approver.clone_into(&mut care.approver);
            care.review = instant::parse(review).expect("as it is written").earliest.date();
        }
    }
    policy
}
