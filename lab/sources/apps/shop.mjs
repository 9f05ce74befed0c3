// An app that does what it is told on its standard input and tells of it by the metrics of the OpenTelemetry SDK.
//
// `save N`, `fail CODE N`, and `flush`, which is answered when the exporter is done.
import { createInterface } from 'node:readline';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';

const instance = process.env.INSTANCE ?? String(process.pid);
const resource = defaultResource().merge(
  resourceFromAttributes({ 'service.name': process.env.OTEL_SERVICE_NAME, 'service.instance.id': instance }),
);
const reader = new PeriodicExportingMetricReader({
  exporter: new OTLPMetricExporter(),
  exportIntervalMillis: Number(process.env.OTEL_METRIC_EXPORT_INTERVAL ?? 60000),
  exportTimeoutMillis: Math.min(Number(process.env.OTEL_METRIC_EXPORT_INTERVAL ?? 60000), 30000),
});
const provider = new MeterProvider({ resource, readers: [reader] });
const meter = provider.getMeter('shop');
const failed = meter.createCounter('saves.failed');
const advice = { explicitBucketBoundaries: [0.5, 1, 1.8, 2, 2.5, 5] };
const saved = meter.createHistogram('save.duration', { unit: 's', advice });

for await (const line of createInterface({ input: process.stdin })) {
  const [what, ...rest] = line.trim().split(' ');
  if (what === 'save') {
    for (let n = 0; n < Number(rest[0]); n += 1) saved.record(0.64);
  } else if (what === 'fail') {
    for (let n = 0; n < Number(rest[1]); n += 1) failed.add(1, { 'error.type': rest[0] });
  } else if (what === 'flush') {
    const flushed = await provider.forceFlush({ timeoutMillis: 60000 }).then(() => 'flushed', () => 'not flushed');
    console.log(flushed);
  }
}
await provider.shutdown().catch(() => {});
