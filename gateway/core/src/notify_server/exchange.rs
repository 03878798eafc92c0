//! Which request makes a copy stand, and what follows from its answer: a small state machine that is told answers and says requests.
//!
//! It may be begun anew at any time, with whatever is known: what was written and not heard of is recognised by its mark.

use super::copy::Copy;
use super::mark::Mark;
use gateway_fhir::Json;
use gateway_fhir::references::is_id;

/// So many requests are made for one copy at a time; beyond them somebody else is writing all the time.
const MOST: u32 = 6;

/// How a copy that is not there comes into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creates {
    /// By `PUT` under the id that it has here (R4, http, "Update as Create").
    WithOurId,
    /// By `POST` with `If-None-Exist`; the server chooses the id.
    WithTheirId,
}

/// A copy that stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its id there.
    pub id: String,
    /// The `ETag` of what stands.
    pub etag: String,
}

/// A request to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// `GET Type/id`.
    Read {
        /// The id there.
        id: String,
    },
    /// `GET Type?identifier=…`.
    Find,
    /// `PUT Type/id` with `If-None-Match: *`, so that what is there by now is not written over.
    PutNew,
    /// `POST Type` with `If-None-Exist`.
    PostNew,
    /// `PUT Type/id` with `If-Match`.
    Update {
        /// The id there.
        id: String,
        /// The version that is replaced.
        etag: String,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heard {
    /// HTTP status.
    pub status: u16,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Location`.
    pub location: Option<String>,
    /// The body, if it is JSON.
    pub body: Option<Json>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This request.
    Ask(Ask),
    /// Nothing.
    End(End),
    /// What stands there is ours, has a higher version, and was made before this copy. Either this copy was overtaken, and the clocks of
    /// two instances differ; or the gateway's store was put back since. If its newest version is lower than this one, it was, and
    /// [`Exchange::put_back`] goes on; else what stands there stands.
    Compare {
        /// The version that stands there.
        version: u64,
        /// Under which names.
        held: Held,
    },
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It stands there. `written`: by this exchange; otherwise it stood there already, or something newer of ours did.
    Stands {
        /// Under which names.
        held: Held,
        /// Whether anything was written.
        written: bool,
    },
    /// The server cannot do it now: again later.
    Later {
        /// Its status.
        status: u16,
    },
    /// A person has to look.
    Stopped(Trouble),
}

/// Why a person has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Somebody changed it there since we wrote it, or it was never ours.
    ChangedThere,
    /// It stood there and does not any more.
    GoneThere,
    /// Several resources there have its identifier.
    Several,
    /// The server gives no versions, so that nothing can be written safely.
    Unversioned,
    /// The server does not let us choose ids.
    IdRefused,
    /// The server refused it, with this status.
    Refused(u16),
}

impl Trouble {
    /// One word for lists.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ChangedThere => "changed-there",
            Self::GoneThere => "gone-there",
            Self::Several => "several-there",
            Self::Unversioned => "unversioned",
            Self::IdRefused => "id-refused",
            Self::Refused(_) => "refused",
        }
    }

    /// What is wrong and what to do, without patient data.
    #[must_use]
    pub fn words(self, kind: &str) -> String {
        match self {
            Self::ChangedThere => format!(
                "The GP's own server has a {kind} of this name that is not as the gateway wrote it: somebody changed it there. Nothing was \
                 written over it. Compare both; to have the gateway's state there again, put its last version back there."
            ),
            Self::GoneThere => format!(
                "The {kind} that the gateway wrote is no longer on the GP's own server, and is not made again. Ask the practice why; the \
                 state stands here."
            ),
            Self::Several => format!(
                "Several {kind} resources on the GP's own server have the gateway's identifier, so it is not known which is meant. Leave one."
            ),
            Self::Unversioned => {
                "The GP's own server answers with neither ETag nor meta.versionId, so the gateway cannot write without \
                                  risking another's change. Switch versioning on there."
                    .to_owned()
            }
            Self::IdRefused => {
                "The GP's own server does not let clients choose ids. Set creates = \"their-id\" for this server."
                    .to_owned()
            }
            Self::Refused(status) => format!(
                "The GP's own server refused the {kind} ({status}). Have its operator look up why under the request id; the state stands here."
            ),
        }
    }
}

/// One copy on its way.
#[derive(Debug)]
pub struct Exchange<'a> {
    copy: &'a Copy,
    stood: bool,
    asked: Ask,
    count: u32,
}

impl<'a> Exchange<'a> {
    /// Begins, and says the first request. `stood`: a copy of this resource has stood there before.
    ///
    /// What stands is always read first. Its mark says whether it is what we wrote last, and `If-Match` then holds for exactly that: so no
    /// version of another server need be remembered, and none can be out of date.
    #[must_use]
    pub fn begin(copy: &'a Copy, creates: Creates, stood: bool) -> (Self, Ask) {
        let first = match creates {
            Creates::WithOurId => Ask::Read { id: copy.id.clone() },
            Creates::WithTheirId => Ask::Find,
        };
        (Self { copy, stood, asked: first.clone(), count: 1 }, first)
    }

    /// What follows from the answer to the last request.
    pub fn heard(&mut self, answer: &Heard) -> Next {
        let next = match (&self.asked, answer.status) {
            (_, 401 | 408 | 425 | 429 | 500..=599) => Next::End(End::Later { status: answer.status }),
            (Ask::Read { .. }, 200) => self.judge(answer.body.as_ref(), answer.etag.as_deref()),
            (Ask::Find, 200) => self.found(answer.body.as_ref()),
            (Ask::Read { .. } | Ask::Update { .. }, 410) => stopped(Trouble::GoneThere),
            (Ask::Read { .. }, 404) if self.stood => stopped(Trouble::GoneThere),
            (Ask::Read { .. }, 404) => Next::Ask(Ask::PutNew),
            (Ask::Update { .. }, 404) => stopped(Trouble::GoneThere),
            // Somebody has written: it is looked at, never written over.
            (Ask::Update { id, .. }, 409 | 412) => Next::Ask(Ask::Read { id: id.clone() }),
            (Ask::PutNew, 409 | 412) => Next::Ask(Ask::Read { id: self.copy.id.clone() }),
            (Ask::PostNew, 409) => Next::Ask(Ask::Find),
            (Ask::PostNew, 412) => stopped(Trouble::Several),
            (Ask::PutNew, 404 | 405) => stopped(Trouble::IdRefused),
            // If-None-Exist found one.
            (Ask::PostNew, 200) => Next::Ask(Ask::Find),
            (Ask::PutNew | Ask::PostNew | Ask::Update { .. }, 200 | 201) => self.written(answer),
            (_, status) => stopped(Trouble::Refused(status)),
        };
        if let Next::Ask(ask) = &next {
            self.count += 1;
            if self.count > MOST {
                return Next::End(End::Later { status: answer.status });
            }
            self.asked = ask.clone();
        }
        next
    }

    /// The gateway's store was put back, so that this copy comes after what stands there. Only what we wrote is written over, and only as
    /// long as it stands as it was read.
    pub fn put_back(&mut self, held: Held) -> Next {
        self.count += 1;
        if self.count > MOST {
            return Next::End(End::Later { status: 409 });
        }
        let ask = Ask::Update { id: held.id, etag: held.etag };
        self.asked = ask.clone();
        Next::Ask(ask)
    }

    fn written(&self, answer: &Heard) -> Next {
        let body = answer.body.as_ref();
        let id = match &self.asked {
            Ask::Update { id, .. } => Some(id.clone()),
            Ask::PostNew => body
                .and_then(|body| body.text("id").filter(|id| is_id(id)))
                .or_else(|| id_in(answer.location.as_deref()?, &self.copy.kind))
                .map(str::to_owned),
            _ => Some(self.copy.id.clone()),
        };
        match (id, version(answer.etag.as_deref(), body)) {
            (Some(id), Some(etag)) => Next::End(End::Stands { held: Held { id, etag }, written: true }),
            _ => stopped(Trouble::Unversioned),
        }
    }

    fn found(&self, body: Option<&Json>) -> Next {
        let (system, value) = (&self.copy.identifier.0, &self.copy.identifier.1);
        // A server that does not know the parameter gives everything that it has.
        let is_it = |resource: &&Json| {
            let mut identifiers = resource.items("identifier").iter();
            resource.text("resourceType") == Some(&self.copy.kind)
                && identifiers.any(|one| one.text("system") == Some(system) && one.text("value") == Some(value))
        };
        let Some(body) = body.filter(|body| body.text("resourceType") == Some("Bundle")) else {
            return stopped(Trouble::Refused(200));
        };
        let all: Vec<&Json> =
            body.items("entry").iter().filter_map(|entry| entry.get("resource")).filter(is_it).collect();
        match all.as_slice() {
            [] if self.stood => stopped(Trouble::GoneThere),
            [] => Next::Ask(Ask::PostNew),
            [one] => self.judge(Some(one), None),
            _ => stopped(Trouble::Several),
        }
    }

    /// What stands there: ours, and older, the same or newer; or another's.
    fn judge(&self, body: Option<&Json>, etag: Option<&str>) -> Next {
        let Some(resource) = body else { return stopped(Trouble::Refused(200)) };
        let id = match &self.asked {
            Ask::Read { id } => Some(id.as_str()),
            // It becomes part of an address.
            _ => resource.text("id").filter(|id| is_id(id)),
        };
        let Some(id) = id.map(str::to_owned) else { return stopped(Trouble::Refused(200)) };
        let Some(mark) = Mark::intact(resource).filter(|_| resource.text("resourceType") == Some(&self.copy.kind))
        else {
            return stopped(Trouble::ChangedThere);
        };
        let Some(etag) = version(etag, Some(resource)) else { return stopped(Trouble::Unversioned) };
        let own = &self.copy.mark;
        if mark.version > own.version && mark.at.zip(own.at).is_some_and(|(there, own)| there < own) {
            return Next::Compare { version: mark.version, held: Held { id, etag } };
        }
        if mark.version > own.version || mark == *own {
            return Next::End(End::Stands { held: Held { id, etag }, written: false });
        }
        Next::Ask(Ask::Update { id, etag })
    }
}

const fn stopped(trouble: Trouble) -> Next {
    Next::End(End::Stopped(trouble))
}

/// The version of an answer: its `ETag`, else its `meta.versionId` as one.
fn version(etag: Option<&str>, body: Option<&Json>) -> Option<String> {
    let stated =
        etag.map(str::to_owned).filter(|etag| etag.len() <= 256 && etag.bytes().all(|byte| byte.is_ascii_graphic()));
    let own = || body?.get("meta")?.text("versionId").map(|version| format!("W/\"{version}\""));
    stated.or_else(own)
}

/// The id in `…/Type/id/_history/version`.
fn id_in<'a>(location: &'a str, kind: &str) -> Option<&'a str> {
    let mut parts = location.split('/').skip_while(|part| *part != kind);
    parts.nth(1).filter(|id| is_id(id))
}

#[cfg(test)]
mod tests;
