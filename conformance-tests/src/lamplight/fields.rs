//! What Lamplight takes in which field: the documentation's patterns, read by hand so that they are not the gateway's.

const CORE: [&str; 14] = [
    "first_name",
    "surname",
    "address_line_1",
    "address_line_2",
    "address_line_3",
    "address_line_4",
    "address_line_5",
    "postcode",
    "phone",
    "mobile",
    "email",
    "web",
    "publishable",
    "publish_update",
];

/// Whether every profile has this field.
pub(super) fn is_core(name: &str) -> bool {
    CORE.contains(&name)
}

/// Whether a core field may hold this. What is empty may stand anywhere.
pub(super) fn is_valid(name: &str, value: &str) -> bool {
    match name {
        _ if value.is_empty() => true,
        "postcode" => is_post_code(value),
        "mobile" => is_mobile(value),
        "email" => is_address_of_mail(value),
        "publishable" | "publish_update" => value == "0" || value == "1",
        _ => true,
    }
}

/// One or two letters, a digit or R, perhaps a digit or letter; one blank; a digit and two of the letters that are used there.
fn is_post_code(value: &str) -> bool {
    let Some((outward, inward)) = value.split_once(' ') else { return false };
    let upper = |text: &str| text.bytes().all(|each| each.is_ascii_uppercase() || each.is_ascii_digit());
    let letters = outward.bytes().take_while(u8::is_ascii_uppercase).count();
    let is_district = |rest: &[u8]| match rest {
        [first] | [first, _] => first.is_ascii_digit() || *first == b'R',
        _ => false,
    };
    // An R may be the last of the letters or stand for the digit.
    let outward_good = (1..=2).any(|count| {
        letters >= count && outward.as_bytes().get(count..).is_some_and(is_district) && outward.len() <= 4
    });
    let inward_good = match inward.as_bytes() {
        [digit, letters @ ..] if letters.len() == 2 => {
            digit.is_ascii_digit() && letters.iter().all(|each| each.is_ascii_uppercase() && !b"CIKMOV".contains(each))
        }
        _ => false,
    };
    upper(outward) && outward_good && inward_good
}

/// `0`, `+44` or `+44` and a blank; 7 and three digits; perhaps a blank; six digits.
fn is_mobile(value: &str) -> bool {
    let national = value.strip_prefix("+44 ").or_else(|| value.strip_prefix("+44")).or_else(|| value.strip_prefix('0'));
    let Some(rest) = national else { return false };
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|each| each.is_ascii_digit());
    let (head, tail) = match rest.split_once(' ') {
        Some(parts) => parts,
        None => rest.split_at_checked(4).unwrap_or((rest, "")),
    };
    head.starts_with('7') && digits(head, 4) && digits(tail, 6)
}

fn is_address_of_mail(value: &str) -> bool {
    matches!(value.split_once('@'), Some((name, host)) if !name.is_empty() && !host.is_empty() && !value.contains(' '))
}

/// Whether a text is a day of the calendar, `YYYY-mm-dd`, perhaps with a time.
pub(super) fn is_day(value: &str) -> bool {
    let day = value.split(' ').next().unwrap_or_default();
    let format = time::macros::format_description!("[year]-[month]-[day]");
    time::Date::parse(day, &format).is_ok()
}

/// Whether a text holds what may be an HTML tag.
pub(super) fn has_tag(value: &str) -> bool {
    value.split('<').skip(1).any(|behind| behind.chars().next().is_some_and(|next| !next.is_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn post_codes() {
        for good in ["L22 0PJ", "SW1A 1AA", "EC1A 1BB", "LS1 1AA", "M1 1AE", "B33 8TH", "GIR 0AA"] {
            assert!(is_post_code(good), "{good}");
        }
        for bad in [
            "", "LS1", "LS11AA", "LS1  1AA", "ls1 1aa", "LS1 1CA", "LS1 AA", "LSX1 1AA", "1LS 1AA", "LS1 1AAA",
            "D02 X285",
        ] {
            assert!(!is_post_code(bad), "{bad}");
        }
    }

    #[test]
    fn mobile_numbers() {
        for good in ["07700900123", "07700 900123", "+447700900123", "+44 7700 900123"] {
            assert!(is_mobile(good), "{good}");
        }
        for bad in ["", "0113 496 0123", "07700 900 123", "07700 90012", "077009001234", "00447700900123", "7700900123"]
        {
            assert!(!is_mobile(bad), "{bad}");
        }
    }

    #[test]
    fn tags() {
        for (text, expected) in
            [("a < b", false), ("a <b", true), ("<p>", true), ("</p>", true), ("<", false), ("3 > 2", false)]
        {
            assert_eq!(has_tag(text), expected, "{text}");
        }
    }
}
