//! A referral with a value of its own at each element path that R4 has for the types that the gateway takes: extensions,
//! siblings of primitives, contained resources, narrative, other people's records.
//!
//! One document cannot hold every type of a choice, so there are several rounds, each with the next type. What is bound to
//! a fixed set of codes, and yes or no, cannot be told from others and is no canary.

use gateway_core::ingest::STORED;
use gateway_core::minimise::Whole;
use gateway_fhir_elements::{Element, Member, is_primitive, member, members};
use serde_json::{Map, Value, json};
use time::{Date, Duration, Month};

/// As many as the longest choice has types, but for those of `Extension` and of the inputs and outputs of a Task: these
/// take all types in turn within one document.
pub(crate) const ROUNDS: usize = 11;

/// A value that stands nowhere else.
#[derive(Debug, Clone)]
pub(crate) struct Canary {
    /// As it would be found among the bytes.
    pub(crate) token: String,
    /// `Type/id` of its resource.
    pub(crate) resource: String,
    /// Element path without indexes.
    pub(crate) path: String,
    /// It stands in a reference to the person.
    pub(crate) names_the_person: bool,
}

/// The referral and what was planted in it.
pub(crate) struct Planted {
    pub(crate) whole: Whole,
    pub(crate) canaries: Vec<Canary>,
}

/// Plants a referral. `modifiers`: with modifier extensions below the resources, which take elements along.
pub(crate) fn plant(round: usize, modifiers: bool) -> Planted {
    let mut planter = Planter { round, modifiers, next: 0, times: 0, resource: String::new(), canaries: Vec::new() };
    let mut request = planter.resource("ServiceRequest", "sr");
    let patient = planter.resource("Patient", "p");
    let task = planter.resource("Task", "t");
    let mut others: Vec<(String, Value)> = Vec::new();
    let own = ["ServiceRequest", "Patient", "Task"];
    let kinds = STORED.iter().filter(|kind| !own.contains(kind)).map(|kind| (*kind, "x"));
    for (kind, id) in kinds.chain([("Patient", "other"), ("Condition", "another"), ("RelatedPerson", "another")]) {
        let mut resource = planter.resource(kind, id);
        for element in ["subject", "patient"].into_iter().filter(|_| id == "another") {
            if resource.get(element).is_some() {
                resource[element]["reference"] = json!("Patient/other");
            }
        }
        if kind == "Flag" {
            // One that is no reasonable adjustment is refused by an adapter, and nothing would be sent at all.
            let category = json!({"code": "RA", "system": "urn:example:categories"});
            if let Some(all) = resource["category"][0]["coding"].as_array_mut() {
                all.push(category);
            }
        }
        others.push((format!("{kind}/{id}"), resource));
    }
    // Whatever there is can be reached.
    let references: Vec<Value> = others.iter().map(|(name, _)| json!({ "reference": name })).collect();
    for element in ["supportingInfo", "reasonReference"] {
        if let Some(all) = request[element].as_array_mut() {
            all.extend(references.iter().cloned());
        }
    }
    let related = others.into_iter().map(|(name, resource)| (name, resource.into())).collect();
    let whole = Whole { service_request: request.into(), patient: patient.into(), task: task.into(), related };
    Planted { whole, canaries: planter.canaries }
}

struct Planter {
    round: usize,
    modifiers: bool,
    next: u32,
    /// Days and seconds that were used: there are fewer of them, and none may stand twice.
    times: u32,
    resource: String,
    canaries: Vec<Canary>,
}

/// Where the planter stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a str,
    /// Types and backbone elements above, innermost last: none stands within itself.
    above: &'a [&'static str],
    names_the_person: bool,
    /// Which type a choice takes.
    variant: usize,
}

impl Planter {
    fn resource(&mut self, kind: &str, id: &str) -> Value {
        self.resource = format!("{kind}/{id}");
        let Some((name, _)) = gateway_fhir_elements::resource_node(kind) else { panic!("{kind} is in R4") };
        let place = Place { path: kind, above: &[name], names_the_person: false, variant: self.round };
        let mut object = Map::from_iter([("resourceType".to_owned(), json!(kind)), ("id".to_owned(), json!(id))]);
        object.extend(self.members(name, place));
        let inner = ["Patient", "Organization"].map(|inner| {
            let name = self.token(&format!("{kind}.contained.name"));
            json!({"resourceType": inner, "id": "inner", "name": [{ "text": name }]})
        });
        object.insert("contained".to_owned(), json!(inner));
        Value::Object(object)
    }

    fn members(&mut self, under: &'static str, place: Place<'_>) -> Map<String, Value> {
        let mut object = Map::new();
        let is_root = !place.path.contains('.');
        for element in members(under) {
            let is_within = place.above.contains(&"Extension");
            let skipped = match element.name {
                "id" | "modifierExtension" if is_root => true,
                "contained" => true,
                "modifierExtension" => !self.modifiers || is_within,
                "extension" => is_within,
                _ => false,
            };
            if !skipped {
                self.element(under, element, place, &mut object);
            }
        }
        object
    }

    fn element(
        &mut self,
        under: &'static str,
        element: &'static Element,
        place: Place<'_>,
        into: &mut Map<String, Value>,
    ) {
        let Some(one) = element.types.get(place.variant % element.types.len().max(1)) else { return };
        let name =
            if element.choice { format!("{}{}", element.name, capital(one.code)) } else { element.name.to_owned() };
        if element.path == "Patient.deceased[x]" {
            // Of a person who has died nothing is sent.
            into.insert("deceasedBoolean".to_owned(), json!(false));
            return;
        }
        let Some(found) = member(under, &name) else { return };
        let path = format!("{}.{name}", place.path);
        if is_primitive(found.type_code) {
            let value = self.primitive(&found, &path, place);
            let sibling = json!({
                "id": self.planted(&path, "id", place),
                "extension": [{"url": self.planted(&path, "extension.url", place),
                    "valueString": self.planted(&path, "extension.valueString", place)}],
            });
            let (value, sibling) =
                if element.repeats() { (json!([value]), json!([sibling])) } else { (value, sibling) };
            into.insert(name.clone(), value);
            // An extension is deep enough as it is.
            if !place.above.contains(&"Extension") && name != "url" {
                into.insert(format!("_{name}"), sibling);
            }
            return;
        }
        // What an extension holds is looked at one level deep: it goes or stays as a whole.
        let is_deep = place.above.contains(&"Extension") && place.above.last() != Some(&"Extension");
        if place.above.contains(&found.under) || found.type_code == "Resource" || is_deep {
            return;
        }
        // An element with a choice of fifty types stands as often as there are types.
        let longest = members(found.under).map(|inner| inner.types.len()).max().unwrap_or(1);
        let times = if element.repeats() && longest > ROUNDS && found.type_code != "Extension" { longest } else { 1 };
        let above = [place.above, &[found.under]].concat();
        let mut all = Vec::new();
        for time in 0..times {
            let variant = match found.type_code {
                "Extension" => self.next as usize,
                _ if times > 1 => time,
                _ => place.variant,
            };
            let inner = Place { path: &path, above: &above, variant, ..place };
            all.push(if found.type_code == "Reference" {
                self.reference(&found, inner)
            } else {
                Value::Object(self.members(found.under, inner))
            });
        }
        let value = if element.repeats() { Value::Array(all) } else { all.swap_remove(0) };
        into.insert(name, value);
    }

    /// A reference that leads somewhere if it can: to the person, or to what is there of the types that it may have.
    fn reference(&mut self, found: &Member, place: Place<'_>) -> Value {
        let literal = match place.path {
            "Task.focus" => "ServiceRequest/sr".to_owned(),
            path if path.ends_with(".link.other") => "Patient/other".to_owned(),
            _ if found.targets.contains(&"Patient") => "Patient/p".to_owned(),
            _ => {
                let there = |kind: &&&str| STORED.contains(kind) && !matches!(**kind, "ServiceRequest" | "Task");
                found.targets.iter().find(there).map_or_else(|| "Observation/x".to_owned(), |kind| format!("{kind}/x"))
            }
        };
        let names_the_person = literal.starts_with("Patient/");
        let mut object = self.members("Reference", Place { names_the_person, ..place });
        object.insert("reference".to_owned(), json!(literal));
        Value::Object(object)
    }

    fn primitive(&mut self, found: &Member, path: &str, place: Place<'_>) -> Value {
        if let Some(codes) = found.element.codes {
            // Which telephone, address or name it is decides what an adapter reads: in turn. Elsewhere the first will do.
            let in_turn = matches!(found.element.name, "system" | "use");
            let all: Vec<&str> = codes.pairs().map(|(_, code)| code).collect();
            let place = if in_turn { self.round % all.len().max(1) } else { 0 };
            return json!(all.get(place));
        }
        let token = match found.type_code {
            "boolean" => return json!(false),
            "date" | "dateTime" | "instant" => {
                self.times += 1;
                // Long ago: the person, whose elements come early, has to be of age.
                let first = Date::from_calendar_date(1900, Month::January, 1).unwrap_or(Date::MIN);
                (first + Duration::days(i64::from(self.times))).to_string()
            }
            "time" => {
                self.times += 1;
                let second = self.times;
                format!("{:02}:{:02}:{:02}", 1 + second / 3600 % 23, second / 60 % 60, second % 60)
            }
            "integer" | "positiveInt" | "unsignedInt" | "decimal" => {
                self.next += 1;
                (700_000_000 + self.next).to_string()
            }
            _ => return self.planted_at(path, place),
        };
        let (path, resource) = (path.to_owned(), self.resource.clone());
        let value = match found.type_code {
            "dateTime" | "instant" => json!(format!("{token}T00:00:00Z")),
            "date" | "time" => json!(token),
            _ => serde_json::from_str(&token).unwrap_or_default(),
        };
        self.canaries.push(Canary { token, resource, path, names_the_person: place.names_the_person });
        value
    }

    fn planted(&mut self, path: &str, below: &str, place: Place<'_>) -> Value {
        self.planted_at(&format!("{path}.{below}"), place)
    }

    fn planted_at(&mut self, path: &str, place: Place<'_>) -> Value {
        let token = self.token(path);
        if let Some(canary) = self.canaries.last_mut() {
            canary.names_the_person = place.names_the_person;
        }
        if path.ends_with(".div") { json!(format!("<div>{token}</div>")) } else { json!(token) }
    }

    /// Twelve letters and digits: valid as Base64, unchanged in any address or escape.
    fn token(&mut self, path: &str) -> String {
        self.next += 1;
        let token = format!("cnry{:07}q", self.next);
        let (resource, path) = (self.resource.clone(), path.to_owned());
        self.canaries.push(Canary { token: token.clone(), resource, path, names_the_person: false });
        token
    }
}

fn capital(type_code: &str) -> String {
    let mut letters = type_code.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
