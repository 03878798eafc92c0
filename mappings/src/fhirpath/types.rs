//! Types: what an expression may start from and what it gives. Elements of R4, FHIRPath's own types, declared JSON.

use std::sync::Arc;

use gateway_fhir_elements as elements;

use super::shape::{Shape, ShapeKind};

/// One type that an item may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// An element or resource of R4.
    Fhir(FhirType),
    /// One of FHIRPath's own types.
    System(System),
    /// A part of a declared JSON document that is no FHIR.
    Shape(Arc<Shape>),
}

/// An element of R4 and the path by which it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FhirType {
    pub(super) name: &'static str,
    pub(super) path: Arc<str>,
    pub(super) targets: &'static [&'static str],
}

/// FHIRPath's own types, as far as the subset has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum System {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// A whole number of 32 bits.
    Integer,
    /// A decimal number, with the digits as written.
    Decimal,
    /// A date, perhaps without day or month.
    Date,
    /// A date with a time, perhaps partial.
    DateTime,
    /// A time of day.
    Time,
}

impl System {
    /// The name, as in FHIRPath.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "Boolean",
            Self::String => "String",
            Self::Integer => "Integer",
            Self::Decimal => "Decimal",
            Self::Date => "Date",
            Self::DateTime => "DateTime",
            Self::Time => "Time",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Boolean, Self::String, Self::Integer, Self::Decimal, Self::Date, Self::DateTime, Self::Time]
            .into_iter()
            .find(|system| system.name() == name)
    }

    /// The type to which a FHIR primitive converts by itself.
    pub(super) fn of_primitive(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "string" | "uri" | "url" | "canonical" | "code" | "oid" | "id" | "uuid" | "markdown" | "base64Binary" => {
                Self::String
            }
            "integer" | "unsignedInt" | "positiveInt" => Self::Integer,
            "decimal" => Self::Decimal,
            "date" => Self::Date,
            "dateTime" | "instant" => Self::DateTime,
            "time" => Self::Time,
            _ => return None,
        })
    }
}

/// The type of a node of a document, as an item carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeType {
    /// A primitive, datatype or resource by its name, a backbone element by its path (`Patient.contact`).
    Fhir(&'static str),
    /// A part of a declared JSON document.
    Shape(ShapeKind),
}

impl NodeType {
    /// FHIRPath's own type to which a node of this type converts by itself.
    #[must_use]
    pub fn system(self) -> Option<System> {
        match self {
            Self::Fhir(name) => System::of_primitive(name),
            Self::Shape(kind) => kind.system(),
        }
    }

    pub(super) fn is_primitive(self) -> bool {
        match self {
            Self::Fhir(name) => elements::is_primitive(name),
            Self::Shape(kind) => kind != ShapeKind::Object,
        }
    }
}

impl Type {
    /// A resource, datatype or primitive of R4 by its name, or a backbone element by its path. `None` if R4 has no such
    /// type.
    #[must_use]
    pub fn fhir(name: &str) -> Option<Self> {
        let name = fhir_name(name)?;
        Some(Self::Fhir(FhirType { name, path: name.into(), targets: &[] }))
    }

    /// Text.
    #[must_use]
    pub const fn text() -> Self {
        Self::System(System::String)
    }

    /// A whole number.
    #[must_use]
    pub const fn integer() -> Self {
        Self::System(System::Integer)
    }

    /// `true` or `false`.
    #[must_use]
    pub const fn boolean() -> Self {
        Self::System(System::Boolean)
    }

    /// A declared JSON document.
    #[must_use]
    pub fn shape(shape: impl Into<Arc<Shape>>) -> Self {
        Self::Shape(shape.into())
    }

    /// The type in words, for messages: `HumanName`, `Patient.contact`, `String`, `object`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Fhir(fhir) => fhir.name,
            Self::System(system) => system.name(),
            Self::Shape(shape) => shape.kind().name(),
        }
    }

    /// FHIRPath's own type that this is, or to which it converts by itself.
    #[must_use]
    pub fn system(&self) -> Option<System> {
        match self {
            Self::Fhir(fhir) => System::of_primitive(fhir.name),
            Self::System(system) => Some(*system),
            Self::Shape(shape) => shape.kind().system(),
        }
    }

    /// The path under which this is read; `None` for what comes from no FHIR document.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Fhir(fhir) => Some(&fhir.path),
            Self::System(_) | Self::Shape(_) => None,
        }
    }

    /// Whether this is one value and not an object.
    #[must_use]
    pub fn is_scalar(&self) -> bool {
        self.node().is_none_or(NodeType::is_primitive)
    }

    pub(super) fn node(&self) -> Option<NodeType> {
        match self {
            Self::Fhir(fhir) => Some(NodeType::Fhir(fhir.name)),
            Self::Shape(shape) => Some(NodeType::Shape(shape.kind())),
            Self::System(_) => None,
        }
    }
}

impl FhirType {
    /// The name of the type: `HumanName`, `dateTime`, `Patient`, or for a backbone element its path.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn resource(name: &'static str) -> Self {
        Self { name, path: name.into(), targets: &[] }
    }

    pub(super) fn is_resource(&self) -> bool {
        is_resource(self.name)
    }

    /// Where the members of a value of this type are defined.
    pub(super) fn under(&self) -> &'static str {
        if elements::is_primitive(self.name) { "Element" } else { self.name }
    }
}

/// Whether this names a resource type or one of its two abstract ancestors.
pub(super) fn is_resource(name: &str) -> bool {
    matches!(name, "Resource" | "DomainResource") || elements::is_resource_type(name)
}

/// The name as the element table holds it.
fn fhir_name(name: &str) -> Option<&'static str> {
    const PRIMITIVES: [&str; 20] = [
        "base64Binary",
        "boolean",
        "canonical",
        "code",
        "date",
        "dateTime",
        "decimal",
        "id",
        "instant",
        "integer",
        "markdown",
        "oid",
        "positiveInt",
        "string",
        "time",
        "unsignedInt",
        "uri",
        "url",
        "uuid",
        "xhtml",
    ];
    if elements::is_primitive(name) {
        return PRIMITIVES.into_iter().find(|primitive| *primitive == name);
    }
    elements::members(name).next().and_then(|element| element.path.get(..name.len()))
}

/// The type from which another is derived: `code` from `string`, `Age` from `Quantity`, `Patient` from
/// `DomainResource`. `Element` stands above all that is no resource.
pub(super) fn ancestor(name: &str) -> Option<&'static str> {
    Some(match name {
        "code" | "id" | "markdown" => "string",
        "url" | "canonical" | "oid" | "uuid" => "uri",
        "unsignedInt" | "positiveInt" => "integer",
        "Age" | "Count" | "Distance" | "Duration" => "Quantity",
        "Bundle" | "Binary" | "Parameters" | "DomainResource" => "Resource",
        "Resource" | "Element" => return None,
        _ if elements::is_resource_type(name) => "DomainResource",
        "Timing" | "Dosage" | "ElementDefinition" | "MarketingStatus" | "Population" | "ProdCharacteristic"
        | "ProductShelfLife" | "SubstanceAmount" => "BackboneElement",
        _ if name.contains('.') => {
            let (under, _) = name.rsplit_once('.')?;
            elements::members(under).find(|element| element.path == name)?.types.first()?.code
        }
        _ => "Element",
    })
}

/// Whether a type is another or is derived from it.
pub(super) fn is_a(name: &str, general: &str) -> bool {
    let mut at = name;
    loop {
        if at == general {
            return true;
        }
        let Some(above) = ancestor(at) else { return false };
        at = above;
    }
}

/// What an expression gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultType {
    /// The types that an item may have. None at all for an expression that is always empty.
    pub types: Vec<Type>,
    /// Whether there may be several items.
    pub many: bool,
    /// Whether there may be none.
    pub may_be_empty: bool,
}

/// What an expression may start from: the context, and variables in the order of their slots.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub(super) context: Option<Type>,
    pub(super) variables: Vec<Variable>,
}

/// A declared variable.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) holds: ResultType,
}

impl Scope {
    /// A scope without context and variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares the next variable, which holds one item of this type or nothing.
    #[must_use]
    pub fn variable(self, name: &str, holds: Type) -> Self {
        self.variable_of(name, ResultType { types: vec![holds], many: false, may_be_empty: true })
    }

    /// Declares the next variable, which holds what another expression gives.
    #[must_use]
    pub fn variable_of(mut self, name: &str, holds: ResultType) -> Self {
        self.variables.push(Variable { name: name.to_owned(), holds });
        self
    }

    /// Declares the type of the item from which paths start.
    #[must_use]
    pub fn context(mut self, context: Type) -> Self {
        self.context = Some(context);
        self
    }

    /// The slot of a variable.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.variables.iter().rposition(|variable| variable.name == name)
    }
}
