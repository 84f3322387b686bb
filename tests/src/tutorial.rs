//! A page of docs/ as somebody follows it: its commands and its configurations, in their order.

use std::fs;
use std::path::Path;

use crate::debian::Debian;

/// A page of the handbook, and its steps that were not done yet.
#[derive(Debug)]
pub struct Tutorial {
    page: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Command(String),
    /// A block of the configuration, or the contents of another file.
    Block(String),
}

/// The configuration of a netbootd that was installed from its package.
const CONFIG: &str = "etc/netbootd/netbootd.toml";

impl Tutorial {
    /// Reads `docs/PAGE`.
    ///
    /// # Panics
    /// When there is no such page.
    pub fn read(page: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let steps = blocks(&text).into_iter().flat_map(|block| match is_commands(&block) {
            true => block.lines().map(|line| Step::Command(line.to_owned())).collect(),
            false => vec![Step::Block(block)],
        });
        Tutorial { page: page.to_owned(), steps: steps.collect() }
    }

    /// Runs the page's next command that begins so, and gives what it printed.
    ///
    /// # Panics
    /// When the page has no such command left, or when it fails.
    pub fn run(&mut self, debian: &Debian, begins: &str) -> String {
        self.run_with(debian, begins, &[])
    }

    /// The same, with words of the page replaced by those of the laboratory.
    ///
    /// # Panics
    /// When the page has no such command left, or when it fails.
    pub fn run_with(&mut self, debian: &Debian, begins: &str, replaced: &[(&str, &str)]) -> String {
        let mut command = self.skip(begins);
        for (word, by) in replaced {
            assert!(command.contains(word), "{word:?} is not in {command:?}");
            command = command.replace(word, by);
        }
        debian.done(&["sh", "-c", &command])
    }

    /// Takes the next command that begins so, which is not run: somebody at the machine, a package
    /// of Debian, or a command that ends with Ctrl-C. Gives its text.
    ///
    /// # Panics
    /// When the page has no such command left.
    pub fn skip(&mut self, begins: &str) -> String {
        let is_it = |step: &Step| matches!(step, Step::Command(command) if command.starts_with(begins));
        match self.remove(is_it, begins) {
            Step::Command(text) | Step::Block(text) => text,
        }
    }

    /// The next block that begins so: configuration, or the contents of a file.
    ///
    /// # Panics
    /// When the page has no such block left.
    pub fn block(&mut self, begins: &str) -> String {
        let is_it = |step: &Step| matches!(step, Step::Block(block) if block.starts_with(begins));
        match self.remove(is_it, begins) {
            Step::Command(text) | Step::Block(text) => text,
        }
    }

    /// Puts the next block that begins so into the installed configuration, above its rules.
    ///
    /// # Panics
    /// When the page has no such block left.
    pub fn configure(&mut self, debian: &Debian, begins: &str) {
        let block = self.block(begins);
        let file = debian.tree().join(CONFIG);
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{CONFIG}: {error}"));
        let (above, rules) = text.split_at(text.find("\n[[rule]]").unwrap_or(text.len()));
        write(debian, &format!("{above}\n{block}\n{rules}"));
    }

    /// Ends the page.
    ///
    /// # Panics
    /// When something of it was not done.
    pub fn finish(self) {
        assert!(self.steps.is_empty(), "{}: nobody did {:#?}", self.page, self.steps);
    }

    fn remove(&mut self, is_it: impl Fn(&Step) -> bool, begins: &str) -> Step {
        let found = self.steps.iter().position(is_it);
        let at = found.unwrap_or_else(|| panic!("{} has no {begins:?} left: {:#?}", self.page, self.steps));
        self.steps.remove(at)
    }
}

/// Writes the installed configuration.
///
/// # Panics
/// When it cannot be written.
pub fn write(debian: &Debian, text: &str) {
    fs::write(debian.tree().join(CONFIG), text).unwrap_or_else(|error| panic!("{CONFIG}: {error}"));
}

/// The indented blocks of a page, without their indent. Lines of a list item are indented by three.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        let is_code = line.starts_with("    ");
        match blocks.last_mut().filter(|_| is_inside && (is_code || line.is_empty())) {
            Some(block) => block.push(line),
            None if is_code => blocks.push(vec![line]),
            None => {}
        }
        is_inside = is_code || (is_inside && line.is_empty());
    }
    blocks.iter().map(|lines| dedented(lines)).collect()
}

fn dedented(lines: &[&str]) -> String {
    let filled = lines.iter().filter(|line| !line.is_empty());
    let indent = filled.map(|line| line.len() - line.trim_start().len()).min().unwrap_or_default();
    let lines = lines.iter().map(|line| line.get(indent..).unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned() + "\n"
}

/// Whether every line of a block is a command of a shell.
fn is_commands(block: &str) -> bool {
    const PROGRAMS: [&str; 6] = ["netbootd", "apt", "cp", "mkdir", "make", "grep"];
    let is_command = |line: &str| line.split(' ').next().is_some_and(|word| PROGRAMS.contains(&word));
    block.lines().all(is_command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_its_commands_and_blocks_in_their_order() {
        let page = "# Title\n\n1. Do it:\n\n       cp a b\n       netbootd reload\n\n   More words.\n2. Write:\n\n       [[rule]]\n       name = \"x\"\n\n       [more]\n\n## End\n\n    netbootd watch\n";
        let found = blocks(page);
        let expected =
            ["cp a b\nnetbootd reload\n", "[[rule]]\nname = \"x\"\n\n[more]\n", "netbootd watch\n"];
        assert_eq!(found, expected);
        let commands: Vec<bool> = found.iter().map(|block| is_commands(block)).collect();
        assert_eq!(commands, [true, false, true]);
    }
}
