//! What a tenant has on record: about single persons, and as the lawful basis of its sharing.

use gateway_core::consent::{Override, Policy, RecipientPolicy, Register, Standing};
use gateway_core::identity::PlatformId;
use std::collections::BTreeMap;
use time::macros::datetime;

fn platform(id: &str) -> PlatformId {
    PlatformId(id.to_owned())
}

#[test]
fn the_lawful_basis_is_the_recipients_own_or_else_the_tenants() {
    let own = |basis: &[&str]| RecipientPolicy {
        lawful_basis: basis.iter().map(|article| (*article).to_owned()).collect(),
        ..RecipientPolicy::default()
    };
    let mut policy = Policy::default();
    policy.lawful_basis = vec!["6(1)(e)".to_owned(), "9(2)(h)".to_owned()];
    policy.recipients = BTreeMap::from([(platform("own"), own(&["9(2)(c)"])), (platform("none"), own(&[]))]);
    for (recipient, expected) in
        [("own", vec!["9(2)(c)"]), ("none", vec!["6(1)(e)", "9(2)(h)"]), ("unknown", vec!["6(1)(e)", "9(2)(h)"])]
    {
        assert_eq!(policy.lawful_basis(&platform(recipient)), expected, "{recipient}");
    }
    assert!(Policy::default().lawful_basis(&platform("own")).is_empty());
}

#[test]
fn what_is_on_record_of_one_person_is_of_nobody_else() {
    let one = |id: &str| Override {
        id: id.to_owned(),
        recipient: platform("safeguarding"),
        professional: "Dr Sample".to_owned(),
        reason: "risk of harm".to_owned(),
        from: datetime!(2026-06-01 0:00 UTC),
        expires: datetime!(2026-06-30 0:00 UTC),
    };
    let (hers, his) = ("9990000018", "9990000026");
    let competent = Standing { competent_minor: true, ..Standing::default() };
    let register = Register {
        overrides: vec![(hers.to_owned(), one("a")), (his.to_owned(), one("b")), (hers.to_owned(), one("c"))],
        standing: BTreeMap::from([(hers.to_owned(), competent.clone())]),
    };
    assert_eq!(register.overrides(Some(hers)), [one("a"), one("c")]);
    assert_eq!(register.overrides(Some(his)), [one("b")]);
    assert_eq!((register.overrides(Some("9990000034")), register.overrides(None)), (vec![], vec![]));
    assert_eq!(register.standing(Some(hers)), competent);
    assert_eq!((register.standing(Some(his)), register.standing(None)), (Standing::default(), Standing::default()));
}
