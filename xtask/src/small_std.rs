//! The standard library that a page loads: compiled together with the engine, for size.
//!
//! The one that comes with a compiler is made for speed, and has all that a panic needs to say what happened, and where. A page
//! shows nobody such a message: for it a panic is a trap, which the package reports as `engine/internal` with or without words.
//! Development builds and tests keep the ready-made library, and with it the words.
//!
//! What each option bought when the engine was 249 KB (wasm after wasm-opt, gzip -9): the library from source 3 KB, its smaller
//! algorithms another 20 KB, panics without words another 10 KB. `-Zlocation-detail=none` bought no byte after that.
//!
//! Cargo and rustc call these options unstable. The compiler that takes them is the stable one all the same: `RUSTC_BOOTSTRAP`
//! lifts the lock, so nobody needs a nightly for it. Whether a compiler knows them is asked before it is chosen (`toolchain.rs`).
//!
//! **Invariant:** all of it is told to one call; no configuration file, and no other build, knows of it.

use crate::process::Call;

/// Options of cargo: the library's sources are part of the build, with the feature that chooses its smaller algorithms.
const CARGO_OPTIONS: [&str; 4] = ["-Z", "build-std=std,panic_abort", "-Z", "build-std-features=optimize_for_size"];

/// Options of rustc, for the library, the engine and what lies between: a panic is one instruction, without words.
const RUSTC_OPTIONS: [&str; 2] = ["-Zunstable-options", "-Cpanic=immediate-abort"];

/// Makes a call of cargo one that compiles the standard library as well, small.
pub(crate) fn apply(call: Call) -> Call {
    call.args(CARGO_OPTIONS)
        .env("RUSTC_BOOTSTRAP", "1")
        // Of all places where cargo looks for options of rustc, the first: what a user has set elsewhere cannot displace them.
        .env("CARGO_ENCODED_RUSTFLAGS", encoded(&RUSTC_OPTIONS))
}

/// Options in the form in which cargo reads them there.
fn encoded(options: &[&str]) -> String {
    options.join("\u{1f}")
}

#[cfg(test)]
mod tests {
    use super::{RUSTC_OPTIONS, encoded};

    #[test]
    fn rustc_gets_each_option_by_itself() {
        assert_eq!(encoded(&["-Cone", "-Ztwo=a b"]).split('\u{1f}').collect::<Vec<_>>(), ["-Cone", "-Ztwo=a b"]);
        // A letter and its value in two words, as on a command line, would reach rustc as one word that it does not know.
        assert!(RUSTC_OPTIONS.iter().all(|option| !option.contains(' ')));
    }
}
