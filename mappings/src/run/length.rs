//! How long a text is, in the unit that the platform counts, and how it is cut so that the marker still fits.
//!
//! Knows text and numbers; what a cut means for the referral is told by the caller's record of the two lengths.

use crate::program::Count;

/// The length of `text` in units of `count`.
pub(crate) fn measure(text: &str, count: Count) -> usize {
    match count {
        Count::Bytes => text.len(),
        Count::Characters => text.chars().count(),
        Count::CharactersWithoutCr => text.chars().filter(|&each| each != '\r').count(),
        Count::Utf16 => text.chars().map(char::len_utf16).sum(),
    }
}

/// Whether `text` has at most `most` units. No unit is smaller than a byte, so that most texts need no count.
pub(crate) fn fits(text: &str, most: u32, count: Count) -> bool {
    surely_fits(text, most) || measure(text, count) <= usize::try_from(most).unwrap_or(usize::MAX)
}

/// Whether a text has at most `most` units of any kind, judged by its bytes alone.
pub(crate) fn surely_fits(text: &str, most: u32) -> bool {
    text.len() <= usize::try_from(most).unwrap_or(usize::MAX)
}

/// The longest beginning of `text` that leaves room for `marker` within `most` units, and the marker behind it.
///
/// Whole characters only: no scalar value and no surrogate pair is halved, combining marks go with the character that
/// they stand on, and a carriage return is not left without its line feed. A marker that does not fit by itself gives
/// nothing; the compiler refuses such a rule.
pub(crate) fn cut(text: &str, most: u32, count: Count, marker: &str) -> String {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let Some(room) = most.checked_sub(measure(marker, count)) else { return String::new() };
    let mut used = 0;
    let mut end = 0;
    for (at, each) in text.char_indices() {
        used += units(each, count);
        if used > room {
            break;
        }
        end = at + each.len_utf8();
    }
    let kept = text.get(..whole(text, end)).unwrap_or_default();
    let mut out = String::with_capacity(kept.len() + marker.len());
    out.push_str(kept);
    out.push_str(marker);
    out
}

fn units(each: char, count: Count) -> usize {
    match count {
        Count::Bytes => each.len_utf8(),
        Count::Characters => 1,
        Count::CharactersWithoutCr => usize::from(each != '\r'),
        Count::Utf16 => each.len_utf16(),
    }
}

/// The last place at or before `end` at which no visible character is halved.
fn whole(text: &str, mut end: usize) -> usize {
    while let (Some(head), Some(next)) = (text.get(..end), text.get(end..).and_then(|tail| tail.chars().next())) {
        let Some(last) = head.chars().next_back() else { break };
        let halved = joins_to_the_left(next) || last == '\u{200d}' || (last == '\r' && next == '\n');
        if !halved {
            break;
        }
        end -= last.len_utf8();
    }
    end
}

/// Combining marks, variation selectors, joiners and skin tones: they change the character before them.
fn joins_to_the_left(each: char) -> bool {
    matches!(each,
        '\u{0300}'..='\u{036f}'
        | '\u{0483}'..='\u{0489}'
        | '\u{0591}'..='\u{05bd}'
        | '\u{064b}'..='\u{065f}'
        | '\u{093c}' | '\u{093e}'..='\u{094d}'
        | '\u{09bc}' | '\u{09be}'..='\u{09cd}'
        | '\u{0a3c}' | '\u{0a3e}'..='\u{0a4d}'
        | '\u{0e31}' | '\u{0e34}'..='\u{0e3a}' | '\u{0e47}'..='\u{0e4e}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{200d}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{fe20}'..='\u{fe2f}'
        | '\u{1f3fb}'..='\u{1f3ff}'
        | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: [Count; 4] = [Count::Characters, Count::CharactersWithoutCr, Count::Utf16, Count::Bytes];

    #[test]
    fn each_unit_counts_what_it_says() {
        let text = "e\u{301}\r\n\u{1f600}é";
        assert_eq!(UNITS.map(|unit| measure(text, unit)), [6, 5, 7, 11]);
    }

    #[test]
    fn a_text_at_the_limit_fits_and_one_above_does_not() {
        for (text, unit, length) in [
            ("abc", Count::Characters, 3),
            ("ééé", Count::Characters, 3),
            ("ééé", Count::Bytes, 6),
            ("\u{1f600}", Count::Utf16, 2),
            ("a\r\nb", Count::CharactersWithoutCr, 3),
        ] {
            assert!(fits(text, length, unit), "{text:?} {unit:?}");
            assert!(!fits(text, length - 1, unit), "{text:?} {unit:?}");
        }
    }

    #[test]
    fn the_marker_is_inside_the_limit_in_every_unit() {
        let text = "Lonely since the move \u{1f600} and e\u{301} in debt\r\nsince March";
        for unit in UNITS {
            for most in 2..40 {
                let made = cut(text, most, unit, "…");
                assert!(fits(&made, most, unit) || (unit == Count::Bytes && most < 3), "{most} {unit:?} {made:?}");
                if !made.is_empty() {
                    let head = made.strip_suffix('…').unwrap();
                    assert!(text.starts_with(head), "{most} {unit:?} {made:?}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_halved() {
        assert_eq!(cut("ae\u{301}bcd", 3, Count::Characters, "…"), "a…", "the accent goes with its letter");
        assert_eq!(cut("a\u{1f600}bcd", 3, Count::Utf16, "…"), "a…", "a surrogate pair is one");
        assert_eq!(cut("aébcd", 5, Count::Bytes, "…"), "a…", "two bytes of one character");
        assert_eq!(cut("ab\r\ncd", 4, Count::Characters, "…"), "ab…", "no carriage return before the marker");
        assert_eq!(cut("a\u{1f469}\u{200d}\u{1f467}bc", 4, Count::Characters, "…"), "a…", "a joined pair");
        assert_eq!(cut("a\u{1f44d}\u{1f3fd}bc", 3, Count::Characters, "…"), "a…", "a skin tone");
    }

    #[test]
    fn a_marker_of_any_length_is_inside_and_one_too_long_gives_nothing() {
        assert_eq!(cut("help with debt", 6, Count::Characters, "…"), "help …");
        assert_eq!(cut("help with debt", 2, Count::Characters, "[cut]"), "");
        assert_eq!(cut("help with debt", 9, Count::Characters, "[cut]"), "help[cut]");
    }
}
