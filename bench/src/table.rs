//! Rows of a comparison: the medians of netbootd and of the best peer, their ratio, and the ratio
//! that is wanted.

/// One round of one server.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// The measured value, in the row's unit.
    pub value: f64,
    /// Whether every byte came, and none that should not.
    pub whole: bool,
}

/// A row of the comparison.
#[derive(Debug, Clone)]
pub struct Row {
    /// The measured quantity, and its unit.
    pub name: String,
    /// The ratio that is aimed at.
    pub wanted: Wanted,
}

/// A ratio to the best peer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// The figure should be at least this much.
    AtLeast(f64),
    /// The figure should be at most this much.
    AtMost(f64),
    /// Less is better, but no ratio is aimed at.
    Nothing,
}

/// One server's figures in a row, round by round.
#[derive(Debug, Clone)]
pub struct Rounds {
    /// The server's name in the table.
    pub name: &'static str,
    /// The figures of its rounds, in order.
    pub figures: Vec<Figure>,
}

/// The lines above the rows.
pub const HEAD: &str =
    "| load | netbootd | best peer | ratio | wanted | |\n| --- | --- | --- | --- | --- | --- |\n";

impl Row {
    /// The row's line. netbootd comes first; without a peer there is nothing to tell.
    pub fn line(&self, servers: &[Rounds]) -> String {
        let [own, peers @ ..] = servers else { return String::new() };
        let Some(peer) = peers.iter().max_by(|a, b| self.goodness(a).total_cmp(&self.goodness(b))) else {
            return String::new();
        };
        let ratio = own.median() / peer.median().max(f64::MIN_POSITIVE);
        let (wanted, reached) = match self.wanted {
            Wanted::AtLeast(wanted) => (format!(">= {wanted}"), ratio >= wanted),
            Wanted::AtMost(wanted) => (format!("<= {wanted}"), ratio <= wanted),
            Wanted::Nothing => ("—".to_owned(), true),
        };
        let verdict = match (reached && own.lost() == 0, self.wanted) {
            (true, Wanted::Nothing) => "",
            (true, _) => "pass",
            (false, _) => "short",
        };
        format!(
            "| {} | {} | {} {} | {ratio:.2} | {wanted} | {verdict} |\n",
            self.name,
            own.cell(),
            peer.name,
            peer.cell()
        )
    }

    fn goodness(&self, rounds: &Rounds) -> f64 {
        match self.wanted {
            Wanted::AtLeast(_) => rounds.median(),
            Wanted::AtMost(_) | Wanted::Nothing => -rounds.median(),
        }
    }
}

impl Rounds {
    /// A column of a server without any figures yet.
    pub fn new(name: &'static str) -> Self {
        Rounds { name, figures: Vec::new() }
    }

    /// The figure of the middle round.
    pub fn median(&self) -> f64 {
        let mut values: Vec<f64> = self.figures.iter().map(|figure| figure.value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    }

    /// How many rounds were not whole.
    pub fn lost(&self) -> usize {
        self.figures.iter().filter(|figure| !figure.whole).count()
    }

    fn cell(&self) -> String {
        let lost = match self.lost() {
            0 => String::new(),
            lost => format!(" ({lost} of {} rounds not whole)", self.figures.len()),
        };
        format!("{:.2}{lost}", self.median())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(name: &'static str, values: &[f64]) -> Rounds {
        let figures = values.iter().map(|value| Figure { value: *value, whole: true }).collect();
        Rounds { name, figures }
    }

    #[test]
    fn the_best_peer_is_the_one_that_is_hardest_to_beat() {
        let servers =
            [rounds("netbootd", &[3.0, 9.0, 4.0]), rounds("slow", &[2.0]), rounds("fast", &[8.0, 5.0, 1.0])];
        let more = Row { name: "MB/s".into(), wanted: Wanted::AtLeast(1.0) };
        assert_eq!(more.line(&servers), "| MB/s | 4.00 | fast 5.00 | 0.80 | >= 1 | short |\n");
        let less = Row { name: "s/GB".into(), wanted: Wanted::AtMost(2.5) };
        assert_eq!(less.line(&servers), "| s/GB | 4.00 | slow 2.00 | 2.00 | <= 2.5 | pass |\n");
        let told = Row { name: "kB".into(), wanted: Wanted::Nothing };
        assert_eq!(told.line(&servers), "| kB | 4.00 | slow 2.00 | 2.00 | — |  |\n");
    }

    #[test]
    fn a_round_that_is_not_whole_is_told_and_never_passes() {
        let mut own = rounds("netbootd", &[9.0, 9.0]);
        own.figures[0].whole = false;
        let row = Row { name: "MB/s".into(), wanted: Wanted::AtLeast(1.0) };
        let line = row.line(&[own, rounds("peer", &[1.0])]);
        assert_eq!(line, "| MB/s | 9.00 (1 of 2 rounds not whole) | peer 1.00 | 9.00 | >= 1 | short |\n");
    }
}
