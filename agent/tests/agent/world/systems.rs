//! Internal systems on loopback.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// A TCP system that says again what it hears.
pub(crate) async fn echo() -> SocketAddr {
    serve(|mut stream| async move {
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = writer.shutdown().await;
    })
    .await
}

/// A web system: answers each request with its own head, so that the test sees what arrived. Keeps connections alive.
pub(crate) async fn web() -> SocketAddr {
    serve(|mut stream| async move {
        let mut buffer = Vec::new();
        loop {
            while !buffer.windows(4).any(|four| four == b"\r\n\r\n") {
                if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                    return;
                }
            }
            let head = String::from_utf8_lossy(&buffer).into_owned();
            buffer.clear();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{head}", head.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

/// A UDP system that says again what it hears.
pub(crate) async fn udp_echo() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..length], from).await;
        }
    });
    address
}

/// A port of TCP alone that leads to `to`: a network that drops UDP.
pub(crate) async fn tcp_only(to: SocketAddr) -> SocketAddr {
    serve(move |mut stream| async move {
        if let Ok(mut far) = TcpStream::connect(to).await {
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut far).await;
        }
    })
    .await
}

async fn serve<Served>(serve: impl Fn(TcpStream) -> Served + Send + 'static) -> SocketAddr
where
    Served: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}
