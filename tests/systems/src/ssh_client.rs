//! One command on an SSH server, through a SOCKS5 proxy if wanted.

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use russh::ChannelMsg;
use russh::client::{Config, Handler, connect_stream};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Runs `command`, prints what it says and exits as it does.
pub(crate) async fn run(address: &str, host_key: &str, socks: Option<SocketAddr>, command: &str) -> ExitCode {
    match exchange(address, host_key, socks, command).await {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)),
        Err(error) => {
            eprintln!("hitotsu-systems: {error}");
            ExitCode::from(255)
        }
    }
}

async fn exchange(address: &str, host_key: &str, socks: Option<SocketAddr>, command: &str) -> Result<u32, ClientError> {
    let stream = match socks {
        Some(proxy) => through_socks(proxy, address).await?,
        None => TcpStream::connect(address).await?,
    };
    let expected = PublicKey::from_openssh(host_key).map_err(russh::Error::from)?;
    let mut session = connect_stream(Arc::new(Config::default()), stream, OnlyThisHost { expected }).await?;
    if !session.authenticate_none("demo").await?.success() {
        return Err(ClientError::NotLetIn);
    }
    let mut channel = session.channel_open_session().await?;
    channel.exec(true, command).await?;
    let mut status = None;
    while let Some(message) = channel.wait().await {
        if let ChannelMsg::Data { data } = &message {
            io::stdout().write_all(data)?;
        } else if let ChannelMsg::ExitStatus { exit_status } = message {
            status = Some(exit_status);
        }
    }
    io::stdout().flush()?;
    status.ok_or(ClientError::NoStatus)
}

/// Accepts one host key.
struct OnlyThisHost {
    expected: PublicKey,
}

impl Handler for OnlyThisHost {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => Ok(key.key_data() == self.expected.key_data()),
            PublicKeyOrCertificate::Certificate(_) => Ok(false),
        }
    }
}

/// Opens `host:port` through a SOCKS5 proxy without authentication (RFC 1928); the proxy resolves the name.
async fn through_socks(proxy: SocketAddr, address: &str) -> Result<TcpStream, ClientError> {
    let unfit = || ClientError::Address(address.to_owned());
    let (host, port) = address.rsplit_once(':').ok_or_else(unfit)?;
    let port: u16 = port.parse().map_err(|_| unfit())?;
    let length = u8::try_from(host.len()).map_err(|_| unfit())?;
    let mut stream = TcpStream::connect(proxy).await?;
    stream.write_all(&[5, 1, 0]).await?;
    let mut choice = [0_u8; 2];
    stream.read_exact(&mut choice).await?;
    let mut request = vec![5, 1, 0, 3, length];
    request.extend_from_slice(host.as_bytes());
    request.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&request).await?;
    let mut head = [0_u8; 4];
    stream.read_exact(&mut head).await?;
    let [_, reply, _, kind] = head;
    if reply != 0 {
        return Err(ClientError::Proxy(reply));
    }
    // The bound address follows: 4 or 16 bytes, and a port.
    let mut bound = vec![0_u8; if kind == 4 { 18 } else { 6 }];
    stream.read_exact(&mut bound).await?;
    Ok(stream)
}

/// Why the exchange failed.
#[derive(Debug)]
enum ClientError {
    Io(io::Error),
    Ssh(russh::Error),
    Address(String),
    Proxy(u8),
    NotLetIn,
    NoStatus,
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<russh::Error> for ClientError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the connection failed: {error}"),
            Self::Ssh(error) => write!(f, "the ssh session failed: {error}"),
            Self::Address(address) => write!(f, "`{address}` needs a host and a port, as in `jump.example:22`"),
            Self::Proxy(reply) => write!(f, "the proxy refused with reply {reply} (RFC 1928)"),
            Self::NotLetIn => f.write_str("the server did not let us in"),
            Self::NoStatus => f.write_str("the command ended without a status"),
        }
    }
}
