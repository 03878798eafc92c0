//! The data need as a page that an information-governance lead can sign: every element of a referral that the mapping can
//! read, the kind of data it is, and whether it reaches the platform. Derived from the rules, so it cannot be forgotten.

use mappings::class::DataClass;
use mappings::program::Program;
use mappings::read_set::ReadElement;
use std::fmt::Write as _;

/// The page.
pub(crate) fn page(name: &str, version: &str, program: &Program) -> String {
    let elements = &program.read_set.elements;
    let mut page = format!("Data need of {name} {version}\n\n");
    let _ = writeln!(
        page,
        "This adapter can read the {} elements below, with all that is under them, and nothing else: what is not listed\n\
         is taken out of a referral before the adapter sees it. `needed`: without it nothing is sent.\n",
        elements.len()
    );
    let width = elements.iter().map(|element| element.path.len()).max().unwrap_or_default().max("element".len());
    for class in classes() {
        let of_class: Vec<&ReadElement> = elements.iter().filter(|element| element.class == class).collect();
        if of_class.is_empty() {
            continue;
        }
        let _ = writeln!(page, "{}", class_name(class));
        for element in of_class {
            let use_of_it = if element.conveyed { "given to the platform" } else { "looked at, not given on" };
            let needed = if element.needed { ", needed" } else { "" };
            let _ = writeln!(page, "  {:width$}  {use_of_it}{needed}", element.path);
        }
    }
    if !program.accepted_losses.is_empty() {
        let _ = writeln!(page, "\nNot given to the platform, and accepted in the author's words");
        for loss in &program.accepted_losses {
            let _ = writeln!(page, "  {:width$}  {}", loss.element, loss.because);
        }
    }
    page.push_str("\nSeen for information governance: ______________________  Date: ____________\n");
    page.push_str("Seen for clinical safety:        ______________________  Date: ____________\n");
    page
}

/// From what must be guarded most.
const fn classes() -> [DataClass; 8] {
    [
        DataClass::Safeguarding,
        DataClass::ThirdParty,
        DataClass::Clinical,
        DataClass::Identity,
        DataClass::Contact,
        DataClass::Need,
        DataClass::Demographic,
        DataClass::Administrative,
    ]
}

const fn class_name(class: DataClass) -> &'static str {
    match class {
        DataClass::Administrative => "Administrative: references, dates, codes without a personal fact",
        DataClass::Demographic => "Demographic: age, gender, language",
        DataClass::Need => "Need: what help is asked for",
        DataClass::Contact => "Contact: how to reach the person",
        DataClass::Identity => "Identity: who the person is",
        DataClass::Clinical => "Clinical: health facts",
        DataClass::ThirdParty => "Third party: about somebody else",
        DataClass::Safeguarding => "Safeguarding: risk of harm",
    }
}
