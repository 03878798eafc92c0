//! What an instance holds from the start: the queue, its custom fields, the accounts and their rights.
//!
//! Data only; [`super::instance`] has it put into RT's database.

/// How an instance is set up.
#[derive(Debug, Clone)]
pub struct RequestTrackerConfig {
    /// The name of the queue.
    pub queue: String,
    /// Its custom fields.
    pub fields: Vec<Field>,
    /// The server's time zone, by its name in the tz database. RT reads times in searches in the zone of whoever asks,
    /// and that of the server where the user has none.
    pub time_zone: String,
}

impl Default for RequestTrackerConfig {
    fn default() -> Self {
        let key = Field { name: "ReferralKey".to_owned(), kind: FieldKind::Text };
        Self { queue: "Referrals".to_owned(), fields: vec![key], time_zone: "Europe/London".to_owned() }
    }
}

/// A custom field of tickets in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: FieldKind,
}

/// What a custom field holds. One value each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// Any text, shown in several lines.
    LongText,
    /// One of these.
    Choice(Vec<String>),
    /// A date. RT keeps none before 1970.
    Date,
}

impl FieldKind {
    pub(super) fn rt_type(&self) -> &'static str {
        match self {
            Self::Text => "FreeformSingle",
            Self::LongText => "TextSingle",
            Self::Choice(_) => "SelectSingle",
            Self::Date => "DateSingle",
        }
    }

    pub(super) fn choices(&self) -> &[String] {
        if let Self::Choice(values) = self { values } else { &[] }
    }
}

/// The accounts of every instance, each with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// The gateway's: creates, reads and changes tickets and their fields. No time zone of its own.
    Gateway,
    /// A person's at the charity: works on tickets and may delete them.
    Worker,
    /// Made in haste: may create and read tickets, and nobody thought of the rights on custom fields. Its own time zone
    /// is UTC.
    Newcomer,
}

impl Account {
    pub(super) const ALL: [Self; 3] = [Self::Gateway, Self::Worker, Self::Newcomer];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Worker => "worker",
            Self::Newcomer => "newcomer",
        }
    }

    pub(super) fn time_zone(self) -> Option<&'static str> {
        (self == Self::Newcomer).then_some("UTC")
    }

    pub(super) fn rights(self) -> Vec<&'static str> {
        let mut rights = vec!["SeeQueue", "CreateTicket", "ShowTicket", "ModifyTicket"];
        if self != Self::Newcomer {
            let fields_and_words = ["SeeCustomField", "ModifyCustomField", "ShowTicketComments"];
            rights.extend(fields_and_words);
            rights.extend(["CommentOnTicket", "ReplyToTicket"]);
        }
        if self == Self::Worker {
            rights.extend(["OwnTicket", "TakeTicket", "StealTicket", "DeleteTicket", "ShowOutgoingEmail"]);
        }
        rights
    }
}
