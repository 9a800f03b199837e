//! JSON, read field by field and written as it is derived.
//!
//! Derived deserializers are generic over their input and cost the browser's build about 140 KB, and `serde_json` another 40; what is here
//! does what is needed and names the field that is wrong.
//!
//! **Invariant:** it reads and writes what `serde_json` does; the tests compare the two.

mod object;
mod read;
mod real;
mod text;
mod token;
mod write;

pub(crate) use self::object::{FromJson, Object, objects};
pub(crate) use self::read::parse;
pub(crate) use self::text::{put_integer, put_real, put_text};
pub(crate) use self::token::{RawText, Tokens};
pub(crate) use self::write::{to_json, to_text};

#[cfg(test)]
mod tests;
