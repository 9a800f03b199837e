//! What the browser says about the network and about the app's life. All of it is hints: `navigator.onLine` is wrong in both directions.
//!
//! ```text
//! present ──blur, hidden, pagehide, freeze──► away ──focus, visible, pageshow, resume──► present, and `Resumed` is told
//! ```

use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Event, EventTarget};

use super::global::{global, property};

const GLOBAL_EVENTS: [&str; 6] = ["online", "offline", "blur", "focus", "pagehide", "pageshow"];
const DOCUMENT_EVENTS: [&str; 3] = ["visibilitychange", "freeze", "resume"];

/// A hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkHint {
    /// The browser believes that there is a network now.
    Online,
    /// The browser believes that there is none.
    Offline,
    /// The app came back: to the foreground, from the back-forward cache or out of a freeze. Told once per absence.
    Resumed,
}

/// Listens until it is dropped.
pub struct NetworkListener {
    handler: Closure<dyn FnMut(Event)>,
    targets: Vec<(EventTarget, &'static [&'static str])>,
}

impl NetworkListener {
    /// Tells `listener` every hint from now on, and at once when the browser believes that there is no network.
    #[must_use]
    pub fn new(listener: impl Fn(NetworkHint) + 'static) -> Self {
        if is_offline() {
            listener(NetworkHint::Offline);
        }
        let is_away = Rc::new(Cell::new(is_hidden()));
        let handler = Closure::new(move |event: Event| match event.type_().as_str() {
            "online" => listener(NetworkHint::Online),
            "offline" => listener(NetworkHint::Offline),
            "blur" | "pagehide" | "freeze" => is_away.set(true),
            "visibilitychange" if is_hidden() => is_away.set(true),
            _ if is_away.replace(false) => listener(NetworkHint::Resumed),
            _ => {}
        });
        let scope: EventTarget = js_sys::global().unchecked_into();
        let mut targets = vec![(scope, &GLOBAL_EVENTS[..])];
        if let Some(document) = global("document") {
            targets.push((document.unchecked_into(), &DOCUMENT_EVENTS[..]));
        }
        for (target, names) in &targets {
            for name in *names {
                // Fails only for an event name that is no text.
                drop(target.add_event_listener_with_callback(name, handler.as_ref().unchecked_ref()));
            }
        }
        Self { handler, targets }
    }
}

impl Drop for NetworkListener {
    fn drop(&mut self) {
        for (target, names) in &self.targets {
            for name in *names {
                drop(target.remove_event_listener_with_callback(name, self.handler.as_ref().unchecked_ref()));
            }
        }
    }
}

fn is_offline() -> bool {
    let online = global("navigator").and_then(|navigator| property(&navigator, "onLine"));
    online.is_some_and(|online| online.is_falsy())
}

fn is_hidden() -> bool {
    let state = global("document").and_then(|document| property(&document, "visibilityState"));
    state.is_some_and(|state| state == "hidden")
}
