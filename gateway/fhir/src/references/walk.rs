//! The walk over a resource by the element table that finds, and can change, its references and URIs.
//!
//! Uses a list of what is still to do instead of recursion. Members that R4 does not know are not entered: the
//! validation has its word on them.

use crate::Json;
use crate::elements::{self, Member};

/// One place that holds a reference or a URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Where, as FHIRPath with indexes: `Task.input[0].valueReference.reference`.
    pub expression: String,
    /// What stands there.
    pub value: String,
    /// Whether it is a `Reference.reference`; otherwise an element of type uri, url, canonical, uuid or oid.
    pub logical: bool,
}

/// What to do with the values below a member.
#[derive(Clone, Copy)]
enum Step {
    /// A value of interest; `true` for `Reference.reference`.
    Site(bool),
    /// An object (or several) whose members are defined under this path.
    Enter(&'static str),
    /// An object whose `resourceType` says what it is.
    Resource,
}

/// Every `Reference.reference` and every URI value, in document order, contained resources and extensions included.
#[must_use]
pub fn sites(resource: &Json) -> Vec<Site> {
    let mut found = Vec::new();
    let root = resource.text("resourceType").unwrap_or_default().to_owned();
    let mut todo = vec![(resource, Step::Resource, root)];
    while let Some((value, step, path)) = todo.pop() {
        match (value, step) {
            (Json::Array(items), _) => {
                let items = items.iter().enumerate().rev();
                todo.extend(items.map(|(index, item)| (item, step, format!("{path}[{index}]"))));
            }
            (Json::String(text), Step::Site(logical)) => {
                found.push(Site { expression: path, value: text.clone(), logical });
            }
            (Json::Object(members), Step::Enter(_) | Step::Resource) => {
                let kind = kind_of(value).to_owned();
                let below = members.iter().rev().filter_map(|(name, child)| {
                    let step = step_into(step, &kind, name)?;
                    // The twin `_name` holds id and extensions of the element `name`.
                    let name = name.strip_prefix('_').unwrap_or(name);
                    Some((child, step, format!("{path}.{name}")))
                });
                todo.extend(below);
            }
            _ => {}
        }
    }
    found
}

/// The value of every `Reference.reference`, as [`sites`] lists it, without its place: what is only followed needs none.
pub fn literals(resource: &Json) -> impl Iterator<Item = &str> {
    let mut todo = vec![(resource, Step::Resource)];
    std::iter::from_fn(move || {
        while let Some((value, step)) = todo.pop() {
            match (value, step) {
                (Json::Array(items), _) => todo.extend(items.iter().rev().map(|item| (item, step))),
                (Json::String(text), Step::Site(true)) => return Some(text.as_str()),
                (Json::Object(members), Step::Enter(_) | Step::Resource) => {
                    let kind = kind_of(value);
                    let below = members.iter().rev();
                    todo.extend(below.filter_map(|(name, child)| Some((child, step_into(step, kind, name)?))));
                }
                _ => {}
            }
        }
        None
    })
}

/// Shows `change` every value that [`sites`] lists (with `true` for a `Reference.reference`), in document order, and
/// writes what it gives. References that are only a fragment (`#p1`) are not shown: they stay inside the resource.
pub fn rewrite(resource: &mut Json, change: &mut dyn FnMut(&str, bool) -> Option<String>) {
    let mut todo = vec![(resource, Step::Resource)];
    while let Some((value, step)) = todo.pop() {
        let kind = kind_of(value).to_owned();
        match (value, step) {
            (Json::Array(items), _) => todo.extend(items.iter_mut().rev().map(|item| (item, step))),
            (Json::String(text), Step::Site(logical)) => {
                if !(logical && text.starts_with('#'))
                    && let Some(new) = change(text, logical)
                {
                    *text = new;
                }
            }
            (Json::Object(members), Step::Enter(_) | Step::Resource) => {
                let below = members.iter_mut().rev();
                todo.extend(below.filter_map(|(name, child)| Some((child, step_into(step, &kind, name)?))));
            }
            _ => {}
        }
    }
}

/// The resource type that an object gives itself; empty for anything else.
fn kind_of(value: &Json) -> &str {
    value.text("resourceType").unwrap_or_default()
}

/// What a member of an object asks for. `kind` is the object's resource type, where `parent` leaves it to that.
fn step_into(parent: Step, kind: &str, name: &str) -> Option<Step> {
    let under = match parent {
        Step::Enter(under) => under,
        Step::Resource => kind,
        Step::Site(_) => return None,
    };
    if let Some(plain) = name.strip_prefix('_') {
        // Only primitives have a twin, and theirs is an `Element`.
        return elements::member(under, plain).filter(Member::is_primitive).map(|member| Step::Enter(member.under));
    }
    let member = elements::member(under, name)?;
    match member.type_code {
        "Resource" => Some(Step::Resource),
        "uri" | "url" | "canonical" | "uuid" | "oid" => Some(Step::Site(false)),
        "string" if member.element.path == "Reference.reference" => Some(Step::Site(true)),
        _ if member.is_primitive() => None,
        _ => Some(Step::Enter(member.under)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn task() -> Json {
        json!({
            "resourceType": "Task",
            "instantiatesUri": "http://example.org/plan",
            "description": "Patient/1",
            "_description": {
                "extension": [{"url": "http://example.org/e", "valueReference": {"reference": "Patient/2"}}]
            },
            "focus": {"reference": "urn:uuid:a", "display": "urn:uuid:a"},
            "for": {"reference": "#p"},
            "input": [
                {"type": {"text": "x"}, "valueString": "Patient/3"},
                {"type": {"text": "x"}, "valueReference": {"reference": "urn:uuid:b"}},
                {"type": {"text": "x"}, "valueCanonical": "http://example.org/q|1"}
            ],
            "contained": [{
                "resourceType": "Patient", "id": "p",
                "managingOrganization": {"reference": "urn:uuid:c"},
                "identifier": [{"system": "http://example.org/s", "value": "urn:uuid:d"}]
            }],
            "unknown": {"reference": "Patient/9"}
        })
        .into()
    }

    #[test]
    fn finds_them_all_and_nothing_else() {
        let tell = |site: &Site| format!("{} {} {}", site.expression, site.value, site.logical);
        let found: Vec<String> = sites(&task()).iter().map(tell).collect();
        assert_eq!(
            found,
            [
                "Task.instantiatesUri http://example.org/plan false",
                "Task.description.extension[0].url http://example.org/e false",
                "Task.description.extension[0].valueReference.reference Patient/2 true",
                "Task.focus.reference urn:uuid:a true",
                "Task.for.reference #p true",
                "Task.input[1].valueReference.reference urn:uuid:b true",
                "Task.input[2].valueCanonical http://example.org/q|1 false",
                "Task.contained[0].managingOrganization.reference urn:uuid:c true",
                "Task.contained[0].identifier[0].system http://example.org/s false",
            ]
        );
    }

    #[test]
    fn rewrites_the_same_places_in_the_same_order_but_fragments() {
        let mut changed = task();
        let mut shown = Vec::new();
        rewrite(&mut changed, &mut |value, logical| {
            shown.push((value.to_owned(), logical));
            value.strip_prefix("urn:uuid:").map(|id| format!("Task/{id}"))
        });
        let listed: Vec<_> = sites(&task()).into_iter().map(|site| (site.value, site.logical)).collect();
        let followed: Vec<_> = listed.iter().filter(|(_, logical)| *logical).map(|(value, _)| value.clone()).collect();
        assert_eq!(literals(&task()).collect::<Vec<_>>(), followed);
        assert_eq!(shown, listed.into_iter().filter(|(value, _)| value != "#p").collect::<Vec<_>>());
        let text = changed.to_text();
        for kept in ["\"display\":\"urn:uuid:a\"", "\"value\":\"urn:uuid:d\"", "\"reference\":\"#p\""] {
            assert!(text.contains(kept), "{kept}");
        }
        for new in ["{\"reference\":\"Task/a\"", "{\"reference\":\"Task/b\"}", "{\"reference\":\"Task/c\"}"] {
            assert!(text.contains(new), "{new}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let mut deep = Json::Object(vec![("reference".to_owned(), Json::string("urn:uuid:a"))]);
        deep = Json::Object(vec![("valueReference".to_owned(), deep)]);
        for _ in 0..2_000 {
            deep = Json::Object(vec![("extension".to_owned(), Json::Array(vec![deep]))]);
        }
        let Json::Object(members) = &mut deep else { unreachable!() };
        members.insert(0, ("resourceType".to_owned(), Json::string("Patient")));
        assert_eq!(sites(&deep).len(), 1);
    }

    fn document() -> impl Strategy<Value = Json> {
        let name = prop::sample::select(vec![
            "resourceType",
            "contained",
            "extension",
            "input",
            "focus",
            "valueReference",
            "valueUri",
            "reference",
            "url",
            "_url",
            "x",
        ]);
        let leaf =
            prop::sample::select(vec!["Task", "Patient", "#p", "Patient/1", "urn:uuid:a", ""]).prop_map(Json::string);
        leaf.prop_recursive(6, 64, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
                prop::collection::btree_map(name.clone(), inner, 0..6).prop_map(|members| {
                    Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn writing_the_same_again_changes_nothing(mut document in document()) {
            if let Json::Object(_) = document {
                document.set("resourceType", Json::string("Task"));
            }
            let before = document.clone();
            let mut shown = Vec::new();
            rewrite(&mut document, &mut |value, logical| {
                shown.push((value.to_owned(), logical));
                Some(value.to_owned())
            });
            prop_assert_eq!(&document, &before);
            rewrite(&mut document, &mut |_, _| None);
            prop_assert_eq!(&document, &before);
            let mut listed: Vec<_> = sites(&before).into_iter().map(|site| (site.value, site.logical)).collect();
            listed.retain(|(value, logical)| !(*logical && value.starts_with('#')));
            prop_assert_eq!(shown, listed);
        }
    }
}
