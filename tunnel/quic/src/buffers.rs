//! Where received messages are written, and how their octets go on.

use std::collections::VecDeque;
use std::io::IoSliceMut;

use bytes::BytesMut;

use crate::limits;

/// Large messages go on as they are: their buffer is lent until everybody has read his part. Small ones are copied, so that
/// they do not keep a large buffer alive.
#[derive(Debug)]
pub(crate) struct Buffers {
    ready: Vec<BytesMut>,
    /// Empty handles of buffers that were lent, oldest first.
    lent: VecDeque<BytesMut>,
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
    pub(crate) fn take(&mut self, place: usize, length: usize) -> BytesMut {
        let fresh = (length >= limits::LENT_OCTETS_MIN).then(|| self.fresh());
        let Some(buffer) = self.ready.get_mut(place) else { return BytesMut::new() };
        let length = length.min(buffer.len());
        let Some(fresh) = fresh else { return BytesMut::from(buffer.get(..length).unwrap_or_default()) };
        let mut lent = std::mem::replace(buffer, fresh);
        let message = lent.split_to(length);
        lent.clear();
        if self.lent.len() == limits::LENT_MAX {
            self.lent.pop_front();
        }
        self.lent.push_back(lent);
        message
    }

    /// Forgets one lent buffer: nothing large comes at the moment.
    pub(crate) fn rest(&mut self) {
        self.lent.pop_front();
    }

    /// One that came back, else a new one.
    fn fresh(&mut self) -> BytesMut {
        let Some(mut oldest) = self.lent.pop_front() else { return BytesMut::zeroed(limits::RECEIVE_OCTETS) };
        if oldest.try_reclaim(limits::RECEIVE_OCTETS) {
            oldest.resize(limits::RECEIVE_OCTETS, 0);
            return oldest;
        }
        self.lent.push_front(oldest);
        BytesMut::zeroed(limits::RECEIVE_OCTETS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_message_goes_on_uncopied_and_its_buffer_comes_back() {
        let mut buffers = Buffers::new();
        let written = write(&mut buffers, 7);
        let message = buffers.take(0, limits::LENT_OCTETS_MIN);
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
        let message = buffers.take(0, 100);
        assert_eq!((message.len(), message[99]), (100, 7));
        assert_eq!(write(&mut buffers, 8), written);
        assert!(buffers.lent.is_empty());
    }

    #[test]
    fn buffers_that_do_not_come_back_are_forgotten_and_so_are_those_that_nobody_needs() {
        let mut buffers = Buffers::new();
        let held: Vec<BytesMut> = (0..limits::LENT_MAX + 3).map(|_| buffers.take(0, limits::RECEIVE_OCTETS)).collect();
        assert_eq!(buffers.lent.len(), limits::LENT_MAX);
        drop(held);
        (0..limits::LENT_MAX).for_each(|_| buffers.rest());
        assert!(buffers.lent.is_empty());
    }

    fn write(buffers: &mut Buffers, octet: u8) -> *const u8 {
        let [first, ..] = &mut buffers.slices();
        first.fill(octet);
        first.as_ptr()
    }
}
