//! The VM's memory. Small pieces come from lists of pieces of one size, so that to take one and to give it back is a few instructions; large
//! ones come from the standard library's allocator, and so do the chunks that small ones are cut from.
//!
//! **Invariant:** a piece goes back to the list that it came from: its layout says which, both times. A VM has one thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

/// Sizes are multiples of this, and pieces lie at multiples of it.
const STEP: usize = 16;
/// Small is what takes fewer steps.
const LISTS: usize = 33;
/// What small pieces are cut from.
const CHUNK: Layout = match Layout::from_size_align(16 * 1024, STEP) {
    Ok(layout) => layout,
    Err(_) => Layout::new::<u128>(),
};

#[global_allocator]
static POOLS: Pools = Pools {
    free: [const { Cell::new(ptr::null_mut()) }; LISTS],
    chunk: Cell::new(ptr::null_mut()),
    left: Cell::new(0),
};

struct Pools {
    /// For each size the first free piece, which holds where the next one is.
    free: [Cell<*mut u8>; LISTS],
    /// What is left of the newest chunk.
    chunk: Cell<*mut u8>,
    left: Cell<usize>,
}

// SAFETY: a VM has one thread.
unsafe impl Sync for Pools {}

impl Pools {
    /// How many steps such a piece takes, and the list of those; `None`: it is not small.
    fn list(&self, layout: Layout) -> Option<(usize, &Cell<*mut u8>)> {
        let steps = layout.size().div_ceil(STEP);
        let list = self.free.get(steps)?;
        (layout.align() <= STEP).then_some((steps, list))
    }

    #[cold]
    #[inline(never)]
    fn cut(&self, length: usize) -> *mut u8 {
        if self.left.get() < length {
            // SAFETY: a chunk is not empty.
            let chunk = unsafe { System.alloc(CHUNK) };
            if chunk.is_null() {
                return chunk;
            }
            self.chunk.set(chunk);
            self.left.set(CHUNK.size());
        }
        let piece = self.chunk.get();
        self.chunk.set(piece.wrapping_add(length));
        self.left.set(self.left.get() - length);
        piece
    }
}

// SAFETY: pieces do not overlap, and are as long and lie as their layouts say.
unsafe impl GlobalAlloc for Pools {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((steps, list)) = self.list(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        };
        let piece = list.get();
        if piece.is_null() {
            return self.cut(steps * STEP);
        }
        // SAFETY: a free piece holds this, and is long enough to.
        list.set(unsafe { piece.cast::<*mut u8>().read() });
        piece
    }

    #[inline(never)]
    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        let Some((_, list)) = self.list(layout) else {
            // SAFETY: it came from there.
            return unsafe { System.dealloc(piece, layout) };
        };
        // SAFETY: it is nobody's now, and long enough.
        unsafe { piece.cast::<*mut u8>().write(list.get()) };
        list.set(piece);
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if self.list(layout).is_none() {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: the caller's promise; what was taken is as long as its layout says.
        unsafe {
            let piece = self.alloc(layout);
            if !piece.is_null() {
                ptr::write_bytes(piece, 0, layout.size());
            }
            piece
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that such a layout is one.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let steps = |layout| self.list(layout).map(|(steps, _)| steps);
        match (steps(layout), steps(wanted)) {
            // SAFETY: it came from there, and may stay there.
            (None, None) => unsafe { System.realloc(piece, layout, size) },
            (Some(had), Some(wants)) if had == wants => piece,
            // SAFETY: both are as long as their layouts say.
            _ => unsafe {
                let other = self.alloc(wanted);
                if !other.is_null() {
                    ptr::copy_nonoverlapping(piece, other, layout.size().min(size));
                    self.dealloc(piece, layout);
                }
                other
            },
        }
    }
}
