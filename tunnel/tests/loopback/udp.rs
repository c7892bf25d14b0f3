//! UDP flows.

use bytes::Bytes;
use hitotsu_tunnel::client::{ClientConnection, ClientUdpFlow};
use hitotsu_tunnel::datagram::{Sent, UdpFlow, UdpOptions};
use hitotsu_tunnel::dialer::Preference;
use hitotsu_tunnel::fault::{FlowError, OpenError, ResetReason};
use hitotsu_tunnel::server::{Exchange, Request};
use http::{HeaderMap, Response};

use crate::world::{Judged, World, exchange};

over_h3_and_h2! {
    datagrams_go_both_ways
    the_end_of_a_flow_is_seen
    a_cut_flow_is_seen
    a_refusal_is_seen
    many_flows_keep_their_datagrams_apart
}

async fn udp_flow(client: &ClientConnection, server: &Judged, options: UdpOptions) -> (UdpFlow, UdpFlow) {
    let opening = client.open_udp("2001:db8::53", 53, HeaderMap::new(), options);
    let accepting = async {
        let Exchange { stream, request: Request::Udp { host, port, pending, .. } } = exchange(server).await else {
            panic!("not a UDP flow")
        };
        assert_eq!((host.as_str(), port), ("2001:db8::53", 53));
        (stream, pending.accept(HeaderMap::new(), options).await.unwrap())
    };
    let (opened, (accepted_stream, accepted)) = tokio::join!(opening, accepting);
    let ClientUdpFlow { stream, flow, headers } = opened.unwrap();
    assert_eq!(stream, accepted_stream);
    assert_eq!(headers["capsule-protocol"], "?1");
    (flow, accepted)
}

async fn datagrams_go_both_ways(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let (mut near, mut far) = udp_flow(&client, &server, UdpOptions::default()).await;

    for size in [0, 1, 100, 1200] {
        let payload = Bytes::from(vec![7; size]);
        assert_eq!(near.send(payload.clone()).await.unwrap(), Sent::Queued);
        assert_eq!(far.recv().await.unwrap().unwrap(), payload);
        assert_eq!(far.send(payload.clone()).await.unwrap(), Sent::Queued);
        assert_eq!(near.recv().await.unwrap().unwrap(), payload);
    }
}

async fn the_end_of_a_flow_is_seen(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let (near, mut far) = udp_flow(&client, &server, UdpOptions::default()).await;

    let (send, _recv) = near.split();
    send.finish().await.unwrap();

    assert_eq!(far.recv().await.unwrap(), None);
}

async fn a_cut_flow_is_seen(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let (mut near, far) = udp_flow(&client, &server, UdpOptions::default()).await;

    let (send, recv) = far.split();
    send.reset(ResetReason::Cancelled);
    drop(recv);

    assert_eq!(near.recv().await.unwrap_err(), FlowError::Reset(ResetReason::Cancelled));
}

async fn a_refusal_is_seen(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;

    let opening = client.open_udp("dns.test", 53, HeaderMap::new(), UdpOptions::default());
    let refusing = async {
        let Exchange { request: Request::Udp { pending, .. }, .. } = exchange(&server).await else { panic!() };
        pending.refuse(Response::builder().status(403).body(Bytes::from_static(b"no")).unwrap()).await;
    };
    let (opened, ()) = tokio::join!(opening, refusing);

    let Err(OpenError::Refused(refusal)) = opened else { panic!() };
    assert_eq!((refusal.status.as_u16(), refusal.body.as_ref()), (403, b"no".as_ref()));
}

async fn many_flows_keep_their_datagrams_apart(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let mut flows = Vec::new();
    // Past 64 flows the quarter stream id takes two octets.
    for _ in 0..80 {
        flows.push(udp_flow(&client, &server, UdpOptions::default()).await);
    }

    for (number, (near, _)) in flows.iter_mut().enumerate() {
        near.send(Bytes::from(number.to_string())).await.unwrap();
    }

    for (number, (_, far)) in flows.iter_mut().enumerate() {
        assert_eq!(far.recv().await.unwrap().unwrap(), number.to_string());
    }
}

#[tokio::test]
async fn what_does_not_fit_the_path_is_dropped_counted_and_told() {
    let world = World::new().await;
    let (client, server) = world.pair(Preference::QuicOnly).await;
    let (mut near, mut far) = udp_flow(&client, &server, UdpOptions::default()).await;

    let Sent::TooLarge { limit } = far.send(Bytes::from(vec![0; 9000])).await.unwrap() else { panic!() };
    far.send(Bytes::from_static(b"small")).await.unwrap();

    assert!((1200..1500).contains(&limit), "{limit}");
    assert_eq!(near.recv().await.unwrap().unwrap(), "small");
    assert_eq!(server.connection.statistics().datagrams_oversize, 1);
}

#[tokio::test]
async fn what_does_not_fit_the_path_goes_as_a_capsule_when_that_is_wanted() {
    let world = World::new().await;
    let (client, server) = world.pair(Preference::QuicOnly).await;
    let (mut near, mut far) = udp_flow(&client, &server, UdpOptions { oversize_as_capsule: true }).await;

    for size in [9000, 65_527] {
        // It is larger than a window.
        let (sent, came) = tokio::join!(near.send(Bytes::from(vec![1; size])), far.recv());
        assert_eq!(sent.unwrap(), Sent::Queued);
        assert_eq!(came.unwrap().unwrap().len(), size);
    }
    assert_eq!(near.send(Bytes::from(vec![1; 65_528])).await.unwrap(), Sent::TooLarge { limit: 65_527 });
}
