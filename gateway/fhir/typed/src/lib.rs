//! The only code that names `fhir-sdk`: one non-generic function over the generated R4B model.
//!
//! It is a crate of its own because the model is 225,000 lines of generated code that is compiled again for each
//! Deserializer type and each caller: here there is one type and one caller, it is seldom recompiled, and the release
//! profile builds it at a lower optimisation level than the rest (CONTRIBUTING, "Build times"). It knows JSON values
//! and type names, nothing of the gateway; `gateway-fhir` makes issues of what it says.

use fhir_sdk::r4b::resources::{
    CapabilityStatement, CarePlan, Communication, Condition, Consent, Device, DocumentReference, Encounter, Goal,
    HealthcareService, Location, Observation, OperationOutcome, Organization, Patient, Practitioner, PractitionerRole,
    Procedure, Provenance, QuestionnaireResponse, RelatedPerson, ServiceRequest, Task,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why the model cannot hold this resource as this type; `None` if it can, or if the type is not one that is decoded.
///
/// The text is the model's own and may repeat received values: it must not be passed on.
#[must_use]
pub fn fault(kind: &str, value: &Value) -> Option<String> {
    let decode: fn(&Value) -> Result<(), String> = match kind {
        "ServiceRequest" => decode::<ServiceRequest>,
        "Task" => decode::<Task>,
        "Patient" => decode::<Patient>,
        "Consent" => decode::<Consent>,
        "Observation" => decode::<Observation>,
        "QuestionnaireResponse" => decode::<QuestionnaireResponse>,
        "Organization" => decode::<Organization>,
        "Practitioner" => decode::<Practitioner>,
        "PractitionerRole" => decode::<PractitionerRole>,
        "HealthcareService" => decode::<HealthcareService>,
        "Condition" => decode::<Condition>,
        "Location" => decode::<Location>,
        "RelatedPerson" => decode::<RelatedPerson>,
        "Procedure" => decode::<Procedure>,
        "DocumentReference" => decode::<DocumentReference>,
        "Encounter" => decode::<Encounter>,
        "CarePlan" => decode::<CarePlan>,
        "Goal" => decode::<Goal>,
        "Device" => decode::<Device>,
        "Communication" => decode::<Communication>,
        "Provenance" => decode::<Provenance>,
        "OperationOutcome" => decode::<OperationOutcome>,
        "CapabilityStatement" => decode::<CapabilityStatement>,
        _ => return None,
    };
    decode(value).err()
}

fn decode<T: DeserializeOwned>(value: &Value) -> Result<(), String> {
    T::deserialize(value).map(|_| ()).map_err(|error| error.to_string())
}
