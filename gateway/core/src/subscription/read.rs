//! What a `Subscription` of the backport profile says. All faults at once, each with its element.

use super::{
    BACKPORT, Content, Filter, Interest, LONGEST_TIMEOUT_SECONDS, MOST_EVENTS, SHORTEST_HEARTBEAT_SECONDS, Status,
    Subscription, Topic, USUAL_EVENTS, USUAL_TIMEOUT_SECONDS,
};
use gateway_fhir::{Issue, IssueCode, Json, instant};
use time::OffsetDateTime;
use url::{Host, Url};

/// Filters of one Subscription, at most.
const FILTERS: usize = 20;
/// Characters of an endpoint, at most.
const ENDPOINT: usize = 2048;

/// What the operator lets this client subscribe with.
#[derive(Debug, Clone)]
pub struct Terms<'a> {
    /// Our own FHIR base address, without trailing slash.
    pub base_url: &'a str,
    /// Hosts to which notifications may go, in lower case: `ehr.example` or `ehr.example:8443`.
    pub hosts: &'a [String],
    /// Now.
    pub now: OffsetDateTime,
}

/// Reads a Subscription that is valid R4.
///
/// # Errors
/// Every fault, at its element.
pub fn read(document: &Json, terms: &Terms<'_>) -> Result<Subscription, Vec<Issue>> {
    let mut reader = Reader { issues: Vec::new() };
    let topic = reader.topic(document);
    let filters = topic.map(|topic| reader.filters(document, topic, terms.base_url)).unwrap_or_default();
    let empty = Json::Object(Vec::new());
    let channel = document.get("channel").unwrap_or(&empty);
    reader.kind_of_channel(channel);
    let endpoint = reader.endpoint(channel, terms.hosts);
    let content = reader.content(channel);
    if channel.get("header").is_some() || channel.get("_header").is_some() {
        let words = "Headers are kept with the resource, where a secret in them can be read. Leave them out: each notification is \
                     signed (webhook-signature), and an Authorization header is set by the gateway's operator.";
        reader.fault(IssueCode::NotSupported, "Subscription.channel.header", words);
    }
    let heartbeat_seconds = reader.number(channel, "backport-heartbeat-period", "valueUnsignedInt");
    if heartbeat_seconds.is_some_and(|seconds| seconds < SHORTEST_HEARTBEAT_SECONDS) {
        let words = format!("A heartbeat comes every {SHORTEST_HEARTBEAT_SECONDS} seconds at the most.");
        reader.fault(IssueCode::Value, &place(channel, "backport-heartbeat-period"), &words);
    }
    let timeout = reader.number(channel, "backport-timeout", "valueUnsignedInt");
    let max_count = reader.number(channel, "backport-max-count", "valuePositiveInt");
    for (name, value) in [("backport-timeout", timeout), ("backport-max-count", max_count)] {
        if value == Some(0) {
            reader.fault(IssueCode::Value, &place(channel, name), "This is 1 at least.");
        }
    }
    let end = reader.end(document, terms.now);
    let status = document.text("status").and_then(Status::from_code).unwrap_or(Status::Requested);
    let (Some(topic), Some(endpoint), Some(content), true) = (topic, endpoint, content, reader.issues.is_empty())
    else {
        return Err(reader.issues);
    };
    Ok(Subscription {
        interest: Interest { topic, filters },
        endpoint,
        content,
        heartbeat_seconds,
        timeout_seconds: timeout.unwrap_or(USUAL_TIMEOUT_SECONDS).min(LONGEST_TIMEOUT_SECONDS),
        max_count: max_count.unwrap_or(USUAL_EVENTS).min(MOST_EVENTS),
        end,
        status,
    })
}

/// What a stored Subscription is about, whatever else of it holds now: what happens while its client may not be told is an event all the
/// same. `None` if that is not understood.
#[must_use]
pub fn interest(document: &Json, base_url: &str) -> Option<Interest> {
    let mut reader = Reader { issues: Vec::new() };
    let topic = reader.topic(document)?;
    let filters = reader.filters(document, topic, base_url);
    reader.issues.is_empty().then_some(Interest { topic, filters })
}

fn extension_url(name: &str) -> String {
    format!("{BACKPORT}/StructureDefinition/{name}")
}

/// Extensions of this name with their places among all.
fn extensions<'j>(holder: &'j Json, name: &str) -> Vec<(usize, &'j Json)> {
    let url = extension_url(name);
    let all = holder.items("extension").iter().enumerate();
    all.filter(|(_, extension)| extension.text("url") == Some(url.as_str())).collect()
}

fn place(channel: &Json, name: &str) -> String {
    let at = extensions(channel, name).first().map_or(0, |(at, _)| *at);
    format!("Subscription.channel.extension[{at}]")
}

struct Reader {
    issues: Vec<Issue>,
}

impl Reader {
    fn fault(&mut self, code: IssueCode, expression: &str, words: &str) {
        self.issues.push(Issue::at(code, expression, words));
    }

    fn topic(&mut self, document: &Json) -> Option<Topic> {
        let topic = document.text("criteria").and_then(Topic::from_url);
        if topic.is_none() {
            let known = Topic::ALL.map(Topic::url).join(" or ");
            let words =
                format!("The criteria are the canonical address of a topic: {known}. Filters stand in extensions.");
            self.fault(IssueCode::NotSupported, "Subscription.criteria", &words);
        }
        topic
    }

    fn filters(&mut self, document: &Json, topic: Topic, base_url: &str) -> Vec<Filter> {
        let Some(criteria) = document.get("_criteria") else { return Vec::new() };
        let mut filters = Vec::new();
        let written = extensions(criteria, "backport-filter-criteria");
        if written.len() > FILTERS {
            let words = format!("A Subscription has at most {FILTERS} filters.");
            self.fault(IssueCode::TooCostly, "Subscription.criteria", &words);
        }
        for (at, extension) in written.into_iter().take(FILTERS) {
            let place = format!("Subscription.criteria.extension[{at}].value");
            match extension.text("valueString").map(|text| Filter::read(topic, text, base_url)) {
                Some(Ok(more)) => filters.extend(more),
                Some(Err(words)) => self.fault(IssueCode::NotSupported, &place, &words),
                None => self.fault(IssueCode::Required, &place, "A filter is a valueString."),
            }
        }
        filters
    }

    fn kind_of_channel(&mut self, channel: &Json) {
        let custom = channel.get("_type").is_some_and(|more| !extensions(more, "backport-channel-type").is_empty());
        if channel.text("type") != Some("rest-hook") || custom {
            let words = "Notifications go by rest-hook alone: no websocket, mail, message or channel of one's own.";
            self.fault(IssueCode::NotSupported, "Subscription.channel.type", words);
        }
    }

    fn endpoint(&mut self, channel: &Json, hosts: &[String]) -> Option<String> {
        let place = "Subscription.channel.endpoint";
        let Some(text) = channel.text("endpoint") else {
            self.fault(IssueCode::Required, place, "A rest-hook needs the https address to which notifications go.");
            return None;
        };
        match allowed(text, hosts) {
            Ok(()) => Some(text.to_owned()),
            Err((code, words)) => {
                self.fault(code, place, words);
                None
            }
        }
    }

    fn content(&mut self, channel: &Json) -> Option<Content> {
        if channel.text("payload") != Some("application/fhir+json") {
            let words = "Notifications are application/fhir+json: name it here.";
            self.fault(IssueCode::Required, "Subscription.channel.payload", words);
        }
        let found =
            channel.get("_payload").map(|more| extensions(more, "backport-payload-content")).unwrap_or_default();
        let content = match found.as_slice() {
            [(_, one)] => one.text("valueCode").and_then(Content::from_code),
            _ => None,
        };
        if content.is_none() {
            let url = extension_url("backport-payload-content");
            let words = format!(
                "Say once how much a notification holds: extension {url} with empty, id-only or full-resource."
            );
            self.fault(IssueCode::Required, "Subscription.channel.payload.extension", &words);
        }
        content
    }

    fn number(&mut self, channel: &Json, name: &str, member: &str) -> Option<u32> {
        let found = extensions(channel, name);
        let (_, first) = found.first()?;
        let number = first.get(member).and_then(|value| value.to_text().parse::<u32>().ok());
        if number.is_none() || found.len() > 1 {
            let words = format!("This extension stands once, with a whole number as {member}.");
            self.fault(IssueCode::Value, &place(channel, name), &words);
        }
        number
    }

    fn end(&mut self, document: &Json, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let end = instant::parse(document.text("end")?)?.earliest;
        if end <= now && document.text("status") != Some(Status::Off.code()) {
            self.fault(IssueCode::Value, "Subscription.end", "This time is over: nothing would ever be sent.");
        }
        Some(end)
    }
}

/// Whether notifications may go there. Which addresses the name leads to is looked at again for each connection.
fn allowed(text: &str, hosts: &[String]) -> Result<(), (IssueCode, &'static str)> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= ENDPOINT);
    let Some((url, host)) = url.as_ref().and_then(|url| url.host().map(|host| (url, host))) else {
        return Err((IssueCode::Value, "This is no absolute https address of at most 2048 characters."));
    };
    let is_here = match &host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => *name == "localhost",
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && is_here) {
        return Err((IssueCode::BusinessRule, "Notifications go through https only; http is for this machine alone."));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err((IssueCode::Value, "An address of notifications has no user, password or fragment in it."));
    }
    let plain = host.to_string().to_lowercase();
    let with_port = url.port().map(|port| format!("{plain}:{port}"));
    if hosts.iter().any(|host| *host == plain || Some(host) == with_port.as_ref()) {
        return Ok(());
    }
    let words = "The operator of this gateway has not allowed notifications to this host. Ask for it: it stands in the client's section \
                 of the configuration (subscriptions.hosts).";
    Err((IssueCode::Forbidden, words))
}
