//! A headless Chromium, driven over WebDriver (W3C) as a person with a keyboard would use it.

use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Names axe-core's file; with it the browser must be here.
const AXE: &str = "AXE_CORE";
/// Success criteria of WCAG 2.2 up to level AA that axe-core looks for, and what it advises besides.
const RULES: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// Whether browser tests run here; said aloud if not.
#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
pub(crate) fn is_here() -> bool {
    let is_here = std::env::var_os(AXE).is_some();
    if !is_here {
        eprintln!("SKIPPED: {AXE} is not set: no browser looks at the pages; `cargo xtask test` sets it");
    }
    is_here
}

/// Width and height of a page, in CSS pixels.
#[derive(Clone, Copy)]
pub(crate) struct Screen(pub(crate) u32, pub(crate) u32);

/// A telephone.
pub(crate) const PHONE: Screen = Screen(360, 740);
/// A desk.
pub(crate) const DESK: Screen = Screen(1280, 900);
/// The desk at 400 per cent, as WCAG 2.2, 1.4.10 has it.
pub(crate) const ENLARGED: Screen = Screen(320, 256);

/// The browser, which ends with it.
pub(crate) struct Browser {
    client: Client,
    driver: Child,
    axe: String,
    _profile: TempDir,
}

impl Browser {
    pub(crate) async fn start(screen: Screen) -> Self {
        let axe = std::fs::read_to_string(std::env::var_os(AXE).unwrap()).unwrap();
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new("/usr/bin/chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| {
                line.rsplit_once("successfully on port ").map(|(_, port)| port.trim_end_matches('.').to_owned())
            })
            .unwrap();
        let options = json!({
            "binary": "/usr/bin/chromium",
            "args": [
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
                format!("--user-data-dir={}", profile.path().display()),
            ],
            "mobileEmulation": { "deviceMetrics": { "width": screen.0, "height": screen.1, "pixelRatio": 1.0, "mobile": false, "touch": false } },
        });
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self { client, driver, axe, _profile: profile }
    }

    pub(crate) async fn open(&self, address: &str) {
        self.client.goto(address).await.unwrap();
    }

    /// What a script says of the page. The page itself has none.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    pub(crate) async fn text(&self) -> String {
        self.ask("return document.body ? document.body.innerText : ''").await.as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn title(&self) -> String {
        self.client.title().await.unwrap()
    }

    pub(crate) async fn address(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    /// Presses a key where the focus is.
    pub(crate) async fn press(&self, key: Key) {
        self.write(&key.to_string()).await;
    }

    /// Types where the focus is.
    pub(crate) async fn write(&self, text: &str) {
        self.client.active_element().await.unwrap().send_keys(text).await.unwrap();
    }

    /// Goes by Tab until the focus is on what this selector names; each place on the way shows that it has the focus.
    pub(crate) async fn tab_to(&self, selector: &str) {
        let script = format!("return !!document.activeElement && document.activeElement.matches({selector:?})");
        for _ in 0..60 {
            self.press(Key::Tab).await;
            assert!(self.shows_focus().await, "no visible focus on the way to {selector}: {}", self.focused().await);
            if self.ask(&script).await == true {
                return;
            }
        }
        panic!("{selector} cannot be reached by keyboard on {}", self.address().await);
    }

    /// Goes by arrows through the choices until the one that this selector names is chosen.
    pub(crate) async fn arrow_to(&self, selector: &str) {
        let script = format!("return !!document.querySelector({:?})", format!("{selector}:checked"));
        for _ in 0..20 {
            if self.ask(&script).await == true {
                return;
            }
            self.press(Key::Down).await;
        }
        panic!("{selector} cannot be chosen by arrows on {}", self.address().await);
    }

    /// What has the focus, as markup.
    pub(crate) async fn focused(&self) -> String {
        let script = "return document.activeElement ? document.activeElement.outerHTML.slice(0, 200) : ''";
        self.ask(script).await.as_str().unwrap_or_default().to_owned()
    }

    /// Whether what has the focus looks otherwise without it (WCAG 2.2, 2.4.7).
    pub(crate) async fn shows_focus(&self) -> bool {
        let script = "const at = document.activeElement; if (!at || at === document.body) return true;
            const look = () => { const s = getComputedStyle(at);
                return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow, s.backgroundColor, s.borderColor].join() };
            const focused = look(); at.blur(); const plain = look(); at.focus({ focusVisible: true }); return focused !== plain";
        self.ask(script).await == true
    }

    /// What axe-core has against the page, one line each.
    pub(crate) async fn violations(&self) -> Vec<String> {
        self.client.execute(&self.axe, Vec::new()).await.unwrap();
        let script = format!(
            "const done = arguments[arguments.length - 1];
             axe.run(document, {{ runOnly: {{ type: 'tag', values: {RULES:?} }} }}).then(
                 found => done({{ passed: found.passes.length, lines: found.violations.map(
                     one => one.id + ': ' + one.nodes.map(node => node.html.slice(0, 160) + ' ' + node.failureSummary).join(' | ')) }}),
                 error => done({{ passed: 0, lines: [String(error)] }}))"
        );
        let found = self.client.execute_async(&script, Vec::new()).await.unwrap();
        assert!(
            found["passed"].as_u64() > Some(5) || found["lines"] != json!([]),
            "axe-core has looked at nothing: {found}"
        );
        found["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What else is wrong with the page: scripts, sideways scrolling, targets that are too small.
    pub(crate) async fn faults(&self) -> Vec<String> {
        let script = "const faults = [];
            if (document.scripts.length) faults.push('the page has a script');
            const root = document.scrollingElement;
            if (root.scrollWidth > innerWidth) faults.push('scrolls sideways: ' + root.scrollWidth + ' > ' + innerWidth);
            for (const at of document.querySelectorAll('button, input:not([type=hidden]), textarea, select')) {
                const box = at.getBoundingClientRect(), least = at.matches('[type=radio], [type=checkbox]') ? 24 : 44;
                if (box.height < least || box.width < least) faults.push('too small: ' + at.outerHTML.slice(0, 120) + ' ' + box.width + 'x' + box.height);
            }
            if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
            if (!document.documentElement.lang) faults.push('no language');
            return faults";
        self.ask(script)
            .await
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line.as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Keeps what is seen, under `target/browser`, and holds the page to all of it.
    pub(crate) async fn holds(&self, name: &str) {
        self.keep(name).await;
        assert_eq!(self.violations().await, [""; 0], "{name}");
        assert_eq!(self.faults().await, [""; 0], "{name}");
    }

    async fn keep(&self, name: &str) {
        let folder = folder();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), self.client.screenshot().await.unwrap()).unwrap();
    }

    pub(crate) async fn close(self) {
        self.client.clone().close().await.unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Where pictures of the pages are kept.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/browser")
}
