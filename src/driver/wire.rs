//! What tabs tell each other, as bytes: a version, the app's units, a kind, and what belongs to it. What is not of this form is not heard; any
//! script of the origin can post to the channel, and a tab may run another version of the app.

use crate::error::{Code, Error};
use crate::model::{Unit, varint};
use crate::sync::{Answer, Cause, Phase, Progress, RequestId, RunId, Settlement, Told, UnitId, Wish};

/// The form of the messages.
const VERSION: u64 = 1;

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    /// The log has grown.
    Grown(u64),
    /// A tab wants runs, or just asks who is there.
    Ask { tab: u32, discard_pending: bool, wishes: Vec<Wish> },
    /// The holder of the lock is alive.
    Alive,
    /// What the tab that leads tells of its runs; numbers grow, within a leadership and from one to the next.
    Told { epoch: u64, number: u64, told: Told },
    /// What became of a tab's requests.
    Answer { tab: u32, answer: Answer },
    /// A run is to be stopped.
    CancelRun(RunId),
}

const CAUSES: [Cause; 8] =
    [Cause::App, Cause::Start, Cause::Online, Cause::Resume, Cause::Change, Cause::Every, Cause::Login, Cause::Retry];
const PHASES: [Phase; 3] = [Phase::Waiting, Phase::Pushing, Phase::Pulling];
const OUTCOMES: [Settlement; 4] =
    [Settlement::Complete, Settlement::Error, Settlement::Discarded, Settlement::Cancelled];

/// What tabs of the same app have in common: their units, which have numbers here.
pub(super) fn fingerprint(units: &[Unit]) -> u64 {
    let bytes = units.iter().flat_map(|unit| unit.name.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)) >> 1
}

/// The message as bytes.
pub(super) fn encode(message: &Message, fingerprint: u64) -> Vec<u8> {
    let mut out = Writer(Vec::new());
    out.numbers(&[VERSION, fingerprint]);
    match message {
        Message::Grown(seq) => out.numbers(&[0, *seq]),
        Message::Ask { tab, discard_pending, wishes } => {
            out.numbers(&[1, u64::from(*tab), u64::from(*discard_pending), wishes.len() as u64]);
            for wish in wishes {
                out.numbers(&[u64::from(wish.unit.0), place(&CAUSES, &wish.cause), u64::from(wish.any_network)]);
                out.requests(&wish.requests);
            }
        }
        Message::Alive => out.numbers(&[2]),
        Message::Told { epoch, number, told } => {
            out.numbers(&[3, *epoch, *number]);
            out.told(told);
        }
        Message::Answer { tab, answer } => {
            out.numbers(&[4, u64::from(*tab), place(&OUTCOMES, &answer.outcome)]);
            out.requests(&answer.requests);
            out.numbers(&[answer.run.map_or(0, |run| run.0 + 1)]);
            out.error(answer.error.as_ref());
        }
        Message::CancelRun(run) => out.numbers(&[5, run.0]),
    }
    out.0
}

/// The message that some bytes are.
pub(super) fn decode(bytes: &[u8], fingerprint: u64) -> Option<Message> {
    let mut from = Reader(bytes);
    let is_ours = from.number()? == VERSION && from.number()? == fingerprint;
    let message = match from.number().filter(|_| is_ours)? {
        0 => Message::Grown(from.number()?),
        1 => {
            let (tab, discard_pending) = (from.small()?, from.number()? == 1);
            Message::Ask { tab, discard_pending, wishes: from.list(Reader::wish)? }
        }
        2 => Message::Alive,
        3 => Message::Told { epoch: from.number()?, number: from.number()?, told: from.told()? },
        4 => {
            let (tab, outcome) = (from.small()?, from.one_of(&OUTCOMES)?);
            let (requests, run) = (from.list(Reader::request)?, from.number()?.checked_sub(1).map(RunId));
            Message::Answer { tab, answer: Answer { requests, outcome, run, error: from.error()? } }
        }
        5 => Message::CancelRun(from.run()?),
        _ => return None,
    };
    from.0.is_empty().then_some(message)
}

fn place<T: PartialEq>(all: &[T], one: &T) -> u64 {
    all.iter().position(|known| known == one).unwrap_or_default() as u64
}

struct Writer(Vec<u8>);

impl Writer {
    fn numbers(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|number| varint::put(*number, &mut self.0));
    }

    fn requests(&mut self, requests: &[RequestId]) {
        self.numbers(&[requests.len() as u64]);
        requests.iter().for_each(|request| self.numbers(&[u64::from(request.0)]));
    }

    fn error(&mut self, error: Option<&Error>) {
        let (code, detail) = error.map_or(("", ""), |error| (error.code().as_str(), error.detail()));
        varint::put_slice(code.as_bytes(), &mut self.0);
        varint::put_slice(detail.as_bytes(), &mut self.0);
    }

    fn time(&mut self, at: Option<i64>) {
        self.numbers(&[at.map_or(0, |at| varint::zigzag(at) + 1)]);
    }

    fn progress(&mut self, Progress { pushed, to_push, pulled, to_pull, bytes }: &Progress) {
        self.numbers(&[*pushed, *to_push, *pulled, *to_pull, *bytes]);
    }

    fn told(&mut self, told: &Told) {
        match told {
            Told::Runs { run, unit, cause, phase, progress } => {
                self.numbers(&[0, run.0, u64::from(unit.0), place(&CAUSES, cause), place(&PHASES, phase)]);
                self.progress(progress);
            }
            Told::Completed { run, progress, rejected, conflicts, forbidden } => {
                self.numbers(&[1, run.0, *rejected, *conflicts]);
                self.progress(progress);
                self.numbers(&[forbidden.len() as u64]);
                forbidden.iter().for_each(|entity| varint::put_slice(entity.as_bytes(), &mut self.0));
            }
            Told::Failed { run, error, retry_at } => {
                self.numbers(&[2, run.0]);
                self.time(*retry_at);
                self.error(Some(error));
            }
            Told::Cancelled { run } => self.numbers(&[3, run.0]),
            Told::Waits { unit, error, retry_at } => {
                self.numbers(&[4, u64::from(unit.0)]);
                self.time(Some(*retry_at));
                self.error(Some(error));
            }
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = varint::take(self.0)?;
        self.0 = rest;
        Some(number)
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    fn text(&mut self) -> Option<String> {
        let (text, rest) = varint::take_slice(self.0)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(self.small::<usize>()?).copied()
    }

    /// Each takes a byte at least, so a count that promises more ends the list.
    fn list<T>(&mut self, one: fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        (0..count).map(|_| one(self)).collect()
    }

    fn unit(&mut self) -> Option<UnitId> {
        self.small().map(UnitId)
    }

    fn run(&mut self) -> Option<RunId> {
        self.number().map(RunId)
    }

    fn request(&mut self) -> Option<RequestId> {
        self.small().map(RequestId)
    }

    fn wish(&mut self) -> Option<Wish> {
        let (unit, cause, any_network) = (self.unit()?, self.one_of(&CAUSES)?, self.number()? == 1);
        Some(Wish { unit, cause, any_network, requests: self.list(Self::request)? })
    }

    /// `None` when it cannot be read, else the error if there is one.
    #[allow(clippy::option_option, reason = "whether it can be read, and whether there is one")]
    fn error(&mut self) -> Option<Option<Error>> {
        let (code, detail) = (self.text()?, self.text()?);
        if code.is_empty() {
            return Some(None);
        }
        let code = Code::ALL.iter().find(|known| known.as_str() == code)?;
        Some(Some(Error::new(*code, detail)))
    }

    #[allow(clippy::option_option, reason = "as above")]
    fn time(&mut self) -> Option<Option<i64>> {
        Some(self.number()?.checked_sub(1).map(varint::unzigzag))
    }

    fn progress(&mut self) -> Option<Progress> {
        let (pushed, to_push, pulled) = (self.number()?, self.number()?, self.number()?);
        Some(Progress { pushed, to_push, pulled, to_pull: self.number()?, bytes: self.number()? })
    }

    fn told(&mut self) -> Option<Told> {
        Some(match self.number()? {
            0 => {
                let (run, unit, cause) = (self.run()?, self.unit()?, self.one_of(&CAUSES)?);
                Told::Runs { run, unit, cause, phase: self.one_of(&PHASES)?, progress: self.progress()? }
            }
            1 => {
                let (run, rejected, conflicts) = (self.run()?, self.number()?, self.number()?);
                let (progress, forbidden) = (self.progress()?, self.list(Self::text)?);
                Told::Completed { run, progress, rejected, conflicts, forbidden }
            }
            2 => {
                let (run, retry_at) = (self.run()?, self.time()?);
                Told::Failed { run, error: self.error()??, retry_at }
            }
            3 => Told::Cancelled { run: self.run()? },
            4 => {
                let (unit, retry_at) = (self.unit()?, self.time()??);
                Told::Waits { unit, error: self.error()??, retry_at }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> Vec<Message> {
        let (run, unit, progress) =
            (RunId(u64::MAX >> 1), UnitId(3), Progress { pushed: 1, bytes: 300, ..Progress::default() });
        let error = Error::new(Code::Unreachable, "no way");
        let told = [
            Told::Runs { run, unit, cause: Cause::Retry, phase: Phase::Pulling, progress },
            Told::Completed { run, progress, rejected: 2, conflicts: 300, forbidden: vec!["place".to_owned()] },
            Told::Failed { run, error: error.clone(), retry_at: Some(-5) },
            Told::Failed { run, error: error.clone(), retry_at: None },
            Told::Cancelled { run },
            Told::Waits { unit, error: error.clone(), retry_at: 1_795_449_600_000 },
        ];
        let requests = vec![RequestId(1), RequestId(u32::MAX)];
        let wishes = vec![Wish { unit, cause: Cause::Change, any_network: true, requests: requests.clone() }];
        let answer = |error, run| Answer { requests: requests.clone(), outcome: Settlement::Cancelled, run, error };
        let mut all: Vec<_> = told.into_iter().map(|told| Message::Told { epoch: 7, number: 8, told }).collect();
        all.extend([
            Message::Grown(400),
            Message::Ask { tab: 9, discard_pending: true, wishes },
            Message::Ask { tab: u32::MAX, discard_pending: false, wishes: Vec::new() },
            Message::Alive,
            Message::Answer { tab: 1, answer: answer(Some(error), Some(run)) },
            Message::Answer { tab: 1, answer: answer(None, None) },
            Message::CancelRun(run),
        ]);
        all
    }

    #[test]
    fn a_message_comes_back() {
        for message in messages() {
            assert_eq!(decode(&encode(&message, 5), 5), Some(message));
        }
    }

    #[test]
    fn what_is_cut_off_or_of_another_app_is_not_heard() {
        for message in messages() {
            let bytes = encode(&message, 5);
            assert_eq!(decode(&bytes, 6), None);
            assert_eq!(decode(&[&bytes[..], &[0]].concat(), 5), None);
            for length in 0..bytes.len() {
                assert_eq!(decode(&bytes[..length], 5), None, "{message:?} cut at {length}");
            }
        }
        assert_eq!(decode(&[1, 5, 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 5), None);
    }
}
