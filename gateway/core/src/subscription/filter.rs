//! `backport-filter-criteria`: search-style filters, of which each must hold. One that is not understood is refused: it would send what
//! nobody asked for.

use super::Topic;
use gateway_fhir::{Json, references};
use percent_encoding::percent_decode_str;

/// Values of one parameter, at most.
const VALUES: usize = 50;

/// One parameter of a filter with its values, of which one must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    what: What,
    values: Vec<String>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// `Task.for` or `ServiceRequest.subject`.
    Patient,
    /// `Task.owner`.
    Owner,
    /// `Task.focus`.
    Focus,
    /// `status`.
    Status,
    /// `code.coding`: `system|code`, `|code` or `code`.
    Code,
}

impl What {
    fn of(topic: Topic, name: &str) -> Option<Self> {
        Some(match (topic, name) {
            (_, "patient") => Self::Patient,
            (_, "status") => Self::Status,
            (_, "code") => Self::Code,
            (Topic::TaskStatus, "owner") => Self::Owner,
            (Topic::TaskStatus, "focus") => Self::Focus,
            _ => return None,
        })
    }

    /// The type that a bare id is of.
    const fn target(self) -> Option<&'static str> {
        match self {
            Self::Patient => Some("Patient"),
            Self::Owner => Some("Organization"),
            Self::Focus => Some("ServiceRequest"),
            Self::Status | Self::Code => None,
        }
    }
}

/// The parameters that a topic's filters know, for words.
const fn names(topic: Topic) -> &'static str {
    match topic {
        Topic::TaskStatus => "patient, owner, status, focus and code",
        Topic::ServiceRequestStatus => "patient, status and code",
    }
}

impl Filter {
    /// Reads one `backport-filter-criteria`: `Task?patient=Patient/1&status=accepted,rejected`. `base_url` is our own address, which a
    /// reference may begin with.
    ///
    /// # Errors
    /// What is wrong and how to mend it.
    pub fn read(topic: Topic, text: &str, base_url: &str) -> Result<Vec<Self>, String> {
        let kind = topic.kind();
        let Some((of, query)) = text.split_once('?') else {
            return Err(format!("A filter is written as a search: {kind}?status=completed."));
        };
        if of != kind {
            return Err(format!("This topic is about {kind}: a filter begins with {kind}?."));
        }
        let mut filters = Vec::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(what) = What::of(topic, name) else {
                return Err(format!("A filter here knows {}, without modifiers, and nothing else.", names(topic)));
            };
            let mut values = Vec::new();
            for value in value.split(',') {
                let value = percent_decode_str(value).decode_utf8().map_err(|_| "A filter is not UTF-8.".to_owned())?;
                values.push(what.value(&value, base_url)?);
            }
            if values.len() > VALUES {
                return Err(format!("A filter has at most {VALUES} values for a parameter."));
            }
            filters.push(Self { what, values });
        }
        Ok(filters)
    }

    /// Whether a resource of the topic's type is meant.
    #[must_use]
    pub fn matches(&self, document: &Json) -> bool {
        let is_one = |text: Option<&str>| text.is_some_and(|text| self.values.iter().any(|value| value == text));
        let refers = |element: &str| is_one(document.get(element).and_then(|reference| reference.text("reference")));
        match self.what {
            What::Patient => refers("for") || refers("subject"),
            What::Owner => refers("owner"),
            What::Focus => refers("focus"),
            What::Status => is_one(document.text("status")),
            What::Code => {
                let codings = document.get("code").map(|code| code.items("coding")).unwrap_or_default();
                codings.iter().any(|coding| self.values.iter().any(|value| is_coding(value, coding)))
            }
        }
    }
}

impl What {
    fn value(self, value: &str, base_url: &str) -> Result<String, String> {
        if value.is_empty() {
            return Err("A parameter of a filter has no value.".to_owned());
        }
        let Some(target) = self.target() else { return Ok(value.to_owned()) };
        let own = value.strip_prefix(base_url).and_then(|rest| rest.strip_prefix('/')).unwrap_or(value);
        let (kind, id) = own.split_once('/').unwrap_or((target, own));
        let is_type = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !is_type || !references::is_id(id) {
            return Err(format!("A filter names a resource of this server by its id: {target}/example."));
        }
        Ok(format!("{kind}/{id}"))
    }
}

/// As R4's token search: `system|code`, `|code` (of no system), `code` (of any).
fn is_coding(value: &str, coding: &Json) -> bool {
    match value.split_once('|') {
        Some((system, code)) => {
            coding.text("system").unwrap_or_default() == system && coding.text("code") == Some(code)
        }
        None => coding.text("code") == Some(value),
    }
}
