//! The page that a person can be given: plain HTML that prints well, in one file, without scripts or anything from
//! elsewhere. Every value is escaped where it is put in.

use super::{History, Notice, Told, words};
use gateway_core::disclose::{Basis, Disclosure, Manner};
use gateway_core::referral::Referral;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use time::OffsetDateTime;

/// Nothing here comes from what is shown.
const STYLE: &str = "body{font:1rem/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}\
h1,h2,h3{line-height:1.25}h2{margin-top:2.5rem;border-top:2px solid #111;padding-top:1rem}\
table{border-collapse:collapse;width:100%;margin:1rem 0}caption{text-align:left;font-weight:bold;padding:.25rem 0}\
th,td{border:1px solid #555;padding:.3rem .5rem;text-align:left;vertical-align:top}\
code{font-size:.85em;overflow-wrap:anywhere}article{margin:1.5rem 0}\
@media print{body{margin:0;max-width:none}article,tr{break-inside:avoid}}";

/// The page, as it stands at `now`.
#[must_use]
pub fn of(history: &History, now: OffsetDateTime) -> String {
    let recipients = history.by_recipient();
    let none = recipients.values().all(|recipient| recipient.told.is_empty());
    html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="referrer" content="no-referrer";
                title { "Who received what" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "Who received what" }
                    (about(history, now))
                    @if none {
                        p { strong { "Nothing was disclosed." } " No recipient was sent, or has read, anything of this person's record." }
                    }
                    @for (platform, recipient) in &recipients {
                        section {
                            h2 { @if recipient.name.is_empty() { (platform) } @else { (recipient.name) } }
                            @if !recipient.identifiers.is_empty() {
                                p { "Identifiers: " @for one in recipient.identifiers { code { (one) } " " } }
                            }
                            @for (referral, told) in &recipient.told { (disclosed(referral, told)) }
                            @if !recipient.notices.is_empty() { (noticed(&recipient.notices)) }
                        }
                    }
                    @if !none { (reading()) }
                }
            }
        }
    }
    .into_string()
}

fn about(history: &History, now: OffsetDateTime) -> Markup {
    let others: Vec<&String> = history.patients.iter().filter(|one| **one != history.patient).collect();
    html! {
        p {
            "About the person of the record " code { (history.patient) } ", as known on " (words::when(now)) ". "
            "The page shows kinds of data, never the data, and no name."
        }
        @if !others.is_empty() {
            p { "Records of the same person, by NHS number: " @for one in others { code { (one) } " " } }
        }
        @if history.only_of.is_some() {
            p { strong { "This shows only what one of the organisation's systems sent." } " What others sent is not on it." }
        }
    }
}

fn disclosed(referral: &Referral, told: &Told) -> Markup {
    let Disclosure { elements, withheld, decision, attempt, resource, .. } = &told.disclosure;
    html! {
        article {
            h3 {
                (words::when(told.at))
                @if let Some(attempt) = attempt { ", attempt " (attempt) }
            }
            p { (words::became(told.became)) }
            @if let Some(resource) = resource { p { "Published copy: " code { (resource) } } }
            table {
                caption { (told_as(told)) }
                thead { tr { th scope="col" { "Data" } th scope="col" { "Elements" } } }
                tbody {
                    @for (name, paths) in words::grouped(elements) {
                        tr { th scope="row" { (name) } td { @for path in paths { code { (path) } " " } } }
                    }
                }
            }
            @if withheld.is_empty() {
                p { "Nothing that this recipient would otherwise have had was withheld." }
            } @else {
                table {
                    caption { "What was withheld, and why" }
                    thead { tr { th scope="col" { "Data" } th scope="col" { "Element" } th scope="col" { "Why" } } }
                    tbody {
                        @for kept in withheld {
                            tr {
                                th scope="row" { (words::name(&kept.path)) }
                                td { code { (kept.path) } }
                                td {
                                    (kept.words) " (" (kept.reason) ", " (kept.rule) ")"
                                    @if let Some(consent) = &kept.consent { " " code { (consent) } }
                                }
                            }
                        }
                    }
                }
            }
            @match decision {
                Some(decision) => {
                    p {
                        "Why it was allowed: " (decision.words) " (" (decision.reason) ", " (decision.rules) ")"
                        @if let Some(consent) = &decision.decisive { " Decided by " code { (consent) } "." }
                    }
                    @if let Some(one) = &decision.overriding {
                        p { "Shared without consent under the override " code { (one.id) } ", decided by " (one.professional) "." }
                    }
                    @if !decision.lawful_basis.is_empty() {
                        p { "Lawful basis on record: " (decision.lawful_basis.join(", ")) "." }
                    }
                }
                None => { p { "The referral had ended. A recipient may read its order to learn that it has to stop." } }
            }
            p {
                "Referral " code { (told.disclosure.service_request) } ", order " code { (told.disclosure.task) }
                ", taken on " (words::when(referral.accepted_at)) ". Audit line " (told.number) ", adapter "
                (told.disclosure.adapter.name) " " (told.disclosure.adapter.version)
                @if told.disclosure.basis == Basis::Given { ". The adapter does not say what it passes on: all that it was given is listed" }
                "."
            }
        }
    }
}

fn told_as(told: &Told) -> &'static str {
    match told.disclosure.manner {
        Manner::Sent => "What it was sent",
        Manner::Published => "What was laid ready for it",
        Manner::Collected => "What it read",
        Manner::Viewed => "What somebody there was shown on the page behind a link",
    }
}

fn noticed(notices: &[(&Referral, &Notice)]) -> Markup {
    html! {
        table {
            caption { "What else was said between the gateway and this recipient, without data of the person" }
            thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Order" } } }
            tbody {
                @for (referral, notice) in notices {
                    tr { td { (words::when(notice.at)) } td { (notice.words) } td { code { "Task/" (referral.task) } } }
                }
            }
        }
    }
}

fn reading() -> Markup {
    html! {
        section {
            h2 { "How to read this" }
            p {
                "Each entry was written before anything left. A second attempt at the same referral is an entry of its own, "
                "though the recipient keeps one. \"Elements\" are the places in the record's format (HL7 FHIR R4). "
                "Consents are named with the version that was read."
            }
        }
    }
}
