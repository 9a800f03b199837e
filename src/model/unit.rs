//! Sync units: what is synced together, and under which conditions.

/// How long the first wait after a failure may be, unless a unit says otherwise.
const RETRY_BASE_MS: u64 = 1_000;
/// How long every wait may be; only the server's `Retry-After` may ask for longer.
pub const RETRY_CAP_MS: u64 = 60_000;

const _: () = assert!(RETRY_BASE_MS <= RETRY_CAP_MS);

/// A named part of the data that is synced together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// The entities whose local changes it sends.
    pub push: Vec<String>,
    /// The entities it brings up to date.
    pub pull: Vec<String>,
    /// Its conditions.
    pub policy: UnitPolicy,
}

/// The conditions under which a unit runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitPolicy {
    /// How long a run may take.
    pub timeout_ms: Option<u32>,
    /// How long a request may stand still.
    pub idle_timeout_ms: Option<u32>,
    /// Changes of a request, at most; the protocol has a limit of its own.
    pub batch_size: Option<u32>,
    /// How it tries again by itself; none when it does not.
    pub retry: Option<Backoff>,
    /// The networks it may use.
    pub networks: Networks,
    /// Whether it waits while the user wants data to be saved.
    pub waits_for_data_saver: bool,
}

impl Default for UnitPolicy {
    fn default() -> Self {
        Self {
            timeout_ms: None,
            idle_timeout_ms: None,
            batch_size: None,
            retry: Some(Backoff::default()),
            networks: Networks::default(),
            waits_for_data_saver: false,
        }
    }
}

/// Waits between attempts: at most `min(cap, base · 2ⁿ)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first one, at most.
    pub base_ms: u64,
    /// Every one, at most.
    pub cap_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base_ms: RETRY_BASE_MS, cap_ms: RETRY_CAP_MS }
    }
}

/// What carries the device's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Carrier {
    /// The platform does not say.
    #[default]
    Unknown,
    /// Wireless LAN.
    Wifi,
    /// A mobile network.
    Cellular,
    /// A cable.
    Ethernet,
    /// Nothing.
    None,
}

impl Carrier {
    /// By its public name; a name of tomorrow is not known.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "wifi" => Self::Wifi,
            "cellular" => Self::Cellular,
            "ethernet" => Self::Ethernet,
            "none" => Self::None,
            _ => Self::Unknown,
        }
    }
}

/// A set of networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Networks(u8);

impl Default for Networks {
    /// All of them.
    fn default() -> Self {
        Self(u8::MAX)
    }
}

impl Networks {
    /// Those.
    #[must_use]
    pub fn only(carriers: &[Carrier]) -> Self {
        Self(carriers.iter().fold(0, |bits, carrier| bits | 1 << *carrier as u8))
    }

    /// Whether that one is among them.
    #[must_use]
    pub const fn allow(self, carrier: Carrier) -> bool {
        self.0 & 1 << carrier as u8 != 0
    }
}
