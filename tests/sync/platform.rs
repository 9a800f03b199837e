//! A platform for tests: the engine over storage in memory, the real server's router, and a network that can fail.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::{Body as HttpBody, Bytes};
use http_body_util::BodyExt;
use tokio::sync::Notify;
use tower::ServiceExt;
use whimbrel::error::{Code, Error, Result};
use whimbrel::memory::MemoryStorage;
use whimbrel::ports::{
    Body, Clock, Lock, Method, Platform, Random, Request, Response, Session, Spawn, TabChannel, TabListener, Transport,
};

/// What the network does to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not leave the device.
    Unreachable,
    /// The server does what it asks, and the answer is lost.
    AnswerLost,
    /// The answer breaks off after so many bytes.
    CutAfter(usize),
    /// The answer ends in good order, but before its last line.
    LastLineLost,
    /// A sign-in page answers.
    Portal,
    /// A gateway answers for a server that is down.
    Status(u16),
    /// The answer has a line that is no JSON.
    Garbage,
}

/// Hears requests.
type Ear = Rc<dyn Fn(&Request)>;
/// A network with one server in it.
#[derive(Clone)]
pub(crate) struct Network {
    router: Rc<RefCell<axum::Router>>,
    faults: Rc<RefCell<Vec<(&'static str, Fault)>>>,
    /// The server fails whenever this is in a request; and how often it has.
    poison: Rc<RefCell<(Option<&'static str>, usize)>>,
    ear: Rc<RefCell<Option<Ear>>>,
}

impl Network {
    pub(crate) fn new(router: axum::Router) -> Self {
        Self { router: Rc::new(RefCell::new(router)), faults: Rc::default(), poison: Rc::default(), ear: Rc::default() }
    }

    /// Calls with every request when it leaves.
    pub(crate) fn listen(&self, ear: impl Fn(&Request) + 'static) {
        self.ear.replace(Some(Rc::new(ear)));
    }

    /// Another server answers from now on.
    pub(crate) fn move_to(&self, router: axum::Router) {
        *self.router.borrow_mut() = router;
    }

    /// The next request whose path begins like this meets the fault.
    pub(crate) fn fail_next(&self, path: &'static str, fault: Fault) {
        self.faults.borrow_mut().push((path, fault));
    }

    /// Whether a fault waits for its request.
    pub(crate) fn is_failing(&self) -> bool {
        !self.faults.borrow().is_empty()
    }

    /// The server fails whenever this is in a request.
    pub(crate) fn poison(&self, text: &'static str) {
        *self.poison.borrow_mut() = (Some(text), 0);
    }

    /// How often the server has failed so.
    pub(crate) fn poisoned(&self) -> usize {
        self.poison.borrow().1
    }

    fn is_poisoned(&self, request: &Request) -> bool {
        let (poison, count) = &mut *self.poison.borrow_mut();
        let is_it = poison.is_some_and(|poison| request.body.contains(poison));
        *count += usize::from(is_it);
        is_it
    }

    /// All is well again.
    pub(crate) fn heal(&self) {
        self.faults.borrow_mut().clear();
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        let mut faults = self.faults.borrow_mut();
        let place = faults.iter().position(|(prefix, _)| path.starts_with(prefix))?;
        Some(faults.remove(place).1)
    }

    async fn serve(&self, request: Request) -> Result<Response<Pieces>> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
        };
        let mut builder = axum::http::Request::builder().method(method).uri(format!("/v1/{}", request.path));
        if let Some(token) = request.token {
            builder = builder.header("authorization", format!("Bearer {token}"));
        }
        let http = builder.header("content-type", "application/json").body(HttpBody::from(request.body)).unwrap();
        let router = self.router.borrow().clone();
        let answer = router.oneshot(http).await.unwrap();
        let header =
            |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        let content_type = header("content-type").split(';').next().unwrap_or("").to_owned();
        let retry_after_ms = header("retry-after").parse::<u64>().ok().map(|seconds| seconds * 1_000);
        let status = answer.status().as_u16();
        let body = Pieces { body: answer.into_body(), left: usize::MAX, breaks: false };
        Ok(Response { status, content_type, retry_after_ms, redirected: false, body })
    }
}

fn page(status: u16) -> Response<Pieces> {
    let body = Pieces { body: HttpBody::from("<html>Welcome!</html>"), left: usize::MAX, breaks: false };
    Response { status, content_type: "text/html".to_owned(), retry_after_ms: None, redirected: false, body }
}

impl Transport for Network {
    type Body = Pieces;

    async fn send(&self, request: Request) -> Result<Response<Pieces>> {
        let ear = self.ear.borrow().clone();
        ear.iter().for_each(|ear| ear(&request));
        if self.is_poisoned(&request) {
            return Ok(page(500));
        }
        let unreachable = || Err(Error::new(Code::Unreachable, "no network"));
        match self.fault(&request.path) {
            None => self.serve(request).await,
            Some(Fault::Unreachable) => unreachable(),
            Some(Fault::AnswerLost) => {
                self.serve(request).await?;
                unreachable()
            }
            Some(Fault::CutAfter(bytes)) => {
                let mut response = self.serve(request).await?;
                (response.body.left, response.body.breaks) = (bytes, true);
                Ok(response)
            }
            Some(Fault::LastLineLost) => {
                let mut response = self.serve(request).await?;
                let whole = response.body.body.collect().await.unwrap().to_bytes();
                let end = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
                response.body.body = HttpBody::from(whole.slice(..=end));
                Ok(response)
            }
            Some(Fault::Portal) => Ok(page(200)),
            Some(Fault::Status(status)) => Ok(page(status)),
            Some(Fault::Garbage) => {
                let mut response = self.serve(request).await?;
                response.body.body = HttpBody::from("{\"start\":{\"protocol\":1,\n");
                Ok(response)
            }
        }
    }
}

/// A body from the router.
pub(crate) struct Pieces {
    body: HttpBody,
    left: usize,
    breaks: bool,
}

impl Body for Pieces {
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let broken = || Err(Error::new(Code::ProtocolTruncated, "the connection broke"));
        if self.breaks && self.left == 0 {
            return broken();
        }
        loop {
            let Some(frame) = self.body.frame().await else {
                return if self.breaks { broken() } else { Ok(None) };
            };
            let Ok(data) = frame.map_err(|_| ()).and_then(|frame| frame.into_data().map_err(|_| ())) else { continue };
            let data: Bytes = data;
            let taken = data.len().min(self.left);
            self.left -= taken;
            return Ok(Some(data[..taken].to_vec()));
        }
    }
}

/// The real clock, with a factor: a second of the engine is a millisecond of the test.
#[derive(Clone)]
pub(crate) struct FastClock;

thread_local!(
    /// How wrong all clocks of devices are from now on, in milliseconds.
    pub(crate) static CLOCK_OFF_BY: Cell<i64> = const { Cell::new(0) };
);

impl Clock for FastClock {
    fn now_ms(&self) -> i64 {
        // Of today at first: the time in change ids has 48 bits.
        static START: LazyLock<(SystemTime, Instant)> = LazyLock::new(|| (SystemTime::now(), Instant::now()));
        let (date, start) = *START;
        let passed = i64::try_from(start.elapsed().as_micros()).unwrap();
        i64::try_from(date.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap() + passed + CLOCK_OFF_BY.get()
    }

    async fn sleep(&self, ms: u32) {
        tokio::time::sleep(Duration::from_micros(u64::from(ms))).await;
    }
}

/// Numbers from a seed (SplitMix64).
pub(crate) struct Seeded(pub(crate) Cell<u64>);

impl Random for Seeded {
    fn bytes16(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        for half in bytes.chunks_mut(8) {
            let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
            self.0.set(state);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            half.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
        }
        bytes
    }
}

type Listener = Rc<dyn Fn(&[u8])>;

/// What the tabs of one browser share.
#[derive(Clone, Default)]
pub(crate) struct Origin {
    locks: Rc<RefCell<BTreeMap<String, Vec<Claim>>>>,
    claims: Rc<Cell<u64>>,
    /// Whether no message arrives.
    pub(crate) is_deaf: Rc<Cell<bool>>,
    listeners: Rc<RefCell<Vec<(u32, Listener)>>>,
    tabs: Rc<Cell<u32>>,
}

/// Who holds a lock (the first of the line) or waits for it.
struct Claim {
    number: u64,
    lost: Box<dyn Fn()>,
    turn: Rc<Notify>,
}

impl Lock for Origin {
    type Guard = Held;

    fn is_shared(&self) -> bool {
        true
    }

    async fn acquire(&self, name: &str, steal: bool, lost: Box<dyn Fn()>) -> Result<Self::Guard> {
        self.claims.set(self.claims.get() + 1);
        let (number, turn) = (self.claims.get(), Rc::new(Notify::new()));
        let guard = Held { origin: self.clone(), name: name.to_owned(), number };
        let robbed = {
            let mut locks = self.locks.borrow_mut();
            let line = locks.entry(name.to_owned()).or_default();
            let robbed = (steal && !line.is_empty()).then(|| line.remove(0));
            let place = if steal { 0 } else { line.len() };
            line.insert(place, Claim { number, lost, turn: Rc::clone(&turn) });
            robbed
        };
        robbed.iter().for_each(|claim| (claim.lost)());
        while !self.is_first(name, number) {
            turn.notified().await;
        }
        Ok(guard)
    }
}

/// A lock, or a place in its line.
pub(crate) struct Held {
    origin: Origin,
    name: String,
    number: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let (mut gone, mut next) = (None, None);
        if let Some(line) = self.origin.locks.borrow_mut().get_mut(&self.name) {
            gone = line.iter().position(|claim| claim.number == self.number).map(|place| line.remove(place));
            next = line.first().map(|claim| Rc::clone(&claim.turn));
        }
        next.iter().for_each(|turn| turn.notify_one());
        drop(gone);
    }
}

/// One tab's end of the channel.
pub(crate) struct Tab {
    origin: Origin,
    number: u32,
}

impl Origin {
    fn is_first(&self, name: &str, number: u64) -> bool {
        self.locks.borrow().get(name).and_then(|line| line.first()).is_some_and(|first| first.number == number)
    }

    /// Takes the lock from its holder, who does not learn of it, and gives it to the next one, if there is one.
    pub(crate) fn pass_on(&self, name: &str) -> bool {
        let robbed = {
            let mut locks = self.locks.borrow_mut();
            let line = locks.get_mut(name).filter(|line| line.len() > 1);
            line.map(|line| (line.remove(0), line.first().map(|next| Rc::clone(&next.turn))))
        };
        let is_passed_on = robbed.is_some();
        robbed.and_then(|(_, turn)| turn).iter().for_each(|turn| turn.notify_one());
        is_passed_on
    }

    pub(crate) fn tab(&self) -> Tab {
        self.tabs.set(self.tabs.get() + 1);
        Tab { origin: self.clone(), number: self.tabs.get() }
    }
}

impl TabChannel for Tab {
    fn is_connected(&self) -> bool {
        true
    }

    /// Arrives a turn later, as in a browser.
    fn announce(&self, message: &[u8]) {
        let (message, origin, own) = (message.to_vec(), self.origin.clone(), self.number);
        if origin.is_deaf.get() {
            return;
        }
        tokio::task::spawn_local(async move {
            let listeners: Vec<_> = origin.listeners.borrow().clone();
            for (number, listener) in listeners {
                if number != own {
                    listener(&message);
                }
            }
        });
    }

    fn listen(&self, listener: TabListener) {
        self.origin.listeners.borrow_mut().push((self.number, listener.into()));
    }
}

/// A session whose token can be changed.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) Rc<RefCell<Vec<&'static str>>>);

impl Session for Token {
    async fn before_run(&self, unit: &str) -> Result<()> {
        match unit {
            "refused" => Err(Error::new(Code::HookFailed, "the app says no")),
            _ => Ok(()),
        }
    }

    async fn token(&self) -> Result<Option<String>> {
        let mut tokens = self.0.borrow_mut();
        let token = if tokens.len() > 1 { tokens.remove(0) } else { tokens[0] };
        match token {
            "fails" => Err(Error::new(Code::Unauthenticated, "there is no session")),
            _ => Ok(Some(token.to_owned())),
        }
    }
}

pub(crate) struct LocalTasks;

impl Spawn for LocalTasks {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()>>>) {
        tokio::task::spawn_local(future);
    }
}

pub(crate) struct Native;

impl Platform for Native {
    type Storage = MemoryStorage;
    type Transport = Network;
    type Clock = FastClock;
    type Random = Seeded;
    type Lock = Origin;
    type Tabs = Tab;
    type Session = Token;
    type Spawn = LocalTasks;
}
