//! How MESH is told where a message goes and what it is: the values of its headers, as data.
//!
//! **Patient data.** The standard demands NHS number, day of birth and surname in `mex-to` (GPCM-SD-056, -063: MESH finds the registered
//! practice by them), and name and NHS number in `mex-subject` (GPCM-SD-064). So both are patient data: they go to MESH over TLS and nowhere
//! else. No log, error, metric or URL may have them, and `Debug` hides them. `mex-localid` has none: it is an ODS code.

use crate::message::Message;
use std::fmt;
use thiserror::Error;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const DAY_FIRST: &[BorrowedFormatItem<'_>] = format_description!("[day][month][year]");
const YEAR_FIRST: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]");

/// Choices where the published sources contradict each other or differ by version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MeshOptions {
    /// Order of day, month and year in `mex-to`.
    pub date_order: DateOrder,
    /// Form of `mex-subject`.
    pub subject: SubjectForm,
    /// Which pair of workflows.
    pub workflow: Workflow,
}

/// Order of day, month and year in `mex-to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DateOrder {
    /// `09011955`: every example whose day and month can be told apart (guide, "MESH client configuration" and "MESH API configuration"; the
    /// 2020 site).
    #[default]
    DayFirst,
    /// `19550109`: said of the page of 2.0.1 that is no longer stored. Not confirmed.
    YearFirst,
}

/// Form of `mex-subject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SubjectForm {
    /// `[title] for [patient], NHS Number: [number], seen at [location], [ODS code], Version: [version]`: GPCM-SD-064.
    #[default]
    ConformanceList,
    /// `[title] for patient: [patient], NHS number: [number], ODS code: [ODS code]`: guide, "MESH API configuration". It has no version.
    ApiPage,
}

/// The workflow of messages and that of their acknowledgements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Workflow {
    /// `GPCONNECT_SEND_DOCUMENT`: any document (GPCM-SD-057; guide, "MESH workflow ID").
    #[default]
    SendDocument,
    /// `GPFED_CONSULT_REPORT`: version 1, of consultations alone; due to end in 2024.
    ConsultationReport,
}

impl Workflow {
    /// Of messages.
    #[must_use]
    pub const fn send(self) -> &'static str {
        match self {
            Self::SendDocument => "GPCONNECT_SEND_DOCUMENT",
            Self::ConsultationReport => "GPFED_CONSULT_REPORT",
        }
    }

    /// Of acknowledgements.
    #[must_use]
    pub const fn acknowledgement(self) -> &'static str {
        match self {
            Self::SendDocument => "GPCONNECT_SEND_DOCUMENT_ACK",
            Self::ConsultationReport => "GPFED_CONSULT_REPORT_ACK",
        }
    }
}

/// The values of the headers of a MESH message.
#[derive(Clone, PartialEq, Eq)]
pub struct Headers {
    /// `mex-from`: the sender's mailbox.
    pub from: String,
    /// `mex-to`: patient data.
    pub to: String,
    /// `mex-subject`: patient data.
    pub subject: String,
    /// `mex-localid`: ODS code of the sender (guide, "MESH client configuration").
    pub local_id: String,
    /// `mex-workflowid`.
    pub workflow_id: &'static str,
}

impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = formatter.debug_struct("Headers");
        told.field("from", &self.from).field("local_id", &self.local_id).field("workflow_id", &self.workflow_id);
        told.finish_non_exhaustive()
    }
}

/// Why a message cannot be addressed. No content is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MeshFault {
    /// The surname would not be told apart from the other parts.
    #[error("the surname is empty or has an underscore, which divides the parts of mex-to: correct the surname")]
    Surname,
    /// An HTTP header cannot carry it.
    #[error(
        "{header} has a character that an HTTP header cannot carry: no published rule says how to write it; send by another way"
    )]
    Character {
        /// Which.
        header: &'static str,
    },
}

/// The headers for a message. NHS number, day of birth and surname are those of its Patient (GPCM-SD-038).
///
/// # Errors
/// [`MeshFault`] if a value fits no header. How MESH wants letters outside of ASCII to be written is not published.
pub fn headers(message: &Message, options: &MeshOptions) -> Result<Headers, MeshFault> {
    let headers = Headers {
        from: message.mailbox.clone(),
        to: routing(message, options.date_order)?,
        subject: subject(message, options.subject),
        local_id: message.sender.ods_code.as_str().to_owned(),
        workflow_id: options.workflow.send(),
    };
    let values = [("mex-from", &headers.from), ("mex-to", &headers.to), ("mex-subject", &headers.subject)];
    for (header, value) in values {
        if value.bytes().any(|byte| !(0x20..0x7f).contains(&byte)) {
            return Err(MeshFault::Character { header });
        }
    }
    Ok(headers)
}

/// `GPPROVIDER_<NHS number>_<day of birth>_<surname>` (GPCM-SD-063: "delimited by the underscore").
fn routing(message: &Message, order: DateOrder) -> Result<String, MeshFault> {
    let patient = &message.patient;
    let surname = patient.name.family.trim();
    if surname.is_empty() || surname.contains('_') {
        return Err(MeshFault::Surname);
    }
    let form = match order {
        DateOrder::DayFirst => DAY_FIRST,
        DateOrder::YearFirst => YEAR_FIRST,
    };
    let born = patient.birth_date.format(form).map_err(|_| MeshFault::Character { header: "mex-to" })?;
    Ok(format!("GPPROVIDER_{}_{born}_{surname}", patient.nhs_number.digits()))
}

fn subject(message: &Message, form: SubjectForm) -> String {
    match form {
        SubjectForm::ConformanceList => message.headline(),
        SubjectForm::ApiPage => format!(
            "{} for patient: {}, NHS number: {}, ODS code: {}",
            message.title,
            message.patient.name.whole(),
            message.patient.nhs_number.spaced(),
            message.sender.ods_code.as_str()
        ),
    }
}
