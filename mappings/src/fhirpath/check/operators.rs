//! Operators: which types they take, and what they give.

use std::ops::Range;

use gateway_fhir_elements as elements;

use super::super::ast::{Node, Operator};
use super::super::fault::Fault;
use super::super::plan::{Arithmetic, Logic, Op, Order, Set};
use super::super::shape::ShapeKind;
use super::super::types::{NodeType, System, Type, is_a};
use super::{Checker, Focus, Part};

/// An operator with what stands on either side of it.
struct Sides<'s> {
    left: &'s Node,
    right: &'s Node,
    node: &'s Node,
    focus: &'s Focus,
}

impl Checker<'_> {
    pub(super) fn binary(
        &mut self,
        operator: Operator,
        left: &Node,
        right: &Node,
        node: &Node,
        focus: &Focus,
    ) -> Option<Part> {
        use Operator as O;
        let sides = Sides { left, right, node, focus };
        match operator {
            O::And => self.logic(Logic::And, &sides),
            O::Or => self.logic(Logic::Or, &sides),
            O::Xor => self.logic(Logic::Xor, &sides),
            O::Implies => self.logic(Logic::Implies, &sides),
            O::Equal => self.equal(true, &sides),
            O::NotEqual => self.equal(false, &sides),
            O::Equivalent => self.equivalent(true, &sides),
            O::NotEquivalent => self.equivalent(false, &sides),
            O::Less => self.order(Order::Less, &sides),
            O::LessOrEqual => self.order(Order::LessOrEqual, &sides),
            O::Greater => self.order(Order::Greater, &sides),
            O::GreaterOrEqual => self.order(Order::GreaterOrEqual, &sides),
            O::Union => {
                let (left, right) = self.both(&sides)?;
                self.set(Set::Union, left, right, node)
            }
            O::In => self.membership(left, right, &sides),
            O::Contains => self.membership(right, left, &sides),
            O::Concatenate => self.concatenate(&sides),
            O::Add => self.add(&sides),
            O::Subtract => self.arithmetic(Arithmetic::Subtract, &sides),
            O::Multiply => self.arithmetic(Arithmetic::Multiply, &sides),
            O::Div => self.arithmetic(Arithmetic::Div, &sides),
            O::Mod => self.arithmetic(Arithmetic::Mod, &sides),
            O::Divide => self.fault(
                Fault::new(node.at.clone(), "/ is outside this subset: it gives decimals that have no exact digits")
                    .mend("div gives a whole number"),
            ),
        }
    }

    fn both(&mut self, sides: &Sides<'_>) -> Option<(Part, Part)> {
        let left = self.part(sides.left, sides.focus);
        let right = self.part(sides.right, sides.focus);
        left.zip(right)
    }

    fn both_single(&mut self, sides: &Sides<'_>, what: &str) -> Option<(Part, Part)> {
        let left = self.one(sides.left, sides.focus, what);
        let right = self.one(sides.right, sides.focus, what);
        left.zip(right)
    }

    fn logic(&mut self, logic: Logic, sides: &Sides<'_>) -> Option<Part> {
        let left = self.criterion(sides.left, sides.focus, "a logical operator");
        let right = self.criterion(sides.right, sides.focus, "a logical operator");
        let (left, right) = (left?, right?);
        let may_be_empty = left.holds.may_be_empty || right.holds.may_be_empty;
        let op = Op::Logic { logic, left: Box::new(left.op), right: Box::new(right.op) };
        Some(Part::system(op, System::Boolean, may_be_empty))
    }

    fn equal(&mut self, wanted: bool, sides: &Sides<'_>) -> Option<Part> {
        let (left, right) = self.both(sides)?;
        self.equatable(&left, sides.left.at.clone())?;
        self.equatable(&right, sides.right.at.clone())?;
        self.examined(&left);
        self.examined(&right);
        self.alike(&left, &right, sides)?;
        let single = !left.holds.many && !right.holds.many;
        let op = Op::Equal { left: Box::new(left.op), right: Box::new(right.op), wanted, single };
        Some(Part::system(op, System::Boolean, true))
    }

    fn equivalent(&mut self, wanted: bool, sides: &Sides<'_>) -> Option<Part> {
        let (left, right) = self.both_single(sides, "an equivalence")?;
        self.examined(&left);
        self.examined(&right);
        for (part, node) in [(&left, sides.left), (&right, sides.right)] {
            let refused = part.holds.types.iter().any(|ty| ty.system().is_none_or(|system| system == System::Decimal));
            if refused {
                let problem =
                    format!("~ takes texts, Integers, Booleans, dates and times, and this is {}", part.names());
                return self.fault(Fault::new(node.at.clone(), problem).mend("compare with ="));
            }
        }
        self.alike(&left, &right, sides)?;
        let op = Op::Equivalent { left: Box::new(left.op), right: Box::new(right.op), wanted };
        Some(Part::system(op, System::Boolean, false))
    }

    /// Refuses to compare what can never be equal.
    fn alike(&mut self, left: &Part, right: &Part, sides: &Sides<'_>) -> Option<()> {
        let pairs = left.holds.types.iter().flat_map(|a| right.holds.types.iter().map(move |b| (a, b)));
        let mut pairs = pairs.peekable();
        if pairs.peek().is_none() || pairs.any(|(a, b)| same_kind(a, b)) {
            return Some(());
        }
        let problem = format!("{} and {} are never equal", left.names(), right.names());
        self.fault(Fault::new(sides.node.at.clone(), problem).mend("convert one, for example with toString()"))
    }

    /// Refuses items that have no equality here.
    pub(super) fn equatable(&mut self, part: &Part, at: Range<usize>) -> Option<()> {
        let refused = part.holds.types.iter().find_map(|ty| match ty {
            Type::Fhir(fhir) if is_a(fhir.name, "Quantity") => Some("compare its value and its code"),
            Type::Fhir(fhir) if fhir.name == "xhtml" => Some("compare another element"),
            Type::Fhir(fhir) if fhir.is_resource() => Some("compare an element below it, such as id"),
            Type::Shape(shape) if matches!(shape.kind(), ShapeKind::Object | ShapeKind::Scalar) => {
                Some("compare a member below it, or convert it with toString()")
            }
            _ => None,
        });
        let Some(mend) = refused else { return Some(()) };
        let several = part.holds.types.len() > 1;
        let mend = if several { "choose one type with ofType(), and compare an element below it" } else { mend };
        let problem = format!("{} cannot be compared as a whole", part.names());
        self.fault(Fault::new(at, problem).mend(mend))
    }

    fn order(&mut self, order: Order, sides: &Sides<'_>) -> Option<Part> {
        let (left, right) = self.both_single(sides, "a comparison")?;
        self.examined(&left);
        self.examined(&right);
        if !left.is_nothing() && !right.is_nothing() {
            let systems = left.only_system().zip(right.only_system());
            if !systems.is_some_and(|(a, b)| a != System::Boolean && comparable(a, b)) {
                let problem = format!("{} and {} have no order", left.names(), right.names());
                return self
                    .fault(Fault::new(sides.node.at.clone(), problem).mend("compare numbers, texts, dates or times"));
            }
        }
        let op = Op::Compare { left: Box::new(left.op), right: Box::new(right.op), order };
        Some(Part::system(op, System::Boolean, true))
    }

    /// `item in collection`
    fn membership(&mut self, item: &Node, collection: &Node, sides: &Sides<'_>) -> Option<Part> {
        let one = self.one(item, sides.focus, "in");
        let many = self.part(collection, sides.focus);
        let (one, many) = (one?, many?);
        self.equatable(&one, item.at.clone())?;
        self.equatable(&many, collection.at.clone())?;
        self.examined(&one);
        self.examined(&many);
        self.alike(&one, &many, sides)?;
        let may_be_empty = one.holds.may_be_empty;
        let op = Op::In { item: Box::new(one.op), collection: Box::new(many.op) };
        Some(Part::system(op, System::Boolean, may_be_empty))
    }

    fn concatenate(&mut self, sides: &Sides<'_>) -> Option<Part> {
        let (left, right) = self.both_single(sides, "&")?;
        for (part, node) in [(&left, sides.left), (&right, sides.right)] {
            if !part.is_nothing() && part.only_system() != Some(System::String) {
                let problem = format!("& joins texts, and this is {}", part.names());
                return self.fault(Fault::new(node.at.clone(), problem).mend("toString()"));
            }
        }
        Some(joined(left, right, false))
    }

    fn add(&mut self, sides: &Sides<'_>) -> Option<Part> {
        let (left, right) = self.both_single(sides, "+")?;
        let text = |part: &Part| part.is_nothing() || part.only_system() == Some(System::String);
        if text(&left) && text(&right) {
            return Some(joined(left, right, true));
        }
        self.whole(Arithmetic::Add, left, right, sides)
    }

    fn arithmetic(&mut self, sign: Arithmetic, sides: &Sides<'_>) -> Option<Part> {
        let (left, right) = self.both_single(sides, "arithmetic")?;
        self.whole(sign, left, right, sides)
    }

    fn whole(&mut self, sign: Arithmetic, left: Part, right: Part, sides: &Sides<'_>) -> Option<Part> {
        for (part, node) in [(&left, sides.left), (&right, sides.right)] {
            if !part.is_nothing() && part.only_system() != Some(System::Integer) {
                let problem = format!("arithmetic is for Integers here, and this is {}", part.names());
                return self.fault(
                    Fault::new(node.at.clone(), problem).mend("decimals are passed on with their digits, not computed"),
                );
            }
        }
        let mut sources = left.paths();
        sources.extend(right.paths());
        let op = Op::Arithmetic { sign, left: Box::new(left.op), right: Box::new(right.op) };
        let mut part = Part::system(op, System::Integer, true);
        part.sources = sources;
        Some(part)
    }
}

fn joined(left: Part, right: Part, strict: bool) -> Part {
    let mut sources = left.paths();
    sources.extend(right.paths());
    let may_be_empty = strict && (left.holds.may_be_empty || right.holds.may_be_empty);
    let op = Op::Concatenate { left: Box::new(left.op), right: Box::new(right.op), strict };
    let mut part = Part::system(op, System::String, may_be_empty);
    part.sources = sources;
    part
}

/// Whether values of these types can be equal.
fn same_kind(left: &Type, right: &Type) -> bool {
    match (left.system(), right.system()) {
        (Some(left), Some(right)) => comparable(left, right),
        (None, None) => {
            let complex = |ty: &Type| matches!(ty.node(), Some(NodeType::Fhir(name)) if !elements::is_primitive(name));
            complex(left) && complex(right) && left.name() == right.name()
        }
        _ => false,
    }
}

fn comparable(left: System, right: System) -> bool {
    use System as S;
    let number = |system| matches!(system, S::Integer | S::Decimal);
    let moment = |system| matches!(system, S::Date | S::DateTime);
    left == right || (number(left) && number(right)) || (moment(left) && moment(right))
}
