//! As much of CloudFormation's template language as `deploy/aws/` uses: enough to
//! know what a deployed stack should look like. Anything else is an error.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::ProvisionError;

/// What a resource may have beside its properties. The policies change nothing of what is made.
const ATTRIBUTES: [&str; 5] = ["Type", "Properties", "Condition", "DeletionPolicy", "UpdateReplacePolicy"];

/// A parsed template.
pub(super) struct Template(Map<String, Value>);

/// What the intrinsics of a template refer to once it is deployed.
pub(super) struct Stack {
    name: String,
    partition: String,
    region: String,
    account: String,
    physical_ids: BTreeMap<String, String>,
    attributes: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
}

/// A resource with nothing left to resolve.
#[derive(Debug)]
pub(super) struct Resource {
    /// Its name in the template.
    pub(super) name: String,
    /// Its type, `AWS::…`.
    pub(super) kind: String,
    /// What CloudFormation calls it: for most types its name.
    pub(super) physical_id: String,
    /// What the template asks for.
    pub(super) properties: Map<String, Value>,
}

fn error(at: &str, problem: impl Into<String>) -> ProvisionError {
    ProvisionError::Template { at: at.to_owned(), problem: problem.into() }
}

impl Stack {
    /// The ARN of the stack says where it is: `arn:PARTITION:cloudformation:REGION:ACCOUNT:stack/…`.
    pub(super) fn new(
        name: &str,
        arn: &str,
        physical_ids: BTreeMap<String, String>,
        parameters: BTreeMap<String, String>,
    ) -> Result<Self, ProvisionError> {
        let mut fields = arn.split(':').skip(1);
        let (Some(partition), Some("cloudformation"), Some(region), Some(account)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(error("stack", format!("expected the ARN of a stack, found `{arn}`")));
        };
        Ok(Self {
            name: name.to_owned(),
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            physical_ids,
            attributes: BTreeMap::new(),
            parameters,
        })
    }

    /// What `Fn::GetAtt` may ask for, as `Resource.Attribute`.
    #[must_use]
    pub(super) fn with_attributes(self, attributes: BTreeMap<String, String>) -> Self {
        Self { attributes, ..self }
    }

    fn reference(&self, name: &str) -> Option<&str> {
        match name {
            "AWS::AccountId" => Some(&self.account),
            "AWS::Partition" => Some(&self.partition),
            "AWS::Region" => Some(&self.region),
            "AWS::StackName" => Some(&self.name),
            _ => [&self.parameters, &self.physical_ids, &self.attributes]
                .iter()
                .find_map(|known| known.get(name))
                .map(String::as_str),
        }
    }
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, ProvisionError> {
        serde_saphyr::from_str(text).map(Self).map_err(|cause| error("document", cause.to_string()))
    }

    /// The document as JSON, which CloudFormation takes as well as YAML.
    pub(super) fn body(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    pub(super) fn resources_mut(&mut self) -> Result<&mut Map<String, Value>, ProvisionError> {
        self.0
            .get_mut("Resources")
            .and_then(Value::as_object_mut)
            .ok_or_else(|| error("Resources", "expected an object"))
    }

    fn section(&self, name: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.0.get(name).and_then(Value::as_object).into_iter().flatten()
    }

    /// `given` and the defaults. CloudFormation checks the values; a stand-in may
    /// not notice a name that the template doesn't have.
    pub(super) fn parameters(
        &self,
        given: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, ProvisionError> {
        let wrong = |name: &String, problem| ProvisionError::Parameter { name: name.clone(), problem };
        if let Some(name) = given.keys().find(|&name| !self.section("Parameters").any(|(known, _)| known == name)) {
            return Err(wrong(name, "the template has none of this name"));
        }
        self.section("Parameters")
            .map(|(name, parameter)| {
                let default = || match parameter.get("Default") {
                    Some(Value::String(text)) => Some(text.clone()),
                    Some(other) => Some(other.to_string()),
                    None => None,
                };
                let value = given.get(name).cloned().or_else(default);
                Ok((name.clone(), value.ok_or_else(|| wrong(name, "expected a value, it has no default"))?))
            })
            .collect()
    }

    /// The logical ids of the resources of this type.
    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &String> {
        self.section("Resources")
            .filter(move |(_, resource)| resource.get("Type").and_then(Value::as_str) == Some(kind))
            .map(|(name, _)| name)
    }

    /// The resources as they should be in `stack`.
    pub(super) fn resolve(&self, stack: &Stack) -> Result<Vec<Resource>, ProvisionError> {
        self.section("Resources")
            .filter_map(|(name, resource)| self.resource(name, resource, stack).transpose())
            .collect()
    }

    /// None if its condition doesn't hold.
    fn resource(&self, name: &str, resource: &Value, stack: &Stack) -> Result<Option<Resource>, ProvisionError> {
        let attributes = resource.as_object().into_iter().flat_map(Map::keys);
        if let Some(other) = attributes.into_iter().find(|&key| !ATTRIBUTES.contains(&key.as_str())) {
            return Err(error(name, format!("`{other}` is not understood here")));
        }
        let field = |field: &str| resource.get(field).and_then(Value::as_str);
        if let Some(condition) = field("Condition")
            && !self.condition(condition, name, stack)?
        {
            return Ok(None);
        }
        let properties = resource.get("Properties").cloned().unwrap_or_default();
        let Some(Value::Object(properties)) = self.value(&properties, name, stack)? else {
            return Err(error(name, "expected Properties to be an object"));
        };
        let deployed = stack.physical_ids.get(name);
        Ok(Some(Resource {
            name: name.to_owned(),
            kind: field("Type").ok_or_else(|| error(name, "expected a Type"))?.to_owned(),
            physical_id: deployed.ok_or_else(|| error(name, "the deployed stack has no such resource"))?.clone(),
            properties,
        }))
    }

    /// None is `AWS::NoValue`: the key or the item isn't there at all.
    fn value(&self, value: &Value, at: &str, stack: &Stack) -> Result<Option<Value>, ProvisionError> {
        match value {
            Value::Array(items) => {
                let items = items.iter().map(|item| self.value(item, at, stack));
                Ok(Some(Value::Array(items.filter_map(Result::transpose).collect::<Result<_, _>>()?)))
            }
            Value::Object(object) => {
                if let (Some((key, argument)), 1) = (object.iter().next(), object.len())
                    && (key == "Ref" || key.starts_with("Fn::"))
                {
                    return self.intrinsic(key, argument, &format!("{at}.{key}"), stack);
                }
                let mut resolved = Map::new();
                for (key, item) in object {
                    if let Some(item) = self.value(item, &format!("{at}.{key}"), stack)? {
                        resolved.insert(key.clone(), item);
                    }
                }
                Ok(Some(Value::Object(resolved)))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(Some(value.clone())),
        }
    }

    fn intrinsic(
        &self,
        name: &str,
        argument: &Value,
        at: &str,
        stack: &Stack,
    ) -> Result<Option<Value>, ProvisionError> {
        let arguments = argument.as_array().map(Vec::as_slice);
        match (name, argument, arguments) {
            ("Ref", Value::String(to), _) if to == "AWS::NoValue" => Ok(None),
            ("Ref", Value::String(to), _) => Ok(Some(reference(to, at, stack)?.into())),
            ("Fn::Sub", Value::String(text), _) => Ok(Some(substitute(text, at, stack)?.into())),
            ("Fn::Split", _, Some([Value::String(delimiter), text])) => match self.value(text, at, stack)? {
                Some(Value::String(text)) => Ok(Some(text.split(delimiter.as_str()).collect())),
                _ => Err(error(at, "expected a delimiter and a string")),
            },
            ("Fn::GetAtt", _, Some([Value::String(of), Value::String(attribute)])) => {
                Ok(Some(reference(&format!("{of}.{attribute}"), at, stack)?.into()))
            }
            ("Fn::If", _, Some([Value::String(condition), yes, no])) => {
                self.value(if self.condition(condition, at, stack)? { yes } else { no }, at, stack)
            }
            _ => Err(error(at, "not understood here in this form")),
        }
    }

    fn condition(&self, name: &str, at: &str, stack: &Stack) -> Result<bool, ProvisionError> {
        let known = self.section("Conditions").find(|&(known, _)| known == name);
        let (_, condition) = known.ok_or_else(|| error(at, format!("there is no condition `{name}`")))?;
        self.holds(condition, at, stack)
    }

    fn holds(&self, condition: &Value, at: &str, stack: &Stack) -> Result<bool, ProvisionError> {
        let argument = |name: &str| condition.get(name).and_then(Value::as_array).map(Vec::as_slice);
        match (argument("Fn::Not"), argument("Fn::Equals")) {
            (Some([inner]), None) => Ok(!self.holds(inner, at, stack)?),
            (None, Some([left, right])) => Ok(self.value(left, at, stack)? == self.value(right, at, stack)?),
            _ => Err(error(at, "expected Fn::Not or Fn::Equals in the condition")),
        }
    }
}

fn reference<'a>(name: &str, at: &str, stack: &'a Stack) -> Result<&'a str, ProvisionError> {
    stack.reference(name).ok_or_else(|| error(at, format!("there is nothing named `{name}`")))
}

fn substitute(text: &str, at: &str, stack: &Stack) -> Result<String, ProvisionError> {
    let mut parts = text.split("${");
    let mut substituted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').ok_or_else(|| error(at, format!("expected `}}` in `{text}`")))?;
        substituted.push_str(reference(name, at, stack)?);
        substituted.push_str(rest);
    }
    Ok(substituted)
}
