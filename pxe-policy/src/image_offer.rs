//! Which images a Mac is offered: it chooses among them by itself.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The images that a Mac is offered, of those whose own lists name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageOffer {
    /// Those that any of these selects; None for every image, an empty list for none.
    pub only: Option<Vec<ImageSelector>>,
    /// The image that goes first, and that a Mac gets that does not choose.
    pub default: Option<ImageSelector>,
}

/// One or more images, by name or by label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSelector {
    /// The folder without `.nbi`, the line in the Mac's menu, or the id in eight hex digits, in any
    /// case.
    Name(String),
    /// A label of the image store, with this value or with any.
    Label {
        /// The key of the label.
        key: String,
        /// Its value; None for any.
        value: Option<String>,
    },
}

/// Text that selects no image.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} selects no image: a name, label:KEY or label:KEY=VALUE was expected")]
pub struct InvalidSelector(pub String);

impl ImageOffer {
    /// The offer of no image at all.
    pub const NONE: ImageOffer = ImageOffer { only: Some(Vec::new()), default: None };

    /// Of what an operator writes: selectors, or `all` or `none` alone.
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidSelector> {
        let words: Vec<&str> = words.into_iter().map(str::trim).filter(|word| !word.is_empty()).collect();
        let only = match words.as_slice() {
            ["all"] => None,
            ["none"] => Some(Vec::new()),
            words => Some(words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?),
        };
        Ok(ImageOffer { only, default: None })
    }
}

impl ImageSelector {
    /// Whether it selects an image with one of these names, or with these labels.
    pub fn selects(&self, names: &[&str], labels: &BTreeMap<String, String>) -> bool {
        match self {
            ImageSelector::Name(wanted) => names.iter().any(|name| {
                // Unicode has no folding that everybody agrees on; names with other letters are
                // written as they are.
                name.eq_ignore_ascii_case(wanted)
            }),
            ImageSelector::Label { key, value } => {
                labels.get(key).is_some_and(|known| value.as_ref().is_none_or(|value| value == known))
            }
        }
    }
}

impl FromStr for ImageSelector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, InvalidSelector> {
        let text = text.trim();
        let Some(label) = text.strip_prefix("label:") else {
            return match text.is_empty() {
                true => Err(InvalidSelector(text.to_owned())),
                false => Ok(ImageSelector::Name(text.strip_suffix(".nbi").unwrap_or(text).to_owned())),
            };
        };
        let (key, value) = match label.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (label, None),
        };
        match key.is_empty() {
            true => Err(InvalidSelector(text.chars().take(80).collect())),
            false => Ok(ImageSelector::Label { key: key.to_owned(), value }),
        }
    }
}

impl fmt::Display for ImageSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageSelector::Name(name) => f.write_str(name),
            ImageSelector::Label { key, value: Some(value) } => write!(f, "label:{key}={value}"),
            ImageSelector::Label { key, value: None } => write!(f, "label:{key}"),
        }
    }
}

/// `every image`, `no image`, or the selectors, with the default behind.
impl fmt::Display for ImageOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.only {
            None => f.write_str("every image")?,
            Some(only) if only.is_empty() => return f.write_str("no image"),
            Some(only) => {
                let words: Vec<String> = only.iter().map(ToString::to_string).collect();
                f.write_str(&words.join(", "))?;
            }
        }
        match &self.default {
            Some(default) => write!(f, ", by default {default}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_selected_by_folder_menu_line_id_and_label() {
        let labels = BTreeMap::from([("lab".to_owned(), "berlin".to_owned())]);
        let names = ["Sierra Install", "Install macOS Sierra", "81000459"];
        let table = [
            ("Sierra Install.nbi", true),
            ("sierra install", true),
            ("install macos sierra", true),
            ("81000459", true),
            ("Sierra", false),
            ("label:lab", true),
            ("label:lab=berlin", true),
            ("label:lab=bonn", false),
            ("label:room", false),
        ];
        for (text, expected) in table {
            let selector: ImageSelector = text.parse().unwrap();
            assert_eq!(selector.selects(&names, &labels), expected, "{text}");
            assert_eq!(selector.to_string().parse(), Ok(selector), "{text}");
        }
        for text in ["", " ", "label:", "label:=x"] {
            assert!(text.parse::<ImageSelector>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn all_and_none_stand_alone() {
        assert_eq!(ImageOffer::of_words(["all"]), Ok(ImageOffer::default()));
        assert_eq!(ImageOffer::of_words(["none"]), Ok(ImageOffer::NONE));
        let two = ImageOffer::of_words(["none", " b.nbi "]).unwrap();
        assert_eq!((two.to_string().as_str(), two.only.unwrap().len()), ("none, b", 2));
        assert!(ImageOffer::of_words(["label:"]).is_err());
    }
}
