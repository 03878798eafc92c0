//! What a path may use where it stands.

use super::Compiler;
use crate::fhirpath::{Scope, Shape, ShapeKind, System, Type};
use crate::program::Slot;
use std::sync::Arc;

/// The surroundings of a path.
#[derive(Debug, Clone, Default)]
pub(super) struct Env {
    /// Predeclared variables that may be used.
    slots: Vec<Slot>,
    /// How many of the mapping's own variables may be used.
    named: usize,
    /// Where paths start.
    pub(super) context: Option<Type>,
    /// Whether what paths start from could not be made out, so that nothing can be said of them.
    pub(super) broken: bool,
    /// Notes of the steps before.
    progress: Vec<String>,
    /// What the last poll kept.
    cursor: Vec<String>,
}

impl Env {
    /// A place where the referral is known: requests of a submit, guards and variables.
    pub(super) fn referral(named: usize) -> Self {
        let slots = vec![Slot::Referral, Slot::ServiceRequest, Slot::Patient, Slot::Task];
        Self { slots, named, ..Self::default() }.and(&[Slot::Settings, Slot::Keys, Slot::AcceptedAt])
    }

    /// A place where nothing but settings is known.
    pub(super) fn bare() -> Self {
        Self::default().and(&[Slot::Settings])
    }

    pub(super) fn and(mut self, slots: &[Slot]) -> Self {
        self.slots.extend(slots);
        self
    }

    pub(super) fn starting_from(&self, context: Option<Type>) -> Self {
        Self { context, ..self.clone() }
    }

    pub(super) fn with_progress(mut self, notes: Vec<String>) -> Self {
        self.progress = notes;
        self.and(&[Slot::Progress])
    }

    pub(super) fn with_cursor(mut self, names: Vec<String>) -> Self {
        self.cursor = names;
        self.and(&[Slot::Cursor])
    }

    pub(super) fn allows(&self, slot: Slot) -> bool {
        self.slots.contains(&slot)
    }

    pub(super) const fn named(&self) -> usize {
        self.named
    }

    /// The scope of one path that mentions these headers.
    pub(super) fn scope(&self, compiler: &Compiler<'_>, headers: &[&str]) -> Scope {
        let mut scope = Slot::ALL.into_iter().fold(Scope::new(), |scope, slot| {
            // What may not be used keeps its slot under a name that no path can write.
            if self.allows(slot) {
                scope.variable(slot.name(), self.holds(slot, compiler, headers))
            } else {
                scope.variable("", Type::text())
            }
        });
        for variable in compiler.variables.iter().take(self.named) {
            scope = scope.variable_of(&variable.name, variable.expression.result().clone());
        }
        match &self.context {
            Some(context) => scope.context(context.clone()),
            None => scope,
        }
    }

    fn holds(&self, slot: Slot, compiler: &Compiler<'_>, headers: &[&str]) -> Type {
        let resource = |name| Type::fhir(name).expect("R4 has this resource");
        match slot {
            Slot::Referral => resource("Bundle"),
            Slot::ServiceRequest => resource("ServiceRequest"),
            Slot::Patient => resource("Patient"),
            Slot::Task => resource("Task"),
            Slot::Settings => Type::Shape(Arc::clone(&compiler.settings_shape)),
            Slot::Keys => texts(["idempotency", "correlation"]),
            Slot::AcceptedAt => Type::System(System::DateTime),
            Slot::PlatformReferral | Slot::Reason => Type::text(),
            Slot::Progress => texts(self.progress.iter().map(String::as_str)),
            Slot::Cursor => texts(self.cursor.iter().map(String::as_str)),
            Slot::Status => Type::integer(),
            Slot::Header => texts(headers.iter().copied()),
        }
    }
}

/// An object whose members are all text.
fn texts<'n>(names: impl IntoIterator<Item = &'n str>) -> Type {
    let text = Arc::new(Shape::scalar(ShapeKind::Text));
    Type::shape(names.into_iter().fold(Shape::object(), |shape, name| shape.member(name, Arc::clone(&text))))
}
