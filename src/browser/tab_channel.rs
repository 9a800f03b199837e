//! Hints between tabs over a BroadcastChannel. Where there is none, nothing is announced and nothing heard: every write and every run
//! looks at the log for itself.

use std::cell::RefCell;

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, MessageEvent};

use super::global::whole_number;
use crate::ports::TabChannel;

type Handler = Closure<dyn FnMut(MessageEvent)>;

/// The channel of one store.
pub struct BroadcastTabs {
    channel: Option<BroadcastChannel>,
    handler: RefCell<Option<Handler>>,
}

impl BroadcastTabs {
    /// Joins the channel of that name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { channel: BroadcastChannel::new(name).ok(), handler: RefCell::new(None) }
    }
}

impl TabChannel for BroadcastTabs {
    #[allow(clippy::cast_precision_loss, reason = "sequence numbers are below 2⁵³")]
    fn announce(&self, seq: u64) {
        if let Some(channel) = &self.channel {
            // Fails on a closed channel only, and a lost hint is harmless.
            drop(channel.post_message(&JsValue::from_f64(seq as f64)));
        }
    }

    fn listen(&self, listener: Box<dyn Fn(u64)>) {
        let Some(channel) = &self.channel else { return };
        let handler = Handler::new(move |event: MessageEvent| {
            // Any script of the origin can post to the channel.
            if let Some(seq) = whole_number(&event.data()) {
                listener(seq);
            }
        });
        channel.set_onmessage(Some(handler.as_ref().unchecked_ref()));
        self.handler.replace(Some(handler));
    }
}

impl Drop for BroadcastTabs {
    fn drop(&mut self) {
        if let Some(channel) = &self.channel {
            channel.set_onmessage(None);
            channel.close();
        }
    }
}
