//! What must be seen before anything else. Nothing that keeps a person safe is left out: what cannot be shown is refused.

use crate::document::{Document, Said, View};
use crate::words::concept;
use adapter_contract::TranslateError;

/// SDOH Clinical Care: the person must not be contacted over this request.
const CONTACT_PROHIBITED: &str = "contacting-subject-prohibited";
/// R4: whether somebody has to interpret.
const INTERPRETER: &str =
    "Patient.extension(http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired).valueBoolean";
/// What a prohibition means to whoever reads it.
const DO_NOT_CONTACT: &str = "Do not contact this person: do not telephone, write, send messages or visit. Speak to whoever sent \
                              this referral first.";

/// The warnings of a referral, the gravest first.
///
/// # Errors
/// [`TranslateError`] for a person who has died, and for safety content without words.
pub(super) fn of(document: &Document) -> Result<Vec<Said>, TranslateError> {
    let mut warnings = Vec::new();
    for patient in document.of_kind("Patient") {
        alive(patient)?;
    }
    let prohibited: Vec<usize> = places(document, |_, value| value == CONTACT_PROHIBITED);
    if !prohibited.is_empty() {
        warnings.push(Said { text: DO_NOT_CONTACT.to_owned(), from: prohibited });
    }
    for order in document.of_kind("ServiceRequest") {
        warnings.extend(urgent(document, order));
        for detail in order.items("orderDetail") {
            warnings.extend(heed(detail)?);
        }
    }
    for flag in document.of_kind("Flag") {
        warnings.push(flagged(flag)?);
    }
    let interpreted = places(document, |element, value| element == INTERPRETER && value == "true");
    if !interpreted.is_empty() {
        warnings.push(Said { text: "This person needs an interpreter.".to_owned(), from: interpreted });
    }
    for patient in document.of_kind("Patient").filter(|patient| patient.peek("active") == Some("false")) {
        let words =
            "The sender says that this person's record is no longer in use. Ask the sender before you do anything.";
        warnings.extend(patient.words("active").map(|active| active.map(|_| words.to_owned())));
    }
    Ok(warnings)
}

/// Leaves with such an element and value.
fn places(document: &Document, wanted: impl Fn(&str, &str) -> bool) -> Vec<usize> {
    let leaves = document.leaves.iter().enumerate();
    leaves.filter(|(_, leaf)| wanted(&leaf.element, &leaf.value)).map(|(place, _)| place).collect()
}

fn alive(patient: View<'_>) -> Result<(), TranslateError> {
    if patient.peek("deceasedBoolean") == Some("true") || patient.get("deceasedDateTime").is_some() {
        let reason = "the record says that the person has died";
        return Err(TranslateError::unsafe_to_send("Patient.deceased[x]", reason));
    }
    Ok(())
}

/// Both the Task and the request can be urgent; the Task's word counts, as it is the later.
fn urgent(document: &Document, order: View<'_>) -> Option<Said> {
    let priority =
        document.of_kind("Task").find_map(|task| task.words("priority")).or_else(|| order.words("priority"))?;
    let words = match priority.text.as_str() {
        "stat" => "This is an emergency: act at once.",
        "asap" => "This is wanted as soon as possible.",
        "urgent" => "This is urgent.",
        _ => return None,
    };
    Some(priority.map(|_| words.to_owned()))
}

/// One `orderDetail`: an instruction that has to be heeded. The prohibition itself has its own words.
fn heed(detail: View<'_>) -> Result<Option<Said>, TranslateError> {
    let prohibits = detail.items("coding").iter().any(|coding| coding.peek("code") == Some(CONTACT_PROHIBITED));
    let said = concept(detail).filter(|said| !(prohibits && said.text == format!("code {CONTACT_PROHIBITED}")));
    match said {
        Some(said) => Ok(Some(said.map(|text| format!("Instruction: {text}")))),
        None if prohibits => Ok(None),
        None => Err(wordless("ServiceRequest.orderDetail")),
    }
}

fn flagged(flag: View<'_>) -> Result<Said, TranslateError> {
    let said = flag.get("code").and_then(concept).ok_or_else(|| wordless("Flag.code"))?;
    match flag.words("status") {
        Some(status) if status.text != "active" => {
            Ok(said.map(|text| format!("Earlier note: {text}")).noting(Some(status)))
        }
        status => Ok(said.map(|text| format!("Note: {text}")).because_of(status.into_iter().flat_map(|one| one.from))),
    }
}

fn wordless(element: &str) -> TranslateError {
    TranslateError::unsafe_to_send(
        element,
        "has neither words nor a code, so that nobody could heed it: give it a text",
    )
}
