//! Whose connection or datagram it is. Everything that is not surely this user's is somebody else's.

use std::net::SocketAddr;

use hitotsu_model::code::Code;
use tokio::net::TcpStream;

use crate::platform;

/// Whether the other end of an accepted connection belongs to the agent's own user.
pub(crate) fn tcp_is_own(stream: &TcpStream, peer: SocketAddr) -> bool {
    judged(stream.local_addr().and_then(|local| platform::peer_uid(local, peer)))
}

/// Whether a datagram at `local` came from a socket of the agent's own user.
pub(crate) fn udp_is_own(local: SocketAddr, source: SocketAddr) -> bool {
    judged(platform::udp_peer_uid(local, source))
}

fn judged(user: std::io::Result<u32>) -> bool {
    let own = match user {
        Ok(user) => user == platform::own_user_id(),
        Err(error) => {
            tracing::debug!(%error, "the owner of a connection is not known");
            false
        }
    };
    if !own {
        tracing::info!(code = Code::OtherUser.number(), "a connection is not this user's");
    }
    own
}
