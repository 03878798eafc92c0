//! The platform without a socket, as [`crate::platform::InProcess`] is one.

use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::Value;
use time::OffsetDateTime;

use super::auth::{self, Role};
use super::store::{State, Status};
use super::{ConnectFamiliesConfig, exchange, serve};
use crate::platform::RecordedRequest;

/// A platform that answers a function call.
pub struct InProcess {
    state: State,
}

impl InProcess {
    /// A platform.
    #[must_use]
    pub fn new(config: ConnectFamiliesConfig) -> Self {
        Self { state: State::new(config.signing_key, config.start) }
    }

    /// A token for a caller, without an end.
    #[must_use]
    pub fn token(&self, role: Role, account: i64, organisation: i64) -> String {
        auth::sign(&self.state.key, &auth::claims(role, account, organisation))
    }

    /// Answers one request.
    pub fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        let (parts, body) = request.into_parts();
        serve::record(&mut self.state, &parts, &body);
        let asked = serve::asked(&parts, body);
        let answer = exchange::answer(&mut self.state, &asked);
        let mut response = Response::new(answer.body.into_bytes());
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if !answer.content_type.is_empty() {
            response.headers_mut().insert("content-type", HeaderValue::from_static(answer.content_type));
        }
        response
    }

    /// Moves its clock to this time; a clock of a double never goes back.
    pub fn pass_to(&mut self, now: OffsetDateTime) {
        let step = now - self.state.clock.now();
        self.state.clock.advance(step);
    }

    /// Sets any status from any other, as the platform lets people do. False if there is no referral of this id.
    pub fn set_status(&mut self, id: i64, status: Status, reason: Option<&str>) -> bool {
        self.state.set_status(id, status, reason.map(str::to_owned))
    }

    /// The referrals that arrived, oldest first, as the API shows them.
    #[must_use]
    pub fn received(&self) -> Vec<Value> {
        self.state.all().map(|one| self.state.shown(one)).collect()
    }

    /// Every request so far, verbatim, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> &[RecordedRequest] {
        &self.state.requests
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
