package element

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
)

// sflowCounters are the structures of counter records, enterprise 0, by format, named and laid out as on sflow.org: "sFlow Version 5"
// (sflow_version_5.txt), sflow_80211.txt, sflow_lag.txt, draft-sflow-openflow.txt, sflow_host.txt, sflow_host_ip.txt, sflow_http.txt and
// sflow_application.txt. "sFlow Version 5" has the highest number for what an agent cannot count.
var sflowCounters = counterStructures()

func counterStructures() map[uint32]*SFlowStructure {
	table := make(map[uint32]*SFlowStructure)
	structure := func(format uint32, name string) *SFlowStructure {
		table[format] = &SFlowStructure{Name: name}
		return table[format]
	}
	structure(1, "if_counters").fields(Word, "ifIndex", "ifType").fields(Hyper, "ifSpeed").fields(Word, "ifDirection", "ifStatus").
		fields(Hyper, "ifInOctets").fields(Word, "ifInUcastPkts", "ifInMulticastPkts", "ifInBroadcastPkts", "ifInDiscards", "ifInErrors",
		"ifInUnknownProtos").fields(Hyper, "ifOutOctets").fields(Word, "ifOutUcastPkts", "ifOutMulticastPkts", "ifOutBroadcastPkts",
		"ifOutDiscards", "ifOutErrors", "ifPromiscuousMode")
	structure(2, "ethernet_counters").fields(Word, "dot3StatsAlignmentErrors", "dot3StatsFCSErrors", "dot3StatsSingleCollisionFrames",
		"dot3StatsMultipleCollisionFrames", "dot3StatsSQETestErrors", "dot3StatsDeferredTransmissions", "dot3StatsLateCollisions",
		"dot3StatsExcessiveCollisions", "dot3StatsInternalMacTransmitErrors", "dot3StatsCarrierSenseErrors", "dot3StatsFrameTooLongs",
		"dot3StatsInternalMacReceiveErrors", "dot3StatsSymbolErrors")
	structure(3, "tokenring_counters").fields(Word, "dot5StatsLineErrors", "dot5StatsBurstErrors", "dot5StatsACErrors",
		"dot5StatsAbortTransErrors", "dot5StatsInternalErrors", "dot5StatsLostFrameErrors", "dot5StatsReceiveCongestions",
		"dot5StatsFrameCopiedErrors", "dot5StatsTokenErrors", "dot5StatsSoftErrors", "dot5StatsHardErrors", "dot5StatsSignalLoss",
		"dot5StatsTransmitBeacons", "dot5StatsRecoverys", "dot5StatsLobeWires", "dot5StatsRemoves", "dot5StatsSingles", "dot5StatsFreqErrors")
	structure(4, "vg_counters").fields(Word, "dot12InHighPriorityFrames").fields(Hyper, "dot12InHighPriorityOctets").
		fields(Word, "dot12InNormPriorityFrames").fields(Hyper, "dot12InNormPriorityOctets").fields(Word, "dot12InIPMErrors",
		"dot12InOversizeFrameErrors", "dot12InDataErrors", "dot12InNullAddressedFrames", "dot12OutHighPriorityFrames").
		fields(Hyper, "dot12OutHighPriorityOctets").fields(Word, "dot12TransitionIntoTrainings").fields(Hyper, "dot12HCInHighPriorityOctets",
		"dot12HCInNormPriorityOctets", "dot12HCOutHighPriorityOctets")
	structure(5, "vlan_counters").fields(Word, "vlan_id").fields(Hyper, "octets").
		fields(Word, "ucastPkts", "multicastPkts", "broadcastPkts", "discards")
	structure(6, "ieee80211_counters").fields(Word, "dot11TransmittedFragmentCount", "dot11MulticastTransmittedFrameCount", "dot11FailedCount",
		"dot11RetryCount", "dot11MultipleRetryCount", "dot11FrameDuplicateCount", "dot11RTSSuccessCount", "dot11RTSFailureCount",
		"dot11ACKFailureCount", "dot11ReceivedFragmentCount", "dot11MulticastReceivedFrameCount", "dot11FCSErrorCount",
		"dot11TransmittedFrameCount", "dot11WEPUndecryptableCount", "dot11QoSDiscardedFragmentCount", "dot11AssociatedStationCount",
		"dot11QoSCFPollsReceivedCount", "dot11QoSCFPollsUnusedCount", "dot11QoSCFPollsUnusableCount", "dot11QoSCFPollsLostCount")
	structure(7, "lag_port_stats").fields(MAC, "dot3adAggPortActorSystemID", "dot3adAggPortPartnerOperSystemID").
		fields(Word, "dot3adAggPortAttachedAggID").fields(FourBytes, "dot3adAggPortState").fields(Word, "dot3adAggPortStatsLACPDUsRx",
		"dot3adAggPortStatsMarkerPDUsRx", "dot3adAggPortStatsMarkerResponsePDUsRx", "dot3adAggPortStatsUnknownRx",
		"dot3adAggPortStatsIllegalRx", "dot3adAggPortStatsLACPDUsTx", "dot3adAggPortStatsMarkerPDUsTx",
		"dot3adAggPortStatsMarkerResponsePDUsTx")
	structure(1001, "processor").fields(Percentage, "cpu_5s", "cpu_1m", "cpu_5m").fields(Hyper, "total_memory", "free_memory")
	structure(1002, "radio_utilization").fields(Word, "elapsed_time", "on_channel_time", "on_channel_busy_time")
	structure(1004, "of_port").fields(Hyper, "datapath_id").fields(Word, "port_no")
	structure(1005, "port_name").fields(Text, "name")
	structure(2000, "host_descr").fields(Text, "hostname").fields(SixteenBytes, "uuid").fields(Word, "machine_type", "os_name").
		fields(Text, "os_release")
	structure(2002, "host_parent").fields(Word, "container_type", "container_index")
	structure(2003, "host_cpu").fields(Float, "load_one", "load_five", "load_fifteen").fields(Word, "proc_run", "proc_total", "cpu_num",
		"cpu_speed", "uptime", "cpu_user", "cpu_nice", "cpu_system", "cpu_idle", "cpu_wio", "cpu_intr", "cpu_sintr", "interrupts",
		"contexts", "cpu_steal", "cpu_guest", "cpu_guest_nice")
	structure(2004, "host_memory").fields(Hyper, "mem_total", "mem_free", "mem_shared", "mem_buffers", "mem_cached", "swap_total",
		"swap_free").fields(Word, "page_in", "page_out", "swap_in", "swap_out")
	structure(2005, "host_disk_io").fields(Hyper, "disk_total", "disk_free").fields(Percentage, "part_max_used").fields(Word, "reads").
		fields(Hyper, "bytes_read").fields(Word, "read_time", "writes").fields(Hyper, "bytes_written").fields(Word, "write_time")
	structure(2006, "host_net_io").fields(Hyper, "bytes_in").fields(Word, "pkts_in", "errs_in", "drops_in").fields(Hyper, "bytes_out").
		fields(Word, "pkts_out", "errs_out", "drops_out")
	structure(2007, "mib2_ip_group").fields(Word, "ipForwarding", "ipDefaultTTL", "ipInReceives", "ipInHdrErrors", "ipInAddrErrors",
		"ipForwDatagrams", "ipInUnknownProtos", "ipInDiscards", "ipInDelivers", "ipOutRequests", "ipOutDiscards", "ipOutNoRoutes",
		"ipReasmTimeout", "ipReasmReqds", "ipReasmOKs", "ipReasmFails", "ipFragOKs", "ipFragFails", "ipFragCreates")
	structure(2008, "mib2_icmp_group").fields(Word, "icmpInMsgs", "icmpInErrors", "icmpInDestUnreachs", "icmpInTimeExcds",
		"icmpInParamProbs", "icmpInSrcQuenchs", "icmpInRedirects", "icmpInEchos", "icmpInEchoReps", "icmpInTimestamps", "icmpInAddrMasks",
		"icmpInAddrMaskReps", "icmpOutMsgs", "icmpOutErrors", "icmpOutDestUnreachs", "icmpOutTimeExcds", "icmpOutParamProbs",
		"icmpOutSrcQuenchs", "icmpOutRedirects", "icmpOutEchos", "icmpOutEchoReps", "icmpOutTimestamps", "icmpOutTimestampReps",
		"icmpOutAddrMasks", "icmpOutAddrMaskReps")
	structure(2009, "mib2_tcp_group").fields(Word, "tcpRtoAlgorithm", "tcpRtoMin", "tcpRtoMax", "tcpMaxConn", "tcpActiveOpens",
		"tcpPassiveOpens", "tcpAttemptFails", "tcpEstabResets", "tcpCurrEstab", "tcpInSegs", "tcpOutSegs", "tcpRetransSegs", "tcpInErrs",
		"tcpOutRsts", "tcpInCsumErrors")
	structure(2010, "mib2_udp_group").fields(Word, "udpInDatagrams", "udpNoPorts", "udpInErrors", "udpOutDatagrams", "udpRcvbufErrors",
		"udpSndbufErrors", "udpInCsumErrors")
	structure(2100, "virt_node").fields(Word, "mhz", "cpus").fields(Hyper, "memory", "memory_free").fields(Word, "num_domains")
	structure(2101, "virt_cpu").fields(Word, "state", "cpuTime", "nrVirtCpu")
	structure(2102, "virt_memory").fields(Hyper, "memory", "maxMemory")
	structure(2103, "virt_disk_io").fields(Hyper, "capacity", "allocation", "available").fields(Word, "rd_req").fields(Hyper, "rd_bytes").
		fields(Word, "wr_req").fields(Hyper, "wr_bytes").fields(Word, "errs")
	structure(2104, "virt_net_io").fields(Hyper, "rx_bytes").fields(Word, "rx_packets", "rx_errs", "rx_drop").fields(Hyper, "tx_bytes").
		fields(Word, "tx_packets", "tx_errs", "tx_drop")
	structure(2201, "http_counters").fields(Word, "method_option_count", "method_get_count", "method_head_count", "method_post_count",
		"method_put_count", "method_delete_count", "method_trace_count", "method_connect_count", "method_other_count", "status_1XX_count",
		"status_2XX_count", "status_3XX_count", "status_4XX_count", "status_5XX_count", "status_other_count")
	structure(2202, "app_operations").fields(Text, "application").fields(Word, "success", "other", "timeout", "internal_error",
		"bad_request", "forbidden", "too_large", "not_implemented", "not_found", "unavailable", "unauthorized")
	structure(2203, "app_resources").fields(Word, "user_time", "system_time").fields(Hyper, "mem_used", "mem_max").
		fields(Word, "fd_open", "fd_max", "conn_open", "conn_max")
	structure(2206, "app_workers").fields(Word, "workers_active", "workers_idle", "workers_max", "req_delayed", "req_dropped")
	return table
}

// SFlowCountersName is the name of the structure of a counter record's format (its enterprise in the upper 20 bits), or
// "sflow<enterprise>.<format>" where it is not known here.
func SFlowCountersName(format uint32) string {
	if s := sflowCounters[format]; s != nil {
		return s.Name
	}
	return fmt.Sprintf("sflow%d.%d", format>>12, format&0xfff)
}

// AppendSFlowCounters appends a counter record as a JSON object of its fields, or as a string of hexadecimal digits where its structure is
// not known here. Fields that a short record lacks are left out; what a long one has behind its last field is "rest".
func AppendSFlowCounters(dst []byte, format uint32, body []byte) []byte {
	s := sflowCounters[format]
	if s == nil {
		return append(hex.AppendEncode(append(dst, '"'), body), '"')
	}
	dst = append(dst, '{')
	first := true
	member := func(name string) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(append(dst, '"'), name...), `":`...)
	}
	for _, f := range s.Fields {
		n, padded := f.lengthIn(body)
		if n < 0 {
			break
		}
		member(f.Name)
		dst = f.appendJSON(dst, body[:n])
		body = body[padded:]
	}
	if len(body) > 0 {
		member("rest")
		dst = append(hex.AppendEncode(append(dst, '"'), body), '"')
	}
	return append(dst, '}')
}

// lengthIn is how many bytes of b a counter's field takes, without and with padding; -1 where they are not there.
func (f SFlowField) lengthIn(b []byte) (n, padded int) {
	switch f.Encoding {
	case Hyper:
		n, padded = 8, 8
	case MAC:
		n, padded = 6, 8
	case SixteenBytes:
		n, padded = 16, 16
	case Text:
		if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-4) {
			return -1, 0
		}
		n = 4 + int(binary.BigEndian.Uint32(b))
		return n, min((n+3)&^3, len(b)) // some agents leave the last padding out
	default:
		n, padded = 4, 4
	}
	if padded > len(b) {
		return -1, 0
	}
	return n, padded
}

// appendJSON appends the value of a counter's field, which is as long as lengthIn says.
func (f SFlowField) appendJSON(dst, value []byte) []byte {
	switch f.Encoding {
	case Hyper:
		return strconv.AppendUint(dst, binary.BigEndian.Uint64(value), 10)
	case Float:
		v := float64(math.Float32frombits(binary.BigEndian.Uint32(value)))
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return append(dst, "null"...) // JSON has no number for it
		}
		return strconv.AppendFloat(dst, v, 'g', -1, 32)
	case Percentage:
		n := int32(binary.BigEndian.Uint32(value))
		if n < 0 {
			return append(dst, "null"...) // not known
		}
		return strconv.AppendFloat(dst, float64(n)/100, 'f', -1, 64)
	case Text:
		return AppendJSON(dst, Element{Type: String}, true, value[4:])
	case MAC:
		return AppendJSON(dst, Element{Type: MacAddress}, true, value)
	case FourBytes, SixteenBytes:
		return append(hex.AppendEncode(append(dst, '"'), value), '"')
	default:
		return strconv.AppendUint(dst, uint64(binary.BigEndian.Uint32(value)), 10)
	}
}
