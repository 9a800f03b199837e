//! Chance, from a seed.

use std::cell::RefCell;
use std::rc::Rc;

use whimbrel::ports::Random;

/// A source of numbers. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Rc<RefCell<fastrand::Rng>>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(fastrand::Rng::with_seed(seed))))
    }

    /// Another source, whose numbers do not depend on how much is drawn from this one later.
    pub(crate) fn fork(&self) -> Self {
        Self::new(self.0.borrow_mut().u64(..))
    }

    /// A number in `0..count`; 0 when there is nothing to choose from.
    pub(crate) fn below(&self, count: u64) -> u64 {
        if count == 0 { 0 } else { self.0.borrow_mut().u64(..count) }
    }

    /// A number in `from..=to`.
    pub(crate) fn between(&self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// Whether the one case of so many has come.
    pub(crate) fn one_in(&self, cases: u64) -> bool {
        self.below(cases) == 0
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&self, these: &'a [T]) -> Option<&'a T> {
        let place = usize::try_from(self.below(these.len() as u64)).unwrap_or(0);
        these.get(place)
    }
}

impl Random for Dice {
    fn bytes16(&self) -> [u8; 16] {
        self.0.borrow_mut().u128(..).to_le_bytes()
    }
}
