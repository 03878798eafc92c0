//! Files over MESH, the messages of the NHS between mailboxes (MESH API version 2): each file is one message. It goes through the
//! platform's HTTP client and knows nothing of what is in a file.
//!
//! MESH does not tell two messages with one `Mex-LocalID` from each other: whoever sends twice delivers twice. So a message is looked
//! for by that name before it is sent again.

mod inbox;
pub mod post;
mod wire;

use super::{HttpTransport, Names, Shown, To};
use crate::gateway::{Platform, Secret};
use adapter_contract::{
    Answer, DeliveryError, FailureCode, FileAnswer, FilePut, FileRequest, HttpRequest, Method, Repeat,
};
use aws_lc_rs::hmac;
use serde::Deserialize;
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::sync::Mutex;

/// A file that is longer is packed before it leaves.
const PACKED_FROM: usize = 16 * 1024;
/// MESH wants to hear from a mailbox once a day.
const HANDSHAKE: Duration = Duration::from_secs(24 * 60 * 60);
/// The version of the API that is spoken.
const ACCEPT: &str = "application/vnd.mesh.v2+json";

/// A mailbox of ours, and the one to which a platform's files go.
pub struct Mesh {
    /// Ours.
    pub mailbox: String,
    /// Theirs.
    pub to: String,
    /// The workflow under which our files go.
    pub workflow: String,
    /// The password of our mailbox.
    pub password: Secret,
    /// The key of the environment, with which requests are signed.
    pub shared_key: Secret,
    /// Bytes of one part of a message, at most.
    pub chunk_bytes: usize,
    /// Whether a message may be looked for by its local id.
    pub track_by_local_id: bool,
    /// When the mailbox was last checked, by [`crate::clock::Clock::elapsed`].
    pub checked: Mutex<Option<Duration>>,
}

impl Mesh {
    /// The `Authorization` of one request. A nonce is used once.
    fn authorization(&self, nonce: &str, now: OffsetDateTime) -> Secret {
        let minute =
            now.to_offset(time::UtcOffset::UTC).format(format_description!("[year][month][day][hour][minute]"));
        let minute = minute.unwrap_or_default();
        let mailbox = &self.mailbox;
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.shared_key.reveal().as_bytes());
        let signed = hmac::sign(&key, format!("{mailbox}:{nonce}:0:{}:{minute}", self.password.reveal()).as_bytes());
        let hash = wire::hex(signed.as_ref());
        Secret::new(format!("NHSMESH {mailbox}:{nonce}:0:{minute}:{hash}"))
    }
}

/// One request below our mailbox.
#[derive(Default)]
struct Call {
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Call {
    fn to(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// What MESH answered.
struct Heard {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Heard {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, DeliveryError> {
        serde_json::from_slice(&self.body).map_err(|_| {
            let words = format!("MESH answered {}, but not as its interface says.", self.status);
            DeliveryError::new(FailureCode::UnreadableSuccess, words)
        })
    }

    /// The failure that this answer is. Of its words only the code is told: the rest may repeat what was sent.
    fn failure(&self) -> DeliveryError {
        let status = self.status;
        if (200..300).contains(&status) {
            let words = format!("MESH answered {status}, which is no answer to this request.");
            return DeliveryError::new(FailureCode::UnreadableSuccess, words);
        }
        let code = wire::error_code(&self.body).map(|code| format!(" with its error code {code}"));
        let words = format!("MESH answered {status}{}.", code.unwrap_or_default());
        let wait = self.header("retry-after").and_then(|value| value.trim().parse().ok());
        DeliveryError { retry_after_seconds: wait, ..DeliveryError::new(FailureCode::HttpStatus(status), words) }
    }
}

/// Why there is no answer.
enum Unheard {
    /// It is longer than it may be.
    TooLong,
    /// Everything else.
    Failed(DeliveryError),
}

impl From<Unheard> for DeliveryError {
    fn from(unheard: Unheard) -> Self {
        match unheard {
            Unheard::TooLong => Self::new(FailureCode::UnreadableSuccess, "The answer of MESH is too long."),
            Unheard::Failed(error) => error,
        }
    }
}

/// What MESH answers to a message that it took.
#[derive(Deserialize)]
struct Taken {
    message_id: String,
}

/// A conversation with MESH for one request of an adapter.
struct Talk<'a> {
    transport: &'a HttpTransport,
    to: To<'a>,
    mesh: &'a Mesh,
    names: &'a Names,
}

/// Does what is asked.
pub(super) async fn carry(
    transport: &HttpTransport,
    platform: &Platform,
    mesh: &Mesh,
    request: &FileRequest,
    names: &Names,
) -> Result<Answer, DeliveryError> {
    let talk = Talk { transport, to: To::platform(platform), mesh, names };
    talk.handshake().await?;
    let answer = match request {
        FileRequest::Put(put) => talk.put(put).await?,
        FileRequest::Find { key } => FileAnswer::Found(talk.find(key).await?),
        FileRequest::List => FileAnswer::Listed(talk.list(inbox::LISTED).await?),
        FileRequest::Get { id } => talk.get(id).await?,
        FileRequest::Finish { id } => talk.finish(id).await?,
    };
    Ok(Answer::File(answer))
}

impl Talk<'_> {
    async fn call(&self, method: Method, call: Call) -> Result<Heard, Unheard> {
        let Self { transport, to, mesh, names } = self;
        let nonce = transport.chance.secret();
        let signed = mesh.authorization(&nonce, transport.clock.now());
        let mut headers = call.headers;
        headers.push(("accept".to_owned(), ACCEPT.to_owned()));
        let path = format!("messageexchange/{}{}", mesh.mailbox, call.path);
        let request = HttpRequest { method, path, query: call.query, headers, body: call.body, repeat: Repeat::Safe };
        let client = transport.client_of(*to).map_err(Unheard::Failed)?;
        match transport.once(&client, *to, &request, names, Shown::Signed(&signed)).await {
            Ok(Answer::Http { status, headers, body }) => Ok(Heard { status, headers, body }),
            Ok(_) => Err(Unheard::Failed(DeliveryError::new(FailureCode::NoAnswer, "HTTP gave no answer."))),
            Err(unread) if unread.too_long => Err(Unheard::TooLong),
            Err(unread) => Err(Unheard::Failed(unread.error)),
        }
    }

    /// Checks the mailbox, once a day: with wrong credentials nothing of a referral leaves.
    async fn handshake(&self) -> Result<(), DeliveryError> {
        let mut checked = self.mesh.checked.lock().await;
        let now = self.transport.clock.elapsed();
        if checked.is_some_and(|at| now.saturating_sub(at) < HANDSHAKE) {
            return Ok(());
        }
        let call = Call::to("")
            .with("mex-clientversion", concat!("vcse-gateway==", env!("CARGO_PKG_VERSION")))
            .with("mex-osname", std::env::consts::OS)
            .with("mex-osversion", "unknown")
            .with("mex-osarchitecture", std::env::consts::ARCH);
        // Whatever became of it, nothing of a referral has left.
        let nothing_left = |error: DeliveryError| match error.code {
            FailureCode::NoAnswer | FailureCode::UnreadableSuccess => {
                DeliveryError { code: FailureCode::NotConnected, ..error }
            }
            _ => error,
        };
        let heard = self.call(Method::Post, call).await.map_err(|unheard| nothing_left(unheard.into()))?;
        if heard.status != 200 {
            return Err(nothing_left(heard.failure()));
        }
        *checked = Some(now);
        Ok(())
    }

    /// Sends a file to the platform's mailbox.
    async fn put(&self, put: &FilePut) -> Result<FileAnswer, DeliveryError> {
        let mesh = self.mesh;
        let headers = [
            ("mex-to", mesh.to.as_str()),
            ("mex-workflowid", mesh.workflow.as_str()),
            ("mex-filename", put.name.as_str()),
            ("mex-localid", put.key.as_str()),
            ("mex-content-type", put.media_type.as_str()),
        ];
        self.message(&headers, &put.media_type, &put.content).await.map(|_| FileAnswer::Put)
    }

    /// Sends a message, in parts if it is long. MESH delivers it when it has all of them. Its name at MESH.
    async fn message(
        &self,
        headers: &[(&str, &str)],
        media_type: &str,
        content: &[u8],
    ) -> Result<String, DeliveryError> {
        let packed = content.len() > PACKED_FROM;
        let content = if packed { wire::packed(content) } else { content.to_vec() };
        let parts: Vec<&[u8]> = content.chunks(self.mesh.chunk_bytes).collect();
        let all = parts.len();
        let mut message = None;
        for (index, part) in parts.into_iter().enumerate() {
            let number = index + 1;
            let path = match &message {
                None => "/outbox".to_owned(),
                Some(id) => format!("/outbox/{id}/{number}"),
            };
            let mut call = Call::to(path).with("content-type", media_type);
            if packed {
                call = call.with("content-encoding", "gzip");
            }
            if all > 1 {
                call = call.with("mex-chunk-range", format!("{number}:{all}"));
            }
            if message.is_none() {
                call = headers.iter().fold(call, |call, (name, value)| call.with(name, *value));
            }
            call.body = Some(part.to_vec());
            let heard = self.call(Method::Post, call).await?;
            if heard.status != 202 {
                return Err(heard.failure());
            }
            if message.is_none() {
                let Taken { message_id } = heard.read()?;
                message = Some(wire::id(&message_id).ok_or_else(|| heard.failure())?.to_owned());
            }
        }
        message.ok_or_else(|| {
            DeliveryError::new(FailureCode::Untranslatable, "The adapter made an empty file, which MESH does not take.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn mesh() -> Mesh {
        Mesh {
            mailbox: "X26ABC1".to_owned(),
            to: "X26ABC2".to_owned(),
            workflow: "W".to_owned(),
            password: Secret::new("password".to_owned()),
            shared_key: Secret::new("TestKey".to_owned()),
            chunk_bytes: 10,
            track_by_local_id: true,
            checked: Mutex::default(),
        }
    }

    #[test]
    fn a_request_is_signed_for_its_minute() {
        let at = datetime!(2026-11-30 09:05:59 +1);
        // printf %s 'X26ABC1:nonce:0:password:202611300805' | openssl dgst -sha256 -hmac TestKey
        let hash = "3a025726c252d2c52f80caecb84fe6ce2b9345172912bc264bd5f9a23f310b64";
        let signed = mesh().authorization("nonce", at);
        assert_eq!(signed.reveal(), format!("NHSMESH X26ABC1:nonce:0:202611300805:{hash}"));
    }

    #[test]
    fn a_refusal_tells_its_code_and_none_of_its_words() {
        let body = br#"{"errorEvent":"SEND","errorCode":"12","errorDescription":"Unregistered to Amina"}"#.to_vec();
        let heard = Heard { status: 417, headers: vec![("retry-after".to_owned(), "7".to_owned())], body };
        let error = heard.failure();
        assert_eq!((error.code, error.retry_after_seconds), (FailureCode::HttpStatus(417), Some(7)));
        assert!(error.diagnostic.contains("code 12") && !error.diagnostic.contains("Amina"));
        let odd = Heard { status: 200, headers: Vec::new(), body: b"<html>".to_vec() };
        assert_eq!(odd.failure().code, FailureCode::UnreadableSuccess);
        assert!(odd.read::<Taken>().is_err());
    }
}
