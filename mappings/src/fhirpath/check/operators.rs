//! Operators: which types they take, and what they give.

use super::super::ast::{Name, Node, Operator};
use super::super::fault::Fault;
use super::super::plan::{Logic, Op, Order};
use super::super::types::System;
use super::{Checker, Focus, Part};

impl Checker<'_> {
    pub(super) fn binary(
        &mut self,
        operator: Operator,
        left: &Node,
        right: &Node,
        node: &Node,
        focus: &Focus,
    ) -> Option<Part> {
        match operator {
            Operator::And => self.logic(Logic::And, left, right, focus),
            Operator::Or => self.logic(Logic::Or, left, right, focus),
            Operator::Xor => self.logic(Logic::Xor, left, right, focus),
            Operator::Implies => self.logic(Logic::Implies, left, right, focus),
            Operator::Equal => self.equal(true, left, right, node, focus),
            Operator::NotEqual => self.equal(false, left, right, node, focus),
            Operator::Less => self.order(Order::Less, left, right, node, focus),
            Operator::LessOrEqual => self.order(Order::LessOrEqual, left, right, node, focus),
            Operator::Greater => self.order(Order::Greater, left, right, node, focus),
            Operator::GreaterOrEqual => self.order(Order::GreaterOrEqual, left, right, node, focus),
            _ => self.fault(Fault::new(node.at.clone(), format!("{} is not in this subset yet", operator.symbol()))),
        }
    }

    fn logic(&mut self, logic: Logic, left: &Node, right: &Node, focus: &Focus) -> Option<Part> {
        let left = self.criterion(left, focus, "a logical operator");
        let right = self.criterion(right, focus, "a logical operator");
        let (left, right) = (left?, right?);
        let may_be_empty = left.holds.may_be_empty || right.holds.may_be_empty;
        let op = Op::Logic { logic, left: Box::new(left.op), right: Box::new(right.op) };
        Some(Part::system(op, System::Boolean, may_be_empty))
    }

    fn equal(&mut self, wanted: bool, left: &Node, right: &Node, node: &Node, focus: &Focus) -> Option<Part> {
        let (left_at, right_at) = (left.at.clone(), right.at.clone());
        let left = self.part(left, focus);
        let right = self.part(right, focus);
        let (left, right) = (left?, right?);
        self.examined(&left);
        self.examined(&right);
        for (part, at) in [(&left, left_at), (&right, right_at)] {
            if part.only_system().is_none() && !part.is_nothing() {
                let names = part.names();
                return self.fault(
                    Fault::new(at, format!("only values of one simple type can be compared here, and this is {names}"))
                        .mend("compare an element below it, or choose a type with ofType()"),
                );
            }
        }
        if let (Some(a), Some(b)) = (left.only_system(), right.only_system()) {
            if !comparable(a, b) {
                let problem = format!("{} and {} are never equal", left.names(), right.names());
                return self
                    .fault(Fault::new(node.at.clone(), problem).mend("convert one, for example with toString()"));
            }
        }
        let single = !left.holds.many && !right.holds.many;
        let op = Op::Equal { left: Box::new(left.op), right: Box::new(right.op), wanted, single };
        Some(Part::system(op, System::Boolean, true))
    }

    fn order(&mut self, order: Order, left: &Node, right: &Node, node: &Node, focus: &Focus) -> Option<Part> {
        let left = self.one(left, focus, "a comparison");
        let right = self.one(right, focus, "a comparison");
        let (left, right) = (left?, right?);
        self.examined(&left);
        self.examined(&right);
        if !left.is_nothing() && !right.is_nothing() {
            let systems = left.only_system().zip(right.only_system());
            let ordered = systems.is_some_and(|(a, b)| a != System::Boolean && comparable(a, b));
            if !ordered {
                let problem = format!("{} and {} have no order", left.names(), right.names());
                return self.fault(Fault::new(node.at.clone(), problem).mend("compare numbers, texts, dates or times"));
            }
        }
        let op = Op::Compare { left: Box::new(left.op), right: Box::new(right.op), order };
        Some(Part::system(op, System::Boolean, true))
    }

    pub(super) fn type_test(&mut self, _: bool, _: &Node, name: &Name, _: &Node, _: &Focus) -> Option<Part> {
        self.fault(Fault::new(name.at.clone(), "is and as are not in this subset yet"))
    }

    pub(super) fn index(&mut self, _: &Node, index: &Node, _: &Focus) -> Option<Part> {
        self.fault(Fault::new(index.at.clone(), "an index is not in this subset yet").mend("first()"))
    }
}

/// Whether values of these types can be equal.
fn comparable(left: System, right: System) -> bool {
    use System as S;
    let number = |system| matches!(system, S::Integer | S::Decimal);
    let moment = |system| matches!(system, S::Date | S::DateTime);
    left == right || (number(left) && number(right)) || (moment(left) && moment(right))
}
