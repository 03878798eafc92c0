//! Narrative: `text.div` as R4 allows it (narrative.html; invariants txt-1 and txt-2).
//!
//! Allows what R4 lists and refuses all else, so that a later browser feature is refused before anybody has heard of
//! it. Reads tag by tag and builds no tree. It knows nothing of what the narrative says.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// The elements of HTML 4 chapters 7 to 11 (less section 4 of chapter 9) and 15, with `a` and `img`.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
];

/// The attributes of those elements. No event attribute is among them.
const ATTRIBUTES: &[&str] = &[
    "abbr",
    "accesskey",
    "align",
    "alt",
    "axis",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "char",
    "charoff",
    "charset",
    "cite",
    "class",
    "clear",
    "color",
    "colspan",
    "compact",
    "coords",
    "datetime",
    "dir",
    "frame",
    "headers",
    "height",
    "href",
    "hreflang",
    "id",
    "lang",
    "longdesc",
    "name",
    "noshade",
    "nowrap",
    "rel",
    "rev",
    "rowspan",
    "rules",
    "scope",
    "shape",
    "size",
    "span",
    "src",
    "start",
    "style",
    "summary",
    "tabindex",
    "target",
    "title",
    "type",
    "valign",
    "value",
    "width",
    "xml:lang",
    "xml:space",
];

/// Attributes whose value is an address.
const ADDRESSES: &[&str] = &["cite", "href", "longdesc", "src"];

/// The schemes an address may have; without one it is relative.
const SCHEMES: &[&str] = &["http", "https", "mailto", "ftp", "tel", "urn", "cid"];

const NOT_WELL_FORMED: &str = "txt-1: the narrative is not well-formed XHTML";

/// Checks a whole `div`. What is wrong is told without repeating any of it.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut depth = 0_usize;
    let mut is_over = false;
    let mut has_content = false;
    loop {
        match reader.read_event().map_err(|_| NOT_WELL_FORMED)? {
            Event::Start(tag) => {
                has_content |= element(&tag, depth, is_over)?;
                depth += 1;
            }
            Event::Empty(tag) => {
                has_content |= element(&tag, depth, is_over)?;
                is_over |= depth == 0;
            }
            Event::End(_) => {
                depth = depth.checked_sub(1).ok_or(NOT_WELL_FORMED)?;
                is_over |= depth == 0;
            }
            Event::Text(content) => {
                let is_blank = content.trim().is_empty();
                if !is_blank && depth == 0 {
                    return Err("txt-1: the narrative is one div, with nothing before or after it");
                }
                has_content |= !is_blank;
            }
            Event::GeneralRef(_) if depth > 0 => has_content = true,
            // HTML ends such a comment at once, where XML reads on: what follows would be hidden from this check.
            Event::Comment(content) if content.starts_with('>') || content.starts_with("->") => {
                return Err(NOT_WELL_FORMED);
            }
            Event::Comment(_) => {}
            Event::Eof if is_over && depth == 0 => break,
            Event::Eof | Event::GeneralRef(_) => return Err(NOT_WELL_FORMED),
            Event::CData(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {
                return Err("txt-1: the narrative has no CDATA, declarations or processing instructions");
            }
        }
    }
    if has_content { Ok(()) } else { Err("txt-2: the narrative has some content") }
}

/// One opening tag; tells whether it is content by itself, as an image is.
fn element(tag: &BytesStart<'_>, depth: usize, is_over: bool) -> Result<bool, &'static str> {
    let name = tag.name().into_inner();
    if is_over || (depth == 0 && name != "div") {
        return Err("txt-1: the narrative is one div, with nothing before or after it");
    }
    if !ELEMENTS.contains(&name) {
        return Err("txt-1: the narrative has an element that R4 does not allow there");
    }
    let mut namespace = None;
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|_| NOT_WELL_FORMED)?;
        let (key, raw) = (attribute.key.into_inner(), attribute.value.as_ref());
        if raw.contains('<') {
            return Err(NOT_WELL_FORMED);
        }
        if key == "xmlns" {
            namespace = Some(raw == XHTML);
            continue;
        }
        if !ATTRIBUTES.contains(&key) {
            return Err("txt-1: the narrative has an attribute that R4 does not allow there");
        }
        // An entity that XML does not define could hide anything in an address or a style.
        let value = quick_xml::escape::unescape(raw).map_err(|_| NOT_WELL_FORMED)?;
        if ADDRESSES.contains(&key) && !is_safe_address(&value, name == "img" && key == "src") {
            return Err("txt-1: the narrative has an address of a kind that can carry active content");
        }
        if key == "style" && !is_safe_style(&value) {
            return Err("txt-1: the narrative has a style that can load or run something");
        }
    }
    match namespace {
        Some(false) => Err("txt-1: the div is in the XHTML namespace"),
        None if depth == 0 => Err("txt-1: the div is in the XHTML namespace"),
        _ => Ok(name == "img"),
    }
}

/// Relative, or of a known harmless scheme; data only as an image. Browsers skip blanks and control characters in a
/// scheme, and so does this.
fn is_safe_address(address: &str, is_image: bool) -> bool {
    let address: String =
        address.chars().filter(|character| !character.is_whitespace() && !character.is_control()).collect();
    let head = address.split(['/', '?', '#']).next().unwrap_or_default();
    match head.split_once(':') {
        None => true,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("data") => is_image && rest.eq_ignore_ascii_case("image"),
        Some((scheme, _)) => SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)),
    }
}

/// No CSS that runs anything or loads from another host: what official examples use is colours, borders and images
/// that are inlined or relative.
fn is_safe_style(style: &str) -> bool {
    let style: String =
        style.chars().filter(|character| !character.is_whitespace() && !character.is_control()).collect();
    let style = style.to_ascii_lowercase();
    let active = [
        "\\",
        "/*",
        "//",
        "expression",
        "javascript:",
        "vbscript:",
        "behavior",
        "-moz-binding",
        "@import",
        "image-set",
    ];
    // Inlined data may hold two slashes, so it is taken out before looking.
    let mut parts = style.split("url(");
    let mut rest = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((address, after)) = part.split_once(')') else { return false };
        let address = address.trim_matches(['"', '\'']);
        if !address.starts_with("data:image/") {
            if address.contains(':') || address.starts_with('/') {
                return false;
            }
            rest.push_str(address);
        }
        rest.push_str(after);
    }
    !active.iter().any(|word| rest.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_div(inner: &str) -> String {
        format!("<div xmlns=\"{XHTML}\">{inner}</div>")
    }

    #[test]
    fn basic_formatting_passes() {
        for inner in [
            "a",
            "<p class=\"x\" style=\"color: red\">a &amp; b &#233; &nbsp;</p><br/>",
            "<table border=\"1\"><tr><td colspan=\"2\">a</td></tr></table>",
            "<a href=\"https://example.org/a?b:c\">a</a><a href=\"#x\">b</a><a href='mailto:a@example.org'>c</a>",
            "<img src=\"data:image/png;base64,QUJD\" alt=\"\"/>",
            "<td style=\"background-image: url(data: image/png;base64,QUJD)\">a</td>",
            "<td style='background-image: url(\"data:image/png;base64,Q//D\"); color: red'>a</td>",
            "<td style=\"background-image: url(tbl_bck1.png)\">a</td>",
            "<!-- a comment -->b",
        ] {
            assert_eq!(check(&in_div(inner)), Ok(()), "{inner}");
        }
    }

    #[test]
    fn active_content_and_broken_markup_do_not() {
        for inner in [
            "<script>1</script>",
            "<SCRIPT>1</SCRIPT>",
            "<x:script xmlns:x=\"http://www.w3.org/1999/xhtml\">1</x:script>",
            "<iframe src=\"https://example.org\"/>a",
            "<object data=\"x\">a</object>",
            "<form>a</form>",
            "<link href=\"x\"/>a",
            "<style>a</style>",
            "<svg>a</svg>",
            "<p onclick=\"x()\">a</p>",
            "<p OnClick=\"x()\">a</p>",
            "<a href=\"javascript:x()\">a</a>",
            "<a href=\" JAVA\nSCRIPT:x()\">a</a>",
            "<a href=\"java&#x0A;script&#58;x()\">a</a>",
            "<a href=\"data:text/html,x\">a</a>",
            "<a href=\"data:image/svg+xml,x\">a</a>",
            "<img src=\"vbscript:x\"/>",
            "<a href=\"java&colon;x\">a</a>",
            "<p style=\"width: expression(x)\">a</p>",
            "<p style=\"background: url(https://example.org/x)\">a</p>",
            "<p style=\"background: url(//example.org/x)\">a</p>",
            "<p style=\"background: url('data:image/png,x') url(https://example.org/x)\">a</p>",
            "<p style=\"background: url(x\">a</p>",
            "<p style=\"background: image-set('https://example.org/x' 1x)\">a</p>",
            "<p style=\"background: u\\72l(x)\">a</p>",
            "<p style=\"background: ur/**/l(x)\">a</p>",
            "<p>a",
            "a</p>",
            "<p>a</b>",
            "<p class=x>a</p>",
            "<!--><script>1</script>-->a",
            "<!---><script>1</script>-->a",
            "<!-- --!><script>1</script>-->a",
            "<p/onclick=\"x()\">a</p>",
            "<p class=\"a\" class=\"b\">a</p>",
            "<p title=\"<\">a</p>",
            "a & b",
            "<![CDATA[a]]>",
            "<?php x ?>a",
            "",
            " <p> </p> ",
        ] {
            assert!(check(&in_div(inner)).is_err(), "{inner}");
        }
        for whole in [
            "",
            "a",
            "<p xmlns=\"http://www.w3.org/1999/xhtml\">a</p>",
            "<div>a</div>",
            "<div xmlns=\"http://example.org\">a</div>",
            "<!DOCTYPE div [<!ENTITY a \"b\">]><div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>",
            &format!("{}{}", in_div("a"), in_div("b")),
            &format!("{}b", in_div("a")),
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">a",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"/>",
        ] {
            assert!(check(whole).is_err(), "{whole}");
        }
    }
}
