//! Replies as mail programs make them.

use super::*;

#[test]
fn what_stands_above_a_quote_is_taken() {
    for quote in [
        "> there is a new referral",
        "On Sun, 22 Nov 2026 at 09:00, Example <a@b.example> wrote:\n> Hello",
        "On Sun, 22 Nov 2026 at 09:00,\nExample of a long name\n<a@b.example> wrote:\n\nHello",
        "Ar Sul, 22 Tach 2026 am 09:00, ysgrifennodd Example:\n> Helo",
        "Am So., 22. Nov. 2026 um 09:00 Uhr schrieb Example <a@b.example>:\n> Hallo",
        "Le dim. 22 nov. 2026 à 09:00, Example <a@b.example> a écrit :\n> Bonjour",
        "-----Original Message-----\nFrom: Example",
        "________________________________\nFrom: Example\nSent: now\nTo: us",
        "From: Example\nSent: now\nTo: us\nSubject: New referral\n\nHello",
        "*From:* Example\n*Date:* now\n*Subject:* New referral\n\nHello",
        "---------- Forwarded message ---------\nFrom: Example",
        "Begin forwarded message:\n\nFrom: Example",
        "-- \nAnn Helper\n0113 496 0123",
    ] {
        assert_eq!(without(&format!("\nYes, gladly.\n\nAnn\n\n{quote}\n")), "Yes, gladly.\n\nAnn", "{quote}");
    }
}

#[test]
fn what_is_no_quote_stays() {
    for text in [
        "On Tuesday we are closed.\n\nWhat she wrote: nothing.",
        "On the whole:\nshe is well.",
        "From: my point of view\nthis is fine.",
        "From: the office\nDate: unknown",
        "___ short line",
        "a > b",
        "-- not a signature",
        "Am Ende:\nalles gut.",
    ] {
        assert_eq!(without(text), text);
    }
}

#[test]
fn answers_below_and_between_are_taken_if_nothing_stands_above() {
    let attribution = "On Sun, 22 Nov 2026, Example wrote:\n";
    assert_eq!(without(&format!("{attribution}> Hello\n\nYes.\n")), "Yes.");
    assert_eq!(without(&format!("{attribution}Yes.\n> Hello\n")), "Yes.");
    assert_eq!(without("> Is she well?\nYes.\n> Does she walk?\nNo.\n"), "Yes.\nNo.");
    assert_eq!(without(&format!("{attribution}> Hello\n> there\n")), "");
    // All of it is somebody else's, and nothing marks where it would end.
    assert_eq!(without("-----Original Message-----\nFrom: Example\nHello\n"), "");
    assert_eq!(without(""), "");
}
