//! The minimised referral, read: its order, person, Task and what they refer to; and the checks before it may leave.

use crate::json::{Object, holds_string};
use adapter_contract::{MinimisedReferral, TranslateError};
use serde::Deserialize;
use serde_json::value::RawValue;

/// SDOH Clinical Care: the person must not be contacted over this request.
const CONTACT_PROHIBITED: &str = "contacting-subject-prohibited";

/// The referral's parts, as text of the sender's writing.
#[derive(Debug)]
pub struct Referral<'a> {
    /// Entry 0.
    pub order: Part<'a>,
    /// Entry 1.
    pub patient: Part<'a>,
    /// The sender's Task, if it may be known.
    pub task: Option<Part<'a>>,
    /// What these refer to.
    pub others: Vec<Part<'a>>,
    /// The whole Bundle, for checks that concern all of it.
    text: &'a str,
}

/// One entry of the Bundle.
#[derive(Debug)]
pub struct Part<'a> {
    /// Place in the Bundle, from 0.
    pub index: usize,
    /// `urn:uuid:…`, by which the other entries refer to it.
    pub full_url: String,
    /// Resource type.
    pub kind: String,
    /// The resource's text.
    pub text: &'a str,
    /// Its members.
    pub object: Object<'a>,
}

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(borrow)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(rename = "fullUrl")]
    full_url: String,
    #[serde(borrow)]
    resource: &'a RawValue,
}

impl<'a> Referral<'a> {
    /// Reads the Bundle and refuses what must not be passed on half understood.
    ///
    /// # Errors
    /// [`TranslateError`] for a Bundle of another shape, a referral that says not what is asked for, and modifiers
    /// that this adapter does not know.
    pub fn read(minimised: &'a MinimisedReferral) -> Result<Self, TranslateError> {
        let text = minimised.bundle();
        let bundle: Bundle<'a> = serde_json::from_str(text)
            .map_err(|_| TranslateError::new("Bundle", "is not a collection of resources"))?;
        let mut parts = Vec::with_capacity(bundle.entry.len());
        for (index, entry) in bundle.entry.into_iter().enumerate() {
            let shape = || TranslateError::new(format!("Bundle.entry[{index}].resource"), "is not a FHIR resource");
            let text = entry.resource.get();
            let object = Object::read(text).ok_or_else(shape)?;
            let kind = object.string("resourceType").ok_or_else(shape)?;
            parts.push(Part { index, full_url: entry.full_url, kind, text, object });
        }
        let mut parts = parts.into_iter();
        let order = expected(parts.next(), "ServiceRequest")?;
        let patient = expected(parts.next(), "Patient")?;
        let (mut tasks, others): (Vec<_>, Vec<_>) = parts.partition(|part| part.kind == "Task");
        if tasks.len() > 1 {
            return Err(TranslateError::new("Bundle.entry", "holds more than one Task"));
        }
        let referral = Self { order, patient, task: tasks.pop(), others, text };
        referral.check()?;
        Ok(referral)
    }

    /// True if the referral says anywhere that the person must not be contacted.
    pub fn prohibits_contact(&self) -> bool {
        holds_string(self.text, CONTACT_PROHIBITED)
    }

    /// Refuses to go on where the prohibition would be lost: either the platform has not undertaken to honour it, or it
    /// stands where none of the `outgoing` texts carry it.
    ///
    /// # Errors
    /// [`TranslateError::unsafe_to_send`].
    pub fn guard_contact(&self, honoured: bool, outgoing: &[&str]) -> Result<(), TranslateError> {
        if !self.prohibits_contact() {
            return Ok(());
        }
        let reason = if !honoured {
            "the person must not be contacted, and this platform has not undertaken to honour that \
             (setting honours-contact-prohibition)"
        } else if outgoing.iter().any(|text| holds_string(text, CONTACT_PROHIBITED)) {
            return Ok(());
        } else {
            "the person must not be contacted, but this stands where it would not be sent; put it into orderDetail"
        };
        Err(TranslateError::unsafe_to_send("ServiceRequest.orderDetail", reason))
    }

    /// The other entries that `roots` reach by reference, in the Bundle's order. The rest, such as the sender's own
    /// requester, is nothing to the platform and stays.
    pub fn reached_from(&self, roots: &[&str]) -> Vec<&Part<'a>> {
        let mut reached = vec![false; self.others.len()];
        let mut texts: Vec<&str> = roots.to_vec();
        while let Some(text) = texts.pop() {
            for (part, seen) in self.others.iter().zip(reached.iter_mut()).filter(|(_, seen)| !**seen) {
                if text.contains(&format!("\"{}\"", part.full_url)) {
                    *seen = true;
                    texts.push(part.text);
                }
            }
        }
        self.others.iter().zip(reached).filter_map(|(part, seen)| seen.then_some(part)).collect()
    }

    fn check(&self) -> Result<(), TranslateError> {
        if self.order.object.raw("doNotPerform") == Some("true") {
            let reason = "the request asks that something is not done, which a referral cannot say";
            return Err(TranslateError::unsafe_to_send("ServiceRequest.doNotPerform", reason));
        }
        for part in [Some(&self.order), self.task.as_ref()].into_iter().flatten() {
            if part.object.raw("modifierExtension").is_some() {
                let reason = "changes the meaning in a way that this adapter does not know";
                return Err(TranslateError::unsafe_to_send(format!("{}.modifierExtension", part.kind), reason));
            }
        }
        if self.order.object.raw("code").is_none() && self.order.object.array("category").is_empty() {
            let reason = "is missing, and so is ServiceRequest.category: nothing says what help is asked for";
            return Err(TranslateError::new("ServiceRequest.code", reason));
        }
        Ok(())
    }
}

fn expected<'a>(part: Option<Part<'a>>, kind: &str) -> Result<Part<'a>, TranslateError> {
    part.filter(|part| part.kind == kind)
        .ok_or_else(|| TranslateError::new("Bundle.entry", format!("the {kind} is not where the contract puts it")))
}
