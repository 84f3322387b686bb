//! The text of an error with its causes.

/// An error and its causes, separated by colons. A cause that the text before it ends with is left
/// out.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(&format!(": {words}"));
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_cause_that_the_text_ends_with_already_is_not_repeated() {
        #[derive(Debug, thiserror::Error)]
        #[error("{text}")]
        struct Outer {
            text: &'static str,
            source: io::Error,
        }
        let outer = |text| Outer { text, source: io::Error::other("disk full") };
        assert_eq!(with_causes(&outer("cannot write")), "cannot write: disk full");
        assert_eq!(with_causes(&outer("cannot write: disk full")), "cannot write: disk full");
    }
}
