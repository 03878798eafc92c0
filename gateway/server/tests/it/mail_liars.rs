//! Mail servers that break off, lie or can do less than others: none of them harms, and none makes anything doubtful look certain.

use crate::mail::{Ends, LINK, Post, Way, delivered, mail, request, world_between};
use crate::mail_in::{look, stored};
use adapter_contract::FailureCode;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use vcse_gateway::mailbox::MailboxError;

/// What a server was told, line by line.
type Heard = Arc<Mutex<Vec<String>>>;

/// A server on a free port: its greeting, and what it answers to each line; nothing means that it hangs up.
async fn liar(greeting: &'static str, answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heard, answer) = (Heard::default(), Arc::new(answer));
    let own = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (heard, answer) = (Arc::clone(&own), Arc::clone(&answer));
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                if stream.write_all(greeting.as_bytes()).await.is_err() {
                    return;
                }
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    let said = line.trim_end().to_owned();
                    heard.lock().unwrap().push(said.clone());
                    let Some(answer) = answer(&said) else { return };
                    // Whoever hangs up first has heard enough.
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
    });
    (port, heard)
}

async fn post(smtp: u16, imap: u16, tls: &'static str) -> Post {
    let address = |local: &str| format!("{local}@localhost.example");
    let ends = Ends {
        smtp,
        imap,
        authority: None,
        ours: address("referrals"),
        theirs: address("team"),
        password: "correct-horse-battery",
    };
    world_between(&ends, Way { tls, ..Way::default() }).await
}

/// An SMTP server that takes everything up to the mail itself.
fn smtp(line: &str) -> Option<String> {
    Some(match line.split(' ').next()? {
        "EHLO" => "250-liar\r\n250-SIZE 100\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
        "AUTH" => "235 2.7.0 welcome\r\n".to_owned(),
        "MAIL" | "RCPT" => "250 2.1.0 well\r\n".to_owned(),
        "DATA" => "354 go on\r\n".to_owned(),
        "QUIT" => "221 2.0.0 bye\r\n".to_owned(),
        _ => String::new(),
    })
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_mail_leaves_it_in_doubt_and_before_it_does_not() {
    let after = |line: &str| if line == "." { None } else { smtp(line) };
    let (port, heard) = liar("220 liar\r\n", after).await;
    let world = post(port, port, "none").await;
    let error = mail(&world, &request("k")).await.unwrap_err();
    assert_eq!(error.code, FailureCode::NoAnswer, "{error}");
    assert!(heard.lock().unwrap().iter().any(|line| line == LINK), "it had the mail");
    world.stop().await;
    for hangs_up_at in ["EHLO", "AUTH", "MAIL", "RCPT", "DATA"] {
        let (port, _) =
            liar("220 liar\r\n", move |line| if line.starts_with(hangs_up_at) { None } else { smtp(line) }).await;
        let world = post(port, port, "none").await;
        let error = mail(&world, &request("k")).await.unwrap_err();
        assert_eq!(error.code, FailureCode::NotConnected, "{hangs_up_at}: {error}");
        world.stop().await;
    }
}

#[tokio::test]
async fn what_a_server_says_of_the_mail_itself_counts() {
    for (said, code, words) in [
        ("250 2.0.0 queued\r\n", None, ""),
        ("451 4.3.0 Ms Canary later\r\n", Some(FailureCode::Busy), "451 4.3.0"),
        ("554 5.7.1 Ms Canary is spam\r\n", Some(FailureCode::Refused), "554 5.7.1"),
        ("554 Ms Canary is spam\r\n", Some(FailureCode::Refused), "(554)"),
        ("nonsense\r\n", Some(FailureCode::NoAnswer), "ended"),
    ] {
        let answer = move |line: &str| if line == "." { Some(said.to_owned()) } else { smtp(line) };
        let (port, _) = liar("220 liar\r\n", answer).await;
        let world = post(port, port, "none").await;
        let sent = mail(&world, &request("k")).await;
        assert_eq!(sent.as_ref().err().map(|error| error.code), code, "{said}");
        let told = sent.err().map(|error| error.diagnostic).unwrap_or_default();
        assert!(told.contains(words) && !told.contains("Canary") && !told.contains("spam"), "{told}");
        world.stop().await;
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_said_in_clear() {
    // Somebody in between took the word out, or answers it with something else.
    let refuses = |line: &str| match line.split(' ').next()? {
        "EHLO" => Some("250-liar\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n".to_owned()),
        "STARTTLS" => Some("454 4.7.0 not now\r\n".to_owned()),
        _ => smtp(line),
    };
    let goes_on = |line: &str| match line.split(' ').next()? {
        "EHLO" => Some("250-liar\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n".to_owned()),
        "STARTTLS" => Some("220 2.0.0 go on\r\n250-liar\r\n250 AUTH PLAIN\r\n235 2.7.0 welcome\r\n".to_owned()),
        _ => smtp(line),
    };
    for (port, heard) in
        [liar("220 liar\r\n", smtp).await, liar("220 liar\r\n", refuses).await, liar("220 liar\r\n", goes_on).await]
    {
        let world = post(port, port, "starttls").await;
        let error = mail(&world, &request("k")).await.unwrap_err();
        assert_eq!(error.code, FailureCode::TlsRefused, "{error}");
        let heard = heard.lock().unwrap().clone();
        assert!(!heard.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")), "{heard:?}");
        world.stop().await;
    }
    for greeting in ["* OK liar\r\n", "* PREAUTH liar\r\n"] {
        let answer = |line: &str| {
            let tag = line.split(' ').next()?;
            Some(if line.ends_with("STARTTLS") {
                format!("{tag} NO not here\r\n")
            } else {
                format!("{tag} OK well\r\n")
            })
        };
        let (port, heard) = liar(greeting, answer).await;
        let world = post(port, port, "starttls").await;
        let Err(MailboxError::Server(error)) = look(&world).await else { panic!("it opens") };
        assert_eq!(error.code, FailureCode::TlsRefused, "{error}");
        assert!(!heard.lock().unwrap().iter().any(|line| line.contains("LOGIN")), "{heard:?}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_server_without_an_end_is_left() {
    let endless = |line: &str| {
        if line.starts_with("EHLO") { Some("250-".to_owned() + &"x".repeat(5_000_000)) } else { smtp(line) }
    };
    let (port, _) = liar("220 liar\r\n", endless).await;
    let world = post(port, port, "none").await;
    assert_eq!(mail(&world, &request("k")).await.unwrap_err().code, FailureCode::NotConnected);
    world.stop().await;
}

/// What an IMAP server has: its capabilities, its UIDVALIDITY, and what it answers to a search and to a fetch of a body.
#[derive(Clone)]
struct Holding {
    can: &'static str,
    validity: u32,
    found: String,
    body: String,
}

impl Holding {
    fn answer(&self, line: &str) -> Option<String> {
        let (tag, command) = line.split_once(' ')?;
        let Self { can, validity, found, body } = self;
        let said = if command.starts_with("CAPABILITY") {
            format!("* CAPABILITY IMAP4rev1 {can}\r\n")
        } else if command.starts_with("SELECT") {
            format!("* 1 EXISTS\r\n* OK [UIDVALIDITY {validity}] valid\r\n")
        } else if command.starts_with("UID SEARCH") {
            format!("* SEARCH {found}\r\n")
        } else if command.contains("RFC822.SIZE") {
            "* 1 FETCH (UID 5 RFC822.SIZE 10)\r\n".to_owned()
        } else if command.starts_with("UID FETCH") {
            format!("* 1 FETCH (UID 5 BODY[]<0> {body})\r\n")
        } else {
            String::new()
        };
        Some(format!("{said}{tag} OK done\r\n"))
    }
}

async fn imap(has: &Arc<Mutex<Holding>>) -> (u16, Heard) {
    let has = Arc::clone(has);
    liar("* OK liar\r\n", move |line| {
        let has = has.lock().unwrap().clone();
        has.answer(line)
    })
    .await
}

fn literal(text: &str) -> String {
    format!("{{{}}}\r\n{text}", text.len())
}

fn holds(can: &'static str, body: String) -> Arc<Mutex<Holding>> {
    Arc::new(Mutex::new(Holding { can, validity: 1, found: "5".to_owned(), body }))
}

#[tokio::test]
async fn what_is_announced_and_may_not_be_is_never_waited_for() {
    let many: String = (1..400_000).map(|uid| format!("{uid} ")).collect();
    for (found, body) in [
        ("5", "{400000000}\r\nx".to_owned()),
        ("5", "\"".to_owned() + &"x".repeat(2_000_000)),
        (many.as_str(), literal("x")),
    ] {
        let has = holds("MOVE", body);
        has.lock().unwrap().found = found.to_owned();
        let (port, _) = imap(&has).await;
        let world = post(port, port, "none").await;
        let Err(MailboxError::Server(error)) = look(&world).await else { panic!("it was taken") };
        assert_eq!(error.code, FailureCode::NoAnswer, "{error}");
        assert!(stored(&world).await.is_empty());
        world.stop().await;
    }
}

#[tokio::test]
async fn where_mail_cannot_be_moved_it_is_copied_and_nothing_else_is_expunged() {
    for (can, expunged) in [("UIDPLUS", vec!["UID EXPUNGE 5"]), ("IDLE", vec![])] {
        let has = holds(can, literal("Subject: x\r\n\r\nyes"));
        let (port, heard) = imap(&has).await;
        let world = post(port, port, "none").await;
        look(&world).await.unwrap();
        let heard = heard.lock().unwrap().clone();
        let commands: Vec<&str> = heard.iter().filter_map(|line| Some(line.split_once(' ')?.1)).collect();
        let at = |command: &str| {
            commands.iter().position(|own| *own == command).unwrap_or_else(|| panic!("{command}: {commands:?}"))
        };
        assert!(at("UID COPY 5 \"Unassigned\"") < at("UID STORE 5 +FLAGS.SILENT (\\Deleted)"));
        let gone: Vec<&str> =
            commands.iter().copied().filter(|command| command.contains("EXPUNGE") || *command == "CLOSE").collect();
        assert_eq!(gone, expunged);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_number_means_the_same_mail_only_while_the_mailbox_is_the_same() {
    let has = holds("MOVE", String::new());
    let (port, _) = imap(&has).await;
    let world = post(port, port, "none").await;
    let (_, key) = delivered(&world, 0).await;
    let says = |words: &str| literal(&format!("To: referrals+{key}@localhost.example\r\n\r\n{words}"));
    has.lock().unwrap().body = says("one");
    look(&world).await.unwrap();
    // It lies there still, as if it could not be moved.
    look(&world).await.unwrap();
    assert_eq!(stored(&world).await.len(), 1);
    {
        let mut has = has.lock().unwrap();
        (has.validity, has.body) = (2, says("two"));
    }
    look(&world).await.unwrap();
    let stored = stored(&world).await;
    assert_eq!(stored.len(), 2);
    assert!(String::from_utf8_lossy(&stored[1].body).ends_with("two"));
    world.stop().await;
}
