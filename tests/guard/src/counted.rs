//! What counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

/// What was asked of the allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    /// How often memory was asked for, or asked to grow.
    pub(crate) allocations: u64,
    /// How many octets were asked for.
    pub(crate) octets: u64,
}

/// Does what counts, and says what it asked of the allocator.
pub(crate) fn counted(mut work: impl FnMut()) -> Spent {
    let before = Spent::so_far();
    collected(&mut work);
    let after = Spent::so_far();
    Spent { allocations: after.allocations - before.allocations, octets: after.octets - before.octets }
}

/// Callgrind counts between entry and return of this function, which `cargo xtask bench guard` knows by its name.
#[inline(never)]
fn collected(work: &mut dyn FnMut()) {
    work();
    // Not to be turned into a jump to the work.
    std::hint::black_box(());
}

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static OCTETS: AtomicU64 = AtomicU64::new(0);

impl Spent {
    fn so_far() -> Self {
        Self { allocations: ALLOCATIONS.load(Ordering::Relaxed), octets: OCTETS.load(Ordering::Relaxed) }
    }
}

/// The system's allocator, counting.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(octets: usize) {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    OCTETS.fetch_add(octets as u64, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "every call is handed on as it came to the system's allocator")]
// SAFETY: every call is handed on as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.saturating_sub(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}
