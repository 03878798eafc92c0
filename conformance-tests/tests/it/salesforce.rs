//! The simulated Salesforce organisation: what it takes, and that it refuses the rest in Salesforce's words.

use conformance_tests::platform::{Fault, FaultKind, Match};
use conformance_tests::salesforce::{Field, JWT_GRANT, Kind, Licence, SObject, Salesforce};
use conformance_tests::simulator::{Namespace, START, Simulator};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use time::Duration;

/// An organisation and a program with a session.
struct Org {
    org: Namespace<Salesforce>,
    token: String,
    http: reqwest::Client,
    _simulator: Simulator<Salesforce>,
}

impl Org {
    async fn start(licence: Licence) -> Self {
        let simulator = Simulator::start(move || Salesforce::new(licence)).await.unwrap();
        let org = simulator.root();
        let token = org.with(Salesforce::open_session);
        Self { org, token, http: reqwest::Client::new(), _simulator: simulator }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/services/data/v62.0/{path}", self.org.base_url());
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
    }

    /// The error code of an answer, which must be an error array.
    async fn refused(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let (status, body) = self.ask(method, path, body).await;
        assert_eq!(body.as_array().map(Vec::len), Some(1), "{body}");
        (status, body[0]["errorCode"].as_str().unwrap().to_owned())
    }

    async fn upsert(&self, key: &str, body: Value) -> (u16, Value) {
        self.ask("PATCH", &format!("sobjects/Referral/VcseReferralKey__c/{key}"), Some(body)).await
    }

    async fn not_upserted(&self, body: Value) -> (u16, String) {
        self.refused("PATCH", "sobjects/Referral/VcseReferralKey__c/key-9", Some(body)).await
    }

    async fn query(&self, text: &str) -> (u16, Value) {
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        self.ask("GET", &format!("query?q={encoded}"), None).await
    }

    async fn token(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}/services/oauth2/token", self.org.base_url());
        let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

#[tokio::test]
async fn one_key_is_one_record() {
    let org = Org::start(Licence::PublicSector).await;
    let (status, made) = org.upsert("key-1", json!({ "ClientName": "Zoë", "AuthorizationStatus": "Submitted" })).await;
    assert_eq!((status, &made["success"], &made["created"]), (201, &json!(true), &json!(true)));
    let id = made["id"].as_str().unwrap();
    assert_eq!(id.len(), 18);
    let (status, again) = org.upsert("KEY-1", json!({ "ClientName": "Zoë Example" })).await;
    assert_eq!((status, again["id"].as_str(), &again["created"]), (200, Some(id), &json!(false)));
    org.org.with(|org, _| {
        assert_eq!((org.count("Referral"), org.holding("Referral", "VcseReferralKey__c", "key-1").len()), (1, 1));
        assert_eq!(org.record(id).unwrap()["AuthorizationStatus"], "Submitted", "what is not named stays");
        org.double(id);
    });
    let (status, several) = org.upsert("key-1", json!({ "ClientName": "Zoë" })).await;
    assert_eq!((status, several.as_array().map(Vec::len)), (300, Some(2)));
    let record = org.org.requests();
    assert_eq!((record.len(), record[0].method.as_str()), (3, "PATCH"), "each is on record");
}

#[tokio::test]
async fn what_the_object_does_not_take_is_refused_in_its_words() {
    let org = Org::start(Licence::PublicSector).await;
    org.org.with(|org, _| {
        let object = org.object("Referral").unwrap();
        object.fields.push(Field { createable: false, ..Field::new("Closed__c", Kind::Text, 10) });
        object.fields.push(Field::new("Born__c", Kind::Date, 0));
    });
    for (body, code) in [
        (json!({ "ClientName": "x".repeat(256) }), "STRING_TOO_LONG"),
        (json!({ "ClientName": "\u{1F600}".repeat(128) }), "STRING_TOO_LONG"),
        (json!({ "ClientName": 7 }), "JSON_PARSER_ERROR"),
        (json!({ "ClientEmail": "nobody" }), "INVALID_EMAIL_ADDRESS"),
        (json!({ "AuthorizationStatus": "New" }), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (json!({ "Urgency": "urgent" }), "INVALID_FIELD"),
        (json!({ "Closed__c": "a" }), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({ "Id": "0dV" }), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({ "Born__c": "03/04/1957" }), "JSON_PARSER_ERROR"),
        (json!({ "VcseReferralKey__c": "key-9" }), "INVALID_FIELD"),
        (json!(["ClientName"]), "JSON_PARSER_ERROR"),
    ] {
        assert_eq!(org.not_upserted(body.clone()).await, (400, code.to_owned()), "{body}");
    }
    assert_eq!(org.org.with(|org, _| org.count("Referral")), 0, "nothing of it was stored");
    let long = format!("sobjects/Referral/VcseReferralKey__c/{}", "k".repeat(37));
    assert_eq!(org.refused("PATCH", &long, Some(json!({}))).await.1, "STRING_TOO_LONG");
    for (path, code) in [
        ("sobjects/Referral/VcseReferralKey__c/example.inc", "NOT_FOUND"),
        ("sobjects/Referral/ClientName/key", "NOT_FOUND"),
        ("sobjects/Lead/Key__c/key", "NOT_FOUND"),
        ("sobjects/Referral/0dVxx0000000009EAA", "NOT_FOUND"),
    ] {
        assert_eq!(
            org.refused("PATCH", path, Some(json!({ "ClientName": "Zoë" }))).await,
            (404, code.to_owned()),
            "{path}"
        );
    }
    assert_eq!(org.refused("DELETE", "sobjects/Referral/0dV", None).await.0, 405);
    assert_eq!(org.refused("GET", "limits", None).await.0, 404);
}

#[tokio::test]
async fn rules_locks_and_mandatory_fields() {
    let org = Org::start(Licence::PublicSector).await;
    let person = json!({ "ClientName": "Zoë", "ClientPhone": "0113 496 0123" });
    assert_eq!(org.upsert("key-1", person.clone()).await.0, 201);
    org.org.with(|org, _| org.set_duplicate_rule(true));
    assert_eq!(org.not_upserted(person.clone()).await, (400, "DUPLICATES_DETECTED".to_owned()));
    assert_eq!(org.upsert("key-1", person.clone()).await.0, 200, "not of itself");
    org.org.with(|org, _| {
        org.set_duplicate_rule(false);
        org.lock(1);
    });
    assert_eq!(org.not_upserted(person.clone()).await, (400, "UNABLE_TO_LOCK_ROW".to_owned()));
    org.org.with(|org, _| org.object("Referral").unwrap().field("ClientEmail").unwrap().required = true);
    assert_eq!(org.not_upserted(person.clone()).await, (400, "REQUIRED_FIELD_MISSING".to_owned()));
    org.org.with(|org, _| org.object("Referral").unwrap().rights = [false, true, true]);
    assert_eq!(org.not_upserted(person).await, (403, "INSUFFICIENT_ACCESS_OR_READONLY".to_owned()));
}

#[tokio::test]
async fn describe_tells_what_the_licence_gives() {
    let org = Org::start(Licence::PublicSector).await;
    let (status, object) = org.ask("GET", "sobjects/Referral/describe", None).await;
    let field = |name: &str| object["fields"].as_array().unwrap().iter().find(|field| field["name"] == name).cloned();
    assert_eq!((status, &object["createable"]), (200, &json!(true)));
    let key = field("VcseReferralKey__c").unwrap();
    assert_eq!((&key["externalId"], &key["unique"], &key["length"]), (&json!(true), &json!(true), &json!(36)));
    let status = field("AuthorizationStatus").unwrap();
    assert_eq!(
        (&status["restrictedPicklist"], &status["picklistValues"][3]["value"]),
        (&json!(true), &json!("Submitted"))
    );
    assert_eq!(field("SystemModstamp").unwrap()["createable"], false);

    let org = Org::start(Licence::ReferralMarketing).await;
    let (_, object) = org.ask("GET", "sobjects/Referral/describe", None).await;
    let names: Vec<&str> =
        object["fields"].as_array().unwrap().iter().filter_map(|field| field["name"].as_str()).collect();
    assert!(names.contains(&"ClientName") && !names.contains(&"AuthorizationStatus"), "{names:?}");
    assert_eq!(org.not_upserted(json!({ "AuthorizationStatus": "Submitted" })).await.1, "INVALID_FIELD");

    let org = Org::start(Licence::Core).await;
    assert_eq!(org.refused("GET", "sobjects/Referral/describe", None).await, (404, "NOT_FOUND".to_owned()));
    org.org.with(|org, _| org.add_object(SObject::new("Referral__c", "a0B", vec![Field::key("Key__c")])));
    assert_eq!(org.ask("PATCH", "sobjects/Referral__c/Key__c/key-1", Some(json!({}))).await.0, 201);
}

#[tokio::test]
async fn queries_filter_order_and_page() {
    let org = Org::start(Licence::PublicSector).await;
    for n in 1..=5 {
        org.upsert(&format!("key-{n}"), json!({ "ClientName": format!("O'Example {n}") })).await;
        org.org.advance(Duration::seconds(1));
    }
    let ids = |body: &Value| -> Vec<String> {
        body["records"].as_array().unwrap().iter().map(|row| row["Id"].as_str().unwrap().to_owned()).collect()
    };
    let (_, all) = org
        .query("SELECT Id, SystemModstamp FROM Referral WHERE VcseReferralKey__c != null ORDER BY SystemModstamp DESC")
        .await;
    let all = (all["done"].clone(), all["records"][0]["SystemModstamp"].clone(), ids(&all));
    assert_eq!((&all.0, &all.1, all.2.len()), (&json!(true), &json!("2026-06-15T12:00:04.000+0000"), 5));
    let (_, since) =
        org.query("SELECT Id FROM Referral WHERE SystemModstamp > 2026-06-15T12:00:02.000Z ORDER BY Id LIMIT 1").await;
    assert_eq!(ids(&since), [all.2[1].clone()]);
    let (_, named) = org.query("SELECT Id FROM Referral WHERE ClientName = 'o\\'example 2'").await;
    assert_eq!(ids(&named), [all.2[3].clone()]);
    org.org.with(|org, _| {
        org.delete(&all.2[4]);
        org.set_page(3);
    });
    let (_, first) = org.query("SELECT Id FROM Referral ORDER BY Id").await;
    assert_eq!((&first["done"], &first["totalSize"], ids(&first).len()), (&json!(false), &json!(4), 3));
    let next = first["nextRecordsUrl"].as_str().unwrap().trim_start_matches("/services/data/v62.0/").to_owned();
    let (_, rest) = org.ask("GET", &next, None).await;
    assert_eq!((&rest["done"], ids(&rest)), (&json!(true), vec![all.2[0].clone()]));
    assert_eq!(org.refused("GET", "query/01gxx-9", None).await.1, "INVALID_QUERY_LOCATOR");
    for (text, code) in [
        ("SELECT Id FROM Referral WHERE Name LIKE 'x%'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Referral WHERE ClientName = 'O'Example'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead", "INVALID_TYPE"),
        ("SELECT Urgency FROM Referral", "INVALID_FIELD"),
        ("SELECT Id FROM Referral WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Referral WHERE SystemModstamp > '2026-06-15T12:00:02.000Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Referral WHERE ClientName = 5", "INVALID_FIELD"),
    ] {
        let (status, body) = org.query(text).await;
        assert_eq!((status, body[0]["errorCode"].as_str()), (400, Some(code)), "{text}");
    }
}

#[tokio::test]
async fn sessions_end_by_time_and_by_force() {
    let org = Org::start(Licence::PublicSector).await;
    let describe = || org.ask("GET", "sobjects/Referral/describe", None);
    org.org.advance(Duration::minutes(90));
    assert_eq!(describe().await.0, 200, "using it makes it last");
    org.org.advance(Duration::minutes(90));
    assert_eq!(describe().await.0, 200);
    org.org.advance(Duration::hours(2));
    assert_eq!(
        describe().await,
        (401, json!([{ "message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID" }]))
    );
    let secret =
        [("grant_type", "client_credentials"), ("client_id", "3MVG9.gateway"), ("client_secret", "simulated-secret")];
    let (status, granted) = org.token(&secret).await;
    assert_eq!((status, granted["instance_url"].as_str()), (200, Some(org.org.base_url())));
    let org = Org { token: granted["access_token"].as_str().unwrap().to_owned(), ..org };
    assert_eq!(org.ask("GET", "sobjects/Referral/describe", None).await.0, 200);
    org.org.faults().push(Fault::new(Match::any(), FaultKind::ExpireSessions));
    assert_eq!(org.refused("GET", "sobjects/Referral/describe", None).await.1, "INVALID_SESSION_ID");
    for (field, value, code) in [
        ("client_secret", "guess", "invalid_client"),
        ("client_id", "another", "invalid_client_id"),
        ("grant_type", "password", "unsupported_grant_type"),
    ] {
        let asked: Vec<(&str, &str)> =
            secret.iter().map(|(name, own)| (*name, if *name == field { value } else { *own })).collect();
        let (status, refused) = org.token(&asked).await;
        assert_eq!((status, refused["error"].as_str()), (400, Some(code)));
    }
    org.org.with(|org, _| org.app().client_credentials = false);
    assert_eq!(org.token(&secret).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn an_assertion_is_looked_at_in_every_part() {
    let org = Org::start(Licence::PublicSector).await;
    let good = json!({
        "iss": "3MVG9.gateway", "sub": "gateway@charity.example", "aud": "https://login.salesforce.com",
        "exp": START.unix_timestamp() + 120,
    });
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let signing = EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).unwrap();
    let signed = |claims: &Value| jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &signing).unwrap();
    let grant = |assertion: String| {
        let org = &org;
        async move {
            let (status, body) = org.token(&[("grant_type", JWT_GRANT), ("assertion", &assertion)]).await;
            (status, body["error"].as_str().unwrap_or("granted").to_owned())
        }
    };
    assert_eq!(grant(signed(&good)).await.1, "invalid_grant", "no certificate is registered");
    org.org.with(|org, _| org.app().public_key = Some(key.public_key_raw().to_vec()));
    assert_eq!(grant(signed(&good)).await, (200, "granted".to_owned()));
    for (claim, value, code) in [
        ("iss", json!("another"), "invalid_client_id"),
        ("sub", json!("boss@charity.example"), "invalid_grant"),
        ("aud", json!("https://elsewhere.example"), "invalid_grant"),
        ("exp", json!(START.unix_timestamp()), "invalid_grant"),
        ("exp", json!(START.unix_timestamp() + 181), "invalid_grant"),
        ("exp", Value::Null, "invalid_grant"),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        assert_eq!(grant(signed(&claims)).await, (400, code.to_owned()), "{claim}");
    }
    let mut forged = signed(&good);
    forged.replace_range(forged.len() - 6.., "AAAAAA");
    assert_eq!(grant(forged).await.1, "invalid_grant");
    let symmetric =
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &good, &EncodingKey::from_secret(key.public_key_raw()))
            .unwrap();
    assert_eq!(grant(symmetric).await.1, "invalid_grant", "the public key is no shared secret");
}

#[tokio::test]
async fn the_limit_is_of_the_last_24_hours() {
    let org = Org::start(Licence::PublicSector).await;
    org.org.with(|org, _| org.set_daily_limit(3));
    for n in 1..=3 {
        let url = format!("{}/services/data/v62.0/sobjects/Referral/describe", org.org.base_url());
        let answer = org.http.get(url).bearer_auth(&org.token).send().await.unwrap();
        assert_eq!(answer.headers()["sforce-limit-info"], format!("api-usage={n}/3"));
        org.org.advance(Duration::hours(1));
    }
    let refused = || org.refused("GET", "sobjects/Referral/describe", None);
    assert_eq!(refused().await, (403, "REQUEST_LIMIT_EXCEEDED".to_owned()));
    org.org.advance(Duration::hours(1));
    assert_eq!(refused().await.0, 403, "no burst that is over in a moment");
    org.org.advance(Duration::hours(20));
    let token = org.org.with(Salesforce::open_session);
    let org = Org { token, ..org };
    assert_eq!(org.ask("GET", "sobjects/Referral/describe", None).await.0, 200, "the first is a day old");
    assert_eq!(org.refused("GET", "sobjects/Referral/describe", None).await.0, 403, "the second is not");
    org.org.reset();
    assert_eq!((org.org.now(), org.org.with(|org, _| org.used())), (START, 0));
}
