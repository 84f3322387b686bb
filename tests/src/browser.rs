//! Chromium without a screen, driven by the WebDriver protocol.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::process::Process;
use crate::{Lab, wait};

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
        let logs = json!({ "browser": "ALL" });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": logs,
            // Certificates of the laboratory's own authority.
            "acceptInsecureCerts": true,
        } } });
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
        // An address of the network that is ready a moment after the browser started is a change to
        // Chromium, which then gives up what it loads.
        for _ in 0..TRIES {
            self.ask("POST", "url", &json!({ "url": url }));
            if !self.source().contains("ERR_NETWORK_CHANGED") {
                return;
            }
        }
    }

    /// Sends a user's name and password with every request (RFC 7617), as after the question of a
    /// proxy.
    pub fn authenticate(&self, user: &str, password: &str) {
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let headers = json!({ "headers": { "Authorization": format!("Basic {credentials}") } });
        self.tell("Network.enable", &json!({}));
        self.tell("Network.setExtraHTTPHeaders", &headers);
    }

    /// Opens a page in a window of its own, and looks at it from now on; its name is for
    /// [`Browser::look_at`].
    ///
    /// # Panics
    /// When there is no other window.
    pub fn open_window(&self, url: &str) -> String {
        let window = self.ask("POST", "window/new", &json!({ "type": "window" }));
        let name = window["handle"].as_str().unwrap_or_else(|| panic!("no window: {window}")).to_owned();
        self.look_at(&name);
        self.open(url);
        name
    }

    /// Goes to another window.
    pub fn look_at(&self, window: &str) {
        self.ask("POST", "window", &json!({ "handle": window }));
    }

    /// Waits until the page has these words in its HTML, which needs no script.
    ///
    /// # Panics
    /// With the page, when it never has.
    pub fn wait_for_source(&self, words: &str) {
        let has = || self.source().contains(words);
        wait::until(Duration::from_secs(20), has, || format!("no {words}: {}", self.source()));
    }

    /// The value that a piece of JavaScript returns.
    pub fn run(&self, script: &str) -> Value {
        self.ask("POST", "execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until a piece of JavaScript returns something true.
    ///
    /// # Panics
    /// When it never does.
    pub fn wait_for(&self, script: &str) -> Value {
        self.wait(script, Duration::from_secs(30))
    }

    /// The same for what a page does after a pause of half a minute.
    ///
    /// # Panics
    /// When it never does.
    pub fn wait_for_long(&self, script: &str) -> Value {
        self.wait(script, Duration::from_secs(75))
    }

    fn wait(&self, script: &str, patience: Duration) -> Value {
        let deadline = Instant::now() + patience;
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
        let element = self.element(selector);
        self.ask("POST", &format!("element/{element}/value"), &json!({ "text": text }));
    }

    fn element(&self, selector: &str) -> String {
        let found = self.ask("POST", "element", &json!({ "using": "css selector", "value": selector }));
        let element = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        element.unwrap_or_else(|| panic!("no {selector}: {found}")).to_owned()
    }

    /// Shows the page as wide as this, in light or dark colours.
    pub fn look_as(&self, width: u32, height: u32, is_dark: bool) {
        let phone = width < 600;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone });
        self.tell("Emulation.setDeviceMetricsOverride", &metrics);
        self.tell("Emulation.setScrollbarsHidden", &json!({ "hidden": true }));
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.tell("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Lets pages run their scripts, or not.
    pub fn with_scripts(&self, run: bool) {
        self.tell("Emulation.setScriptExecutionDisabled", &json!({ "value": !run }));
    }

    /// Presses a key wherever the focus is.
    pub fn press(&self, key: &str) {
        let actions = json!([{ "type": "key", "id": "keys", "actions": [
            { "type": "keyDown", "value": key }, { "type": "keyUp", "value": key },
        ] }]);
        self.ask("POST", "actions", &json!({ "actions": actions }));
    }

    /// Presses Tab until the focus is on what a selector finds.
    ///
    /// # Panics
    /// When it is not among so many.
    pub fn tab_to(&self, selector: &str) {
        for _ in 0..TABS {
            self.press("\u{e004}");
            if self.run(&format!("return document.activeElement.matches({selector:?})")) == true {
                return;
            }
        }
        panic!("the keyboard does not reach {selector}");
    }

    /// Clicks what a selector finds, as a mouse does.
    ///
    /// # Panics
    /// When it finds nothing.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.ask("POST", &format!("element/{element}/click"), &json!({}));
    }

    /// The value of a cookie, also of one that scripts do not see.
    pub fn cookie(&self, name: &str) -> String {
        let cookie = self.ask("GET", &format!("cookie/{name}"), &Value::Null);
        cookie["value"].as_str().unwrap_or_default().to_owned()
    }

    /// The browser's complaints since the last call: requests that a policy refused, and errors of
    /// scripts.
    pub fn refused(&self) -> Vec<String> {
        let log = self.ask("POST", "se/log", &json!({ "type": "browser" }));
        let lines = log.as_array().into_iter().flatten().filter_map(|line| line["message"].as_str());
        // A page that is not there is one of those that are looked at.
        lines.filter(|line| !line.contains("404 (Not Found)")).map(str::to_owned).collect()
    }

    /// The HTML of the page, which is to be had without scripts as well.
    pub fn source(&self) -> String {
        self.ask("GET", "source", &Value::Null).as_str().unwrap_or_default().to_owned()
    }

    /// Violations of the rules of accessibility (axe-core, WCAG 2.2 level AA), a line each.
    ///
    /// # Panics
    /// When axe-core cannot be read or does not run.
    pub fn unreadable(&self) -> Vec<String> {
        let axe = tool_file("axe.min.js");
        let axe = fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{}: {error}", axe.display()));
        self.run(&format!("{axe}; return true"));
        let found = self.ask("POST", "execute/async", &json!({ "script": AXE, "args": [] }));
        let found = found.as_array().unwrap_or_else(|| panic!("axe: {found}"));
        found.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn tell(&self, command: &str, parameters: &Value) {
        self.ask("POST", "goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    /// Keeps a picture of the page among the build's output.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn keep_picture(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/pictures");
        self.save_picture(&folder.join(format!("{name}.png")));
    }

    /// Writes a picture of the page into a file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn save_picture(&self, file: &Path) {
        let picture = self.ask("GET", "screenshot", &Value::Null);
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap_or_default());
        let folder = file.parent().unwrap_or(Path::new("."));
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(file, bytes.unwrap_or_default()));
        written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}/{path}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{DRIVER}{path}");
        let mut command = self.lab.command(self.host, "curl");
        command.args(["-sS", "--max-time", "60", "-X", method]);
        if !body.is_null() {
            // A script may be longer than a command's words may be.
            let file = self.lab.folder().join("webdriver.json");
            fs::write(&file, body.to_string()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            command.args(["-H", "Content-Type: application/json", "--data-binary"]);
            command.arg(format!("@{}", file.display()));
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

/// A file that `tools/install-tools` has put into the folder of tools.
fn tool_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools").join(name)
}

/// Runs what `axe.min.js` has defined.
const AXE: &str = "const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
  .then((found) => done(found.violations.flatMap((rule) => rule.nodes.map((node) =>
    `${rule.id}: ${node.target} ${node.failureSummary}`))), (error) => done([String(error)]));";
/// Links, fields and buttons of a page, at most.
const TABS: usize = 80;
/// Pages that are asked for again, at most.
const TRIES: usize = 5;
const DRIVER: &str = "http://127.0.0.1:9515";
