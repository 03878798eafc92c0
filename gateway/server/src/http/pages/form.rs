//! What a browser sends: a form, within bounds, and where it comes from.

use crate::gateway::Gateway;
use crate::http::context::bounded;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use url::Url;

/// The fields of a form. Of fields of one name the first counts.
pub(in crate::http) struct Form(Vec<(String, String)>);

/// Why a form could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Unread {
    /// It is too long.
    TooLarge,
    /// It ended early.
    Torn,
}

impl Form {
    /// Reads a body.
    ///
    /// # Errors
    /// [`Unread`].
    pub(in crate::http) async fn read(gateway: &Gateway, body: Body) -> Result<Self, Unread> {
        let bytes = bounded(body, gateway.limits.link_form_bytes).await;
        let bytes = bytes.map_err(|refusal| if refusal.status == 413 { Unread::TooLarge } else { Unread::Torn })?;
        Ok(Self(form_urlencoded::parse(&bytes).into_owned().collect()))
    }

    /// What stands in a field; empty if it is not there.
    pub(in crate::http) fn field(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// Whether there is such a field.
    pub(in crate::http) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }

    /// The same as people write it: without what cannot be seen, trimmed, one kind of line end.
    pub(in crate::http) fn words(&self, name: &str) -> String {
        let lines = self.field(name).replace("\r\n", "\n").replace('\r', "\n");
        let seen = |char: &char| !char.is_control() || matches!(char, '\n' | '\t');
        lines.chars().filter(seen).collect::<String>().trim().to_owned()
    }
}

/// Whether a form was sent from a page of ours, as far as the browser says so. Browsers send `Origin: null` from pages with
/// `Referrer-Policy: no-referrer` (Fetch, 3.2), which ours are; `Sec-Fetch-Site` says it then.
pub(in crate::http) fn is_from_here(gateway: &Gateway, headers: &HeaderMap) -> bool {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let ours = Url::parse(&gateway.link_url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let origin = headers.get(header::ORIGIN).map(text).filter(|origin| origin != "null");
    let site = headers.get("sec-fetch-site").map(text);
    origin.is_none_or(|origin| origin == ours)
        && site.is_none_or(|site| matches!(site.as_str(), "same-origin" | "none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Form {
        Form(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn of_two_fields_the_first_counts_and_one_that_is_absent_is_empty() {
        let form = form(&[("words", "one"), ("words", "two")]);
        assert_eq!((form.field("words"), form.field("other")), ("one", ""));
    }

    #[test]
    fn words_lose_what_cannot_be_seen_and_keep_their_lines() {
        let form = form(&[("words", "  one\r\ntwo\u{0}\u{7}\rthree \n")]);
        assert_eq!(form.words("words"), "one\ntwo\nthree");
    }
}
