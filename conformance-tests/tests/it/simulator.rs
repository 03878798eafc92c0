//! The frame of simulated platforms: what each of them may rely on.

use conformance_tests::platform::{Fault, FaultKind, Match};
use conformance_tests::simulator::{Answer, Api, Asked, Push, START, Simulator};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

/// A platform that counts.
#[derive(Default)]
struct Counter {
    stored: u32,
    sessions_ended: u32,
    tell: Option<String>,
}

impl Api for Counter {
    fn answer(&mut self, asked: &Asked, now: OffsetDateTime) -> Answer {
        if asked.method == "POST" {
            self.stored += 1;
        }
        Answer::json(200, &json!({ "stored": self.stored, "path": asked.path, "second": now.unix_timestamp() }))
    }

    fn unwell(&self, status: u16) -> Answer {
        Answer::json(status, &json!({ "error": status }))
    }

    fn expire_sessions(&mut self) {
        self.sessions_ended += 1;
    }

    fn pushes(&mut self) -> Vec<Push> {
        let told = |n: u32, to: &String| Push {
            to: to.clone(),
            about: format!("/thing/{n}"),
            headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
            body: n.to_string().into_bytes(),
        };
        self.tell.take().iter().flat_map(|to| (1..=3).map(|n| told(n, to)).collect::<Vec<_>>()).collect()
    }
}

async fn start() -> Simulator<Counter> {
    Simulator::start(Counter::default).await.unwrap()
}

async fn post(base: &str) -> reqwest::Result<(u16, Value)> {
    let answer = reqwest::Client::new().post(format!("{base}/a%20b?c=d")).body("word").send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

#[tokio::test]
async fn namespaces_are_platforms_of_their_own() {
    let simulator = start().await;
    let (one, other) = (simulator.namespace("one"), simulator.namespace("other"));
    one.faults().push(Fault::new(Match::any().nth(2), FaultKind::HtmlPage));
    one.advance(Duration::hours(1));
    let (status, body) = post(one.base_url()).await.unwrap();
    assert_eq!((status, &body["stored"], &body["path"]), (200, &json!(1), &json!("/a%20b")));
    assert_eq!(body["second"], (START + Duration::hours(1)).unix_timestamp());
    assert_eq!(other.now(), START, "one's time is not the other's");
    assert_eq!(other.with(|api, _| api.stored), 0);
    let record = one.requests();
    assert_eq!((record.len(), record[0].path.as_str(), record[0].body.as_str()), (1, "/~one/a%20b?c=d", "word"));
    assert!(post(&format!("{}/~nobody", simulator.root().base_url())).await.is_err(), "no platform of that name");
    one.reset();
    assert_eq!((one.requests().len(), one.now(), one.with(|api, _| api.stored)), (0, START, 0));
    assert_eq!(post(one.base_url()).await.unwrap().1["stored"], 1);
    assert_eq!(post(one.base_url()).await.unwrap().1["stored"], 2, "the fault is forgotten as well");
}

#[tokio::test]
async fn each_fault_does_what_it_says() {
    let simulator = start().await;
    let root = simulator.root();
    let strike = |kind| root.faults().push(Fault::new(Match::any(), kind));
    let stored = || root.with(|api, _| api.stored);

    strike(FaultKind::Status { status: 429, retry_after: Some(7) });
    assert_eq!(post(root.base_url()).await.unwrap(), (429, json!({ "error": 429 })));
    strike(FaultKind::ErrorInSuccess);
    assert_eq!(post(root.base_url()).await.unwrap(), (200, json!({ "error": 500 })));
    strike(FaultKind::ResetBeforeStoring);
    assert!(post(root.base_url()).await.is_err());
    strike(FaultKind::HtmlPage);
    assert!(post(root.base_url()).await.unwrap_err().is_decode());
    assert_eq!(stored(), 0, "none of these stores");

    strike(FaultKind::ResetAfterStoring);
    assert!(post(root.base_url()).await.is_err());
    strike(FaultKind::TruncatedBody);
    assert!(post(root.base_url()).await.is_err());
    strike(FaultKind::SchemaDrift);
    let drifted = post(root.base_url()).await.unwrap().1;
    assert_eq!((&drifted["stored"], &drifted["path"]), (&json!("3"), &json!({ "value": "/a%20b" })));
    strike(FaultKind::ExpireSessions);
    assert_eq!(post(root.base_url()).await.unwrap().1["stored"], 4);
    assert_eq!(root.with(|api, _| api.sessions_ended), 1);
    strike(FaultKind::HugeBody);
    let answer = reqwest::Client::new().post(root.base_url()).send().await.unwrap();
    assert_eq!(answer.content_length(), Some(64 << 20));
    drop(answer);
    assert_eq!(stored(), 5, "all of these store");
}

#[tokio::test]
async fn a_body_that_stalls_begins_and_does_not_end() {
    let simulator = start().await;
    let root = simulator.root();
    root.faults().push(Fault::new(Match::any(), FaultKind::StallInBody));
    let mut answer = reqwest::Client::new().post(root.base_url()).send().await.unwrap();
    let whole = usize::try_from(answer.content_length().unwrap()).unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap().len(), whole / 2);
    let rest = tokio::spawn(async move { answer.chunk().await });
    // Another connection is served meanwhile, and only the end of the simulator ends the first.
    assert_eq!(post(root.base_url()).await.unwrap().0, 200);
    assert!(!rest.is_finished());
    simulator.stop().await;
    assert!(rest.await.unwrap().is_err());
}

#[tokio::test]
async fn pushes_are_lost_doubled_and_swapped_on_demand() {
    let receiver = start().await;
    let sender = start().await;
    let (to, from) = (receiver.root(), sender.root());
    let client = reqwest::Client::new();
    let mut heard = 0;
    for (fault, expected) in [
        (None, vec!["1", "2", "3"]),
        (Some(FaultKind::LoseNotification), vec!["2", "3"]),
        (Some(FaultKind::DuplicateNotification), vec!["1", "1", "2", "3"]),
        (Some(FaultKind::ReorderNotifications), vec!["2", "1", "3"]),
    ] {
        from.faults().clear();
        if let Some(kind) = fault.clone() {
            from.faults().push(Fault::new(Match::on("NOTIFY", "/thing/1"), kind));
        }
        from.with(|api, _| api.tell = Some(to.base_url().to_owned()));
        let pushed = from.push(&client).await;
        assert!(pushed.iter().all(|one| one.answer == Ok(200)), "{pushed:?}");
        let bodies: Vec<_> = to.requests().into_iter().skip(heard).map(|request| request.body).collect();
        assert_eq!(bodies, expected, "{fault:?}");
        heard += expected.len();
    }
    assert_eq!(from.push(&client).await, [], "nothing to tell");
}
