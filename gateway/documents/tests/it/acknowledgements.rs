//! Acknowledgements as practices' systems write them, and as somebody hostile would.

use crate::sent::ids;
use gateway_documents::limits::{RESPONSE_BYTES, RESPONSE_DEPTH, RESPONSE_ELEMENTS, RESPONSE_VALUE};
use gateway_documents::response::{
    Actor, Issue, Outcome, Progress, Resend, Response, ResponseCode, ResponseFault, Verdict, XmlFault, progress, read,
};
use proptest::prelude::*;

/// An ITK3 Response, with the parts that ITK3 "ITK3 Response Codes" says carry the code.
fn acknowledgement(code: &str) -> String {
    let (outcome, severity) =
        if matches!(code, "20013" | "30001") { ("ok", "information") } else { ("fatal-error", "fatal") };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Bundle xmlns="http://hl7.org/fhir">
  <!-- what a practice's system answers -->
  <id value="c1d5a1e0-2f1c-4d0f-9a35-0f6b6a1c0001"/>
  <meta><profile value="https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Message-Bundle-1"/></meta>
  <identifier><system value="https://tools.ietf.org/html/rfc4122"/><value value="c1d5a1e0-2f1c-4d0f-9a35-0f6b6a1c0002"/></identifier>
  <type value="message"/>
  <entry><fullUrl value="urn:uuid:c1d5a1e0-2f1c-4d0f-9a35-0f6b6a1c0003"/><resource><MessageHeader>
    <id value="c1d5a1e0-2f1c-4d0f-9a35-0f6b6a1c0003"/>
    <extension url="https://fhir.nhs.uk/STU3/StructureDefinition/Extension-ITK-MessageHandling-2">
      <extension url="BusAckRequested"><valueBoolean value="false"/></extension>
      <extension url="InfAckRequested"><valueBoolean value="false"/></extension>
      <extension url="SenderReference"><valueString value="referral-0417/outcome/1"/></extension>
    </extension>
    <event><system value="https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2"/><code value="ITK008M"/></event>
    <timestamp value="2026-11-23T10:00:00+00:00"/>
    <source><endpoint value="A81001HL7"/></source>
    <response><identifier value="{header}"/><code value="{outcome}"/></response>
  </MessageHeader></resource></entry>
  <entry><resource><Organization><identifier><system value="https://fhir.nhs.uk/Id/ods-organization-code"/>
    <value value="A81001"/></identifier></Organization></resource></entry>
  <entry><resource><OperationOutcome>
    <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p>Text &amp; more</p></div></text>
    <issue><severity value="{severity}"/><code value="informational"/>
      <details><coding><system value="https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1"/><code value="{code}"/></coding></details>
      <diagnostics value="Mrs O&apos;Canary &#60;said&#x3e; so"/></issue>
  </OperationOutcome></resource></entry>
</Bundle>"#,
        header = ids().header
    )
}

fn taken(xml: &str) -> Response {
    read(xml.as_bytes()).unwrap()
}

fn refused(xml: &str) -> ResponseFault {
    read(xml.as_bytes()).unwrap_err()
}

#[test]
fn an_acknowledgement_is_read() {
    let response = taken(&acknowledgement("20013"));
    let diagnostics = Some("Mrs O'Canary <said> so".to_owned());
    let issue = Issue { code: ResponseCode::Received, severity: Some("information".to_owned()), diagnostics };
    let whole = Response {
        answers_to: Some(ids().header.to_string()),
        sender_reference: Some("referral-0417/outcome/1".to_owned()),
        outcome: Outcome::Ok,
        timestamp: Some("2026-11-23T10:00:00+00:00".to_owned()),
        from: Some("A81001".to_owned()),
        issues: vec![issue],
    };
    assert_eq!(response, whole);
    assert!(!format!("{response:?}").contains("Canary"), "diagnostics may name the person");
}

#[test]
fn every_published_code_says_what_to_do() {
    for code in ResponseCode::PUBLISHED {
        let response = taken(&acknowledgement(code.number()));
        assert_eq!(response.verdict(), Verdict::Code(&code), "{code:?}");
    }
    let failed = |code| progress([&taken(&acknowledgement("20013")), &taken(&acknowledgement(code))]);
    assert_eq!(failed("30001"), Progress::PatientKnown);
    for (code, actor, resend) in [
        ("30002", Actor::Service, Resend::AfterTracing),
        ("30003", Actor::Service, Resend::AfterTracing),
        ("30004", Actor::Service, Resend::Never),
        ("20009", Actor::Maker, Resend::Corrected),
        ("20012", Actor::Operator, Resend::Corrected),
        ("20014", Actor::Service, Resend::PersonDecides),
    ] {
        let Progress::Failed(found) = failed(code) else { panic!("{code}") };
        assert_eq!((found.number(), found.actor(), found.resend()), (code, actor, resend));
    }
}

#[test]
fn a_code_that_is_not_published_is_kept() {
    let response = taken(&acknowledgement("39999"));
    assert_eq!(response.issues[0].code, ResponseCode::Unknown("39999".to_owned()));
    // A known number of another code system is not one of ours.
    let other = acknowledgement("30001").replace("CodeSystem/ITK-ResponseCodes-1", "CodeSystem/Local-1");
    assert_eq!(taken(&other).issues[0].code, ResponseCode::Unknown("30001".to_owned()));
    // The system of UK Core, and none at all.
    let core = "https://fhir.hl7.org.uk/CodeSystem/UKCore-ITKResponseCode";
    let ours = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1";
    assert_eq!(taken(&acknowledgement("30001").replace(ours, core)).issues[0].code, ResponseCode::PatientKnown);
    let none = acknowledgement("30001").replace(&format!("<system value=\"{ours}\"/>"), "");
    assert_eq!(taken(&none).issues[0].code, ResponseCode::PatientKnown);
}

#[test]
fn it_is_known_which_message_is_answered() {
    let mut response = taken(&acknowledgement("20013"));
    for named in [ids().header, ids().message, ids().message_identifier, ids().document_identifier] {
        response.answers_to = Some(format!("urn:uuid:{}", named.to_string().to_uppercase()));
        assert!(response.answers(&ids(), "another"), "{named}");
    }
    // The answer to an earlier message about the same activity.
    response.answers_to = Some("00000000-0000-4000-8000-000000000001".to_owned());
    assert!(!response.answers(&ids(), "referral-0417/outcome/1"));
    for named in [Some("UNREADABLE-IN-ORIGINAL-MESSAGE".to_owned()), None] {
        response.answers_to = named;
        assert!(response.answers(&ids(), "referral-0417/outcome/1"));
        assert!(!response.answers(&ids(), "another"));
    }
    response.sender_reference = None;
    assert!(!response.answers(&ids(), ""), "no reference is not an empty one");
}

#[test]
fn every_outcome_of_a_response_counts() {
    let second = r#"<entry><resource><OperationOutcome><issue><severity value="fatal"/><details><coding><code value="30002"/></coding>
        </details></issue></OperationOutcome></resource></entry></Bundle>"#;
    let response = taken(&acknowledgement("30001").replace("</Bundle>", second));
    assert_eq!(response.issues.len(), 2);
    assert_eq!(response.verdict(), Verdict::Unclear);
}

#[test]
fn prefixes_and_a_byte_order_mark_change_nothing() {
    let plain = acknowledgement("30001");
    let marked = format!("\u{feff}{plain}");
    assert_eq!(taken(&marked), taken(&plain));
    let prefixed = plain.replace("xmlns=\"http://hl7.org/fhir\"", "xmlns:f=\"http://hl7.org/fhir\"");
    let prefixed = with_prefixes(&prefixed);
    assert_eq!(taken(&prefixed), taken(&plain));
}

/// Every element of FHIR with the prefix `f`; those of the narrative as they are.
fn with_prefixes(xml: &str) -> String {
    let narrative = ["div", "p", "?", "!"];
    let mut out = String::new();
    for (number, part) in xml.split('<').enumerate() {
        if number == 0 {
            out.push_str(part);
            continue;
        }
        let (slash, name) = part.strip_prefix('/').map_or(("", part), |rest| ("/", rest));
        let is_other = narrative.iter().any(|other| {
            name.strip_prefix(other).is_some_and(|rest| !rest.starts_with(char::is_alphabetic) || "?!".contains(*other))
        });
        out.push_str(&format!("<{slash}{}{name}", if is_other { "" } else { "f:" }));
    }
    out
}

#[test]
fn what_is_no_acknowledgement_is_refused() {
    let whole = acknowledgement("20013");
    let cases = [
        (whole.replace("ITK008M", "ITK007C"), "the event ITK008M"),
        (whole.replace("<Bundle xmlns", "<Parcel xmlns").replace("</Bundle", "</Parcel"), "Bundle"),
        (whole.replace("MessageHeader>", "Basic>"), "MessageHeader"),
        (whole.replace("<response>", "<answer>").replace("</response>", "</answer>"), "MessageHeader.response"),
        (whole.replace("<code value=\"ok\"/>", ""), "MessageHeader.response.code"),
    ];
    for (xml, missing) in cases {
        assert_eq!(refused(&xml), ResponseFault::NotAResponse { missing });
    }
    let none = whole.replace("OperationOutcome>", "Basic>");
    assert_eq!(taken(&none).verdict(), Verdict::Unclear, "a response without a code is left to a person");
}

#[test]
fn hostile_xml_is_refused() {
    let whole = acknowledgement("20013");
    let declared = |declaration: &str| whole.replace("<Bundle", &format!("{declaration}<Bundle"));
    let laughs = r#"<!DOCTYPE b [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>"#;
    let outside = r#"<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">]>"#;
    let deep = |depth: usize| format!("{}{}", "<extension url=\"u\">".repeat(depth), "</extension>".repeat(depth));
    let with = |inside: &str| whole.replace("<type value=\"message\"/>", inside);
    let cases = [
        (declared(laughs), XmlFault::DocumentType),
        (declared(outside), XmlFault::DocumentType),
        (declared("<!DOCTYPE Bundle>"), XmlFault::DocumentType),
        (whole.replace("O&apos;Canary", "&canary;"), XmlFault::Entity),
        (whole.replace("Text &amp; more", "Text &canary; more"), XmlFault::Entity),
        (with(&deep(RESPONSE_DEPTH)), XmlFault::TooDeep),
        (with(&"<type/>".repeat(RESPONSE_ELEMENTS)), XmlFault::TooMany),
        (format!("{whole}{}", " ".repeat(RESPONSE_BYTES)), XmlFault::TooLarge),
        (whole.replace("encoding=\"UTF-8\"", "encoding=\"UTF-16\""), XmlFault::Encoding),
        (whole.replace("</Bundle>", ""), XmlFault::Malformed),
        (whole.replace("</Bundle>", "</Bundle><Bundle xmlns=\"http://hl7.org/fhir\"/>"), XmlFault::Malformed),
        (format!("{whole}text"), XmlFault::Malformed),
        (whole.replace("http://hl7.org/fhir", "http://example.org"), XmlFault::Malformed),
        (whole.replace("<type value=\"message\"/>", "<type value=\"a\" value=\"b\"/>"), XmlFault::Malformed),
        (whole.replace("<type value=\"message\"/>", "<type value=\"<\"/>"), XmlFault::Malformed),
        (whole.replace("</entry>", "</entri>"), XmlFault::Malformed),
        (String::new(), XmlFault::Malformed),
    ];
    for (number, (xml, fault)) in cases.into_iter().enumerate() {
        assert_eq!(refused(&xml), ResponseFault::Xml(fault), "case {number}");
    }
    assert_eq!(
        read(b"<Bundle xmlns=\"http://hl7.org/fhir\"><id value=\"\xff\"/></Bundle>"),
        Err(ResponseFault::Xml(XmlFault::Encoding))
    );
    assert!(read(with(&deep(RESPONSE_DEPTH - 2)).as_bytes()).is_ok(), "what is within the bound is read");
}

#[test]
fn a_long_value_is_kept_in_part() {
    let long = acknowledgement("20009").replace("so\"/>", &format!("{}\"/>", "ü".repeat(RESPONSE_VALUE)));
    let kept = taken(&long).issues[0].diagnostics.clone().unwrap();
    assert!(kept.len() <= RESPONSE_VALUE && kept.len() > RESPONSE_VALUE - 4, "{}", kept.len());
}

#[test]
fn what_stands_in_a_narrative_is_not_read_as_fhir() {
    let hidden = r#"<p><issue xmlns="http://hl7.org/fhir"><severity value="fatal"/></issue></p>"#;
    let xml = acknowledgement("30001").replace("<p>Text &amp; more</p>", hidden);
    assert_eq!(taken(&xml), taken(&acknowledgement("30001")));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
    }

    /// One place of a good acknowledgement is spoiled: it is refused, or what is read has no other known code than the one sent.
    #[test]
    fn one_spoiled_byte_makes_no_other_success(place in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = acknowledgement("30002").into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(response) = read(&bytes) {
            let reached = progress([&response]);
            prop_assert!(!matches!(reached, Progress::PatientKnown | Progress::Received), "{reached:?}");
        }
    }
}
