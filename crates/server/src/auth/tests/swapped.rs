//! Issuers that are others while calls come in.

use halligan_engine::fakes::fixtures;

use super::*;

/// Trusts these from now on, with the keys that `sets` has.
fn swap(authenticator: &Authenticator, sets: &Arc<FakeKeySets>, issuers: Vec<Issuer>) {
    let sets: Arc<dyn KeySets> = sets.clone();
    let trust = authenticator.prepared(issuers, &sets).unwrap();
    authenticator.replace(trust, Arc::new(fixtures::access(BTreeMap::new())));
}

#[tokio::test]
async fn a_key_that_was_taken_out_counts_for_nothing_from_then_on() {
    let desk = desk();
    let sets = FakeKeySets::down();
    let stolen = plain(&claims(), &desk.people);
    let good = named("second", &desk.second);
    assert!(desk.bearing(&stolen).await.is_ok() && desk.bearing(&good).await.is_ok());
    let left = |keys: &[(Option<&str>, &KeyPair)]| vec![issuer(ISSUER, keys, &[Algorithm::EdDSA])];
    swap(&desk.authenticator, &sets, left(&[(Some("second"), &desk.second)]));
    assert_eq!(desk.fault(&stolen).await, TokenFault::Signature);
    assert!(desk.bearing(&good).await.is_ok());
    // What can't be used changes nothing.
    let none: Arc<dyn KeySets> = sets.clone();
    assert!(desk.authenticator.prepared(left(&[]), &none).is_err());
    let twice = [left(&[(None, &desk.people)]), left(&[(None, &desk.people)])].concat();
    assert!(desk.authenticator.prepared(twice, &none).is_err());
    assert!(desk.bearing(&good).await.is_ok());
    // An issuer that is gone, and one that is new.
    swap(&desk.authenticator, &sets, vec![issuer(MACHINES, &[(None, &desk.machines)], &[Algorithm::EdDSA])]);
    assert_eq!(desk.fault(&good).await, TokenFault::Signature);
    let theirs = with(|claims| drop(claims.insert("iss".to_owned(), json!(MACHINES))));
    assert!(desk.bearing(&plain(&theirs, &desk.machines)).await.is_ok());
}

#[tokio::test]
async fn each_rule_of_an_issuer_is_swapped() {
    for (name, change, fault) in [
        ("audience", (|issuer| issuer.audiences = vec!["other".to_owned()]) as fn(&mut Issuer), TokenFault::Audience),
        ("longest life", |issuer| issuer.max_lifetime = SignedDuration::from_secs(60), TokenFault::TooLong),
        ("name", |issuer| issuer.issuer.push('x'), TokenFault::Signature),
    ] {
        let desk = desk();
        let good = plain(&claims(), &desk.people);
        let mut other = issuer(ISSUER, &[(None, &desk.people)], &[Algorithm::EdDSA]);
        swap(&desk.authenticator, &FakeKeySets::down(), vec![other.clone()]);
        assert!(desk.bearing(&good).await.is_ok(), "{name}");
        change(&mut other);
        swap(&desk.authenticator, &FakeKeySets::down(), vec![other]);
        assert_eq!(desk.fault(&good).await, fault, "{name}");
    }
}

fn publishing(way: &str, algorithms: &[Algorithm]) -> Issuer {
    Issuer { keys: IssuerKeys::Published(way.to_owned()), ..issuer(ISSUER, &[], algorithms) }
}

#[tokio::test]
async fn keys_that_were_fetched_are_kept_where_nothing_changed() {
    const BOTH: [Algorithm; 2] = [Algorithm::EdDSA, Algorithm::ES256];
    let (ed, ec) = (key_of(&PKCS_ED25519), key_of(&PKCS_ECDSA_P256_SHA256));
    let sets = FakeKeySets::serving(&[jwk("one", &ed, &json!({})), jwk("two", &ec, &json!({}))]);
    let authenticator = authenticator(vec![publishing("here", &BOTH)], sets.clone(), clock()).unwrap();
    let takes = async |kid: &str, key: &KeyPair| {
        authenticator.verified(&header(&format!("Bearer {}", named(kid, key)))).await.map(drop)
    };
    assert_eq!(takes("one", &ed).await, Ok(()));
    for _ in 0..10 {
        let shorter = Issuer { max_lifetime: SignedDuration::from_mins(30), ..publishing("here", &BOTH) };
        swap(&authenticator, &sets, vec![shorter]);
        assert_eq!(takes("two", &ec).await, Ok(()));
    }
    assert_eq!(sets.asked(), 1, "nobody is asked again for what is known");
    // Keys were read for certain algorithms, and from a certain place.
    swap(&authenticator, &sets, vec![publishing("here", &[Algorithm::EdDSA])]);
    assert_eq!(takes("two", &ec).await, Err(AuthError::Token(TokenFault::Signature)));
    assert_eq!(takes("one", &ed).await, Ok(()));
    assert_eq!(sets.asked(), 2);
    sets.answer(Ok(json!({"keys": [jwk("three", &key_of(&PKCS_ED25519), &json!({}))]}).to_string()));
    swap(&authenticator, &sets, vec![publishing("there", &[Algorithm::EdDSA])]);
    assert_eq!(takes("one", &ed).await, Err(AuthError::Token(TokenFault::Signature)));
    assert_eq!(sets.asked(), 3);
}

#[tokio::test]
async fn a_call_that_waits_for_keys_is_judged_by_what_is_in_force_when_they_come() {
    let key = key_of(&PKCS_ED25519);
    let sets = FakeKeySets::serving(&[jwk("one", &key, &json!({}))]);
    let authenticator =
        Arc::new(authenticator(vec![publishing("here", &[Algorithm::EdDSA])], sets.clone(), clock()).unwrap());
    sets.shut();
    let (asked, token) = (authenticator.clone(), named("one", &key));
    let call = tokio::spawn(async move { asked.verified(&header(&format!("Bearer {token}"))).await.map(drop) });
    sets.arrived.notified().await;
    swap(&authenticator, &sets, Vec::new());
    sets.open();
    assert_eq!(call.await.unwrap(), Err(AuthError::Token(TokenFault::Signature)));
}

#[tokio::test]
async fn keys_are_fetched_before_anybody_needs_them_and_all_at_once() {
    let key = key_of(&PKCS_ED25519);
    let sets = FakeKeySets::serving(&[jwk("one", &key, &json!({}))]);
    let other = Issuer { issuer: MACHINES.to_owned(), ..publishing("there", &[Algorithm::EdDSA]) };
    let fixed = issuer("https://fixed.example.com", &[(None, &key)], &[Algorithm::EdDSA]);
    let issuers = vec![publishing("here", &[Algorithm::EdDSA]), other, fixed];
    let clock = clock();
    let authenticator = Arc::new(authenticator(issuers, sets.clone(), clock.clone()).unwrap());
    sets.shut();
    let warmed = authenticator.clone();
    let warming = tokio::spawn(async move { warmed.warm().await });
    while sets.asked() < 2 {
        tokio::task::yield_now().await;
    }
    sets.open();
    assert_eq!(warming.await.unwrap(), [""; 0]);
    assert_eq!(authenticator.warm().await, [""; 0]);
    assert_eq!(sets.asked(), 2, "what is there is not fetched");
    // A new one is down: it is named, and asked no more often than anybody may.
    sets.answer(Err(ProviderError::Unavailable("it is down".to_owned())));
    swap(&authenticator, &sets, vec![publishing("elsewhere", &[Algorithm::EdDSA])]);
    for _ in 0..2 {
        assert_eq!(authenticator.warm().await, [ISSUER]);
    }
    assert_eq!(sets.asked(), 3);
    clock.advance(FETCH_EVERY);
    sets.serve(&[jwk("one", &key, &json!({}))]);
    assert_eq!(authenticator.warm().await, [""; 0]);
}
