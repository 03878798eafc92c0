//! Equality and order of items.

use std::cmp::Ordering;

use super::super::item::{Item, Trace};
use super::super::plan::{Literal, Op, Order};
use super::super::types::System;
use super::super::{decimal, temporal};
use super::{Focus, Machine, Stop, Value};

impl<'e, T: Trace> Machine<'_, 'e, T> {
    pub(super) fn equal_single(
        &mut self,
        left: &'e Op,
        right: &'e Op,
        focus: Focus<'_, 'e>,
    ) -> Result<Option<bool>, Stop> {
        let left = self.examined(left, focus)?;
        if let Op::Literal(Literal::Text(text)) = right {
            // What nearly every criterion does.
            let Some(left) = left else { return Ok(None) };
            let system = self.system(&left.item)?;
            return Ok(Some(matches!(system, Some(Item::Text(found)) if *found == **text)));
        }
        let right = self.examined(right, focus)?;
        let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
        self.equal(&left, &right)
    }

    /// Two collections are equal if they are equally long and their items are equal in order.
    pub(super) fn equal_all(
        &mut self,
        left: &'e Op,
        right: &'e Op,
        focus: Focus<'_, 'e>,
    ) -> Result<Option<bool>, Stop> {
        let left = self.all_examined(left, focus)?;
        let right = self.all_examined(right, focus)?;
        if left.is_empty() || right.is_empty() {
            return Ok(None);
        }
        if left.len() != right.len() {
            return Ok(Some(false));
        }
        let mut answer = Some(true);
        for (left, right) in left.iter().zip(&right) {
            match self.equal(left, right)? {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => answer = None,
            }
        }
        Ok(answer)
    }

    /// `=` of two items.
    pub(super) fn equal(&mut self, left: &Value<'e>, right: &Value<'e>) -> Result<Option<bool>, Stop> {
        let (a, b) = match (self.system(&left.item)?, self.system(&right.item)?) {
            (Some(a), Some(b)) => (a, b),
            // A primitive without value is there, and equal to what has the same extensions and no value either.
            (None, None) => return self.twins(&left.item, &right.item),
            _ => return Ok(Some(false)),
        };
        if let (Item::Node(a), Item::Node(b)) = (&a, &b) {
            return self.deep(a, b);
        }
        Ok(match (&a, &b) {
            (Item::Text(a), Item::Text(b)) => Some(a == b),
            (Item::Boolean(a), Item::Boolean(b)) => Some(a == b),
            _ => match self.order(left, &a, right, &b)? {
                Ok(order) => order.map(Ordering::is_eq),
                Err(()) => Some(false),
            },
        })
    }

    /// `~` of two items or of nothing.
    pub(super) fn equivalent(&mut self, left: &'e Op, right: &'e Op, focus: Focus<'_, 'e>) -> Result<bool, Stop> {
        let left = self.examined(left, focus)?;
        let right = self.examined(right, focus)?;
        let (left, right) = match (&left, &right) {
            (Some(left), Some(right)) => (left, right),
            (None, None) => return Ok(true),
            _ => return Ok(false),
        };
        match (self.system(&left.item)?, self.system(&right.item)?) {
            (Some(Item::Text(a)), Some(Item::Text(b))) => Ok(folded(&a) == folded(&b)),
            _ => Ok(self.equal(left, right)? == Some(true)),
        }
    }

    pub(super) fn compare(
        &mut self,
        left: &'e Op,
        right: &'e Op,
        order: Order,
        focus: Focus<'_, 'e>,
    ) -> Result<Option<bool>, Stop> {
        let left = self.examined(left, focus)?;
        let right = self.examined(right, focus)?;
        let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
        let (Some(a), Some(b)) = (self.system(&left.item)?, self.system(&right.item)?) else { return Ok(None) };
        let found = match (&a, &b) {
            (Item::Text(a), Item::Text(b)) => Some(a.cmp(b)),
            _ => self.order(&left, &a, &right, &b)?.unwrap_or(None),
        };
        Ok(found.map(|found| match order {
            Order::Less => found.is_lt(),
            Order::LessOrEqual => found.is_le(),
            Order::Greater => found.is_gt(),
            Order::GreaterOrEqual => found.is_ge(),
        }))
    }

    /// The order of two numbers or of two dates or times; `Err` if they are not of such types.
    fn order(
        &self,
        left: &Value<'e>,
        a: &Item<'e>,
        right: &Value<'e>,
        b: &Item<'e>,
    ) -> Result<Result<Option<Ordering>, ()>, Stop> {
        if let (Item::Integer(a), Item::Integer(b)) = (a, b) {
            return Ok(Ok(Some(a.cmp(b))));
        }
        if let (Some(a), Some(b)) = (number(a), number(b)) {
            return Ok(Ok(Some(decimal::compare(&a, &b))));
        }
        let (Some((a, kind)), Some((b, other))) = (moment(a), moment(b)) else { return Ok(Err(())) };
        if (kind == System::Time) != (other == System::Time) {
            return Ok(Err(()));
        }
        let a = temporal::read(a, kind).ok_or_else(|| malformed(left, kind))?;
        let b = temporal::read(b, other).ok_or_else(|| malformed(right, other))?;
        Ok(Ok(temporal::compare(&a, &b)))
    }
}

/// A text without regard to case, with all blanks as the same one.
fn folded(text: &str) -> String {
    text.replace(char::is_whitespace, " ").to_uppercase().to_lowercase()
}

fn number<'i>(item: &'i Item<'_>) -> Option<std::borrow::Cow<'i, str>> {
    match item {
        Item::Integer(number) => Some(number.to_string().into()),
        Item::Decimal(digits) => Some(std::borrow::Cow::Borrowed(digits)),
        _ => None,
    }
}

fn moment<'i>(item: &'i Item<'_>) -> Option<(&'i str, System)> {
    match item {
        Item::Date(text) => Some((text, System::Date)),
        Item::DateTime(text) => Some((text, System::DateTime)),
        Item::Time(text) => Some((text, System::Time)),
        _ => None,
    }
}

/// Only a node can be written wrongly: what is computed has been checked.
pub(super) fn malformed(value: &Value<'_>, system: System) -> Stop {
    use super::super::fault::EvaluationFault;
    match &value.item {
        Item::Node(node) => node.malformed(system).into(),
        _ => EvaluationFault::Malformed { location: "a bound value".to_owned(), expected: system.name() }.into(),
    }
}
