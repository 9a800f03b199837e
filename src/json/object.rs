//! Objects, read field by field: a field that is missing or wrong is named.

use whimbrel_protocol::{Fields, Json, Number};

use super::parse;
use crate::error::{Code, Error, Result};

/// An object whose fields are taken out one by one.
pub(crate) struct Object {
    fields: Fields,
    /// The code of what is wrong with it: whose data it is decides whose fault that is.
    code: Code,
}

/// A type that is read from an object.
pub(crate) trait FromJson: Sized {
    /// Takes the fields it knows.
    fn from_json(object: Object) -> Result<Self>;

    /// Reads the text of an object; `code` is the code of every error.
    fn parse(text: &[u8], code: Code) -> Result<Self> {
        Self::from_json(Object::of(parse(text, code)?, code)?)
    }
}

impl Object {
    /// The object that a value is.
    pub(crate) fn of(value: Json, code: Code) -> Result<Self> {
        match value {
            Json::Object(fields) => Ok(Self { fields, code }),
            _ => Err(Error::new(code, "not an object")),
        }
    }

    /// The error that a field is not there or not what it should be.
    pub(crate) fn wrong(&self, name: &str) -> Error {
        Error::new(self.code, format!("the field \"{name}\" is missing or of another type"))
    }

    /// A field, unless it is absent or null.
    pub(crate) fn take(&mut self, name: &str) -> Option<Json> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    /// The name and the value of the first field: the object's only one, where it stands for one of several kinds.
    pub(crate) fn into_only(self) -> Option<(String, Json)> {
        self.fields.into_iter().next()
    }

    /// The code of errors in it.
    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<String> {
        self.optional_text(name)?.ok_or_else(|| self.wrong(name))
    }

    pub(crate) fn optional_text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name)),
        }
    }

    /// A whole number from 0.
    pub(crate) fn number(&mut self, name: &str) -> Result<u64> {
        self.optional_number(name)?.ok_or_else(|| self.wrong(name))
    }

    pub(crate) fn optional_number(&mut self, name: &str) -> Result<Option<u64>> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| self.wrong(name)),
        }
    }

    /// A whole number from 0 of a smaller kind.
    pub(crate) fn small<T: TryFrom<u64>>(&mut self, name: &str) -> Result<T> {
        let number = self.number(name)?;
        T::try_from(number).map_err(|_| self.wrong(name))
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<i64> {
        match self.take(name) {
            Some(Json::Number(Number::Negative(number))) => Ok(number),
            Some(Json::Number(Number::Whole(number))) => i64::try_from(number).map_err(|_| self.wrong(name)),
            _ => Err(self.wrong(name)),
        }
    }

    /// A flag; absent is false.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool> {
        match self.take(name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(name)),
        }
    }

    /// Fields and values; absent is none.
    pub(crate) fn map(&mut self, name: &str) -> Result<Fields> {
        match self.take(name) {
            None => Ok(Fields::new()),
            Some(Json::Object(map)) => Ok(map),
            Some(_) => Err(self.wrong(name)),
        }
    }

    /// An array; absent is empty.
    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Json>> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Json::List(list)) => Ok(list),
            Some(_) => Err(self.wrong(name)),
        }
    }

    /// An array of texts; absent is empty.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for value in self.list(name)? {
            let Json::Text(text) = value else { return Err(self.wrong(name)) };
            texts.push(text);
        }
        Ok(texts)
    }

    /// An object inside; absent is none.
    pub(crate) fn optional<T: FromJson>(&mut self, name: &str) -> Result<Option<T>> {
        self.take(name).map(|value| T::from_json(Self::of(value, self.code)?)).transpose()
    }

    /// Objects inside, in an array; absent is none.
    pub(crate) fn objects<T: FromJson>(&mut self, name: &str) -> Result<Vec<T>> {
        objects(self.list(name)?, self.code)
    }

    /// The end of an object in which every field must be known.
    pub(crate) fn end(self) -> Result<()> {
        match self.fields.iter().next() {
            Some((name, _)) => Err(Error::new(self.code, format!("the field \"{name}\" is not known"))),
            None => Ok(()),
        }
    }
}

/// Objects of a list.
pub(crate) fn objects<T: FromJson>(list: Vec<Json>, code: Code) -> Result<Vec<T>> {
    let mut objects = Vec::with_capacity(list.len());
    for value in list {
        objects.push(T::from_json(Object::of(value, code)?)?);
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn object(text: &str) -> Object {
        Object::of(parse(text.as_bytes(), Code::ProtocolMalformed).unwrap(), Code::ProtocolMalformed).unwrap()
    }

    #[test]
    fn a_field_of_another_type_is_named() {
        let text = r#"{"text": 1, "number": -1, "flag": "yes", "list": {}, "map": []}"#;
        assert!(object(text).text("text").unwrap_err().detail().contains("\"text\""));
        assert!(object(text).number("number").is_err() && object(text).flag("flag").is_err());
        assert!(object(text).list("list").is_err() && object(text).map("map").is_err());
        assert!(object(text).text("absent").is_err() && object(text).number("absent").is_err());
        assert!(object(r#"{"small": 256}"#).small::<u8>("small").is_err());
        assert!(object(r#"{"texts": ["a", 1]}"#).texts("texts").is_err());
    }

    #[test]
    fn absent_and_null_are_the_same() {
        let mut given = object(r#"{"a": null}"#);
        assert_eq!((given.optional_text("a"), given.optional_text("b")), (Ok(None), Ok(None)));
        assert_eq!((given.flag("c"), given.map("d").unwrap().len(), given.list("e").unwrap().len()), (Ok(false), 0, 0));
        assert!(given.end().is_ok());
        assert!(object(r#"{"a": 1}"#).end().is_err());
    }
}
