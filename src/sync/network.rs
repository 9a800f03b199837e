//! What is known of the network. The browser's word is a hint; an answer of our own server is the truth.

use crate::error::{Code, Error};

/// The state of the network, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NetworkStatus {
    /// Nobody knows: nothing was asked yet, or the browser says yes and our server does not answer.
    #[default]
    Unknown,
    /// Our server has answered.
    Online,
    /// The browser says that there is no network, and our server did not answer.
    Offline,
    /// Something answers that is not our server.
    Captive,
}

impl NetworkStatus {
    /// What a failed request says about the network, if it says anything.
    pub(super) fn after_failure(error: &Error, hinted_offline: bool) -> Option<Self> {
        match error.code() {
            Code::NotOurServer => Some(Self::Captive),
            Code::Unreachable | Code::Timeout | Code::ProtocolTruncated if hinted_offline => Some(Self::Offline),
            Code::Unreachable | Code::Timeout => Some(Self::Unknown),
            _ => None,
        }
    }
}
