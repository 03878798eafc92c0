//! Objects and their fields, as describe tells them, and what a field takes.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The record's id.
    Id,
    /// One line of text.
    Text,
    /// Several lines; cannot be filtered by.
    TextArea,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// One of several words.
    Picklist,
    /// Some of several words, divided by semicolons.
    MultiPicklist,
    /// A date and time.
    DateTime,
    /// A day.
    Date,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Text => "string",
            Self::TextArea => "textarea",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Picklist => "picklist",
            Self::MultiPicklist => "multipicklist",
            Self::DateTime => "datetime",
            Self::Date => "date",
        }
    }
}

/// A field.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are what describe says of a field")]
pub struct Field {
    /// Its API name.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Most characters.
    pub length: usize,
    /// May be given when a record is made.
    pub createable: bool,
    /// May be changed.
    pub updateable: bool,
    /// May be addressed by.
    pub external_id: bool,
    /// No two records have the same value.
    pub unique: bool,
    /// A record without it is not made.
    pub required: bool,
    /// Takes the words of the list alone.
    pub restricted: bool,
    /// Words, and whether each is in use.
    pub words: Vec<(String, bool)>,
}

impl Field {
    /// A field that may be given and changed.
    #[must_use]
    pub fn new(name: &str, kind: Kind, length: usize) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            length,
            createable: true,
            updateable: true,
            external_id: false,
            unique: false,
            required: false,
            restricted: false,
            words: Vec::new(),
        }
    }

    /// One that only the platform writes.
    #[must_use]
    pub fn of_system(name: &str, kind: Kind, length: usize) -> Self {
        Self { createable: false, updateable: false, ..Self::new(name, kind, length) }
    }

    /// A unique text field that is marked as external id.
    #[must_use]
    pub fn key(name: &str) -> Self {
        Self { external_id: true, unique: true, ..Self::new(name, Kind::Text, 36) }
    }

    /// The same with the words of a list.
    #[must_use]
    pub fn with_words(mut self, restricted: bool, words: &[&str]) -> Self {
        self.restricted = restricted;
        self.words = words.iter().map(|word| ((*word).to_owned(), true)).collect();
        self
    }

    pub(super) fn described(&self) -> Value {
        let words = self.words.iter().map(|(word, active)| {
            json!({ "active": active, "defaultValue": false, "label": word, "validFor": null, "value": word })
        });
        json!({
            "name": self.name, "label": self.name, "type": self.kind.word(), "length": self.length,
            "createable": self.createable, "updateable": self.updateable, "externalId": self.external_id,
            "unique": self.unique, "nillable": !self.required, "custom": self.name.ends_with("__c"),
            "filterable": self.kind != Kind::TextArea, "restrictedPicklist": self.restricted,
            "idLookup": self.external_id || self.kind == Kind::Id, "picklistValues": words.collect::<Vec<_>>(),
        })
    }

    /// Why a value is not taken: error code and words.
    pub(super) fn fault(&self, value: &Value) -> Option<(&'static str, String)> {
        let Value::String(text) = value else {
            let said = format!("Cannot deserialize instance of {} from {value}", self.kind.word());
            return (!value.is_null()).then_some(("JSON_PARSER_ERROR", said));
        };
        let measured = !matches!(self.kind, Kind::MultiPicklist | Kind::Date | Kind::DateTime);
        if measured && text.encode_utf16().count() > self.length {
            let said = format!("{}: data value too large: (max length={})", self.name, self.length);
            return Some(("STRING_TOO_LONG", said));
        }
        match self.kind {
            Kind::Email if !email(text) => {
                Some(("INVALID_EMAIL_ADDRESS", format!("{}: invalid email address", self.name)))
            }
            Kind::Picklist if self.restricted && !self.in_use(text) => Some(restricted(&self.name)),
            Kind::MultiPicklist if self.restricted && !text.split(';').all(|word| self.in_use(word)) => {
                Some(restricted(&self.name))
            }
            Kind::Date if !is_date(text) => {
                Some(("JSON_PARSER_ERROR", "Cannot deserialize instance of date from VALUE_STRING value".to_owned()))
            }
            _ => None,
        }
    }

    fn in_use(&self, word: &str) -> bool {
        self.words.iter().any(|(known, active)| known == word && *active)
    }
}

fn restricted(name: &str) -> (&'static str, String) {
    ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", format!("{name}: bad value for restricted picklist field"))
}

fn email(text: &str) -> bool {
    let blank = text.chars().any(char::is_whitespace);
    !blank
        && text
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'))
}

fn is_date(text: &str) -> bool {
    time::Date::parse(text, time::macros::format_description!("[year]-[month]-[day]")).is_ok()
}

/// A record: what its fields hold.
pub type Record = BTreeMap<String, Value>;

/// An object with its records.
#[derive(Debug, Clone)]
pub struct SObject {
    /// Its API name.
    pub name: String,
    /// The first three characters of its records' ids.
    pub prefix: String,
    /// What the program's user may do: create, update, read.
    pub rights: [bool; 3],
    /// Its fields.
    pub fields: Vec<Field>,
    /// Its records, deleted ones too.
    pub(super) records: Vec<Stored>,
}

/// A record of an object.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) fields: Record,
    pub(super) deleted: bool,
}

impl SObject {
    /// An object with the fields that each has, and these.
    #[must_use]
    pub fn new(name: &str, prefix: &str, fields: Vec<Field>) -> Self {
        let mut all = vec![
            Field::of_system("Id", Kind::Id, 18),
            Field::of_system("CreatedDate", Kind::DateTime, 0),
            Field::of_system("SystemModstamp", Kind::DateTime, 0),
        ];
        all.extend(fields);
        Self { name: name.to_owned(), prefix: prefix.to_owned(), rights: [true; 3], fields: all, records: Vec::new() }
    }

    /// A field, to change it.
    pub fn field(&mut self, name: &str) -> Option<&mut Field> {
        self.fields.iter_mut().find(|field| field.name == name)
    }

    /// Takes a field away: another licence, or no access to it.
    pub fn remove(&mut self, name: &str) {
        self.fields.retain(|field| field.name != name);
    }

    pub(super) fn known(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn described(&self) -> Value {
        let [createable, updateable, queryable] = self.rights;
        json!({
            "name": self.name, "label": self.name, "custom": self.name.ends_with("__c"), "keyPrefix": self.prefix,
            "createable": createable, "updateable": updateable, "queryable": queryable, "retrieveable": queryable,
            "fields": self.fields.iter().map(Field::described).collect::<Vec<_>>(),
        })
    }
}

/// What the organisation has paid for: the same object name means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Licence {
    /// Nonprofit Cloud or Public Sector Solutions: referrals of clients.
    PublicSector,
    /// Referral Marketing alone: what an advocate brings in. Client fields are reserved, and there is no status of authorization.
    ReferralMarketing,
    /// Neither: there is no such object.
    Core,
}

impl Licence {
    pub(super) fn objects(self) -> Vec<SObject> {
        match self {
            Self::PublicSector => vec![referral()],
            Self::ReferralMarketing => {
                let mut object = referral();
                for reserved in ["AuthorizationStatus", "Category", "ClientLanguage"] {
                    object.remove(reserved);
                }
                vec![object]
            }
            Self::Core => Vec::new(),
        }
    }
}

/// The object `Referral` of Nonprofit Cloud and Public Sector Solutions, as far as it is documented, with a field of the
/// organisation's own for the gateway's key.
#[must_use]
pub fn referral() -> SObject {
    let languages =
        ["Arabic", "Chinese", "Dutch", "English", "French", "German", "Hindi", "Portuguese", "Russian", "Spanish"];
    let fields = vec![
        Field::of_system("Name", Kind::Text, 255),
        Field::new("AuthorizationStatus", Kind::Picklist, 255)
            .with_words(true, &["Authorized", "In Review", "Rejected", "Submitted"]),
        Field::new("Category", Kind::Picklist, 40).with_words(false, &["Befriending", "Food"]),
        Field::new("ClientEmail", Kind::Email, 80),
        Field::new("ClientLanguage", Kind::MultiPicklist, 4099).with_words(false, &languages),
        Field::new("ClientName", Kind::Text, 255),
        Field::new("ClientPhone", Kind::Phone, 40),
        Field::new("Comments", Kind::TextArea, 5000),
        Field::new("Description", Kind::TextArea, 5000),
        Field::key("VcseReferralKey__c"),
    ];
    SObject::new("Referral", "0dV", fields)
}
