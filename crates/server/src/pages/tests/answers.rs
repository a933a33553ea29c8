//! What a second person reads and says.

use axum::http::StatusCode;

use super::{Site, path_of};

const ACKNOWLEDGE: &str = "acknowledge";

#[tokio::test]
async fn a_second_person_sees_everything_that_they_say_yes_to() {
    let site = Site::new();
    let grant = site.pending().await;
    let mut bob = site.signed_in("bob").await;
    let home = bob.open("/").await;
    assert!(home.has(&format!("href=\"{}\"", path_of(&grant))), "{}", home.text);
    let page = bob.open(&path_of(&grant)).await;
    let request = &grant.request;
    for hashed in [
        request.deployment.to_string(),
        request.id.to_string(),
        hex::encode(request.nonce.0),
        "<code>alice</code> of <code>https://id.example.com</code>".to_owned(),
        request.incident.to_string(),
        "the database is full".to_owned(),
        "30 min from the start".to_owned(),
        request.resolved.role_arn.to_string(),
        request.resolved.scope.to_string(),
        request.resolved.scope_hash.to_string(),
        grant.request_hash.to_string(),
    ] {
        assert!(page.has(&hashed), "{hashed} is not on the page");
    }
    let scope =
        serde_json::to_string_pretty(&site.world.catalogue.roles[&request.target.id].scopes[&request.resolved.scope]);
    assert!(page.has(&scope.unwrap().replace('"', "&#34;")), "the scope is not on the page: {}", page.text);

    let path = format!("{}/acknowledge", path_of(&grant));
    let sent = bob.send(&path, &[("request_hash", &grant.request_hash.to_string())]).await;
    assert_eq!(sent.location(), path_of(&grant));
    assert_eq!(site.state(&grant).await, "active");
    let page = bob.open(&path_of(&grant)).await;
    assert!(page.has("grant.acknowledged") && !page.has("Your answer"), "{}", page.text);
    // A second press of the button.
    bob.send(&path, &[("request_hash", &grant.request_hash.to_string())]).await.refuses(409, "state");
}

#[tokio::test]
async fn answers_that_are_refused_say_why_and_change_nothing() {
    let site = Site::new();
    let grant = site.pending().await;
    let (path, hash) = (path_of(&grant), grant.request_hash.to_string());
    let other = "0".repeat(64);
    for (name, who, verb, fields, status, words) in [
        (
            "one's own",
            "alice",
            ACKNOWLEDGE,
            &[("request_hash", hash.as_str())][..],
            403,
            "can&#39;t acknowledge their own",
        ),
        (
            "one's own, by another login",
            "alice-at-home",
            ACKNOWLEDGE,
            &[("request_hash", &hash)],
            403,
            "can&#39;t acknowledge",
        ),
        ("another hash", "bob", ACKNOWLEDGE, &[("request_hash", &other)], 409, "something else"),
        ("no hash", "bob", ACKNOWLEDGE, &[("request_hash", "x")], 400, "request_hash"),
        ("no field", "bob", ACKNOWLEDGE, &[], 400, "missing field"),
        (
            "a field too many",
            "bob",
            ACKNOWLEDGE,
            &[("request_hash", &hash), ("acknowledged_by", "carol")],
            400,
            "acknowledged_by",
        ),
        ("to be signed, and not", "bob", ACKNOWLEDGE, &[("request_hash", &hash), ("answer", "")], 400, "JavaScript"),
        (
            "signed with nonsense",
            "bob",
            ACKNOWLEDGE,
            &[("request_hash", &hash), ("answer", "{")],
            400,
            "can&#39;t be read",
        ),
        ("no reason", "bob", "decline", &[("reason", " ")], 400, "a reason is empty"),
        ("an endless reason", "bob", "decline", &[("reason", &"x".repeat(1_001))], 400, "at most 1000"),
        ("deceiving", "bob", "decline", &[("reason", "\u{202e}no")], 400, "control character"),
    ] {
        let mut browser = site.signed_in(who).await;
        let before = site.happened();
        let sent = browser.send(&format!("{path}/{verb}"), fields).await;
        sent.refuses(status, words);
        assert_eq!((site.state(&grant).await.as_str(), site.happened()), ("pending", before), "{name}");
    }
    let mut bob = site.signed_in("bob").await;
    let large = bob.send(&format!("{path}/decline"), &[("reason", &"x".repeat(70_000))]).await;
    large.refuses(413, "at most");
    let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
    let json = bob.ask(axum::http::Method::POST, &format!("{path}/decline"), &headers, "{}").await;
    json.refuses(415, "the body is no form");
    let refusals = site.refusals();
    assert!(
        refusals.contains(&("alice".to_owned(), "acknowledge".to_owned(), "same-person".to_owned())),
        "{refusals:?}"
    );
    assert!(
        refusals.contains(&("bob".to_owned(), "acknowledge".to_owned(), "invalid-request".to_owned())),
        "{refusals:?}"
    );
}

#[tokio::test]
async fn what_people_write_stays_text() {
    let site = Site::new();
    let evil = "<script>alert(1)</script> \"><img src=x onerror=alert(2)> & 'quotes'";
    let grant = site.pending_because(evil).await;
    let mut bob = site.signed_in("bob").await;
    let escaped = "&#60;script&#62;alert(1)&#60;/script&#62;";
    for page in [bob.open(&path_of(&grant)).await, bob.open("/").await] {
        assert!(!page.has("<script>alert") && !page.has("<img"), "{}", page.text);
    }
    assert!(bob.open(&path_of(&grant)).await.has(escaped));
    bob.send(&format!("{}/decline", path_of(&grant)), &[("reason", evil)]).await;
    assert_eq!(site.state(&grant).await, "declined");
    for page in [bob.open(&path_of(&grant)).await, bob.open("/").await, site.signed_in("alice").await.open("/").await] {
        assert!(!page.has("<script>alert") && !page.has("<img"), "{}", page.text);
    }
    // Nor in what is refused.
    let mut nobody = site.browser();
    let choose = nobody.open("/sign-in?back_to=/%22%3E%3Cscript%3Ealert(1)").await;
    assert!(choose.has("value=\"/&#34;&#62;&#60;script&#62;alert(1)\""), "{}", choose.text);
    let path = format!("{}/decline", path_of(&grant));
    let refused = bob.send(&path, &[("<script>alert(1)</script>", "x")]).await;
    assert!(!refused.has("<script>alert"), "{}", refused.text);
    let incident = nobody.open("/sign-in/%3Cscript%3Ealert(1)%3C%2Fscript%3E/callback?state=x").await;
    assert!(!incident.has("<script>alert"), "{}", incident.text);
}

#[tokio::test]
async fn who_has_no_part_sees_nothing() {
    let site = Site::new();
    let grant = site.pending().await;
    let mut access = crate::tests::access();
    // dave can sign in, and is in no group.
    let mut people = access.directory.people().clone();
    let login = halligan_engine::fakes::fixtures::human("dave").principal;
    let member = halligan_engine::access::Member { principals: [login].into(), ..Default::default() };
    people.insert("dave".parse().unwrap(), member);
    let rules = access.directory.rules(halligan_engine::fakes::fixtures::ISSUER).unwrap().clone();
    access.directory = halligan_engine::access::Directory::new(vec![rules], people, Default::default());
    site.world.access.replace(access);
    let mut dave = site.signed_in("dave").await;
    let home = dave.open("/").await;
    assert!(home.has("Nothing waits for you") && !home.has("prod-admin"), "{}", home.text);
    let (hidden, absent) = (dave.open(&path_of(&grant)).await, dave.open("/grants/0000000000000000000000").await);
    hidden.refuses(404, "there is no grant");
    assert_eq!(hidden.status, absent.status);
    assert!(!hidden.has("prod-admin"));
    let path = format!("{}/acknowledge", path_of(&grant));
    dave.send(&path, &[("request_hash", &grant.request_hash.to_string())]).await.refuses(403, "be a member of one of");
    assert_eq!(
        dave.fetch(&format!("{}/challenge", path_of(&grant)), &[("request_hash", "")]).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(site.state(&grant).await, "pending");
}
