//! What became of each attempt of a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

/// Whether one of the attempts may have made a token that nobody has.
#[derive(Debug, Clone, Default)]
pub(super) struct Trail(Arc<AtomicBool>);

impl Trail {
    pub(super) fn lost(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Marks in the bag whether this attempt got as far as the connection.
#[derive(Debug)]
struct Sent(bool);

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Trail {
    fn name(&self) -> &'static str {
        "HalliganTrail"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        bag.interceptor_state().store_put(Sent(true));
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let sent = bag.load::<Sent>().is_some_and(|sent| sent.0);
        bag.interceptor_state().store_put(Sent(false));
        let Some(Err(error)) = context.output_or_error() else { return Ok(()) };
        // Without the SDK's word on connections, a sent request counts as received.
        let connected = bag.load::<CaptureSmithyConnection>().is_none_or(|connection| connection.get().is_some());
        let answered = error
            .as_operation_error()
            .and_then(|error| error.downcast_ref::<AssumeRoleError>())
            .is_some_and(|error| error.meta().code().is_some());
        if sent && connected && !answered {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
