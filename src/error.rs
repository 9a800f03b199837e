//! Errors: one closed table of codes. Each answers three questions: which, whose fault, try again?
//!
//! Codes are public and never reworded; the text beside them is for people and may change.

use std::fmt;

/// Who has to act for the error to go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The app: its schema, its call, its data.
    App,
    /// The device: storage full, blocked or broken.
    Device,
    /// The network between the device and the server.
    Network,
    /// The server or its configuration.
    Server,
    /// The user's session: a token is missing, expired or not enough.
    Session,
    /// This engine. Please report it.
    Engine,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $blame:ident, $retryable:literal;)+) => {
        /// The stable codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, for documentation and tests.
            pub const ALL: &[Code] = &[$(Code::$name,)+];

            /// The code's public form, `area/name`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)+ }
            }

            /// Whose fault it is.
            #[must_use]
            pub const fn blame(self) -> Blame {
                match self { $(Code::$name => Blame::$blame,)+ }
            }

            /// Whether the same call may succeed later, unchanged.
            #[must_use]
            pub const fn is_retryable(self) -> bool {
                match self { $(Code::$name => $retryable,)+ }
            }
        }
    };
}

codes! {
    /// The schema given to `open` contradicts itself or a limit.
    SchemaInvalid = "schema/invalid", App, false;
    /// A step from an older schema to a newer one failed; nothing has changed.
    StepFailed = "schema/step-failed", App, false;
    /// No such entity in the schema.
    UnknownEntity = "schema/unknown-entity", App, false;
    /// No such field in the entity.
    UnknownField = "schema/unknown-field", App, false;
    /// A value is not of its field's type.
    ValueType = "value/type", App, false;
    /// A text is longer than its field's limit.
    ValueTooLong = "value/too-long", App, false;
    /// A required field has no value.
    ValueRequired = "value/required", App, false;
    /// The value cannot be written as JSON (a function, `NaN`, a class instance …).
    ValueNotJson = "value/not-json", App, false;
    /// The value contains itself.
    ValueCycle = "value/cycle", App, false;
    /// The value is nested deeper than 64 levels.
    ValueTooDeep = "value/too-deep", App, false;
    /// A text is not one of those that its field takes.
    ValueNotOneOf = "value/not-one-of", App, false;
    /// The record is over its size limit.
    ValueTooLarge = "value/too-large", App, false;
    /// A record is so large that it makes every sync slow.
    LargeRow = "value/large-row", App, false;
    /// A key that must not be used as a name, such as `__proto__`.
    ForbiddenKey = "value/forbidden-key", App, false;
    /// The id is empty, too long or not text.
    InvalidId = "value/id", App, false;
    /// A record with this id is there already.
    RowExists = "row/exists", App, false;
    /// No record with this id.
    RowNotFound = "row/not-found", App, false;
    /// Another record has the same value where it must be unique.
    NotUnique = "constraint/unique", App, false;
    /// A reference that is enforced names a record that is not there.
    RefMissing = "constraint/ref-missing", App, false;
    /// Others refer to the record and restrict its deletion.
    RefRestricted = "constraint/ref-restricted", App, false;
    /// A deletion concerns more records than one may.
    CascadeLimit = "constraint/cascade-limit", App, false;
    /// A record that stands for a pair of others has their id, and keeps both.
    PairFixed = "constraint/pair", App, false;
    /// The entity is read-only on this device.
    ReadOnly = "policy/read-only", App, false;
    /// The entity only takes new records.
    AppendOnly = "policy/append-only", App, false;
    /// The entity is not written while there is no network.
    LockedOffline = "policy/locked-offline", Network, true;
    /// There is no such conflict, or it was resolved already.
    ConflictNotFound = "conflict/not-found", App, false;
    /// A field that both sides changed was not decided.
    ConflictUndecided = "conflict/undecided", App, false;
    /// The server has deleted the record, so there is nothing that a change could be written to.
    ConflictDeleted = "conflict/deleted", App, false;
    /// The resolution cannot be undone any more.
    ConflictTooLate = "conflict/too-late", App, false;
    /// The query names what is not there or asks for what cannot be.
    QueryInvalid = "query/invalid", App, false;
    /// No such sync unit.
    UnknownUnit = "sync/unknown-unit", App, false;
    /// The database was opened without a server.
    NoServer = "sync/no-server", App, false;
    /// A unit triggers itself from its own completion, over and over.
    SyncLoop = "sync/loop", App, false;
    /// The server could not go on from where this device was, and sent all of it again.
    Reloaded = "sync/reloaded", Server, false;
    /// The server was put back to an earlier state, and has lost changes that it had accepted.
    ServerRestored = "sync/server-restored", Server, false;
    /// Another tab has taken over what this run was doing; nothing of it was stored since.
    Superseded = "sync/superseded", Engine, true;
    /// A run took longer than its unit may.
    RunTimeout = "sync/timeout", Network, true;
    /// Changes wait for longer than a day, and nothing would ever send them.
    StaleChanges = "sync/stale-changes", App, false;
    /// A hook of the app failed.
    HookFailed = "hook/failed", App, true;
    /// A hook of the app took longer than it may.
    HookTimeout = "hook/timeout", App, true;
    /// The call's options contradict themselves.
    OptionsInvalid = "open/invalid", App, false;
    /// The outbox is full; nothing more is taken until the device has been online.
    OutboxFull = "outbox/full", Device, true;
    /// The server could not be reached.
    Unreachable = "network/unreachable", Network, true;
    /// The server did not answer in time.
    Timeout = "network/timeout", Network, true;
    /// Something answered that is not our server: a sign-in page, a proxy.
    NotOurServer = "network/not-our-server", Network, true;
    /// The browser says one thing of the network, our server another.
    NetworkDisagreement = "network/disagreement", Network, true;
    /// The answer broke off or is not of the protocol's shape.
    ProtocolMalformed = "protocol/malformed", Server, false;
    /// The server speaks another protocol version.
    UpgradeRequired = "protocol/upgrade-required", App, false;
    /// The answer broke off before its end.
    ProtocolTruncated = "protocol/truncated", Network, true;
    /// The server knows another history of this client's changes.
    PushRefused = "push/refused", Server, false;
    /// The token is missing or no longer valid.
    Unauthenticated = "auth/unauthenticated", Session, true;
    /// The user may not do this.
    Forbidden = "auth/forbidden", Session, false;
    /// The database belongs to another user than the token.
    OtherUser = "auth/other-user", Session, false;
    /// The server asks to come back later.
    ServerBusy = "server/busy", Server, true;
    /// The server failed.
    ServerFailed = "server/failed", Server, true;
    /// IndexedDB is not available here (blocked, private mode, not supported).
    StoreUnavailable = "store/unavailable", Device, false;
    /// The device's storage is full; nothing was written.
    StoreQuota = "store/quota", Device, true;
    /// The storage did not answer in time.
    StoreTimeout = "store/timeout", Device, true;
    /// The storage failed; nothing was written.
    StoreFailed = "store/failed", Device, true;
    /// A page or a log record does not match its checksum.
    StoreCorrupt = "store/corrupt", Device, false;
    /// The store was written by a newer version of the engine.
    StoreNewer = "store/newer", App, false;
    /// The store is encrypted, and the key is missing or another one.
    StoreLocked = "store/locked", Session, false;
    /// A key was given for a store that is not encrypted.
    StoreNotEncrypted = "store/not-encrypted", App, false;
    /// The store was closed.
    StoreClosed = "store/closed", App, false;
    /// The database was deleted, or the site's data cleared, while it was open.
    StoreDeleted = "store/deleted", Device, false;
    /// The transaction kept colliding with other tabs.
    StoreContended = "store/contended", Device, true;
    /// What waits for the server cannot be kept in a second place; it is in the first one.
    StoreMirror = "store/mirror", Device, true;
    /// What a transaction has read, or builds on, was changed before it could be committed; it can be run again.
    TransactionConflict = "transaction/conflict", Device, true;
    /// More was written during an export than it can follow.
    ExportOvertaken = "export/overtaken", Device, true;
    /// What is imported is no export of this engine, or a line of it cannot be read.
    ImportMalformed = "import/malformed", App, false;
    /// What is imported ends before its end.
    ImportTruncated = "import/truncated", App, false;
    /// What is imported is not what was exported: its lines were changed, lost or put in.
    ImportDamaged = "import/damaged", App, false;
    /// A whole store goes into an empty database only.
    ImportNotEmpty = "import/not-empty", App, false;
    /// The export was made under another version of the schema.
    ImportSchema = "import/schema", App, false;
    /// A whole store is being imported into this database, or what is left of such an import is being removed.
    ImportRunning = "import/running", App, true;
    /// A fault of the engine itself.
    Internal = "engine/internal", Engine, false;
}

/// An error of the engine. One pointer wide, because nearly every function may return one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error(Box<Case>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Case {
    code: Code,
    detail: String,
    /// Pages that a read waits for: then it is no failure, and stays in the store. Here, so that a failure becomes an interrupt without a move.
    pages: Vec<u64>,
}

impl Error {
    /// An error with what a developer needs to know about this case: names, limits, the cause as the platform named it.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self::with_pages(code, detail.into(), Vec::new())
    }

    /// What stops a read that waits for pages.
    pub(crate) fn of_pages(pages: Vec<u64>) -> Self {
        Self::with_pages(Code::Internal, String::new(), pages)
    }

    fn with_pages(code: Code, detail: String, pages: Vec<u64>) -> Self {
        Self(Box::new(Case { code, detail, pages }))
    }

    /// The pages that a read waits for; none when it is a failure.
    pub(crate) fn pages(&self) -> &[u64] {
        &self.0.pages
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The text beside the code.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Whether the same call may succeed later, unchanged.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.code().is_retryable()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code().as_str(), self.detail())
    }
}

/// What the engine's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn codes_are_unique_and_of_one_form() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            let text = code.as_str();
            assert!(seen.insert(text), "{text} is there twice");
            assert_eq!(text.split('/').count(), 2, "{text}");
            assert!(text.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '/'), "{text}");
        }
    }
}
