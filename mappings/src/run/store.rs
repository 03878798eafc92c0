//! What the variables of one translation are made of, kept for as long as it lasts.
//!
//! Objects such as `%settings` become small JSON documents, but only once an expression uses them; named expressions are
//! evaluated when the first expression that uses them is, and not again.

use super::inputs::Inputs;
use crate::document::{Document, NodeId};
use crate::fhirpath::{Binding, Computed, Item, Node, NodeType, ShapeKind};
use crate::program::{Program, Scalar, Setting, Slot};
use crate::write::Json;
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

/// What one slot holds, once it is made.
type Items<'e> = OnceCell<Vec<Computed<'e>>>;

/// A predeclared slot whose content is made on demand.
#[derive(Default)]
struct Made<'e> {
    text: OnceCell<String>,
    document: OnceCell<Document<'e>>,
    items: Items<'e>,
}

/// The place of everything that is made on demand, one for each slot.
pub(crate) struct Store<'e> {
    predeclared: [Made<'e>; Slot::FIRST_NAMED],
    named: Vec<Items<'e>>,
}

impl<'e> Store<'e> {
    /// An empty store for a program.
    pub(crate) fn new(program: &Program) -> Self {
        let named = std::iter::repeat_with(OnceCell::new).take(program.variables.len()).collect();
        Self { predeclared: Default::default(), named }
    }

    /// The bindings of all slots, in order.
    pub(crate) fn bindings(&'e self, given: Given<'e>) -> Vec<Binding<'e>> {
        let resources = given.inputs.referral.map(Resources::find);
        let predeclared = Slot::ALL.into_iter().map(|slot| self.predeclared(slot, given, resources.as_ref()));
        let named = self.named.iter().map(Binding::Later);
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
            Slot::PlatformReferral => text(inputs.platform_referral),
            Slot::Reason => text(inputs.reason),
            Slot::Status => given.answered.map_or(Binding::Empty, |answered| Binding::Integer(answered.status)),
            Slot::Task
            | Slot::Settings
            | Slot::Keys
            | Slot::AcceptedAt
            | Slot::Progress
            | Slot::Cursor
            | Slot::Header => self.items(slot as usize).map_or(Binding::Empty, Binding::Later),
        }
    }

    /// The cell of a slot whose content is made on demand.
    pub(crate) fn items(&'e self, slot: usize) -> Option<&'e Items<'e>> {
        match slot.checked_sub(Slot::FIRST_NAMED) {
            Some(named) => self.named.get(named),
            None => self.predeclared.get(slot).map(|made| &made.items),
        }
    }

    /// Makes the content of a predeclared slot.
    pub(crate) fn make(&'e self, slot: Slot, given: Given<'e>) {
        let Some(made) = self.predeclared.get(slot as usize) else { return };
        let item = match slot {
            Slot::Task => given.inputs.referral.and_then(task),
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
        let text = self.text.get_or_init(|| object(slot, given));
        if self.document.get().is_none() {
            let _ = self.document.set(Document::parse(text).ok()?);
        }
        let document = self.document.get()?;
        Some(Item::Node(Node::new(document, document.root(), NodeType::Shape(ShapeKind::Object))))
    }
}

/// The JSON text of an object-valued variable.
fn object(slot: Slot, given: Given<'_>) -> String {
    let inputs = given.inputs;
    let mut json = Json::with_room(256);
    json.open_object();
    match slot {
        Slot::Settings => given.program.settings.iter().for_each(|declared| setting(declared, inputs, &mut json)),
        Slot::Keys => {
            text(&mut json, "idempotency", inputs.keys.idempotency);
            text(&mut json, "correlation", inputs.keys.correlation);
        }
        Slot::Progress => {
            inputs.progress.iter().for_each(|(name, value)| text(&mut json, name, value));
            for name in given.foreseen.iter().filter(|name| !inputs.progress.contains_key(*name)) {
                text(&mut json, name, &format!("({name})"));
            }
        }
        Slot::Cursor => inputs.cursor.iter().for_each(|(name, value)| text(&mut json, name, value)),
        Slot::Header => {
            // Of several headers of one name the first is read, as a document gives the first member of a name.
            let headers = given.answered.map(|answered| answered.headers).unwrap_or_default();
            headers.iter().for_each(|(name, value)| text(&mut json, &name.to_ascii_lowercase(), value));
        }
        _ => {}
    }
    json.close_object();
    String::from_utf8(json.into_bytes()).expect("JSON of texts is text")
}

fn name(json: &mut Json, name: &str) {
    json.next();
    json.text(name);
    json.raw(":");
}

fn text(json: &mut Json, key: &str, value: &str) {
    name(json, key);
    json.text(value);
}

/// A setting with the type that it is declared with. [`check_settings`](super::check_settings) has refused what does
/// not fit; here it is treated as absent.
fn setting(declared: &Setting, inputs: &Inputs<'_>, json: &mut Json) {
    let given = inputs.settings.get(&declared.name).map(String::as_str).or(declared.default.as_deref());
    let Some(value) = given else { return };
    let raw = match declared.kind {
        Scalar::Integer => value.parse::<i64>().ok().map(|number| number.to_string()),
        Scalar::Boolean => value.parse::<bool>().ok().map(|truth| truth.to_string()),
        Scalar::Decimal => serde_json::from_str::<serde_json::Number>(value).ok().map(|number| number.to_string()),
        _ => return text(json, &declared.name, value),
    };
    if let Some(raw) = raw {
        name(json, &declared.name);
        json.raw(&raw);
    }
}

/// Where the resources with places of their own stand.
struct Resources<'e> {
    document: &'e Document<'e>,
    service_request: Option<NodeId>,
    patient: Option<NodeId>,
}

impl<'e> Resources<'e> {
    fn find(document: &'e Document<'e>) -> Self {
        let mut resources = entries(document).take(2).map(|entry| document.get(entry, "resource"));
        let service_request = resources.next().flatten();
        Self { document, service_request, patient: resources.next().flatten() }
    }
}

fn entries<'e>(document: &'e Document<'e>) -> impl Iterator<Item = NodeId> {
    document.get(document.root(), "entry").into_iter().flat_map(|entries| document.children(entries))
}

/// The last Task of the Bundle.
fn task<'e>(document: &'e Document<'e>) -> Option<Item<'e>> {
    let resources = entries(document).filter_map(|entry| document.get(entry, "resource"));
    let is_task = |id: &NodeId| document.get(*id, "resourceType").is_some_and(|kind| document.is_text(kind, "Task"));
    let found = resources.filter(is_task).last()?;
    Some(Item::Node(Node::new(document, found, NodeType::Fhir("Task"))))
}
