//! Code translation: finds the code in a code, Coding or CodeableConcept, and asks the map.

use super::environment::Run;
use super::held::Held;
use super::record::{Begun, Record, lose_sources};
use super::refusal::Cause;
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
    ) -> Result<Held<'e>, Cause> {
        let sources = self.candidates(item, begun)?;
        let mut first = None;
        for source in sources {
            let found = match source.system.as_deref().or(codes.system.as_deref()) {
                Some(system) => codes.map.find(system, &source.code),
                None => None,
            };
            match found {
                Some(Found::Row { code: Some(code), equivalence, group, element }) => {
                    self.chose(source.node, begun);
                    self.row(rule, begun, (group, element, equivalence));
                    return Ok(Held::text(Cow::Borrowed(code)));
                }
                Some(Found::Row { code: None, .. }) | None => first = first.or(Some((source, None))),
                Some(Found::Rule { code }) => first = first.or(Some((source, Some(code)))),
            }
        }
        match first {
            None => Ok(Held::Nothing),
            Some((source, by_map)) => self.without_row(source, by_map, codes, rule, begun),
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
    ) -> Result<Held<'e>, Cause> {
        self.chose(source.node, begun);
        let kept = match (by_map, &codes.unmapped) {
            (Some(Some(fixed)), _) => Some(fixed),
            (Some(None), _) | (None, Unmapped::Keep) => None,
            (None, Unmapped::Code(code)) => Some(code.as_str()),
            (None, Unmapped::Refuse) => return Err(Cause::Unmapped { map: codes.name.clone() }),
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

    /// The codes of an item in their order. What stands beside a code (its system, its words for people, other codes of
    /// the same concept) says the same, so that it is looked at and not lost; the concept's own text may say more.
    fn candidates(&mut self, item: Item<'e>, begun: Begun) -> Result<Vec<Source<'e>>, Cause> {
        let Item::Node(node) = &item else {
            let code = Held::item(item)?.characters();
            return Ok(code.map(|code| Source { code, system: None, node: None }).into_iter().collect());
        };
        let (document, id) = (node.doc, node.id);
        if node.is_bare() {
            return Ok(Vec::new());
        }
        match document.kind(id) {
            Kind::String => {
                let code = document.string(id).unwrap_or_default();
                Ok(vec![Source { code, system: None, node: None }])
            }
            Kind::Object => {
                self.record.forget(begun, id);
                let codings = document.get(id, "coding");
                let found = match codings {
                    Some(codings) => document.children(codings).filter_map(|id| coding(document, id)).collect(),
                    None => coding(document, id).into_iter().collect(),
                };
                if R::ON {
                    let part = codings.unwrap_or(id);
                    self.record.examined(document, part);
                }
                Ok(found)
            }
            _ => Err(Cause::Type("a code")),
        }
    }

    fn chose(&mut self, node: Option<NodeId>, _: Begun) {
        if let (true, Some(id), Some(document)) = (R::ON, node, self.environment.bundle) {
            self.record.conveyed(document, id);
        }
    }
}

fn coding<'e>(document: &'e Document<'e>, id: NodeId) -> Option<Source<'e>> {
    let code = document.get(id, "code")?;
    let system = document.get(id, "system").and_then(|system| document.string(system));
    Some(Source { code: document.string(code)?, system, node: Some(code) })
}
