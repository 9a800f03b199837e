//! The sync server of Whimbrel.
