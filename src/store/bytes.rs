//! Bytes that several hold without copying them: a page's, a log record's, a new value's.

use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

/// A part of shared bytes. Cloning it copies nothing.
#[derive(Clone)]
pub struct Bytes {
    owner: Rc<Vec<u8>>,
    start: usize,
    end: usize,
}

impl Bytes {
    /// A part of shared bytes; what lies outside of them is left out.
    pub(super) fn part(owner: &Rc<Vec<u8>>, start: usize, end: usize) -> Self {
        Self { owner: Rc::clone(owner), start, end }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self { start: 0, end: bytes.len(), owner: Rc::new(bytes) }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.owner.get(self.start..self.end).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}
