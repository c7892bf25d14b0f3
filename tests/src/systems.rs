//! Small internal systems on loopback. Each ends with its handle.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

/// A running system.
#[derive(Debug)]
pub struct System {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for System {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn tcp<F, R>(serve: F) -> System
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    System { address, task }
}

/// Sends back what it receives, and ends when its peer does.
pub async fn echo() -> System {
    tcp(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    })
    .await
}

/// Sends zeros for as long as anybody reads.
pub async fn endless() -> System {
    endless_counted().await.0
}

/// Sends zeros for as long as anybody reads, and counts them.
pub async fn endless_counted() -> (System, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let serve = move |mut stream: TcpStream| {
        let counted = Arc::clone(&counted);
        async move {
            let zeros = [0_u8; 16 * 1024];
            while let Ok(sent @ 1..) = stream.write(&zeros).await {
                counted.fetch_add(sent as u64, Ordering::Relaxed);
            }
        }
    };
    (tcp(serve).await, count)
}

/// Reads nothing and sends nothing, but keeps the connection.
pub async fn stalled() -> System {
    tcp(|stream| async move {
        let _kept = stream;
        std::future::pending::<()>().await;
    })
    .await
}

/// Reads to the end, then answers with the count of bytes.
pub async fn count() -> System {
    tcp(|mut stream| async move {
        let mut buffer = vec![0; 64 * 1024];
        let mut count = 0_u64;
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            count += read as u64;
        }
        let _ = stream.write_all(count.to_string().as_bytes()).await;
        let _ = stream.shutdown().await;
    })
    .await
}

/// Reads four octets, the milliseconds to send zeros for (big-endian), then ends. For none it reads to the end and
/// answers one octet.
pub async fn bulk() -> System {
    tcp(|mut stream| async move {
        let mut buffer = vec![0; 256 * 1024];
        let Ok(milliseconds) = stream.read_u32().await else { return };
        if milliseconds == 0 {
            while let Ok(1..) = stream.read(&mut buffer).await {}
            let _ = stream.write_all(b"x").await;
        } else {
            let begun = Instant::now();
            let lasting = Duration::from_millis(milliseconds.into());
            while begun.elapsed() < lasting && stream.write_all(&buffer).await.is_ok() {}
        }
        let _ = stream.shutdown().await;
    })
    .await
}

/// Resets every connection as soon as it has read something.
pub async fn reset() -> System {
    tcp(|mut stream| async move {
        let mut byte = [0];
        let _ = stream.read(&mut byte).await;
        let _ = stream.set_zero_linger();
    })
    .await
}

/// Sends every datagram back.
pub async fn udp_echo() -> System {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    let address = socket.local_addr().expect("bound");
    let task = tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..length], peer).await;
        }
    });
    System { address, task }
}

/// A port that listens but takes nobody in: its queue is full, so that the kernel drops what knocks. The connections that
/// fill it live as long as the handle.
///
/// # Panics
/// If it cannot be set up.
pub async fn silent() -> (SocketAddr, impl Sized) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("binds");
    let listener = socket.listen(1).expect("listens");
    let address = listener.local_addr().expect("bound");
    let mut fillers = Vec::new();
    while let Ok(filler) =
        tokio::time::timeout(std::time::Duration::from_millis(300), TcpStream::connect(address)).await
    {
        fillers.push(filler.expect("connects"));
    }
    (address, (listener, fillers))
}

/// A port on which nobody listens.
pub async fn refusing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    listener.local_addr().expect("bound")
}

/// A web server with one page, which gives back the body of the request, or says `hello` where there is none.
pub async fn web() -> System {
    tcp(|mut stream| async move {
        let mut request = Vec::new();
        let head = loop {
            if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = request.split_off(head);
        while body.len() < length {
            if stream.read_buf(&mut body).await.unwrap_or(0) == 0 {
                return;
            }
        }
        if body.is_empty() {
            body.extend_from_slice(b"hello");
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
        let _ = stream.shutdown().await;
    })
    .await
}
