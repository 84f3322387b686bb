//! Questions: answered by an option, by the default, or on the terminal until the answer is valid.
//! By hand: dialoguer needs a terminal, and setup also runs over a pipe.

use std::io::{BufRead, Write};

use thiserror::Error;

use super::super::Failure;
use super::super::colour::{BAD, styled};

/// Where answers come from.
pub(super) struct Prompt<'a> {
    input: &'a mut dyn BufRead,
    output: &'a mut dyn Write,
    manner: Manner,
}

/// How a question without an option is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Ask the operator at the terminal.
    Ask,
    /// Take the default of each question.
    Defaults,
}

/// A question with its flag and its default.
pub(super) struct Question<'a> {
    /// The option that answers it, without its dashes.
    pub(super) flag: &'static str,
    /// The text on the terminal.
    pub(super) words: &'a str,
    /// The answer of an empty line.
    pub(super) default: &'a str,
}

/// Why an answer is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub(super) struct Unfit(String);

impl From<String> for Unfit {
    fn from(words: String) -> Self {
        Unfit(words)
    }
}

impl From<&str> for Unfit {
    fn from(words: &str) -> Self {
        Unfit(words.to_owned())
    }
}

impl<'a> Prompt<'a> {
    pub(super) fn new(input: &'a mut dyn BufRead, output: &'a mut dyn Write, manner: Manner) -> Self {
        Prompt { input, output, manner }
    }

    /// Whether questions go to the terminal.
    pub(super) fn asks(&self) -> bool {
        self.manner == Manner::Ask
    }

    /// A valid answer. An invalid option is a failure; on the terminal the question is repeated.
    pub(super) fn settle<T>(
        &mut self,
        question: &Question<'_>,
        given: Option<&str>,
        mut check: impl FnMut(&str) -> Result<T, Unfit>,
    ) -> Result<T, Failure> {
        let Question { flag, words, default } = question;
        if let Some(given) = given {
            return check(given.trim())
                .map_err(|wrong| Failure::Unusable(format!("--{flag} {given}: {wrong}")));
        }
        if self.manner == Manner::Defaults {
            return check(default).map_err(|wrong| {
                Failure::Unusable(format!(
                    "--{flag} is required: the default {default} does not work: {wrong}"
                ))
            });
        }
        loop {
            let line = self.ask(&format!("{words} [{default}]: "), flag)?;
            let answer = if line.is_empty() { default } else { line.as_str() };
            match check(answer) {
                Ok(held) => return Ok(held),
                Err(wrong) => self.say(&format!("  {} {wrong}", styled(BAD, "not possible:")))?,
            }
        }
    }

    /// Prints a line for the operator.
    pub(super) fn say(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.output, "{line}").map_err(|error| broken(&error))
    }

    fn ask(&mut self, question: &str, flag: &str) -> Result<String, Failure> {
        let shown = write!(self.output, "{question}").and_then(|()| self.output.flush());
        shown.map_err(|error| broken(&error))?;
        let mut line = String::new();
        match self.input.read_line(&mut line).map_err(|error| broken(&error))? {
            0 => {
                Err(Failure::Unusable(format!("no answer to the question for --{flag}; nothing was changed")))
            }
            _ => Ok(line.trim().to_owned()),
        }
    }
}

fn broken(error: &std::io::Error) -> Failure {
    Failure::Unusable(format!("cannot read from the terminal: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: Question<'_> = Question { flag: "count", words: "How many", default: "7" };

    fn number(text: &str) -> Result<u8, Unfit> {
        text.parse().map_err(|_| format!("{text:?} is no number").into())
    }

    fn settled(typed: &str, manner: Manner, given: Option<&str>) -> (Result<u8, String>, String) {
        let (mut input, mut output) = (typed.as_bytes(), Vec::new());
        let mut prompt = Prompt::new(&mut input, &mut output, manner);
        let settled = prompt.settle(&QUESTION, given, number).map_err(|failure| failure.to_string());
        (settled, String::from_utf8(output).unwrap())
    }

    #[test]
    fn a_wrong_answer_is_explained_and_asked_again() {
        let (settled, shown) = settled("many\n\n", Manner::Ask, None);
        assert_eq!(settled, Ok(7));
        assert_eq!(shown.matches("How many [7]: ").count(), 2);
        assert!(shown.contains("\"many\" is no number"), "{shown}");
    }

    #[test]
    fn a_wrong_option_is_a_failure_that_names_it() {
        assert_eq!(settled("", Manner::Ask, Some("3")), (Ok(3), String::new()));
        assert_eq!(settled("", Manner::Ask, Some("x")).0, Err("--count x: \"x\" is no number".into()));
    }

    #[test]
    fn a_closed_terminal_names_the_open_question() {
        let words = "no answer to the question for --count; nothing was changed";
        assert_eq!(settled("", Manner::Ask, None).0, Err(words.into()));
        assert_eq!(settled("", Manner::Defaults, None).0, Ok(7));
    }
}
