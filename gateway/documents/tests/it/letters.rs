//! The letter as readers of PDF other than its maker see it.

use crate::people::{PDF_ID, letter};
use gateway_documents::letter::{Letter, Points, Reading, Section};
use gateway_documents::pdf::{self, Overflow, Pdf, PdfFault};
use lopdf::{Dictionary, Document, Object};
use proptest::prelude::*;
use std::process::Command;

fn made(letter: &Letter) -> Pdf {
    pdf::make(letter, PDF_ID, Overflow::Shorten).unwrap()
}

fn opened(pdf: &Pdf) -> Document {
    Document::load_mem(&pdf.bytes).unwrap()
}

/// The text of the only page, without blanks: where a line ends is no part of it.
fn text(pdf: &Pdf) -> String {
    let document = opened(pdf);
    assert_eq!(document.get_pages().len(), 1, "one page");
    bare(&document.extract_text(&[1]).unwrap())
}

fn bare(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}

fn inside<'a>(document: &'a Document, dictionary: &'a Dictionary, key: &[u8]) -> Option<&'a Object> {
    let object = dictionary.get(key).ok()?;
    document.dereference(object).ok().map(|(_, object)| object)
}

/// What the parts of the document are, in reading order.
fn roles(document: &Document) -> Vec<String> {
    fn walk(document: &Document, object: &Object, found: &mut Vec<String>) {
        let Ok((_, object)) = document.dereference(object) else { return };
        match object {
            Object::Array(objects) => objects.iter().for_each(|object| walk(document, object, found)),
            Object::Dictionary(dictionary) => {
                if let Some(Object::Name(role)) = inside(document, dictionary, b"S") {
                    found.push(String::from_utf8_lossy(role).into_owned());
                }
                if let Some(within) = inside(document, dictionary, b"K") {
                    walk(document, within, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(document, inside(document, document.catalog().unwrap(), b"StructTreeRoot").unwrap(), &mut found);
    found
}

#[test]
fn everything_that_the_letter_must_have_is_in_it() {
    let pdf = made(&letter());
    assert!(pdf.shortened.is_empty());
    let text = text(&pdf);
    // GPCM-SD-090 and -091, then what the letter tells.
    let told = [
        "Outcome of a social prescribing referral",
        "Version 1. Written by Sam Example, link worker on 23 November 2026.",
        "Page 1 of 1",
        "Name: Ms Ada Zoe O'Canary-Smythe",
        "Date of birth: 9 January 1955",
        "NHS number: 999 000 0018",
        "From: Example Valley Social Prescribing (ODS code A1B2C), telephone 01632 960123",
        "To: The Example Surgery (ODS code A81001)",
        "Referral: 28 May 2026, reference SP-2026-0417",
        "Date and time of this outcome: 20 November 2026 at 14:30",
        "Please record that the person used the service.",
        "Goes to the walking group every week and has met two people there. The referral is closed.",
        "Lives alone since March",
        "Helped to claim a bus pass.",
        "Satisfied with life (ONS4): 3 before (4 June 2026), 7 after (20 November 2026). Scale 0 to 10, higher is better.",
        "Anxious yesterday (ONS4): 8 before (4 June 2026), not measured after. Scale 0 to 10, lower is better.",
    ];
    for line in told {
        assert!(text.contains(&bare(line)), "{line}\nis not in\n{text}");
    }
    assert!(!text.contains("Shortened"));
}

#[test]
fn a_screen_reader_finds_title_language_and_headings() {
    let document = opened(&made(&letter()));
    let catalog = document.catalog().unwrap();
    let language = inside(&document, catalog, b"Lang").and_then(|object| object.as_str().ok());
    assert_eq!(language, Some(&b"en-GB"[..]));
    let marks = inside(&document, catalog, b"MarkInfo").and_then(|object| object.as_dict().ok()).unwrap();
    assert!(inside(&document, marks, b"Marked").and_then(|object| object.as_bool().ok()).unwrap());
    let shown = inside(&document, catalog, b"ViewerPreferences").and_then(|object| object.as_dict().ok()).unwrap();
    assert!(inside(&document, shown, b"DisplayDocTitle").and_then(|object| object.as_bool().ok()).unwrap());
    assert!(inside(&document, catalog, b"Outlines").is_some());
    let metadata = inside(&document, catalog, b"Metadata").and_then(|object| object.as_stream().ok()).unwrap();
    let metadata = String::from_utf8(metadata.get_plain_content().unwrap()).unwrap();
    let metadata: String = metadata.split_whitespace().collect();
    assert!(metadata.contains("<pdfuaid:part>1</pdfuaid:part>"), "{metadata}");
    assert!(metadata.contains("Outcomeofasocialprescribingreferral"), "{metadata}");

    let roles: Vec<String> = roles(&document).into_iter().filter(|role| role != "Document").collect();
    assert_eq!(roles.first().map(String::as_str), Some("H1"), "{roles:?}");
    assert_eq!(roles.iter().filter(|role| *role == "H1").count(), 1);
    assert_eq!(roles.iter().filter(|role| *role == "H2").count(), 7, "{roles:?}");
    assert_eq!(roles.iter().filter(|role| *role == "L").count(), 3, "requests, what was done, scores: {roles:?}");
    for role in ["LI", "Lbl", "LBody"] {
        assert_eq!(roles.iter().filter(|found| *found == role).count(), 8, "{role}: {roles:?}");
    }
}

#[test]
fn the_same_letter_is_the_same_file() {
    assert_eq!(made(&letter()).bytes, made(&letter()).bytes);
    let mut other = letter();
    other.outcome.push_str(" And more.");
    assert_ne!(made(&letter()).bytes, made(&other).bytes);
}

#[test]
fn a_letter_that_asks_for_nothing_says_so() {
    let mut letter = letter();
    letter.requests.clear();
    letter.scores.clear();
    let text = text(&made(&letter));
    assert!(text.contains(&bare("Nothing. This letter is for your information.")));
    assert!(!text.contains(&bare("Scores before and after")));
}

#[test]
fn what_does_not_fit_is_shortened_and_the_reader_is_told_where() {
    let mut letter = letter();
    letter.need = (1..=900).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
    let pdf = made(&letter);
    let [shortened] = pdf.shortened.as_slice() else { panic!("{:?}", pdf.shortened) };
    assert_eq!((shortened.section, shortened.of), (Section::Need, 900));
    let text = text(&pdf);
    let notice = format!("Shortened to fit one page: {} of 900 words are shown here.", shortened.shown);
    assert!(text.contains(&bare(&notice)), "{text}");
    let warning = "Important: This letter was shortened to fit one page. Each part that is not complete says so. For the rest ask \
                   Example Valley Social Prescribing, telephone 01632 960123.";
    assert!(text.find(&bare(warning)).unwrap() < text.find(&bare("About the person")).unwrap());
    let shown = (1..=900).filter(|number| text.contains(&format!("word{number}"))).count();
    assert_eq!(shown, shortened.shown, "the notice tells what is shown");
    assert!(shown > 70, "{shown}: the page is used");
    // What must not be shortened is whole.
    assert!(text.contains(&bare("Please record that the person used the service.")));
    assert!(text.contains(&bare("Date and time of this outcome: 20 November 2026 at 14:30")));

    assert_eq!(pdf::make(&letter, PDF_ID, Overflow::Refuse), Err(PdfFault::TooMuch));
}

#[test]
fn what_is_asked_is_never_shortened() {
    let mut letter = letter();
    letter.requests = vec!["Please look into this. ".repeat(300)];
    assert_eq!(pdf::make(&letter, PDF_ID, Overflow::Shorten), Err(PdfFault::TooMuch));
    letter.requests = vec!["x".to_owned(); 101];
    assert_eq!(pdf::make(&letter, PDF_ID, Overflow::Shorten), Err(PdfFault::TooLong { section: Section::Requests }));
    letter.author.role = Some("x".repeat(301));
    assert_eq!(pdf::make(&letter, PDF_ID, Overflow::Shorten), Err(PdfFault::TooLong { section: Section::Head }));
    letter.author.role = None;
    letter.requests = vec!["x".repeat(20_001)];
    assert_eq!(pdf::make(&letter, PDF_ID, Overflow::Shorten), Err(PdfFault::TooLong { section: Section::Requests }));
}

#[test]
fn a_character_that_the_font_lacks_is_an_error_that_says_where() {
    for (text, code_point) in [("well 🙂", 0x1f642), ("سلام", 0x633), ("ok\u{202e}", 0x202e), ("漢", 0x6f22)] {
        let mut letter = letter();
        letter.outcome = text.to_owned();
        let fault = PdfFault::Character { section: Section::Outcome, code_point };
        assert_eq!(pdf::make(&letter, PDF_ID, Overflow::Shorten), Err(fault.clone()), "{text}");
        assert!(fault.to_string().contains("\"Outcome\" has the character U+"), "{fault}");
    }
    let mut letter = letter();
    letter.patient.name.family = "Żółć Ó Briain-Łukasz".to_owned();
    assert!(text(&made(&letter)).contains(&bare("Żółć Ó Briain-Łukasz")));
}

#[test]
fn a_letter_that_lacks_something_is_refused() {
    type Spoil = fn(&mut Letter);
    let cases: [(Spoil, PdfFault); 6] = [
        (|letter| letter.need = "  ".to_owned(), PdfFault::Missing { section: Section::Need }),
        (|letter| letter.outcome.clear(), PdfFault::Missing { section: Section::Outcome }),
        (|letter| letter.done.clear(), PdfFault::Missing { section: Section::Done }),
        (|letter| letter.requests.push(String::new()), PdfFault::Missing { section: Section::Requests }),
        (|letter| letter.practice.name.clear(), PdfFault::Missing { section: Section::Parties }),
        (
            |letter| letter.scores[0].after = Some(Reading { points: Points::whole(11), on: letter.written_at.date() }),
            PdfFault::OffScale,
        ),
    ];
    for (spoil, fault) in cases {
        let mut letter = letter();
        spoil(&mut letter);
        assert_eq!(pdf::make(&letter, PDF_ID, Overflow::Shorten), Err(fault));
    }
}

#[test]
fn no_debug_output_tells_of_the_person() {
    let pdf = made(&letter());
    let told = format!("{:?} {pdf:?}", letter());
    for canary in ["Canary", "999", "1955", "walking"] {
        assert!(!told.contains(canary), "{told}");
    }
}

/// Renders the page with Poppler, where it is installed, and has it read the text as well.
#[test]
#[expect(clippy::print_stderr, reason = "says where the picture is, or that there is none")]
fn poppler_draws_and_reads_the_page() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (file, picture) = (folder.join("outcome-letter.pdf"), folder.join("outcome-letter"));
    std::fs::write(&file, made(&letter()).bytes).unwrap();
    let draw = Command::new("pdftoppm").args(["-png", "-r", "80", "-singlefile"]).arg(&file).arg(&picture).output();
    let Ok(draw) = draw else {
        let missing = "no pdftoppm (Debian: poppler-utils), so the letter was drawn by nobody but its maker";
        assert!(std::env::var("POPPLER").as_deref() != Ok("required"), "{missing}");
        eprintln!("SKIPPED: {missing}");
        return;
    };
    assert!(draw.status.success(), "{}", String::from_utf8_lossy(&draw.stderr));
    assert!(draw.stderr.is_empty(), "{}", String::from_utf8_lossy(&draw.stderr));
    let picture = picture.with_extension("png");
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    eprintln!("The letter as Poppler draws it: {}", picture.display());

    let read = Command::new("pdftotext").arg(&file).arg("-").output().unwrap();
    let read = bare(&String::from_utf8(read.stdout).unwrap());
    for line in ["NHS number: 999 000 0018", "Goes to the walking group every week", "Scale 0 to 10, lower is better."]
    {
        assert!(read.contains(&bare(line)), "{line}: {read}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is written: one page that has every word, or one that says how many words it has not, or an error.
    #[test]
    fn nothing_is_lost_silently(
        need in "[a-zé]{1,9}( [a-zé]{1,9}){0,300}",
        outcome in "[a-zé]{1,9}( [a-zé]{1,9}){0,300}",
        done in proptest::collection::vec("[a-z]{1,9}( [a-z]{1,9}){0,60}", 1..8),
    ) {
        let mut letter = letter();
        (letter.need, letter.outcome, letter.done) = (need, outcome, done);
        let pdf = pdf::make(&letter, PDF_ID, Overflow::Shorten);
        let Ok(pdf) = pdf else {
            prop_assert_eq!(pdf, Err(PdfFault::TooMuch));
            return Ok(());
        };
        let text = text(&pdf);
        let done = letter.done.join(" ");
        for (section, whole) in [(Section::Need, &letter.need), (Section::Outcome, &letter.outcome), (Section::Done, &done)] {
            match pdf.shortened.iter().find(|cut| cut.section == section) {
                None => for part in whole.split(' ') { prop_assert!(text.contains(part)); },
                Some(cut) => {
                    let notice = format!("Shortenedtofitonepage:{}of{}words", cut.shown, whole.split(' ').count());
                    prop_assert!(text.contains(&notice), "{}", notice);
                }
            }
        }
    }
}
