//! Files as organisations write them, and as nobody should.

use super::*;
use crate::DESCRIPTOR;
use proptest::prelude::*;

const ONE: &str = "0b0f7c52-6c1e-4d0c-9a55-3f1f5ac0a001";
const TWO: &str = "0b0f7c52-6c1e-4d0c-9a55-3f1f5ac0a002";

fn config(totals_required: bool) -> Config {
    Config { repeat: adapter_contract::Repeat::LookUpFirst, bom: false, totals_required, problem_files: true }
}

fn results(content: impl AsRef<[u8]>) -> Results {
    read(content.as_ref(), &DESCRIPTOR.statuses, &config(false))
}

/// Lines and beginnings of the problems.
fn problems(content: impl AsRef<[u8]>) -> Vec<(u64, &'static str)> {
    results(content).problems.into_iter().map(|problem| (problem.line, problem.words)).collect()
}

#[test]
fn rows_become_statements() {
    let read = results(format!(
        "ref,status,reason,date,outcome\r\n{ONE},Accepted,,30/11/2026,\r\n{TWO},completed,\"Done, well\",2026-12-01,Food parcel\r\nTOTAL,2\r\n"
    ));
    assert_eq!(read.problems, []);
    let [one, two] = read.reports.as_slice() else { panic!("two statements: {read:?}") };
    assert_eq!(
        (one.platform_referral.0.as_str(), one.status, one.business_status.as_str()),
        (ONE, Some(TaskStatus::Accepted), "accepted")
    );
    assert_eq!((one.order.instant.as_deref(), one.reason.as_deref(), one.outputs.len()), (Some("2026-11-30"), None, 0));
    assert_eq!((two.status, two.reason.as_deref()), (Some(TaskStatus::Completed), Some("Done, well")));
    assert_eq!(
        two.outputs[0].value,
        OutputValue::Concept(Concept { text: Some("Food parcel".to_owned()), ..Concept::default() })
    );
}

#[test]
fn every_word_of_the_table_is_read_however_it_is_written() {
    for row in &DESCRIPTOR.statuses {
        for word in [row.platform.clone(), row.platform.to_uppercase(), format!("  {}. ", row.platform)] {
            let read = results(format!("ref,status,date\n{ONE},\"{word}\",2026-11-30\n"));
            let report = &read.reports[0];
            assert_eq!((report.status, &report.business_status), (row.status, &row.business_status), "{word}");
            assert_eq!(report.platform_status.code.as_deref(), Some(row.platform.as_str()));
        }
    }
    let mut words: Vec<String> = DESCRIPTOR.statuses.iter().map(|row| plain(&row.platform)).collect();
    words.sort();
    let all = words.len();
    words.dedup();
    assert_eq!(words.len(), all, "no two rows are one word");
}

#[test]
fn an_unknown_word_is_kept_and_moves_nothing() {
    let read = results(format!("ref,status,date\n{ONE},Gone fishing,2026-11-30\n"));
    let report = &read.reports[0];
    assert_eq!(
        (report.status, report.business_status.as_str(), report.platform_status.code.as_deref()),
        (None, "unmapped", Some("Gone fishing"))
    );
}

#[test]
fn good_rows_count_beside_bad_ones() {
    let long = "x".repeat(2_001);
    let file = format!(
        "Status;Ref;Date;Comments\n\
         accepted;{ONE};30/11/2026;\n\
         accepted;12345;30/11/2026;\n\
         ;{ONE};30/11/2026;\n\
         accepted;{ONE};soon;\n\
         {long};{ONE};30/11/2026;\n\
         accepted;{ONE};30/11/2026;{long}\n\
         rejected;{TWO};01/12/2026;Full\n"
    );
    assert_eq!(results(&file).reports.len(), 2);
    let found = problems(&file);
    assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
    for (index, words) in ["`ref`", "`status` is empty", "`date`", "a word or a few", "2,000"].into_iter().enumerate() {
        assert!(found[index].1.contains(words), "{words}: {found:?}");
    }
}

#[test]
fn the_lines_are_those_of_the_file() {
    let file = format!(
        "sep=;\nref;status;date;reason\n\n{ONE};accepted;2026-11-30;\"two\nlines\"\nodd;accepted;2026-11-30;\n"
    );
    for file in [file.clone(), file.replace('\n', "\r\n")] {
        assert_eq!(problems(&file).iter().map(|(line, _)| *line).collect::<Vec<_>>(), [6]);
    }
    assert_eq!(results(&file).reports[0].reason.as_deref(), Some("two\nlines"));
}

#[test]
fn encodings_of_spreadsheets_are_read() {
    let text = format!("ref,status,date,reason\r\n{ONE},rejected,2026-11-30,Caf\u{e9} closed \u{2013} sorry\r\n");
    let reason = |bytes: &[u8]| results(bytes).reports[0].reason.clone();
    let said = Some("Caf\u{e9} closed \u{2013} sorry".to_owned());
    assert_eq!(reason(text.as_bytes()), said);
    assert_eq!(reason(&[b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat()), said);
    let windows: Vec<u8> = text
        .chars()
        .map(|each| match each {
            '\u{e9}' => 0xe9,
            '\u{2013}' => 0x96,
            other => u8::try_from(u32::from(other)).unwrap(),
        })
        .collect();
    assert_eq!(reason(&windows), said);
    let wide: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(reason(&wide), said);
    let tabs = text.replace(',', "\t");
    assert_eq!(reason(tabs.as_bytes()), said);
}

#[test]
fn what_is_no_table_is_refused_as_a_whole() {
    for (file, words) in [
        (b"".as_slice(), "empty"),
        (b"PK\x03\x04rest", "workbook"),
        (b"ref,status,date\0", "no text"),
        (b"Dear all,\nwe accept.\n", "no column `ref`"),
        (b"ref,reference,status,date\n", "Two columns"),
    ] {
        let read = results(file);
        assert!(
            read.reports.is_empty() && read.problems.len() == 1 && read.problems[0].words.contains(words),
            "{read:?}"
        );
    }
}

#[test]
fn a_totals_row_that_does_not_add_up_makes_the_file_unbelievable() {
    let rows = format!("ref,status,date\n{ONE},accepted,2026-11-30\n");
    assert_eq!(results(format!("{rows}total,1,\n")).reports.len(), 1);
    for (end, words) in
        [("TOTAL,2,\n", "another number"), ("TOTAL,,\n", "another number"), ("TOTAL,one,\n", "another number")]
    {
        let read = results(format!("{rows}{end}"));
        assert!(read.reports.is_empty() && read.problems[0].words.contains(words), "{end}");
    }
    let behind = results(format!("{rows}TOTAL,1,\n{TWO},accepted,2026-11-30\n"));
    assert!(behind.reports.is_empty() && behind.problems[0].line == 4);
    // A row that cannot be read is a row.
    let counted = results(format!("{rows}odd,accepted,2026-11-30\nTOTAL,2,\n"));
    assert_eq!((counted.reports.len(), counted.problems.len()), (1, 1));
    let cut = read(rows.as_bytes(), &DESCRIPTOR.statuses, &config(true));
    assert!(cut.reports.is_empty() && cut.problems[0].words.contains("cut off"));
    assert_eq!(read(format!("{rows}TOTAL,1\n").as_bytes(), &DESCRIPTOR.statuses, &config(true)).reports.len(), 1);
}

#[test]
fn the_same_row_is_the_same_statement_and_another_is_another() {
    let event = |row: &str| results(format!("ref,status,date,reason\n{row}\n")).reports[0].event.clone();
    let one = event(&format!("{ONE},accepted,30/11/2026,"));
    assert_eq!(one, event(&format!("{},ACCEPTED,2026-11-30,", ONE.to_uppercase())), "however it is written");
    assert_eq!(one, event(&format!("{ONE}.csv,accepted,2026-11-30,")));
    for other in [
        format!("{TWO},accepted,2026-11-30,"),
        format!("{ONE},received,2026-11-30,"),
        format!("{ONE},accepted,2026-12-01,"),
        format!("{ONE},accepted,2026-11-30,x"),
    ] {
        assert_ne!(one, event(&other), "{other}");
    }
    assert!(one < event(&format!("{ONE},completed,2026-11-30,")), "of one day the later stage comes last");
}

#[test]
fn a_guard_against_formulas_is_taken_off() {
    let read = results(format!("ref,status,date,reason\n{ONE},rejected,2026-11-30,'-5 places left\n"));
    assert_eq!(read.reports[0].reason.as_deref(), Some("-5 places left"));
    let read = results(format!("ref,status,date,reason\n{ONE},rejected,2026-11-30,'quoted'\n"));
    assert_eq!(read.reports[0].reason.as_deref(), Some("'quoted'"));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let read = results(&bytes);
        prop_assert!(read.reports.len() + read.problems.len() <= 600);
    }

    #[test]
    fn nothing_behind_a_good_header_makes_it_panic(rest in "(?s).{0,300}", required in any::<bool>()) {
        let file = format!("ref,status,date,reason,outcome\n{rest}");
        let read = read(file.as_bytes(), &DESCRIPTOR.statuses, &config(required));
        prop_assert!(read.reports.iter().all(|report| Uuid::try_parse(&report.platform_referral.0).is_ok()));
    }

    #[test]
    fn what_is_cut_off_is_never_believed_where_totals_are_required(cut in 0_usize..120) {
        let whole = format!("ref,status,date\n{ONE},accepted,2026-11-30\n{TWO},accepted,2026-11-30\nTOTAL,2,\n");
        let part = &whole.as_bytes()[..cut.min(whole.len() - 5)];
        prop_assert!(read(part, &DESCRIPTOR.statuses, &config(true)).reports.is_empty());
    }
}
