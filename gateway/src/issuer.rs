//! The issuer: a process of its own that holds the devices' issuing key and answers on a Unix socket.
//!
//! Whoever breaks into the serving process does not get the key, only the right to ask for certificates of clients, at a
//! bounded rate, each of which ends within its profile's life. Certificates of gateways and staff come from other
//! authorities, whose keys neither process reads.
//!
//! Requests and answers are JSON behind a length of four bytes, big endian; one connection carries any number.

mod process;
mod service;
mod wire;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hitotsu_model::identity::{AssuranceLevel, Profile};
use hitotsu_model::ids::{DeviceId, OrgId, Serial};
use hitotsu_model::time::Timestamp;
use hitotsu_pki::revocation::CrlEntry;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::time::timeout;

pub use process::{IssuerError, run, supervise};
pub(crate) use service::Bucket;

/// How long a request may take: a signature takes below a millisecond, a restart of the issuer a second or two.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often an issuer that is not there yet is looked for: it is starting, and reading its key takes most of a second.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why nothing was issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerFault {
    /// The process does not answer.
    #[error("the issuer does not answer: {0}; see its log, and `[issuer]` in the configuration")]
    Unavailable(String),
    /// It answered that it will not.
    #[error("the issuer refused: {0}")]
    Refused(String),
}

/// A request for a certificate of a client. What profile, name and life it gets is up to the issuer's own rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueRequest {
    /// `device` or `relay`.
    pub profile: Profile,
    /// Who will hold it.
    pub holder: DeviceId,
    /// How sure the gateway is which machine this is; decides the life.
    pub level: AssuranceLevel,
    /// The PKCS#10 request, DER. The issuer proves possession again, by itself.
    #[serde(with = "wire::base64")]
    pub csr: Vec<u8>,
}

/// A certificate, with all that its holder needs beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// The organisation.
    pub org: OrgId,
    /// The certificate, DER.
    #[serde(with = "wire::base64")]
    pub certificate: Vec<u8>,
    /// Its issuing authority's, DER.
    #[serde(with = "wire::base64")]
    pub authority: Vec<u8>,
    /// Its serial number.
    pub serial: Serial,
    /// Its end.
    pub not_after: Timestamp,
}

/// A request for a certificate revocation list of the devices' authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrlRequest {
    /// What is revoked.
    pub entries: Vec<CrlEntry>,
    /// Its number, above every number before.
    pub number: u64,
    /// When the next one is due.
    pub next_update: Timestamp,
}

/// Speaks to the issuer process. Clones share nothing but the path.
#[derive(Debug, Clone)]
pub struct IssuerClient {
    socket: PathBuf,
    patience: Duration,
}

impl IssuerClient {
    /// A client of the issuer that listens on `socket`.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), patience: PATIENCE }
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Has a client's certificate issued.
    ///
    /// # Errors
    /// [`IssuerFault`].
    pub async fn issue(&self, request: IssueRequest) -> Result<Issued, IssuerFault> {
        match self.ask(&wire::Request::Issue(request)).await? {
            wire::Answer::Issued(issued) => Ok(issued),
            wire::Answer::Refused { error } => Err(IssuerFault::Refused(error)),
            wire::Answer::Crl { .. } => Err(IssuerFault::Unavailable("it answered another question".to_owned())),
        }
    }

    /// Has a revocation list signed. DER.
    ///
    /// # Errors
    /// [`IssuerFault`].
    pub async fn crl(&self, request: CrlRequest) -> Result<Vec<u8>, IssuerFault> {
        match self.ask(&wire::Request::Crl(request)).await? {
            wire::Answer::Crl { der } => Ok(der),
            wire::Answer::Refused { error } => Err(IssuerFault::Refused(error)),
            wire::Answer::Issued(_) => Err(IssuerFault::Unavailable("it answered another question".to_owned())),
        }
    }

    async fn ask(&self, request: &wire::Request) -> Result<wire::Answer, IssuerFault> {
        let exchange = async {
            let mut stream = self.connect(Instant::now() + self.patience).await?;
            wire::send(&mut stream, request).await?;
            let answer = wire::receive(&mut stream).await?;
            answer.ok_or_else(|| std::io::Error::from(ErrorKind::UnexpectedEof))
        };
        match timeout(self.patience * 2, exchange).await {
            Ok(answer) => answer.map_err(|error: std::io::Error| IssuerFault::Unavailable(error.to_string())),
            Err(_) => Err(IssuerFault::Unavailable("it takes too long".to_owned())),
        }
    }

    async fn connect(&self, until: Instant) -> std::io::Result<UnixStream> {
        loop {
            match UnixStream::connect(&self.socket).await {
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
                        && Instant::now() < until =>
                {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                connected => return connected,
            }
        }
    }
}

#[cfg(test)]
impl IssuerClient {
    /// One that gives up at once.
    pub(crate) fn impatient(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), patience: Duration::from_millis(50) }
    }
}

/// An issuer in this process, until the token is cancelled.
#[cfg(test)]
pub(crate) fn in_process(
    authority: hitotsu_pki::authority::Authority,
    socket: &Path,
) -> tokio_util::sync::CancellationToken {
    let service = std::sync::Arc::new(service::Service::new(authority, Instant::now()));
    let listener = crate::local::bind(socket).unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move { process::serve(&listener, &service, &stopped).await });
    stop
}

#[cfg(test)]
mod tests;
