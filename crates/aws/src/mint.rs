//! Mints credentials under a grant.

use async_trait::async_trait;
use halligan_core::grant::Warrant;
use halligan_core::iam::{TAG_GRANT, TAG_INCIDENT, tag_value};
use halligan_engine::ports::{Credentials, MintError, Minter};

use crate::assume::{Ask, Assumer};

/// [`Minter`] by one AssumeRole with the broker's own credentials.
#[derive(Debug, Clone)]
pub struct StsMinter {
    assumer: Assumer,
}

impl StsMinter {
    pub(crate) const fn new(assumer: Assumer) -> Self {
        Self { assumer }
    }
}

#[async_trait]
impl Minter for StsMinter {
    #[tracing::instrument(skip_all, fields(grant = %warrant.grant(), role = %warrant.draft().role_arn))]
    async fn mint(&self, warrant: &Warrant) -> Result<Credentials, MintError> {
        let draft = warrant.draft();
        let ask = Ask {
            role: &draft.role_arn,
            external_id: &draft.external_id,
            session_name: &draft.session_name,
            source_identity: Some(&draft.source_identity),
            seconds: draft.token_seconds,
            policy: Some(&draft.policy),
            tags: vec![
                (TAG_GRANT, warrant.grant().to_string()),
                (TAG_INCIDENT, tag_value(&warrant.incident().to_string())),
            ],
        };
        self.assumer.assume(&ask).await
    }
}
