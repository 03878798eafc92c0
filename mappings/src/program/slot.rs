//! What the variables of expressions stand for.

/// What stands in one slot of an evaluation's environment. All scopes of a mapping declare the same variables in the
/// order of [`Program::slots`](super::Program::slots), so that a slot means the same in every expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// `%referral`: the Bundle.
    Referral,
    /// `%serviceRequest`: the resource of entry 0.
    ServiceRequest,
    /// `%patient`: the resource of entry 1.
    Patient,
    /// `%task`: the last Task of the Bundle.
    Task,
    /// `%settings.x`: index into [`Program::settings`](super::Program::settings).
    Setting(usize),
    /// `%keys.idempotency`
    IdempotencyKey,
    /// `%keys.correlation`
    CorrelationId,
    /// `%acceptedAt`: a FHIR instant.
    AcceptedAt,
    /// `%platformReferral`
    PlatformReferral,
    /// `%progress.x`
    Progress(String),
    /// `%cursor.x`
    Cursor(String),
    /// `%reason`: the sender's words on a cancel, hold or release.
    Reason,
    /// `%status`: of an HTTP answer.
    Status,
    /// `%header.x`: of an HTTP answer, the name in lower case.
    Header(String),
    /// A named expression: index into [`Program::variables`](super::Program::variables).
    Variable(usize),
}
