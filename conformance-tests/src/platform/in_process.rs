//! The platform without a socket: whoever holds it hands it requests, lets its time pass and carries its notifications. For
//! simulations in one thread, where nothing may wait for the operating system.

use http::{HeaderValue, Request, Response, StatusCode};
use time::OffsetDateTime;

use super::PlatformConfig;
use super::exchange::{self, Answer};
use super::notify::{self, Payload};
use super::serve;
use super::state::{PlatformTask, RecordedRequest, State};
use crate::fhir::FHIR_JSON;

/// A platform that answers a function call.
pub struct InProcess {
    state: State,
}

impl InProcess {
    /// A platform whose own addresses begin with `base_url`, without a slash at the end. What is in
    /// [`PlatformConfig::notify`] is not looked at.
    #[must_use]
    pub fn new(config: &PlatformConfig, base_url: &str) -> Self {
        Self { state: State::new(config, base_url.to_owned()) }
    }

    /// Answers one request to an address below the base.
    pub fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        let (parts, body) = request.into_parts();
        let Some(rest) = parts.uri.path().strip_prefix("/fhir").map(str::to_owned) else {
            return response(&Answer::no(404, "not-found", "Resource", "the FHIR base is /fhir"));
        };
        serve::record(&mut self.state, &parts, &body);
        let asked = serve::asked(&parts, &rest, body);
        response(&exchange::answer(&mut self.state, &asked))
    }

    /// Moves its clock to this time; a clock of a double never goes back.
    pub fn pass_to(&mut self, now: OffsetDateTime) {
        self.state.pass_to(now);
    }

    /// Lets one step of time pass: open Tasks move. How many did.
    pub fn tick(&mut self) -> usize {
        self.state.tick()
    }

    /// What is to be told of changes since this was last asked: the body of each notification (address only), in order.
    pub fn notifications(&mut self) -> Vec<String> {
        let changes: Vec<_> = self.state.changes.drain(..).collect();
        let base = &self.state.base_url;
        changes.iter().map(|change| notify::bundle(Payload::IdOnly, base, change).to_string()).collect()
    }

    /// Every Task.
    #[must_use]
    pub fn tasks(&self) -> Vec<PlatformTask> {
        self.state.tasks()
    }

    /// Every request so far, verbatim, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> &[RecordedRequest] {
        &self.state.requests
    }

    /// True when every Task is final.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.state.settled()
    }
}

fn response(answer: &Answer) -> Response<Vec<u8>> {
    let mut response = Response::new(answer.body.to_string().into_bytes());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static(FHIR_JSON));
    for (name, value) in &answer.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_and_records_as_the_one_with_a_socket_does() {
        let mut platform = InProcess::new(&PlatformConfig::default(), "http://platform.example/fhir");
        let ask = |token: &str| {
            let request = Request::get("http://platform.example/fhir/Task?_count=3");
            let request = request.header("authorization", format!("Bearer {token}")).header("x-request-id", "one");
            request.body(Vec::new()).unwrap()
        };
        assert_eq!(platform.answer(ask("wrong")).status(), 401);
        let answer = platform.answer(ask("platform-token"));
        assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (200, FHIR_JSON));
        let bundle: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(bundle["type"], "searchset");
        let request = &platform.requests()[1];
        assert_eq!((request.path.as_str(), request.header("x-request-id")), ("/fhir/Task?_count=3", Some("one")));
        let later = time::macros::datetime!(2026-06-15 13:00 UTC);
        platform.pass_to(later);
        platform.pass_to(later - time::Duration::hours(1));
        assert!(platform.state.now() >= later);
    }
}
