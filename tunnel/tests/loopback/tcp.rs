//! TCP flows.

use bytes::Bytes;
use hitotsu_tunnel::dialer::Preference;

use crate::world::{World, flow, read_all};

#[tokio::test]
async fn octets_come_back_through_http_3() {
    let world = World::new().await;
    let (client, server) = world.pair(Preference::QuicOnly).await;
    let ((mut send, mut recv), (mut back, mut there)) = flow(&client, &server).await;

    send.send(Bytes::from_static(b"hello")).await.unwrap();
    send.finish().await.unwrap();
    assert_eq!(read_all(&mut there).await, b"hello");
    back.send(Bytes::from_static(b"welcome")).await.unwrap();
    back.finish().await.unwrap();

    assert_eq!(read_all(&mut recv).await, b"welcome");
    assert_eq!(client.binding(), server.binding);
    assert_eq!(server.peer_certificates.len(), 1);
}
