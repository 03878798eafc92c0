//! The minimised referral as a tree whose leaves are counted, so that of each it can be told whether it is shown.
//!
//! Values stay as they were written: a decimal keeps its digits.

use adapter_contract::{MinimisedReferral, TranslateError};
use adapter_fhir::json::{Object, array};
use adapter_fhir::referral::{Part, Referral};

/// Deepest nesting that is read.
const DEEPEST: usize = 64;

/// One value of the referral.
#[derive(Debug)]
pub(crate) struct Leaf {
    /// Element path without indexes: `Patient.name.family`.
    pub(crate) element: String,
    /// Its text: a string without its quotes, everything else as JSON.
    pub(crate) value: String,
}

#[derive(Debug)]
enum Node {
    Leaf(usize),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// One resource.
#[derive(Debug)]
pub(crate) struct Resource {
    /// `urn:uuid:…`, by which the others refer to it.
    pub(crate) full_url: String,
    /// Resource type.
    pub(crate) kind: String,
    node: Node,
}

/// All of a referral.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its values, in their order.
    pub(crate) leaves: Vec<Leaf>,
    /// The ServiceRequest, the Patient, and what else there is; the Task last.
    resources: Vec<Resource>,
}

/// Words for people, and the leaves that they were made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// The words.
    pub(crate) text: String,
    /// Places in [`Document::leaves`].
    pub(crate) from: Vec<usize>,
}

impl Said {
    /// Words of our own.
    pub(crate) fn ours(text: impl Into<String>) -> Self {
        Self { text: text.into(), from: Vec::new() }
    }

    /// Other words for the same.
    pub(crate) fn map(self, change: impl FnOnce(&str) -> String) -> Self {
        Self { text: change(&self.text), from: self.from }
    }

    /// With more behind it.
    pub(crate) fn and(mut self, between: &str, more: &Self) -> Self {
        self.text.push_str(between);
        self.text.push_str(&more.text);
        self.from.extend(&more.from);
        self
    }

    /// In brackets behind it, if there is anything.
    pub(crate) fn noting(self, more: Option<Self>) -> Self {
        match more {
            Some(more) => self.and(" (", &more).map(|text| format!("{text})")),
            None => self,
        }
    }

    /// Made of these as well, though they are not spelt out.
    pub(crate) fn because_of(mut self, leaves: impl IntoIterator<Item = usize>) -> Self {
        self.from.extend(leaves);
        self
    }

    /// All in one; `None` if there is nothing.
    pub(crate) fn join(parts: impl IntoIterator<Item = Self>, between: &str) -> Option<Self> {
        parts.into_iter().reduce(|all, next| all.and(between, &next))
    }
}

/// A place in a document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    document: &'a Document,
    node: &'a Node,
}

impl<'a> View<'a> {
    /// A member, if it is there.
    pub(crate) fn get(self, name: &str) -> Option<View<'a>> {
        let Node::Object(members) = self.node else { return None };
        let node = members.iter().find(|(known, _)| known == name).map(|(_, node)| node)?;
        Some(View { document: self.document, node })
    }

    /// The items of a member that is a list; one if it is something else.
    pub(crate) fn items(self, name: &str) -> Vec<View<'a>> {
        match self.get(name) {
            None => Vec::new(),
            Some(View { node: Node::List(items), document }) => {
                items.iter().map(|node| View { document, node }).collect()
            }
            Some(other) => vec![other],
        }
    }

    /// The first member whose name begins so, with the rest of its name: the type of a choice (`value[x]`).
    pub(crate) fn choice(self, begins: &str) -> Option<(&'a str, View<'a>)> {
        let Node::Object(members) = self.node else { return None };
        members.iter().find_map(|(name, node)| {
            let kind = name.strip_prefix(begins)?;
            let is_type = kind.starts_with(|first: char| first.is_ascii_uppercase());
            is_type.then_some((kind, View { document: self.document, node }))
        })
    }

    /// What this place says, if it is a value and not blank.
    pub(crate) fn said(self) -> Option<Said> {
        let Node::Leaf(place) = self.node else { return None };
        let text = self.document.leaves.get(*place)?.value.trim();
        (!text.is_empty()).then(|| Said { text: text.to_owned(), from: vec![*place] })
    }

    /// What a member says.
    pub(crate) fn words(self, name: &str) -> Option<Said> {
        self.get(name)?.said()
    }

    /// A member's value, to decide by and not to show.
    pub(crate) fn peek(self, name: &str) -> Option<&'a str> {
        let Node::Leaf(place) = self.get(name)?.node else { return None };
        self.document.leaves.get(*place).map(|leaf| leaf.value.as_str())
    }

    /// Every leaf at this place and below.
    pub(crate) fn leaves(self) -> Vec<usize> {
        fn walk(node: &Node, found: &mut Vec<usize>) {
            match node {
                Node::Leaf(place) => found.push(*place),
                Node::List(items) => items.iter().for_each(|item| walk(item, found)),
                Node::Object(members) => members.iter().for_each(|(_, inner)| walk(inner, found)),
            }
        }
        let mut found = Vec::new();
        walk(self.node, &mut found);
        found
    }

    /// Leaves of members with these names, at this place.
    pub(crate) fn steering(self, names: &[&str]) -> Vec<usize> {
        names.iter().filter_map(|name| self.get(name)).flat_map(View::leaves).collect()
    }
}

impl Document {
    /// Reads the referral, and refuses what must not be passed on half understood.
    ///
    /// # Errors
    /// [`TranslateError`] as [`Referral::read`], and for nesting that no referral has.
    pub(crate) fn read(minimised: &MinimisedReferral) -> Result<Self, TranslateError> {
        let referral = Referral::read(minimised)?;
        let mut document = Self { leaves: Vec::new(), resources: Vec::new() };
        let parts = [&referral.order, &referral.patient].into_iter().chain(&referral.others).chain(&referral.task);
        for part in parts {
            document.add(part)?;
        }
        Ok(document)
    }

    fn add(&mut self, part: &Part<'_>) -> Result<(), TranslateError> {
        let mut members = Vec::new();
        for (name, text) in part.object.members().filter(|(name, _)| !matches!(*name, "resourceType" | "id")) {
            let path = format!("{}.{}", part.kind, name.trim_start_matches('_'));
            members.push((name.to_owned(), self.node(text, &path, 0)?));
        }
        let node = Node::Object(members);
        self.resources.push(Resource { full_url: part.full_url.clone(), kind: part.kind.clone(), node });
        Ok(())
    }

    fn node(&mut self, text: &str, path: &str, depth: usize) -> Result<Node, TranslateError> {
        if depth > DEEPEST {
            return Err(TranslateError::new(path, format!("is nested more than {DEEPEST} deep")));
        }
        let text = text.trim();
        if text.starts_with('[') {
            let items = array(text).into_iter().map(|item| self.node(item, path, depth + 1));
            return Ok(Node::List(items.collect::<Result<_, _>>()?));
        }
        if text.starts_with('{') {
            let object = Object::read(text).ok_or_else(|| TranslateError::new(path, "names a member twice"))?;
            let is_extension = path.ends_with(".extension") || path.ends_with(".modifierExtension");
            // An extension is told under its URL, which is no value of its own.
            let url = object.string("url").filter(|_| is_extension);
            let path = url.as_ref().map_or_else(|| path.to_owned(), |url| format!("{path}({url})"));
            let mut members = Vec::new();
            for (name, inner) in object.members() {
                if name == "url" && is_extension {
                    continue;
                }
                let below = format!("{path}.{}", name.trim_start_matches('_'));
                members.push((name.to_owned(), self.node(inner, &below, depth + 1)?));
            }
            return Ok(Node::Object(members));
        }
        let value = serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned());
        self.leaves.push(Leaf { element: path.to_owned(), value });
        Ok(Node::Leaf(self.leaves.len() - 1))
    }

    fn view<'a>(&'a self, resource: &'a Resource) -> View<'a> {
        View { document: self, node: &resource.node }
    }

    /// All resources of a type.
    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = View<'a>> {
        self.resources.iter().filter(move |resource| resource.kind == kind).map(|resource| self.view(resource))
    }

    /// What a reference points to, with its type.
    pub(crate) fn resolve(&self, reference: View<'_>) -> Option<(&str, View<'_>)> {
        let url = reference.peek("reference")?;
        let found = self.resources.iter().find(|resource| resource.full_url == url)?;
        Some((&found.kind, self.view(found)))
    }

    /// Whether a leaf holds the document together, and says nothing by itself: a reference to another part of it.
    pub(crate) fn is_structure(&self, leaf: &Leaf) -> bool {
        leaf.element.ends_with(".reference") && self.resources.iter().any(|resource| resource.full_url == leaf.value)
    }
}
