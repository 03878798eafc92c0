//! A message of the letter in `people`.

use crate::people::{PDF_ID, letter};
use gateway_documents::message::{Ids, Message, RecipientType};
use gateway_documents::pdf::{self, Overflow};
use time::macros::datetime;
use uuid::Uuid;

/// Ids that a test can tell apart.
pub(crate) fn ids() -> Ids {
    let mut next = 0;
    Ids::drawn(|| {
        next += 1;
        Uuid::from_u128(0x5ca1_ab1e_0000_4000_8000_0000_0000_0000 + next)
    })
}

pub(crate) fn message() -> Message {
    let letter = letter();
    Message {
        ids: ids(),
        made_at: datetime!(2026-11-23 09:16:05 UTC),
        mailbox: "X26OT001".to_owned(),
        sender_reference: "referral-0417/outcome/1".to_owned(),
        recipient_type: RecipientType::ForAction,
        sender: letter.sender.clone(),
        author: letter.author.clone(),
        patient: letter.patient.clone(),
        title: letter.title.clone(),
        version: letter.version,
        replaces: None,
        written_at: letter.written_at,
        pdf: pdf::make(&letter, PDF_ID, Overflow::Shorten).unwrap().bytes,
        may_be_shared: true,
    }
}
