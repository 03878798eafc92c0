//! Conversions between FHIRPath's own types, by the tables of N1.

use std::borrow::Cow;

use crate::document::Kind;

use super::super::item::{Item, Node, Trace};
use super::super::plan::Op;
use super::super::shape::ShapeKind;
use super::super::types::{NodeType, System};
use super::super::{decimal, temporal};
use super::compare::malformed;
use super::{Focus, Machine, Stop, Value};

impl<'e, T: Trace> Machine<'_, 'e, T> {
    pub(super) fn convert(
        &mut self,
        from: &'e Op,
        to: System,
        focus: Focus<'_, 'e>,
    ) -> Result<Option<Value<'e>>, Stop> {
        let Some(value) = self.single(from, focus)? else { return Ok(None) };
        let Some(item) = self.converted(&value, to)? else { return Ok(None) };
        Ok(Some(self.computed(item, &[&value])))
    }

    pub(super) fn converts(&mut self, from: &'e Op, to: System, focus: Focus<'_, 'e>) -> Result<Option<bool>, Stop> {
        let Some(value) = self.examined(from, focus)? else { return Ok(None) };
        Ok(Some(self.converted(&value, to)?.is_some()))
    }

    pub(super) fn has_value(&mut self, from: &'e Op, focus: Focus<'_, 'e>) -> Result<Option<bool>, Stop> {
        let value = self.examined(from, focus)?;
        Ok(Some(matches!(value, Some(Value { item: Item::Node(node), .. }) if !node.is_bare())))
    }

    pub(super) fn get_value(&mut self, from: &'e Op, focus: Focus<'_, 'e>) -> Result<Option<Value<'e>>, Stop> {
        let Some(value) = self.single(from, focus)? else { return Ok(None) };
        let Some(item) = self.system(&value.item)? else { return Ok(None) };
        Ok(Some(self.computed(item, &[&value])))
    }

    fn converted(&mut self, value: &Value<'e>, to: System) -> Result<Option<Item<'e>>, Stop> {
        if let Item::Node(node) = &value.item
            && node.ty == NodeType::Shape(ShapeKind::Scalar)
        {
            return Ok(scalar(node).map(Item::Text));
        }
        let Some(item) = self.system(&value.item)? else { return Ok(None) };
        Ok(match to {
            System::String => Some(Item::Text(text(value, item)?)),
            System::Boolean => boolean(&item).map(Item::Boolean),
            System::Integer => integer(&item).map(Item::Integer),
            System::Decimal => decimal_of(item).map(Item::Decimal),
            System::Date | System::DateTime | System::Time => moment(value, item, to)?,
        })
    }
}

/// A value of which the platform does not say what it is, as text.
fn scalar<'e>(node: &Node<'e>) -> Option<Cow<'e, str>> {
    match node.doc.kind(node.id) {
        Kind::String => node.doc.string(node.id),
        Kind::Number | Kind::Bool => Some(Cow::Borrowed(node.doc.raw(node.id))),
        _ => None,
    }
}

fn text<'e>(value: &Value<'e>, item: Item<'e>) -> Result<Cow<'e, str>, Stop> {
    Ok(match item {
        Item::Text(text) | Item::Date(text) | Item::DateTime(text) | Item::Time(text) => text,
        // FHIRPath writes no exponent.
        Item::Decimal(digits) if digits.contains(['e', 'E']) => {
            decimal::expanded(&digits).ok_or_else(|| malformed(value, System::Decimal))?.into()
        }
        Item::Decimal(digits) => digits,
        Item::Integer(number) => number.to_string().into(),
        Item::Boolean(truth) => Cow::Borrowed(if truth { "true" } else { "false" }),
        Item::Node(node) => return Err(malformed(value, node.ty.system().unwrap_or(System::String))),
    })
}

fn boolean(item: &Item<'_>) -> Option<bool> {
    match item {
        Item::Boolean(truth) => Some(*truth),
        Item::Integer(1) => Some(true),
        Item::Integer(0) => Some(false),
        Item::Decimal(digits) => {
            let is = |number| decimal::compare(digits, number).is_eq();
            if is("1") { Some(true) } else { is("0").then_some(false) }
        }
        Item::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn integer(item: &Item<'_>) -> Option<i64> {
    match item {
        Item::Integer(number) => Some(*number),
        Item::Boolean(truth) => Some(i64::from(*truth)),
        Item::Text(text) => {
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            whole.then(|| text.parse::<i32>().ok()).flatten().map(i64::from)
        }
        _ => None,
    }
}

fn decimal_of(item: Item<'_>) -> Option<Cow<'_, str>> {
    match item {
        Item::Decimal(digits) => Some(digits),
        Item::Integer(number) => Some(number.to_string().into()),
        Item::Boolean(truth) => Some(Cow::Borrowed(if truth { "1.0" } else { "0.0" })),
        Item::Text(text) => {
            let (sign, digits) = match text.strip_prefix('-') {
                Some(digits) => ("-", digits),
                None => ("", text.strip_prefix('+').unwrap_or(&text)),
            };
            let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, part)| (whole, Some(part)));
            let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if !number(whole) || !fraction.is_none_or(number) {
                return None;
            }
            // JSON knows no plus sign and no leading zeros.
            let whole = whole.trim_start_matches('0');
            let whole = if whole.is_empty() { "0" } else { whole };
            let point = if fraction.is_some() { "." } else { "" };
            Some([sign, whole, point, fraction.unwrap_or_default()].concat().into())
        }
        _ => None,
    }
}

fn moment<'e>(value: &Value<'e>, item: Item<'e>, to: System) -> Result<Option<Item<'e>>, Stop> {
    let text = match item {
        Item::Text(text) if temporal::read_strict(&text, to).is_some() => text,
        Item::Text(_) => return Ok(None),
        Item::Date(text) => checked(value, text, System::Date)?,
        Item::DateTime(text) => checked(value, text, System::DateTime)?,
        Item::Time(text) => checked(value, text, System::Time)?,
        _ => return Ok(None),
    };
    Ok(Some(match to {
        // The day that is written, in the offset in which it is written.
        System::Date => Item::Date(match text.find('T') {
            Some(end) => text.get(..end).unwrap_or_default().to_owned().into(),
            None => text,
        }),
        System::DateTime => Item::DateTime(text),
        _ => Item::Time(text),
    }))
}

/// A date or time of a document must be one.
fn checked<'e>(value: &Value<'e>, text: Cow<'e, str>, system: System) -> Result<Cow<'e, str>, Stop> {
    if temporal::read(&text, system).is_none() {
        return Err(malformed(value, system));
    }
    Ok(text)
}
