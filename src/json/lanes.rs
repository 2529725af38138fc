//! Many bytes of a string at once: where it ends, has an escape, or breaks a rule, and whether it is ASCII.
//!
//! **Invariant:** both ways of doing it say the same.

pub(super) use way::Union;

/// In the registers that WebAssembly has for sixteen bytes.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod way {
    use std::arch::wasm32::{
        u8x16_all_true, u8x16_bitmask, u8x16_eq, u8x16_min, u8x16_splat, u8x16_sub_sat, u64x2, v128, v128_or, v128_xor,
    };

    use super::super::{STEP, STRIDE};

    /// All bytes seen, one over the other.
    #[derive(Debug, Clone, Copy)]
    pub struct Union(v128);

    impl Default for Union {
        fn default() -> Self {
            Self(u8x16_splat(0))
        }
    }

    fn load(step: &[u8; STEP]) -> v128 {
        let both = u128::from_le_bytes(*step);
        u64x2(both as u64, (both >> 64) as u64)
    }

    /// Zero where a quote or a backslash stands.
    fn special(bytes: v128) -> v128 {
        u8x16_min(v128_xor(bytes, u8x16_splat(b'"')), v128_xor(bytes, u8x16_splat(b'\\')))
    }

    /// A bit for each quote, backslash and control character.
    fn stops(bytes: v128) -> u64 {
        let plain = u8x16_min(special(bytes), u8x16_sub_sat(bytes, u8x16_splat(0x1F)));
        u64::from(u8x16_bitmask(u8x16_eq(plain, u8x16_splat(0))))
    }

    impl Union {
        /// Where the first quote, backslash or control character stands; past the end where there is none.
        #[inline(always)]
        pub fn step(&mut self, step: &[u8; STEP]) -> usize {
            let bytes = load(step);
            self.0 = v128_or(self.0, bytes);
            // One bit more, for none.
            (stops(bytes) | 1 << STEP).trailing_zeros() as usize
        }

        /// The same of four steps.
        #[inline(always)]
        pub fn stride(&mut self, stride: &[u8; STRIDE]) -> usize {
            let (steps, _) = stride.as_chunks::<STEP>();
            let [a, b, c, d] = steps else { return 0 };
            let (a, b, c, d) = (load(a), load(b), load(c), load(d));
            self.0 = v128_or(self.0, v128_or(v128_or(a, b), v128_or(c, d)));
            let special = u8x16_min(u8x16_min(special(a), special(b)), u8x16_min(special(c), special(d)));
            let least = u8x16_min(u8x16_min(a, b), u8x16_min(c, d));
            if u8x16_all_true(u8x16_min(special, u8x16_sub_sat(least, u8x16_splat(0x1F)))) {
                return STRIDE;
            }
            (stops(a) | stops(b) << 16 | stops(c) << 32 | stops(d) << 48).trailing_zeros() as usize
        }

        pub fn rest(&mut self, rest: &[u8]) {
            self.0 = rest.iter().fold(self.0, |all, byte| v128_or(all, u8x16_splat(*byte)));
        }

        pub fn is_ascii(self) -> bool {
            u8x16_bitmask(self.0) == 0
        }
    }
}

/// In words of eight bytes, for everywhere else.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod way {
    use super::super::{STEP, STRIDE};

    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;

    /// All bytes seen, one over the other.
    #[derive(Debug, Clone, Copy, Default)]
    pub struct Union(u64);

    impl Union {
        /// Where the first quote, backslash or control character stands; past the end where there is none.
        #[inline]
        pub fn step(&mut self, step: &[u8; STEP]) -> usize {
            let both = u128::from_le_bytes(*step);
            let (first, second) = (both as u64, (both >> 64) as u64);
            self.0 |= first | second;
            // Above a byte that stops, the mask may show others that do not.
            let stops = |word: u64| {
                let less = |word: u64, than: u8| word.wrapping_sub(ONES * u64::from(than)) & !word;
                let is = |byte: u8| less(word ^ (ONES * u64::from(byte)), 1);
                (is(b'"') | is(b'\\') | less(word, 0x20)) & HIGH
            };
            let both = u128::from(stops(first)) | u128::from(stops(second)) << 64;
            (both.trailing_zeros() / 8) as usize
        }

        /// The same of four steps.
        #[inline]
        pub fn stride(&mut self, stride: &[u8; STRIDE]) -> usize {
            let (steps, _) = stride.as_chunks::<STEP>();
            let full = steps.iter().take_while(|step| self.step(step) == STEP).count();
            full * STEP + steps.get(full).map_or(0, |step| self.step(step))
        }

        pub fn rest(&mut self, rest: &[u8]) {
            self.0 = rest.iter().fold(self.0, |all, byte| all | u64::from(*byte));
        }

        pub const fn is_ascii(self) -> bool {
            self.0 & HIGH == 0
        }
    }
}
