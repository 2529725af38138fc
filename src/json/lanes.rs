//! Many bytes of a string at once: where the first one stands that ends it, begins an escape, or breaks a rule.
//!
//! Nearly all texts are ASCII up to their end, so any other byte is a stop too, until there was one: nothing is noted of those that are none.
//!
//! **Invariant:** both ways of doing it say the same.

pub(super) use way::{first, is_plain, step};

/// Whether a byte is a stop.
pub(super) const fn stops<const WIDE: bool>(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1F) || (!WIDE && !byte.is_ascii())
}

/// In the registers that WebAssembly has for sixteen bytes.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod way {
    use std::arch::wasm32::{
        i8x16_lt, i8x16_min, u8x16_bitmask, u8x16_eq, u8x16_le, u8x16_min, u8x16_splat, u64x2, v128, v128_or, v128_xor,
    };

    use super::super::{STEP, STRIDE};

    fn load(step: &[u8; STEP]) -> v128 {
        let both = u128::from_le_bytes(*step);
        u64x2(both as u64, (both >> 64) as u64)
    }

    /// With one bit turned, the quote is the next after the control characters, and what is not ASCII is below zero.
    fn turned(bytes: v128) -> v128 {
        v128_xor(bytes, u8x16_splat(b'"' ^ b' '))
    }

    /// Zero where a backslash stands.
    fn escaping(bytes: v128) -> v128 {
        v128_xor(bytes, u8x16_splat(b'\\'))
    }

    /// A bit for each stop.
    fn mask<const WIDE: bool>(turned: v128, escaping: v128) -> u64 {
        let low = if WIDE { u8x16_le(turned, u8x16_splat(b' ')) } else { i8x16_lt(turned, u8x16_splat(b'!')) };
        u64::from(u8x16_bitmask(v128_or(low, u8x16_eq(escaping, u8x16_splat(0)))))
    }

    fn of<const WIDE: bool>(bytes: v128) -> u64 {
        mask::<WIDE>(turned(bytes), escaping(bytes))
    }

    /// Where the first stop stands; past the end where there is none.
    #[inline(always)]
    pub fn step<const WIDE: bool>(step: &[u8; STEP]) -> usize {
        // One bit more, for none.
        (of::<WIDE>(load(step)) | 1 << STEP).trailing_zeros() as usize
    }

    fn loaded(stride: &[u8; STRIDE]) -> [v128; 4] {
        let (steps, _) = stride.as_chunks::<STEP>();
        let [a, b, c, d] = steps else { return [u8x16_splat(0); 4] };
        [load(a), load(b), load(c), load(d)]
    }

    /// Whether four steps have no stop.
    #[inline(always)]
    pub fn is_plain<const WIDE: bool>(stride: &[u8; STRIDE]) -> bool {
        let [a, b, c, d] = loaded(stride);
        let least = |a, b| if WIDE { u8x16_min(a, b) } else { i8x16_min(a, b) };
        let low = least(least(turned(a), turned(b)), least(turned(c), turned(d)));
        let zero = u8x16_min(u8x16_min(escaping(a), escaping(b)), u8x16_min(escaping(c), escaping(d)));
        mask::<WIDE>(low, zero) == 0
    }

    /// Where the first stop of four steps stands.
    #[inline(always)]
    pub fn first<const WIDE: bool>(stride: &[u8; STRIDE]) -> usize {
        let [a, b, c, d] = loaded(stride);
        (of::<WIDE>(a) | of::<WIDE>(b) << 16 | of::<WIDE>(c) << 32 | of::<WIDE>(d) << 48).trailing_zeros() as usize
    }
}

/// In words of eight bytes, for everywhere else.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod way {
    use super::super::{STEP, STRIDE};

    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;

    /// Where the first stop stands; past the end where there is none.
    #[inline]
    pub fn step<const WIDE: bool>(step: &[u8; STEP]) -> usize {
        let both = u128::from_le_bytes(*step);
        // Above a byte that stops, the mask may show others that do not.
        let stops = |word: u64| {
            let less = |word: u64, than: u8| word.wrapping_sub(ONES * u64::from(than)) & !word;
            let is = |byte: u8| less(word ^ (ONES * u64::from(byte)), 1);
            (is(b'"') | is(b'\\') | less(word, 0x20) | if WIDE { 0 } else { word }) & HIGH
        };
        let both = u128::from(stops(both as u64)) | u128::from(stops((both >> 64) as u64)) << 64;
        (both.trailing_zeros() / 8) as usize
    }

    /// Whether four steps have no stop.
    #[inline]
    pub fn is_plain<const WIDE: bool>(stride: &[u8; STRIDE]) -> bool {
        first::<WIDE>(stride) == STRIDE
    }

    /// Where the first stop of four steps stands.
    #[inline]
    pub fn first<const WIDE: bool>(stride: &[u8; STRIDE]) -> usize {
        let (steps, _) = stride.as_chunks::<STEP>();
        let full = steps.iter().take_while(|it| step::<WIDE>(it) == STEP).count();
        full * STEP + steps.get(full).map_or(0, step::<WIDE>)
    }
}
