//! Time: `Date.now`, timers, deadlines.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use gloo_timers::callback::{Interval, Timeout};

use super::signal::Signal;
use crate::ports::Clock;

/// `setTimeout` takes a signed number and fires at once when it overflows.
const TIMER_MS_MAX: u32 = i32::MAX.unsigned_abs();

/// The device's clock and the event loop's timers.
#[derive(Debug, Clone, Copy, Default)]
pub struct BrowserClock;

impl Clock for BrowserClock {
    #[allow(clippy::cast_possible_truncation, reason = "whole milliseconds, far below 2⁵³")]
    fn now_ms(&self) -> i64 {
        js_sys::Date::now() as i64
    }

    async fn sleep(&self, ms: u32) {
        let mut left = ms;
        loop {
            let part = left.min(TIMER_MS_MAX);
            let fired = Signal::new();
            let fire = fired.clone();
            let _timer = Timeout::new(part, move || fire.settle(()));
            fired.settled().await;
            left -= part;
            if left == 0 {
                return;
            }
        }
    }
}

/// What `future` comes to, or `None` when it takes longer than that.
pub(super) async fn within<T>(ms: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut timer = pin!(BrowserClock.sleep(ms));
    poll_fn(|context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        timer.as_mut().poll(context).map(|()| None)
    })
    .await
}

const DEADLINE_TICKS: u32 = 4;

/// Calls back once, after that many milliseconds in which the page ran; removed on drop.
///
/// A page that was suspended finds its timers overdue when it goes on, and the answers it waits for are behind them in the queue. So the time
/// is counted in ticks, and a suspension counts as one of them.
pub(super) struct Deadline {
    _ticks: Interval,
}

impl Deadline {
    pub(super) fn new(ms: u32, passed: impl Fn() + 'static) -> Self {
        let mut ticks = 0;
        let tick = move || {
            ticks += 1;
            if ticks == DEADLINE_TICKS {
                passed();
            }
        };
        Self { _ticks: Interval::new(ms / DEADLINE_TICKS, tick) }
    }
}
