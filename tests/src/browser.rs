//! Chromium without a screen, driven by the WebDriver protocol.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::Lab;
use crate::process::Process;

/// A browser in a host of the laboratory.
#[derive(Debug)]
pub struct Browser<'a> {
    lab: &'a Lab,
    host: &'a str,
    session: String,
    _driver: Process,
}

impl<'a> Browser<'a> {
    /// Starts it with a window of this size.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(lab: &'a Lab, host: &'a str, width: u32, height: u32) -> Self {
        let profile = lab.folder().join(format!("chromium-{width}"));
        let mut command = lab.command(host, "chromedriver");
        let driver = Process::start("chromedriver", command.arg("--port=9515").env("HOME", lab.folder()));
        driver.wait_for("started successfully", Duration::from_secs(20));
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--force-prefers-reduced-motion".to_owned(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", profile.display()),
        ];
        let options = json!({ "args": arguments, "binary": "/usr/bin/chromium" });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let mut browser = Browser { lab, host, session: String::new(), _driver: driver };
        let answer = browser.call("POST", "/session", &wanted);
        answer["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("no session: {answer}"))
            .clone_into(&mut browser.session);
        browser
    }

    /// Goes to a page.
    pub fn open(&self, url: &str) {
        self.ask("POST", "url", &json!({ "url": url }));
    }

    /// What a piece of JavaScript returns.
    pub fn run(&self, script: &str) -> Value {
        self.ask("POST", "execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until a piece of JavaScript returns something true.
    ///
    /// # Panics
    /// When it never does.
    pub fn wait_for(&self, script: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let value = self.run(script);
            if value.as_bool() == Some(true) || value.as_str().is_some_and(|text| !text.is_empty()) {
                return value;
            }
            let page = || self.run("return document.body.innerText");
            assert!(Instant::now() < deadline, "{script} stays {value} on\n{}", page());
        }
    }

    /// Types into what a selector finds; `\u{e007}` is the return key.
    ///
    /// # Panics
    /// When it finds nothing.
    pub fn type_into(&self, selector: &str, text: &str) {
        let found = self.ask("POST", "element", &json!({ "using": "css selector", "value": selector }));
        let element = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        let element = element.unwrap_or_else(|| panic!("no {selector}: {found}"));
        self.ask("POST", &format!("element/{element}/value"), &json!({ "text": text }));
    }

    /// Keeps a picture of the page among the build's output.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn keep_picture(&self, name: &str) {
        let picture = self.ask("GET", "screenshot", &Value::Null);
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap_or_default());
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/pictures");
        let written = fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join(format!("{name}.png")), bytes.unwrap_or_default()));
        written.unwrap_or_else(|error| panic!("no picture {name}: {error}"));
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}/{path}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{DRIVER}{path}");
        let mut command = self.lab.command(self.host, "curl");
        command.args(["-sS", "--max-time", "60", "-X", method]);
        if !body.is_null() {
            command.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
        }
        let answer = command.arg(url).output().unwrap_or_else(|error| panic!("curl: {error}"));
        let answer: Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].clone()
    }
}

impl Drop for Browser<'_> {
    /// Also when a test has failed: the browser outlives its driver otherwise.
    fn drop(&mut self) {
        let url = format!("{DRIVER}/session/{}", self.session);
        let ended = self
            .lab
            .command(self.host, "curl")
            .args(["-sS", "--max-time", "20", "-X", "DELETE", &url])
            .output();
        drop(ended);
    }
}

const DRIVER: &str = "http://127.0.0.1:9515";
