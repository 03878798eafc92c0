//! What people at the charity do with records, and what a test may look at.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::Salesforce;
use super::object::{Record, SObject, Stored};

/// A time as the REST API writes it: UTC, whole seconds, the offset without a colon.
pub(super) fn stamp(at: OffsetDateTime) -> String {
    let form = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].000+0000");
    at.to_offset(time::UtcOffset::UTC).format(form).unwrap_or_default()
}

impl Stored {
    pub(super) fn is(&self, id: &str) -> bool {
        self.fields.get("Id").and_then(Value::as_str) == Some(id)
    }
}

impl SObject {
    /// Ids of the records whose field has this value.
    pub(super) fn holding(&self, field: &str, value: &str) -> Vec<String> {
        let same = |record: &&Stored| {
            let own = record.fields.get(field).and_then(Value::as_str);
            !record.deleted && own.is_some_and(|own| own.eq_ignore_ascii_case(value))
        };
        self.records
            .iter()
            .filter(same)
            .filter_map(|record| Some(record.fields.get("Id")?.as_str()?.to_owned()))
            .collect()
    }

    /// Whether another record than `id` is of the same client.
    pub(super) fn has_double(&self, body: &Record, id: Option<&str>) -> bool {
        let same = |record: &Stored, field: &str| {
            record.fields.get(field).zip(body.get(field)).is_some_and(|(own, other)| own == other)
        };
        self.records
            .iter()
            .filter(|record| !record.deleted && id.is_none_or(|id| !record.is(id)))
            .any(|record| same(record, "ClientName") && same(record, "ClientPhone"))
    }
}

impl Salesforce {
    /// Ids of the records of an object that hold this value in a field, in the order in which they were made.
    #[must_use]
    pub fn holding(&self, object: &str, field: &str, value: &str) -> Vec<String> {
        self.objects.get(object).map(|object| object.holding(field, value)).unwrap_or_default()
    }

    /// How many records an object has, without the deleted.
    #[must_use]
    pub fn count(&self, object: &str) -> usize {
        let records = self.objects.get(object).map(|object| object.records.as_slice()).unwrap_or_default();
        records.iter().filter(|record| !record.deleted).count()
    }

    /// What a record holds.
    #[must_use]
    pub fn record(&self, id: &str) -> Option<Record> {
        let mut all = self.objects.values().flat_map(|object| &object.records);
        all.find(|record| record.is(id) && !record.deleted).map(|record| record.fields.clone())
    }

    /// Somebody changes a field by hand. `false` if there is no such record, or the field does not take the value.
    pub fn edit(&mut self, id: &str, field: &str, value: &str, now: OffsetDateTime) -> bool {
        let Some(name) = self.object_of(id) else { return false };
        let value = json!(value);
        let taken = self
            .objects
            .get(&name)
            .and_then(|object| object.known(field))
            .is_some_and(|field| field.fault(&value).is_none());
        if taken {
            self.write(&name, id, Record::from([(field.to_owned(), value)]), now);
        }
        taken
    }

    /// Somebody deletes it.
    pub fn delete(&mut self, id: &str) {
        for record in self.objects.values_mut().flat_map(|object| &mut object.records).filter(|record| record.is(id)) {
            record.deleted = true;
        }
    }

    /// Makes a second record with the same values, as an import does that a field which is not unique lets through.
    pub fn double(&mut self, id: &str) {
        let number = self.number();
        let Some(name) = self.object_of(id) else { return };
        let Some(object) = self.objects.get_mut(&name) else { return };
        let Some(mut record) = object.records.iter().find(|record| record.is(id)).cloned() else { return };
        record.fields.insert("Id".to_owned(), json!(format!("{}xx{number:010}EAA", object.prefix)));
        object.records.push(record);
    }

    fn object_of(&self, id: &str) -> Option<String> {
        let found = self.objects.values().find(|object| object.records.iter().any(|record| record.is(id)));
        found.map(|object| object.name.clone())
    }
}
