//! What a submission makes of each element of the referral, and what of it is not passed on. Most is carried as it was
//! written; what is not is listed here, so that nothing goes unsaid.

use crate::descriptor;
use crate::json::{Object, array};
use crate::order::Making;
use crate::referral::{Part, Referral};
use crate::settings::Config;
use crate::submit;
use adapter_contract::{
    Account, DataClass, Exchange, FieldLine, Grade, Loss, LossReason, MinimisedReferral, TranslateError,
};

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

const AS_WRITTEN: &str = "carried as it was written";

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

fn is_content(name: &str) -> bool {
    !matches!(name, "resourceType" | "id")
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

fn count(text: &str) -> u32 {
    let list = text.trim_start().starts_with('[');
    if list { u32::try_from(array(text).len()).unwrap_or(u32::MAX) } else { 1 }
}

fn line(from: &Part<'_>, name: &str, kind: &str, target: &str, step: &str) -> FieldLine {
    let element = format!("{}.{}", from.kind, name.trim_start_matches('_'));
    FieldLine {
        target: format!("{kind}.{}", target.trim_start_matches('_')),
        class: class(&element),
        sources: vec![element],
        rule: String::new(),
        steps: vec![step.to_owned()],
        value: from.object.raw(name).unwrap_or_default().to_owned(),
    }
}

fn constant(target: &str, words: &str) -> FieldLine {
    FieldLine {
        target: target.to_owned(),
        sources: Vec::new(),
        rule: String::new(),
        steps: vec![format!("constant: {words}")],
        class: DataClass::Administrative,
        value: String::new(),
    }
}

/// As the element is declared. What is there without being declared is the code that forbids contact.
fn class(element: &str) -> DataClass {
    let covers = |path: &str| {
        // Extensions are declared by their URL.
        let path = path.split('(').next().unwrap_or(path);
        element.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let needs = descriptor().data_needs.iter();
    needs.filter(|need| covers(&need.path)).map(|need| need.class).max().unwrap_or(DataClass::Safeguarding)
}

fn lost(element: &str, reason: LossReason, grade: Grade, count: u32) -> Loss {
    Loss { element: element.to_owned(), reason, grade, count, detail: None, rule: None, because: None }
}
