//! The incident tools.

use std::collections::{BTreeMap, BTreeSet};

use halligan_connect::incidents::{Fields, HttpIncidents, HttpSettings, IncidentFile, InvalidHttpSettings, Provider};
use halligan_core::id::ProviderId;

use super::Findings;
use crate::config::model;

pub(super) fn providers(
    providers: BTreeMap<ProviderId, model::Provider>,
    found: &mut Findings<'_>,
) -> BTreeMap<ProviderId, Provider> {
    if providers.is_empty() {
        let expected = "expected at least one, as `[incidents.NAME]`, since every request names an incident";
        found.refuse("incidents", format!("there is none: {expected}"));
    }
    let check = |(id, provider): (ProviderId, model::Provider)| {
        let provider = provider_of(&format!("incidents.{id}"), provider, found)?;
        Some((id, provider))
    };
    providers.into_iter().filter_map(check).collect()
}

fn provider_of(at: &str, provider: model::Provider, found: &mut Findings<'_>) -> Option<Provider> {
    let secret: BTreeSet<String>;
    let settings = match provider {
        // It need not be there yet: without it, incidents are unknown.
        model::Provider::File { path } => return Some(Provider::File(IncidentFile::new(found.path(&path)))),
        model::Provider::Http {
            url,
            headers,
            secret_headers,
            status,
            open_values,
            closed_values,
            severity,
            creator,
            opened_at,
            title,
        } => {
            secret = secret_headers.keys().map(|name| format!("headers.{name}")).collect();
            let mut all: BTreeMap<_, _> = headers.into_iter().map(|(name, value)| (name, value.into())).collect();
            for (name, reference) in secret_headers {
                let field = format!("{at}.secret_headers.{name}");
                if all.keys().any(|other: &String| other.eq_ignore_ascii_case(&name)) {
                    found.refuse(&field, "stands in `headers` too: expected it in one of them");
                }
                if let Some(secret) = found.secret(&field, &reference) {
                    all.insert(name, secret);
                }
            }
            let fields = Fields { status, severity, creator, opened_at, title };
            HttpSettings { url, headers: all, fields, open_values, closed_values }
        }
    };
    match HttpIncidents::new(settings) {
        Ok(tool) => Some(Provider::Http(Box::new(tool))),
        Err(invalid) => {
            for InvalidHttpSettings { field, problem } in invalid {
                let prefix = if secret.contains(&field) { "secret_" } else { "" };
                found.refuse(format!("{at}.{prefix}{field}"), problem);
            }
            None
        }
    }
}
