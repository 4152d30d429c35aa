"""The columns that every signal shares: who sent it, in which scope, and when we took it."""

import pyarrow as pa

from pipeline.schema.table import ATTRIBUTES, Column

RESOURCE_COLUMNS = (
    Column("service_name", pa.string(), "the service", nullable=False, sources=("service.name",)),
    Column("service_namespace", pa.string(), "its group", sources=("service.namespace",)),
    Column("service_version", pa.string(), "its release", sources=("service.version",)),
    Column(
        "service_instance_id",
        pa.string(),
        "the cluster unit of all statistics; host and process id together are the last resort",
        sources=("service.instance.id", "k8s.pod.uid", "k8s.pod.name", "container.id"),
    ),
    Column(
        "deployment_environment",
        pa.string(),
        "production, staging, …",
        sources=("deployment.environment.name", "deployment.environment"),
    ),
    Column("host_name", pa.string(), "the machine", sources=("host.name",)),
    Column("k8s_pod_name", pa.string(), "the pod", sources=("k8s.pod.name",)),
    Column("resource_attributes", ATTRIBUTES, "all of the resource", nullable=False),
)

SCOPE_COLUMNS = (
    Column("scope_name", pa.string(), "the instrumentation scope"),
    Column("scope_version", pa.string(), "its version"),
    Column("scope_attributes", ATTRIBUTES, "its attributes"),
    Column("resource_schema_url", pa.string(), "semantic conventions of the resource"),
    Column("scope_schema_url", pa.string(), "semantic conventions of the scope"),
)

INGEST_COLUMNS = (
    Column("ingest_batch_id", pa.string(), "content hash of the request or file", nullable=False),
    Column("ingest_time_unix_nano", pa.int64(), "when we took it", "ns", nullable=False),
    Column("date", pa.date32(), "partition: UTC day of the row's own time", nullable=False),
)

UNKNOWN_SERVICE = "unknown_service"
