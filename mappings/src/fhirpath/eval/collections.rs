//! Functions of whole collections. Those that must know all items before they can answer collect them; the others do
//! not.

use super::super::item::{Item, Trace};
use super::super::plan::{Op, Set, Wanted};
use super::super::types::{NodeType, is_a};
use super::{Flow, Focus, Machine, Out, Stop, Value};

impl<'m, 'e, T: Trace> Machine<'m, 'e, T> {
    /// All items of an operation.
    pub(super) fn all_of(&mut self, op: &'e Op, focus: Focus<'_, 'e>) -> Result<Vec<Value<'e>>, Stop> {
        let mut all = Vec::new();
        self.stream(op, focus, &mut |machine, value| {
            machine.step(1)?;
            all.push(value);
            Ok(())
        })?;
        Ok(all)
    }

    /// All items of an operation, which are looked at and not passed on.
    pub(super) fn all_examined(&mut self, op: &'e Op, focus: Focus<'_, 'e>) -> Result<Vec<Value<'e>>, Stop> {
        let all = self.all_of(op, focus)?;
        all.iter().for_each(|value| self.examine(value));
        Ok(all)
    }

    /// One item, which is looked at and not passed on.
    pub(super) fn examined(&mut self, op: &'e Op, focus: Focus<'_, 'e>) -> Result<Option<Value<'e>>, Stop> {
        let found = self.single(op, focus)?;
        if let Some(value) = &found {
            self.examine(value);
        }
        Ok(found)
    }

    pub(super) fn skip(&mut self, from: &'e Op, number: usize, focus: Focus<'_, 'e>, out: Out<'_, 'm, 'e, T>) -> Flow {
        let mut seen = 0;
        self.stream(from, focus, &mut |machine, value| {
            seen += 1;
            if seen > number { out(machine, value) } else { Ok(()) }
        })
    }

    pub(super) fn take(&mut self, from: &'e Op, number: usize, focus: Focus<'_, 'e>, out: Out<'_, 'm, 'e, T>) -> Flow {
        if number == 0 {
            return Ok(());
        }
        let (mut seen, mut taken) = (0, false);
        let flow = self.stream(from, focus, &mut |machine, value| {
            seen += 1;
            out(machine, value)?;
            taken = seen == number;
            if taken { Err(Stop::Done) } else { Ok(()) }
        });
        match flow {
            // The end that was called here, not one that somebody behind called.
            Err(Stop::Done) if taken => Ok(()),
            other => other,
        }
    }

    pub(super) fn of_type(
        &mut self,
        from: &'e Op,
        wanted: Wanted,
        focus: Focus<'_, 'e>,
        out: Out<'_, 'm, 'e, T>,
    ) -> Flow {
        self.stream(from, focus, &mut |machine, mut value| {
            machine.step(1)?;
            if let (Item::Node(node), Wanted::Fhir(name)) = (&mut value.item, wanted) {
                let found = machine.type_of(node.doc, node.id, node.ty).filter(|found| is_a(found, name));
                let Some(found) = found else { return Ok(()) };
                node.ty = NodeType::Fhir(found);
            } else if system(&value.item) != Some(wanted) {
                return Ok(());
            }
            out(machine, value)
        })
    }

    pub(super) fn is(&mut self, from: &'e Op, wanted: Wanted, focus: Focus<'_, 'e>) -> Result<Option<bool>, Stop> {
        let Some(value) = self.examined(from, focus)? else { return Ok(None) };
        Ok(Some(match (&value.item, wanted) {
            (Item::Node(node), Wanted::Fhir(name)) => {
                self.type_of(node.doc, node.id, node.ty).is_some_and(|found| is_a(found, name))
            }
            (Item::Node(_), Wanted::System(_)) => false,
            (item, wanted) => system(item) == Some(wanted),
        }))
    }

    pub(super) fn distinct(&mut self, from: &'e Op, focus: Focus<'_, 'e>) -> Result<Vec<Value<'e>>, Stop> {
        let all = self.all_of(from, focus)?;
        let mut distinct: Vec<Value<'e>> = Vec::new();
        for value in all {
            if !self.holds(&distinct, &value)? {
                distinct.push(value);
            }
        }
        Ok(distinct)
    }

    pub(super) fn is_distinct(&mut self, from: &'e Op, focus: Focus<'_, 'e>) -> Result<Option<bool>, Stop> {
        let all = self.all_examined(from, focus)?;
        for (place, value) in all.iter().enumerate() {
            if self.holds(all.get(..place).unwrap_or_default(), value)? {
                return Ok(Some(false));
            }
        }
        Ok(Some(true))
    }

    /// Whether one of these items is equal to another.
    fn holds(&mut self, items: &[Value<'e>], wanted: &Value<'e>) -> Result<bool, Stop> {
        for item in items {
            self.step(1)?;
            if self.equal(item, wanted)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn set(
        &mut self,
        set: Set,
        left: &'e Op,
        right: &'e Op,
        focus: Focus<'_, 'e>,
        out: Out<'_, 'm, 'e, T>,
    ) -> Flow {
        if set == Set::Combine {
            self.stream(left, focus, out)?;
            return self.stream(right, focus, out);
        }
        let left = self.all_of(left, focus)?;
        let right = if set == Set::Union { self.all_of(right, focus)? } else { self.all_examined(right, focus)? };
        let mut given: Vec<Value<'e>> = Vec::new();
        match set {
            Set::Exclude => {
                for value in left {
                    if !self.holds(&right, &value)? {
                        out(self, value)?;
                    }
                }
            }
            Set::Intersect => {
                for value in left {
                    if self.holds(&right, &value)? && !self.holds(&given, &value)? {
                        given.push(value.clone());
                        out(self, value)?;
                    }
                }
            }
            Set::Union | Set::Combine => {
                for value in left.into_iter().chain(right) {
                    if !self.holds(&given, &value)? {
                        given.push(value.clone());
                        out(self, value)?;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn subset(&mut self, small: &'e Op, large: &'e Op, focus: Focus<'_, 'e>) -> Result<Option<bool>, Stop> {
        let small = self.all_examined(small, focus)?;
        let large = self.all_examined(large, focus)?;
        for value in &small {
            if !self.holds(&large, value)? {
                return Ok(Some(false));
            }
        }
        Ok(Some(true))
    }

    pub(super) fn is_in(
        &mut self,
        item: &'e Op,
        collection: &'e Op,
        focus: Focus<'_, 'e>,
    ) -> Result<Option<bool>, Stop> {
        let Some(item) = self.examined(item, focus)? else { return Ok(None) };
        let collection = self.all_examined(collection, focus)?;
        Ok(Some(self.holds(&collection, &item)?))
    }

    pub(super) fn count(&mut self, from: &'e Op, focus: Focus<'_, 'e>) -> Result<Option<Value<'e>>, Stop> {
        let mut count = 0;
        self.stream(from, focus, &mut |machine, value| {
            machine.examine(&value);
            count += 1;
            Ok(())
        })?;
        Ok(Some(Value::plain(Item::Integer(count))))
    }

    pub(super) fn all(&mut self, from: &'e Op, test: &'e Op, focus: Focus<'_, 'e>) -> Result<Option<bool>, Stop> {
        let (mut index, mut all) = (0, true);
        let flow = self.stream(from, focus, &mut |machine, value| {
            machine.examine(&value);
            let inner = Focus { this: Some(&value), index };
            index += 1;
            all = machine.boolean(test, inner)? == Some(true);
            if all { Ok(()) } else { Err(Stop::Done) }
        });
        match flow {
            Ok(()) | Err(Stop::Done) => Ok(Some(all)),
            Err(fault) => Err(fault),
        }
    }

    /// Whether all, or any, of the items are of one truth.
    pub(super) fn truths(
        &mut self,
        from: &'e Op,
        all: bool,
        of: bool,
        focus: Focus<'_, 'e>,
    ) -> Result<Option<bool>, Stop> {
        let mut answer = all;
        let flow = self.stream(from, focus, &mut |machine, value| {
            machine.examine(&value);
            let Some(truth) = machine.truth(&value)? else { return Ok(()) };
            if (truth == of) == all {
                return Ok(());
            }
            answer = !all;
            Err(Stop::Done)
        });
        match flow {
            Ok(()) | Err(Stop::Done) => Ok(Some(answer)),
            Err(fault) => Err(fault),
        }
    }
}

fn system(item: &Item<'_>) -> Option<Wanted> {
    use super::super::types::System as S;
    Some(Wanted::System(match item {
        Item::Node(_) => return None,
        Item::Text(_) => S::String,
        Item::Integer(_) => S::Integer,
        Item::Decimal(_) => S::Decimal,
        Item::Boolean(_) => S::Boolean,
        Item::Date(_) => S::Date,
        Item::DateTime(_) => S::DateTime,
        Item::Time(_) => S::Time,
    }))
}
