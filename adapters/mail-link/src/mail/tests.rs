//! Mails that nobody should write, and where a mail's parts end.

use super::*;
use proptest::prelude::*;
use std::path::Path;

const KEY: &str = "0b0f7c52-6c1e-4d0c-9a55-3f1f5ac0a001";

fn reason(mail: &str) -> Option<String> {
    match read(mail.as_bytes()) {
        Ok(readings) => readings.into_iter().next().and_then(|reading| match reading {
            Reading::Status(report) => report.reason,
            Reading::Changed(_) => None,
        }),
        Err(error) => panic!("{error}"),
    }
}

fn head(more: &str) -> String {
    format!("From: a@charity.example\nTo: r+{KEY}@gateway.example\nMessage-ID: <1@charity.example>\n{more}")
}

/// Every mail among the fixtures.
fn fixtures() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let folders = std::fs::read_dir(root).unwrap();
    let mut paths: Vec<_> = folders.map(|entry| entry.unwrap().path().join("report.eml")).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

#[test]
fn mails_within_mails_are_bounded() {
    let deep = "Content-Type: message/rfc822\n\n".repeat(100_000);
    assert!(reason(&head(&deep)).is_some());
    // The same, hidden from whoever reads without decoding.
    use base64::Engine as _;
    let hidden = base64::engine::general_purpose::STANDARD.encode(&deep);
    let encoded = head(&format!(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nYes.\n--b\nContent-Type: message/rfc822\n\
         Content-Transfer-Encoding: base64\n\n{hidden}\n--b--\n"
    ));
    assert_eq!(reason(&encoded).as_deref(), Some("Yes.\n[The mail has attachments, which are not carried.]"));
    let digest = head(&format!("Content-Type: multipart/digest; boundary=b\n\n--b\n\n{deep}\n--b--\n"));
    assert!(reason(&digest).is_some());
}

#[test]
fn parts_within_parts_are_bounded() {
    let nested = |depth: usize| {
        let mut mail = head("");
        for level in 0..depth {
            mail.push_str(&format!("Content-Type: multipart/mixed; boundary=b{level}x\n\n--b{level}x\n"));
        }
        mail + "Content-Type: text/plain\n\nYes.\n"
    };
    assert_eq!(reason(&nested(8)).as_deref(), Some("Yes."));
    let more = "[The reply has no words of its own.]\n[The mail has more parts than are read.]";
    assert_eq!(reason(&nested(9)).as_deref(), Some(more));
    assert_eq!(reason(&nested(5_000)).as_deref(), Some(more));
    let many = |parts: usize| {
        head(&format!("Content-Type: multipart/mixed; boundary=b\n\n{}--b--\n", "--b\n\nx\n".repeat(parts)))
    };
    let words = |parts: usize| reason(&many(parts)).unwrap();
    assert!(!words(100).contains("more parts"));
    assert!(words(101).contains("more parts") && words(50_000).contains("more parts"));
}

/// What a mail says of its own characters may be wrong, unknown or nothing: it is read as well as it can be.
#[test]
fn odd_charsets_are_read_or_left() {
    let words = |charset: &str, encoding: &str, body: &[u8]| {
        let more = format!("Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n");
        let mail = [head(&more).as_bytes(), body].concat();
        match read(&mail).unwrap().pop() {
            Some(Reading::Status(report)) => report.reason.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    for charset in ["utf-8", "x-no-such", "\"\"", "=?utf-8?q?x?=", "utf-16", "utf-7", "iso-2022-jp", "gb18030"] {
        for encoding in ["8bit", "base64", "quoted-printable", "x-uuencode", "\u{fffd}"] {
            for body in [&b"Yes.\n"[..], b"\xff\xfe\xd8\x00", b"=", b"=ZZ=\n=", b"\x1b$B", b"+AAA", b"\0\0\0"] {
                assert!(!words(charset, encoding, body).is_empty(), "{charset} {encoding} {body:?}");
            }
        }
    }
    assert_eq!(words("x-no-such", "8bit", b"Yes.\n"), "Yes.");
    assert_eq!(words("utf-8", "8bit", b"Yes \xff.\n"), "Yes \u{fffd}.");
}

#[test]
fn long_heads_are_bounded() {
    let fields = "X-Long: y\n".repeat(100_000);
    assert_eq!(reason(&head(&format!("{fields}\nYes.\n"))).as_deref(), Some("Yes."));
    let folded = format!("X-Long: y\n{}", " y\n".repeat(200_000));
    assert_eq!(reason(&head(&format!("{folded}\nYes.\n"))).as_deref(), Some("Yes."));
    // What names the referral stands beyond what is looked at: nobody is told anything by it.
    let late = format!("From: a@charity.example\n{fields}To: r+{KEY}@gateway.example\n\nYes.\n");
    assert!(read(late.as_bytes()).is_err());
}

/// What a report of a delivery may look like besides.
#[test]
fn reports_are_known_by_their_parts() {
    let parts = |kind: &str, parts: &str| {
        let mail = format!("From: x@mx.example\nContent-Type: multipart/report; {kind}boundary=b\n\n{parts}\n--b--\n");
        read(mail.as_bytes()).map(|readings| readings.len())
    };
    let shown = "--b\nContent-Type: message/disposition-notification\n\nDisposition: displayed";
    assert_eq!(parts("", shown), Ok(0));
    let status =
        "--b\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: quoted-printable\n\nAction: fail=\ned";
    let ours = format!("--b\nContent-Type: message/rfc822\n\nMessage-ID: <{KEY}-submit@x>");
    assert_eq!(parts("report-type=delivery-status; ", &format!("{status}\n{ours}")), Ok(1));
    // A daemon that answers by itself, and speaks of nothing of ours.
    let daemon = "From: postmaster@mx.example\nAuto-Submitted: auto-replied\n\nWe have moved.\n";
    assert_eq!(read(daemon.as_bytes()).map(|readings| readings.len()), Ok(0));
}

#[test]
fn a_file_is_told_of_however_it_is_attached() {
    let picture = "--b\n\nYes.\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0K\n--b--\n";
    let mail = head(&format!("Content-Type: multipart/related; boundary=b\n\n{picture}"));
    assert_eq!(reason(&mail).as_deref(), Some("Yes.\n[The mail has attachments, which are not carried.]"));
}

/// Recipients, groups and reports in numbers.
#[test]
fn long_reports_are_bounded() {
    let report = |status: &str| {
        let kind = "Content-Type: multipart/report; report-type=delivery-status; boundary=b";
        let ours = format!("--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{KEY}-submit@x>\n--b--\n");
        format!("From: x@mx.example\n{kind}\n\n--b\nContent-Type: message/delivery-status\n\n{status}\n{ours}")
    };
    let said = |status: &str| read(report(status).as_bytes()).map(|readings| readings.len());
    let delayed = "Action: delayed\nStatus: 4.4.1\n\n";
    assert_eq!(said(&delayed.repeat(20_000)), Ok(0));
    // The gravest counts, wherever it stands.
    assert_eq!(said(&format!("{}Action: failed\nStatus: 5.1.1\n", delayed.repeat(20_000))), Ok(1));
    // By its code where the action is missing; by its action where they differ.
    for (status, readings) in [
        ("Status: 5.1.1", 1),
        ("Status: 4.1.1", 0),
        ("Status: 2.1.1", 0),
        ("Action: failed", 1),
        ("Action: FAILED (sorry)", 1),
        ("Action: failed\nStatus: 4.4.7", 1),
        ("Action: delayed\nStatus: 5.4.7", 0),
        ("Action: relayed\nStatus: 2.0.0", 0),
        ("Action: expanded\nStatus: 2.0.0", 0),
    ] {
        assert_eq!(said(status), Ok(readings), "{status}");
    }
    for unclear in
        ["", "Action: \n", "Status: five", "Status: 5", "Status: 5.1", "Status: 5.1.1.1", "Action: unheard-of"]
    {
        assert!(said(unclear).is_err(), "{unclear}");
    }
}

#[test]
fn a_machines_answer_is_known_and_a_persons_is_not_lost() {
    for (field, person) in [
        ("Auto-Submitted: auto-replied", false),
        ("Auto-Submitted: auto-generated; owner=x", false),
        ("Auto-Submitted: no", true),
        ("Auto-Submitted: No (really)", true),
        ("Precedence: auto_reply", false),
        ("Precedence: Auto-Reply", false),
        ("Precedence: junk", false),
        ("Precedence: bulk", true),
        ("X-Auto-Response-Suppress: All", false),
        ("X-Auto-Response-Suppress: DR, OOF", true),
        ("X-Autoreply: yes", false),
        ("X-Autorespond: x", false),
        ("X-Autoresponder: x", false),
        ("Subject: Automatic reply: x", false),
        ("Subject: Out of Office: x", false),
        ("Subject: Ateb awtomatig: x", false),
        ("Subject: Re: Out of office: x", true),
    ] {
        let said = read(head(&format!("{field}\n\nAway.\n")).as_bytes()).unwrap();
        assert_eq!(said.len(), usize::from(person), "{field}");
    }
}

#[test]
fn deep_markup_is_read_or_left() {
    for depth in [10, 50_000] {
        let html = format!("{}Yes.{}", "<div>".repeat(depth), "</div>".repeat(depth));
        let words = reason(&head(&format!("Content-Type: text/html\n\n{html}\n"))).unwrap();
        assert!(depth > 10 || words == "Yes.", "{words}");
    }
    let table = "<table><tr><td>".repeat(2_000);
    assert!(reason(&head(&format!("Content-Type: text/html\n\n{table}Yes.\n"))).is_some());
}

#[test]
fn nothing_of_a_page_is_run_or_shown_that_is_not_text() {
    let html = "<title>t</title><style>s{}</style><script>alert(1)</script><img src=x alt=''><a href=\"https://evil.example/x\">here</a>";
    let words = reason(&head(&format!("Content-Type: text/html\n\n{html}\n"))).unwrap();
    for gone in ["alert", "s{}", "evil", "src"] {
        assert!(!words.contains(gone), "{words}");
    }
    assert!(words.contains("here"));
}

#[test]
fn a_part_ends_where_its_boundary_stands() {
    let mail = head(
        "Content-Type: multipart/mixed; boundary=\"b\"\n\nPreamble\n--b\n\nOne\n--bc\n-- b\n--b  \n\nTwo\n--b--\n\nEpilogue\n",
    );
    assert_eq!(reason(&mail).as_deref(), Some("One\n--bc\n-- b\n\nTwo"));
    let open = head("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nOne\n");
    assert_eq!(reason(&open).as_deref(), Some("One"));
    let without = head("Content-Type: multipart/mixed\n\nOne\n");
    assert!(reason(&without).is_some());
}

#[test]
fn a_long_reply_is_cut_and_says_by_how_much() {
    let words = |length: usize| reason(&head(&format!("\n{}\n", "é".repeat(length)))).unwrap();
    assert_eq!(words(4_000), "é".repeat(4_000));
    assert_eq!(words(4_003), format!("{}\n[Cut: the reply has 3 more characters.]", "é".repeat(4_000)));
}

#[test]
fn a_key_counts_only_whole() {
    let other = KEY.replace("a001", "a002");
    for (to, known) in [
        (format!("r+{KEY}@gateway.example"), true),
        (format!("r+{}@gateway.example", KEY.to_uppercase()), true),
        (format!("Somebody <r+{KEY}-submit@gateway.example>"), true),
        (format!("a+b@c.example, r+{KEY}@gateway.example"), true),
        (format!("r+{KEY}0@gateway.example"), false),
        (format!("r+{}@gateway.example", &KEY[..35]), false),
        (format!("r+{}@gateway.example", KEY.replace('-', "")), false),
        (format!("r{KEY}@gateway.example"), false),
        (format!("r+{KEY}@gateway.example, r+{other}@gateway.example"), false),
    ] {
        let mail = format!("From: a@charity.example\nTo: {to}\nMessage-ID: <1@x>\n\nYes.\n");
        let read = read(mail.as_bytes());
        assert_eq!(read.is_ok(), known, "{to}: {read:?}");
        if let Ok([Reading::Status(report)]) = read.as_deref() {
            assert_eq!(report.key.as_ref().map(|key| key.0.as_str()), Some(KEY), "{to}");
        }
    }
}

/// The address that was written to says more than the thread, the mail that is answered more than those before it.
#[test]
fn the_nearest_name_counts() {
    let other = KEY.replace("a001", "a002");
    let key = |fields: &str| {
        let mail = format!("From: a@charity.example\nMessage-ID: <1@x>\n{fields}\n\nReference: {other}\n");
        match read(mail.as_bytes()).unwrap().pop() {
            Some(Reading::Status(report)) => report.key.unwrap().0,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(key(&format!("To: r+{KEY}@x\nIn-Reply-To: <{other}-submit@x>")), KEY);
    assert_eq!(key(&format!("To: r@x\nIn-Reply-To: <{KEY}-submit@x>\nReferences: <{other}-submit@x>")), KEY);
    assert_eq!(key(&format!("To: r@x\nIn-Reply-To: <y@x>\nReferences: <z@x>\n <{KEY}-first-1@x>")), KEY);
    assert_eq!(key("To: r@x\nIn-Reply-To: <y@x>"), other);
    // Not one of our mails: its name has no kind.
    assert_eq!(key(&format!("To: r@x\nIn-Reply-To: <{KEY}@x>")), other);
}

#[test]
fn the_same_mail_is_one_statement_and_another_is_another() {
    let event = |mail: &str| match read(mail.as_bytes()).unwrap().pop() {
        Some(Reading::Status(report)) => report.event,
        other => panic!("{other:?}"),
    };
    let mail = head("\nYes.\n");
    assert_eq!(event(&mail), event(&format!("Received: from elsewhere\n{mail}")));
    assert_ne!(event(&mail), event(&mail.replace("<1@", "<2@")));
    assert_ne!(event(&mail), event(&mail.replace("Yes", "No")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever comes, it is read or refused, twice alike, and what it says is bounded.
    #[test]
    fn no_mail_is_too_odd(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        cut in any::<prop::sample::Index>(),
        shorten in any::<bool>(),
    ) {
        let all = fixtures();
        let mut mail = which.get(&all).clone();
        for (at, byte) in changes {
            let at = at.index(mail.len());
            mail[at] = byte;
        }
        if shorten {
            mail.truncate(cut.index(mail.len()));
        }
        let said = read(&mail);
        prop_assert_eq!(&said, &read(&mail));
        for reading in said.into_iter().flatten() {
            let Reading::Status(report) = reading else { panic!("mails state") };
            prop_assert!(report.reason.is_some_and(|reason| reason.chars().count() < 4_400));
            prop_assert!(["reply", "bounced"].contains(&report.platform_status.code.unwrap().as_str()));
        }
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mail = [head("").into_bytes(), bytes].concat();
        prop_assert_eq!(read(&mail), read(&mail));
    }
}
