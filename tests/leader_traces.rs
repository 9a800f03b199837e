//! What tabs' machines tell each other, event by event: the machine of the tab that leads, and of one that follows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use whimbrel::error::{Code, Error};
use whimbrel::sync::{
    Answer, Auto, Cause, Effect, Event, Failure, Machine, Notice, Phase, Progress, PushBatch, RequestId, RunId,
    Settlement, Told, UnitId, Wish,
};

const A: UnitId = UnitId(0);
const B: UnitId = UnitId(1);
const FIRST: u64 = 1 << 16;

fn feed(machine: &mut Machine, event: Event) -> Vec<Effect> {
    machine.step(1_000, &mut |max| max, event)
}

fn trigger(machine: &mut Machine, request: u32, unit: UnitId) -> Vec<Effect> {
    let requests = vec![(RequestId(request), unit)];
    feed(machine, Event::Triggered { requests, discard_pending: false, is_consequence: false, any_network: false })
}

fn notices(effects: &[Effect]) -> Vec<Notice> {
    let told = effects.iter().filter_map(|effect| match effect {
        Effect::Tell(Notice::Status(_) | Notice::Network(_)) => None,
        Effect::Tell(notice) => Some(notice.clone()),
        _ => None,
    });
    told.collect()
}

fn follower() -> Machine {
    Machine::shared(Auto::default())
}

/// A tab that leads, with a run of A.
fn leader() -> (Machine, RunId) {
    let mut machine = Machine::shared(Auto::default());
    assert!(trigger(&mut machine, 1, A).contains(&Effect::Lead));
    assert_eq!(machine.status().phase, Phase::Waiting);
    let effects = feed(&mut machine, Event::Led(FIRST));
    let run = RunId(FIRST + 1);
    assert!(effects.contains(&Effect::Lock(run)));
    feed(&mut machine, Event::Locked(run));
    feed(&mut machine, Event::Ready(run));
    (machine, run)
}

fn runs(run: RunId) -> Event {
    let (phase, progress) = (Phase::Pulling, Progress { pulled: 5, ..Progress::default() });
    Event::Told(Told::Runs { run, unit: A, cause: Cause::App, phase, progress })
}

fn wish(unit: UnitId, request: u32) -> Wish {
    Wish { unit, cause: Cause::App, any_network: false, requests: vec![RequestId(request)] }
}

#[test]
fn r1_only_the_tab_that_leads_starts_runs_and_it_stops_leading_when_nothing_is_left() {
    let (mut machine, run) = leader();
    feed(&mut machine, Event::Pushed(run, PushBatch::default()));
    let effects = feed(&mut machine, Event::Pulled(run));
    assert!(effects.contains(&Effect::Rest));
    let mut follower = follower();
    assert!(notices(&trigger(&mut follower, 1, A)).is_empty());
    assert!(notices(&feed(&mut follower, Event::RetryNow)).is_empty());
}

#[test]
fn r3_other_tabs_wait_behind_and_each_is_answered_once() {
    let (mut machine, run) = leader();
    let asked = |wishes| Event::Asked { tab: 7, discard_pending: false, wishes };
    feed(&mut machine, asked(vec![wish(B, 1), wish(A, 2)]));
    // Asked again, because nobody has answered.
    feed(&mut machine, asked(vec![wish(B, 1), wish(A, 2)]));
    feed(&mut machine, Event::Pushed(run, PushBatch::default()));
    let effects = feed(&mut machine, Event::Pulled(run));
    assert!(
        !effects.iter().any(|effect| matches!(effect, Effect::Answer(..))),
        "its run had begun before it was asked"
    );
    let mut answers = Vec::new();
    for (number, unit, request) in [(2, B, 1), (3, A, 2)] {
        let run = RunId(FIRST + number);
        assert_eq!(machine.status().run, Some((run, unit)));
        feed(&mut machine, Event::Locked(run));
        feed(&mut machine, Event::Ready(run));
        feed(&mut machine, Event::Pushed(run, PushBatch::default()));
        let effects = feed(&mut machine, Event::Pulled(run));
        let answer =
            Answer { requests: vec![RequestId(request)], outcome: Settlement::Complete, run: Some(run), error: None };
        assert!(effects.contains(&Effect::Answer(7, answer.clone())));
        answers.push(answer);
    }
    // The answer was lost, and this tab leads once more.
    trigger(&mut machine, 2, B);
    feed(&mut machine, Event::Led(FIRST << 1));
    let effects = feed(&mut machine, asked(vec![wish(B, 1)]));
    assert!(effects.contains(&Effect::Answer(7, answers[0].clone())));
}

#[test]
fn r20_a_tab_sees_the_run_of_another_from_wherever_it_is() {
    let mut machine = follower();
    let run = RunId(9);
    let effects = feed(&mut machine, runs(run));
    let progress = Progress { pulled: 5, ..Progress::default() };
    let told = notices(&effects);
    assert_eq!(told, [Notice::Start { run, unit: A, cause: Cause::App }, Notice::Progress { run, unit: A, progress }]);
    assert_eq!((machine.status().phase, machine.status().run), (Phase::Pulling, Some((run, A))));
    // Said twice is told once; and what another run came to is not the end of this one.
    assert!(notices(&feed(&mut machine, runs(run))).is_empty());
    assert!(notices(&feed(&mut machine, Event::Told(Told::Cancelled { run: RunId(8) }))).is_empty());
    let end = Told::Completed { run, progress, rejected: 0, conflicts: 0, forbidden: Vec::new() };
    let told = notices(&feed(&mut machine, Event::Told(end.clone())));
    assert_eq!(told, [Notice::Complete { run, unit: A, progress, rejected: 0, conflicts: 0, forbidden: Vec::new() }]);
    assert!(notices(&feed(&mut machine, Event::Told(end))).is_empty());
    assert_eq!(machine.status().phase, Phase::Idle);
}

#[test]
fn r20_a_run_whose_tab_has_died_comes_to_an_end_too() {
    let mut machine = follower();
    assert!(feed(&mut machine, runs(RunId(9))).contains(&Effect::Lead));
    let effects = feed(&mut machine, Event::Led(FIRST));
    assert_eq!(notices(&effects), [Notice::Cancelled { run: RunId(9), unit: A }]);
    assert!(effects.contains(&Effect::Rest));
    assert_eq!(machine.status().phase, Phase::Idle);
}

#[test]
fn a_tab_that_was_overtaken_asks_again_for_what_it_was_doing() {
    let (mut machine, run) = leader();
    feed(&mut machine, Event::Asked { tab: 7, discard_pending: false, wishes: vec![wish(B, 1)] });
    let effects = feed(&mut machine, Event::Lost);
    assert_eq!(notices(&effects), [Notice::Cancelled { run, unit: A }]);
    assert!(effects.contains(&Effect::Lead));
    assert_eq!(machine.wishes(), [wish(A, 1)]);
    let answer =
        Answer { requests: vec![RequestId(1)], outcome: Settlement::Complete, run: Some(RunId(9)), error: None };
    let effects = feed(&mut machine, Event::Answered(answer.clone()));
    let settled = Notice::Settled {
        requests: vec![RequestId(1)],
        outcome: Settlement::Complete,
        run: Some(RunId(9)),
        error: None,
    };
    assert_eq!(notices(&effects), [settled]);
    assert!(effects.contains(&Effect::Rest));
    assert!(notices(&feed(&mut machine, Event::Answered(answer))).is_empty(), "settled once");
}

#[test]
fn r19_a_discard_of_another_tab_drops_what_waits_here() {
    let (mut machine, _) = leader();
    trigger(&mut machine, 2, B);
    feed(&mut machine, Event::Asked { tab: 7, discard_pending: false, wishes: vec![wish(B, 1)] });
    let effects = feed(&mut machine, Event::Asked { tab: 8, discard_pending: true, wishes: vec![wish(A, 5)] });
    let settled =
        Notice::Settled { requests: vec![RequestId(2)], outcome: Settlement::Discarded, run: None, error: None };
    assert_eq!(notices(&effects), [settled]);
    let answer = Answer { requests: vec![RequestId(1)], outcome: Settlement::Discarded, run: None, error: None };
    assert!(effects.contains(&Effect::Answer(7, answer)));
    // A tab that follows spares what the present run may be about to serve.
    let mut machine = follower();
    trigger(&mut machine, 1, A);
    trigger(&mut machine, 2, B);
    feed(&mut machine, runs(RunId(9)));
    let effects = feed(&mut machine, Event::Asked { tab: 8, discard_pending: true, wishes: Vec::new() });
    let settled =
        Notice::Settled { requests: vec![RequestId(2)], outcome: Settlement::Discarded, run: None, error: None };
    assert_eq!(notices(&effects), [settled]);
}

#[test]
fn r22_any_tab_stops_the_run_and_cuts_the_wait() {
    let (mut leader, run) = leader();
    let mut machine = follower();
    feed(&mut machine, runs(run));
    assert!(feed(&mut machine, Event::Cancel).contains(&Effect::CancelRun(run)));
    assert!(notices(&feed(&mut leader, Event::CancelRun(RunId(3)))).is_empty());
    let effects = feed(&mut leader, Event::CancelRun(run));
    assert!(effects.contains(&Effect::Relay(Told::Cancelled { run })));
    feed(&mut machine, Event::Told(Told::Cancelled { run }));
    // A failure is known everywhere, and so is its wait.
    feed(&mut machine, runs(RunId(9)));
    let error = Error::new(Code::ServerFailed, "");
    feed(&mut machine, Event::Told(Told::Failed { run: RunId(9), error, retry_at: Some(61_000) }));
    assert_eq!((machine.status().phase, machine.wishes().len()), (Phase::Backoff, 0));
    assert!(feed(&mut machine, Event::RetryNow).contains(&Effect::Lead));
    assert_eq!(machine.wishes()[0].unit, A);
}

#[test]
fn r22_a_pause_ends_the_run_at_its_next_batch_and_keeps_who_waits() {
    let (mut machine, run) = leader();
    assert!(notices(&feed(&mut machine, Event::Paused(true))).is_empty());
    let effects = feed(&mut machine, Event::Pushed(run, PushBatch::default()));
    assert!(notices(&effects).contains(&Notice::Cancelled { run, unit: A }));
    assert!(effects.contains(&Effect::End(run)) && effects.contains(&Effect::Rest));
    assert_eq!(machine.status().phase, Phase::Paused);
    assert!(!trigger(&mut machine, 2, A).contains(&Effect::Lead));
    assert!(feed(&mut machine, Event::Paused(false)).contains(&Effect::Lead));
    feed(&mut machine, Event::Led(FIRST << 1));
    let run = machine.status().run.unwrap().0;
    feed(&mut machine, Event::Locked(run));
    feed(&mut machine, Event::Ready(run));
    feed(&mut machine, Event::Pushed(run, PushBatch::default()));
    let told = notices(&feed(&mut machine, Event::Pulled(run)));
    let requests = vec![RequestId(1), RequestId(2)];
    assert!(told.contains(&Notice::Settled { requests, outcome: Settlement::Complete, run: Some(run), error: None }));
}

#[test]
fn a_store_that_lets_nobody_lead_fails_the_run() {
    let mut machine = follower();
    trigger(&mut machine, 1, A);
    let error = Error::new(Code::StoreFailed, "");
    let told = notices(&feed(&mut machine, Event::LeadFailed(error.clone())));
    let run = match &told[0] {
        Notice::Start { run, .. } => *run,
        other => panic!("{other:?}"),
    };
    let settled = Notice::Settled {
        requests: vec![RequestId(1)],
        outcome: Settlement::Error,
        run: Some(run),
        error: Some(error),
    };
    assert_eq!(told.last(), Some(&settled));
    assert_eq!(machine.status().phase, Phase::Backoff);
    let failure = Failure { error: Error::new(Code::ServerFailed, ""), retry_after_ms: None };
    assert!(notices(&feed(&mut machine, Event::Failed(run, failure))).is_empty());
}
