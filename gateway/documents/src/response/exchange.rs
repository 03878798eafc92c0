//! What all responses to one message say together, in whatever order and however often they come.

use super::{Response, ResponseCode, Verdict};

/// How far a message has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// No response yet.
    Waiting,
    /// The practice's system took it (20013). Whether the patient is known there is open.
    Received,
    /// The practice's system has it from before (20007, 20008), and said nothing else: treat it as received, and show it.
    AlreadyThere,
    /// The patient is known at the practice (30001): the end of this way. Nobody says that somebody has read it.
    PatientKnown,
    /// It failed. There will be no further response.
    Failed(ResponseCode),
    /// Responses that contradict each other or say nothing: a person has to look.
    Unclear,
}

/// The progress that these responses to one message show. A function of the set of them.
pub fn progress<'a>(responses: impl IntoIterator<Item = &'a Response>) -> Progress {
    let mut codes = Vec::new();
    for response in responses {
        match response.verdict() {
            Verdict::Code(code) => codes.push(code),
            Verdict::Unclear => return Progress::Unclear,
        }
    }
    let has = |wanted: &ResponseCode| codes.contains(&wanted);
    let failed = codes.iter().filter(|code| !code.is_success() && !code.is_duplicate()).min();
    match failed {
        // One of them was about something else, or the practice changed its mind.
        Some(_) if has(&ResponseCode::PatientKnown) => Progress::Unclear,
        Some(code) if codes.iter().any(|other| *other != *code && !other.is_success() && !other.is_duplicate()) => {
            Progress::Unclear
        }
        Some(code) => Progress::Failed((*code).clone()),
        None if has(&ResponseCode::PatientKnown) => Progress::PatientKnown,
        None if has(&ResponseCode::Received) => Progress::Received,
        None if codes.is_empty() => Progress::Waiting,
        None => Progress::AlreadyThere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::{Issue, Outcome};
    use proptest::prelude::*;

    fn response(number: &str) -> Response {
        let code = ResponseCode::read(number);
        let outcome = if code.is_success() { Outcome::Ok } else { Outcome::FatalError };
        let issues = vec![Issue { code, severity: None, diagnostics: None }];
        Response { answers_to: None, sender_reference: None, outcome, timestamp: None, from: None, issues }
    }

    fn of(numbers: &[&str]) -> Progress {
        progress(&numbers.iter().map(|number| response(number)).collect::<Vec<_>>())
    }

    #[test]
    fn both_acknowledgements_are_told_as_one() {
        assert_eq!(of(&[]), Progress::Waiting);
        assert_eq!(of(&["20013"]), Progress::Received);
        assert_eq!(of(&["30001"]), Progress::PatientKnown);
        assert_eq!(of(&["30001", "20013"]), Progress::PatientKnown);
        assert_eq!(of(&["20013", "30002"]), Progress::Failed(ResponseCode::PatientNotKnown));
        assert_eq!(of(&["20013", "30004"]), Progress::Failed(ResponseCode::PatientDeceased));
        assert_eq!(of(&["20009"]), Progress::Failed(ResponseCode::Payload));
        assert_eq!(of(&["20007"]), Progress::AlreadyThere);
        assert_eq!(of(&["20013", "20007"]), Progress::Received);
        assert_eq!(of(&["20013", "30001", "20008"]), Progress::PatientKnown);
        assert_eq!(of(&["30001", "30003"]), Progress::Unclear);
        assert_eq!(of(&["20009", "30002"]), Progress::Unclear);
        assert_eq!(of(&["31999"]), Progress::Failed(ResponseCode::Unknown("31999".to_owned())));
    }

    #[test]
    fn a_success_that_is_called_an_error_is_left_to_a_person() {
        let mut odd = response("30001");
        odd.outcome = Outcome::FatalError;
        assert_eq!(progress([&odd]), Progress::Unclear);
        let mut odd = response("30002");
        odd.outcome = Outcome::Ok;
        assert_eq!(progress([&odd, &response("20013")]), Progress::Unclear);
        let mut odd = response("20013");
        odd.issues[0].severity = Some("fatal".to_owned());
        assert_eq!(progress([&odd]), Progress::Unclear);
        let mut none = response("20013");
        none.issues.clear();
        assert_eq!(progress([&none]), Progress::Unclear);
    }

    proptest! {
        #[test]
        fn order_and_repetition_change_nothing(
            numbers in proptest::collection::vec(prop_oneof!["20013", "20007", "30001", "30002", "30004", "20009", "31999"], 0..5),
            turn in 0_usize..5,
        ) {
            let responses: Vec<Response> = numbers.iter().map(|number| response(number)).collect();
            let mut turned = responses.clone();
            if !turned.is_empty() {
                let by = turn % turned.len();
                turned.rotate_left(by);
            }
            turned.reverse();
            turned.extend(responses.clone());
            prop_assert_eq!(progress(&responses), progress(&turned));
        }
    }
}
