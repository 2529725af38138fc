//! The keys of clients: the hash of each, as the configuration, Envoy's environment or a file has it.
//!
//! The filter can read no file. Envoy can, and puts a key from one into what is sent to a cluster of its own, behind which a listener within
//! this Envoy answers with it (`generate/client_keys.rs`). The filter asks there at its ticks, so no request waits for that.
//!
//! **Invariant:** nothing of a key but its hash is kept, and how long it takes to look for one tells nothing of it.

use super::super::http::{HeaderMap, OutgoingHeaders};
use crate::config::model::{Proof, RouterConfig};
use crate::sha256::sha256;

/// Reads a variable of Envoy's environment.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

type Hash = [u8; 32];

/// The header that a key from a file comes in (`generate/client_keys.rs`).
const KEY: &str = "x-signalbox-key";
/// How often files are asked for, in milliseconds.
const EVERY_MS: u64 = 2_000;
/// How long an answer may take, in milliseconds.
pub const TIMEOUT_MS: u64 = 1_000;

/// All keys.
#[derive(Debug, Default)]
pub struct ClientKeys {
    /// The hashes of keys, each with the place of its client.
    known: Vec<(Hash, usize)>,
    in_files: Vec<InFile>,
    asked_ms: u64,
}

/// A key in a file.
#[derive(Debug)]
struct InFile {
    cluster: String,
    place: usize,
    /// `None`: it was not read yet. Within: there is none.
    hash: Option<Option<Hash>>,
    call: Option<u32>,
}

impl ClientKeys {
    /// The keys of a configuration's clients. Of `former` is taken over what was read of files.
    ///
    /// # Errors
    /// The master key is not in place: what it guards would be open.
    pub fn of(config: &RouterConfig, variables: Variables<'_>, former: &Self) -> Result<Self, String> {
        let naming = &config.signalbox.naming;
        let mut keys = Self::default();
        for (place, client) in config.clients.iter().enumerate() {
            match &client.proof {
                Proof::Hash(hash) => keys.known.push((*hash, place)),
                Proof::Variable(name) if naming.key_files.contains(name) => {
                    let cluster = naming.key_cluster(name);
                    let known = former.in_files.iter().find(|file| file.cluster == cluster);
                    let hash = known.and_then(|file| file.hash);
                    keys.in_files.push(InFile { cluster, place, hash, call: None });
                }
                Proof::Variable(name) => {
                    let hash = variables(name).and_then(|key| hashed(key.as_bytes()));
                    if hash.is_none() && client.is_master() {
                        return Err(format!("the master key is not in place: set {name} where Envoy starts"));
                    }
                    keys.known.extend(hash.map(|hash| (hash, place)));
                }
                Proof::Identity(_) | Proof::Claims(_) => {}
            }
        }
        Ok(keys)
    }

    /// Whose key this is. All hashes are compared, to their ends, whatever is found.
    pub(super) fn holder(&self, key: &str) -> Option<usize> {
        let shown = sha256(key.as_bytes());
        let in_files = self.in_files.iter().filter_map(|file| Some((file.hash.as_ref()?.as_ref()?, file.place)));
        let known = self.known.iter().map(|(hash, place)| (hash, *place));
        known.chain(in_files).fold(None, |found: Option<usize>, (hash, place)| {
            let differs = hash.iter().zip(&shown).fold(0, |all, (one, other)| all | (one ^ other));
            if differs == 0 { Some(found.map_or(place, |found| found.min(place))) } else { found }
        })
    }

    /// The hash of the first key that there is: a secret of the gateway.
    #[must_use]
    pub fn first(&self) -> &[u8] {
        let in_file = || self.in_files.iter().find_map(|file| file.hash.as_ref()?.as_ref());
        self.known.first().map(|(hash, _)| hash).or_else(in_file).map_or(&[], |hash| hash)
    }

    /// Whether each key is known, or known to be missing.
    #[must_use]
    pub fn are_read(&self) -> bool {
        self.in_files.iter().all(|file| file.hash.is_some())
    }

    /// Which clusters to ask now, each with its place here.
    pub fn due(&mut self, now_ms: u64) -> Vec<(usize, String)> {
        if self.in_files.is_empty() || now_ms.saturating_sub(self.asked_ms) < EVERY_MS {
            return Vec::new();
        }
        self.asked_ms = now_ms;
        self.in_files.iter().map(|file| file.cluster.clone()).enumerate().collect()
    }

    /// What is asked.
    #[must_use]
    pub fn question() -> OutgoingHeaders {
        let header = |name: &'static str, value: &'static str| (name.into(), value.as_bytes().into());
        vec![header(":method", "GET"), header(":path", "/"), header(":authority", "signalbox")]
    }

    /// One was asked, under the host's number for it. `None`: there is no such cluster, since Envoy refused it.
    pub fn asked(&mut self, place: usize, call: Option<u32>) {
        if let Some(file) = self.in_files.get_mut(place) {
            file.call = call;
            if call.is_none() {
                file.hash = Some(None);
            }
        }
    }

    /// An answer came, of this status. Returns whether it is one of these.
    pub fn heard(&mut self, call: u32, status: Option<u16>, headers: &HeaderMap) -> bool {
        let Some(file) = self.in_files.iter_mut().find(|file| file.call == Some(call)) else { return false };
        file.call = None;
        match status {
            Some(200) => {
                let key = headers.iter().find(|(name, _)| name == KEY);
                file.hash = Some(key.and_then(|(_, key)| hashed(key)));
            }
            // Envoy has no key to add.
            Some(401) => file.hash = Some(None),
            // What Envoy 1.39 has is no header: it ends with a line break.
            Some(_) => file.hash = file.hash.or(Some(None)),
            // It did not come so far.
            None => {}
        }
        true
    }
}

fn hashed(key: &[u8]) -> Option<Hash> {
    let key = key.trim_ascii();
    (!key.is_empty()).then(|| sha256(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::compile::compile_json;
    use crate::config::model::Naming;

    fn config(files: &[&str]) -> RouterConfig {
        let text = r#"{"model_list":[{"model_name":"m","litellm_params":{"model":"openai/x"}}],
            "general_settings":{"master_key":"os.environ/MASTER"},
            "signalbox":{"clients":[{"name":"a","key":"os.environ/A"},{"name":"b","key":"os.environ/B"}]}}"#;
        let mut config = compile_json(text).unwrap();
        let key_files = files.iter().map(|name| (*name).to_owned()).collect();
        config.signalbox.naming = Naming { clusters: "x.".to_owned(), key_files, ..Naming::default() };
        config
    }

    fn keys(files: &[&str], former: &ClientKeys) -> ClientKeys {
        ClientKeys::of(&config(files), &|name| (name == "B").then(|| "sk-b\n".to_owned()), former).unwrap()
    }

    fn says(key: &str) -> HeaderMap {
        vec![("date".to_owned(), b"now".to_vec()), (KEY.to_owned(), key.as_bytes().to_vec())]
    }

    const BOTH: &[&str] = &["MASTER", "A"];

    #[test]
    fn a_key_in_a_file_opens_once_it_was_read_and_as_long_as_it_is_there() {
        let mut keys = keys(BOTH, &ClientKeys::default());
        assert_eq!(keys.due(10_000), [(0, "x.signalbox-key/MASTER".to_owned()), (1, "x.signalbox-key/A".to_owned())]);
        assert!(keys.due(11_999).is_empty(), "so often is enough");
        keys.asked(0, Some(7));
        keys.asked(1, Some(8));
        assert!(!keys.are_read() && keys.holder("sk-a").is_none());
        assert!(!keys.heard(9, Some(200), &says("sk-a")), "another's answer");
        assert!(keys.heard(8, Some(200), &says(" sk-a ")));
        assert_eq!((keys.holder("sk-a"), keys.holder("sk-b"), keys.are_read()), (Some(1), Some(2), false));
        // The master key's file is missing.
        assert!(keys.heard(7, Some(401), &HeaderMap::new()) && keys.are_read());
        for key in ["", "sk-", "sk-A"] {
            assert_eq!(keys.holder(key), None, "{key}");
        }
        // A new key, no answer, and none any more.
        let told = |keys: &mut ClientKeys, now_ms, status, headers: &HeaderMap| {
            assert_eq!(keys.due(now_ms).len(), 2);
            keys.asked(1, Some(1));
            assert!(keys.heard(1, status, headers));
            assert!(!keys.heard(1, status, headers), "once");
            (keys.holder("sk-a"), keys.holder("sk-new"), keys.holder(""))
        };
        assert_eq!(told(&mut keys, 20_000, Some(200), &says("sk-new")), (None, Some(1), None));
        assert_eq!(told(&mut keys, 30_000, None, &HeaderMap::new()), (None, Some(1), None));
        assert_eq!(told(&mut keys, 40_000, Some(503), &HeaderMap::new()), (None, Some(1), None));
        assert_eq!(told(&mut keys, 50_000, Some(200), &says("")), (None, None, None));
        assert!(keys.are_read());
        for (status, are_read) in [(None, false), (Some(503), true)] {
            let mut keys = self::keys(BOTH, &ClientKeys::default());
            keys.asked(0, None);
            keys.asked(1, Some(1));
            assert!(keys.heard(1, status, &HeaderMap::new()));
            assert!(keys.are_read() == are_read && keys.holder("").is_none(), "{status:?}");
        }
    }

    #[test]
    fn a_cluster_that_envoy_refused_holds_no_key() {
        let mut keys = keys(BOTH, &ClientKeys::default());
        keys.asked(0, None);
        keys.asked(1, None);
        assert!(keys.are_read() && keys.holder("").is_none());
    }

    #[test]
    fn a_new_configuration_knows_what_the_former_had_read() {
        let mut former = keys(BOTH, &ClientKeys::default());
        former.asked(1, Some(1));
        former.heard(1, Some(200), &says("sk-a"));
        let then = keys(BOTH, &former);
        assert_eq!((then.holder("sk-a"), then.are_read()), (Some(1), false));
        assert_eq!(keys(&["MASTER"], &former).holder("sk-a"), None, "it is a variable now");
    }

    #[test]
    fn the_first_of_two_clients_with_one_key_is_meant() {
        let mut keys = keys(BOTH, &ClientKeys::default());
        keys.asked(1, Some(1));
        keys.heard(1, Some(200), &says("sk-b"));
        assert_eq!(keys.holder("sk-b"), Some(1));
    }
}
