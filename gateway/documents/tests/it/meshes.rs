//! How the message is addressed.

use crate::sent::message;
use gateway_documents::mesh::{DateOrder, MeshFault, MeshOptions, SubjectForm, Workflow, headers};
use gateway_documents::message::{Options, build};

#[test]
fn the_address_is_made_as_the_guide_says() {
    let headers = headers(&message(), &MeshOptions::default()).unwrap();
    assert_eq!(headers.from, "X26OT001");
    assert_eq!(headers.to, "GPPROVIDER_9990000018_09011955_O'Canary-Smythe");
    assert_eq!(headers.local_id, "A1B2C");
    assert_eq!(headers.workflow_id, "GPCONNECT_SEND_DOCUMENT");
    let subject = "Outcome of a social prescribing referral for Ms Ada Zoe O'Canary-Smythe, NHS Number: 999 000 0018, seen at Example \
                   Valley Social Prescribing, A1B2C, Version: 1";
    assert_eq!(headers.subject, subject);
}

#[test]
fn where_sources_conflict_the_options_choose() {
    let options = MeshOptions {
        date_order: DateOrder::YearFirst,
        subject: SubjectForm::ApiPage,
        workflow: Workflow::ConsultationReport,
    };
    let headers = headers(&message(), &options).unwrap();
    assert_eq!(headers.to, "GPPROVIDER_9990000018_19550109_O'Canary-Smythe");
    assert_eq!(headers.workflow_id, "GPFED_CONSULT_REPORT");
    let subject = "Outcome of a social prescribing referral for patient: Ms Ada Zoe O'Canary-Smythe, NHS number: 999 000 0018, \
                   ODS code: A1B2C";
    assert_eq!(headers.subject, subject);
    assert_eq!(Workflow::SendDocument.acknowledgement(), "GPCONNECT_SEND_DOCUMENT_ACK");
    assert_eq!(Workflow::ConsultationReport.acknowledgement(), "GPFED_CONSULT_REPORT_ACK");
}

/// GPCM-SD-038: the values of the Patient are those of the address.
#[test]
fn the_address_is_the_patient_of_the_message() {
    let message = message();
    let to = headers(&message, &MeshOptions { date_order: DateOrder::YearFirst, ..MeshOptions::default() }).unwrap().to;
    let xml = String::from_utf8(build(&message, &Options::default()).unwrap()).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let patient = document.descendants().find(|node| node.tag_name().name() == "Patient").unwrap();
    let value = |path: [&str; 2]| {
        let named = |node: &roxmltree::Node<'_, '_>, name: &str| node.tag_name().name() == name;
        let mut found = patient.descendants().filter(|node| named(node, path[1]));
        found
            .find(|node| named(&node.parent().unwrap(), path[0]))
            .and_then(|node| node.attribute("value"))
            .unwrap()
            .to_owned()
    };
    let born = value(["Patient", "birthDate"]).replace('-', "");
    assert_eq!(to, format!("GPPROVIDER_{}_{born}_{}", value(["identifier", "value"]), value(["name", "family"])));
}

#[test]
fn what_no_header_can_carry_is_refused() {
    let mut cases = Vec::new();
    for (family, fault) in [
        ("Smith_Jones", MeshFault::Surname),
        ("  ", MeshFault::Surname),
        ("Núñez", MeshFault::Character { header: "mex-to" }),
        ("Smith\r\nmex-from: X", MeshFault::Character { header: "mex-to" }),
    ] {
        let mut message = message();
        message.patient.name.family = family.to_owned();
        cases.push((message, fault));
    }
    let mut accented = message();
    accented.patient.name.given = vec!["Zoë".to_owned()];
    cases.push((accented, MeshFault::Character { header: "mex-subject" }));
    for (message, fault) in cases {
        assert_eq!(headers(&message, &MeshOptions::default()), Err(fault));
    }
}

#[test]
fn no_debug_output_tells_of_the_person() {
    let told = format!("{:?}", headers(&message(), &MeshOptions::default()).unwrap());
    for canary in ["Canary", "999", "1955", "0901"] {
        assert!(!told.contains(canary), "{told}");
    }
}
