//! The forms of a mapping from the top down to requests and answers; what is written stands in [`super::target`].

use super::target::TARGET;
use super::{Form, Kind, Names, Word, key, needed};

/// Every form, in the order of the reference.
pub(crate) const FORMS: &[&Form] = &[
    &MAPPING,
    &SETTING,
    &GUARD,
    &ACCEPTED,
    &EXCHANGES,
    &STEP,
    &REQUEST,
    &BODY,
    &TARGET,
    &super::target::OTHER_CODE,
    &ANSWER,
    &OUTCOME,
    &REPORTS,
    &OUTPUT,
    &REPORT,
];

/// A whole mapping.
pub(crate) static MAPPING: Form = Form {
    name: "mapping",
    about: "A whole mapping. It may be split over files with `extends`; everything is checked after they are merged.",
    exactly_one: &[],
    and: None,
    keys: &[
        needed("mapping", Kind::Version, "The version of the language: 1."),
        needed("name", Kind::Name, "The adapter's name, as in `adapter.toml`."),
        key(
            "extends",
            Kind::File,
            "Another file of the folder, over which this one is laid: maps merge key by key, anything else replaces; `remove: true` takes a field away. At most four deep.",
        ),
        key(
            "settings",
            Kind::Map(Names::Plain, &Kind::Form(&SETTING)),
            "What the operator configures for this platform; in paths `%settings.name`.",
        ),
        key(
            "shapes",
            Kind::Map(Names::Shape, &Kind::Shape),
            "What the platform sends, so that paths into it can be checked. A member is `string`, `integer`, `decimal`, `boolean`, `date`, `date-time`, `any`, the name of a shape, a list with one of these (`[ string ]`: repeats), a map (an inner object), or the words that it may be, divided by bars (`New | Opened`). A body that is an array is a list (`Words: [ string ]`); paths reach what is in it as `items`.",
        ),
        key(
            "concept-maps",
            Kind::Map(Names::Plain, &Kind::File),
            "FHIR R4 ConceptMaps by name: a file of the folder, or `shared:` and the name of one that ships with the gateway.",
        ),
        key(
            "variables",
            Kind::Map(Names::Variable, &Kind::Path),
            "Named expressions over the referral; in paths `%name`. Each may use those above it.",
        ),
        key(
            "fragments",
            Kind::Map(Names::Plain, &Kind::Form(&TARGET)),
            "Named pieces of a target, put in place by `use`.",
        ),
        key(
            "refuse",
            Kind::List(&Kind::Form(&GUARD)),
            "What makes a referral unfit for this platform. Asked in order before anything is sent.",
        ),
        key(
            "accepted-losses",
            Kind::List(&Kind::Form(&ACCEPTED)),
            "Safety content that the platform cannot take, with the reason why it may be lost.",
        ),
        needed("exchanges", Kind::Form(&EXCHANGES), "What is said to the platform."),
        key("report", Kind::Form(&REPORT), "How a pushed body (webhook) is read."),
    ],
};

static SETTING: Form = Form {
    name: "setting",
    about: "One value that the operator configures.",
    exactly_one: &[],
    and: None,
    keys: &[
        key("type", Kind::Choice(TYPES), "What it may hold; `string` unless said."),
        key("required", Kind::Flag, "Whether the gateway refuses to start without it; `false` unless said."),
        key("default", Kind::Scalar, "Used when it is not configured."),
        key("pattern", Kind::Pattern, "Regular expression that it has to match."),
        key("one-of", Kind::List(&Kind::Scalar), "The values that it may have."),
        needed("about", Kind::Words, "What it is for, for the operator."),
    ],
};

/// Types of values.
pub(crate) const TYPES: &[Word] = &[
    Word("string", "text"),
    Word("integer", "a whole number"),
    Word("decimal", "a decimal number, its digits kept"),
    Word("boolean", "true or false"),
    Word("date", "a date"),
    Word("date-time", "a date with time"),
    Word("code", "a code: text that may not be cut"),
];

static GUARD: Form = Form {
    name: "guard",
    about: "A condition under which nothing is sent.",
    exactly_one: &[],
    and: None,
    keys: &[
        needed("when", Kind::Path, "True = refuse."),
        needed("element", Kind::Element, "The element that is the reason."),
        key("unsafe", Kind::Flag, "`true` if sending would put somebody at risk; else it is only pointless."),
        needed("because", Kind::Words, "The words that the sender reads."),
    ],
};

static ACCEPTED: Form = Form {
    name: "accepted loss",
    about: "Safety content that no rule sends and no guard refuses.",
    exactly_one: &[],
    and: None,
    keys: &[
        needed("element", Kind::Element, "The element; covers all below it."),
        needed(
            "because",
            Kind::Words,
            "Why it may be lost. Shown in each loss report, where the loss counts as notable.",
        ),
    ],
};

const STEPS: Kind = Kind::List(&STEP_FORM);
static STEP_FORM: Kind = Kind::Form(&STEP);

/// All exchanges.
pub(crate) static EXCHANGES: Form = Form {
    name: "exchanges",
    about: "One list of steps for each thing that is said to the platform. The first step begins; others are reached by `then: next`.",
    exactly_one: &[],
    and: None,
    keys: &[
        needed("submit", STEPS, "Give the platform the referral."),
        key(
            "look-up",
            STEPS,
            "Ask whether the platform has it, by `%keys.idempotency`. Needs the capability `look-up`.",
        ),
        key("read", STEPS, "Read the status of one referral, `%platformReferral`."),
        key("poll", STEPS, "Ask what has changed since `%cursor`. Needs the capability `poll`."),
        key(
            "update",
            STEPS,
            "Give the platform what the referral has become, `%platformReferral`. Needs `amend = \"update\"`. Begun anew after each failure.",
        ),
        key("cancel", STEPS, "Tell that the sender has withdrawn it. Needs the capability `cancel`."),
        key("hold", STEPS, "Tell that the sender has paused it. Needs the capability `hold`."),
        key("release", STEPS, "Tell that it goes on after a pause. Needs the capability `hold`."),
    ],
};

static STEP: Form = Form {
    name: "step",
    about: "One request and what its answer means.",
    exactly_one: &[],
    and: None,
    keys: &[
        needed("step", Kind::Name, "Its name, stored while its answer is awaited."),
        needed("request", Kind::Form(&REQUEST), "What is sent."),
        needed("answer", Kind::Form(&ANSWER), "What comes back, and what it means."),
    ],
};

static NODES: Kind = Kind::Form(&TARGET);

static REQUEST: Form = Form {
    name: "request",
    about: "A request below the platform's base address. Credentials are the gateway's.",
    exactly_one: &[],
    and: None,
    keys: &[
        needed("method", Kind::Choice(METHODS), "The HTTP method."),
        needed(
            "path",
            Kind::Template,
            "Path below the base address. A FHIRPath in braces gives a part of one segment and is percent-encoded; it must be administrative, since addresses are logged.",
        ),
        needed("repeat", Kind::Choice(REPEATS), "What it means to send the request a second time."),
        key("query", Kind::Map(Names::Any, &NODES), "Query parameters, percent-encoded; administrative only."),
        key("headers", Kind::Map(Names::Header, &NODES), "Headers; administrative only."),
        key("body", Kind::Form(&BODY), "The body."),
    ],
};

const METHODS: &[Word] = &[
    Word("GET", "read"),
    Word("POST", "create or act"),
    Word("PUT", "replace"),
    Word("PATCH", "change in part"),
    Word("DELETE", "remove"),
];

const REPEATS: &[Word] = &[
    Word("safe", "it changes nothing at the platform"),
    Word("keyed", "the platform recognises our key and does not make a second one"),
    Word("look-up-first", "the platform would make a second one, so it is asked first"),
];

static BODY: Form = Form {
    name: "body",
    about: "A body: a target and the format in which it is written.",
    exactly_one: &[],
    and: Some(&TARGET),
    keys: &[
        needed("format", Kind::Choice(FORMATS), "How it is written."),
        key("content-type", Kind::Text, "Its media type, where it is not the usual one of the format."),
        key("root", Kind::Text, "XML: name of the root element."),
        key("namespace", Kind::Text, "XML: its namespace."),
    ],
};

const FORMATS: &[Word] = &[
    Word("json", "JSON"),
    Word("form", "form fields (`application/x-www-form-urlencoded`); an array repeats its name"),
    Word("csv", "a header and one row (RFC 4180), cells guarded against formula injection"),
    Word("xml", "XML; a member `@name` is an attribute, `#text` is text"),
    Word("fhir", "FHIR JSON"),
    Word("text", "plain text: one value or `lines`"),
];

static ANSWER: Form = Form {
    name: "answer",
    about: "What an answer means. In its paths the body is the context, `%status` the HTTP status and `%header.name` a header (small letters).",
    exactly_one: &[],
    and: None,
    keys: &[
        key(
            "shape",
            Kind::Name,
            "The shape of the body. A body that does not fit is unreadable, whatever its status. Without a shape no path may look into it.",
        ),
        needed(
            "outcomes",
            Kind::List(&Kind::Form(&OUTCOME)),
            "The first whose condition holds; if none does, the HTTP status decides.",
        ),
    ],
};

static OUTCOME: Form = Form {
    name: "outcome",
    about: "One meaning of an answer.",
    exactly_one: &[],
    and: None,
    keys: &[
        key(
            "shape",
            Kind::Name,
            "Another shape that the body may have: the outcome holds only for a body that fits it, and its paths look into that.",
        ),
        key("when", Kind::Path, "The condition; without it the outcome always holds, or wherever its shape fits."),
        needed("then", Kind::Choice(THENS), "What follows."),
        key("platform-referral", Kind::Path, "delivered: the platform's name for the referral."),
        key("reports", Kind::Form(&REPORTS), "delivered, reports: what the answer says of the status."),
        key("step", Kind::Name, "next: the step that follows."),
        key(
            "notes",
            Kind::Map(Names::Variable, &Kind::Path),
            "next: what later steps need, as `%progress.name`. No patient data.",
        ),
        key(
            "cursor",
            Kind::Map(Names::Variable, &Kind::Path),
            "reports of a poll: where the next poll starts, as `%cursor.name`.",
        ),
        key("more", Kind::Path, "reports of a poll: whether the next page is waiting."),
        key("code", Kind::Choice(FAILURES), "failed: which failure."),
        key("diagnostic", Kind::Words, "failed: constant words for the operator. No patient data."),
        key(
            "wait-seconds",
            Kind::Count,
            "failed with `code: busy`: for how long the whole platform is left alone. The platform's own `Retry-After` goes before it.",
        ),
    ],
};

const THENS: &[Word] = &[
    Word("delivered", "the platform has it"),
    Word("absent", "it was asked and does not have it"),
    Word("next", "another step follows"),
    Word("reports", "what was read or polled"),
    Word("failed", "the platform's own words say that it failed, whatever the HTTP status"),
    Word("http-failure", "the HTTP status decides"),
    Word("unreadable", "a success that cannot be believed"),
];

const FAILURES: &[Word] = &[
    Word("refused", "understood and refused: asking again would not help"),
    Word("partly-stored", "a part was kept"),
    Word("busy", "not taken up, and not for ever: asked again later, whatever the HTTP status would mean"),
    Word("unreadable", "a success that cannot be believed"),
];

static REPORTS: Form = Form {
    name: "reports",
    about: "How the platform's statements on referrals are read. Either `changed` alone, or `platform-referral`, `event` and `status` with what else is known.",
    exactly_one: &[],
    and: None,
    keys: &[
        key("each", Kind::Path, "Gives one item for each statement; without it the body is one."),
        key(
            "changed",
            Kind::Path,
            "The statement says only that something changed: the platform's name for the referral, which is then read.",
        ),
        key("platform-referral", Kind::Path, "The platform's name for the referral."),
        key("key", Kind::Path, "Our `%keys.idempotency`, where the platform repeats it."),
        key("event", Kind::Path, "Names the statement: the same name is the same statement."),
        key("version", Kind::Path, "A number that grows with each statement."),
        key("instant", Kind::Path, "When it happened."),
        key("status", Kind::Path, "The platform's word; its meaning stands in `[[statuses]]` of `adapter.toml`."),
        key("reason", Kind::Path, "The platform's reason, in words."),
        key("outputs", Kind::List(&Kind::Form(&OUTPUT)), "What was done."),
    ],
};

static OUTPUT: Form = Form {
    name: "output",
    about: "One `Task.output`.",
    exactly_one: &[],
    and: None,
    keys: &[
        needed("kind", Kind::Words, "What it is: `Task.output.type.text`."),
        needed("text", Kind::Path, "The words; nothing = no output."),
    ],
};

static REPORT: Form = Form {
    name: "report",
    about: "A pushed body.",
    exactly_one: &[],
    and: None,
    keys: &[
        needed("shape", Kind::Name, "The shape of the body."),
        needed("reports", Kind::Form(&REPORTS), "How it is read."),
    ],
};
