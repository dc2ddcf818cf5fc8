package sflow

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
		format, body, rest, ok := recordAt(b)
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
	const longestName, longestRelease, uuid = 64, 32, 16
	c := cursor{b: b}
	h.Name = c.counted(1)
	c.take(uuid)
	h.Machine, h.System = word(machines[:], c.word()), word(systems[:], c.word())
	h.Release = c.counted(1)
	if c.bad || len(h.Name) > longestName || len(h.Release) > longestRelease {
		return Host{}, false
	}
	return h, true
}

// word is that of a number, empty where the list has none.
func word(list []string, n uint32) string {
	if uint64(n) < uint64(len(list)) {
		return list[n]
	}
	return ""
}
