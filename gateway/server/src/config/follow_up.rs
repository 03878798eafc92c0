//! `[follow-up]`: until when a referral is waited for, and on which days people work.

use super::sections::Check;
use gateway_core::business_days::BusinessDays;
use gateway_core::follow_up::Cause;
use gateway_core::identity::{PlatformId, TenantId};
use gateway_core::timers::{TIMED, TimerRow, TimerRules, Within};
use serde::Deserialize;
use std::collections::BTreeSet;
use time::{Date, Month};
use toml::Spanned;

/// `[follow-up]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FollowUpSection {
    /// Days (`2027-06-07`) on which nobody works although they are no weekend and no bank holiday by the rule: proclaimed for one year.
    #[serde(default)]
    pub days_off: Vec<Spanned<String>>,
    /// Days on which people work although the rule says bank holiday: one that was moved.
    #[serde(default)]
    pub working_days: Vec<Spanned<String>>,
    /// How long what is waited for, where that differs from what is usual.
    #[serde(default)]
    pub timer: Vec<TimerSection>,
}

/// `[[follow-up.timer]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TimerSection {
    /// What is waited for: `not-acknowledged`, `not-accepted`, `no-first-contact` or `no-outcome`.
    pub cause: Spanned<Cause>,
    /// Referrals of this tenant; absent = of every one.
    pub tenant: Option<Spanned<String>>,
    /// Referrals to this platform; absent = to every one.
    pub platform: Option<Spanned<String>>,
    /// Only urgent referrals, or only those that are not; absent = both.
    pub urgent: Option<bool>,
    /// Until the end of the business day so many after it began.
    pub business_days: Option<u32>,
    /// So many hours by the clock.
    pub hours: Option<u32>,
    /// Nobody is asked.
    #[serde(default)]
    pub never: bool,
}

impl TimerSection {
    /// How long; `None` unless exactly one of the ways is given.
    fn within(&self) -> Option<Within> {
        match (self.business_days, self.hours, self.never) {
            (Some(days), None, false) => Some(Within::BusinessDays(days)),
            (None, Some(hours), false) => Some(Within::Hours(hours)),
            (None, None, true) => Some(Within::Never),
            _ => None,
        }
    }
}

impl FollowUpSection {
    /// As referrals are waited for. What the check of the configuration refuses is left out.
    #[must_use]
    pub fn rules(&self) -> TimerRules {
        let row = |timer: &TimerSection| {
            Some(TimerRow {
                cause: *timer.cause.get_ref(),
                tenant: timer.tenant.as_ref().map(|tenant| TenantId(tenant.get_ref().clone())),
                platform: timer.platform.as_ref().map(|platform| PlatformId(platform.get_ref().clone())),
                urgent: timer.urgent,
                within: timer.within()?,
            })
        };
        let days = |days: &[Spanned<String>]| days.iter().filter_map(|text| day(text.get_ref())).collect();
        TimerRules {
            rows: self.timer.iter().filter_map(row).collect(),
            days: BusinessDays { off: days(&self.days_off), on: days(&self.working_days) },
        }
    }
}

/// A day as FHIR writes it.
fn day(text: &str) -> Option<Date> {
    let [year, month, day] = text.split('-').collect::<Vec<_>>().try_into().ok()?;
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

impl Check<'_> {
    /// Timers that nothing would ever be waited for by, and days that are none.
    pub(super) fn follow_up(
        &mut self,
        section: &FollowUpSection,
        tenants: &BTreeSet<&str>,
        platforms: &BTreeSet<&str>,
    ) {
        for (key, days) in [("days-off", &section.days_off), ("working-days", &section.working_days)] {
            for text in days.iter().filter(|text| day(text.get_ref()).is_none()) {
                self.at(text, &format!("follow-up.{key}"), "not a day; write for example \"2027-06-07\"");
            }
        }
        for timer in &section.timer {
            if !TIMED.contains(timer.cause.get_ref()) {
                let known: Vec<&str> = TIMED.iter().map(|cause| cause.code()).collect();
                let words = format!("time does not bring this; a timer is for one of: {}", known.join(", "));
                self.at(&timer.cause, "follow-up.timer.cause", words);
            }
            if timer.within().is_none() {
                let words = "say how long by exactly one of `business-days`, `hours` and `never = true`";
                self.at(&timer.cause, "follow-up.timer", words);
            }
            if let Some(tenant) = timer.tenant.as_ref().filter(|tenant| !tenants.contains(tenant.get_ref().as_str())) {
                let words = format!("no [[client]] has the tenant `{}`; name one that exists", tenant.get_ref());
                self.at(tenant, "follow-up.timer.tenant", words);
            }
            if let Some(platform) = timer.platform.as_ref().filter(|one| !platforms.contains(one.get_ref().as_str())) {
                let words = format!("no [[platform]] has the id `{}`; name one that exists", platform.get_ref());
                self.at(platform, "follow-up.timer.platform", words);
            }
        }
    }
}
