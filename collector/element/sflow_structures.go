package element

// fields puts names with an encoding behind those that stand before it.
func (s *SFlowStructure) fields(e Encoding, names ...string) *SFlowStructure {
	for _, name := range names {
		s.Fields = append(s.Fields, SFlowField{name, e})
	}
	return s
}

var sflowStructures = standardStructures()

// standardStructures are those of flow records, enterprise 0, named and laid out as on sflow.org: "sFlow Version 5" (sflow_version_5.txt), and the
// extensions that its page of structures lists (sflow_80211.txt, sflow_tunnels.txt, sflow_drops.txt, sflow_transit.txt,
// sflow_host.txt, sflow_http.txt, sflow_application.txt, sflow_memcache.txt, sflow_infiniband.txt, draft-sflow-openflow.txt and the
// mailing list's; 1018 is of the page itself, 1043 of host-sflow's sflow.h). A structure
// with more fields than an id has room for is kept whole.
func standardStructures() (table [sflowFormats]SFlowStructure) {
	structure := func(format int, name string) *SFlowStructure {
		table[format].Name = name
		return &table[format]
	}
	structure(SFlowSample, "sample").fields(Word, "sequence_number").fields(Source, "source_id").
		fields(Word, "sample_pool", "drops").fields(InterfaceValue, "outputs", "drop_reason").fields(Text, "drop_reason_name")

	structure(1, "sampled_header").fields(Word, "protocol", "frame_length", "stripped").fields(Opaque, "header")
	sampledEthernet := func(s *SFlowStructure) {
		s.fields(Word, "length").fields(MAC, "src_mac", "dst_mac").fields(Word, "type")
	}
	sampledIPv4 := func(s *SFlowStructure) {
		s.fields(Word, "length", "protocol").fields(IPv4, "src_ip", "dst_ip").fields(Word, "src_port", "dst_port", "tcp_flags", "tos")
	}
	sampledIPv6 := func(s *SFlowStructure) {
		s.fields(Word, "length", "protocol").fields(IPv6, "src_ip", "dst_ip").fields(Word, "src_port", "dst_port", "tcp_flags", "priority")
	}
	sampledEthernet(structure(2, "sampled_ethernet"))
	sampledIPv4(structure(3, "sampled_ipv4"))
	sampledIPv6(structure(4, "sampled_ipv6"))

	structure(1001, "extended_switch").fields(Word, "src_vlan", "src_priority", "dst_vlan", "dst_priority")
	structure(1002, "extended_router").fields(Address, "nexthop").fields(Word, "src_mask_len", "dst_mask_len")
	// The AS path has segments: those of its fields that come before it and behind it are read by hand.
	structure(1003, "extended_gateway").fields(Address, "nexthop").fields(Word, "as", "src_as", "src_peer_as", "localpref")
	structure(1004, "extended_user").fields(Word, "src_charset").fields(Text, "src_user").fields(Word, "dst_charset").fields(Text, "dst_user")
	structure(1005, "extended_url").fields(Word, "direction").fields(Text, "url", "host")
	structure(1006, "extended_mpls").fields(Address, "nexthop").fields(Labels, "in_stack", "out_stack")
	structure(1007, "extended_nat").fields(Address, "src_address", "dst_address")
	structure(1008, "extended_mpls_tunnel").fields(Text, "tunnel_lsp_name").fields(Word, "tunnel_id", "tunnel_cos")
	structure(1009, "extended_mpls_vc").fields(Text, "vc_instance_name").fields(Word, "vll_vc_id", "vc_label_cos")
	structure(1010, "extended_mpls_FTN").fields(Text, "mplsFTNDescr").fields(Word, "mplsFTNMask")
	structure(1011, "extended_mpls_LDP_FEC").fields(Word, "mplsFecAddrPrefixLength")
	structure(1012, "extended_vlantunnel").fields(VLANs, "stack")

	structure(1013, "extended_80211_payload").fields(Word, "ciphersuite").fields(Opaque, "data")
	structure(1014, "extended_80211_rx").fields(Text, "ssid").fields(MAC, "bssid").fields(Word, "version", "channel").
		fields(Hyper, "speed").fields(Word, "rsni", "rcpi", "packet_duration")
	structure(1015, "extended_80211_tx").fields(Text, "ssid").fields(MAC, "bssid").fields(Word, "version", "transmissions",
		"packet_duration", "retrans_duration", "channel").fields(Hyper, "speed").fields(Word, "power")
	structure(1017, "extended_openflow_v1").fields(Hyper, "flow_cookie").fields(Word, "flow_match", "flow_actions")
	structure(1018, "extended_fc").fields(Word, "src_mask_len", "dst_mask_len", "next_hop", "metric")
	structure(1019, "extended_queue_length").fields(Word, "queueIndex", "queueLength")
	structure(1020, "extended_nat_port").fields(Word, "src_port", "dst_port")

	sampledEthernet(structure(1021, "extended_L2_tunnel_egress"))
	sampledEthernet(structure(1022, "extended_L2_tunnel_ingress"))
	sampledIPv4(structure(1023, "extended_ipv4_tunnel_egress"))
	sampledIPv4(structure(1024, "extended_ipv4_tunnel_ingress"))
	sampledIPv6(structure(1025, "extended_ipv6_tunnel_egress"))
	sampledIPv6(structure(1026, "extended_ipv6_tunnel_ingress"))
	structure(1027, "extended_decapsulate_egress").fields(Word, "inner_header_offset")
	structure(1028, "extended_decapsulate_ingress").fields(Word, "inner_header_offset")
	structure(1029, "extended_vni_egress").fields(Word, "vni")
	structure(1030, "extended_vni_ingress").fields(Word, "vni")
	structure(1031, "extended_ib_lrh").fields(Word, "src_vl", "src_sl", "src_dlid", "src_slid", "src_lnh", "dst_vl", "dst_sl", "dst_dlid",
		"dst_slid", "dst_lnh")
	structure(1032, "extended_ib_grh").fields(Word, "flow_label", "tc").fields(IPv6, "s_gid", "d_gid").fields(Word, "next_header", "length")
	structure(1033, "extended_ib_brh").fields(Word, "pkey", "dst_qp")
	structure(1034, "extended_vlanin").fields(VLANs, "stack")
	structure(1035, "extended_vlanout").fields(VLANs, "stack")

	structure(1036, "extended_egress_queue").fields(Word, "queue")
	structure(1037, "extended_acl").fields(Word, "number").fields(Text, "name").fields(Word, "direction")
	structure(1038, "extended_function").fields(Text, "symbol")
	structure(1039, "extended_transit").fields(Word, "delay")
	structure(1040, "extended_queue").fields(Word, "depth")
	structure(1041, "extended_hw_trap").fields(Text, "group", "trap")
	structure(1042, "extended_linux_drop_reason").fields(Text, "reason")
	structure(1043, "extended_timestamp").fields(Hyper, "nanoseconds")

	structure(2000, "transaction").fields(Word, "direction", "wait", "duration", "status").fields(Hyper, "bytes_received", "bytes_sent")
	structure(2001, "extended_nfs_storage_transaction").fields(Opaque, "path").fields(Word, "operation", "status")
	structure(2002, "extended_scsi_storage_transaction").fields(Word, "lun", "operation", "status")
	structure(2003, "extended_http_transaction").fields(Text, "url", "host", "referer", "useragent", "user").fields(Word, "status")
	for format, name := range map[int]string{2100: "extended_socket_ipv4", 2102: "extended_proxy_socket_ipv4"} {
		structure(format, name).fields(Word, "protocol").fields(IPv4, "local_ip", "remote_ip").fields(Word, "local_port", "remote_port")
	}
	for format, name := range map[int]string{2101: "extended_socket_ipv6", 2103: "extended_proxy_socket_ipv6"} {
		structure(format, name).fields(Word, "protocol").fields(IPv6, "local_ip", "remote_ip").fields(Word, "local_port", "remote_port")
	}
	structure(2200, "memcache_operation").fields(Word, "protocol", "cmd").fields(Text, "key").
		fields(Word, "nkeys", "value_bytes", "uS", "status")
	structure(2201, "http_request").fields(Word, "method", "protocol").fields(Text, "uri", "host", "referer", "useragent", "authuser", "mime_type").
		fields(Hyper, "bytes").fields(Word, "uS", "status")
	structure(2202, "app_operation").fields(Text, "application", "operation", "attributes", "status_descr").
		fields(Hyper, "req_bytes", "resp_bytes").fields(Word, "uS", "status")
	structure(2203, "app_parent_context").fields(Text, "application", "operation", "attributes")
	structure(2204, "app_initiator").fields(Text, "actor")
	structure(2205, "app_target").fields(Text, "actor")
	structure(2206, "http_request").fields(Word, "method", "protocol").
		fields(Text, "uri", "host", "referer", "useragent", "xff", "authuser", "mime_type").
		fields(Hyper, "req_bytes", "resp_bytes").fields(Word, "uS", "status")
	structure(2207, "extended_proxy_request").fields(Text, "uri", "host")
	structure(2209, "extended_tcp_info").fields(Word, "dir", "snd_mss", "rcv_mss", "unacked", "lost", "retrans", "pmtu", "rtt", "rttvar",
		"snd_cwnd", "reordering", "min_rtt")
	structure(2210, "extended_entities").fields(Word, "src_ds_class", "src_ds_index", "dst_ds_class", "dst_ds_index")
	return table
}
