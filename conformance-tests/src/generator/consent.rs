//! The Consent of a synthetic referral: what the person said about passing it on, and to whom.
//!
//! It states what was said and refuses to evaluate it: that is the gateway's own rule set.

use base64::Engine;
use serde_json::{Value, json};

use super::Scene;
use crate::fhir::{ACT_CODE, ODS_CODE, date};

/// The direction of the root provision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ruling {
    Permit,
    Deny,
}

/// Adds the Consent that names `actor`, and gives its address in the Bundle.
pub(super) fn add(scene: &mut Scene, ruling: Ruling, actor: &str, actor_ods: &str) -> String {
    let (kind, policy, display) = match ruling {
        Ruling::Permit => ("permit", "OPTIN", "opt-in"),
        Ruling::Deny => ("deny", "OPTOUT", "opt-out"),
    };
    let mut consent = json!({
        "resourceType": "Consent",
        "status": "active",
        "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
        "category": [{ "coding": [{ "system": ACT_CODE, "code": "IDSCL", "display": "information disclosure" }] }],
        "patient": { "reference": scene.patient },
        "dateTime": scene.authored_on(),
        "performer": [{ "reference": scene.patient }],
        "organization": [{ "reference": scene.practice }],
        "sourceAttachment": {
            "contentType": "text/plain",
            "language": "en-GB",
            "data": base64::engine::general_purpose::STANDARD.encode(spoken(ruling)),
            "title": "What the person was told and agreed",
        },
        // ppc-1 asks for a policy or a policyRule; this one says the same as the root provision.
        "policyRule": { "coding": [{ "system": ACT_CODE, "code": policy, "display": display }] },
    });
    if scene.sometimes(0.6) {
        consent["verification"] = json!([{
            "verified": true,
            "verifiedWith": { "reference": scene.patient },
            "verificationDate": date(scene.authored),
        }]);
    }
    consent["provision"] = provision(kind, actor, actor_ods);
    scene.add(consent)
}

fn provision(kind: &str, actor: &str, actor_ods: &str) -> Value {
    let role = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
    json!({
        "type": kind,
        "period": { "start": "2026-01-01", "end": "2030-12-31" },
        "actor": [{
            "role": { "coding": [{ "system": role, "code": "PRCP", "display": "primary information recipient" }] },
            "reference": {
                "reference": actor,
                "type": "Organization",
                "identifier": { "system": ODS_CODE, "value": actor_ods },
            },
        }],
        "purpose": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "COC", "display": "coordination of care" }],
    })
}

fn spoken(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Permit => "Explained what will be shared and with whom. The person agreed.",
        Ruling::Deny => "Explained what would be shared and with whom. The person did not agree.",
    }
}
