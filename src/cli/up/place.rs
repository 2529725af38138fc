//! The directory that `signalbox up` keeps Envoy's files in.
//!
//! **Invariant:** its name cannot be known beforehand, so nothing that stands there already (what was left behind by a program of the
//! same process id, a directory that another user made) keeps `up` from starting. Only this user can open it. It goes when `up` ends;
//! what an `up` that was killed has left behind goes when the next one starts, and of what is in use nothing is touched.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How its name begins.
const PREFIX: &str = "signalbox-up-";
/// The file in it that is locked for as long as it is in use. The system gives a lock up when its holder ends, however that is.
const LOCK: &str = "lock";

/// A directory that only this user can open, and that goes with this value.
pub struct PrivateDirectory {
    path: PathBuf,
    /// Held, not read.
    _lock: File,
}

impl PrivateDirectory {
    /// Makes one, and removes those that were left behind.
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
        // What is left behind holds no secret.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Makes the file and locks it. It gets its name when it is locked: one that can be locked belongs to nobody any more.
fn locked(directory: &Path) -> std::io::Result<File> {
    let beside = directory.join(".lock.new");
    let lock = File::create_new(&beside)?;
    lock.lock()?;
    std::fs::rename(beside, directory.join(LOCK))?;
    Ok(lock)
}

/// Removes this user's directories that nobody uses any more.
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
