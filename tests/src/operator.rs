//! An operator's script: requests to the status port with a token, or with a session's cookie.

use serde_json::Value;

use crate::Lab;

/// A script on the server's own host.
#[derive(Debug)]
pub struct Operator<'a> {
    lab: &'a Lab,
    host: &'a str,
    base: String,
    headers: Vec<String>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The value of the cookie that it sets.
    pub fn cookie(&self) -> Option<String> {
        let line = self.head.lines().find(|line| line.to_ascii_lowercase().starts_with("set-cookie:"))?;
        Some(line.split_once("netbootd=")?.1.split(';').next()?.to_owned())
    }
}

impl<'a> Operator<'a> {
    /// With a token, at an address such as `http://127.0.0.1:9167`.
    pub fn with_token(lab: &'a Lab, token: &str) -> Self {
        Operator::new(lab, &[&format!("Authorization: Bearer {token}")])
    }

    pub fn new(lab: &'a Lab, headers: &[&str]) -> Self {
        let headers = headers.iter().map(|header| (*header).to_owned()).collect();
        Operator { lab, host: "server", base: "http://127.0.0.1:9167".to_owned(), headers }
    }

    /// The same from another host, to another address.
    pub fn at(self, host: &'a str, base: &str) -> Self {
        Operator { host, base: base.to_owned(), ..self }
    }

    /// Signs in as a browser does; gives the session's cookie.
    ///
    /// # Panics
    /// When the token is refused.
    pub fn sign_in(lab: &'a Lab, token: &str) -> String {
        let operator = Operator::new(lab, &FROM_HERE);
        let answer = operator.ask("POST", "/sign-in", &["-d", &format!("secret={token}")]);
        answer.cookie().unwrap_or_else(|| panic!("no cookie: {answer:?}"))
    }

    /// Asks; `more` are further words for curl.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn ask(&self, method: &str, path: &str, more: &[&str]) -> Answer {
        let mut command = self.lab.command(self.host, "curl");
        command.args(["-sSk", "-i", "--max-time", "60", "-X", method, "-H", "Expect:"]);
        for header in &self.headers {
            command.args(["-H", header]);
        }
        command.args(more).arg(format!("{}{path}", self.base));
        let output = command.output().unwrap_or_else(|error| panic!("curl: {error}"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status
            .unwrap_or_else(|| panic!("{method} {path}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The JSON of a request that succeeds.
    ///
    /// # Panics
    /// When it does not.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, &[]);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }
}

/// The headers that a browser sends with a form of the page itself.
pub const FROM_HERE: [&str; 2] = ["Origin: http://127.0.0.1:9167", "Sec-Fetch-Site: same-origin"];
