//! A copy of the entries in CloudWatch Logs, where people look first.
//!
//! Personal parts don't go there: nothing erases a single event of a log group.

mod batch;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::Region;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::operation::put_log_events::PutLogEventsOutput;
use aws_sdk_cloudwatchlogs::types::{InputLogEvent, RejectedLogEventsInfo};
use halligan_core::id::DeploymentId;
use halligan_engine::ports::{QueuedEntry, Sink, SinkError};

use batch::{Event, Window, batches, events};

use crate::assume::Assumer;
use crate::client::Aws;
use crate::session::{AssumedRole, CallError, Sessions, in_time};

/// What CloudWatch Logs says of a stream, or a group, that isn't there.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// A stream of CloudWatch Logs.
#[derive(Debug, Clone)]
pub struct CloudWatchSettings {
    /// How people call it.
    pub name: String,
    /// Its log group, which must be there.
    pub log_group: String,
    /// The stream, made if it isn't there.
    pub log_stream: String,
    /// Where both are.
    pub region: String,
    /// Who may put events into the group, and nothing else.
    pub writer: AssumedRole,
}

/// [`Sink`] by `PutLogEvents`: an event an entry, `{"index":…,"entry":{…}}`.
///
/// Each batch is over after twice [`Limits::operation`](crate::Limits). An event's
/// timestamp is its entry's time, or as near to that as CloudWatch Logs takes: the
/// entry says its own time.
pub struct CloudWatchSink {
    aws: Aws,
    settings: CloudWatchSettings,
    sessions: Sessions<Client>,
    limit: Duration,
    /// Whether the group keeps events for a shorter time than a stream takes them.
    short_retention: AtomicBool,
}

impl fmt::Debug for CloudWatchSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudWatchSink").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl CloudWatchSink {
    pub(crate) fn new(aws: Aws, assumer: Assumer, deployment: &DeploymentId, settings: CloudWatchSettings) -> Self {
        let (observer, region) = (aws.observer.clone(), Region::new(settings.region.clone()));
        let client = move |sdk: aws_config::SdkConfig| {
            let config = aws_sdk_cloudwatchlogs::config::Builder::from(&sdk).region(region.clone());
            Client::from_conf(config.interceptor(observer.clone()).build())
        };
        let sessions = Sessions::new(aws.clone(), assumer, deployment, client);
        let limit = 2 * aws.limits.operation;
        Self { aws, settings, sessions, limit, short_retention: AtomicBool::new(false) }
    }

    /// Puts a batch, into a stream that is made if it has to be.
    async fn deliver(&self, batch: &[InputLogEvent]) -> Result<(), SinkError> {
        let answer = match self.put(batch).await {
            Err(error) if error.has_code(&[NOT_FOUND]) => {
                self.create_stream().await?;
                // It may take a moment until the new stream is seen everywhere.
                self.put(batch).await.map_err(|error| match error.has_code(&[NOT_FOUND]) {
                    true => SinkError::Unavailable(error.into_text()),
                    false => failed(error),
                })?
            }
            answer => answer.map_err(failed)?,
        };
        match answer.rejected_log_events_info() {
            None => Ok(()),
            Some(rejected) => Err(self.rejected(rejected, batch.len())),
        }
    }

    async fn put(&self, batch: &[InputLogEvent]) -> Result<PutLogEventsOutput, CallError> {
        let put = |logs: Client| {
            logs.put_log_events()
                .log_group_name(&self.settings.log_group)
                .log_stream_name(&self.settings.log_stream)
                .set_log_events(Some(batch.to_vec()))
                .send()
        };
        self.sessions.call((&self.settings.writer).into(), "PutLogEvents", put).await
    }

    async fn create_stream(&self) -> Result<(), SinkError> {
        let CloudWatchSettings { log_group, log_stream, writer, .. } = &self.settings;
        let create =
            |logs: Client| logs.create_log_stream().log_group_name(log_group).log_stream_name(log_stream).send();
        match self.sessions.call(writer.into(), "CreateLogStream", create).await {
            Ok(_) => {
                tracing::info!(sink = self.settings.name, log_group, log_stream, "the log stream was not there: made");
                Ok(())
            }
            Err(error) if error.has_code(&["ResourceAlreadyExistsException"]) => Ok(()),
            Err(error) if error.has_code(&[NOT_FOUND]) => Err(SinkError::Refused(format!(
                "there is no log group `{log_group}` in {}: deploy deploy/aws/logging-account.yaml there, or correct \
                 `log_group`",
                self.settings.region
            ))),
            Err(error) => Err(failed(error)),
        }
    }

    /// A success that kept some only.
    fn rejected(&self, info: &RejectedLogEventsInfo, sent: usize) -> SinkError {
        let mut why = Vec::new();
        if let Some(index) = info.expired_log_event_end_index() {
            // From the next time on, old entries are sent with times that every retention takes.
            self.short_retention.store(true, Ordering::Relaxed);
            why.push(format!("those before number {index} are older than the log group keeps events"));
        }
        if let Some(index) = info.too_old_log_event_end_index() {
            why.push(format!("those before number {index} are too old"));
        }
        if let Some(index) = info.too_new_log_event_start_index() {
            why.push(format!("those from number {index} on are too far ahead, compare the clocks"));
        }
        if why.is_empty() {
            why.push("it says not why".to_owned());
        }
        SinkError::Unavailable(format!("PutLogEvents: of {sent} events some were rejected: {}", why.join("; ")))
    }
}

fn input(event: Event) -> Result<InputLogEvent, SinkError> {
    let event = InputLogEvent::builder().timestamp(event.at_ms).message(event.text).build();
    event.map_err(|error| SinkError::Refused(error.to_string()))
}

fn failed(error: CallError) -> SinkError {
    if error.is_refused() { SinkError::Refused(error.into_text()) } else { SinkError::Unavailable(error.into_text()) }
}

#[async_trait]
impl Sink for CloudWatchSink {
    fn name(&self) -> &str {
        &self.settings.name
    }

    #[tracing::instrument(name = "cloudwatch_send", skip_all, fields(sink = self.name(), entries = entries.len()))]
    async fn send(&self, entries: &[QueuedEntry]) -> Result<(), SinkError> {
        let window = Window::at(self.aws.now(), self.short_retention.load(Ordering::Relaxed));
        for batch in batches(events(entries, window)) {
            let batch = batch.into_iter().map(input).collect::<Result<Vec<_>, _>>()?;
            in_time(self.limit, self.deliver(&batch), SinkError::Unavailable).await?;
        }
        Ok(())
    }
}
