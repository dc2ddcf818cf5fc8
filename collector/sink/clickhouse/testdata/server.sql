CREATE DATABASE IF NOT EXISTS flowfleet;

CREATE TABLE IF NOT EXISTS flowfleet.flows (
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
) ENGINE = MergeTree()
PARTITION BY toDate(time_received)
ORDER BY (toStartOfFiveMinutes(time_received), sampler_address, in_if, src_addr, dst_addr, time_received)
TTL toDateTime(time_received) + INTERVAL 2592000 SECOND
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS flowfleet.interfaces_1m (
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
) ENGINE = SummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toDate(time)
ORDER BY (time, sampler_address, exporter_name, direction, interface, interface_name)
TTL time + INTERVAL 7776000 SECOND
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS flowfleet.interfaces_1m_from_flows TO flowfleet.interfaces_1m AS SELECT
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
FROM flowfleet.flows AS f ARRAY JOIN [('in', f.in_if, toString(f.in_if_name)), ('out', f.out_if, toString(f.out_if_name))] AS side
GROUP BY time, sampler_address, exporter_name, direction, interface, interface_name;

CREATE TABLE IF NOT EXISTS flowfleet.interfaces_5m (
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
) ENGINE = SummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toYYYYMM(time)
ORDER BY (time, sampler_address, exporter_name, direction, interface, interface_name)
TTL time + INTERVAL 34560000 SECOND
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS flowfleet.interfaces_5m_from_flows TO flowfleet.interfaces_5m AS SELECT
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
FROM flowfleet.flows AS f ARRAY JOIN [('in', f.in_if, toString(f.in_if_name)), ('out', f.out_if, toString(f.out_if_name))] AS side
GROUP BY time, sampler_address, exporter_name, direction, interface, interface_name;

CREATE TABLE IF NOT EXISTS flowfleet.as_1m (
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
) ENGINE = SummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toDate(time)
ORDER BY (time, sampler_address, exporter_name, src_as, dst_as)
TTL time + INTERVAL 7776000 SECOND
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS flowfleet.as_1m_from_flows TO flowfleet.as_1m AS SELECT
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
FROM flowfleet.flows AS f
GROUP BY time, sampler_address, exporter_name, src_as, dst_as;

CREATE TABLE IF NOT EXISTS flowfleet.as_5m (
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
) ENGINE = SummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toYYYYMM(time)
ORDER BY (time, sampler_address, exporter_name, src_as, dst_as)
TTL time + INTERVAL 34560000 SECOND
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS flowfleet.as_5m_from_flows TO flowfleet.as_5m AS SELECT
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
FROM flowfleet.flows AS f
GROUP BY time, sampler_address, exporter_name, src_as, dst_as;

CREATE TABLE IF NOT EXISTS flowfleet.protocols_1m (
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
) ENGINE = SummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toDate(time)
ORDER BY (time, sampler_address, exporter_name, proto, service_port)
TTL time + INTERVAL 7776000 SECOND
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS flowfleet.protocols_1m_from_flows TO flowfleet.protocols_1m AS SELECT
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
FROM flowfleet.flows AS f
GROUP BY time, sampler_address, exporter_name, proto, service_port;

CREATE TABLE IF NOT EXISTS flowfleet.protocols_5m (
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
) ENGINE = SummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toYYYYMM(time)
ORDER BY (time, sampler_address, exporter_name, proto, service_port)
TTL time + INTERVAL 34560000 SECOND
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS flowfleet.protocols_5m_from_flows TO flowfleet.protocols_5m AS SELECT
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
FROM flowfleet.flows AS f
GROUP BY time, sampler_address, exporter_name, proto, service_port;

CREATE TABLE IF NOT EXISTS flowfleet.applications_1m (
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
) ENGINE = SummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toDate(time)
ORDER BY (time, sampler_address, exporter_name, application_name)
TTL time + INTERVAL 7776000 SECOND
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS flowfleet.applications_1m_from_flows TO flowfleet.applications_1m AS SELECT
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
FROM flowfleet.flows AS f
GROUP BY time, sampler_address, exporter_name, application_name;

CREATE TABLE IF NOT EXISTS flowfleet.applications_5m (
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
) ENGINE = SummingMergeTree((flows, flows_without_rate, bytes, packets, scaled_bytes, scaled_packets))
PARTITION BY toYYYYMM(time)
ORDER BY (time, sampler_address, exporter_name, application_name)
TTL time + INTERVAL 34560000 SECOND
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS flowfleet.applications_5m_from_flows TO flowfleet.applications_5m AS SELECT
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
FROM flowfleet.flows AS f
GROUP BY time, sampler_address, exporter_name, application_name;

CREATE TABLE IF NOT EXISTS flowfleet.flows_raw (
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

CREATE MATERIALIZED VIEW IF NOT EXISTS flowfleet.flows_from_raw TO flowfleet.flows AS SELECT
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
FROM flowfleet.flows_raw AS r;

CREATE OR REPLACE VIEW flowfleet.schema_version AS SELECT 1 AS version;
