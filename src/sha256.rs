//! SHA-256, by which keys of clients are known. Written out because it is a kilobyte of the module, and a crate is several.
//!
//! **Invariant:** its time depends on the length of a text alone.

/// The roots of the first 64 primes' cubes, as the standard (FIPS 180-4) has them.
const ROUNDS: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];
/// The same of the first 8 primes' squares.
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The hash of a text.
#[must_use]
pub fn sha256(text: &[u8]) -> [u8; 32] {
    let mut padded = text.to_vec();
    padded.push(0x80);
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    padded.extend((text.len() as u64).wrapping_mul(8).to_be_bytes());
    let mut state = START;
    for block in padded.as_chunks::<64>().0 {
        let mut words = [0; 16];
        words.iter_mut().zip(block.as_chunks::<4>().0).for_each(|(word, bytes)| *word = u32::from_be_bytes(*bytes));
        let [a, b, c, d, e, f, g, h] = rounds(state, words);
        state.iter_mut().zip([a, b, c, d, e, f, g, h]).for_each(|(sum, part)| *sum = sum.wrapping_add(part));
    }
    let mut hash = [0; 32];
    hash.as_chunks_mut::<4>().0.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
    hash
}

/// The 64 rounds of a block. Its words are replaced as they are used up.
fn rounds(mut state: [u32; 8], mut words: [u32; 16]) -> [u32; 8] {
    for constant in ROUNDS {
        let [a, b, c, d, e, f, g, h] = state;
        let of_e = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let of_a = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let (choice, majority) = ((e & f) ^ (!e & g), (a & b) ^ (a & c) ^ (b & c));
        let [first, second, .., last_but_one, _] = words;
        let one = h.wrapping_add(of_e).wrapping_add(choice).wrapping_add(constant).wrapping_add(first);
        let two = of_a.wrapping_add(majority);
        state = [one.wrapping_add(two), a, b, c, d.wrapping_add(one), e, f, g];
        let of_second = second.rotate_right(7) ^ second.rotate_right(18) ^ (second >> 3);
        let of_late = last_but_one.rotate_right(17) ^ last_but_one.rotate_right(19) ^ (last_but_one >> 10);
        let next = first.wrapping_add(of_second).wrapping_add(words[9]).wrapping_add(of_late);
        let mut following = next;
        words.iter_mut().rev().for_each(|word| following = std::mem::replace(word, following));
    }
    state
}

/// A hash as people write it.
#[must_use]
pub fn hex(hash: &[u8; 32]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    hash.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A hash that was written so.
#[must_use]
pub fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != hash.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        let digit = |of: u8| char::from(of).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "cli")]
    #[test]
    fn it_is_the_crate_s() {
        use sha2::Digest as _;
        let text: Vec<u8> = (0..=255).chain(0..=255).collect();
        for length in 0..text.len() {
            assert_eq!(sha256(&text[..length]), *sha2::Sha256::digest(&text[..length]), "{length}");
        }
    }

    /// The standard's own examples, and texts around the ends of blocks (by Python's hashlib).
    #[test]
    fn the_standard_s_examples() {
        for (text, wanted) in [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
        ] {
            assert_eq!(hex(&sha256(text.as_bytes())), wanted);
        }
        let of_length = |length: usize| hex(&sha256(&vec![b'a'; length]));
        assert_eq!(of_length(55), "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
        assert_eq!(of_length(56), "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
        assert_eq!(of_length(63), "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34");
        assert_eq!(of_length(64), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
        assert_eq!(of_length(65), "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0");
        assert_eq!(of_length(1000), "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
        assert_eq!(from_hex(&of_length(5)), Some(sha256(b"aaaaa")));
        assert_eq!((from_hex("00"), from_hex(&"0g".repeat(32)), from_hex(&"0".repeat(65))), (None, None, None));
    }
}
