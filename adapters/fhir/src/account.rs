//! Lines of an account, for adapters that carry most elements as they were written.

use crate::json::array;
use crate::referral::Part;
use adapter_contract::{DataClass, Descriptor, FieldLine, Grade, Loss, LossReason};

/// What is said of an element that was not changed.
pub const AS_WRITTEN: &str = "carried as it was written";

/// Whether a member of a resource is content: its type and id are not.
#[must_use]
pub fn is_content(name: &str) -> bool {
    !matches!(name, "resourceType" | "id")
}

/// How many values the text is: the length of a list, or one.
#[must_use]
pub fn count(text: &str) -> u32 {
    let list = text.trim_start().starts_with('[');
    if list { u32::try_from(array(text).len()).unwrap_or(u32::MAX) } else { 1 }
}

/// One target field that was made of one element of `from`.
#[must_use]
pub fn line(descriptor: &Descriptor, from: &Part<'_>, name: &str, kind: &str, target: &str, step: &str) -> FieldLine {
    let element = format!("{}.{}", from.kind, name.trim_start_matches('_'));
    FieldLine {
        target: format!("{kind}.{}", target.trim_start_matches('_')),
        class: class(descriptor, &element),
        sources: vec![element],
        rule: String::new(),
        steps: vec![step.to_owned()],
        value: from.object.raw(name).unwrap_or_default().to_owned(),
    }
}

/// A target field that nothing of the referral was needed for.
#[must_use]
pub fn constant(target: &str, words: &str) -> FieldLine {
    FieldLine {
        target: target.to_owned(),
        sources: Vec::new(),
        rule: String::new(),
        steps: vec![format!("constant: {words}")],
        class: DataClass::Administrative,
        value: String::new(),
    }
}

/// As the element is declared. What is there without being declared is the code that forbids contact.
fn class(descriptor: &Descriptor, element: &str) -> DataClass {
    let covers = |path: &str| {
        // Extensions are declared by their URL.
        let path = path.split('(').next().unwrap_or(path);
        element.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let needs = descriptor.data_needs.iter();
    needs.filter(|need| covers(&need.path)).map(|need| need.class).max().unwrap_or(DataClass::Safeguarding)
}

/// What did not arrive.
#[must_use]
pub fn lost(element: &str, reason: LossReason, grade: Grade, count: u32) -> Loss {
    Loss { element: element.to_owned(), reason, grade, count, detail: None, rule: None, because: None }
}
