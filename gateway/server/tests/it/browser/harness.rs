//! That what holds pages to the rules can also fail: two pages of our own, one as it should be and one that is wrong in each respect.

use super::driver::{Browser, PHONE, is_here};
use fantoccini::key::Key;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

const GOOD: &str = r#"<!doctype html><html lang="en-GB"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:focus{outline:4px solid #212b32}button,input{min-height:44px;min-width:44px}</style></head>
<body><main><h1>A page</h1><form method="post"><label for="name">Name</label> <input id="name" name="name"> <button>Continue</button></form></main></body></html>"#;

const BAD: &str = r#"<!doctype html><html><head><meta charset="utf-8"><title>A page</title><script>let x = 1</script>
<style>:focus{outline:none}p{color:#999;background:#aaa}</style></head>
<body><h1>One</h1><h1>Two</h1><p>Grey on grey</p><input name="name" style="width:9px;height:9px;border:0"><div style="width:900px">wide</div></body></html>"#;

#[tokio::test]
async fn a_page_that_is_wrong_is_found_out_and_one_that_is_right_is_not() {
    if !is_here() {
        return;
    }
    let server = MockServer::start().await;
    for (name, page) in [("/good", GOOD), ("/bad", BAD)] {
        let answer = ResponseTemplate::new(200).set_body_raw(page, "text/html");
        Mock::given(path(name)).respond_with(answer).mount(&server).await;
    }
    let browser = Browser::start(PHONE).await;
    browser.open(&format!("{}/good", server.uri())).await;
    browser.tab_to("#name").await;
    browser.write("Sam").await;
    browser.tab_to("button").await;
    browser.press(Key::Up).await;
    assert_eq!(browser.ask("return document.getElementById('name').value").await, "Sam");
    browser.holds("harness").await;

    browser.open(&format!("{}/bad", server.uri())).await;
    let violations = browser.violations().await.join("\n");
    for rule in ["color-contrast", "label", "html-has-lang"] {
        assert!(violations.contains(&format!("{rule}: ")), "{rule} is not found: {violations}");
    }
    let faults = browser.faults().await.join("\n");
    for fault in ["script", "sideways", "too small", "not one h1", "no language"] {
        assert!(faults.contains(fault), "{fault} is not found: {faults}");
    }
    browser.press(Key::Tab).await;
    assert!(browser.focused().await.contains("input"), "{}", browser.focused().await);
    assert!(!browser.shows_focus().await, "an invisible focus is found out");
    browser.close().await;
}
