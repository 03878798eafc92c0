//! What a message has to be (R4 "messaging", CA:eReC "constructing messages"); a refusal names the element that it misses.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::MessagePlatformConfig;
use super::message::is_instant;
use crate::simulator::{Answer, Asked};

/// Events that somebody who asks for services may send.
const EVENTS: [&str; 3] = ["add-service-request", "notify-update-service-request", "revoke-service-request"];

/// A refusal: status, issue code, and the element that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    status: u16,
    code: &'static str,
    place: String,
}

impl Refused {
    pub(super) fn new(status: u16, code: &'static str, place: &str) -> Self {
        Self { status, code, place: place.to_owned() }
    }

    /// As an OperationOutcome.
    pub(super) fn answer(&self) -> Answer {
        let mut issue = json!({"severity": "error", "code": self.code});
        if !self.place.is_empty() {
            issue["expression"] = json!([self.place]);
            issue["diagnostics"] = json!(format!("{}: {}", self.place, self.code));
        }
        let body = json!({"resourceType": "OperationOutcome", "issue": [issue]});
        Answer::of(self.status, "application/fhir+json", body.to_string())
    }
}

fn missing(place: impl AsRef<str>) -> Refused {
    Refused::new(422, "required", place.as_ref())
}

fn invalid(place: impl AsRef<str>) -> Refused {
    Refused::new(422, "value", place.as_ref())
}

/// A message that may be processed.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) bundle_id: String,
    pub(super) header_id: String,
    pub(super) event: String,
    pub(super) sender_id: Option<String>,
    pub(super) request: Value,
    /// Every other resource but the header, with the ids by which it was referred to.
    pub(super) others: Vec<Value>,
}

/// Checks a request of the operation.
pub(super) fn message(asked: &Asked, config: &MessagePlatformConfig) -> Result<Accepted, Refused> {
    let kind = asked.header("content-type").unwrap_or_default().to_ascii_lowercase();
    if !kind.starts_with("application/fhir+json") && !kind.starts_with("application/json") {
        return Err(Refused::new(415, "not-supported", ""));
    }
    let bundle: Value = serde_json::from_slice(&asked.body).map_err(|_| Refused::new(400, "structure", ""))?;
    if bundle["resourceType"] != "Bundle" {
        return Err(Refused::new(400, "structure", "Bundle"));
    }
    if bundle["type"] != "message" {
        return Err(invalid("Bundle.type"));
    }
    if !bundle["timestamp"].as_str().is_some_and(is_instant) {
        return Err(missing("Bundle.timestamp"));
    }
    let entries = Entries::of(&bundle)?;
    let header = entries.header()?;
    let event = entries.event(header, config)?;
    let request = entries.focus(header)?;
    entries.parties(header, request, config)?;
    entries.request(request, &event, config)?;
    let sender_id = sender_id(header)?;
    for demand in &config.demands {
        let (kind, _) = demand.split_once('.').unwrap_or((demand, ""));
        let found = entries.all.iter().find(|(_, resource)| resource["resourceType"] == kind);
        if event == "add-service-request" && !found.is_some_and(|(_, resource)| holds(resource, demand)) {
            return Err(missing(demand));
        }
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let others = entries.all.iter().filter(|(_, one)| *one != header && *one != request);
    Ok(Accepted {
        bundle_id: text(&bundle["id"]),
        header_id: text(&header["id"]),
        event,
        sender_id,
        request: request.clone(),
        others: others.map(|(url, one)| identified(url, one)).collect(),
    })
}

/// The sender's id of the referral, in either of the forms that the versions of the guide have.
fn sender_id(header: &Value) -> Result<Option<String>, Refused> {
    let all = header["extension"].as_array().cloned().unwrap_or_default();
    let is_id = |one: &&Value| one["url"].as_str().is_some_and(|url| url.ends_with("ext-id-message-header"));
    let Some(extension) = all.iter().find(is_id) else { return Ok(None) };
    let value = extension["valueString"].as_str().or_else(|| extension["valueIdentifier"]["value"].as_str());
    match value.filter(|value| !value.is_empty()) {
        Some(value) => Ok(Some(value.to_owned())),
        None => Err(missing("MessageHeader.extension")),
    }
}

/// A resource as it is kept: under the end of its full URL, so that what referred to it still does.
fn identified(url: &str, resource: &Value) -> Value {
    let mut resource = resource.clone();
    resource["id"] = json!(url.rsplit([':', '/']).next().unwrap_or_default());
    resource
}

/// Whether a resource has what a plain path names: `Patient.contact[0].address.postalCode`.
fn holds(resource: &Value, path: &str) -> bool {
    let mut at = resource;
    for step in path.split('.').skip(1) {
        let (name, place) = match step.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (step, None),
        };
        at = &at[name];
        if let Some(place) = place {
            at = &at[place];
        }
    }
    !at.is_null() && at != &json!("") && at != &json!([])
}

struct Entries<'b> {
    all: Vec<(String, &'b Value)>,
}

impl<'b> Entries<'b> {
    fn of(bundle: &'b Value) -> Result<Self, Refused> {
        let listed = bundle["entry"].as_array().ok_or_else(|| missing("Bundle.entry"))?;
        let (mut all, mut urls) = (Vec::new(), BTreeSet::new());
        for (place, entry) in listed.iter().enumerate() {
            let url = entry["fullUrl"].as_str().ok_or_else(|| missing(format!("Bundle.entry[{place}].fullUrl")))?;
            let resource = &entry["resource"];
            if !resource["resourceType"].is_string() {
                return Err(missing(format!("Bundle.entry[{place}].resource")));
            }
            if !urls.insert(url) {
                return Err(invalid(format!("Bundle.entry[{place}].fullUrl")));
            }
            all.push((url.to_owned(), resource));
        }
        let entries = Self { all };
        for (place, (_, resource)) in entries.all.iter().enumerate() {
            if let Some(lost) = entries.dangling(resource) {
                return Err(invalid(format!("Bundle.entry[{place}].resource{lost}")));
            }
        }
        Ok(entries)
    }

    /// Where a resource refers to something of the Bundle that is not in it.
    fn dangling(&self, value: &Value) -> Option<String> {
        match value {
            Value::Object(members) => {
                let lost = members.get("reference").and_then(Value::as_str);
                if lost.is_some_and(|lost| lost.starts_with("urn:") && self.find(lost).is_none()) {
                    return Some(".reference".to_owned());
                }
                members.iter().find_map(|(name, value)| Some(format!(".{name}{}", self.dangling(value)?)))
            }
            Value::Array(values) => {
                values.iter().enumerate().find_map(|(n, value)| Some(format!("[{n}]{}", self.dangling(value)?)))
            }
            _ => None,
        }
    }

    fn find(&self, reference: &str) -> Option<&'b Value> {
        let local = |resource: &Value| {
            let (kind, id) = (resource["resourceType"].as_str()?, resource["id"].as_str()?);
            Some(format!("{kind}/{id}"))
        };
        let fits = |url: &str, resource: &Value| url == reference || local(resource).as_deref() == Some(reference);
        self.all.iter().find(|(url, resource)| fits(url, resource)).map(|(_, resource)| *resource)
    }

    /// What an element refers to, of this type.
    fn referred(&self, element: &Value, kind: &str, place: &str) -> Result<&'b Value, Refused> {
        let reference = element["reference"].as_str().ok_or_else(|| missing(place))?;
        self.find(reference).filter(|found| found["resourceType"] == kind).ok_or_else(|| invalid(place))
    }

    fn header(&self) -> Result<&'b Value, Refused> {
        let first = self.all.first().map(|(_, resource)| *resource);
        let header = first.filter(|first| first["resourceType"] == "MessageHeader");
        let header = header.ok_or_else(|| missing("Bundle.entry[0].resource"))?;
        if !header["id"].is_string() {
            return Err(missing("MessageHeader.id"));
        }
        Ok(header)
    }

    fn event(&self, header: &Value, config: &MessagePlatformConfig) -> Result<String, Refused> {
        let coding = &header["eventCoding"];
        if coding["system"] != config.event_system.as_str() {
            return Err(invalid("MessageHeader.eventCoding.system"));
        }
        let code = coding["code"].as_str().ok_or_else(|| missing("MessageHeader.eventCoding.code"))?;
        if !EVENTS.contains(&code) {
            return Err(Refused::new(422, "not-supported", "MessageHeader.eventCoding.code"));
        }
        Ok(code.to_owned())
    }

    /// The request that it is about: by reference, or by one of its identifiers.
    fn focus(&self, header: &Value) -> Result<&'b Value, Refused> {
        let place = "MessageHeader.focus";
        let focus = header["focus"].as_array().and_then(|all| all.first()).ok_or_else(|| missing(place))?;
        if focus["reference"].is_string() {
            return self.referred(focus, "ServiceRequest", place);
        }
        let wanted = focus["identifier"]["value"].as_str().ok_or_else(|| missing(place))?;
        let is_it = |resource: &Value| {
            let all = resource["identifier"].as_array();
            resource["resourceType"] == "ServiceRequest"
                && all.is_some_and(|all| all.iter().any(|one| one["value"] == wanted))
        };
        self.all.iter().map(|(_, one)| *one).find(|one| is_it(one)).ok_or_else(|| invalid(place))
    }

    /// Who sends, who asks, and which service is asked.
    fn parties(&self, header: &Value, request: &Value, config: &MessagePlatformConfig) -> Result<(), Refused> {
        if !header["source"]["endpoint"].is_string() {
            return Err(missing("MessageHeader.source.endpoint"));
        }
        let destination = &header["destination"][0];
        if !destination["endpoint"].is_string() {
            return Err(missing("MessageHeader.destination[0].endpoint"));
        }
        self.service(&destination["receiver"], "MessageHeader.destination[0].receiver", config)?;
        for (element, place) in [
            (&header["sender"], "MessageHeader.sender"),
            (&header["author"], "MessageHeader.author"),
            (&request["requester"], "ServiceRequest.requester"),
        ] {
            let role = self.referred(element, "PractitionerRole", place)?;
            let organisation = self.referred(&role["organization"], "Organization", "PractitionerRole.organization")?;
            if !organisation["name"].is_string() {
                return Err(missing("Organization.name"));
            }
        }
        self.service(&request["performer"][0], "ServiceRequest.performer[0]", config)
    }

    fn service(&self, element: &Value, place: &str, config: &MessagePlatformConfig) -> Result<(), Refused> {
        let role = self.referred(element, "PractitionerRole", place)?;
        let identifiers = role["identifier"].as_array().cloned().unwrap_or_default();
        let is_ours = |one: &Value| {
            config
                .services
                .iter()
                .any(|(system, value)| one["system"] == system.as_str() && one["value"] == value.as_str())
        };
        if identifiers.iter().any(is_ours) { Ok(()) } else { Err(Refused::new(422, "not-found", place)) }
    }

    fn request(&self, request: &Value, event: &str, config: &MessagePlatformConfig) -> Result<(), Refused> {
        let withdrawal = event == "revoke-service-request";
        let status = request["status"].as_str().ok_or_else(|| missing("ServiceRequest.status"))?;
        if status != "active" && !(withdrawal && status == "revoked") {
            return Err(invalid("ServiceRequest.status"));
        }
        if request["intent"] != "proposal" {
            return Err(invalid("ServiceRequest.intent"));
        }
        let identifiers = request["identifier"].as_array().filter(|all| !all.is_empty());
        let identifiers = identifiers.ok_or_else(|| missing("ServiceRequest.identifier"))?;
        if let Some(place) = identifiers.iter().position(|one| !one["value"].is_string()) {
            return Err(missing(format!("ServiceRequest.identifier[{place}].value")));
        }
        if withdrawal && !config.person_in_withdrawal {
            return if request["subject"].is_object() { Ok(()) } else { Err(missing("ServiceRequest.subject")) };
        }
        if !request["authoredOn"].as_str().is_some_and(is_instant) && !withdrawal {
            return Err(missing("ServiceRequest.authoredOn"));
        }
        let patient = self.referred(&request["subject"], "Patient", "ServiceRequest.subject")?;
        let name = &patient["name"][0];
        if !name["family"].is_string() && !name["text"].is_string() {
            return Err(missing("Patient.name[0].family"));
        }
        Ok(())
    }
}
