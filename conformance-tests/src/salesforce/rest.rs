//! The REST resources: describe, rows by id and by external id, query.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::object::{Record, SObject, Stored};
use super::records::stamp;
use super::{NEWEST_VERSION, Rest, Salesforce, error, not_found, soql};
use crate::simulator::{Answer, Asked};

/// Endings by which an address asks for a format. A value in an address that ends so is taken for one (the guide names `.inc`).
const SUFFIXES: [&str; 3] = [".inc", ".json", ".xml"];

impl Salesforce {
    pub(super) fn rest(&mut self, asked: &Asked, parts: &[&str], now: OffsetDateTime) -> Answer {
        let ["services", "data", version, below @ ..] = parts else { return not_found() };
        let Some(number) = offered(version) else { return not_found() };
        if below.last().is_some_and(|last| SUFFIXES.iter().any(|suffix| last.ends_with(suffix))) {
            return not_found();
        }
        match (asked.method.as_str(), below) {
            ("GET", ["sobjects", object, "describe"]) => match self.objects.get(*object) {
                Some(object) => Answer::json(200, &object.described()),
                None => not_found(),
            },
            ("PATCH", ["sobjects", object, field, value]) => self.upsert(asked, (object, field, value), number, now),
            ("PATCH", ["sobjects", object, id]) => self.update(asked, object, id, now),
            ("GET", ["query"]) => match asked.parameter("q") {
                Some(query) => self.query(&query, number),
                None => error(400, "MALFORMED_QUERY", "a query is expected", &[]),
            },
            ("GET", ["query", locator]) => self.page_of(locator, number),
            (_, ["query", ..] | ["sobjects", _, ..]) => {
                error(405, "METHOD_NOT_ALLOWED", "HTTP method not allowed for this resource", &[])
            }
            _ => not_found(),
        }
    }

    fn upsert(&mut self, asked: &Asked, at: (&str, &str, &str), version: u32, now: OffsetDateTime) -> Answer {
        let (name, field, value) = at;
        let Some(object) = self.objects.get(name) else { return not_found() };
        if !object.known(field).is_some_and(|field| field.external_id) {
            return error(404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible", &[]);
        }
        let body = match body(asked) {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        if body.keys().any(|key| key.eq_ignore_ascii_case(field)) {
            let said = "The external id stands in the address and not in the body.";
            return error(400, "INVALID_FIELD", said, &[field]);
        }
        let found: Vec<String> = object.holding(field, value);
        match found.as_slice() {
            [] => {
                let key = Value::from(value);
                if let Some(fault) = object.known(field).and_then(|field| field.fault(&key)) {
                    return error(400, fault.0, &fault.1, &[field]);
                }
                self.create(name, body, (field, key), now)
            }
            [id] => {
                let id = id.clone();
                if let Some(refused) = self.refuses(name, &body, Some(&id)) {
                    return refused;
                }
                self.write(name, &id, body, now);
                if version < 46 {
                    return Answer::bare(204);
                }
                Answer::json(200, &json!({ "id": id, "success": true, "errors": [], "created": false }))
            }
            several => {
                let links = several.iter().map(|id| format!("/services/data/v{version}.0/sobjects/{name}/{id}"));
                Answer::json(300, &json!(links.collect::<Vec<_>>()))
            }
        }
    }

    fn create(&mut self, name: &str, body: Record, key: (&str, Value), now: OffsetDateTime) -> Answer {
        if let Some(refused) = self.refuses(name, &body, None) {
            return refused;
        }
        let number = self.number();
        let Some(object) = self.objects.get_mut(name) else { return not_found() };
        let id = format!("{}xx{number:010}EAA", object.prefix);
        let mut fields = body;
        fields.insert(key.0.to_owned(), key.1);
        fields.insert("Id".to_owned(), json!(id));
        fields.insert("Name".to_owned(), json!(format!("R-{number:08}")));
        fields.insert("CreatedDate".to_owned(), json!(stamp(now)));
        fields.insert("SystemModstamp".to_owned(), json!(stamp(now)));
        object.records.push(Stored { fields, deleted: false });
        Answer::json(201, &json!({ "id": id, "success": true, "errors": [], "created": true }))
    }

    fn update(&mut self, asked: &Asked, name: &str, id: &str, now: OffsetDateTime) -> Answer {
        let Some(object) = self.objects.get(name) else { return not_found() };
        match object.records.iter().find(|record| record.is(id)) {
            None => {
                return error(404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible", &[]);
            }
            Some(record) if record.deleted => return error(404, "ENTITY_IS_DELETED", "entity is deleted", &[]),
            Some(_) => {}
        }
        let body = match body(asked) {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        if let Some(refused) = self.refuses(name, &body, Some(id)) {
            return refused;
        }
        self.write(name, id, body, now);
        Answer::bare(204)
    }

    /// Why a body is not taken. `id` is the record that it changes.
    fn refuses(&mut self, name: &str, body: &Record, id: Option<&str>) -> Option<Answer> {
        let object = self.objects.get(name)?;
        if let Some(refused) = object.refuses(body, id.is_none()) {
            return Some(refused);
        }
        if self.duplicate_rule && object.has_double(body, id) {
            let said = "You're creating a duplicate record. We recommend you use an existing record instead.";
            return Some(error(400, "DUPLICATES_DETECTED", said, &[]));
        }
        if self.locked > 0 {
            self.locked -= 1;
            let said = "unable to obtain exclusive access to this record or 1 records";
            return Some(error(400, "UNABLE_TO_LOCK_ROW", said, &[]));
        }
        None
    }

    pub(super) fn write(&mut self, name: &str, id: &str, body: Record, now: OffsetDateTime) {
        let Some(object) = self.objects.get_mut(name) else { return };
        if let Some(record) = object.records.iter_mut().find(|record| record.is(id)) {
            record.fields.extend(body);
            record.fields.insert("SystemModstamp".to_owned(), json!(stamp(now)));
        }
    }

    fn query(&mut self, text: &str, version: u32) -> Answer {
        let query = match soql::parse(text) {
            Ok(query) => query,
            Err(fault) => return error(400, "MALFORMED_QUERY", &fault, &[]),
        };
        let Some(object) = self.objects.get(&query.from).filter(|object| object.rights[2]) else {
            let said = format!("sObject type '{}' is not supported.", query.from);
            return error(400, "INVALID_TYPE", &said, &[]);
        };
        match query.run(object) {
            Ok(rows) => self.page(rows, version),
            Err((code, said)) => error(400, code, &said, &[]),
        }
    }

    fn page(&mut self, rows: Vec<Value>, version: u32) -> Answer {
        let total = rows.len();
        self.shown(rows, total, version)
    }

    fn shown(&mut self, mut rows: Vec<Value>, total: usize, version: u32) -> Answer {
        let rest = rows.split_off(rows.len().min(self.page));
        let mut body = json!({ "totalSize": total, "done": rest.is_empty(), "records": rows });
        if !rest.is_empty() {
            let locator = format!("01gxx{:013}-{}", self.number(), self.page);
            body["nextRecordsUrl"] = json!(format!("{}/services/data/v{version}.0/query/{locator}", self.links));
            self.rests.push(Rest { locator, rows: rest, total });
        }
        Answer::json(200, &body)
    }

    fn page_of(&mut self, locator: &str, version: u32) -> Answer {
        match self.rests.iter().find(|rest| rest.locator == locator).cloned() {
            Some(rest) => self.shown(rest.rows, rest.total, version),
            None => error(400, "INVALID_QUERY_LOCATOR", "invalid query locator", &[]),
        }
    }
}

/// The number of a version that is offered: `v62.0`.
fn offered(version: &str) -> Option<u32> {
    let number = version.strip_prefix('v')?.strip_suffix(".0")?;
    number.parse().ok().filter(|number| (31..=NEWEST_VERSION).contains(number))
}

fn body(asked: &Asked) -> Result<Record, Answer> {
    let is_json = asked.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    if !is_json {
        return Err(error(415, "UNSUPPORTED_MEDIA_TYPE", "the media type is not supported", &[]));
    }
    serde_json::from_slice(&asked.body).map_err(|_| error(400, "JSON_PARSER_ERROR", "Unexpected character", &[]))
}

impl SObject {
    /// Why an object does not take a body.
    fn refuses(&self, body: &Record, creates: bool) -> Option<Answer> {
        let [createable, updateable, _] = self.rights;
        if !(if creates { createable } else { updateable }) {
            let said = "insufficient access rights on object id";
            return Some(error(403, "INSUFFICIENT_ACCESS_OR_READONLY", said, &[]));
        }
        for (name, value) in body {
            let Some(field) = self.known(name) else {
                let said = format!("No such column '{name}' on sobject of type {}", self.name);
                return Some(error(400, "INVALID_FIELD", &said, &[]));
            };
            if !(if creates { field.createable } else { field.updateable }) {
                let said = format!("Unable to create/update fields: {name}.");
                return Some(error(400, "INVALID_FIELD_FOR_INSERT_UPDATE", &said, &[name]));
            }
            if let Some((code, said)) = field.fault(value) {
                return Some(error(400, code, &said, &[name]));
            }
        }
        let empty = |name: &str| body.get(name).is_none_or(|value| value.is_null() || value == "");
        let missing: Vec<&str> = self
            .fields
            .iter()
            .filter(|field| {
                field.required
                    && if creates { empty(&field.name) } else { body.contains_key(&field.name) && empty(&field.name) }
            })
            .map(|field| field.name.as_str())
            .collect();
        (!missing.is_empty()).then(|| {
            let said = format!("Required fields are missing: [{}]", missing.join(", "));
            error(400, "REQUIRED_FIELD_MISSING", &said, &missing)
        })
    }
}
