//! The engine's ports in this world.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use whimbrel::error::Result;
use whimbrel::memory::MemoryStorage;
use whimbrel::ports::{Clock, Platform, Session, Spawn};

use crate::dice::Dice;
use crate::executor::{Executor, Process};
use crate::fault::{Fault, Faults};
use crate::network::Line;
use crate::origin::Tab;

/// One token in so many has expired.
const EXPIRED: u64 = 12;

/// The device's clock, right or wrong.
pub(crate) struct DeviceClock {
    pub(crate) executor: Executor,
    pub(crate) skew_ms: Rc<Cell<i64>>,
}

impl Clock for DeviceClock {
    fn now_ms(&self) -> i64 {
        self.executor.date_ms().saturating_add(self.skew_ms.get())
    }

    async fn sleep(&self, ms: u32) {
        self.executor.sleep(u64::from(ms)).await;
    }
}

/// A user's session.
pub(crate) struct UserSession {
    pub(crate) user: &'static str,
    pub(crate) executor: Executor,
    pub(crate) dice: Dice,
    pub(crate) faults: Faults,
}

impl Session for UserSession {
    async fn token(&self) -> Result<Option<String>> {
        self.executor.sleep(self.dice.below(30)).await;
        if !self.faults.are_over() && self.dice.one_in(EXPIRED) {
            self.faults.count(Fault::TokenExpired);
            return Ok(Some("of yesterday".to_owned()));
        }
        Ok(Some(self.user.to_owned()))
    }
}

/// Runs a tab's tasks.
pub(crate) struct TabTasks {
    pub(crate) executor: Executor,
    pub(crate) process: Process,
}

impl Spawn for TabTasks {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()>>>) {
        self.executor.spawn_boxed(self.process, future);
    }
}

/// The platform.
pub(crate) struct Sim;

impl Platform for Sim {
    type Storage = MemoryStorage;
    type Transport = Line;
    type Clock = DeviceClock;
    type Random = Dice;
    type Lock = Tab;
    type Tabs = Tab;
    type Session = UserSession;
    type Spawn = TabTasks;
}
