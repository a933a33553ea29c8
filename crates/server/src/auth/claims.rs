//! The claims of a token: all of them, each there once, and the times of their own type.

use std::fmt;

use halligan_engine::ports::Claims;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use super::token::TokenFault;

/// Claims of which none is there twice. A plain map would keep the last of two, and
/// another checker the first.
#[derive(Debug)]
pub(super) struct Once(pub Claims);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Once, A::Error> {
        let mut claims = Claims::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if claims.insert(name, value).is_some() {
                return Err(A::Error::custom("a claim is there twice"));
            }
        }
        Ok(Once(claims))
    }
}

impl Once {
    /// A time in whole seconds: a text or a fraction is refused, not rounded.
    pub fn second(&self, claim: &str) -> Result<Option<i64>, TokenFault> {
        let Some(value) = self.0.get(claim) else { return Ok(None) };
        value.as_i64().map(Some).ok_or(TokenFault::Malformed)
    }

    /// Whether it is for `audience`, alone or among others.
    pub fn is_for(&self, audiences: &[String]) -> Result<bool, TokenFault> {
        let ours = |text: &str| audiences.iter().any(|audience| audience == text);
        match self.0.get("aud") {
            Some(Value::String(text)) => Ok(ours(text)),
            Some(Value::Array(values)) => {
                let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
                Ok(texts.ok_or(TokenFault::Malformed)?.into_iter().any(ours))
            }
            Some(_) | None => Err(TokenFault::Malformed),
        }
    }
}
