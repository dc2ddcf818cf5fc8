// Package traffic sends flows of many exporters whose every record is numbered, so that whoever reads them at the other end
// can tell for each whether it arrived, once, and as it was sent.
package traffic

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Protocol is what an exporter speaks.
type Protocol string

// The protocols.
const (
	NetFlow5 Protocol = "v5"
	NetFlow9 Protocol = "v9"
	IPFIX    Protocol = "ipfix"
	SFlow    Protocol = "sflow"
)

// Names says what is known of the names of interfaces.
type Names string

// What is known of them.
const (
	NamesNone  Names = "none"  // nothing: the flows are to have none
	NamesSent  Names = "send"  // an options table names them, as often as templates are sent
	NamesKnown Names = "known" // a former run of the same exporters sent them
)

// Settings say what is sent.
type Settings struct {
	Target    netip.Addr          // where to
	Ports     map[Protocol]uint16 // at the target
	Protocols []Protocol          // exporters speak them in turns
	Exporters int
	// Source is the first exporter's address; the others have those that follow. Not set: all send from the address that the
	// system chooses, and differ in their ports.
	Source           netip.Addr
	Domains          int           // observation domains of an exporter of v9 or IPFIX, each with a template of its own
	Records          int           // in a datagram
	Rate             float64       // datagrams a second, of all exporters; templates and options come on top
	Duration         time.Duration // how long to send; or
	Datagrams        int           // how many in all (when it is not 0)
	TemplateInterval time.Duration // how often templates (and options) are sent again; 0: once
	Redefine         time.Duration // how often templates change under their id; 0: never
	Options          bool          // v9 and IPFIX tell their sampling rate in options
	Names            Names         // whether v9 and IPFIX name their interfaces in options
	Troubles         Troubles
	Run              uint8 // tells runs apart: it is in each record
}

// MaxRecords in a datagram is bounded by v5, and by what fits an Ethernet frame.
const MaxRecords = 24

// ErrSettings is wrapped by the errors of Check.
var ErrSettings = errors.New("this cannot be sent")

// Check says what is wrong with the settings.
func (s Settings) Check() error {
	problem := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrSettings, fmt.Sprintf(format, args...))
	}
	switch {
	case !s.Target.IsValid():
		return problem("no target")
	case s.Exporters < 1 || s.Exporters > 1<<16:
		return problem("%d exporters; from 1 to 65536 can be", s.Exporters)
	case s.Records < 1 || s.Records > MaxRecords:
		return problem("%d records in a datagram; from 1 to %d can be", s.Records, MaxRecords)
	case s.Domains < 1 || s.Domains > 256:
		return problem("%d domains; from 1 to 256 can be", s.Domains)
	case s.Rate <= 0:
		return problem("a rate of %g datagrams a second", s.Rate)
	case s.Duration <= 0 && s.Datagrams <= 0:
		return problem("neither a duration nor a number of datagrams")
	case s.Troubles.Skip < 0 || s.Troubles.Skip == 1:
		return problem("one of %d datagrams is to be lost; of 2 or more can be", s.Troubles.Skip)
	case len(s.Protocols) == 0:
		return problem("no protocol")
	case s.Names != "" && s.Names != NamesNone && s.Names != NamesSent && s.Names != NamesKnown:
		return problem("names %q; %s, %s and %s can be", s.Names, NamesNone, NamesSent, NamesKnown)
	}
	for _, protocol := range s.Protocols {
		switch protocol {
		case NetFlow5, NetFlow9, IPFIX, SFlow:
		default:
			return problem("protocol %q; v5, v9, ipfix and sflow can be", protocol)
		}
		if s.Ports[protocol] == 0 {
			return problem("no port for %s", protocol)
		}
	}
	return nil
}
