//! Faults strike the request that they are for, and store what they say they store.

use conformance_tests::platform::{Fault, FaultKind, FhirPlatform, Match};

use crate::support::{call, client, platform, post, referral};

async fn try_post(platform: &FhirPlatform, key: &str) -> Result<(u16, String, String), String> {
    let request = client().post(platform.base_url()).bearer_auth("platform-token");
    let request = request.header("content-type", "application/fhir+json").body(referral(key).to_string());
    let response = request.send().await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let media = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body = response.text().await.map_err(|error| error.to_string())?;
    Ok((status, media, body))
}

fn push(platform: &FhirPlatform, kind: FaultKind) {
    platform.faults().push(Fault::new(Match::on("POST", "/fhir"), kind));
}

#[tokio::test]
async fn a_reset_before_storing_leaves_nothing() {
    let platform = platform().await;
    push(&platform, FaultKind::ResetBeforeStoring);
    assert!(try_post(&platform, "k1").await.is_err());
    assert_eq!((platform.count("Task"), platform.requests().len()), (0, 1));
    assert_eq!(try_post(&platform, "k1").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_reset_after_storing_leaves_the_task() {
    let platform = platform().await;
    push(&platform, FaultKind::ResetAfterStoring);
    assert!(try_post(&platform, "k1").await.is_err());
    assert_eq!(platform.count("Task"), 1);
    assert_eq!(try_post(&platform, "k1").await.unwrap().0, 200);
    assert_eq!(platform.count("Task"), 1, "the condition finds it");
}

#[tokio::test]
async fn a_truncated_answer_is_noticed_by_the_caller() {
    let platform = platform().await;
    push(&platform, FaultKind::TruncatedBody);
    assert!(try_post(&platform, "k1").await.is_err());
    assert_eq!(platform.count("Task"), 1);
}

#[tokio::test]
async fn statuses_pages_and_media_types_are_as_asked() {
    let platform = platform().await;
    push(&platform, FaultKind::Status { status: 503, retry_after: Some(7) });
    let got = post(&platform, &referral("k1")).await;
    assert_eq!((got.status, got.headers["retry-after"].to_str().unwrap()), (503, "7"));
    push(&platform, FaultKind::HtmlPage);
    let (status, media, body) = try_post(&platform, "k1").await.unwrap();
    assert!(status == 200 && media.starts_with("text/html") && body.starts_with("<!doctype"));
    assert_eq!(platform.count("Task"), 0);
    push(&platform, FaultKind::WrongContentType);
    assert_eq!(try_post(&platform, "k1").await.unwrap().1, "text/plain");
    assert_eq!((platform.count("Task"), platform.faults().struck().len()), (1, 3));
}

#[tokio::test]
async fn a_stall_ends_when_it_is_released() {
    let platform = std::sync::Arc::new(platform().await);
    for (kind, stored) in [(FaultKind::Stall, 0), (FaultKind::StallAfterStoring, 1)] {
        push(&platform, kind);
        let caller = {
            let platform = std::sync::Arc::clone(&platform);
            async move { try_post(&platform, "k1").await }
        };
        let caller = tokio::spawn(caller);
        while platform.faults().waiting() > 0 {
            tokio::task::yield_now().await;
        }
        while !caller.is_finished() {
            platform.faults().release();
            tokio::task::yield_now().await;
        }
        assert!(caller.await.unwrap().is_err());
        assert_eq!(platform.count("Task"), stored);
    }
}

#[tokio::test]
async fn a_refused_task_is_rejected_with_the_reason() {
    let platform = platform().await;
    push(&platform, FaultKind::RefuseTask("No volunteers in this town".to_owned()));
    post(&platform, &referral("k1")).await;
    assert!(platform.tick_until_settled(5).await);
    let task = platform.resource("Task", &platform.tasks()[0].id).unwrap();
    assert_eq!(
        (&task["status"], &task["statusReason"]["text"]),
        (&"rejected".into(), &"No volunteers in this town".into())
    );
}

#[tokio::test]
async fn faults_ticks_and_records_are_in_reach_of_other_languages() {
    let platform = platform().await;
    let control = platform.control_url();
    let fault = serde_json::json!({ "on": { "method": "GET" }, "kind": { "status": { "status": 500 } } });
    assert_eq!(call("POST", &format!("{control}/faults"), &[], Some(&fault)).await.body["waiting"], 1);
    assert_eq!(call("GET", &format!("{}/Task", platform.base_url()), &[], None).await.status, 500);
    post(&platform, &referral("k1")).await;
    assert_eq!(call("POST", &format!("{control}/tick?n=9"), &[], None).await.body["settled"], true);
    let requests = call("GET", &format!("{control}/requests"), &[], None).await.body;
    assert_eq!((&requests[0]["path"], &requests[1]["method"]), (&"/fhir/Task".into(), &"POST".into()));
    assert_eq!(requests[1]["body"], referral("k1").to_string());
    assert_eq!(call("GET", &format!("{control}/tasks"), &[], None).await.body[0]["key"], "k1");
    call("POST", &format!("{control}/reset"), &[], None).await;
    assert_eq!((platform.count("Task"), platform.requests().len()), (0, 0));
}

#[tokio::test]
async fn a_stopped_platform_refuses_and_comes_back_with_what_it_had() {
    let platform = platform().await;
    post(&platform, &referral("k1")).await;
    let before = platform.tasks();
    platform.stop().await;
    assert!(try_post(&platform, "k2").await.is_err());
    platform.restart().await.unwrap();
    assert_eq!(platform.tasks(), before);
    assert_eq!(try_post(&platform, "k2").await.unwrap().0, 200);
}
