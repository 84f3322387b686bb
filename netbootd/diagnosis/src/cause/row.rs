//! The shape of a row of the table of causes.

use std::hash::{Hash, Hasher};

use super::Severity;

/// One cause with its texts.
#[derive(Debug)]
pub struct Row {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) headline: &'static str,
    pub(super) cure: &'static str,
    pub(super) codes: &'static [&'static str],
    pub(super) handbook: &'static str,
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Row {}

impl Hash for Row {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

macro_rules! causes {
    ($($ident:ident $name:literal $severity:ident
        $headline:literal
        cure $cure:literal
        codes [$($code:literal),*]
        handbook $handbook:literal)+) => {
        #[allow(non_upper_case_globals)] // they read as variants do
        impl Cause {
            $(
                #[doc = $headline]
                pub const $ident: Cause = Cause::Row(&Row {
                    name: $name,
                    severity: Severity::$severity,
                    headline: $headline,
                    cure: $cure,
                    codes: &[$($code),*],
                    handbook: $handbook,
                });
            )+
        }
        pub(super) const ROWS: &[Cause] = &[$(Cause::$ident),+];
        #[cfg(test)]
        pub(super) const ROW_NAMES: &[&str] = &[$(stringify!($ident)),+];
    };
}

pub(super) use causes;
