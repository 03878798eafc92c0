//! Synthetic people and what is told of them. NHS numbers are of the 999 range, telephone numbers are Ofcom's for drama.

use gateway_documents::letter::{Letter, Ons4, Points, Practice, Reading, Referral, Score};
use gateway_documents::parties::{Author, NhsNumber, OdsCode, Organisation, Patient, PersonName};
use std::num::NonZeroU32;
use time::macros::{date, datetime};

/// An id for the metadata of PDFs.
pub(crate) const PDF_ID: &str = "0b0c5a52-8f3f-4a4e-9a57-6a3f3a1d2c01";

pub(crate) fn patient() -> Patient {
    Patient {
        nhs_number: NhsNumber::read("999 000 0018").unwrap(),
        is_traced: true,
        name: PersonName {
            prefix: Some("Ms".to_owned()),
            given: vec!["Ada".to_owned(), "Zoe".to_owned()],
            family: "O'Canary-Smythe".to_owned(),
        },
        birth_date: date!(1955 - 01 - 09),
    }
}

pub(crate) fn sender() -> Organisation {
    Organisation {
        ods_code: OdsCode::read("A1B2C").unwrap(),
        name: "Example Valley Social Prescribing".to_owned(),
        telephone: "01632 960123".to_owned(),
    }
}

pub(crate) fn author() -> Author {
    Author {
        name: PersonName { prefix: None, given: vec!["Sam".to_owned()], family: "Example".to_owned() },
        role: Some("link worker".to_owned()),
        telephone: Some("01632 960456".to_owned()),
        sds_user_id: None,
    }
}

pub(crate) fn letter() -> Letter {
    let reading = |points, on| Some(Reading { points: Points::whole(points), on });
    let (first, last) = (date!(2026 - 06 - 04), date!(2026 - 11 - 20));
    Letter {
        title: "Outcome of a social prescribing referral".to_owned(),
        version: NonZeroU32::MIN,
        patient: patient(),
        practice: Practice { name: "The Example Surgery".to_owned(), ods_code: Some(OdsCode::read("A81001").unwrap()) },
        sender: sender(),
        service: "Walking group and befriending".to_owned(),
        referral: Some(Referral { on: date!(2026 - 05 - 28), reference: Some("SP-2026-0417".to_owned()) }),
        happened_at: datetime!(2026-11-20 14:30 UTC),
        need: "Lives alone since March, goes out seldom and says that days are long.".to_owned(),
        done: vec![
            "Three talks at home about what matters to them.".to_owned(),
            "Went along to the Tuesday walking group, twice with a volunteer and then alone.".to_owned(),
            "Helped to claim a bus pass.".to_owned(),
        ],
        outcome: "Goes to the walking group every week and has met two people there. The referral is closed."
            .to_owned(),
        scores: vec![
            Score::ons4(Ons4::Satisfaction, reading(3, first), reading(7, last)),
            Score::ons4(Ons4::Worthwhile, reading(4, first), reading(7, last)),
            Score::ons4(Ons4::Happiness, reading(4, first), reading(6, last)),
            Score::ons4(Ons4::Anxiety, reading(8, first), None),
        ],
        requests: vec!["Please record that the person used the service.".to_owned()],
        author: author(),
        written_at: datetime!(2026-11-23 09:15 UTC),
    }
}
