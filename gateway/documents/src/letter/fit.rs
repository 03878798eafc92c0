//! How a text is shortened: at the end of a word, and with a notice that says how much is shown.
//!
//! Only what describes may be shortened: outcome, need, what was done. Who it is about, what is asked, scores and parties are not.

use super::{Letter, Section};

/// A text that was shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortened {
    /// Where.
    pub section: Section,
    /// Words that are shown.
    pub shown: usize,
    /// Words that there are.
    pub of: usize,
}

impl Shortened {
    /// What the reader is told where the text ends.
    pub(crate) fn notice(&self) -> String {
        format!("Shortened to fit one page: {} of {} words are shown here.", self.shown, self.of)
    }
}

/// Items, of which so many characters stay at most.
pub(crate) fn cut(section: Section, items: &[&str], characters: usize) -> (Vec<String>, Option<Shortened>) {
    let of = items.iter().map(|item| words(item)).sum();
    let (mut kept, mut left, mut shown) = (Vec::new(), characters, 0);
    for item in items {
        let length = item.chars().count();
        if length <= left {
            kept.push((*item).to_owned());
            left -= length;
            shown += words(item);
            continue;
        }
        let head = head(item, left);
        if !head.is_empty() {
            kept.push(format!("{head} …"));
        }
        return (kept, Some(Shortened { section, shown: shown + words(head), of }));
    }
    (kept, None)
}

/// As many whole words as fit. Of a word that does not fit by itself nothing is shown: half a word misleads.
fn head(text: &str, characters: usize) -> &str {
    let mut end = 0;
    let mut taken = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        taken += word.chars().count();
        if taken > characters {
            break;
        }
        end += word.len();
    }
    text.get(..end).unwrap_or_default().trim_end()
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// Length of the longest text that may be shortened.
pub(crate) fn longest(letter: &Letter) -> usize {
    let done = letter.done.iter().map(|item| item.chars().count()).sum();
    [letter.outcome.chars().count(), letter.need.chars().count(), done].into_iter().max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_ends_at_a_word_and_the_count_is_told() {
        let (kept, cut) = cut(Section::Need, &["one two three four"], 9);
        assert_eq!(kept, ["one two …"]);
        assert_eq!(cut, Some(Shortened { section: Section::Need, shown: 2, of: 4 }));
    }

    #[test]
    fn what_fits_is_left_as_it_is() {
        let (kept, cut) = cut(Section::Done, &["one", "two three"], 12);
        assert_eq!((kept.len(), cut), (2, None));
    }

    #[test]
    fn later_items_are_counted_when_they_are_left_out() {
        let (kept, cut) = cut(Section::Done, &["one two", "three", "four five"], 8);
        assert_eq!(kept, ["one two"]);
        assert_eq!(cut.map(|cut| (cut.shown, cut.of)), Some((2, 5)));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_without_a_notice(items in proptest::collection::vec("[a-z …]{0,40}", 0..6), room in 0_usize..120) {
            let items: Vec<&str> = items.iter().map(String::as_str).collect();
            let (kept, told) = cut(Section::Done, &items, room);
            let all: usize = items.iter().map(|item| words(item)).sum();
            match told {
                None => prop_assert_eq!(kept, items),
                Some(told) => {
                    prop_assert_eq!(told.of, all);
                    prop_assert!(told.shown <= told.of);
                    prop_assert!(kept.len() <= items.len());
                }
            }
        }
    }
}
