//! Functions of texts, and arithmetic with whole numbers. Places in a text are counted in Unicode characters.

use std::borrow::Cow;

use regex::Regex;

use super::super::fault::EvaluationFault;
use super::super::item::{Item, Trace};
use super::super::plan::{Arithmetic, Op, TextFunction};
use super::{Flow, Focus, MAX_STEPS, Machine, Out, Stop, Value};

/// How long a computed text may become, in bytes.
const MAX_TEXT: usize = 8 << 20;

/// What a text function gives.
enum Given<'e> {
    Text(Cow<'e, str>),
    Whole(i64),
    Truth(bool),
    Nothing,
}

impl<'m, 'e, T: Trace> Machine<'m, 'e, T> {
    /// Counts the work on a text.
    fn worked(&mut self, bytes: usize) -> Flow {
        if bytes > MAX_TEXT {
            return Err(EvaluationFault::TooMuchWork { limit: MAX_STEPS }.into());
        }
        self.read(bytes)
    }

    /// The characters of an item, which must be a text.
    fn characters(&mut self, value: &Value<'e>) -> Result<Option<Cow<'e, str>>, Stop> {
        match self.system(&value.item)? {
            Some(Item::Text(text)) => Ok(Some(text)),
            _ => Ok(None),
        }
    }

    fn text_of(&mut self, op: &'e Op, focus: Focus<'_, 'e>) -> Result<Option<(Value<'e>, Cow<'e, str>)>, Stop> {
        let Some(value) = self.single(op, focus)? else { return Ok(None) };
        Ok(self.characters(&value)?.map(|text| (value, text)))
    }

    fn whole_of(&mut self, op: &'e Op, focus: Focus<'_, 'e>) -> Result<Option<(Value<'e>, i64)>, Stop> {
        let Some(value) = self.single(op, focus)? else { return Ok(None) };
        match self.system(&value.item)? {
            Some(Item::Integer(number)) => Ok(Some((value, number))),
            _ => Ok(None),
        }
    }

    /// `+` and `&`.
    pub(super) fn concatenate(
        &mut self,
        left: &'e Op,
        right: &'e Op,
        strict: bool,
        focus: Focus<'_, 'e>,
    ) -> Result<Option<Value<'e>>, Stop> {
        let left = self.text_of(left, focus)?;
        let right = self.text_of(right, focus)?;
        match (left, right) {
            (Some((left, a)), Some((right, b))) => {
                self.worked(a.len() + b.len())?;
                let mut text = String::with_capacity(a.len() + b.len());
                text.push_str(&a);
                text.push_str(&b);
                Ok(Some(self.computed(Item::Text(text.into()), &[&left, &right])))
            }
            (Some((value, text)), None) | (None, Some((value, text))) if !strict => {
                Ok(Some(self.computed(Item::Text(text), &[&value])))
            }
            (None, None) if !strict => Ok(Some(Value::plain(Item::Text(Cow::Borrowed(""))))),
            _ => Ok(None),
        }
    }

    pub(super) fn arithmetic(
        &mut self,
        sign: Arithmetic,
        left: &'e Op,
        right: &'e Op,
        focus: Focus<'_, 'e>,
    ) -> Result<Option<Value<'e>>, Stop> {
        let left = self.whole_of(left, focus)?;
        let right = self.whole_of(right, focus)?;
        let (Some((left, a)), Some((right, b))) = (left, right) else { return Ok(None) };
        let result = match sign {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Subtract => a.checked_sub(b),
            Arithmetic::Multiply => a.checked_mul(b),
            Arithmetic::Div => a.checked_div(b),
            Arithmetic::Mod => a.checked_rem(b),
        };
        // An Integer has 32 bits; what does not fit is empty, as is a division by zero.
        let result = result.and_then(|result| i32::try_from(result).ok());
        Ok(result.map(|result| self.computed(Item::Integer(result.into()), &[&left, &right])))
    }

    pub(super) fn text(
        &mut self,
        function: TextFunction,
        from: &'e Op,
        arguments: &'e [Op],
        focus: Focus<'_, 'e>,
    ) -> Result<Option<Value<'e>>, Stop> {
        let Some((value, text)) = self.text_of(from, focus)? else { return Ok(None) };
        if function == TextFunction::Substring {
            return self.substring(&value, &text, arguments, focus);
        }
        let mut values = vec![value];
        let mut texts = Vec::new();
        for argument in arguments {
            let Some((value, text)) = self.text_of(argument, focus)? else { return Ok(None) };
            values.push(value);
            texts.push(text);
        }
        let argument = |place: usize| texts.get(place).map(|text: &Cow<'_, str>| &**text).unwrap_or_default();
        let given = match function {
            TextFunction::IndexOf => Given::Whole(index_of(&text, argument(0))),
            TextFunction::StartsWith => Given::Truth(text.starts_with(argument(0))),
            TextFunction::EndsWith => Given::Truth(text.ends_with(argument(0))),
            TextFunction::Contains => Given::Truth(text.contains(argument(0))),
            TextFunction::Length => Given::Whole(count(&text)),
            TextFunction::Upper => Given::Text(text.to_uppercase().into()),
            TextFunction::Lower => Given::Text(text.to_lowercase().into()),
            TextFunction::Trim => Given::Text(trimmed(text)),
            TextFunction::Replace => {
                let places = text.matches(argument(0)).count();
                self.worked(text.len().saturating_add(places.saturating_mul(argument(1).len())))?;
                Given::Text(text.replace(argument(0), argument(1)).into())
            }
            TextFunction::Substring => Given::Nothing,
        };
        let values: Vec<&Value<'e>> = values.iter().collect();
        Ok(match given {
            Given::Text(text) => Some(self.computed(Item::Text(text), &values)),
            Given::Whole(number) => {
                values.iter().for_each(|value| self.examine(value));
                Some(Value::plain(Item::Integer(number)))
            }
            Given::Truth(truth) => {
                values.iter().for_each(|value| self.examine(value));
                Some(Value::plain(Item::Boolean(truth)))
            }
            Given::Nothing => None,
        })
    }

    fn substring(
        &mut self,
        value: &Value<'e>,
        text: &Cow<'e, str>,
        arguments: &'e [Op],
        focus: Focus<'_, 'e>,
    ) -> Result<Option<Value<'e>>, Stop> {
        let mut numbers = Vec::new();
        for argument in arguments {
            let found = self.whole_of(argument, focus)?;
            if let Some((value, _)) = &found {
                self.examine(value);
            }
            numbers.push(found.map(|(_, number)| number));
        }
        let Some(Some(start)) = numbers.first() else { return Ok(None) };
        let Ok(start) = usize::try_from(*start) else { return Ok(None) };
        let Some((from, _)) = text.char_indices().nth(start) else { return Ok(None) };
        let rest = text.get(from..).unwrap_or_default();
        // A length that is empty is as one that is not given.
        let to = match numbers.get(1).copied().flatten() {
            None => rest.len(),
            Some(length) => {
                let length = usize::try_from(length).unwrap_or_default();
                rest.char_indices().nth(length).map_or(rest.len(), |(to, _)| to)
            }
        };
        let part = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.get(from..from + to).unwrap_or_default()),
            Cow::Owned(_) => Cow::Owned(rest.get(..to).unwrap_or_default().to_owned()),
        };
        Ok(Some(self.computed(Item::Text(part), &[value])))
    }

    pub(super) fn matches(
        &mut self,
        from: &'e Op,
        pattern: &'e Regex,
        focus: Focus<'_, 'e>,
    ) -> Result<Option<bool>, Stop> {
        let Some((value, text)) = self.text_of(from, focus)? else { return Ok(None) };
        self.examine(&value);
        Ok(Some(pattern.is_match(&text)))
    }

    pub(super) fn replace_matches(
        &mut self,
        from: &'e Op,
        pattern: &'e Regex,
        substitution: &'e str,
        focus: Focus<'_, 'e>,
    ) -> Result<Option<Value<'e>>, Stop> {
        let Some((value, text)) = self.text_of(from, focus)? else { return Ok(None) };
        self.worked(text.len())?;
        let mut replaced = String::with_capacity(text.len());
        let mut copied = 0;
        for found in pattern.captures_iter(&text) {
            let Some(whole) = found.get(0) else { continue };
            let before = replaced.len();
            replaced.push_str(text.get(copied..whole.start()).unwrap_or_default());
            found.expand(substitution, &mut replaced);
            copied = whole.end();
            self.step(1)?;
            self.worked(replaced.len() - before)?;
            if replaced.len() > MAX_TEXT {
                self.worked(replaced.len())?;
            }
        }
        replaced.push_str(text.get(copied..).unwrap_or_default());
        Ok(Some(self.computed(Item::Text(replaced.into()), &[&value])))
    }

    pub(super) fn split(
        &mut self,
        from: &'e Op,
        separator: &'e str,
        focus: Focus<'_, 'e>,
        out: Out<'_, 'm, 'e, T>,
    ) -> Flow {
        let Some((value, text)) = self.text_of(from, focus)? else { return Ok(()) };
        for part in text.split(separator) {
            self.step(1)?;
            let item = self.computed(Item::Text(part.to_owned().into()), &[&value]);
            out(self, item)?;
        }
        Ok(())
    }

    pub(super) fn each_character(&mut self, from: &'e Op, focus: Focus<'_, 'e>, out: Out<'_, 'm, 'e, T>) -> Flow {
        let Some((value, text)) = self.text_of(from, focus)? else { return Ok(()) };
        for character in text.chars() {
            self.step(1)?;
            let item = self.computed(Item::Text(character.to_string().into()), &[&value]);
            out(self, item)?;
        }
        Ok(())
    }

    pub(super) fn join(
        &mut self,
        from: &'e Op,
        separator: &'e str,
        focus: Focus<'_, 'e>,
    ) -> Result<Option<Value<'e>>, Stop> {
        let mut joined: Option<String> = None;
        let mut values = Vec::new();
        self.stream(from, focus, &mut |machine, value| {
            let Some(text) = machine.characters(&value)? else { return Ok(()) };
            match &mut joined {
                None => joined = Some(text.into_owned()),
                Some(joined) => {
                    joined.push_str(separator);
                    joined.push_str(&text);
                    machine.step(1)?;
                    machine.worked(separator.len())?;
                    if joined.len() > MAX_TEXT {
                        return machine.worked(joined.len());
                    }
                }
            }
            if T::ACTIVE {
                values.push(value);
            }
            Ok(())
        })?;
        let values: Vec<&Value<'e>> = values.iter().collect();
        Ok(joined.map(|joined| self.computed(Item::Text(joined.into()), &values)))
    }
}

fn index_of(text: &str, part: &str) -> i64 {
    text.find(part).and_then(|place| text.get(..place)).map_or(-1, count)
}

fn count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}
