//! What is read and written through an engine.

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;

use super::call::{JsResult, number, promise, thrown};
use super::engine::{Browser, Engine};
use crate::driver::{Driver, Subject, WatchId, Write};
use crate::error::{Code, Result};
use crate::json::{self, to_text};
use crate::store::Query;

#[wasm_bindgen]
impl Engine {
    /// Writes all of `WriteDto[]` (as JSON) or nothing; resolves to `WrittenDto[]` (as JSON) when it is durable.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn write(&self, writes: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move { write(&driver, &writes).await.map(JsValue::from) })
    }

    /// The record of that id as JSON, or `undefined`.
    #[wasm_bindgen(unchecked_return_type = "Promise<string | undefined>")]
    pub fn get(&self, entity: String, id: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.store().get_json(&entity, &id).await.map(JsValue::from) })
    }

    /// The records a query finds, as JSON.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn query(&self, entity: String, query: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let query = parse(&driver, &entity, &query)?;
            driver.store().query(&query).await.map(|(rows, _)| JsValue::from(rows))
        })
    }

    /// How many records a query finds.
    #[wasm_bindgen(unchecked_return_type = "Promise<number>")]
    pub fn count(&self, entity: String, query: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let query = parse(&driver, &entity, &query)?;
            driver.store().count(query).await.map(number)
        })
    }

    /// The sum of a field with numbers over the records a query finds, and how many of them have a value.
    #[wasm_bindgen(unchecked_return_type = "Promise<[sum: number, count: number]>")]
    pub fn sum(&self, entity: String, query: String, field: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let query = parse(&driver, &entity, &query)?;
            let place = Query::number_field(&entity, &field, &driver.schema())?;
            let sum = driver.store().sum(query, place).await?;
            Ok(js_sys::Array::of2(&JsValue::from(sum.total()), &number(sum.count)).into())
        })
    }

    /// The least or greatest value of a field in the records a query finds, as JSON; `null` without any.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn end(&self, entity: String, query: String, field: String, is_greatest: bool) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let query = parse(&driver, &entity, &query)?;
            let field = Query::field(&entity, &field, &driver.schema())?;
            driver.store().end(query, field, is_greatest).await.map(JsValue::from)
        })
    }

    /// How a query would be answered, as JSON.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn explain(&self, entity: String, query: String) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let query = parse(&driver, &entity, &query)?;
            driver.store().explain(&query).await.map(JsValue::from)
        })
    }

    /// Calls `deliver` with the records (or, for `@conflicts` and `@inbox`, with what lies there) as JSON, now and whenever they have changed; `fail` with an `ErrorDto`.
    pub fn watch(&self, entity: String, query: String, deliver: Function, fail: Function) -> JsResult<u32> {
        let subject = match entity.as_str() {
            "@conflicts" => Subject::Conflicts,
            "@inbox" => Subject::Inbox,
            _ => Subject::Rows(parse(&self.driver, &entity, &query).map_err(thrown)?),
        };
        let tell = move |answer: Result<&str>| {
            let called = match answer {
                Ok(rows) => deliver.call1(&JsValue::NULL, &JsValue::from_str(rows)),
                Err(error) => fail.call1(&JsValue::NULL, &thrown(error)),
            };
            // The package's callbacks do not throw; if one did, there is nobody left to tell.
            drop(called);
        };
        Ok(self.driver.watch(subject, Box::new(tell)).0)
    }

    /// Ends a watch.
    pub fn unwatch(&self, watch: u32) {
        self.driver.unwatch(WatchId(watch));
    }
}

fn parse(driver: &Driver<Browser>, entity: &str, query: &str) -> Result<Query> {
    let json = json::parse(query.as_bytes(), Code::QueryInvalid)?;
    Query::parse(entity, &json, &driver.schema())
}

async fn write(driver: &Driver<Browser>, writes: &str) -> Result<String> {
    let written = driver.write(Write::parse_all(writes)?).await?;
    to_text(&written)
}
