//! Entries in CloudWatch Logs.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::OutputLogEvent;
use halligan_aws::provision::LOGGING_ACCOUNT_ID;
use halligan_aws::{AssumedRole, CloudWatchSettings, CloudWatchSink};
use halligan_core::catalogue::RoleArn;
use halligan_core::event::{Event, Recorded};
use halligan_engine::fakes::fixtures;
use halligan_engine::ports::{QueuedEntry, Sink as _, SinkError};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::proxy::Trouble;
use crate::world::{REGION, World, deployment};

const STREAM: &str = "entries";
/// In the body of every PutLogEvents and of nothing else.
const PUT: &str = "logEvents";

fn settings(world: &World) -> CloudWatchSettings {
    CloudWatchSettings {
        name: "cloudwatch".to_owned(),
        log_group: world.accounts.log_group.clone(),
        log_stream: STREAM.to_owned(),
        region: REGION.to_owned(),
        writer: AssumedRole {
            arn: RoleArn::try_from(world.accounts.log_writer.clone()).unwrap(),
            external_id: world.accounts.external_id.clone(),
        },
    }
}

fn sink(world: &World) -> CloudWatchSink {
    world.aws.cloudwatch(&deployment(), settings(world))
}

fn entry(position: u64, time: Timestamp) -> QueuedEntry {
    let event = Event::ActionRefused {
        action: "mint".to_owned(),
        problem: "not-yours".to_owned(),
        rules: vec!["ours-alone".to_owned()],
        unmet: vec!["ein „guter“ Grund".to_owned(); 10],
    };
    let recorded = Recorded::with_reason(event, &fixtures::reason("alice's own words"));
    let sealed = fixtures::draft(&fixtures::Asking::new(1).grant(), recorded, position).seal(time, time);
    QueuedEntry::new(position, sealed)
}

fn entries(world: &World, count: u64) -> Vec<QueuedEntry> {
    (1..=count).map(|position| entry(position, world.now())).collect()
}

/// The events of the stream, oldest first, as the logging account's root sees them.
async fn kept(world: &World) -> Vec<OutputLogEvent> {
    let logs = aws_sdk_cloudwatchlogs::Client::new(&world.accounts.root(LOGGING_ACCOUNT_ID));
    let mut events = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let call = logs.get_log_events().log_group_name(&world.accounts.log_group).log_stream_name(STREAM);
        let answer = call.start_from_head(true).set_next_token(token.clone()).send().await.unwrap();
        events.extend(answer.events().iter().cloned());
        // The end is where the next page is this page.
        if answer.next_forward_token == token || answer.events().is_empty() {
            return events;
        }
        token = answer.next_forward_token;
    }
}

fn indexes(events: &[OutputLogEvent]) -> Vec<u64> {
    let index = |event: &OutputLogEvent| {
        serde_json::from_str::<Value>(event.message().unwrap()).unwrap()["index"].as_u64().unwrap()
    };
    events.iter().map(index).collect()
}

/// An error as CloudWatch Logs writes it.
fn error(status: u16, code: &str, message: &str) -> Trouble {
    Trouble::Answer(status, json!({"__type": code, "message": message}).to_string())
}

fn rejecting(info: Value) -> Trouble {
    Trouble::Answer(200, json!({"nextSequenceToken": "1", "rejectedLogEventsInfo": info}).to_string())
}

fn kind(error: &SinkError) -> &'static str {
    match error {
        SinkError::Unavailable(_) => "unavailable",
        SinkError::Refused(_) => "refused",
    }
}

#[tokio::test]
async fn each_entry_is_an_event_in_a_stream_that_is_made_when_it_is_missing() {
    let world = World::new().await;
    let sink = sink(&world);
    let sent = entries(&world, 3);
    sink.send(&sent[..1]).await.unwrap();
    sink.send(&sent[1..]).await.unwrap();
    sink.send(&[]).await.unwrap();

    let events = kept(&world).await;
    for (event, entry) in events.iter().zip(&sent) {
        let written = String::from_utf8(entry.leaf.entry.clone()).unwrap();
        assert_eq!(event.message().unwrap(), format!(r#"{{"index":{},"entry":{written}}}"#, entry.index()));
        assert_eq!(event.timestamp(), Some(entry.sealed.entry.time.as_millisecond()));
    }
    assert_eq!(events.len(), 3);
    assert_eq!(world.proxy.seen(PUT).len(), 3, "the first one twice");
    assert_eq!(world.proxy.seen("Action=AssumeRole").len(), 1, "one session for all");
}

#[tokio::test]
async fn what_is_too_much_for_one_call_takes_several() {
    let world = World::new().await;
    let sink = sink(&world);
    sink.send(&entries(&world, 1)).await.unwrap();
    let sent = entries(&world, 2_000);
    let bytes: usize = sent.iter().map(|entry| entry.leaf.entry.len()).sum();
    assert!((1_100_000..2_000_000).contains(&bytes), "{bytes}");

    // The second call's answer is an error: the first one's events stay, all are handed over again.
    world.proxy.trouble(r#"\"index\":1999,"#, 1, error(400, "AccessDeniedException", "no"));
    assert_eq!(kind(&sink.send(&sent).await.unwrap_err()), "refused");
    let half = kept(&world).await.len();
    assert!((1..2_001).contains(&half), "{half}");
    sink.send(&sent).await.unwrap();
    // By time they are read, not by arrival.
    let mut all = indexes(&kept(&world).await);
    assert_eq!(all.len(), half + 2_000);
    all.sort_unstable();
    all.dedup();
    assert!(all.iter().copied().eq(0..2_000), "{} different ones", all.len());
}

#[tokio::test]
async fn a_success_that_rejects_events_is_a_failure() {
    let world = World::new().await;
    let sink = sink(&world);
    let sent = entries(&world, 2);
    sink.send(&sent).await.unwrap();
    for (name, info, expected) in [
        ("too old", json!({"tooOldLogEventEndIndex": 1}), "those before number 1 are too old"),
        (
            "too new",
            json!({"tooNewLogEventStartIndex": 1}),
            "those from number 1 on are too far ahead, compare the clocks",
        ),
        (
            "expired",
            json!({"expiredLogEventEndIndex": 2}),
            "those before number 2 are older than the log group keeps events",
        ),
        ("no reason", json!({}), "it says not why"),
    ] {
        world.proxy.trouble(PUT, 1, rejecting(info));
        let error = sink.send(&sent).await.unwrap_err();
        assert_eq!(kind(&error), "unavailable", "{name}");
        assert_eq!(error.to_string(), format!("PutLogEvents: of 2 events some were rejected: {expected}"), "{name}");
    }
}

#[tokio::test]
async fn old_entries_get_a_time_that_is_taken() {
    let world = World::new().await;
    let sink = sink(&world);
    let before = |hours| world.now() - SignedDuration::from_hours(hours);
    let sent = [entry(1, before(400 * 24)), entry(2, before(48)), entry(3, before(0))];
    // The first two are more than a day before the third, and so in another call; the stream is missing at first.
    let times = |from: usize| -> Vec<i64> {
        let bodies = world.proxy.seen(PUT);
        let bodies = bodies[from..].iter().map(|seen| serde_json::from_str::<Value>(&seen.body).unwrap());
        let events = bodies.flat_map(|body| body[PUT].as_array().unwrap().clone());
        events.map(|event| (world.now().as_millisecond() - event["timestamp"].as_i64().unwrap()) / 3_600_000).collect()
    };
    let day = 24;
    sink.send(&sent).await.unwrap();
    assert_eq!(times(1), [14 * day - 1, 2 * day, 0], "hours ago");

    // The group keeps events for a day: that is known once it was said.
    let from = world.proxy.seen(PUT).len();
    world.proxy.trouble(PUT, 1, rejecting(json!({"expiredLogEventEndIndex": 1})));
    assert_eq!(kind(&sink.send(&sent).await.unwrap_err()), "unavailable");
    sink.send(&sent).await.unwrap();
    assert_eq!(times(from + 1), [day - 1, day - 1, 0], "hours ago");
}

#[tokio::test]
async fn each_failure_is_told_for_what_it_is() {
    let world = World::new().await;
    let sink = sink(&world);
    let sent = entries(&world, 1);
    sink.send(&sent).await.unwrap();
    let html = || "<html>".to_owned();
    let cases = [
        ("throttling", error(400, "ThrottlingException", "Rate exceeded"), "unavailable"),
        ("a service that is down", error(503, "ServiceUnavailableException", "sorry"), "unavailable"),
        ("a failure of the service", error(500, "InternalFailure", "sorry"), "unavailable"),
        ("no right", error(400, "AccessDeniedException", "no"), "refused"),
        ("a malformed batch", error(400, "InvalidParameterException", "no"), "refused"),
        ("a gateway's page", Trouble::Answer(502, html()), "unavailable"),
        ("a wall's page", Trouble::Answer(403, html()), "unavailable"),
        ("half an answer", Trouble::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{".to_vec()), "unavailable"),
        ("a lost answer, each time", Trouble::Reset, "unavailable"),
        ("an answer that comes too late", Trouble::Late(Duration::from_secs(2)), "unavailable"),
        ("silence", Trouble::Silence, "unavailable"),
    ];
    for (name, trouble, expected) in cases {
        world.proxy.peace();
        world.proxy.trouble(PUT, usize::MAX, trouble);
        let error = sink.send(&sent).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{name}: {error}");
        assert!(error.to_string().contains("PutLogEvents"), "{name}: {error}");
        world.assert_untold(&error.to_string());
    }
}

#[tokio::test]
async fn what_was_kept_although_its_answer_was_lost_is_kept_twice_rather_than_not_at_all() {
    let world = World::new().await;
    let sink = sink(&world);
    let sent = entries(&world, 2);
    sink.send(&sent[..1]).await.unwrap();
    world.proxy.trouble(PUT, 1, Trouble::Reset);
    sink.send(&sent[1..]).await.unwrap();
    assert_eq!(indexes(&kept(&world).await), [0, 1, 1]);
    // Slow, but in time.
    world.proxy.trouble(PUT, 1, Trouble::Late(Duration::from_millis(200)));
    sink.send(&sent[1..]).await.unwrap();
    assert_eq!(indexes(&kept(&world).await), [0, 1, 1, 1]);
}

#[tokio::test]
async fn a_stream_that_cannot_be_made_is_told() {
    let world = World::new().await;
    let sent = entries(&world, 1);
    let nowhere = CloudWatchSettings { log_group: "elsewhere".to_owned(), ..settings(&world) };
    let missing = || error(400, "ResourceNotFoundException", "The specified log stream does not exist.");

    let error = world.aws.cloudwatch(&deployment(), nowhere.clone()).send(&sent).await.unwrap_err();
    assert_eq!(kind(&error), "refused", "the writer has no right to any other group: {error}");
    world.proxy.trouble("elsewhere", usize::MAX, missing());
    let error = world.aws.cloudwatch(&deployment(), nowhere).send(&sent).await.unwrap_err();
    assert_eq!(kind(&error), "refused");
    insta::assert_snapshot!(error, @"there is no log group `elsewhere` in eu-central-1: deploy deploy/aws/logging-account.yaml there, or correct `log_group`");

    // Made, and not seen everywhere yet; made by another at the same moment.
    world.proxy.trouble(PUT, 2, missing());
    let sink = sink(&world);
    let error = sink.send(&sent).await.unwrap_err();
    assert_eq!(kind(&error), "unavailable", "{error}");
    assert_eq!(world.proxy.seen("\"halligan\"").len(), 3, "made once: put, create, put");
    world.proxy.trouble(PUT, 1, missing());
    sink.send(&sent).await.unwrap();
    assert_eq!(indexes(&kept(&world).await), [0]);
}

#[tokio::test]
async fn a_writer_that_refuses_the_broker_is_told() {
    let world = World::new().await;
    let mut settings = settings(&world);
    settings.writer.external_id = "another-external-id".to_owned();
    let error = world.aws.cloudwatch(&deployment(), settings).send(&entries(&world, 1)).await.unwrap_err();
    assert!(matches!(&error, SinkError::Refused(text) if text.contains("AssumeRole: AccessDenied")), "{error:?}");
}
