//! Against a model of a server that does what R4 says of updates, with another hand on it, lost answers and lost memory.

use super::*;
use crate::consent::Kept;
use crate::notify_server::{Source, copy};
use proptest::prelude::*;
use serde_json::json;
use time::Duration;
use time::macros::datetime;

fn of(version: u64) -> Copy {
    of_time(version, i64::try_from(version).unwrap_or(0))
}

/// What a version says that was made at a time: after a store was put back its versions are made again, and say something else.
fn of_time(version: u64, second: i64) -> Copy {
    let statuses = ["requested", "accepted", "in-progress", "completed"];
    let status = statuses[usize::try_from(version).unwrap_or(0) % 4];
    let at = gateway_fhir::instant::to_instant(datetime!(2026-06-15 12:00 UTC) + Duration::seconds(second));
    let task: Json = json!({ "resourceType": "Task", "id": "t", "status": status, "intent": "order",
        "meta": { "versionId": version.to_string(), "lastUpdated": at },
        "description": format!("version {version} of {second}") })
    .into();
    let source = Source {
        document: &task,
        version,
        base_url: "https://gateway.example/fhir",
        related: &|_| None,
        kept: Kept::Nothing,
        focus: None,
    };
    copy(&source).expect("a copy")
}

/// One resource, if it is there, and how often it was written.
#[derive(Default)]
struct Server {
    resource: Option<Json>,
    version: u32,
    gives_ids: bool,
}

impl Server {
    fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }

    fn store(&mut self, resource: &Json) -> Heard {
        let status = if self.resource.is_some() { 200 } else { 201 };
        self.version += 1;
        let mut stored = resource.clone();
        stored.set("id", Json::string(if self.gives_ids { "theirs" } else { "t" }));
        stored.set("meta", json!({ "versionId": self.version.to_string() }).into());
        self.resource = Some(stored.clone());
        Heard { status, etag: Some(self.etag()), body: Some(stored), location: None }
    }

    fn answer(&mut self, ask: &Ask, copy: &Copy) -> Heard {
        let bare = |status| Heard { status, ..Heard::default() };
        match (ask, &self.resource) {
            (Ask::Read { .. }, Some(stored)) => {
                Heard { status: 200, etag: Some(self.etag()), body: Some(stored.clone()), location: None }
            }
            (Ask::Read { .. } | Ask::Update { .. }, None) => bare(404),
            (Ask::Find, stored) => {
                let entries: Vec<Json> =
                    stored.iter().map(|one| Json::Object(vec![("resource".to_owned(), one.clone())])).collect();
                let mut bundle: Json = json!({ "resourceType": "Bundle" }).into();
                bundle.set("entry", Json::Array(entries));
                Heard { status: 200, body: Some(bundle), ..Heard::default() }
            }
            (Ask::PutNew, Some(_)) => bare(412),
            (Ask::PostNew, Some(stored)) => Heard { status: 200, body: Some(stored.clone()), ..Heard::default() },
            (Ask::PutNew | Ask::PostNew, None) => self.store(&copy.resource),
            (Ask::Update { etag, .. }, Some(_)) if *etag != self.etag() => bare(412),
            (Ask::Update { .. }, Some(_)) => self.store(&copy.resource),
        }
    }

    fn mark(&self) -> Option<Mark> {
        Mark::intact(self.resource.as_ref()?)
    }
}

/// Runs an exchange to its end, with the newest version that the store has; `lost`: the answer to its request of this number never comes.
fn run(server: &mut Server, copy: &Copy, stood: bool, lost: Option<usize>, newest: u64) -> Option<End> {
    let creates = if server.gives_ids { Creates::WithTheirId } else { Creates::WithOurId };
    let (mut exchange, mut ask) = Exchange::begin(copy, creates, stood);
    for count in 0.. {
        let answer = server.answer(&ask, copy);
        if lost == Some(count) {
            return None;
        }
        let next = match exchange.heard(&answer) {
            Next::Compare { version, held } if newest < version => exchange.put_back(held),
            Next::Compare { held, .. } => return Some(End::Stands { held, written: false }),
            next => next,
        };
        match next {
            Next::Ask(next) => ask = next,
            Next::End(end) => return Some(end),
            Next::Compare { .. } => unreachable!("it was answered"),
        }
    }
    None
}

#[derive(Debug, Clone)]
enum Step {
    /// The gateway's state moves on, and is told; perhaps an answer is lost.
    Told(Option<usize>),
    /// A worker that was held up tells an old state.
    Late,
    /// Somebody changes it there.
    Staff,
    /// Somebody deletes it there.
    Delete,
    /// The gateway's store is put back by so many versions.
    PutBack(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        6 => proptest::option::of(0..4_usize).prop_map(Step::Told),
        2 => Just(Step::Late),
        1 => Just(Step::Staff),
        1 => Just(Step::Delete),
        1 => (1..4_usize).prop_map(Step::PutBack),
    ];
    proptest::collection::vec(one, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_stands_never_goes_back_and_nothing_of_anybody_else_is_written_over(steps in steps(), gives_ids in any::<bool>()) {
        let mut server = Server { gives_ids, ..Server::default() };
        // When each version of the store was made, and what time it is.
        let (mut made, mut now) = (vec![0_i64], 0);
        let mut stood = false;
        let mut touched = false;
        for step in steps {
            let before = (server.version, server.mark(), server.resource.clone());
            let told = match step {
                Step::Told(lost) => {
                    now += 1;
                    made.push(now);
                    Some((made.len(), lost))
                }
                Step::Late => Some((made.len().max(2) - 1, None)),
                Step::PutBack(by) => {
                    made.truncate(made.len().saturating_sub(by).max(1));
                    None
                }
                Step::Staff => {
                    if let Some(resource) = &mut server.resource {
                        resource.set("description", Json::string("by the practice"));
                        server.version += 1;
                        touched = true;
                    }
                    None
                }
                Step::Delete => {
                    touched |= server.resource.take().is_some();
                    None
                }
            };
            let Some((told, lost)) = told else { continue };
            let copy = of_time(told as u64, made.get(told - 1).copied().unwrap_or_default());
            let end = run(&mut server, &copy, stood, lost, made.len() as u64);
            // Another's work stands as it was.
            if before.2.is_some() && before.1.is_none() {
                prop_assert_eq!(&before.2, &server.resource);
                prop_assert!(lost.is_some() || matches!(end, Some(End::Stopped(Trouble::ChangedThere))));
            }
            // What was deleted is not made again, as long as it is known to have been there.
            if before.2.is_none() && stood {
                prop_assert!(server.resource.is_none());
            }
            if let (Some(was), Some(is)) = (before.1, server.mark()) {
                prop_assert!(is.at >= was.at, "{:?} after {:?}", is, was);
            }
            if let Some(End::Stands { held: now, written }) = end {
                prop_assert_eq!(&now.etag, &server.etag());
                prop_assert_eq!(written, server.version > before.0);
                stood = true;
            } else if lost.is_none() {
                prop_assert!(touched, "{:?}", end);
            }
        }
        // Undisturbed, the newest state stands, whatever was lost on the way; told again, nothing is written.
        if !touched {
            made.push(now + 1);
            let newest = of_time(made.len() as u64, now + 1);
            for round in 0..2 {
                let before = server.version;
                let end = run(&mut server, &newest, stood, None, made.len() as u64);
                prop_assert!(matches!(end, Some(End::Stands { .. })), "{end:?}");
                prop_assert_eq!(server.mark(), Some(newest.mark.clone()));
                prop_assert!(round == 0 || server.version == before);
            }
        }
    }
}

#[test]
fn an_answer_that_was_lost_is_found_again_as_our_own() {
    for gives_ids in [false, true] {
        let mut server = Server { gives_ids, ..Server::default() };
        // The create was done, and nobody heard.
        assert_eq!(run(&mut server, &of(1), false, Some(1), 1), None);
        assert!(matches!(run(&mut server, &of(1), false, None, 1), Some(End::Stands { written: false, .. })));
        // The update was done, and nobody heard.
        assert_eq!(run(&mut server, &of(2), true, Some(1), 2), None);
        assert!(matches!(run(&mut server, &of(2), true, None, 2), Some(End::Stands { written: false, .. })));
        assert!(matches!(run(&mut server, &of(3), true, None, 3), Some(End::Stands { written: true, .. })));
        assert_eq!(server.mark().map(|mark| mark.version), Some(3));
    }
}

#[test]
fn after_a_store_was_put_back_only_what_came_later_is_written_over_what_we_wrote() {
    let mut server = Server::default();
    assert!(matches!(run(&mut server, &of(5), false, None, 5), Some(End::Stands { written: true, .. })));
    let stands = |server: &Server| server.mark().map(|mark| mark.version);
    // The state to which the store was put back is older than what stands there.
    assert!(matches!(run(&mut server, &of(3), true, None, 3), Some(End::Stands { written: false, .. })));
    // One that was overtaken is not known by the clock alone: the store has what stands there.
    assert!(matches!(run(&mut server, &of_time(4, 60), true, None, 5), Some(End::Stands { written: false, .. })));
    assert_eq!(stands(&server), Some(5));
    // What comes to be afterwards has a lower number and is newer.
    assert!(matches!(run(&mut server, &of_time(4, 60), true, None, 4), Some(End::Stands { written: true, .. })));
    assert_eq!(server.mark(), Some(of_time(4, 60).mark));
    // Not so where somebody changed it, or where it does not say of when it is.
    let before = server.version;
    if let Some(resource) = &mut server.resource {
        resource.set("description", Json::string("by the practice"));
    }
    assert_eq!(run(&mut server, &of_time(2, 90), true, None, 2), Some(End::Stopped(Trouble::ChangedThere)));
    let mut undated = of(9);
    undated.mark.at = None;
    undated.mark.put_on(&mut undated.resource);
    server.resource = None;
    server.store(&undated.resource);
    assert!(matches!(run(&mut server, &of_time(2, 90), true, None, 2), Some(End::Stands { written: false, .. })));
    assert_eq!(server.version, before + 1);
}

#[test]
fn each_refusal_is_told_or_waits() {
    let task = of(1);
    let after = |ask: Ask, stood: bool, status: u16| {
        let (mut exchange, _) = Exchange::begin(&task, Creates::WithOurId, stood);
        exchange.asked = ask;
        exchange.heard(&Heard { status, ..Heard::default() })
    };
    let update = || Ask::Update { id: "t".to_owned(), etag: "W/\"1\"".to_owned() };
    for status in [401, 408, 425, 429, 500, 502, 503, 504] {
        assert_eq!(after(update(), true, status), Next::End(End::Later { status }));
    }
    for (ask, stood, status, trouble) in [
        (update(), true, 404, Trouble::GoneThere),
        (update(), true, 410, Trouble::GoneThere),
        (Ask::Read { id: "t".to_owned() }, true, 404, Trouble::GoneThere),
        (Ask::Read { id: "t".to_owned() }, false, 410, Trouble::GoneThere),
        (Ask::PutNew, false, 405, Trouble::IdRefused),
        (Ask::PutNew, false, 422, Trouble::Refused(422)),
        (update(), true, 400, Trouble::Refused(400)),
        (update(), true, 403, Trouble::Refused(403)),
        (Ask::PostNew, false, 412, Trouble::Several),
        (Ask::Find, false, 200, Trouble::Refused(200)),
        (update(), true, 302, Trouble::Refused(302)),
        (update(), true, 200, Trouble::Unversioned),
    ] {
        assert_eq!(after(ask.clone(), stood, status), stopped(trouble), "{ask:?} {status}");
    }
}

#[test]
fn of_a_search_only_what_has_the_identifier_counts() {
    let task = of(1);
    let (mut exchange, ask) = Exchange::begin(&task, Creates::WithTheirId, false);
    assert_eq!(ask, Ask::Find);
    let strangers: Json = json!({ "resourceType": "Bundle", "entry": [
        { "resource": { "resourceType": "Task", "id": "other", "identifier": [{ "system": "urn:x", "value": "y" }] } }] })
    .into();
    let heard = Heard { status: 200, body: Some(strangers), ..Heard::default() };
    assert_eq!(exchange.heard(&heard), Next::Ask(Ask::PostNew));
    let created = Heard {
        status: 201,
        etag: Some("W/\"1\"".to_owned()),
        location: Some("http://x/fhir/Task/77/_history/1".to_owned()),
        body: None,
    };
    let stands = End::Stands { held: Held { id: "77".to_owned(), etag: "W/\"1\"".to_owned() }, written: true };
    assert_eq!(exchange.heard(&created), Next::End(stands));
}
