//! `[[retention]]`: for how long what is kept.

use super::sections::Check;
use gateway_core::retention::{Row, What};
use serde::Deserialize;
use std::collections::BTreeMap;
use time::Duration;
use toml::Spanned;

/// `[[retention]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RetentionSection {
    /// What the row is about.
    pub what: Spanned<What>,
    /// For how many days.
    pub keep_days: Spanned<u32>,
}

impl RetentionSection {
    /// As the jobs read it.
    #[must_use]
    pub fn row(&self) -> Row {
        Row { what: *self.what.get_ref(), keep: Duration::days(i64::from(*self.keep_days.get_ref())) }
    }
}

impl Check<'_> {
    /// Rows that say the same thing twice, keep too short, or never do anything.
    pub(super) fn retention(&mut self, rows: &[RetentionSection]) {
        let mut days: BTreeMap<What, u32> = BTreeMap::new();
        for row in rows {
            let (what, keep) = (*row.what.get_ref(), *row.keep_days.get_ref());
            if days.insert(what, keep).is_some() {
                let words = format!("there is already a row for `{}`; keep one of them", what.word());
                self.at(&row.what, "retention.what", words);
            }
            if keep < what.least_days() {
                let words = format!("`{}` are kept for at least {} days", what.word(), what.least_days());
                self.at(&row.keep_days, "retention.keep-days", words);
            }
        }
        let withdrawn = rows.iter().find(|row| *row.what.get_ref() == What::Withdrawn);
        if let (Some(withdrawn), Some(records)) = (withdrawn, days.get(&What::Records))
            && *withdrawn.keep_days.get_ref() >= *records
        {
            let words = format!("`withdrawn` has to end sooner than `records`, which ends after {records} days");
            self.at(&withdrawn.keep_days, "retention.keep-days", words);
        }
    }
}

/// What has no row and is therefore kept for ever.
#[must_use]
pub fn kept_for_ever(rows: &[RetentionSection]) -> Vec<&'static str> {
    let named = |what: &What| rows.iter().any(|row| row.what.get_ref() == what);
    What::ALL.into_iter().filter(|what| !named(what)).map(What::word).collect()
}
