//! A stored FHIR resource: its key, its versions, and the search tokens that find it.

use crate::identity::Compartment;
use crate::subject::Subject;
use gateway_fhir::Json;
use time::OffsetDateTime;

/// Names one resource, whatever its version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceKey {
    /// Whose it is.
    pub compartment: Compartment,
    /// Resource type.
    pub kind: String,
    /// Logical id.
    pub id: String,
}

impl ResourceKey {
    /// `Type/id`, as references write it.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }
}

/// One version of a resource, as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceVersion {
    /// Which resource.
    pub key: ResourceKey,
    /// From 1; `meta.versionId` and `ETag`.
    pub version: u64,
    /// `meta.lastUpdated`, UTC, to the millisecond.
    pub updated: OffsetDateTime,
    /// Who wrote it: `client/<id>`, `platform/<id>` or `gateway`.
    pub author: String,
    /// How it was written.
    pub method: WriteMethod,
    /// JSON text, with `id` and `meta` as served.
    pub body: String,
    /// What finds it; only the current version's tokens are searched.
    pub tokens: Vec<Token>,
    /// Whom it is about, if about a person; that of the first version counts for all.
    pub subject: Option<Subject>,
}

/// The interaction that wrote a version (`Bundle.entry.request.method` in a history).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMethod {
    /// Create.
    Post,
    /// Update.
    Put,
    /// Patch.
    Patch,
}

impl WriteMethod {
    /// The HTTP verb.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }

    /// Reads what [`verb`](Self::verb) wrote.
    #[must_use]
    pub fn from_verb(verb: &str) -> Option<Self> {
        [Self::Post, Self::Put, Self::Patch].into_iter().find(|method| method.verb() == verb)
    }
}

/// One value under which a resource is found by a search parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token {
    /// Search parameter, as in the CapabilityStatement; `patient-identifier` is internal.
    pub parameter: String,
    /// The value, in the form in which it is compared: `system|value`, `Type/id` or a code.
    pub value: String,
}

impl Token {
    /// A token.
    #[must_use]
    pub fn new(parameter: &str, value: impl Into<String>) -> Self {
        Self { parameter: parameter.to_owned(), value: value.into() }
    }
}

/// The parameter that asks for a resource by its name. Each resource answers to its own without a token for it.
pub const ID: &str = "_id";

/// Tokens of a resource whose references are already those of the store.
#[must_use]
pub fn tokens(kind: &str, document: &Json) -> Vec<Token> {
    let mut found = Vec::new();
    identifier_tokens("identifier", document.items("identifier"), &mut found);
    if kind == "QuestionnaireResponse"
        && let Some(identifier) = document.get("identifier")
    {
        identifier_tokens("identifier", std::slice::from_ref(identifier), &mut found);
    }
    if let Some(status) = document.text("status") {
        found.push(Token::new("status", status));
    }
    if kind == "Task" {
        found.extend(document.text("priority").map(|priority| Token::new("priority", priority)));
        for coding in document.get("code").map(|code| code.items("coding")).unwrap_or_default() {
            if let Some(code) = coding.text("code") {
                found.push(Token::new("code", format!("{}|{code}", coding.text("system").unwrap_or_default())));
                found.push(Token::new("code-value", code));
            }
        }
    }
    let references: &[(&str, &str)] = match kind {
        "Task" => &[("for", "patient"), ("focus", "focus"), ("owner", "owner"), ("requester", "requester")],
        "ServiceRequest" => &[("subject", "patient"), ("requester", "requester")],
        "Observation" | "QuestionnaireResponse" | "Condition" | "Procedure" | "Goal" | "Flag" | "DocumentReference" => {
            &[("subject", "patient")]
        }
        "RelatedPerson" | "Device" => &[("patient", "patient")],
        "Consent" => &[("patient", "patient")],
        _ => &[],
    };
    for (element, parameter) in references {
        if let Some(reference) = document.get(element) {
            reference_tokens(parameter, reference, &mut found);
        }
    }
    if kind == "Provenance" {
        for target in document.items("target") {
            reference_tokens("target", target, &mut found);
            // Of whichever version: that is how it is asked for.
            let literal = target.text("reference").and_then(|literal| literal.split_once("/_history/"));
            found.extend(literal.map(|(resource, _)| Token::new("target", resource)));
        }
    }
    for part in document.items("partOf") {
        reference_tokens("part-of", part, &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn identifier_tokens(parameter: &str, identifiers: &[Json], found: &mut Vec<Token>) {
    for identifier in identifiers {
        if let Some(value) = identifier.text("value") {
            let system = identifier.text("system").unwrap_or_default();
            found.push(Token::new(parameter, format!("{system}|{value}")));
            found.push(Token::new(&format!("{parameter}-value"), value));
        }
    }
}

fn reference_tokens(parameter: &str, reference: &Json, found: &mut Vec<Token>) {
    if let Some(literal) = reference.text("reference") {
        found.push(Token::new(parameter, literal));
    }
    if let Some(identifier) = reference.get("identifier") {
        identifier_tokens(&format!("{parameter}:identifier"), std::slice::from_ref(identifier), found);
    }
}
