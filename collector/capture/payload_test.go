package capture

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// exportedAt is a header's time of export, in seconds since 1970.
const exportedAt = 1_700_000_000

// ipfixMessage is an IPFIX message of n bytes.
func ipfixMessage(n int) []byte {
	return join(be16(10, uint16(n), exportedAt>>16, exportedAt&0xffff), make([]byte, n-8))
}

func readFile(t *testing.T, file []byte) (datagrams []Datagram, problems []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	saved := time.Unix(exportedAt+100, 0)
	if err := os.Chtimes(path, saved, saved); err != nil {
		t.Fatal(err)
	}
	r := NewReader([]string{path}, func(p Problem) { problems = append(problems, p.Reason) })
	defer func() { _ = r.Close() }()
	for d, err := r.Next(); err == nil; d, err = r.Next() {
		kept := *d
		kept.Payload = append([]byte(nil), d.Payload...)
		datagrams = append(datagrams, kept)
	}
	return datagrams, problems
}

// An IPFIX file has one message behind the other (RFC 5655 section 6). A file of what a datagram held has one, unless its header says how
// long it is.
func TestExportsWithoutFramesAreRead(t *testing.T) {
	netflow := func(version, count uint16, records int) []byte {
		return join(be16(version, count, 0, 1000, exportedAt>>16, exportedAt&0xffff), make([]byte, 12+records))
	}
	for _, test := range []struct {
		name    string
		file    []byte
		lengths []int
		problem string
	}{
		{"an IPFIX file", join(ipfixMessage(40), ipfixMessage(16), ipfixMessage(65535)), []int{40, 16, 65535}, ""},
		{"the same in gzip", zipped(join(ipfixMessage(40), ipfixMessage(16))), []int{40, 16}, ""},
		{"one that ends within a message", join(ipfixMessage(40), ipfixMessage(30)[:20]), []int{40, 20}, "20 bytes are there"},
		{"one that ends within a length", join(ipfixMessage(40), be16(10)), []int{40, 2}, ""},
		{"a message whose length cannot be, to the end", join(be16(10, 3, exportedAt>>16, exportedAt&0xffff), make([]byte, 56)), []int{64}, ""},
		{"two packets of NetFlow v5", join(netflow(5, 2, 96), netflow(5, 1, 48)), []int{120, 72}, ""},
		{"one of NetFlow v7", netflow(7, 2, 104), []int{128}, ""},
		{"two of NetFlow v6", join(netflow(6, 2, 104), netflow(6, 1, 52)), []int{128, 76}, ""},
		{"a packet of NetFlow v5 whose count cannot be", netflow(5, 60_000, 48), []int{72}, ""},
		{"a packet of NetFlow v9, which does not tell its length", netflow(9, 2, 333), []int{357}, ""},
		{"NetFlow v9 of a clock that is not set", join(be16(9, 1, 0, 0, 0, 9), make([]byte, 8)), []int{20}, ""},
		{"sFlow", join(be16(0, 5, 0, 1), make([]byte, 20)), []int{28}, ""},
		{"more than a datagram can have", join(be16(9, 1), make([]byte, 70_000)), nil, "more than the 65535 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			datagrams, problems := readFile(t, test.file)
			if got := strings.Join(problems, "; "); test.problem == "" && got != "" || !strings.Contains(got, test.problem) {
				t.Errorf("problems %q", got)
			}
			if len(datagrams) != len(test.lengths) {
				t.Fatalf("%d datagrams", len(datagrams))
			}
			for i, d := range datagrams {
				if len(d.Payload) != test.lengths[i] || d.Frame != i+1 || d.Source != netip.MustParseAddrPort("0.0.0.0:0") {
					t.Errorf("datagram %d: %d bytes from %s", d.Frame, len(d.Payload), d.Source)
				}
				want := int64(exportedAt)
				if len(d.Payload) < 12 || d.Payload[1] == 0 || d.Payload[1] == 9 && d.Payload[8] == 0 {
					want += 100 // no time of export: the file's
				}
				if d.Time.Unix() != want {
					t.Errorf("datagram %d: received at %s", d.Frame, d.Time)
				}
			}
		})
	}
}
