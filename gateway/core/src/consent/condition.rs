//! The conditions of a provision that depend on the data: label, class, code, the data's own period, and references.

use super::Question;
use super::item::{Form, Item, refers_to, without_version};
use super::labels::{self, Code};
use super::period::lies_within;
use super::provision::list;
use super::truth::Truth;
use gateway_fhir::Json;

/// FHIR's own list of resource types as a code system.
const RESOURCE_TYPES: &str = "http://hl7.org/fhir/resource-types";

/// A class of data that is words: their media type (BCP 13), as R4 names documents there.
const WORDS: Code<'_> = ("urn:ietf:bcp:13", "text/plain");

/// One condition; its repeats are alternatives.
pub(super) enum Condition<'a> {
    Labels(Vec<Code<'a>>),
    Classes(Vec<Code<'a>>),
    Codes(Vec<Code<'a>>),
    DataPeriod(&'a Json),
    Data(Vec<Reference>),
}

/// A `data` entry: which resources it means; `None` if that cannot be told.
pub(super) struct Reference {
    meaning: Option<Meaning>,
}

enum Meaning {
    /// These resources.
    These(Vec<String>),
    /// This resource and what refers to it.
    Dependents(String),
    /// What this one wrote.
    AuthoredBy(String),
}

impl<'a> Condition<'a> {
    /// Reads an element of a provision; `None` if it is no condition on the data, and its name if it cannot be read.
    pub(super) fn read(
        question: &Question<'_>,
        name: &str,
        value: &'a Json,
    ) -> Result<Option<Condition<'a>>, &'static str> {
        let codes = |element| Self::codes(list(value)).filter(|_| value.as_array().is_some()).ok_or(element);
        Ok(Some(match name {
            "securityLabel" => Self::Labels(codes("securityLabel")?),
            "class" => Self::Classes(codes("class")?),
            "code" => {
                let all: Option<Vec<_>> =
                    list(value).iter().map(|concept| Self::codes(concept.items("coding"))).collect();
                Self::Codes(all.ok_or("code")?.into_iter().flatten().collect())
            }
            "dataPeriod" => Self::DataPeriod(value),
            "data" => Self::Data(list(value).iter().map(|data| Reference::read(question, data)).collect()),
            _ => return Ok(None),
        }))
    }

    /// All codes; `None` if there is none, or one that is no code.
    fn codes(codings: &'a [Json]) -> Option<Vec<Code<'a>>> {
        let codes: Vec<Code<'a>> = codings.iter().map(labels::code).collect::<Option<_>>()?;
        (!codes.is_empty()).then_some(codes)
    }

    /// Whether it holds for this item.
    pub(super) fn holds(&self, item: &Item) -> Truth {
        if let Some(form) = item.facts.outcome {
            return self.of_outcome(form);
        }
        match self {
            Self::Labels(labels) => Truth::any(labels.iter().map(|label| has_label(item, *label))),
            Self::Classes(classes) => Truth::any(classes.iter().map(|class| is_of_class(item, *class))),
            Self::Codes(codes) => Truth::any(codes.iter().map(|code| has_code(item, *code))),
            Self::DataPeriod(period) => {
                let dates = item.facts.dates.iter();
                // Each date must lie within: of two, nobody knows which is the data's own.
                let each = dates.map(|date| date.as_ref().map_or(Truth::Unknown, |date| lies_within(date, period)));
                let (least, most) = (each.clone().min(), each.max());
                match (least, most) {
                    (Some(least), Some(most)) if least == most => least,
                    _ => Truth::Unknown,
                }
            }
            Self::Data(references) => Truth::any(references.iter().map(|one| one.means(item))),
        }
    }

    /// Whether it holds for what nobody has told yet: it can ask for the form, and all else is open.
    fn of_outcome(&self, form: Form) -> Truth {
        let Self::Classes(classes) = self else { return Truth::Unknown };
        let one = |class: &Code<'_>| if *class == WORDS { Truth::of(form == Form::Words) } else { Truth::Unknown };
        Truth::any(classes.iter().map(one))
    }

    /// The highest Confidentiality that it names.
    pub(super) fn reach(&self) -> Option<u8> {
        let Self::Labels(labels) = self else { return None };
        labels.iter().filter(|label| labels::is_confidentiality(**label)).map(|label| labels::level(label.1)).max()
    }
}

/// R4: a Confidentiality label speaks of what is labelled so *or lower*. People also write a deny of R and mean *or
/// higher*; so what lies above is left open, which no permit reaches and every deny meets.
fn has_label(item: &Item, label: Code<'_>) -> Truth {
    if labels::is_confidentiality(label) {
        return if item.facts.level <= labels::level(label.1) { Truth::Yes } else { Truth::Unknown };
    }
    let own = item.facts.labels.iter().map(|(system, code)| (system.as_str(), code.as_str()));
    among(item, own, label)
}

fn is_of_class(item: &Item, class: Code<'_>) -> Truth {
    if class.0 == RESOURCE_TYPES {
        return Truth::of(class.1 == item.kind());
    }
    if class.0.is_empty() && class.1 == item.kind() {
        return Truth::Yes;
    }
    let classes = item.facts.classes.iter().chain(&item.facts.labels);
    among(item, classes.map(|(system, code)| (system.as_str(), code.as_str())), class)
}

/// Whether one of these codes lies below `wide`. What may speak of health and bears no code that can be compared has not
/// been assessed: it may be meant.
fn among<'b>(item: &Item, own: impl Iterator<Item = Code<'b>>, wide: Code<'_>) -> Truth {
    let (mut found, mut comparable) = (Truth::No, false);
    for code in own {
        match labels::subsumes(wide, code) {
            Truth::Yes => return Truth::Yes,
            // Another system altogether tells nothing, and the same one without a known relation leaves it open.
            Truth::Unknown if labels::same_system(code.0, wide.0) => found = Truth::Unknown,
            Truth::Unknown => {}
            Truth::No => comparable = true,
        }
    }
    if item.facts.clinical && !comparable { Truth::Unknown } else { found }
}

/// R4: the code is found in the instance. A concept that has no code of this system, and words that have none at all,
/// cannot be compared.
fn has_code(item: &Item, code: Code<'_>) -> Truth {
    if item.codes().any(|own| own == code) {
        return Truth::Yes;
    }
    let open = |concept: &Vec<(String, String)>| concept.iter().all(|(system, _)| system != code.0);
    let cannot_tell = item.facts.free_text || item.facts.concepts.iter().any(open);
    if item.facts.clinical && cannot_tell { Truth::Unknown } else { Truth::No }
}

impl Reference {
    fn read(question: &Question<'_>, data: &Json) -> Self {
        Self { meaning: Self::meaning(question, data) }
    }

    fn meaning(question: &Question<'_>, data: &Json) -> Option<Meaning> {
        let literal = without_version(data.get("reference")?.text("reference")?);
        if literal.starts_with('#') {
            return None;
        }
        Some(match data.text("meaning")? {
            "instance" => Meaning::These(vec![literal.to_owned()]),
            "related" => {
                let target = (question.directory)(literal)?;
                let mut these = vec![literal.to_owned()];
                refers_to(&target, &mut these);
                Meaning::These(these)
            }
            "dependents" => Meaning::Dependents(literal.to_owned()),
            "authoredby" => Meaning::AuthoredBy(literal.to_owned()),
            _ => return None,
        })
    }

    fn means(&self, item: &Item) -> Truth {
        match &self.meaning {
            None => Truth::Unknown,
            Some(Meaning::These(these)) => Truth::of(these.contains(&item.resource)),
            Some(Meaning::Dependents(on)) => {
                Truth::of(item.resource == *on || item.facts.refers_to.iter().any(|to| to == on))
            }
            Some(Meaning::AuthoredBy(_)) if item.facts.authors.is_empty() => Truth::Unknown,
            Some(Meaning::AuthoredBy(by)) => Truth::of(item.facts.authors.iter().any(|author| author == by)),
        }
    }
}
