package flow

import "strconv"

// String is the name of the protobuf's enumeration, or the number where it has none.
func (l Layer) String() string {
	switch l {
	case LayerEthernet:
		return "Ethernet"
	case LayerIPv4:
		return "IPv4"
	case LayerIPv6:
		return "IPv6"
	case LayerTCP:
		return "TCP"
	case LayerUDP:
		return "UDP"
	case LayerMPLS:
		return "MPLS"
	case LayerDot1Q:
		return "Dot1Q"
	case LayerICMP:
		return "ICMP"
	case LayerICMPv6:
		return "ICMPv6"
	case LayerGRE:
		return "GRE"
	case LayerIPv6HeaderRouting:
		return "IPv6HeaderRouting"
	case LayerIPv6HeaderFragment:
		return "IPv6HeaderFragment"
	case LayerGeneve:
		return "Geneve"
	case LayerTeredo:
		return "Teredo"
	case LayerCustom:
		return "Custom"
	}
	return strconv.Itoa(int(l))
}

// etherTypeName names what goflow2 names; others are empty.
func etherTypeName(etherType uint32) string {
	switch etherType {
	case 0x0800:
		return "IPv4"
	case 0x86dd:
		return "IPv6"
	case 0x0806:
		return "ARP"
	}
	return ""
}

// ProtocolName is the name of an IP protocol (IANA "Protocol Numbers"), spelt as goflow2 spells it.
func ProtocolName(protocol uint32) string {
	switch {
	case protocol < uint32(len(protocolNames)):
		return protocolNames[protocol]
	case protocol <= 252:
		return "unassigned"
	case protocol <= 254:
		return "experimental"
	case protocol == 255:
		return "reserved"
	}
	return "unknown"
}

var protocolNames = [...]string{
	"HOPOPT", "ICMP", "IGMP", "GGP", "IPv4", "ST", "TCP", "CBT", "EGP", "IGP", "BBN-RCC-MON", "NVP-II", "PUP",
	"ARGUS", "EMCON", "XNET", "CHAOS", "UDP", "MUX", "DCN-MEAS", "HMP", "PRM", "XNS-IDP", "TRUNK-1", "TRUNK-2",
	"LEAF-1", "LEAF-2", "RDP", "IRTP", "ISO-TP4", "NETBLT", "MFE-NSP", "MERIT-INP", "DCCP", "3PC", "IDPR", "XTP",
	"DDP", "IDPR-CMTP", "TP++", "IL", "IPv6", "SDRP", "IPv6-Route", "IPv6-Frag", "IDRP", "RSVP", "GRE", "DSR", "BNA",
	"ESP", "AH", "I-NLSP", "SWIPE", "NARP", "Min-IPv4", "TLSP", "SKIP", "IPv6-ICMP", "IPv6-NoNxt", "IPv6-Opts",
	"any-host-internal-protocol", "CFTP", "any-local-network", "SAT-EXPAK", "KRYPTOLAN", "RVD", "IPPC",
	"any-distributed-file-system", "SAT-MON", "VISA", "IPCV", "CPNX", "CPHB", "WSN", "PVP", "BR-SAT-MON", "SUN-ND",
	"WB-MON", "WB-EXPAK", "ISO-IP", "VMTP", "SECURE-VMTP", "VINES", "IPTM", "NSFNET-IGP", "DGP", "TCF", "EIGRP",
	"OSPFIGP", "Sprite-RPC", "LARP", "MTP", "AX.25", "IPIP", "MICP", "SCC-SP", "ETHERIP", "ENCAP",
	"any-private-encryption-scheme", "GMTP", "IFMP", "PNNI", "PIM", "ARIS", "SCPS", "QNX", "A/N", "IPComp", "SNP",
	"Compaq-Peer", "IPX-in-IP", "VRRP", "PGM", "any-0-hop-protocol", "L2TP", "DDX", "IATP", "STP", "SRP", "UTI",
	"SMP", "SM", "PTP", "ISIS over IPv4", "FIRE", "CRTP", "CRUDP", "SSCOPMCE", "IPLT", "SPS", "PIPE", "SCTP", "FC",
	"RSVP-E2E-IGNORE", "Mobility Header", "UDPLite", "MPLS-in-IP", "manet", "HIP", "Shim6", "WESP", "ROHC",
	"Ethernet", "AGGFRAG", "NSH",
}
