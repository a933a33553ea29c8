//! Puts the documents of `deploy/aws/` into a stand-in of AWS, for the demo and the tests.
//!
//! A real account takes the same files through CloudFormation's own tools
//! (`deploy/aws/README.md`); [`deploy`] refuses one. On a stand-in it makes up for
//! two kinds of gaps, and for nothing else: properties that its CloudFormation
//! passes over are set by API from the file, and conditions on keys that it never
//! fills in, which would refuse everybody, are left out. The latter is listed by
//! [`relaxations`] so that what is shown on a stand-in isn't taken for more than it is.
//! Afterwards every property that the file asks for is read back.

mod accounts;
mod effect;
mod relax;
mod template;
#[cfg(test)]
mod tests;
mod trail;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::{Capability, Parameter, StackStatus};
use tokio::time::Instant;

pub use accounts::{Accounts, BROKER_ACCOUNT_ID, LOGGING_ACCOUNT_ID, Plan, TARGET_ACCOUNT_ID, stand_in};

use effect::Account;
use template::{Stack, Template};

/// The boundary and the revoker, once per target account.
pub const TARGET_ACCOUNT: &str = include_str!("../../../deploy/aws/target-account.yaml");
/// A break-glass role, once per role; [`TARGET_ACCOUNT`] comes first.
pub const BREAK_GLASS_ROLE: &str = include_str!("../../../deploy/aws/break-glass-role.yaml");
/// The archive, its personal parts and the log group, with those who write and read them.
pub const LOGGING_ACCOUNT: &str = include_str!("../../../deploy/aws/logging-account.yaml");
/// The broker's own role, which the others trust.
pub const BROKER: &str = include_str!("../../../deploy/aws/broker.yaml");

const STACK_DEADLINE: Duration = Duration::from_secs(60);
const STACK_POLL: Duration = Duration::from_millis(50);

/// Why a template is not, or not wholly, in effect.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The configuration names no endpoint, so the calls would reach AWS itself.
    #[error(
        "no endpoint is configured, so this would change a real account: expected a stand-in's endpoint, \
         for real accounts see deploy/aws/README.md"
    )]
    NotAStandIn,
    /// The template is malformed, or uses what this module doesn't know.
    #[error("template, {at}: {problem}")]
    Template {
        /// Where, as a path of keys.
        at: String,
        /// What was found and what was expected.
        problem: String,
    },
    /// A parameter is missing, or the template has none of this name.
    #[error("parameter `{name}`: {problem}")]
    Parameter {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The stand-in refused or failed a call.
    #[error("{call} failed")]
    Call {
        /// The API call.
        call: &'static str,
        /// The SDK's error.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// CloudFormation gave up.
    #[error("stack `{stack}` is {status}: {reason}")]
    Stack {
        /// The stack's name.
        stack: String,
        /// What it came to.
        status: String,
        /// The first failure that CloudFormation reports.
        reason: String,
    },
    /// CloudFormation was not done in time.
    #[error("stack `{stack}` is still {status} after {seconds} s")]
    Deadline {
        /// The stack's name.
        stack: String,
        /// What it is.
        status: String,
        /// How long that took.
        seconds: u64,
    },
    /// The template asks for a property that nothing here could read back.
    #[error("{resource}: {property} can't be checked by this provisioner")]
    Unknown {
        /// The logical id.
        resource: String,
        /// The property, or the resource type.
        property: String,
    },
    /// What was asked for and what is there differ.
    #[error("{resource}: {property} is not in effect, expected {expected}, found {found}")]
    NotInEffect {
        /// The logical id.
        resource: String,
        /// The property.
        property: String,
        /// What the template asks for, as JSON.
        expected: String,
        /// What was read back, as JSON.
        found: String,
    },
}

impl ProvisionError {
    fn call<E: Error + Send + Sync + 'static>(call: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Call { call, source: Box::new(source) }
    }
}

/// Creates the stack `stack` from `template` in the account and at the endpoint of
/// `sdk`, waits up to 60 s for it, sets what the stand-in left out, and reads back
/// every property. Returns the stack's outputs.
///
/// # Errors
/// [`ProvisionError`]; the stack may exist then, in part.
pub async fn deploy(
    sdk: &SdkConfig,
    stack: &str,
    template: &str,
    parameters: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ProvisionError> {
    if sdk.endpoint_url().is_none() {
        return Err(ProvisionError::NotAStandIn);
    }
    let mut template = Template::parse(template)?;
    for left_out in relax::relax(template.resources_mut()?) {
        tracing::debug!(stack, left_out, "not evaluated by the stand-in");
    }
    let parameters = template.parameters(parameters)?;

    let formation = aws_sdk_cloudformation::Client::new(sdk);
    create(&formation, stack, &template, &parameters).await?;
    let (id, outputs) = created(&formation, stack).await?;
    let physical_ids = physical_ids(&formation, stack).await?;

    let account = Account::new(sdk);
    let mut attributes = BTreeMap::new();
    for role in template.of_kind("AWS::IAM::Role") {
        // A role whose condition doesn't hold is not there.
        if let Some(name) = physical_ids.get(role) {
            let found = account.role_attributes(name).await?;
            attributes.extend(found.map(|(attribute, value)| (format!("{role}.{attribute}"), value)));
        }
    }
    let stack = Stack::new(stack, &id, physical_ids, parameters)?.with_attributes(attributes);
    for resource in template.resolve(&stack)? {
        account.bring_into_effect(&resource).await?;
    }
    Ok(outputs)
}

/// What [`deploy`] leaves out of `template` because a stand-in doesn't evaluate it,
/// as `resource: statement: condition key`.
///
/// # Errors
/// [`ProvisionError::Template`].
pub fn relaxations(template: &str) -> Result<Vec<String>, ProvisionError> {
    Ok(relax::relax(Template::parse(template)?.resources_mut()?))
}

async fn create(
    formation: &aws_sdk_cloudformation::Client,
    stack: &str,
    template: &Template,
    parameters: &BTreeMap<String, String>,
) -> Result<(), ProvisionError> {
    let parameters = parameters
        .iter()
        .map(|(key, value)| Parameter::builder().parameter_key(key).parameter_value(value).build())
        .collect();
    formation
        .create_stack()
        .stack_name(stack)
        .template_body(template.body())
        .set_parameters(Some(parameters))
        .capabilities(Capability::CapabilityNamedIam)
        .send()
        .await
        .map_err(ProvisionError::call("cloudformation:CreateStack"))?;
    Ok(())
}

/// Waits until the stack is there; its ARN and outputs.
async fn created(
    formation: &aws_sdk_cloudformation::Client,
    stack: &str,
) -> Result<(String, BTreeMap<String, String>), ProvisionError> {
    let started = Instant::now();
    loop {
        let answer = formation
            .describe_stacks()
            .stack_name(stack)
            .send()
            .await
            .map_err(ProvisionError::call("cloudformation:DescribeStacks"))?;
        let found = answer.stacks().first();
        let status = found.and_then(|found| found.stack_status());
        match (found, status) {
            (Some(found), Some(StackStatus::CreateComplete)) => {
                let outputs = found
                    .outputs()
                    .iter()
                    .filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())))
                    .collect();
                return Ok((found.stack_id().unwrap_or_default().to_owned(), outputs));
            }
            (_, Some(StackStatus::CreateInProgress)) | (None, _) if started.elapsed() < STACK_DEADLINE => {
                tokio::time::sleep(STACK_POLL).await;
            }
            (_, Some(StackStatus::CreateInProgress)) | (None, _) => {
                return Err(ProvisionError::Deadline {
                    stack: stack.to_owned(),
                    status: status.map_or("unknown", StackStatus::as_str).to_owned(),
                    seconds: STACK_DEADLINE.as_secs(),
                });
            }
            (_, status) => {
                return Err(ProvisionError::Stack {
                    stack: stack.to_owned(),
                    status: status.map_or("unknown", StackStatus::as_str).to_owned(),
                    reason: first_failure(formation, stack).await?,
                });
            }
        }
    }
}

/// The oldest failure among the stack's events, which are listed newest first.
async fn first_failure(formation: &aws_sdk_cloudformation::Client, stack: &str) -> Result<String, ProvisionError> {
    let answer = formation
        .describe_stack_events()
        .stack_name(stack)
        .send()
        .await
        .map_err(ProvisionError::call("cloudformation:DescribeStackEvents"))?;
    let failure = answer
        .stack_events()
        .iter()
        .rev()
        .find(|event| event.resource_status().is_some_and(|status| status.as_str().ends_with("_FAILED")));
    Ok(failure.map_or_else(
        || "no reason was given".to_owned(),
        |event| {
            let resource = event.logical_resource_id().unwrap_or("unknown resource");
            format!("{resource}: {}", event.resource_status_reason().unwrap_or("no reason was given"))
        },
    ))
}

async fn physical_ids(
    formation: &aws_sdk_cloudformation::Client,
    stack: &str,
) -> Result<BTreeMap<String, String>, ProvisionError> {
    let answer = formation
        .describe_stack_resources()
        .stack_name(stack)
        .send()
        .await
        .map_err(ProvisionError::call("cloudformation:DescribeStackResources"))?;
    Ok(answer
        .stack_resources()
        .iter()
        .filter_map(|found| Some((found.logical_resource_id()?.to_owned(), found.physical_resource_id()?.to_owned())))
        .collect())
}
