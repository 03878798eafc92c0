//! Paths: each name is looked up under each type that an item may have. An unknown element is a fault, with the
//! nearest one that exists.

use std::sync::Arc;

use gateway_fhir_elements::{self as elements, Element};

use crate::document::Key;

use super::super::ast::Name;
use super::super::fault::Fault;
use super::super::nearest::nearest;
use super::super::plan::{Move, Op, Step, Way};
use super::super::shape::Shape;
use super::super::types::{FhirType, NodeType, ResultType, Type, is_a};
use super::{Checker, Focus, Part};

/// The members found under one type.
struct Found {
    route: Move,
    types: Vec<Type>,
    repeats: bool,
    may_be_missing: bool,
}

impl Checker<'_> {
    /// A name that begins a path: an element of the context, or the context's own type.
    pub(super) fn first_member(&mut self, name: &Name, focus: &Focus) -> Option<Part> {
        let Some(this) = &focus.this else {
            let mend = match self.scope.slot(&name.text) {
                Some(_) => format!("write %{}", name.text),
                None => "start from a %variable".to_owned(),
            };
            return self
                .fault(Fault::new(name.at.clone(), format!("a path cannot start from {} here", name.text)).mend(mend));
        };
        self.context |= !focus.inner;
        if let ([Type::Fhir(fhir)], false) = (this.holds.types.as_slice(), focus.inner)
            && name.text.starts_with(|first: char| first.is_ascii_uppercase())
            && is_a(fhir.name, &name.text)
        {
            return Some(this.clone());
        }
        self.member(this.clone(), name)
    }

    /// The members of this name of all items.
    pub(super) fn member(&mut self, input: Part, name: &Name) -> Option<Part> {
        if input.is_nothing() {
            return Some(input);
        }
        let mut found = Vec::new();
        for ty in &input.holds.types {
            match ty {
                Type::Fhir(fhir) => found.extend(fhir_member(fhir, &name.text)),
                Type::Shape(shape) => found.extend(shape_member(shape, &name.text)),
                Type::System(_) => {}
            }
        }
        let shapes =
            input.holds.types.iter().filter(|ty| matches!(ty, Type::Shape(shape) if !shape.members().is_empty()));
        if shapes.count() > 1 {
            return self.fault(
                Fault::new(
                    name.at.clone(),
                    "this may be of several declared shapes, and their members cannot be told apart",
                )
                .mend("follow each one on its own and put | between"),
            );
        }
        if found.is_empty() {
            let fault = unknown(&input.holds, name, &input.names());
            return self.fault(fault);
        }
        let covered = found.len() == input.holds.types.len();
        let many = input.holds.many || found.iter().any(|found| found.repeats);
        let may_be_empty = input.holds.may_be_empty || !covered || found.iter().any(|found| found.may_be_missing);
        let mut types: Vec<Type> = Vec::new();
        let mut moves: Vec<Move> = Vec::new();
        let only = input.holds.types.len() == 1;
        for one in found {
            for ty in one.types {
                if !types.contains(&ty) {
                    types.push(ty);
                }
            }
            if !moves.iter().any(|known| known.from == one.route.from) {
                moves.push(one.route);
            }
        }
        if only {
            moves.iter_mut().for_each(|route| route.from = None);
        }
        let step = Step::new(moves);
        let op = match input.op {
            Op::Path { from, steps } => {
                let mut steps = steps.into_vec();
                steps.push(step);
                Op::Path { from, steps: steps.into() }
            }
            other => Op::Path { from: Box::new(other), steps: Box::new([step]) },
        };
        Some(Part::new(op, types, many, may_be_empty))
    }
}

fn fhir_member(fhir: &FhirType, name: &str) -> Option<Found> {
    let element = elements::members(fhir.under()).find(|element| element.name == name)?;
    let primitive = elements::is_primitive(fhir.name);
    let base: &str = if fhir.is_resource() { fhir.name } else { &fhir.path };
    let mut types = Vec::new();
    let mut ways = Vec::new();
    for json in json_names(element) {
        let member = elements::member(fhir.under(), &json)?;
        let name = if member.is_primitive() { member.type_code } else { member.under };
        let name = if member.type_code == "Resource" { "Resource" } else { name };
        let path: Arc<str> = format!("{base}.{json}").into();
        types.push(Type::Fhir(FhirType { name, path, targets: member.targets }));
        // The id of an element or resource is a plain string in JSON but may have a twin all the same.
        let twin = member.is_primitive().then(|| Key::new(&format!("_{json}")));
        ways.push(Way { key: Key::new(&json), twin, to: NodeType::Fhir(name), repeats: element.repeats() });
    }
    let stem = element.choice.then(|| element.name.into());
    Some(Found {
        route: Move { from: Some(NodeType::Fhir(fhir.name)), primitive, stem, ways: ways.into() },
        types,
        repeats: element.repeats(),
        may_be_missing: element.min == 0 || primitive,
    })
}

/// The JSON names that an element may have: one, or for a choice one a type.
pub(super) fn json_names(element: &'static Element) -> Vec<String> {
    if !element.choice {
        return vec![element.name.to_owned()];
    }
    let name = |code: &str| {
        let mut characters = code.chars();
        let first = characters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(characters).collect::<String>()
    };
    element.types.iter().map(|ty| format!("{}{}", element.name, name(ty.code))).collect()
}

fn shape_member(shape: &Arc<Shape>, name: &str) -> Option<Found> {
    let member = shape.members().iter().find(|member| member.name == name)?;
    let to = NodeType::Shape(member.shape.kind());
    let way = Way { key: Key::new(name), twin: None, to, repeats: member.repeats };
    Some(Found {
        route: Move { from: Some(NodeType::Shape(shape.kind())), primitive: false, stem: None, ways: Box::new([way]) },
        types: vec![Type::Shape(Arc::clone(&member.shape))],
        repeats: member.repeats,
        may_be_missing: true,
    })
}

fn unknown(holds: &ResultType, name: &Name, names: &str) -> Fault {
    let fault = Fault::new(name.at.clone(), format!("{names} has no element {}", name.text));
    for fhir in holds.types.iter().filter_map(|ty| if let Type::Fhir(fhir) = ty { Some(fhir) } else { None }) {
        if let Some(member) = elements::member(fhir.under(), &name.text).filter(|member| member.element.choice) {
            let stem = member.element.name;
            return fault.mend(format!("FHIRPath names the choice: {stem}.ofType({})", member.type_code));
        }
        if fhir.name == "Resource" {
            return fault.mend("say which resource is meant, for example with ofType(Patient)");
        }
        if fhir.name == "Reference" {
            return fault.mend("follow the reference first, with resolve()");
        }
    }
    let known: Vec<&str> = holds
        .types
        .iter()
        .flat_map(|ty| match ty {
            Type::Fhir(fhir) => elements::members(fhir.under()).map(|element| element.name).collect(),
            Type::Shape(shape) => shape.members().iter().map(|member| member.name.as_str()).collect::<Vec<_>>(),
            Type::System(_) => Vec::new(),
        })
        .collect();
    match nearest(&name.text, known) {
        Some(near) => fault.mend(format!("{near}?")),
        None => fault,
    }
}
