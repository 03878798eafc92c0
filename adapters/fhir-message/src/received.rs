//! A message of the platform, indexed: its resources, and which referral each of them is about.

use adapter_contract::{IdempotencyKey, PlatformReferralId, systems};
use adapter_fhir::json::Object;
use adapter_fhir::read::{is_id, local_reference};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Entries of one message, at most: a person's referral with all that has accumulated has far fewer.
const MOST_ENTRIES: usize = 500;

/// Characters of a time, at most: every statement repeats the message's.
const LONGEST_TIME: usize = 64;

/// Characters of a key, at most.
const LONGEST_KEY: usize = 200;

/// One resource of the message.
#[derive(Debug)]
pub(crate) struct Resource<'a> {
    /// As it was written.
    pub(crate) text: &'a str,
    /// The same, read.
    pub(crate) value: Value,
}

impl Resource<'_> {
    /// Its type.
    pub(crate) fn kind(&self) -> &str {
        self.text("resourceType").unwrap_or_default()
    }

    /// Its id, if it is one.
    pub(crate) fn id(&self) -> Option<&str> {
        self.text("id").filter(|id| is_id(id))
    }

    /// A member that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.value.get(name).and_then(Value::as_str)
    }
}

/// A message, or another Bundle of the platform.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    /// `Bundle.type`.
    pub(crate) kind: String,
    /// `Bundle.timestamp`.
    pub(crate) timestamp: Option<String>,
    /// In the Bundle's order.
    pub(crate) resources: Vec<Resource<'a>>,
    /// Places by full URL and by `Type/id`.
    places: HashMap<String, usize>,
}

/// A referral as a message speaks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    /// The platform's name for it; our key where it gives none.
    pub(crate) name: PlatformReferralId,
    /// Our key, if the message repeats it.
    pub(crate) key: Option<IdempotencyKey>,
    /// True if the request stands in the place of the one that was sent: it was forwarded.
    pub(crate) forwarded: bool,
    /// Place of the request in the message, if it is in it.
    pub(crate) request: Option<usize>,
}

impl<'a> Received<'a> {
    /// Reads the Bundle.
    ///
    /// # Errors
    /// What is wrong with it, in words without a value.
    pub(crate) fn read(body: &'a str) -> Result<Self, &'static str> {
        let bundle = Object::read(body).ok_or("is not a JSON object")?;
        if bundle.string("resourceType").as_deref() != Some("Bundle") {
            return Err("is not a Bundle");
        }
        let entries = bundle.array("entry");
        if entries.len() > MOST_ENTRIES {
            return Err("has more entries than the gateway reads");
        }
        let (mut resources, mut places) = (Vec::new(), HashMap::new());
        // An entry without a resource is passed over: it says nothing.
        for entry in entries.into_iter().filter_map(Object::read) {
            let Some(text) = entry.raw("resource") else { continue };
            let Ok(value) = serde_json::from_str::<Value>(text) else { continue };
            let resource = Resource { text, value };
            let local = resource.id().map(|id| format!("{}/{id}", resource.kind()));
            for name in [entry.string("fullUrl"), local].into_iter().flatten() {
                // Ocean sends everything that it ever sent; of two of one name the first is the nearest to the focus.
                places.entry(name).or_insert(resources.len());
            }
            resources.push(resource);
        }
        let kind = bundle.string("type").unwrap_or_default();
        let timestamp = bundle.string("timestamp").filter(|timestamp| timestamp.len() <= LONGEST_TIME);
        Ok(Self { kind, timestamp, resources, places })
    }

    /// The resources of one type.
    pub(crate) fn of_kind<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'s Resource<'a>> {
        self.resources.iter().filter(move |resource| resource.kind() == kind)
    }

    /// The resource that is meant, if it is in the message. No address is ever followed.
    pub(crate) fn find(&self, reference: &str) -> Option<(usize, &Resource<'a>)> {
        let place = self.places.get(reference).or_else(|| self.places.get(&local_reference(reference)?))?;
        Some((*place, self.resources.get(*place)?))
    }

    /// The referral that a reference or identifier of a resource means.
    pub(crate) fn meant(&self, reference: &Value) -> Option<About> {
        if let Some(literal) = reference.get("reference").and_then(Value::as_str) {
            if let Some((place, request)) = self.find(literal).filter(|(_, one)| one.kind() == "ServiceRequest") {
                return self.about(place, request);
            }
            let id = local_reference(literal)?.strip_prefix("ServiceRequest/")?.to_owned();
            let key = self.header_key().filter(|key| key.0 != id && self.of_kind("ServiceRequest").next().is_none());
            return Some(About { name: PlatformReferralId(id), key, forwarded: false, request: None });
        }
        let identifier = reference.get("identifier")?;
        let wanted = identifier_parts(identifier)?;
        let same =
            |request: &Resource<'_>| identifiers(&request.value).any(|one| identifier_parts(one) == Some(wanted));
        let mut places = self.resources.iter().enumerate().filter(|(_, one)| one.kind() == "ServiceRequest");
        if let Some((place, request)) = places.find(|(_, request)| same(request)) {
            return self.about(place, request);
        }
        let key = own_key(identifier)?;
        let name = PlatformReferralId(key.0.clone());
        Some(About { name, key: Some(key), forwarded: false, request: None })
    }

    /// The referral of a resource that names none, where the message has only one.
    pub(crate) fn only(&self) -> Option<About> {
        let mut requests = self.resources.iter().enumerate().filter(|(_, one)| one.kind() == "ServiceRequest");
        match (requests.next(), requests.next()) {
            (Some((place, request)), None) => self.about(place, request),
            (None, _) => {
                let key = self.header_key()?;
                let name = PlatformReferralId(key.0.clone());
                Some(About { name, key: Some(key), forwarded: false, request: None })
            }
            (Some(_), Some(_)) => None,
        }
    }

    /// Follows a request to the one that it stands in the place of (`replaces`), within the message.
    pub(crate) fn about(&self, place: usize, request: &Resource<'_>) -> Option<About> {
        let (mut at, mut seen) = (request, HashSet::from([place]));
        let (mut name, mut key) = (at.id().map(str::to_owned), key_of(&at.value));
        let mut forwarded = false;
        while let Some(before) = at.value.pointer("/replaces/0/reference").and_then(Value::as_str) {
            match self.find(before).filter(|(_, one)| one.kind() == "ServiceRequest") {
                // Two that replace each other are forwarded to nobody.
                Some((place, _)) if !seen.insert(place) => break,
                Some((_, next)) => {
                    at = next;
                    name = at.id().map(str::to_owned).or(name);
                    key = key_of(&at.value).or(key);
                }
                None => {
                    let local = local_reference(before);
                    let Some(id) = local.as_deref().and_then(|local| local.strip_prefix("ServiceRequest/")) else {
                        break;
                    };
                    name = Some(id.to_owned());
                    forwarded = true;
                    break;
                }
            }
            forwarded = true;
        }
        let header = || self.header_key().filter(|key| Some(&key.0) != name.as_ref() && self.has_one_referral());
        let key = key.or_else(header);
        let name = name.or_else(|| key.as_ref().map(|key| key.0.clone()))?;
        Some(About { name: PlatformReferralId(name), key, forwarded, request: Some(place) })
    }

    /// Whether its requests stand for one referral: the header's id then is that referral's, and nobody else's.
    fn has_one_referral(&self) -> bool {
        let inside = |request: &&Resource<'_>| {
            let before = request.value.pointer("/replaces/0/reference").and_then(Value::as_str);
            before.and_then(|before| self.find(before)).is_some_and(|(_, one)| one.kind() == "ServiceRequest")
        };
        let requests = self.of_kind("ServiceRequest");
        requests.filter(|request| !inside(request)).nth(1).is_none()
    }

    /// The referral that a resource of the message is about.
    pub(crate) fn about_of(&self, place: usize) -> Option<About> {
        let resource = self.resources.get(place)?;
        let lists: &[&str] = match resource.kind() {
            "ServiceRequest" => return self.about(place, resource),
            "Task" | "Appointment" => &["basedOn"],
            "Communication" => &["basedOn", "about"],
            _ => return None,
        };
        let focus = resource.value.get("focus").filter(|_| resource.kind() == "Task");
        let listed = lists.iter().filter_map(|name| resource.value.get(name)?.as_array()).flatten();
        let by_reference = focus.into_iter().chain(listed).find_map(|reference| self.meant(reference));
        // BSeR puts the placer's number on the Task itself.
        let by_identifier = || {
            let key = key_of(&resource.value)?;
            let name = PlatformReferralId(key.0.clone());
            Some(About { name, key: Some(key), forwarded: false, request: None })
        };
        let found = by_reference.or_else(by_identifier).or_else(|| self.only())?;
        Some(About { key: found.key.or_else(|| key_of(&resource.value)), ..found })
    }

    /// The sender's id of the referral, as the header's extension repeats it (`ext-id-message-header`).
    fn header_key(&self) -> Option<IdempotencyKey> {
        let header = self.resources.first().filter(|one| one.kind() == "MessageHeader")?;
        let extensions = header.value.get("extension")?.as_array()?.iter();
        let is_id = |one: &&Value| {
            one.get("url").and_then(Value::as_str).is_some_and(|url| url.ends_with("ext-id-message-header"))
        };
        extensions.filter(is_id).find_map(|one| {
            let value = one.get("valueString").or_else(|| one.pointer("/valueIdentifier/value"))?;
            bounded(value.as_str()?)
        })
    }
}

/// Our key among a resource's identifiers.
pub(crate) fn key_of(resource: &Value) -> Option<IdempotencyKey> {
    identifiers(resource).find_map(own_key)
}

fn own_key(identifier: &Value) -> Option<IdempotencyKey> {
    let (system, value) = identifier_parts(identifier)?;
    if system == Some(systems::REFERRAL_KEY) { bounded(value) } else { None }
}

fn bounded(key: &str) -> Option<IdempotencyKey> {
    let key = key.trim();
    (!key.is_empty() && key.len() <= LONGEST_KEY).then(|| IdempotencyKey(key.to_owned()))
}

fn identifiers(resource: &Value) -> impl Iterator<Item = &Value> {
    resource.get("identifier").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter()
}

/// System and value. Ocean sends identifiers with a system and no value: they name nothing.
fn identifier_parts(identifier: &Value) -> Option<(Option<&str>, &str)> {
    let value = identifier.get("value")?.as_str().filter(|value| !value.trim().is_empty())?;
    Some((identifier.get("system").and_then(Value::as_str), value))
}
