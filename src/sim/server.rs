//! Sockets: listeners, connections, and what each request gets.
//!
//! One thread is enough, because everything here waits or writes. A TCP reset is a socket closed with no linger, so the socket is
//! wrapped and closes itself that way when an answer asks for it.
//!
//! **Invariant:** an answer is decided in full (status, headers, steps) before its first byte leaves.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use hyper::{Request, Response, body::Incoming, header::HeaderValue, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use super::{
    listener::Listener,
    record::{Entry, Ticket},
    reply::{self, Reply, Verdict},
    script::Play,
};

/// How long answers in flight may take after the end is requested.
const FAREWELL: Duration = Duration::from_secs(1);

/// One address, and the listener that serves it.
pub struct Socket {
    /// The bound socket.
    pub tcp: TcpListener,
    /// The listener's state.
    pub listener: Arc<Listener>,
    /// Whether each request gets a line on stderr.
    pub log: bool,
}

/// Serves until `end` changes; answers in flight then have a second to finish.
pub async fn serve(socket: Socket, mut end: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = end.changed() => break,
            accepted = socket.tcp.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, Arc::clone(&socket.listener), socket.log, end.clone()));
            }
            // Out of file descriptors, most likely: others must close theirs first.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    drop(socket.tcp);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL, all).await;
}

async fn connection(stream: TcpStream, listener: Arc<Listener>, log: bool, mut end: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let wire = Wire { stream, reset: Arc::clone(&reset) };
    let service = service_fn(move |request| answer(request, Arc::clone(&listener), log, Arc::clone(&reset)));
    let mut connection = std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(wire), service));
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = end.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// A socket that is closed by a TCP reset when its flag is up.
struct Wire {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

async fn answer(
    request: Request<Incoming>,
    listener: Arc<Listener>,
    log: bool,
    reset: Arc<AtomicBool>,
) -> Result<Response<Play>, io::Error> {
    let at = Instant::now();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let path = head.uri.path();
    if path.starts_with("/sim/") {
        return respond(reply::control(&head.method, path, &body, &listener), &listener, reset, None);
    }
    let number = listener.next_number();
    let Verdict { reply, fault, struck, model, stream } = reply::decide(&head, &body, &listener, number);
    let status = if fault.reset || fault.silent.is_some() { None } else { Some(reply.status) };
    let line = format!("{} {path}", head.method);
    if log {
        let shape = if stream { " (stream)" } else { "" };
        let said = status.map_or("no answer".to_owned(), |status| status.to_string());
        eprintln!("{}: {line} {model}{shape} -> {said}{}", listener.name, if struck { ", a fault" } else { "" });
    }
    let mut ticket =
        listener.journal.open(at, Entry { line, headers: head.headers, model, stream, body, status, struck });
    if let Some(pause) = fault.delay_headers {
        tokio::time::sleep(pause).await;
    }
    if let Some(pause) = fault.silent {
        tokio::time::sleep(pause).await;
    }
    if status.is_none() {
        reset.store(fault.reset, Ordering::Relaxed);
        ticket.done();
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    respond(reply, &listener, reset, Some(ticket))
}

fn respond(
    reply: Reply,
    listener: &Listener,
    reset: Arc<AtomicBool>,
    ticket: Option<Ticket>,
) -> Result<Response<Play>, io::Error> {
    let mut response = Response::builder().status(reply.status).header("content-type", reply.content_type);
    if let Ok(name) = HeaderValue::from_str(&listener.name) {
        response = response.header("x-sim-name", name);
    }
    if let Some(length) = reply.length {
        response = response.header("content-length", length);
    }
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Play::new(reply.steps, reset, ticket)).map_err(io::Error::other)
}
