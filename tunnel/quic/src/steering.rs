//! Several workers behind one address: each has a socket of its own, and the kernel chooses by the sender's address. A peer
//! that moves may then be heard by a worker that does not know it, which hands its datagrams on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use quinn_udp::RecvMeta;

use crate::limits;
use crate::wakers::lock;

/// One worker's place among those that share an address.
#[derive(Debug, Clone)]
pub struct Steering {
    own: usize,
    all: Arc<[Mailbox]>,
}

/// What others heard for one worker.
#[derive(Debug, Default)]
struct Mailbox {
    datagrams: Mutex<VecDeque<(RecvMeta, Vec<u8>)>>,
    worker: AtomicWaker,
}

impl Steering {
    /// A place for each of `count` workers. Connection ids must begin with the number of the worker that made them.
    #[must_use]
    pub fn among(count: u8) -> Vec<Self> {
        let all: Arc<[Mailbox]> = (0..count).map(|_| Mailbox::default()).collect();
        (0..usize::from(count)).map(|own| Self { own, all: Arc::clone(&all) }).collect()
    }

    /// Its number.
    #[must_use]
    pub fn worker(&self) -> u8 {
        u8::try_from(self.own).unwrap_or(u8::MAX)
    }

    /// Hands a datagram on if it is another worker's. Packets of a handshake are not: they come by the path of the first one,
    /// which chose the worker. False if it is our own.
    pub(crate) fn hand_on(&self, meta: &RecvMeta, datagram: &[u8]) -> bool {
        let Some(mailbox) = self.owner(datagram) else { return false };
        let mut waiting = lock(&mailbox.datagrams);
        if waiting.len() == limits::HANDED_ON_MAX {
            // Lost, as datagrams are: QUIC sends it again.
            return true;
        }
        let meta = RecvMeta { len: datagram.len(), stride: datagram.len(), ..*meta };
        waiting.push_back((meta, datagram.to_vec()));
        let first = waiting.len() == 1;
        drop(waiting);
        if first {
            mailbox.worker.wake();
        }
        true
    }

    /// RFC 9000 §17.3: a short header begins with a zero bit, and the connection id follows its first octet.
    fn owner(&self, datagram: &[u8]) -> Option<&Mailbox> {
        match *datagram {
            [first, worker, ..] if first & 0x80 == 0 && usize::from(worker) != self.own => {
                self.all.get(usize::from(worker))
            }
            _ => None,
        }
    }

    /// What others heard for us. Wakes the task when there is more.
    pub(crate) fn take(&self, waker: &Waker) -> VecDeque<(RecvMeta, Vec<u8>)> {
        let Some(mailbox) = self.all.get(self.own) else { return VecDeque::new() };
        mailbox.worker.register(waker);
        std::mem::take(&mut *lock(&mailbox.datagrams))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_reaches_the_worker_that_its_connection_id_names_and_others_stay() {
        let [one, two] = Steering::among(2).try_into().expect("two");
        let meta = RecvMeta { len: 99, stride: 50, ..RecvMeta::default() };

        assert!(one.hand_on(&meta, &[0x40, 1, 7]), "the other's");
        assert!(!one.hand_on(&meta, &[0x40, 0, 7]), "our own");
        assert!(!one.hand_on(&meta, &[0xc0, 1, 7]), "of a handshake");
        assert!(!one.hand_on(&meta, &[0x40, 2, 7]), "nobody's");
        assert!(!one.hand_on(&meta, &[]), "nothing");

        let taken = two.take(Waker::noop());
        let (meta, datagram) = taken.front().expect("one");
        assert_eq!((taken.len(), &**datagram, meta.len, meta.stride), (1, &[0x40, 1, 7][..], 3, 3));
        assert!(two.take(Waker::noop()).is_empty());
        assert!(one.take(Waker::noop()).is_empty());
    }

    #[test]
    fn a_worker_that_does_not_keep_up_holds_a_bounded_number() {
        let [one, two] = Steering::among(2).try_into().expect("two");
        for _ in 0..limits::HANDED_ON_MAX + 5 {
            assert!(one.hand_on(&RecvMeta::default(), &[0x40, 1]));
        }
        assert_eq!(two.take(Waker::noop()).len(), limits::HANDED_ON_MAX);
    }
}
