//! The counterparts of the gateway: synthetic referrals, a platform that speaks the Gravity guide, a GP system.
//!
//! Everything here reaches the gateway over HTTP, as its real counterparts do, and depends on no other crate of the
//! workspace: a double that shared the gateway's idea of FHIR would share its mistakes. Time is a seeded, simulated
//! clock and chance a seeded generator, so the same seed gives the same run. Synthetic people only.
//!
//! This is the library half. The suite with its requirement ids and the binary `conformance` are a later issue.
//!
//! Where to begin:
//! - [`generator::Generator`] makes referrals, each with what should become of it;
//! - [`gp_system::GpSystem`] submits, cancels and follows them;
//! - [`platform::FhirPlatform`] is a charity platform with a FHIR server (Gravity "Direct");
//! - [`direct_light::DirectLightClient`] is one without (Gravity "Direct Light");
//! - [`connect_families::ConnectFamilies`] is a double of the referral API of "Connect families to support".
//! - [`charitylog::Charitylog`] is a double of the Dizions API of Charitylog;
//! - [`lamplight::Lamplight`] is a double of the Lamplight API;
//! - [`salesforce::Salesforce`] is a simulated Salesforce organisation;
//! - [`simulator::Simulator`] is the frame of simulated platforms: socket, record, faults, clock, namespaces;
//! - [`message_platform::MessagePlatform`] takes referrals as FHIR messages, and answers and tells in messages.
//! - [`message_sender::MessageSender`] takes the responses to messages that it sent.
//! - [`front::Front`] stands in front of several gateways.
//! - [`postgres::PostgresServer`] runs a private PostgreSQL, where it is installed.
//! - [`mesh_sandbox::MeshSandbox`] runs the real MESH sandbox, where it is installed.
//! - [`mail_server::MailServer`] runs the real Postfix and Dovecot, where they are installed.
//! - [`sftp_server::SftpServer`] runs the real OpenSSH server, where it is installed.
//! - [`gp_fhir_server::GpFhirServer`] runs a real FHIR server as a GP system, where it is installed.
//! - [`oauth2_server::OAuth2Server`] runs a real OAuth2 server, where it is installed.
//! - [`request_tracker::RequestTracker`] runs the real Request Tracker 5, where it is installed.

pub mod charitylog;
pub mod clock;
pub mod connect_families;
pub mod direct_light;
pub mod fhir;
pub mod front;
pub mod generator;
pub mod gp_fhir_server;
pub mod gp_system;
pub mod lamplight;
pub mod mail_server;
pub mod mesh_sandbox;
pub mod message_platform;
pub mod message_sender;
pub mod npm;
pub mod oauth2_server;
pub mod platform;
pub mod postgres;
pub mod request_tracker;
pub mod salesforce;
pub mod sftp_server;
pub mod simulator;
pub mod standard_webhooks;
pub mod subscriber;
