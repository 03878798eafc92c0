//! The words of the corpus: names, places, codes, sentences. Written for this file; nobody said any of it.
//!
//! Sentences hold quotes, line ends, accents and other scripts, because a translator must unescape and escape them.

/// Family, given names, short name.
pub(crate) const NAMES: &[(&str, &[&str], &str)] = &[
    ("Ashworth", &["Margaret", "Doreen"], "Maggie"),
    ("O'Connor", &["Niamh"], "Niamh"),
    ("Ó Briain", &["Zoë", "Siobhán"], "Zo"),
    ("Smith-Barlow", &["Trevor", "James \"Jim\""], "Jim"),
    ("Llywelyn ap Rhys", &["Siôn"], "Siôn"),
    ("Wiśniewska-Żak", &["Małgorzata", "Zofia"], "Gosia"),
    ("الخطيب", &["فاطمة"], "فاطمة"),
    ("陳", &["美玲"], "May"),
    ("Nguyễn", &["Thị Hoa"], "Hoa"),
    ("Adeyemi", &["Folasade", "Grace"], "Sade"),
    ("Patel", &["Priya"], "Priya"),
    ("Pickering", &["Stanley", "Arthur"], "Stan"),
];

/// Town, county, postcode area.
pub(crate) const TOWNS: &[(&str, &str, &str)] = &[
    ("Leeds", "West Yorkshire", "LS"),
    ("Bradford", "West Yorkshire", "BD"),
    ("Newcastle upon Tyne", "Tyne and Wear", "NE"),
    ("Caernarfon", "Gwynedd", "LL"),
    ("Bristol", "Bristol", "BS"),
    ("Sheffield", "South Yorkshire", "S"),
];

/// Streets that do not exist.
pub(crate) const STREETS: &[&str] = &[
    "Larkspur Road",
    "Old Foundry Street",
    "Heol y Bryn",
    "St Brannock's Terrace",
    "Ffordd y Mynydd",
    "Nightingale Close",
];

/// Practices and link worker services.
pub(crate) const ORGANISATIONS: &[&str] = &[
    "Example Surgery",
    "Larkspur & Chapel Lane Medical Practice",
    "Meddygfa Heol y Bryn",
    "Northside PCN \"Better Together\" Link Workers",
];

/// Language tag of BCP 47 and its name. The last two are in no table of the platform.
pub(crate) const LANGUAGES: &[(&str, &str)] = &[
    ("en", "English"),
    ("cy", "Welsh"),
    ("pl", "Polish"),
    ("ur", "Urdu"),
    ("ar", "Arabic"),
    ("zh", "Chinese"),
    ("so", "Somali"),
    ("vi", "Vietnamese"),
];

/// SDOH category code, display, and what the GP writes as the request. The last two are in no table of the platform.
pub(crate) const CATEGORIES: &[(&str, &str, &str)] = &[
    ("food-insecurity", "Food Insecurity", "Food parcel and cooking group"),
    ("housing-instability", "Housing Instability", "Advice on tenancy & repairs"),
    ("homelessness", "Homelessness", "Somewhere to stay"),
    ("transportation-insecurity", "Transportation Insecurity", "Volunteer driver to appointments"),
    ("social-connection", "Social Connection", "Befriending, \"men's shed\" or choir"),
    ("financial-insecurity", "Financial Insecurity", "Benefits check and debt advice"),
    ("employment-status", "Employment Status", "Volunteering as a way back to work"),
    ("digital-literacy", "Digital Literacy", "Help with a tablet"),
    ("stress", "Stress", "Carers' peer group"),
];

/// SNOMED code and term of a problem. The last two are in no table of the platform.
pub(crate) const PROBLEMS: &[(&str, &str)] = &[
    ("733423003", "Food insecurity"),
    ("1156191002", "Housing instability"),
    ("32911000", "Homeless"),
    ("713458007", "Lack of access to transportation"),
    ("422650009", "Social isolation"),
    ("423315002", "Limited social contact"),
    ("423656007", "Income insufficient to meet financial needs"),
    ("73595000", "Stress"),
    ("160903007", "Full-time employment"),
];

/// What people write in notes, a sentence or two each.
pub(crate) const SENTENCES: &[&str] = &[
    "Prefers a call after 2 pm; uses a stick and needs step-free access.",
    "Hard of hearing in the left ear – text first, please.\nHas a small dog.",
    "Said: \"I used to sing in a choir & would love to again\" 🎶",
    "Mae'n well ganddi sgwrsio yn Gymraeg. Hoffai ymuno â'r grŵp garddio yn y pentref.",
    "Skipping meals so that the children eat; the food bank at St Brannock's was full last week.",
    "تفضل الحديث بالعربية وتود الانضمام إلى مجموعة نسائية.",
    "Gas meter is pre-payment, credit runs out about the 20th.\r\nCouncil tax: two months behind.",
    "Woli rozmawiać po polsku; szuka grupy dla rodziców z małymi dziećmi.",
    "Lives alone since bereavement in the spring, would like company and something to do in the week.",
    "Path on file\\scan: see letter from housing officer <dated 3 March>.",
    "想參加太極班，星期三下午有空。",
    "Sleeps badly while caring for a parent with dementia; daughter visits on Sundays.",
    "Can travel by bus with a pass, not before 9.30. Does not wish neighbours to know.",
    "Would like to learn to use a tablet to see the grandchildren, who live in Aotearoa / New Zealand.",
];

/// Questions of the intake form: link id and text. `lives-alone` is the one that the platform asks for.
pub(crate) const QUESTIONS: &[(&str, &str)] = &[
    ("what-matters", "What matters to you?"),
    ("garden", "Do you have access to a garden?"),
    ("smoke", "Do you smoke?"),
    ("hours", "Hours with other people in a usual week"),
    ("help", "Who helps you now?"),
    ("car", "Do you have the use of a car?"),
];
