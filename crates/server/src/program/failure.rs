//! Why the program ends without having served.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use whimbrel_server::{ConfigError, OpenCause, OpenError, Place, StorageError, TlsError};

#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(
        "{0} can be reached from other machines, and the tokens of development mode are no secret; \
         listen on 127.0.0.1, or give --insecure-development-tokens"
    )]
    Exposed(SocketAddr),
    #[error("{0} is not a folder")]
    NoStaticFolder(PathBuf),
    #[error("--data is of a server without realms")]
    DataOfRealms,
    #[error("the configuration has no realm {0}")]
    NoRealm(String),
    #[error("--realm says of which realm --new-history and --compact are, and there is neither")]
    RealmOfNothing,
    #[error(transparent)]
    Open(Box<OpenError>),
    /// Each was said.
    #[error("not all realms could be worked on")]
    Some,
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error("cannot serve: {0}")]
    Serve(#[from] std::io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::Open(Box::new(error))
    }
}

impl Failure {
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Open(error) => match (&error.place, &error.cause) {
                // A file is not away.
                (Place::File(_), OpenCause::Attach(_)) => ExitCode::from(2),
                // What is away may come back.
                _ if error.may_pass() => ExitCode::FAILURE,
                _ => ExitCode::from(2),
            },
            Self::Config(_)
            | Self::Exposed(_)
            | Self::NoStaticFolder(_)
            | Self::DataOfRealms
            | Self::NoRealm(_)
            | Self::RealmOfNothing
            | Self::Tls(_) => ExitCode::from(2),
            Self::Some | Self::Listen(..) | Self::Serve(_) | Self::Storage(_) => ExitCode::FAILURE,
        }
    }
}
