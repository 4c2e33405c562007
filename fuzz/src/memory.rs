//! An allocator that refuses what is over a cap, as a machine does that has no more; knows no reader.
//!
//! Whoever asks for too much ends with "memory allocation of … bytes failed", in the fuzzer and in the test on the corpus alike.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One allocation: a list of 2^20 values, which a TorchScript program may have, takes 40 MiB, and twice that while it grows.
pub const LARGEST_BYTES: usize = 128 << 20;

/// All that live at once, for an input of at most 64 KiB: a graph of 50,000 nodes and its copies in the passes take about half of it.
pub const LIVE_BYTES: usize = 512 << 20;

/// The system's allocator, with the caps.
pub struct Capped;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every block comes from `System` and goes back to it with the layout that it came with; a null pointer says that there is none.
unsafe impl GlobalAlloc for Capped {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        let is_allowed = layout.size() <= LARGEST_BYTES && live <= LIVE_BYTES;
        // SAFETY: the caller keeps to the contract of `GlobalAlloc::alloc`, which is that of `System`.
        let block = if is_allowed { unsafe { System.alloc(layout) } } else { null_mut() };
        if block.is_null() {
            LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller gives back what `alloc` gave, which is a block of `System`.
        unsafe { System.dealloc(block, layout) };
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
    }
}
