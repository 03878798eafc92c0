//! Types: which values a field can be made of, and whether a literal fits.

use super::Compiler;
use super::paths::{Path, type_names};
use crate::diagnostic::Code;
use crate::fhirpath::{ShapeKind, System, Type};
use crate::program::{Literal, Scalar};
use crate::source::Span;
use crate::yaml::Node;

impl Compiler<'_> {
    /// The value of `type`, if it is there and was not reported.
    pub(super) fn scalar_kind(&self, node: &Node) -> Option<Scalar> {
        Some(match node.text("type")?.text {
            "string" => Scalar::Text,
            "integer" => Scalar::Integer,
            "decimal" => Scalar::Decimal,
            "boolean" => Scalar::Boolean,
            "date" => Scalar::Date,
            "date-time" => Scalar::DateTime,
            "code" => Scalar::Code,
            _ => return None,
        })
    }

    /// Reports a path whose values the field cannot be.
    pub(super) fn check_type(&mut self, path: &Path, kind: Scalar, at: Span) {
        let result = path.result();
        if result.types.is_empty() {
            self.fault(Code::WrongType, at, "The path always gives nothing.", "Correct the path, or remove the field.");
            return;
        }
        if let Some(complex) = result.types.iter().find(|ty| !ty.is_scalar() || is_markup(ty)) {
            let fault = format!("The path gives a {}, which is no single value.", complex.name());
            self.fault(Code::WrongType, at, fault, complex_mend(complex));
            return;
        }
        if result.types.iter().all(|ty| fits(ty, kind)) {
            return;
        }
        let fault = format!("The field is {}; the path gives {}.", words(kind), type_names(result));
        self.fault(Code::WrongType, at, fault, mend_for(kind));
    }

    /// Whether the path can give a date that lacks day or month.
    pub(super) fn may_be_partial(path: &Path) -> bool {
        let only_accepted_at = path.expression.text().trim() == "%acceptedAt";
        !only_accepted_at
            && path.result().types.iter().any(|ty| {
                let temporal = matches!(ty.system(), Some(System::Date | System::DateTime));
                temporal && !matches!(ty, Type::Fhir(fhir) if fhir.name() == "instant")
            })
    }
}

fn is_markup(ty: &Type) -> bool {
    matches!(ty, Type::Fhir(fhir) if fhir.name() == "xhtml")
}

/// Whether a value of this type can be written as the kind.
fn fits(ty: &Type, kind: Scalar) -> bool {
    if matches!(ty, Type::Shape(shape) if shape.kind() == ShapeKind::Scalar) {
        return true;
    }
    let Some(system) = ty.system() else { return false };
    match kind {
        Scalar::Text => true,
        Scalar::Code => matches!(system, System::String | System::Integer),
        Scalar::Integer => system == System::Integer,
        Scalar::Decimal => matches!(system, System::Integer | System::Decimal),
        Scalar::Boolean => system == System::Boolean,
        Scalar::Date | Scalar::DateTime => matches!(system, System::Date | System::DateTime),
    }
}

fn complex_mend(ty: &Type) -> &'static str {
    match ty.name() {
        "HumanName" => "Take a part of it: `family`, `given.join(' ')` or `text`.",
        "CodeableConcept" => {
            "Take `text`, or `coding` with a system and then `code` or `display`; or translate it with `map`."
        }
        "Coding" => "Take `code` or `display`, or translate it with `map`.",
        "Identifier" | "ContactPoint" => "Say which one with where(system = '…') and take `value`.",
        "Address" => "Take a part of it: `line`, `city`, `postalCode` or `text`.",
        "Reference" => "Take `display`, or follow it with resolve().",
        "Quantity" => "Take `value` or `unit`.",
        "Period" => "Take `start` or `end`.",
        "Annotation" => "Take `text`.",
        "Extension" => "Take its value: `value.ofType(string)`.",
        "xhtml" => "Narrative is not sent to platforms; take the elements that it was made of.",
        _ => "Take one of its members, or send the whole with `copy` where the platform speaks FHIR.",
    }
}

const fn mend_for(kind: Scalar) -> &'static str {
    match kind {
        Scalar::Integer => "Convert it with toInteger(), or correct the type.",
        Scalar::Decimal => "Convert it with toDecimal(), or correct the type.",
        Scalar::Boolean => "Compare it, end it with exists(), or correct the type.",
        Scalar::Date | Scalar::DateTime => {
            "Take an element that is a date, convert it with toDate(), or correct the type."
        }
        Scalar::Code => "Take the element that is the code, or make the field a string.",
        Scalar::Text => "Correct the path.",
    }
}

const fn words(kind: Scalar) -> &'static str {
    match kind {
        Scalar::Text => "text",
        Scalar::Integer => "a whole number",
        Scalar::Decimal => "a decimal number",
        Scalar::Boolean => "true or false",
        Scalar::Date => "a date",
        Scalar::DateTime => "a date-time",
        Scalar::Code => "a code",
    }
}

/// A literal of the mapping, and the kind that it has by itself.
pub(super) fn literal(node: &Node) -> Option<(Literal, Scalar)> {
    let scalar = node.scalar().filter(|scalar| !scalar.is_null())?;
    Some(if let Some(truth) = scalar.boolean() {
        (Literal::Boolean(truth), Scalar::Boolean)
    } else if let Some(number) = scalar.integer() {
        (Literal::Integer(number), Scalar::Integer)
    } else if let Some(number) = scalar.decimal() {
        (Literal::Decimal(number.to_owned()), Scalar::Decimal)
    } else {
        (Literal::Text(scalar.text.clone()), Scalar::Text)
    })
}

/// Whether a literal can be written as this kind.
pub(super) fn literal_fits(kind: Scalar, literal: &Literal) -> bool {
    match (kind, literal) {
        (Scalar::Text | Scalar::Code, Literal::Text(_)) | (Scalar::Boolean, Literal::Boolean(_)) => true,
        (Scalar::Integer | Scalar::Decimal, Literal::Integer(_)) | (Scalar::Decimal, Literal::Decimal(_)) => true,
        (Scalar::Date | Scalar::DateTime, Literal::Text(text)) => text_fits(kind, text),
        _ => false,
    }
}

/// Whether a text, as an operator would configure it, is of this kind.
pub(super) fn text_fits(kind: Scalar, text: &str) -> bool {
    match kind {
        Scalar::Text | Scalar::Code => true,
        Scalar::Integer => text.parse::<i64>().is_ok(),
        Scalar::Decimal => text.parse::<f64>().is_ok_and(f64::is_finite),
        Scalar::Boolean => matches!(text, "true" | "false"),
        Scalar::Date => is_date(text),
        Scalar::DateTime => text.split_once('T').is_some_and(|(date, time)| is_date(date) && is_time(time)),
    }
}

fn is_date(text: &str) -> bool {
    let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts.as_slice(), [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2)
        && ("01"..="12").contains(month) && ("01"..="31").contains(day))
}

fn is_time(text: &str) -> bool {
    let clock = text.split(['Z', '+', '-', '.']).next().unwrap_or_default();
    let parts: Vec<&str> = clock.split(':').collect();
    parts.len() == 3 && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The literal as text.
pub(super) fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Text(text) | Literal::Decimal(text) => text.clone(),
        Literal::Integer(number) => number.to_string(),
        Literal::Boolean(truth) => truth.to_string(),
    }
}
