//! What came into our mailbox, and what became of what we sent.

use super::{Call, Heard, Talk, Unheard, wire};
use adapter_contract::{DeliveryError, FailureCode, FileAnswer, FileFault, Method, ReceivedFile};
use serde::Deserialize;

/// Messages that are looked at in one poll; more wait for the next.
pub(super) const LISTED: usize = 100;
/// Parts of a message, at most.
const PARTS: usize = 100;

/// What became of asking for a message.
pub(super) enum First {
    /// It is not there.
    Gone,
    /// It is not to be read.
    Unfit(FileFault),
    /// Its first part.
    Part(Heard),
}

#[derive(Deserialize)]
struct Inbox {
    messages: Vec<String>,
}

/// What MESH knows of a message that we sent, in version 2 of its answers.
#[derive(Default, Deserialize)]
struct Tracked {
    local_id: Option<String>,
    recipient: Option<String>,
}

/// The same by its local id, which is a call of version 1.
#[derive(Deserialize)]
struct TrackedByName {
    status: Option<String>,
}

impl Talk<'_> {
    /// Whether MESH has the whole of a message with this local id.
    pub(super) async fn find(&self, key: &str) -> Result<bool, DeliveryError> {
        let refused = |words: &str| DeliveryError::new(FailureCode::Refused, words);
        if !self.mesh.track_by_local_id {
            return Err(refused("This platform's configuration says that MESH is not asked by local id."));
        }
        let key = wire::id(key).ok_or_else(|| refused("The key of the file is no local id."))?;
        let heard = self.call(Method::Get, Call::to(format!("/outbox/tracking/{key}"))).await?;
        match heard.status {
            200 => {
                let TrackedByName { status } = heard.read()?;
                // A message of which parts are missing is never delivered.
                let whole = ["accepted", "acknowledged"];
                Ok(status.is_some_and(|status| whole.iter().any(|word| status.eq_ignore_ascii_case(word))))
            }
            404 => Ok(false),
            300 => Err(refused("MESH has several messages with this local id, and does not say whether one is whole.")),
            _ => Err(heard.failure()),
        }
    }

    /// The messages that wait in our mailbox, so many at most.
    pub(super) async fn list(&self, most: usize) -> Result<Vec<String>, DeliveryError> {
        let mut call = Call::to("/inbox");
        call.query.push(("max_results".to_owned(), most.to_string()));
        let heard = self.call(Method::Get, call).await?;
        if heard.status != 200 {
            return Err(heard.failure());
        }
        let Inbox { messages } = heard.read()?;
        Ok(messages.into_iter().filter(|id| wire::id(id).is_some()).take(most).collect())
    }

    /// Says that a message is dealt with. One that is gone needs no word.
    pub(super) async fn finish(&self, id: &str) -> Result<FileAnswer, DeliveryError> {
        let Some(id) = wire::id(id) else { return Ok(FileAnswer::Finished) };
        let heard = self.call(Method::Put, Call::to(format!("/inbox/{id}/status/acknowledged"))).await?;
        match heard.status {
            200 | 404 | 410 => Ok(FileAnswer::Finished),
            _ => Err(heard.failure()),
        }
    }

    /// Fetches a message, with all its parts.
    pub(super) async fn get(&self, id: &str) -> Result<FileAnswer, DeliveryError> {
        let Some(id) = wire::id(id) else { return Ok(FileAnswer::NotOurs) };
        let first = match self.first(id).await? {
            First::Gone => return Ok(FileAnswer::NotOurs),
            First::Unfit(fault) => return Ok(FileAnswer::Unfit(fault)),
            First::Part(first) => first,
        };
        if first.header("mex-messagetype").is_some_and(|kind| kind.eq_ignore_ascii_case("REPORT")) {
            return self.undelivered(&first).await;
        }
        if !first.header("mex-from").is_some_and(|from| from.eq_ignore_ascii_case(&self.mesh.to)) {
            return Ok(FileAnswer::NotOurs);
        }
        let name = first.header("mex-filename").map(str::to_owned);
        Ok(match self.whole(id, first).await? {
            Ok(content) => FileAnswer::File(ReceivedFile { name, content }),
            Err(fault) => FileAnswer::Unfit(fault),
        })
    }

    /// The first part of a message, with its headers.
    pub(super) async fn first(&self, id: &str) -> Result<First, DeliveryError> {
        let first = match self.part(id, 1).await {
            Err(Unheard::TooLong) => return Ok(First::Unfit(FileFault::TooLong)),
            part => part?,
        };
        match first.status {
            200 | 206 => Ok(First::Part(first)),
            404 | 410 => Ok(First::Gone),
            _ => Err(first.failure()),
        }
    }

    /// The content of a message of which this is the first part.
    pub(super) async fn whole(&self, id: &str, first: Heard) -> Result<Result<Vec<u8>, FileFault>, DeliveryError> {
        let most = self.to.answer_bytes;
        let parts = first.header("mex-chunk-range").and_then(parts).unwrap_or(1);
        if parts > PARTS {
            return Ok(Err(FileFault::TooLong));
        }
        let mut content = first.body;
        for number in 2..=parts {
            let part = match self.part(id, number).await {
                Err(Unheard::TooLong) => return Ok(Err(FileFault::TooLong)),
                part => part?,
            };
            if !matches!(part.status, 200 | 206) {
                return Err(part.failure());
            }
            content.extend_from_slice(&part.body);
            if content.len() > most {
                return Ok(Err(FileFault::TooLong));
            }
        }
        Ok(wire::unpacked(content, most).map_err(|fault| match fault {
            wire::Unpacking::TooLong => FileFault::TooLong,
            wire::Unpacking::Broken => FileFault::Broken,
        }))
    }

    async fn part(&self, id: &str, number: usize) -> Result<Heard, Unheard> {
        let path = if number == 1 { format!("/inbox/{id}") } else { format!("/inbox/{id}/{number}") };
        self.call(Method::Get, Call::to(path).with("accept-encoding", "gzip")).await
    }

    /// An error report. It is about a message of ours, which says for whom that was and under which name.
    async fn undelivered(&self, report: &Heard) -> Result<FileAnswer, DeliveryError> {
        let code = report.header("mex-statuscode").and_then(wire::code_word).unwrap_or_else(|| "unknown".to_owned());
        let tracked = match report.header("mex-linkedmsgid").and_then(wire::id) {
            Some(linked) => self.track(linked).await?,
            None => Tracked::default(),
        };
        // A mailbox may serve several platforms: the report is for the one to which the message went.
        if tracked.recipient.is_some_and(|recipient| !recipient.eq_ignore_ascii_case(&self.mesh.to)) {
            return Ok(FileAnswer::NotOurs);
        }
        let key = tracked.local_id.or_else(|| report.header("mex-localid").map(str::to_owned));
        Ok(FileAnswer::Undelivered { key: key.filter(|key| !key.is_empty()), code })
    }

    async fn track(&self, message: &str) -> Result<Tracked, DeliveryError> {
        let mut call = Call::to("/outbox/tracking");
        call.query.push(("messageID".to_owned(), message.to_owned()));
        let heard = self.call(Method::Get, call).await?;
        match heard.status {
            200 => heard.read(),
            404 | 410 => Ok(Tracked::default()),
            _ => Err(heard.failure()),
        }
    }
}

/// The last number of `part:parts`.
fn parts(range: &str) -> Option<usize> {
    range.split_once(':')?.1.trim().parse().ok().filter(|parts| *parts >= 1)
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_range_says_how_many_parts_there_are() {
        assert_eq!(
            [parts("1:1"), parts("1: 7"), parts("1:0"), parts("one"), parts("1:x")],
            [Some(1), Some(7), None, None, None]
        );
    }
}
