//! Functions: which input and arguments they take, and what they give.

use super::super::ast::{Name, Node};
use super::super::fault::Fault;
use super::super::plan::Op;
use super::super::types::System;
use super::{Checker, Focus, Part};

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        input: Option<&Node>,
        name: &Name,
        arguments: &[Node],
        node: &Node,
        focus: &Focus,
    ) -> Option<Part> {
        match (name.text.as_str(), input, arguments) {
            ("iif", None, [test, yes, rest @ ..]) if rest.len() < 2 => self.iif(test, yes, rest.first(), focus),
            ("where", _, [test]) => {
                let from = self.input(input, name, focus)?;
                let test = self.criterion(test, &inner(&from), "where()")?;
                let mut part = from.with(|from| Op::Where { from, test: Box::new(test.op) });
                part.holds.may_be_empty = true;
                Some(part)
            }
            ("first", _, []) => {
                let mut part = self.input(input, name, focus)?.with(Op::First);
                part.holds.many = false;
                Some(part)
            }
            ("exists" | "empty", _, []) => {
                let from = self.input(input, name, focus)?;
                self.examined(&from);
                let op = Op::Exists { from: Box::new(from.op), wanted: name.text == "exists" };
                Some(Part::system(op, System::Boolean, false))
            }
            ("exists", _, [test]) => {
                let from = self.input(input, name, focus)?;
                let test = self.criterion(test, &inner(&from), "exists()")?;
                self.examined(&from);
                let from = Op::Where { from: Box::new(from.op), test: Box::new(test.op) };
                Some(Part::system(Op::Exists { from: Box::new(from), wanted: true }, System::Boolean, false))
            }
            ("not", Some(from), []) => {
                let from = self.criterion(from, focus, "not()")?;
                let (may_be_empty, sources) = (from.holds.may_be_empty, from.paths());
                let mut part = Part::system(Op::Not(Box::new(from.op)), System::Boolean, may_be_empty);
                part.sources = sources;
                Some(part)
            }
            (other, ..) => self.fault(Fault::new(
                node.at.clone(),
                format!("{other}() with these arguments is not in this subset yet"),
            )),
        }
    }

    /// What stands before the point, or else `$this`.
    fn input(&mut self, input: Option<&Node>, name: &Name, focus: &Focus) -> Option<Part> {
        match (input, &focus.this) {
            (Some(input), _) => self.part(input, focus),
            (None, Some(this)) => Some(this.clone()),
            (None, None) => self.fault(super::no_context(&name.at)),
        }
    }

    fn iif(&mut self, test: &Node, yes: &Node, no: Option<&Node>, focus: &Focus) -> Option<Part> {
        let test = self.criterion(test, focus, "iif()");
        let yes = self.part(yes, focus);
        let no = match no {
            Some(no) => self.part(no, focus),
            None => Some(Part::new(Op::Nothing, Vec::new(), false, true)),
        };
        let (test, yes, no) = (test?, yes?, no?);
        let mut types = yes.holds.types;
        for ty in no.holds.types {
            if !types.contains(&ty) {
                types.push(ty);
            }
        }
        let op = Op::Choose { test: Box::new(test.op), yes: Box::new(yes.op), no: Box::new(no.op) };
        let mut part =
            Part::new(op, types, yes.holds.many || no.holds.many, yes.holds.may_be_empty || no.holds.may_be_empty);
        part.sources = yes.sources;
        part.sources.extend(no.sources);
        Some(part)
    }
}

/// The focus inside `where` and its like.
fn inner(from: &Part) -> Focus {
    let this = Part {
        op: Op::This,
        holds: super::ResultType { many: false, may_be_empty: false, ..from.holds.clone() },
        sources: from.sources.clone(),
    };
    Focus { this: Some(this), inner: true }
}
