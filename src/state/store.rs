//! The host's shared data, and the only way to change a value there: read, change, compare-and-set.
//!
//! Shared data is process-wide, has no expiry and no delete. So the keys are a fixed set, every value is versioned, bounded and
//! carries its own times.
//!
//! **Invariant:** a value that cannot be read counts as missing; a lost race is run again a bounded number of times.

/// The version of a value, for compare-and-set.
pub type Version = u32;

/// The version to expect if there was no value. The host writes a missing key whatever version is expected, and hands out
/// versions from 1 upwards, so this one loses against the first writer of the key.
pub(super) const NEVER: Version = Version::MAX;

/// How often a lost race is run again. Each loss is another worker's success.
const MAX_RACES: u32 = 32;

/// The host's shared data.
pub trait StateStore {
    /// The value under a key and its version; `None` if there is none.
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)>;
    /// Writes if the version is still `expected` (`None`: whatever it is), or if there is no value. Returns whether it was written.
    fn write(&self, key: &str, value: &[u8], expected: Option<Version>) -> bool;
}

/// What is kept under one key.
pub(super) trait Record: Default {
    fn to_bytes(&self) -> Vec<u8>;
    /// `None` for bytes of another format.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// Why a record was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unchanged<E> {
    /// Other workers won every race.
    Lost,
    /// The change itself declined.
    Refused(E),
}

/// The record under a key; a blank one if there is none.
pub(super) fn load<T: Record>(store: &dyn StateStore, key: &str) -> T {
    store.read(key).and_then(|(bytes, _)| T::from_bytes(&bytes)).unwrap_or_default()
}

/// Changes the record under a key. `change` may run several times, on newer records each time, and says whether there is
/// anything to write. Returns the record as it is now.
pub(super) fn update<T: Record, E>(
    store: &dyn StateStore,
    key: &str,
    mut change: impl FnMut(&mut T) -> Result<bool, E>,
) -> Result<T, Unchanged<E>> {
    for _ in 0..MAX_RACES {
        let (bytes, version) = store.read(key).unwrap_or((Vec::new(), NEVER));
        let mut record = T::from_bytes(&bytes).unwrap_or_default();
        let changed = change(&mut record).map_err(Unchanged::Refused)?;
        if !changed || store.write(key, &record.to_bytes(), Some(version)) {
            return Ok(record);
        }
    }
    Err(Unchanged::Lost)
}

/// Numbers to bytes, after a byte that names the format.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(format: u8) -> Self {
        Self(vec![format])
    }
    pub(super) fn u16(&mut self, number: u16) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }
    pub(super) fn u32(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }
    pub(super) fn u64(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }
    pub(super) fn f32(&mut self, number: f32) {
        self.u32(number.to_bits());
    }
    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Bytes to numbers.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// `None` for another format.
    pub(super) fn new(bytes: &'a [u8], format: u8) -> Option<Self> {
        bytes.split_first().filter(|(first, _)| **first == format).map(|(_, rest)| Self(rest))
    }
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
    pub(super) fn f32(&mut self) -> Option<f32> {
        self.u32().map(f32::from_bits)
    }
    /// There must be no rest.
    pub(super) fn done(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
