// Sends traces, metrics and logs through the SDK's exporters and prints, for each request they
// made, the signal and in base64 the request as protobuf: node signals.mjs PORT PROTOCOL GZIP,
// PROTOCOL one of grpc, http (which is JSON) and proto (protobuf over HTTP).

import { SpanStatusCode, trace } from "@opentelemetry/api";
import { SeverityNumber } from "@opentelemetry/api-logs";
import {
  ProtobufLogsSerializer, ProtobufMetricsSerializer, ProtobufTraceSerializer,
} from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import {
  AggregationTemporality, AggregationType, MeterProvider, PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const [port, protocol, gzip] = process.argv.slice(2);

async function exporter(signal, name, serializer, more = {}) {
  const found = await import(`@opentelemetry/exporter-${name}-otlp-${protocol}`);
  const [kind] = Object.keys(found).filter((key) => /^OTLP(Trace|Metric|Log)Exporter$/.test(key));
  const path = protocol === "grpc" ? "" : `/v1/${signal}`;
  const compression = gzip === "gzip" ? "gzip" : "none";
  const made = new found[kind]({ url: `http://127.0.0.1:${port}${path}`, compression, ...more });
  const send = made.export.bind(made);
  made.export = (items, done) => {
    const request = Buffer.from(serializer.serializeRequest(items));
    send(items, (result) => {
      if (result.code !== 0) {
        console.error(result.error);
        process.exitCode = 1;
      }
      console.log(signal, request.toString("base64"));
      done(result);
    });
  };
  return made;
}

const resource = resourceFromAttributes({
  "service.name": "cart-js",
  "service.version": "2.0.1",
  "service.instance.id": "cart-js-1",
  "zones": ["a", "b"],
});

const tracers = new NodeTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(
    await exporter("traces", "trace", ProtobufTraceSerializer), { maxExportBatchSize: 5 },
  )],
});
tracers.register();

const temporality = protocol === "grpc" ? "DELTA" : "CUMULATIVE";
const meters = new MeterProvider({
  resource,
  readers: [new PeriodicExportingMetricReader({
    exporter: await exporter("metrics", "metrics", ProtobufMetricsSerializer, {
      temporalityPreference: AggregationTemporality[temporality],
    }),
    exportIntervalMillis: 3_600_000,
  })],
  views: [{
    instrumentName: "payload.size",
    aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 10 } },
  }],
});
const loggers = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({
    exporter: await exporter("logs", "logs", ProtobufLogsSerializer), maxExportBatchSize: 5,
  })],
});

const tracer = tracers.getTracer("cart", "0.3.0");
const meter = meters.getMeter("cart", "0.3.0", { schemaUrl: "https://example.com/schema" });
const logger = loggers.getLogger("cart", "0.3.0");

const orders = meter.createCounter("orders", { unit: "1", description: "orders placed" });
const money = meter.createCounter("revenue", { unit: "EUR" });
const active = meter.createUpDownCounter("carts.active");
const depth = meter.createGauge("queue.depth", { unit: "{item}" });
const seconds = meter.createHistogram("http.server.request.duration", { unit: "s" });
const wide = meter.createHistogram("payload.size", { unit: "By" });
meter.createObservableGauge("temperature").addCallback((result) => {
  result.observe(20.5, { room: "a" });
  result.observe(-3, { room: "b" });
});
meter.createObservableCounter("cpu.time").addCallback((result) => result.observe(7));
meter.createObservableUpDownCounter("memory").addCallback((result) => result.observe(-9));

for (let round = 0; round < 2; round += 1) {
  for (let number = 0; number < 12; number += 1) {
    tracer.startActiveSpan(`request ${number % 3}`, (span) => {
      const route = { "http.route": `/cart/${number % 2}`, "retry": number % 3 === 0 };
      orders.add(1, route);
      money.add(0.1 * number, { currency: "€" });
      active.add(1 - number % 3, route);
      depth.record(number);
      seconds.record(0.003 * number, route);
      for (const value of [0, number * 1e6]) wide.record(value, route);
      logger.emit({
        severityNumber: SeverityNumber.WARN,
        severityText: "WARN",
        body: number % 2 ? `no stock of ${number}` : { sku: number, tags: ["a", { b: null }] },
        attributes: { "sku": number, "exception.type": "KeyError", "list": [1, 2.5] },
        eventName: "cart.stock",
      });
      logger.emit({ timestamp: Date.now(), body: new Uint8Array([0, 255]) });
      if (number % 4 === 0) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: "no stock" });
        span.recordException(new TypeError("no cart"));
      }
      span.setAttribute("trace.found", trace.getActiveSpan() === span);
      span.end();
    });
  }
  await meters.forceFlush();
}
for (const provider of [tracers, meters, loggers]) await provider.shutdown();
