//! Answering queries: the cheapest way to the rows, then the rows, as JSON text.
//!
//! **Invariant:** whatever the way, the answer is that of a scan of all rows, filtered, sorted and cut.

mod access;
mod aggregate;
mod bounds;
mod execute;
mod explain;
mod include;
mod order;
mod sort;
mod tally;

use super::handle::Store;
use super::keys::{MapId, full_key};
use super::sum::Sum;
use super::view::View;
use super::{Footprint, Interrupt};
use crate::error::Result;
use crate::json::to_text;
use crate::model::{FieldRef, Order, Query, RowRef, key};
use crate::ports::Storage;

impl<S: Storage> Store<S> {
    /// The rows of a query as the text of a JSON array, and what was looked at to find them.
    ///
    /// # Errors
    /// `schema/unknown-entity`, and those of the store; here and below.
    pub fn query(&self, query: &Query) -> impl Future<Output = Result<(String, Footprint)>> {
        self.read_marked(move |view| query_json(view, query))
    }

    /// How many rows a query's filter finds; its limit and offset do not count.
    ///
    /// # Errors
    /// As [`Store::query`].
    pub fn count(&self, query: Query) -> impl Future<Output = Result<u64>> {
        let everything = everything(query);
        self.read(move |view| aggregate::count(view, &everything))
    }

    /// The sum of the field at a place of the schema, over the rows a query's filter finds; its limit and offset do not count.
    ///
    /// # Errors
    /// As [`Store::query`].
    pub fn sum(&self, query: Query, place: usize) -> impl Future<Output = Result<Sum>> {
        let everything = everything(query);
        self.read(move |view| aggregate::sum(view, &everything, place))
    }

    /// The least or greatest value of a field in the rows a query's filter finds, as JSON; its limit and offset do not count.
    ///
    /// # Errors
    /// As [`Store::query`].
    pub fn end(&self, query: Query, field: FieldRef, is_greatest: bool) -> impl Future<Output = Result<String>> {
        let order = vec![Order { field, descending: is_greatest }];
        let first = Query { order, limit: 1, ..everything(query) };
        self.read(move |view| Ok(to_text(&aggregate::first_value(view, &first)?.to_json())?))
    }

    /// One row as the text of a JSON object.
    ///
    /// # Errors
    /// As [`Store::query`].
    pub fn get_json(&self, entity: &str, id: &str) -> impl Future<Output = Result<Option<String>>> {
        self.read(move |view| row_json(view, entity, id))
    }
}

/// All that a query's filter finds, in any order.
fn everything(query: Query) -> Query {
    Query { order: Vec::new(), limit: u64::MAX, offset: 0, include: Vec::new(), after: None, ..query }
}

/// The rows of a query as the text of a JSON array.
fn query_json(view: &View<'_>, query: &Query) -> Result<String, Interrupt> {
    text(execute::run(view, query)?)
}

fn row_json(view: &View<'_>, entity: &str, id: &str) -> Result<Option<String>, Interrupt> {
    let table = view.table(entity)?;
    let Some(bytes) = view.find(&full_key(MapId(table.map), &key::id_key(id)))? else { return Ok(None) };
    let row = RowRef::new(&bytes)?;
    if row.deleted() {
        return Ok(None);
    }
    let mut json = Vec::with_capacity(2 * bytes.len());
    row.write_json(id.as_bytes(), &table.json_names, &mut json);
    text(json).map(Some)
}

fn text(json: Vec<u8>) -> Result<String, Interrupt> {
    let damaged = |_| crate::error::Error::new(crate::error::Code::StoreCorrupt, "a row's text is not UTF-8");
    Ok(String::from_utf8(json).map_err(damaged)?)
}
