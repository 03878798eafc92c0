//! Elements of R4 by their path from a resource: `Patient.contact.name.family`.

use gateway_fhir_elements::{self as table, Member};

/// The element at the end of a path of JSON names, with the type that its name gives it. An extension may be named with
/// its url in brackets.
pub(crate) fn find(path: &str) -> Option<Member> {
    let mut steps = Steps(path);
    let mut under = steps.next()?;
    let mut found = None;
    for step in steps {
        let member = table::member(under, step)?;
        under = member.under;
        found = Some(member);
    }
    found
}

/// Whether a path names a resource type, an element, or a choice with `[x]`.
pub(crate) fn find_or_choice(path: &str) -> bool {
    if table::is_resource_type(path) || find(path).is_some() {
        return true;
    }
    let Some((above, stem)) = path.strip_suffix("[x]").and_then(|path| path.rsplit_once('.')) else { return false };
    let under = if above.contains('.') { find(above).map(|member| member.under) } else { Some(above) };
    under.is_some_and(|under| table::members(under).any(|element| element.choice && element.name == stem))
}

/// The element that was probably meant: the first step that R4 does not have is replaced by the nearest that it has.
pub(crate) fn nearest(path: &str) -> Option<String> {
    let mut steps = Steps(path);
    let resource = steps.next()?;
    if !table::is_resource_type(resource) {
        let known =
            ["Patient", "ServiceRequest", "Task", "Condition", "Observation", "Flag", "Practitioner", "Organization"];
        let near = crate::spec::nearest(resource, known.into_iter())?;
        return Some(path.replacen(resource, near, 1));
    }
    let (mut under, mut good) = (resource, resource.to_owned());
    for step in steps {
        match table::member(under, step) {
            Some(member) => {
                under = member.under;
                good = format!("{good}.{step}");
            }
            None => {
                let elements = table::members(under);
                let names: Vec<String> = elements
                    .map(|element| format!("{}{}", element.name, if element.choice { "[x]" } else { "" }))
                    .collect();
                let near = crate::spec::nearest(step, names.iter().map(String::as_str))?;
                return Some(format!("{good}.{near}"));
            }
        }
    }
    None
}

/// The names of a path; a url in brackets belongs to the name before it and is passed over.
struct Steps<'p>(&'p str);

impl<'p> Iterator for Steps<'p> {
    type Item = &'p str;

    fn next(&mut self) -> Option<&'p str> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.find(['.', '(']).unwrap_or(self.0.len());
        let (name, mut rest) = self.0.split_at_checked(end)?;
        if rest.starts_with('(') {
            rest = rest.split_once(')').map_or("", |(_, rest)| rest);
        }
        self.0 = rest.strip_prefix('.').unwrap_or(rest);
        Some(name)
    }
}
