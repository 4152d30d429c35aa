// Sends spans through the SDK's gRPC exporter and prints, in base64, each request it made:
// node send.mjs PORT COMPRESSION COUNT

import { SpanKind, SpanStatusCode, context, createTraceState, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const [port, compression, count] = process.argv.slice(2);

class TellingExporter extends OTLPTraceExporter {
  export(spans, done) {
    const request = Buffer.from(ProtobufTraceSerializer.serializeRequest(spans));
    super.export(spans, (result) => {
      if (result.code !== 0) {
        console.error(result.error);
        process.exitCode = 1;
      }
      console.log(request.toString("base64"));
      done(result);
    });
  }
}

const exporter = new TellingExporter({ url: `http://127.0.0.1:${port}`, compression });
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({
    "service.name": "cart-js",
    "service.version": "2.0.1",
    "service.instance.id": "cart-js-1",
    "deployment.environment.name": "test",
  }),
  spanProcessors: [new BatchSpanProcessor(exporter, { maxExportBatchSize: 20 })],
});
const tracer = provider.getTracer("cart", "0.3.0", { schemaUrl: "https://example.com/schema" });

const caller = trace.setSpanContext(context.active(), {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  traceFlags: 1,
  isRemote: true,
  traceState: createTraceState("ot=th:8,vendor=1"),
});

for (let number = 0; number < Number(count); number += 1) {
  const root = tracer.startSpan("GET /cart", {
    kind: SpanKind.SERVER,
    links: [{ context: trace.getSpanContext(caller), attributes: { why: "retry" } }],
    attributes: {
      "http.request.method": "GET",
      "http.route": "/cart/{id}",
      "http.response.status_code": 503,
      "cache.hit": number % 2 === 0,
      "load.ratio": 0.1 + number,
      "tags": ["a", "é"],
      "sizes": [1, 2.5],
      "number": number,
    },
  }, caller);
  const child = tracer.startSpan("SELECT", { kind: SpanKind.CLIENT },
    trace.setSpan(context.active(), root));
  child.setAttribute("db.system.name", "postgresql");
  child.addEvent("retry", { attempt: 2 });
  child.recordException(new TypeError("no cart"));
  child.setStatus({ code: SpanStatusCode.ERROR, message: "no cart" });
  child.end();
  root.setStatus({ code: SpanStatusCode.OK });
  root.end();
}
await provider.shutdown();
