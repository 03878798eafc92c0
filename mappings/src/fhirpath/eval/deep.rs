//! Equality of whole elements: the same members with equal values, each by its type.

use gateway_fhir_elements as elements;

use crate::document::{Document, Kind, NodeId};

use super::super::fault::EvaluationFault;
use super::super::item::{Item, Node, Trace};
use super::super::types::{NodeType, is_a};
use super::{Machine, Stop, Value};

impl<'e, T: Trace> Machine<'_, 'e, T> {
    /// `=` of two elements that are no primitives. `None` if a date in them does not decide.
    pub(super) fn deep(&mut self, left: &Node<'e>, right: &Node<'e>) -> Result<Option<bool>, Stop> {
        let (NodeType::Fhir(a), NodeType::Fhir(b)) = (left.ty, right.ty) else { return Ok(Some(false)) };
        if a != b {
            return Ok(Some(false));
        }
        self.objects(a, (left.doc, left.id), (right.doc, right.id))
    }

    /// `=` of two primitives that have extensions and no value.
    pub(super) fn twins(&mut self, left: &Item<'e>, right: &Item<'e>) -> Result<Option<bool>, Stop> {
        match (left, right) {
            (Item::Node(left), Item::Node(right)) => {
                self.objects("Element", (left.doc, left.id), (right.doc, right.id))
            }
            _ => Ok(Some(false)),
        }
    }

    fn objects(
        &mut self,
        under: &'static str,
        left: (&'e Document<'e>, NodeId),
        right: (&'e Document<'e>, NodeId),
    ) -> Result<Option<bool>, Stop> {
        let mut answer = Some(true);
        let mut members = 0;
        for child in left.0.children(left.1) {
            self.step(1)?;
            members += 1;
            let Some(key) = left.0.key(child) else { return Ok(Some(false)) };
            let Some(other) = right.0.get(right.1, &key) else { return Ok(Some(false)) };
            match self.member_values(under, &key, (left.0, child), (right.0, other))? {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => answer = None,
            }
        }
        if right.0.children(right.1).count() == members { Ok(answer) } else { Ok(Some(false)) }
    }

    fn member_values(
        &mut self,
        under: &'static str,
        key: &str,
        left: (&'e Document<'e>, NodeId),
        right: (&'e Document<'e>, NodeId),
    ) -> Result<Option<bool>, Stop> {
        self.step(1)?;
        let (a, b) = (left.0.kind(left.1), right.0.kind(right.1));
        if a != b {
            return Ok(Some(false));
        }
        if a == Kind::Array {
            let mut answer = Some(true);
            let mut others = right.0.children(right.1);
            for item in left.0.children(left.1) {
                let Some(other) = others.next() else { return Ok(Some(false)) };
                match self.member_values(under, key, (left.0, item), (right.0, other))? {
                    Some(true) => {}
                    Some(false) => return Ok(Some(false)),
                    None => answer = None,
                }
            }
            return Ok(if others.next().is_none() { answer } else { Some(false) });
        }
        let member = elements::member(under, key.strip_prefix('_').unwrap_or(key));
        match (a, member) {
            (Kind::Object, Some(member)) if member.type_code != "Resource" => {
                let answer = self.objects(member.under, left, right)?;
                if answer != Some(true) && is_a(member.type_code, "Quantity") {
                    return Err(EvaluationFault::Quantities { location: left.0.location(left.1) }.into());
                }
                Ok(answer)
            }
            (Kind::Object, _) => Ok(Some(left.0.raw(left.1) == right.0.raw(right.1))),
            (Kind::Null, _) => Ok(Some(true)),
            (_, Some(member)) => {
                let ty = NodeType::Fhir(member.type_code);
                let value = |(doc, id): (&'e Document<'e>, NodeId)| Value::plain(Item::Node(Node::new(doc, id, ty)));
                if ty.system().is_none() {
                    return Ok(Some(left.0.string(left.1) == right.0.string(right.1)));
                }
                self.equal(&value(left), &value(right))
            }
            _ => {
                Ok(Some(left.0.string(left.1) == right.0.string(right.1) && left.0.raw(left.1) == right.0.raw(right.1)))
            }
        }
    }
}
