//! Which platform a referral goes to: a table from the configuration, facts from the referral, one decision in words.
//!
//! A recipient that the sender names (`Task.owner`, else `ServiceRequest.performer`) is never second-guessed: only
//! routes that name it match. Without one, need, age and area choose. Exactly one route must match; otherwise the
//! referral is held and a person reads why. The words tell the routes' conditions, never the person's data. It knows
//! nothing of consent and follows references only through the resolver that it is given.

mod facts;

pub use facts::{Facts, facts};

use crate::identity::{PlatformId, TenantId};
use gateway_fhir::identifiers::same_system;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// All routes of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RouteTable {
    /// Their order does not decide anything; it is that of explanations.
    pub routes: Vec<Route>,
}

/// One rule that picks a platform.
///
/// A route with recipients and no other condition is taken only by name; one without any condition takes everything that
/// names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Route {
    /// Its name in the configuration and in explanations.
    pub name: String,
    /// Where it leads.
    pub platform: PlatformId,
    /// Whom `Task.owner` or `ServiceRequest.performer` may name to take it: an ODS code, the identifier of a
    /// HealthcareService.
    #[serde(default)]
    pub recipients: Vec<Recipient>,
    /// Codes of `ServiceRequest.category`, any of which is wanted; empty = any need.
    #[serde(default)]
    pub categories: Vec<Category>,
    /// Age on the day of the decision.
    #[serde(default)]
    pub age: Option<AgeRange>,
    /// Beginnings of outward postcodes (`LS`, `LS1`), any of which is wanted; empty = everywhere.
    #[serde(default)]
    pub areas: Vec<String>,
    /// Customers that may use it; empty = all.
    #[serde(default)]
    pub tenants: Vec<TenantId>,
}

/// An identifier that names an organisation or service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipient {
    /// Identifier system.
    pub system: String,
    /// Identifier value.
    pub value: String,
}

/// A coded need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Category {
    /// Code system; absent = the code in any system.
    #[serde(default)]
    pub system: Option<String>,
    /// Code.
    pub code: String,
}

/// Whole years, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AgeRange {
    /// At least so old; absent = no lower end.
    #[serde(default)]
    pub min_years: Option<u32>,
    /// At most so old; absent = no upper end.
    #[serde(default)]
    pub max_years: Option<u32>,
}

impl AgeRange {
    fn words(self) -> String {
        match (self.min_years, self.max_years) {
            (Some(min), Some(max)) => format!("{min}-{max}"),
            (Some(min), None) => format!("{min} and over"),
            (None, Some(max)) => format!("up to {max}"),
            (None, None) => "any".to_owned(),
        }
    }
}

/// Where a referral goes. Words are without patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteDecision {
    /// Exactly one route matches.
    Chosen {
        /// Where to.
        platform: PlatformId,
        /// By which route.
        route: String,
        /// Why that one.
        why: String,
    },
    /// No route, several, or contradictory facts: a person decides.
    Held {
        /// Why.
        why: String,
        /// Every route of the table.
        considered: Vec<Considered>,
    },
}

/// What became of one route in a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// Its name.
    pub route: String,
    /// Where it leads.
    pub platform: PlatformId,
    /// Whether it matched.
    pub matched: bool,
    /// Why, or why not.
    pub why: String,
}

/// Whom the sender names.
enum Named<'a> {
    /// These identifiers, told by this element.
    By(&'static str, &'a [(String, String)]),
    /// Nobody.
    Nobody,
}

/// Picks the route.
#[must_use]
pub fn decide(table: &RouteTable, facts: &Facts) -> RouteDecision {
    let (outcome, considered) = weigh(table, facts);
    match outcome {
        Ok(one) => RouteDecision::Chosen {
            platform: one.platform,
            why: format!("Route {}: {}.", one.route, one.why),
            route: one.route,
        },
        Err(why) => RouteDecision::Held { why, considered },
    }
}

/// The decision as a person reads it (`route explain`): the outcome, then one line for each route of the table.
#[must_use]
pub fn explain(table: &RouteTable, facts: &Facts) -> String {
    let (outcome, considered) = weigh(table, facts);
    let mut text = match outcome {
        Ok(one) => format!("Goes to {} by route {}: {}.\n", one.platform, one.route, one.why),
        Err(why) => format!("Held. {why}\n"),
    };
    for one in considered {
        let sign = if one.matched { "matches" } else { "does not match" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {} ({}) {sign}: {}", one.route, one.platform, one.why);
    }
    text
}

/// The one route that matches, or why there is none; and every route of the table.
fn weigh(table: &RouteTable, facts: &Facts) -> (Result<Considered, String>, Vec<Considered>) {
    let named = match (facts.owner.as_deref(), facts.performers.as_deref()) {
        (Some(owner), _) => Named::By("Task.owner", owner),
        (None, Some(performers)) => Named::By("ServiceRequest.performer", performers),
        (None, None) => Named::Nobody,
    };
    let mut considered: Vec<Considered> = table.routes.iter().map(|route| consider(route, &named, facts)).collect();
    let matching = considered.iter().filter(|one| one.matched).count();
    if let Named::By(element, identifiers) = named {
        if identifiers.is_empty() {
            return (Err(format!("{element} is given, but no identifier of it could be found.")), considered);
        }
        if matching > 0 && owner_and_performer_disagree(table, &considered, facts) {
            let why = "Task.owner and ServiceRequest.performer name different recipients.";
            return (Err(why.to_owned()), considered);
        }
        // One recipient can be served by several routes; need, age and area then tell them apart.
        if matching > 1 {
            narrow(table, &mut considered, facts);
        }
    }
    let matching: Vec<&Considered> = considered.iter().filter(|one| one.matched).collect();
    let outcome = match matching.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err("No route matches.".to_owned()),
        several => {
            let names: Vec<&str> = several.iter().map(|one| one.route.as_str()).collect();
            Err(format!("Several routes match: {}.", names.join(", ")))
        }
    };
    (outcome, considered)
}

fn consider(route: &Route, named: &Named<'_>, facts: &Facts) -> Considered {
    let outcome = if !route.tenants.is_empty() && !route.tenants.contains(&facts.tenant) {
        Err("not for this customer".to_owned())
    } else {
        match named {
            Named::By(element, identifiers) if names(route, identifiers) => Ok(format!("{element} names it")),
            Named::By(element, _) => Err(format!("{element} names somebody else")),
            Named::Nobody if only_by_name(route) => Err("taken only when it is named".to_owned()),
            Named::Nobody => conditions(route, facts),
        }
    };
    let (matched, why) = match outcome {
        Ok(why) => (true, why),
        Err(why) => (false, why),
    };
    Considered { route: route.name.clone(), platform: route.platform.clone(), matched, why }
}

/// Of the routes that were named, keeps those whose other conditions hold too.
fn narrow(table: &RouteTable, considered: &mut [Considered], facts: &Facts) {
    for (route, one) in table.routes.iter().zip(considered) {
        if !one.matched {
            continue;
        }
        match conditions(route, facts) {
            Ok(why) => one.why = format!("{}, {why}", one.why),
            Err(why) => {
                one.matched = false;
                one.why = format!("{}, but {why}", one.why);
            }
        }
    }
}

fn names(route: &Route, identifiers: &[(String, String)]) -> bool {
    route.recipients.iter().any(|recipient| {
        identifiers.iter().any(|(system, value)| *value == recipient.value && same_system(system, &recipient.system))
    })
}

/// True if both are given and neither share an identifier nor are named by one matching route (which may list the ODS
/// code of an organisation and the identifier of its service).
fn owner_and_performer_disagree(table: &RouteTable, considered: &[Considered], facts: &Facts) -> bool {
    let (Some(owner), Some(performers)) = (facts.owner.as_deref(), facts.performers.as_deref()) else { return false };
    if performers.is_empty() {
        return false;
    }
    let share = owner.iter().any(|(system, value)| {
        performers.iter().any(|(other_system, other)| value == other && same_system(system, other_system))
    });
    let mut matching = table.routes.iter().zip(considered).filter(|(_, one)| one.matched);
    !share && !matching.any(|(route, _)| names(route, performers))
}

fn only_by_name(route: &Route) -> bool {
    !route.recipients.is_empty() && route.categories.is_empty() && route.age.is_none() && route.areas.is_empty()
}

/// Need, age and area: all must hold. The words name the route's conditions only.
fn conditions(route: &Route, facts: &Facts) -> Result<String, String> {
    let mut held = Vec::new();
    if !route.categories.is_empty() {
        let wanted = route.categories.iter().find(|category| facts.has_category(category));
        let Some(wanted) = wanted else { return Err("none of its categories is asked for".to_owned()) };
        held.push(format!("category {}", wanted.code));
    }
    if let Some(range) = route.age {
        match facts.age_within(range) {
            None => return Err(format!("it cannot be told whether the age is within {}", range.words())),
            Some(false) => return Err(format!("age outside {}", range.words())),
            Some(true) => held.push(format!("age within {}", range.words())),
        }
    }
    if !route.areas.is_empty() {
        match facts.in_area(&route.areas) {
            None => return Err("no postcode is given, and it serves only some areas".to_owned()),
            Some(false) => return Err("postcode outside its areas".to_owned()),
            Some(true) => held.push("postcode within its areas".to_owned()),
        }
    }
    if held.is_empty() { Ok("no other condition".to_owned()) } else { Ok(held.join(", ")) }
}

#[cfg(test)]
mod tests;
