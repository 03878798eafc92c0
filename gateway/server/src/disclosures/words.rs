//! Plain words: for element paths, for what became of something, for other lines of audit.

use super::Became;
use gateway_core::change::AuditRecord;
use gateway_core::disclose::DENIED;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;

const MINUTE: &[FormatItem<'static>] =
    format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");

/// What an element is in words; the longest path counts.
const NAMES: [(&str, &str); 55] = [
    ("Patient", "other details of the person"),
    ("Patient.id", "our number for the record"),
    ("Patient.active", "whether the record is in use"),
    ("Patient.identifier", "NHS number and other identifiers"),
    ("Patient.name", "name"),
    ("Patient.telecom", "phone and e-mail"),
    ("Patient.gender", "gender"),
    ("Patient.birthDate", "date of birth"),
    ("Patient.deceasedBoolean", "whether the person has died"),
    ("Patient.deceasedDateTime", "when the person died"),
    ("Patient.address", "address"),
    ("Patient.maritalStatus", "marital status"),
    ("Patient.photo", "photo"),
    ("Patient.contact", "people to contact"),
    ("Patient.communication", "languages"),
    ("Patient.generalPractitioner", "GP practice"),
    ("Patient.managingOrganization", "practice that keeps the record"),
    ("Patient.extension", "further details of the person"),
    ("ServiceRequest", "other details of the request"),
    ("ServiceRequest.id", "our number for the request"),
    ("ServiceRequest.identifier", "the practice's number for the request"),
    ("ServiceRequest.category", "kind of help"),
    ("ServiceRequest.code", "what is asked for"),
    ("ServiceRequest.orderDetail", "what is asked for in detail"),
    ("ServiceRequest.subject", "whom the request is for"),
    ("ServiceRequest.occurrenceDateTime", "when help is wanted"),
    ("ServiceRequest.occurrencePeriod", "when help is wanted"),
    ("ServiceRequest.requester", "who asks"),
    ("ServiceRequest.performer", "who shall help"),
    ("ServiceRequest.reasonCode", "reason for the request"),
    ("ServiceRequest.reasonReference", "reason for the request"),
    ("ServiceRequest.note", "notes"),
    ("ServiceRequest.patientInstruction", "instructions for the person"),
    ("ServiceRequest.supportingInfo", "further records that belong to the request"),
    ("ServiceRequest.priority", "how urgent it is"),
    ("ServiceRequest.authoredOn", "when it was asked"),
    ("Task", "details of the order to the recipient"),
    ("Task.note", "notes"),
    ("Task.description", "description of the order"),
    ("Consent", "the consent"),
    ("Condition", "health conditions and needs"),
    ("Observation", "observations and measurements"),
    ("QuestionnaireResponse", "answers to questions"),
    ("Goal", "goals"),
    ("Procedure", "what was done before"),
    ("Flag", "adjustments that are needed"),
    ("RelatedPerson", "relatives and carers"),
    ("Practitioner", "professionals"),
    ("PractitionerRole", "professionals"),
    ("Organization", "organisations"),
    ("HealthcareService", "services"),
    ("Location", "places"),
    ("DocumentReference", "documents"),
    ("Device", "devices"),
    ("Provenance", "where the record comes from"),
];

/// What an element path is in words.
pub(super) fn name(path: &str) -> &'static str {
    let is_within = |above: &str| path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let fitting = NAMES.iter().filter(|(above, _)| is_within(above));
    fitting.max_by_key(|(above, _)| above.len()).map_or("other data", |(_, words)| words)
}

/// Element paths by what they are in words, in the order in which they come.
pub(super) fn grouped(paths: &[String]) -> Vec<(&'static str, Vec<&str>)> {
    let mut groups: Vec<(&'static str, Vec<&str>)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for path in paths {
        let words = name(path);
        let place = *places.entry(words).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, group)) => group.push(path),
            None => groups.push((words, vec![path])),
        }
    }
    groups
}

/// What became of it, in words.
pub(super) const fn became(became: Became) -> &'static str {
    match became {
        Became::Arrived => "It arrived: the recipient acknowledged it.",
        Became::Read => "The recipient read it here.",
        Became::Published => {
            "It was laid ready for the recipient to read. What the recipient has read is listed by itself."
        }
        Became::NotTaken => {
            "It failed: the recipient did not acknowledge it. It, or a part of it, may have been seen there."
        }
        Became::Unknown => "It is not known whether it arrived, or it is under way.",
    }
}

/// An instant for people.
pub(super) fn when(at: OffsetDateTime) -> String {
    // Every part of the format is one that an instant has.
    at.to_offset(time::UtcOffset::UTC).format(MINUTE).unwrap_or_default()
}

/// Words for a line of audit by which a recipient was told something else, or told us; `None` for any other line.
pub(super) fn notice(line: &AuditRecord) -> Option<String> {
    let text = |name: &str| line.detail.get(name).and_then(serde_json::Value::as_str);
    let words = match line.action.as_str() {
        "deliver" => match text("move")? {
            "cancel" => "It was told to stop.",
            "hold" => "It was told to pause.",
            "release" => "It was told to go on.",
            _ => return None,
        },
        "consent-withdrawn" => "Consent no longer covered this recipient. From then on it was asked to stop.",
        "recall-told" => "It was told that it has to stop.",
        "recall-confirmed" => "It confirmed that it has stopped.",
        "recall-overdue" => "It has not confirmed in time that it has stopped. A person was told to call.",
        "gone" => "It said that it no longer has the referral.",
        DENIED => {
            let decision = line.detail.get("decision")?;
            let part = |name: &str| decision.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
            let words = match part("verdict") {
                "deny" => part("words"),
                _ => "what was published for it holds what consent withholds by now.",
            };
            let resource = text("resource")?.split('/').next().unwrap_or_default();
            return Some(format!("It asked for {} and was not given it: {words}", name(resource)));
        }
        _ => return None,
    };
    Some(words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{grouped, name};

    #[test]
    fn the_longest_path_counts_and_none_is_without_words() {
        assert_eq!(name("Patient.birthDate"), "date of birth");
        assert_eq!(name("Patient.name.family"), "name");
        assert_eq!(name("Patient.multipleBirthBoolean"), "other details of the person");
        assert_eq!(name("Patientx"), "other data");
        for kind in gateway_core::ingest::STORED {
            assert_ne!(name(kind), "other data", "{kind}");
        }
    }

    #[test]
    fn paths_of_the_same_words_stand_together() {
        let paths = ["Patient.name.family", "Patient.gender", "Patient.name.given"].map(str::to_owned);
        let groups = grouped(&paths);
        let expected =
            [("name", vec!["Patient.name.family", "Patient.name.given"]), ("gender", vec!["Patient.gender"])];
        assert_eq!(groups, expected);
    }
}
