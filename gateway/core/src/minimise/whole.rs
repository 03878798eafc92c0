//! The whole referral, gathered in the same way at every stage: when it comes in, before each attempt, in a preview. What
//! the gateway itself wrote into the sender's resources (ids, stamps, its own elements of the Task) is no part of it, so
//! that the same referral gives the same result at each stage.

use super::Source;
use crate::bars;
use crate::consent::{Item, Withheld, referral_items};
use crate::ingest::Person;
use crate::loss::without_ours;
use crate::task::AUTHOR;
use gateway_fhir::{Json, references};
use std::collections::BTreeMap;

/// How far references are followed from ServiceRequest and Task: far enough for PractitionerRole to Organization.
const ROUNDS: usize = 3;

/// Elements of the sender's Task that the gateway writes.
const GATEWAYS: [&str; 5] = ["statusReason", "businessStatus", "output", "lastModified", "_lastModified"];

/// A referral with all that it refers to.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// The sender's ServiceRequest.
    pub service_request: Json,
    /// The person.
    pub patient: Json,
    /// The sender's Task.
    pub task: Json,
    /// What these may refer to, by `Type/id`.
    pub related: Vec<(String, Json)>,
}

impl Whole {
    /// Gathers it. Task and ServiceRequest are given with their ids.
    #[must_use]
    pub fn gather<'l>(
        task: (&str, &Json),
        service_request: (&str, &Json),
        person: &Person,
        lookup: &dyn Fn(&str) -> Option<&'l Json>,
    ) -> Self {
        let mut own_task = plain(task.1, task.0);
        for element in GATEWAYS {
            own_task.remove(element);
        }
        without_ours(&mut own_task);
        bars::without_changes(&mut own_task);
        let mut own_request = plain(service_request.1, service_request.0);
        let patient_id = match person.reference.split_once('#') {
            Some((_, fragment)) => fragment,
            None => person.reference.strip_prefix("Patient/").unwrap_or_default(),
        };
        let own = [
            format!("Task/{}", task.0),
            format!("ServiceRequest/{}", service_request.0),
            format!("Patient/{patient_id}"),
        ];
        let related = related(&[&own_task, &own_request], &own, lookup);
        if person.reference.contains('#') {
            uncontain(&mut own_request, &mut own_task, patient_id);
        }
        Self { service_request: own_request, patient: plain(&person.document, patient_id), task: own_task, related }
    }

    /// What consent is asked about. What is not gathered here cannot leave.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        let related = |reference: &str| self.related.iter().find(|(name, _)| name == reference).map(|(_, one)| one);
        referral_items(&self.service_request, &self.patient, &self.task, &related)
    }

    /// As the minimiser reads it, with what consent withholds.
    #[must_use]
    pub fn source<'a>(&'a self, withheld: &'a [Withheld]) -> Source<'a> {
        Source {
            service_request: &self.service_request,
            patient: &self.patient,
            task: &self.task,
            related: &self.related,
            withheld,
        }
    }

    /// All resources, each once.
    pub fn resources(&self) -> impl Iterator<Item = &Json> {
        [&self.service_request, &self.patient, &self.task].into_iter().chain(self.related.iter().map(|(_, one)| one))
    }
}

/// The resource with its id and without the stamps of a stored version.
fn plain(document: &Json, id: &str) -> Json {
    let mut document = document.clone();
    if document.text("id") != Some(id) {
        document.remove("id");
        if let Json::Object(members) = &mut document {
            let after_type = members.iter().position(|(name, _)| name == "resourceType").map_or(0, |place| place + 1);
            members.insert(after_type, ("id".to_owned(), Json::string(id)));
        }
    }
    if let Some(meta) = document.get_mut("meta") {
        meta.remove("versionId");
        meta.remove("lastUpdated");
        if meta.text("source").is_some_and(|source| source.starts_with(AUTHOR)) {
            meta.remove("source");
        }
        if meta.as_object().is_some_and(<[(String, Json)]>::is_empty) {
            document.remove("meta");
        }
    }
    document
}

fn related<'l>(roots: &[&Json], own: &[String; 3], lookup: &dyn Fn(&str) -> Option<&'l Json>) -> Vec<(String, Json)> {
    let [task, request, patient] = own;
    let mut found: BTreeMap<String, Json> = BTreeMap::new();
    let logical = |document: &Json| references::sites(document).into_iter().filter(|site| site.logical);
    let mut next: Vec<String> = roots.iter().flat_map(|root| logical(root)).map(|site| site.value).collect();
    for _ in 0..ROUNDS {
        let mut further = Vec::new();
        for reference in next {
            if found.contains_key(&reference) || [task, request].contains(&&reference) {
                continue;
            }
            // What the gateway tells of a translation is no part of what is translated.
            let Some((_, id)) = reference.split_once('/').filter(|(kind, _)| *kind != "Provenance") else { continue };
            if id.contains(['/', '#']) {
                continue;
            }
            let Some(document) = lookup(&reference) else { continue };
            let document = plain(document, id);
            further.extend(logical(&document).map(|site| site.value));
            found.insert(reference, document);
        }
        next = further;
    }
    found.remove(patient);
    found.into_iter().collect()
}

/// A contained Patient becomes an entry of its own, to which both then refer.
fn uncontain(service_request: &mut Json, task: &mut Json, id: &str) {
    let reference = Json::string(format!("Patient/{id}"));
    for (resource, element) in [(&mut *service_request, "subject"), (task, "for")] {
        if let Some(person) = resource.get_mut(element) {
            person.set("reference", reference.clone());
        }
    }
    let rest: Vec<Json> =
        service_request.items("contained").iter().filter(|inner| inner.text("id") != Some(id)).cloned().collect();
    if rest.is_empty() {
        service_request.remove("contained");
    } else {
        service_request.set("contained", Json::Array(rest));
    }
}
