//! Letters over MESH: each is addressed by itself, to a practice that MESH finds or to a mailbox, and what comes back is read by its headers.
//!
//! Address and subject of a letter are patient data (`gateway_documents::mesh`): they go into the request and nowhere else.

use super::inbox::First;
use super::{Call, Mesh, Talk, wire};
use crate::transport::access::Access;
use crate::transport::{HttpTransport, Names, To};
use adapter_contract::{DeliveryError, FailureCode, FileAnswer, FileFault, Method};
use serde::Deserialize;

/// Most bytes of what is read: an acknowledgement has some 5,000.
const ANSWER_BYTES: usize = 2 * 1024 * 1024;
/// MESH has so long for one request.
const ANSWER_SECONDS: u32 = 30;
/// Messages that are listed at once; MESH lists 500 at most. What lies behind them is listed from where they end.
const LISTED: usize = 100;
/// Media type of a message (FHIR STU3).
const MEDIA_TYPE: &str = "application/fhir+xml";

/// A mailbox of ours that belongs to no platform.
pub struct PostOffice {
    /// Address of the MESH API, without trailing slash.
    pub base_url: String,
    /// Certificates, and where the name may lead.
    pub access: Access,
    /// The mailbox with its secrets; where it sends, each letter says.
    pub mesh: Mesh,
}

/// One thing to be done.
pub enum PostRequest<'a> {
    /// Send a message.
    Send(&'a Outgoing<'a>),
    /// Name the messages that wait, some at most: the oldest, or those from where a list before ended.
    List(Option<&'a str>),
    /// Fetch a message.
    Fetch(&'a str),
    /// A message is dealt with.
    Finish(&'a str),
}

/// A message that is to leave. It names a person: no `Debug`.
pub struct Outgoing<'a> {
    /// `mex-to`.
    pub to: &'a str,
    /// `mex-subject`.
    pub subject: &'a str,
    /// `mex-localid`.
    pub local_id: &'a str,
    /// `mex-workflowid`.
    pub workflow: &'a str,
    /// The message.
    pub content: &'a [u8],
}

/// What came of it.
pub enum PostAnswer {
    /// MESH has it, under this name.
    Sent(String),
    /// These wait.
    Listed {
        /// Their names.
        messages: Vec<String>,
        /// Where the list goes on, if there are more.
        next: Option<String>,
    },
    /// It is not there any more.
    Gone,
    /// A message of ours was not delivered.
    Undelivered {
        /// MESH's name for what we sent, if it says so.
        message: Option<String>,
        /// MESH's code.
        code: String,
    },
    /// A message.
    Fetched {
        /// Its workflow.
        workflow: String,
        /// Its content, or why there is none.
        content: Result<Vec<u8>, FileFault>,
    },
    /// Done.
    Finished,
}

/// Does what is asked.
pub(in crate::transport) async fn carry(
    transport: &HttpTransport,
    office: &PostOffice,
    request: &PostRequest<'_>,
    names: &Names,
) -> Result<PostAnswer, DeliveryError> {
    let (base_url, access) = (office.base_url.as_str(), &office.access);
    let to = To { who: "MESH mailbox", base_url, access, answer_bytes: ANSWER_BYTES, answer_seconds: ANSWER_SECONDS };
    let talk = Talk { transport, to, mesh: &office.mesh, names };
    talk.handshake().await?;
    match request {
        PostRequest::Send(letter) => {
            let headers = [
                ("mex-from", office.mesh.mailbox.as_str()),
                ("mex-to", letter.to),
                ("mex-subject", letter.subject),
                ("mex-localid", letter.local_id),
                ("mex-workflowid", letter.workflow),
                ("mex-content-type", MEDIA_TYPE),
            ];
            talk.message(&headers, MEDIA_TYPE, letter.content).await.map(PostAnswer::Sent)
        }
        PostRequest::List(from) => list(&talk, *from).await,
        PostRequest::Fetch(id) => fetch(&talk, id).await,
        PostRequest::Finish(id) => match talk.finish(id).await? {
            FileAnswer::Finished => Ok(PostAnswer::Finished),
            _ => Err(DeliveryError::new(
                FailureCode::UnreadableSuccess,
                "MESH did not say that the message is finished.",
            )),
        },
    }
}

/// A list of messages, of version 2 of MESH's answers.
#[derive(Deserialize)]
struct Inbox {
    messages: Vec<String>,
    #[serde(default)]
    links: Links,
}

#[derive(Default, Deserialize)]
struct Links {
    next: Option<String>,
}

async fn list(talk: &Talk<'_>, from: Option<&str>) -> Result<PostAnswer, DeliveryError> {
    let mut call = Call::to("/inbox");
    call.query.push(("max_results".to_owned(), LISTED.to_string()));
    call.query.extend(from.map(|from| ("continue_from".to_owned(), from.to_owned())));
    let heard = talk.call(Method::Get, call).await?;
    if heard.status != 200 {
        return Err(heard.failure());
    }
    let Inbox { messages, links } = heard.read()?;
    Ok(PostAnswer::Listed {
        messages: messages.into_iter().filter(|id| wire::id(id).is_some()).take(LISTED).collect(),
        next: links.next.as_deref().and_then(continued),
    })
}

/// Where a list goes on, from MESH's link to it. Nothing but that is taken from the link, so that it leads nowhere else.
fn continued(link: &str) -> Option<String> {
    let (_, query) = link.split_once('?')?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, value)| name == "continue_from" && !value.is_empty()).map(|(_, value)| value.into_owned())
}

async fn fetch(talk: &Talk<'_>, id: &str) -> Result<PostAnswer, DeliveryError> {
    let Some(id) = wire::id(id) else { return Ok(PostAnswer::Gone) };
    let first = match talk.first(id).await? {
        First::Gone => return Ok(PostAnswer::Gone),
        First::Unfit(fault) => return Ok(PostAnswer::Fetched { workflow: String::new(), content: Err(fault) }),
        First::Part(first) => first,
    };
    if first.header("mex-messagetype").is_some_and(|kind| kind.eq_ignore_ascii_case("REPORT")) {
        let code = first.header("mex-statuscode").and_then(wire::code_word).unwrap_or_else(|| "unknown".to_owned());
        let message = first.header("mex-linkedmsgid").and_then(wire::id).map(str::to_owned);
        return Ok(PostAnswer::Undelivered { message, code });
    }
    let workflow = first.header("mex-workflowid").unwrap_or_default().trim().to_owned();
    let content = talk.whole(id, first).await?;
    Ok(PostAnswer::Fetched { workflow, content })
}
