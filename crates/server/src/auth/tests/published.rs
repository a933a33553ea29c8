//! Keys that issuers publish: rotated, withdrawn, empty, out of reach, and asked for by a crowd.

use std::collections::BTreeSet;

use super::*;

/// An issuer that publishes its keys.
struct Office {
    authenticator: Arc<Authenticator>,
    sets: Arc<FakeKeySets>,
    clock: Arc<FakeClock>,
    first: KeyPair,
}

fn publishing(name: &str) -> Issuer {
    Issuer { keys: IssuerKeys::Published(String::new()), ..issuer(name, &[], &[Algorithm::EdDSA, Algorithm::ES256]) }
}

fn office_over(sets: Arc<FakeKeySets>, first: KeyPair) -> Office {
    let clock = clock();
    let authenticator = Arc::new(authenticator(vec![publishing(ISSUER)], sets.clone(), clock.clone()).unwrap());
    Office { authenticator, sets, clock, first }
}

/// It publishes one key, `one`.
fn office() -> Office {
    let first = key_of(&PKCS_ED25519);
    office_over(FakeKeySets::serving(&[jwk("one", &first, &json!({}))]), first)
}

async fn shown(authenticator: &Authenticator, token: &str) -> Result<(), AuthError> {
    authenticator.verified(&header(&format!("Bearer {token}"))).await.map(drop)
}

/// A token that is always fresh: the clock moves by days here.
fn fresh(office: &Office, kid: &str, key: &KeyPair) -> String {
    let now = Clock::now(&*office.clock).as_second();
    let claims = json!({"iss": ISSUER, "sub": "alice", "aud": "halligan", "iat": now, "exp": now + 600});
    named_of(kid, key, &claims)
}

impl Office {
    async fn takes(&self, kid: &str, key: &KeyPair) -> Result<(), AuthError> {
        shown(&self.authenticator, &fresh(self, kid, key)).await
    }

    async fn first(&self) -> Result<(), AuthError> {
        self.takes("one", &self.first).await
    }

    fn later(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    /// Lets what was begun come to its end.
    async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

const NOT_SIGNED: Result<(), AuthError> = Err(AuthError::Token(TokenFault::Signature));

fn unavailable(outcome: &Result<(), AuthError>) -> u32 {
    match outcome {
        Err(error @ AuthError::Keys { retry_after_seconds }) => {
            let problem = error.problem();
            assert_eq!(problem.kind, ProblemKind::ProviderUnavailable);
            assert_eq!(problem.retry_after_seconds, Some(*retry_after_seconds));
            assert_eq!(error.challenge(), None);
            *retry_after_seconds
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_set_is_fetched_once_and_kept_for_ten_minutes() {
    let office = office();
    for _ in 0..100 {
        assert_eq!(office.first().await, Ok(()));
    }
    assert_eq!(office.sets.asked(), 1);
    office.later(FRESH_FOR - SignedDuration::from_secs(1));
    assert_eq!(office.first().await, Ok(()));
    assert_eq!(office.sets.asked(), 1);
    office.later(SignedDuration::from_secs(1));
    assert_eq!(office.first().await, Ok(()));
    office.settle().await;
    assert_eq!(office.first().await, Ok(()));
    assert_eq!(office.sets.asked(), 2);
}

#[tokio::test]
async fn keys_that_were_fetched_at_the_start_are_there_for_the_first_caller() {
    let office = office();
    assert_eq!(office.authenticator.warm().await, [""; 0]);
    assert_eq!(office.authenticator.warm().await, [""; 0]);
    assert_eq!(office.first().await, Ok(()));
    assert_eq!(office.sets.asked(), 1);
    let down = office_over(FakeKeySets::down(), key_of(&PKCS_ED25519));
    assert_eq!(down.authenticator.warm().await, [ISSUER]);
}

#[tokio::test]
async fn a_rotation_in_the_middle_is_followed_at_once_and_the_old_key_is_gone_with_it() {
    let office = office();
    assert_eq!(office.first().await, Ok(()));
    office.later(FETCH_EVERY);
    let second = key_of(&PKCS_ECDSA_P256_SHA256);
    // First both, then the new one alone.
    office.sets.serve(&[jwk("one", &office.first, &json!({})), jwk("two", &second, &json!({}))]);
    assert_eq!(office.takes("two", &second).await, Ok(()));
    assert_eq!(office.first().await, Ok(()));
    assert_eq!(office.sets.asked(), 2);
    office.sets.serve(&[jwk("two", &second, &json!({}))]);
    office.later(FRESH_FOR);
    assert_eq!(office.takes("two", &second).await, Ok(()));
    office.settle().await;
    assert_eq!(office.first().await, NOT_SIGNED);
    assert_eq!(office.takes("two", &second).await, Ok(()));
}

#[tokio::test]
async fn a_withdrawn_key_gets_no_call_through_after_a_quiet_time() {
    let office = office();
    assert_eq!(office.first().await, Ok(()));
    let second = key_of(&PKCS_ED25519);
    office.sets.serve(&[jwk("two", &second, &json!({}))]);
    office.later(SignedDuration::from_hours(8));
    assert_eq!(office.first().await, NOT_SIGNED);
}

#[tokio::test]
async fn a_storm_of_unknown_names_asks_once_in_thirty_seconds() {
    let office = office();
    assert_eq!(office.first().await, Ok(()));
    let stranger = key_of(&PKCS_ED25519);
    for round in 0..4 {
        office.later(FETCH_EVERY);
        let storm = (0..1_000).map(|number| {
            let (authenticator, kid) = (office.authenticator.clone(), format!("unknown-{round}-{number}"));
            let token = fresh(&office, &kid, &stranger);
            tokio::spawn(async move { shown(&authenticator, &token).await })
        });
        for call in storm.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap(), NOT_SIGNED);
        }
        assert_eq!(office.sets.asked(), 2 + round);
        assert_eq!(office.first().await, Ok(()));
    }
    // Within the thirty seconds nobody asks again.
    office.later(FETCH_EVERY - SignedDuration::from_secs(1));
    for number in 0..1_000 {
        assert_eq!(office.takes(&format!("late-{number}"), &stranger).await, NOT_SIGNED);
    }
    assert_eq!(office.sets.asked(), 5);
}

#[tokio::test]
async fn a_storm_at_a_provider_that_is_down_asks_once_in_thirty_seconds() {
    let first = key_of(&PKCS_ED25519);
    let office = office_over(FakeKeySets::down(), first);
    for round in 1..=3 {
        let storm = (0..1_000).map(|_| {
            let (authenticator, token) = (office.authenticator.clone(), fresh(&office, "one", &office.first));
            tokio::spawn(async move { shown(&authenticator, &token).await })
        });
        for call in storm.collect::<Vec<_>>() {
            unavailable(&call.await.unwrap());
        }
        assert_eq!(office.sets.asked(), round);
        office.later(FETCH_EVERY);
    }
}

#[tokio::test]
async fn concurrent_callers_share_one_fetch() {
    let office = office();
    office.sets.shut();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (authenticator, token) = (office.authenticator.clone(), fresh(&office, "one", &office.first));
            tokio::spawn(async move { shown(&authenticator, &token).await })
        })
        .collect();
    office.sets.arrived.notified().await;
    office.settle().await;
    assert!(calls.iter().all(|call| !call.is_finished()));
    office.sets.open();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(()));
    }
    assert_eq!(office.sets.asked(), 1);
}

#[tokio::test]
async fn whoever_began_a_fetch_may_hang_up() {
    let office = office();
    office.sets.shut();
    let (authenticator, token) = (office.authenticator.clone(), fresh(&office, "one", &office.first));
    let call = tokio::spawn(async move { shown(&authenticator, &token).await });
    office.sets.arrived.notified().await;
    call.abort();
    office.sets.open();
    assert_eq!(office.first().await, Ok(()));
    assert_eq!(office.sets.asked(), 1);
}

#[tokio::test]
async fn the_old_keys_go_on_while_a_fetch_is_under_way() {
    let office = office();
    assert_eq!(office.first().await, Ok(()));
    office.sets.arrived.notified().await;
    office.later(FRESH_FOR);
    office.sets.shut();
    for _ in 0..10 {
        assert_eq!(office.first().await, Ok(()));
    }
    office.sets.arrived.notified().await;
    assert_eq!(office.first().await, Ok(()));
    assert_eq!(office.sets.asked(), 2);
    office.sets.open();
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_answers_holds_nobody_for_long() {
    let office = office();
    assert_eq!(office.first().await, Ok(()));
    office.sets.shut();
    office.later(SignedDuration::from_hours(2));
    let begun = tokio::time::Instant::now();
    assert_eq!(office.first().await, Ok(()));
    assert!(begun.elapsed().as_secs() <= 2, "{:?}", begun.elapsed());
    // Whom only a fetch could help waits for it, and it ends by itself.
    let stranger = key_of(&PKCS_ED25519);
    unavailable(&office.takes("two", &stranger).await);
    assert!(begun.elapsed().as_secs() <= 10, "{:?}", begun.elapsed());
    assert_eq!(office.sets.asked(), 2);
}

#[tokio::test]
async fn down_at_the_first_fetch_nobody_is_known_and_all_are_told_when_to_come_back() {
    let first = key_of(&PKCS_ED25519);
    let office = office_over(FakeKeySets::down(), first);
    assert_eq!(unavailable(&office.first().await), 31);
    office.later(SignedDuration::from_secs(20));
    assert_eq!(unavailable(&office.first().await), 11);
    office.sets.serve(&[jwk("one", &office.first, &json!({}))]);
    unavailable(&office.first().await);
    office.later(SignedDuration::from_secs(10));
    assert_eq!(office.first().await, Ok(()));
    assert_eq!(office.sets.asked(), 2);
}

#[tokio::test]
async fn down_later_the_old_keys_are_good_for_a_day_and_no_longer() {
    let office = office();
    assert_eq!(office.first().await, Ok(()));
    office.sets.answer(Err(ProviderError::Unavailable("connection refused".to_owned())));
    let stranger = key_of(&PKCS_ED25519);
    for _ in 0..23 {
        office.later(SignedDuration::from_hours(1));
        assert_eq!(office.first().await, Ok(()));
    }
    // Whether there is such a key nobody can tell now.
    unavailable(&office.takes("two", &stranger).await);
    office.later(SignedDuration::from_hours(1));
    unavailable(&office.first().await);
    office.later(FETCH_EVERY);
    office.sets.serve(&[jwk("one", &office.first, &json!({}))]);
    assert_eq!(office.first().await, Ok(()));
}

#[tokio::test]
async fn a_set_without_a_usable_key_never_replaces_a_good_one() {
    let office = office();
    assert_eq!(office.first().await, Ok(()));
    let other = key_of(&PKCS_ECDSA_P384_SHA384);
    let useless = json!({"keys": [jwk("one", &other, &json!({})), {"kty": "oct", "kid": "one", "k": "AAAA"}]});
    for text in [r#"{"keys": []}"#, "", "<html>we are back soon</html>", r#"{"keys": "none"}"#, &useless.to_string()] {
        office.sets.answer(Ok(text.to_owned()));
        let asked = office.sets.asked();
        office.later(FRESH_FOR);
        assert_eq!(office.first().await, Ok(()), "{text}");
        office.settle().await;
        assert_eq!(office.sets.asked(), asked + 1);
        assert_eq!(office.first().await, Ok(()), "{text}");
    }
    // Nor is it good at the first fetch.
    let first = key_of(&PKCS_ED25519);
    let sets = FakeKeySets::down();
    sets.answer(Ok(r#"{"keys": []}"#.to_owned()));
    unavailable(&office_over(sets, first).first().await);
}

#[tokio::test]
async fn a_clock_that_steps_back_stops_no_fetch() {
    let office = office();
    assert_eq!(office.first().await, Ok(()));
    office.later(-SignedDuration::from_hours(100));
    assert_eq!(office.first().await, Ok(()));
    office.settle().await;
    assert_eq!(office.sets.asked(), 2);
}

/// An adapter with a defect.
struct Breaking;

#[async_trait]
impl KeySets for Breaking {
    async fn key_set(&self, _: &str) -> Result<String, ProviderError> {
        panic!("a defect")
    }
}

#[tokio::test]
async fn a_fetch_that_breaks_is_a_fetch_that_failed() {
    let (clock, first) = (clock(), key_of(&PKCS_ED25519));
    let sets: Arc<dyn KeySets> = Arc::new(Breaking);
    let authenticator = Authenticator::new(vec![publishing(ISSUER)], &sets, clock).unwrap();
    for _ in 0..2 {
        unavailable(&shown(&authenticator, &named("one", &first)).await);
    }
}

#[tokio::test]
async fn a_token_is_of_the_key_that_it_names_with_the_algorithm_of_that_key() {
    let (ed, ec, rsa) = (key_of(&PKCS_ED25519), key_of(&PKCS_ECDSA_P256_SHA256), key_of(&PKCS_RSA_SHA256));
    let set = [jwk("ed", &ed, &json!({})), jwk("ec", &ec, &json!({})), jwk("rsa", &rsa, &json!({"alg": "RS256"}))];
    let sets = FakeKeySets::serving(&set);
    let all = vec![Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256, Algorithm::RS384, Algorithm::PS256];
    let issuers = vec![Issuer { algorithms: all, ..publishing(ISSUER) }];
    let authenticator = authenticator(issuers, sets.clone(), clock()).unwrap();
    for (kid, key) in [("ed", &ed), ("ec", &ec), ("rsa", &rsa)] {
        assert_eq!(shown(&authenticator, &named(kid, key)).await, Ok(()), "{kid}");
    }
    let text = claims().to_string();
    let hmac = |secret: &[u8]| {
        let mut header = Header::new(jsonwebtoken::Algorithm::HS256);
        header.kid = Some("rsa".to_owned());
        jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap()
    };
    let modulus = jwk("rsa", &rsa, &json!({}))["n"].as_str().unwrap().to_owned();
    let own = json!({"alg": "EdDSA", "kid": "ed", "jwk": jwk("ed", &key_of(&PKCS_ED25519), &json!({}))});
    for (name, token, expected) in [
        ("RS256 with the kid of an ES256 key", named("ec", &rsa), TokenFault::Signature),
        ("ES256 with the kid of an RS256 key", named("rsa", &ec), TokenFault::Signature),
        ("EdDSA with the kid of an ES256 key", named("ec", &ed), TokenFault::Signature),
        (
            "RS384, which the key is not for",
            token(&json!({"alg": "RS384", "kid": "rsa"}), &text, &rsa),
            TokenFault::Signature,
        ),
        (
            "PS256, which the key is not for",
            token(&json!({"alg": "PS256", "kid": "rsa"}), &text, &rsa),
            TokenFault::Signature,
        ),
        ("HS256 with the public key", hmac(rsa.public_key_pem().as_bytes()), TokenFault::Signature),
        ("HS256 with the modulus", hmac(modulus.as_bytes()), TokenFault::Signature),
        ("HS256 with the set", hmac(json!({"keys": set}).to_string().as_bytes()), TokenFault::Signature),
        ("no kid", token(&json!({"alg": "EdDSA"}), &text, &ed), TokenFault::Signature),
        ("a kid of another type", token(&json!({"alg": "EdDSA", "kid": 7}), &text, &ed), TokenFault::Malformed),
        ("its own key", token(&own, &text, &ed), TokenFault::Header),
        (
            "a set of its own",
            token(&json!({"alg": "EdDSA", "kid": "ed", "jku": "https://evil.example.com"}), &text, &ed),
            TokenFault::Header,
        ),
    ] {
        assert_eq!(shown(&authenticator, &token).await, Err(AuthError::Token(expected)), "{name}");
    }
    // A known name is no reason to fetch, whatever is wrong with the token: only `no kid` was, and too soon.
    assert_eq!(sets.asked(), 1);
}

/// Two issuers, each with a key `one` of its own.
struct Two(BTreeSet<(String, String)>);

#[async_trait]
impl KeySets for Two {
    async fn key_set(&self, issuer: &str) -> Result<String, ProviderError> {
        let set = self.0.iter().find(|(name, _)| name == issuer).map(|(_, set)| set.clone());
        set.ok_or_else(|| ProviderError::Refused("no such issuer".to_owned()))
    }
}

#[tokio::test]
async fn the_same_kid_of_two_issuers_is_two_keys() {
    let (people, machines) = (key_of(&PKCS_ED25519), key_of(&PKCS_ED25519));
    let set = |name: &str, key: &KeyPair| (name.to_owned(), json!({"keys": [jwk("one", key, &json!({}))]}).to_string());
    let sets: Arc<dyn KeySets> = Arc::new(Two([set(ISSUER, &people), set(MACHINES, &machines)].into()));
    let authenticator = Authenticator::new(vec![publishing(ISSUER), publishing(MACHINES)], &sets, clock()).unwrap();
    let of = |issuer: &str| with(|claims| drop(claims.insert("iss".to_owned(), json!(issuer))));
    for (issuer, key, expected) in [
        (ISSUER, &people, Ok(())),
        (MACHINES, &machines, Ok(())),
        (ISSUER, &machines, NOT_SIGNED),
        (MACHINES, &people, NOT_SIGNED),
    ] {
        assert_eq!(shown(&authenticator, &named_of("one", key, &of(issuer))).await, expected, "{issuer}");
    }
}

#[tokio::test]
async fn every_changed_character_makes_a_good_token_a_bad_one() {
    let office = office();
    let good = fresh(&office, "one", &office.first);
    assert_eq!(shown(&office.authenticator, &good).await, Ok(()));
    for place in 0..good.len() {
        for other in ["A", "B", ".", ""] {
            let mut bad = good.clone();
            bad.replace_range(place..=place, other);
            // The last character of a part holds bits that mean nothing, and must be 0 all the same.
            let outcome = shown(&office.authenticator, &bad).await;
            assert!(bad == good || outcome.is_err(), "{place}, `{other}`: {bad}");
        }
    }
    assert!(office.sets.asked() <= 2);
}
