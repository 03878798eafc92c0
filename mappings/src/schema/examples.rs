//! Examples of the reference. Each is compiled in a test, laid over a small mapping that has the rest.

/// Where an example stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// Top-level keys of a mapping.
    Top,
    /// Fields of a body.
    Fields,
}

/// One example.
pub(super) struct Example {
    /// The form that it belongs to.
    pub(super) form: &'static str,
    /// What it shows.
    pub(super) title: &'static str,
    pub(super) stands: Stands,
    pub(super) yaml: &'static str,
}

const fn top(form: &'static str, title: &'static str, yaml: &'static str) -> Example {
    Example { form, title, stands: Stands::Top, yaml }
}

const fn fields(title: &'static str, yaml: &'static str) -> Example {
    Example { form: "target", title, stands: Stands::Fields, yaml }
}

pub(super) const EXAMPLES: &[Example] = &[
    top(
        "mapping",
        "A local variation: another length, one field less, one more",
        r#"extends: base.yaml
name: base-leeds
exchanges:
  submit:
    - step: create
      request:
        body:
          fields:
            Reason: { max-length: 300 }
            Team: { remove: true }
            Born: { from: "%patient.birthDate", class: identity }
"#,
    ),
    top(
        "setting",
        "A number that the operator configures; a name with a hyphen stands in backticks in paths",
        r#"settings:
  account-id: { type: integer, required: true, about: "Account of the gateway's user at the platform" }
exchanges:
  submit:
    - step: create
      request:
        body:
          fields:
            Account: { from: "%settings.`account-id`", type: integer, class: administrative }
"#,
    ),
    top(
        "guard",
        "A referral that must not be sent",
        r#"refuse:
  - when: "%serviceRequest.orderDetail.coding.where(code = 'contacting-subject-prohibited').exists()"
    element: ServiceRequest.orderDetail
    unsafe: true
    because: "The platform cannot say that the person must not be contacted."
"#,
    ),
    top(
        "accepted loss",
        "A loss that somebody has thought about",
        r#"accepted-losses:
  - element: ServiceRequest.priority
    because: "The platform answers every request on the day; it has no field for urgency."
"#,
    ),
    top(
        "step",
        "A submit of two steps: the second needs a note of the first",
        r#"shapes:
  Ticket: { id: integer }
exchanges:
  submit:
    - step: create
      answer:
        shape: Ticket
        outcomes:
          - when: "%status = 201"
            then: next
            step: open
            notes: { ticket: "id.toString()", etag: "%header.etag" }
    - step: open
      request:
        method: PUT
        path: "ticket/{%progress.ticket}"
        repeat: keyed
        headers:
          If-Match: { from: "%progress.etag", class: administrative }
        body:
          format: json
          fields: { Status: { constant: open, class: administrative } }
      answer:
        outcomes:
          - { when: "%status = 200", then: delivered, platform-referral: "%progress.ticket" }
"#,
    ),
    top(
        "body",
        "Form fields instead of JSON",
        r#"exchanges:
  submit:
    - step: create
      request:
        body:
          format: form
"#,
    ),
    top(
        "outcome",
        "A platform that answers 200 with an error in it",
        r#"shapes:
  Answer: { id: integer, error: string }
exchanges:
  submit:
    - step: create
      answer:
        shape: Answer
        outcomes:
          - { when: "error.exists()", then: failed, code: refused, diagnostic: "The platform answered with an error of its own." }
          - { when: "%status = 200", then: delivered, platform-referral: "id.toString()" }
"#,
    ),
    top(
        "outcome",
        "A platform that answers errors as an array, and says by 403 that a limit of hours is reached",
        r#"shapes:
  Made: { id: string }
  Errors: [ { errorCode: string } ]
exchanges:
  submit:
    - step: create
      answer:
        shape: Made
        outcomes:
          - { when: "%status = 201", then: delivered, platform-referral: id }
          - shape: Errors
            when: "items.where(errorCode = 'REQUEST_LIMIT_EXCEEDED').exists()"
            then: failed
            code: busy
            wait-seconds: 14400
            diagnostic: "The limit of requests is reached; nothing is asked for four hours."
"#,
    ),
    top(
        "outcome",
        "A platform that gives the id by itself or in an object",
        r#"shapes:
  Id: { data: integer }
  Record: { data: { id: integer } }
exchanges:
  submit:
    - step: create
      answer:
        outcomes:
          - { shape: Id, when: "%status = 200 and data.exists()", then: delivered, platform-referral: "data.toString()" }
          - { shape: Record, when: "%status = 200 and data.id.exists()", then: delivered, platform-referral: "data.id.toString()" }
"#,
    ),
    top(
        "reports",
        "Reading one referral's status",
        r#"shapes:
  Request: { id: integer, status: New | Accepted | Declined, lastUpdated: date-time, reason: string }
exchanges:
  read:
    - step: read
      request: { method: GET, path: "api/referral/{%platformReferral}", repeat: safe }
      answer:
        shape: Request
        outcomes:
          - when: "%status = 200"
            then: reports
            reports:
              platform-referral: "id.toString()"
              event: "id.toString() & '-' & status"
              instant: lastUpdated
              status: status
              reason: reason
          - { when: "%status = 404", then: absent }
"#,
    ),
    fields(
        "Required text with a limit, a part of it counted as the platform counts",
        r#"Reason: { from: "%serviceRequest.reasonCode.text", join: "; ", required: true, max-length: 500, count: no-cr, overflow: truncate, marker: "…", class: clinical }
"#,
    ),
    fields(
        "A date, and what happens to one that lacks its day",
        r#"Born: { from: "%patient.birthDate", format: dd/MM/yyyy, partial: omit, class: identity }
"#,
    ),
    fields(
        "A constant that stands for something, with the reason",
        r#"Specialty: { constant: social-prescribing, means: ServiceRequest.performerType, because: "The platform has one service.", class: administrative }
"#,
    ),
    fields(
        "A code by a concept map",
        r#"Sex: { from: "%patient.gender", map: gender, unmapped: { code: U, because: "The platform's word for everything else." }, class: demographic }
"#,
    ),
    fields(
        "An array: within it paths start from the item",
        r#"Addresses:
  class: contact
  each: "%patient.address"
  limit: 3
  overflow: drop
  items:
    fields:
      Street: { from: "line.first()", max-length: 100, overflow: refuse }
      PostCode: { from: postalCode, pattern: "^[A-Z0-9 ]{5,8}$", mismatch: omit }
"#,
    ),
    fields(
        "The first alternative that holds",
        r#"Name:
  class: identity
  choose:
    - { when: "%patient.name.text.exists()", from: "%patient.name.text.first()" }
    - { from: "%patient.name.family.first()", required: true }
"#,
    ),
    fields(
        "Several things in one text field",
        r#"Notes:
  class: clinical
  max-length: 2000
  overflow: refuse
  lines:
    - { label: "Asked for: ", from: "%serviceRequest.code.text" }
    - { label: "Instruction: ", from: "%serviceRequest.patientInstruction", transform: [ trim, collapse-whitespace ] }
"#,
    ),
    fields(
        "A field that exists under a condition",
        r#"Deceased: { from: "%patient.deceased.ofType(dateTime)", when: "%patient.active", type: date-time, partial: keep, class: clinical }
"#,
    ),
];

/// What the examples are laid over: it has what they name.
#[cfg(test)]
pub(super) const UNDER: &str = r#"mapping: 1
name: base
concept-maps: { gender: concept-maps/gender.json }
accepted-losses:
  - { element: ServiceRequest.orderDetail, because: "An example." }
  - { element: ServiceRequest.priority, because: "An example." }
  - { element: ServiceRequest.doNotPerform, because: "An example." }
  - { element: Task.priority, because: "An example." }
  - { element: Patient.communication, because: "An example." }
  - { element: "Patient.deceased[x]", because: "An example." }
  - { element: "Patient.extension(http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired)", because: "An example." }
  - { element: Flag, because: "An example." }
exchanges:
  submit:
    - step: create
      request:
        method: POST
        path: api/referrals
        repeat: look-up-first
        body:
          format: json
          fields:
            Reason: { from: "%serviceRequest.patientInstruction", max-length: 500, overflow: refuse, class: need }
            Gender: { from: "%patient.gender", map: gender, unmapped: omit, class: demographic }
            Team: { from: "%serviceRequest.performerType.text", class: administrative }
      answer:
        outcomes:
          - { when: "%status = 201", then: delivered, platform-referral: "%header.location" }
"#;
