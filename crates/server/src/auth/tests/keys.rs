//! Which keys of a set are keys here.

use super::*;
use crate::auth::keys::KeySet;

const ALL: [Algorithm; 3] = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256];

/// The names that are left of a set.
fn left(keys: &[Value], algorithms: &[Algorithm]) -> Vec<String> {
    let set = KeySet::from_jwks(&json!({"keys": keys}).to_string(), algorithms);
    let names = ["ed", "ec", "ec384", "rsa"];
    names.into_iter().filter(|kid| set.as_ref().is_some_and(|set| set.knows(Some(kid)))).map(str::to_owned).collect()
}

#[test]
fn keys_for_signatures_of_the_configured_algorithms_are_taken_and_no_others() {
    let (ed, ec, rsa) = (key_of(&PKCS_ED25519), key_of(&PKCS_ECDSA_P256_SHA256), key_of(&PKCS_RSA_SHA256));
    let ec384 = key_of(&PKCS_ECDSA_P384_SHA384);
    let none = json!({});
    let good = [jwk("ed", &ed, &none), jwk("ec", &ec, &none), jwk("rsa", &rsa, &json!({"use": "sig", "alg": "RS256"}))];
    assert_eq!(left(&good, &ALL), ["ed", "ec", "rsa"]);
    assert_eq!(left(&good, &[Algorithm::RS256]), ["rsa"]);
    assert_eq!(left(&[jwk("ec384", &ec384, &none)], &ALL), [""; 0], "ES384 is not configured");
    assert_eq!(left(&[jwk("ec384", &ec384, &none)], &[Algorithm::ES384]), ["ec384"]);
    let changed = |member: &str, value: Value| jwk("rsa", &rsa, &json!({ member: value }));
    let mut nameless = jwk("", &ed, &none);
    nameless.as_object_mut().unwrap().remove("kid");
    for (name, key) in [
        ("for encryption", changed("use", json!("enc"))),
        ("for something else", changed("use", json!("tls"))),
        ("a use of another type", changed("use", json!(7))),
        ("may not verify", changed("key_ops", json!(["encrypt"]))),
        ("an algorithm of another kty", changed("alg", json!("ES256"))),
        ("an algorithm that is not configured", changed("alg", json!("RS512"))),
        ("an algorithm that nobody knows", changed("alg", json!("RS256K"))),
        ("a symmetric algorithm", changed("alg", json!("HS256"))),
        ("an algorithm of another type", changed("alg", json!(null))),
        ("a private half", changed("d", json!("AQAB"))),
        ("an unknown kty", changed("kty", json!("AKP"))),
        ("a short modulus", changed("n", json!("AQAB"))),
        ("no exponent", changed("e", json!(""))),
        ("a name of another type", changed("kid", json!(7))),
        ("symmetric", json!({"kty": "oct", "kid": "rsa", "k": base64url(&[7; 64])})),
        (
            "symmetric, and says otherwise",
            json!({"kty": "oct", "kid": "rsa", "alg": "RS256", "k": base64url(&[7; 64])}),
        ),
        ("of another curve", jwk("rsa", &ec, &json!({"crv": "P-521"}))),
        ("half a point", jwk("rsa", &ec, &json!({"y": "AQAB"}))),
        ("X25519", jwk("rsa", &ed, &json!({"crv": "X25519"}))),
        ("no key at all", json!("rsa")),
    ] {
        assert_eq!(left(std::slice::from_ref(&key), &ALL), [""; 0], "{name}: {key}");
        // And it takes nothing along.
        assert_eq!(left(&[key, good[0].clone()], &ALL), ["ed"], "{name}");
    }
    // A key without a name is for tokens without one.
    let set = KeySet::from_jwks(&json!({"keys": [nameless]}).to_string(), &ALL).unwrap();
    assert!(set.knows(None) && !set.knows(Some("")));
}

#[test]
fn a_name_that_two_keys_have_is_nobodys() {
    let (one, two, third) = (key_of(&PKCS_ED25519), key_of(&PKCS_ED25519), key_of(&PKCS_ECDSA_P256_SHA256));
    let none = json!({});
    assert_eq!(left(&[jwk("ed", &one, &none), jwk("ed", &two, &none), jwk("ec", &third, &none)], &ALL), ["ec"]);
    // What is for something else doesn't count.
    assert_eq!(left(&[jwk("ed", &one, &none), jwk("ed", &two, &json!({"use": "enc"}))], &ALL), ["ed"]);
}

#[test]
fn what_is_no_set_of_keys_has_none() {
    let ed = key_of(&PKCS_ED25519);
    for text in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"keys": []}"#,
        r#"{"keys": {}}"#,
        r#"{"keys": [null, 7, {}]}"#,
        &jwk("ed", &ed, &json!({})).to_string(),
    ] {
        assert!(KeySet::from_jwks(text, &ALL).is_none(), "{text}");
    }
    // More than anybody has are not looked at.
    let mut many = vec![json!({}); 100];
    many.push(jwk("ed", &ed, &json!({})));
    assert_eq!(left(&many, &ALL), [""; 0]);
}
