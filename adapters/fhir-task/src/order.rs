//! The gateway's own order and Task at the platform: `filler-order` ServiceRequest and fulfilment Task of a
//! coordination platform (HL7 SDOH Clinical Care, "Referral workflow": `basedOn` and `partOf` the sender's).

use crate::settings::Config;
use adapter_contract::{Exchange, TranslateError, systems};
use adapter_fhir::json::{Object, Writer, array, carry};
use adapter_fhir::referral::{Part, Referral};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const ODS_SYSTEM: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// Elements of the sender's ServiceRequest that the order carries as they are written, in R4's order. `occurrence` and
/// `_…` stand for every form of the element.
pub(crate) const CARRIED_BEFORE_SUBJECT: [&str; 4] = ["category", "priority", "code", "orderDetail"];
pub(crate) const CARRIED_AFTER_REQUESTER: [&str; 3] = ["reasonCode", "reasonReference", "supportingInfo"];
pub(crate) const OCCURRENCE: [&str; 3] = ["occurrenceDateTime", "occurrencePeriod", "occurrenceTiming"];

/// What order and Task are made from.
pub(crate) struct Making<'a> {
    /// The exchange under way.
    pub(crate) exchange: &'a Exchange<'a>,
    /// The platform's settings.
    pub(crate) config: &'a Config<'a>,
    /// The referral.
    pub(crate) referral: &'a Referral<'a>,
}

impl Making<'_> {
    /// Our key as an `Identifier`, with a suffix for resources other than order and Task.
    pub(crate) fn identifier(&self, suffix: &str) -> Value {
        json!({"system": systems::REFERRAL_KEY, "value": format!("{}{suffix}", self.exchange.keys.idempotency.0)})
    }

    /// Full URL of a resource that the gateway makes: the same for the same referral and platform, and no other.
    pub(crate) fn full_url(&self, name: &str) -> String {
        let seed = format!("{}|{}#{name}", systems::REFERRAL_KEY, self.exchange.keys.idempotency.0);
        format!("urn:uuid:{}", Uuid::new_v5(&Uuid::NAMESPACE_URL, seed.as_bytes()))
    }

    /// The order, as JSON text. Its subject is the Patient's full URL; other references are as in the referral.
    pub(crate) fn order(&self) -> String {
        let sent = &self.referral.order;
        let mut order = Writer::object();
        order.value("resourceType", &json!("ServiceRequest"));
        order.value("identifier", &json!([self.identifier("")]));
        order.value("basedOn", &json!([self.reference_to(sent, "Referral as the gateway received it")]));
        order.value("status", &json!("active"));
        order.value("intent", &json!("filler-order"));
        carry(&mut order, &sent.object, &CARRIED_BEFORE_SUBJECT);
        order.value("subject", &json!({"reference": self.referral.patient.full_url}));
        carry(&mut order, &sent.object, &OCCURRENCE);
        order.value("authoredOn", &json!(self.exchange.accepted_at));
        order.value("requester", &self.requester());
        carry(&mut order, &sent.object, &CARRIED_AFTER_REQUESTER);
        order.finish()
    }

    /// The Task, as JSON text. `input` is that of [`Making::inputs`], with the references that hold at the platform.
    pub(crate) fn task(&self, focus: &str, patient: &str, input: Option<&str>) -> String {
        let sent = self.referral.task.as_ref();
        let mut task = Writer::object();
        task.value("resourceType", &json!("Task"));
        task.value("identifier", &json!([self.identifier("")]));
        if let Some(sent) = sent {
            task.value("partOf", &json!([self.reference_to(sent, "Task as the gateway received it")]));
        }
        task.value("status", &json!("requested"));
        task.value("intent", &json!("order"));
        match sent.filter(|sent| sent.object.raw("priority").is_some()) {
            Some(sent) => carry(&mut task, &sent.object, &["priority"]),
            None => carry(&mut task, &self.referral.order.object, &["priority"]),
        }
        let code = json!({"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]});
        task.value("code", &code);
        task.value("focus", &json!({"reference": focus}));
        task.value("for", &json!({"reference": patient}));
        task.value("authoredOn", &json!(self.exchange.accepted_at));
        task.value("requester", &self.requester());
        if let Some((system, value)) = self.config.owner {
            task.value("owner", &json!({"type": "Organization", "identifier": {"system": system, "value": value}}));
        }
        let restriction = sent.and_then(|sent| Object::read(sent.object.raw("restriction")?));
        if let Some(period) = restriction.as_ref().and_then(|restriction| restriction.raw("period")) {
            let mut bound = Writer::object();
            bound.raw("period", period);
            task.raw("restriction", &bound.finish());
        }
        if let Some(input) = input {
            task.raw("input", input);
        }
        task.finish()
    }

    /// The priority of the sender's order, where the Task says that one: absent where the sender's Task has its own. The inner one is
    /// absent where the order has none.
    pub(crate) fn priority_of_the_order(&self) -> Option<Option<String>> {
        let own = self.referral.task.as_ref().is_some_and(|sent| sent.object.raw("priority").is_some());
        (!own).then(|| self.referral.order.object.string("priority"))
    }

    /// The sender's `Task.input` as text, if it has any.
    pub(crate) fn inputs(&self) -> Option<&str> {
        let text = self.referral.task.as_ref()?.object.raw("input")?;
        (!array(text).is_empty()).then_some(text)
    }

    /// Refuses texts that refer to the sender's Task: it stays at the gateway, so the reference would point nowhere.
    ///
    /// # Errors
    /// [`TranslateError`] naming the type of the resource that refers to it.
    pub(crate) fn guard_task_reference(&self, kind: &str, text: &str) -> Result<(), TranslateError> {
        match &self.referral.task {
            Some(task) if text.contains(&format!("\"{}\"", task.full_url)) => {
                Err(TranslateError::new(kind, "refers to the sender's Task, which stays at the gateway"))
            }
            _ => Ok(()),
        }
    }

    /// A reference from our resource to the sender's: where the gateway can be reached by its address, else by the
    /// sender's own identifier, else in words, so that the chain is never silently cut.
    fn reference_to(&self, sent: &Part<'_>, words: &str) -> Value {
        let mut reference = Map::new();
        reference.insert("type".to_owned(), json!(sent.kind));
        let known = self.config.gateway_base_url.zip(sent.object.string("id"));
        let named = sent.object.array("identifier").first().and_then(|text| serde_json::from_str::<Value>(text).ok());
        if known.is_none() && named.is_none() {
            reference.insert("display".to_owned(), json!(words));
        }
        if let Some((base, id)) = known {
            reference.insert("reference".to_owned(), json!(format!("{base}/{}/{id}", sent.kind)));
        }
        if let Some(identifier) = named {
            reference.insert("identifier".to_owned(), identifier);
        }
        Value::Object(reference)
    }

    fn requester(&self) -> Value {
        let (ods, name) = self.config.requester;
        json!({"type": "Organization", "identifier": {"system": ODS_SYSTEM, "value": ods}, "display": name})
    }
}
