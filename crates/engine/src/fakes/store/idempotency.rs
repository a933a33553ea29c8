//! The answers of calls with an idempotency key.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Call, FakeStore, call_key};
use crate::ports::{Begun, Idempotency, IdempotencyKey, IdempotencyStore, StoreError};

#[async_trait]
impl IdempotencyStore for FakeStore {
    async fn begin(&self, key: &IdempotencyKey, body_sha256: &str, now: Timestamp) -> Result<Begun, StoreError> {
        self.write(|inner| {
            let fresh = Call { body_sha256: body_sha256.to_owned(), begun_at: now, answer: None };
            let Some(call) = inner.calls.get_mut(&call_key(key)) else {
                inner.calls.insert(call_key(key), fresh);
                return Ok(Begun::Fresh);
            };
            if call.body_sha256 != body_sha256 {
                return Ok(Begun::OtherBody);
            }
            if let Some(grant) = &call.answer {
                return Ok(Begun::Answered(Box::new(grant.clone())));
            }
            if now.duration_since(call.begun_at) < Idempotency::IN_FLIGHT {
                return Ok(Begun::InFlight);
            }
            *call = fresh;
            Ok(Begun::Fresh)
        })
    }

    async fn abandon(&self, key: &IdempotencyKey) -> Result<(), StoreError> {
        self.write(|inner| {
            let key = call_key(key);
            if inner.calls.get(&key).is_some_and(|call| call.answer.is_none()) {
                inner.calls.remove(&key);
            }
            Ok(())
        })
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write(|inner| {
            let count = inner.calls.len();
            inner.calls.retain(|_, call| call.begun_at >= before);
            Ok(u64::try_from(count.saturating_sub(inner.calls.len())).unwrap_or(u64::MAX))
        })
    }
}
