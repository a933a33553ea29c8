//! Where the broker is, and where what it needs is.

use std::path::Path;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::{Findings, shown};
use crate::config::model;
use crate::config::{Aws, Server, Store, Tls};

pub(super) fn server(server: model::Server, found: &mut Findings<'_>) -> Option<Server> {
    let model::Server { listen, public_url, trusted_proxies, metrics_networks, tls } = server;
    let listen = listen.0;
    let public = !listen.ip().to_canonical().is_loopback();
    if public && tls.is_none() && trusted_proxies.is_empty() {
        let problem = format!(
            "{listen} is reached from other machines, and credentials would travel unencrypted: expected `server.tls`, \
             `server.trusted_proxies` that end TLS before it, or an address of this machine's loopback"
        );
        found.refuse("server.listen", problem);
    }
    for (index, network) in trusted_proxies.iter().enumerate().filter(|(_, network)| network.0.prefix_len() == 0) {
        let field = format!("server.trusted_proxies[{index}]");
        found.refuse(field, format!("`{}` trusts everybody: expected the proxies' own addresses", network.0));
    }
    let tls = tls.map(|model::Tls { certificate_file, key_file }| Tls {
        certificate_file: found.readable("server.tls.certificate_file", &certificate_file),
        key_file: found.readable("server.tls.key_file", &key_file),
    });
    let public_url = match public_url {
        Some(url) => origin(&url, found),
        None if public => {
            found.refuse(
                "server.public_url",
                "is missing: expected how people reach the broker, such as `https://halligan.example.com`",
            );
            None
        }
        None => Some(format!("{}://{listen}", if tls.is_some() { "https" } else { "http" })),
    };
    let trusted_proxies = trusted_proxies.into_iter().map(|network| network.0).collect();
    let metrics_networks = metrics_networks.into_iter().map(|network| network.0).collect();
    Some(Server { listen, public_url: public_url?, trusted_proxies, metrics_networks, tls })
}

/// Scheme, host and port alone: paths of the API are added to it.
fn origin(text: &str, found: &mut Findings<'_>) -> Option<String> {
    let field = "server.public_url";
    let url = secure_url(field, text, found)?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        found.refuse(
            field,
            format!(
                "`{}` has more than a host and a port: expected such as `https://halligan.example.com`",
                shown(text)
            ),
        );
        return None;
    }
    Some(url.origin().ascii_serialization())
}

/// A URL that what is sent to can't be read on the way: https, or http to loopback.
pub(super) fn secure_url(field: &str, text: &str, found: &mut Findings<'_>) -> Option<Url> {
    let url = parsed_url(field, text, found)?;
    if url.scheme() == "http" && !is_loopback(&url) {
        found.refuse(
            field,
            format!("`{}` is not https: expected https, or http to this machine's loopback", shown(text)),
        );
        return None;
    }
    Some(url)
}

fn parsed_url(field: &str, text: &str, found: &mut Findings<'_>) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    match url {
        Some(url) if url.username().is_empty() && url.password().is_none() => Some(url),
        // Not shown: it holds a name or a password.
        Some(_) => {
            found.refuse(field, "holds a user name or password: expected a URL without them");
            None
        }
        None => {
            found.refuse(field, format!("`{}` is not a URL: expected such as `https://example.com`", shown(text)));
            None
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    is_loopback_host(url.host_str().unwrap_or_default())
}

pub(super) fn is_loopback_host(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

pub(super) fn store(store: model::Store, state_directory: &Path, found: &mut Findings<'_>) -> Option<Store> {
    let (field, url) = match (store.url, store.url_from) {
        (None, None) => {
            let path = state_directory.join("halligan.db");
            return Some(Store { url: format!("sqlite:{}", path.display()).into() });
        }
        (Some(_), Some(_)) => {
            found.refuse("store.url_from", "stands beside `store.url`: expected one of them");
            return None;
        }
        (Some(url), None) => ("store.url", url.into()),
        (None, Some(reference)) => ("store.url_from", found.secret("store.url_from", &reference)?),
    };
    database(field, &url, found).map(|url| Store { url })
}

/// The URL of a database, the path of a file made absolute. It is never shown: it may hold a password.
fn database(field: &str, url: &SecretString, found: &mut Findings<'_>) -> Option<SecretString> {
    let text = url.expose_secret();
    let expected = "expected `sqlite:path/to/halligan.db`, or `postgres://user@host/database`";
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.starts_with(':') {
            found.refuse(field, format!("names no file, so everything would be lost when the broker ends: {expected}"));
            return None;
        }
        return Some(format!("sqlite:{}", found.path(Path::new(path)).display()).into());
    }
    match Url::parse(text) {
        Ok(parsed) if ["postgres", "postgresql"].contains(&parsed.scheme()) => {
            let password = parsed.password().is_some() || parsed.query_pairs().any(|(name, _)| name == "password");
            if password && field == "store.url" {
                let problem = "holds a password, and secrets never stand in this file: expected the whole URL by `store.url_from`, and a new password";
                found.refuse(field, problem);
                return None;
            }
            Some(url.clone())
        }
        Ok(_) | Err(_) => {
            found.refuse(field, format!("is the URL of no database that is supported: {expected}"));
            None
        }
    }
}

pub(super) fn aws(aws: model::Aws, found: &mut Findings<'_>) -> Aws {
    let model::Aws { region, endpoint_url, federation_endpoint } = aws;
    super::region("aws.region", &region, found);
    if let Some(text) = &endpoint_url
        && let Some(url) = parsed_url("aws.endpoint_url", text, found)
        && url.scheme() == "http"
        && !is_loopback(&url)
    {
        let problem =
            format!("credentials travel to `{}` unencrypted: do this with a stand-in of AWS alone", shown(text));
        found.warn("aws.endpoint_url", problem);
    }
    if let Some(text) = &federation_endpoint {
        secure_url("aws.federation_endpoint", text, found);
    }
    Aws { region, endpoint_url, federation_endpoint }
}
