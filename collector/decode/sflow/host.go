package sflow

import "encoding/binary"

// counterHost is the format of host_descr (sFlow Host Structures, "host_descr").
const counterHost = 2000

// Host is what an agent says of the machine that it runs on (host_descr). Texts alias the datagram and may hold anything.
type Host struct {
	// Name is its hostname, Release the operating system's, each empty for none.
	Name, Release []byte
	// Machine is the processor's architecture and System the operating system, each a word of the structure's lists, empty where it says
	// unknown, other, or what the lists do not have.
	Machine, System string
}

// The lists machine_type and os_name of host_descr, by number.
var (
	machines = [...]string{2: "x86", 3: "x86_64", 4: "ia64", 5: "sparc", 6: "alpha", 7: "powerpc", 8: "m68k", 9: "mips", 10: "arm", 11: "hppa",
		12: "s390"}
	systems = [...]string{2: "linux", 3: "windows", 4: "darwin", 5: "hpux", 6: "aix", 7: "dragonfly", 8: "freebsd", 9: "netbsd", 10: "openbsd",
		11: "osf", 12: "solaris"}
)

// classLogical is the class of a source that is no part of the machine itself: a virtual machine that the agent tells of (sFlow Host
// Structures: physical entity 2, logical entity 3).
const classLogical = 3

// hostOf reads the host that a counter sample describes; ok is false where it describes none, or another one than the agent's, or is cut
// short.
func hostOf(b []byte, expanded bool) (h Host, ok bool) {
	class, _, records, b := sampleOf(b, expanded)
	if class == classLogical {
		return h, false
	}
	for ; records > 0; records-- {
		format, body, rest, ok := counterRecordAt(b)
		if !ok {
			break
		}
		if format == counterHost {
			return readHost(body)
		}
		b = rest
	}
	return h, false
}

// readHost reads a host_descr: string hostname<64>, opaque uuid<16>, machine_type, os_name, string os_release<32>.
func readHost(b []byte) (h Host, ok bool) {
	const uuid, words = 16, 8
	if h.Name, b, ok = readText(b, 64); !ok || len(b) < uuid+words {
		return Host{}, false
	}
	b = b[uuid:]
	h.Machine, h.System = word(machines[:], b), word(systems[:], b[4:])
	if h.Release, _, ok = readText(b[words:], 32); !ok {
		return Host{}, false
	}
	return h, true
}

// readText reads a string of at most so many bytes (RFC 4506 section 4.11), with the padding behind it, which some agents leave out at the end.
func readText(b []byte, most uint32) (s, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint32(b)
	b = b[4:]
	if n > most || uint64(n) > uint64(len(b)) {
		return nil, nil, false
	}
	padded := min((int(n)+3)&^3, len(b))
	return b[:n], b[padded:], true
}

// word is that of a number, empty where the list has none.
func word(list []string, b []byte) string {
	if n := binary.BigEndian.Uint32(b); uint64(n) < uint64(len(list)) {
		return list[n]
	}
	return ""
}
