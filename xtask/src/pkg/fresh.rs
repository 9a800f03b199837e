//! Whether a step has to run: a stamp over all that it reads, kept from the last time it succeeded.
//!
//! **Invariant:** the stamp is taken before the step runs and written after, so a file that changes meanwhile, or a step that
//! fails, makes the next call run it again.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::workspace::Workspace;

/// The state of a step's inputs.
pub(crate) struct Stamp {
    file: PathBuf,
    hasher: DefaultHasher,
}

impl Stamp {
    /// The stamp of the step `name`; `parameters` are the inputs that are not files.
    pub(crate) fn new(workspace: &Workspace, name: &str, parameters: &str) -> Self {
        Self::in_dir(&workspace.target().join("pkg/stamps"), name, parameters)
    }

    fn in_dir(dir: &Path, name: &str, parameters: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        parameters.hash(&mut hasher);
        Self { file: dir.join(name), hasher }
    }

    /// Adds a file, or all files below a folder except those in folders of the names given.
    pub(crate) fn input(mut self, path: &Path, except: &[&str]) -> Result<Self, Failure> {
        if path.is_dir() {
            let entries = fs::read_dir(path).map_err(Failure::file("reading", path))?;
            let mut entries: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            entries.retain(|entry| !except.iter().any(|name| entry.ends_with(name)));
            entries.sort();
            return entries.iter().try_fold(self, |stamp, entry| stamp.input(entry, except));
        }
        let content = fs::read(path).map_err(Failure::file("reading", path))?;
        path.hash(&mut self.hasher);
        content.hash(&mut self.hasher);
        Ok(self)
    }

    /// Runs the step unless its inputs are those of the last time and its outputs are still what it wrote then.
    pub(crate) fn run(self, outputs: &[&Path], step: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        let inputs = self.hasher.finish();
        let state = || Some(format!("{inputs:016x} {:016x}", digest(outputs)?));
        let last = fs::read_to_string(&self.file).ok();
        if last.is_some() && last == state() {
            return Ok(());
        }
        step()?;
        if let Some(dir) = self.file.parent() {
            fs::create_dir_all(dir).map_err(Failure::file("creating", dir))?;
        }
        fs::write(&self.file, state().unwrap_or_default()).map_err(Failure::file("writing", &self.file))
    }
}

/// The outputs' content, if they are all there.
fn digest(outputs: &[&Path]) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    for output in outputs {
        fs::read(output).ok()?.hash(&mut hasher);
    }
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::Stamp;
    use std::cell::Cell;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// A folder of its own for one test, empty at the start.
    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("whimbrel-xtask-{name}-{}", std::process::id()));
        fs::remove_dir_all(&dir).ok();
        fs::create_dir_all(dir.join("source/dist")).unwrap();
        dir
    }

    /// Whether the step runs now.
    fn runs(dir: &Path, parameters: &str) -> bool {
        let ran = Cell::new(false);
        let stamp = Stamp::in_dir(&dir.join("stamps"), "step", parameters);
        let stamp = stamp.input(&dir.join("source"), &["dist"]).unwrap();
        let step = || {
            ran.set(true);
            fs::write(dir.join("output"), "").unwrap();
            Ok(())
        };
        stamp.run(&[&dir.join("output")], step).unwrap();
        ran.get()
    }

    #[test]
    fn a_step_runs_when_something_it_reads_has_changed_and_only_then() {
        let dir = folder("fresh");
        fs::write(dir.join("source/a.ts"), "1").unwrap();
        assert!(runs(&dir, "minify"), "the first time");
        assert!(!runs(&dir, "minify"), "nothing changed");
        fs::write(dir.join("source/a.ts"), "2").unwrap();
        assert!(runs(&dir, "minify"), "a file changed");
        fs::write(dir.join("source/b.ts"), "").unwrap();
        assert!(runs(&dir, "minify"), "a file came");
        assert!(runs(&dir, "plain"), "a parameter changed");
        fs::write(dir.join("source/dist/x.js"), "").unwrap();
        assert!(!runs(&dir, "plain"), "a folder that does not count changed");
        fs::remove_file(dir.join("output")).unwrap();
        assert!(runs(&dir, "plain"), "the output is gone");
        fs::write(dir.join("output"), "something else").unwrap();
        assert!(runs(&dir, "plain"), "somebody else wrote the output");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_step_that_failed_runs_again() {
        let dir = folder("failed");
        let stamp = || Stamp::in_dir(&dir.join("stamps"), "step", "");
        assert!(stamp().run(&[], || Err(crate::failure::Failure::TestSteps)).is_err());
        let ran = Cell::new(false);
        let step = || {
            ran.set(true);
            Ok(())
        };
        stamp().run(&[], step).unwrap();
        assert!(ran.get());
        fs::remove_dir_all(dir).unwrap();
    }
}
