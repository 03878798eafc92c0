//! Functions: which input and arguments they take, and what they give. Those of texts and types stand in files of
//! their own.

use super::super::ast::{Name, Node, Syntax};
use super::super::fault::Fault;
use super::super::nearest::nearest;
use super::super::plan::{Op, Set};
use super::super::subset::{self, FUNCTIONS, Verdict};
use super::super::types::{ResultType, System};
use super::{Checker, Focus, Part};

/// A call as it is written.
pub(super) struct Call<'c> {
    pub(super) input: Option<&'c Node>,
    pub(super) name: &'c Name,
    pub(super) arguments: &'c [Node],
    pub(super) node: &'c Node,
    pub(super) focus: &'c Focus,
    /// How the function is written, for messages.
    pub(super) form: &'static str,
}

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        input: Option<&Node>,
        name: &Name,
        arguments: &[Node],
        node: &Node,
        focus: &Focus,
    ) -> Option<Part> {
        let Some(function) = subset::function(&name.text) else {
            let fault = Fault::new(name.at.clone(), format!("FHIRPath has no function {}()", name.text));
            let known = FUNCTIONS.iter().map(|function| function.name);
            return self.fault(match nearest(&name.text, known) {
                Some(near) => fault.mend(format!("{near}()?")),
                None => fault,
            });
        };
        match function.verdict {
            Verdict::Out { reason, mend } => {
                let problem = format!("{}() is outside this subset: {reason}", name.text);
                self.fault(Fault::new(name.at.clone(), problem).mend(mend))
            }
            Verdict::In { form, .. } => self.known(&Call { input, name, arguments, node, focus, form }),
        }
    }

    fn known(&mut self, call: &Call<'_>) -> Option<Part> {
        match call.name.text.as_str() {
            "iif" => self.iif(call),
            "empty" | "exists" | "count" | "isDistinct" => self.existence(call),
            "all" => self.all(call),
            "allTrue" | "anyTrue" | "allFalse" | "anyFalse" => self.truths(call),
            "not" => self.not(call),
            "where" | "select" => self.projection(call),
            "single" | "first" | "last" | "tail" | "skip" | "take" => self.pick(call),
            "distinct" => {
                call.takes(0, 0, self)?;
                let from = self.input(call)?;
                self.equatable(&from, call.node.at.clone())?;
                Some(from.with(Op::Distinct))
            }
            "union" => self.collections(call, Set::Union),
            "combine" => self.collections(call, Set::Combine),
            "intersect" => self.collections(call, Set::Intersect),
            "exclude" => self.collections(call, Set::Exclude),
            "subsetOf" | "supersetOf" => self.subset(call),
            "ofType" | "as" | "is" => self.type_function(call),
            "extension" => self.extension(call),
            "hasValue" | "getValue" => self.value(call),
            "resolve" => self.resolve(call),
            _ => self.text_function(call),
        }
    }

    /// What stands before the point, or else `$this`.
    pub(super) fn input(&mut self, call: &Call<'_>) -> Option<Part> {
        match (call.input, &call.focus.this) {
            (Some(input), _) => self.part(input, call.focus),
            (None, Some(this)) => {
                self.context |= !call.focus.inner;
                Some(this.clone())
            }
            (None, None) => self.fault(super::no_context(&call.name.at)),
        }
    }

    /// An input of one item or none.
    pub(super) fn one_input(&mut self, call: &Call<'_>) -> Option<Part> {
        let input = self.input(call)?;
        if input.holds.many {
            let at = call.input.map_or(call.name.at.clone(), |input| input.at.clone());
            return self.fault(super::many(at, &format!("{}()", call.name.text)));
        }
        Some(input)
    }

    fn existence(&mut self, call: &Call<'_>) -> Option<Part> {
        let criterion = call.name.text == "exists";
        call.takes(0, usize::from(criterion), self)?;
        let mut from = self.input(call)?;
        if let [test] = call.arguments {
            let test = self.criterion(test, &inner(&from), "exists()")?;
            from = from.with(|from| Op::Where { from, test: Box::new(test.op) });
        }
        self.examined(&from);
        if call.name.text == "isDistinct" {
            self.equatable(&from, call.node.at.clone())?;
        }
        let from = Box::new(from.op);
        let (op, system) = match call.name.text.as_str() {
            "count" => (Op::Count(from), System::Integer),
            "isDistinct" => (Op::IsDistinct(from), System::Boolean),
            name => (Op::Exists { from, wanted: name == "exists" }, System::Boolean),
        };
        Some(Part::system(op, system, false))
    }

    fn all(&mut self, call: &Call<'_>) -> Option<Part> {
        call.takes(1, 1, self)?;
        let from = self.input(call)?;
        let test = self.criterion(call.arguments.first()?, &inner(&from), "all()")?;
        self.examined(&from);
        let op = Op::All { from: Box::new(from.op), test: Box::new(test.op) };
        Some(Part::system(op, System::Boolean, false))
    }

    fn truths(&mut self, call: &Call<'_>) -> Option<Part> {
        call.takes(0, 0, self)?;
        let from = self.input(call)?;
        self.only(&from, &[System::Boolean], call)?;
        self.examined(&from);
        let (all, of) = (call.name.text.starts_with("all"), call.name.text.ends_with("True"));
        let op = Op::Truths { from: Box::new(from.op), all, of };
        Some(Part::system(op, System::Boolean, false))
    }

    fn not(&mut self, call: &Call<'_>) -> Option<Part> {
        call.takes(0, 0, self)?;
        let from = self.one_input(call)?;
        self.only(&from, &[System::Boolean], call)?;
        let mut part = Part::system(Op::Nothing, System::Boolean, from.holds.may_be_empty);
        part.sources = from.paths();
        part.op = Op::Not(Box::new(from.op));
        Some(part)
    }

    fn projection(&mut self, call: &Call<'_>) -> Option<Part> {
        call.takes(1, 1, self)?;
        let from = self.input(call)?;
        let focus = inner(&from);
        let argument = call.arguments.first()?;
        if call.name.text == "where" {
            let test = self.criterion(argument, &focus, "where()")?;
            let mut part = from.with(|from| Op::Where { from, test: Box::new(test.op) });
            part.holds.may_be_empty = true;
            return Some(part);
        }
        let before = self.reads.len();
        let to = self.part(argument, &focus)?;
        // A result that is the same for every item says only that there is one.
        let counted = to.paths().is_empty() && self.reads.len() == before;
        if counted {
            self.examined(&from);
        }
        let many = from.holds.many || to.holds.many;
        let may_be_empty = from.holds.may_be_empty || to.holds.may_be_empty;
        let op = Op::Select { from: Box::new(from.op), to: Box::new(to.op), counted };
        let mut part = Part::new(op, to.holds.types, many, may_be_empty);
        part.sources = to.sources;
        Some(part)
    }

    fn pick(&mut self, call: &Call<'_>) -> Option<Part> {
        let name = call.name.text.as_str();
        let numbered = matches!(name, "skip" | "take");
        call.takes(usize::from(numbered), usize::from(numbered), self)?;
        let number = match call.arguments.first() {
            Some(argument) => self.whole_number(argument)?,
            None => 0,
        };
        let at = call.name.at.clone();
        let mut part = self.input(call)?.with(|from| match name {
            "first" => Op::First(from),
            "last" => Op::Last(from),
            "tail" => Op::Skip(from, 1),
            "skip" => Op::Skip(from, number),
            "take" => Op::Take(from, number),
            _ => Op::Single { from, operation: "single()", at },
        });
        match name {
            "first" | "last" | "single" => part.holds.many = false,
            "take" if number <= 1 => {
                part.holds.many = false;
                part.holds.may_be_empty |= number == 0;
            }
            "take" => {}
            _ => part.holds.may_be_empty |= name == "tail" || number > 0,
        }
        Some(part)
    }

    /// `a[n]`
    pub(super) fn index(&mut self, input: &Node, index: &Node, focus: &Focus) -> Option<Part> {
        let input = self.part(input, focus);
        let number = self.whole_number(index);
        let (input, number) = (input?, number?);
        let mut part = input.with(|from| Op::First(Box::new(Op::Skip(from, number))));
        part.holds.many = false;
        part.holds.may_be_empty = true;
        Some(part)
    }

    /// A literal that counts items.
    fn whole_number(&mut self, node: &Node) -> Option<usize> {
        if let Syntax::Number(number) = &node.syntax
            && let Some(number) = number.parse::<i32>().ok().and_then(|number| usize::try_from(number).ok())
        {
            return Some(number);
        }
        self.fault(
            Fault::new(node.at.clone(), "a number of items must be written as a whole number from 0")
                .mend("for example [0]; or choose with where()"),
        )
    }

    fn collections(&mut self, call: &Call<'_>, set: Set) -> Option<Part> {
        call.takes(1, 1, self)?;
        let left = self.input(call)?;
        let right = self.part(call.arguments.first()?, call.focus)?;
        self.set(set, left, right, call.node)
    }

    pub(super) fn set(&mut self, set: Set, left: Part, right: Part, node: &Node) -> Option<Part> {
        let joins = matches!(set, Set::Union | Set::Combine);
        if set != Set::Combine {
            self.equatable(&left, node.at.clone())?;
            self.equatable(&right, node.at.clone())?;
        }
        let mut holds = left.holds.clone();
        if joins {
            for ty in &right.holds.types {
                if !holds.types.contains(ty) {
                    holds.types.push(ty.clone());
                }
            }
            holds.many = match (left.is_nothing(), right.is_nothing()) {
                (true, _) => right.holds.many,
                (_, true) => left.holds.many,
                _ => true,
            };
            holds.may_be_empty = left.holds.may_be_empty && right.holds.may_be_empty;
        } else {
            holds.may_be_empty = true;
            self.examined(&right);
        }
        let mut sources = left.sources;
        if joins {
            sources.extend(right.sources);
        }
        let op = Op::Set { set, left: Box::new(left.op), right: Box::new(right.op) };
        Some(Part { op, holds, sources })
    }

    fn subset(&mut self, call: &Call<'_>) -> Option<Part> {
        call.takes(1, 1, self)?;
        let left = self.input(call)?;
        let right = self.part(call.arguments.first()?, call.focus)?;
        for part in [&left, &right] {
            self.equatable(part, call.node.at.clone())?;
            self.examined(part);
        }
        let (small, large) = if call.name.text == "subsetOf" { (left, right) } else { (right, left) };
        let op = Op::Subset { small: Box::new(small.op), large: Box::new(large.op) };
        Some(Part::system(op, System::Boolean, false))
    }

    fn iif(&mut self, call: &Call<'_>) -> Option<Part> {
        if call.input.is_some() {
            return self.fault(
                Fault::new(call.name.at.clone(), "iif() stands alone here, so that its criterion has one meaning")
                    .mend("x.select(iif(…)), or iif(x…, …)"),
            );
        }
        call.takes(2, 3, self)?;
        let test = self.criterion(call.arguments.first()?, call.focus, "iif()");
        let yes = self.part(call.arguments.get(1)?, call.focus);
        let no = match call.arguments.get(2) {
            Some(no) => self.part(no, call.focus),
            None => Some(Part::nothing()),
        };
        let (test, yes, no) = (test?, yes?, no?);
        let mut holds = yes.holds;
        for ty in no.holds.types {
            if !holds.types.contains(&ty) {
                holds.types.push(ty);
            }
        }
        holds.many |= no.holds.many;
        holds.may_be_empty |= no.holds.may_be_empty;
        let op = Op::Choose { test: Box::new(test.op), yes: Box::new(yes.op), no: Box::new(no.op) };
        let mut sources = yes.sources;
        sources.extend(no.sources);
        Some(Part { op, holds, sources })
    }

    /// Refuses an input that is of another type than these.
    pub(super) fn only(&mut self, part: &Part, systems: &[System], call: &Call<'_>) -> Option<()> {
        let fits = part.holds.types.iter().all(|ty| ty.system().is_some_and(|system| systems.contains(&system)));
        if fits {
            return Some(());
        }
        let at = call.input.map_or(call.name.at.clone(), |input| input.at.clone());
        let wanted: Vec<_> = systems.iter().map(|system| system.name()).collect();
        let problem = format!("{}() takes {}, and this is {}", call.name.text, wanted.join(" or "), part.names());
        self.fault(Fault::new(at, problem).mend("convert it, or read an element below it"))
    }
}

impl Call<'_> {
    /// Refuses another number of arguments than the function takes.
    pub(super) fn takes(&self, least: usize, most: usize, checker: &mut Checker<'_>) -> Option<()> {
        if (least..=most).contains(&self.arguments.len()) {
            return Some(());
        }
        let problem = format!("{}() does not take {} arguments", self.name.text, self.arguments.len());
        checker.fault(Fault::new(self.node.at.clone(), problem).mend(self.form))
    }
}

/// The focus inside `where` and its like.
pub(super) fn inner(from: &Part) -> Focus {
    let holds = ResultType { many: false, may_be_empty: false, ..from.holds.clone() };
    Focus { this: Some(Part { op: Op::This, holds, sources: from.sources.clone() }), inner: true }
}
