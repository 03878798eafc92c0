//! Shapes: the declared form of a JSON document that is no FHIR, such as a platform's answer.

use std::sync::Arc;

use super::types::System;

/// What a value of a shape is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShapeKind {
    /// An object with the declared members.
    Object,
    /// A string.
    Text,
    /// A number without fraction.
    Integer,
    /// A number.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// A string that holds a date.
    Date,
    /// A string that holds a date with a time.
    DateTime,
    /// A string, number, `true` or `false`: what a platform does not say clearly.
    Scalar,
}

impl ShapeKind {
    /// The kind in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::DateTime => "date-time",
            Self::Scalar => "scalar",
        }
    }

    pub(super) const fn system(self) -> Option<System> {
        Some(match self {
            Self::Object | Self::Scalar => return None,
            Self::Text => System::String,
            Self::Integer => System::Integer,
            Self::Decimal => System::Decimal,
            Self::Boolean => System::Boolean,
            Self::Date => System::Date,
            Self::DateTime => System::DateTime,
        })
    }
}

/// A declared JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    kind: ShapeKind,
    members: Vec<Member>,
    /// Whether the JSON is an array, read as an object whose one member is [`LIST`].
    list: bool,
}

/// The one member of a shape that is an array.
pub const LIST: &str = "items";

/// A declared member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name.
    pub name: String,
    /// What the member, or each item of its array, is.
    pub shape: Arc<Shape>,
    /// Whether the member is an array.
    pub repeats: bool,
}

impl Shape {
    /// A value that is no object.
    #[must_use]
    pub const fn scalar(kind: ShapeKind) -> Self {
        Self { kind, members: Vec::new(), list: false }
    }

    /// An object, without members yet.
    #[must_use]
    pub const fn object() -> Self {
        Self::scalar(ShapeKind::Object)
    }

    /// A document that is an array: paths find its items under [`LIST`], since a path begins at one value.
    #[must_use]
    pub fn list(item: impl Into<Arc<Self>>) -> Self {
        Self { list: true, ..Self::object().repeated(LIST, item) }
    }

    /// Whether the JSON is an array.
    #[must_use]
    pub const fn is_list(&self) -> bool {
        self.list
    }

    /// Adds a member that stands once.
    #[must_use]
    pub fn member(self, name: &str, shape: impl Into<Arc<Self>>) -> Self {
        self.with(name, shape.into(), false)
    }

    /// Adds a member that is an array.
    #[must_use]
    pub fn repeated(self, name: &str, shape: impl Into<Arc<Self>>) -> Self {
        self.with(name, shape.into(), true)
    }

    fn with(mut self, name: &str, shape: Arc<Self>, repeats: bool) -> Self {
        self.members.push(Member { name: name.to_owned(), shape, repeats });
        self
    }

    /// What the value is.
    #[must_use]
    pub const fn kind(&self) -> ShapeKind {
        self.kind
    }

    /// The members, in the order of their declaration.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }
}
