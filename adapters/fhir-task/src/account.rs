//! What a submission makes of each element of the referral, and what of it is not passed on. Most is carried as it was
//! written; what is not is listed here, so that nothing goes unsaid.

use crate::descriptor;
use crate::order::Making;
use crate::settings::Config;
use crate::submit;
use adapter_contract::{Account, Exchange, FieldLine, Grade, LossReason, MinimisedReferral, TranslateError};
use adapter_fhir::account::{AS_WRITTEN, constant, count, is_content, lost};
use adapter_fhir::json::Object;
use adapter_fhir::referral::{Part, Referral};

/// Elements of the sender's ServiceRequest that are in the order, besides its subject.
const IN_ORDER: [&str; 10] = [
    "category",
    "priority",
    "code",
    "orderDetail",
    "occurrenceDateTime",
    "occurrencePeriod",
    "occurrenceTiming",
    "reasonCode",
    "reasonReference",
    "supportingInfo",
];

/// The account of one submission.
///
/// # Errors
/// As for a submission.
pub(crate) fn account(
    exchange: &Exchange<'_>,
    config: &Config<'_>,
    referral: &MinimisedReferral,
) -> Result<Account, TranslateError> {
    let referral = Referral::read(referral)?;
    let making = Making { exchange, config, referral: &referral };
    let sent = submit::outgoing(&making)?;
    let mut account = Account::default();
    let passed = |part: &Part<'_>| sent.iter().any(|(full_url, _, _)| *full_url == part.full_url);
    for part in std::iter::once(&referral.patient).chain(&referral.others) {
        if passed(part) {
            let names = part.object.members().map(|(name, _)| name).filter(|name| is_content(name));
            for name in names {
                account.fields.push(line(part, name, &part.kind, name, AS_WRITTEN));
            }
        } else {
            account.losses.push(lost(&part.kind, LossReason::NotChosen, Grade::Notable, 1));
        }
    }
    order(&referral, &mut account);
    task(&referral, &mut account);
    Ok(account)
}

/// The gateway's order.
fn order(referral: &Referral<'_>, account: &mut Account) {
    let sent = &referral.order;
    for name in IN_ORDER.into_iter().filter(|name| sent.object.raw(name).is_some()) {
        account.fields.push(line(sent, name, "ServiceRequest", name, AS_WRITTEN));
    }
    account.fields.push(line(sent, "subject", "ServiceRequest", "subject", "points to the Patient at the platform"));
    identified(sent, "basedOn", account);
    account.fields.push(constant("ServiceRequest.requester", "the gateway's organisation, from the settings"));
}

/// The gateway's Task.
fn task(referral: &Referral<'_>, account: &mut Account) {
    account.fields.push(constant("Task.requester", "the gateway's organisation, from the settings"));
    let Some(sent) = &referral.task else { return };
    identified(sent, "partOf", account);
    for name in ["priority", "input"].into_iter().filter(|name| sent.object.raw(name).is_some()) {
        account.fields.push(line(sent, name, "Task", name, AS_WRITTEN));
    }
    let Some(restriction) = sent.object.raw("restriction").and_then(Object::read) else { return };
    for (name, text) in restriction.members() {
        let element = format!("restriction.{name}");
        if name == "period" {
            account.fields.push(line(sent, &element, "Task", &element, AS_WRITTEN));
        } else {
            let number = count(text);
            account.losses.push(lost(&format!("Task.{element}"), LossReason::NoField, Grade::Notable, number));
        }
    }
}

/// The sender's first identifier stands in the reference to the sender's resource; there is room for one.
fn identified(sent: &Part<'_>, target: &str, account: &mut Account) {
    let number = count(sent.object.raw("identifier").unwrap_or("[]"));
    if number > 0 {
        let words = "the first, as the identifier of what the gateway received";
        account.fields.push(line(sent, "identifier", &sent.kind, target, words));
    }
    if number > 1 {
        let element = format!("{}.identifier", sent.kind);
        account.losses.push(lost(&element, LossReason::NotChosen, Grade::Informational, number - 1));
    }
}

fn line(from: &Part<'_>, name: &str, kind: &str, target: &str, step: &str) -> FieldLine {
    adapter_fhir::account::line(descriptor(), from, name, kind, target, step)
}
