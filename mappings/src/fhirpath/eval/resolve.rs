//! References: followed inside the Bundle that the environment names, and to contained resources. Nothing else
//! resolves; there is no network here.

use std::borrow::Cow;

use gateway_fhir_elements as elements;

use crate::document::{Document, NodeId};

use super::super::item::{Item, Node, Trace};
use super::super::types::NodeType;
use super::{Flow, Machine, Out, Stop, Value};

impl<'m, 'e, T: Trace> Machine<'m, 'e, T> {
    /// The resource type of a node whose declared type is an abstract one, or the declared type.
    pub(super) fn type_of(&self, doc: &'e Document<'e>, id: NodeId, ty: NodeType) -> Option<&'static str> {
        match ty {
            NodeType::Fhir("Resource" | "DomainResource") => {
                let name = text(doc, id, "resourceType")?;
                elements::resource_node(&name).map(|(name, _)| name)
            }
            NodeType::Fhir(name) => Some(name),
            NodeType::Shape(_) => None,
        }
    }

    /// Sends the resource on that a Reference points to, if its type is one of the allowed ones.
    pub(super) fn resolve(&mut self, targets: &'e [&'static str], value: &Value<'e>, out: Out<'_, 'm, 'e, T>) -> Flow {
        let Item::Node(node) = &value.item else { return Ok(()) };
        let Some(id) = node.doc.get(node.id, "reference") else { return Ok(()) };
        let Some(reference) = node.doc.string(id) else { return Ok(()) };
        self.examine(&Value::plain(Item::Node(Node::new(node.doc, id, NodeType::Fhir("string")))));
        let found = match reference.strip_prefix('#') {
            Some(name) => self.contained(node.doc, node.id, name)?.map(|id| (node.doc, id)),
            None => self.entry(node.doc, node.id, &reference)?,
        };
        let Some((doc, id)) = found else { return Ok(()) };
        let ty = if targets.is_empty() {
            self.type_of(doc, id, NodeType::Fhir("Resource")).map(|_| NodeType::Fhir("Resource"))
        } else {
            let kind = doc.get(id, "resourceType");
            let is = |name: &&&'static str| kind.is_some_and(|kind| doc.is_text(kind, name));
            targets.iter().find(is).map(|name| NodeType::Fhir(name))
        };
        let Some(ty) = ty else { return Ok(()) };
        out(self, Value::plain(Item::Node(Node::new(doc, id, ty))))
    }

    /// The contained resource of this id in the resource that holds a node; of no id, that resource itself.
    fn contained(&mut self, doc: &'e Document<'e>, id: NodeId, name: &str) -> Result<Option<NodeId>, Stop> {
        let Some(container) = self.container(doc, id)? else { return Ok(None) };
        if name.is_empty() {
            return Ok(Some(container));
        }
        let Some(list) = doc.get(container, "contained") else { return Ok(None) };
        for resource in doc.children(list) {
            self.step(1)?;
            if text(doc, resource, "id").as_deref() == Some(name) {
                return Ok(Some(resource));
            }
        }
        Ok(None)
    }

    /// The resource in which a node stands: the innermost one that is not itself contained.
    fn container(&mut self, doc: &'e Document<'e>, id: NodeId) -> Result<Option<NodeId>, Stop> {
        let mut at = doc.root();
        let mut container = None;
        loop {
            if doc.get(at, "resourceType").is_some() {
                container = Some(at);
            }
            if at == id {
                return Ok(container);
            }
            let mut next = None;
            for child in doc.children(at) {
                self.step(1)?;
                if child <= id && id < doc.descendants_end(child) {
                    next = Some(child);
                    break;
                }
            }
            match next {
                Some(child) if doc.key(child).as_deref() == Some("contained") => return Ok(container),
                Some(child) => at = child,
                None => return Ok(container),
            }
        }
    }

    /// The resource of the one entry that a reference means. A full URL is compared as it is; `Type/id` with the end
    /// of full URLs and with the type and id of the resources. If several entries are meant, none is.
    fn entry(
        &mut self,
        from: &'e Document<'e>,
        at: NodeId,
        reference: &str,
    ) -> Result<Option<(&'e Document<'e>, NodeId)>, Stop> {
        let Some(doc) = self.environment.bundle else { return Ok(None) };
        let Some(entries) = doc.get(doc.root(), "entry") else { return Ok(None) };
        // A urn has no slash and no version.
        let pathlike = reference.contains('/');
        let version = pathlike.then(|| reference.split_once("/_history/")).flatten();
        let reference = version.map_or(reference, |(reference, _)| reference);
        let relative = if pathlike { relative(reference) } else { None };
        let base = if relative.is_some() && std::ptr::eq(from, doc) { self.base(doc, entries, at)? } else { None };
        let (mut found, mut sure) = (None, false);
        for entry in doc.children(entries) {
            self.step(1)?;
            let full = doc.get(entry, "fullUrl");
            if relative.is_none() && !full.is_some_and(|full| doc.is_text(full, reference)) {
                continue;
            }
            let url = full.and_then(|full| doc.string(full));
            let url = url.as_deref().unwrap_or_default();
            let Some(resource) = doc.get(entry, "resource") else { continue };
            let (matches, exact) = match relative {
                None => (true, true),
                Some((name, id)) => {
                    let exact = base.as_deref().is_some_and(|base| url.strip_prefix(base) == Some(reference));
                    let ends = url.strip_suffix(reference).is_some_and(|rest| rest.ends_with('/'));
                    let same = || {
                        text(doc, resource, "id").as_deref() == Some(id)
                            && text(doc, resource, "resourceType").as_deref() == Some(name)
                    };
                    (exact || ends || same(), exact)
                }
            };
            if !matches || (sure && !exact) {
                continue;
            }
            if found.is_some() && sure == exact {
                return Ok(None);
            }
            (found, sure) = (Some((doc, resource)), exact);
        }
        Ok(found)
    }

    /// The part of the full URL before `Type/id` of the entry in which a node stands.
    fn base(&mut self, doc: &'e Document<'e>, entries: NodeId, at: NodeId) -> Result<Option<String>, Stop> {
        for entry in doc.children(entries) {
            self.step(1)?;
            if entry <= at && at < doc.descendants_end(entry) {
                let url = text(doc, entry, "fullUrl").unwrap_or_default();
                let mut parts = url.rsplitn(3, '/');
                let (id, name, base) = (parts.next(), parts.next(), parts.next());
                return Ok(match (id, name, base) {
                    (Some(_), Some(name), Some(base)) if elements::is_resource_type(name) => Some(format!("{base}/")),
                    _ => None,
                });
            }
        }
        Ok(None)
    }
}

/// `Type/id`
fn relative(reference: &str) -> Option<(&str, &str)> {
    let (name, id) = reference.split_once('/')?;
    (elements::is_resource_type(name) && !id.is_empty() && !id.contains('/')).then_some((name, id))
}

fn text<'e>(doc: &'e Document<'e>, object: NodeId, name: &str) -> Option<Cow<'e, str>> {
    doc.get(object, name).and_then(|id| doc.string(id))
}
