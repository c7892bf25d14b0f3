//! Where received messages are written, and how their octets go on.

use std::collections::VecDeque;
use std::io::IoSliceMut;

use bytes::BytesMut;

use crate::limits;

/// Large messages go on as they are: their buffer is lent until everybody has read his part. As long as too many are out, and
/// where messages are small, each datagram is copied by itself, so that what waits to be read holds no more than its own size.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    ready: Vec<BytesMut>,
    /// Empty handles of buffers that were lent, oldest first.
    lent: VecDeque<BytesMut>,
}

/// A message: datagrams of one sender that the kernel joined.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    Lent(BytesMut),
    Copied(&'a [u8]),
}

impl Message<'_> {
    /// The next datagram, of so many octets or what is left; `None` at the end.
    pub(crate) fn next(&mut self, stride: usize) -> Option<BytesMut> {
        match self {
            Self::Lent(rest) if rest.is_empty() => None,
            Self::Lent(rest) => Some(rest.split_to(stride.clamp(1, rest.len()))),
            Self::Copied([]) => None,
            Self::Copied(rest) => {
                let (datagram, after) = rest.split_at(stride.clamp(1, rest.len()));
                *rest = after;
                Some(BytesMut::from(datagram))
            }
        }
    }
}

impl Buffers {
    pub(crate) fn new() -> Self {
        let ready = (0..limits::RECEIVES_AT_ONCE).map(|_| BytesMut::zeroed(limits::RECEIVE_OCTETS)).collect();
        Self { ready, lent: VecDeque::new() }
    }

    /// Where messages may be written.
    pub(crate) fn slices(&mut self) -> [IoSliceMut<'_>; limits::RECEIVES_AT_ONCE] {
        let mut ready = self.ready.iter_mut();
        std::array::from_fn(|_| IoSliceMut::new(ready.next().map_or(&mut [], |buffer| &mut **buffer)))
    }

    /// The message of `length` octets that was written to the buffer of that place.
    pub(crate) fn take(&mut self, place: usize, length: usize) -> Message<'_> {
        let fresh = if length < limits::LENT_OCTETS_MIN { None } else { self.fresh() };
        let Some(buffer) = self.ready.get_mut(place) else { return Message::Copied(&[]) };
        let length = length.min(buffer.len());
        let Some(fresh) = fresh else { return Message::Copied(buffer.get(..length).unwrap_or_default()) };
        let mut lent = std::mem::replace(buffer, fresh);
        let message = lent.split_to(length);
        lent.clear();
        self.lent.push_back(lent);
        Message::Lent(message)
    }

    /// Forgets one buffer that came back: nothing large comes at the moment.
    pub(crate) fn rest(&mut self) {
        drop(self.back());
    }

    /// One that came back, else a new one, unless as many as may be are out.
    fn fresh(&mut self) -> Option<BytesMut> {
        if let Some(mut buffer) = self.back() {
            buffer.resize(limits::RECEIVE_OCTETS, 0);
            return Some(buffer);
        }
        (self.lent.len() < limits::LENT_MAX).then(|| BytesMut::zeroed(limits::RECEIVE_OCTETS))
    }

    /// The one that was lent longest ago of those that came back.
    fn back(&mut self) -> Option<BytesMut> {
        let place = self.lent.iter_mut().position(|lent| lent.try_reclaim(limits::RECEIVE_OCTETS))?;
        self.lent.remove(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_message_goes_on_uncopied_and_its_buffer_comes_back() {
        let mut buffers = Buffers::new();
        let written = write(&mut buffers, 7);
        let message = buffers.take(0, limits::LENT_OCTETS_MIN).next(usize::MAX).unwrap();
        assert_eq!((message.as_ptr(), message.len()), (written, limits::LENT_OCTETS_MIN));
        assert!(message.iter().all(|octet| *octet == 7));

        assert_ne!(write(&mut buffers, 8), written, "still read");
        assert!(message.iter().all(|octet| *octet == 7));
        drop(message);

        drop(buffers.take(0, limits::RECEIVE_OCTETS));
        assert_eq!(write(&mut buffers, 9), written, "free again");
        assert_eq!(buffers.slices()[0].len(), limits::RECEIVE_OCTETS);
    }

    #[test]
    fn a_small_message_keeps_no_buffer() {
        let mut buffers = Buffers::new();
        let written = write(&mut buffers, 7);
        let mut message = buffers.take(0, 100);
        let (first, second) = (message.next(60).unwrap(), message.next(60).unwrap());
        assert_eq!((first.len(), second.len(), second[39]), (60, 40, 7));
        assert!(message.next(60).is_none());
        assert_eq!(write(&mut buffers, 8), written);
        assert!(buffers.lent.is_empty());
    }

    #[test]
    fn while_too_many_are_out_large_messages_are_copied_too() {
        let mut buffers = Buffers::new();
        let lend = |buffers: &mut Buffers| buffers.take(0, limits::RECEIVE_OCTETS).next(usize::MAX);
        let mut held: Vec<_> = (0..limits::LENT_MAX).map(|_| lend(&mut buffers)).collect();
        let written = write(&mut buffers, 7);
        let copied = lend(&mut buffers).unwrap();
        assert_ne!(copied.as_ptr(), written);
        assert_eq!((copied.len(), copied[0]), (limits::RECEIVE_OCTETS, 7));

        held.swap_remove(5);
        assert_eq!(lend(&mut buffers).unwrap().as_ptr(), written, "one came back");
        drop(held);
        (0..limits::LENT_MAX).for_each(|_| buffers.rest());
        assert!(buffers.lent.is_empty(), "nobody needs them");
    }

    fn write(buffers: &mut Buffers, octet: u8) -> *const u8 {
        let [first, ..] = &mut buffers.slices();
        first.fill(octet);
        first.as_ptr()
    }
}
