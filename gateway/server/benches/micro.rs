//! The steps of intake by themselves: the door, validation, a consent decision.

use conformance_tests::generator::{Expectation, Generator, RecipientSpec};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use gateway_core::consent::{
    self, ConsentDocument, Policy, Question, Recipient, Stage, Standing, Subject, Verdict, items,
};
use gateway_core::identity::{PlatformId, TenantId};
use gateway_fhir::door::{self, DoorLimits};
use gateway_fhir::{Json, validate};
use time::macros::datetime;

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

fn main() {
    divan::main();
}

/// A referral whose Bundle is nearest to ten kilobytes.
fn bundle() -> String {
    let generator = Generator::new(1, vec![RecipientSpec::new("VCSE1", "Example Food Bank", &[])]);
    (0..200)
        .map(|number| generator.referral(number))
        .filter(|referral| referral.expectation == Expectation::Delivered)
        .map(|referral| referral.bundle_text())
        .min_by_key(|text| text.len().abs_diff(10_240))
        .expect("there are such referrals")
}

fn document() -> Json {
    door::admit(bundle().as_bytes(), &DoorLimits::default()).expect("the door admits it")
}

#[divan::bench]
fn door_admit(bencher: Bencher<'_, '_>) {
    let text = bundle();
    bencher
        .counter(BytesCount::new(text.len()))
        .bench(|| door::admit(black_box(text.as_bytes()), &DoorLimits::default()));
}

#[divan::bench]
fn validate_bundle(bencher: Bencher<'_, '_>) {
    let document = document();
    assert!(validate::resource(&document).is_empty(), "the Bundle is valid");
    bencher.counter(BytesCount::new(bundle().len())).bench(|| validate::resource(black_box(&document)));
}

/// As intake does it: validation and the typed view of each resource.
#[divan::bench]
fn read_submission(bencher: Bencher<'_, '_>) {
    let document = document();
    bencher.counter(BytesCount::new(bundle().len())).bench(|| gateway_core::ingest::read(black_box(&document), 100));
}

#[divan::bench]
fn decide_consent(bencher: Bencher<'_, '_>) {
    let document = document();
    let of = |kind: &str| {
        let entry = document
            .items("entry")
            .iter()
            .find(|entry| entry.get("resource").and_then(|resource| resource.text("resourceType")) == Some(kind))
            .expect("the Bundle holds one");
        (entry.text("fullUrl").unwrap_or_default().to_owned(), entry.get("resource").cloned().expect("a resource"))
    };
    let ((patient_url, patient), (_, consent)) = (of("Patient"), of("Consent"));
    let entries: Vec<(String, Json)> = document
        .items("entry")
        .iter()
        .filter_map(|entry| Some((entry.text("fullUrl")?.to_owned(), entry.get("resource")?.clone())))
        .collect();
    let tenant = TenantId("pcn".to_owned());
    let consents = [ConsentDocument { tenant: tenant.clone(), id: "one".to_owned(), version: 1, document: consent }];
    let items = items(entries.iter().map(|(_, resource)| resource));
    let recipient = Recipient {
        platform: PlatformId("food-bank".to_owned()),
        name: "Example Food Bank".to_owned(),
        identifiers: vec![(ODS.to_owned(), "VCSE1".to_owned())],
    };
    let directory =
        |reference: &str| entries.iter().find(|(url, _)| url == reference).map(|(_, resource)| resource.clone());
    let question = Question {
        stage: Stage::Accept,
        tenant: &tenant,
        consents: &consents,
        complete: true,
        overrides: &[],
        directory: &directory,
        policy: &Policy::default(),
        subject: Subject {
            references: vec![patient_url],
            nhs_number: None,
            patient: &patient,
            also: Vec::new(),
            standing: &Standing::default(),
        },
        recipient: &recipient,
        items: &items,
        needs: &[],
        purpose: "COC",
        now: datetime!(2026-06-15 12:00 UTC),
    };
    assert_eq!(consent::decide(&question).verdict, Verdict::Permit, "the longest way is measured");
    bencher.bench_local(|| consent::decide(black_box(&question)));
}
