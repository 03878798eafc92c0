//! What the variables of one translation are made of, kept for as long as it lasts.
//!
//! Objects such as `%settings` become small JSON documents, but only once an expression uses them; named expressions are
//! evaluated when the first expression that uses them is, and not again.

use super::inputs::Inputs;
use crate::document::{Document, NodeId};
use crate::fhirpath::{Binding, Computed, Item, Node, NodeType, ShapeKind};
use crate::program::{Program, Scalar, Slot};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::OnceCell;

/// Facts of an answer, for the expressions that read it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered<'e> {
    pub(crate) status: i64,
    pub(crate) headers: &'e [(String, String)],
}

/// What the variables are made from.
#[derive(Clone, Copy)]
pub(crate) struct Given<'e> {
    pub(crate) program: &'e Program,
    pub(crate) inputs: &'e Inputs<'e>,
    pub(crate) answered: Option<Answered<'e>>,
    /// Names of notes that stand for themselves, so that an exchange can be shown before any step was answered.
    pub(crate) foreseen: &'e [String],
}

/// One slot whose content is made on demand.
#[derive(Default)]
struct Made<'e> {
    text: OnceCell<String>,
    document: OnceCell<Document<'e>>,
    items: OnceCell<Vec<Computed<'e>>>,
}

/// The place of everything that is made on demand, one for each slot.
pub(crate) struct Store<'e> {
    slots: Vec<Made<'e>>,
}

impl<'e> Store<'e> {
    /// An empty store for a program.
    pub(crate) fn new(program: &Program) -> Self {
        let count = Slot::FIRST_NAMED + program.variables.len();
        Self { slots: std::iter::repeat_with(Made::default).take(count).collect() }
    }

    /// The bindings of all slots, in order.
    pub(crate) fn bindings(&'e self, given: Given<'e>) -> Vec<Binding<'e>> {
        let resources = given.inputs.referral.map(Resources::find);
        let predeclared = Slot::ALL.into_iter().map(|slot| self.predeclared(slot, given, resources.as_ref()));
        let named = self.slots.iter().skip(Slot::FIRST_NAMED).map(|made| Binding::Later(&made.items));
        predeclared.chain(named).collect()
    }

    fn predeclared(&'e self, slot: Slot, given: Given<'e>, resources: Option<&Resources<'e>>) -> Binding<'e> {
        let inputs = given.inputs;
        let node = |pick: fn(&Resources<'e>) -> Option<NodeId>| match resources {
            Some(found) => pick(found).map_or(Binding::Empty, |id| Binding::Node(found.document, id)),
            None => Binding::Empty,
        };
        let text = |text: Option<&'e str>| text.filter(|text| !text.is_empty()).map_or(Binding::Empty, Binding::Text);
        match slot {
            Slot::Referral => node(|found| Some(found.document.root())),
            Slot::ServiceRequest => node(|found| found.service_request),
            Slot::Patient => node(|found| found.patient),
            Slot::Task => node(|found| found.task),
            Slot::PlatformReferral => text(inputs.platform_referral),
            Slot::Reason => text(inputs.reason),
            Slot::Status => given.answered.map_or(Binding::Empty, |answered| Binding::Integer(answered.status)),
            Slot::Settings | Slot::Keys | Slot::AcceptedAt | Slot::Progress | Slot::Cursor | Slot::Header => {
                self.items(slot as usize).map_or(Binding::Empty, Binding::Later)
            }
        }
    }

    /// The cell of a slot whose content is made on demand.
    pub(crate) fn items(&'e self, slot: usize) -> Option<&'e OnceCell<Vec<Computed<'e>>>> {
        self.slots.get(slot).map(|made| &made.items)
    }

    /// Makes the content of a predeclared slot.
    pub(crate) fn make(&'e self, slot: Slot, given: Given<'e>) {
        let Some(made) = self.slots.get(slot as usize) else { return };
        let item = match slot {
            Slot::AcceptedAt if given.inputs.accepted_at.is_empty() => None,
            Slot::AcceptedAt => Some(Item::DateTime(Cow::Borrowed(given.inputs.accepted_at))),
            slot => made.object(slot, given),
        };
        let computed = item.map(|item| Computed { item, sources: Vec::new() });
        // Set once: the caller asks only while the cell is empty.
        let _ = made.items.set(computed.into_iter().collect());
    }
}

impl<'e> Made<'e> {
    fn object(&'e self, slot: Slot, given: Given<'e>) -> Option<Item<'e>> {
        let text = self.text.get_or_init(|| object(slot, given).to_string());
        if self.document.get().is_none() {
            let _ = self.document.set(Document::parse(text).ok()?);
        }
        let document = self.document.get()?;
        Some(Item::Node(Node::new(document, document.root(), NodeType::Shape(ShapeKind::Object))))
    }
}

fn object(slot: Slot, given: Given<'_>) -> Value {
    let inputs = given.inputs;
    let texts = |pairs: &mut dyn Iterator<Item = (&String, &String)>| -> Map<String, Value> {
        pairs.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
    };
    let members = match slot {
        Slot::Settings => given.program.settings.iter().filter_map(|declared| setting(declared, inputs)).collect(),
        Slot::Keys => [("idempotency", inputs.keys.idempotency), ("correlation", inputs.keys.correlation)]
            .into_iter()
            .map(|(name, key)| (name.to_owned(), Value::from(key)))
            .collect(),
        Slot::Progress => {
            let mut members = texts(&mut inputs.progress.iter());
            for name in given.foreseen {
                members.entry(name.clone()).or_insert_with(|| Value::from(format!("({name})")));
            }
            members
        }
        Slot::Cursor => texts(&mut inputs.cursor.iter()),
        Slot::Header => {
            let headers = given.answered.map(|answered| answered.headers).unwrap_or_default();
            let mut members = Map::new();
            for (name, value) in headers {
                members.entry(name.to_ascii_lowercase()).or_insert_with(|| Value::from(value.as_str()));
            }
            members
        }
        _ => Map::new(),
    };
    Value::Object(members)
}

/// A setting with the type that it is declared with. [`check_settings`](super::check_settings) has refused what does
/// not fit; here it is treated as absent.
fn setting(declared: &crate::program::Setting, inputs: &Inputs<'_>) -> Option<(String, Value)> {
    let text = inputs.settings.get(&declared.name).map(String::as_str).or(declared.default.as_deref())?;
    let value = match declared.kind {
        Scalar::Integer => Value::from(text.parse::<i64>().ok()?),
        Scalar::Boolean => Value::from(text.parse::<bool>().ok()?),
        Scalar::Decimal => serde_json::from_str::<serde_json::Number>(text).ok()?.into(),
        _ => Value::from(text),
    };
    Some((declared.name.clone(), value))
}

/// Where the resources with names of their own stand.
struct Resources<'e> {
    document: &'e Document<'e>,
    service_request: Option<NodeId>,
    patient: Option<NodeId>,
    task: Option<NodeId>,
}

impl<'e> Resources<'e> {
    fn find(document: &'e Document<'e>) -> Self {
        let mut found = Self { document, service_request: None, patient: None, task: None };
        let Some(entries) = document.get(document.root(), "entry") else { return found };
        for (index, entry) in document.children(entries).enumerate() {
            let Some(resource) = document.get(entry, "resource") else { continue };
            match index {
                0 => found.service_request = Some(resource),
                1 => found.patient = Some(resource),
                _ => {}
            }
            let kind = document.get(resource, "resourceType").and_then(|id| document.string(id));
            if kind.as_deref() == Some("Task") {
                found.task = Some(resource);
            }
        }
        found
    }
}
