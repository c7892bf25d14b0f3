//! A TUN device: IP packets of a network interface, one for each read and write. The kernel cuts its large segments and
//! computes checksums before it gives them out, as for a card that does neither.

use std::fs::{File, OpenOptions};
use std::io;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// `struct ifreq` as `TUNSETIFF` takes it (linux/if.h).
#[repr(C)]
struct Request {
    name: [u8; NAME_OCTETS],
    flags: u16,
    /// The union that `flags` begins has the size of its largest member, `struct ifmap`.
    rest: [u8; 22],
}

const NAME_OCTETS: usize = 16;

/// `IFF_TUN | IFF_NO_PI`: IP packets, with nothing before them (linux/if_tun.h).
const FLAGS: u16 = 0x0001 | 0x1000;

/// `TUNSETIFF` (linux/if_tun.h). It is defined with the size of an `int`.
const SET_INTERFACE: Opcode = opcode::write::<i32>(b'T', 202);

/// Makes a device of this name in the namespace of this process. It lives until the file is closed, also when it was moved
/// to another namespace.
///
/// # Errors
/// The kernel has no TUN devices, one of the name is there, or we may not.
pub fn open(name: &str) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    let mut request = Request { name: [0; NAME_OCTETS], flags: FLAGS, rest: [0; 22] };
    let room = request.name.get_mut(..name.len()).filter(|_| name.len() < NAME_OCTETS);
    room.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(name.as_bytes());
    #[expect(unsafe_code, reason = "no system call wrapper that we have knows TUN devices")]
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, which `Request` is: 40 octets, the name first, then the flags.
    unsafe {
        ioctl(&file, Updater::<SET_INTERFACE, Request>::new(&mut request))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_size_that_the_kernel_copies() {
        assert_eq!(size_of::<Request>(), 40);
        assert_eq!(SET_INTERFACE, 0x4004_54ca);
    }

    #[test]
    fn a_name_that_no_interface_can_have_is_refused_before_the_kernel_is_asked() {
        assert_eq!(open("a-name-that-is-too-long").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
