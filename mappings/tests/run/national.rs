//! The national service whose losses no schema check sees: what its loss report says of one referral.

use crate::hand::{inputs, referral};
use crate::written::program;
use mappings::account::{Loss, LossReason};
use mappings::class::Grade;
use mappings::document::Document;
use mappings::program::ExchangeName;
use mappings::run::{Scratch, request_explained};

const REQUEST: &str = r#""priority":"urgent",
    "performerType":{"text":"Debt advice"},
    "requester":{"reference":"urn:uuid:2","display":"Dr Example"},
    "performer":[{"reference":"urn:uuid:3","display":"Example Advice Centre"}],
    "reasonCode":[{"text":"Behind with rent, letters from the landlord"}]"#;

fn losses() -> (serde_json::Value, Vec<Loss>) {
    let national = program(include_str!("mappings/national.yaml"));
    let text = referral(REQUEST, r#""gender":"other","birthDate":"1980-02-03""#);
    let document = Document::parse(&text).unwrap();
    let scratch = &mut Scratch::default();
    let (made, account) = request_explained(&national, ExchangeName::Submit, 0, &inputs(&document), scratch).unwrap();
    let body = serde_json::from_slice(&made.body.unwrap()).unwrap();
    (body, account.losses(&national, &document, scratch).in_words(&national))
}

#[test]
fn every_loss_that_the_schema_check_does_not_see_is_in_the_report() {
    let (body, losses) = losses();
    let sent = serde_json::json!({
        "Reason": "Behind …", "Sex": "N", "Specialty": "349", "Urgency": "R", "ReferrerName": "Example Advice Centre",
    });
    assert_eq!(body, sent);
    let found = |element: &str, reason: LossReason| {
        let loss = losses.iter().find(|loss| loss.element == element && loss.reason == reason);
        loss.unwrap_or_else(|| panic!("{element} {reason:?} is not told: {losses:#?}"))
    };
    let reason = found("ServiceRequest.reasonCode.text", LossReason::Truncated);
    assert_eq!((reason.grade, reason.detail.as_deref()), (Grade::Notable, Some("cut from 43 to 7 characters")));
    let urgency = found("ServiceRequest.priority", LossReason::Replaced);
    assert_eq!(
        (urgency.grade, urgency.because.as_deref()),
        (Grade::Notable, Some("Urgent referrals are made by telephone."))
    );
    found("ServiceRequest.performerType", LossReason::Replaced);
    let referrer = found("ServiceRequest.requester", LossReason::Replaced);
    assert_eq!(referrer.because.as_deref(), Some("The service's own software does so."));
    let sex = found("Patient.gender", LossReason::CodeWidened);
    assert_eq!(sex.rule.as_deref(), Some("mapping.yaml:30"));
    found("Patient.birthDate", LossReason::NoField);
}

#[test]
fn the_report_holds_figures_and_no_value() {
    let (_, losses) = losses();
    let text = serde_json::to_string(&losses).unwrap();
    for value in ["Behind", "1980", "Dr Example", "Advice", "other"] {
        assert!(!text.contains(value), "{value} in {text}");
    }
}
