//! One value: from the referral to what is written, in the order that the language promises: source, code map, date
//! format, join, transforms, label, then the end: nothing there, type, length, pattern, list, range, encoding.

use super::date::{self, Formatted};
use super::environment::Run;
use super::held::Held;
use super::record::{Begun, Record, lose_sources};
use super::refusal::{Cause, Fault, Refusal};
use super::{length, text};
use crate::account::{Detail, Did, Event, LeftOut, LossReason};
use crate::fhirpath::{Expression, Item, Node};
use crate::program::{
    DateFormat, DatePart, Finish, MaxLength, Mismatch, Overflow, Partial, RuleId, Scalar, Source, Transform, Value,
};
use crate::write::Json;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::ops::ControlFlow;

impl<'e, R: Record> Run<'e, '_, R> {
    /// Writes a value, or leaves it out; says which.
    pub(crate) fn field(
        &mut self,
        value: &'e Value,
        focus: Option<&Item<'e>>,
        json: &mut Json,
    ) -> Result<bool, Box<Refusal>> {
        let begun = self.record.begin();
        let item = self.item(value, focus).map_err(|fault| self.refuse(value.rule, fault))?;
        if let Some(Item::Node(node)) = &item
            && let Some(text) = as_it_stands(value, node)
        {
            json.raw(text);
            if R::ON {
                self.record.wrote(begun, self.environment.bundle, value.rule, &Held::string(node.doc, node.id));
            }
            return Ok(true);
        }
        let held = self.made(value, item, focus, begun).map_err(|fault| self.refuse(value.rule, fault))?;
        Ok(self.put(held, value.rule, &value.finish, begun, json))
    }

    /// Makes a value; the caller writes it and tells the record so.
    pub(crate) fn value(
        &mut self,
        value: &'e Value,
        focus: Option<&Item<'e>>,
        begun: Begun,
    ) -> Result<Held<'e>, Box<Refusal>> {
        let held = self.item(value, focus).and_then(|item| self.made(value, item, focus, begun));
        held.map_err(|fault| self.refuse(value.rule, fault))
    }

    /// The first item of the source; nothing yet of a constant, or where several are joined.
    #[inline]
    fn item(&mut self, value: &'e Value, focus: Option<&Item<'e>>) -> Result<Option<Item<'e>>, Fault> {
        match &value.source {
            Source::From(expression) if value.join.is_none() => self.first(expression, focus),
            _ => Ok(None),
        }
    }

    fn made(
        &mut self,
        value: &'e Value,
        item: Option<Item<'e>>,
        focus: Option<&Item<'e>>,
        begun: Begun,
    ) -> Result<Held<'e>, Fault> {
        let held = match (&value.source, &value.join, item) {
            (Source::Constant(literal), ..) => {
                self.record.did(Did::Constant);
                Held::literal(literal)
            }
            (Source::From(expression), Some(separator), _) => {
                self.joined(value, expression, separator, focus, begun)?
            }
            (Source::From(_), None, Some(item)) => self.piece(item, value, begun)?,
            (Source::From(_), None, None) => Held::Nothing,
        };
        let held =
            if value.transforms.is_empty() && value.label.is_none() { held } else { self.changed(value, held, begun) };
        // A date in a platform's pattern is text from here on.
        let kind = if value.format.is_some() { Scalar::Text } else { value.kind };
        self.end(held, value.rule, kind, &value.finish, begun)
    }

    fn changed(&mut self, value: &'e Value, held: Held<'e>, begun: Begun) -> Held<'e> {
        let Some(mut text) = held.characters().filter(|text| !text.is_empty()) else { return Held::Nothing };
        for how in &value.transforms {
            text = self.transform(text, *how, value.rule, begun);
        }
        if text.is_empty() {
            self.leave_out(value.rule, LeftOut::NothingLeft, begun);
            return Held::Nothing;
        }
        match &value.label {
            Some(label) => Held::text(Cow::Owned(format!("{label}{text}"))),
            None => Held::text(text),
        }
    }

    fn joined(
        &mut self,
        value: &'e Value,
        expression: &'e Expression,
        separator: &str,
        focus: Option<&Item<'e>>,
        begun: Begun,
    ) -> Result<Held<'e>, Fault> {
        let mut items = Vec::with_capacity(8);
        self.each(expression, focus, &mut |item| {
            items.push(item);
            ControlFlow::Continue(())
        })?;
        let mut joined: Option<Cow<'e, str>> = None;
        let mut count = 0;
        for item in items {
            let piece = self.piece(item, value, begun)?;
            let Some(piece) = piece.characters().filter(|piece| !piece.is_empty()) else { continue };
            count += 1;
            match &mut joined {
                None => joined = Some(piece),
                Some(text) => {
                    let text = text.to_mut();
                    text.push_str(separator);
                    text.push_str(&piece);
                }
            }
        }
        if R::ON && count > 1 {
            self.record.did(Did::Joined(count));
        }
        Ok(joined.map_or(Held::Nothing, Held::text))
    }

    /// One item, its code translated or its date formatted.
    fn piece(&mut self, item: Item<'e>, value: &'e Value, begun: Begun) -> Result<Held<'e>, Fault> {
        if let Some(codes) = &value.map {
            return self.map(item, codes, value.rule, begun);
        }
        let held = Held::item(item)?;
        match &value.format {
            Some(format) => self.formatted(held, format, value.rule, begun),
            None => Ok(held),
        }
    }

    fn formatted(
        &mut self,
        held: Held<'e>,
        format: &DateFormat,
        rule: RuleId,
        begun: Begun,
    ) -> Result<Held<'e>, Fault> {
        let Some(text) = held.characters().filter(|text| !text.is_empty()) else { return Ok(Held::Nothing) };
        let mut out = String::with_capacity(24);
        let formatted = if format.parts.is_empty() {
            // No pattern: a date-time stands as it came, if it is whole.
            if date::is_date_time(&text) {
                return Ok(Held::text(text));
            }
            Formatted::Partial
        } else {
            date::write(&text, format, &mut out)
        };
        match (formatted, format.partial) {
            (Formatted::Whole, _) => {
                self.record.did(Did::Formatted);
                if R::ON && text.contains('T') && !format.parts.contains(&DatePart::Hour) {
                    lose_sources(self.record, begun, LossReason::Altered, rule, Detail::TimeOfDay);
                }
                Ok(Held::text(Cow::Owned(out)))
            }
            (Formatted::Malformed, _) => Err(Box::new(Cause::Type("a date"))),
            (Formatted::Partial, Partial::Refuse) => Err(Box::new(Cause::PartialDate)),
            (Formatted::Partial, Partial::Keep) => {
                self.record.did(Did::KeptPartial);
                Ok(Held::text(text))
            }
            (Formatted::Partial, Partial::Omit) => {
                self.leave_out(rule, LeftOut::PartialDate, begun);
                Ok(Held::Nothing)
            }
        }
    }

    fn transform(&mut self, before: Cow<'e, str>, how: Transform, rule: RuleId, begun: Begun) -> Cow<'e, str> {
        let count = if R::ON { before.chars().count() } else { 0 };
        let after = text::transform(before, how);
        if R::ON {
            let left = after.chars().count();
            if left < count {
                let removed = u32::try_from(count - left).unwrap_or(u32::MAX);
                self.record.did(Did::Transformed(how));
                lose_sources(self.record, begun, LossReason::Altered, rule, Detail::Removed(removed));
            } else {
                self.record.did(Did::Transformed(how));
            }
        }
        after
    }

    /// What is done at the end.
    pub(crate) fn end(
        &mut self,
        held: Held<'e>,
        rule: RuleId,
        kind: Scalar,
        finish: &'e Finish,
        begun: Begun,
    ) -> Result<Held<'e>, Fault> {
        let held = self.limited(held, rule, kind, finish, begun)?;
        if !held.is_nothing() {
            return Ok(held);
        }
        if let Some(default) = &finish.default {
            self.record.did(Did::Defaulted);
            self.record.lost(Event { reason: LossReason::Defaulted, rule, node: None, detail: Detail::Nothing });
            return Ok(Held::literal(default));
        }
        if finish.required { Err(Box::new(Cause::Missing)) } else { Ok(Held::Nothing) }
    }

    fn limited(
        &mut self,
        held: Held<'e>,
        rule: RuleId,
        kind: Scalar,
        finish: &'e Finish,
        begun: Begun,
    ) -> Result<Held<'e>, Fault> {
        if held.is_nothing() {
            return Ok(Held::Nothing);
        }
        if R::ON && kind == Scalar::Date && matches!(&held, Held::Text { text, .. } if text.contains('T')) {
            self.record.did(Did::DayOnly);
            lose_sources(self.record, begun, LossReason::Altered, rule, Detail::TimeOfDay);
        }
        let mut held = held.become_kind(kind)?;
        if let Held::Escaped(escaped) = held {
            // What is as short as it must be even with its escapes, and is asked nothing else, is not decoded.
            let fits = finish.max_length.as_ref().is_none_or(|limit| length::surely_fits(escaped.raw(), limit.most));
            if fits && finish.pattern.is_none() && finish.one_of.is_none() && !finish.base64 {
                return Ok(held);
            }
            held = Held::text(escaped.decoded());
        }
        if let Some((least, most, mismatch)) = finish.range
            && let Held::Integer(number) = held
            && !(least..=most).contains(&number)
        {
            return self.mismatched(mismatch, Cause::Range { least, most }, rule, LeftOut::Range, begun);
        }
        let Held::Text { text, .. } = &held else { return Ok(held) };
        if let Some(limit) = &finish.max_length
            && !length::fits(text, limit.most, limit.count)
        {
            let cut = self.cut(text, limit, rule, begun)?;
            held = Held::text(Cow::Owned(cut));
        }
        let Held::Text { text, .. } = &held else { return Ok(held) };
        if let Some((pattern, mismatch)) = &finish.pattern
            && !pattern.is_match(text)
        {
            return self.mismatched(*mismatch, Cause::Pattern, rule, LeftOut::Pattern, begun);
        }
        if let Some((allowed, mismatch)) = &finish.one_of
            && !allowed.iter().any(|each| each == text)
        {
            return self.mismatched(*mismatch, Cause::NotAllowed, rule, LeftOut::NotAllowed, begun);
        }
        if finish.base64 {
            self.record.did(Did::Base64);
            return Ok(Held::text(Cow::Owned(STANDARD.encode(text.as_bytes()))));
        }
        Ok(held)
    }

    fn cut(&mut self, text: &str, limit: &MaxLength, rule: RuleId, begun: Begun) -> Result<String, Fault> {
        let count = limit.count;
        let marker = match &limit.overflow {
            Overflow::Refuse => {
                return Err(Box::new(Cause::TooLong { length: length::measure(text, count), most: limit.most }));
            }
            Overflow::Truncate { marker } => marker,
        };
        let made = length::cut(text, limit.most, count, marker);
        if R::ON {
            let small = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
            let from = small(length::measure(text, count));
            let kept = made.strip_suffix(marker.as_str()).unwrap_or_default();
            let to = small(length::measure(kept, count));
            self.record.did(Did::Cut { from, to, count });
            lose_sources(self.record, begun, LossReason::Truncated, rule, Detail::Cut { from, to, count });
        }
        Ok(made)
    }

    fn mismatched(
        &mut self,
        mismatch: Mismatch,
        cause: Cause,
        rule: RuleId,
        why: LeftOut,
        begun: Begun,
    ) -> Result<Held<'e>, Fault> {
        match mismatch {
            Mismatch::Refuse => Err(Box::new(cause)),
            Mismatch::Omit => {
                self.leave_out(rule, why, begun);
                Ok(Held::Nothing)
            }
        }
    }

    fn leave_out(&mut self, rule: RuleId, why: LeftOut, begun: Begun) {
        lose_sources(self.record, begun, LossReason::DidNotFit, rule, Detail::LeftOut(why));
    }
}

/// The JSON text of a string of the document, if the rule asks for no more than that it is passed on and is not longer than
/// it may be.
#[inline]
fn as_it_stands<'e>(value: &Value, node: &Node<'e>) -> Option<&'e str> {
    let finish = &value.finish;
    let asks = !matches!(value.kind, Scalar::Text | Scalar::Code)
        || value.map.is_some()
        || value.format.is_some()
        || value.label.is_some()
        || !value.transforms.is_empty()
        || finish.pattern.is_some()
        || finish.one_of.is_some()
        || finish.base64;
    let text = node.doc.well_escaped(node.id).filter(|text| !asks && !text.is_empty() && !node.is_bare())?;
    let fits = finish.max_length.as_ref().is_none_or(|limit| length::surely_fits(text, limit.most));
    fits.then(|| node.doc.raw(node.id))
}
