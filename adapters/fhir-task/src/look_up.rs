//! Asking whether the platform has the referral, by our key: `GET Task?identifier=system|key`.

use crate::http::{get, key_token};
use crate::settings::Config;
use crate::task::{Known, key, read_task};
use adapter_contract::{Answer, DeliveryError, Exchange, FailureCode, PlatformRequest, Progress, Step};
use adapter_fhir::answer::{success, unreadable};
use adapter_fhir::json::Object;
use adapter_fhir::read::bundle_entries;

/// Step whose answer is the search's.
pub(crate) const SEARCH: &str = "look-up";

/// The search.
pub(crate) fn begin(exchange: &Exchange<'_>) -> Step {
    let query = vec![("identifier".to_owned(), key_token(&exchange.keys.idempotency.0))];
    Step::Send(PlatformRequest::Http(get("Task", query)), Progress::at(SEARCH))
}

/// What the search found: none, one, or something that a person must look at.
pub(crate) fn resume(exchange: &Exchange<'_>, config: &Config<'_>, answer: &Answer) -> Step {
    found(exchange, config, answer).unwrap_or_else(Step::Failed)
}

fn found(exchange: &Exchange<'_>, config: &Config<'_>, answer: &Answer) -> Result<Step, DeliveryError> {
    let entries = bundle_entries(success(answer)?, "searchset")
        .ok_or_else(|| unreadable("the answer to the search is not a searchset Bundle"))?;
    let mut ours: Vec<&str> = Vec::new();
    for text in entries.iter().filter_map(|(_, entry)| entry.raw("resource")) {
        let resource = Object::read(text).ok_or_else(|| unreadable("an entry of the searchset is no resource"))?;
        if resource.string("resourceType").as_deref() != Some("Task") {
            continue;
        }
        if key(&resource).as_ref() != Some(exchange.keys.idempotency) {
            // A server that ignores the parameter shows other Tasks; then "not found" would be a guess.
            let said = "the search by identifier showed a Task without our key: the platform does not search by it";
            return Err(DeliveryError::new(FailureCode::Refused, said));
        }
        ours.push(text);
    }
    match ours.as_slice() {
        [] => Ok(Step::Absent),
        [text] => {
            let read = read_task(text, &mut Known::default(), Some(config.base_url)).map_err(unreadable)?;
            Ok(Step::Delivered(read.into_receipt()))
        }
        several => {
            let said =
                format!("the platform has {} Tasks with our key; a person must say which one holds", several.len());
            Err(DeliveryError::new(FailureCode::Refused, said))
        }
    }
}
