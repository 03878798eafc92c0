//! What a submission makes of each element of the referral, and what of it is not passed on. Most is carried as it was
//! written; what is not is listed here, so that nothing goes unsaid.

use crate::descriptor;
use crate::message::Making;
use crate::patient;
use crate::settings::Config;
use crate::submit::{self, CARRIED_AFTER_PERFORMER, CARRIED_BEFORE_SUBJECT, OCCURRENCE};
use adapter_contract::{Account, Exchange, FieldLine, Grade, Loss, LossReason, MinimisedReferral, TranslateError};
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
    for (name, text) in referral.patient.object.members().filter(|(name, _)| is_content(name)) {
        of_patient(Making { exchange, config }, &referral.patient, name, text, &mut account);
    }
    for part in &referral.others {
        if sent.iter().any(|(full_url, _)| *full_url == part.full_url) {
            let names = part.object.members().map(|(name, _)| name).filter(|name| is_content(name));
            account.fields.extend(names.map(|name| field(part, name, AS_WRITTEN)));
        } else {
            account.losses.push(lost(&part.kind, LossReason::NotChosen, Grade::Notable, 1));
        }
    }
    Ok(account)
}

/// One element of the Patient: what of it is sent, and what is left out.
fn of_patient(making: Making<'_>, patient: &Part<'_>, name: &str, text: &str, account: &mut Account) {
    let sent = patient::sent(making, name, text);
    if let Some(value) = sent.text {
        let step = if sent.left_out == 0 { AS_WRITTEN } else { "in part, and that as it was written" };
        account.fields.push(FieldLine { value, ..field(patient, name, step) });
    }
    if sent.left_out > 0 {
        let count = u32::try_from(sent.left_out).unwrap_or(u32::MAX);
        let element = format!("Patient.{name}");
        let loss = lost(&element, LossReason::NotChosen, Grade::Informational, count);
        account.losses.push(Loss { because: Some(patient::LEFT_OUT.to_owned()), ..loss });
    }
}

fn field(from: &Part<'_>, name: &str, step: &str) -> FieldLine {
    line(descriptor(), from, name, &from.kind, name, step)
}
