//! In which order things lie that are kept in another: the part of maps and sets that does not depend on their types.

use std::cmp::Ordering;

/// How many places stand in one run at most. More make an insertion in between slower, fewer the search.
const RUN: usize = 256;

/// Places of entries, in the order of the entries.
#[derive(Clone, Default)]
pub(super) struct Places {
    /// None is empty.
    runs: Vec<Vec<usize>>,
}

/// Where a place stands, or would.
#[derive(Clone, Copy, Default)]
pub(super) struct Spot {
    run: usize,
    at: usize,
}

impl Places {
    pub(super) const fn new() -> Self {
        Self { runs: Vec::new() }
    }

    pub(super) fn get(&self, spot: Spot) -> Option<usize> {
        self.runs.get(spot.run)?.get(spot.at).copied()
    }

    pub(super) fn last(&self) -> Option<usize> {
        self.runs.last()?.last().copied()
    }

    /// Looks for what `compare` finds equal; the error is where it belongs. Who asks in order finds the end at once.
    #[inline(never)]
    pub(super) fn find(&self, compare: &mut dyn FnMut(usize) -> Ordering) -> Result<Spot, Spot> {
        let Some(last) = self.last() else {
            return Err(Spot::default());
        };
        let end = Spot {
            run: self.runs.len() - 1,
            at: self.runs[self.runs.len() - 1].len(),
        };
        match compare(last) {
            Ordering::Less => return Err(end),
            Ordering::Equal => {
                return Ok(Spot {
                    at: end.at - 1,
                    ..end
                });
            }
            Ordering::Greater => {}
        }
        let behind = self
            .runs
            .partition_point(|run| compare(run[0]) != Ordering::Greater);
        let run = behind.saturating_sub(1);
        let found = self.runs[run].binary_search_by(|place| compare(*place));
        found.map(|at| Spot { run, at }).map_err(|at| Spot { run, at })
    }

    #[inline(never)]
    pub(super) fn insert(&mut self, spot: Spot, place: usize) {
        let is_end = spot.run + 1 == self.runs.len() && spot.at == RUN;
        let Some(run) = self.runs.get_mut(spot.run) else {
            self.runs.push(vec![place]);
            return;
        };
        run.insert(spot.at, place);
        if run.len() > RUN {
            // What is filled in order leaves full runs behind.
            let keep = if is_end { RUN } else { RUN / 2 };
            let rest = run.split_off(keep);
            self.runs.insert(spot.run + 1, rest);
        }
    }

    pub(super) fn set(&mut self, spot: Spot, place: usize) {
        self.runs[spot.run][spot.at] = place;
    }

    pub(super) fn remove(&mut self, spot: Spot) {
        self.runs[spot.run].remove(spot.at);
        if self.runs[spot.run].is_empty() {
            self.runs.remove(spot.run);
        }
    }

    /// Has the entries moved to where they belong, by `swap`ping two at a time.
    #[inline(never)]
    pub(super) fn settle(&mut self, count: usize, swap: &mut dyn FnMut(usize, usize)) {
        let mut places = self.runs.concat();
        arrange(&mut places, swap);
        self.fill(count);
    }

    /// As many places, each where it belongs.
    pub(super) fn fill(&mut self, count: usize) {
        let starts = (0..count).step_by(RUN);
        self.runs = starts
            .map(|start| (start..count.min(start + RUN)).collect())
            .collect();
    }

    /// From one spot to before another.
    pub(super) fn walk(&self, from: Spot, to: Spot) -> Walk<'_> {
        Walk {
            runs: &self.runs,
            front: from,
            back: to,
        }
    }

    /// The spot behind all.
    pub(super) fn end(&self) -> Spot {
        Spot {
            run: self.runs.len(),
            at: 0,
        }
    }
}

/// Moves each thing from the place given for it, one swap for each that moves.
pub(super) fn arrange(places: &mut [usize], swap: &mut dyn FnMut(usize, usize)) {
    for start in 0..places.len() {
        let mut here = start;
        loop {
            let from = std::mem::replace(&mut places[here], here);
            if from == start {
                break;
            }
            swap(here, from);
            here = from;
        }
    }
}

/// Goes over places from both ends.
#[derive(Clone)]
pub(super) struct Walk<'a> {
    runs: &'a [Vec<usize>],
    front: Spot,
    back: Spot,
}

impl Walk<'_> {
    fn is_over(&self) -> bool {
        (self.front.run, self.front.at) >= (self.back.run, self.back.at)
    }
}

impl Iterator for Walk<'_> {
    type Item = usize;

    #[inline(never)]
    fn next(&mut self) -> Option<usize> {
        let run = self.runs.get(self.front.run)?;
        if self.front.at >= run.len() {
            self.front = Spot {
                run: self.front.run + 1,
                at: 0,
            };
            return self.next();
        }
        if self.is_over() {
            return None;
        }
        self.front.at += 1;
        Some(run[self.front.at - 1])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.is_over() {
            return (0, Some(0));
        }
        let between = self.runs.get(self.front.run..self.back.run).unwrap_or_default();
        let whole: usize = between.iter().map(Vec::len).sum();
        let left = (whole + self.back.at).saturating_sub(self.front.at);
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Walk<'_> {
    #[inline(never)]
    fn next_back(&mut self) -> Option<usize> {
        while self.back.at == 0 {
            self.back.run = self.back.run.checked_sub(1)?;
            self.back.at = self.runs[self.back.run].len();
        }
        if self.is_over() {
            return None;
        }
        self.back.at -= 1;
        Some(self.runs[self.back.run][self.back.at])
    }
}
