package status

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

const (
	// ExportersPath of the pages, on the port of the metrics. The query "after" is the Next of the page before.
	ExportersPath = "/exporters"
	// MaxExporters of a page.
	MaxExporters = 128
	// MaxReported exporters are reported: who asks reads no more pages.
	MaxReported = 80 * MaxExporters
	// MaxStreams of one exporter: those heard last.
	MaxStreams = 64
	// MaxPageBytes bounds a page as it is sent.
	MaxPageBytes = 1 << 20
)

// Exporters is one page of what came from each exporter, in order of address and protocol. Figures count since the collector began.
type Exporters struct {
	// Version of this form, as that of Document.
	Version int `json:"version"`
	// Instance is that of the collector, as in Document; empty where it does not say.
	Instance string `json:"instance,omitempty"`
	// Started and Time are by the collector's clock: when it began, and when the page was made.
	Started time.Time `json:"started"`
	Time    time.Time `json:"time"`
	// Exporters of this page, up to MaxExporters.
	Exporters []Exporter `json:"exporters,omitempty"`
	// Next is what to ask for after this page; empty for the last.
	Next string `json:"next,omitempty"`
	// NoRoom: the collector's bound on exporters with figures of their own is reached (exporters.limits.exporterMetrics), so that one
	// that is not here may send all the same.
	NoRoom bool `json:"noRoom,omitempty"`
	// Devices is the version of the settings of single devices that the collector has taken up (config.DevicesVersion); empty where it does
	// not say.
	Devices string `json:"devices,omitempty"`
	// StreamsLeftOut: some sequences are not followed, by the same bound. What other collectors miss of them may have come here.
	StreamsLeftOut bool `json:"streamsLeftOut,omitempty"`
}

// Exporter is what one collector knows of an address and protocol.
type Exporter struct {
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
	// Received, Decoded and Refused are datagrams.
	Received uint64 `json:"received"`
	Decoded  uint64 `json:"decoded"`
	Refused  uint64 `json:"refused,omitempty"`
	// SetsWaiting for their template now, and those that expired or were dropped.
	SetsWaiting uint64 `json:"setsWaiting,omitempty"`
	SetsExpired uint64 `json:"setsExpired,omitempty"`
	SetsDropped uint64 `json:"setsDropped,omitempty"`
	// Records decoded.
	Records uint64 `json:"records"`
	// Volume that they tell of; nil where the collector does not say.
	Volume *ledger.Volume `json:"volume,omitempty"`
	// Naming is how many of them got the names that flows carry; nil where the collector does not say.
	Naming *ledger.Naming `json:"naming,omitempty"`
	// Streams that were heard of in the last ten minutes, up to MaxStreams; StreamsLeftOut are more, as far as they are known.
	Streams        []Stream `json:"streams,omitempty"`
	StreamsLeftOut int      `json:"streamsLeftOut,omitempty"`
	// Taught is what it taught, nil where the collector does not say.
	Taught *Taught `json:"taught,omitempty"`
	// Device is what the latest of its streams that says anything of the device says; nil for nothing.
	Device *Device `json:"device,omitempty"`
}

// Device is what a device says of itself, each up to 255 bytes, empty for nothing.
type Device struct {
	Name     string `json:"name,omitempty"`
	Software string `json:"software,omitempty"`
}

// maxDevice bounds the texts of a Device, in bytes.
const maxDevice = 255

// Taught is what is known of templates, rates and clocks of an exporter's domains that were heard of lately.
type Taught struct {
	// Templates, and when one was last learned or became another one, by what this collector heard; nil for never.
	Templates        int        `json:"templates"`
	TemplatesChanged *time.Time `json:"templatesChanged,omitempty"`
	// DisputedRates, ConflictingLayouts and BootTimes: devices that share the address contradict each other in these.
	DisputedRates      bool `json:"disputedRates,omitempty"`
	ConflictingLayouts bool `json:"conflictingLayouts,omitempty"`
	BootTimes          bool `json:"bootTimes,omitempty"`
}

// Stream is one sequence of an exporter, as in the ledger.
type Stream struct {
	Port     uint16      `json:"port,omitempty"`
	Domain   uint32      `json:"domain"`
	LastSeen time.Time   `json:"lastSeen"`
	Span     ledger.Span `json:"span"`
	// Sampling is nil where the collector does not say.
	Sampling *Sampling `json:"sampling,omitempty"`
	// SkewMillis is the time of export less that of receipt of the latest datagram, in milliseconds; nil where there is none.
	SkewMillis *int64 `json:"skewMillis,omitempty"`
}

// Sampling is which rates the flows of a stream have.
type Sampling struct {
	// Rate is the latest known, 0 for none; Source where it came from: override, default, record, announced.
	Rate   uint64 `json:"rate,omitempty"`
	Source string `json:"source,omitempty"`
	// Rated and Unrated: flows have a rate, or none; both where these took turns in the last five minutes.
	Rated   bool `json:"rated,omitempty"`
	Unrated bool `json:"unrated,omitempty"`
}

// Key is what pages are in order of.
func (e *Exporter) Key() string { return e.Address + " " + e.Protocol }

// SortExporters puts exporters in the order of their keys.
func SortExporters(exporters []Exporter) {
	slices.SortFunc(exporters, func(a, b Exporter) int { return cmp.Compare(a.Key(), b.Key()) })
}

// EncodeExporters writes the page after a key of what is known of exporters, which are in order of their keys.
func EncodeExporters(all *Exporters, after string) ([]byte, error) {
	page := *all
	page.Version, page.Exporters, page.Next = Version, nil, ""
	for i := range all.Exporters {
		e := &all.Exporters[i]
		if e.Key() <= after {
			continue
		}
		if len(page.Exporters) == MaxExporters {
			break
		}
		page.Exporters = append(page.Exporters, *e)
	}
	for {
		if n := len(page.Exporters); n > 0 && page.Exporters[n-1].Key() != all.Exporters[len(all.Exporters)-1].Key() {
			page.Next = page.Exporters[n-1].Key()
		}
		text, err := json.Marshal(&page)
		if err != nil {
			return nil, fmt.Errorf("writing exporters: %w", err)
		}
		if len(text) <= MaxPageBytes {
			return text, nil
		}
		page.Exporters = page.Exporters[:len(page.Exporters)/2]
	}
}

// DecodeExporters reads a page that came from somewhere. It takes at most MaxPageBytes, and refuses what is no page of a collector: one with
// more than MaxExporters, or with more than MaxStreams of one, as soon as it comes to that. Texts are held to the bounds of this package.
func DecodeExporters(r io.Reader) (*Exporters, error) {
	read, err := io.ReadAll(io.LimitReader(r, MaxPageBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading exporters: %w", err)
	}
	if len(read) > MaxPageBytes {
		return nil, fmt.Errorf("reading exporters: the page is longer than %d KiB", MaxPageBytes>>10)
	}
	reading := pageReader{}
	if err := json.Unmarshal(read, &reading); err != nil {
		if many := (tooMany{}); errors.As(err, &many) {
			return nil, fmt.Errorf("reading exporters: %w", many)
		}
		return nil, errors.New("reading exporters: it is no JSON of a collector") // not what else it is
	}
	page := &reading.Exporters
	page.Exporters = reading.List
	if page.Version < 1 || page.Started.IsZero() || page.Time.IsZero() {
		return nil, errors.New("reading exporters: it is not a collector's")
	}
	page.Next, page.Devices, page.Instance = Text(page.Next), text(page.Devices, maxWord), Text(page.Instance)
	for i := range page.Exporters {
		e := &page.Exporters[i]
		e.Address, e.Protocol = text(e.Address, maxWord), text(e.Protocol, maxWord)
		if d := e.Device; d != nil {
			d.Name, d.Software = text(d.Name, maxDevice), text(d.Software, maxDevice)
		}
		for j := range e.Streams {
			if s := e.Streams[j].Sampling; s != nil {
				s.Source = text(s.Source, maxWord)
			}
		}
	}
	return page, nil
}
