//! The values that the filters of the list of machines offer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Board;

/// How many machines have each value of each filter: image, network, vendor, firmware.
pub(crate) type Values = [BTreeMap<String, usize>; 4];

/// The values, and when they were counted. They need not be of this very moment, and all machines
/// are counted for them.
#[derive(Debug, Default)]
pub(crate) struct FilterValues(Mutex<Option<(Instant, Arc<Values>)>>);

impl FilterValues {
    /// The values of the board's machines, counted anew when they are old.
    pub(crate) fn current(&self, board: &Board) -> Arc<Values> {
        let mut known = self.0.lock();
        if let Some((at, values)) = &*known
            && at.elapsed() < COUNTED_EVERY
        {
            return Arc::clone(values);
        }
        let mut counts = Values::default();
        board.each(|row| {
            let fields = [&row.gets, &row.network, &row.vendor, &row.arch];
            for (n, value) in fields.into_iter().enumerate() {
                let Some(value) = value else { continue };
                let known = counts[n].len();
                match counts[n].get_mut(value) {
                    Some(count) => *count += 1,
                    None if known < MOST_VALUES => drop(counts[n].insert(value.clone(), 1)),
                    None => {}
                }
            }
        });
        let values = Arc::new(counts);
        *known = Some((Instant::now(), Arc::clone(&values)));
        values
    }
}

/// Values of filters are counted anew this often at most.
const COUNTED_EVERY: Duration = Duration::from_secs(2);
/// Different values of a filter that are counted, and that are offered.
const MOST_VALUES: usize = 2000;
