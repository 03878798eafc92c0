//! What a submission makes of each element of the referral, and what of it is not passed on. Most is carried as it was
//! written; what is not is listed here, so that nothing goes unsaid.

use crate::descriptor;
use crate::message::Making;
use crate::settings::Config;
use crate::submit::{self, CARRIED_AFTER_PERFORMER, CARRIED_BEFORE_SUBJECT, OCCURRENCE};
use adapter_contract::{Account, Exchange, FieldLine, Grade, LossReason, MinimisedReferral, TranslateError};
use adapter_fhir::account::{AS_WRITTEN, constant, is_content, line, lost};
use adapter_fhir::referral::{Part, Referral};

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
    let sent = submit::outgoing(Making { exchange, config }, &referral)?;
    let mut account = Account::default();
    let order = &referral.order;
    let carried = CARRIED_BEFORE_SUBJECT.iter().chain(&OCCURRENCE).chain(&CARRIED_AFTER_PERFORMER);
    for name in carried.filter(|name| order.object.raw(name).is_some()) {
        account.fields.push(field(order, name, AS_WRITTEN));
    }
    for part in std::iter::once(order).chain(&referral.task).filter(|part| part.object.raw("priority").is_some()) {
        let step = "the more urgent of request and Task";
        account.fields.push(line(descriptor(), part, "priority", "ServiceRequest", "priority", step));
    }
    account.fields.push(field(order, "subject", "points to the Patient of the message"));
    if order.object.raw("identifier").is_some() {
        account.fields.push(field(order, "identifier", "behind the gateway's own"));
    }
    account.fields.push(constant("ServiceRequest.requester", "the gateway's organisation, from the settings"));
    account.fields.push(constant("ServiceRequest.performer", "the service, from the settings"));
    for part in std::iter::once(&referral.patient).chain(&referral.others) {
        if sent.iter().any(|(full_url, _)| *full_url == part.full_url) {
            let names = part.object.members().map(|(name, _)| name).filter(|name| is_content(name));
            account.fields.extend(names.map(|name| field(part, name, AS_WRITTEN)));
        } else {
            account.losses.push(lost(&part.kind, LossReason::NotChosen, Grade::Notable, 1));
        }
    }
    Ok(account)
}

fn field(from: &Part<'_>, name: &str, step: &str) -> FieldLine {
    line(descriptor(), from, name, &from.kind, name, step)
}
