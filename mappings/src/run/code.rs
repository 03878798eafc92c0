//! Code translation: finds the code in a code, Coding or CodeableConcept, and asks the map.

use super::environment::Run;
use super::held::Held;
use super::record::{Begun, Record, lose_sources};
use super::refusal::{Cause, Fault};
use crate::account::{Detail, Did, LossReason};
use crate::concept_map::{Equivalence, Found};
use crate::document::{Document, Kind, NodeId};
use crate::fhirpath::Item;
use crate::program::{CodeRule, RuleId, Unmapped};
use std::borrow::Cow;

/// A code of the referral.
struct Source<'e> {
    code: Cow<'e, str>,
    system: Option<Cow<'e, str>>,
    /// Where the code stands, for the explanation.
    node: Option<NodeId>,
}

impl<'e, R: Record> Run<'e, '_, R> {
    /// The target code of one item; [`Held::Nothing`] if it has no code or the rule leaves it out.
    pub(crate) fn map(
        &mut self,
        item: Item<'e>,
        codes: &'e CodeRule,
        rule: RuleId,
        begun: Begun,
    ) -> Result<Held<'e>, Fault> {
        let Item::Node(node) = &item else {
            let code = Held::item(item)?.characters();
            return match code {
                Some(code) => self.one(Source { code, system: None, node: None }, codes, rule, begun),
                None => Ok(Held::Nothing),
            };
        };
        let (document, id) = (node.doc, node.id);
        if node.is_bare() {
            return Ok(Held::Nothing);
        }
        match document.kind(id) {
            Kind::String => {
                let code = document.string(id).unwrap_or_default();
                self.one(Source { code, system: None, node: None }, codes, rule, begun)
            }
            Kind::Object => self.concept(document, id, codes, rule, begun),
            _ => Err(Box::new(Cause::Type("a code"))),
        }
    }

    fn one(&mut self, source: Source<'e>, codes: &'e CodeRule, rule: RuleId, begun: Begun) -> Result<Held<'e>, Fault> {
        match look_up(&source, codes) {
            Some(Found::Row { code: Some(code), equivalence, group, element }) => {
                self.chose(source.node);
                self.row(rule, begun, (group, element, equivalence));
                Ok(Held::text(Cow::Borrowed(code)))
            }
            Some(Found::Rule { code }) => self.without_row(source, Some(code), codes, rule, begun),
            Some(Found::Row { code: None, .. }) | None => self.without_row(source, None, codes, rule, begun),
        }
    }

    /// The first coding that has a row, else the first coding. What stands beside a code (its system, its words for
    /// people, other codes of the same concept) says the same, so that it is looked at and not lost; the concept's own
    /// text may say more.
    fn concept(
        &mut self,
        document: &'e Document<'e>,
        id: NodeId,
        codes: &'e CodeRule,
        rule: RuleId,
        begun: Begun,
    ) -> Result<Held<'e>, Fault> {
        self.record.forget(begun, id);
        let list = document.get(id, "coding");
        if R::ON {
            self.record.examined(document, list.unwrap_or(id));
        }
        let has_row = |source: &Source<'_>| matches!(look_up(source, codes), Some(Found::Row { code: Some(_), .. }));
        let chosen = match list {
            None => coding(document, id),
            Some(list) => {
                let mut codings = document.children(list).filter_map(|id| coding(document, id));
                codings.clone().find(has_row).or_else(|| codings.next())
            }
        };
        match chosen {
            Some(source) => self.one(source, codes, rule, begun),
            None => Ok(Held::Nothing),
        }
    }

    fn row(&mut self, rule: RuleId, begun: Begun, (group, element, equivalence): (u32, u32, Equivalence)) {
        if R::ON {
            self.record.did(Did::Mapped { group, element, equivalence });
            if !matches!(equivalence, Equivalence::Equal | Equivalence::Equivalent) {
                let detail = Detail::Row { group, element, equivalence };
                lose_sources(self.record, begun, LossReason::CodeWidened, rule, detail);
            }
        }
    }

    /// The map has no row: its own rule for such codes goes first, then the mapping's.
    fn without_row(
        &mut self,
        source: Source<'e>,
        by_map: Option<Option<&'e str>>,
        codes: &'e CodeRule,
        rule: RuleId,
        begun: Begun,
    ) -> Result<Held<'e>, Fault> {
        self.chose(source.node);
        let kept = match (by_map, &codes.unmapped) {
            (Some(Some(fixed)), _) => Some(fixed),
            (Some(None), _) | (None, Unmapped::Keep) => None,
            (None, Unmapped::Code(code)) => Some(code.as_str()),
            (None, Unmapped::Refuse) => return Err(Box::new(Cause::Unmapped { map: codes.name.clone() })),
            (None, Unmapped::Omit) => {
                lose_sources(self.record, begun, LossReason::CodeUnmapped, rule, Detail::Nothing);
                return Ok(Held::Nothing);
            }
        };
        if let Some(code) = kept {
            self.record.did(Did::MappedByRule);
            lose_sources(self.record, begun, LossReason::CodeUnmapped, rule, Detail::StandIn);
            return Ok(Held::text(Cow::Borrowed(code)));
        }
        self.record.did(Did::KeptUnmapped);
        Ok(Held::text(source.code))
    }

    fn chose(&mut self, node: Option<NodeId>) {
        if let (true, Some(id), Some(document)) = (R::ON, node, self.environment.bundle) {
            self.record.conveyed(document, id);
        }
    }
}

fn look_up<'e>(source: &Source<'_>, codes: &'e CodeRule) -> Option<Found<'e>> {
    let system = source.system.as_deref().or(codes.system.as_deref())?;
    codes.map.find(system, &source.code)
}

fn coding<'e>(document: &'e Document<'e>, id: NodeId) -> Option<Source<'e>> {
    let code = document.get(id, "code")?;
    let system = document.get(id, "system").and_then(|system| document.string(system));
    Some(Source { code: document.string(code)?, system, node: Some(code) })
}
