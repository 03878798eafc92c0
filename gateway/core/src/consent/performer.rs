//! Who may consent for this person (R9), judged at the moment of the decision (R14).
//!
//! What a Consent says of its performer proves nothing by itself: competence, parental responsibility, attorneys and lack
//! of capacity come from [`Standing`], which the caller fills from records of their own. An empty one means that nothing
//! is recorded: then only a person of 16 or more consents for itself.

use super::item::without_version;
use super::period::read_date;
use super::person::{Belongs, points_to};
use super::{Question, Reason, london};
use gateway_fhir::{Json, instant};
use time::{Date, OffsetDateTime};

/// What is recorded about who may consent for a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// A professional found the person, under 16, competent to decide this.
    pub competent_minor: bool,
    /// Holders of parental responsibility are known to disagree.
    pub disputed: bool,
    /// Since when the person is recorded as lacking capacity for this decision.
    pub lacks_capacity_since: Option<OffsetDateTime>,
    /// Who may act for the person, with evidence seen.
    pub proxies: Vec<Proxy>,
}

/// Somebody who may act for the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// As a Consent names them: `RelatedPerson/x`, `Practitioner/x`.
    pub reference: String,
    /// By what right.
    pub authority: Authority,
    /// Until when the right lasts; at this instant it is over.
    pub until: Option<OffsetDateTime>,
}

/// By what right somebody acts for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Parental responsibility.
    Parental,
    /// Lasting power of attorney for health and welfare.
    HealthAttorney,
    /// Lasting power of attorney for property and finance: no say in this.
    PropertyAttorney,
    /// Deputy of the Court of Protection for welfare.
    WelfareDeputy,
    /// Named decision maker of a recorded best-interests decision, where nobody above has the right.
    BestInterests,
}

/// How a Consent's performers stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entitled {
    /// The person.
    Person,
    /// The person, who has lost capacity since: it holds, and somebody has to look at it.
    PersonBefore,
    /// Somebody for the person.
    Proxy(Authority),
    /// Nobody who may.
    No(Reason),
}

/// Which side of 16 the person certainly is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Under,
    Adult,
    Unknown,
}

/// The best right that any performer has. Without a performer the person is meant.
pub(super) fn entitled(question: &Question<'_>, consent: &Json) -> Entitled {
    let age = age(question);
    let each = consent.items("performer").iter().map(|performer| one(question, consent, performer, age));
    let best = each.min_by_key(|entitled| match entitled {
        Entitled::Person => (0, None),
        Entitled::PersonBefore => (1, None),
        Entitled::Proxy(_) => (2, None),
        Entitled::No(reason) => (3, Some(*reason)),
    });
    match best {
        Some(best) => best,
        None if consent.get("performer").is_some() => Entitled::No(Reason::Performer),
        None => person(question, consent, age),
    }
}

fn one(question: &Question<'_>, consent: &Json, performer: &Json, age: Age) -> Entitled {
    if points_to(question, performer) == Belongs::Yes {
        return person(question, consent, age);
    }
    let literal = performer.text("reference").map(without_version);
    let standing = &question.subject.standing;
    let mut rights = standing.proxies.iter().filter(|proxy| Some(proxy.reference.as_str()) == literal).peekable();
    if rights.peek().is_none() {
        return Entitled::No(Reason::Performer);
    }
    let judged = rights.map(|proxy| {
        let in_force = proxy.until.is_none_or(|until| question.now < until);
        if in_force { proxy_may(question, proxy.authority, age) } else { Err(Reason::Authority) }
    });
    match judged.min_by_key(|right| right.err()) {
        Some(Ok(authority)) => Entitled::Proxy(authority),
        Some(Err(reason)) => Entitled::No(reason),
        None => Entitled::No(Reason::Performer),
    }
}

/// The person: 16 and presumed capable, or under 16 and found competent. What was said before capacity was lost holds.
fn person(question: &Question<'_>, consent: &Json, age: Age) -> Entitled {
    let standing = &question.subject.standing;
    if age != Age::Adult && !standing.competent_minor {
        return Entitled::No(Reason::PerformerAge);
    }
    match standing.lacks_capacity_since {
        None => Entitled::Person,
        Some(lost) => {
            // Wholly before: a day on which both happened leaves it open which came first.
            let given = consent.text("dateTime").and_then(read_date);
            let before = given.is_some_and(|given| given.is_before(lost));
            if before { Entitled::PersonBefore } else { Entitled::No(Reason::Capacity) }
        }
    }
}

fn proxy_may(question: &Question<'_>, authority: Authority, age: Age) -> Result<Authority, Reason> {
    let standing = &question.subject.standing;
    let lacks_capacity = standing.lacks_capacity_since.is_some_and(|since| since <= question.now);
    let holds = |wanted: &[Authority]| {
        standing
            .proxies
            .iter()
            .any(|proxy| wanted.contains(&proxy.authority) && proxy.until.is_none_or(|until| question.now < until))
    };
    match authority {
        Authority::Parental if age != Age::Under => Err(Reason::PerformerAge),
        // Who is competent decides alone.
        Authority::Parental if standing.competent_minor => Err(Reason::Performer),
        Authority::Parental if standing.disputed => Err(Reason::Disputed),
        Authority::Parental => Ok(authority),
        Authority::PropertyAttorney => Err(Reason::Authority),
        _ if age != Age::Adult => Err(Reason::PerformerAge),
        _ if !lacks_capacity => Err(Reason::Authority),
        Authority::BestInterests if holds(&[Authority::HealthAttorney, Authority::WelfareDeputy]) => {
            Err(Reason::Authority)
        }
        _ => Ok(authority),
    }
}

/// A birth date of a month or a year is every day in it; without one nothing is certain.
fn age(question: &Question<'_>) -> Age {
    let born = question.subject.patient.text("birthDate").and_then(instant::parse);
    let (Some(born), Some(today)) = (born, london::day(question.now)) else { return Age::Unknown };
    let is_sixteen = |born: Date| {
        (born.year() + 16, u8::from(born.month()), born.day()) <= (today.year(), u8::from(today.month()), today.day())
    };
    match (is_sixteen(born.earliest.date()), is_sixteen(born.latest.date())) {
        (true, true) => Age::Adult,
        (false, false) => Age::Under,
        _ => Age::Unknown,
    }
}
