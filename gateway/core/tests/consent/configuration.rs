//! What a tenant configures: code lists, and a policy that is empty until then.

use gateway_core::consent::{CodeListFault, Policy, WithheldCodes};

#[test]
fn a_code_list_is_read_or_refused_with_its_line() {
    let list =
        "# from our licensed release\n\ntermination\thttp://snomed.info/sct\t111\ngender-reassignment\turn:x\t222\n";
    let codes = WithheldCodes::read(list).unwrap();
    assert!(codes.holds("http://snomed.info/sct", "111") && codes.holds("urn:x", "222"));
    assert!(codes.holds("", "111"), "a code without system may be of any");
    assert!(!codes.holds("urn:x", "111") && !codes.holds("", "333"));
    for (list, line) in [
        ("termination\turn:x", 1),
        ("termination\turn:x\t1\nabortion\turn:x\t1", 2),
        ("termination\turn:x\t1\textra", 1),
        ("\ntermination\turn:x\t", 2),
        ("termination\t\t1", 1),
    ] {
        let faults = WithheldCodes::read(list).unwrap_err();
        assert_eq!(faults, [CodeListFault { line }], "{list}");
        let words = faults[0].to_string();
        assert!(words.contains(&format!("line {line} ")) && !words.contains("abortion"));
    }
    let all = WithheldCodes::read("one\ntermination\turn:x\t1\n\ntwo\t\t").unwrap_err();
    assert_eq!(all, [CodeListFault { line: 1 }, CodeListFault { line: 4 }], "all are told at once");
    assert!(!codes.is_empty() && WithheldCodes::default().is_empty());
}

#[test]
fn the_four_groups_are_known_and_empty() {
    let groups: Vec<(&str, &str)> = WithheldCodes::groups().collect();
    let names: Vec<&str> = groups.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        ["assisted-fertilisation", "sexually-transmitted-infection", "termination", "gender-reassignment"]
    );
    assert!(groups.iter().all(|(_, title)| !title.is_empty()));
    assert_eq!(Policy::default().withheld, WithheldCodes::read("").unwrap());
}
