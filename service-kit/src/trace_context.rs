//! W3C trace context between spans of this process and text that travels: headers, outbox rows.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const HEADER: &str = "traceparent";

/// The current span's `traceparent`; none where no trace is kept.
#[must_use]
pub fn trace_parent() -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&tracing::Span::current().context(), &mut carrier);
    carrier.remove(HEADER)
}

/// Makes what `trace_parent` names the parent of `span`, which must not have been entered yet. A text that is no
/// `traceparent` is ignored.
pub fn set_parent(span: &tracing::Span, trace_parent: Option<&str>) {
    let Some(trace_parent) = trace_parent else { return };
    let carrier = HashMap::from([(HEADER.to_owned(), trace_parent.to_owned())]);
    let parent = TraceContextPropagator::new().extract(&carrier);
    // Fails only where the span is not recorded; then there is nothing to join.
    span.set_parent(parent).ok();
    if let Some(id) = crate::telemetry::trace::trace_id(span) {
        span.record("trace_id", id);
    }
}
