//! The gateway's codes of `Task.businessStatus`: what is published as CodeSystem, what an adapter may use, and what docs/status.md
//! explains are this one table.

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusinessStatus {
    /// The code.
    pub code: &'static str,
    /// What it means, for the person who made the referral.
    pub means: &'static str,
    /// Whether an adapter may say it; else the gateway alone does.
    pub for_adapters: bool,
}

const fn any(code: &'static str, means: &'static str) -> BusinessStatus {
    BusinessStatus { code, means, for_adapters: true }
}

const fn ours(code: &'static str, means: &'static str) -> BusinessStatus {
    BusinessStatus { code, means, for_adapters: false }
}

/// The service reports that the person needs more than it can give: an adapter's table may map any word to it, and whatever status
/// stands beside it, a person is asked to act today (docs/follow-up.md).
pub const NEEDS_MORE: &str = "needs-more-support";

/// The same for a report that somebody may be harmed.
pub const SAFEGUARDING: &str = "safeguarding-concern";

/// The service asks something.
pub const QUESTION: &str = "info-needed";

/// A word of the platform's that its adapter does not know.
pub const UNMAPPED: &str = "unmapped";

/// All codes, in the order of a referral's life.
pub const BUSINESS_STATUSES: [BusinessStatus; 41] = [
    any("queued", "Held by the gateway: it waits for a person, and nothing is sent."),
    any("sent", "It has left, and nothing more is known yet."),
    any("sent-unmonitored", "It has left, and nobody will tell what becomes of it."),
    any("delivered", "The platform has it."),
    any("seen", "Somebody at the organisation has looked at it."),
    any("staged", "It lies in the platform's inbox until a person takes it in."),
    any("triage", "The organisation is assessing it."),
    any("info-needed", "The organisation needs to know more."),
    any("on-hold", "The organisation has paused it."),
    any("waitlisted", "The person is on a waiting list."),
    any("accepted", "The organisation has taken it on."),
    any("claimed", "A named worker has taken it on."),
    any("rerouted", "It was passed on to another service."),
    any("contact-failed", "The person could not be reached."),
    any("booked", "An appointment was made."),
    any("booking-cancelled", "An appointment was cancelled."),
    any("attended", "The person came."),
    any("did-not-attend", "The person did not come."),
    any("in-support", "Help has begun."),
    any(NEEDS_MORE, "The organisation reports that the person needs more than it can give: act today."),
    any(SAFEGUARDING, "The organisation reports a safeguarding concern: act today."),
    ours("call-requested", "The organisation asks to be called; consent lets no more of it pass."),
    any("outcome-recorded", "It has ended, and what came of it is recorded."),
    any("helped", "It has ended, and the person was helped."),
    any("not-helped", "It has ended, and the person was not helped."),
    any("left-early", "The person left before the end."),
    any("person-declined", "The person did not want it."),
    any("declined-ineligible", "The organisation did not take it: the service is not for this person."),
    any("declined-capacity", "The organisation did not take it: it has no room."),
    any("declined-area", "The organisation did not take it: the person lives outside its area."),
    any("declined-needs", "The organisation did not take it: the person needs more specialist support."),
    any("declined-other", "The organisation did not take it, for the reason that it gives."),
    any("withdrawn-by-referrer", "The sender has withdrawn it."),
    any("revoked", "The service has stopped it."),
    ours("unacknowledged", "The platform has it and has not said in time whether anybody takes it on."),
    any("expired-no-response", "Nobody answered in time."),
    ours("consent-withdrawn", "Consent no longer covers the recipient; it was stopped or is being recalled."),
    ours("outcome-withheld", "The person keeps from the practice more than the status."),
    any("undeliverable", "It could not be delivered; a person has to look."),
    any("error", "A contradiction, or a message to the platform that failed."),
    any("unmapped", "The platform uses a word that its adapter does not know."),
];
