package decode

import (
	"bytes"
	"strings"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/decode/sflow"
	"github.com/flowfleet/flowfleet/collector/names"
)

// host is what a Device was made of: one that is said again unchanged costs a comparison.
type host struct {
	name, release   []byte
	machine, system string
}

// nameAge is after how many nanoseconds a hostname that is said again is learned again, so that it is not forgotten.
const nameAge = int64(time.Minute)

// describe notes what an agent says of its host, and reports whether that is new.
func (a *agent) describe(h *sflow.Host, store *names.Store) (changed bool) {
	if len(h.Name) == 0 && len(h.Release) == 0 && h.System == "" && h.Machine == "" {
		return false
	}
	was := &a.described
	if a.device != nil && bytes.Equal(was.name, h.Name) && bytes.Equal(was.release, h.Release) && was.machine == h.Machine && was.system == h.System {
		return false
	}
	*was = host{bytes.Clone(h.Name), bytes.Clone(h.Release), h.Machine, h.System}
	a.hostname = store.RowOf(h.Name, nil)
	a.device = &netflow.Device{Name: a.hostname.Name, Software: software(h, store)}
	return true
}

// software is such as "linux 4.19.0 (x86_64)", as far as it is said.
func software(h *sflow.Host, store *names.Store) string {
	out := h.System + " " + store.Text(h.Release)
	if h.Machine != "" {
		out += " (" + h.Machine + ")"
	}
	return strings.TrimSpace(out)
}
