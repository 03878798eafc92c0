//! The facts that routing asks for, taken out of the referral.

use super::{AgeRange, Category};
use crate::identity::TenantId;
use gateway_fhir::identifiers::same_system;
use gateway_fhir::{Json, instant};
use std::fmt;
use time::Date;

/// References are followed so far: PractitionerRole to HealthcareService to its provider.
const DEPTH: u8 = 3;

/// What a decision rests on. Holds patient data, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whose referral.
    pub tenant: TenantId,
    /// Identifiers (system, value) of `Task.owner`; `None` if there is no owner, empty if there is one that nothing
    /// identifies.
    pub owner: Option<Vec<(String, String)>>,
    /// The same of all `ServiceRequest.performer`.
    pub performers: Option<Vec<(String, String)>>,
    /// Codings (system, code) of `ServiceRequest.category`.
    pub categories: Vec<(Option<String>, String)>,
    /// `Patient.birthDate`, as written.
    pub birth_date: Option<String>,
    /// Postcode of the home address, as written.
    pub postcode: Option<String>,
    /// The day of the decision.
    pub on: Date,
}

impl fmt::Debug for Facts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Facts")
            .field("tenant", &self.tenant)
            .field("owner", &self.owner.is_some())
            .field("performers", &self.performers.is_some())
            .field("birth_date", &self.birth_date.is_some())
            .field("postcode", &self.postcode.is_some())
            .field("on", &self.on)
            .finish_non_exhaustive()
    }
}

/// Takes the facts out of a referral. `resolve` answers a literal reference with the resource that it names.
///
/// A PractitionerRole stands for its organisation and services, a HealthcareService without an identifier of its own for
/// its provider. Old addresses do not count; the home address comes first.
#[must_use]
pub fn facts<'l>(
    tenant: &TenantId,
    task: &Json,
    service_request: &Json,
    patient: &Json,
    resolve: &dyn Fn(&str) -> Option<&'l Json>,
    today: Date,
) -> Facts {
    let identify = |reference: &Json, holder: &Json| {
        let mut found = Vec::new();
        identifiers_of(reference, holder, resolve, DEPTH, &mut found);
        found
    };
    let performers = service_request.items("performer");
    Facts {
        tenant: tenant.clone(),
        owner: task.get("owner").map(|owner| identify(owner, task)),
        performers: (!performers.is_empty())
            .then(|| performers.iter().flat_map(|performer| identify(performer, service_request)).collect()),
        categories: service_request
            .items("category")
            .iter()
            .flat_map(|category| category.items("coding"))
            .filter_map(|coding| Some((coding.text("system").map(str::to_owned), coding.text("code")?.to_owned())))
            .collect(),
        birth_date: patient.text("birthDate").map(str::to_owned),
        postcode: postcode(patient),
        on: today,
    }
}

/// Collects the identifiers by which a reference names somebody.
fn identifiers_of<'l>(
    reference: &Json,
    holder: &Json,
    resolve: &dyn Fn(&str) -> Option<&'l Json>,
    depth: u8,
    found: &mut Vec<(String, String)>,
) {
    found.extend(reference.get("identifier").and_then(pair));
    let Some(depth) = depth.checked_sub(1) else { return };
    let Some(literal) = reference.text("reference") else { return };
    let target = match literal.strip_prefix('#') {
        Some(local) => holder.items("contained").iter().find(|one| one.text("id") == Some(local)),
        None => resolve(literal),
    };
    let Some(target) = target else { return };
    let own: Vec<(String, String)> = target.items("identifier").iter().filter_map(pair).collect();
    let has_own = !own.is_empty();
    match target.text("resourceType") {
        Some("PractitionerRole") => {
            for next in target.get("organization").into_iter().chain(target.items("healthcareService")) {
                identifiers_of(next, target, resolve, depth, found);
            }
        }
        Some("HealthcareService") if !has_own => {
            if let Some(provider) = target.get("providedBy") {
                identifiers_of(provider, target, resolve, depth, found);
            }
        }
        Some("Organization" | "HealthcareService" | "CareTeam") => found.extend(own),
        // A practitioner or a device is nobody to deliver to.
        _ => {}
    }
}

fn pair(identifier: &Json) -> Option<(String, String)> {
    Some((identifier.text("system")?.to_owned(), identifier.text("value")?.to_owned()))
}

/// The postcode of the home address, else of any that is still in use.
fn postcode(patient: &Json) -> Option<String> {
    let addresses = || patient.items("address").iter().filter(|address| address.text("postalCode").is_some());
    let home = addresses().find(|address| address.text("use") == Some("home"));
    let other = || addresses().find(|address| !matches!(address.text("use"), Some("old" | "billing")));
    Some(home.or_else(other)?.text("postalCode")?.to_owned())
}

impl Facts {
    pub(super) fn has_category(&self, wanted: &Category) -> bool {
        self.categories.iter().any(|(system, code)| {
            *code == wanted.code
                && match (&wanted.system, system) {
                    (None, _) => true,
                    (Some(wanted), Some(system)) => same_system(wanted, system),
                    (Some(_), None) => false,
                }
        })
    }

    /// `None` if there is no birth date, or one so imprecise that both answers are possible.
    pub(super) fn age_within(&self, range: AgeRange) -> Option<bool> {
        let born = instant::parse(self.birth_date.as_deref()?)?;
        let (oldest, youngest) = (years(born.earliest.date(), self.on)?, years(born.latest.date(), self.on)?);
        let (min, max) = (range.min_years.unwrap_or(0), range.max_years.unwrap_or(u32::MAX));
        if youngest >= min && oldest <= max {
            Some(true)
        } else if oldest < min || youngest > max {
            Some(false)
        } else {
            None
        }
    }

    /// `None` if there is no postcode.
    pub(super) fn in_area(&self, areas: &[String]) -> Option<bool> {
        let outward = outward(self.postcode.as_deref()?)?;
        Some(areas.iter().any(|area| begins(&outward, &area.trim().to_ascii_uppercase())))
    }
}

/// Whole years from birth to this day; `None` before birth. A 29 February birthday falls on 1 March in other years.
fn years(birth: Date, on: Date) -> Option<u32> {
    let had_birthday = (u8::from(on.month()), on.day()) >= (u8::from(birth.month()), birth.day());
    u32::try_from(on.year() - birth.year() - i32::from(!had_birthday)).ok()
}

/// The first half of a UK postcode, in capitals: what stands before the space, or before the last three characters of
/// a postcode written without one (`LS12AB`), or all of it if it is a first half only.
fn outward(postcode: &str) -> Option<String> {
    let upper = postcode.trim().to_ascii_uppercase();
    if let Some((first, _)) = upper.split_once(char::is_whitespace) {
        return Some(first.to_owned());
    }
    let (first, second) = upper.split_at_checked(upper.len().saturating_sub(3))?;
    let is_inward = matches!(second.as_bytes(), [digit, rest @ ..]
        if digit.is_ascii_digit() && rest.iter().all(u8::is_ascii_alphabetic));
    let outward = if first.len() >= 2 && is_inward { first.to_owned() } else { upper };
    (!outward.is_empty()).then_some(outward)
}

/// Whether the outward postcode lies in this area: `LS` holds LS1, `L` does not; `LS1` does not hold LS11, `EC1` holds
/// EC1A. So what follows the area's last letter must not be a letter, and after a digit no digit.
fn begins(outward: &str, area: &str) -> bool {
    let (Some(rest), Some(last)) = (outward.strip_prefix(area), area.chars().last()) else { return false };
    rest.chars().next().is_none_or(|next| next.is_ascii_digit() != last.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn areas() {
        for (postcode, area, inside) in [
            ("LS1 2AB", "LS1", true),
            ("ls12ab", "ls1", true),
            ("LS11 2AB", "LS1", false),
            ("LS112AB", "LS11", true),
            ("LS1 2AB", "LS", true),
            ("LS1 2AB", "L", false),
            ("L1 2AB", "L", true),
            ("EC1A 1BB", "EC1", true),
            ("EC1A1BB", "EC1A", true),
            ("LS1", "LS1", true),
            ("LS1 2AB", "", false),
            ("M1 1AA", "M1", true),
        ] {
            assert_eq!(begins(&outward(postcode).unwrap(), &area.to_ascii_uppercase()), inside, "{postcode} {area}");
        }
        assert_eq!(outward("é€"), Some("é€".to_owned()));
        assert_eq!(outward(" "), None);
    }

    #[test]
    fn whole_years() {
        let on = date!(2026 - 06 - 15);
        for (birth, expected) in [
            (date!(2008 - 06 - 15), Some(18)),
            (date!(2008 - 06 - 16), Some(17)),
            (date!(2026 - 06 - 15), Some(0)),
            (date!(2026 - 06 - 16), None),
        ] {
            assert_eq!(years(birth, on), expected, "{birth}");
        }
        assert_eq!(years(date!(2008 - 02 - 29), date!(2026 - 02 - 28)), Some(17));
        assert_eq!(years(date!(2008 - 02 - 29), date!(2026 - 03 - 01)), Some(18));
    }
}
