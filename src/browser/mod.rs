//! The browser's side of the ports. Compiled for wasm only.
