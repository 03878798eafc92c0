//! The typed view: whether fhir-sdk's model can hold a document, and what it refuses in it.
//!
//! The model itself is behind one function of the crate `gateway-fhir-typed`. It is R4B, whose resources used here have the fields of R4; what R4B
//! adds is refused, and what R4 allows but the model refuses (leap seconds) is smoothed for the view only. The model
//! drops what it does not know and rounds decimals, so nothing decoded here is ever stored or sent: the document is.
//!
//! It is a second opinion, not the validation: a choice (`value[x]`) whose value does not fit is to the model one that
//! is not there, without a fault. `validate` checks those by the element table.
//!
mod prepare;

use serde_json::Value;

use crate::{Issue, IssueCode, Json, elements};

/// What keeps a resource, and each of its contained resources, from being read as its concrete type. Empty where all
/// is well, and for types that the gateway does not look into. A `Bundle` is taken apart by the caller.
#[must_use]
pub fn check(document: &Json) -> Vec<Issue> {
    let Some(kind) = document.text("resourceType") else {
        return vec![Issue::general(IssueCode::Structure, "the document has no resourceType")];
    };
    if !elements::is_resource_type(kind) {
        return vec![Issue::general(IssueCode::NotSupported, "the resourceType is not one of R4 (4.0.1)")];
    }
    let mut issues = prepare::foreign_values(document, kind);
    let mut value = prepare::for_decoding(document);
    // The model would read contained resources without telling where a fault is.
    let contained = value.as_object_mut().and_then(|members| members.shift_remove("contained"));
    issues.extend(decoding_fault(kind, kind, &value));
    for (index, inner) in contained.as_ref().and_then(Value::as_array).into_iter().flatten().enumerate() {
        let place = format!("{kind}.contained[{index}]");
        match inner.get("resourceType").and_then(Value::as_str) {
            Some(inner_kind) if elements::is_resource_type(inner_kind) => {
                issues.extend(decoding_fault(inner_kind, &place, inner));
            }
            _ => issues.push(Issue::at(IssueCode::Structure, place, "a contained resource needs an R4 resourceType")),
        }
    }
    issues
}

/// `place` is the path of the resource. The model's words may repeat what was received, so only what it put into them
/// itself is passed on; the exact place is the validation's to tell.
fn decoding_fault(kind: &str, place: &str, value: &Value) -> Option<Issue> {
    let message = gateway_fhir_typed::fault(kind, value)?;
    if let Some(name) = missing_field(&message) {
        let text = format!("the element {name} is missing");
        return Some(Issue::at(IssueCode::Required, format!("{place}.{name}"), text));
    }
    if message.starts_with("Unknown value") || message.starts_with("unknown variant") {
        return Some(Issue::at(IssueCode::CodeInvalid, place, "a code in it is not one that R4 requires there"));
    }
    Some(Issue::at(IssueCode::Structure, place, "a value in it has not the type or form that R4 gives it"))
}

fn missing_field(message: &str) -> Option<&str> {
    let (name, _) = message.strip_prefix("missing field `")?.split_once('`')?;
    name.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Place, code and words of each issue.
    fn told(document: Value) -> Vec<(String, IssueCode, String)> {
        let issues = check(&document.into()).into_iter();
        issues.map(|issue| (issue.expression.unwrap_or_default(), issue.code, issue.diagnostics)).collect()
    }

    /// The only issue's place and code.
    fn one(document: Value) -> (String, IssueCode) {
        let mut told = told(document);
        assert_eq!(told.len(), 1, "{told:?}");
        let (place, code, _) = told.remove(0);
        (place, code)
    }

    fn referral() -> Value {
        json!({
            "resourceType": "ServiceRequest", "status": "active", "intent": "order",
            "subject": {"reference": "#p"},
            "contained": [{"resourceType": "Patient", "id": "p", "birthDate": "1950-02-01"}]
        })
    }

    #[test]
    fn a_good_resource_has_no_issues() {
        assert_eq!(told(referral()), []);
        assert_eq!(told(json!({"resourceType": "Basic", "code": 7})), [], "a type that is not looked into");
    }

    #[test]
    fn faults_have_a_place() {
        let mut document = referral();
        document["category"] = json!([{"coding": [{"code": 306206005}]}]);
        assert_eq!(one(document), ("ServiceRequest".to_owned(), IssueCode::Structure));
        let mut document = referral();
        document.as_object_mut().unwrap().remove("status");
        assert_eq!(one(document), ("ServiceRequest.status".to_owned(), IssueCode::Required));
        let mut document = referral();
        document["status"] = json!("bogus");
        assert_eq!(one(document), ("ServiceRequest".to_owned(), IssueCode::CodeInvalid));
        let mut document = referral();
        document["authoredOn"] = json!("yesterday");
        assert_eq!(one(document), ("ServiceRequest".to_owned(), IssueCode::Structure));
    }

    #[test]
    fn contained_resources_are_read_as_what_they_are() {
        let mut document = referral();
        document["contained"][0]["name"] = json!({"family": "Smith"});
        assert_eq!(one(document), ("ServiceRequest.contained[0]".to_owned(), IssueCode::Structure));
        let mut document = referral();
        document["contained"][0]["resourceType"] = json!("Citation");
        assert_eq!(one(document), ("ServiceRequest.contained[0]".to_owned(), IssueCode::Structure));
    }

    #[test]
    fn received_text_is_not_told() {
        for (name, value) in [("status", json!("Smith")), ("subject", json!("Smith")), ("authoredOn", json!("Smith"))] {
            let mut document = referral();
            document[name] = value;
            let told = told(document);
            assert!(!told.is_empty() && !format!("{told:?}").contains("Smith"), "{told:?}");
        }
    }

    #[test]
    fn what_only_r4b_has_is_refused() {
        assert_eq!(
            one(json!({"resourceType": "Citation", "status": "active"})),
            (String::new(), IssueCode::NotSupported)
        );
        let mut document = referral();
        document["contained"][0]["_birthDate"] = json!({"extension": [{"url": "http://a", "valueRatioRange": {}}]});
        let place = "ServiceRequest.contained[0].birthDate.extension[0].valueRatioRange".to_owned();
        assert_eq!(one(document), (place, IssueCode::NotSupported));
    }

    #[test]
    fn leap_seconds_are_r4() {
        let mut document = referral();
        document["authoredOn"] = json!("2016-12-31T23:59:60.5+00:00");
        document["occurrenceTiming"] =
            json!({"repeat": {"timeOfDay": ["23:59:60"], "frequency": 1, "period": 1, "periodUnit": "d"}});
        assert_eq!(told(document.clone()), []);
        document["authoredOn"] = json!("2016-12-31T23:59:61Z");
        assert_eq!(one(document), ("ServiceRequest".to_owned(), IssueCode::Structure));
    }
}
