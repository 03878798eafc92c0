//! The person as a message has them: what helps to find and to reach them now, and no more.
//!
//! A GP system keeps every name, address and number that a person ever had, and its own numbers for them. A charity that
//! is asked for help needs the present ones; an old address may be one that somebody fled from.

use crate::message::Making;
use adapter_fhir::json::{Object, Writer, array};
use adapter_fhir::referral::Part;

const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";

/// Why something of the Patient is left out, for the account.
pub(crate) const LEFT_OUT: &str =
    "Only the NHS number and what is not marked as old is sent (setting patient-details).";

/// What is sent of one element of the Patient.
pub(crate) struct Sent {
    /// Its text; `None` where nothing of it is sent.
    pub(crate) text: Option<String>,
    /// How many values of it are left out.
    pub(crate) left_out: usize,
}

/// What is sent of this member of the Patient.
pub(crate) fn sent(making: Making<'_>, name: &str, text: &str) -> Sent {
    let whole = || Sent { text: Some(text.to_owned()), left_out: 0 };
    if making.config.all_patient_details || !matches!(name, "identifier" | "name" | "telecom" | "address") {
        return whole();
    }
    let all = if text.trim_start().starts_with('[') { array(text) } else { vec![text] };
    let is_sent = |value: &&str| {
        let Some(value) = Object::read(value) else { return false };
        let is = |part: &str, wanted: &str| value.string(part).as_deref() == Some(wanted);
        !is("use", "old") && (name != "identifier" || is("system", NHS_NUMBER))
    };
    let kept: Vec<&str> = all.iter().copied().filter(is_sent).collect();
    let left_out = all.len().saturating_sub(kept.len());
    // Nobody can be asked for by no name: where all are old, they are what there is.
    if left_out == 0 || (name == "name" && kept.is_empty()) {
        return whole();
    }
    let text_of_kept = (!kept.is_empty()).then(|| format!("[{}]", kept.join(",")));
    Sent { text: text_of_kept, left_out }
}

/// The Patient, with the profile that it is to claim.
pub(crate) fn patient(making: Making<'_>, part: &Part<'_>) -> String {
    let mut writer: Writer = making.resource(&part.kind);
    making.claim(&mut writer, &part.kind);
    let replaced = |name: &str| name == "resourceType" || (name == "meta" && making.config.profile.is_some());
    for (name, text) in part.object.members().filter(|(name, _)| !replaced(name)) {
        if let Some(text) = sent(making, name, text).text {
            writer.raw(name, &text);
        }
    }
    writer.finish()
}
