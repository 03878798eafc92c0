//! Paths: compiled where they stand, their faults put at their place in the file, their reads kept.

use super::env::Env;
use super::mentions::{calls, extension_urls, mentions};
use super::{Compiler, RuleRead, Thing};
use crate::class::{DataClass, class_of};
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
    /// The gravest class of what it passes on.
    pub(super) class: DataClass,
}

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
        let mut cuts = calls(expression.text(), "substring");
        let mut urls: Vec<String> = extension_urls(expression.text()).into_iter().map(str::to_owned).collect();
        let mut class = class;
        for at in expression.variables().iter().filter_map(|slot| slot.checked_sub(Slot::FIRST_NAMED)) {
            let (Some(variable), Some(facts)) = (self.variables.get(at), self.variable_facts.get(at)) else { continue };
            // Items that come from elements carry their paths on; of computed ones the paths end in the variable.
            let computed = variable.expression.result().types.iter().any(|ty| ty.path().is_none());
            reads.extend(facts.reads.iter().filter(|(_, conveyed)| computed || !conveyed).cloned());
            cuts |= facts.cuts;
            urls.extend(facts.urls.iter().cloned());
            class = class.max(facts.class);
            let name = variable.name.clone();
            self.uses(Thing::Variable, &name);
        }
        reads.sort_by(|left, right| left.0.cmp(&right.0).then(right.1.cmp(&left.1)));
        reads.dedup_by(|later, earlier| later.0 == earlier.0);
        let carried = reads.iter().filter(|(_, conveyed)| *conveyed).map(|(path, _)| self.class_of(path, &urls)).max();
        let class = carried.map_or(class, |carried| class.max(carried));
        Path { expression, reads, cuts, urls, class }
    }

    /// The class of a path; of extensions that are named by their url, that of the gravest.
    pub(super) fn class_of(&self, path: &str, urls: &[String]) -> DataClass {
        let Some((before, after)) = path.split_once(".extension").filter(|_| !urls.is_empty()) else {
            return class_of(path);
        };
        let one = |url: &String| class_of(&format!("{before}.extension({url}){after}"));
        urls.iter().map(one).max().unwrap_or(DataClass::Clinical)
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
            self.reads.push(RuleRead { rule, path: element.clone(), conveyed, needed, class });
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

/// With a capital at the beginning and a full stop at the end.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| {
        if text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains('(') {
            first.to_ascii_uppercase()
        } else {
            first
        }
    });
    let mut made: String = first.into_iter().chain(letters).collect();
    if !made.ends_with(['.', '?', '!']) {
        made.push('.');
    }
    made
}
