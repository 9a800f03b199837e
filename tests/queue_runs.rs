//! The queue under arbitrary events: every run that starts ends exactly once, every request is settled exactly once, and nothing is stranded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use whimbrel::error::{Code, Error};
use whimbrel::model::{Carrier, Networks, UnitPolicy};
use whimbrel::sync::{Auto, Effect, Event, Failure, Machine, Notice, PushBatch, RequestId, RunId, Timer, UnitId};

const UNITS: u16 = 4;

#[derive(Debug, Clone)]
enum Act {
    Ask {
        unit: u16,
        discards: bool,
        any_network: bool,
    },
    /// The driver gets so far with the active run.
    Advance,
    Fail(Code),
    Tell(Event),
}

fn acts() -> impl Strategy<Value = Act> {
    let codes =
        [Code::ServerFailed, Code::Unauthenticated, Code::Forbidden, Code::ProtocolMalformed, Code::Unreachable];
    let events = vec![
        Event::HintedOnline,
        Event::HintedOffline,
        Event::Resumed,
        Event::Woke,
        Event::Carried(Carrier::Wifi, false),
        Event::Carried(Carrier::Cellular, false),
        Event::Carried(Carrier::Wifi, true),
        Event::SignedIn,
        Event::RetryNow,
        Event::Cancel,
        Event::Wrote,
        Event::Fired(Timer::Deadline),
        Event::Fired(Timer::Retry(UnitId(1))),
        Event::Probed(Ok(())),
        Event::Probed(Err(Error::new(Code::Unreachable, ""))),
    ];
    prop_oneof![
        4 => (0..UNITS, prop::bool::weighted(0.1), any::<bool>())
            .prop_map(|(unit, discards, any_network)| Act::Ask { unit, discards, any_network }),
        6 => Just(Act::Advance),
        2 => prop::sample::select(codes.to_vec()).prop_map(Act::Fail),
        3 => prop::sample::select(events).prop_map(Act::Tell),
    ]
}

#[derive(Default)]
struct World {
    machine: Machine,
    now: i64,
    asked: u32,
    active: Option<(RunId, u8)>,
    started: BTreeMap<u64, u32>,
    settled: BTreeMap<u32, u32>,
}

impl World {
    fn feed(&mut self, event: Event) {
        self.now += 1;
        for effect in self.machine.step(self.now, &mut |max| max, event) {
            match effect {
                Effect::Lock(run) => self.active = Some((run, 0)),
                Effect::End(_) => self.active = None,
                Effect::Tell(Notice::Start { run, .. }) => {
                    assert!(self.active.is_none(), "two runs at once");
                    assert_eq!(self.started.insert(run.0, 0), None, "a run id twice");
                }
                Effect::Tell(
                    Notice::Complete { run, .. } | Notice::Error { run, .. } | Notice::Cancelled { run, .. },
                ) => *self.started.get_mut(&run.0).expect("a run that started") += 1,
                Effect::Tell(Notice::Settled { requests, .. }) => {
                    for request in requests {
                        *self.settled.entry(request.0).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Ask { unit, discards, any_network } => {
                self.asked += 1;
                let requests = vec![(RequestId(self.asked), UnitId(unit))];
                self.feed(Event::Triggered { requests, discard_pending: discards, is_consequence: false, any_network });
            }
            Act::Advance => self.advance(),
            Act::Fail(code) => {
                if let Some((run, _)) = self.active {
                    self.feed(Event::Failed(run, Failure { error: Error::new(code, ""), retry_after_ms: None }));
                }
            }
            Act::Tell(event) => self.feed(event),
        }
    }

    fn advance(&mut self) {
        let Some((run, step)) = &mut self.active else { return };
        let (run, at) = (*run, *step);
        *step += 1;
        self.feed(match at {
            0 => Event::Locked(run),
            1 => Event::Ready(run),
            2 => Event::Pushed(run, PushBatch::default()),
            _ => Event::Pulled(run),
        });
    }
}

proptest! {
    #[test]
    fn r1_r3_every_run_and_every_request_ends_exactly_once(acts in prop::collection::vec(acts(), 0..120)) {
        let wifi = UnitPolicy { networks: Networks::only(&[Carrier::Wifi]), waits_for_data_saver: true, ..UnitPolicy::default() };
        let timed = UnitPolicy { timeout_ms: Some(5), ..UnitPolicy::default() };
        let auto = Auto { online: Some(UnitId(0)), resume: Some(UnitId(1)), login: Some(UnitId(2)), ..Auto::default() };
        let policies = vec![UnitPolicy::default(), wifi, timed, UnitPolicy::default()];
        let mut world = World { machine: Machine::new(auto).with_policies(policies), ..World::default() };
        for act in acts {
            world.act(act);
        }
        // All is well from now on: whatever waits is served, whatever failed before.
        for event in [Event::HintedOnline, Event::Carried(Carrier::Wifi, false), Event::SignedIn] {
            world.feed(event);
        }
        for _ in 0..200 {
            world.advance();
        }
        prop_assert!(world.active.is_none(), "a run never ends");
        prop_assert!(world.started.values().all(|ends| *ends == 1), "runs and how often they ended: {:?}", world.started);
        let asked: BTreeMap<u32, u32> = (1..=world.asked).map(|request| (request, 1)).collect();
        prop_assert_eq!(world.settled, asked);
    }
}
