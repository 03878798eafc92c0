//! A double of the Lamplight API, written from its documentation alone (mattparker/lamplight-phpclient, commit fe2c7fa5, `docs/`).
//!
//! It takes what the documentation says that Lamplight takes, and refuses the rest with the documented error codes. Nothing can be
//! read back through the API: a test looks at [`Lamplight::people`] and [`Lamplight::referrals`], as the charity's staff would.
//!
//! What the documentation leaves open is taken the strict way: an error comes with HTTP 400 (as in the tests of the published
//! client), wrong credentials with 401, a field that nobody has enabled is an invalid custom field, and a `<` with anything but a
//! blank behind it is an HTML tag.

mod fields;

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::simulator::{Answer, Api, Asked};

/// How an id stands in an answer: the published client reads all three from any call that saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdForm {
    /// `{"data": 123}`.
    Bare,
    /// `{"data": {"id": 123, "attend": true}}`.
    Record,
    /// `{"data": [{"id": 123, "attend": true}]}`.
    List,
}

/// What the charity has set up.
#[derive(Debug, Clone)]
pub struct LamplightConfig {
    /// Query parameter `lampid`.
    pub lampid: String,
    /// Query parameter `project`.
    pub project: String,
    /// Query parameter `key`.
    pub key: String,
    /// The roles of people that the API may add.
    pub roles: Vec<String>,
    /// Whether the API may add referrals.
    pub referrals: bool,
    /// Ids of the work areas.
    pub workareas: Vec<i64>,
    /// Custom profile fields that the API may set, and their options; without options any text will do.
    pub custom_fields: Vec<(String, Vec<String>)>,
    /// How many more referrals there is room for.
    pub places: Option<u32>,
    /// How people's ids are answered.
    pub person_id: IdForm,
    /// How a referral's id is answered.
    pub referral_id: IdForm,
}

impl Default for LamplightConfig {
    fn default() -> Self {
        Self {
            lampid: "12".to_owned(),
            project: "4".to_owned(),
            key: "lamplight-key-of-tests".to_owned(),
            roles: vec!["user".to_owned(), "contact".to_owned()],
            referrals: true,
            workareas: vec![22, 23],
            custom_fields: Vec::new(),
            places: None,
            person_id: IdForm::Bare,
            referral_id: IdForm::Record,
        }
    }
}

/// A profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Its id.
    pub id: i64,
    /// Its role: `user`, `contact`, …
    pub role: String,
    /// Its fields as they were sent, custom ones included.
    pub fields: Vec<(String, String)>,
}

impl Person {
    /// A field, if it was sent.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.fields, name)
    }
}

/// A referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referral {
    /// Its id.
    pub id: i64,
    /// The profile of the person.
    pub attendee: i64,
    /// The profile of whoever refers, if it was said.
    pub referrer: Option<i64>,
    /// The reason.
    pub reason: String,
    /// The day, `YYYY-mm-dd`.
    pub date_from: String,
    /// The work area, if it was said.
    pub workarea: Option<i64>,
}

/// The double.
#[derive(Debug)]
pub struct Lamplight {
    config: LamplightConfig,
    people: Vec<Person>,
    referrals: Vec<Referral>,
    messages: Vec<String>,
    last_id: i64,
}

/// A refusal: the documented code and its words.
type Refused = (i64, &'static str);

impl Lamplight {
    /// As it is before anybody has called.
    #[must_use]
    pub fn new(config: LamplightConfig) -> Self {
        Self { config, people: Vec::new(), referrals: Vec::new(), messages: Vec::new(), last_id: 650 }
    }

    /// Every profile.
    #[must_use]
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// The profiles of one role.
    #[must_use]
    pub fn of_role(&self, role: &str) -> Vec<&Person> {
        self.people.iter().filter(|person| person.role == role).collect()
    }

    /// Every referral.
    #[must_use]
    pub fn referrals(&self) -> &[Referral] {
        &self.referrals
    }

    /// What the administrator was told: who could not be told apart, what had no place.
    #[must_use]
    pub fn messages(&self) -> &[String] {
        &self.messages
    }

    /// The charity changes what it has set up.
    pub fn set_up(&mut self, change: impl FnOnce(&mut LamplightConfig)) {
        change(&mut self.config);
    }

    /// Staff make a profile by hand.
    pub fn make(&mut self, role: &str, fields: &[(&str, &str)]) -> i64 {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.add(role.to_owned(), fields)
    }

    /// Staff remove a profile; false if there is none.
    pub fn remove(&mut self, id: i64) -> bool {
        let before = self.people.len();
        self.people.retain(|person| person.id != id);
        self.people.len() < before
    }

    /// Staff remove a referral; false if there is none.
    pub fn remove_referral(&mut self, id: i64) -> bool {
        let before = self.referrals.len();
        self.referrals.retain(|referral| referral.id != id);
        self.referrals.len() < before
    }

    fn add(&mut self, role: String, fields: Vec<(String, String)>) -> i64 {
        self.last_id += 1;
        self.people.push(Person { id: self.last_id, role, fields });
        self.last_id
    }

    fn add_person(&mut self, role: &str, form: Vec<(String, String)>) -> Result<i64, Refused> {
        if !["user", "contact", "staff", "funder", "org"].contains(&role) {
            return Err((1001, "Role of person not recognised"));
        }
        if !self.config.roles.iter().any(|allowed| allowed == role) {
            return Err((1054, "Do not have permission to add profiles of this type"));
        }
        let (core, custom): (Vec<_>, Vec<_>) = form.into_iter().partition(|(name, _)| fields::is_core(name));
        let named = |name: &str| field(&core, name).is_some_and(|value| !value.trim().is_empty());
        if !named("first_name") && !named("surname") {
            return Err((1056, "No valid data found to add/update"));
        }
        if !core.iter().all(|(name, value)| fields::is_valid(name, value)) {
            return Err((1055, "Data provided to add/update profile was not valid"));
        }
        let (good, bad): (Vec<_>, Vec<_>) = custom.into_iter().partition(|(name, value)| self.takes(name, value));
        let kept = core.into_iter().chain(good).collect();
        let id = self.add(role.to_owned(), kept);
        // The core details stay, and the answer does not say where.
        if bad.is_empty() { Ok(id) } else { Err((1058, "There was a problem saving some custom fields")) }
    }

    fn takes(&self, name: &str, value: &str) -> bool {
        let known = self.config.custom_fields.iter().find(|(known, _)| known.to_lowercase().replace(' ', "_") == name);
        known.is_some_and(|(_, options)| options.is_empty() || options.iter().any(|option| option == value))
    }

    fn add_referral(&mut self, form: &[(String, String)], now: OffsetDateTime) -> Result<i64, Refused> {
        if !self.config.referrals {
            return Err((1027, "This type of record (work etc) may not be accessed through the API"));
        }
        let attendee = self.profile(field(form, "attendee").unwrap_or_default())?;
        let referrer = match field(form, "referrer") {
            Some(referrer) => Some(self.profile(referrer)?),
            None => None,
        };
        let invalid = (1040, "Referral data provided was not valid");
        let workarea = match field(form, "workareaid").map(str::parse::<i64>) {
            None => None,
            Some(Ok(id)) if self.config.workareas.contains(&id) => Some(id),
            Some(_) => return Err(invalid),
        };
        let today = format!("{}", now.date());
        let date_from = field(form, "date_from").unwrap_or(&today).to_owned();
        let known = ["attendee", "referrer", "referral_reason", "date_from", "workareaid"];
        if !fields::is_day(&date_from) || form.iter().any(|(name, _)| !known.contains(&name.as_str())) {
            return Err(invalid);
        }
        if let Some(places) = &mut self.config.places {
            let Some(left) = places.checked_sub(1) else {
                self.messages.push(format!("No places left for {attendee}"));
                return Err((1025, "There are no spaces available on the record requested"));
            };
            *places = left;
        }
        self.last_id += 1;
        let reason = field(form, "referral_reason").unwrap_or_default().to_owned();
        self.referrals.push(Referral { id: self.last_id, attendee, referrer, reason, date_from, workarea });
        Ok(self.last_id)
    }

    /// The profile of an id or an e-mail address: it has to be there, and only once.
    fn profile(&mut self, named: &str) -> Result<i64, Refused> {
        let found: Vec<i64> = match named.parse::<i64>() {
            Ok(id) => self.people.iter().filter(|person| person.id == id).map(|person| person.id).collect(),
            Err(_) if named.contains('@') => {
                let mailed = self.people.iter().filter(|person| person.field("email") == Some(named));
                mailed.map(|person| person.id).collect()
            }
            Err(_) => return Err((1022, "The attendee did not pass a valid identifier")),
        };
        if let [id] = found.as_slice() {
            return Ok(*id);
        }
        self.messages.push(format!("Could not tell who is meant: {} profiles", found.len()));
        Err((1024, "The attendee could not be unambiguously identified in the database"))
    }

    fn is_allowed(&self, parameters: &[(String, String)]) -> bool {
        let config = &self.config;
        [("lampid", &config.lampid), ("project", &config.project), ("key", &config.key)]
            .iter()
            .all(|(name, value)| field(parameters, name) == Some(value.as_str()))
    }
}

impl Api for Lamplight {
    fn answer(&mut self, asked: &Asked, now: OffsetDateTime) -> Answer {
        let Some(segments) = asked.segments() else { return Answer::bare(400) };
        let mut segments = segments.iter().map(String::as_str).filter(|segment| !segment.is_empty());
        let (what, method) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        // What stands in the path may as well stand in the query.
        let mut parameters = asked.parameters();
        while let (Some(name), Some(value)) = (segments.next(), segments.next()) {
            parameters.push((name.to_owned(), value.to_owned()));
        }
        if !self.is_allowed(&parameters) {
            return Answer::of(401, "text/plain; charset=utf-8", "The credentials are not those of a project.");
        }
        if field(&parameters, "format") != Some("json") {
            return Answer::of(400, "text/html; charset=utf-8", "<html>Say format=json</html>");
        }
        let form = asked.form().unwrap_or_default();
        if form.iter().any(|(name, value)| fields::has_tag(name) || fields::has_tag(value)) {
            return refused((9999, "Data provided may have been a malicious attack and has not been added."));
        }
        match (what, method, asked.method.as_str()) {
            ("people", "add", "POST") => {
                let role = field(&parameters, "role").unwrap_or_default().to_owned();
                saved(self.add_person(&role, form), self.config.person_id)
            }
            ("people", "add", _) => refused((1050, "Updating person or organisation data must be POSTed")),
            ("referral", "add", "POST") => saved(self.add_referral(&form, now), self.config.referral_id),
            _ => refused((1004, "Method not recognised: should be one of all, some or one")),
        }
    }

    fn unwell(&self, status: u16) -> Answer {
        Answer::json(status, &json!({ "error": 1007, "msg": "An unknown error occurred." }))
    }
}

fn saved(made: Result<i64, Refused>, form: IdForm) -> Answer {
    let data = match (made, form) {
        (Err(why), _) => return refused(why),
        (Ok(id), IdForm::Bare) => json!(id),
        (Ok(id), IdForm::Record) => json!({ "id": id, "attend": true }),
        (Ok(id), IdForm::List) => json!([{ "id": id, "attend": true }]),
    };
    Answer::json(200, &json!({ "data": data, "meta": "" }))
}

fn refused((error, msg): Refused) -> Answer {
    let body: Value = json!({ "error": error, "msg": msg });
    Answer::json(400, &body)
}

fn field<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    fields.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
}
