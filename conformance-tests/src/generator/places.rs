//! Invented United Kingdom addresses: real towns and well-formed postcodes, made-up streets.
//!
//! A postcode here has the right shape and area; whether Royal Mail delivers to it is not known and not needed.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

/// Town, county or district, postcode area with the districts that it uses, land-line prefix kept for drama.
const TOWNS: &[(&str, &str, &str, u32, &str)] = &[
    ("Leeds", "West Yorkshire", "LS", 17, "0113 496 0"),
    ("Bradford", "West Yorkshire", "BD", 10, "01632 960 "),
    ("Manchester", "Greater Manchester", "M", 16, "0161 496 0"),
    ("Leicester", "Leicestershire", "LE", 5, "0116 496 0"),
    ("Bristol", "Bristol", "BS", 9, "0117 496 0"),
    ("Cardiff", "Caerdydd", "CF", 5, "029 2018 0"),
    ("Caernarfon", "Gwynedd", "LL", 55, "01632 960 "),
    ("Liverpool", "Merseyside", "L", 19, "0151 496 0"),
    ("Birmingham", "West Midlands", "B", 20, "0121 496 0"),
    ("Newcastle upon Tyne", "Tyne and Wear", "NE", 7, "0191 498 0"),
    ("Sheffield", "South Yorkshire", "S", 11, "0114 496 0"),
    ("Nottingham", "Nottinghamshire", "NG", 9, "0115 496 0"),
];

const STREETS: &[&str] = &[
    "Larkspur Road",
    "Chapel Lane",
    "Old Foundry Street",
    "Heol y Bryn",
    "Nightingale Close",
    "Canal Wharf",
    "St Brannock's Terrace",
    "Orchard Rise",
    "Mafeking Avenue",
    "Ffordd y Mynydd",
];

/// The letters that the second half of a postcode may hold.
const INWARD: &[u8] = b"ABDEFGHJLNPQRSTUWXYZ";

/// Where a person lives, and how to ring there.
pub(super) struct Home {
    pub(super) address: Value,
    pub(super) landline: String,
}

/// One home.
pub(super) fn home(rng: &mut StdRng) -> Home {
    let (town, county, area, districts, prefix) =
        TOWNS.choose(rng).copied().unwrap_or(("Leeds", "West Yorkshire", "LS", 17, "0113 496 0"));
    let street = STREETS.choose(rng).copied().unwrap_or("Chapel Lane");
    let mut lines = vec![format!("{} {street}", rng.random_range(1..180))];
    if rng.random_bool(0.3) {
        lines.insert(0, format!("Flat {}", rng.random_range(1..40)));
    }
    let mut address = json!({ "use": "home", "type": "physical", "line": lines, "city": town });
    if rng.random_bool(0.6) {
        address["district"] = Value::from(county);
    }
    address["postalCode"] = Value::from(postcode(area, districts, rng));
    if rng.random_bool(0.4) {
        address["country"] = Value::from("GBR");
    }
    Home { address, landline: format!("{prefix}{:03}", rng.random_range(0..1000)) }
}

fn postcode(area: &str, districts: u32, rng: &mut StdRng) -> String {
    let district = if districts > 50 { districts } else { rng.random_range(1..=districts) };
    let mut letter = || INWARD.choose(rng).copied().map_or('A', char::from);
    let (first, second) = (letter(), letter());
    format!("{area}{district} {}{first}{second}", rng.random_range(1..10))
}
