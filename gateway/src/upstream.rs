//! The way to an internal system: resolve a permitted name once, connect to the admitted address.

use std::io;
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hitotsu_model::code::Code;
use hitotsu_model::ids::ResourceId;
use hitotsu_model::resource::{Host, HostName, Target};
use hitotsu_policy::bundle::Bundle;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::admission::{Admitted, NamePermitted};
use crate::denied::Denied;
use crate::limits::{CONNECT_TIMEOUT, RESOLVE_TIMEOUT};

/// A permitted target and its addresses, in the order to try. No name is resolved again after this.
#[derive(Debug)]
pub struct Resolved {
    permitted: NamePermitted,
    addresses: Vec<IpAddr>,
}

impl Resolved {
    /// What was asked for.
    #[must_use]
    pub fn target(&self) -> &Target {
        self.permitted.target()
    }

    /// The resources that the name selected.
    #[must_use]
    pub fn resources(&self) -> &[ResourceId] {
        self.permitted.resources()
    }

    /// The addresses that those resources may have, in the order to try; never empty.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }
}

/// Finds the addresses of a permitted name: the bundle's own table first, then DNS. Addresses that the named resources
/// do not declare are dropped, so that whoever answers DNS cannot lead a flow elsewhere.
///
/// # Errors
/// [`Code::NameNotResolved`], [`Code::NameTimeout`], or [`Code::AddressNotPermitted`] if no address is left.
pub async fn resolve(resolver: &TokioResolver, bundle: &Bundle, permitted: NamePermitted) -> Result<Resolved, Denied> {
    let found = match &permitted.target().host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => match bundle.static_addresses(name) {
            Some(addresses) => addresses,
            None => ask_dns(resolver, name).await?,
        },
    };
    let addresses: Vec<IpAddr> = found
        .into_iter()
        .map(|address| address.to_canonical())
        .filter(|address| {
            let resources = permitted.resources().iter().filter_map(|id| bundle.resource(id));
            resources.clone().count() > 0 && resources.into_iter().all(|resource| resource.may_have(*address))
        })
        .collect();
    if addresses.is_empty() {
        return Err(Denied::new(Code::AddressNotPermitted));
    }
    Ok(Resolved { permitted, addresses })
}

async fn ask_dns(resolver: &TokioResolver, name: &HostName) -> Result<Vec<IpAddr>, Denied> {
    // The final dot keeps the resolver from trying search domains.
    let absolute = format!("{name}.");
    match timeout(RESOLVE_TIMEOUT, resolver.lookup_ip(absolute)).await {
        Ok(Ok(lookup)) => Ok(lookup.iter().collect()),
        Ok(Err(NetError::Dns(DnsError::NoRecordsFound(_)))) => Err(Denied::new(Code::NameNotResolved)),
        Ok(Err(NetError::Timeout)) | Err(_) => Err(Denied::new(Code::NameTimeout)),
        Ok(Err(error)) => {
            tracing::warn!(%error, "name could not be resolved; check the gateway's resolver");
            Err(Denied::new(Code::NameNotResolved))
        }
    }
}

/// Why an admitted flow got no connection.
#[derive(Debug)]
pub struct NotConnected {
    /// The reason.
    pub code: Code,
    /// The proof, given back for the outcome.
    pub admitted: Admitted,
}

/// Connects a byte stream to the admitted address. The dial races the flow's cut.
///
/// # Errors
/// [`NotConnected`].
pub async fn connect_tcp(admitted: Admitted) -> Result<(TcpStream, Admitted), NotConnected> {
    let address = SocketAddr::new(admitted.address(), admitted.flow().target.port);
    let cut = admitted.flow().cut.clone();
    let outcome = tokio::select! {
        biased;
        () = cut.cancelled() => Err(admitted.flow().cut_code().unwrap_or(Code::NotPermitted)),
        dialled = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)) => match dialled {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(code_of(&error)),
            Err(_) => Err(Code::UpstreamTimeout),
        },
    };
    match outcome {
        Ok(stream) => {
            // Interactive flows (a keystroke, a voice packet) must not wait for Nagle's algorithm.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "no-delay could not be set");
            }
            Ok((stream, admitted))
        }
        Err(code) => Err(NotConnected { code, admitted }),
    }
}

/// Makes a datagram socket that speaks with the admitted address only.
///
/// # Errors
/// [`NotConnected`].
pub async fn connect_udp(admitted: Admitted) -> Result<(UdpSocket, Admitted), NotConnected> {
    let address = SocketAddr::new(admitted.address(), admitted.flow().target.port);
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let made = async {
        let socket = UdpSocket::bind(any).await?;
        socket.connect(address).await?;
        Ok::<_, io::Error>(socket)
    };
    match made.await {
        Ok(socket) => Ok((socket, admitted)),
        Err(error) => Err(NotConnected { code: code_of(&error), admitted }),
    }
}

fn code_of(error: &io::Error) -> Code {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        Code::UpstreamRefused
    } else if error.kind() == io::ErrorKind::ConnectionReset {
        Code::UpstreamReset
    } else if error.kind() == io::ErrorKind::TimedOut {
        Code::UpstreamTimeout
    } else {
        Code::UpstreamUnreachable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_becomes_the_reason_that_the_user_reads() {
        for (kind, code) in [
            (io::ErrorKind::ConnectionRefused, Code::UpstreamRefused),
            (io::ErrorKind::ConnectionReset, Code::UpstreamReset),
            (io::ErrorKind::TimedOut, Code::UpstreamTimeout),
            (io::ErrorKind::HostUnreachable, Code::UpstreamUnreachable),
        ] {
            assert_eq!(code_of(&io::Error::from(kind)), code);
        }
    }
}
