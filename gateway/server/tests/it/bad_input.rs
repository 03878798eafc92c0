//! Every malformed, oversized, contradictory or hostile request: a 4xx of its own with a valid OperationOutcome, nothing
//! stored, and not one received value in the answer.

use crate::support::{Answer, BARS, COLLECTOR, FHIR_JSON, GOVERNANCE, GP, READER, World, bundle, entry_of, inside};
use serde_json::{Value, json};

/// Stands in names, notes and hostile values; must never come back.
pub(crate) const CANARY: &str = "Zzyxcanary";

/// One bad request.
pub(crate) struct Bad {
    name: &'static str,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    token: &'static str,
    body: Vec<u8>,
    status: u16,
    /// Code and end of the place of an issue that must be among those told; empty = any.
    told: Vec<(&'static str, &'static str)>,
}

impl Bad {
    pub(crate) fn to(path: &str, name: &'static str, body: impl Into<Vec<u8>>, status: u16) -> Self {
        Self {
            name,
            method: "POST",
            path: path.to_owned(),
            headers: vec![("content-type", FHIR_JSON.to_owned())],
            token: GP,
            body: body.into(),
            status,
            told: Vec::new(),
        }
    }

    /// A transaction that was valid before `change`.
    pub(crate) fn changed(name: &'static str, status: u16, change: impl FnOnce(&mut Value)) -> Self {
        let mut bundle = marked_bundle();
        change(&mut bundle);
        Self::to("/fhir", name, bundle.to_string(), status)
    }

    pub(crate) fn tells(mut self, code: &'static str, place: &'static str) -> Self {
        self.told.push((code, place));
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn by(mut self, token: &'static str) -> Self {
        self.token = token;
        self
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    async fn send(&self, world: &World) -> Answer {
        let mut request = world.request(self.token, self.method, &self.path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        world.send(request.body(self.body.clone())).await
    }
}

/// A valid transaction in which the person and the note bear the canary.
pub(crate) fn marked_bundle() -> Value {
    let mut bundle = bundle(0);
    inside(&mut bundle, "Patient")["name"] = json!([{ "family": CANARY, "given": [CANARY] }]);
    inside(&mut bundle, "ServiceRequest")["note"] = json!([{ "text": CANARY }]);
    bundle
}

/// Sends each, and holds what every refusal keeps.
pub(crate) async fn all_are_refused(world: &World, cases: Vec<Bad>) {
    let before = world.store().content_hash().await.unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let answer = case.send(world).await;
        if answer.status.as_u16() != case.status {
            let text: String = answer.text.chars().take(600).collect();
            wrong.push(format!("{}: {} instead of {}: {text}", case.name, answer.status, case.status));
            continue;
        }
        answer.assert_refused(case.name);
        let issues = answer.issues();
        for (code, place) in &case.told {
            let found = issues.iter().any(|(known, at)| known == code && at.ends_with(place));
            if !found {
                wrong.push(format!("{}: {code} at {place} is not among {issues:?}", case.name));
            }
        }
        if answer.text.to_lowercase().contains(&CANARY.to_lowercase()) {
            wrong.push(format!("{} is told what it sent: {}", case.name, answer.text));
        }
        assert_eq!(world.store().content_hash().await.unwrap(), before, "{} changed the store", case.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn nested(depth: usize) -> String {
    format!("{}{}", "{\"extension\":[".repeat(depth / 2), "]}".repeat(depth / 2))
}

#[tokio::test]
async fn what_is_no_json_document_as_we_take_it_is_refused_before_it_is_read() {
    let world = World::quiet().await;
    let text = marked_bundle().to_string();
    let with_member = |member: &str| text.replacen('{', &format!("{{{member},"), 1);
    let big = format!("{{\"resourceType\":\"Bundle\",\"x\":\"{}\"}}", CANARY.repeat(600_000));
    let long_string = format!("{{\"resourceType\":\"Bundle\",\"x\":\"{}\"}}", "y".repeat(3 * 1024 * 1024));
    let many = format!("{{\"resourceType\":\"Bundle\",\"x\":[{}1]}}", "1,".repeat(250_000));
    let mut cases = vec![
        Bad::to("/fhir", "empty", "", 400).tells("structure", ""),
        Bad::to("/fhir", "blank", " \n\t ", 400),
        Bad::to("/fhir", "not JSON", CANARY, 400),
        Bad::to("/fhir", "cut off", text.get(..text.len() / 2).unwrap(), 400),
        Bad::to("/fhir", "two documents", format!("{text}{text}"), 400),
        Bad::to("/fhir", "trailing comma", with_member("\"id\":\"a\",").as_str(), 400),
        Bad::to("/fhir", "comment", format!("/* {CANARY} */{text}"), 400),
        Bad::to("/fhir", "an array", "[]", 400),
        Bad::to("/fhir", "a string", format!("\"{CANARY}\""), 400),
        Bad::to("/fhir", "null", "null", 400),
        Bad::to("/fhir", "byte order mark", [b"\xEF\xBB\xBF".as_slice(), text.as_bytes()].concat(), 400),
        Bad::to("/fhir", "no UTF-8", b"{\"resourceType\":\"\xC3\x28\"}".as_slice(), 400),
        Bad::to("/fhir", "UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(), 400),
        Bad::to("/fhir", "duplicate key", with_member("\"type\":\"transaction\"").as_str(), 400),
        Bad::to("/fhir", "duplicate key, escaped", with_member("\"\\u0074ype\":\"batch\"").as_str(), 400),
        Bad::to("/fhir", "depth 66", nested(66), 400),
        Bad::to("/fhir", "depth 200000", "[".repeat(200_000), 400),
        Bad::to("/fhir", "NUL, escaped", text.replacen(CANARY, "Zzyx\\u0000canary", 1), 400),
        Bad::to("/fhir", "NUL, raw", text.replacen(CANARY, "Zzyx\0canary", 1), 400),
        Bad::to("/fhir", "control character", text.replacen(CANARY, "Zzyx\\u0007canary", 1), 400),
        Bad::to("/fhir", "lone surrogate", text.replacen(CANARY, "Zzyx\\ud800canary", 1), 400),
        Bad::to("/fhir", "number of 100 digits", with_member(&format!("\"total\":{}", "9".repeat(100))).as_str(), 400),
        Bad::to("/fhir", "NaN", with_member("\"total\":NaN").as_str(), 400),
        Bad::to("/fhir", "leading zero", with_member("\"total\":007").as_str(), 400),
        Bad::to("/fhir", "over 5 MiB", big, 413).tells("too-long", ""),
        Bad::to("/fhir", "a string over 2 MiB", long_string, 413),
        Bad::to("/fhir", "250000 values", many, 413),
        Bad::to("/fhir", "XML", format!("<Bundle><id value=\"{CANARY}\"/></Bundle>"), 415)
            .with("content-type", "application/fhir+xml")
            .tells("not-supported", ""),
        Bad::to("/fhir", "no content type", text.as_str(), 415).with("content-type", ""),
        Bad::to("/fhir", "a form", "a=b", 415).with("content-type", "application/x-www-form-urlencoded"),
        Bad::to("/fhir", "compressed", text.as_str(), 415).with("content-encoding", "gzip"),
        Bad::to("/fhir", "Accept XML", text.as_str(), 406).with("accept", "application/fhir+xml"),
        Bad::to("/fhir?_format=xml", "_format XML", text.as_str(), 406),
        Bad::to("/fhir", "no token", text.as_str(), 401).by("").tells("login", ""),
        Bad::to("/fhir", "unknown token", text.as_str(), 401).by("somebody"),
        Bad::to("/fhir", "a reader writes", text.as_str(), 403).by(READER).tells("forbidden", ""),
        Bad::to("/fhir", "governance refers", text.as_str(), 403).by(GOVERNANCE).tells("forbidden", ""),
        Bad::to("/fhir", "a collecting platform refers", text.as_str(), 403).by(COLLECTOR),
        Bad::to("/fhir", "bars without names", text.as_str(), 400).by(BARS).tells("required", ""),
        Bad::to("/fhir", "bars, no GUID", text.as_str(), 400)
            .by(BARS)
            .with("x-request-id", "1")
            .with("x-correlation-id", "2"),
        Bad::to("/fhir", "hostile X-Request-Id", text.as_str(), 400).with("x-request-id", "<script>"),
        Bad::to("/fhir", "long X-Request-Id", text.as_str(), 400).with("x-request-id", &"a".repeat(129)),
        Bad::to("/fhir", "long X-Correlation-Id", text.as_str(), 400).with("x-correlation-id", &"a".repeat(5000)),
        Bad::to("/fhir", "a type of its own at the root", json!({ "resourceType": "Patient" }).to_string(), 400),
    ];
    // Basic credentials are no bearer token.
    let basic =
        Bad::to("/fhir", "basic authorization", text.as_str(), 401).by("").with("authorization", "Basic Z3A6Z3A=");
    cases.push(basic);
    all_are_refused(&world, cases).await;
}

#[tokio::test]
async fn a_refusal_for_want_of_a_login_says_how_to_log_in() {
    let world = World::quiet().await;
    for token in ["", "somebody"] {
        let answer = world.get(token, "/fhir/Task").await;
        answer.assert_refused("no login");
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, "Bearer"));
    }
}

#[tokio::test]
async fn a_transaction_that_contradicts_itself_is_refused_with_the_place() {
    let world = World::quiet().await;
    let first_entry = |bundle: &mut Value, change: &dyn Fn(&mut Value)| change(&mut bundle["entry"][0]);
    let cases = vec![
        Bad::changed("101 entries", 422, |bundle| {
            let entry = json!({ "resource": { "resourceType": "Organization", "name": "o" },
                "request": { "method": "POST", "url": "Organization" } });
            let entries = bundle["entry"].as_array_mut().unwrap();
            entries.resize(101, entry);
        })
        .tells("too-costly", "Bundle.entry"),
        Bad::changed("no entries", 400, |bundle| bundle["entry"] = json!([])),
        Bad::changed("entries are no array", 400, |bundle| bundle["entry"] = json!({})),
        Bad::changed("a batch", 422, |bundle| bundle["type"] = json!("batch")).tells("not-supported", "Bundle.type"),
        Bad::changed("an unknown Bundle type", 422, |bundle| bundle["type"] = json!(CANARY))
            .tells("code-invalid", "Bundle.type"),
        Bad::changed("no Bundle type", 422, |bundle| {
            bundle.as_object_mut().unwrap().remove("type");
        }),
        Bad::changed("GET inside", 422, |bundle| {
            first_entry(bundle, &|entry| entry["request"]["method"] = json!("GET"))
        })
        .tells("not-supported", "Bundle.entry[0].request.method"),
        Bad::changed("DELETE inside", 422, |bundle| {
            first_entry(bundle, &|entry| entry["request"] = json!({ "method": "DELETE", "url": "Task/1" }));
        }),
        Bad::changed("PATCH inside", 422, |bundle| {
            first_entry(bundle, &|entry| entry["request"] = json!({ "method": "PATCH", "url": "Task/1" }));
        }),
        Bad::changed("url of another type", 422, |bundle| {
            entry_of(bundle, "Task")["request"]["url"] = json!("Consent")
        })
        .tells("value", ".resource"),
        Bad::changed("url with a path", 422, |bundle| entry_of(bundle, "Task")["request"]["url"] = json!("../Task"))
            .tells("value", ".request.url"),
        Bad::changed("PUT under another id", 422, |bundle| {
            let entry = entry_of(bundle, "Organization");
            entry["request"] = json!({ "method": "PUT", "url": "Organization/a" });
            entry["resource"]["id"] = json!("b");
        })
        .tells("value", ".resource.id"),
        Bad::changed("PUT of a Task", 422, |bundle| {
            let entry = entry_of(bundle, "Task");
            entry["request"] = json!({ "method": "PUT", "url": "Task/a" });
            entry["resource"]["id"] = json!("a");
        })
        .tells("not-supported", ".request.method"),
        Bad::changed("PUT with an ifMatch that is no version", 422, |bundle| {
            let entry = entry_of(bundle, "Organization");
            entry["request"] = json!({ "method": "PUT", "url": "Organization/a", "ifMatch": "abc" });
            entry["resource"]["id"] = json!("a");
        })
        .tells("value", ".request.ifMatch"),
        Bad::changed("PUT with an ifMatch of what is not there", 412, |bundle| {
            let entry = entry_of(bundle, "Organization");
            entry["request"] = json!({ "method": "PUT", "url": "Organization/a", "ifMatch": "W/\"4\"" });
            entry["resource"]["id"] = json!("a");
        }),
        Bad::changed("no request", 422, |bundle| {
            first_entry(bundle, &|entry| {
                entry.as_object_mut().unwrap().remove("request");
            });
        })
        .tells("required", "Bundle.entry[0].request.method"),
        Bad::changed("no resource", 422, |bundle| {
            first_entry(bundle, &|entry| {
                entry.as_object_mut().unwrap().remove("resource");
            });
        }),
        Bad::changed("a response inside", 422, |bundle| {
            first_entry(bundle, &|entry| entry["response"] = json!({ "status": "200" }));
        }),
        Bad::changed("fullUrl twice", 422, |bundle| {
            let first = bundle["entry"][0]["fullUrl"].clone();
            bundle["entry"][1]["fullUrl"] = first;
        })
        .tells("duplicate", "Bundle.entry[1].fullUrl"),
        Bad::changed("a fullUrl that is no UUID", 422, |bundle| {
            bundle["entry"][0]["fullUrl"] = json!("urn:uuid:canary")
        }),
        Bad::changed("a type that is not stored", 422, |bundle| {
            let entry = json!({ "resource": { "resourceType": "Basic", "code": { "text": "x" } },
                "request": { "method": "POST", "url": "Basic" } });
            bundle["entry"].as_array_mut().unwrap().push(entry);
        })
        .tells("not-supported", ".resource"),
        Bad::changed("a flag that nothing leads to", 422, |bundle| {
            let entry = json!({ "resource": { "resourceType": "Flag", "status": "active", "code": { "text": "x" },
                "subject": { "display": "x" } }, "request": { "method": "POST", "url": "Flag" } });
            bundle["entry"].as_array_mut().unwrap().push(entry);
        })
        .tells("business-rule", ".resource"),
        Bad::changed("a type that R4 does not know", 400, |bundle| {
            let entry =
                json!({ "resource": { "resourceType": "Canary" }, "request": { "method": "POST", "url": "Canary" } });
            bundle["entry"].as_array_mut().unwrap().push(entry);
        }),
        Bad::changed("If-None-Exist on a name", 422, |bundle| {
            entry_of(bundle, "Patient")["request"]["ifNoneExist"] = json!("family=Zzyxcanary");
        })
        .tells("not-supported", ".resource"),
        Bad::changed("If-None-Exist empty", 400, |bundle| {
            entry_of(bundle, "Patient")["request"]["ifNoneExist"] = json!("");
        }),
        Bad::changed("the same If-None-Exist twice", 422, |bundle| {
            let mut twin = entry_of(bundle, "Organization").clone();
            twin["fullUrl"] = json!("urn:uuid:0a6b2e0c-6f1c-4f7e-9b43-3f1a5a0c9d11");
            let criteria = json!("identifier=https://fhir.nhs.uk/Id/ods-organization-code|QQQ");
            entry_of(bundle, "Organization")["request"]["ifNoneExist"] = criteria.clone();
            twin["request"]["ifNoneExist"] = criteria;
            bundle["entry"].as_array_mut().unwrap().push(twin);
        })
        .tells("duplicate", ".resource"),
    ];
    all_are_refused(&world, cases).await;
}

#[tokio::test]
async fn references_lead_inside_the_request_or_to_what_the_client_stored() {
    let world = World::quiet().await;
    let to = |reference: &'static str| {
        move |bundle: &mut Value| inside(bundle, "Task")["focus"] = json!({ "reference": reference })
    };
    let requester = |reference: Value| {
        move |bundle: &mut Value| inside(bundle, "ServiceRequest")["requester"] = json!({ "reference": reference })
    };
    let cases = vec![
        Bad::changed("focus on nothing in the Bundle", 422, to("urn:uuid:0a6b2e0c-6f1c-4f7e-9b43-3f1a5a0c9d11"))
            .tells("not-found", ".focus.reference"),
        Bad::changed("focus on nothing stored", 422, to("ServiceRequest/none")).tells("not-found", ".focus.reference"),
        Bad::changed("an absolute reference", 422, requester(json!("https://evil.example/fhir/Practitioner/1")))
            .tells("not-supported", ".requester.reference"),
        Bad::changed("a reference up the tree", 422, requester(json!("../Practitioner/1"))),
        Bad::changed("a reference into the machine", 422, requester(json!("file:///etc/passwd"))),
        Bad::changed("a javascript reference", 422, requester(json!("javascript:alert(1)"))),
        Bad::changed("a reference to a version", 422, requester(json!("Practitioner/1/_history/1"))),
        Bad::changed("a reference to a type that R4 does not know", 422, requester(json!("Canary/1"))),
        Bad::changed("a reference that is a number", 400, requester(json!(7)))
            .tells("structure", ".requester.reference"),
        Bad::changed(
            "a conditional reference to nobody",
            422,
            requester(json!("Practitioner?identifier=a|Zzyxcanary")),
        )
        .tells("not-found", ".requester.reference"),
        Bad::changed("a conditional reference by name", 422, requester(json!("Practitioner?family=Zzyxcanary")))
            .tells("not-supported", ".requester.reference"),
        Bad::changed("a contained resource that is not there", 422, requester(json!("#none"))),
        Bad::changed("the wrong type of target", 422, |bundle| {
            let patient = inside(bundle, "Task")["for"]["reference"].clone();
            inside(bundle, "Task")["focus"] = json!({ "reference": patient });
        })
        .tells("required", ".focus"),
        Bad::changed("the wrong type of target by the definition", 422, |bundle| {
            inside(bundle, "ServiceRequest")["subject"] = json!({ "reference": "Organization/1" });
        }),
        Bad::changed("no focus", 422, |bundle| {
            inside(bundle, "Task").as_object_mut().unwrap().remove("focus");
        })
        .tells("required", ".focus"),
        Bad::changed("no for", 422, |bundle| {
            inside(bundle, "Task").as_object_mut().unwrap().remove("for");
        })
        .tells("required", ".for"),
        Bad::changed("no subject", 422, |bundle| {
            inside(bundle, "ServiceRequest").as_object_mut().unwrap().remove("subject");
        })
        .tells("required", ".subject"),
    ];
    all_are_refused(&world, cases).await;
}

/// A second person with a valid NHS number of the 999 range.
fn other_patient() -> Value {
    json!({ "resourceType": "Patient", "name": [{ "family": CANARY }],
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018" }] })
}

#[tokio::test]
async fn one_request_is_about_one_patient() {
    let world = World::quiet().await;
    let second = "urn:uuid:0a6b2e0c-6f1c-4f7e-9b43-3f1a5a0c9d11";
    let add = move |bundle: &mut Value, patient: Value| {
        let entry =
            json!({ "fullUrl": second, "resource": patient, "request": { "method": "POST", "url": "Patient" } });
        bundle["entry"].as_array_mut().unwrap().push(entry);
    };
    let cases = vec![
        Bad::changed("two Patients", 422, |bundle| add(bundle, other_patient())).tells("business-rule", ".resource"),
        Bad::changed("a Task for another", 422, |bundle| {
            add(bundle, other_patient());
            inside(bundle, "Task")["for"] = json!({ "reference": second });
        })
        .tells("business-rule", ".for"),
        Bad::changed("a Consent of another", 422, |bundle| {
            add(bundle, other_patient());
            inside(bundle, "Consent")["patient"] = json!({ "reference": second });
        })
        .tells("business-rule", ".patient"),
        Bad::changed("another contained in a second ServiceRequest", 422, |bundle| {
            let mut request = inside(bundle, "ServiceRequest").clone();
            let mut patient = other_patient();
            patient["id"] = json!("p");
            request["contained"] = json!([patient]);
            request["subject"] = json!({ "reference": "#p" });
            let entry = json!({ "fullUrl": second, "resource": request,
                "request": { "method": "POST", "url": "ServiceRequest" } });
            bundle["entry"].as_array_mut().unwrap().push(entry);
        })
        .tells("business-rule", ".subject"),
        Bad::changed("a Consent of another by NHS number", 422, |bundle| {
            let number = other_patient()["identifier"][0].clone();
            inside(bundle, "Consent")["patient"] = json!({ "identifier": number });
        })
        .tells("business-rule", ".patient"),
        Bad::changed("a Task for another by NHS number", 422, |bundle| {
            let number = other_patient()["identifier"][0].clone();
            inside(bundle, "Task")["for"] = json!({ "identifier": number });
        })
        .tells("business-rule", ".for"),
    ];
    all_are_refused(&world, cases).await;
}

#[tokio::test]
async fn what_is_another_partys_to_say_is_refused_from_a_client() {
    let world = World::quiet().await;
    let task = |name: &'static str, element: &'static str, value: Value| {
        Bad::changed(name, 422, move |bundle| inside(bundle, "Task")[element] = value)
    };
    let cases = vec![
        task("an output", "output", json!([{ "type": { "text": "x" }, "valueString": CANARY }]))
            .tells("business-rule", ".output"),
        task("a business status", "businessStatus", json!({ "text": CANARY }))
            .tells("business-rule", ".businessStatus"),
        task("accepted already", "status", json!("accepted")).tells("business-rule", ".status"),
        task("completed already", "status", json!("completed")).tells("business-rule", ".status"),
        task("no Task status of R4", "status", json!(CANARY)).tells("code-invalid", ".status"),
        task("a plan", "intent", json!("plan")).tells("business-rule", ".intent"),
        Bad::changed("a revoked request", 422, |bundle| inside(bundle, "ServiceRequest")["status"] = json!("revoked"))
            .tells("business-rule", ".status"),
        Bad::changed("a request for nothing", 422, |bundle| {
            let request = inside(bundle, "ServiceRequest").as_object_mut().unwrap();
            request.remove("code");
            request.remove("category");
        })
        .tells("required", ".code"),
    ];
    all_are_refused(&world, cases).await;
}

#[tokio::test]
async fn what_is_no_valid_r4_is_refused_with_code_and_place() {
    let world = World::quiet().await;
    let nhs = "https://fhir.nhs.uk/Id/nhs-number";
    let ods = "https://fhir.nhs.uk/Id/ods-organization-code";
    let patient = |name: &'static str, status: u16, element: &'static str, value: Value| {
        Bad::changed(name, status, move |bundle| inside(bundle, "Patient")[element] = value)
    };
    let request = |name: &'static str, status: u16, element: &'static str, value: Value| {
        Bad::changed(name, status, move |bundle| inside(bundle, "ServiceRequest")[element] = value)
    };
    let script = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>Zzyxcanary()</script></div>";
    let event = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p onclick=\"Zzyxcanary()\">x</p></div>";
    let entity = "<!DOCTYPE d [<!ENTITY x \"Zzyxcanary\">]><div xmlns=\"http://www.w3.org/1999/xhtml\">&x;</div>";
    let narrative = |div: &str| json!({ "status": "generated", "div": div });
    let modifier = json!([{ "url": "https://vendor.example/Zzyxcanary", "valueBoolean": true }]);
    let cases = vec![
        patient(
            "NHS number with a wrong check digit",
            422,
            "identifier",
            json!([{ "system": nhs, "value": "9990000010" }]),
        )
        .tells("value", ".identifier[0].value"),
        patient("NHS number of nine digits", 422, "identifier", json!([{ "system": nhs, "value": "999000001" }]))
            .tells("value", ".identifier[0].value"),
        Bad::changed("no ODS code", 422, |bundle| {
            inside(bundle, "Organization")["identifier"] = json!([{ "system": ods, "value": "not an ods code" }]);
        })
        .tells("value", ".identifier[0].value"),
        request(
            "SNOMED id with a wrong check digit",
            422,
            "code",
            json!({ "coding": [{ "system": "http://snomed.info/sct", "code": "871731000000107" }] }),
        )
        .tells("value", ".code.coding[0].code"),
        patient("an unknown element", 400, "favouriteColour", json!(CANARY)).tells("structure", ".favouriteColour"),
        patient("an element whose name says more than a name", 400, "Zzyxcanary Smith", json!(1)),
        patient("an element of another type", 400, "gender", json!(true)),
        patient("a code outside its binding", 422, "gender", json!(CANARY)).tells("code-invalid", ".gender"),
        patient("a date that is none", 422, "birthDate", json!("31/12/1950")),
        patient("a day that is none", 422, "birthDate", json!("1950-02-30")),
        patient("one where R4 has several", 400, "name", json!({ "family": CANARY })),
        patient("an empty array", 400, "name", json!([])),
        patient("an empty string", 400, "name", json!([{ "family": "" }])),
        patient("null", 400, "birthDate", json!(null)),
        request("several where R4 has one", 400, "status", json!(["active"])),
        request("an empty status", 400, "status", json!("")),
        Bad::changed("two of a choice", 400, |bundle| {
            let request = inside(bundle, "ServiceRequest");
            request["occurrenceDateTime"] = json!("2026-01-01");
            request["occurrencePeriod"] = json!({ "start": "2026-01-01" });
        }),
        Bad::changed("unknown modifier extension of a resource", 422, |bundle| {
            inside(bundle, "Task")["modifierExtension"] = modifier.clone();
        })
        .tells("extension", ".modifierExtension[0]"),
        Bad::changed("unknown modifier extension of an element", 422, |bundle| {
            inside(bundle, "Patient")["contact"] =
                json!([{ "name": { "text": "x" }, "modifierExtension": modifier.clone() }]);
        })
        .tells("extension", ".modifierExtension[0]"),
        patient("implicit rules", 422, "implicitRules", json!("https://vendor.example/rules")),
        patient("script in the narrative", 422, "text", narrative(script)),
        patient("an event in the narrative", 422, "text", narrative(event)),
        patient("an entity in the narrative", 422, "text", narrative(entity)),
        patient("an extension without a url", 422, "extension", json!([{ "valueString": CANARY }])),
        patient(
            "an extension with two values",
            400,
            "extension",
            json!([{ "url": "https://a.example", "valueString": CANARY, "valueBoolean": true }]),
        ),
        patient(
            "a contained resource inside a contained one",
            422,
            "contained",
            json!([{ "resourceType": "Organization", "id": "o", "name": "x",
            "contained": [{ "resourceType": "Organization", "id": "i", "name": "x" }] }]),
        ),
        Bad::changed("a Consent without a policy", 422, |bundle| {
            inside(bundle, "Consent").as_object_mut().unwrap().remove("policyRule");
        })
        .tells("invariant", ".resource"),
    ];
    all_are_refused(&world, cases).await;
}

#[tokio::test]
async fn all_faults_of_a_request_are_told_at_once() {
    let world = World::quiet().await;
    let case = Bad::changed("five faults", 400, |bundle| {
        inside(bundle, "Patient")["gender"] = json!(CANARY);
        inside(bundle, "Patient")["birthDate"] = json!("yesterday");
        inside(bundle, "ServiceRequest")["intent"] = json!(CANARY);
        inside(bundle, "Task")["favouriteColour"] = json!(CANARY);
        inside(bundle, "Organization")["active"] = json!("yes");
    })
    .tells("code-invalid", ".gender")
    .tells("value", ".birthDate")
    .tells("code-invalid", ".intent")
    .tells("structure", ".active");
    let answer = case.send(&world).await;
    assert!(answer.issues().len() >= 5, "{:?}", answer.issues());
    all_are_refused(&world, vec![case]).await;

    let rules = Bad::changed("four broken rules", 422, |bundle| {
        let task = inside(bundle, "Task");
        task["status"] = json!("accepted");
        task["businessStatus"] = json!({ "text": CANARY });
        task["output"] = json!([{ "type": { "text": "x" }, "valueString": CANARY }]);
        inside(bundle, "ServiceRequest")["status"] = json!("draft");
    })
    .tells("business-rule", ".status")
    .tells("business-rule", ".businessStatus")
    .tells("business-rule", ".output");
    assert!(rules.send(&world).await.issues().len() >= 4);
    all_are_refused(&world, vec![rules]).await;
}
