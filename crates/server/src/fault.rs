//! Why a whole request fails: the request is wrong, or the storage is.

use whimbrel_protocol::{Problem, ProblemCode};

use crate::storage::StorageError;

/// A request that gets a problem document for an answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The request cannot be served as it is.
    #[error("{}: {detail}", .code.as_str())]
    Request {
        /// Which problem.
        code: ProblemCode,
        /// What was wrong with this request.
        detail: String,
    },
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Fault {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::Request { code, detail: detail.into() }
    }

    /// The document for the client. What happened inside the server stays in its log.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        match self {
            Self::Request { code, detail } => Problem::new(*code, Some(detail.clone())),
            Self::Storage(StorageError::Busy(_)) => Problem::new(ProblemCode::Busy, None),
            Self::Storage(StorageError::Failed(_)) => Problem::new(ProblemCode::Internal, None),
        }
    }
}
