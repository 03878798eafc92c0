//! The list: what needs a person, the most pressing first; with filters that stand in the address as codes alone.

use super::frame::{At, frame};
use super::session::Session;
use super::words::{age, name};
use super::{Fault, Reply};
use crate::gateway::Gateway;
use crate::work::{Item, compartments, list, service};
use axum::http::StatusCode;
use gateway_core::account::AccountId;
use gateway_core::reach::Parties;
use gateway_core::work_list::{Cause, Group};
use maud::{Markup, html};
use serde_json::json;
use time::OffsetDateTime;

/// Lines on the page; what is behind them comes up when those before are done.
const SHOWN: usize = 100;

/// Whose of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    All,
    Mine,
    Nobodys,
}

impl Whose {
    const ALL: [Self; 3] = [Self::All, Self::Mine, Self::Nobodys];

    const fn code(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Mine => "mine",
            Self::Nobodys => "nobodys",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::All => "Everybody's",
            Self::Mine => "Handed to me",
            Self::Nobodys => "Nobody's yet",
        }
    }

    fn takes(self, assigned: Option<&AccountId>, me: &AccountId) -> bool {
        match self {
            Self::All => true,
            Self::Mine => assigned == Some(me),
            Self::Nobodys => assigned.is_none(),
        }
    }
}

/// What of the list is wanted. What is unknown counts as everything.
#[derive(Clone, Copy)]
struct Filter {
    whose: Whose,
    why: Option<Cause>,
}

impl Filter {
    fn read(query: &str) -> Self {
        let mut filter = Self { whose: Whose::All, why: None };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "whose" => filter.whose = Whose::ALL.into_iter().find(|one| one.code() == value).unwrap_or(Whose::All),
                "why" => filter.why = Cause::named(&value),
                _ => {}
            }
        }
        filter
    }

    fn address(self, at: &At) -> String {
        let why = self.why.map(|why| format!("&why={}", why.code())).unwrap_or_default();
        format!("{}?whose={}{why}", at.0, self.whose.code())
    }
}

/// Shows the list. Who was on it is on record before it is shown.
pub(super) async fn show(gateway: &Gateway, at: &At, session: &Session, query: &str) -> Result<Reply, Fault> {
    let filter = Filter::read(query);
    let me = session.id();
    let fits = |item: &Item| {
        filter.whose.takes(item.parties.assigned.as_ref(), me)
            && filter.why.is_none_or(|why| item.causes.contains(&why))
    };
    let sees = |parties: &Parties| session.sees(parties);
    let found = list(gateway, &compartments(&session.account), &sees, (SHOWN, &fits)).await?;
    let of = |whose: Whose| found.seen.iter().filter(move |one| whose.takes(one.assigned.as_ref(), me));
    let counted = |count: usize| Counted { count, all: found.all };
    let counts = Whose::ALL.map(|whose| (whose, counted(of(whose).count())));
    let about = |cause: Cause| of(filter.whose).filter(|one| one.causes.contains(&cause)).count();
    let causes: Vec<(Cause, Counted)> = Cause::ALL
        .into_iter()
        .map(|cause| (cause, about(cause)))
        .filter(|(_, count)| *count > 0 || !found.all)
        .map(|(cause, count)| (cause, counted(count)))
        .collect();
    let people = session.account.reads_people();
    let shown = &found.items;
    let tasks: Vec<&str> = shown.iter().map(|item| item.referral.task.as_str()).collect();
    session.record(gateway, "work-list", None, json!({ "tasks": tasks, "names": people })).await?;
    let now = gateway.clock.now();
    let content = html! {
        nav aria-labelledby="whose" {
            h2 #whose { "Whose" }
            ul.filters { @for (whose, count) in counts {
                li { (filtered(at, Filter { whose, ..filter }, whose == filter.whose, whose.words(), count)) }
            } }
        }
        @if !causes.is_empty() || filter.why.is_some() {
            nav aria-labelledby="why" {
                h2 #why { "Why" }
                ul.filters {
                    li { (filtered(at, Filter { why: None, ..filter }, filter.why.is_none(), "Whatever the reason", counted(of(filter.whose).count()))) }
                    @for (cause, count) in &causes {
                        li { (filtered(at, Filter { why: Some(*cause), ..filter }, filter.why == Some(*cause), cause.words(), *count)) }
                    }
                }
            }
        }
        h2 #list { "What needs you" }
        @if shown.is_empty() && found.all { p { "Nothing here needs you at the moment." } }
        @if shown.is_empty() && !found.all { p { "Nothing of this was found among the most pressing. There is more than could be looked at." } }
        @else if found.fit > shown.len() || !found.all {
            p { "There is more than fits here. What is listed is the most pressing of it." }
        }
        ul.work aria-labelledby="list" { @for item in shown { li.card { (line(gateway, at, session, item, now)) } } }
    };
    Ok(Reply::Page(StatusCode::OK, frame(at, Some(session), "Your work list", &[], &content)))
}

/// How many were found.
#[derive(Clone, Copy)]
struct Counted {
    count: usize,
    /// Whether all were looked at.
    all: bool,
}

fn filtered(at: &At, filter: Filter, current: bool, words: &str, found: Counted) -> Markup {
    let or_more = if found.all { "" } else { " or more" };
    html! { a href=(filter.address(at)) aria-current=[current.then_some("true")] { (words) " (" (found.count) (or_more) ")" } }
}

fn line(gateway: &Gateway, at: &At, session: &Session, item: &Item, now: OffsetDateTime) -> Markup {
    let assigned = item.parties.assigned.as_ref();
    html! {
        @if session.account.reads_people() {
            h3 { a href={ (at.0) "/" (item.referral.task) } { (name(item.patient.as_ref())) } }
        } @else {
            h3 { "Task " (item.referral.task) }
        }
        @if item.rank.group != Group::Usual { p.urgent { strong { "Urgent" } } }
        @for cause in &item.causes { p { strong { (cause.words()) } } }
        dl {
            div { dt { "Service" } dd { (service(gateway, &item.referral).unwrap_or_else(|| "None chosen".to_owned())) } }
            div { dt { "Referred" } dd { (age(item.referral.accepted_at, now)) " ago" } }
            div {
                dt { "With" }
                dd { @match assigned {
                    Some(who) if who == session.id() => "You",
                    Some(who) => (who),
                    None => "Nobody yet",
                } }
            }
        }
    }
}
