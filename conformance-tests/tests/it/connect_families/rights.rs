//! Who may call, and whose referrals are whose.

use conformance_tests::connect_families::{ConnectFamilies, ConnectFamiliesConfig, Role};
use http::Method;
use serde_json::{Value, json};
use time::Duration;

use super::{ACCOUNT, CHARITY, get, platform, post, send, whole};

#[tokio::test]
async fn each_call_needs_a_good_token() {
    let platform = platform().await;
    post(&platform, &whole("Would like company")).await;
    let other = ConnectFamiliesConfig { signing_key: "the-key-of-somebody-else".to_owned(), ..Default::default() };
    let other = ConnectFamilies::start(other).await.unwrap().token(Role::LaProfessional, ACCOUNT, 3);
    let now = platform.now().unix_timestamp();
    let claims = json!({ "role": "LaProfessional", "AccountId": ACCOUNT, "OrganisationId": 3 });
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        platform.sign(&claims)
    };
    assert_eq!(send(&platform, Method::GET, "api/statuses", &with("exp", json!(now + 60)), None).await.status, 200);
    let bad = [String::new(), "nonsense".to_owned(), other, with("exp", json!(now)), with("AccountId", json!("x"))];
    for token in bad {
        for (method, path) in [
            (Method::POST, "api/referrals"),
            (Method::GET, "api/referral/1"),
            (Method::GET, "api/referralsByReferrer/71"),
            (Method::GET, "api/organisationreferrals/12"),
            (Method::POST, "api/status/1/Opened"),
            (Method::GET, "api/statuses"),
        ] {
            let got = send(&platform, method, path, &token, Some(&whole("x"))).await;
            assert_eq!((got.status, got.headers["www-authenticate"].to_str().unwrap()), (401, "Bearer"), "{path}");
            assert_eq!(got.text, "");
        }
    }
    platform.advance(Duration::minutes(2));
    let late = with("exp", json!(now + 60));
    assert_eq!(send(&platform, Method::GET, "api/statuses", &late, None).await.status, 401, "the clock moved past it");
}

#[tokio::test]
async fn each_role_may_do_its_own_part() {
    let platform = platform().await;
    post(&platform, &whole("Would like company")).await;
    let of = |role: Role| match role {
        Role::LaProfessional | Role::LaDualRole => platform.token(role, ACCOUNT, 3),
        Role::VcsProfessional | Role::VcsDualRole => platform.token(role, 88, CHARITY),
    };
    let manager = platform.sign(&json!({ "role": "LaManager", "AccountId": ACCOUNT, "OrganisationId": 3 }));
    let (la, vcs) = ([Role::LaProfessional, Role::LaDualRole], [Role::VcsProfessional, Role::VcsDualRole]);
    let senders: Vec<String> = la.into_iter().map(of).collect();
    let charities: Vec<String> = vcs.into_iter().map(of).collect();
    let calls = [
        (Method::POST, "api/referrals", &senders, &charities),
        (Method::GET, "api/referralsByReferrer/71", &senders, &charities),
        (Method::GET, "api/organisationreferrals/12", &charities, &senders),
        (Method::POST, "api/status/1/Opened", &charities, &senders),
    ];
    for (method, path, allowed, refused) in calls {
        for token in allowed {
            let got = send(&platform, method.clone(), path, token, Some(&whole("x"))).await;
            assert_eq!(got.status, 200, "{path} {}", got.text);
        }
        for token in refused.iter().chain([&manager]) {
            let got = send(&platform, method.clone(), path, token, Some(&whole("x"))).await;
            assert_eq!((got.status, got.text.as_str()), (403, ""), "{path}");
        }
    }
    assert_eq!(send(&platform, Method::GET, "api/referral/1", &manager, None).await.status, 403);
    let statuses = send(&platform, Method::GET, "api/statuses", &manager, None).await.json();
    assert_eq!(
        statuses.as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>(),
        ["New", "Opened", "Accepted", "Declined"]
    );
}

#[tokio::test]
async fn only_ones_own_referrals_are_read_or_moved() {
    let platform = platform().await;
    post(&platform, &whole("Would like company")).await;
    let stranger = platform.token(Role::LaProfessional, ACCOUNT + 1, 3);
    let neighbour = platform.token(Role::VcsProfessional, 88, CHARITY + 1);
    for token in [&stranger, &neighbour] {
        assert_eq!(send(&platform, Method::GET, "api/referral/1", token, None).await.status, 403);
    }
    assert_eq!(send(&platform, Method::POST, "api/status/1/Accepted", &neighbour, None).await.status, 403);
    assert_eq!(platform.referral(1).unwrap()["status"]["name"], "New");
    // The account is the one that the body names, whoever called.
    let got = send(&platform, Method::POST, "api/referrals", &stranger, Some(&whole("x"))).await;
    assert_eq!(got.status, 200);
    assert_eq!(send(&platform, Method::GET, "api/referral/2", &stranger, None).await.status, 403);
    assert_eq!(get(&platform, "api/referral/2").await.status, 200);
    for (path, status) in [("api/referral/9", 404), ("api/referral/x", 400), ("api/nothing", 404), ("referral/1", 404)]
    {
        assert_eq!(get(&platform, path).await.status, status, "{path}");
    }
}
