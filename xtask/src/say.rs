//! Lines for the person at the terminal.

/// As `println!`, except that nobody reading on (`cargo xtask setup | head`) is not an error.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout(), $($argument)*).ok();
    }};
}

pub(crate) use say;
