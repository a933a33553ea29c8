//! Watching until a deny bites: so many explicit denials in a row, in each of
//! the role's Regions, while the control stays allowed.

use halligan_core::catalogue::Role;
use halligan_core::grant::{Evidence, RegionEvidence};
use jiff::Timestamp;

use super::probing::Pair;
use crate::ports::{CallOutcome, Clock};

/// One denial may come from one of many hosts; so many in a row from all.
const DENIALS_IN_A_ROW: u32 = 3;
/// IAM is eventually consistent: seconds as measured, minutes by its manual.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
const PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

/// Watches until the deny bites everywhere.
///
/// # Errors
/// What was seen instead, when patience has run out.
pub(super) async fn observe(
    pair: &Pair,
    role: &Role,
    ended_at: Timestamp,
    clock: &dyn Clock,
) -> Result<Evidence, String> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut regions = Vec::new();
    for region in &role.regions {
        let denials = denials_in_a_row(pair, region, deadline).await?;
        regions.push(RegionEvidence { region: region.clone(), denials });
    }
    let observed_at = clock.now();
    let after_ms = i64::try_from(observed_at.duration_since(ended_at).as_millis()).unwrap_or(i64::MAX);
    Ok(Evidence { baseline: pair.baseline, observed_at, after_ms, regions })
}

async fn denials_in_a_row(pair: &Pair, region: &str, deadline: tokio::time::Instant) -> Result<u32, String> {
    let mut denials = 0;
    loop {
        let (probe, control) = tokio::join!(pair.probe.call(region), pair.control.call(region));
        let seen = format!("in {region}: probe {probe}, control {control}");
        match (probe, control) {
            (CallOutcome::Denied(_), CallOutcome::Allowed) => denials += 1,
            (_, _) => denials = 0,
        }
        if denials == DENIALS_IN_A_ROW {
            return Ok(denials);
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(format!("the deny was not seen to bite within {} s; last {seen}", PATIENCE.as_secs()));
        }
        if denials == 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
