//! What a PDF promises: the same for the same, another for another, and nothing of it is left out.

use super::*;
use crate::page::Section;
use adapter_contract::MinimisedReferral;

fn shown(name: &str) -> Shown {
    let path = format!("{}/fixtures/referrals/{name}.json", env!("CARGO_MANIFEST_DIR"));
    Shown::read(&MinimisedReferral::new(std::fs::read_to_string(path).unwrap())).unwrap()
}

fn with(text: &str) -> Result<Vec<u8>, TranslateError> {
    let mut shown = shown("plain");
    shown.sections = vec![Section { heading: "Heading", lines: vec![(Said::ours("Name"), Said::ours(text))] }];
    make(&shown, "Referral 0B0F-7C52", "key")
}

/// Pages that the document counts.
fn pages(pdf: &[u8]) -> String {
    let text = String::from_utf8_lossy(pdf);
    let (_, rest) = text.split_once("/Type/Pages/Count ").unwrap();
    rest.chars().take_while(char::is_ascii_digit).collect()
}

#[test]
fn the_same_gives_the_same_and_another_gives_another() {
    let one = shown("full");
    let make = |title: &str, key: &str| make(&one, title, key).unwrap();
    let pdf = make("Referral 0B0F-7C52", "key");
    assert!(pdf.starts_with(b"%PDF-1."));
    assert_eq!(pdf, make("Referral 0B0F-7C52", "key"));
    assert_ne!(pdf, make("Referral 0B0F-7C53", "key"));
    assert_ne!(pdf, make("Referral 0B0F-7C52", "other"));
    assert_ne!(with("Yes.").unwrap(), with("No.").unwrap());
}

#[test]
fn title_and_language_are_said() {
    let pdf = with("Yes.").unwrap();
    let text = String::from_utf8_lossy(&pdf);
    for wanted in ["Referral 0B0F-7C52", "en-GB", "/MarkInfo", "/StructTreeRoot", "/Outlines", "pdfuaid:part"] {
        assert!(text.contains(wanted), "{wanted}");
    }
}

#[test]
fn what_cannot_be_shown_is_named_and_refused() {
    let error = with("محمد").unwrap_err();
    assert!(error.path == "ServiceRequest" && !error.unsafe_to_send && !error.reason.contains("محمد"), "{error:?}");
    let error = make(&shown("arabic"), "Referral", "key").unwrap_err();
    assert_eq!(error.path, "Patient.name.text");
    let mut warned = shown("plain");
    warned.warnings = vec![Said::ours("🙂")];
    assert!(make(&warned, "Referral", "key").is_err());
}

#[test]
fn long_text_goes_on_over_pages() {
    let short = with("A line.").unwrap();
    let long = with(&"A line of a long note.\n".repeat(200)).unwrap();
    assert_eq!((pages(&short).as_str(), pages(&long).as_str()), ("1", "5"));
}
