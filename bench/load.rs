//! A bounded closed-loop load generator for the benchmark: so many connections, each asks again as soon as it is answered.
//!
//! It measures what the caller sees (latency, whole answers) and, given a process id, what the gateway pays for it: CPU time
//! from the scheduler's own nanosecond counts, since clock ticks of 10 ms are too coarse for a run of a second.
//!
//! **Invariant:** an answer counts as good only if it is a 200, complete, and not shorter than the first one.
#![allow(missing_docs)]

use std::{
    error::Error,
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Uri, body::Bytes, client::conn::http1, header::CONTENT_TYPE};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{net::TcpStream, task::JoinSet};

/// How much of an answer's end is kept, in bytes: enough for the last event, or for an error's words.
const TAIL: usize = 300;

type Failure = Box<dyn Error + Send + Sync>;

/// Sends one body again and again over loopback and prints one line of JSON.
#[derive(Parser)]
struct Args {
    /// Where to, such as `http://127.0.0.1:10000/v1/chat/completions`; the host is an address
    #[arg(long)]
    url: Uri,
    /// The file with the request's body
    #[arg(long)]
    body: PathBuf,
    /// The key to send as `authorization: Bearer`
    #[arg(long, default_value = "sk-load")]
    key: String,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: u16,
    /// Requests in all
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    requests: u64,
    /// Requests before the measurement starts
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100_000))]
    warmup: u64,
    /// The process whose CPU time and memory to read
    #[arg(long)]
    pid: Option<u32>,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(measure(&args))?);
    Ok(())
}

async fn measure(args: &Args) -> Result<serde_json::Value, Failure> {
    let target = Target::new(args)?;
    let first = Connection::open(&target).await?.ask(&target).await.map_err(|e| format!("the first request: {e}"))?;
    let target = Target { least: first, ..target };
    run(&target, args.connections, args.warmup).await?;
    let cpu_before = args.pid.map(cpu_ns).transpose()?;
    let started = Instant::now();
    let mut seen = run(&target, args.connections, args.requests).await?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu_ns = args.pid.map(cpu_ns).transpose()?.zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
    seen.latencies_us.sort_unstable();
    let requests = seen.latencies_us.len() as u64 + seen.errors;
    Ok(json!({
        "requests": requests,
        "errors": seen.errors,
        "error": seen.error,
        "p50_us": seen.percentile(50),
        "p99_us": seen.percentile(99),
        "seconds": seconds,
        "answer_bytes": first,
        "cpu_us": cpu_ns.map(|ns| ns as f64 / 1e3 / requests as f64),
        "rss_mb": args.pid.map(peak_memory_mb).transpose()?,
    }))
}

/// What came of some requests.
#[derive(Default)]
struct Seen {
    latencies_us: Vec<u64>,
    errors: u64,
    /// The last error's words.
    error: Option<String>,
}

impl Seen {
    fn percentile(&self, percent: usize) -> Option<u64> {
        let last = self.latencies_us.len().checked_sub(1)?;
        self.latencies_us.get(last * percent / 100).copied()
    }
}

/// Sends `requests` over `connections`.
async fn run(target: &Target, connections: u16, requests: u64) -> Result<Seen, Failure> {
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    TAKEN.store(0, Ordering::Relaxed);
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let target = target.clone();
        clients.spawn(async move {
            let mut seen = Seen::default();
            let mut connection = None;
            while TAKEN.fetch_add(1, Ordering::Relaxed) < requests {
                let started = Instant::now();
                match once(&mut connection, &target).await {
                    Ok(_) => seen.latencies_us.push(started.elapsed().as_micros() as u64),
                    Err(error) => {
                        seen.errors += 1;
                        seen.error = Some(error.to_string());
                        connection = None;
                        // A gateway that refuses must not be asked as fast as the machine can.
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            }
            seen
        });
    }
    let mut all = Seen::default();
    while let Some(seen) = clients.join_next().await {
        let seen = seen?;
        all.latencies_us.extend(seen.latencies_us);
        all.errors += seen.errors;
        all.error = seen.error.or(all.error);
    }
    Ok(all)
}

async fn once(connection: &mut Option<Connection>, target: &Target) -> Result<usize, Failure> {
    let open = match connection.take() {
        Some(open) => open,
        None => Connection::open(target).await?,
    };
    connection.insert(open).ask(target).await
}

/// What is asked, and where.
#[derive(Clone)]
struct Target {
    address: SocketAddr,
    url: Uri,
    key: String,
    body: Bytes,
    /// The least bytes of a whole answer.
    least: usize,
}

impl Target {
    fn new(args: &Args) -> Result<Target, Failure> {
        let address: SocketAddr = args.url.authority().ok_or("the URL has no host")?.as_str().parse()?;
        if !address.ip().is_loopback() {
            return Err("load goes to loopback only".into());
        }
        let body = fs::read(&args.body).map_err(|e| format!("{}: {e}", args.body.display()))?.into();
        Ok(Target { address, url: args.url.clone(), key: format!("Bearer {}", args.key), body, least: 0 })
    }
}

struct Connection(http1::SendRequest<Full<Bytes>>);

impl Connection {
    async fn open(target: &Target) -> Result<Connection, Failure> {
        let socket = TcpStream::connect(target.address).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        // Its errors reach the sender too.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Connection(sender))
    }

    /// Asks once and reads the answer to its end; gives its size.
    async fn ask(&mut self, target: &Target) -> Result<usize, Failure> {
        self.0.ready().await?;
        let request = Request::post(target.url.path())
            .header("host", target.address.to_string())
            .header("content-type", "application/json")
            .header("authorization", &target.key)
            .body(Full::new(target.body.clone()))?;
        let answer = self.0.send_request(request).await?;
        let status = answer.status();
        let stream = answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event"));
        let mut body = answer.into_body();
        let (mut size, mut tail) = (0, Vec::new());
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                size += data.len();
                // A network cuts anywhere: the end may come in two pieces.
                tail.extend_from_slice(&data);
                tail.drain(..tail.len().saturating_sub(TAIL));
            }
        }
        if status != 200 {
            return Err(format!("status {status}: {}", String::from_utf8_lossy(&tail)).into());
        }
        if size < target.least {
            return Err(format!("a short answer: {size} bytes, not {}", target.least).into());
        }
        if stream && !tail.ends_with(b"data: [DONE]\n\n") {
            return Err("a stream without its end".into());
        }
        Ok(size)
    }
}

/// CPU time of all threads of a process, in nanoseconds.
fn cpu_ns(pid: u32) -> Result<u64, Failure> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split_whitespace().next().ok_or("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(sum)
}

/// The most memory a process ever had resident, in megabytes.
fn peak_memory_mb(pid: u32) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kb: f64 = line.split_whitespace().next().ok_or("an empty VmHWM")?.parse()?;
    Ok(kb / 1024.0)
}
