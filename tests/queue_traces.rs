//! The queue traces of the specification, as data: what happens, and what the app is told.
//!
//! A script is words separated by `;`. `A` asks for a run of unit A, `A!` asks with `discardPending`, `A>` asks in a handler of the last run's end; `go` lets
//! the active run begin, `ok` completes it, `fail` fails it with an error that is retried, `refuse` with one that is not, `401` with a missing token; `retry A` lets A's backoff
//! run out; `over` says that the active run has taken its time, `deny` that the user may not push; `woke`, `login` and the networks `wifi` and `cellular` (`saving` with data
//! saved) are events; `offline`, `online`, `probe ok`, `probe no`, `now`, `cancel`, `resume`, `wrote`, `rest` and `start A` are what they say.
//! The answer is what the app is told: `+A` a run starts, `A=complete(1,2)` requests 1 and 2 are settled.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use whimbrel::error::{Code, Error};
use whimbrel::model::{Backoff, Carrier, Networks, UnitPolicy};
use whimbrel::sync::{
    Auto, Effect, Event, Every, Failure, Machine, Notice, Phase, PushBatch, RequestId, RunId, Settlement, Timer,
    UnitId, WaitingFor,
};

struct Trace {
    machine: Machine,
    now: i64,
    requests: u32,
    active: Option<RunId>,
    units: Vec<(RunId, UnitId)>,
    told: Vec<String>,
    ended: Vec<RunId>,
}

const UNITS: [&str; 3] = ["A", "B", "C"];

fn unit(name: &str) -> UnitId {
    UnitId(u16::try_from(UNITS.iter().position(|unit| *unit == name).expect("a unit")).unwrap())
}

fn name(unit: UnitId) -> &'static str {
    UNITS[usize::from(unit.0)]
}

impl Trace {
    fn new(auto: Auto) -> Self {
        Self {
            machine: Machine::new(auto),
            now: 1_000_000,
            requests: 0,
            active: None,
            units: Vec::new(),
            told: Vec::new(),
            ended: Vec::new(),
        }
    }

    fn feed(&mut self, event: Event) {
        self.now += 1;
        for effect in self.machine.step(self.now, &mut |max| max, event) {
            match effect {
                Effect::Tell(notice) => self.tell(notice),
                Effect::Lock(run) => self.active = Some(run),
                Effect::End(run) => {
                    assert!(!self.ended.contains(&run), "run {run:?} ended twice");
                    self.ended.push(run);
                    self.active = None;
                }
                Effect::Probe => self.told.push("probe".to_owned()),
                Effect::Prepare(..)
                | Effect::Push(..)
                | Effect::Pull(..)
                | Effect::SetTimer(..)
                | Effect::ClearTimer(_) => {}
                Effect::Lead
                | Effect::Rest
                | Effect::Ask { .. }
                | Effect::Answer(..)
                | Effect::Relay(_)
                | Effect::CancelRun(_)
                | Effect::Want(..) => panic!("there is no other tab"),
            }
        }
    }

    fn unit_of(&self, run: RunId) -> &'static str {
        name(self.units.iter().find(|(id, _)| *id == run).expect("a run that started").1)
    }

    fn tell(&mut self, notice: Notice) {
        match notice {
            Notice::Start { run, unit, .. } => {
                assert!(self.active.is_none(), "two runs at once");
                self.units.push((run, unit));
                self.told.push(format!("+{}", name(unit)));
            }
            Notice::Settled { requests, outcome, run, .. } => {
                let numbers: Vec<String> = requests.iter().map(|request| request.0.to_string()).collect();
                let unit = run.map_or("-", |run| self.unit_of(run));
                let outcome = match outcome {
                    Settlement::Complete => "complete",
                    Settlement::Error => "error",
                    Settlement::Discarded => "discarded",
                    Settlement::Cancelled => "cancelled",
                };
                self.told.push(format!("{unit}={outcome}({})", numbers.join(",")));
            }
            Notice::Complete { unit, .. } => self.told.push(format!("{}.", name(unit))),
            Notice::Error { unit, retry_at, .. } => {
                self.told.push(format!("{}{}", name(unit), if retry_at.is_some() { "~" } else { "x" }));
            }
            Notice::Cancelled { unit, .. } => self.told.push(format!("{}/", name(unit))),
            Notice::Progress { .. } | Notice::Status(_) | Notice::Network(_) => {}
            Notice::Report(error) => self.told.push(error.code().as_str().to_owned()),
        }
    }

    fn trigger(&mut self, word: &str) {
        self.requests += 1;
        let requests = vec![(RequestId(self.requests), unit(word.trim_end_matches(['!', '>', '*'])))];
        let any_network = word.ends_with('*');
        let (discard_pending, is_consequence) = (word.ends_with('!'), word.ends_with('>'));
        self.feed(Event::Triggered { requests, discard_pending, is_consequence, any_network });
    }

    fn fail(&mut self, code: Code) {
        let run = self.active.expect("an active run");
        self.feed(Event::Failed(run, Failure { error: Error::new(code, ""), retry_after_ms: None }));
    }

    fn play(&mut self, word: &str) {
        match word {
            "ok" => {
                let run = self.active.expect("an active run");
                self.feed(Event::Locked(run));
                self.feed(Event::Ready(run));
                self.feed(Event::Pushed(run, PushBatch::default()));
                self.feed(Event::Pulled(run));
            }
            "go" => {
                let run = self.active.expect("an active run");
                self.feed(Event::Locked(run));
                self.feed(Event::Ready(run));
            }
            "fail" => self.fail(Code::ServerFailed),
            "refuse" => self.fail(Code::ProtocolMalformed),
            "401" => self.fail(Code::Unauthenticated),
            "deny" => self.fail(Code::Forbidden),
            "pulled" => self.feed(Event::Pulled(self.active.expect("an active run"))),
            "over" => self.feed(Event::Fired(Timer::Deadline)),
            "woke" => self.feed(Event::Woke),
            "login" => self.feed(Event::SignedIn),
            "every" => self.feed(Event::Fired(Timer::Every)),
            "wifi" | "cellular" => self.feed(Event::Carried(Carrier::of(word), false)),
            "saving" => self.feed(Event::Carried(Carrier::Wifi, true)),
            "again" => self.feed(Event::Pulled(*self.ended.last().expect("a run that ended"))),
            "offline" => self.feed(Event::HintedOffline),
            "online" => self.feed(Event::HintedOnline),
            "resume" => self.feed(Event::Resumed),
            "probe ok" => self.feed(Event::Probed(Ok(()))),
            "probe no" => self.feed(Event::Probed(Err(Error::new(Code::Unreachable, "")))),
            "now" => self.feed(Event::RetryNow),
            "cancel" => self.feed(Event::Cancel),
            "wrote" => self.feed(Event::Wrote),
            "rest" => self.feed(Event::Fired(Timer::Change)),
            _ => match word.split_once(' ') {
                Some(("retry", name)) => self.feed(Event::Fired(Timer::Retry(unit(name)))),
                Some(("start", name)) => self.feed(Event::Started { dirty: vec![unit(name)] }),
                _ => self.trigger(word),
            },
        }
    }
}

fn check_with(auto: Auto, script: &str, told: &str) {
    let mut trace = Trace::new(auto);
    for word in script.split(';') {
        trace.play(word.trim());
    }
    assert_eq!(trace.told.join(" "), told, "\nscript: {script}");
}

fn check_policies(policies: &[UnitPolicy], script: &str, told: &str) -> Trace {
    let mut trace = Trace::new(Auto::default());
    trace.machine = Machine::new(Auto::default()).with_policies(policies.to_vec());
    for word in script.split(';') {
        trace.play(word.trim());
    }
    assert_eq!(trace.told.join(" "), told, "\nscript: {script}");
    trace
}

fn check(script: &str, told: &str) {
    check_with(Auto::default(), script, told);
}

#[test]
fn r3_one_pending_copy_per_unit_and_all_callers_get_the_outcome() {
    check("A; A; A; B; B; ok; ok", "+A A. A=complete(1,2,3) +B B. B=complete(4,5)");
    check(
        "offline; A; A; A; B; B; online; ok; ok",
        "probe probe probe probe probe +A A. A=complete(1,2,3) +B B. B=complete(4,5)",
    );
}

#[test]
fn a_request_for_the_running_unit_is_one_follow_up_run() {
    check("A; go; A; A; ok; ok", "+A A. A=complete(1) +A A. A=complete(2,3)");
}

#[test]
fn a_failed_unit_holds_up_nobody() {
    check("A; B; refuse; ok", "+A Ax A=error(1) +B B. B=complete(2)");
    check("A; B; refuse; ok; C; ok", "+A Ax A=error(1) +B B. B=complete(2) +C C. C=complete(3)");
    check("A; B; fail; ok; retry A; ok", "+A A~ A=error(1) +B B. B=complete(2) +A A.");
    check("A; B; fail; A; ok; ok", "+A A~ A=error(1) +B B. B=complete(2) +A A. A=complete(3)");
}

#[test]
fn r1_a_run_settles_once() {
    check("A; ok; again; again", "+A A. A=complete(1)");
}

#[test]
fn r19_discarding_drops_requests_that_wait_and_tells_them() {
    check("A; B; C!; ok; ok", "+A -=discarded(2) A. A=complete(1) +C C. C=complete(3)");
    check("A; go; A!; ok; ok", "+A A. A=complete(1) +A A. A=complete(2)");
}

#[test]
fn offline_requests_wait_and_run_in_order() {
    check("offline; A; B; online; ok; ok", "probe probe +A A. A=complete(1) +B B. B=complete(2)");
}

#[test]
fn the_servers_answer_overrules_the_browsers_offline() {
    check("offline; A; probe no; probe ok; ok", "probe network/disagreement +A A. A=complete(1)");
}

#[test]
fn the_next_start_runs_what_was_left() {
    check("start A; ok", "+A A.");
    let auto = Auto { start: Some(unit("B")), ..Auto::default() };
    check_with(auto, "start A; ok; ok", "+B B. +A A.");
}

#[test]
fn going_online_and_retry_now_cut_the_wait() {
    check("A; fail; now; ok", "+A A~ A=error(1) +A A.");
    check("A; fail; offline; online; ok", "+A A~ A=error(1) +A A.");
}

#[test]
fn what_failed_is_tried_again_in_the_order_of_the_units() {
    check(
        "C; A; B; fail; fail; fail; now; ok; ok; ok",
        "+C C~ C=error(1) +A A~ A=error(2) +B B~ B=error(3) +A A. +B B. +C C.",
    );
}

#[test]
fn a_missing_token_waits_for_the_session() {
    check("A; 401; A; ok", "+A Ax A=error(1) +A A. A=complete(2)");
}

#[test]
fn a_cancelled_run_is_told_and_the_next_one_starts() {
    check("A; B; cancel; ok", "+A A/ A=cancelled(1) +B B. B=complete(2)");
}

#[test]
fn changes_come_to_rest_before_they_are_sent() {
    let auto = Auto { change: Some(unit("C")), resume: Some(unit("A")), ..Auto::default() };
    check_with(auto, "wrote; wrote; rest; ok", "+C C.");
    check_with(auto, "resume; ok", "+A A.");
}

#[test]
fn r2_a_unit_that_asks_for_itself_whenever_it_ends_is_stopped() {
    let round = |number: u32| format!("A. A=complete({number}) ");
    let told: String = (1..=4).map(|number| format!("+A {}", round(number))).collect();
    check("A; ok; A>; ok; A>; ok; A>; ok; A>", &format!("{told}-=error(5)"));
    // By way of another one is no other way.
    let ring = "A; ok; B>; ok; A>; ok; B>; ok; A>; ok; B>; ok; A>; ok; B>; ok; A>";
    let units = ["A", "B"].into_iter().cycle().zip(1..=8);
    let told: String = units.map(|(unit, number)| format!("+{unit} {unit}. {unit}={unit}({number}) ")).collect();
    let told = told.replace("A=A", "A=complete").replace("B=B", "B=complete");
    check(ring, &format!("{told}-=error(9)"));
    // Somebody who writes something has a reason, and so has who asks later.
    let told: String = (1..=6).map(|number| format!("+A {}", round(number))).collect();
    check("A; ok; A>; ok; A>; wrote; ok; A>; ok; A>; ok; A>; ok", told.trim_end());
    check("A; ok; A>; ok; A>; ok; A; ok; A>; ok; A>; ok", told.trim_end());
}

#[test]
fn r7_a_unit_waits_for_its_network_and_holds_up_nobody() {
    let wifi = UnitPolicy { networks: Networks::only(&[Carrier::Wifi]), ..UnitPolicy::default() };
    let own = [wifi, UnitPolicy::default()];
    // Nobody knows what the network is: it is not taken for one that is allowed.
    let trace = check_policies(&own, "A; B; ok", "+B B. B=complete(2)");
    let status = trace.machine.status();
    assert_eq!((status.phase, status.waiting_for), (Phase::Held, Some((unit("A"), WaitingFor::Network))));
    check_policies(&own, "cellular; A; B; ok; wifi; ok", "+B B. B=complete(2) +A A. A=complete(1)");
    check_policies(&own, "cellular; A*; ok", "+A A. A=complete(1)");
    check_policies(&own, "cellular; A; A*; ok", "+A A. A=complete(1,2)");
    // It loses its network in the middle: it goes on when there is one again, and whoever asked is told then.
    check_policies(&own, "wifi; A; go; cellular; B; ok; wifi; ok", "+A A/ +B B. B=complete(2) +A A. A=complete(1)");
    check_policies(&own, "wifi; A*; go; cellular; ok", "+A A. A=complete(1)");
    let listed = UnitPolicy { networks: Networks::only(&[Carrier::Wifi, Carrier::Unknown]), ..UnitPolicy::default() };
    check_policies(&[listed], "A; ok", "+A A. A=complete(1)");
}

#[test]
fn r7_a_unit_waits_while_data_is_saved() {
    let own = [UnitPolicy { waits_for_data_saver: true, ..UnitPolicy::default() }];
    let trace = check_policies(&own, "saving; A; B; ok", "+B B. B=complete(2)");
    assert_eq!(trace.machine.status().waiting_for, Some((unit("A"), WaitingFor::DataSaver)));
    check_policies(&own, "saving; A; wifi; ok", "+A A. A=complete(1)");
}

#[test]
fn r7_a_run_that_takes_too_long_ends_with_an_error() {
    let own = [UnitPolicy { timeout_ms: Some(50), ..UnitPolicy::default() }];
    let trace = check_policies(&own, "A; B; go; over; ok", "+A A~ A=error(1) +B B. B=complete(2)");
    assert_eq!(trace.machine.status().last_error, None, "B has completed since");
    let trace = check_policies(&own, "A; go; over", "+A A~ A=error(1)");
    let error = trace.machine.status().last_error.clone().expect("an error");
    assert_eq!((error.code(), error.is_retryable()), (Code::RunTimeout, true));
}

#[test]
fn r7_a_unit_retries_as_it_says() {
    let never = UnitPolicy { retry: None, ..UnitPolicy::default() };
    check_policies(&[never], "A; fail; now; ok", "+A Ax A=error(1) +A A.");
    let slow = UnitPolicy { retry: Some(Backoff { base_ms: 5_000, cap_ms: 7_000 }), ..UnitPolicy::default() };
    let waits = |script: &str, told: &str| {
        let trace = check_policies(&[slow], script, told);
        trace.machine.status().next_retry.expect("a next attempt") - trace.now
    };
    assert_eq!(waits("A; fail", "+A A~ A=error(1)"), 5_000);
    assert_eq!(waits("A; fail; retry A; fail", "+A A~ A=error(1) +A A~"), 7_000);
}

#[test]
fn r13_the_browser_and_the_server_disagree() {
    // Told once, and again only when they have agreed meanwhile.
    check("offline; probe ok; offline; probe ok", "network/disagreement network/disagreement");
    check("woke; probe no; woke; probe no", "probe network/disagreement probe");
    check("woke; probe no; probe ok; probe no", "probe network/disagreement network/disagreement");
    check("offline; probe no", "");
}

#[test]
fn r13_a_device_that_slept_asks_again_and_probes() {
    let auto = Auto { resume: Some(unit("B")), ..Auto::default() };
    check_with(auto, "woke; ok", "probe +B B.");
    check_with(auto, "A; go; woke; ok; ok", "+A probe A. A=complete(1) +B B.");
    check("A; fail; woke; ok", "+A A~ A=error(1) probe +A A.");
    // The answer to what was sent before the sleep may never come: it is sent again, and not waited for.
    let mut trace = Trace::new(Auto::default());
    ["A", "go"].into_iter().for_each(|word| trace.play(word));
    let run = trace.active.expect("an active run");
    let effects = trace.machine.step(trace.now, &mut |max| max, Event::Woke);
    assert_eq!(effects, [Effect::Push(run, unit("A")), Effect::Probe]);
    trace.feed(Event::Pushed(run, PushBatch::default()));
    let effects = trace.machine.step(trace.now, &mut |max| max, Event::Woke);
    assert_eq!(effects, [Effect::Pull(run, unit("A")), Effect::Probe]);
}

#[test]
fn r21_who_is_signed_out_is_not_asked_over_and_over() {
    let every = Some(Every { unit: unit("C"), seconds: 60 });
    let auto = Auto { change: Some(unit("B")), login: Some(unit("A")), every, ..Auto::default() };
    check_with(auto, "A; 401; wrote; rest; every", "+A Ax A=error(1)");
    check_with(auto, "A; 401; wrote; rest; every; login; ok; ok; ok", "+A Ax A=error(1) +A A. +B B. +C C.");
    // Somebody who asks is served: the app may know better.
    check_with(auto, "A; 401; B; ok", "+A Ax A=error(1) +B B. B=complete(2)");
}

#[test]
fn who_may_not_push_still_pulls_and_is_told_at_the_end() {
    check("A; B; go; deny; pulled; ok", "+A Ax A=error(1) +B B. B=complete(2)");
}
