//! What this program asks Envoy's admin interface: whether Envoy is ready, whether it took over its files, how many requests are in
//! flight.
//!
//! **Invariant:** it changes nothing. `/ready`, `/stats`, `/clusters` and `/config_dump` are enough.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// How much of an answer is read, in bytes.
const MOST: u64 = 64 << 20;

/// What Envoy answers to a path. `None`: nothing listens there. Empty: Envoy refused, or the answer broke off.
pub fn get(admin: &str, path: &str) -> Option<String> {
    let address: SocketAddr = admin.parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, ANSWER).ok()?;
    Some(ask(&mut stream, admin, path).unwrap_or_default())
}

fn ask(stream: &mut TcpStream, admin: &str, path: &str) -> std::io::Result<String> {
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer)?;
    Ok(read(&answer).unwrap_or_default())
}

/// The body of an answer that says 200.
fn read(answer: &[u8]) -> Option<String> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (String::from_utf8_lossy(answer.get(..end)?).to_lowercase(), answer.get(end + 4..)?);
    if head.split(' ').nth(1) != Some("200") {
        return None;
    }
    let body = if head.contains("\r\ntransfer-encoding: chunked") { unchunked(body) } else { body.to_vec() };
    Some(String::from_utf8_lossy(&body).into_owned())
}

fn unchunked(mut chunks: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    let mut take = || {
        let line = chunks.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(chunks.get(..line)?).ok()?, 16).ok()?;
        whole.extend_from_slice(chunks.get(line + 2..)?.get(..length)?);
        chunks = chunks.get(line + 2 + length + 2..)?;
        (length > 0).then_some(())
    };
    while take().is_some() {}
    whole
}

/// How often Envoy took over files of one kind, and how often it refused them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Updates {
    /// Updates in force.
    pub taken: u64,
    /// Updates that could not be read, or that Envoy refused.
    pub refused: u64,
}

/// What Envoy's counters say.
#[derive(Debug, Clone, Default)]
pub struct Stats(String);

impl Stats {
    /// Those of listeners, clusters and requests. `None`: nothing listens there.
    pub fn ask(admin: &str) -> Option<Self> {
        // ^(cluster_manager\.cds|listener_manager|http\.signalbox\.downstream_rq_active)
        let filter = "%5E(cluster_manager%5C.cds%7Clistener_manager%7Chttp%5C.signalbox%5C.downstream_rq_active)";
        get(admin, &format!("/stats?filter={filter}")).map(Self)
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.trim().parse().ok())
    }

    /// Of the file with the clusters.
    pub fn clusters(&self) -> Updates {
        self.updates("cluster_manager.cds")
    }

    /// Of the file with the listener.
    pub fn listeners(&self) -> Updates {
        self.updates("listener_manager.lds")
    }

    fn updates(&self, kind: &str) -> Updates {
        let count = |what: &str| self.get(&format!("{kind}.update_{what}")).unwrap_or_default();
        Updates { taken: count("success"), refused: count("rejected") + count("failure") }
    }

    /// Listeners that are not ready yet.
    pub fn warming_listeners(&self) -> u64 {
        self.get("listener_manager.total_listeners_warming").unwrap_or_default()
    }

    /// Listeners that take connections.
    pub fn active_listeners(&self) -> u64 {
        self.get("listener_manager.total_listeners_active").unwrap_or_default()
    }

    /// Requests in flight.
    pub fn requests(&self) -> Option<u64> {
        self.get("http.signalbox.downstream_rq_active")
    }
}

/// Why Envoy refused a listener, in its own words; why it refused clusters is only in its log.
pub fn refusal(admin: &str) -> Option<String> {
    let dump = get(admin, "/config_dump?resource=dynamic_listeners")?;
    let dump: serde_json::Value = serde_json::from_str(&dump).ok()?;
    let mut listeners = dump.get("configs")?.as_array()?.iter();
    let details = listeners.find_map(|listener| listener.get("error_state")?.get("details")?.as_str())?;
    // When a field is wrong, Envoy first prints the whole message that holds the field.
    let last = details.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(last.trim_start_matches(": ").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whole_or_in_chunks() {
        let read = |text: &str| read(text.as_bytes());
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab").as_deref(), Some("ab"));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(read(chunked).as_deref(), Some("abc"));
        assert_eq!(read(&chunked.replace("1\r\nc\r\n0", "9\r\nc\r\n0")).as_deref(), Some("ab"), "it broke off");
        assert_eq!((read("HTTP/1.1 403 X\r\n\r\nno"), read("HTTP/1.1 200 OK\r\n"), read("")), (None, None, None));
    }

    #[test]
    fn stats_are_read_by_their_whole_name() {
        let stats = Stats(
            "a.update_success: 9\nlistener_manager.lds.update_success: 3\nlistener_manager.lds.update_rejected: 1\r\n\
             listener_manager.lds.update_failure: 2\nlistener_manager.lds.update_duration: No recorded values\n\
             http.signalbox.downstream_rq_active: 4\n"
                .to_owned(),
        );
        assert_eq!(stats.listeners(), Updates { taken: 3, refused: 3 });
        assert_eq!(stats.clusters(), Updates::default());
        assert_eq!((stats.requests(), stats.get("listener_manager.lds")), (Some(4), None));
    }
}
