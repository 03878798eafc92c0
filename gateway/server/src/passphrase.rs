//! Passphrases of organisations that answer behind status links: made here, kept as Argon2id hashes (RFC 9106), and compared. Knows
//! nothing of links.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::RngCore as _;
use std::sync::LazyLock;

/// Most that looking at one passphrase may take, in KiB: hashes come from a configuration, and a slip there must not take the
/// machine down.
const MOST_MEMORY_KIB: u32 = 128 * 1024;
/// Most passes over it.
const MOST_PASSES: u32 = 10;
/// Most lanes.
const MOST_LANES: u32 = 4;
/// Bytes of salt (RFC 9106, 3.1, recommends 16).
const SALT_BYTES: usize = 16;

/// Crockford's base32: no letter that is taken for another.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Groups of a passphrase.
const GROUPS: usize = 4;
/// Symbols of a group; five bits each, 80 in all.
const SYMBOLS: usize = 4;

/// With what passphrases are hashed here: 19 MiB, two passes, one lane, the first choice of OWASP's Password Storage Cheat Sheet for
/// Argon2id, and the library's own.
static HASHER: LazyLock<Argon2<'static>> =
    LazyLock::new(|| Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default()));

/// Compared with where there is no hash, so that it takes as long.
static NOBODYS: LazyLock<String> = LazyLock::new(|| {
    let hash = HASHER.hash_password_with_salt(b"nobody's", b"of no organisation");
    hash.map(|hash| hash.to_string()).unwrap_or_default()
});

/// A new passphrase of 80 random bits, such as `7KQ4-M9TX-0C2V-HRWE`.
#[must_use]
pub fn make() -> String {
    let mut bytes = [0_u8; GROUPS * SYMBOLS];
    rand::rngs::StdRng::from_system().fill_bytes(&mut bytes);
    // 256 is a multiple of 32: every symbol is as likely.
    let symbols: Vec<char> = bytes.iter().map(|byte| symbol(byte % 32)).collect();
    grouped(&symbols)
}

/// From the operating system's randomness.
trait FromSystem {
    fn from_system() -> Self;
}

impl FromSystem for rand::rngs::StdRng {
    fn from_system() -> Self {
        rand::SeedableRng::from_os_rng()
    }
}

fn symbol(five_bits: u8) -> char {
    ALPHABET.get(usize::from(five_bits)).map_or('0', |byte| char::from(*byte))
}

fn grouped(symbols: &[char]) -> String {
    let groups: Vec<String> = symbols.chunks(SYMBOLS).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// The Argon2id hash of a passphrase, as a PHC string.
///
/// # Errors
/// When the library refuses, in words.
pub fn hash(passphrase: &str) -> Result<String, String> {
    let mut salt = [0_u8; SALT_BYTES];
    rand::rngs::StdRng::from_system().fill_bytes(&mut salt);
    let hash = HASHER.hash_password_with_salt(passphrase.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| format!("the passphrase cannot be hashed: {error}"))
}

/// Whether a text is a hash that passphrases can be compared with, within the bounds on memory and passes. The fault never quotes it.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check(hash: &str) -> Result<(), String> {
    parsed(hash).map(|_| ())
}

fn parsed(text: &str) -> Result<PasswordHash, String> {
    const MEND: &str = "make one with `vcse-gateway link passphrase`";
    let hash = PasswordHash::new(text.trim()).map_err(|_| format!("this is no PHC string; {MEND}"))?;
    let complete = hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some();
    let params = Params::try_from(&hash).ok().filter(|_| complete);
    let params = params.ok_or_else(|| format!("this is no Argon2id hash with salt and parameters; {MEND}"))?;
    let bounded = params.m_cost() <= MOST_MEMORY_KIB && params.t_cost() <= MOST_PASSES && params.p_cost() <= MOST_LANES;
    if bounded {
        return Ok(hash);
    }
    Err(format!(
        "this hash takes more than {MOST_MEMORY_KIB} KiB, {MOST_PASSES} passes or {MOST_LANES} lanes for each passphrase; {MEND}"
    ))
}

/// Whether a passphrase is the one of this hash. Takes a core for a while: not for a thread that has other work. Without a hash it
/// takes as long, and the answer is no. A hash that cannot be used is the same, and is logged.
#[must_use]
pub fn is_right(hash: Option<&str>, given: &str) -> bool {
    let own = hash.and_then(|hash| {
        let usable = parsed(hash);
        if let Err(words) = &usable {
            tracing::error!(why = words, "the hash of a passphrase cannot be used");
        }
        usable.ok()
    });
    let known = own.is_some();
    let Some(hash) = own.or_else(|| parsed(&NOBODYS).ok()) else { return false };
    let given = given.trim();
    let canonical = canonical(given);
    let tries = canonical.as_deref().into_iter().chain((canonical.as_deref() != Some(given)).then_some(given));
    // How often it is compared follows from what was typed alone.
    let mut right = false;
    for one in tries {
        right |= HASHER.verify_password(one.as_bytes(), &hash).is_ok();
    }
    known && right
}

/// A passphrase of ours as it was made, however it was typed: in small letters, without hyphens, with O for 0.
fn canonical(typed: &str) -> Option<String> {
    let symbols: Option<Vec<char>> = typed
        .chars()
        .filter(|char| !char.is_whitespace() && !matches!(char, '-' | '\u{2010}'..='\u{2015}'))
        .map(|char| match char.to_ascii_uppercase() {
            'O' => Some('0'),
            'I' | 'L' => Some('1'),
            other => u8::try_from(other).ok().filter(|byte| ALPHABET.contains(byte)).map(char::from),
        })
        .collect();
    symbols.filter(|symbols| symbols.len() == GROUPS * SYMBOLS).map(|symbols| grouped(&symbols))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_opens_its_own_hash_however_it_is_typed() {
        let passphrase = "7KQ4-M910-0C2V-HRWE";
        let hash = hash(passphrase).expect("is hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        check(&hash).expect("what is made here can be used");
        for typed in
            [passphrase, "7kq4m910oc2vhrwe", " 7KQ4 MgLO OC2V HRWE ".replace('g', "9").as_str(), "7KQ4–M9I0–0C2V–HRWE"]
        {
            assert!(is_right(Some(&hash), typed), "{typed}");
        }
        for typed in ["", "7KQ4-M910-0C2V-HRWF", "7KQ4-M910-0C2V", &hash] {
            assert!(!is_right(Some(&hash), typed), "{typed}");
        }
    }

    #[test]
    fn a_phrase_of_the_organisations_own_is_compared_as_it_stands() {
        let hash = hash("correct horse battery").expect("is hashed");
        assert!(is_right(Some(&hash), "correct horse battery"));
        assert!(!is_right(Some(&hash), "correct-horse-battery"));
        // Sixteen symbols that could be one of ours.
        let hash = super::hash("horse-battery-99").expect("is hashed");
        assert!(is_right(Some(&hash), "horse-battery-99"));
    }

    #[test]
    fn without_a_hash_nothing_is_right() {
        for given in ["", "nobody's", "7KQ4-M910-0C2V-HRWE"] {
            assert!(!is_right(None, given), "{given}");
        }
    }

    #[test]
    fn passphrases_differ_and_use_the_whole_alphabet() {
        let made: Vec<String> = (0..200).map(|_| make()).collect();
        let mut seen: Vec<char> = made.iter().flat_map(|one| one.chars()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), ALPHABET.len() + 1, "{seen:?}");
        assert!(made.iter().all(|one| canonical(one).as_deref() == Some(one) && one.len() == 19));
        assert!(made.iter().skip(1).all(|one| Some(one) != made.first()));
    }

    #[test]
    fn a_hash_that_takes_too_much_or_is_none_is_refused_and_opens_nothing() {
        let usable = hash("right").expect("is hashed");
        let with = |params: &str| usable.replace("m=19456,t=2,p=1", params);
        for (case, text) in [
            ("memory", with("m=4194304,t=2,p=1")),
            ("passes", with("m=19456,t=200,p=1")),
            ("lanes", with("m=19456,t=2,p=64")),
            ("kind", usable.replace("argon2id", "argon2i")),
            ("salt", "$argon2id$v=19$m=19456,t=2,p=1".to_owned()),
            ("text", "right".to_owned()),
        ] {
            let words = check(&text).expect_err(case);
            assert!(words.contains("link passphrase") && !words.contains(&text), "{case}: {words}");
            assert!(!is_right(Some(&text), "right"), "{case}");
        }
    }
}
