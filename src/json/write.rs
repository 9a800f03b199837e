//! Values as JSON text, by their derived `Serialize`.
//!
//! It writes the shapes that the engine has; one that it does not have is an error, which no data can bring about.

use std::fmt;

use serde::ser::{self, Impossible, Serialize, Serializer};

use super::text::{put_integer, put_real, put_text};
use crate::error::{Code, Error, Result};

/// A value as JSON.
///
/// # Errors
/// `engine/internal` when its type has a shape that is not written here.
pub(crate) fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    value.serialize(Writer(&mut out)).map_err(|_| Error::new(Code::Internal, "a type that is not written as JSON"))?;
    Ok(out)
}

/// As [`to_json`], as text.
///
/// # Errors
/// As [`to_json`].
pub(crate) fn to_text(value: &impl Serialize) -> Result<String> {
    String::from_utf8(to_json(value)?).map_err(|error| Error::new(Code::Internal, error.to_string()))
}

struct Writer<'a>(&'a mut Vec<u8>);

type Written = std::result::Result<(), fmt::Error>;
type Begun<'a> = std::result::Result<Members<'a>, fmt::Error>;
type NoShape = std::result::Result<Impossible<(), fmt::Error>, fmt::Error>;

impl<'a> Writer<'a> {
    fn put(self, text: &str) -> Written {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn begin(self, bracket: u8, end: u8) -> Begun<'a> {
        self.0.push(bracket);
        Ok(Members { out: self.0, end })
    }
}

/// Numbers that are written as larger ones.
macro_rules! widened {
    ($($name:ident: $kind:ty => $wide:ident),+) => {
        $(fn $name(self, value: $kind) -> Written { self.$wide(value.into()) })+
    };
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Members<'a>;
    type SerializeTuple = Members<'a>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeTupleStruct = Impossible<(), fmt::Error>;
    type SerializeTupleVariant = Impossible<(), fmt::Error>;
    type SerializeStructVariant = Impossible<(), fmt::Error>;

    widened! { serialize_i8: i8 => serialize_i64, serialize_i16: i16 => serialize_i64, serialize_i32: i32 => serialize_i64 }
    widened! { serialize_u8: u8 => serialize_u64, serialize_u16: u16 => serialize_u64, serialize_u32: u32 => serialize_u64 }
    widened! { serialize_f32: f32 => serialize_f64 }

    fn serialize_bool(self, value: bool) -> Written {
        self.put(if value { "true" } else { "false" })
    }

    fn serialize_i64(self, value: i64) -> Written {
        put_integer(value, self.0);
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Written {
        put_integer(value, self.0);
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Written {
        put_real(value, self.0);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Written {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Written {
        put_text(value.as_bytes(), self.0);
        Ok(())
    }

    fn serialize_bytes(self, _: &[u8]) -> Written {
        Err(fmt::Error)
    }

    fn serialize_none(self) -> Written {
        self.put("null")
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        self.put("null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        Err(fmt::Error)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Written {
        Err(fmt::Error)
    }

    fn serialize_seq(self, _: Option<usize>) -> Begun<'a> {
        self.begin(b'[', b']')
    }

    fn serialize_tuple(self, _: usize) -> Begun<'a> {
        self.begin(b'[', b']')
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> NoShape {
        Err(fmt::Error)
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> NoShape {
        Err(fmt::Error)
    }

    fn serialize_map(self, _: Option<usize>) -> Begun<'a> {
        self.begin(b'{', b'}')
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Begun<'a> {
        self.begin(b'{', b'}')
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> NoShape {
        Err(fmt::Error)
    }
}

/// What is between two brackets.
struct Members<'a> {
    out: &'a mut Vec<u8>,
    end: u8,
}

impl Members<'_> {
    fn separate(&mut self) {
        // No member ends in an opening bracket, so one in front is this list's own.
        if !matches!(self.out.last(), Some(b'[' | b'{')) {
            self.out.push(b',');
        }
    }

    fn element<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
        self.separate();
        value.serialize(Writer(self.out))
    }

    fn field<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
        self.out.push(b':');
        value.serialize(Writer(self.out))
    }

    fn name(&mut self, name: &str) {
        self.separate();
        put_text(name.as_bytes(), self.out);
    }

    fn close(self) -> Written {
        self.out.push(self.end);
        Ok(())
    }
}

impl ser::SerializeSeq for Members<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
        self.element(value)
    }

    fn end(self) -> Written {
        self.close()
    }
}

impl ser::SerializeTuple for Members<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
        self.element(value)
    }

    fn end(self) -> Written {
        self.close()
    }
}

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = fmt::Error;

    /// Names are text: the engine has no other maps.
    fn serialize_key<T: ?Sized + Serialize>(&mut self, name: &T) -> Written {
        self.element(name)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
        self.field(value)
    }

    fn end(self) -> Written {
        self.close()
    }
}

impl ser::SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Written {
        self.name(name);
        self.field(value)
    }

    fn end(self) -> Written {
        self.close()
    }
}
