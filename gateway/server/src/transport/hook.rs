//! The way to endpoints that a client named itself: one POST, to addresses that are looked at, following nothing, reading nothing of
//! the answer but its status.

use super::access::{Tls, client};
use super::dial::{Allowed, Guard, Lookup};
use super::is_forbidden;
use std::sync::Arc;
use std::time::Duration;

/// Sends to the endpoints of one client.
#[derive(Clone, Debug)]
pub struct Hook(reqwest::Client);

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hooked {
    /// It answered with this status, and wished to be left alone for so many seconds.
    Answered {
        /// HTTP status.
        status: u16,
        /// `Retry-After`, where it is a number.
        retry_after: Option<u32>,
    },
    /// It did not answer: why, without its address.
    Silent(&'static str),
}

impl Hook {
    /// With names looked up there, and leading to these addresses alone.
    ///
    /// # Errors
    /// When the TLS library cannot start.
    pub fn new(lookup: Arc<dyn Lookup>, allowed: Allowed) -> Result<Self, reqwest::Error> {
        client(&Tls::default(), Guard { lookup, allowed }).map(Self)
    }

    /// Posts FHIR JSON with these headers, and waits so long for the answer.
    pub async fn post(&self, to: &str, headers: &[(&str, &str)], body: Vec<u8>, patience: Duration) -> Hooked {
        let mut request = self.0.post(to).timeout(patience).header("content-type", "application/fhir+json").body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match request.send().await {
            Ok(answer) => {
                let asked =
                    answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
                Hooked::Answered { status: answer.status().as_u16(), retry_after: asked }
            }
            // Its words would hold the address.
            Err(error) if is_forbidden(&error) => {
                Hooked::Silent("The endpoint's name leads to an address that may not be dialled.")
            }
            Err(error) if error.is_timeout() => Hooked::Silent("The endpoint did not answer in time."),
            Err(error) if error.is_connect() => Hooked::Silent("No connection to the endpoint."),
            Err(_) => Hooked::Silent("The connection ended before the endpoint had answered."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::BoxFuture;
    use std::io;
    use std::net::IpAddr;
    use wiremock::matchers::method;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    /// Every name leads here.
    struct Leads(&'static str);

    impl Lookup for Leads {
        fn addresses(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let address = self.0.parse();
            Box::pin(async move { Ok(vec![address.map_err(io::Error::other)?]) })
        }
    }

    async fn posted(hook: &Hook, to: &str) -> Hooked {
        hook.post(to, &[("webhook-id", "m1")], b"{}".to_vec(), Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_dialled() {
        let server = MockServer::start().await;
        let port = server.address().port();
        let forbidden = Hooked::Silent("The endpoint's name leads to an address that may not be dialled.");
        for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"] {
            let hook = Hook::new(Arc::new(Leads(inside)), Allowed::default()).unwrap();
            assert_eq!(posted(&hook, &format!("http://ehr.example:{port}/")).await, forbidden, "{inside}");
        }
        assert!(server.received_requests().await.unwrap().is_empty());
        let allowed = Allowed::also(vec!["127.0.0.0/8".parse().unwrap()]);
        let hook = Hook::new(Arc::new(Leads("127.0.0.1")), allowed).unwrap();
        let answer = posted(&hook, &format!("http://ehr.example:{port}/")).await;
        assert_eq!(answer, Hooked::Answered { status: 404, retry_after: None });
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let server = MockServer::start().await;
        let there = format!("{}/there", server.uri());
        let answer =
            ResponseTemplate::new(307).insert_header("location", there.as_str()).insert_header("retry-after", "7");
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let hook = Hook::new(Arc::new(Leads("127.0.0.1")), Allowed::default().with_this_machine()).unwrap();
        let answer = posted(&hook, &format!("{}/here", server.uri())).await;
        assert_eq!(answer, Hooked::Answered { status: 307, retry_after: Some(7) });
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }
}
