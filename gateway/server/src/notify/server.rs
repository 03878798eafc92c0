//! A client's own FHIR server: each of its Tasks is kept there as it is here, with the ServiceRequest that it is about.
//!
//! What is written follows from [`gateway_core::notify_server`]. A notice says that something moved; what is sent is the newest state, so
//! that a version which was overtaken is never sent after a newer one.

use super::{Way, asked_to_wait, failed, view};
use crate::gateway::Gateway;
use crate::ingest::with_any;
use crate::store::StoreError;
use crate::transport::{Endpoint, Names};
use crate::view::View;
use adapter_contract::{Answer, HttpRequest, Method, Repeat};
use async_trait::async_trait;
use gateway_core::consent::Kept;
use gateway_core::follow_up;
use gateway_core::identity::{ClientId, Compartment, Owner, TenantId};
use gateway_core::notify::{Destination, Fed, Notice, NoticeState, Told, Wanted, What};
use gateway_core::notify_server::{Ask, Copy, Creates, End, Exchange, Heard, Next, Source, copy};
use gateway_core::referral::Referral;
use gateway_core::resource::{ResourceKey, ResourceVersion, Token};
use gateway_core::split::is_plan;
use gateway_fhir::{Json, door};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

const FHIR_JSON: &str = "application/fhir+json";
/// Earlier notices of one resource that are looked at; more than a referral ever has.
const EARLIER: u32 = 10_000;

/// One client's server.
pub struct ServerTarget {
    /// Whose referrals stand there.
    pub client: ClientId,
    /// Its customer.
    pub tenant: TenantId,
    /// Its organisation.
    pub organisation: String,
    /// Who chooses the ids there.
    pub creates: Creates,
    /// Where it is.
    pub endpoint: Endpoint,
}

/// Tells clients' own FHIR servers.
pub struct ServerWay(Vec<ServerTarget>);

impl ServerWay {
    /// These.
    #[must_use]
    pub fn new(targets: Vec<ServerTarget>) -> Self {
        Self(targets)
    }

    fn target(&self, client: &ClientId) -> Option<&ServerTarget> {
        self.0.iter().find(|target| target.client == *client)
    }
}

impl ServerTarget {
    fn owns(&self, compartment: &Compartment) -> bool {
        compartment.tenant == self.tenant && compartment.owner == Owner::Organisation(self.organisation.clone())
    }

    fn destination(&self, resource: String) -> Destination {
        Destination::Server { client: self.client.clone(), resource }
    }

    /// Whether a copy of this resource has stood there before, as far as it was told.
    async fn stood(&self, gateway: &Gateway, compartment: &Compartment, resource: String) -> Result<bool, StoreError> {
        let queue = self.destination(resource).queue(compartment);
        let earlier = gateway.store.notices(&queue, 0, EARLIER).await?;
        Ok(earlier.iter().any(|notice| notice.state == NoticeState::Sent))
    }

    /// Makes a copy stand. `Ok` with the id that it has there, or how the attempt ended.
    async fn stand(
        &self,
        gateway: &Gateway,
        referral: &Referral,
        copy: &Copy,
        stood: bool,
    ) -> Result<Result<String, Told>, StoreError> {
        let (mut exchange, mut ask) = Exchange::begin(copy, self.creates, stood);
        loop {
            let names = Names { request_id: gateway.new_id(), correlation: referral.correlation.clone() };
            let (status, headers, body) =
                match gateway.transport.ask(&self.endpoint, &request(&ask, copy), &names).await {
                    Ok(Answer::Http { status, headers, body }) => (status, headers, body),
                    Ok(_) => {
                        return Ok(Err(Told::Never(
                            "The server was asked over HTTP and answered otherwise.".to_owned(),
                        )));
                    }
                    Err(error) => return Ok(Err(failed(&error))),
                };
            let header = |name: &str| {
                headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
            };
            let body = door::admit(&body, &gateway.limits.door).ok();
            let heard = Heard { status, etag: header("etag"), location: header("location"), body };
            let next = match exchange.heard(&heard) {
                Next::Compare { version, held } => {
                    let (compartment, kind) = (referral.compartment.clone(), copy.kind.clone());
                    let own = ResourceKey { compartment, kind, id: copy.id.clone() };
                    // Read now, not with the copy: another instance may have written since.
                    if gateway.store.resource(&own, None).await?.is_none_or(|newest| newest.version >= version) {
                        return Ok(Ok(held.id));
                    }
                    tracing::warn!(
                        resource = %own.reference(),
                        version,
                        "the GP's own server has a later version than the store, which was put back: what is newer is written over it"
                    );
                    exchange.put_back(held)
                }
                next => next,
            };
            match next {
                Next::Ask(next) => ask = next,
                Next::End(End::Stands { held, .. }) | Next::Compare { held, .. } => return Ok(Ok(held.id)),
                Next::End(End::Later { status }) => {
                    let failure = format!("The GP's own server answered {status}.");
                    return Ok(Err(Told::Later { failure, retry_after: asked_to_wait(gateway, status, &headers) }));
                }
                Next::End(End::Stopped(trouble)) => return Ok(Err(Told::Never(trouble.words(&copy.kind)))),
            }
        }
    }

    async fn tell(&self, gateway: &Gateway, notice: &Notice, view: &View) -> Result<Told, StoreError> {
        let referral = &view.standing.referral;
        if !self.owns(&referral.compartment) || referral.client != self.client {
            return Ok(Told::NotWanted("The referral is not this client's.".to_owned()));
        }
        let What::Version { kind, id, .. } = &notice.what else {
            return Ok(Told::NotWanted("There is nothing of this kind to tell a server.".to_owned()));
        };
        let own = |id: &str| format!("ServiceRequest/{id}");
        let (task_name, request_name) = (format!("Task/{}", referral.task), own(&referral.service_request));
        let place = &referral.compartment;
        let task_stood = self.stood(gateway, place, task_name).await?;
        let request_stood = task_stood || self.stood(gateway, place, request_name.clone()).await?;
        let related = |reference: &str| view.related(reference);
        let source = |document, version, kept, focus| Source {
            document,
            version,
            base_url: &gateway.base_url,
            related: &related,
            kept,
            focus,
        };
        let broken = || Told::Never("What is stored of the referral is no FHIR resource.".to_owned());
        // The Task refers to it, so that it comes first.
        let (version, document) = view.standing.service_request();
        let Some(request) = copy(&source(document, version, Kept::Nothing, None)) else { return Ok(broken()) };
        let request = self.stand(gateway, referral, &request, request_stood).await?;
        if kind == "ServiceRequest" {
            return Ok(request.map_or_else(|told| told, |_| Told::Sent));
        }
        let there = match request {
            Ok(id) => Some(id),
            Err(Told::Later { failure, retry_after }) => return Ok(Told::Later { failure, retry_after }),
            // What is wrong with it is told by its own notice, and keeps no status from the GP.
            Err(_) => None,
        };
        let kept = view.told(gateway).await?;
        let (version, mut document, task_stood) = if *id == referral.task {
            let (version, document) = view.standing.task();
            (version, document.clone(), task_stood)
        } else {
            // A follow-up, as urgent as it may be, and part of the referral's own Task; or the Task that this one is a part of.
            let key = ResourceKey { compartment: place.clone(), kind: kind.clone(), id: id.clone() };
            let Some(stored) = gateway.store.resource(&key, None).await? else {
                return Ok(Told::NotWanted("The record was erased.".to_owned()));
            };
            let Some(document) = crate::ingest::parse(&stored) else { return Ok(broken()) };
            (stored.version, document, self.stood(gateway, place, format!("Task/{id}")).await?)
        };
        let may_be_told = view.permits_relay(gateway).await?;
        if !may_be_told {
            document.remove("output");
        }
        if (kept != Kept::Nothing || !may_be_told) && follow_up::is_follow_up(&document) {
            // The service's own words.
            document.remove("note");
        }
        let focus = there.as_deref().map(|id| (request_name.as_str(), id));
        let Some(task) = copy(&source(&document, version, kept, focus)) else { return Ok(broken()) };
        let told = self.stand(gateway, referral, &task, task_stood).await?;
        Ok(told.map_or_else(|told| told, |_| Told::Sent))
    }
}

/// A request as HTTP.
fn request(ask: &Ask, copy: &Copy) -> HttpRequest {
    let kind = &copy.kind;
    let named = format!("{}|{}", copy.identifier.0, copy.identifier.1);
    let mut headers = vec![("accept".to_owned(), FHIR_JSON.to_owned())];
    let mut with = |name: &str, value: String| headers.push((name.to_owned(), value));
    let (method, path, query, id) = match ask {
        Ask::Read { id } => (Method::Get, format!("{kind}/{id}"), Vec::new(), None),
        Ask::Find => (Method::Get, kind.clone(), vec![("identifier".to_owned(), named)], None),
        Ask::PutNew => {
            with("if-none-match", "*".to_owned());
            (Method::Put, format!("{kind}/{}", copy.id), Vec::new(), Some(Some(&copy.id)))
        }
        Ask::PostNew => {
            with("if-none-exist", format!("identifier={}", utf8_percent_encode(&named, NON_ALPHANUMERIC)));
            (Method::Post, kind.clone(), Vec::new(), Some(None))
        }
        Ask::Update { id, etag } => {
            with("if-match", etag.clone());
            (Method::Put, format!("{kind}/{id}"), Vec::new(), Some(Some(id)))
        }
    };
    let body = id.map(|id| {
        with("content-type", FHIR_JSON.to_owned());
        with("prefer", "return=representation".to_owned());
        let mut resource = copy.resource.clone();
        if let (Some(id), Json::Object(members)) = (id, &mut resource) {
            members.insert(1.min(members.len()), ("id".to_owned(), Json::string(id)));
        }
        resource.to_text().into_bytes()
    });
    let repeat = if body.is_some() { Repeat::Keyed } else { Repeat::Safe };
    HttpRequest { method, path, query, headers, body, repeat }
}

/// The referrals of which this is the Task or the ServiceRequest.
async fn referrals_of(gateway: &Gateway, version: &ResourceVersion) -> Result<Vec<Referral>, StoreError> {
    let compartment = &version.key.compartment;
    let tasks = match version.key.kind.as_str() {
        "Task" => {
            let document = crate::ingest::parse(version);
            if document.as_ref().is_some_and(is_plan) {
                // It has no referral of its own: whoever is told of a part is told of the whole.
                let part = [Token::new("part-of", version.key.reference())];
                let parts = with_any(gateway, compartment, "Task", &part).await?;
                parts.into_iter().map(|task| task.key.id).collect()
            } else {
                let whole = document.as_ref().filter(|task| follow_up::is_follow_up(task)).and_then(follow_up::parent);
                vec![whole.unwrap_or(&version.key.id).to_owned()]
            }
        }
        _ => {
            let focus = [Token::new("focus", version.key.reference())];
            let found = with_any(gateway, compartment, "Task", &focus).await?;
            found.into_iter().map(|task| task.key.id).collect()
        }
    };
    let mut referrals = Vec::new();
    for task in tasks {
        referrals.extend(gateway.store.referral_by_task(compartment, &task).await?);
    }
    Ok(referrals)
}

#[async_trait]
impl Way for ServerWay {
    fn is_fed(&self, compartment: &Compartment) -> bool {
        self.0.iter().any(|target| target.owns(compartment))
    }

    fn tells(&self, destination: &Destination) -> bool {
        matches!(destination, Destination::Server { client, .. } if self.target(client).is_some())
    }

    async fn follows(
        &self,
        gateway: &Gateway,
        fed: &Fed,
        version: &ResourceVersion,
    ) -> Result<Vec<Wanted>, StoreError> {
        let mut wanted: Vec<Wanted> = Vec::new();
        for referral in referrals_of(gateway, version).await? {
            let Some(target) = self.target(&referral.client).filter(|target| target.owns(&fed.key.compartment)) else {
                continue;
            };
            let destination = target.destination(version.key.reference());
            if wanted.iter().any(|one| one.destination == destination) {
                continue;
            }
            let (kind, id) = (version.key.kind.clone(), version.key.id.clone());
            wanted.push(Wanted {
                compartment: fed.key.compartment.clone(),
                destination,
                what: What::Version { kind, id, version: version.version },
                referral: Some(referral.id),
                due: fed.at,
            });
        }
        Ok(wanted)
    }

    async fn tell(&self, gateway: &Gateway, notice: &Notice) -> Result<Told, StoreError> {
        let Destination::Server { client, .. } = &notice.destination else {
            return Ok(Told::Never("This is not a server.".to_owned()));
        };
        let Some(target) = self.target(client) else {
            return Ok(Told::Never("This client has no server any more.".to_owned()));
        };
        match view(gateway, notice).await? {
            Ok(view) => target.tell(gateway, notice, &view).await,
            Err(told) => Ok(told),
        }
    }
}
