-- One row of sent each, under the name of the process that sent it: by what its resource tells.
-- Many senders set no service.instance.id; taken for one, what their processes do would add up.
SELECT
  * REPLACE (
    COALESCE(
      NULLIF(service_instance_id, ''),
      NULLIF(
        CONCAT_WS(
          '/',
          COALESCE(
            resource_attributes['k8s.pod.uid'],
            resource_attributes['k8s.pod.name'],
            resource_attributes['container.id'],
            resource_attributes['host.name'],
            resource_attributes['server.address']
          ),
          -- Of several processes there, each has its own.
          resource_attributes['process.pid']
        ),
        ''
      )
    ) AS service_instance_id
  )
FROM sent
