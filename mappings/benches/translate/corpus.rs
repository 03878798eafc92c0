//! The corpus: 1,000 synthetic referrals of 6 to 12 KB in the form that adapters receive, the same for every run.
//!
//! Each is a Bundle of type `collection` as compact JSON text: ServiceRequest, Patient, what they refer to, the sender's
//! Task. Sizes are near to uniform between the two ends. Much of a referral is of no use to this platform, as in life:
//! a translator must get past it. It refuses to know what is made of the referrals.

mod people;
mod random;
mod resources;
mod words;

use random::Random;
use resources::Addresses;
use serde_json::{Value, json};

/// How many referrals.
pub(crate) const DOCUMENTS: u64 = 1000;
/// The smallest and the largest, in bytes of JSON text.
pub(crate) const SIZES: (usize, usize) = (6 * 1024, 12 * 1024);
const SEED: u64 = 3;

/// One referral and the name under which it is sent.
#[derive(Debug)]
pub(crate) struct Document {
    /// The idempotency key that the gateway gave.
    pub(crate) key: String,
    /// The minimised referral.
    pub(crate) bundle: String,
}

/// All of them.
pub(crate) fn documents() -> Vec<Document> {
    (0..DOCUMENTS).map(document).collect()
}

fn document(number: u64) -> Document {
    // A referral whose last addition was a long one may be too large: then the next try of the same number.
    let tries = (0..).map(|attempt| text(&mut Random::of(SEED, number * 1000 + attempt), number));
    let fits = |text: &String| (SIZES.0..=SIZES.1).contains(&text.len());
    let bundle = tries.take(1000).find(fits).expect("one of many tries has the wanted size");
    let key = Random::of(SEED + 1, number).urn().replacen("urn:uuid:", "key-", 1);
    Document { key, bundle }
}

/// One Bundle as text, of about a size drawn evenly from the range.
fn text(random: &mut Random, number: u64) -> String {
    let wanted = random.between(SIZES.0 as u64, SIZES.1 as u64 - 300);
    let mut scene = Scene::new(random);
    let mut text = scene.bundle(number).to_string();
    while (text.len() as u64) < wanted {
        scene.add_something(random);
        text = scene.bundle(number).to_string();
    }
    // Some senders escape whatever is not ASCII. It stands in strings only, so the text may be treated as a whole.
    if number % 50 == 7 { escape_all(&text) } else { text }
}

fn escape_all(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
            continue;
        }
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            out.push_str(&format!("\\u{unit:04X}"));
        }
    }
    out
}

/// What is said about one person before it is put together.
#[derive(Debug, Clone)]
struct Scene {
    addresses: [String; 3],
    patient: Value,
    referrer: Vec<(String, Value)>,
    related: Vec<(String, Value)>,
    reasons: Vec<String>,
    supporting: Vec<String>,
    notes: Vec<String>,
    random: Random,
}

impl Scene {
    fn new(random: &mut Random) -> Self {
        let practice = random.urn();
        let mut referrer = vec![(practice.clone(), resources::organisation(random))];
        let mut requester = practice.clone();
        if random.sometimes(75) {
            let (person, role) = (random.urn(), random.urn());
            referrer.push((role.clone(), resources::role(random, &person, &practice)));
            referrer.push((person, resources::practitioner(random)));
            requester = role;
        }
        let patient = people::patient(random, &practice);
        let addresses = [random.urn(), random.urn(), requester];
        let mut scene = Self {
            addresses,
            patient,
            referrer,
            related: Vec::new(),
            reasons: Vec::new(),
            supporting: Vec::new(),
            notes: Vec::new(),
            random: random.clone(),
        };
        if random.sometimes(80) {
            scene.add_condition(random);
        }
        if random.sometimes(70) {
            let household = resources::household(random, &scene.addresses[1]);
            scene.add_supporting(random, household);
        }
        if random.sometimes(70) {
            let answers = resources::answers(random, &scene.all());
            scene.add_supporting(random, answers);
        }
        if random.sometimes(85) {
            scene.notes.push(resources::sentences(random, 6));
        }
        scene
    }

    fn all(&self) -> Addresses {
        let [request, patient, requester] = self.addresses.clone();
        Addresses { request, patient, requester }
    }

    fn add_condition(&mut self, random: &mut Random) {
        let address = random.urn();
        self.related.push((address.clone(), resources::condition(random, &self.addresses[1])));
        self.reasons.push(address);
    }

    fn add_supporting(&mut self, random: &mut Random, resource: Value) {
        let address = random.urn();
        self.related.push((address.clone(), resource));
        self.supporting.push(address);
    }

    /// One more resource or note, so that the referral grows.
    fn add_something(&mut self, random: &mut Random) {
        match random.below(5) {
            0 => self.add_condition(random),
            1 => {
                let wellbeing = resources::wellbeing(random, &self.addresses[1]);
                self.add_supporting(random, wellbeing);
            }
            2 => {
                let answers = resources::answers(random, &self.all());
                self.add_supporting(random, answers);
            }
            _ => self.notes.push(resources::sentences(random, 3)),
        }
    }

    /// The Bundle as things stand. What chance still decides here is decided alike each time.
    fn bundle(&self, number: u64) -> Value {
        let addresses = self.all();
        let mut random = self.random.clone();
        let lists = [self.reasons.as_slice(), self.supporting.as_slice()];
        let request = resources::service_request(&mut random, number, &addresses, lists, &self.notes);
        let task = resources::task(&mut random, number, &addresses, self.supporting.first());
        // This chance is a copy from before the additions, which may have drawn the same address.
        let taken = |url: &String| self.related.iter().any(|(other, _)| other == url);
        let task_address = std::iter::repeat_with(|| random.urn()).find(|url| !taken(url)).expect("there are others");
        let entry = |url: &str, resource: &Value| json!({ "fullUrl": url, "resource": resource });
        let mut entries = vec![entry(&addresses.request, &request), entry(&addresses.patient, &self.patient)];
        entries.extend(self.referrer.iter().chain(&self.related).map(|(url, resource)| entry(url, resource)));
        entries.push(entry(&task_address, &task));
        if number % 100 == 13 {
            entries.iter_mut().for_each(type_last);
        }
        json!({ "resourceType": "Bundle", "type": "collection", "entry": entries })
    }
}

/// `resourceType` at the end of the resource: allowed, and seen from senders that sort their members.
fn type_last(entry: &mut Value) {
    if let Some(resource) = entry["resource"].as_object_mut()
        && let Some(kind) = resource.shift_remove("resourceType")
    {
        resource.insert("resourceType".to_owned(), kind);
    }
}

/// How the sizes are spread: smallest, tenth, fiftieth, ninetieth of a hundred, largest, and the mean.
pub(crate) fn sizes(lengths: impl Iterator<Item = usize>) -> String {
    let mut lengths: Vec<usize> = lengths.collect();
    lengths.sort_unstable();
    let at = |percent: usize| lengths.get((lengths.len() - 1) * percent / 100).copied().unwrap_or_default();
    let mean = lengths.iter().sum::<usize>() / lengths.len().max(1);
    format!("{} least, {} p10, {} median, {} p90, {} most, {mean} mean", at(0), at(10), at(50), at(90), at(100))
}
