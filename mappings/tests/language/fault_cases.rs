//! The bad mappings. A comment `#! M031` at the end of a line says which faults that line has; there may be no other.

/// Where the text of a case stands.
#[derive(Clone, Copy)]
pub(crate) enum Where {
    /// Fields in the body of the base's request.
    Body,
    /// Top-level keys, laid over the base.
    Over,
    /// A whole file.
    Alone,
}

/// One bad mapping.
pub(crate) struct Case {
    pub(crate) place: Where,
    /// Capabilities of the manifest.
    pub(crate) can: &'static str,
    pub(crate) text: &'static str,
}

const fn body(text: &'static str) -> Case {
    Case { place: Where::Body, can: "", text }
}

const fn over(text: &'static str) -> Case {
    Case { place: Where::Over, can: "", text }
}

const fn with(can: &'static str, text: &'static str) -> Case {
    Case { place: Where::Over, can, text }
}

const fn alone(text: &'static str) -> Case {
    Case { place: Where::Alone, can: "", text }
}

pub(crate) const CASES: &[Case] = &[
    // Files and YAML.
    alone("mapping: 1\nname: [ a\nb: c #! M001\n"),
    alone("mapping: 1\nname: &a x #! M002\n"),
    alone("mapping: 1\nname: !!str x #! M002\n"),
    alone("mapping: 1\nname: *a #! M001\n"),
    alone("mapping: 1\n--- #! M002\nmapping: 1\n"),
    alone("mapping: 1\n? [ a ] #! M002\n: b\n"),
    alone("mapping: 1\n<<: { a: b } #! M002\n"),
    over("name: one\nname: two #! M003\n"),
    over("name: \"a\u{202e}b\" #! M004\n"),
    alone("a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]] #! M005\n"),
    alone("mapping: 1\nextends: bases.yaml #! M006\n"),
    over("concept-maps: { gender: concept-maps/genders.json } #! M006 M022\n"),
    over("concept-maps: { gender: shared:genders } #! M006 M022\n"),
    alone("mapping: 1\nextends: mapping.yaml #! M007\n"),
    over("variables: { remove: true } #! M008\n"),
    body("Other: { remove: true } #! M008"),
    // Structure.
    over("varibles: { a: b } #! M010\n"),
    body("Name: { form: \"%patient.birthDate\", class: identity } #! M010 M016"),
    body("Born: { from: \"%patient.birthDate\", clas: identity } #! M010 M050"),
    over("refuse:\n  - when: \"%patient.birthDate.exists()\" #! M011\n    element: Patient.birthDate\n"),
    body("All: { each: \"%patient.name\", class: identity } #! M011"),
    body("All: { fields: {} } #! M011"),
    body("One: { fields: { A: { constant: a, class: administrative } }, max-length: 5 } #! M012"),
    body("One: { from: \"%patient.id\", marker: x, class: administrative } #! M012"),
    body("One: { from: \"%patient.id\", label: x, class: administrative } #! M012"),
    body("One: { from: \"%patient.id\", required: true, default: x, because: x, class: administrative } #! M012"),
    body("One: { from: [ \"%patient.id\" ], class: administrative } #! M013"),
    body("One: { from: \"%patient.id\", required: \"true\", class: administrative } #! M013"),
    body("One: x #! M013"),
    over("shapes: { A: { b: [ string, string ] } } #! M013 M022\n"),
    body("One: { from: \"%patient.id\", class: adminstrative } #! M014"),
    over("variables: { my-phone: \"%patient.id\" } #! M015 M022\n"),
    over("variables: { status: \"%patient.id\" } #! M015 M022\n"),
    body("One: { from: \"%patient.id\", constant: x, class: administrative } #! M016"),
    body("One: { class: administrative } #! M016"),
    body("One: { from: \"%patient.id\", max-length: 0, overflow: refuse, class: administrative } #! M017"),
    body("One: { from: \"1\", type: integer, min: 5, max: 1, mismatch: omit, class: administrative } #! M017"),
    // Names.
    body("One: { use: adress } #! M020"),
    over("exchanges:\n  submit:\n    - step: create\n      answer: { shape: Created } #! M020\n"),
    over(
        "exchanges:\n  submit:\n    - step: create\n      answer:\n        outcomes:\n\
          \x20         - { then: delivered, shape: Bogus, platform-referral: id } #! M020\n",
    ),
    body("Sex: { from: \"%patient.gender\", map: sex, unmapped: refuse, class: demographic } #! M020"),
    over(
        "fragments:\n  a: { fields: { A: { use: b } } } #! M021\n  b: { fields: { B: { use: a } } }\n\
          exchanges:\n  submit:\n    - step: create\n      request: { body: { fields: { C: { use: b } } } }\n",
    ),
    over("shapes:\n  A: { b: B }\n  B: { a: A } #! M021\n"),
    over(
        "settings: { a: { about: x } } #! M022\nshapes: { A: { a: string } } #! M022\n\
          concept-maps: { a: concept-maps/gender.json } #! M022\n\
          variables: { a: \"%patient.id\" } #! M022\n\
          fragments: { a: { constant: x, class: administrative } } #! M022\n",
    ),
    over(
        "exchanges:\n  submit:\n    - step: create\n      request:\n        headers:\n\
          \x20         X-Key: { constant: a, class: administrative }\n\
          \x20         x-key: { constant: a, class: administrative } #! M023\n",
    ),
    over(
        "accepted-losses:\n\
          \x20 - { element: ServiceRequest.orderDetail, because: x }\n\
          \x20 - { element: ServiceRequest.priority, because: x }\n\
          \x20 - { element: ServiceRequest.doNotPerform, because: x }\n\
          \x20 - { element: Task.priority, because: x }\n\
          \x20 - { element: Patient.communication, because: x }\n\
          \x20 - { element: \"Patient.deceased[x]\", because: x }\n\
          \x20 - { element: \"Patient.extension(http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired)\", because: x }\n\
          \x20 - { element: Flag, because: x }\n\
          \x20 - { element: Flag, because: x } #! M023\n",
    ),
    body(
        "One:\n  class: administrative\n  choose:\n    - { from: \"%patient.id\" }\n    - { from: \"%task.id\" } #! M024",
    ),
    body("One: { from: \"%patient.id\", when: \"false\", class: administrative } #! M024"),
    body("One: { from: \"%patient.id\", when: \"true\", class: administrative } #! M024"),
    over(
        "exchanges:\n  submit:\n    - step: create\n      answer:\n        outcomes:\n\
          \x20         - { then: delivered, platform-referral: \"%header.location\" }\n\
          \x20         - { when: \"%status = 200\", then: http-failure } #! M024\n",
    ),
    over(
        "exchanges:\n  submit:\n    - step: create\n    - step: other #! M024\n      request: { method: GET, path: a, repeat: safe }\n\
          \x20     answer: { outcomes: [ { then: http-failure } ] }\n",
    ),
    // Paths.
    body("One: { from: \"%patient.birthdate\", class: identity } #! M030"),
    body("One: { from: \"%patient.birthDate +\", class: identity } #! M030"),
    body("One: { from: \"%status\", class: administrative } #! M030"),
    over(
        "settings: { account-id: { about: x } }\n\
          exchanges:\n  submit:\n    - step: create\n      request: { body: { fields: { A: { from: \"%settings.account-id\", class: administrative } } } } #! M030\n",
    ),
    body("One: { from: \"%patient.name.family\", class: identity } #! M031"),
    body("One: { copy: \"%patient.name\", class: identity } #! M031"),
    body("One: { from: \"%patient.name.first()\", class: identity } #! M032"),
    body("One: { from: \"%patient.birthDate\", type: integer, class: identity } #! M032"),
    body("One: { from: \"%patient.birthDate\", map: a, unmapped: keep, system: x, class: identity } #! M020 M032"),
    body("One: { from: \"%patient.id\", when: \"%patient.birthDate\", class: administrative } #! M033"),
    body("One: { from: \"%serviceRequest.patientInstruction.substring(0, 8)\", class: need } #! M034"),
    // Values.
    body("One: { from: \"%serviceRequest.patientInstruction\", max-length: 8, class: need } #! M040"),
    body("All: { each: \"%patient.name\", limit: 3, items: { from: text, class: identity } } #! M040"),
    body(
        "One: { from: \"%serviceRequest.patientInstruction\", max-length: 8, overflow: truncate, class: need } #! M041",
    ),
    body(
        "One: { from: \"%patient.gender\", max-length: 1, overflow: truncate, marker: \"…\", class: demographic } #! M041 M042",
    ),
    body("One: { from: \"%patient.id\", one-of: [ a, b ], class: administrative } #! M043"),
    body("One: { from: \"%patient.birthDate\", format: dd/MM/yyyy, class: identity } #! M044"),
    over(
        "concept-maps: { gender: concept-maps/gender.json }\n\
          exchanges:\n  submit:\n    - step: create\n\
          \x20     request: { body: { fields: { A: { from: \"%patient.gender\", map: gender, class: demographic } } } } #! M045\n",
    ),
    body("One: { from: \"%patient.id\", pattern: \"(\", mismatch: refuse, class: administrative } #! M046"),
    body("One: { from: \"%patient.birthDate\", format: DD/MM/YYYY, partial: omit, class: identity } #! M046"),
    body(
        "One: { from: \"%patient.birthDate\", type: date, partial: omit, max-length: 5, overflow: refuse, class: identity } #! M047",
    ),
    body("One: { from: \"%patient.id\", default: x, class: administrative } #! M048"),
    body("One: { constant: 12345, max-length: 3, type: string, class: administrative } #! M049 M049"),
    body(
        "One: { from: \"%patient.id\", one-of: [ a ], mismatch: omit, default: b, because: x, class: administrative } #! M049",
    ),
    // Data classes and meaning.
    body("One: { from: \"%patient.id\" } #! M050"),
    body("One: { from: \"%patient.name.family.first()\", class: contact } #! M051"),
    body("Sex: { from: \"iif(%patient.gender = 'female', 'F', 'M')\", class: administrative } #! M051"),
    body("Urgency: { constant: routine, class: administrative } #! M052"),
    body("Note: { constant: none, class: clinical } #! M052"),
    body("Urgency: { from: \"'routine'\", class: administrative } #! M052"),
    body("One: { from: \"%patient.name.text.first()\", means: Patient.birthDate, class: identity } #! M053"),
    body("ReferrerName: { from: \"%serviceRequest.performer.display.first()\", class: administrative } #! M053"),
    over(
        "exchanges:\n  submit:\n    - step: create\n      request:\n\
          \x20       path: \"api/{%patient.birthDate}\" #! M054\n\
          \x20       query: { who: { from: \"%patient.gender\", class: demographic } } #! M054\n",
    ),
    // The presence of a part tells what its condition asked, and the number of parts how many there were.
    over(
        "exchanges:\n  submit:\n    - step: create\n      request:\n        query:\n\
          \x20         sex: #! M054\n            choose:\n\
          \x20             - { when: \"%patient.gender = 'female'\", constant: F, class: administrative }\n\
          \x20             - { constant: M, class: administrative }\n\
          \x20         n: { each: \"%serviceRequest.reasonCode\", items: { constant: x, class: administrative } } #! M054\n\
          \x20       headers:\n\
          \x20         X-P: { when: \"%patient.birthDate < @1960-01-01\", constant: old, class: administrative } #! M054\n",
    ),
    over("refuse:\n  - when: \"%patient.gender = 'male'\"\n    element: Patient.sex #! M055\n    because: x\n"),
    over(
        "refuse:\n  - when: \"%patient.gender = 'male'\"\n    element: ServiceRequest.orderDetail #! M053\n    because: x\n",
    ),
    // Codes.
    over("concept-maps: { a: base.yaml } #! M022 M060\n"),
    over(
        "concept-maps: { task: shared:gravity-task-status }\n\
          exchanges:\n  submit:\n    - step: create\n\
          \x20     request: { body: { fields: { A: { from: \"%patient.gender\", map: task, unmapped: omit, class: demographic } } } } #! M061\n",
    ),
    over(
        "concept-maps: { gender: concept-maps/gender.json }\n\
          exchanges:\n  submit:\n    - step: create\n\
          \x20     request: { body: { fields: { A: { from: \"%patient.gender\", map: gender, unmapped: omit, one-of: [ F ], mismatch: refuse, class: demographic } } } } #! M062\n",
    ),
    over(
        "concept-maps: { gender: concept-maps/gender.json }\n\
          exchanges:\n  submit:\n    - step: create\n\
          \x20     request: { body: { fields: { A: { from: \"%serviceRequest.code.coding.code.first()\", map: gender, unmapped: omit, class: need } } } } #! M063\n",
    ),
    // Losses.
    over(
        // What stands above the element does not name it.
        "accepted-losses:\n\
          \x20 - { element: ServiceRequest.orderDetail, because: x }\n\
          \x20 - { element: ServiceRequest.priority, because: x }\n\
          \x20 - { element: ServiceRequest.doNotPerform, because: x }\n\
          \x20 - { element: Patient.communication, because: x }\n\
          \x20 - { element: \"Patient.deceased[x]\", because: x }\n\
          \x20 - { element: \"Patient.extension(http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired)\", because: x }\n\
          \x20 - { element: Flag, because: x }\n\
          \x20 - { element: Task, because: x }\nexchanges: {} #! M070\n",
    ),
    over(
        "accepted-losses:\n  - { element: ServiceRequest.priority, because: x } #! M071\n\
          \x20 - { element: ServiceRequest.orderDetail, because: x }\n\
          \x20 - { element: ServiceRequest.doNotPerform, because: x }\n\
          \x20 - { element: Task.priority, because: x }\n\
          \x20 - { element: Patient.communication, because: x }\n\
          \x20 - { element: \"Patient.deceased[x]\", because: x }\n\
          \x20 - { element: \"Patient.extension(http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired)\", because: x }\n\
          \x20 - { element: Flag, because: x }\n\
          exchanges:\n  submit:\n    - step: create\n\
          \x20     request: { body: { fields: { Priority: { from: \"%serviceRequest.priority\", class: need } } } }\n",
    ),
    // Exchanges.
    with("poll", "exchanges: {} #! M080\n"),
    over(
        "exchanges: #! \n  cancel: #! M081\n    - step: stop\n      request: { method: POST, path: \"stop/{%platformReferral}\", repeat: keyed }\n\
          \x20     answer: { outcomes: [ { when: \"%status = 200\", then: delivered } ] }\n",
    ),
    with(
        "look-up",
        "exchanges:\n  look-up:\n    - step: find\n\
          \x20     request: { method: GET, path: a, repeat: keyed } #! M082\n\
          \x20     answer: { outcomes: [ { when: \"%status = 200\", then: delivered, platform-referral: \"%header.location\" } ] }\n",
    ),
    over(
        "shapes:\n  One: { id: string, at: date-time, status: New | Open } #! M083\n\
          exchanges:\n  read:\n    - step: one\n      request: { method: GET, path: a, repeat: safe }\n\
          \x20     answer:\n        shape: One\n        outcomes:\n          - then: reports\n\
          \x20           reports: { platform-referral: id, event: id, instant: at, status: status }\n",
    ),
    over(
        "exchanges:\n  submit:\n    - step: create\n      answer:\n        outcomes:\n\
          \x20         - { when: \"%status = 200\", then: delivered, platform-referral: \"%header.location\" }\n\
          \x20         - { when: \"%status = 404\", then: absent } #! M084\n",
    ),
    over(
        "exchanges:\n  submit: #! M085\n    - { step: create, answer: { outcomes: [ { then: next, step: a } ] } }\n\
          \x20   - { step: a, request: { method: GET, path: a, repeat: safe }, answer: { outcomes: [ { then: next, step: b } ] } }\n\
          \x20   - { step: b, request: { method: GET, path: a, repeat: safe }, answer: { outcomes: [ { then: next, step: c } ] } }\n\
          \x20   - { step: c, request: { method: GET, path: a, repeat: safe }, answer: { outcomes: [ { then: next, step: d } ] } }\n\
          \x20   - { step: d, request: { method: GET, path: a, repeat: safe }, answer: { outcomes: [ { then: next, step: e } ] } }\n\
          \x20   - { step: e, request: { method: GET, path: a, repeat: safe }, answer: { outcomes: [ { then: next, step: f } ] } }\n\
          \x20   - { step: f, request: { method: GET, path: a, repeat: safe }, answer: { outcomes: [ { then: delivered, platform-referral: \"%header.location\" } ] } }\n\n",
    ),
    over(
        "exchanges:\n  submit:\n    - step: create\n      answer:\n        outcomes:\n\
          \x20         - { when: \"%status = 201\", then: delivered, platform-referral: \"%header.location\" }\n\
          \x20         - { when: \"%status = 404\", then: failed, code: busy, diagnostic: x } #! M011\n\
          \x20         - { when: \"%status = 405\", then: failed, code: refused, diagnostic: x, wait-seconds: 5 } #! M012\n\
          \x20         - { when: \"%status = 406\", then: failed, code: busy, diagnostic: x, wait-seconds: 0 } #! M017\n",
    ),
    over("exchanges:\n  submit: #! M086\n    - step: create\n      answer: { outcomes: [ { then: http-failure } ] }\n"),
    over("exchanges:\n  submit:\n    - step: create\n      request:\n        body: #! M087\n          format: text\n"),
    over("exchanges:\n  submit:\n    - step: create\n      request: { path: \"/api\" } #! M088\n"),
    over(
        "exchanges:\n  submit:\n    - step: create\n      request: { headers: { authorization: { constant: x, class: administrative } } } #! M089\n",
    ),
];
