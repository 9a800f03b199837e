//! The way to the server, as bad as networks are. The server is the real router, with its rules, over a database in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use axum::body::{Body as HttpBody, Bytes};
use futures_executor::block_on;
use http_body_util::BodyExt;
use serde_json::Value as Json;
use tokio::sync::oneshot;
use tower::ServiceExt;
use whimbrel::error::{Code, Error, Result};
use whimbrel::ports::{Body, Method, Request, Response, Transport};
use whimbrel_server::{MemoryStorage, Read as _};

use crate::crash::CrashPoint;
use crate::dice::Dice;
use crate::executor::{Executor, WORLD};
use crate::fault::{Fault, Faults};
use crate::pairs::Pairs;

/// One request in so many meets a fault.
const FAULTY: u64 = 4;
/// A request's way, in milliseconds, when all is well.
const LATENCY_MS: (u64, u64) = (1, 80);
/// How late a copy of a request may be.
const COPY_MS: (u64, u64) = (0, 30);
const LATE_COPY_MS: (u64, u64) = (500, 30_000);
/// How late an answer may be; a head that takes over thirty seconds is not waited for.
const DELAY_MS: (u64, u64) = (1_000, 40_000);
/// Where an answer breaks off, in bytes.
const CUT_MAX: u64 = 600;

/// What a request may meet.
const FAULTS: [Fault; 10] = [
    Fault::Dropped,
    Fault::Duplicated,
    Fault::Reordered,
    Fault::Delayed,
    Fault::AnswerLost,
    Fault::AnswerLost,
    Fault::Truncated,
    Fault::ServerFailed,
    Fault::ServerBusy,
    Fault::Portal,
];

/// The network between all devices and the server.
pub(crate) struct Network {
    router: axum::Router,
    executor: Executor,
    dice: Dice,
    faults: Faults,
    crash: CrashPoint,
    /// By number: the values on which devices said, in a request that arrived, that it was written.
    bases: RefCell<Bases>,
    pub(crate) pairs: Pairs,
    storage: MemoryStorage,
}

/// The values on which a number was written.
pub(crate) type Bases = BTreeMap<i64, Vec<Option<i64>>>;

impl Network {
    pub(crate) fn new(
        router: axum::Router,
        storage: MemoryStorage,
        executor: Executor,
        dice: Dice,
        faults: Faults,
        crash: CrashPoint,
    ) -> Rc<Self> {
        Rc::new(Self {
            router,
            executor,
            dice,
            faults,
            crash,
            bases: RefCell::default(),
            pairs: Pairs::default(),
            storage,
        })
    }

    /// A step of the tab whose turn it is. Who dies here does not go on.
    async fn step(&self) {
        if self.crash.step(self.executor.current()) {
            std::future::pending::<()>().await;
        }
    }

    fn fault(&self) -> Option<Fault> {
        let fault = FAULTS.get(usize::try_from(self.dice.below(FAULTS.len() as u64)).unwrap_or(0)).copied();
        fault.filter(|_| !self.faults.are_over() && self.dice.one_in(FAULTY)).inspect(|fault| self.faults.count(*fault))
    }

    pub(crate) fn bases(&self) -> Bases {
        self.bases.borrow().clone()
    }

    /// Reads what a push says of its changes.
    fn overhear(&self, body: &str) {
        let Ok(push) = serde_json::from_str::<Json>(body) else { return };
        let changes = push.get("changes").and_then(Json::as_array).into_iter().flatten();
        let updates = changes.filter(|change| change.get("op").and_then(Json::as_str) == Some("update"));
        for change in updates {
            for (field, value) in change.get("set").and_then(Json::as_object).into_iter().flatten() {
                if let Some(number) = value.as_i64() {
                    let was = change.get("was").and_then(|was| was.get(field)).and_then(Json::as_i64);
                    self.bases.borrow_mut().entry(number).or_default().push(was);
                }
            }
        }
    }

    async fn wait(&self, (from, to): (u64, u64)) {
        self.executor.sleep(self.dice.between(from, to)).await;
    }

    /// What the server makes of a request, all of it but the body at once.
    fn serve(&self, request: Request) -> Option<Answer> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
        };
        let before = self.storage.backup();
        if request.path == "push" {
            self.overhear(&request.body);
        }
        let mut builder = axum::http::Request::builder().method(method).uri(format!("/v1/{}", request.path));
        if let Some(token) = request.token {
            builder = builder.header("authorization", format!("Bearer {token}"));
        }
        let http =
            builder.header("content-type", "application/json").body(HttpBody::from(request.body.clone())).ok()?;
        let answer = block_on(self.router.clone().oneshot(http)).ok()?;
        if request.path == "push" && answer.status().is_success() {
            self.pairs.pushed(&request.body, self.storage.backup().writes(), before.writes().len());
        }
        let text = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        Some(Answer {
            status: answer.status().as_u16(),
            content_type: text("content-type").split(';').next().unwrap_or("").to_owned(),
            retry_after_ms: text("retry-after").parse::<u64>().ok().map(|seconds| seconds * 1_000),
            body: answer.into_body(),
        })
    }

    /// Brings a copy of a request to the server, later.
    fn copy(self: &Rc<Self>, request: Request, when: (u64, u64)) {
        let network = Rc::clone(self);
        self.executor.spawn(WORLD, async move {
            network.wait(when).await;
            drop(network.serve(request));
        });
    }

    /// Brings a request to the server. It arrives also when whoever sent it is no more.
    async fn carry(self: &Rc<Self>, request: Request) -> Result<Answer> {
        let (answer, arrival) = oneshot::channel();
        let (network, era) = (Rc::clone(self), self.pairs.era());
        self.executor.spawn(WORLD, async move {
            network.wait(LATENCY_MS).await;
            if request.path == "pull"
                && let Ok(head) = network.storage.head().await
            {
                network.pairs.pulled(&request.body, head.horizon, era);
            }
            // Nobody may be waiting any more.
            _ = answer.send(network.serve(request));
        });
        arrival.await.ok().flatten().ok_or_else(|| Error::new(Code::Internal, "the router did not answer"))
    }
}

struct Answer {
    status: u16,
    content_type: String,
    retry_after_ms: Option<u64>,
    body: HttpBody,
}

/// A device's way into the network.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) network: Rc<Network>,
    pub(crate) is_online: Rc<Cell<bool>>,
}

impl Line {
    fn response(&self, answer: Answer, cut: Option<usize>) -> Response<Pieces> {
        let Answer { status, content_type, retry_after_ms, body } = answer;
        let body = Pieces { body, left: cut, network: Rc::clone(&self.network) };
        Response { status, content_type, retry_after_ms, redirected: false, body }
    }

    fn page(&self, status: u16, retry_after_ms: Option<u64>) -> Response<Pieces> {
        let body = HttpBody::from("<html>Welcome to our hotel!</html>");
        self.response(Answer { status, content_type: "text/html".to_owned(), retry_after_ms, body }, None)
    }
}

impl Transport for Line {
    type Body = Pieces;

    async fn send(&self, request: Request) -> Result<Response<Pieces>> {
        let network = &self.network;
        network.step().await;
        let fault = network.fault();
        network.wait(LATENCY_MS).await;
        if !self.is_online.get() {
            return Err(Error::new(Code::Unreachable, "there is no network"));
        }
        match fault {
            Some(Fault::Dropped) => {
                network.executor.sleep(u64::from(request.timeout_ms)).await;
                return Err(Error::new(Code::Timeout, "no answer"));
            }
            Some(Fault::Portal) => return Ok(self.page(200, None)),
            Some(Fault::ServerFailed) => return Ok(self.page(502, None)),
            Some(Fault::ServerBusy) => return Ok(self.page(429, Some(network.dice.between(1, 20) * 1_000))),
            Some(Fault::Duplicated) => network.copy(request.clone(), COPY_MS),
            Some(Fault::Reordered) => network.copy(request.clone(), LATE_COPY_MS),
            _ => {}
        }
        let timeout = u64::from(request.timeout_ms);
        let answer = network.carry(request).await?;
        network.step().await;
        match fault {
            Some(Fault::AnswerLost) => Err(Error::new(Code::Unreachable, "the connection was reset")),
            Some(Fault::Delayed) => {
                let delay = network.dice.between(DELAY_MS.0, DELAY_MS.1);
                network.executor.sleep(delay.min(timeout)).await;
                if delay >= timeout {
                    return Err(Error::new(Code::Timeout, "no answer"));
                }
                Ok(self.response(answer, None))
            }
            Some(Fault::Truncated) => {
                Ok(self.response(answer, Some(usize::try_from(network.dice.below(CUT_MAX)).unwrap_or(0))))
            }
            _ => Ok(self.response(answer, None)),
        }
    }
}

/// A body on its way; what the server says next is made when it is asked for.
pub(crate) struct Pieces {
    body: HttpBody,
    /// Bytes until it breaks off, if it does.
    left: Option<usize>,
    network: Rc<Network>,
}

impl Body for Pieces {
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        self.network.step().await;
        self.network.wait((0, 20)).await;
        let broken = || Err(Error::new(Code::ProtocolTruncated, "the connection broke"));
        if self.left == Some(0) {
            return broken();
        }
        loop {
            let Some(frame) = block_on(self.body.frame()) else {
                return if self.left.is_some() { broken() } else { Ok(None) };
            };
            let Ok(frame) = frame else { return broken() };
            let Ok(data) = frame.into_data() else { continue };
            let data: Bytes = data;
            let taken = self.left.map_or(data.len(), |left| left.min(data.len()));
            self.left = self.left.map(|left| left - taken);
            return Ok(data.get(..taken).map(<[u8]>::to_vec));
        }
    }
}
