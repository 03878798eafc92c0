//! Mail out, against the real Postfix: what arrives, and what is told when nothing does.

use crate::mail::{CANARY, LINK, Log, PASSPHRASE, Way, delivered, mail, request, server, world};
use adapter_contract::{Answer, Attachment, DeliveryError, FailureCode, MailRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use conformance_tests::mail_server::QPDF;
use futures_util::future::BoxFuture;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use vcse_gateway::chance::Chance;
use vcse_gateway::clock::SystemClock;
use vcse_gateway::transport::HttpTransport;
use vcse_gateway::transport::dial::Lookup;

/// The header of this name, unfolded.
fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    let head = mail.replace("\r\n", "\n");
    let head = head.split("\n\n").next().unwrap_or_default().len();
    let lines = mail.get(..head).unwrap_or(mail).lines();
    lines
        .filter_map(|line| line.split_once(": "))
        .find(|(own, _)| *own == name)
        .map(|(_, value)| value)
        .unwrap_or_default()
}

#[tokio::test]
async fn a_mail_arrives_by_either_way_and_names_where_answers_go() {
    let Some(server) = server() else { return };
    for tls in ["implicit", "starttls"] {
        let (pair, log) = (server.pair(), Log::listen());
        let world = world(server, &pair, Way { tls, ..Way::default() }).await;
        let (_, key) = delivered(&world, 0).await;
        let first = request(&key);
        assert_eq!(mail(&world, &first).await, Ok(Answer::Mailed), "{tls}: {}", server.log());
        let second = MailRequest { key: format!("{key}-2"), follows: Some(first.key.clone()), ..first.clone() };
        assert_eq!(mail(&world, &second).await, Ok(Answer::Mailed));
        let came = pair.theirs.await_mail(2);
        let ours = pair.ours.address();
        let (local, domain) = ours.split_once('@').unwrap();
        let replies = format!("{local}+{key}@{domain}");
        let ids = [format!("<{key}-1@{domain}>"), format!("<{key}-2@{domain}>")];
        for (mail, id) in came.iter().zip(&ids) {
            assert_eq!(header(mail, "Return-Path"), format!("<{replies}>"), "{mail}");
            assert!(header(mail, "Reply-To").ends_with(&format!("<{replies}>")), "{mail}");
            assert_eq!(header(mail, "To"), pair.theirs.address(), "{mail}");
            assert_eq!(header(mail, "Message-ID"), id, "{mail}");
            assert_eq!(header(mail, "Auto-Submitted"), "auto-generated", "{mail}");
            assert!(mail.contains(LINK), "{mail}");
        }
        assert_eq!(
            (header(&came[1], "In-Reply-To"), header(&came[1], "References")),
            (ids[0].as_str(), ids[0].as_str())
        );
        // Encrypted, and with a password: so Postfix says.
        assert!(came.iter().all(|mail| mail.contains("with ESMTPSA")), "{came:?}");
        world.stop().await;
        log.holds_nothing_of(&pair);
    }
}

#[tokio::test]
async fn a_server_for_which_nobody_vouches_hears_nothing() {
    let Some(server) = server() else { return };
    for tls in ["implicit", "starttls"] {
        let pair = server.pair();
        let world = world(server, &pair, Way { tls, known: false, ..Way::default() }).await;
        let error = mail(&world, &request("k")).await.unwrap_err();
        assert_eq!(error.code, FailureCode::TlsRefused, "{tls}: {error}");
        assert!(!server.log().contains(&format!("sasl_username={}", pair.ours.address())));
        world.stop().await;
    }
}

/// That an error says nothing that is anybody's.
fn is_discreet(error: &DeliveryError) {
    let said = format!("{error:?}");
    for piece in [CANARY, "quoted", "@", "5ecret", "refused@", "greylisted"] {
        assert!(!said.contains(piece), "{piece}: {said}");
    }
}

#[tokio::test]
async fn what_a_server_refuses_is_told_by_its_codes_alone() {
    let Some(server) = server() else { return };
    let (pair, log) = (server.pair(), Log::listen());
    let cases = [
        (Way { to: Some(pair.refused()), ..Way::default() }, FailureCode::Refused, "550 5.1.1"),
        (Way { to: Some(pair.later()), ..Way::default() }, FailureCode::Busy, "450 4.2.0"),
        (Way { password: Some("wrong-horse"), ..Way::default() }, FailureCode::HttpStatus(401), "535 5.7.8"),
        (
            Way { password: Some("wrong-horse"), tls: "starttls", ..Way::default() },
            FailureCode::HttpStatus(401),
            "535 5.7.8",
        ),
    ];
    for (way, code, words) in cases {
        let world = world(server, &pair, way).await;
        let error = mail(&world, &request("k")).await.unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.diagnostic.contains(words), "{error}");
        is_discreet(&error);
        world.stop().await;
    }
    assert!(pair.theirs.mail("").is_empty());
    log.holds_nothing_of(&pair);
}

/// Every name leads to this machine.
struct Home;

impl Lookup for Home {
    fn addresses(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]) })
    }
}

#[tokio::test]
async fn a_name_that_leads_into_our_own_network_is_not_dialled() {
    let Some(server) = server() else { return };
    let pair = server.pair();
    let transport = HttpTransport::with(Arc::new(Home), Arc::new(SystemClock), Arc::new(Chance::seeded(1))).unwrap();
    let way = Way { host: "mail.example", transport: Some(Arc::new(transport)), ..Way::default() };
    let world = world(server, &pair, way).await;
    let error = mail(&world, &request("k")).await.unwrap_err();
    assert_eq!(error.code, FailureCode::NotConnected);
    assert!(error.diagnostic.contains("may not be dialled"), "{error}");
    world.stop().await;
}

/// One page that says this, as small as a PDF can be; its table of objects is left to whoever reads it to rebuild by name.
fn pdf(text: &str) -> Vec<u8> {
    let content = format!("BT /F1 12 Tf 72 720 Td ({text}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let (mut file, mut table) = ("%PDF-1.7\n".to_owned(), String::new());
    for (number, object) in objects.iter().enumerate() {
        table += &format!("{:010} 00000 n \n", file.len());
        file += &format!("{} 0 obj\n{object}\nendobj\n", number + 1);
    }
    let start = file.len();
    file += &format!(
        "xref\n0 6\n0000000000 65535 f \n{table}trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    );
    file.into_bytes()
}

#[tokio::test]
async fn a_sealed_pdf_arrives_and_opens_with_the_passphrase_alone() {
    let Some(server) = server() else { return };
    let pair = server.pair();
    let world = world(server, &pair, Way::default()).await;
    let said = format!("Ms {CANARY} wants company");
    let attachment = Attachment {
        name: "referral.pdf".to_owned(),
        media_type: "application/pdf".to_owned(),
        content: pdf(&said),
        sealed: true,
    };
    let with = MailRequest { attachments: vec![attachment], ..request("k") };
    assert_eq!(mail(&world, &with).await, Ok(Answer::Mailed));
    let came = pair.theirs.await_mail(1).remove(0).replace("\r\n", "\n");
    assert!(!came.contains(CANARY) && !came.contains(&BASE64.encode(&said)[..12]), "{came}");
    let part = came.split("\n--=_").find(|part| part.contains("filename=\"referral.pdf\"")).unwrap();
    let encoded: String = part.split_once("\n\n").unwrap().1.split_whitespace().collect();
    let folder = tempfile::tempdir().unwrap();
    let (sealed, opened) = (folder.path().join("sealed.pdf"), folder.path().join("opened.pdf"));
    std::fs::write(&sealed, BASE64.decode(encoded).unwrap()).unwrap();
    let qpdf = |passphrase: &str, rest: &[&str]| {
        let mut command = Command::new(QPDF);
        command.arg(format!("--password={passphrase}")).args(rest).arg(&sealed);
        command
    };
    for wrong in ["", "four plain words"] {
        assert!(!qpdf(wrong, &["--check"]).output().unwrap().status.success(), "{wrong:?}");
    }
    let shown = qpdf(PASSPHRASE, &["--show-encryption"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("R = 6") && shown.contains("stream encryption method: AESv3"), "{shown}");
    let checked = qpdf(PASSPHRASE, &["--check"]).output().unwrap();
    assert!(
        checked.status.success(),
        "{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
    assert!(qpdf(PASSPHRASE, &["--decrypt", "--qdf"]).arg(&opened).status().unwrap().success());
    assert!(String::from_utf8_lossy(&std::fs::read(opened).unwrap()).contains(&said));
    world.stop().await;
}
