//! How people come in, how they are told of things, and how often they may ask.

use halligan_connect::mail::{Addresses, MailNotices, MailSecurity, MailSettings};
use jiff::SignedDuration;
use reqwest::Url;

use super::people::People;
use super::{Findings, places, shown};
use crate::config::model;
use crate::config::{Limits, Passkeys, Sessions};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const WAIT_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

pub(super) fn sessions(sessions: &model::Sessions, found: &mut Findings<'_>) -> Sessions {
    let model::Sessions { idle, longest, groups_kept } = *sessions;
    for (setting, period) in [("longest", longest), ("groups_kept", groups_kept)] {
        if period.get() > DAY {
            found.refuse(format!("sessions.{setting}"), format!("`{period}` is too long: expected at most 24h"));
        }
    }
    if idle > longest {
        let problem = format!("`{idle}` is too long: expected at most `{longest}`, which is `longest`");
        found.refuse("sessions.idle", problem);
    }
    Sessions { idle: idle.get(), longest: longest.get(), groups_kept: groups_kept.get() }
}

pub(super) fn passkeys(passkeys: &model::Passkeys, rp_id: Option<String>, found: &mut Findings<'_>) -> Passkeys {
    let model::Passkeys { wait, enrol_within, enrol_after_sign_in } = *passkeys;
    if !(DAY..=WAIT_MAX).contains(&wait.get()) {
        let expected = "expected 24h to 720h, in which whoever didn't enrol it can say so";
        found.refuse("passkeys.wait", format!("`{wait}` is out of bounds: {expected}"));
    }
    if enrol_within.get() > DAY {
        found.refuse("passkeys.enrol_within", format!("`{enrol_within}` is too long: expected at most 24h"));
    }
    Passkeys { rp_id, wait: wait.get(), enrol_within: enrol_within.get(), enrol_after_sign_in }
}

/// What passkeys belong to: the host name that people see. An address has none (WebAuthn, 5.1.2),
/// which matters where people come with browsers.
pub(super) fn relying_party(public_url: &str, browsers: bool, found: &mut Findings<'_>) -> Option<String> {
    let url = Url::parse(public_url).ok()?;
    let domain = url.domain().map(str::to_owned);
    if domain.is_none() && browsers {
        let problem = format!(
            "`{public_url}` has an address, and passkeys belong to a host name: without one, nobody enrols any: expected such as `https://halligan.example.com`, or `http://localhost` and the port"
        );
        found.warn("server.public_url", problem);
    }
    domain
}

pub(super) fn limits(limits: &model::Limits, found: &mut Findings<'_>) -> Limits {
    let model::Limits {
        mints_per_minute,
        requests_per_person,
        requests_per_incident,
        requests_per_address,
        refused_acknowledgements,
        incident_reads_per_minute,
        sign_ins_per_minute,
    } = *limits;
    for (setting, limit, what) in [
        ("mints_per_minute", mints_per_minute, "have credentials"),
        ("requests_per_person", requests_per_person, "ask"),
        ("requests_per_incident", requests_per_incident, "ask"),
        ("requests_per_address", requests_per_address, "ask"),
        ("refused_acknowledgements", refused_acknowledgements, "acknowledge"),
        ("incident_reads_per_minute", incident_reads_per_minute, "look an incident up"),
        ("sign_ins_per_minute", sign_ins_per_minute, "sign in"),
    ] {
        if limit == 0 {
            found.refuse(format!("limits.{setting}"), format!("is 0, so nobody could {what}: expected at least 1"));
        }
    }
    Limits {
        mints_per_minute,
        requests_per_person,
        requests_per_incident,
        requests_per_address,
        refused_acknowledgements,
        incident_reads_per_minute,
        sign_ins_per_minute,
    }
}

/// `hello` is what the broker calls itself.
pub(super) fn mail(
    mail: Option<model::Mail>,
    people: &People,
    hello: Option<&str>,
    found: &mut Findings<'_>,
) -> Option<MailSettings> {
    let without: Vec<_> = people.iter().filter(|(_, person)| person.mail.is_none()).map(|(id, _)| id).collect();
    let Some(mail) = mail else {
        if without.len() < people.len() {
            let problem =
                "people have addresses, and nobody writes to them: expected `[mail]` with `server` and `from`";
            found.warn("mail", problem);
        }
        return None;
    };
    if !without.is_empty() {
        let problem = format!(
            "{} can't be told of passkeys that are enrolled for them, each of which counts only when somebody else has confirmed it: expected `mail` of each in `people`",
            super::quoted(without)
        );
        found.warn("mail", problem);
    }
    let model::Mail { server, security, ca_file, from, user, password } = mail;
    let (host, port) = host_and_port(&server, found)?;
    let security = match security {
        model::MailSecurity::Starttls => MailSecurity::StartTls,
        model::MailSecurity::Tls => MailSecurity::Tls,
        model::MailSecurity::None => {
            if !places::is_loopback_host(&host) {
                let problem = "`none` is for this machine's loopback alone, since notices would be read, and withheld, on the way: expected `starttls` or `tls`";
                found.refuse("mail.security", problem);
            }
            MailSecurity::None
        }
    };
    let ca_file = ca_file.map(|file| found.readable("mail.ca_file", &file));
    let credentials = match (user, password) {
        (None, None) => None,
        (Some(user), Some(password)) => Some((user, found.secret("mail.password", &password)?)),
        (Some(_), None) | (None, Some(_)) => {
            found.refuse("mail", "has one of `user` and `password`: expected both, or neither");
            None
        }
    };
    let hello = hello.unwrap_or("localhost").to_owned();
    let settings = MailSettings { host, port, security, ca_file, from, credentials, hello };
    if let Err(problem) = MailNotices::new(settings.clone(), std::sync::Arc::new(Addresses::default())) {
        let (setting, problem) = problem.split_once(": ").unwrap_or(("server", &problem));
        // What can't be read has been said already.
        if settings.ca_file.as_ref().is_none_or(|file| setting != "ca_file" || file.exists()) {
            found.refuse(format!("mail.{setting}"), problem);
        }
        return None;
    }
    Some(settings)
}

fn host_and_port(server: &str, found: &mut Findings<'_>) -> Option<(String, u16)> {
    let split = server.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    let sound = split.filter(|(host, port)| {
        let legal = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        *port > 0 && !host.is_empty() && host.chars().all(legal)
    });
    if sound.is_none() {
        let expected = "expected a host and a port, such as `smtp.example.com:587`";
        found.refuse("mail.server", format!("`{}` is no server: {expected}", shown(server)));
    }
    sound.map(|(host, port)| (host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
}
