//! One request and its answer: what the status, the type and the body of an answer mean.

use whimbrel_protocol::{Pong, Problem, ProblemCode};

use crate::error::{Code, Error};
use crate::json::FromJson;
use crate::ports::{Body, Method, Request, Response, Transport};
use crate::sync::{Failure, RunId};

/// How long the head of an answer may take.
pub(super) const ANSWER_TIMEOUT_MS: u32 = 30_000;
/// How long a body may stand still.
pub(super) const IDLE_TIMEOUT_MS: u32 = 20_000;
/// How long a probe may take.
const PROBE_TIMEOUT_MS: u32 = 5_000;
/// Bytes of an answer that is read as a whole, at most.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, retry_after_ms: None }
    }
}

/// What a `POST` carries: JSON, and the same as it travels when it was packed already.
pub(super) struct Content {
    pub(super) text: String,
    pub(super) packed: Option<Vec<u8>>,
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self { text, packed: None }
    }
}

/// A `POST` with a JSON body.
pub(super) fn post(
    (path, run): (&str, RunId),
    body: Content,
    token: Option<String>,
    idle_timeout_ms: Option<u32>,
) -> Request {
    Request {
        method: Method::Post,
        path: path.to_owned(),
        body: body.text,
        packed: body.packed,
        token,
        run: Some(run.to_string()),
        timeout_ms: idle_timeout_ms.unwrap_or(ANSWER_TIMEOUT_MS),
        idle_timeout_ms: idle_timeout_ms.unwrap_or(IDLE_TIMEOUT_MS),
    }
}

/// Sends a request; an answer that is not `200` of the media type expected is a failure.
pub(super) async fn send<T: Transport>(
    transport: &T,
    request: Request,
    media_type: &str,
) -> Result<Response<T::Body>, Failure> {
    let response = transport.send(request).await?;
    if response.redirected {
        return Err(not_ours("the request was redirected").into());
    }
    if response.status == 200 && response.content_type == media_type {
        return Ok(response);
    }
    Err(refusal(response).await)
}

/// Reads a whole body as JSON.
pub(super) async fn read_json<T: FromJson>(body: impl Body) -> Result<T, Error> {
    let bytes = read_all(body).await?;
    T::parse(&bytes, Code::ProtocolMalformed)
}

/// Asks our server for a nonce: only our server can echo it.
pub(super) async fn probe<T: Transport>(transport: &T, nonce: &str) -> Result<(), Error> {
    let request = Request {
        method: Method::Get,
        path: format!("ping?nonce={nonce}"),
        body: String::new(),
        packed: None,
        token: None,
        run: None,
        timeout_ms: PROBE_TIMEOUT_MS,
        idle_timeout_ms: PROBE_TIMEOUT_MS,
    };
    let response = send(transport, request, "application/json").await.map_err(|failure| failure.error)?;
    let pong: Pong = read_json(response.body).await?;
    if pong.nonce == nonce { Ok(()) } else { Err(not_ours("the nonce came back changed")) }
}

async fn refusal<B: Body>(response: Response<B>) -> Failure {
    let Response { status, content_type, retry_after_ms, body, .. } = response;
    let error = if content_type == "application/problem+json" {
        match read_json::<Problem>(body).await {
            Ok(problem) => of_problem(&problem),
            Err(error) => error,
        }
    } else {
        of_status(status, &content_type)
    };
    Failure { error, retry_after_ms }
}

async fn read_all(mut body: impl Body) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Error::new(Code::ProtocolMalformed, "the answer is over 8 MiB"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A failed request or pull line as the server explains it.
pub(super) fn of_problem(problem: &Problem) -> Error {
    let code = match problem.code {
        ProblemCode::Unauthenticated => Code::Unauthenticated,
        ProblemCode::Forbidden => Code::Forbidden,
        ProblemCode::OtherUser => Code::OtherUser,
        ProblemCode::UpgradeRequired => Code::UpgradeRequired,
        ProblemCode::Gap | ProblemCode::Fork => Code::PushRefused,
        ProblemCode::UnknownEntity => Code::UnknownEntity,
        ProblemCode::Busy | ProblemCode::TooMany => Code::ServerBusy,
        ProblemCode::Timeout => Code::Timeout,
        ProblemCode::Internal => Code::ServerFailed,
        ProblemCode::Malformed
        | ProblemCode::TooLarge
        | ProblemCode::ContentType
        | ProblemCode::NotFound
        | ProblemCode::Method
        // Attachments are asked for by the package; to the engine they are nothing that a server answers with.
        | ProblemCode::AttachmentUnreferenced
        | ProblemCode::AttachmentNotFound
        | ProblemCode::AttachmentOffset
        | ProblemCode::AttachmentTooLarge
        | ProblemCode::AttachmentRange
        | ProblemCode::AttachmentDamaged => Code::ProtocolMalformed,
    };
    Error::new(code, problem.detail.clone().unwrap_or_else(|| problem.title.clone()))
}

/// What a status means when nobody explains it: gateways answer for a server that is down, sign-in pages answer for anything.
fn of_status(status: u16, content_type: &str) -> Error {
    let code = match status {
        401 => Code::Unauthenticated,
        403 => Code::Forbidden,
        408 | 504 => Code::Timeout,
        429 | 503 => Code::ServerBusy,
        500..=599 if status != 511 => Code::ServerFailed,
        _ => Code::NotOurServer,
    };
    Error::new(code, format!("the answer is {status} {content_type}"))
}

fn not_ours(why: &str) -> Error {
    Error::new(Code::NotOurServer, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unexplained_status_has_a_class() {
        let code = |status| of_status(status, "text/html").code();
        assert_eq!(code(200), Code::NotOurServer);
        assert_eq!(code(302), Code::NotOurServer);
        assert_eq!(code(404), Code::NotOurServer);
        assert_eq!(code(511), Code::NotOurServer);
        assert_eq!(code(502), Code::ServerFailed);
        assert_eq!(code(503), Code::ServerBusy);
        assert_eq!(code(401), Code::Unauthenticated);
    }
}
