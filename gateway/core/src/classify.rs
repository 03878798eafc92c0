//! Transient, ambiguous or permanent: the one place that says what a failed attempt means.
//!
//! Adapters and transports report *what* happened ([`FailureCode`]); only this file says whether it is tried again. It
//! knows nothing of schedules, platforms or the store. The classes of HTTP statuses are those of RFC 9110, section 15,
//! and RFC 6585, read the cautious way round: a status that is not listed is permanent, because a person who looks at a
//! dead letter costs less than a platform that is asked in vain for three days.

use adapter_contract::{FailureCode, Repeat};

/// What a failure means for the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// It did not arrive, or sending it twice does no harm: try again by the schedule.
    Transient,
    /// It may have arrived: look it up by our key first; where the platform cannot be asked, a person decides.
    Ambiguous,
    /// Trying again would end the same way: a dead letter, for a person.
    Permanent,
}

impl Class {
    /// One word, for audit and lists.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Ambiguous => "ambiguous",
            Self::Permanent => "permanent",
        }
    }
}

/// The class of a failure when nothing is known of the request that failed.
///
/// `401` is permanent because the transport has already tried a fresh token once before it reports it. A part that was
/// stored is permanent, not ambiguous: a look-up would find the part and take it for the whole.
#[must_use]
pub const fn class(code: &FailureCode) -> Class {
    match code {
        FailureCode::NotConnected | FailureCode::Busy => Class::Transient,
        FailureCode::NoAnswer | FailureCode::UnreadableSuccess | FailureCode::Interrupted => Class::Ambiguous,
        FailureCode::HttpStatus(status) => class_of_status(*status),
        FailureCode::TlsRefused
        | FailureCode::Refused
        | FailureCode::PartlyStored
        | FailureCode::Untranslatable
        | FailureCode::UnsafeToSend
        | FailureCode::TooManySteps => Class::Permanent,
    }
}

/// The class of a failure of a request of which it is known what sending it twice would do.
///
/// - [`Repeat::Safe`] and [`Repeat::Keyed`]: nothing is ambiguous, since to send it again is as good as to look it up.
/// - [`Repeat::LookUpFirst`]: `408` and every `5xx` but `503` are ambiguous, since a server or a proxy before it may
///   have given up *after* the platform stored the referral. `429`, `425` and `503` say that it was not taken up.
/// - `None` (no request had been made): as [`class`].
#[must_use]
pub const fn class_of(code: &FailureCode, repeat: Option<Repeat>) -> Class {
    match (class(code), repeat) {
        (Class::Ambiguous, Some(Repeat::Safe | Repeat::Keyed)) => Class::Transient,
        (Class::Transient, Some(Repeat::LookUpFirst)) if may_have_been_stored(code) => Class::Ambiguous,
        (class, _) => class,
    }
}

/// One word for lists and filters: `not-connected`, `http-503`, …
#[must_use]
pub fn failure_word(code: &FailureCode) -> String {
    match code {
        FailureCode::NotConnected => "not-connected".to_owned(),
        FailureCode::TlsRefused => "tls-refused".to_owned(),
        FailureCode::NoAnswer => "no-answer".to_owned(),
        FailureCode::UnreadableSuccess => "unreadable-success".to_owned(),
        FailureCode::HttpStatus(status) => format!("http-{status}"),
        FailureCode::Refused => "refused".to_owned(),
        FailureCode::Busy => "busy".to_owned(),
        FailureCode::PartlyStored => "partly-stored".to_owned(),
        FailureCode::Untranslatable => "untranslatable".to_owned(),
        FailureCode::UnsafeToSend => "unsafe-to-send".to_owned(),
        FailureCode::TooManySteps => "too-many-steps".to_owned(),
        FailureCode::Interrupted => "interrupted".to_owned(),
    }
}

/// What a person should do next, without patient data.
#[must_use]
pub const fn advice(code: &FailureCode) -> &'static str {
    match code {
        FailureCode::NotConnected => {
            "The platform could not be reached. Check its base address and the network; redrive when it answers."
        }
        FailureCode::TlsRefused => {
            "The platform's certificate was not accepted and nothing was sent. Have the platform renew it, or correct \
             the trusted roots; it is never sent in clear."
        }
        FailureCode::NoAnswer | FailureCode::Interrupted => {
            "Nobody knows whether it arrived. Ask the platform for the referral by its key before redriving."
        }
        FailureCode::UnreadableSuccess => {
            "Something answered with success, but not as the platform does: look for a proxy or a wrong base address, \
             and ask the platform for the referral by its key before redriving."
        }
        FailureCode::HttpStatus(status) => advice_on_status(*status),
        FailureCode::Refused => {
            "The platform refused it in its own words, shown with the attempt. Correct what it names, or agree another \
             recipient with the sender."
        }
        FailureCode::Busy => {
            "The platform said in its own words, shown with the attempt, that it takes nothing more for now. Have its \
             administrator look at the limit; redrive when it takes requests again."
        }
        FailureCode::PartlyStored => {
            "The platform kept only a part. Have the platform remove or complete it by the key before redriving."
        }
        FailureCode::Untranslatable => {
            "The referral cannot be said in the platform's format. The sender has to change the element that is named."
        }
        FailureCode::UnsafeToSend => {
            "Safety content would have been lost, so nothing was sent. Tell the platform by another way, or choose a \
             platform that can carry it."
        }
        FailureCode::TooManySteps => {
            "The exchange did not end within its steps: a fault of the adapter or the platform. Ask the platform for \
             the referral by its key before redriving."
        }
    }
}

const fn class_of_status(status: u16) -> Class {
    match status {
        // A success that the adapter could not take for one: something may well have been stored.
        200..=299 => Class::Ambiguous,
        408 | 425 | 429 | 500..=599 => Class::Transient,
        // 3xx: the base address is wrong; a redirect is never followed, it could carry a referral to a stranger.
        _ => Class::Permanent,
    }
}

/// True where the answer leaves open whether the request was acted upon.
const fn may_have_been_stored(code: &FailureCode) -> bool {
    match code {
        FailureCode::HttpStatus(status) => matches!(*status, 408 | 500..=502 | 504..=599),
        _ => false,
    }
}

const fn advice_on_status(status: u16) -> &'static str {
    match status {
        200..=299 => {
            "The platform answered with a success that its format does not know. Ask it for the referral by its key \
             before redriving."
        }
        300..=399 => "The platform's address has moved. Correct the base address in the configuration, then redrive.",
        401 => "The platform does not accept our credentials, even fresh ones. Renew them, then redrive.",
        403 => "The platform forbids it to our account. Have the platform grant the right, then redrive.",
        404 | 405 => {
            "The platform has no such address. Check the base address and the adapter's version, then redrive."
        }
        410 => "The platform says that this address is gone for good. Disable the route and agree another way.",
        413 => "The referral is too long for the platform. Agree with the sender what can be left out.",
        408 | 425 | 429 | 500..=599 => {
            "The platform is busy or broken. Ask the platform; redrive when it is well again."
        }
        _ => "The platform refused the request. Read its words with the attempt, correct what they name, then redrive.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Class::{Ambiguous, Permanent, Transient};

    const OTHERS: [(FailureCode, Class); 11] = [
        (FailureCode::NotConnected, Transient),
        (FailureCode::TlsRefused, Permanent),
        (FailureCode::NoAnswer, Ambiguous),
        (FailureCode::UnreadableSuccess, Ambiguous),
        (FailureCode::Refused, Permanent),
        (FailureCode::Busy, Transient),
        (FailureCode::PartlyStored, Permanent),
        (FailureCode::Untranslatable, Permanent),
        (FailureCode::UnsafeToSend, Permanent),
        (FailureCode::TooManySteps, Permanent),
        (FailureCode::Interrupted, Ambiguous),
    ];

    #[test]
    fn codes_without_a_status() {
        for (code, expected) in OTHERS {
            assert_eq!(class(&code), expected, "{code:?}");
            assert_eq!(class_of(&code, None), expected, "{code:?}");
        }
    }

    #[test]
    fn statuses_by_what_a_repetition_would_do() {
        // Status; class alone; when it is keyed or safe; when it has to be looked up first.
        for (status, alone, keyed, look_up) in [
            (100, Permanent, Permanent, Permanent),
            (204, Ambiguous, Transient, Ambiguous),
            (301, Permanent, Permanent, Permanent),
            (307, Permanent, Permanent, Permanent),
            (400, Permanent, Permanent, Permanent),
            (401, Permanent, Permanent, Permanent),
            (403, Permanent, Permanent, Permanent),
            (404, Permanent, Permanent, Permanent),
            (405, Permanent, Permanent, Permanent),
            (408, Transient, Transient, Ambiguous),
            (409, Permanent, Permanent, Permanent),
            (410, Permanent, Permanent, Permanent),
            (413, Permanent, Permanent, Permanent),
            (415, Permanent, Permanent, Permanent),
            (422, Permanent, Permanent, Permanent),
            (425, Transient, Transient, Transient),
            (429, Transient, Transient, Transient),
            (500, Transient, Transient, Ambiguous),
            (501, Transient, Transient, Ambiguous),
            (502, Transient, Transient, Ambiguous),
            (503, Transient, Transient, Transient),
            (504, Transient, Transient, Ambiguous),
            (524, Transient, Transient, Ambiguous),
            (600, Permanent, Permanent, Permanent),
        ] {
            let code = FailureCode::HttpStatus(status);
            assert_eq!(class(&code), alone, "{status}");
            assert_eq!(class_of(&code, None), alone, "{status}");
            assert_eq!(class_of(&code, Some(Repeat::Keyed)), keyed, "{status}");
            assert_eq!(class_of(&code, Some(Repeat::Safe)), keyed, "{status}");
            assert_eq!(class_of(&code, Some(Repeat::LookUpFirst)), look_up, "{status}");
        }
    }

    #[test]
    fn no_answer_depends_on_the_request() {
        for code in [FailureCode::NoAnswer, FailureCode::Interrupted, FailureCode::UnreadableSuccess] {
            assert_eq!(class_of(&code, Some(Repeat::LookUpFirst)), Ambiguous, "{code:?}");
            assert_eq!(class_of(&code, Some(Repeat::Keyed)), Transient, "{code:?}");
            assert_eq!(class_of(&code, Some(Repeat::Safe)), Transient, "{code:?}");
        }
        assert_eq!(class_of(&FailureCode::NotConnected, Some(Repeat::LookUpFirst)), Transient);
        assert_eq!(class_of(&FailureCode::Busy, Some(Repeat::LookUpFirst)), Transient, "it was not taken up");
    }

    #[test]
    fn a_repetition_never_mends_what_is_permanent_and_every_code_has_advice() {
        for code in OTHERS.into_iter().map(|(code, _)| code).chain((0..700).map(FailureCode::HttpStatus)) {
            for repeat in [None, Some(Repeat::Safe), Some(Repeat::Keyed), Some(Repeat::LookUpFirst)] {
                assert_eq!(class(&code) == Permanent, class_of(&code, repeat) == Permanent, "{code:?} {repeat:?}");
            }
            assert!(advice(&code).ends_with('.'), "{code:?}");
        }
    }
}
