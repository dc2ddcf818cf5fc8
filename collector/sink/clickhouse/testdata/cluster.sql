CREATE DATABASE IF NOT EXISTS flows ON CLUSTER 'main';

CREATE TABLE IF NOT EXISTS flows.flows ON CLUSTER 'main' (
    type Enum8('FLOWUNKNOWN' = 0, 'SFLOW_5' = 1, 'NETFLOW_V5' = 2, 'NETFLOW_V9' = 3, 'IPFIX' = 4) CODEC(ZSTD(1)),
    time_received DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    sequence_num UInt32 CODEC(ZSTD(1)),
    sampling_rate UInt64 CODEC(ZSTD(1)),
    sampler_address IPv6 CODEC(ZSTD(1)),
    time_flow_start DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    time_flow_end DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    bytes UInt64 CODEC(ZSTD(1)),
    packets UInt64 CODEC(ZSTD(1)),
    src_addr IPv6 CODEC(ZSTD(1)),
    dst_addr IPv6 CODEC(ZSTD(1)),
    etype UInt32 CODEC(ZSTD(1)),
    proto UInt32 CODEC(ZSTD(1)),
    src_port UInt32 CODEC(ZSTD(1)),
    dst_port UInt32 CODEC(ZSTD(1)),
    in_if UInt32 CODEC(ZSTD(1)),
    out_if UInt32 CODEC(ZSTD(1)),
    src_mac UInt64 CODEC(ZSTD(1)),
    dst_mac UInt64 CODEC(ZSTD(1)),
    src_vlan UInt32 CODEC(ZSTD(1)),
    dst_vlan UInt32 CODEC(ZSTD(1)),
    vlan_id UInt32 CODEC(ZSTD(1)),
    ip_tos UInt32 CODEC(ZSTD(1)),
    forwarding_status UInt32 CODEC(ZSTD(1)),
    ip_ttl UInt32 CODEC(ZSTD(1)),
    ip_flags UInt32 CODEC(ZSTD(1)),
    tcp_flags UInt32 CODEC(ZSTD(1)),
    icmp_type UInt32 CODEC(ZSTD(1)),
    icmp_code UInt32 CODEC(ZSTD(1)),
    ipv6_flow_label UInt32 CODEC(ZSTD(1)),
    fragment_id UInt32 CODEC(ZSTD(1)),
    fragment_offset UInt32 CODEC(ZSTD(1)),
    src_as UInt32 CODEC(ZSTD(1)),
    dst_as UInt32 CODEC(ZSTD(1)),
    next_hop IPv6 CODEC(ZSTD(1)),
    next_hop_as UInt32 CODEC(ZSTD(1)),
    src_net UInt32 CODEC(ZSTD(1)),
    dst_net UInt32 CODEC(ZSTD(1)),
    bgp_next_hop IPv6 CODEC(ZSTD(1)),
    bgp_communities Array(UInt32) CODEC(ZSTD(1)),
    as_path Array(UInt32) CODEC(ZSTD(1)),
    mpls_ttl Array(UInt32) CODEC(ZSTD(1)),
    mpls_label Array(UInt32) CODEC(ZSTD(1)),
    mpls_ip Array(IPv6) CODEC(ZSTD(1)),
    observation_domain_id UInt32 CODEC(ZSTD(1)),
    observation_point_id UInt32 CODEC(ZSTD(1)),
    layer_stack Array(Enum8('Ethernet' = 0, 'IPv4' = 1, 'IPv6' = 2, 'TCP' = 3, 'UDP' = 4, 'MPLS' = 5, 'Dot1Q' = 6, 'ICMP' = 7, 'ICMPv6' = 8, 'GRE' = 9, 'IPv6HeaderRouting' = 10, 'IPv6HeaderFragment' = 11, 'Geneve' = 12, 'Teredo' = 13, 'Custom' = 99)) CODEC(ZSTD(1)),
    layer_size Array(UInt32) CODEC(ZSTD(1)),
    ipv6_routing_header_addresses Array(IPv6) CODEC(ZSTD(1)),
    ipv6_routing_header_seg_left UInt32 CODEC(ZSTD(1)),
    in_if_name LowCardinality(String) CODEC(ZSTD(1)),
    in_if_description LowCardinality(String) CODEC(ZSTD(1)),
    out_if_name LowCardinality(String) CODEC(ZSTD(1)),
    out_if_description LowCardinality(String) CODEC(ZSTD(1)),
    application_name LowCardinality(String) CODEC(ZSTD(1)),
    ingress_vrf_name LowCardinality(String) CODEC(ZSTD(1)),
    egress_vrf_name LowCardinality(String) CODEC(ZSTD(1)),
    sampler_name LowCardinality(String) CODEC(ZSTD(1)),
    exporter_name LowCardinality(String) CODEC(ZSTD(1)),
    observation_domain_name LowCardinality(String) CODEC(ZSTD(1)),
    scaled_bytes Nullable(UInt64) MATERIALIZED if(sampling_rate = 0 OR toUInt128(bytes) * sampling_rate > 18446744073709551615, NULL, bytes * sampling_rate) CODEC(ZSTD(1)),
    scaled_packets Nullable(UInt64) MATERIALIZED if(sampling_rate = 0 OR toUInt128(packets) * sampling_rate > 18446744073709551615, NULL, packets * sampling_rate) CODEC(ZSTD(1))
) ENGINE = ReplicatedMergeTree()
PARTITION BY toDate(time_received)
ORDER BY (toStartOfFiveMinutes(time_received), sampler_address, in_if, src_addr, dst_addr, time_received)
TTL toDateTime(time_received) + INTERVAL 172800 SECOND
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE TABLE IF NOT EXISTS flows.interfaces_1m ON CLUSTER 'main' (
    time DateTime('UTC') CODEC(Delta, ZSTD(1)),
    sampler_address IPv6 CODEC(ZSTD(1)),
    exporter_name LowCardinality(String) CODEC(ZSTD(1)),
    direction Enum8('in' = 1, 'out' = 2) CODEC(ZSTD(1)),
    interface UInt32 CODEC(ZSTD(1)),
    interface_name LowCardinality(String) CODEC(ZSTD(1)),
    flows UInt64 CODEC(ZSTD(1)),
    flows_without_rate UInt64 CODEC(ZSTD(1)),
    bytes UInt64 CODEC(ZSTD(1)),
    packets UInt64 CODEC(ZSTD(1)),
    scaled_bytes Nullable(UInt64) CODEC(ZSTD(1)),
    scaled_packets Nullable(UInt64) CODEC(ZSTD(1))
) ENGINE = ReplicatedSummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toDate(time)
ORDER BY (time, sampler_address, exporter_name, direction, interface, interface_name)
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows.interfaces_1m_from_flows ON CLUSTER 'main' TO flows.interfaces_1m AS SELECT
    toStartOfMinute(toDateTime(f.time_received, 'UTC')) AS time,
    f.sampler_address AS sampler_address,
    f.exporter_name AS exporter_name,
    side.1 AS direction,
    side.2 AS interface,
    side.3 AS interface_name,
    count() AS flows,
    countIf(f.scaled_bytes IS NULL) AS flows_without_rate,
    sum(f.bytes) AS bytes,
    sum(f.packets) AS packets,
    sum(f.scaled_bytes) AS scaled_bytes,
    sum(f.scaled_packets) AS scaled_packets
FROM flows.flows AS f ARRAY JOIN [('in', f.in_if, toString(f.in_if_name)), ('out', f.out_if, toString(f.out_if_name))] AS side
GROUP BY time, sampler_address, exporter_name, direction, interface, interface_name;

CREATE TABLE IF NOT EXISTS flows.interfaces_5m ON CLUSTER 'main' (
    time DateTime('UTC') CODEC(Delta, ZSTD(1)),
    sampler_address IPv6 CODEC(ZSTD(1)),
    exporter_name LowCardinality(String) CODEC(ZSTD(1)),
    direction Enum8('in' = 1, 'out' = 2) CODEC(ZSTD(1)),
    interface UInt32 CODEC(ZSTD(1)),
    interface_name LowCardinality(String) CODEC(ZSTD(1)),
    flows UInt64 CODEC(ZSTD(1)),
    flows_without_rate UInt64 CODEC(ZSTD(1)),
    bytes UInt64 CODEC(ZSTD(1)),
    packets UInt64 CODEC(ZSTD(1)),
    scaled_bytes Nullable(UInt64) CODEC(ZSTD(1)),
    scaled_packets Nullable(UInt64) CODEC(ZSTD(1))
) ENGINE = ReplicatedSummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toYYYYMM(time)
ORDER BY (time, sampler_address, exporter_name, direction, interface, interface_name)
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows.interfaces_5m_from_flows ON CLUSTER 'main' TO flows.interfaces_5m AS SELECT
    toStartOfFiveMinutes(toDateTime(f.time_received, 'UTC')) AS time,
    f.sampler_address AS sampler_address,
    f.exporter_name AS exporter_name,
    side.1 AS direction,
    side.2 AS interface,
    side.3 AS interface_name,
    count() AS flows,
    countIf(f.scaled_bytes IS NULL) AS flows_without_rate,
    sum(f.bytes) AS bytes,
    sum(f.packets) AS packets,
    sum(f.scaled_bytes) AS scaled_bytes,
    sum(f.scaled_packets) AS scaled_packets
FROM flows.flows AS f ARRAY JOIN [('in', f.in_if, toString(f.in_if_name)), ('out', f.out_if, toString(f.out_if_name))] AS side
GROUP BY time, sampler_address, exporter_name, direction, interface, interface_name;

CREATE TABLE IF NOT EXISTS flows.as_1m ON CLUSTER 'main' (
    time DateTime('UTC') CODEC(Delta, ZSTD(1)),
    sampler_address IPv6 CODEC(ZSTD(1)),
    exporter_name LowCardinality(String) CODEC(ZSTD(1)),
    src_as UInt32 CODEC(ZSTD(1)),
    dst_as UInt32 CODEC(ZSTD(1)),
    flows UInt64 CODEC(ZSTD(1)),
    flows_without_rate UInt64 CODEC(ZSTD(1)),
    bytes UInt64 CODEC(ZSTD(1)),
    packets UInt64 CODEC(ZSTD(1)),
    scaled_bytes Nullable(UInt64) CODEC(ZSTD(1)),
    scaled_packets Nullable(UInt64) CODEC(ZSTD(1))
) ENGINE = ReplicatedSummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toDate(time)
ORDER BY (time, sampler_address, exporter_name, src_as, dst_as)
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows.as_1m_from_flows ON CLUSTER 'main' TO flows.as_1m AS SELECT
    toStartOfMinute(toDateTime(f.time_received, 'UTC')) AS time,
    f.sampler_address AS sampler_address,
    f.exporter_name AS exporter_name,
    f.src_as AS src_as,
    f.dst_as AS dst_as,
    count() AS flows,
    countIf(f.scaled_bytes IS NULL) AS flows_without_rate,
    sum(f.bytes) AS bytes,
    sum(f.packets) AS packets,
    sum(f.scaled_bytes) AS scaled_bytes,
    sum(f.scaled_packets) AS scaled_packets
FROM flows.flows AS f
GROUP BY time, sampler_address, exporter_name, src_as, dst_as;

CREATE TABLE IF NOT EXISTS flows.as_5m ON CLUSTER 'main' (
    time DateTime('UTC') CODEC(Delta, ZSTD(1)),
    sampler_address IPv6 CODEC(ZSTD(1)),
    exporter_name LowCardinality(String) CODEC(ZSTD(1)),
    src_as UInt32 CODEC(ZSTD(1)),
    dst_as UInt32 CODEC(ZSTD(1)),
    flows UInt64 CODEC(ZSTD(1)),
    flows_without_rate UInt64 CODEC(ZSTD(1)),
    bytes UInt64 CODEC(ZSTD(1)),
    packets UInt64 CODEC(ZSTD(1)),
    scaled_bytes Nullable(UInt64) CODEC(ZSTD(1)),
    scaled_packets Nullable(UInt64) CODEC(ZSTD(1))
) ENGINE = ReplicatedSummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toYYYYMM(time)
ORDER BY (time, sampler_address, exporter_name, src_as, dst_as)
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows.as_5m_from_flows ON CLUSTER 'main' TO flows.as_5m AS SELECT
    toStartOfFiveMinutes(toDateTime(f.time_received, 'UTC')) AS time,
    f.sampler_address AS sampler_address,
    f.exporter_name AS exporter_name,
    f.src_as AS src_as,
    f.dst_as AS dst_as,
    count() AS flows,
    countIf(f.scaled_bytes IS NULL) AS flows_without_rate,
    sum(f.bytes) AS bytes,
    sum(f.packets) AS packets,
    sum(f.scaled_bytes) AS scaled_bytes,
    sum(f.scaled_packets) AS scaled_packets
FROM flows.flows AS f
GROUP BY time, sampler_address, exporter_name, src_as, dst_as;

CREATE TABLE IF NOT EXISTS flows.protocols_1m ON CLUSTER 'main' (
    time DateTime('UTC') CODEC(Delta, ZSTD(1)),
    sampler_address IPv6 CODEC(ZSTD(1)),
    exporter_name LowCardinality(String) CODEC(ZSTD(1)),
    proto UInt32 CODEC(ZSTD(1)),
    service_port UInt32 CODEC(ZSTD(1)),
    flows UInt64 CODEC(ZSTD(1)),
    flows_without_rate UInt64 CODEC(ZSTD(1)),
    bytes UInt64 CODEC(ZSTD(1)),
    packets UInt64 CODEC(ZSTD(1)),
    scaled_bytes Nullable(UInt64) CODEC(ZSTD(1)),
    scaled_packets Nullable(UInt64) CODEC(ZSTD(1))
) ENGINE = ReplicatedSummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toDate(time)
ORDER BY (time, sampler_address, exporter_name, proto, service_port)
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows.protocols_1m_from_flows ON CLUSTER 'main' TO flows.protocols_1m AS SELECT
    toStartOfMinute(toDateTime(f.time_received, 'UTC')) AS time,
    f.sampler_address AS sampler_address,
    f.exporter_name AS exporter_name,
    f.proto AS proto,
    least(f.src_port, f.dst_port) AS service_port,
    count() AS flows,
    countIf(f.scaled_bytes IS NULL) AS flows_without_rate,
    sum(f.bytes) AS bytes,
    sum(f.packets) AS packets,
    sum(f.scaled_bytes) AS scaled_bytes,
    sum(f.scaled_packets) AS scaled_packets
FROM flows.flows AS f
GROUP BY time, sampler_address, exporter_name, proto, service_port;

CREATE TABLE IF NOT EXISTS flows.protocols_5m ON CLUSTER 'main' (
    time DateTime('UTC') CODEC(Delta, ZSTD(1)),
    sampler_address IPv6 CODEC(ZSTD(1)),
    exporter_name LowCardinality(String) CODEC(ZSTD(1)),
    proto UInt32 CODEC(ZSTD(1)),
    service_port UInt32 CODEC(ZSTD(1)),
    flows UInt64 CODEC(ZSTD(1)),
    flows_without_rate UInt64 CODEC(ZSTD(1)),
    bytes UInt64 CODEC(ZSTD(1)),
    packets UInt64 CODEC(ZSTD(1)),
    scaled_bytes Nullable(UInt64) CODEC(ZSTD(1)),
    scaled_packets Nullable(UInt64) CODEC(ZSTD(1))
) ENGINE = ReplicatedSummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toYYYYMM(time)
ORDER BY (time, sampler_address, exporter_name, proto, service_port)
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows.protocols_5m_from_flows ON CLUSTER 'main' TO flows.protocols_5m AS SELECT
    toStartOfFiveMinutes(toDateTime(f.time_received, 'UTC')) AS time,
    f.sampler_address AS sampler_address,
    f.exporter_name AS exporter_name,
    f.proto AS proto,
    least(f.src_port, f.dst_port) AS service_port,
    count() AS flows,
    countIf(f.scaled_bytes IS NULL) AS flows_without_rate,
    sum(f.bytes) AS bytes,
    sum(f.packets) AS packets,
    sum(f.scaled_bytes) AS scaled_bytes,
    sum(f.scaled_packets) AS scaled_packets
FROM flows.flows AS f
GROUP BY time, sampler_address, exporter_name, proto, service_port;

CREATE TABLE IF NOT EXISTS flows.prefixes_1m ON CLUSTER 'main' (
    time DateTime('UTC') CODEC(Delta, ZSTD(1)),
    sampler_address IPv6 CODEC(ZSTD(1)),
    exporter_name LowCardinality(String) CODEC(ZSTD(1)),
    side Enum8('dst' = 1, 'src' = 2) CODEC(ZSTD(1)),
    prefix IPv6 CODEC(ZSTD(1)),
    prefix_length UInt8 CODEC(ZSTD(1)),
    flows UInt64 CODEC(ZSTD(1)),
    flows_without_rate UInt64 CODEC(ZSTD(1)),
    bytes UInt64 CODEC(ZSTD(1)),
    packets UInt64 CODEC(ZSTD(1)),
    scaled_bytes Nullable(UInt64) CODEC(ZSTD(1)),
    scaled_packets Nullable(UInt64) CODEC(ZSTD(1))
) ENGINE = ReplicatedSummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toDate(time)
ORDER BY (time, sampler_address, exporter_name, side, prefix, prefix_length)
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows.prefixes_1m_from_flows ON CLUSTER 'main' TO flows.prefixes_1m AS SELECT
    toStartOfMinute(toDateTime(f.time_received, 'UTC')) AS time,
    f.sampler_address AS sampler_address,
    f.exporter_name AS exporter_name,
    end.1 AS side,
    IPv6CIDRToRange(end.2, end.3).1 AS prefix,
    toUInt8(end.3 - if(IPv6CIDRToRange(end.2, 96).1 = toIPv6('::ffff:0.0.0.0'), 96, 0)) AS prefix_length,
    count() AS flows,
    countIf(f.scaled_bytes IS NULL) AS flows_without_rate,
    sum(f.bytes) AS bytes,
    sum(f.packets) AS packets,
    sum(f.scaled_bytes) AS scaled_bytes,
    sum(f.scaled_packets) AS scaled_packets
FROM flows.flows AS f ARRAY JOIN [('src', f.src_addr, toUInt8(if(IPv6CIDRToRange(f.src_addr, 96).1 = toIPv6('::ffff:0.0.0.0'), 96 + if(f.src_net BETWEEN 1 AND 24, f.src_net, 24), if(f.src_net BETWEEN 1 AND 48, f.src_net, 48)))), ('dst', f.dst_addr, toUInt8(if(IPv6CIDRToRange(f.dst_addr, 96).1 = toIPv6('::ffff:0.0.0.0'), 96 + if(f.dst_net BETWEEN 1 AND 24, f.dst_net, 24), if(f.dst_net BETWEEN 1 AND 48, f.dst_net, 48))))] AS end
GROUP BY time, sampler_address, exporter_name, side, prefix, prefix_length;

CREATE TABLE IF NOT EXISTS flows.prefixes_5m ON CLUSTER 'main' (
    time DateTime('UTC') CODEC(Delta, ZSTD(1)),
    sampler_address IPv6 CODEC(ZSTD(1)),
    exporter_name LowCardinality(String) CODEC(ZSTD(1)),
    side Enum8('dst' = 1, 'src' = 2) CODEC(ZSTD(1)),
    prefix IPv6 CODEC(ZSTD(1)),
    prefix_length UInt8 CODEC(ZSTD(1)),
    flows UInt64 CODEC(ZSTD(1)),
    flows_without_rate UInt64 CODEC(ZSTD(1)),
    bytes UInt64 CODEC(ZSTD(1)),
    packets UInt64 CODEC(ZSTD(1)),
    scaled_bytes Nullable(UInt64) CODEC(ZSTD(1)),
    scaled_packets Nullable(UInt64) CODEC(ZSTD(1))
) ENGINE = ReplicatedSummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toYYYYMM(time)
ORDER BY (time, sampler_address, exporter_name, side, prefix, prefix_length)
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows.prefixes_5m_from_flows ON CLUSTER 'main' TO flows.prefixes_5m AS SELECT
    toStartOfFiveMinutes(toDateTime(f.time_received, 'UTC')) AS time,
    f.sampler_address AS sampler_address,
    f.exporter_name AS exporter_name,
    end.1 AS side,
    IPv6CIDRToRange(end.2, end.3).1 AS prefix,
    toUInt8(end.3 - if(IPv6CIDRToRange(end.2, 96).1 = toIPv6('::ffff:0.0.0.0'), 96, 0)) AS prefix_length,
    count() AS flows,
    countIf(f.scaled_bytes IS NULL) AS flows_without_rate,
    sum(f.bytes) AS bytes,
    sum(f.packets) AS packets,
    sum(f.scaled_bytes) AS scaled_bytes,
    sum(f.scaled_packets) AS scaled_packets
FROM flows.flows AS f ARRAY JOIN [('src', f.src_addr, toUInt8(if(IPv6CIDRToRange(f.src_addr, 96).1 = toIPv6('::ffff:0.0.0.0'), 96 + if(f.src_net BETWEEN 1 AND 24, f.src_net, 24), if(f.src_net BETWEEN 1 AND 48, f.src_net, 48)))), ('dst', f.dst_addr, toUInt8(if(IPv6CIDRToRange(f.dst_addr, 96).1 = toIPv6('::ffff:0.0.0.0'), 96 + if(f.dst_net BETWEEN 1 AND 24, f.dst_net, 24), if(f.dst_net BETWEEN 1 AND 48, f.dst_net, 48))))] AS end
GROUP BY time, sampler_address, exporter_name, side, prefix, prefix_length;

CREATE TABLE IF NOT EXISTS flows.applications_1m ON CLUSTER 'main' (
    time DateTime('UTC') CODEC(Delta, ZSTD(1)),
    sampler_address IPv6 CODEC(ZSTD(1)),
    exporter_name LowCardinality(String) CODEC(ZSTD(1)),
    application_name LowCardinality(String) CODEC(ZSTD(1)),
    flows UInt64 CODEC(ZSTD(1)),
    flows_without_rate UInt64 CODEC(ZSTD(1)),
    bytes UInt64 CODEC(ZSTD(1)),
    packets UInt64 CODEC(ZSTD(1)),
    scaled_bytes Nullable(UInt64) CODEC(ZSTD(1)),
    scaled_packets Nullable(UInt64) CODEC(ZSTD(1))
) ENGINE = ReplicatedSummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toDate(time)
ORDER BY (time, sampler_address, exporter_name, application_name)
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows.applications_1m_from_flows ON CLUSTER 'main' TO flows.applications_1m AS SELECT
    toStartOfMinute(toDateTime(f.time_received, 'UTC')) AS time,
    f.sampler_address AS sampler_address,
    f.exporter_name AS exporter_name,
    f.application_name AS application_name,
    count() AS flows,
    countIf(f.scaled_bytes IS NULL) AS flows_without_rate,
    sum(f.bytes) AS bytes,
    sum(f.packets) AS packets,
    sum(f.scaled_bytes) AS scaled_bytes,
    sum(f.scaled_packets) AS scaled_packets
FROM flows.flows AS f
GROUP BY time, sampler_address, exporter_name, application_name;

CREATE TABLE IF NOT EXISTS flows.applications_5m ON CLUSTER 'main' (
    time DateTime('UTC') CODEC(Delta, ZSTD(1)),
    sampler_address IPv6 CODEC(ZSTD(1)),
    exporter_name LowCardinality(String) CODEC(ZSTD(1)),
    application_name LowCardinality(String) CODEC(ZSTD(1)),
    flows UInt64 CODEC(ZSTD(1)),
    flows_without_rate UInt64 CODEC(ZSTD(1)),
    bytes UInt64 CODEC(ZSTD(1)),
    packets UInt64 CODEC(ZSTD(1)),
    scaled_bytes Nullable(UInt64) CODEC(ZSTD(1)),
    scaled_packets Nullable(UInt64) CODEC(ZSTD(1))
) ENGINE = ReplicatedSummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toYYYYMM(time)
ORDER BY (time, sampler_address, exporter_name, application_name)
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows.applications_5m_from_flows ON CLUSTER 'main' TO flows.applications_5m AS SELECT
    toStartOfFiveMinutes(toDateTime(f.time_received, 'UTC')) AS time,
    f.sampler_address AS sampler_address,
    f.exporter_name AS exporter_name,
    f.application_name AS application_name,
    count() AS flows,
    countIf(f.scaled_bytes IS NULL) AS flows_without_rate,
    sum(f.bytes) AS bytes,
    sum(f.packets) AS packets,
    sum(f.scaled_bytes) AS scaled_bytes,
    sum(f.scaled_packets) AS scaled_packets
FROM flows.flows AS f
GROUP BY time, sampler_address, exporter_name, application_name;

CREATE TABLE IF NOT EXISTS flows.flows_raw ON CLUSTER 'main' (
    type Enum8('FLOWUNKNOWN' = 0, 'SFLOW_5' = 1, 'NETFLOW_V5' = 2, 'NETFLOW_V9' = 3, 'IPFIX' = 4),
    time_received_ns UInt64,
    sequence_num UInt32,
    sampling_rate UInt64,
    sampler_address String,
    time_flow_start_ns UInt64,
    time_flow_end_ns UInt64,
    bytes UInt64,
    packets UInt64,
    src_addr String,
    dst_addr String,
    etype UInt32,
    proto UInt32,
    src_port UInt32,
    dst_port UInt32,
    in_if UInt32,
    out_if UInt32,
    src_mac UInt64,
    dst_mac UInt64,
    src_vlan UInt32,
    dst_vlan UInt32,
    vlan_id UInt32,
    ip_tos UInt32,
    forwarding_status UInt32,
    ip_ttl UInt32,
    ip_flags UInt32,
    tcp_flags UInt32,
    icmp_type UInt32,
    icmp_code UInt32,
    ipv6_flow_label UInt32,
    fragment_id UInt32,
    fragment_offset UInt32,
    src_as UInt32,
    dst_as UInt32,
    next_hop String,
    next_hop_as UInt32,
    src_net UInt32,
    dst_net UInt32,
    bgp_next_hop String,
    bgp_communities Array(UInt32),
    as_path Array(UInt32),
    mpls_ttl Array(UInt32),
    mpls_label Array(UInt32),
    mpls_ip Array(String),
    observation_domain_id UInt32,
    observation_point_id UInt32,
    layer_stack Array(Enum8('Ethernet' = 0, 'IPv4' = 1, 'IPv6' = 2, 'TCP' = 3, 'UDP' = 4, 'MPLS' = 5, 'Dot1Q' = 6, 'ICMP' = 7, 'ICMPv6' = 8, 'GRE' = 9, 'IPv6HeaderRouting' = 10, 'IPv6HeaderFragment' = 11, 'Geneve' = 12, 'Teredo' = 13, 'Custom' = 99)),
    layer_size Array(UInt32),
    ipv6_routing_header_addresses Array(String),
    ipv6_routing_header_seg_left UInt32,
    in_if_name String,
    in_if_description String,
    out_if_name String,
    out_if_description String,
    application_name String,
    ingress_vrf_name String,
    egress_vrf_name String,
    sampler_name String,
    exporter_name String,
    observation_domain_name String
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS flows.flows_from_raw ON CLUSTER 'main' TO flows.flows AS SELECT
    r.type AS type,
    fromUnixTimestamp64Nano(toInt64(r.time_received_ns), 'UTC') AS time_received,
    r.sequence_num AS sequence_num,
    r.sampling_rate AS sampling_rate,
    toIPv6(toFixedString(multiIf(length(r.sampler_address) = 16, r.sampler_address, length(r.sampler_address) = 4, concat(unhex('00000000000000000000FFFF'), r.sampler_address), ''), 16)) AS sampler_address,
    fromUnixTimestamp64Nano(toInt64(r.time_flow_start_ns), 'UTC') AS time_flow_start,
    fromUnixTimestamp64Nano(toInt64(r.time_flow_end_ns), 'UTC') AS time_flow_end,
    r.bytes AS bytes,
    r.packets AS packets,
    toIPv6(toFixedString(multiIf(length(r.src_addr) = 16, r.src_addr, length(r.src_addr) = 4, concat(unhex('00000000000000000000FFFF'), r.src_addr), ''), 16)) AS src_addr,
    toIPv6(toFixedString(multiIf(length(r.dst_addr) = 16, r.dst_addr, length(r.dst_addr) = 4, concat(unhex('00000000000000000000FFFF'), r.dst_addr), ''), 16)) AS dst_addr,
    r.etype AS etype,
    r.proto AS proto,
    r.src_port AS src_port,
    r.dst_port AS dst_port,
    r.in_if AS in_if,
    r.out_if AS out_if,
    r.src_mac AS src_mac,
    r.dst_mac AS dst_mac,
    r.src_vlan AS src_vlan,
    r.dst_vlan AS dst_vlan,
    r.vlan_id AS vlan_id,
    r.ip_tos AS ip_tos,
    r.forwarding_status AS forwarding_status,
    r.ip_ttl AS ip_ttl,
    r.ip_flags AS ip_flags,
    r.tcp_flags AS tcp_flags,
    r.icmp_type AS icmp_type,
    r.icmp_code AS icmp_code,
    r.ipv6_flow_label AS ipv6_flow_label,
    r.fragment_id AS fragment_id,
    r.fragment_offset AS fragment_offset,
    r.src_as AS src_as,
    r.dst_as AS dst_as,
    toIPv6(toFixedString(multiIf(length(r.next_hop) = 16, r.next_hop, length(r.next_hop) = 4, concat(unhex('00000000000000000000FFFF'), r.next_hop), ''), 16)) AS next_hop,
    r.next_hop_as AS next_hop_as,
    r.src_net AS src_net,
    r.dst_net AS dst_net,
    toIPv6(toFixedString(multiIf(length(r.bgp_next_hop) = 16, r.bgp_next_hop, length(r.bgp_next_hop) = 4, concat(unhex('00000000000000000000FFFF'), r.bgp_next_hop), ''), 16)) AS bgp_next_hop,
    r.bgp_communities AS bgp_communities,
    r.as_path AS as_path,
    r.mpls_ttl AS mpls_ttl,
    r.mpls_label AS mpls_label,
    arrayMap(a -> toIPv6(toFixedString(multiIf(length(a) = 16, a, length(a) = 4, concat(unhex('00000000000000000000FFFF'), a), ''), 16)), r.mpls_ip) AS mpls_ip,
    r.observation_domain_id AS observation_domain_id,
    r.observation_point_id AS observation_point_id,
    r.layer_stack AS layer_stack,
    r.layer_size AS layer_size,
    arrayMap(a -> toIPv6(toFixedString(multiIf(length(a) = 16, a, length(a) = 4, concat(unhex('00000000000000000000FFFF'), a), ''), 16)), r.ipv6_routing_header_addresses) AS ipv6_routing_header_addresses,
    r.ipv6_routing_header_seg_left AS ipv6_routing_header_seg_left,
    r.in_if_name AS in_if_name,
    r.in_if_description AS in_if_description,
    r.out_if_name AS out_if_name,
    r.out_if_description AS out_if_description,
    r.application_name AS application_name,
    r.ingress_vrf_name AS ingress_vrf_name,
    r.egress_vrf_name AS egress_vrf_name,
    r.sampler_name AS sampler_name,
    r.exporter_name AS exporter_name,
    r.observation_domain_name AS observation_domain_name
FROM flows.flows_raw AS r;

CREATE TABLE IF NOT EXISTS flows.ledger_minutes ON CLUSTER 'main' (
    minute DateTime('UTC') CODEC(ZSTD(1)),
    fleet LowCardinality(String) CODEC(ZSTD(1)),
    collector LowCardinality(String) CODEC(ZSTD(1)),
    run LowCardinality(String) CODEC(ZSTD(1)),
    share UInt64 CODEC(ZSTD(1)),
    kind LowCardinality(String) CODEC(ZSTD(1)),
    exporter IPv6 CODEC(ZSTD(1)),
    protocol LowCardinality(String) CODEC(ZSTD(1)),
    port UInt16 CODEC(ZSTD(1)),
    domain UInt32 CODEC(ZSTD(1)),
    datagrams UInt64 CODEC(ZSTD(1)),
    datagrams_refused Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)),
    sets UInt64 CODEC(ZSTD(1)),
    sets_decoded UInt64 CODEC(ZSTD(1)),
    sets_lost Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)),
    records UInt64 CODEC(ZSTD(1)),
    sampling_rate UInt64 CODEC(ZSTD(1)),
    last_seen Int64 CODEC(ZSTD(1)),
    sequence_from UInt32 CODEC(ZSTD(1)),
    sequence_next UInt32 CODEC(ZSTD(1)),
    units UInt64 CODEC(ZSTD(1)),
    units_of_run UInt64 CODEC(ZSTD(1)),
    duplicated UInt64 CODEC(ZSTD(1)),
    restarts UInt64 CODEC(ZSTD(1)),
    bytes UInt64 CODEC(ZSTD(1)),
    scaled_bytes UInt64 CODEC(ZSTD(1)),
    named Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)),
    unnamed Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)),
    kernel_dropped UInt64 CODEC(ZSTD(1)),
    records_dropped Map(LowCardinality(String), UInt64) CODEC(ZSTD(1))
) ENGINE = ReplicatedReplacingMergeTree()
PARTITION BY toDate(minute)
ORDER BY (minute, exporter, protocol, port, domain, kind, fleet, collector, run, share)
SETTINGS ttl_only_drop_parts = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

ALTER TABLE flows.ledger_minutes ON CLUSTER 'main'
    ADD COLUMN IF NOT EXISTS sampling_rate UInt64,
    ADD COLUMN IF NOT EXISTS bytes UInt64,
    ADD COLUMN IF NOT EXISTS scaled_bytes UInt64,
    ADD COLUMN IF NOT EXISTS named Map(LowCardinality(String), UInt64),
    ADD COLUMN IF NOT EXISTS unnamed Map(LowCardinality(String), UInt64);

CREATE TABLE IF NOT EXISTS flows.flows_all ON CLUSTER 'main' AS flows.flows
ENGINE = Distributed('main', 'flows', 'flows');

CREATE TABLE IF NOT EXISTS flows.interfaces_1m_all ON CLUSTER 'main' AS flows.interfaces_1m
ENGINE = Distributed('main', 'flows', 'interfaces_1m');

CREATE TABLE IF NOT EXISTS flows.interfaces_5m_all ON CLUSTER 'main' AS flows.interfaces_5m
ENGINE = Distributed('main', 'flows', 'interfaces_5m');

CREATE TABLE IF NOT EXISTS flows.as_1m_all ON CLUSTER 'main' AS flows.as_1m
ENGINE = Distributed('main', 'flows', 'as_1m');

CREATE TABLE IF NOT EXISTS flows.as_5m_all ON CLUSTER 'main' AS flows.as_5m
ENGINE = Distributed('main', 'flows', 'as_5m');

CREATE TABLE IF NOT EXISTS flows.protocols_1m_all ON CLUSTER 'main' AS flows.protocols_1m
ENGINE = Distributed('main', 'flows', 'protocols_1m');

CREATE TABLE IF NOT EXISTS flows.protocols_5m_all ON CLUSTER 'main' AS flows.protocols_5m
ENGINE = Distributed('main', 'flows', 'protocols_5m');

CREATE TABLE IF NOT EXISTS flows.prefixes_1m_all ON CLUSTER 'main' AS flows.prefixes_1m
ENGINE = Distributed('main', 'flows', 'prefixes_1m');

CREATE TABLE IF NOT EXISTS flows.prefixes_5m_all ON CLUSTER 'main' AS flows.prefixes_5m
ENGINE = Distributed('main', 'flows', 'prefixes_5m');

CREATE TABLE IF NOT EXISTS flows.applications_1m_all ON CLUSTER 'main' AS flows.applications_1m
ENGINE = Distributed('main', 'flows', 'applications_1m');

CREATE TABLE IF NOT EXISTS flows.applications_5m_all ON CLUSTER 'main' AS flows.applications_5m
ENGINE = Distributed('main', 'flows', 'applications_5m');

CREATE TABLE IF NOT EXISTS flows.ledger_minutes_all ON CLUSTER 'main' AS flows.ledger_minutes
ENGINE = Distributed('main', 'flows', 'ledger_minutes');

ALTER TABLE flows.ledger_minutes_all ON CLUSTER 'main'
    ADD COLUMN IF NOT EXISTS sampling_rate UInt64,
    ADD COLUMN IF NOT EXISTS bytes UInt64,
    ADD COLUMN IF NOT EXISTS scaled_bytes UInt64,
    ADD COLUMN IF NOT EXISTS named Map(LowCardinality(String), UInt64),
    ADD COLUMN IF NOT EXISTS unnamed Map(LowCardinality(String), UInt64);

CREATE OR REPLACE VIEW flows.completeness ON CLUSTER 'main' AS
SELECT minute, exporter, sum(a.sent) AS sent, sum(a.received) AS received, sent - received AS missed,
    sum(a.datagrams) AS datagrams, sum(a.datagrams_refused) AS datagrams_refused, sum(a.sets) AS sets, sum(a.sets_lost) AS sets_lost,
    sum(a.records) AS records, sum(a.stored) AS stored,
    if(sent > 0, least(1, received / sent) * if(sets > 0, greatest(0, 1 - sets_lost / sets), 1) * if(records > 0, least(1, stored / records), 1), NULL) AS share,
    if(stored > 0, 1 - sum(a.without_rate) / stored, NULL) AS share_with_rate,
    if(sum(a.sides) > 0, sum(a.sides_named) / sum(a.sides), NULL) AS share_named
FROM (
    SELECT minute, exporter, toInt64(s.sent) AS sent, toInt64(s.received) AS received, toInt64(0) AS datagrams, toInt64(0) AS datagrams_refused, toInt64(0) AS sets, toInt64(0) AS sets_lost, toInt64(0) AS records, toInt64(0) AS stored, toInt64(0) AS without_rate, toInt64(0) AS sides, toInt64(0) AS sides_named
    FROM (SELECT minute, exporter, units AS received, if(goes_on,
            highest - lagInFrame(highest) OVER (PARTITION BY fleet, exporter, protocol, port, domain, begun ORDER BY minute ROWS BETWEEN 1 PRECEDING AND CURRENT ROW),
            toInt64(units) + greatest(0, toInt64(length) - toInt64(came))) AS sent
        FROM (SELECT *, max(place) OVER (PARTITION BY fleet, exporter, protocol, port, domain, begun ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS highest
        FROM (SELECT *, sum(NOT goes_on) OVER w AS begun, sum(if(goes_on, ifNull(step, 0), 0)) OVER w AS place
        FROM (SELECT *, lagInFrame(toNullable(top)) OVER w AS last, toInt32(top - last) AS step,
            ifNull(NOT restarted AND step >= -4096 AND step - toInt64(units) <= 1048576, 0) AS goes_on
        FROM (SELECT fleet, exporter, protocol, port, domain, minute, sum(m.units) AS units, max(m.restarts) > 0 AS restarted,
            groupArray((m.restarts > 0, m.last_seen, m.sequence_from, m.sequence_next, if(m.restarts > 0, m.units_of_run, m.units))) AS shares,
            arrayFilter(s -> s.1 OR NOT restarted OR s.2 = arrayMax(o -> o.2, shares), shares) AS judged,
            arraySort(s -> (s.2, s.1), judged)[-1] AS heard, heard.4 AS latest,
            arrayFilter(s -> abs(toInt32(s.4 - latest)) <= 1048576, judged) AS run,
            toUInt32(latest + arrayMax(s -> toInt32(s.4 - latest), run)) AS top,
            if(heard.1 OR NOT restarted, arrayMax(s -> toUInt32(top - s.3), run), 0) AS length, arraySum(s -> s.5, shares) AS came
        FROM (SELECT * FROM flows.ledger_minutes_all WHERE kind = 'stream' AND (units > 0 OR datagrams > 0 OR restarts > 0) AND minute >= {from:DateTime('UTC')} - INTERVAL 1 HOUR AND minute < {to:DateTime('UTC')} LIMIT 1 BY minute, exporter, protocol, port, domain, kind, fleet, collector, run, share) AS m GROUP BY fleet, exporter, protocol, port, domain, minute) WINDOW w AS (PARTITION BY fleet, exporter, protocol, port, domain ORDER BY minute ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)) WINDOW w AS (PARTITION BY fleet, exporter, protocol, port, domain ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)))) AS s WHERE minute >= {from:DateTime('UTC')} AND minute < {to:DateTime('UTC')}
    UNION ALL SELECT minute, exporter, toInt64(0) AS sent, toInt64(0) AS received, toInt64(m.datagrams) AS datagrams, toInt64(arraySum(mapValues(m.datagrams_refused))) AS datagrams_refused, toInt64(m.sets) AS sets, toInt64(arraySum(mapValues(m.sets_lost))) AS sets_lost, toInt64(m.records) AS records, toInt64(0) AS stored, toInt64(0) AS without_rate, toInt64(0) AS sides, toInt64(0) AS sides_named
    FROM (SELECT * FROM flows.ledger_minutes_all WHERE kind != 'collector' AND minute >= {from:DateTime('UTC')} AND minute < {to:DateTime('UTC')} LIMIT 1 BY minute, exporter, protocol, port, domain, kind, fleet, collector, run, share) AS m
    UNION ALL SELECT time AS minute, sampler_address AS exporter, toInt64(0) AS sent, toInt64(0) AS received, toInt64(0) AS datagrams, toInt64(0) AS datagrams_refused, toInt64(0) AS sets, toInt64(0) AS sets_lost, toInt64(0) AS records, toInt64(f.flows) AS stored, toInt64(f.flows_without_rate) AS without_rate, toInt64(0) AS sides, toInt64(0) AS sides_named
    FROM flows.protocols_1m_all AS f WHERE time >= {from:DateTime('UTC')} AND time < {to:DateTime('UTC')}
    UNION ALL SELECT time AS minute, sampler_address AS exporter, toInt64(0) AS sent, toInt64(0) AS received, toInt64(0) AS datagrams, toInt64(0) AS datagrams_refused, toInt64(0) AS sets, toInt64(0) AS sets_lost, toInt64(0) AS records, toInt64(0) AS stored, toInt64(0) AS without_rate, toInt64(f.flows) AS sides, toInt64(if(f.interface_name != '', f.flows, 0)) AS sides_named
    FROM flows.interfaces_1m_all AS f WHERE time >= {from:DateTime('UTC')} AND time < {to:DateTime('UTC')}
) AS a
GROUP BY minute, exporter
ORDER BY minute, exporter;

CREATE OR REPLACE VIEW flows.schema_version ON CLUSTER 'main' AS SELECT 5 AS version;
