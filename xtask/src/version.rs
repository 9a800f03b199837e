//! Versions of tools, as they print them.

use std::fmt;

/// Major, minor and patch; what follows them (`-beta.1`, a commit, a date) does not matter to any decision here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) patch: u32,
}

impl Version {
    pub(crate) const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// Finds the first version in what a tool printed: `v20.20.2`, `wasm-bindgen 0.2.130`, `Chromium 156.0.8078.79 built on …`.
    pub(crate) fn find(output: &str) -> Option<Self> {
        output.split_whitespace().find_map(Self::parse)
    }

    fn parse(word: &str) -> Option<Self> {
        let word = word.trim_start_matches(['v', '=']);
        let mut parts = word.split(['.', '-', '+']).map(str::parse::<u32>);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => Some(Self { major, minor, patch }),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        let check = |output: &str, expected| assert_eq!(Version::find(output), expected, "{output}");
        check("v20.20.2\n", Some(Version::new(20, 20, 2)));
        check("wasm-bindgen 0.2.130", Some(Version::new(0, 2, 130)));
        check("Chromium 156.0.8078.79 built on Debian GNU/Linux 12 (bookworm)", Some(Version::new(156, 0, 8078)));
        check("cargo-nextest 0.9.143 (60fa45f63 2026-08-04)", Some(Version::new(0, 9, 143)));
        check("rustc 1.97.0-beta.2 (abc 2026-05-01)", Some(Version::new(1, 97, 0)));
        check("=0.2.130", Some(Version::new(0, 2, 130)));
        check("no version here, built 2026", None);
        check("", None);
    }

    #[test]
    fn versions_are_ordered_by_number_not_by_text() {
        assert!(Version::new(0, 15, 1) > Version::new(0, 9, 143));
        assert!(Version::new(20, 9, 0) < Version::new(20, 19, 0));
    }
}
