//! Straight out, as if the agent were not there.

use hitotsu_model::code::Code;
use hitotsu_model::resource::Target;
use tokio::net::TcpStream;

use crate::limits::DIRECT_DIAL_TIME_MAX;

/// Dials the target by the machine's own resolver and routes.
///
/// # Errors
/// The reason nearest to what the system said.
pub(crate) async fn dial(target: &Target) -> Result<TcpStream, Code> {
    let host = target.host.to_string();
    let dialled = TcpStream::connect((host.as_str(), target.port));
    match tokio::time::timeout(DIRECT_DIAL_TIME_MAX, dialled).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Err(Code::UpstreamRefused),
        Ok(Err(error)) if error.raw_os_error().is_none() => Err(Code::NameNotResolved),
        Ok(Err(_)) => Err(Code::UpstreamUnreachable),
        Err(_) => Err(Code::UpstreamTimeout),
    }
}

/// Carries bytes both ways until both have ended.
pub(crate) async fn relay(mut near: TcpStream, mut far: TcpStream) {
    if let Err(error) = tokio::io::copy_bidirectional(&mut near, &mut far).await {
        tracing::debug!(%error, "a direct flow ended");
    }
}
