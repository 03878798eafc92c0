//! Standard Webhooks, signed and proved: by the specification's own example, and by everything that is not quite it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use proptest::prelude::*;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use vcse_gateway::webhooks::{ID, Keys, SIGNATURE, Signed, TIMESTAMP, Unproven, Use};

const NOW: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);
/// The secret of the specification's own example.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn keys(text: &str, purpose: Use) -> Keys {
    Keys::read(text, purpose).unwrap_or_else(|words| panic!("{words}"))
}

fn headers(signed: &Signed) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in [(ID, &signed.id), (TIMESTAMP, &signed.timestamp), (SIGNATURE, &signed.signature)] {
        map.insert(name, value.parse().expect("a header"));
    }
    map
}

#[test]
fn the_example_of_the_specification_is_signed_as_it_says() {
    let body = br#"{"test": 2432232314}"#;
    let at = OffsetDateTime::from_unix_timestamp(1_614_265_330).expect("a time");
    let signed = keys(SECRET, Use::Sign).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body);
    assert_eq!(signed.timestamp, "1614265330");
    assert_eq!(signed.signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let verify = keys(SECRET, Use::Verify);
    assert_eq!(verify.verify(&headers(&signed), body, at).as_deref(), Ok("msg_p5jXN8AQM9LWM0D4loKWxJek"));
}

#[test]
fn only_keys_of_their_kind_and_length_are_taken() {
    let secret = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
    for (text, purpose, words) in [
        (secret(23), Use::Sign, "24 to 64"),
        (secret(65), Use::Verify, "24 to 64"),
        (String::new(), Use::Sign, "no key"),
        ("   ".to_owned(), Use::Sign, "no key"),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), Use::Sign, "prefix"),
        ("whsec_not*base64".to_owned(), Use::Sign, "base64"),
        (format!("whpk_{}", STANDARD.encode([1; 32])), Use::Sign, "public key"),
        (format!("whsk_{}", STANDARD.encode([1; 32])), Use::Verify, "private key"),
        (format!("whpk_{}", STANDARD.encode([1; 31])), Use::Verify, "32 bytes"),
        (format!("whsk_{}", STANDARD.encode([1; 33])), Use::Sign, "Ed25519"),
        (format!("whsk_{}", STANDARD.encode([1; 64])), Use::Sign, "Ed25519"),
        (format!("whsk_{}", STANDARD.encode([1; 31])), Use::Sign, "neither 32"),
        (vec![secret(24); 9].join(" "), Use::Sign, "eight"),
    ] {
        let fault = Keys::read(&text, purpose).err();
        assert!(fault.is_some_and(|fault| fault.contains(words)), "{text}: {fault:?}");
    }
    for bytes in [24, 32, 64] {
        assert!(Keys::read(&secret(bytes), Use::Sign).is_ok());
        assert!(Keys::read(secret(bytes).trim_end_matches('='), Use::Verify).is_ok());
    }
    assert!(!format!("{:?}", keys(SECRET, Use::Sign)).contains("MfKQ"));
}

#[test]
fn a_key_is_replaced_without_a_moment_in_which_nothing_fits() {
    let new = format!("whsec_{}", STANDARD.encode([9; 32]));
    let both = keys(&format!("{new}\n{SECRET}\n"), Use::Sign).sign("m1", NOW, b"{}");
    assert_eq!(both.signature.split(' ').count(), 2);
    for known in [SECRET, new.as_str()] {
        assert!(keys(known, Use::Verify).verify(&headers(&both), b"{}", NOW).is_ok());
        let one = keys(known, Use::Sign).sign("m1", NOW, b"{}");
        assert!(keys(&format!("{new} {SECRET}"), Use::Verify).verify(&headers(&one), b"{}", NOW).is_ok());
    }
    let strange = keys(&format!("whsec_{}", STANDARD.encode([8; 32])), Use::Verify);
    assert_eq!(strange.verify(&headers(&both), b"{}", NOW), Err(Unproven::Signature));
}

#[test]
fn ed25519_proves_by_the_public_key_alone() {
    let sign = keys(&format!("whsk_{}", STANDARD.encode([5; 32])), Use::Sign);
    let public = sign.public().remove(0);
    let signed = sign.sign("m1", NOW, b"body");
    assert!(signed.signature.starts_with("v1a,"));
    let verify = keys(&public, Use::Verify);
    assert!(verify.verify(&headers(&signed), b"body", NOW).is_ok());
    assert_eq!(verify.verify(&headers(&signed), b"bodY", NOW), Err(Unproven::Signature));
    // One kind of signature never passes for the other.
    let renamed = Signed { signature: signed.signature.replacen("v1a", "v1", 1), ..signed };
    assert_eq!(verify.verify(&headers(&renamed), b"body", NOW), Err(Unproven::Signature));
    // The seed with its public key behind it, as libsodium writes it.
    let bytes = STANDARD.decode(public.trim_start_matches("whpk_")).expect("base64");
    let long = format!("whsk_{}", STANDARD.encode([vec![5; 32], bytes].concat()));
    assert_eq!(keys(&long, Use::Sign).public(), [public]);
}

#[test]
fn a_message_of_another_time_proves_nothing() {
    let verify = keys(SECRET, Use::Verify);
    let signed = keys(SECRET, Use::Sign).sign("m1", NOW, b"{}");
    for (apart, expected) in [
        (Duration::ZERO, Ok("m1".to_owned())),
        (Duration::minutes(5), Ok("m1".to_owned())),
        (Duration::minutes(-5), Ok("m1".to_owned())),
        (Duration::seconds(301), Err(Unproven::Time)),
        (Duration::seconds(-301), Err(Unproven::Time)),
        (Duration::days(400), Err(Unproven::Time)),
    ] {
        assert_eq!(verify.verify(&headers(&signed), b"{}", NOW + apart), expected, "{apart}");
    }
}

#[test]
fn headers_that_can_be_read_in_two_ways_prove_nothing() {
    let verify = keys(SECRET, Use::Verify);
    let good = keys(SECRET, Use::Sign).sign("m1", NOW, b"{}");
    let with = |name: &'static str, value: &str| {
        let mut map = headers(&good);
        map.insert(name, value.parse().expect("a header"));
        verify.verify(&map, b"{}", NOW)
    };
    let now = good.timestamp.as_str();
    for (name, value) in [
        (ID, ""),
        (ID, "m.1"),
        (ID, "m 1"),
        (TIMESTAMP, ""),
        (TIMESTAMP, "soon"),
        (TIMESTAMP, "99999999999999999999"),
        (TIMESTAMP, &format!("+{now}")),
        (TIMESTAMP, &format!("-{now}")),
        (TIMESTAMP, &format!("{now}.0")),
    ] {
        assert_eq!(with(name, value), Err(Unproven::Headers), "{name}: {value}");
    }
    for value in ["", "v1", "v1,", "v2,AAAA", "v1 AAAA", &good.signature.to_uppercase(), &good.signature[3..]] {
        assert_eq!(with(SIGNATURE, value), Err(Unproven::Signature), "{value}");
    }
    assert_eq!(with(SIGNATURE, &format!("v9,xx  v1,%% {}", good.signature)), Ok("m1".to_owned()));
    let many = format!("{}{}", "v1,AAAA ".repeat(16), good.signature);
    assert_eq!(with(SIGNATURE, &many), Err(Unproven::Signature));
    for name in [ID, TIMESTAMP, SIGNATURE] {
        let mut map = headers(&good);
        map.remove(name);
        assert_eq!(verify.verify(&map, b"{}", NOW), Err(Unproven::Headers), "{name}");
        let mut map = headers(&good);
        let value = map.get(name).cloned().expect("is there");
        map.append(name, value);
        assert_eq!(verify.verify(&map, b"{}", NOW), Err(Unproven::Headers), "{name} twice");
    }
    // The end of an id cannot pass for a timestamp: what is signed would be the same.
    let blurred = keys(SECRET, Use::Sign).sign("m1.1", NOW, b"{}");
    assert_eq!(verify.verify(&headers(&blurred), b"{}", NOW), Err(Unproven::Headers));
}

proptest! {
    #[test]
    fn what_was_signed_is_proved_and_nothing_else_is(
        id in "[!-\\-/-~]{1,40}",
        body in proptest::collection::vec(any::<u8>(), 0..200),
        apart in -300i64..=300,
        flip in any::<(prop::sample::Index, u8)>(),
    ) {
        let at = NOW + Duration::seconds(apart);
        let signed = keys(SECRET, Use::Sign).sign(&id, at, &body);
        let verify = keys(SECRET, Use::Verify);
        prop_assert_eq!(verify.verify(&headers(&signed), &body, NOW), Ok(id.clone()));
        let (place, bits) = flip;
        if bits != 0 && !body.is_empty() {
            let mut other = body.clone();
            let place = place.index(other.len());
            other[place] ^= bits;
            prop_assert_eq!(verify.verify(&headers(&signed), &other, NOW), Err(Unproven::Signature));
        }
        let longer = [body.as_slice(), b"x"].concat();
        prop_assert_eq!(verify.verify(&headers(&signed), &longer, NOW), Err(Unproven::Signature));
        let renamed = Signed { id: format!("{id}x"), ..signed.clone() };
        prop_assert_eq!(verify.verify(&headers(&renamed), &body, NOW), Err(Unproven::Signature));
        let later = Signed { timestamp: (at.unix_timestamp() + 1).to_string(), ..signed };
        prop_assert!(verify.verify(&headers(&later), &body, at).is_err());
    }

    #[test]
    fn no_header_makes_it_fall_over(id in "\\PC{0,20}", timestamp in "\\PC{0,30}", signature in "\\PC{0,80}") {
        let mut map = HeaderMap::new();
        for (name, value) in [(ID, id), (TIMESTAMP, timestamp), (SIGNATURE, signature)] {
            if let Ok(value) = http::HeaderValue::from_bytes(value.as_bytes()) {
                map.append(name, value);
            }
        }
        let proved = keys(SECRET, Use::Verify).verify(&map, b"body", NOW);
        prop_assert!(proved.is_err());
    }
}
