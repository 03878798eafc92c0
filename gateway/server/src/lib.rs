//! The gateway that makes it happen: HTTP in, store, workers, transports out. What should happen is decided in
//! `gateway-core`; a stage with effects has its module here under the same name.

pub mod config;
pub mod gateway;
pub mod lane;
pub mod limits;
pub mod mailbox;

// One clock, one source of chance, one store, one transport: all injected.
pub mod chance;
pub mod clock;
pub mod store;
pub mod transport;

// The way in, out and back.
pub mod admission;
pub mod alignment;
mod amend;
pub mod deliver;
pub mod disclosures;
mod duplicate;
pub mod http;
pub mod ingest;
pub mod notify;
pub mod pace;
pub mod passphrase;
mod reconcile;
mod redrive;
mod split;
pub mod status;
mod subject;
mod unanswered;
mod view;
pub mod viewing;
pub mod waiting;
pub mod webhooks;
mod withdraw;
mod work;

// What goes.
mod erase;
mod retention;

pub mod adapters;
pub mod cli;
pub mod demo;
pub mod serve;
