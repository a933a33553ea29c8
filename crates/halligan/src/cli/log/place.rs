//! Where a log is read from, and whose signatures count.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::ArgGroup;
use halligan_aws::{AssumedRole, Aws, ReaderSettings, Settings as AwsSettings};
use halligan_connect::http_log::Token;
use halligan_connect::{DirectoryLog, HttpLog};
use halligan_core::catalogue::RoleArn;
use halligan_core::id::DeploymentId;
use halligan_engine::ports::LogReader;
use halligan_log::VerifierKey;
use halligan_log::key::Kind;
use halligan_log::verify::Trust;
use reqwest::Url;

use crate::cli::Context;
use crate::client::failure::Failure;
use crate::client::identity::Identity;

/// Names the sessions of whoever reads without saying whose log it is.
const READER: &str = "log-reader";
/// Well within what a token has left when it counts as ending.
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// Where the log is: one of three.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("place").required(true).args(["dir", "bucket", "url"])))]
pub struct Place {
    /// The log is in this directory: an archive, or a copy of one
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// The log is in this bucket, read with the credentials that AWS's tools would find
    #[arg(long, value_name = "NAME", requires = "region")]
    bucket: Option<String>,
    /// Where the personal parts are; without it they count as erased
    #[arg(long, value_name = "NAME", requires = "bucket")]
    personal_bucket: Option<String>,
    /// The buckets' Region
    #[arg(long, env = "AWS_REGION", value_name = "REGION", hide_env_values = true)]
    region: Option<String>,
    /// The twelve digits of the account that owns the buckets: another's are refused
    #[arg(long, value_name = "ACCOUNT", requires = "bucket")]
    account: Option<String>,
    /// Read them as this role
    #[arg(long, value_name = "ARN", requires_all = ["bucket", "external_id"], value_parser = role_arn)]
    role: Option<RoleArn>,
    /// What the role's trust policy asks for
    #[arg(long, value_name = "TEXT", requires = "role")]
    external_id: Option<String>,
    /// The log stands under this URL: a broker's `…/v1/log`, or a web server's. A broker's own is
    /// read as whom the profile or the environment says
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Place {
    /// The log's reader. A directory is looked at now, what is elsewhere when it is read.
    ///
    /// # Errors
    /// When there is no such directory, no log can be behind such a URL, or its
    /// broker can't be called.
    pub async fn open(&self, context: &Context) -> Result<Arc<dyn LogReader>, Failure> {
        if let Some(path) = &self.dir {
            return directory(path);
        }
        if let Some(url) = &self.url {
            let token = token(url, context).await?;
            let log = HttpLog::new(url, url, token).map_err(|because| Failure::Usage(format!("--url: {because}")))?;
            return Ok(Arc::new(log));
        }
        let (Some(bucket), Some(region)) = (&self.bucket, &self.region) else {
            return Err(Failure::Usage("expected --dir, --bucket with --region, or --url".to_owned()));
        };
        let aws = Aws::connect(&AwsSettings::in_region(region), context.clock.clone()).await;
        let role = self.role.clone().zip(self.external_id.clone());
        let settings = ReaderSettings {
            name: format!("the bucket {bucket}"),
            bucket: bucket.clone(),
            personal_bucket: self.personal_bucket.clone(),
            region: region.clone(),
            account: self.account.clone(),
            role: role.map(|(arn, external_id)| AssumedRole { arn, external_id }),
        };
        let reader: DeploymentId = READER.parse().map_err(|_| Failure::Usage(format!("`{READER}` is no name")))?;
        Ok(Arc::new(aws.log_reader(&reader, settings)))
    }

    /// Whether what hides or covers an object is visible there: only where there are versions.
    pub const fn shows_tampering(&self) -> bool {
        self.bucket.is_some()
    }

    /// Whether a personal part that isn't there tells that it was erased.
    pub const fn has_personal(&self) -> bool {
        self.bucket.is_none() || self.personal_bucket.is_some()
    }
}

fn directory(path: &Path) -> Result<Arc<dyn LogReader>, Failure> {
    let shown = path.display().to_string();
    if !path.is_dir() {
        return Err(Failure::Usage(format!("there is no directory `{shown}`: expected one that holds a log")));
    }
    Ok(Arc::new(DirectoryLog::new(shown, path)))
}

/// Who reads a broker's own log. The token goes to its broker, and to nobody else.
async fn token(url: &str, context: &Context) -> Result<Option<Token>, Failure> {
    let (Some(account), Ok(url)) = (context.account()?, Url::parse(url)) else { return Ok(None) };
    if account.url.origin() != url.origin() {
        context.ui.warn("the log is not at your broker's address: it is read without a token");
        return Ok(None);
    }
    let (clock, entropy, identity) = (context.clock.clone(), context.entropy.clone(), account.identity);
    // The reader asks for a token at every call and can't wait for a provider: one that needs renewing is renewed beside it.
    identity.bearer(clock.as_ref(), entropy.as_ref()).await?;
    if let Identity::Provider(login) = identity.clone() {
        let clock = clock.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEW_EVERY).await;
                // Where it fails, the reader's next call says so.
                let _ = login.bearer(clock.as_ref()).await;
            }
        });
    }
    Ok(Some(Arc::new(move || match identity.bearer_at_hand(clock.as_ref(), entropy.as_ref()) {
        Ok(Some(token)) => Ok(token),
        Ok(None) => Err("nobody calls".to_owned()),
        Err(error) => Err(error.to_string()),
    })))
}

/// Whose signatures count. It must come from elsewhere than the log.
#[derive(Debug, clap::Args)]
pub struct Keys {
    /// The log's public key, NAME+ID+BASE64, from somebody you trust; once more for each key that signed before
    #[arg(long = "key", value_name = "KEY", required = true, value_parser = log_key)]
    keys: Vec<VerifierKey>,
    #[command(flatten)]
    witnesses: Witnesses,
}

/// Who else must have seen the log.
#[derive(Debug, clap::Args)]
pub struct Witnesses {
    /// The public key of a witness; once for each
    #[arg(long = "witness", value_name = "KEY")]
    witnesses: Vec<VerifierKey>,
    /// So many of the witnesses must have cosigned; where it isn't said, all of them
    #[arg(long, value_name = "N", requires = "witnesses")]
    quorum: Option<usize>,
}

impl Keys {
    /// Whose signatures count.
    ///
    /// # Errors
    /// When more witnesses are asked for than there are.
    pub fn trust(&self) -> Result<Trust, Failure> {
        trust(&self.keys, &self.witnesses)
    }
}

/// As [`Keys::trust`], where the keys came one by one.
pub fn trust(keys: &[VerifierKey], Witnesses { witnesses, quorum }: &Witnesses) -> Result<Trust, Failure> {
    let mut known = witnesses.clone();
    known.sort();
    known.dedup();
    let quorum = quorum.unwrap_or(known.len());
    if quorum > known.len() {
        let there = known.len();
        return Err(Failure::Usage(format!("--quorum {quorum}: expected at most {there}, one for each --witness")));
    }
    Ok(Trust { keys: keys.to_vec(), witnesses: known, quorum })
}

/// A key that signs a log.
pub fn log_key(text: &str) -> Result<VerifierKey, String> {
    let key: VerifierKey = text.parse().map_err(|error: halligan_log::key::KeyError| error.to_string())?;
    match key.kind() {
        Kind::Log => Ok(key),
        Kind::Cosigner => Err("it is a witness's key: expected the log's, as `log keygen` printed it".to_owned()),
    }
}

fn role_arn(text: &str) -> Result<RoleArn, String> {
    RoleArn::try_from(text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::cli::log::tests::{context, log_key, parsed, witness_key};
    use crate::client::surroundings::Surroundings;

    #[tokio::test]
    async fn a_token_goes_to_its_broker_alone() {
        let mut context = context(false);
        assert!(token("https://halligan.example.com/v1/log", &context).await.unwrap().is_none(), "nobody is named");
        context.surroundings = Surroundings {
            url: Some("https://halligan.example.com".to_owned()),
            token: Some("a.b.c".into()),
            ..Surroundings::default()
        };
        let shown = token("https://halligan.example.com/v1/log", &context).await.unwrap().unwrap();
        assert_eq!(shown().unwrap().expose_secret(), "a.b.c");
        for elsewhere in [
            "https://halligan.example.org/v1/log",
            "https://halligan.example.com:8443/v1/log",
            "http://halligan.example.com/v1/log",
            "https://halligan.example.com@example.org/",
        ] {
            assert!(token(elsewhere, &context).await.unwrap().is_none(), "{elsewhere}");
        }
    }

    #[test]
    fn a_quorum_is_all_of_the_witnesses_unless_it_is_said() {
        let (key, witness) = (log_key(), witness_key());
        for (name, more, quorum) in [
            ("no witness", &[][..], Some(0)),
            ("one", &["--witness", &witness][..], Some(1)),
            ("the same one twice is one", &["--witness", &witness, "--witness", &witness], Some(1)),
            ("none of one", &["--witness", &witness, "--quorum", "0"], Some(0)),
            ("two of one", &["--witness", &witness, "--quorum", "2"], None),
            ("two of the same", &["--witness", &witness, "--witness", &witness, "--quorum", "2"], None),
        ] {
            let keys: Keys = parsed(&[&["--key", key.as_str()], more].concat());
            assert_eq!(keys.trust().map(|trust| trust.quorum).ok(), quorum, "{name}");
        }
    }
}
