//! The words of synthetic referrals: categories with their reasons, notes in several scripts, instructions.
//!
//! Written for this file. Nobody said any of it.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::RecipientSpec;

/// An SDOH category and how people speak of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Category {
    pub(super) code: &'static str,
    pub(super) display: &'static str,
    pub(super) reason: &'static str,
    pub(super) problem: &'static str,
}

const CATEGORIES: &[Category] = &[
    Category {
        code: "social-connection",
        display: "Social Connection",
        reason: "Lives alone since bereavement; would like company and something to do in the week.",
        problem: "Loneliness",
    },
    Category {
        code: "financial-insecurity",
        display: "Financial Insecurity",
        reason: "Behind with council tax and energy bills; asks for help with a budget and benefits.",
        problem: "Problem with debt",
    },
    Category {
        code: "food-insecurity",
        display: "Food Insecurity",
        reason: "Skipping meals so that the children eat.",
        problem: "Food insecurity",
    },
    Category {
        code: "housing-instability",
        display: "Housing Instability",
        reason: "Notice to quit at the end of the tenancy; damp in the bedroom.",
        problem: "Housing problem",
    },
    Category {
        code: "stress",
        display: "Stress",
        reason: "Low mood and poor sleep while caring for a parent; would like a peer group.",
        problem: "Carer stress",
    },
    Category {
        code: "digital-literacy",
        display: "Digital Literacy",
        reason: "Would like to learn to use a tablet to see the grandchildren.",
        problem: "Lack of digital skills",
    },
];

/// A category that this recipient offers, or any where it takes all.
pub(super) fn category(recipient: &RecipientSpec, rng: &mut StdRng) -> &'static Category {
    let offered: Vec<&Category> =
        CATEGORIES.iter().filter(|one| recipient.categories.iter().any(|code| code == one.code)).collect();
    offered.choose(rng).copied().or_else(|| CATEGORIES.choose(rng)).expect("the list of categories is not empty")
}

/// A free text note.
pub(super) fn note(rng: &mut StdRng) -> &'static str {
    const NOTES: &[&str] = &[
        "Prefers a call after 2 pm. Uses a stick; needs step-free access.",
        "Hard of hearing in the left ear – text first, please.\nHas a small dog.",
        "Said: \"I used to sing in a choir & would love to again\" 🎶",
        "Mae'n well ganddi sgwrsio yn Gymraeg. Hoffai ymuno â'r grŵp garddio yn y pentref.",
        "تفضل الحديث بالعربية وتحتاج إلى مترجمة. تود الانضمام إلى مجموعة نسائية.",
        "想參加太極班，星期三下午有空。請用中文聯絡。",
        "Woli rozmawiać po polsku; szuka grupy dla rodziców z małymi dziećmi.",
        "اردو میں بات کرنا پسند کرتے ہیں۔ بدھ کے دن چہل قدمی کا گروپ چاہتے ہیں۔",
        "Household of 4 (2 adults, 2 children <5). Gas meter is pre-payment; credit runs out about the 20th.",
    ];
    NOTES.choose(rng).copied().unwrap_or("Prefers a call after 2 pm.")
}

/// An instruction for the person.
pub(super) fn instruction(rng: &mut StdRng) -> &'static str {
    const INSTRUCTIONS: &[&str] = &[
        "Someone will ring you within ten working days. If nobody does, ring the surgery.",
        "Bring your last two energy bills to the first meeting.",
        "Bydd rhywun yn eich ffonio o fewn deg diwrnod gwaith.",
        "Ktoś zadzwoni do Pani/Pana w ciągu dziesięciu dni roboczych.",
    ];
    INSTRUCTIONS.choose(rng).copied().unwrap_or("Someone will ring you within ten working days.")
}
