//! What becomes of a delivery when the platform misbehaves: each class of failure, and never a second referral.

use crate::support::{Setup, World, referral_to};
use adapter_contract::{Answer, DeliveryError, FailureCode, HttpRequest, Method};
use async_trait::async_trait;
use conformance_tests::generator::Expectation;
use conformance_tests::platform::{Fault, FaultKind, FhirPlatform, Match, PlatformConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use vcse_gateway::gateway::Platform;
use vcse_gateway::transport::{HttpTransport, Names, Transport};

const FOOD: &str = "VCSE1";
const BEFRIENDING: &str = "VCSE2";

/// How often the Task, with which a referral begins there, was sent.
fn posts(platform: &FhirPlatform) -> usize {
    let requests = platform.requests();
    requests.iter().filter(|request| request.method == "POST" && request.path == "/fhir/Task").count()
}

fn looked_up(platform: &FhirPlatform) -> bool {
    platform.requests().iter().any(|request| request.path.contains("identifier=") || request.path.contains("_search"))
}

fn status(status: u16) -> FaultKind {
    FaultKind::Status { status, retry_after: None }
}

/// What is to follow from a fault of the first submission.
struct Case {
    name: &'static str,
    to: &'static str,
    fault: FaultKind,
    /// How often it was submitted; absent = either.
    posts: Option<usize>,
    looked_up: bool,
}

#[tokio::test]
async fn after_one_fault_of_the_platform_there_is_one_referral() {
    let case = |name, to, fault, posts, looked_up| Case { name, to, fault, posts, looked_up };
    let cases = [
        case("503", FOOD, status(503), Some(2), false),
        case("503 without conditional create", BEFRIENDING, status(503), Some(2), false),
        case("429 with Retry-After", FOOD, FaultKind::Status { status: 429, retry_after: Some(1) }, Some(2), false),
        case("500 that may have stored", BEFRIENDING, status(500), Some(2), true),
        case("reset after storing, conditional create", FOOD, FaultKind::ResetAfterStoring, None, false),
        case("reset after storing, no conditional create", BEFRIENDING, FaultKind::ResetAfterStoring, Some(1), true),
        case("reset before storing", BEFRIENDING, FaultKind::ResetBeforeStoring, Some(2), true),
        case("a web page with 200", BEFRIENDING, FaultKind::HtmlPage, Some(2), true),
        case("a web page with 200, conditional create", FOOD, FaultKind::HtmlPage, Some(2), false),
        case("an answer cut off", BEFRIENDING, FaultKind::TruncatedBody, Some(1), true),
        case("an answer as text", BEFRIENDING, FaultKind::WrongContentType, None, false),
    ];
    let mut runs = tokio::task::JoinSet::new();
    for case in cases {
        runs.spawn(one_fault(case));
    }
    runs.join_all().await;
}

async fn one_fault(case: Case) {
    {
        let (world, food, befriending) = World::with_platforms("").await;
        let platform = if case.to == FOOD { &food } else { &befriending };
        platform.faults().push(Fault::new(Match::on("POST", "/fhir/Task"), case.fault));
        let sent = world.submit(&referral_to(case.to, Expectation::Delivered, 0).bundle).await;
        world.delivered(&sent.path("Task")).await;
        world.outbox_idle().await;
        assert_eq!(platform.tasks().len(), 1, "{}: one referral", case.name);
        assert!(platform.duplicates().is_empty(), "{}", case.name);
        if let Some(expected) = case.posts {
            assert_eq!(posts(platform), expected, "{}: submissions", case.name);
        }
        if case.looked_up {
            assert!(looked_up(platform), "{}: it was to be looked up", case.name);
        }
        assert_eq!(platform.faults().waiting(), 0, "{}: the fault has struck", case.name);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_refusal_is_a_dead_letter_that_the_gp_sees_and_can_release() {
    for refusal in [422, 400, 401, 404] {
        let (world, food, _befriending) = World::with_platforms("").await;
        food.faults().push(Fault::new(Match::on("POST", "/fhir/Task"), status(refusal)));
        let sent = world.submit(&referral_to(FOOD, Expectation::Delivered, 0).bundle).await;
        let path = sent.path("Task");
        world.delivery_becomes(&path, "dead-letter").await;
        let task = world.task(&path).await;
        assert_eq!(task["status"], "on-hold", "{refusal}");
        assert_eq!(task["businessStatus"]["coding"][0]["code"], "undeliverable");
        let words = task["statusReason"]["text"].as_str().unwrap();
        assert!(words.starts_with("Could not be delivered: "), "{words}");
        assert_eq!(world.task(&sent.path("ServiceRequest")).await["status"], "active");
        assert_eq!((posts(&food), food.tasks().len()), (1, 0), "{refusal}: nothing is tried again on a guess");
        // The sender lets it go on.
        let answer = world.move_task(&path, "requested").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        world.delivered(&path).await;
        assert_eq!(food.tasks().len(), 1);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_fault_before_the_task_is_sent_makes_no_second_referral() {
    for fault in
        [status(503), status(500), FaultKind::ResetAfterStoring, FaultKind::ResetBeforeStoring, FaultKind::HtmlPage]
    {
        for to in [FOOD, BEFRIENDING] {
            let (world, food, befriending) = World::with_platforms("").await;
            let platform = if to == FOOD { &food } else { &befriending };
            platform.faults().push(Fault::new(Match::on("POST", "/fhir"), fault.clone()));
            let sent = world.submit(&referral_to(to, Expectation::Delivered, 0).bundle).await;
            world.delivered(&sent.path("Task")).await;
            assert_eq!((platform.tasks().len(), posts(platform)), (1, 1), "{to} {fault:?}");
            world.stop().await;
        }
    }
}

/// Loses the answer of the first submission, after it was stored or before it was sent.
struct Losing {
    through: HttpTransport,
    stored: bool,
    submissions: AtomicUsize,
}

#[async_trait]
impl Transport for Losing {
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        let first = request.method == Method::Post
            && request.path.contains("Task")
            && self.submissions.fetch_add(1, Ordering::SeqCst) == 0;
        if first && !self.stored {
            return Err(DeliveryError::new(FailureCode::NoAnswer, "No answer within the time."));
        }
        let answer = self.through.send(platform, request, names).await;
        if first { Err(DeliveryError::new(FailureCode::NoAnswer, "No answer within the time.")) } else { answer }
    }
}

#[tokio::test]
async fn after_a_time_out_there_is_one_referral_whether_it_had_arrived_or_not() {
    for (to, stored, submissions) in
        [(FOOD, true, 2), (FOOD, false, 2), (BEFRIENDING, true, 1), (BEFRIENDING, false, 2)]
    {
        let platform = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
        let through = HttpTransport::new().unwrap();
        let transport = Arc::new(Losing { through, stored, submissions: AtomicUsize::new(0) });
        let bases = [platform.base_url(), platform.base_url()];
        let setup = Setup { bases, lanes: true, transport: Some(Arc::<Losing>::clone(&transport)), ..Setup::default() };
        let world = World::start(setup).await;
        let sent = world.submit(&referral_to(to, Expectation::Delivered, 0).bundle).await;
        world.delivered(&sent.path("Task")).await;
        assert_eq!(platform.tasks().len(), 1, "{to} {stored}");
        assert_eq!(transport.submissions.load(Ordering::SeqCst), submissions, "{to} {stored}");
        world.stop().await;
    }
}

#[tokio::test]
async fn who_must_not_be_contacted_goes_only_where_that_is_honoured() {
    let referral = referral_to(FOOD, Expectation::ContactProhibited, 0);
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&referral.bundle).await;
    world.delivery_becomes(&sent.path("Task"), "held").await;
    let task = world.task(&sent.path("Task")).await;
    assert_eq!(task["status"], "on-hold");
    assert!(task["statusReason"]["text"].as_str().unwrap().contains("a person has to look"), "{task}");
    assert_eq!((posts(&food), food.tasks().len()), (0, 0));
    world.stop().await;

    let (world, food, _befriending) = World::with_platforms("honours-contact-prohibition = \"true\",").await;
    let sent = world.submit(&referral.bundle).await;
    world.delivered(&sent.path("Task")).await;
    let carried = food.requests().iter().any(|request| request.body.contains("contacting-subject-prohibited"));
    assert!(carried, "the flag travels with it");
    world.stop().await;
}

#[tokio::test]
async fn a_platform_that_was_down_gets_everything_once_when_it_is_up() {
    let (world, food, _befriending) = World::with_platforms("").await;
    food.stop().await;
    let mut tasks = Vec::new();
    for nth in 0..8 {
        tasks.push(world.submit(&referral_to(FOOD, Expectation::Delivered, nth).bundle).await.path("Task"));
    }
    food.restart().await.unwrap();
    for task in &tasks {
        world.delivered(task).await;
    }
    assert_eq!(food.tasks().len(), 8);
    assert!(food.duplicates().is_empty());
}
