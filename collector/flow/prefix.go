package flow

// LongestPrefix4 is how many bits an address of IPv4 has.
const LongestPrefix4 = 32

// DropLongPrefixes4 takes prefixes from IPv4 addresses that have not as many bits (RFC 7012, sourceIPv4PrefixLength: 0 to 32): they are 0 then,
// none.
func (r *Record) DropLongPrefixes4() {
	if r.SrcAddr.Len() == 4 && r.SrcNet > LongestPrefix4 {
		r.SrcNet = 0
	}
	if r.DstAddr.Len() == 4 && r.DstNet > LongestPrefix4 {
		r.DstNet = 0
	}
}
