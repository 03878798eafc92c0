//! Paths over the nodes of a document: the fast case. A primitive of FHIR is a value and its twin with the underscore,
//! and either may be missing.

use crate::document::{Document, Key, Kind, NodeId};

use super::super::chain::Link;
use super::super::fault::EvaluationFault;
use super::super::item::{Item, Node, Trace};
use super::super::plan::{Move, Step, Way};
use super::{Flow, Machine, Out, Value};

/// What comes behind one point of a path.
pub(super) trait Rest<'m, 'e, T>: Copy {
    /// Goes on from a node.
    fn go(self, machine: &mut Machine<'m, 'e, T>, node: Node<'e>, out: Out<'_, 'm, 'e, T>) -> Flow;
}

impl<'m, 'e, T: Trace> Rest<'m, 'e, T> for &'e [Step] {
    fn go(self, machine: &mut Machine<'m, 'e, T>, node: Node<'e>, out: Out<'_, 'm, 'e, T>) -> Flow {
        machine.walk_node(self, node, out)
    }
}

impl<'m, 'e, T: Trace> Rest<'m, 'e, T> for &'e [Link] {
    fn go(self, machine: &mut Machine<'m, 'e, T>, node: Node<'e>, out: Out<'_, 'm, 'e, T>) -> Flow {
        machine.follow(self, node, out)
    }
}

impl<'m, 'e, T: Trace> Machine<'m, 'e, T> {
    /// Follows a path from one item.
    pub(super) fn walk(&mut self, steps: &'e [Step], value: &Value<'e>, out: Out<'_, 'm, 'e, T>) -> Flow {
        match &value.item {
            Item::Node(node) => self.walk_node(steps, *node, out),
            _ => Ok(()),
        }
    }

    fn walk_node(&mut self, steps: &'e [Step], node: Node<'e>, out: Out<'_, 'm, 'e, T>) -> Flow {
        match steps.split_first() {
            None => out(self, Value::plain(Item::Node(node))),
            Some((step, rest)) => self.members(step, rest, node, out),
        }
    }

    /// Follows one point of a path from a node, and from each member what comes behind it.
    #[inline]
    pub(super) fn members<R: Rest<'m, 'e, T>>(
        &mut self,
        step: &'e Step,
        rest: R,
        node: Node<'e>,
        out: Out<'_, 'm, 'e, T>,
    ) -> Flow {
        let Some(route) = step.moves.iter().find(|route| route.from.is_none_or(|from| from == node.ty)) else {
            return Ok(());
        };
        let object = if route.primitive { node.twin } else { Some(node.id) };
        let Some(object) = object else { return Ok(()) };
        if route.stem.is_some() {
            return self.choice(route, rest, node.doc, object, out);
        }
        for way in &route.ways {
            let child = self.find(node.doc, object, &way.key)?;
            let twin = self.twin(node.doc, object, way)?;
            self.member(way, rest, node.doc, child, twin, out)?;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn find(
        &mut self,
        doc: &'e Document<'e>,
        object: NodeId,
        key: &Key,
    ) -> Result<Option<NodeId>, super::Stop> {
        let (found, looked) = doc.find_counted(object, key);
        self.step(u64::from(looked) + 1)?;
        Ok(found)
    }

    #[inline]
    pub(super) fn twin(
        &mut self,
        doc: &'e Document<'e>,
        object: NodeId,
        way: &Way,
    ) -> Result<Option<NodeId>, super::Stop> {
        match &way.twin {
            Some(key) if doc.has_twins(object) => self.find(doc, object, key),
            _ => Ok(None),
        }
    }

    /// A choice element: one pass over the members, most of which the stem rules out.
    fn choice<R: Rest<'m, 'e, T>>(
        &mut self,
        route: &'e Move,
        rest: R,
        doc: &'e Document<'e>,
        object: NodeId,
        out: Out<'_, 'm, 'e, T>,
    ) -> Flow {
        let stem = route.stem.as_deref().unwrap_or_default();
        for child in doc.children(object) {
            self.step(1)?;
            let Some(name) = doc.key(child) else { return Ok(()) };
            let (bare, name) = match name.strip_prefix('_') {
                Some(name) => (true, name),
                None => (false, &*name),
            };
            if !name.starts_with(stem) {
                continue;
            }
            self.step(route.ways.len() as u64)?;
            let Some(way) = route.ways.iter().find(|way| way.key.name() == name) else { continue };
            if bare {
                // A twin beside its value is read with it.
                if way.twin.is_some() && self.find(doc, object, &way.key)?.is_none() {
                    self.member(way, rest, doc, None, Some(child), out)?;
                }
            } else {
                let twin = self.twin(doc, object, way)?;
                self.member(way, rest, doc, Some(child), twin, out)?;
            }
        }
        Ok(())
    }

    pub(super) fn member<R: Rest<'m, 'e, T>>(
        &mut self,
        way: &'e Way,
        rest: R,
        doc: &'e Document<'e>,
        child: Option<NodeId>,
        twin: Option<NodeId>,
        out: Out<'_, 'm, 'e, T>,
    ) -> Flow {
        let Some(leader) = child.or(twin) else { return Ok(()) };
        if doc.kind(leader) != Kind::Array {
            return self.arrive(way, rest, doc, child, twin, out);
        }
        if !way.repeats {
            let location = doc.location(leader);
            return Err(EvaluationFault::Malformed { location, expected: "single value, as R4 has it" }.into());
        }
        let mut twins = twin.map(|twin| doc.children(twin));
        for item in doc.children(leader) {
            self.step(1)?;
            let twin = twins.as_mut().and_then(Iterator::next);
            let (child, twin) = if child.is_some() { (Some(item), twin) } else { (None, Some(item)) };
            self.arrive(way, rest, doc, child, twin, out)?;
        }
        Ok(())
    }

    /// One value, or one twin, or both; `null` is neither.
    #[inline]
    fn arrive<R: Rest<'m, 'e, T>>(
        &mut self,
        way: &'e Way,
        rest: R,
        doc: &'e Document<'e>,
        child: Option<NodeId>,
        twin: Option<NodeId>,
        out: Out<'_, 'm, 'e, T>,
    ) -> Flow {
        let there = |id: &NodeId| doc.kind(*id) != Kind::Null;
        let twin = twin.filter(there);
        match child.filter(there).or(twin) {
            Some(id) => rest.go(self, Node { doc, id, twin, ty: way.to }, out),
            None => Ok(()),
        }
    }
}
