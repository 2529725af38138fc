//! The directory that `signalbox up` keeps Envoy's files in.
//!
//! **Invariant:** its name is random, so that nothing that exists already (leftovers of a program with the same process id, a directory
//! of another user) keeps `up` from starting. Only this user can open it. It is removed when `up` ends; the directory of an `up` that was
//! killed is removed when the next one starts. A directory in use is never touched.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How its name begins.
const PREFIX: &str = "signalbox-up-";
/// The file in it that is locked while it is in use. The system releases the lock when its holder ends, in whatever way.
const LOCK: &str = "lock";

/// A directory that only this user can open, and that is removed when this value is dropped.
pub struct PrivateDirectory {
    path: PathBuf,
    /// Held, not read.
    _lock: File,
}

impl PrivateDirectory {
    /// Makes one, and removes leftovers.
    ///
    /// # Errors
    /// Why none could be made.
    pub fn create() -> Result<Self, String> {
        let above = std::env::temp_dir();
        remove_leftovers(&above);
        let path = nix::unistd::mkdtemp(&above.join(format!("{PREFIX}XXXXXX"))).map_err(|error| {
            format!("cannot make a directory in {}: {error}; set TMPDIR to another", above.display())
        })?;
        let lock = locked(&path).map_err(|error| format!("cannot write in {}: {error}", path.display()))?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // A directory that stays holds no secret.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Makes the file and locks it. It gets its name after it is locked: a lock file that can be locked is a leftover.
fn locked(directory: &Path) -> std::io::Result<File> {
    let beside = directory.join(".lock.new");
    let lock = File::create_new(&beside)?;
    lock.lock()?;
    std::fs::rename(beside, directory.join(LOCK))?;
    Ok(lock)
}

/// Removes this user's directories that are not in use.
fn remove_leftovers(above: &Path) {
    let ours = nix::unistd::geteuid().as_raw();
    for entry in std::fs::read_dir(above).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == ours);
        if is_ours && File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn s2_only_what_nobody_uses_any_more_is_removed() {
        let above = nix::unistd::mkdtemp(&std::env::temp_dir().join("signalbox-test-XXXXXX")).unwrap();
        let made = |name: &str| {
            let path = above.join(format!("{PREFIX}{name}"));
            std::fs::create_dir(&path).unwrap();
            (locked(&path).unwrap(), path)
        };
        let (lock, used) = made("used");
        let (left, gone) = made("left");
        drop(left);
        let young = above.join(format!("{PREFIX}young"));
        std::fs::create_dir(&young).unwrap();
        let other = above.join("other");
        std::fs::create_dir(&other).unwrap();
        std::os::unix::fs::symlink(&other, above.join(format!("{PREFIX}link"))).unwrap();
        std::fs::write(other.join(LOCK), "").unwrap();
        remove_leftovers(&above);
        assert!(used.exists() && young.exists() && other.join(LOCK).exists() && !gone.exists());
        drop(lock);
        std::fs::remove_dir_all(&above).unwrap();
    }
}
