//! Topic subscriptions: HL7's R5 Subscriptions Backport IG 1.1.0 in R4. Who subscribes is told of each version that is stored of a Task
//! or a ServiceRequest of its own compartment.
//!
//! Here is decided what a `Subscription` says ([`read`]), which resources it is about ([`Filter`]), how its status goes on
//! ([`Happening`]) and what a notification holds ([`Notification`]). Who sends it, and when, is the server's.

mod filter;
mod life;
mod notification;
mod read;

pub use filter::Filter;
pub use life::{ERROR_AFTER, Happening, HeartbeatDue, Moved, moved, proposed, with_status};
pub use notification::{Event, Notification, Shape, searchset};
pub use read::{Terms, interest, read};

use gateway_fhir::Json;
use time::OffsetDateTime;

/// Where the IG defines its extensions and profiles.
pub const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport";

/// No notification waits longer for its answer, whatever a Subscription asks for.
pub const LONGEST_TIMEOUT_SECONDS: u32 = 30;
/// How long a notification waits for its answer where the Subscription does not say.
pub const USUAL_TIMEOUT_SECONDS: u32 = 15;
/// Heartbeats do not come closer together.
pub const SHORTEST_HEARTBEAT_SECONDS: u32 = 60;
/// No notification holds more events, whatever a Subscription asks for.
pub const MOST_EVENTS: u32 = 100;
/// How many events a notification holds at most where the Subscription does not say.
pub const USUAL_EVENTS: u32 = 20;

/// What can be subscribed to. R4 has no resource for a topic: it is its canonical address alone, listed in the CapabilityStatement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A version of a Task was stored: made, moved, or told more of.
    TaskStatus,
    /// A version of a ServiceRequest was stored.
    ServiceRequestStatus,
}

impl Topic {
    /// All.
    pub const ALL: [Self; 2] = [Self::TaskStatus, Self::ServiceRequestStatus];

    /// Its canonical address: `Subscription.criteria`.
    #[must_use]
    pub const fn url(self) -> &'static str {
        match self {
            Self::TaskStatus => "https://vcse-gateway.example/fhir/SubscriptionTopic/task-status",
            Self::ServiceRequestStatus => "https://vcse-gateway.example/fhir/SubscriptionTopic/service-request-status",
        }
    }

    /// The resource type whose versions are its events.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::TaskStatus => "Task",
            Self::ServiceRequestStatus => "ServiceRequest",
        }
    }

    /// The topic of this canonical address, without a version or with one.
    #[must_use]
    pub fn from_url(url: &str) -> Option<Self> {
        let plain = url.split_once('|').map_or(url, |(plain, _)| plain);
        Self::ALL.into_iter().find(|topic| topic.url() == plain)
    }
}

/// How much a notification holds (`backport-payload-content`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// That something happened.
    Empty,
    /// And to which resource.
    IdOnly,
    /// And that resource, as it stands when it is sent.
    FullResource,
}

impl Content {
    /// The IG's code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::IdOnly => "id-only",
            Self::FullResource => "full-resource",
        }
    }

    /// Reads what [`code`](Self::code) wrote.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Empty, Self::IdOnly, Self::FullResource].into_iter().find(|content| content.code() == code)
    }
}

/// `Subscription.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Asked for; the handshake has not been answered.
    Requested,
    /// Events are sent.
    Active,
    /// Sending has failed for long. It goes on being tried.
    Error,
    /// Nothing is sent any more.
    Off,
}

impl Status {
    /// FHIR's code (`http://hl7.org/fhir/subscription-status`).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Active => "active",
            Self::Error => "error",
            Self::Off => "off",
        }
    }

    /// Reads what [`code`](Self::code) wrote.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Requested, Self::Active, Self::Error, Self::Off].into_iter().find(|status| status.code() == code)
    }

    /// Whether what happens now is an event of it. One that fails keeps collecting, so that nothing is missed when it recovers.
    #[must_use]
    pub const fn collects(self) -> bool {
        matches!(self, Self::Active | Self::Error)
    }
}

/// What a Subscription is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// Its topic.
    pub topic: Topic,
    /// Of which resources; all must hold.
    pub filters: Vec<Filter>,
}

impl Interest {
    /// Whether this version of a resource of its compartment is an event of it.
    #[must_use]
    pub fn is_about(&self, kind: &str, document: &Json) -> bool {
        kind == self.topic.kind() && self.filters.iter().all(|filter| filter.matches(document))
    }
}

/// A Subscription that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// What it is about.
    pub interest: Interest,
    /// Where notifications go, as it was written.
    pub endpoint: String,
    /// How much they hold.
    pub content: Content,
    /// Seconds without a notification after which one says that there was none; absent = none does.
    pub heartbeat_seconds: Option<u32>,
    /// Seconds that a notification waits for its answer.
    pub timeout_seconds: u32,
    /// Events in one notification, at most.
    pub max_count: u32,
    /// From when on nothing is sent.
    pub end: Option<OffsetDateTime>,
    /// Where it stands.
    pub status: Status,
}

impl Subscription {
    /// Whether it has run out.
    #[must_use]
    pub fn has_ended(&self, now: OffsetDateTime) -> bool {
        self.end.is_some_and(|end| end <= now)
    }
}
