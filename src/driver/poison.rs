//! Finding the one change that makes the server fail.

use super::{Driver, exchange};
use crate::error::Code;
use crate::ports::Platform;
use crate::store::{Batch, failed_alone};
use crate::sync::Failure;

impl<P: Platform> Driver<P> {
    /// A batch has failed. If the server is well otherwise, one of its changes may be the reason: half of them are sent at once, and one that
    /// is alone is given up after a while, so that it does not hold up the others for ever. Any other failure stands.
    pub(super) async fn look_for_poison(&self, batch: &Batch, failure: Failure) -> Result<(), Failure> {
        let changes = &batch.changes;
        if !matches!(failure.error.code(), Code::ServerFailed | Code::ProtocolMalformed) {
            return Err(failure);
        }
        let Some(transport) = &self.inner.ports.transport else { return Err(failure) };
        if exchange::probe(transport, &self.nonce()).await.is_err() {
            return Err(failure);
        }
        if let [only] = changes.as_slice() {
            let seq = only.seq;
            let is_given_up = self.store.transact(|txn| failed_alone(txn, seq)).await?.value;
            return if is_given_up { Ok(()) } else { Err(failure) };
        }
        self.inner.batch_limit.set(changes.len().div_ceil(2).max(1));
        Ok(())
    }
}
