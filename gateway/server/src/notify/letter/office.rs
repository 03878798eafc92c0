//! From where one client's letters are sent, for whom, and of which ends they tell.

use crate::transport::mesh::post::PostOffice;
use adapter_contract::TaskStatus;
use gateway_core::identity::{ClientId, Compartment};
use gateway_core::referral::{Referral, SenderState};
use gateway_documents::mesh::MeshOptions;
use gateway_documents::message::{Options, RecipientType};
use gateway_documents::parties::{Author, OdsCode, Organisation};
use std::time::Duration;

/// From where one client's letters are sent.
pub struct Office {
    /// Whose referrals they are about.
    pub client: ClientId,
    /// Where these live.
    pub compartment: Compartment,
    /// The mailbox.
    pub post: PostOffice,
    /// A mailbox to which every letter goes; absent: to the practice that MESH finds by the patient.
    pub to: Option<String>,
    /// Who sends.
    pub sender: Organisation,
    /// Who answers for what is written.
    pub author: Author,
    /// For whom letters to a fixed mailbox are meant; without one the Patient names the practice.
    pub practice: Practice,
    /// Title of the letters, without patient data.
    pub title: String,
    /// The ends that are told.
    pub on: Vec<End>,
    /// Whether the practice is asked to act.
    pub recipient: RecipientType,
    /// Whether it is sent about somebody whose NHS number nobody says is traced.
    pub sends_untraced: bool,
    /// How long a letter waits for further word.
    pub wait: time::Duration,
    /// How long both acknowledgements may take.
    pub acknowledged_within: time::Duration,
    /// Between two looks into the mailbox.
    pub poll: Duration,
    /// How a message is written.
    pub options: Options,
    /// How it is addressed.
    pub mesh: MeshOptions,
}

/// An end of which a letter tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// `Task.status` stands so, whoever brought it there.
    Status(TaskStatus),
    /// The service ended what it had taken on, or the person did not want it: `Task.status` cancelled, and not by the sender.
    ByService,
}

impl Office {
    /// Whether this status of a referral is an end that is told.
    pub(super) fn tells_of(&self, status: TaskStatus, referral: &Referral) -> bool {
        let by_service = status == TaskStatus::Cancelled && referral.sender != SenderState::Cancelled;
        self.on.iter().any(|end| match end {
            End::Status(told) => *told == status,
            End::ByService => by_service,
        })
    }
}

/// The practice for which letters are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Practice {
    /// Its name.
    pub name: String,
    /// Its ODS code, by which a Consent may name it.
    pub ods_code: OdsCode,
}
