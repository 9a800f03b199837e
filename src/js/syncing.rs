//! The sync of an engine: requests, status, what became of changes.

use js_sys::Promise;
use tsify::Ts;
use wasm_bindgen::prelude::*;

use super::call::{JsResult, number, promise, thrown};
use super::dto::{Names, StatusDto, to_js};
use super::engine::Engine;
use super::options::unit_id;
use crate::error::Result;
use crate::json::to_text;
use crate::model::Carrier;
use crate::sync::Event;

#[wasm_bindgen]
impl Engine {
    /// Asks for runs; the numbers come back in `settled` events.
    pub fn trigger(
        &self,
        units: Vec<String>,
        discard_pending: bool,
        is_consequence: bool,
        any_network: bool,
    ) -> JsResult<Vec<u32>> {
        let schema = self.driver.schema();
        let units: Result<Vec<_>> = units.iter().map(|name| unit_id(&schema.units, name)).collect();
        let asked = |units: Vec<_>| self.driver.trigger(&units, discard_pending, is_consequence, any_network);
        let requests = units.and_then(asked).map_err(thrown)?;
        Ok(requests.into_iter().map(|request| request.0).collect())
    }

    /// Tries at once what waits for its next attempt.
    #[wasm_bindgen(js_name = retryNow)]
    pub fn retry_now(&self) {
        self.driver.feed(Event::RetryNow);
    }

    /// The device slept.
    pub fn woke(&self) {
        self.driver.feed(Event::Woke);
    }

    /// What the platform says of the network: whether there is one, what it is, and whether the user wants data to be saved.
    pub fn carried(&self, online: Option<bool>, carrier: &str, saves_data: bool) {
        self.driver.feed(Event::Carried(Carrier::of(carrier), saves_data));
        if let Some(online) = online {
            self.driver.feed(if online { Event::HintedOnline } else { Event::HintedOffline });
        }
    }

    /// Somebody has signed in.
    #[wasm_bindgen(js_name = signedIn)]
    pub fn signed_in(&self) {
        self.driver.signed_in();
    }

    /// Pauses the sync in all tabs, or lets it go on.
    #[wasm_bindgen(js_name = setPaused, unchecked_return_type = "Promise<void>")]
    pub fn set_paused(&self, paused: bool) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.set_paused(paused).await.map(|()| JsValue::UNDEFINED) })
    }

    /// Stops the active run, in whichever tab it is.
    pub fn cancel(&self) {
        self.driver.feed(Event::Cancel);
    }

    /// The present status.
    pub fn status(&self) -> JsResult<Ts<StatusDto>> {
        let schema = self.driver.schema();
        let names = Names { units: &schema.units };
        to_js(&names.status(&self.driver.status())).map_err(thrown)
    }

    /// What became of a change, as the JSON of a `ConfirmedDto`; `undefined` while it waits. Who waits for it is told then, see `Host.waits`.
    #[wasm_bindgen(unchecked_return_type = "Promise<string | undefined>")]
    pub fn change(&self, id: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let confirmation = driver.store().confirmation(&id).await?;
            confirmation.map(|found| to_text(&found)).transpose().map(JsValue::from)
        })
    }

    /// The changes the server refused, as JSON.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn inbox(&self) -> Promise {
        let driver = self.driver.clone();
        promise(async move { Ok(JsValue::from(driver.store().inbox().await?.0)) })
    }

    /// What a discard of a refused change would take along, as JSON.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn dependents(&self, position: f64) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.store().dependents(at(position)).await.map(JsValue::from) })
    }

    /// Forgets a refused change and what depends on it, for good.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn discard(&self, position: f64) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.discard(at(position)).await.map(|()| JsValue::UNDEFINED) })
    }

    /// Sends a refused change again with other values (`{ patch: {…} }` as JSON); resolves to `WrittenDto[]` (as JSON).
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn resend(&self, position: f64, patch: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move { to_text(&driver.resend(at(position), &patch).await?).map(JsValue::from) })
    }

    /// The open conflicts, as JSON.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn conflicts(&self) -> Promise {
        let driver = self.driver.clone();
        promise(async move { Ok(JsValue::from(driver.store().conflicts().await?.0)) })
    }

    /// Decides a conflict (`ResolutionDto` as JSON).
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn resolve(&self, position: f64, resolution: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.resolve(at(position), &resolution).await.map(|()| JsValue::UNDEFINED) })
    }

    /// Decides all conflicts of an entity the same way; how many.
    #[wasm_bindgen(js_name = resolveAll, unchecked_return_type = "Promise<number>")]
    pub fn resolve_all(&self, entity: String, resolution: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.resolve_all(&entity, &resolution).await.map(number) })
    }

    /// Takes a resolution back; whether the conflict is open again.
    #[wasm_bindgen(unchecked_return_type = "Promise<boolean>")]
    pub fn undo(&self, position: f64) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.undo(at(position)).await.map(JsValue::from) })
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positions are whole and below 2⁵³")]
const fn at(position: f64) -> u64 {
    position as u64
}
