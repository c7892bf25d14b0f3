//! Pages as a browser loads them over HTTP/1.1: a document, then thirty small objects over six new connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::runtime;
use crate::bench::samples::Samples;

/// Connections that browsers open to one server.
const CONNECTIONS: usize = 6;

/// Objects of a page.
const OBJECTS: usize = 30;

/// Octets of the document.
const DOCUMENT_OCTETS: usize = 10 * 1024;

/// Octets of the smallest and the largest object; the others lie evenly between them.
const OBJECT_OCTETS: [usize; 2] = [2 * 1024, 30 * 1024];

/// A page that takes longer fails the whole.
const PATIENCE: Duration = Duration::from_secs(30);

/// Loads some pages one after another, fewer when they take longer than this altogether.
pub(super) fn run(target: SocketAddr, count: usize, lasting: Duration) -> io::Result<Value> {
    runtime()?.block_on(async {
        let begun = Instant::now();
        let mut samples = Samples::default();
        while samples.is_empty() || (samples.len() < count && begun.elapsed() < lasting) {
            let asked = Instant::now();
            tokio::time::timeout(PATIENCE, page(target)).await??;
            samples.push(asked.elapsed());
        }
        Ok(json!({
            "pages": samples.len(),
            "p50_us": samples.percentile_us(50),
            "p95_us": samples.percentile_us(95),
        }))
    })
}

async fn page(target: SocketAddr) -> io::Result<()> {
    let mut first = connect(target).await?;
    get(&mut first, DOCUMENT_OCTETS).await?;
    let next = Arc::new(AtomicUsize::new(0));
    let others = (1..CONNECTIONS).map(|_| {
        let next = Arc::clone(&next);
        tokio::spawn(async move { objects(connect(target).await?, &next).await })
    });
    let others: Vec<_> = others.collect();
    objects(first, &next).await?;
    try_join_all(others).await?.into_iter().collect()
}

async fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Gets what no other connection has begun to get.
async fn objects(mut stream: TcpStream, next: &AtomicUsize) -> io::Result<()> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= OBJECTS {
            return Ok(());
        }
        get(&mut stream, octets(number)).await?;
    }
}

/// Octets of an object: the sizes are mixed, and the same on every page.
fn octets(number: usize) -> usize {
    let [least, most] = OBJECT_OCTETS;
    // 7 and 30 have no common divisor.
    least + (number * 7 % OBJECTS) * (most - least) / (OBJECTS - 1)
}

async fn get(stream: &mut TcpStream, octets: usize) -> io::Result<()> {
    stream.write_all(format!("GET /{octets} HTTP/1.1\r\nHost: page.example\r\n\r\n").as_bytes()).await?;
    let mut answer = vec![0; object(octets).len()];
    stream.read_exact(&mut answer).await.map(drop)
}

/// The size that a request asks for, if it asks for one.
pub(super) fn asked_for(request: &[u8]) -> Option<usize> {
    let path = request.strip_prefix(b"GET /")?.split(|octet| *octet == b' ').next()?;
    std::str::from_utf8(path).ok()?.parse().ok().filter(|octets| *octets <= OBJECT_OCTETS[1])
}

/// The answer with an object of this size.
pub(super) fn object(octets: usize) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {octets:>5}\r\n\r\n");
    let mut answer = head.into_bytes();
    answer.resize(answer.len() + octets, b'x');
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_thirty_objects_of_different_sizes_in_no_order() {
        let mut sizes: Vec<usize> = (0..OBJECTS).map(octets).collect();
        assert!(!sizes.is_sorted());
        sizes.sort_unstable();
        sizes.dedup();
        assert_eq!((sizes.len(), sizes[0], sizes[OBJECTS - 1]), (30, 2_048, 30_720));
    }

    #[test]
    fn only_a_size_in_the_path_asks_for_an_object() {
        assert_eq!(asked_for(b"GET /2048 HTTP/1.1\r\n\r\n"), Some(2_048));
        assert_eq!(asked_for(b"GET / HTTP/1.1\r\n\r\n"), None);
        assert_eq!(asked_for(b"GET /99999 HTTP/1.1\r\n\r\n"), None);
    }
}
