//! Messages between tabs over a BroadcastChannel. Where there is none, nothing is announced and nothing heard: every write and every run
//! looks at the log for itself, and waits for its turn at the lock.

use std::cell::RefCell;

use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{BroadcastChannel, MessageEvent};

use crate::ports::{TabChannel, TabListener};

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
    fn is_connected(&self) -> bool {
        self.channel.is_some()
    }

    fn announce(&self, message: &[u8]) {
        if let Some(channel) = &self.channel {
            // Fails on a closed channel only, and a lost message is harmless.
            drop(channel.post_message(&Uint8Array::from(message)));
        }
    }

    fn listen(&self, listener: TabListener) {
        let Some(channel) = &self.channel else { return };
        let handler = Handler::new(move |event: MessageEvent| {
            // Any script of the origin can post to the channel.
            if let Some(message) = event.data().dyn_ref::<Uint8Array>() {
                listener(&message.to_vec());
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
