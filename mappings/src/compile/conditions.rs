//! Guards and accepted losses.

use super::env::Env;
use super::finish::touches;
use super::{Compiler, Says};
use crate::class::Grade;
use crate::diagnostic::Code;
use crate::elements;
use crate::program::{AcceptedLoss, Guard, RuleId};
use crate::source::Span;
use crate::spec::Text;

impl Compiler<'_> {
    pub(super) fn guards(&mut self) -> Vec<Guard> {
        let env = Env::referral(self.variables.len());
        let mut made = Vec::new();
        for (at, node) in self.tree.list("refuse").iter().enumerate() {
            let element = node.text("element");
            self.known_element(element);
            let (Some(when), Some(element), Some(because)) = (node.text("when"), element, node.text("because")) else {
                continue;
            };
            let target = format!("refuse[{at}]");
            let says = Says {
                target: &target,
                means: Some(element),
                because: Some(because),
                text: when.text,
                ..Says::default()
            };
            let rule = self.rule(node.at, says);
            if when.text.trim() == "true" {
                self.fault(
                    Code::Unreachable,
                    when.at,
                    "This refuses every referral.",
                    "Name what makes a referral unfit.",
                );
            }
            let Some(when) = self.condition(when, &env, Some(rule)) else { continue };
            self.check_guard(rule, element);
            let (element, because) = (element.text.to_owned(), because.text.to_owned());
            made.push(Guard { rule, when, element, unsafe_to_send: node.flag("unsafe"), because });
        }
        made
    }

    /// A guard counts as something that is done about its element: it has to look at it.
    fn check_guard(&mut self, rule: RuleId, element: Text<'_>) {
        let mut reads = self.reads.iter().filter(|read| read.rule == Some(rule));
        if elements::find_or_choice(element.text) && !reads.any(|read| touches(element.text, read)) {
            let fault = format!("The condition does not look at {}.", element.text);
            let mend = "Name the element that the condition looks at, or correct the condition.";
            self.fault(Code::MeansAnother, element.at, fault, mend);
        }
    }

    pub(super) fn accepted_losses(&mut self) -> Vec<AcceptedLoss> {
        let mut made: Vec<AcceptedLoss> = Vec::new();
        for node in self.tree.list("accepted-losses") {
            let Some(element) = node.text("element") else { continue };
            self.known_element(Some(element));
            if made.iter().any(|other| other.element == element.text) {
                let fault = format!("The loss of {} is accepted twice.", element.text);
                self.fault(Code::TwoRules, element.at, fault, "Keep one of them.");
            }
            let Some(because) = node.text("because") else { continue };
            let (element, because) = (element.text.to_owned(), because.text.to_owned());
            made.push(AcceptedLoss { element, because, grade: Grade::Notable });
        }
        made
    }

    /// Reports an element that R4 does not have.
    pub(super) fn known_element(&mut self, element: Option<Text<'_>>) {
        let Some(element) = element else { return };
        if elements::find_or_choice(element.text) {
            return;
        }
        let mend = match elements::nearest(element.text) {
            Some(near) => format!("Did you mean `{near}`?"),
            None => "Write it as `ServiceRequest.reasonCode`: resource type first, JSON names, no indexes.".to_owned(),
        };
        self.fault(Code::UnknownElement, element.at, format!("R4 has no element {}.", element.text), mend);
    }

    /// Where an accepted loss stands.
    pub(super) fn acceptance_at(&self, element: &str) -> Span {
        let found = self.tree.list("accepted-losses").iter().filter_map(|node| node.text("element"));
        found.into_iter().find(|text| text.text == element).map_or(self.tree.at, |text| text.at)
    }
}
