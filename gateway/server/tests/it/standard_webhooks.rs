//! Standard Webhooks: what we sign a library of others verifies, and what it signs we verify; and a platform that signs its reports is
//! believed, once, and nobody else is.

use crate::support::{REPORT_TOKEN, Setup, WEBHOOK_SECRET, World};
use conformance_tests::standard_webhooks::{Library, Message, library};
use http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::datetime;
use vcse_gateway::clock::{Clock as _, ManualClock};
use vcse_gateway::webhooks::{ID, Keys, SIGNATURE, Signed, TIMESTAMP, Unproven, Use};

const NOW: OffsetDateTime = datetime!(2026-06-20 11:00 UTC);
/// Another, of 64 bytes.
const LONG: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==";

#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
fn asked() -> Option<Library> {
    match library().unwrap() {
        Ok(library) => Some(library),
        Err(missing) => {
            eprintln!("SKIPPED: {missing}");
            None
        }
    }
}

fn headers(id: &str, timestamp: i64, signature: &str) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert(ID, id.parse().unwrap());
    map.insert(TIMESTAMP, timestamp.to_string().parse().unwrap());
    map.insert(SIGNATURE, signature.parse().unwrap());
    map
}

/// Bodies that are easily signed wrongly.
const BODIES: [&str; 6] = [
    "",
    "{}",
    "{\"resourceType\":\"Bundle\",\"type\":\"history\"}",
    "{ \"spaces\" : 1.50 }\r\n",
    "{\"name\":\"Siân Ó Dónaill 日本 😀\"}",
    "a.b.c",
];

#[test]
fn a_library_of_others_and_ours_verify_each_other() {
    let Some(mut others) = asked() else { return };
    let now = NOW.unix_timestamp();
    for secret in [WEBHOOK_SECRET, LONG] {
        let (sign, verify) = (Keys::read(secret, Use::Sign).unwrap(), Keys::read(secret, Use::Verify).unwrap());
        for body in BODIES {
            let message = Message { secret, id: "0197e6a0-0000-8000-8000-000000000001", timestamp: now, body };
            let ours = sign.sign(message.id, NOW, body.as_bytes());
            // It takes JSON alone.
            if serde_json::from_str::<serde_json::Value>(body).is_ok() {
                assert_eq!(others.verify(&message, &ours.signature, now).unwrap(), Ok(()), "{body}");
            }
            let theirs = others.sign(&message).unwrap();
            assert_eq!(theirs, ours.signature, "{body}");
            let headers = headers(message.id, now, &theirs);
            assert_eq!(verify.verify(&headers, body.as_bytes(), NOW).as_deref(), Ok(message.id));
            assert_eq!(verify.verify(&headers, b"another", NOW), Err(Unproven::Signature));
        }
    }
    // What it refuses we do not send: while a key is replaced it finds its own among two.
    let both = Keys::read(&format!("{LONG} {WEBHOOK_SECRET}"), Use::Sign).unwrap().sign("m1", NOW, b"{}");
    for secret in [WEBHOOK_SECRET, LONG] {
        let message = Message { secret, id: "m1", timestamp: now, body: "{}" };
        assert_eq!(others.verify(&message, &both.signature, now).unwrap(), Ok(()));
        assert!(others.verify(&Message { body: "{ }", ..message.clone() }, &both.signature, now).unwrap().is_err());
        assert!(others.verify(&Message { id: "m2", ..message.clone() }, &both.signature, now).unwrap().is_err());
        assert!(others.verify(&message, &both.signature, now + 301).unwrap().is_err());
    }
    let strange = Message { secret: "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", id: "m1", timestamp: now, body: "{}" };
    assert!(others.verify(&strange, &both.signature, now).unwrap().is_err());
}

struct Scene {
    world: World,
    clock: Arc<ManualClock>,
    keys: Keys,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, format!("{WEBHOOK_SECRET}\n")).unwrap();
        let food: &'static str = format!("report-signing-secret = {{ file = \"{}\" }}", file.display()).leak();
        let clock = Arc::new(ManualClock::at(NOW));
        let setup =
            Setup { food, lanes: true, poll_seconds: 0, clock: Arc::<ManualClock>::clone(&clock), ..Setup::default() };
        let keys = Keys::read(WEBHOOK_SECRET, Use::Sign).unwrap();
        Self { world: World::start(setup).await, clock, keys, _folder: folder }
    }

    fn signed(&self, id: &str, body: &str) -> Signed {
        self.keys.sign(id, self.clock.now(), body.as_bytes())
    }

    async fn report(&self, token: &str, signed: Option<&Signed>, body: &str) -> (u16, String) {
        let mut request = self.world.request(token, "POST", "/platforms/food/reports").body(body.to_owned());
        if let Some(signed) = signed {
            request = request
                .header(ID, &signed.id)
                .header(TIMESTAMP, &signed.timestamp)
                .header(SIGNATURE, &signed.signature);
        }
        let answer = self.world.send(request).await;
        if answer.status.is_client_error() {
            answer.assert_refused("a report");
        }
        (answer.status.as_u16(), answer.text)
    }

    /// How many reports are here, read or not.
    async fn reports(&self) -> usize {
        self.world.store().raw_reports(self.clock.now() + Duration::from_secs(1), 99).await.unwrap().len()
    }
}

#[tokio::test]
async fn a_signed_report_is_taken_once() {
    let scene = Scene::start().await;
    let first = scene.signed("evt-1", "{\"a\":1}");
    assert_eq!(scene.report(REPORT_TOKEN, Some(&first), "{\"a\":1}").await.0, 202);
    assert_eq!(scene.reports().await, 1);
    // It is played again by somebody who heard it, or sent again, newly signed, by a platform that did not hear our answer.
    assert_eq!(scene.report(REPORT_TOKEN, Some(&first), "{\"a\":1}").await.0, 202);
    scene.clock.advance(Duration::from_secs(60));
    let again = scene.signed("evt-1", "{\"a\":1}");
    assert_ne!(again, first);
    assert_eq!(scene.report(REPORT_TOKEN, Some(&again), "{\"a\":1}").await.0, 202);
    assert_eq!(scene.reports().await, 1, "one event, one report");
    let other = scene.signed("evt-1", "{\"a\":2}");
    let (status, words) = scene.report(REPORT_TOKEN, Some(&other), "{\"a\":2}").await;
    assert_eq!(status, 409, "{words}");
    assert!(words.contains("webhook-id"), "{words}");
    let next = scene.signed("evt-2", "{\"a\":2}");
    assert_eq!(scene.report(REPORT_TOKEN, Some(&next), "{\"a\":2}").await.0, 202);
    assert_eq!(scene.reports().await, 2);
    scene.world.stop().await;
}

#[tokio::test]
async fn nothing_is_kept_of_a_report_that_is_not_proved() {
    let scene = Scene::start().await;
    let body = "{\"a\":1}";
    let good = scene.signed("evt-1", body);
    let before = scene.world.store().content_hash().await.unwrap();
    let strange = Keys::read(LONG, Use::Sign).unwrap().sign("evt-1", NOW, body.as_bytes());
    let cases = [
        (REPORT_TOKEN, None, body, "webhook-id"),
        ("", Some(good.clone()), body, "bearer token"),
        ("wrong", Some(good.clone()), body, "bearer token"),
        (REPORT_TOKEN, Some(good.clone()), "{\"a\":2}", "No signature"),
        (REPORT_TOKEN, Some(strange), body, "No signature"),
        (REPORT_TOKEN, Some(Signed { id: "evt-2".to_owned(), ..good.clone() }), body, "No signature"),
        (REPORT_TOKEN, Some(Signed { id: "evt.1".to_owned(), ..good.clone() }), body, "full stop"),
        (REPORT_TOKEN, Some(Signed { timestamp: "yesterday".to_owned(), ..good.clone() }), body, "seconds since 1970"),
    ];
    for (token, signed, body, expected) in cases {
        let (status, words) = scene.report(token, signed.as_ref(), body).await;
        assert_eq!(status, 401, "{words}");
        assert!(words.contains(expected), "{expected}: {words}");
        assert!(!words.contains("MfKQ") && !words.contains(&good.signature), "{words}");
    }
    scene.clock.advance(Duration::from_secs(301));
    let (status, words) = scene.report(REPORT_TOKEN, Some(&good), body).await;
    assert_eq!((status, words.contains("five minutes")), (401, true), "{words}");
    assert_eq!(scene.world.store().content_hash().await.unwrap(), before);
    scene.world.stop().await;
}
