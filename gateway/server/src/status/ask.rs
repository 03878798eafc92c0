//! Asks a platform something that belongs to no errand: what has changed, or what it says of one referral. Within its pace, only while
//! its lane is ours, and never as something urgent.

use crate::gateway::{Gateway, Platform};
use crate::transport::Names;
use adapter_contract::{Answer, DeliveryError, Exchange, FailureCode, PlatformRequest, Step};

/// Plays adapter and platform in turn until there is an end: never [`Step::Send`] or [`Step::Failed`].
///
/// # Errors
/// [`DeliveryError`]: the platform did not answer as it should, may not be asked now, or cannot be asked this at all
/// ([`FailureCode::Untranslatable`]).
pub(crate) async fn ask(
    gateway: &Gateway,
    platform: &Platform,
    exchange: &Exchange<'_>,
) -> Result<Step, DeliveryError> {
    let mut step = platform.adapter.begin(exchange);
    for _ in 0..=platform.adapter.descriptor().limits.steps {
        let (request, progress) = match step {
            Ok(Step::Send(request, progress)) => (request, progress),
            Ok(Step::Failed(error)) => {
                platform.pace.read(&error);
                return Err(error);
            }
            Ok(end) => return Ok(end),
            Err(error) => return Err(DeliveryError::new(FailureCode::Untranslatable, error.to_string())),
        };
        let names = Names { request_id: gateway.new_id(), correlation: exchange.keys.correlation.to_owned() };
        gateway.transport.prepare(platform).await?;
        platform.pace.leave(gateway.limits.platform_concurrency, false).await?;
        platform.pace.is_ours()?;
        let answer = match &request {
            PlatformRequest::Http(request) => gateway.transport.send(platform, request, &names).await,
            PlatformRequest::File(request) => gateway.transport.file(platform, request, &names).await,
            PlatformRequest::Publish(_) | PlatformRequest::Amend(_) | PlatformRequest::Mail(_) => {
                let words = "The adapter was to ask, and told something instead.";
                Err(DeliveryError::new(FailureCode::Untranslatable, words))
            }
        };
        let answer: Answer = platform.pace.heard(answer)?;
        step = platform.adapter.resume(exchange, &progress, &answer);
    }
    let words = "A question did not end within the steps that the adapter declares.";
    Err(DeliveryError::new(FailureCode::TooManySteps, words))
}
