//! HTTP in. One table of routes makes the router and the CapabilityStatement; one function takes every request through
//! the same steps: names, limits, caller, interaction, answer.

mod collect;
mod console;
mod context;
mod disclosures;
mod erase;
mod link;
mod message_back;
mod metadata;
mod pages;
mod preview;
mod process_message;
mod read;
mod reconcile;
mod redrive;
mod renotify;
mod reply;
mod reports;
mod routes;
mod search;
mod subscription;
mod terminology;
mod update;
mod work_list;
mod write;

use routes::Interaction;

use crate::gateway::Gateway;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::MethodFilter;
use context::{Context, Names};
use gateway_core::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode};
use reply::Reply;
use std::collections::HashMap;
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;

/// The router over all routes of the table.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let mut router = Router::new();
    for route in routes::all() {
        let interaction = route.interaction;
        let handler = move |State(gateway): State<Arc<Gateway>>,
                            parameters: Result<Path<HashMap<String, String>>, PathRejection>,
                            request: Request| async move {
            match parameters {
                Ok(Path(parameters)) => whole(answer(gateway, interaction, parameters, request)).await,
                // An id that is no UTF-8 is an id that nothing here has.
                Err(_) => refuse_early(&gateway, &request, Refusal::not_found()),
            }
        };
        router = router.route(&route.path, axum::routing::on(route.method, handler));
    }
    router
        .merge(link::router())
        .merge(console::router())
        .fallback(|State(gateway): State<Arc<Gateway>>, request: Request| async move {
            if link::is_ours(request.uri().path()) {
                return link::nowhere(&gateway);
            }
            if console::is_ours(request.uri().path()) {
                return console::nowhere(&gateway);
            }
            refuse_early(&gateway, &request, Refusal::not_found())
        })
        .method_not_allowed_fallback(|State(gateway): State<Arc<Gateway>>, request: Request| async move {
            let words = "This address does not know this verb. The Allow header names those that it knows.";
            let refusal = Refusal::one(405, Issue::general(IssueCode::NotSupported, words));
            refuse_early(&gateway, &request, refusal)
        })
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| reply::panicked()))
        .layer(DefaultBodyLimit::disable())
        .with_state(gateway)
}

/// Verbs as axum filters them.
pub(crate) const fn filter(verb: &str) -> MethodFilter {
    match verb.as_bytes() {
        b"POST" => MethodFilter::POST,
        b"PUT" => MethodFilter::PUT,
        b"PATCH" => MethodFilter::PATCH,
        b"DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    }
}

fn refuse_early(gateway: &Gateway, request: &Request, refusal: Refusal) -> Response {
    let names = Names::read(gateway, request.headers());
    let shape = process_message::Shape::of(gateway, request.uri().path(), request.headers());
    shape.refused(gateway, &names, &refusal)
}

/// Brings a request to its end also where its sender hangs up in the middle: what is stored by then has woken whoever delivers
/// it, and is not left lying until somebody looks.
async fn whole(answer: impl Future<Output = Response> + Send + 'static) -> Response {
    match tokio::spawn(answer).await {
        Ok(response) => response,
        // The layer that answers for panics is outside.
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => reply::panicked(),
        },
    }
}

/// Takes one request through its steps.
async fn answer(
    gateway: Arc<Gateway>,
    interaction: Interaction,
    parameters: HashMap<String, String>,
    request: Request,
) -> Response {
    let names = Names::read(&gateway, request.headers());
    let shape = process_message::Shape::of(&gateway, request.uri().path(), request.headers());
    let allowed = match interaction {
        Interaction::ProcessMessage => gateway.limits.message,
        _ => gateway.limits.request,
    };
    let budget = gateway.clock.now() + allowed;
    let work = run(&gateway, interaction, &parameters, request, &names);
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = gateway.clock.sleep_until(budget) => {
            let words = "The request took too long and was given up. Send it again with the same X-Request-Id.";
            Err(Refusal::one(408, Issue::general(IssueCode::Timeout, words)))
        }
    };
    match outcome {
        Ok(reply) => reply.into_response(&names),
        Err(refusal) => {
            tracing::info!(
                status = refusal.status,
                interaction = interaction.name(),
                request = names.request_id,
                faults = refusal.issues.len(),
                code = refusal.issues.first().map(|issue| issue.code.code()),
                "a request was refused"
            );
            shape.refused(&gateway, &names, &refusal)
        }
    }
}

async fn run(
    gateway: &Gateway,
    interaction: Interaction,
    parameters: &HashMap<String, String>,
    request: Request,
    names: &Names,
) -> Result<Reply, Refusal> {
    match interaction {
        Interaction::Live => return Ok(Reply::text(StatusCode::OK, "live")),
        Interaction::Ready => {
            return match gateway.store.latest_time().await {
                Ok(_) => Ok(Reply::text(StatusCode::OK, "ready")),
                Err(error) => Err(reply::store_fault(&error)),
            };
        }
        Interaction::Metadata => {
            context::check_accept(request.headers(), request.uri())?;
            return Ok(Reply::json(StatusCode::OK, metadata::statement(gateway).to_text()));
        }
        Interaction::Reports => return reports::receive(gateway, parameters, request).await,
        _ => {}
    }
    let (parts, body) = request.into_parts();
    let is_page = matches!(interaction, Interaction::InstanceOperation(_, "disclosures"));
    let context = Context::read(gateway, &parts, names, is_page)?;
    let _place = gateway.admission.client(&context.client)?;
    let id = || parameters.get("id").cloned().unwrap_or_default();
    match interaction {
        Interaction::Read(routes::AUDIT_EVENT) => disclosures::read(gateway, &context, &id()).await,
        Interaction::Search(routes::AUDIT_EVENT) => {
            disclosures::search(gateway, &context, parts.uri.query().unwrap_or_default()).await
        }
        Interaction::SearchByPost(routes::AUDIT_EVENT) => {
            let form = context.form(gateway, &parts, body).await?;
            disclosures::search(gateway, &context, &form).await
        }
        Interaction::Read(kind) if routes::TERMINOLOGY.contains(&kind) => terminology::read(gateway, kind, &id()),
        Interaction::Search(kind) if routes::TERMINOLOGY.contains(&kind) => {
            terminology::search(gateway, &context, kind, parts.uri.query().unwrap_or_default())
        }
        Interaction::SearchByPost(kind) if routes::TERMINOLOGY.contains(&kind) => {
            let form = context.form(gateway, &parts, body).await?;
            terminology::search(gateway, &context, kind, &form)
        }
        Interaction::InstanceOperation(_, "message-back") => message_back::message_back(gateway, &context, &id()).await,
        Interaction::Query(..) => work_list::answer(gateway, &context, parts.uri.query().unwrap_or_default()).await,
        Interaction::InstanceOperation(..) => {
            let html = context::prefers_html(&parts.headers, &parts.uri);
            disclosures::of_patient(gateway, &context, &id(), html).await
        }
        Interaction::Subscribed(name) => {
            let query = subscription::asked(gateway, &context, &parts, body).await?;
            subscription::operation(gateway, &context, name, parameters.get("id").map(String::as_str), &query).await
        }
        Interaction::Create(routes::SUBSCRIPTION) => {
            let bytes = context.fhir_body(gateway, &parts, body).await?;
            subscription::create(gateway, &context, &bytes).await
        }
        Interaction::Update(routes::SUBSCRIPTION) => {
            let bytes = context.fhir_body(gateway, &parts, body).await?;
            subscription::update(gateway, &context, &id(), &bytes).await
        }
        Interaction::Delete(_) => subscription::delete(gateway, &context, &id()).await,
        Interaction::Read(kind) => read::read(gateway, &context, kind, &id()).await,
        Interaction::VersionRead(kind) => {
            let version = parameters.get("version").cloned().unwrap_or_default();
            read::version_read(gateway, &context, kind, &id(), &version).await
        }
        Interaction::History(kind) => read::history(gateway, &context, kind, &id()).await,
        Interaction::Search(kind) => {
            let query = parts.uri.query().unwrap_or_default().to_owned();
            search::search(gateway, &context, kind, &query).await
        }
        Interaction::SearchByPost(kind) => {
            let form = context.form(gateway, &parts, body).await?;
            search::search(gateway, &context, kind, &form).await
        }
        Interaction::Transaction => {
            let bytes = context.fhir_body(gateway, &parts, body).await?;
            write::transaction(gateway, &context, &bytes).await
        }
        Interaction::ProcessMessage => process_message::receive(gateway, &context, &parts, body).await,
        Interaction::Operation(kind, "erase") => {
            let bytes = context.fhir_body(gateway, &parts, body).await?;
            erase::erase(gateway, &context, kind, &id(), &bytes).await
        }
        Interaction::Operation(_, "redrive") => {
            let bytes = context.fhir_body(gateway, &parts, body).await?;
            redrive::redrive(gateway, &context, &bytes).await
        }
        Interaction::Operation(_, "renotify") => {
            let bytes = context.fhir_body(gateway, &parts, body).await?;
            renotify::renotify(gateway, &context, &bytes).await
        }
        Interaction::Operation(_, "reconcile") => {
            let bytes = context.fhir_body(gateway, &parts, body).await?;
            reconcile::reconcile(gateway, &context, &bytes).await
        }
        Interaction::Operation(..) => {
            let bytes = context.fhir_body(gateway, &parts, body).await?;
            preview::preview(gateway, &context, &bytes).await
        }
        Interaction::Create(kind) => {
            let bytes = context.fhir_body(gateway, &parts, body).await?;
            write::create(gateway, &context, kind, &bytes).await
        }
        Interaction::Update(kind) => {
            let bytes = context.fhir_body(gateway, &parts, body).await?;
            update::put(gateway, &context, kind, &id(), &bytes).await
        }
        Interaction::Patch(kind) => {
            let bytes = context.patch_body(gateway, &parts, body).await?;
            update::patch(gateway, &context, kind, &id(), &bytes).await
        }
        Interaction::Live | Interaction::Ready | Interaction::Metadata | Interaction::Reports => {
            Err(Refusal::not_found())
        }
    }
}
