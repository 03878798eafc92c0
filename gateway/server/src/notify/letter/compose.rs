//! A letter is written: from the message back as it stands and is permitted now, with the PDF and the message that goes at each attempt.

use super::{Office, Permitted, Stored, key};
use crate::gateway::Gateway;
use adapter_contract::TaskStatus;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gateway_core::change::{Change, Check, Transaction};
use gateway_core::consent::in_london;
use gateway_core::disclose::{Posting, posted};
use gateway_core::follow_up::{self, Cause};
use gateway_core::letter::{self, Answer, Facts, Letter, State};
use gateway_core::message_back::{self, Measure, MessageBack, Phase, Question};
use gateway_core::notify::{Notice, Told};
use gateway_core::task::derived_id;
use gateway_documents::letter::{Better, Letter as Page, Ons4, Points, Practice, Reading, Referral, Score};
use gateway_documents::message::{self, Ids, Message, Replaced};
use gateway_documents::parties::{NhsNumber, Patient, PersonName};
use gateway_documents::{mesh, pdf};
use gateway_fhir::Json;
use std::num::NonZeroU32;
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

/// Media types of the PDF and of the message.
const MEDIA_TYPES: [&str; 2] = ["application/pdf", "application/fhir+xml"];
/// Says of an NHS number whether it was traced (UK Core).
const VERIFICATION: &str = "Extension-UKCore-NHSNumberVerificationStatus";
/// The codes for "number present and verified", of both published code systems.
const VERIFIED: [&str; 2] = ["01", "number-present-and-verified"];

/// Stands behind the practice's name in a disclosure where no address is configured.
const FOUND: &str = " (the practice that the Patient names; MESH delivers to where the person is registered)";

/// A letter with everything that is committed before it leaves.
pub(super) struct Composed {
    pub(super) letter: Letter,
    pub(super) transaction: Transaction,
}

/// What is to be told.
pub(super) struct Gathered {
    pub(super) back: MessageBack,
    patient: Patient,
    /// Digest of it.
    pub(super) contents: String,
}

/// What stands before a letter.
#[derive(Clone, Copy)]
pub(super) struct Earlier<'a> {
    /// The one that the practice has, or may be about to have.
    pub(super) last: Option<&'a Stored>,
    /// One for the same notice, which is not sent any more.
    pub(super) abandoned: Option<&'a Stored>,
}

/// The id of the letter that a notice asks for, however often it is asked; and of those that are written anew in its place.
fn id(notice: &Notice, anew: usize) -> String {
    if anew == 0 { derived_id(&[&notice.id, "letter"]) } else { derived_id(&[&notice.id, "letter", &anew.to_string()]) }
}

/// Of these letters the newest one for a notice, and the id of the next.
pub(super) fn latest<'a>(notice: &Notice, letters: &'a [Stored]) -> (Option<&'a Stored>, String) {
    let mut current = None;
    for anew in 0..=letters.len() {
        let id = id(notice, anew);
        match letters.iter().find(|stored| stored.letter.id == id) {
            Some(stored) => current = Some(stored),
            None => return (current, id),
        }
    }
    (current, id(notice, letters.len()))
}

/// By what a follow-up is known that says that a notice came to nothing, in this revision of it.
pub(super) fn occurrence(notice: &Notice, revision: u64) -> String {
    format!("{}/{revision}", id(notice, 0))
}

/// What is told by a letter that is written now; or why there is none.
pub(super) fn gather(gateway: &Gateway, office: &Office, permitted: &Permitted) -> Result<Gathered, Told> {
    let (view, standing) = (&permitted.view, &permitted.view.standing);
    let lookup = |reference: &str| view.related(reference);
    let back = message_back::gather(&message_back::Facts {
        task: &standing.task.document,
        service_request: &standing.service_request.document,
        lookup: &lookup,
        recipient: gateway.rules.recipients.get(&permitted.platform.id),
        kept: permitted.kept,
    });
    let back = back.ok_or_else(|| Told::Never("The Task is none that the gateway accepted.".to_owned()))?;
    let patient = patient(&view.person().document, view.person().nhs_number())?;
    if !patient.is_traced && !office.sends_untraced {
        let words = "Nobody says that the NHS number was traced. Trace the person, and send the Patient with the verification \
                     status of the number (01), or tell the practice by another way.";
        return Err(Told::Never(words.to_owned()));
    }
    let identity = [
        patient.nhs_number.digits(),
        &patient.name.family,
        &patient.birth_date.to_string(),
        permitted.practice.ods_code.as_str(),
        office.to.as_deref().unwrap_or_default(),
    ];
    let contents = letter::contents(&back, &identity);
    Ok(Gathered { back, patient, contents })
}

/// Writes the letter `own`; or says why there is none.
pub(super) fn compose(
    gateway: &Gateway,
    office: &Office,
    permitted: &Permitted,
    gathered: Gathered,
    (notice, own): (&Notice, &str),
    earlier: Earlier<'_>,
    due: OffsetDateTime,
) -> Result<Composed, Told> {
    let now = gateway.clock.now();
    let (own, standing) = (own.to_owned(), &permitted.view.standing);
    let Gathered { back, patient, contents } = gathered;
    let Earlier { last, .. } = earlier;
    let number = last.map_or(NonZeroU32::MIN, |last| last.letter.number.saturating_add(1));
    let page = page((office, &permitted.practice), &back, patient, number, now);
    let made = pdf::make(&page, &own, pdf::Overflow::Shorten).map_err(|fault| Told::Never(fault.to_string()))?;
    if !made.shortened.is_empty() {
        tracing::info!(letter = own, parts = made.shortened.len(), "a letter to a practice was shortened, and says so");
    }
    let ids = Ids::drawn(|| Uuid::parse_str(&gateway.new_id()).unwrap_or_default());
    let replaces = last.and_then(|last| {
        let [message, document] = &last.letter.identifiers;
        let (message, document) = (Uuid::parse_str(message).ok()?, Uuid::parse_str(document).ok()?);
        Some(Replaced { message_identifier: message, document_identifier: document })
    });
    let message = Message {
        ids: ids.clone(),
        made_at: now,
        mailbox: office.post.mesh.mailbox.clone(),
        sender_reference: own.clone(),
        recipient_type: office.recipient,
        sender: office.sender.clone(),
        author: office.author.clone(),
        patient: page.patient.clone(),
        title: office.title.clone(),
        version: number,
        replaces,
        written_at: page.written_at,
        pdf: made.bytes.clone(),
        may_be_shared: true,
    };
    let bytes = message::build(&message, &office.options).map_err(|fault| Told::Never(fault.to_string()))?;
    let headers = mesh::headers(&message, &office.mesh).map_err(|fault| Told::Never(fault.to_string()))?;
    // An earlier attempt at the same notice may have come to nothing, of which a person was told.
    let opened = (0..=notice.revision)
        .map(|revision| follow_up::id(&standing.referral, Cause::LetterNotDelivered, &occurrence(notice, revision)));
    let is_known = |id: &String| standing.referral.follow_ups.iter().any(|one| one.task == *id);
    let letter = Letter {
        binaries: [derived_id(&[&own, "pdf"]), derived_id(&[&own, "message"])],
        id: own,
        version: 0,
        referral: standing.referral.id.0.clone(),
        number,
        contents,
        kept: permitted.kept,
        identifiers: [ids.message_identifier.to_string(), ids.document_identifier.to_string()],
        message_ids: names_of(&ids),
        envelope: [office.to.clone().unwrap_or(headers.to), headers.subject],
        state: State::Made,
        code: None,
        network: None,
        leaving: Some(now),
        sent_at: None,
        due: Some(due),
        heard: Vec::new(),
        follow_ups: opened.filter(is_known).collect(),
    };
    let transaction = written(gateway, office, permitted, (&letter, earlier), [&made.bytes, &bytes], &back, now);
    Ok(Composed { letter, transaction })
}

/// What is committed before a letter leaves: its three resources, what the one before became, and the disclosure.
fn written(
    gateway: &Gateway,
    office: &Office,
    permitted: &Permitted,
    (letter, Earlier { last, abandoned }): (&Letter, Earlier<'_>),
    bytes: [&[u8]; 2],
    back: &MessageBack,
    now: OffsetDateTime,
) -> Transaction {
    let standing = &permitted.view.standing;
    let of = |kind: &str, id: &str| key(&office.compartment, kind, id);
    let subject = subject(&standing.referral.patient, &standing.service_request.document);
    let facts = Facts {
        subject: &subject,
        title: &office.title,
        kind: office.options.document_type.coding(),
        sender: (&office.sender.name, office.sender.ods_code.as_str()),
        author: &office.author.name.whole(),
        about: (&standing.referral.task, &standing.referral.service_request),
        replaces: last.map(|last| last.letter.id.as_str()),
        sizes: bytes.map(<[u8]>::len),
        media_types: MEDIA_TYPES,
        now,
    };
    let document = letter::document(letter, &facts);
    let mut changes: Vec<Change> = letter
        .binaries
        .iter()
        .zip(bytes)
        .zip(MEDIA_TYPES)
        .map(|((id, bytes), media)| {
            Change::PutResource(letter::binary(of("Binary", id), media, &BASE64.encode(bytes), &letter.id, now))
        })
        .collect();
    changes.push(Change::PutResource(letter::stored(of("DocumentReference", &letter.id), letter, document, now)));
    if let Some(last) = last {
        let mut superseded = last.document.clone();
        superseded.set("status", Json::string("superseded"));
        let stored = letter::stored(of("DocumentReference", &last.letter.id), &last.letter, superseded, now);
        changes.push(Change::PutResource(stored));
    }
    if let Some(abandoned) = abandoned {
        // One that may have left is still waited for.
        let next = abandoned.letter.after(&Answer::Withdrawn, now).unwrap_or_else(|| abandoned.letter.clone());
        let mut superseded = abandoned.document.clone();
        superseded.set("status", Json::string("superseded"));
        changes.push(letter::noted(&standing.referral, (&next, &superseded), now));
        changes.push(letter::line(&standing.referral, &next, now));
    }
    changes.push(letter::line(&standing.referral, letter, now));
    changes.push(disclosed(gateway, office, permitted, back));
    let mut referral = standing.referral.clone();
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Transaction { checks: checks(permitted), changes }
}

/// What must still be so when a letter is about to leave: the consents, whom it is about, and what it tells.
pub(super) fn checks(permitted: &Permitted) -> Vec<Check> {
    let standing = &permitted.view.standing;
    let compartment = &standing.referral.compartment;
    let mut checks: Vec<Check> = permitted.unchanged.iter().cloned().chain(permitted.view.same_person()).collect();
    for (kind, id, version) in [
        ("Task", &standing.referral.task, standing.task.version),
        ("ServiceRequest", &standing.referral.service_request, standing.service_request.version),
    ] {
        checks.push(Check::VersionIs { key: key(compartment, kind, id), version });
    }
    checks
}

/// The line of audit that a letter leaves: what of the person is in it.
pub(super) fn disclosed(gateway: &Gateway, office: &Office, permitted: &Permitted, back: &MessageBack) -> Change {
    let has = |is: fn(&MessageBack) -> bool| is(back);
    let mut elements = vec!["Patient.name", "Patient.birthDate", "Patient.identifier", "Task.status"];
    for (path, is_told) in [
        ("ServiceRequest.reasonCode", has(|back| !back.needs.is_empty())),
        ("ServiceRequest.code", has(|back| !back.support.is_empty())),
        ("ServiceRequest.identifier", has(|back| back.reference.is_some())),
        ("ServiceRequest.authoredOn", has(|back| back.referred_on.is_some())),
        ("Task.statusReason", has(|back| !back.outcome.words.is_empty())),
        ("Task.output", has(|back| !back.activities.is_empty() || !back.outcome.words.is_empty())),
        ("Observation", has(|back| !back.scores.is_empty() || !back.unread.is_empty())),
    ] {
        if is_told {
            elements.push(path);
        }
    }
    let standing = &permitted.view.standing;
    let super::Practice { name, ods_code } = &permitted.practice;
    let known = if office.to.is_some() { name.clone() } else { format!("{name}{FOUND}") };
    posted(&Posting {
        referral: &standing.referral,
        versions: (standing.service_request.version, standing.task.version),
        client: &office.client.0,
        practice: (&known, ods_code.as_str()),
        elements: &elements,
        consent: &permitted.consent,
        now: gateway.clock.now(),
    })
}

/// Every id by which an answer may name the message.
fn names_of(ids: &Ids) -> Vec<String> {
    let all = [
        ids.message,
        ids.message_identifier,
        ids.header,
        ids.header_organisation,
        ids.document,
        ids.document_identifier,
        ids.composition,
        ids.practitioner,
        ids.organisation,
        ids.patient,
        ids.binary,
    ];
    all.iter().map(Uuid::to_string).collect()
}

/// Whom the documents are about, as FHIR refers to it: a contained Patient only by what names the person outside of its ServiceRequest.
fn subject(patient: &str, request: &Json) -> Json {
    if patient.starts_with("Patient/") {
        return Json::Object(vec![("reference".to_owned(), Json::string(patient))]);
    }
    let mut subject = request.get("subject").cloned().unwrap_or(Json::Object(Vec::new()));
    subject.remove("reference");
    if subject.as_object().is_none_or(<[_]>::is_empty) {
        subject.set("type", Json::string("Patient"));
        subject.set("display", Json::string("The patient of the ServiceRequest"));
    }
    subject
}

/// The person as MESH finds the practice by: NHS number, surname and day of birth.
fn patient(document: &Json, number: Option<String>) -> Result<Patient, Told> {
    let missing = |what: &str| {
        Told::Never(format!(
            "The Patient has no {what}, by which MESH finds the practice. Send the Patient with it, or tell the practice by another way."
        ))
    };
    let number = number.and_then(|number| NhsNumber::read(&number).ok()).ok_or_else(|| missing("valid NHS number"))?;
    let names = document.items("name");
    let called = |is: &str| names.iter().find(|name| name.text("use") == Some(is));
    let name = called("official").or_else(|| called("usual")).or(names.first()).ok_or_else(|| missing("name"))?;
    let all =
        |element: &str| name.items(element).iter().filter_map(Json::as_str).map(str::to_owned).collect::<Vec<_>>();
    let family = name.text("family").filter(|family| !family.trim().is_empty()).ok_or_else(|| missing("surname"))?;
    let form = time::macros::format_description!("[year]-[month]-[day]");
    let born = document.text("birthDate").and_then(|text| Date::parse(text, form).ok());
    Ok(Patient {
        nhs_number: number,
        is_traced: is_traced(document),
        name: PersonName { prefix: all("prefix").into_iter().next(), given: all("given"), family: family.to_owned() },
        birth_date: born.ok_or_else(|| missing("whole day of birth"))?,
    })
}

/// Whether the sender says that the NHS number was traced.
fn is_traced(patient: &Json) -> bool {
    patient.items("identifier").iter().flat_map(|identifier| identifier.items("extension")).any(|extension| {
        let is_status = extension.text("url").is_some_and(|url| url.ends_with(VERIFICATION));
        let concept = extension.get("valueCodeableConcept");
        let codings = concept.map(|concept| concept.items("coding")).unwrap_or_default();
        is_status && codings.iter().any(|coding| coding.text("code").is_some_and(|code| VERIFIED.contains(&code)))
    })
}

/// The letter in words.
fn page(
    (office, practice): (&Office, &super::Practice),
    back: &MessageBack,
    patient: Patient,
    number: NonZeroU32,
    now: OffsetDateTime,
) -> Page {
    let texts = |entries: &[message_back::Entry]| {
        entries.iter().map(|entry| entry.text.as_str()).collect::<Vec<_>>().join("; ")
    };
    let happened = back.outcome.at.as_deref().and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok()).unwrap_or(now);
    let mut outcome = vec![back.outcome.sentence().to_owned()];
    outcome.extend(back.outcome.words.iter().cloned());
    Page {
        title: office.title.clone(),
        version: number,
        patient,
        practice: Practice { name: practice.name.clone(), ods_code: Some(practice.ods_code.clone()) },
        sender: office.sender.clone(),
        service: back.service.clone().unwrap_or_else(|| office.sender.name.clone()),
        referral: back.referred_on.map(|on| Referral { on, reference: back.reference.clone() }),
        happened_at: in_london(happened),
        need: if back.needs.is_empty() { "The referral gives no reason.".to_owned() } else { texts(&back.needs) },
        done: done(back),
        outcome: outcome.join(" "),
        scores: back.scores.iter().map(score).collect(),
        requests: requests(back.outcome.status),
        author: office.author.clone(),
        written_at: in_london(now),
    }
}

/// What was offered and done, and what is said of scores that stand in no table.
fn done(back: &MessageBack) -> Vec<String> {
    let support = back.support.iter().map(|entry| format!("Support offered: {}", entry.text));
    let activities = back.activities.iter().map(|entry| entry.text.clone());
    let mut done: Vec<String> = support.chain(activities).collect();
    if back.activities.is_empty() {
        done.push("The service has told of no single activities.".to_owned());
    }
    for (phase, reading) in back.scores.iter().flat_map(message_back::Score::readings) {
        if reading.on.is_none() {
            let when = if phase == Phase::Baseline { "at the beginning" } else { "at the end" };
            let points = Points::hundredths(reading.points);
            done.push(format!("{} {when}, on a day that is not known: {points}", reading.measure.words()));
        }
    }
    done.extend(back.unread.iter().map(|unread| unread.words.clone()));
    done.extend(back.completed_by.as_ref().map(|name| format!("Record completed by {name}")));
    if back.left_out > 0 {
        done.push(format!("{} further entries are in the record of the referral.", back.left_out));
    }
    done.truncate(gateway_documents::limits::LETTER_ITEMS);
    done
}

fn score(score: &message_back::Score) -> Score {
    let reading = |reading: &Option<message_back::Reading>| {
        let reading = reading.as_ref()?;
        Some(Reading { points: Points::hundredths(reading.points), on: reading.on? })
    };
    let (before, after) = (reading(&score.baseline), reading(&score.follow_up));
    if let Measure::Ons4(question) = score.measure {
        let question = match question {
            Question::Satisfaction => Ons4::Satisfaction,
            Question::Worthwhile => Ons4::Worthwhile,
            Question::Happiness => Ons4::Happiness,
            Question::Anxiety => Ons4::Anxiety,
        };
        return Score::ons4(question, before, after);
    }
    let (lowest, highest) = score.measure.scale();
    Score {
        measure: score.measure.words().to_owned(),
        lowest: Points::hundredths(lowest),
        highest: Points::hundredths(highest),
        better: Better::Higher,
        before,
        after,
    }
}

/// What the practice is asked to do: where the support was not given, the need is still there.
fn requests(status: TaskStatus) -> Vec<String> {
    match status {
        TaskStatus::Rejected | TaskStatus::Failed | TaskStatus::Cancelled => {
            vec!["The person has not had this support. Please consider whether they need something else.".to_owned()]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn person(change: impl FnOnce(&mut serde_json::Value)) -> Json {
        let url = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";
        let mut person = json!({
            "resourceType": "Patient",
            "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018", "extension": [
                { "url": url, "valueCodeableConcept": { "coding": [{ "code": "01" }] } }] }],
            "name": [{ "use": "nickname", "family": "Nick" }, { "use": "official", "family": "Canary", "given": ["Ada"] }],
            "birthDate": "1955-01-09",
        });
        change(&mut person);
        person.into()
    }

    fn read(person: &Json) -> Result<Patient, Told> {
        patient(person, Some("9990000018".to_owned()))
    }

    #[test]
    fn the_person_is_read_by_the_official_name_and_traced_where_it_is_said() {
        let found = read(&person(|_| {})).unwrap();
        assert_eq!((found.name.family.as_str(), found.is_traced), ("Canary", true));
        let open = read(&person(|person| person["identifier"][0]["extension"] = json!([]))).unwrap();
        assert!(!open.is_traced);
        let other = |person: &mut serde_json::Value| {
            person["identifier"][0]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] = json!("02");
        };
        assert!(!read(&person(other)).unwrap().is_traced);
    }

    #[test]
    fn what_mesh_cannot_find_a_practice_by_is_told_without_the_person() {
        type Change = fn(&mut serde_json::Value);
        let cases: [(&str, Change); 3] = [
            ("surname", |person| person["name"] = json!([{ "given": ["Canary"] }])),
            ("name", |person| person["name"] = json!([])),
            ("whole day of birth", |person| person["birthDate"] = json!("1955")),
        ];
        for (what, change) in cases {
            let Err(Told::Never(words)) = read(&person(change)) else { panic!("{what}") };
            assert!(words.contains(what) && !words.contains("Canary"), "{words}");
        }
        assert!(patient(&person(|_| {}), None).is_err());
    }

    #[test]
    fn who_had_no_support_is_asked_about() {
        assert!(requests(TaskStatus::Completed).is_empty());
        assert_eq!(requests(TaskStatus::Rejected).len(), 1);
    }
}
