//! The elements of R4 `ConceptMap` that a lookup needs. Others (title, contact, narrative) are not read.

use super::{Equivalence, LoadError, Match, Unmapped, invalid};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::sync::Arc;

#[derive(Deserialize)]
pub(super) struct ConceptMap {
    #[serde(rename = "resourceType")]
    pub(super) resource_type: String,
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) group: Vec<Group>,
}

#[derive(Deserialize)]
pub(super) struct Group {
    pub(super) source: Option<String>,
    pub(super) target: Option<String>,
    #[serde(default)]
    pub(super) element: Vec<Element>,
    pub(super) unmapped: Option<Rule>,
}

#[derive(Deserialize)]
pub(super) struct Element {
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) target: Vec<Target>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Target {
    code: Option<String>,
    display: Option<String>,
    equivalence: Option<Equivalence>,
    depends_on: Option<IgnoredAny>,
    product: Option<IgnoredAny>,
}

impl Target {
    pub(super) fn into_match(self, system: Option<&Arc<str>>, place: impl Fn() -> String) -> Result<Match, LoadError> {
        let Some(equivalence) = self.equivalence else {
            return Err(invalid(format!("{}.equivalence", place()), "is missing (R4: 1..1)"));
        };
        if self.depends_on.is_some() || self.product.is_some() {
            return Err(invalid(place(), "dependsOn and product are not supported"));
        }
        if self.code.is_none() && equivalence.is_match() {
            return Err(invalid(format!("{}.code", place()), "is missing, and the equivalence is not unmatched"));
        }
        Ok(Match { system: system.cloned(), code: self.code, display: self.display, equivalence })
    }
}

#[derive(Deserialize)]
pub(super) struct Rule {
    mode: Option<String>,
    code: Option<String>,
    display: Option<String>,
}

impl Rule {
    pub(super) fn into_rule(self, system: Option<Arc<str>>, place: String) -> Result<Unmapped, LoadError> {
        match (self.mode.as_deref(), self.code) {
            (Some("provided"), _) => Ok(Unmapped::Provided { system }),
            (Some("fixed"), Some(code)) => Ok(Unmapped::Fixed(Match {
                system,
                code: Some(code),
                display: self.display,
                equivalence: Equivalence::Inexact,
            })),
            (Some("fixed"), None) => Err(invalid(format!("{place}.code"), "is missing (R4 cmd-2: fixed needs one)")),
            (Some("other-map"), _) => Err(invalid(format!("{place}.mode"), "other-map is not supported")),
            _ => Err(invalid(format!("{place}.mode"), "must be provided or fixed")),
        }
    }
}
