//! The model network: between gateways and platforms, and between everybody who calls a gateway and the gateways.
//!
//! What has left travels on, whatever becomes of who sent it. A request arrives within [`TRANSIT`] or never: a platform that is
//! asked after `settle-seconds` whether it has something must by then have taken what was sent to it, and no gateway could do
//! without such a bound. A network doubles only what may be repeated (reads, and requests that bear a key): no gateway could keep
//! a platform that knows no key from being told twice by the network itself.

use crate::instance::Gateways;
use crate::plan::{Plan, What};
use crate::platforms::Platforms;
use crate::world::{Life, World};
use adapter_contract::{Answer, DeliveryError, FailureCode, HttpRequest, Method, Repeat};
use async_trait::async_trait;
use fault_campaigns::scene::Kind;
use http::{HeaderValue, Request, Response, StatusCode};
use rand::Rng as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use url::form_urlencoded;
use vcse_gateway::gateway::Platform;
use vcse_gateway::transport::access::Authorization;
use vcse_gateway::transport::{Names, Transport};

/// The longest that a request or an answer travels.
pub const TRANSIT: Duration = Duration::from_secs(20);

/// A request that left a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The process.
    pub life: String,
    /// To whom.
    pub kind: Kind,
    /// Whether it only reads: a poll, a look-up.
    pub reads: bool,
    /// When.
    pub at: Duration,
    /// When its answer was heard, its status, and for how many seconds it asked to be left alone.
    pub heard: Option<(Duration, u16, Option<u32>)>,
}

/// The network of one run.
pub struct Network {
    /// What goes wrong.
    pub plan: Arc<Plan>,
    /// The platforms.
    pub platforms: Platforms,
    /// Everybody who is no gateway; never dies.
    pub outside: Arc<Life>,
    /// The gateways.
    pub gateways: Gateways,
    /// What left the gateways, in order.
    sent: Mutex<Vec<Sent>>,
}

/// What becomes of one request.
struct Fate {
    arrives: bool,
    answered: bool,
    twice: bool,
    there: Duration,
    back: Duration,
    instead: Option<(u16, Option<u32>)>,
}

impl Network {
    /// A network of this plan.
    #[must_use]
    pub fn new(world: &Arc<World>, plan: &Arc<Plan>) -> Arc<Self> {
        Arc::new(Self {
            plan: Arc::clone(plan),
            platforms: Platforms::new(plan.seed),
            outside: Life::new(world, "outside"),
            gateways: Gateways::default(),
            sent: Mutex::default(),
        })
    }

    /// What left the gateways, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something leaves; its place among what left.
    fn leaves(&self, sent: Sent) -> usize {
        let mut all = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(sent);
        all.len() - 1
    }

    fn heard(&self, place: usize, answer: &Response<Vec<u8>>) {
        let asked = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let heard = Some((self.world().now(), answer.status().as_u16(), asked));
        if let Some(sent) = self.sent.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place) {
            sent.heard = heard;
        }
    }

    fn world(&self) -> &Arc<World> {
        self.outside.world()
    }

    fn fate(&self, kind: Kind, name: &str) -> Fate {
        let now = self.world().now();
        let weather = self.plan.weather(now);
        let mut rng = self.world().chance(name);
        let mut happens = |chance: u32| rng.random_range(0..1_000) < chance;
        let mut fate = Fate {
            arrives: !happens(weather.request_lost),
            answered: !happens(weather.answer_lost),
            twice: happens(weather.doubled),
            there: Duration::ZERO,
            back: Duration::ZERO,
            instead: None,
        };
        let (slow_there, slow_back, refused) = (happens(weather.slow), happens(weather.slow), happens(weather.refused));
        let mut travel = |slow: bool| {
            let most = if slow { TRANSIT.as_micros() } else { 300_000 };
            Duration::from_micros(rng.random_range(2_000..u64::try_from(most).unwrap_or(u64::MAX)))
        };
        (fate.there, fate.back) = (travel(slow_there), travel(slow_back));
        if refused {
            fate.instead = match rng.random_range(0..4) {
                0 => Some((429, Some(rng.random_range(1..120)))),
                1 => Some((503, Some(rng.random_range(1..600)))),
                2 => Some((503, None)),
                _ => Some((500, None)),
            };
        }
        for what in self.plan.troubled(now) {
            match what {
                What::Silent(at) if at == kind => {
                    (fate.arrives, fate.answered) = (rng.random_bool(0.5), false);
                }
                What::Slow(at) if at == kind => fate.back = Duration::from_millis(rng.random_range(5_000..50_000)),
                What::Busy(at) if at == kind => fate.instead = Some((429, Some(rng.random_range(5..300)))),
                What::Broken(at) if at == kind => fate.instead = Some((503, None)),
                _ => {}
            }
        }
        fate
    }

    /// Carries one request to a platform and the answer back, whether or not anybody still waits for it.
    fn carry(
        self: &Arc<Self>,
        kind: Kind,
        name: &str,
        request: Request<Vec<u8>>,
        fate: Fate,
    ) -> oneshot::Receiver<Response<Vec<u8>>> {
        let (heard, hears) = oneshot::channel();
        let (network, name) = (Arc::clone(self), name.to_owned());
        tokio::spawn(async move {
            network.outside.wait(fate.there, &format!("{name} arrives")).await;
            if !fate.arrives {
                return;
            }
            let answer = match fate.instead {
                Some((status, retry_after)) => instead(status, retry_after),
                None => network.platforms.answer(kind, request, network.world().now()),
            };
            network.world().note(&format!("{name} is answered {}", answer.status().as_u16()));
            if !fate.answered {
                return;
            }
            network.outside.wait(fate.back, &format!("{name} comes back")).await;
            // Whoever asked may have gone.
            let _ = heard.send(answer);
        });
        hears
    }

    /// Brings a request to a gateway, and its answer back; nothing if either is lost, or takes longer than `patience`.
    pub async fn call(
        self: &Arc<Self>,
        machine: usize,
        name: &str,
        request: Request<Vec<u8>>,
        patience: Duration,
    ) -> Option<Response<Vec<u8>>> {
        let now = self.world().now();
        let weather = self.plan.weather(now);
        let mut rng = self.world().chance(name);
        let mut happens = |chance: u32| rng.random_range(0..1_000) < chance;
        let (lost, unheard, twice) =
            (happens(weather.request_lost), happens(weather.answer_lost), happens(weather.doubled));
        let mut travel = || Duration::from_micros(rng.random_range(500..200_000));
        let (there, back, later) = (travel(), travel(), travel() * 20);
        let cut = self.plan.is(What::Unreachable(machine), now).is_some();
        let (heard, hears) = oneshot::channel();
        if !cut && !lost {
            if twice {
                let (network, name) = (Arc::clone(self), format!("{name} again"));
                let request = copied(&request);
                tokio::spawn(async move {
                    network.outside.wait(there + later, &format!("{name} arrives")).await;
                    network.gateways.answer(&network, machine, request).await;
                });
            }
            let (network, name) = (Arc::clone(self), name.to_owned());
            tokio::spawn(async move {
                network.outside.wait(there, &format!("{name} arrives")).await;
                let Some(answer) = network.gateways.answer(&network, machine, request).await else { return };
                network.world().note(&format!("{name} is answered {}", answer.status().as_u16()));
                if unheard {
                    return;
                }
                network.outside.wait(back, &format!("{name} comes back")).await;
                // Whoever asked may have lost patience.
                let _ = heard.send(answer);
            });
        } else {
            drop(heard);
        }
        let given_up = format!("{name} is given up");
        tokio::select! {
            biased;
            Ok(answer) = hears => Some(answer),
            () = self.outside.wait(patience, &given_up) => None,
        }
    }
}

fn copied(request: &Request<Vec<u8>>) -> Request<Vec<u8>> {
    let mut copy = Request::new(request.body().clone());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

fn instead(status: u16, retry_after: Option<u32>) -> Response<Vec<u8>> {
    let mut response = Response::new(b"busy".to_vec());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
    }
    response
}

/// One process's way to the platforms.
pub struct Way {
    /// The network.
    pub network: Arc<Network>,
    /// The process.
    pub life: Arc<Life>,
    /// Its machine.
    pub machine: usize,
}

#[async_trait]
impl Transport for Way {
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.id() == platform.id.0) else {
            return Err(DeliveryError::new(FailureCode::NotConnected, "No such platform."));
        };
        let network = &self.network;
        let now = network.world().now();
        let name = format!("{} {:?} {} {}", self.life.name, request.method, kind.id(), names.request_id);
        network.world().note(&format!("{name} leaves: {}", request.path));
        let reads = request.method == Method::Get;
        let sent = Sent { life: self.life.name.clone(), kind, reads, at: now, heard: None };
        let place = network.leaves(sent);
        let refuses = [What::Dead(kind), What::Cut(self.machine, kind)];
        if refuses.into_iter().any(|what| network.plan.is(what, now).is_some()) {
            self.life.wait(Duration::from_millis(20), &format!("{name} finds nobody")).await;
            return Err(DeliveryError::new(
                FailureCode::NotConnected,
                "No connection to the platform: nothing was sent.",
            ));
        }
        let carried = outgoing(platform, request, names)?;
        let fate = network.fate(kind, &name);
        if fate.twice && request.repeat != Repeat::LookUpFirst {
            let again = Fate { twice: false, answered: false, ..network.fate(kind, &format!("{name} again")) };
            drop(network.carry(kind, &format!("{name} again"), copied(&carried), again));
        }
        let hears = network.carry(kind, &name, carried, fate);
        let patience = Duration::from_secs(u64::from(platform.adapter.descriptor().limits.answer_seconds));
        let waits = format!("{name} waits for its answer");
        let answer = tokio::select! {
            biased;
            Ok(answer) = hears => Some(answer),
            () = self.life.wait(patience, &waits) => None,
        };
        // The answer came in a turn of the network's; what is done with it is a turn of the process's.
        self.life.wait(Duration::ZERO, &format!("{name} goes on")).await;
        match answer {
            Some(answer) => {
                network.heard(place, &answer);
                Ok(answered(answer))
            }
            None => Err(DeliveryError::new(FailureCode::NoAnswer, "The platform did not answer in time.")),
        }
    }
}

fn answered(answer: Response<Vec<u8>>) -> Answer {
    let headers = answer
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    Answer::Http { status: answer.status().as_u16(), headers, body: answer.into_body() }
}

/// The request as the gateway's own transport makes it.
fn outgoing(platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Request<Vec<u8>>, DeliveryError> {
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    };
    let mut address = platform.base_url.clone();
    if !request.path.is_empty() {
        address.push('/');
        address.push_str(&request.path);
    }
    if !request.query.is_empty() {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&request.query).finish();
        address.push('?');
        address.push_str(&query);
    }
    let mut builder = Request::builder().method(method).uri(address);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let authorization = platform.access.credentials.authorization.as_ref();
    if let Some(authorization) = authorization.and_then(Authorization::header) {
        builder = builder.header("authorization", authorization.reveal());
    }
    builder = builder.header("x-request-id", &names.request_id).header("x-correlation-id", &names.correlation);
    builder.body(request.body.clone().unwrap_or_default()).map_err(|_| {
        DeliveryError::new(FailureCode::Untranslatable, "The adapter made a request that is not valid HTTP.")
    })
}
