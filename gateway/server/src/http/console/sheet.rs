//! The form of one act: what it does, in plain words, and what it needs. It says nothing of the person.

use super::follow_ups::{self, version_field};
use super::frame::{At, frame};
use super::referral::{offered, reached};
use super::session::{Session, TOKEN};
use super::words::when;
use super::{Fault, Reply};
use crate::gateway::Gateway;
use crate::http::pages::fields::{Mistake, described, fault};
use crate::http::pages::form::Form;
use crate::store::StoreError;
use crate::work::Item;
use axum::http::StatusCode;
use gateway_core::account::{Account, AccountRole};
use gateway_core::follow_up::FollowUp;
use gateway_core::identity::TenantId;
use gateway_core::route::Route;
use gateway_core::work_list::{Act, Cause, REASONS};
use maud::{Markup, html};

/// Field with the version of the Task that the form was made for.
pub(super) const VERSION: &str = "version";

/// What the button says, and the heading of its page.
pub(super) fn heading(act: Act, causes: &[Cause]) -> &'static str {
    match act {
        Act::Complete => "Say that it is done",
        Act::Answer => "Answer the question",
        Act::Release if causes.contains(&Cause::Losses) => "Send it although something is lost",
        Act::Release if causes.contains(&Cause::Duplicate) => "Send it all the same",
        Act::Release => "Try again",
        Act::ReRefer => "Refer to another service",
        Act::RecordCall => "Record your call",
        Act::Settle => "Close: nothing more to do",
        Act::Cancel => "Cancel the referral",
        Act::HandOver => "Hand it to somebody",
    }
}

fn before(act: Act, causes: &[Cause]) -> &'static str {
    match act {
        Act::Complete => {
            "You have done what was to be followed up. What you write is kept with it, for your colleagues."
        }
        Act::Answer => {
            "Your answer is kept with the referral, where your practice sees it. Tell the service as well, by telephone or mail: the \
             gateway does not carry answers to it."
        }
        Act::Release if causes.contains(&Cause::Losses) => {
            "The referral is sent although the service does not receive all of it. You have read what it does not receive."
        }
        Act::Release if causes.contains(&Cause::Duplicate) => {
            "The referral is sent although the service seems to have one of this person for the same need. You have looked at the other \
             one. Consent, service and delivery are decided anew."
        }
        Act::Release => "Consent, service and delivery are decided anew, and the referral is sent if they allow it.",
        Act::ReRefer => {
            "A new referral goes to the service that you choose. This one ends, its service is told where it can be, and the history stays \
             together. Consent is decided anew for the new service."
        }
        Act::RecordCall => "You have called the service, and it says that it has stopped and holds nothing any more.",
        Act::Settle => "You have dealt with it. It leaves the list until something new happens.",
        Act::Cancel => "The referral ends, and the service is told where it can be. This cannot be taken back.",
        Act::HandOver => "It stands on their list. You go on seeing it if your account does so anyway.",
    }
}

/// What an act is done with.
pub(super) struct Sheet<'a> {
    pub(super) act: Act,
    pub(super) item: &'a Item,
    /// What was sent before, if it has to be put right.
    pub(super) sent: Option<&'a Form>,
    pub(super) mistakes: &'a [Mistake],
}

/// Shows the form, if the act is offered.
pub(super) async fn show(gateway: &Gateway, at: &At, session: &Session, task: &str, act: Act) -> Result<Reply, Fault> {
    let item = reached(gateway, session, task).await?;
    if !session.account.may(AccountRole::LinkWorker) {
        return Err(Fault::NotAllowed);
    }
    if !offered(session, &item).contains(&act) {
        let words = "This cannot be done as the referral stands now. Below you see how it stands.";
        return super::referral::page(gateway, at, session, &item, Some((StatusCode::CONFLICT, words))).await;
    }
    let page = page(gateway, at, session, &Sheet { act, item: &item, sent: None, mistakes: &[] }).await?;
    Ok(Reply::Page(StatusCode::OK, page))
}

/// The form.
pub(super) async fn page(gateway: &Gateway, at: &At, session: &Session, sheet: &Sheet<'_>) -> Result<Markup, Fault> {
    let Sheet { act, item, mistakes, .. } = *sheet;
    let causes = &item.causes;
    let most = gateway.limits.link_words;
    let address = format!("{}/{}", at.0, item.referral.task);
    let fields = match act {
        Act::Complete => {
            let open = follow_ups::open(gateway, item).await?;
            let label = |one: &FollowUp| format!("{} (since {})", one.cause.title(), when(one.opened_at));
            let choices: Vec<(&str, String)> =
                open.iter().map(|open| (open.one.task.as_str(), label(&open.one))).collect();
            // What was shown of each: whoever has not seen a further call, or that a colleague was quicker, completes nothing.
            let versions = html! { @for open in &open {
                input type="hidden" name=(version_field(&open.one.task)) value=(open.version);
            } };
            html! { (versions) (radios(sheet, "follow-up", "What is done?", &choices)) (writing(sheet, "What was done?", most)) }
        }
        Act::Answer => writing(sheet, "Your answer", most),
        Act::Release => html! {},
        Act::ReRefer => {
            let routes = routes(gateway, &session.account.tenant);
            let choices: Vec<(&str, String)> =
                routes.iter().map(|route| (route.name.as_str(), label(gateway, route))).collect();
            html! {
                @if choices.is_empty() { p { strong { "There is no service that can be chosen by name. Ask whoever looks after the gateway." } } }
                (radios(sheet, "service", "Which service?", &choices))
            }
        }
        Act::RecordCall => line(sheet, "by", "Who confirmed it?", "Name and role at the service, on one line."),
        Act::Settle => {
            let choices: Vec<(&str, String)> = REASONS.iter().map(|how| (how.code(), how.words().to_owned())).collect();
            html! { (radios(sheet, "reason", "Why?", &choices)) (writing(sheet, "Tell colleagues more (optional)", most)) }
        }
        Act::Cancel => writing(sheet, "Why? The service may read this", most),
        Act::HandOver => {
            let colleagues = colleagues(gateway, &session.account).await?;
            let mut choices: Vec<(&str, String)> =
                colleagues.iter().map(|one| (one.id.0.as_str(), format!("{} ({})", one.name, one.id))).collect();
            choices.push(("", "Nobody: whoever sees it".to_owned()));
            radios(sheet, "to", "To whom?", &choices)
        }
    };
    let content = html! {
        p { (before(act, causes)) }
        form id=(act.word()) method="post" action={ (address) "/" (act.word()) } novalidate {
            input type="hidden" name=(TOKEN) value=(session.token());
            input type="hidden" name=(VERSION) value=(item.task.version);
            (fields)
            button type="submit" { (heading(act, causes)) }
        }
        p { a href=(address) { "Go back without doing this" } }
    };
    Ok(frame(at, Some(session), heading(act, causes), mistakes, &content))
}

/// Services that can be chosen by name, for this customer.
pub(super) fn routes<'g>(gateway: &'g Gateway, tenant: &TenantId) -> Vec<&'g Route> {
    let of = |route: &&Route| route.tenants.is_empty() || route.tenants.contains(tenant);
    gateway.rules.routes.routes.iter().filter(of).filter(|route| !route.recipients.is_empty()).collect()
}

fn label(gateway: &Gateway, route: &Route) -> String {
    let name = gateway.rules.recipients.get(&route.platform).map_or(route.platform.0.as_str(), |one| one.name.as_str());
    if name == route.name { name.to_owned() } else { format!("{name}: {}", route.name) }
}

/// Link workers to whom something can be handed: of the same customer, with an organisation in common.
pub(super) async fn colleagues(gateway: &Gateway, account: &Account) -> Result<Vec<Account>, StoreError> {
    let shares = |one: &Account| {
        one.tenant == account.tenant
            && !one.disabled
            && one.may(AccountRole::LinkWorker)
            && !one.organisations.is_disjoint(&account.organisations)
    };
    Ok(gateway.store.accounts().await?.into_iter().filter(shares).collect())
}

fn is_wrong(sheet: &Sheet<'_>, field: &str) -> bool {
    sheet.mistakes.iter().any(|one| one.field == field)
}

fn radios(sheet: &Sheet<'_>, field: &'static str, legend: &str, choices: &[(&str, String)]) -> Markup {
    let sent = sheet.sent.map(|form| form.field(field));
    html! {
        div.field.wrong[is_wrong(sheet, field)] {
            fieldset aria-describedby=[described(sheet.mistakes, field, false)] {
                legend { (legend) }
                (fault(sheet.mistakes, field))
                @for (place, (value, label)) in choices.iter().enumerate() {
                    @let id = if place == 0 { field.to_owned() } else { format!("{field}-{}", place + 1) };
                    div.choice {
                        input id=(id) type="radio" name=(field) value=(value) checked[sent == Some(*value)];
                        label for=(id) { (label) }
                    }
                }
            }
        }
    }
}

fn line(sheet: &Sheet<'_>, field: &'static str, label: &str, hint: &str) -> Markup {
    let wrong = is_wrong(sheet, field);
    html! {
        div.field.wrong[wrong] {
            label for=(field) { (label) }
            p.hint id={ (field) "-hint" } { (hint) }
            (fault(sheet.mistakes, field))
            input id=(field) type="text" name=(field) value=(sheet.sent.map_or("", |form| form.field(field))) autocomplete="off"
                aria-describedby=[described(sheet.mistakes, field, true)] aria-invalid=[wrong.then_some("true")];
        }
    }
}

fn writing(sheet: &Sheet<'_>, label: &str, most: usize) -> Markup {
    let wrong = is_wrong(sheet, "words");
    html! {
        div.field.wrong[wrong] {
            label for="words" { (label) }
            p.hint #words-hint { "Do not write more about the person than is needed. You can use up to " (most) " characters." }
            (fault(sheet.mistakes, "words"))
            // A line end behind the tag is not part of what was written (HTML, 13.1.2.5).
            textarea #words name="words" rows="6" aria-describedby=[described(sheet.mistakes, "words", true)]
                aria-invalid=[wrong.then_some("true")] { "\n" (sheet.sent.map_or("", |form| form.field("words"))) }
        }
    }
}
