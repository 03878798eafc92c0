//! Types asked for in an expression, extensions, values of primitives, and references.

use std::ops::Range;

use super::super::ast::{Name, Node, Syntax};
use super::super::fault::Fault;
use super::super::nearest::nearest;
use super::super::plan::{Literal, Move, Op, Step, Wanted, Way};
use super::super::types::{FhirType, NodeType, System, Type, is_a, is_resource};
use super::functions::Call;
use super::{Checker, Focus, Part};

impl Checker<'_> {
    /// `x is T` and `x as T`.
    pub(super) fn type_test(
        &mut self,
        cast: bool,
        input: &Node,
        name: &Name,
        node: &Node,
        focus: &Focus,
    ) -> Option<Part> {
        let input = self.one(input, focus, if cast { "as" } else { "is" });
        let wanted = self.type_named(&name.text, &name.at);
        let (input, wanted) = (input?, wanted?);
        if cast { self.narrowed(input, wanted, &node.at) } else { self.is(input, wanted, &node.at) }
    }

    /// `ofType(T)`, `as(T)` and `is(T)`.
    pub(super) fn type_function(&mut self, call: &Call<'_>) -> Option<Part> {
        call.takes(1, 1, self)?;
        let many = call.name.text == "ofType";
        let input = if many { self.input(call) } else { self.one_input(call) };
        let node = call.arguments.first()?;
        let Some(name) = type_name(node) else {
            return self.fault(Fault::new(node.at.clone(), "the name of a type must stand here").mend(call.form));
        };
        let wanted = self.type_named(&name, &node.at);
        let (input, wanted) = (input?, wanted?);
        if call.name.text == "is" {
            return self.is(input, wanted, &call.node.at);
        }
        self.narrowed(input, wanted, &call.node.at)
    }

    fn type_named(&mut self, name: &str, at: &Range<usize>) -> Option<Wanted> {
        let (space, short) = name.split_once('.').unwrap_or(("", name));
        let fhir = || match Type::fhir(short) {
            Some(Type::Fhir(fhir)) if !short.contains('.') => Some(Wanted::Fhir(fhir.name)),
            _ => None,
        };
        let system = || System::named(short).map(Wanted::System);
        let found = match space {
            "" => fhir().or_else(system),
            "FHIR" => fhir(),
            "System" => system(),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
        let fault = Fault::new(at.clone(), format!("there is no type {name}, or it is outside this subset"));
        let common = ["Patient", "Practitioner", "Organization", "Observation", "Condition", "HealthcareService"];
        let data = ["Quantity", "CodeableConcept", "Coding", "Reference", "string", "boolean", "dateTime", "String"];
        self.fault(match nearest(short, common.into_iter().chain(data)) {
            Some(near) => fault.mend(format!("{near}?")),
            None => fault,
        })
    }

    fn is(&mut self, input: Part, wanted: Wanted, at: &Range<usize>) -> Option<Part> {
        self.distinct_ids(&input, at)?;
        self.no_shapes(&input, at)?;
        self.examined(&input);
        let may_be_empty = input.holds.may_be_empty;
        Some(Part::system(Op::Is { from: Box::new(input.op), wanted }, System::Boolean, may_be_empty))
    }

    /// Keeps items of this type and of those derived from it. Where only derived ones can occur, the official cases for
    /// R4 keep none and the text of N1 keeps all: that is refused.
    fn narrowed(&mut self, input: Part, wanted: Wanted, at: &Range<usize>) -> Option<Part> {
        self.distinct_ids(&input, at)?;
        self.no_shapes(&input, at)?;
        if let Wanted::Fhir(name @ ("Resource" | "DomainResource" | "Element" | "BackboneElement")) = wanted {
            let problem = format!("{name} is the ancestor of many types, and nothing is of exactly this one");
            return self.fault(Fault::new(at.clone(), problem).mend("name the type that is meant"));
        }
        let types: Vec<Type> = input.holds.types.iter().filter_map(|ty| kept(ty, wanted)).collect();
        if types.is_empty() && !input.is_nothing() {
            let (names, wanted) = (input.names(), wanted.name());
            let problem = format!("nothing here is a {wanted}: it is {names}");
            return self.fault(Fault::new(at.clone(), problem).mend("name a type that can occur here"));
        }
        let exact = |ty: &Type| !matches!((ty, wanted), (Type::Fhir(fhir), Wanted::Fhir(name)) if fhir.name != name);
        if !types.is_empty() && !types.iter().any(exact) {
            let (names, wanted) = (input.names(), wanted.name());
            let problem =
                format!("{names} is derived from {wanted}, and releases of R4 disagree on whether it is kept");
            return self.fault(Fault::new(at.clone(), problem).mend("name the derived type, or leave the type out"));
        }
        let all = types.len() == input.holds.types.len() && types == input.holds.types;
        let may_be_empty = input.holds.may_be_empty || !all;
        let op = if all { input.op } else { narrow(input.op, wanted) };
        let many = input.holds.many;
        let mut part = Part::new(op, types, many, may_be_empty);
        part.sources = input.sources;
        Some(part)
    }

    /// The id of an element and the URL of an extension are FHIR primitives to some and System types to others.
    fn distinct_ids(&mut self, part: &Part, at: &Range<usize>) -> Option<()> {
        let doubtful = part
            .holds
            .types
            .iter()
            .filter_map(Type::path)
            .any(|path| path.ends_with(".id") || path.ends_with("xtension.url"));
        if !doubtful {
            return Some(());
        }
        self.fault(
            Fault::new(at.clone(), "releases of R4 disagree on the type of an id and of Extension.url")
                .mend("leave the type out: it is a text"),
        )
    }

    fn no_shapes(&mut self, part: &Part, at: &Range<usize>) -> Option<()> {
        if !part.holds.types.iter().any(|ty| matches!(ty, Type::Shape(_))) {
            return Some(());
        }
        self.fault(
            Fault::new(at.clone(), "parts of a declared shape have the one type that is declared").mend("leave it out"),
        )
    }

    /// `extension(url)`
    pub(super) fn extension(&mut self, call: &Call<'_>) -> Option<Part> {
        call.takes(1, 1, self)?;
        let input = self.input(call);
        let url = call.arguments.first().and_then(|node| self.literal_text(node));
        let (input, url) = (input?, url?);
        let name = Name { at: call.name.at.clone(), text: "extension".to_owned() };
        let extensions = self.member(input, &name)?;
        if extensions.is_nothing() {
            return Some(extensions);
        }
        let urls = Part::new(Op::This, extensions.holds.types.clone(), false, false);
        let urls = self.member(urls, &Name { at: name.at, text: "url".to_owned() })?;
        self.examined(&urls);
        let test = Op::Equal {
            left: Box::new(urls.op),
            right: Box::new(Op::Literal(Literal::Text(url.into()))),
            wanted: true,
            single: true,
        };
        let mut part = extensions.with(|from| Op::Where { from, test: Box::new(test) });
        part.holds.may_be_empty = true;
        Some(part)
    }

    /// `hasValue()` and `getValue()`
    pub(super) fn value(&mut self, call: &Call<'_>) -> Option<Part> {
        call.takes(0, 0, self)?;
        let input = self.one_input(call)?;
        let fits = |ty: &Type| matches!(ty, Type::Fhir(_)) && ty.is_scalar() && ty.system().is_some();
        if !input.holds.types.iter().all(fits) {
            let problem = format!("{}() takes a primitive of FHIR, and this is {}", call.name.text, input.names());
            return self.fault(Fault::new(call.node.at.clone(), problem).mend("exists() tells whether it is there"));
        }
        if call.name.text == "hasValue" {
            self.examined(&input);
            return Some(Part::system(Op::HasValue(Box::new(input.op)), System::Boolean, false));
        }
        let mut systems: Vec<Type> = Vec::new();
        for system in input.holds.types.iter().filter_map(Type::system).map(Type::System) {
            if !systems.contains(&system) {
                systems.push(system);
            }
        }
        let sources = input.paths();
        let mut part = Part::new(Op::GetValue(Box::new(input.op)), systems, false, true);
        part.sources = sources;
        Some(part)
    }

    pub(super) fn resolve(&mut self, call: &Call<'_>) -> Option<Part> {
        call.takes(0, 0, self)?;
        let input = self.input(call)?;
        let mut targets: Vec<&'static str> = Vec::new();
        let mut any = false;
        for ty in &input.holds.types {
            let Type::Fhir(fhir) = ty else { continue };
            if fhir.name != "Reference" {
                continue;
            }
            any |= fhir.targets.is_empty();
            targets.extend(fhir.targets.iter().filter(|target| is_resource(target)));
        }
        if !input.holds.types.iter().all(|ty| ty.name() == "Reference") {
            let problem = format!("resolve() follows a Reference, and this is {}", input.names());
            return self
                .fault(Fault::new(call.node.at.clone(), problem).mend("choose the element that is a Reference"));
        }
        if any {
            targets.clear();
        }
        targets.sort_unstable();
        targets.dedup();
        let reference = self.member(
            Part::new(Op::This, input.holds.types.clone(), false, true),
            &Name { at: call.name.at.clone(), text: "reference".to_owned() },
        )?;
        self.examined(&reference);
        let types = if any { vec!["Resource"] } else { targets.clone() };
        let types = types.into_iter().map(|name| Type::Fhir(FhirType::resource(name))).collect();
        let many = input.holds.many;
        Some(Part::new(Op::Resolve { from: Box::new(input.op), targets: targets.into() }, types, many, true))
    }
}

impl Wanted {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::System(system) => system.name(),
            Self::Fhir(name) => name,
        }
    }
}

/// What of a type is the wanted one or derived from it.
fn kept(ty: &Type, wanted: Wanted) -> Option<Type> {
    match (ty, wanted) {
        (Type::System(system), Wanted::System(wanted)) if *system == wanted => Some(ty.clone()),
        (Type::Fhir(fhir), Wanted::Fhir(wanted)) if is_a(fhir.name, wanted) => Some(ty.clone()),
        (Type::Fhir(fhir), Wanted::Fhir(wanted))
            if matches!(fhir.name, "Resource" | "DomainResource") && is_a(wanted, fhir.name) =>
        {
            Some(Type::Fhir(FhirType::resource(wanted)))
        }
        _ => None,
    }
}

/// Narrows the last step of a path to the members that are wanted, or filters what comes.
fn narrow(op: Op, wanted: Wanted) -> Op {
    let Wanted::Fhir(name) = wanted else { return Op::OfType { from: Box::new(op), wanted } };
    let Op::Path { from, steps } = op else { return Op::OfType { from: Box::new(op), wanted } };
    let mut steps = steps.into_vec();
    if !steps.last().is_some_and(|step| step.leads_to(name)) {
        return Op::OfType { from: Box::new(Op::Path { from, steps: steps.into() }), wanted };
    }
    if let Some(step) = steps.pop() {
        steps.push(step.narrowed(name));
    }
    Op::Path { from, steps: steps.into() }
}

impl Step {
    fn leads_to(&self, name: &str) -> bool {
        self.moves.iter().flat_map(|route| &route.ways).any(|way| way.is(name))
    }

    fn narrowed(self, name: &str) -> Self {
        let route = |route: Move| {
            let ways: Vec<_> = route.ways.into_vec().into_iter().filter(|way| way.is(name)).collect();
            // One member is found sooner by its name.
            let stem = route.stem.filter(|_| ways.len() > 1);
            Move { stem, ways: ways.into(), ..route }
        };
        Self::new(self.moves.into_vec().into_iter().map(route).collect())
    }
}

impl Way {
    fn is(&self, name: &str) -> bool {
        matches!(self.to, NodeType::Fhir(found) if is_a(found, name))
    }
}

/// A type written as an argument: `Quantity`, `FHIR.Quantity`.
fn type_name(node: &Node) -> Option<String> {
    match &node.syntax {
        Syntax::Member(None, name) => Some(name.text.clone()),
        Syntax::Member(Some(space), name) => match &space.syntax {
            Syntax::Member(None, space) => Some(format!("{}.{}", space.text, name.text)),
            _ => None,
        },
        _ => None,
    }
}
