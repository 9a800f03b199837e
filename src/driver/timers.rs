//! The machine's timers. Each setting has a number; a timer that runs out under an old number was replaced or removed.

use std::cell::{Cell, RefCell};

use super::Driver;
use crate::ports::{Clock, Platform};
use crate::sync::{Event, Timer};

#[derive(Default)]
pub(super) struct Timers {
    settings: Cell<u64>,
    set: RefCell<Vec<(Timer, u64)>>,
}

impl Timers {
    fn set(&self, timer: Timer) -> u64 {
        let setting = self.settings.get() + 1;
        self.settings.set(setting);
        self.remove(timer);
        self.set.borrow_mut().push((timer, setting));
        setting
    }

    pub(super) fn remove(&self, timer: Timer) {
        self.set.borrow_mut().retain(|(set, _)| *set != timer);
    }

    pub(super) fn clear(&self) {
        self.set.borrow_mut().clear();
    }

    /// Removes the timer if it still has this setting.
    fn take(&self, timer: Timer, setting: u64) -> bool {
        let mut set = self.set.borrow_mut();
        let place = set.iter().position(|entry| *entry == (timer, setting));
        place.map(|place| set.remove(place)).is_some()
    }
}

impl<P: Platform> Driver<P> {
    pub(super) fn set_timer(&self, timer: Timer, at: i64) {
        let setting = self.inner.timers.set(timer);
        let wait = at.saturating_sub(self.inner.ports.clock.now_ms()).max(0);
        let wait = u32::try_from(wait).unwrap_or(u32::MAX);
        let driver = self.clone();
        self.spawn(async move {
            driver.inner.ports.clock.sleep(wait).await;
            if driver.inner.timers.take(timer, setting) {
                driver.feed(Event::Fired(timer));
            }
        });
    }
}
