//! Whimbrel, the offline-first sync engine.
