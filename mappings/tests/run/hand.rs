//! Puts compiled mappings together by hand, so that the runtime is tested without the compiler.

use mappings::class::DataClass;
use mappings::document::Document;
use mappings::fhirpath::{Expression, Scope, Shape, ShapeKind, System, Type, Use, compile};
use mappings::program::{
    Answer, Body, ExchangeName, Finish, Format, Identity, Member, Method, Node, Place, Program, Repeat, Request,
    RuleId, RuleInfo, Scalar, Setting, Slot, Source, Step, Value, Variable,
};
use mappings::read_set::{ReadElement, ReadSet};
use mappings::run::{Inputs, Keys, Refusal, Rendered, Scratch};
use std::collections::BTreeMap;

/// A mapping under construction.
pub(crate) struct Hand {
    pub(crate) program: Program,
    scope: Scope,
}

fn texts(names: &[&str]) -> Type {
    let shape = names.iter().fold(Shape::object(), |shape, name| shape.member(name, Shape::scalar(ShapeKind::Text)));
    Type::shape(shape)
}

impl Hand {
    pub(crate) fn new() -> Self {
        let resource = |name| Type::fhir(name).unwrap();
        let scope = Slot::ALL.into_iter().fold(Scope::new(), |scope, slot| {
            let holds = match slot {
                Slot::Referral => resource("Bundle"),
                Slot::ServiceRequest => resource("ServiceRequest"),
                Slot::Patient => resource("Patient"),
                Slot::Task => resource("Task"),
                Slot::Settings => Type::shape(
                    Shape::object()
                        .member("account", Shape::scalar(ShapeKind::Integer))
                        .member("site", Shape::scalar(ShapeKind::Text)),
                ),
                Slot::Keys => texts(&["idempotency", "correlation"]),
                Slot::AcceptedAt => Type::System(System::DateTime),
                Slot::PlatformReferral | Slot::Reason => Type::text(),
                Slot::Progress => texts(&["etag"]),
                Slot::Cursor => texts(&["page"]),
                Slot::Status => Type::integer(),
                Slot::Header => texts(&["etag", "location"]),
            };
            scope.variable(slot.name(), holds)
        });
        let program = Program {
            name: "by-hand".to_owned(),
            files: vec!["mapping.yaml".to_owned()],
            settings: vec![setting("account", Scalar::Integer), setting("site", Scalar::Text)],
            variables: Vec::new(),
            guards: Vec::new(),
            accepted_losses: Vec::new(),
            rules: Vec::new(),
            exchanges: BTreeMap::new(),
            report: None,
            report_shape: None,
            read_set: ReadSet::default(),
            identity: Identity::default(),
        };
        Self { program, scope }
    }

    /// Adds a named expression, to be used as `%name`.
    pub(crate) fn variable(&mut self, name: &str, text: &str) {
        let expression = self.path(text);
        self.scope = self.scope.clone().variable_of(name, expression.result().clone());
        self.program.variables.push(Variable { name: name.to_owned(), expression });
    }

    /// Compiles a path that starts from variables.
    pub(crate) fn path(&self, text: &str) -> Expression {
        compile(text, &self.scope).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
    }

    /// Compiles a path that starts from an item.
    pub(crate) fn path_from(&self, context: Type, text: &str) -> Expression {
        compile(text, &self.scope.clone().context(context)).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
    }

    /// A rule on a line of its own; what it reads goes into the read-set.
    pub(crate) fn rule(&mut self, target: &str, expression: Option<&Expression>, means: Option<&str>) -> RuleId {
        let id = RuleId(u32::try_from(self.program.rules.len()).unwrap());
        for read in expression.map(Expression::reads).unwrap_or_default() {
            let elements = &mut self.program.read_set.elements;
            let conveyed = read.use_ == Use::Conveyed;
            match elements.iter_mut().find(|element| element.path == read.path) {
                Some(element) => {
                    element.rules.push(id);
                    element.conveyed |= conveyed;
                }
                None => elements.push(ReadElement {
                    path: read.path.clone(),
                    class: DataClass::Clinical,
                    conveyed,
                    needed: false,
                    urls: Vec::new(),
                    rules: vec![id],
                }),
            }
        }
        self.program.rules.push(RuleInfo {
            place: Place { file: 0, line: id.0 + 1, column: 1 },
            target: target.to_owned(),
            class: DataClass::Administrative,
            means: means.map(str::to_owned),
            because: None,
            text: expression.map(|expression| expression.text().to_owned()).unwrap_or_default(),
        });
        id
    }

    /// A value rule over a path, with all else left to the caller.
    pub(crate) fn value(&mut self, target: &str, text: &str) -> Value {
        let expression = self.path(text);
        self.value_of(target, expression)
    }

    pub(crate) fn value_of(&mut self, target: &str, expression: Expression) -> Value {
        let rule = self.rule(target, Some(&expression), None);
        plain(rule, Source::From(expression))
    }

    /// Makes the mapping's first submit step of a body.
    pub(crate) fn submit(&mut self, format: Format, node: Node) {
        let body = Body { format, content_type: "application/json".to_owned(), node };
        self.submit_with(Request {
            method: Method::Post,
            path: vec![mappings::program::PathPart::Literal("api/referrals".to_owned())],
            query: Vec::new(),
            headers: Vec::new(),
            body: Some(body),
            repeat: Repeat::LookUpFirst,
        });
    }

    pub(crate) fn submit_with(&mut self, request: Request) {
        let answer = Answer { body: false, shape: None, outcomes: Vec::new() };
        let step = Step { name: "create".to_owned(), request, answer };
        self.program.exchanges.entry(ExchangeName::Submit).or_default().push(step);
    }

    /// Runs the first submit step over a referral.
    pub(crate) fn run(&self, referral: &str) -> Result<Rendered, Box<Refusal>> {
        let document = Document::parse(referral).unwrap();
        let settings =
            BTreeMap::from([("account".to_owned(), "7".to_owned()), ("site".to_owned(), "north".to_owned())]);
        let inputs = Inputs { settings: &settings, ..inputs(&document) };
        mappings::run::request(&self.program, ExchangeName::Submit, 0, &inputs, &mut Scratch::default())
    }

    /// The JSON body of the first submit step.
    pub(crate) fn json(&self, referral: &str) -> Result<serde_json::Value, Box<Refusal>> {
        self.run(referral).map(|made| serde_json::from_slice(&made.body.unwrap()).unwrap())
    }
}

pub(crate) fn inputs<'a>(document: &'a Document<'a>) -> Inputs<'a> {
    Inputs {
        referral: Some(document),
        keys: Keys { idempotency: "key-1", correlation: "conversation-1" },
        accepted_at: "2026-03-01T10:00:00Z",
        ..Inputs::none()
    }
}

pub(crate) fn plain(rule: RuleId, source: Source) -> Value {
    Value {
        rule,
        source,
        kind: Scalar::Text,
        map: None,
        format: None,
        join: None,
        transforms: Vec::new(),
        label: None,
        finish: Finish::default(),
    }
}

pub(crate) fn member(name: &str, node: Node) -> Member {
    Member { name: name.to_owned(), json: format!("{}:", serde_json::Value::from(name)), node }
}

/// An object with one member `v`.
pub(crate) fn one(value: Value) -> Node {
    Node::Object(vec![member("v", Node::Value(Box::new(value)))])
}

fn setting(name: &str, kind: Scalar) -> Setting {
    Setting {
        name: name.to_owned(),
        kind,
        required: false,
        default: None,
        pattern: None,
        one_of: Vec::new(),
        about: "of the tests".to_owned(),
    }
}

/// A referral with these members of the ServiceRequest and the Patient.
pub(crate) fn referral(service_request: &str, patient: &str) -> String {
    let comma = |members: &str| if members.is_empty() { String::new() } else { format!(",{members}") };
    format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[
        {{"fullUrl":"urn:uuid:1","resource":{{"resourceType":"ServiceRequest","subject":{{"reference":"urn:uuid:2"}}{}}}}},
        {{"fullUrl":"urn:uuid:2","resource":{{"resourceType":"Patient"{}}}}},
        {{"fullUrl":"urn:uuid:3","resource":{{"resourceType":"Task","status":"requested","focus":{{"reference":"urn:uuid:1"}}}}}}]}}"#,
        comma(service_request),
        comma(patient)
    )
}

/// female and male have a row each, other one that is wider, and unknown none.
pub(crate) fn gender_map() -> std::sync::Arc<mappings::ConceptMap> {
    let map = r#"{"resourceType":"ConceptMap","status":"active","group":[{
        "source":"http://hl7.org/fhir/administrative-gender","target":"http://platform.example/gender","element":[
        {"code":"female","target":[{"code":"F","equivalence":"equal"}]},
        {"code":"male","target":[{"code":"M","equivalence":"equivalent"}]},
        {"code":"other","target":[{"code":"N","equivalence":"wider"}]}]}]}"#;
    std::sync::Arc::new(mappings::ConceptMap::load(map).unwrap())
}
