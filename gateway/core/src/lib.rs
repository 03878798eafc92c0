//! What should happen to a referral, decided without doing it: no runtime, no input or output; time, ids and chance are
//! passed in.
//!
//! The stages stand here in the order in which a referral passes them; each stage that also has effects has a module of
//! the same name in the server.

// The way out.
pub mod accept;
pub mod backlog;
pub mod bars;
pub mod breaker;
pub mod budget;
pub mod classify;
pub mod consent;
pub mod crosswalk;
pub mod deliver;
pub mod disclose;
pub mod duplicate;
pub mod fair;
pub mod ingest;
pub mod loss;
pub mod minimise;
pub mod quota;
pub mod retry;
pub mod route;

// The way back.
pub mod alarm;
pub mod align;
pub mod alignment;
pub mod business_days;
pub mod cadence;
pub mod follow_up;
pub mod letter;
pub mod message_back;
pub mod notify;
pub mod notify_server;
pub mod reconcile;
pub mod split;
pub mod status;
pub mod status_link;
pub mod subscription;
pub mod timers;
pub mod unanswered;
pub mod urgency;
pub mod waiting;

// What the sender may still do, and the person.
pub mod account;
pub mod amend;
pub mod erase;
pub mod patch;
pub mod re_refer;
pub mod reach;
pub mod redrive;
pub mod retention;
pub mod update;
pub mod withdraw;
pub mod work_item;
pub mod work_list;

// What all stages speak of.
pub mod change;
pub mod identity;
pub mod lane;
pub mod outbox;
pub mod referral;
pub mod refusal;
pub mod resource;
pub mod subject;
pub mod task;
