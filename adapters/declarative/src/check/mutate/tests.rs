//! Mutants of the template: breaking and mending leaves the program as it was, and what nobody notices is named.

use super::super::case::{self, Asks};
use super::*;
use crate::folder::Folder;
use crate::load::{Parts, parts};
use crate::template::Template;

fn folder() -> Folder {
    let files = Template::named("example-platform").unwrap();
    let files: Vec<_> = files.files().map(|(file, bytes)| (file.to_owned(), bytes.to_vec())).collect();
    Folder::new("example-platform", files)
}

#[test]
fn breaking_and_mending_leaves_everything_as_it_was() {
    let Parts { mut program, mut descriptor, .. } = parts(&folder()).unwrap();
    let (before, declared) = (format!("{program:?}"), descriptor.clone());
    let mut seen = BTreeSet::new();
    for mut mutant in mutants(&mut program, &descriptor) {
        assert!(seen.insert((mutant.target.clone(), mutant.words.clone())), "{}: {}", mutant.target, mutant.words);
        flip(&mut program, &mut descriptor, &mut mutant.kind);
        // A code map is not printed in an order of its own.
        let changed =
            matches!(mutant.kind, Kind::Code(_)) || format!("{program:?}") != before || descriptor != declared;
        assert!(changed, "{}: {} changes nothing", mutant.target, mutant.words);
        flip(&mut program, &mut descriptor, &mut mutant.kind);
        assert_eq!(descriptor, declared, "{}: {}", mutant.target, mutant.words);
        if !matches!(mutant.kind, Kind::Code(_)) {
            assert_eq!(format!("{program:?}"), before, "{}: {}", mutant.target, mutant.words);
        }
    }
    assert!(seen.len() > 140, "{}", seen.len());
}

#[test]
fn each_kind_of_rule_is_broken_in_some_way() {
    let Parts { mut program, descriptor, .. } = parts(&folder()).unwrap();
    let all: Vec<(String, String)> =
        mutants(&mut program, &descriptor).into_iter().map(|mutant| (mutant.target, mutant.words)).collect();
    for (target, words) in [
        ("variables.phone", "gives nothing"),
        ("settings.team", "`required` dropped"),
        ("refuse[0]", "condition never holds"),
        ("refuse[0]", "`unsafe` changed"),
        ("accepted-losses", "Task.priority not accepted"),
        ("submit.create.request", "method changed"),
        ("submit.create.request", "`repeat` changed"),
        ("submit.create.request.path[0]", "part changed"),
        ("submit.create.body.content-type", "words changed"),
        ("submit.create.body.reference", "left out"),
        ("submit.create.body.person.name(choice 1)", "condition always holds"),
        ("submit.create.body.person.name(choice 2)", "`required` dropped"),
        ("submit.create.body.person.born", "date pattern changed"),
        ("submit.create.body.person.born", "partial dates treated otherwise"),
        ("submit.create.body.person.phone", "max-length 20 -> 21"),
        ("submit.create.body.person.phone", "cut, not refused"),
        ("submit.create.body.urgency", "code map dropped"),
        ("submit.create.body.urgency", "unmapped codes treated otherwise"),
        ("submit.create.body.urgency", "default changed"),
        ("submit.create.body.help", "separator changed"),
        ("submit.create.body.help", "marker changed"),
        ("submit.create.body.help.lines[1]", "label dropped"),
        ("submit.create.body.help.lines[1]", "`join` changed"),
        ("submit.create.answer.outcomes[0]", "taken for absent"),
        ("submit.create.answer.outcomes[0].platform-referral", "gives nothing"),
        ("submit.create.answer.outcomes[1]", "another failure"),
        ("look-up.find.answer.outcomes[1]", "taken for a failure"),
        ("poll.changes.answer.outcomes[0].cursor.next", "gives nothing"),
        ("poll.changes.answer.outcomes[0].more", "condition always holds"),
        ("read.read.answer.outcomes[0].reports.reason", "gives nothing"),
        ("concept-maps.urgency", "row asap leads elsewhere"),
        ("concept-maps.urgency", "row stat removed"),
        ("statuses.new", "status changed"),
        ("statuses.helped", "row removed"),
    ] {
        let there = all.iter().any(|(one, other)| one == target && other == words);
        assert!(there, "{target}: {words} is not among {all:#?}");
    }
}

#[test]
fn survivors_are_named_and_declarations_are_held_to_the_truth() {
    let folder = folder();
    let Parts { mut program, mut descriptor, .. } = parts(&folder).unwrap();
    let cases: Vec<Case> = case::read_all(&folder).unwrap();
    let without: Vec<Case> = cases.into_iter().filter(|case| case.asks != Asks::Cancel).collect();
    let declare = |target: &str, change: &str, line| EquivalentMutant {
        target: target.to_owned(),
        change: change.to_owned(),
        line,
    };
    let declared = [
        declare("cancel.withdraw.request", "method changed", 1),
        declare("submit.create.body.team", "left out", 2),
        declare("submit.create.body.teem", "left out", 3),
    ];
    let score = score(&mut program, &mut descriptor, &without, &declared);
    assert_eq!(score.equivalent, 1);
    let stale: Vec<(u32, &str)> = score.stale.iter().map(|(line, words)| (*line, words.as_str())).collect();
    assert_eq!(stale.len(), 2);
    assert!(stale[0].0 == 2 && stale[0].1.contains("a fixture notices"), "{stale:?}");
    assert!(stale[1].0 == 3 && stale[1].1.contains("no such mutant"), "{stale:?}");
    assert_eq!(score.mutants, score.noticed + score.survivors.len());
    let of_cancel = |one: &&Survivor| one.target.starts_with("cancel.");
    assert!(score.survivors.iter().filter(of_cancel).count() >= 5, "{:#?}", score.survivors);
    assert!(score.survivors.iter().all(|one| of_cancel(&one)), "{:#?}", score.survivors);
}
