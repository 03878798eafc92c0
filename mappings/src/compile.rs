//! From the files of a mapping to a [`Program`], or to everything that is wrong with it.
//!
//! Nothing that could fail while a referral is translated is left open here: names are resolved, paths compiled and
//! typed, code maps held against both ends, losses decided. All faults are reported at once; what is missing or broken
//! is left out and the rest goes on. It knows the element table, not referrals.

mod codes;
mod conditions;
mod declared;
mod env;
mod exchange;
mod finish;
mod limits;
mod meaning;
mod mentions;
mod paths;
mod reports;
mod request;
mod target;
mod types;
mod value;

use crate::ConceptMap;
use crate::class::DataClass;
use crate::diagnostic::{Code, Diagnostic, Faults};
use crate::fhirpath::Shape;
use crate::program::{Identity, Place, Program, RuleId, RuleInfo, Setting, Variable};
use crate::source::{Files, Sources, Span};
use crate::spec::{self, Text};
use crate::yaml::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the compiler has to know of `adapter.toml`.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    /// What the platform lets the gateway do.
    pub capabilities: Capabilities,
    /// The platform's words in `[[statuses]]`.
    pub statuses: Vec<String>,
    /// Requests in one exchange, at most.
    pub steps: u32,
}

/// What a platform lets the gateway do beyond submitting.
#[derive(Debug, Clone, Copy, Default)]
pub struct Capabilities {
    /// It can be told to stop.
    pub cancel: bool,
    /// It can be told to pause and to go on.
    pub hold: bool,
    /// A referral can be found by our key.
    pub look_up: bool,
    /// Status can be asked for.
    pub poll: bool,
    /// It sends reports by itself.
    pub push: bool,
    /// It can be given a referral that was changed.
    pub update: bool,
}

/// A mapping that may be used.
#[derive(Debug)]
pub struct Compiled {
    /// What runs.
    pub program: Program,
    /// What may stand, but should be looked at.
    pub warnings: Vec<Diagnostic>,
}

/// Compiles the mapping whose first file is `entry`.
///
/// # Errors
/// Everything that is wrong, in the order of the files and lines.
pub fn compile(files: &dyn Files, entry: &str, manifest: &Manifest) -> Result<Compiled, Vec<Diagnostic>> {
    let mut sources = Sources::default();
    let mut faults = Faults::default();
    let Some(tree) = spec::extends::load(files, entry, &mut sources, &mut faults) else {
        return Err(faults.finish(&sources).0);
    };
    spec::check(&spec::MAPPING, &tree, Span { end: tree.at.start, ..tree.at }, &mut faults);
    let mut compiler = Compiler::new(files, &sources, &tree, manifest, faults);
    let program = compiler.program();
    let (faults, warnings) = compiler.faults.finish(&sources);
    match program {
        Some(program) if faults.is_empty() => Ok(Compiled { program, warnings }),
        _ => Err(faults),
    }
}

/// What has been found so far.
struct Compiler<'t> {
    files: &'t dyn Files,
    sources: &'t Sources,
    tree: &'t Node,
    manifest: &'t Manifest,
    faults: Faults,
    settings: Vec<Setting>,
    settings_shape: Arc<Shape>,
    /// With the number of their parts.
    shapes: BTreeMap<String, (Arc<Shape>, usize)>,
    /// Shapes that list the words they may be, with the place of the list.
    enumerations: Vec<(Arc<Shape>, Vec<String>, Span)>,
    maps: BTreeMap<String, Arc<ConceptMap>>,
    variables: Vec<Variable>,
    variable_facts: Vec<VariableFacts>,
    /// Names of variables whose paths do not compile.
    broken: BTreeSet<String>,
    /// Fragments that are being put in place, outermost first.
    within: Vec<String>,
    rules: Vec<RuleInfo>,
    /// Targets that were looked at, each use of a fragment anew.
    targets: usize,
    used: BTreeSet<(Thing, String)>,
    reads: Vec<RuleRead>,
}

/// Kinds of things that have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Setting,
    Shape,
    Map,
    Variable,
    Fragment,
}

/// What is known of a named expression beside its type.
#[derive(Debug, Clone, Default)]
struct VariableFacts {
    /// What is read whenever it is used: path, and whether its value is passed on.
    reads: Vec<(String, bool)>,
    /// Whether it cuts text.
    cuts: bool,
    /// Urls of the extensions that it looks for.
    urls: Vec<String>,
    /// The gravest class of what it uses that is no element of the referral.
    other: DataClass,
}

/// One element that one rule reads.
#[derive(Debug, Clone)]
struct RuleRead {
    rule: Option<RuleId>,
    path: String,
    conveyed: bool,
    /// Nothing can be sent without it.
    needed: bool,
    class: DataClass,
    /// Urls of the extensions that are looked for; empty = whatever stands at the path.
    urls: Vec<String>,
}

impl<'t> Compiler<'t> {
    fn new(files: &'t dyn Files, sources: &'t Sources, tree: &'t Node, manifest: &'t Manifest, faults: Faults) -> Self {
        Self {
            files,
            sources,
            tree,
            manifest,
            faults,
            settings: Vec::new(),
            settings_shape: Arc::new(Shape::object()),
            shapes: BTreeMap::new(),
            enumerations: Vec::new(),
            maps: BTreeMap::new(),
            variables: Vec::new(),
            variable_facts: Vec::new(),
            broken: BTreeSet::new(),
            within: Vec::new(),
            rules: Vec::new(),
            targets: 0,
            used: BTreeSet::new(),
            reads: Vec::new(),
        }
    }

    /// Compiles all parts in the order in which they need each other.
    fn program(&mut self) -> Option<Program> {
        self.declare_settings();
        self.declare_shapes();
        self.load_maps();
        self.declare_variables();
        let guards = self.guards();
        let accepted_losses = self.accepted_losses();
        let exchanges = self.exchanges();
        let (report_shape, report) = self.report();
        self.check_fragments();
        self.check_losses(&guards, &accepted_losses);
        self.check_unused();
        let read_set = self.read_set();
        Some(Program {
            name: self.tree.text("name")?.text.to_owned(),
            files: self.sources.names(),
            settings: std::mem::take(&mut self.settings),
            variables: std::mem::take(&mut self.variables),
            guards,
            accepted_losses,
            rules: std::mem::take(&mut self.rules),
            exchanges,
            report,
            report_shape,
            read_set,
            identity: Identity::default(),
        })
    }

    fn fault(&mut self, code: Code, at: Span, fault: impl Into<String>, mend: impl Into<String>) {
        self.faults.add(code, at, fault, mend);
    }

    fn place(&self, at: Span) -> Place {
        let position = self.sources.position(at);
        Place { file: at.file, line: position.line, column: position.column }
    }

    fn uses(&mut self, thing: Thing, name: &str) {
        self.used.insert((thing, name.to_owned()));
    }

    /// Keeps a rule.
    fn rule(&mut self, at: Span, says: Says<'_>) -> RuleId {
        let owned = |text: Option<Text<'_>>| text.map(|text| text.text.to_owned());
        self.rules.push(RuleInfo {
            place: self.place(at),
            target: says.target.to_owned(),
            class: says.class,
            means: owned(says.means),
            because: owned(says.because),
            text: says.text.to_owned(),
        });
        RuleId(crate::source::size(self.rules.len() - 1))
    }
}

/// What is kept of a rule.
#[derive(Debug, Clone, Copy, Default)]
struct Says<'a> {
    target: &'a str,
    class: DataClass,
    means: Option<Text<'a>>,
    because: Option<Text<'a>>,
    text: &'a str,
}
