//! The steps of a boot as a table with bars: what was asked and answered, what came and how fast,
//! and where nothing came though something was expected.
//!
//! Pure: built of steps as the history keeps them, so that a boot of last week looks like the
//! present one.

mod boots;
mod exchange;
mod scale;

use serde::Serialize;

use super::words;
pub(super) use boots::{BootSteps, Step, boots};
use exchange::{Exchange, Look, exchanges};
use scale::Scale;

/// The next step after the last one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Next {
    pub(super) what: String,
    pub(super) overdue: bool,
}

/// The waterfall of one boot, as the template takes it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Fall {
    pub(super) groups: Vec<GroupView>,
    ticks: Vec<scale::Tick>,
    pub(super) is_true: bool,
    #[serde(skip)]
    pub(super) seconds: f64,
}

/// A part of the boot.
#[derive(Debug, Serialize)]
pub(super) struct GroupView {
    pub(super) word: &'static str,
    took: String,
    pub(super) lines: Vec<LineView>,
    #[serde(skip)]
    bounds: (f64, f64),
}

/// One exchange, or a silence.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LineView {
    pub(super) name: String,
    pub(super) sub: String,
    tint: &'static str,
    many: Vec<String>,
    bars: Vec<Bar>,
    size: Option<String>,
    took: String,
}

/// Something drawn: all lengths across in percent of the axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Bar {
    look: String,
    x: f64,
    width: f64,
    y: u8,
    height: u8,
}

/// Draws a boot's steps. `now` is in seconds since 1970, and counts while something is expected.
/// `usual` knows how long a pause usually is that something ends.
pub(super) fn fall(
    steps: &[Step],
    next: Option<&Next>,
    now: f64,
    is_true: bool,
    usual: &dyn Fn(&'static str) -> Option<f64>,
) -> Fall {
    let expected = |what: &'static str| match usual(what) {
        Some(seconds) => format!("{what} (usual {})", words::span(seconds)),
        None => what.to_owned(),
    };
    let all = exchanges(steps, now);
    let Some(begin) = all.first().map(|first| first.begin) else { return Fall::default() };
    let last = all.iter().map(|one| one.end).fold(begin, f64::max);
    let runs = all.iter().any(|one| one.runs);
    let awaited = next.filter(|_| !runs && now - last >= 0.5);
    let end = if awaited.is_some() { now } else { last };
    let busy: Vec<(f64, f64)> = all.iter().map(|one| (one.begin, one.end)).collect();
    let scale = Scale::new(begin, end, &busy, is_true);
    let mut groups: Vec<GroupView> = Vec::new();
    let mut until = begin;
    let mut before: Option<&Exchange> = None;
    for one in &all {
        if let (Some(before), Some(group)) = (before, groups.last_mut())
            && one.begin - until > SILENCE
        {
            group.lines.push(silence(&scale, (until, one.begin), &expected(before.expects())));
            group.bounds.1 = one.begin;
        }
        match groups.last_mut() {
            Some(group) if group.word == one.group.word() => group.bounds.1 = group.bounds.1.max(one.end),
            _ => groups.push(GroupView {
                word: one.group.word(),
                took: String::new(),
                lines: Vec::new(),
                bounds: (one.begin, one.end),
            }),
        }
        if let Some(group) = groups.last_mut() {
            group.lines.push(line(&scale, one, begin));
        }
        if one.end >= until {
            before = Some(one);
            until = one.end;
        }
    }
    if let (Some(next), Some(group)) = (awaited, groups.last_mut()) {
        let usual = before.and_then(|before| usual(before.expects()));
        group.lines.push(awaits(&scale, next, usual, (last, now)));
    }
    for group in &mut groups {
        group.took = words::span(group.bounds.1 - group.bounds.0);
    }
    Fall { groups, ticks: scale.ticks(), is_true, seconds: end - begin }
}

fn line(scale: &Scale, one: &Exchange, begin: f64) -> LineView {
    let (x, width) = scale.bar(one.begin, one.end);
    let solid = |x, width| Bar { look: format!("bar-{}", one.look.class()), x, width, y: 5, height: 10 };
    let mut bars = Vec::new();
    if one.first_byte - one.begin < WORTH_A_HATCH {
        bars.push(solid(x, width));
    } else {
        let (x, width) = scale.bar(one.begin, one.first_byte);
        bars.push(Bar { look: "bar-wait".to_owned(), x, width, y: 5, height: 10 });
        if one.end > one.first_byte {
            let (x, width) = scale.bar(one.first_byte, one.end);
            bars.push(solid(x, width));
        }
    }
    // A notch for each block that was sent again, as far as they can be told apart.
    let notches = (one.resends.min(6) as f64).min((width / 2.0).floor());
    for n in 0..notches as u32 {
        let place = x + width * f64::from(n + 1) / (notches + 1.0);
        bars.push(Bar { look: "bar-hole".to_owned(), x: round(place), width: 0.3, y: 5, height: 10 });
    }
    if one.is_broken {
        let x = round((x + width - 0.9).max(0.0));
        bars.push(Bar { look: "bar-broken".to_owned(), x, width: 0.9, y: 2, height: 16 });
    }
    let is_file = matches!(one.look, Look::Tftp | Look::Http) && one.many.is_empty();
    LineView {
        name: one.name.clone(),
        sub: one.sub.clone(),
        tint: one.tint,
        many: one.many.clone(),
        bars,
        size: one.bytes.map(words::bytes),
        took: match is_file && one.bytes.is_some() {
            true => words::span(one.end - one.begin),
            false => format!("+{:.3} s", one.begin - begin),
        },
    }
}

fn silence(scale: &Scale, (begin, end): (f64, f64), expects: &str) -> LineView {
    let (x, width) = scale.bar(begin, end);
    LineView {
        name: "∿ silence".to_owned(),
        sub: format!("expected: {expects}"),
        tint: "warn",
        many: Vec::new(),
        bars: vec![Bar { look: "bar-silence".to_owned(), x, width, y: 2, height: 16 }],
        size: None,
        took: words::span(end - begin),
    }
}

fn awaits(scale: &Scale, next: &Next, usual: Option<f64>, (begin, now): (f64, f64)) -> LineView {
    let usual = usual.filter(|_| !next.what.contains("usual"));
    let usual = usual.map(|seconds| format!(" (usual {})", words::span(seconds))).unwrap_or_default();
    let (x, width) = scale.bar(begin, now);
    let width = width.max(1.5);
    let x = x.min(100.0 - width);
    let look = if next.overdue { "bar-next late" } else { "bar-next" };
    LineView {
        name: "next".to_owned(),
        sub: format!("expected: {}{usual}", next.what),
        tint: if next.overdue { "warn" } else { "" },
        many: Vec::new(),
        bars: vec![Bar { look: look.to_owned(), x, width, y: 5, height: 10 }],
        size: None,
        took: format!("now +{} s", (now - begin).floor()),
    }
}

/// The pauses between the exchanges of a boot, each with what ended it, in seconds.
pub(super) fn pauses(steps: &[Step]) -> Vec<(&'static str, f64)> {
    let all = exchanges(steps, 0.0);
    let pairs = all.windows(2).filter(|pair| pair[1].begin >= pair[0].end);
    pairs.map(|pair| (pair[0].expects(), pair[1].begin - pair[0].end)).collect()
}

/// Where two boots first differ, in words.
pub(super) fn parting(one: &Fall, other: &Fall) -> String {
    let lines = |fall: &Fall| -> Vec<(String, String)> {
        let lines = fall.groups.iter().flat_map(|group| &group.lines);
        let told = lines.filter(|line| line.name != "∿ silence" && line.name != "next");
        told.map(|line| (line.name.clone(), line.sub.clone())).collect()
    };
    let (one, other) = (lines(one), lines(other));
    let outcome = |sub: &str| sub.split(" · ").next().unwrap_or_default().to_owned();
    let differs =
        |(a, b): (&(String, String), &(String, String))| a.0 != b.0 || outcome(&a.1) != outcome(&b.1);
    let Some(place) = one
        .iter()
        .zip(&other)
        .position(differs)
        .or_else(|| (one.len() != other.len()).then_some(one.len().min(other.len())))
    else {
        return "Both boots took the same steps.".to_owned();
    };
    let words = |lines: &[(String, String)]| match lines.get(place) {
        Some((name, sub)) => format!("{name} ({})", outcome(sub)),
        None => "nothing more".to_owned(),
    };
    format!(
        "Here they part, at step {}: the boot above: {}; the boot below: {}.",
        place + 1,
        words(&one),
        words(&other)
    )
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A silence that is worth a row, in seconds.
const SILENCE: f64 = 3.0;
/// A wait for the first byte that is worth a hatched bar, in seconds.
const WORTH_A_HATCH: f64 = 0.05;

#[cfg(test)]
mod tests;
