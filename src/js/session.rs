//! What the package gives the engine: a token, an ear, and the event loop.

use std::future::Future;
use std::pin::Pin;

use tsify::Ts;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::dto::{EventDto, to_js};
use crate::error::{Code, Error, Result};
use crate::ports::{Session, Spawn};

#[wasm_bindgen]
extern "C" {
    /// The package's side of the engine.
    #[wasm_bindgen(typescript_type = "Host")]
    #[derive(Clone)]
    pub type Host;

    #[wasm_bindgen(method, catch)]
    fn token(this: &Host) -> std::result::Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn convert(this: &Host, by: u32, values: &str) -> std::result::Result<String, JsValue>;

    #[wasm_bindgen(method, js_name = beforeRun)]
    fn before_run(this: &Host, unit: &str) -> JsValue;

    #[wasm_bindgen(method)]
    pub(super) fn waits(this: &Host, change: &str) -> bool;

    #[wasm_bindgen(method)]
    fn event(this: &Host, event: Ts<EventDto>);
}

impl Host {
    pub(super) fn tell(&self, event: &EventDto) {
        if let Ok(event) = to_js(event) {
            self.event(event);
        }
    }
}

impl Session for Host {
    async fn token(&self) -> Result<Option<String>> {
        let failed =
            |thrown: JsValue| Error::new(Code::Unauthenticated, format!("token() failed: {}", describe(&thrown)));
        let promise = js_sys::Promise::resolve(&Host::token(self).map_err(failed)?);
        let token = JsFuture::from(promise).await.map_err(failed)?;
        match token.as_string() {
            Some(token) => Ok(Some(token)),
            None if token.is_null() || token.is_undefined() => Ok(None),
            None => Err(Error::new(Code::Unauthenticated, "token() gave something that is not text")),
        }
    }

    async fn before_run(&self, unit: &str) -> Result<()> {
        // Without a hook there is nothing to wait for; with one, what it says is why the run may not begin.
        let said = Host::before_run(self, unit);
        let said = match said.dyn_into::<js_sys::Promise>() {
            Ok(promise) => JsFuture::from(promise).await.unwrap_or_default(),
            Err(said) => said,
        };
        match said.as_string() {
            None => Ok(()),
            Some(why) if why.starts_with("hook/timeout") => Err(Error::new(Code::HookTimeout, why)),
            Some(why) => Err(Error::new(Code::HookFailed, why)),
        }
    }

    fn convert(&self, by: u32, values: &str) -> Result<String> {
        Host::convert(self, by, values).map_err(|thrown| Error::new(Code::StepFailed, describe(&thrown)))
    }
}

/// What an exception says.
fn describe(thrown: &JsValue) -> String {
    thrown.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message())).unwrap_or_default()
}

/// The event loop of the page or worker.
pub(super) struct EventLoop;

impl Spawn for EventLoop {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()>>>) {
        wasm_bindgen_futures::spawn_local(future);
    }
}
