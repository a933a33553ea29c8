//! Public keys: each has one text, and nothing else is one.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::RsaPublicKeyComponents;
use halligan_log::passkey::{Algorithm, PasskeyFault, PublicKey};

use super::{decode, encode, soft};

const EXPONENT: &[u8] = &[1, 0, 1];

/// A modulus of so many bits; nobody knows its factors.
fn modulus(bits: usize) -> Vec<u8> {
    let mut modulus = vec![0xa5; bits.div_ceil(8)];
    modulus[0] = 1 << ((bits - 1) % 8);
    modulus
}

fn rsa(bits: usize, exponent: &[u8]) -> Vec<u8> {
    RsaPublicKeyComponents { n: modulus(bits), e: exponent.to_vec() }.as_der().unwrap().as_ref().to_vec()
}

#[test]
fn the_size_of_rsa_keys() {
    let cases = [(2_047, false), (2_048, true), (2_049, true), (3_072, true), (4_095, true), (4_096, true)];
    let more = [(1_024, false), (2_040, false), (4_097, false), (4_104, false), (8_192, false)];
    for (bits, taken) in cases.into_iter().chain(more) {
        let spki = rsa(bits, EXPONENT);
        let key = PublicKey { algorithm: Algorithm::RS256, spki: encode(&spki) };
        assert_eq!(PublicKey::new(Algorithm::RS256, &spki).is_ok(), taken, "{bits} bits");
        assert_eq!(key.check().is_ok(), taken, "{bits} bits");
    }
    for exponent in [&[3_u8] as &[u8], &[1, 0, 3], &[1, 0, 0, 1]] {
        assert_eq!(
            PublicKey::new(Algorithm::RS256, &rsa(2_048, exponent)),
            Err(PasskeyFault::PublicKey),
            "{exponent:?}"
        );
    }
}

#[test]
fn a_text_that_is_no_key_is_refused() {
    let es256 = soft(Algorithm::ES256).public_key().unwrap();
    let ed = soft(Algorithm::EdDSA).public_key().unwrap();
    let rs256 = PublicKey::new(Algorithm::RS256, &rsa(2_048, EXPONENT)).unwrap();
    for key in [&es256, &ed, &rs256] {
        key.check().unwrap();
    }
    let spki = decode(&es256.spki);
    let point = &spki[26..];
    assert_eq!((point[0], point.len()), (4, 65));
    let compressed: Vec<u8> = [&[2 + (point[64] & 1)], &point[1..33]].concat();
    let off_curve: Vec<u8> = spki.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 90)).collect();
    let trailing = [&spki[..], &[0]].concat();
    let of = |algorithm, bytes: &[u8]| PublicKey { algorithm, spki: encode(bytes) };
    let cases = [
        ("an algorithm of another key", PublicKey { algorithm: Algorithm::EdDSA, ..es256.clone() }),
        ("another algorithm of another key", PublicKey { algorithm: Algorithm::ES256, ..ed.clone() }),
        ("RSA for P-256", PublicKey { algorithm: Algorithm::ES256, ..rs256.clone() }),
        ("P-256 for RSA", PublicKey { algorithm: Algorithm::RS256, ..es256.clone() }),
        ("a bare point", of(Algorithm::ES256, point)),
        ("a compressed point", of(Algorithm::ES256, &compressed)),
        ("a point that is not on the curve", of(Algorithm::ES256, &off_curve)),
        ("a bare Ed25519 key", of(Algorithm::EdDSA, &decode(&ed.spki)[12..])),
        ("something after it", of(Algorithm::ES256, &trailing)),
        ("nothing", of(Algorithm::ES256, &[])),
    ];
    for (name, key) in cases {
        assert_eq!(key.check(), Err(PasskeyFault::PublicKey), "{name}");
    }
    let padded = PublicKey { spki: format!("{}=", ed.spki), ..ed.clone() };
    assert_eq!(padded.check(), Err(PasskeyFault::Encoding));
    let long = PublicKey { spki: "A".repeat(2_000), ..ed };
    assert_eq!(long.check(), Err(PasskeyFault::TooLong));
    // What makes keys takes a compressed point, and writes it as all others.
    assert_eq!(PublicKey::new(Algorithm::ES256, &compressed), Ok(es256));
}
