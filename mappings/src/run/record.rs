//! What the runtime tells of its work: nothing, or all that an explanation and a loss report need.
//!
//! The walk over a target is compiled once for each, so that a translation without explanation pays nothing for it.
//! Only numbers are kept; see [`Account`].

use super::held::Held;
use crate::account::{Account, Detail, Did, Event, Field, LossReason, Position, Span};
use crate::document::{Document, NodeId};
use crate::fhirpath::{Expression, NoTrace, Trace};
use crate::program::RuleId;

/// Listens to the walk over a target. A field begins, is given sources and steps, and is written or left out.
pub(crate) trait Record: Trace {
    /// Whether anybody listens.
    const ON: bool;
    /// Whether this is the document whose losses are judged.
    fn is_referral(&self, _: &Document<'_>) -> bool {
        false
    }
    /// The places reached in the list of sources and of steps: where a field begins.
    fn begin(&self) -> Begun;
    /// A step of the present field.
    fn did(&mut self, did: Did);
    /// Something that is lost.
    fn lost(&mut self, event: Event);
    /// The sources since a field began.
    fn sources(&self, begun: Begun) -> &[NodeId];
    /// This node was not conveyed as a whole since the field began.
    fn forget(&mut self, begun: Begun, node: NodeId);
    /// All that was conveyed since then was only looked at.
    fn examine(&mut self, begun: Begun);
    /// The field was written.
    fn wrote(&mut self, begun: Begun, document: Option<&Document<'_>>, rule: RuleId, value: &Held<'_>);
    /// The field was left out: what was conveyed did not arrive.
    fn left_out(&mut self, begun: Begun);
    /// An item of a list begins.
    fn enter(&mut self, index: usize) -> u32;
    /// The item ends; `around` is what [`Record::enter`] gave.
    fn leave(&mut self, around: u32);
    /// A condition was asked.
    fn held(&mut self, _: &Expression, _: bool) {}
    /// A rule that fills no field was followed: the meaning of an answer, a way to read statements.
    fn fired(&mut self, _: RuleId) {}
}

/// Where a field began.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Begun {
    sources: usize,
    steps: usize,
    looked: usize,
}

impl Record for NoTrace {
    const ON: bool = false;

    fn begin(&self) -> Begun {
        Begun::default()
    }

    fn did(&mut self, _: Did) {}

    fn lost(&mut self, _: Event) {}

    fn sources(&self, _: Begun) -> &[NodeId] {
        &[]
    }

    fn forget(&mut self, _: Begun, _: NodeId) {}

    fn examine(&mut self, _: Begun) {}

    fn wrote(&mut self, _: Begun, _: Option<&Document<'_>>, _: RuleId, _: &Held<'_>) {}

    fn left_out(&mut self, _: Begun) {}

    fn enter(&mut self, _: usize) -> u32 {
        0
    }

    fn leave(&mut self, _: u32) {}
}

/// Keeps everything.
#[derive(Debug)]
pub(crate) struct Recorder {
    position: u32,
    account: Account,
    /// What rules looked at since a field began. It counts as told only if that field is written: what a guard looked at,
    /// or a rule that gave nothing, has told nobody anything.
    looked: Vec<(usize, usize)>,
    /// Where the referral's text lies: settings, keys and notes are documents too, and their nodes are not the referral's.
    referral: Option<usize>,
}

/// What tells one document from another.
fn name(document: &Document<'_>) -> usize {
    document.text().as_ptr().addr()
}

impl Recorder {
    /// A recorder for one request made from this referral.
    pub(crate) fn new(referral: Option<&Document<'_>>) -> Self {
        let nodes = referral.map_or(0, Document::node_count);
        // About what a referral needs, so that lists do not grow under way.
        let mut account = Account {
            fields: Vec::with_capacity(64),
            steps: Vec::with_capacity(32),
            sources: Vec::with_capacity(64),
            values: String::with_capacity(2048),
            events: Vec::with_capacity(8),
            ..Account::default()
        };
        account.conveyed.clear(nodes);
        account.examined.clear(nodes);
        Self { position: 0, account, looked: Vec::new(), referral: referral.map(name) }
    }

    /// What was recorded.
    pub(crate) fn into_account(self) -> Account {
        self.account
    }
}

impl Trace for Recorder {
    fn conveyed(&mut self, document: &Document<'_>, id: NodeId) {
        if self.is_referral(document) {
            self.account.sources.push(id);
        }
    }

    fn examined(&mut self, document: &Document<'_>, id: NodeId) {
        if !self.is_referral(document) {
            return;
        }
        let end = document.descendants_end(id).index();
        self.looked.push((id.index(), end));
    }
}

impl Record for Recorder {
    const ON: bool = true;

    fn is_referral(&self, document: &Document<'_>) -> bool {
        self.referral == Some(name(document))
    }

    fn begin(&self) -> Begun {
        Begun { sources: self.account.sources.len(), steps: self.account.steps.len(), looked: self.looked.len() }
    }

    fn did(&mut self, did: Did) {
        self.account.steps.push(did);
    }

    fn lost(&mut self, event: Event) {
        self.account.events.push(event);
    }

    fn sources(&self, begun: Begun) -> &[NodeId] {
        self.account.sources.get(begun.sources..).unwrap_or_default()
    }

    fn forget(&mut self, begun: Begun, node: NodeId) {
        let sources = &mut self.account.sources;
        if let Some(at) = sources.iter().skip(begun.sources).position(|id| *id == node) {
            sources.remove(begun.sources + at);
        }
    }

    fn examine(&mut self, begun: Begun) {
        let looked = self.account.sources.drain(begun.sources..).map(|id| (id.index(), id.index() + 1));
        self.looked.extend(looked);
    }

    fn wrote(&mut self, begun: Begun, document: Option<&Document<'_>>, rule: RuleId, value: &Held<'_>) {
        let account = &mut self.account;
        for (start, end) in self.looked.drain(begun.looked.min(self.looked.len())..) {
            account.examined.set_range(start, end);
        }
        for id in account.sources.get(begun.sources..).unwrap_or_default() {
            let end = document.map_or(id.index() + 1, |document| document.descendants_end(*id).index());
            account.conveyed.set_range(id.index(), end);
        }
        let start = account.values.len();
        value.push_to(&mut account.values);
        account.fields.push(Field {
            rule,
            position: self.position,
            steps: span(begun.steps, account.steps.len()),
            sources: span(begun.sources, account.sources.len()),
            value: span(start, account.values.len()),
        });
    }

    fn left_out(&mut self, begun: Begun) {
        self.account.sources.truncate(begun.sources);
        self.account.steps.truncate(begun.steps);
        self.looked.truncate(begun.looked);
    }

    fn enter(&mut self, index: usize) -> u32 {
        let around = self.position;
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.account.positions.push(Position { index, around });
        self.position = u32::try_from(self.account.positions.len()).unwrap_or(u32::MAX);
        around
    }

    fn leave(&mut self, around: u32) {
        self.position = around;
    }
}

fn span(start: usize, end: usize) -> Span {
    let small = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
    Span { start: small(start), end: small(end) }
}

/// An event for each source of a field. What has none came from no referral, and is no loss of one.
pub(crate) fn lose_sources<R: Record>(record: &mut R, begun: Begun, reason: LossReason, rule: RuleId, detail: Detail) {
    if !R::ON {
        return;
    }
    let count = record.sources(begun).len();
    for at in 0..count {
        let node = record.sources(begun).get(at).copied();
        record.lost(Event { reason, rule, node, detail });
    }
}
