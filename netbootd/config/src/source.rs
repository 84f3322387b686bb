//! Which configuration is in force.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::paths::DEFAULT_CONFIG;
use crate::{Config, Findings};

/// Where the configuration came from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The file that was named.
    pub file: Option<PathBuf>,
    /// The boot folder of the built-in default.
    pub root: Option<PathBuf>,
    /// Where state is kept, whatever the configuration says.
    pub state_dir: Option<PathBuf>,
}

impl Source {
    /// The configuration, its findings, and the words that say which it is.
    pub fn load(&self) -> Result<(Config, Findings, String), Findings> {
        let default = Path::new(DEFAULT_CONFIG);
        let file = self.file.as_deref();
        let file = file.or_else(|| Some(default).filter(|_| self.root.is_none() && default.exists()));
        let (result, which) = match file {
            Some(file) => (Config::load(file), format!("configuration {}", file.display())),
            None => (Config::built_in(self.root.as_deref()), "the built-in default configuration".to_owned()),
        };
        let (mut config, findings) = result?;
        if let Some(folder) = &self.state_dir {
            config.server.state_dir.clone_from(folder);
        }
        config.stamp = stamp(file, &config.texts);
        Ok((config, findings, which))
    }

    /// The configuration in words.
    pub fn words(&self) -> String {
        match (&self.file, &self.root) {
            (Some(file), _) => format!("configuration {}", file.display()),
            (None, None) if Path::new(DEFAULT_CONFIG).exists() => format!("configuration {DEFAULT_CONFIG}"),
            _ => "built-in default configuration".to_owned(),
        }
    }
}

/// The same for a configuration that was not written to since, as [`Config::stamp`] says.
fn stamp(file: Option<&Path>, texts: &[PathBuf]) -> String {
    let Some(file) = file else { return "built in".to_owned() };
    let place = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let mut hasher = DefaultHasher::new();
    for path in std::iter::once(&place).chain(texts) {
        let seen = path.metadata().ok().map(|metadata| (metadata.len(), metadata.modified().ok()));
        (path, seen).hash(&mut hasher);
    }
    format!("{} {:016x}", place.display(), hasher.finish())
}
