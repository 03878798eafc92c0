//! Losses: what does not reach a platform, how grave that is, what policy makes of it, and how it is shown.

use crate::builders::*;
use adapter_contract::{
    AcceptedLoss, Account, Adapter, Capabilities, DataClass, DataNeed, Descriptor, Exchange, Grade, IdempotencyKey,
    Keys, Limits, Loss, LossReason, Settings, Step, TranslateError,
};
use gateway_core::consent::{Reason, Withheld};
use gateway_core::deliver::{Weighed, weigh};
use gateway_core::ingest::Person;
use gateway_core::loss::{Asking, Assessment, LossReport, Policy, assess};
use gateway_core::minimise::Whole;
use gateway_core::outbox::{Errand, OutboxState};
use gateway_fhir::Json;
use serde_json::{Value, json};

/// An adapter that declares some elements and gives whatever account it was told to.
pub(crate) struct Letters {
    pub(crate) descriptor: Descriptor,
    pub(crate) account: Result<Option<Account>, TranslateError>,
}

impl Letters {
    pub(crate) fn declaring(paths: &[&str]) -> Self {
        let need = |path: &&str| DataNeed { path: (*path).to_owned(), class: DataClass::Clinical, needed: false };
        Self {
            descriptor: Descriptor {
                name: "letters".to_owned(),
                version: "1.0.0".to_owned(),
                format: "letters on paper".to_owned(),
                capabilities: Capabilities {
                    cancel: false,
                    hold: false,
                    look_up: false,
                    poll: false,
                    push: false,
                    status_link: false,
                    amend: adapter_contract::Amend::None,
                },
                data_needs: paths.iter().map(need).collect(),
                accepted_losses: Vec::new(),
                limits: Limits {
                    steps: 1,
                    answer_seconds: 1,
                    answer_bytes: 1,
                    poll_seconds: 1,
                    pace: adapter_contract::Pace::default(),
                },
                statuses: Vec::new(),
            },
            account: Ok(Some(Account::default())),
        }
    }

    pub(crate) fn accepting(mut self, element: &str, grade: Grade) -> Self {
        let because = "Said by telephone.".to_owned();
        self.descriptor.accepted_losses.push(AcceptedLoss { element: element.to_owned(), because, grade });
        self
    }

    pub(crate) fn losing(mut self, losses: Vec<Loss>) -> Self {
        self.account = Ok(Some(Account { fields: Vec::new(), losses }));
        self
    }
}

impl Adapter for Letters {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn begin(&self, _: &Exchange<'_>) -> Result<Step, TranslateError> {
        Err(TranslateError::new("exchange", "is not begun here"))
    }

    fn account(&self, _: &Exchange<'_>) -> Result<Option<Account>, TranslateError> {
        self.account.clone()
    }
}

pub(crate) fn loss(element: &str, grade: Grade) -> Loss {
    Loss {
        element: element.to_owned(),
        reason: LossReason::NoField,
        grade,
        count: 1,
        detail: None,
        rule: None,
        because: None,
    }
}

pub(crate) fn report(losses: Vec<Loss>) -> LossReport {
    LossReport::new("letters", "1.0.0", losses, true)
}

/// What this adapter loses of a referral whose resources have these members besides the usual ones.
fn assessed(adapter: &Letters, request: Value, person: Value, related: &[(&str, Value)]) -> Assessment {
    assessed_without(adapter, request, person, related, &[])
}

/// The same, where consent withholds these elements of these resources.
fn assessed_without(
    adapter: &Letters,
    request: Value,
    person: Value,
    related: &[(&str, Value)],
    withheld: &[(&str, &str)],
) -> Assessment {
    let withheld: Vec<Withheld> = withheld
        .iter()
        .map(|(resource, path)| Withheld {
            resource: (*resource).to_owned(),
            path: (*path).to_owned(),
            reason: Reason::Refused,
            rule: "R7:label",
            consent: None,
        })
        .collect();
    let with = |mut document: Json, more: Value| {
        for (name, value) in more.as_object().unwrap() {
            document.set(name, value.clone().into());
        }
        document
    };
    let (request, person) = (with(service_request(), request), with(patient(), person));
    let asked = task(adapter_contract::TaskStatus::Requested);
    let related: Vec<(&str, Json)> = related.iter().map(|(name, document)| (*name, document.clone().into())).collect();
    let lookup = |reference: &str| related.iter().find(|(name, _)| *name == reference).map(|(_, document)| document);
    let person = Person { reference: "Patient/p".to_owned(), document: person };
    let whole = Whole::gather(("t", &asked), ("sr", &request), &person, &lookup);
    let key = IdempotencyKey("key".to_owned());
    assess(&Asking {
        whole: &whole,
        withheld: &withheld,
        adapter,
        settings: &Settings::new(),
        accepted_at: "2026-06-15T12:00:00.000Z",
        keys: Keys { idempotency: &key, correlation: "conversation" },
    })
}

fn told(assessment: &Assessment) -> &LossReport {
    assessment.report().unwrap_or_else(|| panic!("{assessment:?}"))
}

fn of<'a>(report: &'a LossReport, element: &str) -> Option<&'a Loss> {
    report.losses.iter().find(|loss| loss.element == element)
}

const USUAL: [&str; 5] =
    ["ServiceRequest.code", "ServiceRequest.subject", "Patient.identifier", "Patient.birthDate", "Task"];

#[test]
fn what_is_not_declared_has_no_field_and_is_graded_by_what_stands_there() {
    let interpreter = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired";
    let extension = |needed: bool| json!({"extension": [{"url": interpreter, "valueBoolean": needed}]});
    let priority = |code: &str| json!({"priority": code});
    let language = |code: &str| json!({"communication": [{"language": {"coding": [{"code": code}]}}]});
    for (what, request, person, element, grade) in [
        ("urgent", priority("urgent"), json!({}), "ServiceRequest.priority", Grade::Unsafe),
        ("routine", priority("routine"), json!({}), "ServiceRequest.priority", Grade::Informational),
        (
            "needs an interpreter",
            json!({}),
            extension(true),
            &format!("Patient.extension({interpreter})"),
            Grade::Unsafe,
        ),
        ("needs none", json!({}), extension(false), &format!("Patient.extension({interpreter})"), Grade::Informational),
        ("speaks Welsh", json!({}), language("cy"), "Patient.communication", Grade::Unsafe),
        ("speaks English", json!({}), language("en"), "Patient.communication", Grade::Informational),
        (
            "speaks a language in words",
            json!({}),
            json!({"communication": [{"language": {"text": "British Sign Language"}}]}),
            "Patient.communication",
            Grade::Unsafe,
        ),
        (
            "a safeguarding note",
            json!({"extension": [{"url": "https://example.org/fhir/safeguarding-note", "valueString": "x"}]}),
            json!({}),
            "ServiceRequest.extension(https://example.org/fhir/safeguarding-note)",
            Grade::Unsafe,
        ),
        ("a note", json!({"note": [{"text": "x"}]}), json!({}), "ServiceRequest.note", Grade::Notable),
        (
            "a prohibition in words elsewhere",
            json!({"performerType": {"coding": [{"code": "contacting-subject-prohibited"}]}}),
            json!({}),
            "ServiceRequest.performerType",
            Grade::Unsafe,
        ),
        ("two names", json!({}), json!({"name": [{"family": "A"}, {"family": "B"}]}), "Patient.name", Grade::Notable),
        (
            "narrative",
            json!({}),
            json!({"text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}}),
            "Patient.text",
            Grade::Informational,
        ),
        ("a label", json!({}), json!({"meta": {"security": [{"code": "PSY"}]}}), "Patient.meta", Grade::Notable),
        ("a profile", json!({}), json!({"meta": {"profile": ["http://p"]}}), "Patient.meta", Grade::Informational),
    ] {
        let assessment = assessed(&Letters::declaring(&USUAL), request, person, &[]);
        let report = told(&assessment);
        let lost = of(report, element).unwrap_or_else(|| panic!("{what}: {report:?}"));
        assert_eq!((lost.reason, lost.grade), (LossReason::NoField, grade), "{what}");
        assert_eq!(lost.count, if what == "two names" { 2 } else { 1 }, "{what}");
        assert!(report.complete && report.adapter == "letters" && report.version == "1.0.0");
        assert!(!format!("{report:?}").contains("1980-01-01"), "no value is in it");
    }
}

#[test]
fn what_is_declared_or_the_gateways_own_is_not_lost() {
    let stamped = json!({"meta": {"versionId": "3", "lastUpdated": "2026-06-15T12:00:00Z",
        "source": "https://vcse-gateway.example/fhir/author#client/gp"}});
    let assessment = assessed(&Letters::declaring(&USUAL), stamped, json!({}), &[]);
    let report = told(&assessment);
    let elements: Vec<&str> = report.losses.iter().map(|loss| loss.element.as_str()).collect();
    assert_eq!(elements, ["ServiceRequest.intent", "ServiceRequest.status"]);
    assert_eq!(report.worst, Some(Grade::Informational));
    assert!(!report.is_worth_showing());
}

#[test]
fn a_resource_that_stays_behind_is_one_loss_of_its_type() {
    let related =
        json!({"resourceType": "Condition", "id": "c", "code": {"text": "x"}, "subject": {"reference": "Patient/p"}});
    let request = json!({"reasonReference": [{"reference": "Condition/c"}]});
    let assessment = assessed(&Letters::declaring(&USUAL), request, json!({}), &[("Condition/c", related)]);
    let report = told(&assessment);
    assert_eq!(of(report, "Condition").map(|loss| (loss.count, loss.grade)), Some((1, Grade::Notable)));
    assert!(of(report, "ServiceRequest.reasonReference").is_some());
}

#[test]
fn the_authors_words_lower_a_grade_and_are_carried() {
    let urgent = || json!({"priority": "urgent"});
    for (element, grade, expected) in [
        ("ServiceRequest.priority", Grade::Notable, Grade::Notable),
        ("ServiceRequest", Grade::Informational, Grade::Informational),
        ("ServiceRequest.prio", Grade::Informational, Grade::Unsafe),
    ] {
        let adapter = Letters::declaring(&USUAL).accepting(element, grade);
        let assessment = assessed(&adapter, urgent(), json!({}), &[]);
        let lost = of(told(&assessment), "ServiceRequest.priority").unwrap();
        assert_eq!(lost.grade, expected, "{element}");
        assert_eq!(lost.because.is_some(), expected != Grade::Unsafe, "{element}");
    }
    // Words never make a loss graver than it is.
    let adapter = Letters::declaring(&USUAL).accepting("ServiceRequest.priority", Grade::Unsafe);
    let assessment = assessed(&adapter, json!({"priority": "routine"}), json!({}), &[]);
    assert_eq!(of(told(&assessment), "ServiceRequest.priority").unwrap().grade, Grade::Informational);
}

#[test]
fn both_sources_are_joined_and_one_that_says_nothing_is_named() {
    let truncated = Loss { reason: LossReason::Truncated, ..loss("ServiceRequest.code", Grade::Notable) };
    let adapter = Letters::declaring(&USUAL).losing(vec![truncated.clone(), truncated]);
    let assessment = assessed(&adapter, json!({"priority": "urgent"}), json!({}), &[]);
    let report = told(&assessment);
    assert_eq!(report.losses[0].element, "ServiceRequest.priority", "the gravest first");
    assert_eq!(of(report, "ServiceRequest.code").unwrap().count, 2, "the same loss is told once");

    let silent = Letters { account: Ok(None), ..Letters::declaring(&USUAL) };
    let assessment = assessed(&silent, json!({}), json!({}), &[]);
    assert!(!told(&assessment).complete && told(&assessment).is_worth_showing());

    let refusing = Letters {
        account: Err(TranslateError::unsafe_to_send("ServiceRequest.orderDetail", "cannot be said")),
        ..Letters::declaring(&USUAL)
    };
    match assessed(&refusing, json!({}), json!({}), &[]) {
        Assessment::Unsayable { words, unsafe_to_send } => {
            assert!(unsafe_to_send && words.contains("ServiceRequest.orderDetail"), "{words}");
        }
        told => panic!("{told:?}"),
    }
}

#[test]
fn what_consent_withholds_is_told_as_that_and_once() {
    let declared: Vec<&str> = USUAL.into_iter().chain(["ServiceRequest", "Patient.name.family", "Condition"]).collect();
    let reasons = json!({
        "priority": "urgent",
        "category": [{"coding": [{"code": "food"}], "text": "x"}, {"text": "x"}],
        "reasonReference": [{"reference": "Condition/a"}, {"reference": "Condition/b"}, {"reference": "Condition/c"}],
        "note": [{"text": "x"}, {"text": "x"}],
    });
    let person = json!({"name": [{"family": "x", "given": ["x"]}], "telecom": [{"value": "x"}]});
    let condition = |id: &str, label: &str| {
        json!({"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/p"}, "code": {"text": "x"},
            "note": [{"text": "x"}], "meta": {"security": [{"code": label}]}})
    };
    let related = [
        ("Condition/a", condition("a", "N")),
        ("Condition/b", condition("b", "R")),
        ("Condition/c", condition("c", "R")),
    ];
    let tell = |adapter: &Letters, withheld: &[(&str, &str)]| {
        let assessment = assessed_without(adapter, reasons.clone(), person.clone(), &related, withheld);
        let report = told(&assessment);
        let told = report
            .losses
            .iter()
            .map(|loss| (loss.element.clone(), loss.reason, loss.grade, loss.count, loss.detail.clone()));
        told.collect::<Vec<_>>()
    };
    let adapter = Letters::declaring(&declared);
    let usual = tell(&adapter, &[]);
    assert!(usual.iter().all(|(_, reason, ..)| *reason == LossReason::NoField), "{usual:?}");
    let line = |element: &str, reason, grade, count| (element.to_owned(), reason, grade, count, None);
    let (gone, none) = (LossReason::Withheld, LossReason::NoField);
    let [informational, notable, grave] = [Grade::Informational, Grade::Notable, Grade::Unsafe];
    for (withheld, element, expected) in [
        // Graded by what stood there, with the number of what went.
        (("ServiceRequest/sr", "ServiceRequest.priority"), "ServiceRequest.priority", vec![(gone, grave, 1)]),
        (("ServiceRequest/sr", "ServiceRequest.note"), "ServiceRequest.note", vec![(gone, notable, 2)]),
        (("Patient/p", "Patient.name"), "Patient.name", vec![(gone, notable, 1)]),
        // What would not have been sent anyhow is no loss for consent's sake.
        (("Patient/p", "Patient.telecom"), "Patient.telecom", vec![(none, notable, 1)]),
        // What is not there is not lost, and another's is not this one's.
        (("Patient/p", "Patient.contact"), "Patient.contact", vec![]),
        (("Patient/other", "Patient.birthDate"), "Patient.birthDate", vec![]),
        // One of three that are restricted or withheld, each with its reason.
        (("Condition/a", "Condition"), "Condition", vec![(none, notable, 2), (gone, notable, 1)]),
        (("Condition/b", "Condition"), "Condition", vec![(none, notable, 1), (gone, notable, 1)]),
        (("Condition/a", "Condition.note"), "Condition.note", vec![(gone, notable, 1)]),
        // What hung on a reference goes for the same reason.
        (
            ("ServiceRequest/sr", "ServiceRequest.reasonReference"),
            "Condition",
            vec![(none, notable, 2), (gone, notable, 1)],
        ),
        // Words weigh less where a code says the same.
        (
            ("ServiceRequest/sr", "ServiceRequest.category.text"),
            "ServiceRequest.category.text",
            vec![(gone, informational, 2)],
        ),
        (("ServiceRequest/sr", "ServiceRequest.code.text"), "ServiceRequest.code.text", vec![(gone, notable, 1)]),
    ] {
        let report = tell(&adapter, &[withheld]);
        let mut found: Vec<_> = report.iter().filter(|line| line.0 == element).cloned().collect();
        let mut expected: Vec<_> =
            expected.into_iter().map(|(reason, grade, count)| line(element, reason, grade, count)).collect();
        found.sort_by_key(|line| line.3);
        expected.sort_by_key(|line| line.3);
        found.sort_by_key(|line| line.1 == gone);
        expected.sort_by_key(|line| line.1 == gone);
        assert_eq!(found, expected, "{withheld:?}: {report:?}");
        assert!(!report.iter().any(|line| line.4.as_deref() == Some("in part")), "{withheld:?}: {report:?}");
    }
    // An author's word on an element holds whatever it goes for.
    let accepting = Letters::declaring(&declared).accepting("ServiceRequest.priority", Grade::Notable);
    let report = tell(&accepting, &[("ServiceRequest/sr", "ServiceRequest.priority")]);
    assert!(report.contains(&line("ServiceRequest.priority", gone, notable, 1)), "{report:?}");
}

#[test]
fn a_report_adds_nothing_to_one_that_says_as_much() {
    let known = report(vec![loss("a.b", Grade::Unsafe), loss("a.c", Grade::Notable)]);
    let more = |change: &dyn Fn(&mut Loss)| {
        let mut changed = loss("a.b", Grade::Unsafe);
        change(&mut changed);
        report(vec![changed])
    };
    for (what, report, adds_nothing) in [
        ("the same", known.clone(), true),
        ("less", report(vec![loss("a.b", Grade::Unsafe)]), true),
        ("no longer grave", report(vec![loss("a.d", Grade::Notable)]), true),
        ("another version", LossReport { version: "2".to_owned(), ..known.clone() }, true),
        ("another element", report(vec![loss("a.d", Grade::Unsafe)]), false),
        ("graver", report(vec![loss("a.c", Grade::Unsafe)]), false),
        ("more often", more(&|loss| loss.count = 2), false),
        ("for another reason", more(&|loss| loss.reason = LossReason::Replaced), false),
        ("by another figure", more(&|loss| loss.detail = Some("cut to 8".to_owned())), false),
        ("nobody knows", LossReport { complete: false, ..known.clone() }, false),
    ] {
        assert_eq!(report.adds_nothing_to(&known, Grade::Unsafe), adds_nothing, "{what}");
    }
    assert_eq!(known.hash(), LossReport { version: "2".to_owned(), ..known.clone() }.hash());
    assert_ne!(known.hash(), report(vec![loss("a.b", Grade::Unsafe)]).hash());
}

#[test]
fn a_report_is_bounded_and_keeps_the_gravest() {
    let many = (0..1_000).map(|n| loss(&format!("Patient.x{n:04}"), Grade::Informational));
    let report = report(many.chain([loss("Patient.z", Grade::Unsafe)]).collect());
    assert_eq!((report.losses.len(), report.more), (200, 801));
    assert_eq!(report.losses[0].element, "Patient.z");
}

#[test]
fn an_extension_may_be_declared_by_its_url_alone() {
    let [wanted, other] = ["http://example.org/wanted", "http://example.org/other"];
    let person = json!({"extension": [
        {"url": other, "valueString": "canary"},
        {"url": wanted, "extension": [{"url": "inner", "valueString": "kept"}]},
    ]});
    let by_url = format!("Patient.extension({wanted})");
    let declared: Vec<&str> = USUAL.into_iter().chain([by_url.as_str()]).collect();
    let assessment = assessed(&Letters::declaring(&declared), json!({}), person, &[]);
    let Assessment::Told { report, minimised, .. } = &assessment else { panic!("{assessment:?}") };
    assert!(minimised.referral.bundle().contains("kept") && !minimised.referral.bundle().contains("canary"));
    let lost: Vec<&str> =
        report.losses.iter().map(|loss| loss.element.as_str()).filter(|path| path.contains("extension")).collect();
    assert_eq!(lost, [format!("Patient.extension({other})")]);
}

#[test]
fn rows_of_a_gateway_that_knew_no_reports_are_read() {
    let mut row = serde_json::to_value(referral()).unwrap();
    assert!(row.get("loss").is_none() && row.get("loss_released").is_none(), "{row}");
    assert_eq!(serde_json::from_value::<gateway_core::referral::Referral>(row.take()).unwrap(), referral());
    let attempt = json!({"outbox": "a-1", "number": 1, "started": "2026-06-15T12:00:00Z", "finished": null,
        "outcome": null, "failure": null});
    assert_eq!(serde_json::from_value::<gateway_core::outbox::Attempt>(attempt).unwrap().adapter, None);
}

#[test]
fn an_attempt_goes_tells_or_stops_by_what_the_sender_has_seen() {
    let of = |grade| report(vec![loss("Patient.name", grade)]);
    let (grave, light) = (of(Grade::Unsafe), of(Grade::Notable));
    let policy = Policy::default();
    let weighed = |stored: Option<&LossReport>, released: bool, now: &LossReport| {
        let mut stand = Stand::new(Errand::Submit);
        stand.referral.loss = stored.cloned().map(Box::new);
        stand.referral.loss_released = stored.filter(|_| released).map(LossReport::hash);
        let weighed = weigh(&stand.job(), now, &policy, &mut ids());
        if let Weighed::Tell(written) | Weighed::Stop(written) = &weighed {
            written.assert_valid();
            written.assert_leased(&stand.row);
            assert_eq!(written.referral().loss.as_deref(), Some(now));
        }
        weighed
    };
    assert_eq!(weighed(Some(&light), false, &light), Weighed::Go);
    assert_eq!(weighed(Some(&grave), true, &grave), Weighed::Go);
    match weighed(Some(&grave), true, &light) {
        Weighed::Tell(written) => {
            assert_eq!(written.referral().loss_released, Some(light.hash()), "what was let pass stays so");
            assert_eq!(written.versions("Provenance").len(), 1);
            assert!(written.rows().is_empty() && written.attempts().is_empty(), "the attempt goes on");
        }
        other => panic!("{other:?}"),
    }
    // Of a gateway that knew no reports: said first, then sent.
    assert!(matches!(weighed(None, false, &light), Weighed::Tell(_)));
    for (stored, released, now) in
        [(Some(&light), false, &grave), (Some(&grave), false, &grave), (Some(&light), true, &grave)]
    {
        match weighed(stored, released, now) {
            Weighed::Stop(written) => {
                assert_eq!(written.row().state, OutboxState::Held);
                assert_eq!(written.task().unwrap().text("status"), Some("on-hold"));
                assert_eq!(written.referral().loss_released, None);
                assert_eq!(written.attempts()[0].adapter, Some(adapter()));
                let new = usize::from(stored != Some(now));
                assert_eq!(written.versions("Provenance").len(), new, "a report that is told already is told once");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn where_a_policy_stops_an_attempt() {
    let policy = |hold_at, refuse_at| Policy { hold_at, refuse_at }.stops_at();
    assert_eq!(Policy::default().stops_at(), Some(Grade::Unsafe));
    assert_eq!(policy(Some(Grade::Unsafe), Some(Grade::Notable)), Some(Grade::Notable));
    assert_eq!(policy(None, Some(Grade::Notable)), Some(Grade::Notable));
    assert_eq!(policy(None, None), None);
}
