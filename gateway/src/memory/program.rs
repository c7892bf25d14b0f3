//! The program's own pages.
//!
//! The kernel maps code by 16 pages around each one that is used, and leaves it mapped: after a start nearly the whole
//! program counts as resident, and all but a tenth of it is not needed again. The pages stay in the page cache; one that
//! is used after all is mapped again at the cost of a minor fault, about a microsecond.

use std::ops::Range;

/// Unmaps the pages of the program and its libraries, in mappings into which nothing was ever written.
pub(super) fn let_go() {
    let Ok(mappings) = std::fs::read_to_string("/proc/self/smaps") else { return };
    for range in clean(&mappings) {
        unmap(range);
    }
}

/// The address ranges, by `/proc/PID/smaps` (proc(5)), that are private mappings of files, cannot be written to and hold no
/// page of their own: what the linker once relocated and then made read-only does.
fn clean(mappings: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut current = None;
    for line in mappings.lines() {
        if let Some(own) = line.strip_prefix("Anonymous:") {
            if own.trim() == "0 kB" {
                found.extend(current.take());
            }
        } else if let Some((range, fits)) = mapping(line) {
            current = fits.then_some(range);
        }
    }
    found
}

/// Of the first line of a mapping: its range, and whether it is one of a file that is only read or executed.
fn mapping(line: &str) -> Option<(Range<usize>, bool)> {
    let mut fields = line.split_ascii_whitespace();
    let (begin, end) = fields.next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let range = address(begin)?..address(end)?;
    let only_read = matches!(fields.next()?, "r-xp" | "r--p");
    let of_file = fields.nth(3).is_some_and(|path| path.starts_with('/'));
    Some((range, only_read && of_file))
}

#[cfg(target_os = "linux")]
fn unmap(range: Range<usize>) {
    let address = std::ptr::without_provenance_mut(range.start);
    #[expect(unsafe_code, reason = "there is no safe name for this; see below why it changes no memory")]
    // SAFETY: the range is a private mapping of a file, not writable, and without a page of its own. So each of its pages is
    // the file's, and a page that is used again is read from the file again (madvise(2), MADV_DONTNEED). Where the range is
    // no mapping any more, the call fails; the loader maps and unmaps libraries only when asked to, and nobody here asks.
    let _ = unsafe { libc::madvise(address, range.len(), libc::MADV_DONTNEED) };
}

#[cfg(not(target_os = "linux"))]
fn unmap(_: Range<usize>) {}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPINGS: &str = "\
1000-3000 r--p 00000000 fe:00 5 /usr/bin/hitotsu-gateway
Size: 8 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd
3000-9000 r-xp 00002000 fe:00 5 /usr/bin/hitotsu-gateway
Anonymous:             0 kB
9000-a000 r--p 00008000 fe:00 5 /usr/bin/hitotsu-gateway
Anonymous:             4 kB
a000-b000 rw-p 00009000 fe:00 5 /usr/bin/hitotsu-gateway
Anonymous:             0 kB
b000-f000 rw-p 00000000 00:00 0 [heap]
Anonymous:             0 kB
f000-f800 rw-s 00000000 fe:00 7 /var/lib/x-shm
Anonymous:             0 kB
f800-f900 r--p 00000000 00:00 0
Anonymous:             0 kB
f900-fa00 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
fa00-fb00 r-xp 00002000 fe:00 5 /usr/bin/hitotsu-gateway (deleted)
Anonymous:             0 kB
";

    #[test]
    fn only_what_is_the_files_own_is_let_go() {
        assert_eq!(clean(MAPPINGS), [0x1000..0x3000, 0x3000..0x9000, 0xfa00..0xfb00]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_program_goes_on_with_fewer_pages() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
        };
        let before = resident();
        let_go();
        let after = resident();
        assert!(after < before * 3 / 4, "{before} KiB, {after} KiB");
        assert_eq!(clean(MAPPINGS).len(), 3);
    }
}
