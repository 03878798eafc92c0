//! The platform without a socket, as [`crate::platform::InProcess`] is one.

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::Value;
use time::OffsetDateTime;

use super::ConnectFamiliesConfig;
use super::auth::{self, Role};
use super::store::{State, Status};
use crate::clock::SimClock;
use crate::fhir;
use crate::platform::RecordedRequest;
use crate::simulator::{Api, Asked};

/// A platform that answers a function call.
pub struct InProcess {
    state: State,
    clock: SimClock,
    requests: Vec<RecordedRequest>,
}

impl InProcess {
    /// A platform.
    #[must_use]
    pub fn new(config: ConnectFamiliesConfig) -> Self {
        let clock = SimClock::starting(config.start);
        Self { state: State::new(config.signing_key), clock, requests: Vec::new() }
    }

    /// A token for a caller, without an end.
    #[must_use]
    pub fn token(&self, role: Role, account: i64, organisation: i64) -> String {
        auth::sign(&self.state.key, &auth::claims(role, account, organisation))
    }

    /// Answers one request.
    pub fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        let (parts, body) = request.into_parts();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers: Vec<(String, String)> =
            parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        self.requests.push(RecordedRequest {
            at: fhir::instant(self.clock.now()),
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            headers: headers.clone(),
            body: String::from_utf8_lossy(&body).into_owned(),
        });
        let asked = Asked {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers,
            body,
            token: None,
        };
        let now = self.clock.stamp();
        let answer = self.state.answer(&asked, now);
        let mut response = Response::new(answer.body);
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in &answer.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }

    /// Moves its clock to this time; a clock of a double never goes back.
    pub fn pass_to(&mut self, now: OffsetDateTime) {
        let step = now - self.clock.now();
        self.clock.advance(step);
    }

    /// Sets any status from any other, as the platform lets people do. False if there is no referral of this id.
    pub fn set_status(&mut self, id: i64, status: Status, reason: Option<&str>) -> bool {
        let now = self.clock.stamp();
        self.state.set_status(id, status, reason.map(str::to_owned), now)
    }

    /// The referrals that arrived, oldest first, as the API shows them.
    #[must_use]
    pub fn received(&self) -> Vec<Value> {
        self.state.all().map(|one| self.state.shown(one)).collect()
    }

    /// Every request so far, verbatim, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> &[RecordedRequest] {
        &self.requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_and_records_as_the_one_with_a_socket_does() {
        let mut platform = InProcess::new(ConnectFamiliesConfig::default());
        let token = platform.token(Role::LaDualRole, 11, 7);
        let ask = |token: &str| {
            let request = Request::get("http://platform.example/api/referralsByReferrer/11?pageSize=3");
            request.header("authorization", format!("Bearer {token}")).body(Vec::new()).unwrap()
        };
        assert_eq!(platform.answer(ask("wrong")).status(), 401);
        let answer = platform.answer(ask(&token));
        assert_eq!(answer.status(), 200);
        let list: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(list["totalCount"], 0);
        assert_eq!(platform.requests()[1].path, "/api/referralsByReferrer/11?pageSize=3");
        assert!(!platform.set_status(1, Status::Opened, None) && platform.received().is_empty());
    }
}
