//! The published error codes, and the OperationOutcome in which they stand.
//!
//! BaRS Core, "Error handling": a prefix says who found the fault. The gateway is the receiver, also where a sender asks it
//! without the national proxy, so it says `REC_`; only for what the standard lists as the sender's alone it says `SEND_`.
//! `PROXY_` is the national proxy's, and nothing here may be taken for its word.

use super::ERRORS;
use crate::refusal::Refusal;
use gateway_fhir::{Json, issue};
use serde_json::json;

/// How a refusal is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The HTTP status that the standard has for it.
    pub status: u16,
    /// The code of `http-error-codes`.
    pub code: &'static str,
}

/// Ours, the published status, the code. Statuses of ours that BaRS does not know stand beside the one that comes nearest.
const TABLE: [(u16, u16, &str); 19] = [
    (400, 400, "REC_BAD_REQUEST"),
    (401, 401, "REC_UNAUTHORIZED"),
    (403, 403, "REC_FORBIDDEN"),
    (404, 404, "REC_NOT_FOUND"),
    (410, 404, "REC_NOT_FOUND"),
    (405, 405, "SEND_METHOD_NOT_ALLOWED"),
    (406, 406, "REC_NOT_ACCEPTABLE"),
    (415, 406, "REC_NOT_ACCEPTABLE"),
    (408, 408, "REC_TIMEOUT"),
    (409, 409, "REC_CONFLICT"),
    (412, 409, "REC_CONFLICT"),
    (413, 422, "REC_UNPROCESSABLE_ENTITY"),
    (422, 422, "REC_UNPROCESSABLE_ENTITY"),
    (429, 429, "SEND_TOO_MANY_REQUESTS"),
    (500, 500, "REC_SERVER_ERROR"),
    (507, 500, "REC_SERVER_ERROR"),
    (501, 501, "REC_NOT_IMPLEMENTED"),
    (503, 503, "REC_UNAVAILABLE"),
    (504, 504, "REC_TIMEOUT"),
];

/// How a refusal with this status is published; what is not in the table is a fault of ours.
#[must_use]
pub fn published(status: u16) -> Published {
    TABLE.iter().find(|(ours, ..)| *ours == status).map_or(
        Published { status: 500, code: "REC_SERVER_ERROR" },
        |(_, status, code)| Published { status: *status, code },
    )
}

/// The OperationOutcome of a refusal: each issue with the published code in `details`. `id` names it, as the published ones
/// have it.
#[must_use]
pub fn outcome(refusal: &Refusal, id: &str) -> Json {
    let found = published(refusal.status);
    let mut outcome = issue::operation_outcome(&refusal.issues);
    if let Some(Json::Array(issues)) = outcome.get_mut("issue") {
        for issue in issues {
            // What cannot be negotiated is `processing` in every published example of 406.
            if found.status == 406 {
                issue.set("code", Json::string("processing"));
            }
            issue.set("details", json!({ "coding": [{ "system": ERRORS, "code": found.code }] }).into());
        }
    }
    let mut named: Json = json!({ "resourceType": "OperationOutcome", "id": id }).into();
    if let Some(issues) = outcome.remove("issue") {
        named.set("issue", issues);
    }
    named
}
