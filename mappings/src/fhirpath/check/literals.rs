//! Literals: checked once, so that the evaluator can trust them.

use super::super::ast::{Node, Syntax};
use super::super::fault::Fault;
use super::super::plan::{Arithmetic, Literal, Op};
use super::super::temporal;
use super::super::types::System;
use super::{Checker, Focus, Part};

impl Checker<'_> {
    pub(super) fn literal(&mut self, node: &Node) -> Option<Part> {
        let (literal, system) = match &node.syntax {
            Syntax::Boolean(truth) => (Literal::Boolean(*truth), System::Boolean),
            Syntax::Text(text) => (Literal::Text(text.as_str().into()), System::String),
            Syntax::Number(number) => return self.number(number, node),
            Syntax::Temporal(text) => return self.temporal(text, node),
            _ => {
                return self.fault(
                    Fault::new(node.at.clone(), "quantities with units are outside this subset: it converts no units")
                        .mend("compare value and code of the Quantity, each on its own"),
                );
            }
        };
        Some(Part::system(Op::Literal(literal), system, false))
    }

    fn number(&mut self, number: &str, node: &Node) -> Option<Part> {
        if number.contains('.') {
            return Some(Part::system(Op::Literal(Literal::Decimal(number.into())), System::Decimal, false));
        }
        match number.parse::<i32>() {
            Ok(value) => Some(Part::system(Op::Literal(Literal::Integer(value.into())), System::Integer, false)),
            Err(_) => self.fault(
                Fault::new(node.at.clone(), "an Integer of FHIRPath has 32 bits and ends at 2147483647")
                    .mend("write it as a decimal, with .0 behind it, or as text"),
            ),
        }
    }

    /// `-5`, `+5` and `-x`.
    pub(super) fn sign(&mut self, minus: bool, operand: &Node, node: &Node, focus: &Focus) -> Option<Part> {
        if let Syntax::Number(number) = &operand.syntax {
            let signed = if minus { format!("-{number}") } else { number.clone() };
            return self.number(&signed, node);
        }
        let part = self.one(operand, focus, "a sign")?;
        if !part.is_nothing() && part.only_system() != Some(System::Integer) {
            let problem = format!("a sign stands before numbers, and this is {}", part.names());
            return self.fault(Fault::new(node.at.clone(), problem).mend("put what follows the number in brackets"));
        }
        if !minus {
            return Some(part);
        }
        let sources = part.paths();
        let zero = Box::new(Op::Literal(Literal::Integer(0)));
        let op = Op::Arithmetic { sign: Arithmetic::Subtract, left: zero, right: Box::new(part.op) };
        let mut part = Part::system(op, System::Integer, true);
        part.sources = sources;
        Some(part)
    }

    fn temporal(&mut self, text: &str, node: &Node) -> Option<Part> {
        let (system, value) = match text.strip_prefix('T') {
            Some(time) => (System::Time, time),
            None if text.contains('T') => (System::DateTime, text.strip_suffix('T').unwrap_or(text)),
            None => (System::Date, text),
        };
        if temporal::read_strict(value, system).is_none() {
            return self.fault(
                Fault::new(node.at.clone(), format!("this is no {} that the calendar or the clock has", system.name()))
                    .mend("for example @2026-01-31, @2026-01-31T09:30:00+00:00 or @T09:30"),
            );
        }
        let literal = match system {
            System::Time => Literal::Time(value.into()),
            System::Date => Literal::Date(value.into()),
            _ => Literal::DateTime(value.into()),
        };
        Some(Part::system(Op::Literal(literal), system, false))
    }
}
