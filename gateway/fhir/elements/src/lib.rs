//! The element table of R4: which members an object may have, of which types, how often, bound to which codes.
//!
//! Read once from `tables/elements.tsv` and `tables/codes.tsv`, which `cargo xtask generate-r4-tables` makes from the
//! official 4.0.1 definitions. Knows base resources and datatypes only: no profiles, and nothing of what a document
//! says.

mod codes;
mod table;

pub use codes::CodeSet;
pub use table::Node;

/// One element of R4, as its base definition has it.
#[derive(Debug)]
pub struct Element {
    /// Full path, for example `Task.input` or `Observation.value[x]`.
    pub path: &'static str,
    /// The last part of the path, without `[x]`: the JSON member name, or for a choice its stem.
    pub name: &'static str,
    /// Whether this is a choice (`value[x]`): the type is then part of the JSON member name.
    pub choice: bool,
    /// How many there must be.
    pub min: u32,
    /// How many there may be; `None` is `*`, and makes the JSON member an array. R4 has no other maximum than 1.
    pub max: Option<u32>,
    /// The allowed types. For a content reference, those of the element that it points to.
    pub types: Vec<ElementType>,
    /// The value set of a required binding, without version.
    pub binding: Option<&'static str>,
    /// The codes of `binding`; `None` also where R4 does not list them (currencies, mime types, UCUM).
    pub codes: Option<&'static CodeSet>,
    /// The path whose members this element takes over, for example `Bundle.link` for `Bundle.entry.link`.
    pub content_reference: Option<&'static str>,
}

impl Element {
    /// Whether the JSON member is an array.
    #[must_use]
    pub const fn repeats(&self) -> bool {
        !matches!(self.max, Some(0 | 1))
    }
}

/// One type that an element may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementType {
    /// The type: `string`, `HumanName`, `BackboneElement`, `Resource`.
    pub code: &'static str,
    /// For `Reference` and `canonical`: the resource types that may be pointed to. Empty means any.
    pub targets: Vec<&'static str>,
}

/// A member of an object: one element with one of its types.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// The element.
    pub element: &'static Element,
    /// The type that this member name gives it.
    pub type_code: &'static str,
    /// The path under which the members of the value are found: the datatype's name (`HumanName`), the own path of a
    /// backbone element (`Task.input`), the target of a content reference. For a primitive it is `Element`, which
    /// holds for its `_name` twin. For `Resource` the value's own `resourceType` decides instead.
    pub under: &'static str,
    /// The allowed targets of a `Reference` or `canonical`. Empty means any.
    pub targets: &'static [&'static str],
}

impl Member {
    /// Whether the value is a primitive, and so may have a `_name` twin.
    #[must_use]
    pub fn is_primitive(&self) -> bool {
        is_primitive(self.type_code)
    }
}

/// The member of this JSON name in an object whose members are defined under this path. `("Observation",
/// "valueQuantity")` gives the element `Observation.value[x]` with type `Quantity`. A leading underscore is the
/// caller's to strip; `resourceType` is no element. `None` means that R4 does not know it.
#[must_use]
pub fn member(under: &str, name: &str) -> Option<Member> {
    table::table().node(under)?.member(name)
}

/// The elements directly under a path, in the order of the definition.
pub fn members(under: &str) -> impl Iterator<Item = &'static Element> {
    table::table().node(under).map(|node| node.elements()).unwrap_or_default().iter()
}

/// Whether this names a resource type that may stand in a document (`Resource` and `DomainResource` may not).
#[must_use]
pub fn is_resource_type(name: &str) -> bool {
    table::table().is_resource_type(name)
}

/// Whether this is a primitive type (`string`, `dateTime`, `xhtml`), told by R4's own rule: their names are the ones
/// that start with a small letter.
#[must_use]
pub fn is_primitive(type_code: &str) -> bool {
    type_code.starts_with(|first: char| first.is_ascii_lowercase())
}

/// The members under one path, for a reader that asks for several in a row.
#[must_use]
pub fn node(under: &str) -> Option<&'static Node> {
    table::table().node(under)
}

/// The members of a resource of this type, and the type's name as the table holds it.
#[must_use]
pub fn resource_node(name: &str) -> Option<(&'static str, &'static Node)> {
    table::table().resource(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_plain_choice_backbone_and_referenced_members() {
        let found = member("Observation", "valueQuantity").unwrap();
        assert_eq!(
            (found.element.path, found.type_code, found.under),
            ("Observation.value[x]", "Quantity", "Quantity")
        );
        let found = member("Task", "input").unwrap();
        assert_eq!((found.type_code, found.under, found.element.repeats()), ("BackboneElement", "Task.input", true));
        let found = member("QuestionnaireResponse.item", "item").unwrap();
        assert_eq!((found.type_code, found.under), ("BackboneElement", "QuestionnaireResponse.item"));
        let found = member("Bundle.entry", "link").unwrap();
        assert_eq!((found.type_code, found.under), ("BackboneElement", "Bundle.link"));
        let found = member("Timing", "repeat").unwrap();
        assert_eq!((found.type_code, found.under), ("Element", "Timing.repeat"));
        let found = member("Patient", "birthDate").unwrap();
        assert_eq!((found.type_code, found.under, found.is_primitive()), ("date", "Element", true));
        let found = member("ServiceRequest", "subject").unwrap();
        assert_eq!(found.targets, ["Patient", "Group", "Location", "Device"]);
        assert_eq!((found.element.min, found.element.max), (1, Some(1)));
    }

    #[test]
    fn what_r4_does_not_have_is_not_found() {
        for (under, name) in [
            ("Observation", "value"),
            ("Observation", "value[x]"),
            ("Observation", "valueMoney"),
            ("Extension", "valueCodeableReference"),
            ("Extension", "valueRatioRange"),
            ("Patient", "resourceType"),
            ("Nobody", "id"),
            ("", ""),
        ] {
            assert!(member(under, name).is_none(), "{under}.{name}");
        }
        assert!(member("Extension", "valueMeta").is_some(), "R4 has it, R4B as fhir-sdk models it does not");
    }

    #[test]
    fn primitive_types_of_the_table_start_small_and_no_other() {
        for (name, kind) in table::table().kinds() {
            assert_eq!(is_primitive(name), kind == table::Kind::Primitive, "{name}");
        }
        assert!(is_resource_type("ServiceRequest"));
        for name in ["Resource", "DomainResource", "HumanName", "string", "Citation", ""] {
            assert!(!is_resource_type(name), "{name}");
        }
    }

    #[test]
    fn required_bindings_carry_their_codes() {
        let status = member("Task", "status").unwrap().element;
        assert!(status.codes.unwrap().has_code("requested") && !status.codes.unwrap().has_code("bogus"));
        let clinical = member("Condition", "clinicalStatus").unwrap().element.codes.unwrap();
        assert!(
            clinical.has("http://terminology.hl7.org/CodeSystem/condition-clinical", "recurrence"),
            "nested concept"
        );
        assert!(!clinical.has("http://example.org", "active"));
        let gender = member("Patient", "gender").unwrap().element.codes.unwrap();
        let mut codes: Vec<&str> = gender.pairs().map(|(_, code)| code).collect();
        codes.sort_unstable();
        assert_eq!(codes, ["female", "male", "other", "unknown"]);
        assert!(member("Attachment", "contentType").unwrap().element.codes.is_none(), "mime types cannot be listed");
        assert!(member("Patient", "maritalStatus").unwrap().element.binding.is_none(), "not a required binding");
    }
}
