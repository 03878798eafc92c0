//! Code and identifier systems of the gateway's own. `example` is a reserved name: an operator who publishes the
//! gateway's terminology replaces nothing here, the URIs are names and not addresses.

/// Identifier system of the idempotency key, on every resource that the gateway makes at a platform.
pub const REFERRAL_KEY: &str = "https://vcse-gateway.example/fhir/Id/referral-key";

/// Code system of `Task.businessStatus` (docs/status.md lists its codes).
pub const BUSINESS_STATUS: &str = "https://vcse-gateway.example/fhir/CodeSystem/business-status";

/// Code system of the status words of an adapter's platform: `Task.businessStatus.coding` has the platform's own word under it.
#[must_use]
pub fn platform_status(adapter: &str) -> String {
    format!("https://vcse-gateway.example/fhir/CodeSystem/platform-status/{adapter}")
}

/// Code system of `Task.code` of a follow-up: why the gateway asks a person to look (docs/follow-up.md lists its codes).
pub const FOLLOW_UP: &str = "https://vcse-gateway.example/fhir/CodeSystem/follow-up";
