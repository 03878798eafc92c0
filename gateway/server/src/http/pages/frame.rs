//! The frame of every page, whoever it is for. Every value is escaped where it is put in. The title is the heading, which never holds
//! anything of a person.

use super::fields::{Mistake, summary};
use maud::{DOCTYPE, Markup, html};

/// What differs between the pages for one kind of people and those for another.
pub(in crate::http) struct Frame<'a> {
    /// Where the pages are as browsers see them, without trailing slash.
    pub(in crate::http) at: &'a str,
    /// What stands behind the heading in the title.
    pub(in crate::http) site: &'static str,
    /// What stands above every page.
    pub(in crate::http) band: &'static str,
    /// What stands below every page.
    pub(in crate::http) foot: &'static str,
}

impl Frame<'_> {
    /// A page.
    pub(in crate::http) fn page(&self, heading: &str, mistakes: &[Mistake], content: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en-GB" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { @if !mistakes.is_empty() { "Error: " } (heading) " - " (self.site) }
                    link rel="stylesheet" href={ (self.at) "/style.css" };
                }
                body {
                    a.skip href="#main" { "Skip to main content" }
                    header.band { div.wide { p { (self.band) } } }
                    main #main.wide tabindex="-1" {
                        (summary(mistakes))
                        h1 { (heading) }
                        (content)
                    }
                    footer { div.wide { p { (self.foot) } } }
                }
            }
        }
    }
}
