//! What forms of all pages have in common: what has to be put right, at the top and at each field.

use maud::{Markup, html};

/// Something that has to be put right in a form.
pub(in crate::http) struct Mistake {
    /// Id of the field.
    pub(in crate::http) field: &'static str,
    /// What to do.
    pub(in crate::http) words: String,
}

/// What has to be put right, before anything else of the page.
pub(in crate::http) fn summary(mistakes: &[Mistake]) -> Markup {
    html! {
        @if !mistakes.is_empty() {
            // Without scripts nothing else moves the focus to it.
            div.errors role="alert" aria-labelledby="errors" tabindex="-1" autofocus {
                h2 #errors { "There is a problem" }
                ul { @for one in mistakes { li { a href={ "#" (one.field) } { (one.words) } } } }
            }
        }
    }
}

/// What stands at a field that has to be put right.
pub(in crate::http) fn fault(mistakes: &[Mistake], field: &str) -> Markup {
    html! {
        @if let Some(one) = mistakes.iter().find(|one| one.field == field) {
            p.fault id={ (field) "-error" } { "Error: " (one.words) }
        }
    }
}

/// Names of what describes a field, for `aria-describedby`.
pub(in crate::http) fn described(mistakes: &[Mistake], field: &str, hint: bool) -> Option<String> {
    let wrong = mistakes.iter().any(|one| one.field == field);
    let names = [hint.then(|| format!("{field}-hint")), wrong.then(|| format!("{field}-error"))];
    let names: Vec<String> = names.into_iter().flatten().collect();
    (!names.is_empty()).then(|| names.join(" "))
}
