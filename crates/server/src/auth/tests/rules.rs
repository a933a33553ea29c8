//! The rules of a token, each broken.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_good_token_gives_its_issuer_and_all_its_claims() {
    let desk = desk();
    let (issuer, found) = desk.bearing(&plain(&claims(), &desk.people)).await.unwrap();
    assert_eq!((issuer.as_str(), Value::Object(found)), (ISSUER, claims()));
}

#[tokio::test]
async fn what_real_issuers_do_is_taken() {
    let desk = desk();
    let several = with(|claims| drop(claims.insert("aud".to_owned(), json!(["other", "halligan"]))));
    let own = with(|claims| drop(claims.insert("aud".to_owned(), json!("command-line"))));
    let early = with(|claims| drop(claims.insert("nbf".to_owned(), json!(NOW - 10))));
    let named = json!({"alg": "EdDSA", "kid": "second"});
    let access = json!({"alg": "ES256", "kid": "elliptic", "typ": "at+jwt"});
    let text = claims().to_string();
    for (name, token) in [
        ("several audiences", plain(&several, &desk.people)),
        ("an ID token of the command line", plain(&own, &desk.people)),
        ("nbf in the past", plain(&early, &desk.people)),
        ("a key by name", token(&named, &text, &desk.second)),
        ("another algorithm of the issuer", token(&access, &text, &desk.elliptic)),
    ] {
        assert!(desk.bearing(&token).await.is_ok(), "{name}: {:?}", desk.bearing(&token).await);
    }
    let lower = header(&format!("bearer {}", plain(&claims(), &desk.people)));
    assert!(desk.authenticator.verified(&lower).await.is_ok());
}

#[tokio::test]
async fn signatures_that_prove_nothing_are_refused() {
    let desk = desk();
    let text = claims().to_string();
    let good = plain(&claims(), &desk.people);
    let unsigned = |alg: &str| {
        format!("{}.{}.", base64url(json!({"alg": alg}).to_string().as_bytes()), base64url(text.as_bytes()))
    };
    // The public key as an HMAC secret: what a checker that lets the token choose would accept.
    let secret = EncodingKey::from_secret(desk.people.public_key_pem().as_bytes());
    let confused = jsonwebtoken::encode(&Header::new(jsonwebtoken::Algorithm::HS256), &claims(), &secret).unwrap();
    let raw = EncodingKey::from_secret(desk.people.public_key_raw());
    let confused_raw = jsonwebtoken::encode(&Header::new(jsonwebtoken::Algorithm::HS256), &claims(), &raw).unwrap();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let flipped = format!("{first}{}", &signature[1..]);
    let machines = with(|claims| drop(claims.insert("iss".to_owned(), json!(MACHINES))));
    let elsewhere = with(|claims| drop(claims.insert("iss".to_owned(), json!("https://evil.example.com"))));
    let own =
        json!({"alg": "EdDSA", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": base64url(desk.second.public_key_raw())}});
    let ed = |kid: &str| json!({"alg": "EdDSA", "kid": kid});
    for (name, token, expected) in [
        ("alg none", unsigned("none"), TokenFault::Malformed),
        ("alg None", unsigned("None"), TokenFault::Malformed),
        ("alg NONE", unsigned("NONE"), TokenFault::Malformed),
        ("alg nOnE", unsigned("nOnE"), TokenFault::Malformed),
        ("an empty alg", unsigned(""), TokenFault::Malformed),
        ("alg eddsa", unsigned("eddsa"), TokenFault::Malformed),
        ("no alg", format!("{}.{}.", base64url(b"{}"), base64url(text.as_bytes())), TokenFault::Malformed),
        ("alg none with a good signature", token(&json!({"alg": "none"}), &text, &desk.people), TokenFault::Malformed),
        ("EdDSA without signature", unsigned("EdDSA"), TokenFault::Signature),
        ("HS256 with the public key", confused, TokenFault::Signature),
        ("HS256 with the raw public key", confused_raw, TokenFault::Signature),
        ("a changed signature", format!("{message}.{flipped}"), TokenFault::Signature),
        ("a key of another issuer", plain(&claims(), &desk.machines), TokenFault::Signature),
        ("the issuer's key under another name", plain(&claims(), &desk.second), TokenFault::Signature),
        ("an unknown kid", token(&ed("third"), &text, &desk.people), TokenFault::Signature),
        ("a kid of another key", token(&ed("second"), &text, &desk.people), TokenFault::Signature),
        ("the kid of a key of another sort", token(&ed("elliptic"), &text, &desk.people), TokenFault::Signature),
        (
            "an algorithm of another issuer",
            token(&json!({"alg": "ES256"}), &machines.to_string(), &desk.elliptic),
            TokenFault::Signature,
        ),
        ("an unknown issuer", plain(&elsewhere, &desk.people), TokenFault::Signature),
        ("its own key", token(&own, &text, &desk.second), TokenFault::Header),
        (
            "a key by URL",
            token(&json!({"alg": "EdDSA", "jku": "https://evil.example.com"}), &text, &desk.people),
            TokenFault::Header,
        ),
        (
            "a certificate by URL",
            token(&json!({"alg": "EdDSA", "x5u": "https://evil.example.com"}), &text, &desk.people),
            TokenFault::Header,
        ),
        (
            "crit",
            token(&json!({"alg": "EdDSA", "crit": ["b64"], "b64": false}), &text, &desk.people),
            TokenFault::Header,
        ),
        (
            "another sort of token",
            token(&json!({"alg": "EdDSA", "typ": "logout+jwt"}), &text, &desk.people),
            TokenFault::Header,
        ),
        (
            "events: a logout token",
            plain(&with(|c| drop(c.insert("events".into(), json!({})))), &desk.people),
            TokenFault::Header,
        ),
        (
            "a header twice",
            {
                let header = base64url(br#"{"alg":"EdDSA","alg":"EdDSA"}"#);
                format!("{header}.{}.AAAA", base64url(text.as_bytes()))
            },
            TokenFault::Malformed,
        ),
    ] {
        assert_eq!(desk.fault(&token).await, expected, "{name}");
    }
}

#[tokio::test]
async fn claims_that_break_a_rule_are_refused() {
    let desk = desk();
    let set = |name: &'static str, value: Value| with(|claims| drop(claims.insert(name.to_owned(), value)));
    let without = |name: &'static str| with(|claims| drop(claims.remove(name)));
    let lived = |iat: i64, exp: i64| {
        with(|claims| {
            claims.insert("iat".to_owned(), json!(iat));
            claims.insert("exp".to_owned(), json!(exp));
        })
    };
    for (name, claims, expected) in [
        ("another audience", set("aud", json!("other")), TokenFault::Audience),
        ("other audiences", set("aud", json!(["other", "halligan2"])), TokenFault::Audience),
        ("an audience of another type", set("aud", json!(7)), TokenFault::Malformed),
        ("no audience", without("aud"), TokenFault::Malformed),
        ("no issuer", without("iss"), TokenFault::Malformed),
        ("several issuers", set("iss", json!([ISSUER, MACHINES])), TokenFault::Malformed),
        ("no end", without("exp"), TokenFault::Malformed),
        ("no begin", without("iat"), TokenFault::Malformed),
        ("expired 30 s ago", set("exp", json!(NOW - 30)), TokenFault::Expired),
        ("expired 5 s ago", set("exp", json!(NOW - 5)), TokenFault::Expired),
        ("nbf 30 s ahead", set("nbf", json!(NOW + 30)), TokenFault::NotYet),
        ("iat 30 s ahead", set("iat", json!(NOW + 30)), TokenFault::NotYet),
        ("exp as a text", set("exp", json!((NOW + 600).to_string())), TokenFault::Malformed),
        ("iat as a text", set("iat", json!((NOW - 10).to_string())), TokenFault::Malformed),
        ("nbf null", set("nbf", Value::Null), TokenFault::Malformed),
        ("an audience among which is no text", set("aud", json!(["halligan", 7])), TokenFault::Malformed),
        ("no audiences", set("aud", json!([])), TokenFault::Audience),
        ("nbf as a text", set("nbf", json!((NOW - 10).to_string())), TokenFault::Malformed),
        ("exp with a fraction", set("exp", json!(NOW as f64 + 600.5)), TokenFault::Malformed),
        ("exp beyond the calendar", set("exp", json!(i64::MAX)), TokenFault::Malformed),
        ("exp before iat", lived(NOW + 3, NOW + 2), TokenFault::Malformed),
        ("a life of a second too much", lived(NOW - 10, NOW - 10 + 3_601), TokenFault::TooLong),
        ("a life from the beginning of time", lived(0, NOW + 600), TokenFault::TooLong),
    ] {
        assert_eq!(desk.fault(&plain(&claims, &desk.people)).await, expected, "{name}");
    }
    // Within the leeway, which is smaller than any of the above.
    for (name, claims) in [
        ("4 s past", set("exp", json!(NOW - 4))),
        ("5 s ahead", set("nbf", json!(NOW + 5))),
        ("an hour", lived(NOW, NOW + 3_600)),
    ] {
        assert!(desk.bearing(&plain(&claims, &desk.people)).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn a_claim_that_is_there_twice_is_refused() {
    let desk = desk();
    let body = claims().to_string();
    for extra in [
        r#""exp":9999999999"#,
        r#""sub":"bob""#,
        r#""aud":"halligan""#,
        r#""iat":1"#,
        r#""iss":"https://login.example.com""#,
        r#""repository":"example/app","repository":"example/other""#,
    ] {
        let twice = format!("{},{extra}}}", body.strip_suffix('}').unwrap());
        let token = token(&json!({"alg": "EdDSA"}), &twice, &desk.people);
        assert_eq!(desk.fault(&token).await, TokenFault::Malformed, "{extra}");
    }
}

#[tokio::test]
async fn garbage_is_refused_without_a_word_of_it() {
    let desk = desk();
    let good = plain(&claims(), &desk.people);
    let (head, rest) = good.split_once('.').unwrap();
    for text in [
        "x",
        "..",
        "a.b.c",
        "a.b",
        &format!("{good}.x"),
        &format!("{head}=.{rest}"),
        &"e".repeat(8_000),
        &format!("{good} {good}"),
    ] {
        let error = desk.bearing(text).await.unwrap_err();
        assert_eq!(error.problem().kind, ProblemKind::Unauthenticated, "{text}");
        assert!(text.len() < 3 || !error.to_string().contains(text), "{error}");
        let challenge = error.challenge().unwrap();
        assert!(challenge.starts_with("Bearer realm=\"halligan\", error=\"invalid_token\""), "{challenge}");
        assert_eq!(challenge.matches('"').count(), 6, "{challenge}");
    }
}

#[tokio::test]
async fn one_header_of_one_scheme_and_a_bounded_size() {
    let desk = desk();
    let good = plain(&claims(), &desk.people);
    let refused = async |headers: HeaderMap| {
        let error = desk.authenticator.verified(&headers).await.map(drop).unwrap_err();
        assert_eq!(error.challenge().unwrap(), "Bearer realm=\"halligan\"");
        assert_eq!(error.problem().field, Some("Authorization"));
        error.to_string()
    };
    let mut twice = header(&format!("Bearer {good}"));
    twice.append(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {good}")).unwrap());
    assert!(refused(twice).await.contains("several"));
    assert!(refused(HeaderMap::new()).await.contains("no bearer token"));
    assert!(refused(header(&format!("Bearer {}", "a".repeat(100_000)))).await.contains("8192"));
    for value in ["Bearer", "Bearer ", "Basic YWxpY2U6", &good, &format!("Token {good}")] {
        assert!(refused(header(value)).await.contains("malformed"), "{value}");
    }
    let bytes = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap())]);
    assert!(refused(bytes).await.contains("malformed"));
}

#[tokio::test]
async fn an_issuer_that_can_not_be_trusted_is_no_issuer() {
    let ed = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let es = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let good = || issuer(ISSUER, &[(None, &ed)], &[Algorithm::EdDSA]);
    let made = |issuers: Vec<Issuer>| authenticator(issuers, FakeKeySets::down(), clock()).map(drop);
    assert_eq!(made(vec![good()]), Ok(()));
    assert_eq!(made(vec![good(), good()]), Err(IssuerError::Twice(ISSUER.to_owned())));
    let lacks = |what| Err(IssuerError::Lacks { issuer: ISSUER.to_owned(), what });
    assert_eq!(made(vec![Issuer { keys: IssuerKeys::Fixed(Vec::new()), ..good() }]), lacks("keys"));
    assert_eq!(made(vec![Issuer { algorithms: Vec::new(), ..good() }]), lacks("algorithms"));
    assert_eq!(made(vec![Issuer { audiences: Vec::new(), ..good() }]), lacks("audience"));
    assert_eq!(made(vec![Issuer { audiences: vec![String::new()], ..good() }]), Err(IssuerError::Empty("audience")));
    assert!(matches!(
        made(vec![Issuer { max_lifetime: SignedDuration::ZERO, ..good() }]),
        Err(IssuerError::Lifetime { .. })
    ));
    let mismatch = Err(IssuerError::Mismatch { issuer: ISSUER.to_owned() });
    assert_eq!(made(vec![issuer(ISSUER, &[(None, &ed)], &[Algorithm::RS256])]), mismatch);
    assert_eq!(made(vec![issuer(ISSUER, &[(None, &ed), (Some("e"), &es)], &[Algorithm::EdDSA])]), mismatch);
    let same = issuer(ISSUER, &[(Some("a"), &ed), (Some("a"), &ed)], &[Algorithm::EdDSA]);
    assert!(matches!(made(vec![same]), Err(IssuerError::Kid { .. })));
    // A private half has no place here; neither has text that is no key.
    for pem in [ed.serialize_pem(), es.serialize_pem(), "ssh-ed25519 AAAA".to_owned(), String::new()] {
        let keys = IssuerKeys::Fixed(vec![TokenKey { kid: None, pem }]);
        assert_eq!(
            made(vec![Issuer { keys, ..good() }]),
            Err(IssuerError::Key { issuer: ISSUER.to_owned(), number: 1 })
        );
    }
    for text in ["HS256", "none", "eddsa", ""] {
        assert_eq!(text.parse::<Algorithm>(), Err(IssuerError::Algorithm(text.to_owned())));
    }
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
    }
}
