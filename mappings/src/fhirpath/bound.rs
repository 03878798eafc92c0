//! How much work an expression can be: a bound that follows from the expression and the size of the documents, worked
//! out from the plan alone.
//!
//! Part of the work of an expression lies below `$this`, and part starts from variables and the context. In `where` and
//! its like, the parts below the items add up to the whole, because items of one path do not overlap; only what starts
//! elsewhere is done anew for each item. So the bound is near to linear for paths and criteria over their own items,
//! and grows by one power for each criterion that looks elsewhere.

use super::plan::{Op, Step};

/// How large the documents are that an evaluation may read: values, and bytes of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Values in all documents together.
    pub nodes: u64,
    /// Bytes of all documents together.
    pub bytes: u64,
}

/// A bound that depends on how many values lie below `$this`: `fixed + linear n + square n²`.
#[derive(Debug, Clone, Copy, Default)]
struct Grows {
    fixed: u64,
    linear: u64,
    square: u64,
}

/// Where the items of an operation lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lies {
    /// Below `$this`, none in or equal to another.
    BelowThis,
    /// Anywhere, none in or equal to another.
    Apart,
    /// Anywhere, perhaps the same one several times.
    Anyhow,
}

/// The bounds of one operation.
#[derive(Debug, Clone, Copy)]
struct Bound {
    steps: Grows,
    items: Grows,
    lies: Lies,
    /// The longest text of an item, in bytes.
    text: u64,
}

/// Every operation is counted at most this often each time it is asked, its own bookkeeping included.
const ASKED: u64 = 8;
/// No computed text is longer: see the evaluator.
const LONGEST: u64 = 8 << 20;

impl Grows {
    const fn fixed(fixed: u64) -> Self {
        Self { fixed, linear: 0, square: 0 }
    }

    const fn linear(linear: u64) -> Self {
        Self { fixed: 0, linear, square: 0 }
    }

    fn at(self, nodes: u64) -> u64 {
        let linear = self.linear.saturating_mul(nodes);
        let square = self.square.saturating_mul(nodes).saturating_mul(nodes);
        self.fixed.saturating_add(linear).saturating_add(square)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            fixed: self.fixed.saturating_add(other.fixed),
            linear: self.linear.saturating_add(other.linear),
            square: self.square.saturating_add(other.square),
        }
    }

    fn times(self, factor: u64) -> Self {
        Self {
            fixed: self.fixed.saturating_mul(factor),
            linear: self.linear.saturating_mul(factor),
            square: self.square.saturating_mul(factor),
        }
    }
}

/// The most steps that an evaluation of this plan takes over documents of this size.
pub(super) fn most_steps(op: &Op, size: Size) -> u64 {
    let size = Size { nodes: size.nodes.max(1), ..size };
    bound(op, size, size.bytes).steps.at(size.nodes)
}

/// The bound of an operation; `this` is the longest text that `$this` may be.
fn bound(op: &Op, size: Size, this: u64) -> Bound {
    let single = |text| Bound { steps: Grows::fixed(ASKED), items: Grows::fixed(1), lies: Lies::Anyhow, text };
    match op {
        Op::Nothing | Op::Index => single(0),
        Op::Literal(literal) => single(match literal.item() {
            super::item::Item::Text(text) => text.len() as u64,
            _ => 64,
        }),
        Op::This => Bound { lies: Lies::BelowThis, ..single(this) },
        Op::Context => Bound { lies: Lies::Apart, ..single(size.bytes) },
        Op::Variable { many: false, .. } => Bound { lies: Lies::Apart, ..single(size.bytes) },
        Op::Variable { many: true, .. } => {
            let all = Grows::fixed(size.nodes);
            Bound { steps: all.plus(Grows::fixed(ASKED)), items: all, lies: Lies::Anyhow, text: size.bytes }
        }
        Op::Path { from, steps } => path(bound(from, size, this), steps, size),
        Op::Where { from, test } => each(bound(from, size, this), |text| bound(test, size, text), size, false),
        Op::Select { from, to, .. } => each(bound(from, size, this), |text| bound(to, size, text), size, true),
        Op::All { from, test } => one(each(bound(from, size, this), |text| bound(test, size, text), size, false), size),
        Op::First(from) | Op::Last(from) | Op::Single { from, .. } => {
            let from = bound(from, size, this);
            Bound { items: Grows::fixed(1), steps: passed(&from), ..from }
        }
        Op::Skip(from, _) | Op::Take(from, _) => {
            let from = bound(from, size, this);
            Bound { steps: passed(&from), ..from }
        }
        Op::OfType { from, .. } | Op::Resolve { from, .. } => {
            let from = bound(from, size, this);
            // A reference looks through all entries, and through all that stands before it.
            let each = if matches!(op, Op::Resolve { .. }) { size.nodes.saturating_mul(4) } else { ASKED };
            let steps = passed(&from).plus(from.items.times(each));
            let lies = if matches!(op, Op::Resolve { .. }) { Lies::Anyhow } else { from.lies };
            Bound { steps, lies, ..from }
        }
        Op::Choose { test, yes, no } => {
            let (test, yes, no) = (bound(test, size, this), bound(yes, size, this), bound(no, size, this));
            Bound {
                steps: passed(&test).plus(yes.steps).plus(no.steps),
                items: yes.items.plus(no.items),
                lies: if yes.lies == no.lies { yes.lies } else { Lies::Anyhow },
                text: yes.text.max(no.text),
            }
        }
        Op::Distinct(from) | Op::IsDistinct(from) => compared(&[from], op, size, this),
        Op::Set { left, right, .. } => compared(&[left, right], op, size, this),
        Op::Subset { small, large } => compared(&[small, large], op, size, this),
        Op::In { item, collection } => compared(&[item, collection], op, size, this),
        _ => rest(op, size, this),
    }
}

/// Operations of single items, and those that go once over a collection.
fn rest(op: &Op, size: Size, this: u64) -> Bound {
    let parts: Vec<Bound> = op.parts().into_iter().map(|part| bound(part, size, this)).collect();
    let longest = |bounds: &[Bound]| bounds.iter().map(|part| part.text).fold(0, u64::saturating_add);
    let read = longest(&parts);
    let text = match op {
        Op::Text { function: super::plan::TextFunction::Replace, .. } => {
            parts.iter().fold(1, |text: u64, part| text.saturating_mul(part.text.saturating_add(1)))
        }
        Op::ReplaceMatches { substitution, .. } => {
            let each = (substitution.len() as u64).saturating_mul(read.saturating_add(1));
            read.saturating_add(1).saturating_mul(each.saturating_add(1))
        }
        Op::Join { separator, .. } => {
            let items = parts.iter().map(|part| part.items.at(size.nodes)).fold(0, u64::saturating_add);
            items.saturating_mul(read.saturating_add(separator.len() as u64))
        }
        // Changing the case may make a text three times as long.
        _ => read.saturating_mul(3).saturating_add(512),
    }
    .min(LONGEST);
    let mut steps = Grows::fixed(ASKED);
    for part in &parts {
        // Each item is read, and a text is worked on.
        let each = ASKED.saturating_add(part.text / 16);
        steps = steps.plus(passed(part)).plus(part.items.times(each));
    }
    steps = steps.plus(Grows::fixed(text / 16));
    let items = if matches!(op, Op::Split { .. } | Op::ToChars(_)) { read.saturating_add(1) } else { 1 };
    let steps = steps.plus(Grows::fixed(items.saturating_mul(ASKED)));
    Bound { steps, items: Grows::fixed(items), lies: Lies::Anyhow, text }
}

/// The steps of a part whose items pass through an operation.
fn passed(part: &Bound) -> Grows {
    part.steps.plus(part.items.times(2)).plus(Grows::fixed(ASKED))
}

/// One answer of an operation over all items.
fn one(part: Bound, size: Size) -> Bound {
    Bound { steps: passed(&part), items: Grows::fixed(1), lies: Lies::Anyhow, text: size.bytes.min(64) }
}

/// A path: each point looks at each member of the objects that it starts from, once for each name that it may have.
fn path(from: Bound, steps: &[Step], size: Size) -> Bound {
    let each: u64 = steps.iter().map(Step::looks).sum();
    let (walked, items) = match from.lies {
        Lies::BelowThis => (Grows::linear(each), Grows::linear(1)),
        Lies::Apart => (Grows::fixed(each.saturating_mul(size.nodes)), Grows::fixed(size.nodes)),
        Lies::Anyhow => (from.items.times(each.saturating_mul(size.nodes)), from.items.times(size.nodes)),
    };
    // Even a point that leads nowhere is looked at once for each item.
    let steps = passed(&from).plus(walked).plus(from.items.times(each));
    Bound { steps, items, lies: from.lies, text: size.bytes }
}

impl Step {
    fn looks(&self) -> u64 {
        let ways: u64 = self.moves.iter().map(|route| 4 * route.ways.len() as u64 + 4).sum();
        ways + 4
    }
}

/// Something done for each item: `then` is its bound with the item as `$this`.
fn each(from: Bound, then: impl Fn(u64) -> Bound, size: Size, projects: bool) -> Bound {
    let then = then(from.text);
    let inner = then.steps.plus(then.items.times(2)).plus(Grows::fixed(ASKED));
    // What is below the items adds up to what is below where they lie; the rest is done for each item.
    let (done, below) = match from.lies {
        Lies::BelowThis => (from.items.times(inner.fixed), Grows { fixed: 0, ..inner }),
        Lies::Apart => {
            let below = Grows { fixed: 0, ..inner }.at(size.nodes);
            (from.items.times(inner.fixed), Grows::fixed(below))
        }
        Lies::Anyhow => (from.items.times(inner.at(size.nodes)), Grows::default()),
    };
    let steps = passed(&from).plus(done).plus(below);
    if !projects {
        return Bound { steps, ..from };
    }
    let per_item = from.items.times(then.items.fixed);
    let (count, lies) = match (then.lies, from.lies) {
        (Lies::BelowThis, Lies::BelowThis) => (per_item.plus(Grows { fixed: 0, ..then.items }), Lies::BelowThis),
        (Lies::BelowThis, Lies::Apart) => {
            (per_item.plus(Grows::fixed(Grows { fixed: 0, ..then.items }.at(size.nodes))), Lies::Apart)
        }
        _ => (from.items.times(then.items.at(size.nodes)), Lies::Anyhow),
    };
    Bound { steps, items: count, lies, text: then.text }
}

/// Operations that compare each item with each other.
fn compared(parts: &[&Op], op: &Op, size: Size, this: u64) -> Bound {
    let parts: Vec<Bound> = parts.iter().map(|part| bound(part, size, this)).collect();
    let items = parts.iter().fold(Grows::default(), |items, part| items.plus(part.items)).at(size.nodes);
    let text = parts.iter().map(|part| part.text).max().unwrap_or_default();
    // Two elements are compared member by member; two texts, byte by byte.
    let compare = size.nodes.saturating_mul(4).saturating_add(text / 16).saturating_add(ASKED);
    let pairs = items.saturating_mul(items);
    let steps = parts.iter().fold(Grows::fixed(ASKED), |steps, part| steps.plus(passed(part)));
    let steps = steps.plus(Grows::fixed(pairs.saturating_mul(compare)));
    let gives = matches!(op, Op::Distinct(_) | Op::Set { .. });
    Bound { steps, items: Grows::fixed(if gives { items } else { 1 }), lies: Lies::Anyhow, text }
}

impl Op {
    /// The operations that this one asks, where it is one of single items.
    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Split { from, .. }
            | Self::ToChars(from)
            | Self::Count(from)
            | Self::Exists { from, .. }
            | Self::Truths { from, .. }
            | Self::Is { from, .. }
            | Self::Not(from)
            | Self::Matches { from, .. }
            | Self::ReplaceMatches { from, .. }
            | Self::Join { from, .. }
            | Self::Convert { from, .. }
            | Self::Converts { from, .. }
            | Self::HasValue(from)
            | Self::GetValue(from) => vec![from],
            Self::Logic { left, right, .. }
            | Self::Equal { left, right, .. }
            | Self::Equivalent { left, right, .. }
            | Self::Compare { left, right, .. }
            | Self::Arithmetic { left, right, .. }
            | Self::Concatenate { left, right, .. } => vec![left, right],
            Self::Text { from, arguments, .. } => std::iter::once(&**from).chain(arguments).collect(),
            _ => Vec::new(),
        }
    }
}
