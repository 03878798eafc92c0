//! Follows chains. The meaning is that of the operations that a chain was made from, in `eval.rs` and its other parts.

use super::super::chain::{Chain, Link, Start, Test};
use super::super::item::{Binding, Item, Node, Trace};
use super::super::plan::{Step, Way};
use super::super::types::{NodeType, is_a};
use super::{Flow, Focus, Logic, Machine, Out, Stop, Value, combine};
use crate::document::Kind;
use std::borrow::Cow;

impl<'m, 'e, T: Trace> Machine<'m, 'e, T> {
    /// Sends each item of a chain on.
    pub(super) fn chain(&mut self, chain: &'e Chain, focus: Focus<'_, 'e>, out: Out<'_, 'm, 'e, T>) -> Flow {
        self.step(1)?;
        match &chain.start {
            Start::This => match focus.this {
                Some(this) => self.begin(&chain.links, this, out),
                None => Ok(()),
            },
            Start::Context => match self.context.clone() {
                Some(item) => self.begin(&chain.links, &Value::plain(item), out),
                None => Ok(()),
            },
            Start::First(inner) => match self.first_of(inner, focus)? {
                Some(first) => self.begin(&chain.links, &first, out),
                None => Ok(()),
            },
            Start::Variable(slot) => match self.environment.slots.get(*slot).copied() {
                Some(Binding::Node(doc, id)) => {
                    let node = self.bound(*slot, doc, id)?;
                    self.follow(&chain.links, node, out)
                }
                Some(Binding::Later(cell)) => {
                    for computed in cell.get().into_iter().flatten() {
                        self.step(1)?;
                        match &computed.item {
                            Item::Node(node) => self.follow(&chain.links, *node, out)?,
                            _ => {
                                let value = self.bound_value(computed);
                                self.begin(&chain.links, &value, out)?;
                            }
                        }
                    }
                    Ok(())
                }
                _ => self.variable(*slot, &mut |machine, value| machine.begin(&chain.links, &value, out)),
            },
        }
    }

    /// The first item of a chain. Nodes, which nearly all items are, are found without handing anything on.
    pub(super) fn first_of(&mut self, chain: &'e Chain, focus: Focus<'_, 'e>) -> Result<Option<Value<'e>>, Stop> {
        self.step(1)?;
        let links = &*chain.links;
        match &chain.start {
            Start::This => match focus.this {
                Some(this) => self.first_from(links, this),
                None => Ok(None),
            },
            Start::Context => match self.context.clone() {
                Some(item) => self.first_from(links, &Value::plain(item)),
                None => Ok(None),
            },
            Start::First(inner) => match self.first_of(inner, focus)? {
                Some(first) => self.first_from(links, &first),
                None => Ok(None),
            },
            Start::Variable(slot) => match self.environment.slots.get(*slot).copied() {
                Some(Binding::Node(doc, id)) => {
                    let node = self.bound(*slot, doc, id)?;
                    Ok(self.first_node(links, node)?.map(plain))
                }
                Some(Binding::Later(cell)) => {
                    for computed in cell.get().into_iter().flatten() {
                        self.step(1)?;
                        let found = match &computed.item {
                            Item::Node(node) => self.first_node(links, *node)?.map(plain),
                            _ => {
                                let value = self.bound_value(computed);
                                self.first_from(links, &value)?
                            }
                        };
                        if found.is_some() {
                            return Ok(found);
                        }
                    }
                    Ok(None)
                }
                _ => self.first_sent(|machine, out| machine.chain(chain, focus, out)),
            },
        }
    }

    fn first_from(&mut self, links: &'e [Link], value: &Value<'e>) -> Result<Option<Value<'e>>, Stop> {
        match &value.item {
            Item::Node(node) => Ok(self.first_node(links, *node)?.map(plain)),
            _ => self.first_sent(|machine, out| machine.begin(links, value, out)),
        }
    }

    /// The first of the items that somebody sends.
    fn first_sent(
        &mut self,
        send: impl FnOnce(&mut Self, Out<'_, 'm, 'e, T>) -> Flow,
    ) -> Result<Option<Value<'e>>, Stop> {
        let mut found = None;
        let flow = send(self, &mut |_, value| {
            found = Some(value);
            Err(Stop::Done)
        });
        match flow {
            Ok(()) | Err(Stop::Done) => Ok(found),
            Err(fault) => Err(fault),
        }
    }

    /// The node from which a chain starts, if it starts from one that is at hand.
    #[inline]
    pub(in crate::fhirpath) fn start(&self, chain: &'e Chain, focus: Option<&Item<'e>>) -> Option<Node<'e>> {
        match (&chain.start, focus) {
            (Start::This | Start::Context, Some(Item::Node(node))) => Some(*node),
            (Start::Variable(slot), _) => match self.environment.slots.get(*slot) {
                Some(Binding::Node(doc, id)) => match self.variables.get(*slot).map(Vec::as_slice) {
                    Some([only]) => Some(Node::new(doc, *id, *only)),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    /// The first node at the end of the links.
    pub(in crate::fhirpath) fn first_node(
        &mut self,
        links: &'e [Link],
        from: Node<'e>,
    ) -> Result<Option<Node<'e>>, Stop> {
        let (mut links, mut node) = (links, from);
        while let Some((link, rest)) = links.split_first() {
            links = rest;
            match link {
                Link::Member(step @ Step { simple: true, moves }) => {
                    let Some(way) = moves.first().and_then(|route| route.ways.first()) else { return Ok(None) };
                    let doc = node.doc;
                    if doc.has_twins(node.id) {
                        let found = self.first_sent(|machine, out| machine.members(step, rest, node, out))?;
                        return Ok(found.and_then(|value| value.item.node().copied()));
                    }
                    let Some(child) = self.find(doc, node.id, &way.key)? else { return Ok(None) };
                    match doc.kind(child) {
                        Kind::Null => return Ok(None),
                        Kind::Array if way.repeats => {
                            for id in doc.children(child) {
                                self.step(1)?;
                                if doc.kind(id) == Kind::Null {
                                    continue;
                                }
                                let found = self.first_node(rest, Node { doc, id, twin: None, ty: way.to })?;
                                if found.is_some() {
                                    return Ok(found);
                                }
                            }
                            return Ok(None);
                        }
                        Kind::Array => {
                            return self.member(way, rest, doc, Some(child), None, &mut |_, _| Ok(())).map(|()| None);
                        }
                        _ => node = Node { doc, id: child, twin: None, ty: way.to },
                    }
                }
                Link::Member(step) => {
                    let found = self.first_sent(|machine, out| machine.members(step, rest, node, out))?;
                    return Ok(found.and_then(|value| value.item.node().copied()));
                }
                Link::Filter(test) => {
                    let this = plain(node);
                    if self.test(test, Focus { this: Some(&this), index: 0 })? != Some(true) {
                        return Ok(None);
                    }
                }
                Link::Resource(_) | Link::OfType(_) => match self.typed(link, node)? {
                    Some(typed) => node = typed,
                    None => return Ok(None),
                },
                Link::Resolve(targets) => {
                    let value = plain(node);
                    let found = self.first_sent(|machine, out| machine.resolve(targets, &value, out))?;
                    match found.and_then(|value| value.item.node().copied()) {
                        Some(resolved) => node = resolved,
                        None => return Ok(None),
                    }
                }
            }
        }
        Ok(Some(node))
    }

    /// The node with the type that the link asks for, if it has it.
    fn typed(&mut self, link: &'e Link, node: Node<'e>) -> Result<Option<Node<'e>>, Stop> {
        self.step(1)?;
        let found = match link {
            Link::Resource(name) => Some(*name).filter(|name| self.is_resource(node, name)),
            Link::OfType(name) => self.type_of(node.doc, node.id, node.ty).filter(|found| is_a(found, name)),
            _ => None,
        };
        Ok(found.map(|found| Node { ty: NodeType::Fhir(found), ..node }))
    }

    fn begin(&mut self, links: &'e [Link], value: &Value<'e>, out: Out<'_, 'm, 'e, T>) -> Flow {
        if let Item::Node(node) = &value.item {
            return self.follow(links, *node, out);
        }
        match links.split_first() {
            None => out(self, value.clone()),
            Some((Link::Filter(test), rest)) => {
                if self.test(test, Focus { this: Some(value), index: 0 })? == Some(true) {
                    self.begin(rest, value, out)
                } else {
                    Ok(())
                }
            }
            // What is computed has no members, is no resource and refers to nothing.
            Some(_) => Ok(()),
        }
    }

    /// Follows the links from one node.
    pub(super) fn follow(&mut self, links: &'e [Link], from: Node<'e>, out: Out<'_, 'm, 'e, T>) -> Flow {
        let (mut links, mut node) = (links, from);
        while let Some((link, rest)) = links.split_first() {
            links = rest;
            match link {
                Link::Member(step @ Step { simple: true, moves }) => {
                    let Some(way) = moves.first().and_then(|route| route.ways.first()) else { return Ok(()) };
                    let doc = node.doc;
                    if doc.has_twins(node.id) {
                        return self.members(step, rest, node, out);
                    }
                    let Some(child) = self.find(doc, node.id, &way.key)? else { return Ok(()) };
                    match doc.kind(child) {
                        Kind::Null => return Ok(()),
                        Kind::Array if way.repeats => {
                            for id in doc.children(child) {
                                self.step(1)?;
                                if doc.kind(id) != Kind::Null {
                                    self.follow(rest, Node { doc, id, twin: None, ty: way.to }, out)?;
                                }
                            }
                            return Ok(());
                        }
                        Kind::Array => return self.member(way, rest, doc, Some(child), None, out),
                        _ => node = Node { doc, id: child, twin: None, ty: way.to },
                    }
                }
                Link::Member(step) => return self.members(step, rest, node, out),
                Link::Filter(test) => {
                    let this = plain(node);
                    if self.test(test, Focus { this: Some(&this), index: 0 })? != Some(true) {
                        return Ok(());
                    }
                }
                Link::Resource(_) | Link::OfType(_) => match self.typed(link, node)? {
                    Some(typed) => node = typed,
                    None => return Ok(()),
                },
                Link::Resolve(targets) => {
                    let value = plain(node);
                    return self.resolve(targets, &value, &mut |machine, value| machine.begin(rest, &value, out));
                }
            }
        }
        out(self, plain(node))
    }

    /// Whether a node is a resource of this type. A resource says its type itself.
    fn is_resource(&self, node: Node<'e>, name: &'static str) -> bool {
        match node.ty {
            NodeType::Fhir("Resource" | "DomainResource") => {
                let kind = node.doc.get(node.id, "resourceType");
                kind.is_some_and(|kind| node.doc.is_text(kind, name))
            }
            NodeType::Fhir(found) => found == name,
            NodeType::Shape(_) => false,
        }
    }

    /// The answer to a question.
    pub(super) fn test(&mut self, test: &'e Test, focus: Focus<'_, 'e>) -> Result<Option<bool>, Stop> {
        match test {
            Test::IsText { left, text, wanted } => {
                if let (Some(member), Some(Value { item: Item::Node(node), .. })) = (left.one_member(), focus.this) {
                    return self.member_is(*node, member, text, *wanted, (left, focus));
                }
                let Some(left) = self.first_of(left, focus)? else { return Ok(None) };
                self.examine(&left);
                Ok(self.is_text(&left, text)?.map(|equal| equal == *wanted))
            }
            Test::Exists { chain, wanted } => {
                self.step(1)?;
                let found = self.first_of(chain, focus)?;
                if let Some(value) = &found {
                    self.examine(value);
                }
                Ok(Some(found.is_some() == *wanted))
            }
            Test::Not(inner) => Ok(self.test(inner, focus)?.map(|truth| !truth)),
            Test::Logic { logic, left, right } => {
                self.step(1)?;
                let left = self.test(left, focus)?;
                match (logic, left) {
                    (Logic::And, Some(false)) => return Ok(Some(false)),
                    (Logic::Or, Some(true)) | (Logic::Implies, Some(false)) => return Ok(Some(true)),
                    _ => {}
                }
                Ok(combine(*logic, left, self.test(right, focus)?))
            }
            Test::Other(op) => self.boolean(op, focus),
        }
    }

    /// The question of nearly every filter: whether a member of the item is this text. What is no plain string (a twin,
    /// an array, a null) is left to the general case.
    fn member_is(
        &mut self,
        node: Node<'e>,
        way: &'e Way,
        text: &str,
        wanted: bool,
        (left, focus): (&'e Chain, Focus<'_, 'e>),
    ) -> Result<Option<bool>, Stop> {
        let doc = node.doc;
        let child = self.find(doc, node.id, &way.key)?;
        if doc.has_twins(node.id) || child.is_some_and(|child| doc.kind(child) != Kind::String) {
            let Some(left) = self.first_of(left, focus)? else { return Ok(None) };
            self.examine(&left);
            return Ok(self.is_text(&left, text)?.map(|equal| equal == wanted));
        }
        let Some(child) = child else { return Ok(None) };
        if T::ACTIVE {
            self.trace.examined(doc, child);
        }
        self.read(text.len())?;
        Ok(Some(doc.is_text(child, text) == wanted))
    }

    /// Whether a node that is text by its type is this one.
    fn is_text(&mut self, left: &Value<'e>, text: &str) -> Result<Option<bool>, Stop> {
        match &left.item {
            Item::Node(node) if !node.is_bare() && node.doc.kind(node.id) == Kind::String => {
                self.read(node.doc.raw(node.id).len())?;
                Ok(Some(node.doc.is_text(node.id, text)))
            }
            item => {
                Ok(self.system(item)?.map(|item| matches!(item, Item::Text(found) if found == Cow::Borrowed(text))))
            }
        }
    }
}

const fn plain(node: Node<'_>) -> Value<'_> {
    Value::plain(Item::Node(node))
}
