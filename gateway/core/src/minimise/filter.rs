//! The filter: which elements of one resource stay.

use adapter_contract::DataNeed;
use gateway_fhir::Json;
use gateway_fhir::identifiers::{NHS_NUMBER, same_system};
use std::collections::BTreeSet;

/// SDOH Clinical Care, `ServiceRequest.orderDetail`: the person must not be contacted (domestic abuse). Always stays.
pub(super) const CONTACT_PROHIBITED: &str = "contacting-subject-prohibited";

/// Elements of every resource that never leave.
const NEVER: [&str; 3] = ["text", "meta", "contained"];

/// What the needs say of one path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Declared {
    /// It, or something above it.
    Covered,
    /// Only something below it.
    Leads,
    /// Nothing.
    No,
}

/// The declaration of one adapter, and who the person is.
pub(super) struct Filter<'a> {
    needs: &'a [DataNeed],
    patient: String,
}

impl<'a> Filter<'a> {
    pub(super) fn new(needs: &'a [DataNeed], patient: String) -> Self {
        Self { needs, patient }
    }

    /// What stays of this resource. Paths of what goes are added to `removed`.
    pub(super) fn resource(&self, resource: &Json, removed: &mut BTreeSet<String>) -> Json {
        let kind = resource.text("resourceType").unwrap_or_default();
        let mut members = Vec::new();
        for (name, value) in resource.as_object().unwrap_or_default() {
            let path = format!("{kind}.{}", element_name(name));
            let is_administrative_id = name == "id" && matches!(kind, "ServiceRequest" | "Task");
            let kept = if name == "resourceType" || is_administrative_id {
                Some(value.clone())
            } else if NEVER.contains(&name.as_str()) {
                removed.insert(path);
                None
            } else if path == "ServiceRequest.orderDetail" && name == "orderDetail" {
                self.order_detail(value, removed)
            } else {
                self.value(value, &path, name.starts_with('_'), removed)
            };
            members.extend(kept.map(|kept| (name.clone(), kept)));
        }
        Json::Object(members)
    }

    /// Whether any path of this resource's type is declared.
    pub(super) fn declares(&self, resource: &Json) -> bool {
        resource.text("resourceType").is_some_and(|kind| self.declared(kind) != Declared::No)
    }

    /// Whether this path is declared, or something above or below it.
    pub(super) fn declares_path(&self, path: &str) -> bool {
        self.declared(path) != Declared::No || self.declares_by_url(path)
    }

    /// The path of a modifier extension of the whole resource that is not declared.
    pub(super) fn undeclared_modifier(&self, resource: &Json) -> Option<String> {
        resource.get("modifierExtension")?;
        let path = format!("{}.modifierExtension", resource.text("resourceType").unwrap_or_default());
        (!self.declared_itself(&path)).then_some(path)
    }

    /// What stays of the element at this path; `None` if nothing does. `sibling`: it is the `_name` of a primitive, whose
    /// array keeps its places.
    fn value(&self, value: &Json, path: &str, sibling: bool, removed: &mut BTreeSet<String>) -> Option<Json> {
        let declared = self.declared(path);
        let stays = match path.rsplit('.').next() {
            Some("extension" | "modifierExtension") => self.declared_itself(path) || self.declares_by_url(path),
            _ => declared != Declared::No,
        };
        let kept = if stays { self.inside(value, path, (declared, sibling), removed) } else { None };
        if kept.is_none() {
            removed.insert(path.to_owned());
        }
        kept
    }

    fn inside(
        &self,
        value: &Json,
        path: &str,
        (declared, sibling): (Declared, bool),
        removed: &mut BTreeSet<String>,
    ) -> Option<Json> {
        match value {
            Json::Array(items) => {
                let mut kept = Vec::new();
                for item in items {
                    let inner = match item {
                        // Holds the place of an element whose sibling array has something to say.
                        Json::Null => Some(Json::Null),
                        // Declared by its URL, and only so: `Patient.extension(https://…)`.
                        other if is_extension(path) && !self.declared_itself(path) => self.of_url(other, path, removed),
                        other => self.inside(other, path, (declared, sibling), removed),
                    };
                    kept.extend(if sibling { Some(inner.unwrap_or(Json::Null)) } else { inner });
                }
                kept.iter().any(|item| *item != Json::Null).then_some(Json::Array(kept))
            }
            Json::Object(members) => self.object(value, members, path, removed),
            primitive => (declared == Declared::Covered).then(|| primitive.clone()),
        }
    }

    /// One extension, if its URL is declared.
    fn of_url(&self, extension: &Json, path: &str, removed: &mut BTreeSet<String>) -> Option<Json> {
        let named = format!("{path}({})", extension.text("url").unwrap_or_default());
        // The need has to name the extension: that it lies below a declared element says nothing of it.
        let is_named = |need: &DataNeed| need.path.contains("xtension") && lies_within(&named, &need.path);
        let kept = if self.needs.iter().any(is_named) {
            self.inside(extension, &named, (Declared::Covered, false), removed)
        } else {
            None
        };
        if kept.is_none() {
            removed.insert(path.to_owned());
        }
        kept
    }

    /// Whether extensions at this path are declared by their URL.
    fn declares_by_url(&self, path: &str) -> bool {
        self.needs.iter().any(|need| need.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('(')))
    }

    fn object(
        &self,
        object: &Json,
        members: &[(String, Json)],
        path: &str,
        removed: &mut BTreeSet<String>,
    ) -> Option<Json> {
        let modifier = format!("{path}.modifierExtension");
        if object.get("modifierExtension").is_some() && !self.declared_itself(&modifier) {
            removed.insert(modifier);
            return None;
        }
        let names_the_person = self.names_the_person(object);
        let mut kept = Vec::new();
        for (name, value) in members {
            let below = format!("{path}.{}", element_name(name));
            let hidden = names_the_person && matches!(element_name(name), "display" | "identifier");
            let is_narrative = name == "text" && value.get("div").is_some();
            if is_narrative || (hidden && !self.declared_itself(&below)) {
                removed.insert(below);
                continue;
            }
            kept.extend(self.value(value, &below, name.starts_with('_'), removed).map(|value| (name.clone(), value)));
        }
        (!kept.is_empty()).then_some(Json::Object(kept))
    }

    /// The usual filter, but an item that forbids to contact the person keeps that code, if nothing else.
    fn order_detail(&self, value: &Json, removed: &mut BTreeSet<String>) -> Option<Json> {
        let path = "ServiceRequest.orderDetail";
        let stays = self.declared(path);
        let mut kept = Vec::new();
        for item in value.as_array().unwrap_or_default() {
            let usual = if stays == Declared::No { None } else { self.inside(item, path, (stays, false), removed) };
            let prohibition =
                item.items("coding").iter().find(|coding| coding.text("code") == Some(CONTACT_PROHIBITED));
            kept.extend(match prohibition {
                Some(coding) => Some(with_prohibition(usual, coding)),
                None => usual,
            });
        }
        if kept.len() < value.as_array().map_or(1, <[Json]>::len) || stays == Declared::No {
            removed.insert(path.to_owned());
        }
        (!kept.is_empty()).then_some(Json::Array(kept))
    }

    fn names_the_person(&self, object: &Json) -> bool {
        let literal = object.text("reference").unwrap_or_default();
        literal == self.patient
            || literal.starts_with("Patient/")
            || literal.contains("/Patient/")
            || object.text("type") == Some("Patient")
            || object
                .get("identifier")
                .and_then(|identifier| identifier.text("system"))
                .is_some_and(|system| same_system(system, NHS_NUMBER))
    }

    fn declared(&self, path: &str) -> Declared {
        if self.needs.iter().any(|need| lies_within(path, &need.path)) {
            Declared::Covered
        } else if self.needs.iter().any(|need| lies_within(&need.path, path)) {
            Declared::Leads
        } else {
            Declared::No
        }
    }

    /// Whether this very path is declared, or leads to what is, or lies within a declared extension: what only lies below
    /// a declared element does not count.
    fn declared_itself(&self, path: &str) -> bool {
        self.needs.iter().any(|need| {
            lies_within(&need.path, path)
                || (lies_within(path, &need.path)
                    && (need.path.contains("xtension(") || need.path.split('.').any(|step| step.ends_with("xtension"))))
        })
    }
}

/// The item with the code that forbids contact: system and code alone, where the filter took it away.
fn with_prohibition(usual: Option<Json>, coding: &Json) -> Json {
    let mut item = usual.unwrap_or_else(|| Json::Object(Vec::new()));
    if item.items("coding").iter().any(|kept| kept.text("code") == Some(CONTACT_PROHIBITED)) {
        return item;
    }
    let members = ["system", "code"].into_iter().filter_map(|name| Some((name.to_owned(), coding.get(name)?.clone())));
    let safe = Json::Object(members.collect());
    let mut codings = item.items("coding").to_vec();
    codings.push(safe);
    item.set("coding", Json::Array(codings));
    item
}

fn is_extension(path: &str) -> bool {
    path.ends_with(".extension") || path.ends_with(".modifierExtension")
}

/// `_birthDate` holds what extends `birthDate` and follows it.
fn element_name(member: &str) -> &str {
    member.strip_prefix('_').unwrap_or(member)
}

/// Whether `path` is `above` or lies below it.
fn lies_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
