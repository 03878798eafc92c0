//! The generator keeps its promises: same seed same referral, valid numbers, every expectation, digits as measured.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn generator(seed: u64) -> Generator {
    let befriending = RecipientSpec::new("A1B2C", "Good Neighbours", &["social-connection"]);
    let advice = RecipientSpec::new("D3E4F", "Debt Advice", &["financial-insecurity", "housing-instability"]);
    Generator::new(seed, vec![befriending, advice])
}

fn resources(referral: &SyntheticReferral) -> Vec<&Value> {
    let entries = referral.bundle["entry"].as_array().expect("a Bundle has entries");
    entries.iter().map(|entry| &entry["resource"]).collect()
}

fn of_kind<'r>(referral: &'r SyntheticReferral, kind: &str) -> Vec<&'r Value> {
    resources(referral).into_iter().filter(|one| one["resourceType"] == kind).collect()
}

#[test]
fn a_referral_depends_on_seed_and_number_alone() {
    let (first, second) = (generator(42), generator(42));
    let _ = second.referral(3);
    assert_eq!(first.referral(9).bundle_text(), second.referral(9).bundle_text());
    assert_ne!(first.referral(9).bundle_text(), generator(43).referral(9).bundle_text());
    assert_ne!(first.referral(9).placer_id, first.referral(10).placer_id);
}

#[test]
fn nhs_numbers_are_of_the_999_range_and_check() {
    for n in 0..300 {
        let referral = generator(1).referral(n);
        let number = of_kind(&referral, "Patient")[0]["identifier"][0]["value"].as_str().unwrap().to_owned();
        assert!(number.starts_with("999") && nhs_number_is_valid(&number), "{number}");
    }
    assert!(nhs_number_is_valid("9000000009"));
    assert!(!nhs_number_is_valid("9000000008"));
    assert!(!nhs_number_is_valid("900000000"));
    assert!(!nhs_number_is_valid("99900000é"));
}

#[test]
fn a_run_of_two_hundred_has_every_expectation_and_mostly_delivers() {
    let mut seen = BTreeMap::new();
    for n in 0..200 {
        *seen.entry(generator(5).referral(n).expectation).or_insert(0) += 1;
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), Expectation::ALL);
    assert!(seen[&Expectation::Delivered] > 100, "{seen:?}");
}

#[test]
fn each_expectation_is_visible_in_the_bundle() {
    for n in 0..400 {
        let referral = generator(11).referral(n);
        let recipient = referral.recipient_ods.clone().unwrap();
        let consents = of_kind(&referral, "Consent");
        let permits_recipient = consents.iter().any(|consent| {
            consent["provision"]["type"] == "permit"
                && consent["provision"]["actor"][0]["reference"]["identifier"]["value"] == recipient.as_str()
        });
        let prohibited = of_kind(&referral, "ServiceRequest")[0].get("orderDetail").is_some();
        match referral.expectation {
            Expectation::NoConsent => assert!(consents.is_empty()),
            Expectation::ConsentDenied => assert!(!consents.is_empty() && !permits_recipient),
            Expectation::NoRoute => assert!(recipient == UNROUTABLE_ODS && permits_recipient),
            _ => assert!(permits_recipient),
        }
        assert_eq!(prohibited, referral.expectation == Expectation::ContactProhibited);
    }
}

#[test]
fn decimals_are_in_the_text_as_measured() {
    let mut trailing_zero = false;
    for n in 0..100 {
        let referral = generator(2).referral(n);
        let text = referral.bundle_text();
        for digits in referral.decimals() {
            assert!(text.contains(&format!(":{digits}")), "{digits}");
            trailing_zero |= digits.ends_with("50");
        }
        let parsed: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed, referral.bundle, "text and value say the same");
    }
    assert!(trailing_zero, "some decimal would lose a digit as a float");
}

#[test]
fn every_reference_is_inside_the_bundle_and_entries_come_in_any_order() {
    let mut first_kinds = BTreeSet::new();
    for n in 0..100 {
        let referral = generator(3).referral(n);
        let entries = referral.bundle["entry"].as_array().unwrap();
        let urls: BTreeSet<&str> = entries.iter().filter_map(|entry| entry["fullUrl"].as_str()).collect();
        assert_eq!(urls.len(), entries.len());
        let text = referral.bundle_text();
        for part in text.split("\"reference\":\"").skip(1) {
            let target = part.split('"').next().unwrap();
            assert!(urls.contains(target), "{target}");
        }
        first_kinds.insert(entries[0]["resource"]["resourceType"].to_string());
    }
    assert!(first_kinds.len() > 3, "{first_kinds:?}");
}

#[test]
fn names_and_notes_come_in_several_scripts() {
    let text: String = (0..100).map(|n| generator(4).referral(n).bundle_text()).collect();
    for range in ['\u{600}'..='\u{6ff}', '\u{4e00}'..='\u{9fff}', '\u{141}'..='\u{142}', '\u{f4}'..='\u{f4}'] {
        assert!(text.chars().any(|letter| range.contains(&letter)), "{range:?}");
    }
}
