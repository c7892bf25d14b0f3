//! Pages over connections that stay open.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::runtime;
use super::serve::PAGE;

/// Asks on some connections at once for a time.
pub(super) fn run(target: SocketAddr, connections: usize, lasting: Duration) -> io::Result<Value> {
    runtime()?.block_on(async {
        let begun = Instant::now();
        let counts = try_join_all((0..connections).map(|_| tokio::spawn(one(target, begun, lasting)))).await?;
        let mut count = 0;
        for one in counts {
            count += one?;
        }
        Ok(json!({ "count": count, "per_s": f64::from(count) / begun.elapsed().as_secs_f64() }))
    })
}

async fn one(target: SocketAddr, begun: Instant, lasting: Duration) -> io::Result<u32> {
    let request = format!("GET / HTTP/1.1\r\nHost: {target}\r\n\r\n");
    let mut stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    let mut answer = vec![0; PAGE.len()];
    let mut count = 0;
    while begun.elapsed() < lasting {
        stream.write_all(request.as_bytes()).await?;
        stream.read_exact(&mut answer).await?;
        count += 1;
    }
    Ok(count)
}
