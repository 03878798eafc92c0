//! tmp
use std::collections::BTreeMap;
use std::time::Instant;
fn main() {
    let rows: Vec<String> = (0..100_000)
        .map(|n| format!(r#"{{"code":"s{n}","target":[{{"equivalence":"equivalent","code":"t{n}"}}]}}"#))
        .collect();
    let json = format!(
        r#"{{"resourceType":"ConceptMap","status":"active","group":[{{"source":"a","target":"b","element":[{}]}}]}}"#,
        rows.join(",")
    );
    for _ in 0..3 {
        let t = Instant::now();
        let m = mappings::ConceptMap::load(&json).unwrap();
        println!("map {:?} {}", t.elapsed(), m.len());
        let t = Instant::now();
        drop(m);
        println!("drop {:?}", t.elapsed());
    }
    let files = BTreeMap::from([
        ("mapping.yaml".to_owned(), include_bytes!("../tests/language/files/families.yaml").to_vec()),
        ("concept-maps/gender.json".to_owned(), include_bytes!("../tests/language/files/gender.json").to_vec()),
    ]);
    let manifest = mappings::Manifest {
        capabilities: mappings::Capabilities { poll: true, ..Default::default() },
        statuses: ["New", "Opened", "Accepted", "Declined"].map(str::to_owned).to_vec(),
        steps: 5,
    };
    for _ in 0..4 {
        let t = Instant::now();
        let m = mappings::compile(&files, "mapping.yaml", &manifest).unwrap();
        println!("compile {:?} {}", t.elapsed(), m.program.rules.len());
    }
}
