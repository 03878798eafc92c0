//! Sixteen bytes of a string at once: how many of them are plain. Most keys and codes fit into one such block.

use wide::u8x16;

/// How many bytes are looked at together.
pub(super) const LENGTH: usize = 16;

/// How many bytes stand before the first quote, backslash or control character; `None` if all are plain.
#[inline]
pub(super) fn plain(block: [u8; LENGTH]) -> Option<usize> {
    let text = u8x16::new(block);
    let quote = text.simd_eq(u8x16::splat(b'"'));
    let backslash = text.simd_eq(u8x16::splat(b'\\'));
    let control = text.simd_eq(text.min(u8x16::splat(0x1f)));
    let marks = (quote | backslash | control).to_bitmask();
    (marks != 0).then_some(marks.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::{LENGTH, plain};

    #[test]
    fn every_byte_is_judged_rightly_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..LENGTH {
                for around in [b'a', 0xff, 0x80, b' ', b'#', b'[', b']', b'!'] {
                    let mut block = [around; LENGTH];
                    block[place] = byte;
                    let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(plain(block), special.then_some(place), "{byte} at {place}");
                }
            }
        }
    }

    #[test]
    fn the_first_of_several_counts() {
        for first in 0..LENGTH {
            for second in first..LENGTH {
                let mut block = [b'a'; LENGTH];
                block[second] = 0;
                block[first] = b'"';
                assert_eq!(plain(block), Some(first));
            }
        }
    }
}
