//! Paths: compiled where they stand, their faults put at their place in the file, their reads kept.

use super::env::Env;
use super::mentions::{Mention, calls, extension_urls, mentions};
use super::{Compiler, RuleRead, Thing};
use crate::class::{DataClass, class_of, gravest_within};
use crate::diagnostic::Code;
use crate::fhirpath::{self, Expression, ResultType, System, Type, Use};
use crate::program::{RuleId, Slot};
use crate::source::Span;
use crate::spec::Text;
use crate::yaml;
use std::ops::Range;

/// A compiled path and what is known of it.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) expression: Expression,
    /// Elements of the referral: path, and whether the value is passed on.
    pub(super) reads: Vec<(String, bool)>,
    /// Whether it cuts text, itself or through a variable.
    pub(super) cuts: bool,
    /// Urls of extensions that it looks for.
    pub(super) urls: Vec<String>,
    /// The gravest class of what it passes on. What it computes says something of all that it looks at.
    pub(super) class: DataClass,
    /// The gravest class of all that it looks at.
    pub(super) seen: DataClass,
    /// The gravest class of what it uses that is no element of the referral.
    pub(super) other: DataClass,
}

/// Whether a path goes into extensions without saying which.
fn reads_any_extension(text: &str) -> bool {
    text.split(".extension").skip(1).any(|after| {
        let after = after.trim_start();
        !after.starts_with('(') && !after.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
    })
}

/// Functions that give less than their text without anybody seeing it.
const CUTTING: [&str; 5] = ["substring", "replace", "replaceMatches", "split", "toChars"];

impl Path {
    pub(super) fn result(&self) -> &ResultType {
        self.expression.result()
    }

    /// Elements whose values it passes on.
    pub(super) fn conveyed(&self) -> impl Iterator<Item = &str> {
        self.reads.iter().filter(|(_, conveyed)| *conveyed).map(|(path, _)| path.as_str())
    }
}

impl Compiler<'_> {
    /// Compiles a path. What is wrong is reported at its place.
    pub(super) fn path(&mut self, text: Text<'_>, env: &Env) -> Option<Path> {
        let mentioned = mentions(text.text);
        // What they stand for was reported where it is declared.
        if env.broken || mentioned.iter().any(|mention| self.broken.contains(mention.name)) {
            mentioned.iter().for_each(|mention| self.uses(Thing::Variable, mention.name));
            return None;
        }
        let mut well = true;
        let mut headers = Vec::new();
        let mut class = DataClass::Administrative;
        for mention in &mentioned {
            let slot = Slot::ALL.into_iter().find(|slot| slot.name() == mention.name);
            let variable = self.variables.iter().position(|variable| variable.name == mention.name);
            match (slot, variable) {
                (Some(slot), _) if !env.allows(slot) => {
                    well = false;
                    self.unknown_here(text, mention.at.clone(), mention.name, where_known(slot));
                }
                (Some(Slot::Settings | Slot::Header), _) if self.lacks_backticks(text, mention) => well = false,
                (Some(Slot::Settings), _) => {
                    if let Some(member) = mention.member {
                        self.uses(Thing::Setting, member);
                    }
                }
                (Some(Slot::Header), _) => headers.extend(mention.member),
                // What the sender says in free words may hold anything.
                (Some(Slot::Reason), _) => class = class.max(DataClass::Clinical),
                (None, Some(at)) if at >= env.named() => {
                    well = false;
                    self.unknown_here(
                        text,
                        mention.at.clone(),
                        mention.name,
                        "requests of a submit, guards and later variables",
                    );
                }
                _ => {}
            }
        }
        if !well {
            return None;
        }
        headers.sort_unstable();
        headers.dedup();
        let scope = env.scope(self, &headers);
        match fhirpath::compile(text.text, &scope) {
            Ok(expression) => Some(self.facts(expression, class)),
            Err(faults) => {
                for fault in faults {
                    let at = self.at_part(text, fault.at);
                    let mend = fault.mend.unwrap_or_else(|| "Correct the path.".to_owned());
                    self.fault(Code::Path, at, sentence(&fault.problem), sentence(&mend));
                }
                None
            }
        }
    }

    /// `%settings.account-id` is a subtraction to FHIRPath; a name with a hyphen needs backticks.
    fn lacks_backticks(&mut self, text: Text<'_>, mention: &Mention<'_>) -> bool {
        let (Some(member), Some(rest)) = (mention.member, text.text.get(mention.at.end..)) else { return false };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let tail = rest.get(..rest.find(|c| !is_name(c)).unwrap_or(rest.len())).unwrap_or_default();
        let whole = format!("{member}{tail}");
        let known = mention.name == Slot::Header.name() || self.settings.iter().any(|setting| setting.name == whole);
        if !rest.starts_with('-') || tail.len() < 2 || !known {
            return false;
        }
        if mention.name == Slot::Settings.name() {
            self.uses(Thing::Setting, &whole);
        }
        let at = self.at_part(text, mention.at.start..mention.at.end + tail.len());
        let fault = format!("%{}.{whole} reads as a subtraction.", mention.name);
        self.fault(Code::Path, at, fault, format!("Put the name into backticks: %{}.`{whole}`.", mention.name));
        true
    }

    fn unknown_here(&mut self, text: Text<'_>, part: Range<usize>, name: &str, known: &str) {
        let at = self.at_part(text, part);
        let mend = format!("It is known only in {known}.");
        self.fault(Code::Path, at, format!("%{name} is not known here."), mend);
    }

    /// Where a part of a scalar's text stands.
    pub(super) fn at_part(&self, text: Text<'_>, part: Range<usize>) -> Span {
        self.sources.get(text.at.file).map_or(text.at, |source| yaml::within(source, text.at, text.scalar, part))
    }

    /// Adds to an expression what its variables bring with them.
    fn facts(&mut self, expression: Expression, class: DataClass) -> Path {
        let mut reads: Vec<(String, bool)> =
            expression.reads().iter().map(|read| (read.path.clone(), read.use_ == Use::Conveyed)).collect();
        let mut cuts = CUTTING.iter().any(|function| calls(expression.text(), function));
        let mut urls: Vec<String> = extension_urls(expression.text()).into_iter().map(str::to_owned).collect();
        let mut other = class;
        for at in expression.variables().iter().filter_map(|slot| slot.checked_sub(Slot::FIRST_NAMED)) {
            let (Some(variable), Some(facts)) = (self.variables.get(at), self.variable_facts.get(at)) else { continue };
            // Items that come from elements carry their paths on; of computed ones the paths end in the variable.
            let computed = variable.expression.result().types.iter().any(|ty| ty.path().is_none());
            reads.extend(facts.reads.iter().filter(|(_, conveyed)| computed || !conveyed).cloned());
            cuts |= facts.cuts;
            urls.extend(facts.urls.iter().cloned());
            other = other.max(facts.other);
            let name = variable.name.clone();
            self.uses(Thing::Variable, &name);
        }
        if reads_any_extension(expression.text()) {
            // Whatever else the path looks for: it can give every extension, so none of them lends its class to all.
            urls.clear();
        }
        reads.sort_by(|left, right| left.0.cmp(&right.0).then(right.1.cmp(&left.1)));
        reads.dedup_by(|later, earlier| later.0 == earlier.0);
        let gravest = |all: bool| {
            let counted = reads.iter().filter(|(_, conveyed)| all || *conveyed);
            counted.map(|(path, _)| self.class_of(path, &urls)).fold(other, DataClass::max)
        };
        let computed = expression.result().types.iter().any(|ty| ty.path().is_none());
        let (class, seen) = (gravest(computed), gravest(true));
        Path { expression, reads, cuts, urls, class, seen, other }
    }

    /// The class of a path; of extensions that are named by their url, that of the gravest.
    pub(super) fn class_of(&self, path: &str, urls: &[String]) -> DataClass {
        if urls.is_empty() || !path.contains(".extension") {
            return gravest_within(path);
        }
        urls.iter().map(|url| class_of(&extension_path(path, url))).max().unwrap_or(DataClass::Clinical)
    }

    /// Keeps what a rule reads.
    pub(super) fn keep_reads(
        &mut self,
        rule: Option<RuleId>,
        path: &Path,
        class: DataClass,
        passes_on: bool,
        required: bool,
    ) {
        let sources = path.conveyed().count();
        for (element, conveyed) in &path.reads {
            let conveyed = *conveyed && passes_on;
            // Where the path can take its value from several elements, none of them is needed.
            let needed = required && conveyed && sources == 1;
            let table = self.class_of(element, &path.urls);
            let class = if conveyed { table.max(class) } else { table };
            let urls = if element.contains(".extension") { path.urls.clone() } else { Vec::new() };
            self.reads.push(RuleRead { rule, path: element.clone(), conveyed, needed, class, urls });
        }
    }

    /// A condition: one boolean.
    pub(super) fn condition(&mut self, text: Text<'_>, env: &Env, rule: Option<RuleId>) -> Option<Expression> {
        let path = self.path(text, env)?;
        let result = path.result();
        if result.types.is_empty() {
            self.fault(
                Code::Unreachable,
                text.at,
                "This never holds: the path always gives nothing.",
                "Remove the rule, or correct the condition.",
            );
            return None;
        }
        let boolean = result.types.iter().all(|ty| ty.system() == Some(System::Boolean));
        if !boolean || result.many {
            let given = if boolean { "several values".to_owned() } else { type_names(result) };
            let fault = format!("A condition is true or false; this path gives {given}.");
            self.fault(Code::NotCondition, text.at, fault, "End it with exists(), or compare it with a value.");
            return None;
        }
        if text.text.trim() == "false" {
            self.fault(Code::Unreachable, text.at, "This never holds.", "Remove the rule, or correct the condition.");
        }
        self.keep_reads(rule, &path, DataClass::Administrative, false, false);
        Some(path.expression)
    }
}

/// The path with the url of its first extension in brackets: `Patient.extension(http://…).valueBoolean`.
pub(super) fn extension_path(path: &str, url: &str) -> String {
    match path.split_once(".extension") {
        Some((before, after)) => format!("{before}.extension({url}){after}"),
        None => path.to_owned(),
    }
}

/// Whether a condition holds whatever the referral says.
pub(super) fn always(text: Option<Text<'_>>) -> bool {
    text.is_none_or(|text| text.text.trim() == "true")
}

/// The types of a result in words.
pub(super) fn type_names(result: &ResultType) -> String {
    let mut names: Vec<&str> = result.types.iter().map(Type::name).collect();
    names.dedup();
    names.join(" or ")
}

fn where_known(slot: Slot) -> &'static str {
    match slot {
        Slot::Referral | Slot::ServiceRequest | Slot::Patient | Slot::Task => {
            "requests of a submit, guards and variables"
        }
        Slot::Settings => "every path",
        Slot::Keys | Slot::AcceptedAt => "exchanges that concern one referral",
        Slot::PlatformReferral => "read, cancel, hold and release",
        Slot::Progress => "steps after the first",
        Slot::Cursor => "poll",
        Slot::Reason => "cancel, hold and release",
        Slot::Status | Slot::Header => "answers",
    }
}

/// With a capital at the beginning and a full stop at the end. A lone name with a question mark is a suggestion.
fn sentence(text: &str) -> String {
    if let Some(name) = text.strip_suffix('?').filter(|name| !name.contains(' ')) {
        return format!("Did you mean `{name}`?");
    }
    let first_word = text.split(' ').next().unwrap_or_default();
    let is_word = first_word.len() < text.len() && first_word.chars().all(|c| c.is_ascii_lowercase());
    let mut made = if is_word {
        let (first, rest) = text.split_at(1);
        first.to_uppercase() + rest
    } else {
        text.to_owned()
    };
    if !made.ends_with(['.', '?', '!']) {
        made.push('.');
    }
    made
}
