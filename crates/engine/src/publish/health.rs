//! How the places that the log goes to are, and who is told when that changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use halligan_core::actor::Actor;
use halligan_core::entry::Subject;
use halligan_core::event::{Event, Recorded};
use halligan_core::text::printable;

use crate::recorder::Recorder;

const BECAUSE_CHARACTERS_MAX: usize = 400;
/// How many entries a place lacks, by `place`: `archive frankfurt`, `sink siem`.
const LAG: &str = "halligan_log_lag_entries";
/// 1 while a place fails, by `place`.
const FAILING: &str = "halligan_log_place_failing";

/// How one place is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlaceHealth {
    /// What it fails with, if it does.
    pub failure: Option<String>,
    /// How many entries it lacks.
    pub lag_entries: u64,
}

/// How all of them are. A change is an entry and an alarm.
pub struct Health {
    recorder: Arc<Recorder>,
    places: Mutex<BTreeMap<String, PlaceHealth>>,
}

impl Health {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new(recorder: Arc<Recorder>) -> Self {
        Self { recorder, places: Mutex::default() }
    }

    /// Every place that was heard of, by kind and name: `archive frankfurt`.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, PlaceHealth> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `place` failed, or did not.
    pub async fn report(&self, place: &str, failure: Option<String>, lag_entries: u64) {
        let failure = failure.map(|because| printable(&because, BECAUSE_CHARACTERS_MAX));
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!(LAG, "place" => place.to_owned()).set(lag_entries as f64);
        metrics::gauge!(FAILING, "place" => place.to_owned()).set(if failure.is_some() { 1.0 } else { 0.0 });
        let (was, is) = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            let known = places.entry(place.to_owned()).or_default();
            let was = known.failure.is_some();
            *known = PlaceHealth { failure: failure.clone(), lag_entries };
            (was, failure)
        };
        let event = match (was, is) {
            (false, Some(because)) => {
                tracing::error!(alarm = "log.place_failing", place, because, lag_entries, "a place of the log fails");
                Event::LogPlaceFailing { place: place.to_owned(), because, lag_entries }
            }
            (true, None) => {
                tracing::warn!(place, "a place of the log holds again");
                Event::LogPlaceRecovered { place: place.to_owned() }
            }
            (true, Some(_)) | (false, None) => return,
        };
        self.recorder.record(Actor::SYSTEM, Subject::broker("log"), Recorded::plain(event)).await;
    }
}
