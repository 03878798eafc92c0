//! The walk over a target: objects, lists, choices. Writes JSON text in one pass and takes back what turned out empty.

use super::environment::Run;
use super::held::Held;
use super::length;
use super::record::{Begun, Record};
use super::refusal::{Cause, Fault, Refusal};
use crate::account::{Detail, Did, Event, LossReason};
use crate::document::{Kind, NodeId};
use crate::fhirpath::{Expression, Item};
use crate::program::{Each, Empty, Finish, Lines, Member, Node, Overflow, RuleId, Scalar, TooMany};
use crate::write::Json;
use std::borrow::Cow;
use std::ops::ControlFlow;

/// How many bytes a request's body may have.
pub const MAX_BODY: usize = 16 << 20;

/// Whether anything was written.
type Written = Result<bool, Box<Refusal>>;

impl<'e, R: Record> Run<'e, '_, R> {
    /// Writes a node. If it gives nothing, nothing is written.
    pub(crate) fn node(&mut self, node: &'e Node, focus: Option<&Item<'e>>, json: &mut Json) -> Written {
        match node {
            Node::Value(value) => self.field(value, focus, json),
            Node::Object(members) => self.object(members, focus, json),
            Node::Each(each) => self.list(each, focus, json),
            Node::Lines(lines) => self.lines(lines, focus, json),
            Node::Choose(alternatives) => {
                for alternative in alternatives {
                    if self.chosen(alternative.when.as_ref(), focus)? {
                        return self.node(&alternative.node, focus, json);
                    }
                }
                Ok(false)
            }
            Node::When { condition, node } => {
                if self.chosen(Some(condition), focus)? {
                    self.node(node, focus, json)
                } else {
                    Ok(false)
                }
            }
            Node::Copy { rule, from, required } => self.copy(*rule, from, *required, focus, json),
            Node::Shared(node) => self.node(node, focus, json),
        }
    }

    fn chosen(&mut self, when: Option<&'e Expression>, focus: Option<&Item<'e>>) -> Written {
        let Some(when) = when else { return Ok(true) };
        self.holds(when, focus).map_err(|cause| Refusal::of(when.text(), *cause))
    }

    /// Writes one value and tells the record so.
    pub(crate) fn put(&mut self, held: Held<'e>, rule: RuleId, finish: &Finish, begun: Begun, json: &mut Json) -> bool {
        match (&held, finish.empty) {
            (Held::Nothing, Empty::Omit) => {
                self.record.left_out(begun);
                return false;
            }
            (Held::Nothing, Empty::Null) => json.raw("null"),
            (Held::Nothing, Empty::Blank) => json.plain_text(""),
            (Held::Text { text, plain: true }, _) => json.plain_text(text),
            (Held::Text { text, .. }, _) => json.text(text),
            (Held::Escaped(escaped), _) => json.raw(escaped.raw()),
            (Held::Integer(number), _) => json.integer(*number),
            (Held::Number(digits), _) => json.raw(digits),
            (Held::Boolean(truth), _) => json.raw(if *truth { "true" } else { "false" }),
        }
        if matches!(held, Held::Nothing) {
            self.record.left_out(begun);
        }
        self.record.wrote(begun, self.environment.bundle, rule, &held);
        true
    }

    /// An object; one whose members are all left out is left out itself.
    fn object(&mut self, members: &'e [Member], focus: Option<&Item<'e>>, json: &mut Json) -> Written {
        let start = json.len();
        json.open_object();
        let mut written = false;
        for member in members {
            let place = json.len();
            json.name(&member.json);
            if self.node(&member.node, focus, json)? {
                written = true;
            } else {
                json.back_to(place);
            }
        }
        if written {
            json.close_object();
        } else {
            json.back_to(start);
        }
        Ok(written)
    }

    fn list(&mut self, each: &'e Each, focus: Option<&Item<'e>>, json: &mut Json) -> Written {
        let begun = self.record.begin();
        let mut items = Vec::with_capacity(8);
        let found = self.each(&each.over, focus, &mut |item| {
            items.push(item);
            ControlFlow::Continue(())
        });
        found.map_err(|cause| self.refuse(each.rule, cause))?;
        // The items are only the places from which the fields of the list start.
        self.record.left_out(begun);
        if let Some((most, too_many)) = each.limit {
            self.limit(&mut items, most, too_many, each.rule)?;
        }
        let start = json.len();
        json.open_array();
        let mut count = 0;
        for item in &items {
            let place = json.len();
            json.next();
            let around = self.record.enter(count);
            let written = self.node(&each.item, Some(item), json)?;
            self.record.leave(around);
            if written {
                count += 1;
            } else {
                json.back_to(place);
            }
            if json.len() > MAX_BODY {
                return Err(self.refuse(each.rule, Cause::TooLarge(MAX_BODY)));
            }
        }
        if count == 0 && each.omit_empty {
            json.back_to(start);
            return Ok(false);
        }
        json.close_array();
        Ok(true)
    }

    fn limit(
        &mut self,
        items: &mut Vec<Item<'e>>,
        most: u32,
        too_many: TooMany,
        rule: RuleId,
    ) -> Result<(), Box<Refusal>> {
        let small = usize::try_from(most).unwrap_or(usize::MAX);
        if items.len() <= small {
            return Ok(());
        }
        if too_many == TooMany::Refuse {
            return Err(self.refuse(rule, Cause::TooMany { most }));
        }
        let of = u32::try_from(items.len()).unwrap_or(u32::MAX);
        for dropped in items.drain(small..) {
            let node = dropped.node().map(|node| node.id);
            let detail = Detail::Items { kept: most, of };
            self.record.lost(Event { reason: LossReason::Truncated, rule, node, detail });
        }
        Ok(())
    }

    /// Lines of text, each with its own field in the record; the whole has one too.
    fn lines(&mut self, lines: &'e Lines, focus: Option<&Item<'e>>, json: &mut Json) -> Written {
        let mut text = String::new();
        let mut parts: Vec<(usize, RuleId, Vec<NodeId>)> = Vec::new();
        for part in &lines.parts {
            let begun = self.record.begin();
            let held = self.value(part, focus, begun)?;
            if held.is_nothing() {
                self.record.left_out(begun);
                continue;
            }
            if !text.is_empty() {
                text.push_str(&lines.separator);
            }
            if R::ON {
                parts.push((text.len(), part.rule, self.record.sources(begun).to_vec()));
            }
            held.push_to(&mut text);
            self.record.wrote(begun, self.environment.bundle, part.rule, &held);
        }
        let begun = self.record.begin();
        let before = text.len();
        let whole = if R::ON { text.clone() } else { String::new() };
        let held = self
            .end(Held::text(Cow::Owned(text)), lines.rule, Scalar::Text, &lines.finish, begun)
            .map_err(|cause| self.refuse(lines.rule, cause))?;
        if R::ON && before > 0 {
            self.cut_lines(lines, &whole, &parts);
        }
        Ok(self.put(held, lines.rule, &lines.finish, begun, json))
    }

    /// Says of each line that lies behind the cut how much of it is missing.
    fn cut_lines(&mut self, lines: &'e Lines, whole: &str, parts: &[(usize, RuleId, Vec<NodeId>)]) {
        let Some(limit) = &lines.finish.max_length else { return };
        let Overflow::Truncate { marker } = &limit.overflow else { return };
        if length::fits(whole, limit.most, limit.count) {
            return;
        }
        let made = length::cut(whole, limit.most, limit.count, marker);
        let kept = made.strip_suffix(marker.as_str()).unwrap_or_default().len();
        for (at, (start, rule, sources)) in parts.iter().enumerate() {
            let next = parts.get(at + 1).map(|(next, ..)| next.saturating_sub(lines.separator.len()));
            let end = next.unwrap_or(whole.len());
            if end <= kept {
                continue;
            }
            let measure = |from: usize, to: usize| {
                let part = whole.get(from..to.max(from)).unwrap_or_default();
                u32::try_from(length::measure(part, limit.count)).unwrap_or(u32::MAX)
            };
            let detail =
                Detail::Cut { from: measure(*start, end), to: measure(*start, kept.min(end)), count: limit.count };
            let nodes = if sources.is_empty() { vec![None] } else { sources.iter().copied().map(Some).collect() };
            for node in nodes {
                self.record.lost(Event { reason: LossReason::Truncated, rule: *rule, node, detail });
            }
        }
    }

    /// An element as it stands; several become a list if the path may give several.
    fn copy(
        &mut self,
        rule: RuleId,
        from: &'e Expression,
        required: bool,
        focus: Option<&Item<'e>>,
        json: &mut Json,
    ) -> Written {
        let begun = self.record.begin();
        let mut items = Vec::with_capacity(8);
        let found = self.each(from, focus, &mut |item| {
            items.push(item);
            ControlFlow::Continue(())
        });
        found.map_err(|cause| self.refuse(rule, cause))?;
        let start = json.len();
        let many = from.result().many;
        if many {
            json.open_array();
        }
        let mut written = false;
        for item in items {
            if many {
                json.next();
            }
            written |= put_whole(item, json).map_err(|cause| self.refuse(rule, cause))?;
            if !many {
                break;
            }
        }
        if !written {
            json.back_to(start);
            self.record.left_out(begun);
            return if required { Err(self.refuse(rule, Cause::Missing)) } else { Ok(false) };
        }
        if many {
            json.close_array();
        }
        if R::ON {
            self.record.did(Did::Copied);
            let copied = String::from_utf8_lossy(json.bytes().get(start..).unwrap_or_default()).into_owned();
            self.record.wrote(begun, self.environment.bundle, rule, &Held::text(Cow::Owned(copied)));
        }
        Ok(true)
    }
}

fn put_whole(item: Item<'_>, json: &mut Json) -> Result<bool, Fault> {
    if let Item::Node(node) = &item
        && !node.is_bare()
        && matches!(node.doc.kind(node.id), Kind::Object | Kind::Array)
    {
        json.raw(node.doc.raw(node.id));
        return Ok(true);
    }
    match Held::item(item)? {
        Held::Nothing => return Ok(false),
        Held::Text { text, plain: true } => json.plain_text(&text),
        Held::Text { text, .. } => json.text(&text),
        Held::Escaped(escaped) => json.raw(escaped.raw()),
        Held::Integer(number) => json.integer(number),
        Held::Number(digits) => json.raw(&digits),
        Held::Boolean(truth) => json.raw(if truth { "true" } else { "false" }),
    }
    Ok(true)
}
